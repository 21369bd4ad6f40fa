"""Exact one-shot evaluation."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from siamaudio._engine import core
from siamaudio.errors import DatasetError, ParameterError
from siamaudio.features import Features
from siamaudio.network import SiameseNetwork

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["OneShotResult", "evaluate_oneshot"]


@dataclasses.dataclass(frozen=True, eq=False)
class OneShotResult:
    """Accuracy over every possible one-shot task.

    Attributes
    ----------
    accuracy : float
        Mean over the classes, in [0, 1].
    per_class : dict from str to float
        Accuracy of the queries of each class.
    confusion : np.ndarray [shape=(classes, classes), dtype=float64]
        Share of the tasks with a query of class [row] that are answered by class [column]; rows add up to 1.
    classes : tuple of str
        Names of the rows and columns.
    ways : int
        Classes a task.
    chance : float
        Accuracy of guessing, ``1 / ways``.
    baseline : float or None
        Accuracy of the nearest raw spectrogram on the same tasks; None where there are no spectrograms.
    num_clips : int
        Clips that took part, each as query and as support.
    protocol : str
        How the figure was computed, in words.
    """

    accuracy: float
    per_class: dict[str, float]
    confusion: npt.NDArray[np.float64]
    classes: tuple[str, ...]
    ways: int
    chance: float
    baseline: float | None
    num_clips: int
    protocol: str

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return {**dataclasses.asdict(self), "confusion": self.confusion.tolist(), "classes": list(self.classes)}

    def to_frame(self) -> pd.DataFrame:
        """Return one row a class: its accuracy, and the class that its queries are most often taken for."""
        import pandas as pd

        mistakes = self.confusion.copy()
        np.fill_diagonal(mistakes, 0)
        rows = {
            "accuracy": list(self.per_class.values()),
            "mistaken_for": [self.classes[row.argmax()] if row.any() else None for row in mistakes],
            "mistaken_share": mistakes.max(axis=1),
        }
        return pd.DataFrame(rows, index=pd.Index(self.classes, name="class"))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the accuracy of each class beside chance and baseline.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None
            Where to draw; None: new axes.
        """
        from siamaudio import plotting

        return plotting.plot_per_class(self, ax=ax)

    def plot_confusion(self, ax: Axes | None = None) -> Axes:
        """Draw the confusion matrix.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None
            Where to draw; None: new axes.
        """
        from siamaudio import plotting

        return plotting.plot_confusion(self, ax=ax)

    def __repr__(self) -> str:
        baseline = "" if self.baseline is None else f", raw spectrograms {self.baseline:.1%}"
        return f"OneShotResult({self.ways}-way accuracy {self.accuracy:.1%}{baseline}, chance {self.chance:.1%})"

    def _repr_html_(self) -> str:
        return f"<p>{self!r}</p>{self.to_frame().to_html(float_format='{:.1%}'.format)}"


def evaluate_oneshot(
    net: SiameseNetwork | None = None,
    features: Features | None = None,
    *,
    ways: int = 5,
    similarity: npt.ArrayLike | None = None,
    embeddings: npt.ArrayLike | None = None,
    labels: Sequence[str] | npt.ArrayLike | None = None,
    metric: Literal["cosine", "euclidean"] = "cosine",
    allow_trained_classes: bool = False,
    num_threads: int | None = None,
) -> OneShotResult:
    """Measure one-shot accuracy over every possible task, in closed form.

    A task: a query, a support clip of its class (another clip than the query), and one clip of each of ``ways - 1``
    other classes; the most similar support is the answer, ties count as if broken at random. Every task counts: a
    class's accuracy is the mean over class subsets, then over query and support, then over the other classes' clips;
    the result is the mean over classes. Give a network and features, or a similarity matrix and labels, or
    embeddings, labels and a metric.

    Parameters
    ----------
    net : SiameseNetwork or None
        A trained network.
    features : Features or None
        Clips of classes that the network has not been trained on, two or more a class.
    ways : int
        Classes a task, from 2 to the number of classes.
    similarity : array-like or None [shape=(clips, clips)]
        Similarity of query [row] and support [column]; the diagonal is not read.
    embeddings : array-like or None [shape=(clips, dim)]
        To be compared by `metric`.
    labels : sequence or None [shape=(clips,)]
        Class of each clip, names or numbers, with `similarity` or `embeddings`.
    metric : {"cosine", "euclidean"}
        How to compare `embeddings`.
    allow_trained_classes : bool
        Accept classes that the network was trained on; the figure then says nothing about new sounds.
    num_threads : int > 0 or None
        CPU threads; None: one a core.

    Returns
    -------
    OneShotResult

    Raises
    ------
    ParameterError
        Arguments do not belong together, have wrong shapes, or name more ways than there are classes.
    DatasetError
        A class has a single clip, or was trained on.

    Notes
    -----
    For a query and a support of similarity s let L_c and E_c be the shares of class c's clips less similar to the
    query than s, and exactly as similar. The support wins against a set of classes with probability
    ∫₀¹ Π_c (L_c + u E_c) du.

    Examples
    --------
    >>> import siamaudio as sa
    >>> result = sa.evaluate_oneshot(embeddings=[[0, 1], [0, 2], [1, 0], [2, 0]], labels=["a", "a", "b", "b"], ways=2)
    >>> result.accuracy
    1.0
    """
    sources = [
        name
        for name, value in (("net", net), ("similarity", similarity), ("embeddings", embeddings))
        if value is not None
    ]
    if len(sources) != 1:
        raise ParameterError(
            "evaluate_oneshot",
            " and ".join(sources) or "nothing to evaluate",
            "exactly one of net, similarity, embeddings",
        )

    baseline = None
    if net is not None:
        if features is None or labels is not None:
            raise ParameterError("features", "none, or labels beside a network", "a network together with features")
        _check_unseen(net, features, allow_trained_classes)
        names, codes = features.class_names, features.labels
        _check_classes(names, codes, ways)
        matrix = _network_similarity(net, features, num_threads)
        vectors = _centred(np.asarray(features, dtype=np.float32))
        raw = core.metric_similarity(vectors, vectors, metric="cosine")
        baseline, _, _ = _exact(raw, codes, len(names), ways, num_threads)
        compared_by = "the network"
    else:
        if features is not None:
            raise ParameterError("features", f"features beside {sources[0]}", "features together with a network")
        if labels is None:
            raise ParameterError("labels", None, f"the class of each clip, beside {sources[0]}")
        names, codes = _encode_labels(labels)
        if similarity is not None:
            matrix = np.asarray(similarity, dtype=np.float64)
            if matrix.shape != (len(codes), len(codes)):
                raise ParameterError(
                    "similarity", f"shape {matrix.shape}", f"({len(codes)}, {len(codes)}), as there are labels"
                )
            compared_by = "the given similarities"
        else:
            vectors = np.asarray(embeddings, dtype=np.float32)
            if vectors.ndim != 2 or len(vectors) != len(codes):
                raise ParameterError(
                    "embeddings", f"shape {vectors.shape}", f"({len(codes)}, dim), as there are labels"
                )
            matrix = core.metric_similarity(vectors, vectors, metric=metric)
            compared_by = f"{metric} similarity of the embeddings"
        _check_classes(names, codes, ways)

    accuracy, per_class, confusion = _exact(matrix, codes, len(names), ways, num_threads)
    return OneShotResult(
        accuracy=accuracy,
        per_class=dict(zip(names, per_class.tolist(), strict=True)),
        confusion=confusion,
        classes=names,
        ways=ways,
        chance=1 / ways,
        baseline=baseline,
        num_clips=len(codes),
        protocol=f"exact {ways}-way one-shot over all tasks of {len(names)} classes, compared by {compared_by}; "
        "query and support may share a source",
    )


def _exact(
    similarity: npt.NDArray[Any], labels: npt.NDArray[np.int64], num_classes: int, ways: int, num_threads: int | None
) -> tuple[float, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    return core.exact_oneshot(similarity, labels, num_classes=num_classes, ways=ways, num_threads=num_threads or 0)


def _network_similarity(net: SiameseNetwork, features: Features, num_threads: int | None) -> npt.NDArray[np.float32]:
    embeddings = net.embed(features, num_threads=num_threads)
    return net.similarity(embeddings, embeddings, num_threads=num_threads)


def _centred(spectrograms: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Each clip as one vector, less its own mean, so that loudness alone makes nothing similar."""
    vectors = spectrograms.reshape(len(spectrograms), -1)
    return vectors - vectors.mean(axis=1, keepdims=True)


def _encode_labels(labels: Sequence[str] | npt.ArrayLike) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    values = np.asarray(labels)
    if values.ndim != 1:
        raise ParameterError("labels", f"shape {values.shape}", "(clips,)")
    names, codes = np.unique(values, return_inverse=True)
    return tuple(str(name) for name in names), codes.astype(np.int64)


def _check_classes(names: tuple[str, ...], codes: npt.NDArray[np.int64], ways: int) -> None:
    if len(names) < 2:
        raise DatasetError(f"one-shot evaluation needs two or more classes, not {len(names)}")
    counts = np.bincount(codes, minlength=len(names))
    if counts.min() < 2:
        name = names[int(counts.argmin())]
        raise DatasetError(f"class {name!r} has a single clip; a query and a support, two clips a class, are needed")
    if not 2 <= ways <= len(names):
        raise ParameterError("ways", ways, f"2 to {len(names)}, the number of classes")


def _check_unseen(net: SiameseNetwork, features: Features, allow_trained_classes: bool) -> None:
    seen = sorted(set(net.train_classes_) & set(features.class_names))
    if seen and not allow_trained_classes:
        raise DatasetError(
            f"the network was trained on {len(seen)} of these classes ({seen[0]!r} is one): evaluate on others, "
            "or allow trained classes explicitly"
        )
