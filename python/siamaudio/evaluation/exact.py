"""Exact one-shot evaluation: the mean over every possible task, in closed form."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from siamaudio._engine import core
from siamaudio.errors import ParameterError
from siamaudio.evaluation.intervals import delta_interval
from siamaudio.evaluation.results import EvaluationResult
from siamaudio.evaluation.subjects import Metric, Subject, as_subject, check_ways, source_policy
from siamaudio.features import Features
from siamaudio.network import SiameseNetwork

__all__ = ["ExactScores", "evaluate_oneshot", "exact_scores"]

MOST_CURVE_WAYS = 50  # unless asked for more: the curve of 1,000 classes in full takes minutes


def evaluate_oneshot(
    net: SiameseNetwork | None = None,
    features: Features | None = None,
    *,
    ways: int = 5,
    similarity: npt.ArrayLike | None = None,
    embeddings: npt.ArrayLike | None = None,
    labels: Sequence[str] | npt.ArrayLike | None = None,
    sources: Sequence[str] | npt.ArrayLike | None = None,
    metric: Metric = "cosine",
    source_disjoint: bool = False,
    curve_ways: int | None = None,
    baseline: bool = True,
    allow_trained_classes: bool = False,
    num_threads: int | None = None,
) -> EvaluationResult:
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
    sources : sequence or None [shape=(clips,)]
        What each clip was cut from, names or numbers; None: as the features say.
    metric : {"cosine", "euclidean"}
        How to compare `embeddings`.
    source_disjoint : bool
        Only tasks in which no support has the query's source; classes of a single source are left out.
    curve_ways : int or None
        Most classes a task of `EvaluationResult.ways_curve`; None: all classes, or the first 50.
    baseline : bool
        Also compare the raw spectrograms, where there are features.
    allow_trained_classes : bool
        Accept classes that the network was trained on; the figure then says nothing about new sounds.
    num_threads : int > 0 or None
        CPU threads; None: one a core.

    Returns
    -------
    EvaluationResult

    Raises
    ------
    ParameterError
        Arguments do not belong together, have wrong shapes, or name more ways than there are classes.
    DatasetError
        A class was trained on.

    Notes
    -----
    For a query and a support of similarity s let L_c and E_c be the shares of class c's clips less similar to the
    query than s, and exactly as similar. The support wins against a set of classes with probability
    ∫₀¹ Π_c (L_c + u E_c) du, averaged over all sets at once. Memory is bounded: similarities are made, and scored,
    in blocks of queries. Classes with a single clip are left out, with a warning.

    Examples
    --------
    >>> import siamaudio as sa
    >>> result = sa.evaluate_oneshot(embeddings=[[0, 1], [0, 2], [1, 0], [2, 0]], labels=["a", "a", "b", "b"], ways=2)
    >>> result.accuracy
    1.0
    """
    subject = as_subject(
        net,
        features,
        similarity=similarity,
        embeddings=embeddings,
        labels=labels,
        sources=sources,
        metric=metric,
        source_disjoint=source_disjoint,
        allow_trained_classes=allow_trained_classes,
        num_threads=num_threads,
    )
    check_ways(ways, subject)
    most_ways = _checked_most_ways(curve_ways, ways, len(subject.classes))
    baselines = {}
    raw = subject.raw_spectrograms() if baseline else None
    if raw is not None:
        scores = exact_scores(raw, ways=ways, source_disjoint=source_disjoint, num_threads=num_threads)
        baselines["raw spectrogram"] = float(scores.per_class[:, -1].mean())
    scores = exact_scores(
        subject,
        ways=ways,
        most_ways=most_ways,
        source_disjoint=source_disjoint,
        confusion=True,
        num_threads=num_threads,
    )
    per_class = scores.per_class[:, ways - 2]
    curve = {k + 2: float(accuracy) for k, accuracy in enumerate(scores.per_class.mean(axis=0))}
    are_sources_known = subject.sources is not None
    groups = np.arange(len(subject.labels)) if subject.sources is None else subject.sources
    units = "recordings" if are_sources_known else "clips"
    interval, intervals = delta_interval(
        per_class,
        scores.influence,
        groups,
        subject.labels,
        kind=f"other {units} of the same classes, as queries and as supports of their class, the clips of other "
        f"classes held fixed; infinitesimal jackknife over {units}, Student's t",
    )
    return EvaluationResult(
        accuracy=curve[ways],
        interval=interval,
        per_class=dict(zip(subject.classes, per_class.tolist(), strict=True)),
        per_class_intervals=dict(zip(subject.classes, intervals, strict=True)),
        confusion=scores.confusion,
        classes=subject.classes,
        ways=ways,
        shots=1,
        ways_curve=curve,
        baselines={**baselines, "chance": 1 / ways},
        protocol="exact",
        description=f"exact {ways}-way one-shot over all tasks of {len(subject.classes)} classes, "
        f"compared by {subject.compared_by}; {source_policy(source_disjoint)}",
        num_clips=len(subject.labels),
        num_tasks=None,
        seed=None,
        source_disjoint=source_disjoint,
        left_out=subject.left_out,
        query_accuracy=subject.spread(scores.query_accuracy, math.nan),
        query_classes=subject.spread(subject.labels, -1),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class ExactScores:
    """What the tasks of each query come to.

    Attributes
    ----------
    per_class : np.ndarray [shape=(classes, most_ways - 1)]
        Accuracy of each class with 2, 3, … classes a task.
    query_accuracy : np.ndarray [shape=(clips,)]
        Share of each query's tasks of `ways` classes that are answered right.
    influence : np.ndarray [shape=(clips,)]
        Derivative of the accuracy of a clip's class by the clip's weight, as a query and as a support of its class.
    confusion : np.ndarray [shape=(classes, classes)]
        Rows add up to 1; zeros where it was not asked for.
    """

    per_class: npt.NDArray[np.float64]
    query_accuracy: npt.NDArray[np.float64]
    influence: npt.NDArray[np.float64]
    confusion: npt.NDArray[np.float64]


def exact_scores(
    subject: Subject,
    *,
    ways: int,
    most_ways: int | None = None,
    source_disjoint: bool = False,
    confusion: bool = False,
    num_threads: int | None = None,
) -> ExactScores:
    """Score every task, block by block of queries.

    Parameters
    ----------
    subject : Subject
        The clips.
    ways : int
        Classes a task.
    most_ways : int or None
        Most classes a task of `per_class`; None: `ways`.
    source_disjoint : bool
        Only tasks in which no support has the query's source.
    confusion : bool
        Compute the confusion, which takes longer than all else.
    num_threads : int > 0 or None
        CPU threads; None: one a core.
    """
    num_clips, num_classes = len(subject.labels), len(subject.classes)
    task = core.ExactOneShot(
        subject.labels,
        sources=subject.sources if source_disjoint else None,
        num_classes=num_classes,
        ways=ways,
        most_ways=most_ways or ways,
        confusion=confusion,
    )
    sizes = np.bincount(subject.labels, minlength=num_classes)
    per_class = np.zeros((num_classes, (most_ways or ways) - 1))
    answers = np.zeros((num_classes, num_classes))
    query_accuracy = np.empty(num_clips)
    influence = np.zeros(num_clips)
    for start, block in subject.blocks():
        wins, answered, of_supports = task.score(block, first_query=start, num_threads=num_threads or 0)
        labels = subject.labels[start : start + len(block)]
        _add_by_class(per_class, labels, wins)
        query_accuracy[start : start + len(block)] = wins[:, ways - 2]
        influence += of_supports
        if answered is not None:
            _add_by_class(answers, labels, answered)
    per_class /= sizes[:, None]
    influence += query_accuracy - per_class[subject.labels, ways - 2]
    return ExactScores(
        per_class=per_class,
        query_accuracy=query_accuracy,
        influence=influence / sizes[subject.labels],
        confusion=answers / sizes[:, None],
    )


def _add_by_class(
    totals: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], rows: npt.NDArray[np.float64]
) -> None:
    """totals[label] += row, for every row."""
    order = np.argsort(labels, kind="stable")
    classes, starts = np.unique(labels[order], return_index=True)
    totals[classes] += np.add.reduceat(rows[order], starts, axis=0)


def _checked_most_ways(curve_ways: int | None, ways: int, num_classes: int) -> int:
    if curve_ways is None:
        return min(num_classes, max(ways, MOST_CURVE_WAYS))
    if not ways <= curve_ways <= num_classes:
        raise ParameterError("curve_ways", curve_ways, f"{ways} to {num_classes}, from the ways to the classes")
    return curve_ways
