"""Exact one-shot evaluation: the mean over every possible task, in closed form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from siamaudio._engine import core
from siamaudio.evaluation.results import EvaluationResult, Interval
from siamaudio.evaluation.subjects import Metric, Subject, as_subject, check_ways
from siamaudio.features import Features
from siamaudio.network import SiameseNetwork

__all__ = ["evaluate_oneshot"]


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
        Only tasks in which no support has the query's source.
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
    ∫₀¹ Π_c (L_c + u E_c) du.

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
    raw = subject.raw_spectrograms()
    baselines = {} if raw is None else {"raw spectrogram": _exact(raw, ways, num_threads)[0]}
    accuracy, per_class, confusion = _exact(subject, ways, num_threads)
    nothing = Interval(math.nan, math.nan, kind="none")
    return EvaluationResult(
        accuracy=accuracy,
        interval=nothing,
        per_class=dict(zip(subject.classes, per_class.tolist(), strict=True)),
        per_class_intervals=dict.fromkeys(subject.classes, nothing),
        confusion=confusion,
        classes=subject.classes,
        ways=ways,
        shots=1,
        ways_curve={ways: accuracy},
        baselines={**baselines, "chance": 1 / ways},
        protocol="exact",
        description=f"exact {ways}-way one-shot over all tasks of {len(subject.classes)} classes, "
        f"compared by {subject.compared_by}; query and support may share a source",
        num_clips=len(subject.labels),
        num_tasks=None,
        seed=None,
        source_disjoint=source_disjoint,
        left_out=subject.left_out,
        query_accuracy=subject.spread(per_class[subject.labels], math.nan),
        query_classes=subject.spread(subject.labels, -1),
    )


def _exact(subject: Subject, ways: int, num_threads: int | None) -> tuple[float, Any, Any]:
    return core.exact_oneshot(
        subject.similarity(),
        subject.labels,
        num_classes=len(subject.classes),
        ways=ways,
        num_threads=num_threads or 0,
    )
