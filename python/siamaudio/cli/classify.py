"""siamaudio classify: which class a recording belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import siamaudio as sa
from siamaudio.cli._shared import Device, Json, NumThreads, load_embedder, print_json
from siamaudio.errors import ParameterError

if TYPE_CHECKING:
    from siamaudio.search.embedders import Embedder

__all__ = ["EXAMPLES", "SEE_ALSO", "classify"]

EXAMPLES = """\
siamaudio classify net.siam --supports examples query.wav
siamaudio classify net.siam --supports examples monday.wav tuesday.wav --json
siamaudio classify yamnet.safetensors --supports examples query.wav
siamaudio classify yamnet.safetensors query.wav
"""
SEE_ALSO = "train, explain, search, evaluate"


def classify(
    model: Path,
    /,
    *queries: Path,
    supports: Path | None = None,
    device: Device = "cpu",
    num_threads: NumThreads = None,
    json: Json = False,
) -> None:
    """Tell which class each recording belongs to, from one or a few examples of each class.

    Parameters
    ----------
    model
        A network that `siamaudio train` wrote, an autoencoder, or YAMNet: *.siam, *.safetensors, *.tflite or *.h5.
    queries
        Recordings to classify.
    supports
        A folder with one subfolder of recordings a class, or one recording a class named after it. Without it the
        model's own classifier answers: a network's of its training classes, where it was trained with a loss of
        classes, or YAMNet's 521.
    """
    if not queries:
        raise ParameterError("queries", "no recordings", "one or more recordings")
    net = load_embedder(model, device=device)
    if supports is None:
        _by_own_classes(net, queries, num_threads, json)
        return
    result = sa.classify_oneshot(net, supports, queries, num_threads=num_threads)
    if json:
        print_json(result.to_dict())
        return
    for record in result.to_dict():
        ranked = sorted(record["similarities"].items(), key=lambda item: -item[1])
        shown = ", ".join(f"{name} {similarity:.3f}" for name, similarity in ranked)
        print(f"{record['query']}: {record['prediction']}  ({shown})")


def _by_own_classes(net: Embedder, queries: tuple[Path, ...], num_threads: int | None, as_json: bool) -> None:
    clips: Any = sa.datasets.Clips(paths=queries, class_of_clip=["unknown"] * len(queries))
    options: Any = {"cache": False, "num_threads": num_threads, "progress": False}
    if isinstance(net, sa.SiameseNetwork):
        if net.front_end_ is None:
            raise ParameterError("model", "a network trained on arrays", "one trained on features of audio files")
        predictions = net.predict(net.front_end_.transform(clips, **options), num_threads=num_threads)
    elif isinstance(net, sa.models.Yamnet):
        predictions = net.predict(sa.models.yamnet_features(clips, **options), num_threads=num_threads)
    else:
        raise ParameterError("--supports", "none", "a folder: an autoencoder knows no classes")
    named = zip(map(str, queries), predictions, strict=True)
    if as_json:
        print_json([{"query": query, "prediction": str(prediction)} for query, prediction in named])
        return
    for query, prediction in named:
        print(f"{query}: {prediction}")
