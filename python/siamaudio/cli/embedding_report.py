"""siamaudio embedding-report: what classifiers make of a network's embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

import siamaudio as sa
from siamaudio.cli._shared import Device, Json, NumThreads, load_embedder, print_json

__all__ = ["EXAMPLES", "SEE_ALSO", "embedding_report"]

EXAMPLES = """\
siamaudio embedding-report net.siam train.zarr test.zarr
siamaudio embedding-report net.siam sounds.zarr --classifiers knn forest --no-maps --json
"""
SEE_ALSO = "embedding-map, linear-separability, evaluate"

Classifier = Literal["average_distance", "knn", "svm_linear", "svm_polynomial", "svm_rbf", "forest"]


def embedding_report(
    net: Path,
    train: Path,
    test: Path | None = None,
    /,
    *,
    classifiers: Annotated[list[Classifier], Parameter(consume_multiple=True, negative="")] = [  # noqa: B006
        "average_distance",
        "knn",
        "svm_linear",
        "svm_polynomial",
        "svm_rbf",
        "forest",
    ],
    neighbours: Annotated[list[int] | None, Parameter(consume_multiple=True, negative="")] = None,
    trees: Annotated[list[int], Parameter(consume_multiple=True, negative="")] = [25, 50, 75, 100],  # noqa: B006
    maps: Annotated[bool, Parameter(negative="--no-maps")] = True,
    perplexity: float = 30.0,
    seed: int = 0,
    device: Device = "cpu",
    num_threads: NumThreads = None,
    json: Json = False,
) -> None:
    """Try the classifiers of Lloret 2019 on a network's embeddings: accuracy of each.

    Parameters
    ----------
    net
        A network, an autoencoder, or YAMNet: *.siam, *.safetensors, *.tflite or *.h5.
    train
        A feature store, of clips to classify by.
    test
        A feature store of the same classes, of clips to classify; without one each clip is classified by all others,
        for which support vector machines and forests take long.
    classifiers
        Which.
    neighbours
        For knn; by default 1, 5, 15 and 25, as far as there are so many clips.
    trees
        For forest.
    maps
        Make the two maps, principal components and t-SNE, that --json prints.
    perplexity
        Of t-SNE, about how many neighbours of a clip count.
    seed
        Of forests and t-SNE.
    """
    embedder = load_embedder(net, device=device)
    parts = []
    for path in (train, test):
        data = None if path is None else sa.Features.load(path)
        if data is None or isinstance(embedder, sa.SiameseNetwork):
            parts.append(data)
        else:
            names = [data.class_names[label] for label in data.labels]
            parts.append((embedder.embed(data, num_threads=num_threads), names))
    found = sa.embedding_report(
        embedder if isinstance(embedder, sa.SiameseNetwork) else None,
        parts[0],
        parts[1],
        classifiers=classifiers,
        neighbours=neighbours,
        trees=trees,
        maps=maps,
        perplexity=perplexity,
        seed=seed,
        num_threads=num_threads,
    )
    if json:
        print_json(found.to_dict())
        return
    print(found)
    for name, result in found.results.items():
        low, high = result.interval.low, result.interval.high
        print(f"  {name:<24} {result.accuracy:6.1%}  [{low:.1%}, {high:.1%}]")
