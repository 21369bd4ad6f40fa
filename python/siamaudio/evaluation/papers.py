"""The evaluations of published papers, as they were run.

Where an original breaks ties by taking the first of the equally similar supports, a tie counts here as the chance to
win it: which class stands first says nothing about sounds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from siamaudio._engine import core
from siamaudio.errors import ParameterError
from siamaudio.evaluation.intervals import delta_interval, normal_interval
from siamaudio.evaluation.results import EvaluationResult
from siamaudio.evaluation.subjects import Metric, Subject, as_subject, check_ways, counted, source_policy
from siamaudio.evaluation.tasks import draw_tasks, play, play_all, raw_baseline, summarise
from siamaudio.features import Features
from siamaudio.network import SiameseNetwork
from siamaudio.optional import require

__all__ = [
    "LabelledEmbeddings",
    "LloretClassifier",
    "fedele2022",
    "honka2019",
    "labelled_embeddings",
    "lloret2019",
    "metaaudio",
]

LloretClassifier = Literal["average_distance", "knn", "svm_linear", "svm_polynomial", "svm_rbf", "forest"]
LabelledEmbeddings = tuple[npt.ArrayLike, Sequence[str] | npt.ArrayLike]


def honka2019(
    net: SiameseNetwork | None = None,
    features: Features | None = None,
    *,
    seed: int = 0,
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
    """Evaluate as Honka 2019: half of each class's clips are queries, the others make aligned support sets.

    The clips of each class are shuffled and halved into queries and supports. The n-th supports of all classes are the
    n-th support set; every query meets every support set, and its answer is the class of the most similar support. With
    40 clips a class that are 20 queries × 20 support sets: 400 tasks a class, in which all classes take part.

    Parameters
    ----------
    net, features, similarity, embeddings, labels, sources, metric, baseline, allow_trained_classes, num_threads
        What is evaluated; see `evaluate_oneshot`.
    seed : int >= 0
        Of the shuffling: class by class, NumPy's default generator permutes the clips; the first half are queries.
    source_disjoint : bool
        Without the tasks in which the query meets its own source: no part of the original.

    Returns
    -------
    EvaluationResult
        Of the protocol "honka2019". `interval` tells how the choice of queries moves the figure.

    Raises
    ------
    ParameterError
        Arguments do not belong together, or have wrong shapes.
    DatasetError
        A class was trained on.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> labels = np.repeat(["a", "b", "c"], 8)
    >>> embeddings = np.repeat(np.eye(3), 8, axis=0)
    >>> result = sa.evaluation.honka2019(embeddings=embeddings, labels=labels)
    >>> result.num_tasks, result.accuracy
    (48, 1.0)
    """
    subject = as_subject(
        net, features, similarity=similarity, embeddings=embeddings, labels=labels, sources=sources, metric=metric,
        source_disjoint=source_disjoint, allow_trained_classes=allow_trained_classes, num_threads=num_threads,
    )  # fmt: skip
    _check_seed(seed)
    rng = np.random.default_rng(seed)
    num_classes = len(subject.classes)
    orders = [rng.permutation(np.flatnonzero(subject.labels == c)) for c in range(num_classes)]
    queries = [order[: len(order) // 2] for order in orders]
    supports = [order[len(order) // 2 :] for order in orders]
    num_sets = min(map(len, supports))
    sets = np.stack([clips[:num_sets] for clips in supports], axis=1)  # (sets, classes)
    tasks = _aligned_tasks(subject, queries, sets, source_disjoint)
    unasked = np.setdiff1d(np.arange(num_classes), tasks.classes[:, 0])
    if len(unasked):
        raise ParameterError(
            "seed",
            f"{seed}, which leaves class {subject.classes[unasked[0]]!r} no query that is of other sources than all "
            "supports of a set",
            "another seed, or source_disjoint=False",
        )
    shares = play(subject, tasks, num_threads=num_threads)
    result = summarise(
        subject,
        tasks,
        shares,
        protocol="honka2019",
        description=f"Honka 2019: {sum(map(len, queries))} queries, half of each class's clips, with {num_sets} "
        f"aligned support sets of all {num_classes} classes, shuffled by seed {seed}, compared by "
        f"{subject.compared_by}; {source_policy(source_disjoint)}",
        seed=seed,
        source_disjoint=source_disjoint,
        baselines=raw_baseline(subject, tasks, num_threads) if baseline else {},
    )
    # Tasks share queries and supports: they are no independent draws, the queries nearly are.
    asked = np.isfinite(result.query_accuracy[subject.positions])
    accuracies = np.array([result.per_class[name] for name in subject.classes])
    own = subject.labels[asked]
    right = result.query_accuracy[subject.positions][asked]
    groups = np.flatnonzero(asked) if subject.sources is None else subject.sources[asked]
    interval, intervals = delta_interval(
        accuracies,
        (right - accuracies[own]) / np.bincount(own, minlength=num_classes)[own],
        groups,
        own,
        kind="other queries of the same classes, the support sets held fixed; normal over the queries, those of one "
        "source together, Student's t",
    )
    return dataclasses.replace(
        result,
        accuracy=float(accuracies.mean()),
        ways_curve={num_classes: float(accuracies.mean())},
        interval=interval,
        per_class_intervals=dict(zip(subject.classes, intervals, strict=True)),
    )


def fedele2022(
    net: SiameseNetwork | None = None,
    features: Features | None = None,
    *,
    ways: int = 5,
    tasks: int = 300,
    seed: int = 0,
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
    """Evaluate as Fedele et al. 2022: random tasks that ask for each class in turn.

    A task: two different random clips of a class, the query and its support, and one random clip of each of
    ``ways - 1`` other classes, all of them in the original.

    Parameters
    ----------
    net, features, similarity, embeddings, labels, sources, metric, baseline, allow_trained_classes, num_threads
        What is evaluated; see `evaluate_oneshot`.
    ways : int
        Classes a task; `EvaluationResult.ways_curve` has all from 1 to this.
    tasks : int > 0
        How many of each number of classes: 300 in the paper.
    seed : int >= 0
        Of the tasks.
    source_disjoint : bool
        No query has the source of one of its supports: no part of the original.

    Returns
    -------
    EvaluationResult
        Of the protocol "fedele2022".

    Raises
    ------
    ParameterError
        Arguments do not belong together, have wrong shapes, or name more ways than there are classes.
    DatasetError
        A class was trained on.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> labels = np.repeat(list("abcde"), 8)
    >>> result = sa.evaluation.fedele2022(embeddings=np.repeat(np.eye(5), 8, axis=0), labels=labels)
    >>> result.num_tasks, result.ways_curve
    (300, {1: 1.0, 2: 1.0, 3: 1.0, 4: 1.0, 5: 1.0})
    """
    subject = as_subject(
        net, features, similarity=similarity, embeddings=embeddings, labels=labels, sources=sources, metric=metric,
        source_disjoint=source_disjoint, allow_trained_classes=allow_trained_classes, num_threads=num_threads,
    )  # fmt: skip

    check_ways(ways, subject)

    def drawn(count: int) -> core.Tasks:
        return draw_tasks(
            subject, ways=count, shots=1, queries=1, tasks=tasks, stratified=True, seed=seed, has_one_query=True,
            source_disjoint=source_disjoint, num_threads=num_threads,
        )  # fmt: skip

    groups = [drawn(count) for count in range(2, ways + 1)]
    won = play_all(subject, groups, num_threads=num_threads)
    played, shares = groups[-1], won[-1]
    # A single support is the answer.
    curve = {1: 1.0} | {count: float(each[:, 0, 0].mean()) for count, each in enumerate(won, start=2)}
    return summarise(
        subject,
        played,
        shares,
        protocol="fedele2022",
        description=f"Fedele et al. 2022: {tasks} random tasks of one query and {ways} of {len(subject.classes)} "
        f"classes, each asked for in turn, seed {seed}, compared by {subject.compared_by}; "
        f"{source_policy(source_disjoint)}",
        seed=seed,
        source_disjoint=source_disjoint,
        baselines=raw_baseline(subject, played, num_threads) if baseline else {},
        ways_curve=curve,
    )


def metaaudio(
    net: SiameseNetwork | None = None,
    features: Features | None = None,
    *,
    ways: int = 5,
    shots: int = 1,
    tasks: int = 10_000,
    seed: int = 0,
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
    """Evaluate as MetaAudio (Heggan et al. 2022): 10,000 random tasks with one query a class.

    A task: `ways` random classes, of each `shots` supports and one query, all of them different clips. The answer is
    the class of the largest mean similarity to its supports; the interval is 1.96 standard errors over tasks.

    Parameters
    ----------
    net, features, similarity, embeddings, labels, sources, metric, baseline, allow_trained_classes, num_threads
        What is evaluated; see `evaluate_oneshot`.
    ways : int
        Classes a task.
    shots : int > 0
        Supports a class.
    tasks : int > 0
        How many.
    seed : int >= 0
        Of the tasks.
    source_disjoint : bool
        No query has the source of one of its supports: no part of the original.

    Returns
    -------
    EvaluationResult
        Of the protocol "metaaudio".

    Raises
    ------
    ParameterError
        Arguments do not belong together, have wrong shapes, or ask for more classes or clips than there are.
    DatasetError
        A class was trained on.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> labels = np.repeat(list("abcdef"), 8)
    >>> result = sa.evaluation.metaaudio(embeddings=np.repeat(np.eye(6), 8, axis=0), labels=labels)
    >>> result.num_tasks, result.accuracy
    (10000, 1.0)
    """
    subject = as_subject(
        net, features, similarity=similarity, embeddings=embeddings, labels=labels, sources=sources, metric=metric,
        source_disjoint=source_disjoint, clips_per_class=max(2, shots + 1),
        allow_trained_classes=allow_trained_classes, num_threads=num_threads,
    )  # fmt: skip
    drawn = draw_tasks(
        subject, ways=ways, shots=shots, queries=1, tasks=tasks, stratified=False, seed=seed,
        source_disjoint=source_disjoint, num_threads=num_threads,
    )  # fmt: skip
    return summarise(
        subject,
        drawn,
        play(subject, drawn, num_threads=num_threads),
        protocol="metaaudio",
        description=f"MetaAudio: {tasks} random tasks of {ways} of {len(subject.classes)} classes, "
        f"{counted(shots, 'support')} and one query a class, seed {seed}, compared by "
        f"{subject.compared_by}; {source_policy(source_disjoint)}",
        seed=seed,
        source_disjoint=source_disjoint,
        baselines=raw_baseline(subject, drawn, num_threads) if baseline else {},
    )


def lloret2019(
    net: SiameseNetwork | None,
    train: Features | LabelledEmbeddings,
    test: Features | LabelledEmbeddings | None = None,
    *,
    classifier: LloretClassifier = "average_distance",
    neighbours: int = 1,
    trees: int = 100,
    seed: int = 0,
    num_threads: int | None = None,
) -> EvaluationResult:
    """Evaluate as Lloret 2019: classify the embeddings of an untouched test set of the training classes.

    Parameters
    ----------
    net : SiameseNetwork or None
        A trained network; None: `train` and `test` are embeddings.
    train : Features or tuple
        Labelled clips to classify by, or a tuple of their embeddings and classes.
    test : Features, tuple or None
        Clips to classify, of the same classes; None: leave-one-out, each clip of `train` by all others.
    classifier : {"average_distance", "knn", "svm_linear", "svm_polynomial", "svm_rbf", "forest"}
        "average_distance": the class to whose clips the mean Euclidean distance is smallest. "knn": most of the nearest
        neighbours, by Euclidean distance. The others are scikit-learn's support vector machines and random forests,
        with its own settings.
    neighbours : int > 0
        For "knn": 1, 5, 15, 25 in the thesis.
    trees : int > 0
        For "forest": 25, 50, 75, 100 in the thesis.
    seed : int >= 0
        Of the forest.
    num_threads : int > 0 or None
        CPU threads for the embeddings; None: one a core.

    Returns
    -------
    EvaluationResult
        Of the protocol "lloret2019"; its accuracy is the mean over classes, which for as many test clips of each class
        is the share of all.

    Raises
    ------
    ParameterError
        Arguments do not belong together, or the test set has classes that the training set has not.
    ImportError
        scikit-learn is needed and not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> train = np.repeat(np.eye(3), 5, axis=0), np.repeat(["a", "b", "c"], 5)
    >>> sa.evaluation.lloret2019(None, train, (np.eye(3), ["a", "b", "c"])).accuracy
    1.0
    """
    if classifier not in get_args(LloretClassifier):
        raise ParameterError("classifier", classifier, ", ".join(map(repr, get_args(LloretClassifier))))
    for name, value in (("neighbours", neighbours), ("trees", trees)):
        if value < 1:
            raise ParameterError(name, value, "1 or more")
    _check_seed(seed)
    vectors, names = labelled_embeddings(net, train, "train", num_threads)
    asked, asked_names = (vectors, names) if test is None else labelled_embeddings(net, test, "test", num_threads)
    classes, codes = np.unique(names, return_inverse=True)
    unknown = sorted(set(asked_names) - set(classes))
    if unknown:
        raise ParameterError("test", f"the class {str(unknown[0])!r}", "classes that the training set shows, too")
    if asked.shape[1] != vectors.shape[1]:
        raise ParameterError("test", f"embeddings of {asked.shape[1]} numbers", f"{vectors.shape[1]} numbers")
    own = np.searchsorted(classes, asked_names)
    counts = np.bincount(codes, minlength=len(classes))
    most = len(vectors) - (1 if test is None else 0)
    if classifier == "knn" and neighbours > most:
        raise ParameterError("neighbours", neighbours, f"1 to {most}, the clips to classify by")
    if len(classes) < 2 or (test is None and counts.min() < 2):
        raise ParameterError("train", f"{len(classes)} classes, one with {counts.min()} clips", "two of two clips each")
    if classifier in ("average_distance", "knn"):
        shares = _by_distance(vectors, codes, asked, test is None, neighbours if classifier == "knn" else None)
    else:
        shares = _by_scikit_learn(vectors, codes, asked, test is None, classifier, trees, seed)

    credit = shares[np.arange(len(own)), own]
    sizes = np.bincount(own, minlength=len(classes))
    confusion = np.zeros((len(classes), len(classes)))
    np.add.at(confusion, own, shares)
    with np.errstate(invalid="ignore", divide="ignore"):
        confusion /= sizes[:, None]
        means = np.bincount(own, weights=credit, minlength=len(classes)) / sizes
        squares = np.bincount(own, weights=(credit - means[own]) ** 2, minlength=len(classes))
        variances = squares / (sizes - 1) / sizes
    per_class = np.diag(confusion)
    shown = sizes > 0
    kind = "other test clips of the same classes, the clips to classify by held fixed; normal over clips"
    accuracy = float(per_class[shown].mean())
    fitted = {"knn": f"{neighbours} nearest neighbours", "forest": f"a random forest of {trees} trees, seed {seed}"}
    how = fitted.get(classifier, classifier.replace("_", " "))
    shots = int(counts.min() - (1 if test is None else 0))
    return EvaluationResult(
        accuracy=accuracy,
        interval=normal_interval(accuracy, float(variances[shown].sum()) / shown.sum() ** 2, kind=kind),
        per_class=dict(zip(classes.tolist(), per_class.tolist(), strict=True)),
        per_class_intervals={
            name: normal_interval(float(share), float(variance), kind=kind)
            for name, share, variance in zip(classes.tolist(), per_class, variances, strict=True)
        },
        confusion=confusion,
        classes=tuple(classes.tolist()),
        ways=len(classes),
        shots=shots,
        ways_curve={len(classes): accuracy},
        baselines={"chance": 1 / len(classes)},
        protocol="lloret2019",
        description=f"Lloret 2019: {len(own)} clips of {len(classes)} classes classified by {how} on the embeddings of "
        + ("all other clips, leave-one-out" if test is None else f"{len(vectors)} clips, {shots} or more a class")
        + "; query and support may share a source",
        num_clips=len(own) if test is None else len(own) + len(vectors),
        num_tasks=len(own),
        seed=seed if classifier == "forest" else None,
        source_disjoint=False,
        left_out=(),
        query_accuracy=credit,
        query_classes=own.astype(np.int64),
        outcomes=np.random.default_rng(seed).random(len(own)) < credit,
    )


def _check_seed(seed: int) -> None:
    if seed < 0:
        raise ParameterError("seed", seed, "0 or more")


def _aligned_tasks(
    subject: Subject, queries: list[npt.NDArray[np.int64]], sets: npt.NDArray[np.int64], source_disjoint: bool
) -> core.Tasks:
    """Every query with every support set, the query's class first: (tasks, classes, 1) supports."""
    num_sets, num_classes = sets.shape
    clips = np.concatenate(queries)
    asked = np.repeat(clips, num_sets)
    supports = np.tile(sets, (len(clips), 1))
    classes = np.tile(np.arange(num_classes), (len(asked), 1))
    own = subject.labels[asked]
    rows = np.arange(len(asked))
    for table in (supports, classes):
        table[rows, own], table[:, 0] = table[:, 0].copy(), table[rows, own].copy()
    if source_disjoint and subject.sources is not None:
        kept = (subject.sources[supports] != subject.sources[asked][:, None]).all(axis=1)
        asked, supports, classes = asked[kept], supports[kept], classes[kept]
    return core.Tasks(classes, supports[:, :, None], asked[:, None])


def labelled_embeddings(
    net: SiameseNetwork | None, clips: Features | LabelledEmbeddings, argument: str, num_threads: int | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.str_]]:
    """Return embeddings and the class of each, checked.

    Parameters
    ----------
    net : SiameseNetwork or None
        What embeds features.
    clips : Features or tuple
        Labelled clips, or, without a network, their embeddings and classes.
    argument : str
        What the caller's caller calls them.
    num_threads : int > 0 or None
        CPU threads; None: one a core.
    """
    if isinstance(clips, Features):
        if net is None:
            raise ParameterError(argument, "features without a network", "a tuple of embeddings and classes")
        return net.embed(clips, num_threads=num_threads).astype(np.float64), np.array(clips.class_names)[clips.labels]
    if net is not None:
        raise ParameterError(argument, "arrays beside a network", "features")
    vectors, names = np.asarray(clips[0], dtype=np.float64), np.asarray(clips[1]).astype(str)
    if vectors.ndim != 2 or names.shape != (len(vectors),):
        raise ParameterError(argument, f"shapes {vectors.shape} and {names.shape}", "(clips, dim) and (clips,)")
    if not np.isfinite(vectors).all():
        raise ParameterError(argument, "NaN or infinity", "finite numbers")
    return vectors, names


def _by_distance(
    vectors: npt.NDArray[np.float64],
    codes: npt.NDArray[np.int64],
    asked: npt.NDArray[np.float64],
    leave_one_out: bool,
    neighbours: int | None,
) -> npt.NDArray[np.float64]:
    """Shares (asked, classes) of the class with the smallest mean distance, or with most of the nearest neighbours."""
    from scipy.spatial import distance

    num_classes = int(codes.max()) + 1
    counts = np.bincount(codes, minlength=num_classes).astype(np.float64)
    scores = np.empty((len(asked), num_classes))
    rows_at_once = max(1, 8_000_000 // len(vectors))
    for start in range(0, len(asked), rows_at_once):
        distances = distance.cdist(asked[start : start + rows_at_once], vectors)
        rows = np.arange(len(distances))
        itself = (rows, start + rows)
        if neighbours is None:
            if leave_one_out:
                distances[itself] = 0
            of_class = np.stack([distances[:, codes == c].sum(axis=1) for c in range(num_classes)], axis=1)
            sizes = np.tile(counts, (len(rows), 1))
            if leave_one_out:
                sizes[rows, codes[start + rows]] -= 1
            scores[start + rows] = -of_class / sizes
        else:
            if leave_one_out:
                distances[itself] = np.inf
            last = np.partition(distances, neighbours - 1, axis=1)[:, neighbours - 1 : neighbours]
            nearer, tied = distances < last, distances == last
            vote = neighbours - nearer.sum(axis=1, keepdims=True)  # of all that are tied, in units of their number
            votes = nearer * tied.sum(axis=1, keepdims=True) + tied * vote
            scores[start + rows] = np.stack([votes[:, codes == c].sum(axis=1) for c in range(num_classes)], axis=1)
    best = scores == scores.max(axis=1, keepdims=True)
    return best / best.sum(axis=1, keepdims=True)


def _by_scikit_learn(
    vectors: npt.NDArray[np.float64],
    codes: npt.NDArray[np.int64],
    asked: npt.NDArray[np.float64],
    leave_one_out: bool,
    classifier: str,
    trees: int,
    seed: int,
) -> npt.NDArray[np.float64]:
    """Shares (asked, classes): 1 for the class that the classifier names."""

    def made() -> Any:
        if classifier == "forest":
            ensemble = require("sklearn.ensemble", extra="classifiers", purpose="a random forest")
            return ensemble.RandomForestClassifier(n_estimators=trees, random_state=seed)
        svm = require("sklearn.svm", extra="classifiers", purpose="a support vector machine")
        return svm.SVC(kernel={"svm_linear": "linear", "svm_polynomial": "poly", "svm_rbf": "rbf"}[classifier])

    if leave_one_out:
        everyone = np.arange(len(vectors))
        named = np.array(
            [
                made().fit(vectors[everyone != clip], codes[everyone != clip]).predict(vectors[clip : clip + 1])[0]
                for clip in everyone
            ]
        )
    else:
        named = made().fit(vectors, codes).predict(asked)
    return (named[:, None] == np.arange(int(codes.max()) + 1)).astype(np.float64)
