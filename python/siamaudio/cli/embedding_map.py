"""siamaudio embedding-map: embeddings in the plane, to look around in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

import siamaudio as sa
from siamaudio.cli._shared import (
    Classes,
    Device,
    DryRun,
    Json,
    NumThreads,
    Out,
    check_output,
    chosen_clips,
    load_embedder,
    print_json,
    print_plan,
)

__all__ = ["EXAMPLES", "SEE_ALSO", "embedding_map"]

EXAMPLES = """\
siamaudio embedding-map net.siam sounds.zarr -o map.html
siamaudio embedding-map net.siam sounds.zarr -o map.html --method pca --classes dog rain sea
"""
SEE_ALSO = "embedding-report, embed, search"


def embedding_map(
    net: Path,
    features: Path,
    /,
    *,
    out: Out,
    classes: Classes = None,
    method: Literal["tsne", "pca", "umap"] = "tsne",
    perplexity: float = 30.0,
    seed: int = 0,
    title: str = "Map of embeddings",
    thumbnails: Annotated[bool, Parameter(negative="--no-thumbnails")] = True,
    sounds: Annotated[bool, Parameter(negative="--no-sounds")] = True,
    device: Device = "cpu",
    num_threads: NumThreads = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Place the embeddings of clips in the plane, in an HTML page to see and to hear them.

    Parameters
    ----------
    net
        A network, an autoencoder, or YAMNet: *.siam, *.safetensors, *.tflite or *.h5.
    features
        A feature store made with the same options as the one it was trained on.
    out
        The page, a file such as map.html.
    method
        t-SNE or UMAP, which keep neighbours together, or the two directions in which embeddings differ most.
    perplexity
        Of t-SNE, about how many neighbours of a clip count.
    seed
        Of t-SNE and UMAP.
    title
        Heading of the page.
    thumbnails
        Show spectrograms.
    sounds
        Let the recordings be heard, as far as their files are there.
    """
    check_output(out, (".html",))
    embedder = load_embedder(net, device=device)
    clips = chosen_clips(embedder, sa.Features.load(features), classes)
    if dry_run:
        content = f"a map of {len(clips)} clips of {len(clips.class_names)} classes"
        print_plan(out, content, json, num_clips=len(clips), classes=list(clips.class_names))
        return
    vectors = embedder.embed(clips, num_threads=num_threads)
    made = sa.embedding_map(vectors, features=clips, method=method, perplexity=perplexity, seed=seed)
    made.write_html(out, title=title, thumbnails=thumbnails, sounds=sounds)
    if json:
        print_json({"path": str(out), "clips": made.to_frame().to_dict("records")})
        return
    print(f"{out}: a map of {len(made)} clips of {len(made.classes)} classes")
