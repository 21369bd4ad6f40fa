"""siamaudio linear-separability: how well a plane divides the embeddings of two classes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

import siamaudio as sa
from siamaudio.cli._shared import Classes, Device, Json, NumThreads, chosen_clips, load_embedder, print_json

__all__ = ["EXAMPLES", "SEE_ALSO", "linear_separability"]

EXAMPLES = """\
siamaudio linear-separability yamnet.safetensors y.zarr --own-folds
siamaudio linear-separability vae.siam sounds.zarr --folds 10 --pca 0.95
"""
SEE_ALSO = "evaluate-retrieval, embedding-report"


def linear_separability(
    net: Path,
    features: Path,
    /,
    *,
    classes: Classes = None,
    folds: int = 5,
    own_folds: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    classifiers: Annotated[
        list[Literal["logistic_regression", "linear_svm"]], Parameter(consume_multiple=True, negative="")
    ] = ["logistic_regression", "linear_svm"],  # noqa: B006
    variance_threshold: float = 0.0,
    pca: int | float | None = None,
    standardize: Annotated[bool, Parameter(negative="--no-standardize")] = True,
    c: float = 1.0,
    seed: int = 0,
    device: Device = "cpu",
    num_threads: NumThreads = None,
    json: Json = False,
) -> None:
    """Tell classes apart by linear classifiers of the embeddings, in cross-validation.

    Parameters
    ----------
    net
        A network, an autoencoder, or YAMNet: *.siam, *.safetensors, *.tflite or *.h5.
    features
        A feature store made with the same options as the one it was trained on.
    folds
        How many to draw, with equal shares of the classes.
    own_folds
        The data set's own folds instead, such as ESC-50's.
    classifiers
        Which.
    variance_threshold
        Leave out numbers of the embeddings that vary less.
    pca
        Principal components; a share below 1: as many as explain that share of the variance.
    standardize
        Scale each number.
    c
        Inverse strength of the regularisation.
    seed
        Of the folds that are drawn.
    """
    embedder = load_embedder(net, device=device)
    clips = chosen_clips(embedder, sa.Features.load(features), classes)
    result = sa.evaluation.linear_separability(
        embedder.embed(clips, num_threads=num_threads),
        [clips.class_names[label] for label in clips.labels],
        folds=clips.clips.folds if own_folds else folds,
        classifiers=classifiers,
        variance_threshold=variance_threshold,
        pca=pca,
        standardize=standardize,
        c=c,
        seed=seed,
    )
    if json:
        print_json(
            {
                "accuracy": result.accuracy,
                "fold_accuracies": {name: list(each) for name, each in result.fold_accuracies.items()},
                "classes": list(result.classes),
                "num_features": list(result.num_features),
            }
        )
        return
    for name, accuracy in result.accuracy.items():
        each = ", ".join(f"{fold:.1%}" for fold in result.fold_accuracies[name])
        print(f"{name:<20} {accuracy:6.1%}  of the folds: {each}")
