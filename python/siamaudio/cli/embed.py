"""siamaudio embed: spectrograms become vectors in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import siamaudio as sa
from siamaudio.cli._shared import (
    Device,
    DryRun,
    Json,
    NumThreads,
    Out,
    check_output,
    load_embedder,
    print_json,
    print_plan,
)

__all__ = ["EXAMPLES", "FILES", "SEE_ALSO", "embed"]

EXAMPLES = """\
siamaudio embed net.siam sounds.zarr -o vectors.npy
siamaudio embed yamnet.safetensors y.zarr -o vectors.zarr
"""
FILES = """\
*.npy      vectors (clips, dim), float32
*.npz      embeddings, class_name, source, fold, path
*.parquet  a row a clip: path, class, source, fold, embedding
*.zarr     features, which `siamaudio train --preset yamnet_head` takes
"""
SEE_ALSO = "embedding-map, linear-separability, index"
_SUFFIXES = (".npy", ".npz", ".parquet", ".zarr")


def embed(
    net: Path,
    features: Path,
    /,
    *,
    out: Out,
    device: Device = "cpu",
    num_threads: NumThreads = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Turn spectrograms into embeddings, one vector a clip.

    Parameters
    ----------
    net
        A network, an autoencoder, or YAMNet: *.siam, *.safetensors, *.tflite or *.h5.
    features
        A feature store made with the same options as the one it was trained on.
    out
        A file of one of the kinds below.
    """
    check_output(out, _SUFFIXES)
    embedder = load_embedder(net, device=device)
    data = sa.Features.load(features)
    if dry_run:
        dim = embedder.embed(data[:1]).shape[1]
        print_plan(out, f"{len(data)} vectors of {dim} numbers", json, shape=[len(data), dim])
        return
    vectors = embedder.embed(data, num_threads=num_threads)
    _write(out, vectors, data)
    if json:
        print_json({"path": str(out), "shape": list(vectors.shape)})
        return
    print(f"{out}: {len(vectors)} vectors of {vectors.shape[1]} numbers")


def _write(out: Path, vectors: np.ndarray, data: sa.Features) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    classes = [data.class_names[label] for label in data.labels]
    if out.suffix == ".npy":
        np.save(out, vectors)
    elif out.suffix == ".zarr":
        sa.Features(vectors[:, np.newaxis], clips=data.clips).save(out)
    elif out.suffix == ".npz":
        folds, paths = data.clips.folds, np.asarray(data.clips.paths)
        np.savez(out, embeddings=vectors, class_name=classes, source=data.sources, fold=folds, path=paths)
    else:
        import pandas as pd

        table = {"path": data.clips.paths, "class": classes, "source": data.sources, "fold": data.clips.folds}
        pd.DataFrame({**table, "embedding": list(vectors)}).to_parquet(out)
