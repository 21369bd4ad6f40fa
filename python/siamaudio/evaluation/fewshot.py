"""Few-shot evaluation over sampled tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from siamaudio.errors import ParameterError
from siamaudio.evaluation.results import EvaluationResult
from siamaudio.evaluation.subjects import Metric, Subject, as_subject, counted, source_policy
from siamaudio.evaluation.tasks import IntervalKind, draw_tasks, play, raw_baseline, summarise
from siamaudio.features import Features
from siamaudio.network import SiameseNetwork

__all__ = ["Scorer", "evaluate_fewshot"]

Scorer = Literal["mean", "max", "learned", "centroid", "cl2n", "knn"]

_MERGES = {"mean": "mean", "max": "max", "learned": "weighted", "knn": "neighbours"}
_LEARNING_TASKS = 1000  # to learn a merge from
_IN_WORDS = {
    "mean": "mean similarity to the supports of a class",
    "max": "largest similarity to a support of a class",
    "learned": "similarities to the supports of a class, sorted and weighted as learned from other classes",
    "centroid": "Euclidean distance to the mean of a class's supports",
    "cl2n": "Euclidean distance to the mean of a class's supports, embeddings centred and of length 1",
    "knn": "majority of the most similar supports",
}


def evaluate_fewshot(
    net: SiameseNetwork | None = None,
    features: Features | None = None,
    *,
    ways: int = 5,
    shots: int = 1,
    queries: int = 1,
    tasks: int = 10_000,
    scorer: Scorer = "mean",
    neighbours: int = 1,
    base: Features | tuple[npt.ArrayLike, Sequence[str] | npt.ArrayLike] | None = None,
    stratified: bool = True,
    seed: int = 0,
    interval: IntervalKind = "normal",
    similarity: npt.ArrayLike | None = None,
    embeddings: npt.ArrayLike | None = None,
    labels: Sequence[str] | npt.ArrayLike | None = None,
    sources: Sequence[str] | npt.ArrayLike | None = None,
    metric: Metric = "cosine",
    source_disjoint: bool = False,
    baseline: bool = True,
    allow_trained_classes: bool = False,
    num_threads: int | None = None,
) -> EvaluationResult:
    """Measure few-shot accuracy over sampled tasks.

    A task: some classes, and of each some supports and queries, all of them different clips; each query is given to
    the class whose supports fit it best, ties count as if broken at random.

    Parameters
    ----------
    net : SiameseNetwork or None
        A trained network.
    features : Features or None
        Clips of classes that the network has not been trained on, ``shots + queries`` or more a class.
    ways : int
        Classes a task, from 2 to the number of classes.
    shots : int > 0
        Supports a class.
    queries : int > 0
        Queries a class.
    tasks : int > 0
        How many to draw.
    scorer : {"mean", "max", "learned", "centroid", "cl2n", "knn"}
        What a query is given to. "mean", "max": the class of the largest mean, or maximum, of the similarities to its
        supports. "learned": of the largest weighted sum of these similarities, sorted; the weights, one a rank, are
        those of a logistic regression on tasks of the `base` classes. "centroid": of the nearest mean of embeddings
        (as ProtoNet). "cl2n": the same after the mean embedding of `base` was subtracted and each embedding divided by
        its length (SimpleShot). "knn": of most of the `neighbours` most similar supports.
    neighbours : int
        For "knn", at most ``ways * shots``.
    base : Features, tuple or None
        For "learned" and "cl2n": the classes that the network was trained on; with `embeddings`, a tuple of their
        embeddings and labels.
    stratified : bool
        Every class in equally many tasks; else each task's classes are drawn by themselves.
    seed : int >= 0
        Of the tasks. Each has random numbers of its own, whatever the threads.
    interval : {"normal", "bootstrap"}
        How to compute the intervals, over tasks.
    similarity : array-like or None [shape=(clips, clips)]
        Similarity of query [row] and support [column].
    embeddings : array-like or None [shape=(clips, dim)]
        To be compared by `metric`.
    labels : sequence or None [shape=(clips,)]
        Class of each clip, names or numbers, with `similarity` or `embeddings`.
    sources : sequence or None [shape=(clips,)]
        What each clip was cut from, names or numbers; None: as the features say.
    metric : {"cosine", "euclidean"}
        How to compare `embeddings`.
    source_disjoint : bool
        No query of a task has the source of one of its supports.
    baseline : bool
        Also compare the raw spectrograms, where there are features, all of which are read into memory for it.
    allow_trained_classes : bool
        Accept classes that the network was trained on; the figure then says nothing about new sounds.
    num_threads : int > 0 or None
        CPU threads; None: one a core.

    Returns
    -------
    EvaluationResult
        Of the protocol "sampled".

    Raises
    ------
    ParameterError
        Arguments do not belong together, have wrong shapes, or ask for more classes, clips or sources than there are.
    DatasetError
        A class was trained on.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> labels = np.repeat(["a", "b", "c"], 10)
    >>> embeddings = np.repeat(np.eye(3), 10, axis=0) + 0.1 * np.random.default_rng(0).normal(size=(30, 3))
    >>> result = sa.evaluate_fewshot(embeddings=embeddings, labels=labels, ways=3, shots=5, scorer="centroid")
    >>> result.accuracy, result.num_tasks
    (1.0, 10000)
    """
    if scorer not in get_args(Scorer):
        raise ParameterError("scorer", scorer, ", ".join(map(repr, get_args(Scorer))))
    subject = as_subject(
        net,
        features,
        similarity=similarity,
        embeddings=embeddings,
        labels=labels,
        sources=sources,
        metric=metric,
        source_disjoint=source_disjoint,
        clips_per_class=max(2, shots + queries),
        allow_trained_classes=allow_trained_classes,
        num_threads=num_threads,
    )
    drawn = draw_tasks(
        subject,
        ways=ways,
        shots=shots,
        queries=queries,
        tasks=tasks,
        stratified=stratified,
        seed=seed,
        source_disjoint=source_disjoint,
        num_threads=num_threads,
    )
    if scorer in ("centroid", "cl2n"):
        vectors = _needed_embeddings(subject, scorer)
        if scorer == "cl2n":
            vectors = _centred_and_normalised(vectors, _base_embeddings(net, base, scorer, num_threads)[0])
        shares = np.zeros((*drawn.queries.shape, ways))
        drawn.score_centroids(vectors, shares, num_threads=num_threads or 0)
    else:
        weights = None
        if scorer == "learned":
            weights = _learned_weights(net, base, ways, shots, metric, seed, num_threads)
        shares = play(
            subject, drawn, merge=_MERGES[scorer], weights=weights, neighbours=neighbours, num_threads=num_threads
        )
    dealt = "every class in equally many" if stratified else "classes drawn task by task"
    compared = "" if scorer in ("centroid", "cl2n") else f", compared by {subject.compared_by}"
    return summarise(
        subject,
        drawn,
        shares,
        protocol="sampled",
        description=f"{tasks} sampled tasks of {ways} of {len(subject.classes)} classes, {counted(shots, 'support')} "
        f"and {counted(queries, 'query', 'queries')} a class, {dealt}, seed {seed}; "
        f"scored by the {_IN_WORDS[scorer]}{compared}; {source_policy(source_disjoint)}",
        seed=seed,
        source_disjoint=source_disjoint,
        interval=interval,
        baselines=raw_baseline(subject, drawn, num_threads) if baseline else {},
    )


def _needed_embeddings(subject: Subject, scorer: str) -> npt.NDArray[np.float32]:
    if subject.embeddings is None:
        raise ParameterError("scorer", scorer, "'mean', 'max' or 'knn' where only similarities are known")
    return subject.embeddings


def _base_embeddings(
    net: SiameseNetwork | None,
    base: Features | tuple[npt.ArrayLike, Sequence[str] | npt.ArrayLike] | None,
    scorer: str,
    num_threads: int | None,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Embeddings and labels of the classes to learn from."""
    if isinstance(base, Features):
        if net is None:
            raise ParameterError("base", "features", "a tuple of embeddings and labels, where there is no network")
        return net.embed(base, num_threads=num_threads), base.labels
    if base is None or net is not None:
        raise ParameterError(
            "base",
            None if base is None else "arrays beside a network",
            f"features of the training classes for scorer {scorer!r}, or a tuple of embeddings and labels",
        )
    vectors = np.asarray(base[0], dtype=np.float32)
    _, codes = np.unique(np.asarray(base[1]), return_inverse=True)
    if vectors.ndim != 2 or len(vectors) != len(codes):
        raise ParameterError("base", f"embeddings {vectors.shape} and {len(codes)} labels", "(clips, dim) and (clips,)")
    return vectors, codes.astype(np.int64)


def _centred_and_normalised(vectors: npt.NDArray[np.float32], base: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    if base.shape[1] != vectors.shape[1]:
        raise ParameterError("base", f"embeddings of {base.shape[1]} numbers", f"{vectors.shape[1]} numbers")
    centred = vectors - base.mean(axis=0, dtype=np.float64)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return (centred / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def _learned_weights(
    net: SiameseNetwork | None,
    base: Features | tuple[npt.ArrayLike, Sequence[str] | npt.ArrayLike] | None,
    ways: int,
    shots: int,
    metric: Metric,
    seed: int,
    num_threads: int | None,
) -> npt.NDArray[np.float64]:
    """One weight for each rank of a class's similarities: those that make the right class most probable.

    The probability of a class is the softmax of its weighted sums; the mean is equal weights, the maximum the first
    one alone, so that a learned merge can be either. Found by L-BFGS from equal weights, on tasks of the base classes.
    """
    from scipy import optimize

    vectors, codes = _base_embeddings(net, base, "learned", num_threads)
    if net is None:
        subject = as_subject(None, None, embeddings=vectors, labels=codes, metric=metric, clips_per_class=shots + 1)
    else:
        matrix = net.similarity(vectors, vectors, num_threads=num_threads)
        subject = as_subject(None, None, similarity=matrix, labels=codes, clips_per_class=shots + 1)
    tasks = draw_tasks(
        subject,
        ways=min(ways, len(subject.classes)),
        shots=shots,
        queries=1,
        tasks=_LEARNING_TASKS,
        stratified=True,
        seed=seed,
        source_disjoint=False,
        num_threads=num_threads,
    )
    similarity = subject.similarity()
    sims = similarity[tasks.queries[:, :, None, None], tasks.supports[:, None]].astype(np.float64)
    ranked = -np.sort(-sims, axis=3)  # (tasks, queries, ways, shots)
    scale = ranked.std() or 1.0
    ranked = (ranked - ranked.mean()) / scale
    own = np.arange(ranked.shape[2])

    def loss(weights: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        scores = ranked @ weights
        scores -= scores.max(axis=2, keepdims=True)
        chances = np.exp(scores)
        chances /= chances.sum(axis=2, keepdims=True)
        right = chances[:, own, own]
        chances[:, own, own] -= 1
        penalty = 1e-4 * weights
        gradient = np.einsum("tqw,tqws->s", chances, ranked) / right.size + 2 * penalty
        return float(-np.log(np.maximum(right, 1e-300)).mean() + penalty @ weights), gradient

    return optimize.minimize(loss, np.full(shots, 1.0 / shots), jac=True, method="L-BFGS-B").x
