"""siamaudio evaluate-retrieval: how well search by example works."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

import siamaudio as sa
from siamaudio.cli._shared import (
    AllowTrained,
    Classes,
    Device,
    Json,
    NumThreads,
    chosen_clips,
    load_embedder,
    print_json,
)
from siamaudio.errors import ParameterError

__all__ = ["EXAMPLES", "SEE_ALSO", "evaluate_retrieval"]

EXAMPLES = """\
siamaudio evaluate-retrieval net.siam sounds.zarr
siamaudio evaluate-retrieval yamnet.safetensors y.zarr --policy fold-disjoint --k 1 10
"""
SEE_ALSO = "search, evaluate, linear-separability"


def evaluate_retrieval(
    net: Path,
    features: Path,
    /,
    *,
    classes: Classes = None,
    superclasses: Path | None = None,
    metric: Literal["cosine", "euclidean"] = "cosine",
    policy: Literal["all", "source-disjoint", "fold-disjoint"] = "all",
    k: Annotated[list[int], Parameter(name=["--k", "-k"], consume_multiple=True, negative="")] = [  # noqa: B006
        1,
        2,
        3,
        4,
        5,
        10,
    ],
    allow_trained_classes: AllowTrained = False,
    device: Device = "cpu",
    num_threads: NumThreads = None,
    json: Json = False,
) -> None:
    """Measure search by example: each clip is the query once, and all clips that it may meet are ranked.

    Parameters
    ----------
    net
        A network, an autoencoder, or YAMNet: *.siam, *.safetensors, *.tflite or *.h5.
    features
        A feature store made with the same options as the one it was trained on.
    superclasses
        A JSON file of the superclass of each class, by which the rankings are scored, too.
    metric
        How embeddings are compared that are not a network's own.
    policy
        What a query meets: all other clips, only those of other sources, or only those of other folds.
    k
        For the figures at k.
    """
    embedder = load_embedder(net, device=device)
    result = sa.evaluate_retrieval(
        embedder,
        chosen_clips(embedder, sa.Features.load(features), classes),
        superclasses=None if superclasses is None else _read_superclasses(superclasses),
        metric=metric,
        policy=policy,
        k=k,
        allow_trained_classes=allow_trained_classes,
        num_threads=num_threads,
    )
    if json:
        print_json(result.to_dict())
        return
    print(f"{result.description}; {result.num_clips} clips")
    print(result.summary().to_string(float_format="{:.1%}".format, na_rep=""))


def _read_superclasses(path: Path) -> dict[str, str]:
    accepted = 'a JSON object of class names, such as {"dog": "animal"}'
    try:
        values = json_text.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ParameterError("--superclasses", f"{path} ({error})", accepted) from error
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise ParameterError("--superclasses", str(path), accepted)
    return values
