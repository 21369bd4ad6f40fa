"""Search by example, measured: each clip is a query for all others."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import numpy as np
import numpy.typing as npt

from siamaudio._engine import core
from siamaudio.errors import ParameterError
from siamaudio.evaluation.intervals import delta_interval
from siamaudio.evaluation.results import Interval
from siamaudio.evaluation.subjects import Metric, Subject, as_subject
from siamaudio.features import Features
from siamaudio.network import SiameseNetwork

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["RetrievalResult", "evaluate_retrieval"]

Policy = Literal["all", "source-disjoint", "fold-disjoint"]
_POLICIES = {
    "all": "every other clip",
    "source-disjoint": "every clip of another source",
    "fold-disjoint": "every clip of another fold",
}
_ARRAYS = {
    "confusion": np.float64,
    "query_accuracy": np.float64,
    "query_average_precision": np.float64,
    "query_classes": np.int64,
    "nearest": np.int64,
}


class Embedder(Protocol):
    """Whatever turns spectrograms into vectors that can be compared."""

    def embed(self, features: Any, /, *, num_threads: int | None = None) -> npt.NDArray[np.float32]:
        """Return the embeddings [shape=(clips, dim)]."""
        ...


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class RetrievalResult:
    """What a search by example finds, each clip being the query once.

    The clips that a query may meet are ranked by their similarity to it, of equally similar ones those that come first
    in the data. Relevant is what has the query's class. Precision at a rank is the share of relevant clips among those
    up to it.

    Attributes
    ----------
    accuracy : float
        Share of the queries whose nearest clip is relevant.
    interval : Interval
        Of the accuracy.
    precision, recall, f1 : float
        Of the class of the nearest clip as a prediction: means over the classes (macro averages); what was never
        predicted has precision 0.
    accuracy_at_k : dict from int to float
        Share of the queries with a relevant clip among the k nearest.
    map_at_k : dict from int to float
        Pedersen 2023: mean over the precisions at the relevant ranks among the first k, then over the queries that have
        any there; 1 for k = 1, and far from 0 for a random ranking, so never read it without `accuracy_at_k`.
    standard_map_at_k : dict from int to float
        Sum over those precisions, divided by the number of relevant clips or k, whichever is less; then the mean over
        all queries.
    mean_average_precision : float
        Of the full ranking: the mean over all relevant clips of the precision at their rank, then over all queries.
    r_precision : float
        Precision at as many ranks as there are relevant clips, mean over the queries.
    chance : dict from str to float
        What a random ranking is expected to reach, in closed form: the names of `figures`, but precision, recall, f1.
    per_class : dict from str to float
        Accuracy of the queries of each class, its recall.
    per_class_intervals : dict from str to Interval
    per_class_precision, per_class_f1, per_class_average_precision : dict from str to float
    confusion : np.ndarray [shape=(classes, classes), dtype=float64]
        Share of the queries of class [row] whose nearest clip is of class [column].
    classes : tuple of str
        Names of the rows and columns.
    policy : str
        "all", "source-disjoint" or "fold-disjoint".
    description : str
        What was compared with what, in words.
    num_clips : int
        Clips that took part.
    num_tied : int
        Queries whose nearest clip is exactly as similar as a clip of another class: for these the order of the data
        decides.
    left_out : tuple of str
        Classes that could not take part, for want of clips, sources or folds.
    query_accuracy : np.ndarray [shape=(clips,), dtype=float64]
        1 where the nearest clip is relevant, 0 where not, NaN for clips that took no part. All clips that were given,
        in their order.
    query_average_precision : np.ndarray [shape=(clips,), dtype=float64]
        Of each query's full ranking.
    query_classes : np.ndarray [shape=(clips,), dtype=int64]
        Class of each clip as an index into `classes`; -1 where it was left out.
    nearest : np.ndarray [shape=(clips,), dtype=int64]
        The nearest clip of each, as a position among those that were given; -1 for those that took no part.
    superclasses : RetrievalResult or None
        The same rankings by the clips' superclasses, where these were given.

    Examples
    --------
    >>> import siamaudio as sa
    >>> result = sa.evaluate_retrieval(embeddings=[[0, 1], [0, 2], [1, 0], [2, 0]], labels=[0, 0, 1, 1], k=(1, 2))
    >>> result.accuracy, result.mean_average_precision, round(result.chance["accuracy"], 3)
    (1.0, 1.0, 0.333)
    """

    accuracy: float
    interval: Interval
    precision: float
    recall: float
    f1: float
    accuracy_at_k: dict[int, float]
    map_at_k: dict[int, float]
    standard_map_at_k: dict[int, float]
    mean_average_precision: float
    r_precision: float
    chance: dict[str, float]
    per_class: dict[str, float]
    per_class_intervals: dict[str, Interval]
    per_class_precision: dict[str, float]
    per_class_f1: dict[str, float]
    per_class_average_precision: dict[str, float]
    confusion: npt.NDArray[np.float64]
    classes: tuple[str, ...]
    policy: str
    description: str
    num_clips: int
    num_tied: int
    left_out: tuple[str, ...]
    query_accuracy: npt.NDArray[np.float64]
    query_average_precision: npt.NDArray[np.float64]
    query_classes: npt.NDArray[np.int64]
    nearest: npt.NDArray[np.int64]
    superclasses: RetrievalResult | None = None

    @property
    def figures(self) -> dict[str, float]:
        """All figures by their names: "accuracy", "MAP", "R-precision", "accuracy@5", "MAP@5", "standard MAP@5", …."""
        figures = {name: getattr(self, name) for name in ("accuracy", "precision", "recall", "f1")}
        figures |= {"MAP": self.mean_average_precision, "R-precision": self.r_precision}
        for k in self.accuracy_at_k:
            figures |= _at_k(k, self.accuracy_at_k[k], self.map_at_k[k], self.standard_map_at_k[k])
        return figures

    def summary(self) -> pd.DataFrame:
        """Return one row a figure, beside what a random ranking reaches; with superclasses, theirs beside them."""
        import pandas as pd

        columns = {"value": self.figures, "chance": self.chance}
        if self.superclasses is not None:
            columns |= {"superclasses": self.superclasses.figures, "superclasses, chance": self.superclasses.chance}
        return pd.DataFrame(columns, index=pd.Index(list(self.figures), name="figure"))

    def to_frame(self) -> pd.DataFrame:
        """Return one row a class.

        Its columns: accuracy (recall) with its interval, precision, F1, mean average precision, and the class that its
        queries are most often answered by instead.
        """
        import pandas as pd

        mistakes = np.nan_to_num(self.confusion)
        np.fill_diagonal(mistakes, 0)
        intervals = [self.per_class_intervals[name] for name in self.classes]
        # Of objects, not pandas's strings: a file name that is no valid UTF-8 can end up in a class name.
        mistaken_for = [self.classes[row.argmax()] if row.any() else None for row in mistakes]
        rows = {
            "accuracy": [self.per_class[name] for name in self.classes],
            "low": [interval.low for interval in intervals],
            "high": [interval.high for interval in intervals],
            "precision": [self.per_class_precision[name] for name in self.classes],
            "f1": [self.per_class_f1[name] for name in self.classes],
            "average_precision": [self.per_class_average_precision[name] for name in self.classes],
            "mistaken_for": pd.Series(mistaken_for, dtype=object).array,
            "mistaken_share": mistakes.max(axis=1),
        }
        return pd.DataFrame(rows, index=pd.Index(self.classes, dtype=object, name="class"))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw accuracy and both mean average precisions against k, beside those of a random ranking.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None
            Where to draw; None: new axes.
        """
        from siamaudio import plotting

        return plotting.plot_retrieval(self, ax=ax)

    def plot_confusion(self, ax: Axes | None = None) -> Axes:
        """Draw the confusion matrix as a heat map.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None
            Where to draw; None: new axes.
        """
        from siamaudio import plotting

        return plotting.plot_confusion(self, ax=ax)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as strict JSON can hold it; None stands for NaN."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        superclasses = None if self.superclasses is None else self.superclasses.to_dict()
        return _plain(values | {"superclasses": superclasses})

    def to_json(self) -> str:
        """Return everything as JSON, from which `from_json` makes the same result again."""
        return json.dumps(self.to_dict(), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Make the result that `to_json` wrote.

        Parameters
        ----------
        text : str
            What `to_json` returned.

        Examples
        --------
        >>> import siamaudio as sa
        >>> result = sa.evaluate_retrieval(embeddings=[[0, 1], [0, 2], [1, 0], [2, 0]], labels=[0, 0, 1, 1])
        >>> sa.RetrievalResult.from_json(result.to_json()).figures == result.figures
        True
        """
        return cls._from_dict(json.loads(text))

    @classmethod
    def _from_dict(cls, values: dict[str, Any]) -> Self:
        made: dict[str, Any] = {}
        for name, value in values.items():
            if name in _ARRAYS:
                # None becomes NaN on the way.
                made[name] = np.array(value, dtype=np.float64).astype(_ARRAYS[name])
            elif name.endswith("_at_k"):
                made[name] = {int(k): _or_nan(figure) for k, figure in value.items()}
            elif name == "per_class_intervals":
                made[name] = {each: _interval_from_dict(interval) for each, interval in value.items()}
            elif name in ("classes", "left_out"):
                made[name] = tuple(value)
            elif name == "superclasses":
                made[name] = None if value is None else cls._from_dict(value)
            elif name == "interval":
                made[name] = _interval_from_dict(value)
            elif isinstance(value, dict):
                made[name] = {each: _or_nan(figure) for each, figure in value.items()}
            else:
                made[name] = _or_nan(value)
        return cls(**made)

    def __repr__(self) -> str:
        interval = f" [{self.interval.low:.1%}, {self.interval.high:.1%}]"
        superclasses = "" if self.superclasses is None else f", superclasses {self.superclasses.accuracy:.1%}"
        return (
            f"RetrievalResult({self.policy}, {self.num_clips} clips of {len(self.classes)} classes, "
            f"accuracy {self.accuracy:.1%}{interval}, MAP {self.mean_average_precision:.1%}{superclasses}, "
            f"chance {self.chance['accuracy']:.1%})"
        )

    def _repr_html_(self) -> str:
        from html import escape

        tables = [table.to_html(float_format="{:.1%}".format, na_rep="") for table in (self.summary(), self.to_frame())]
        return f"<p>{escape(repr(self))}</p><p>{escape(self.description)}</p>{''.join(tables)}"


def evaluate_retrieval(
    net: SiameseNetwork | Embedder | None = None,
    features: Features | None = None,
    *,
    embeddings: npt.ArrayLike | None = None,
    similarity: npt.ArrayLike | None = None,
    labels: Sequence[str] | npt.ArrayLike | None = None,
    superclasses: Mapping[str, str] | Sequence[str] | npt.ArrayLike | None = None,
    sources: Sequence[str] | npt.ArrayLike | None = None,
    folds: npt.ArrayLike | None = None,
    metric: Metric = "cosine",
    policy: Policy = "all",
    k: Sequence[int] = (1, 2, 3, 4, 5, 10),
    allow_trained_classes: bool = False,
    num_threads: int | None = None,
) -> RetrievalResult:
    """Measure search by example: each clip is the query once, all clips that it may meet are ranked.

    Give a network or another embedder and features, or a similarity matrix and labels, or embeddings, labels and a
    metric.

    Parameters
    ----------
    net : SiameseNetwork, embedder or None
        A trained network, by whose similarity the clips are compared; or whatever has a method `embed`, whose
        embeddings are compared by `metric`.
    features : Features or None
        The clips.
    embeddings : array-like or None [shape=(clips, dim)]
        To be compared by `metric`.
    similarity : array-like or None [shape=(clips, clips)]
        Similarity of query [row] and answer [column]; the diagonal is not read.
    labels : sequence or None [shape=(clips,)]
        Class of each clip, names or numbers, with `similarity` or `embeddings`.
    superclasses : mapping, sequence or None [shape=(clips,)]
        The superclass of each clip, or of each class; then the rankings are scored by these, too.
    sources : sequence or None [shape=(clips,)]
        What each clip was cut from, names or numbers; None: as the features say.
    folds : sequence of int or None [shape=(clips,)]
        Fold of each clip; None: as the features say.
    metric : {"cosine", "euclidean"}
        How to compare embeddings.
    policy : {"all", "source-disjoint", "fold-disjoint"}
        What a query meets: all other clips, only those of other sources, or only those of other folds.
    k : sequence of int > 0
        For the figures at k.
    allow_trained_classes : bool
        Accept classes that the network was trained on.
    num_threads : int > 0 or None
        CPU threads; None: one a core.

    Returns
    -------
    RetrievalResult

    Raises
    ------
    ParameterError
        Arguments do not belong together, have wrong shapes, or sources or folds are needed and not known.
    DatasetError
        A class was trained on.

    Notes
    -----
    Equally similar clips are ranked in their order in the data, as a search index returns them; `num_tied` counts the
    queries for which that decides the answer. Classes with a single clip, or source, or fold under these policies, are
    left out with a warning. The interval's clusters are the sources, where they are known. Similarities are made, and
    ranked, in blocks of queries, so that memory stays bounded.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat(["bark", "meow", "rain", "wind"], 10)
    >>> vectors = np.repeat(rng.standard_normal((4, 8)), 10, axis=0) + rng.standard_normal((40, 8))
    >>> kinds = {"bark": "animal", "meow": "animal", "rain": "weather", "wind": "weather"}
    >>> result = sa.evaluate_retrieval(embeddings=vectors, labels=labels, superclasses=kinds)
    >>> result.accuracy > result.chance["accuracy"], result.superclasses.classes
    (True, ('animal', 'weather'))
    """
    ks = _checked_ks(k)
    if policy not in _POLICIES:
        raise ParameterError("policy", policy, "'all', 'source-disjoint' or 'fold-disjoint'")
    compared_by = None
    if features is not None:
        sources = features.sources if sources is None else sources
        folds = features.clips.folds if folds is None else folds
        if net is not None and not isinstance(net, SiameseNetwork):
            given = {"embeddings": embeddings, "similarity": similarity, "labels": labels}
            if named := [name for name, value in given.items() if value is not None]:
                raise ParameterError(named[0], f"{named[0]} beside an embedder", "an embedder together with features")
            compared_by = f"{metric} similarity of the embeddings of {type(net).__name__}"
            embeddings, net = net.embed(features, num_threads=num_threads), None
            labels = np.array(features.class_names, dtype=object)[features.labels].astype(str)
            features = None
    apart = sources
    if policy == "fold-disjoint":
        if folds is None or len(np.unique(np.asarray(folds))) < 2:
            raise ParameterError("folds", "none" if folds is None else "one fold", "two or more folds, for this policy")
        apart = folds
    subject = as_subject(
        net if isinstance(net, SiameseNetwork) else None,
        features,
        similarity=similarity,
        embeddings=embeddings,
        labels=labels,
        sources=apart,
        metric=metric,
        source_disjoint=policy != "all",
        allow_trained_classes=allow_trained_classes,
        num_threads=num_threads,
    )
    labellings = [(subject.classes, subject.labels)]
    if superclasses is not None:
        labellings.append(_superclasses(superclasses, subject))
    scores = _score(subject, [codes for _, codes in labellings], ks, policy, num_threads)
    clusters = None if sources is None else np.unique(np.asarray(sources), return_inverse=True)[1]
    if clusters is not None and clusters.shape != (subject.num_given,):
        raise ParameterError("sources", f"shape {clusters.shape}", f"({subject.num_given},), one for each clip")
    results = [
        _result(
            subject,
            names,
            codes,
            found,
            ks=ks,
            policy=policy,
            compared_by=compared_by or subject.compared_by,
            clusters=None if clusters is None else clusters[subject.positions],
        )
        for (names, codes), found in zip(labellings, scores, strict=True)
    ]
    return dataclasses.replace(results[0], superclasses=results[1] if len(results) > 1 else None)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class _Scores:
    """What each query found, by one labelling; see cpp/score/retrieval.h."""

    nearest: npt.NDArray[np.int64]
    met: npt.NDArray[np.int64]
    relevant: npt.NDArray[np.int64]
    is_tied: npt.NDArray[np.uint8]
    found: npt.NDArray[np.int64]
    precisions: npt.NDArray[np.float64]
    average_precision: npt.NDArray[np.float64]
    r_precision: npt.NDArray[np.float64]


def _score(
    subject: Subject, labellings: list[npt.NDArray[np.int64]], ks: tuple[int, ...], policy: str, num_threads: int | None
) -> list[_Scores]:
    blocks = [
        core.score_retrieval(
            similarity,
            labellings=labellings,
            groups=None if policy == "all" else subject.sources,
            ks=ks,
            first_query=start,
            num_threads=num_threads or 0,
        )
        for start, similarity in subject.blocks()
    ]
    nearest = np.concatenate([block[0] for block in blocks])
    met = np.concatenate([block[1] for block in blocks])
    names = [field.name for field in dataclasses.fields(_Scores)][2:]
    scores = []
    for i in range(len(labellings)):
        parts: dict[str, Any] = {
            name: np.concatenate([block[2][i][j] for block in blocks]) for j, name in enumerate(names)
        }
        scores.append(_Scores(nearest=nearest, met=met, **parts))
    return scores


def _result(
    subject: Subject,
    classes: tuple[str, ...],
    codes: npt.NDArray[np.int64],
    scores: _Scores,
    *,
    ks: tuple[int, ...],
    policy: Policy,
    compared_by: str,
    clusters: npt.NDArray[np.int64] | None,
) -> RetrievalResult:
    """Sum up what the queries found. Every query meets some clip: each class has two clips, sources or folds."""
    num_classes, num_clips = len(classes), len(codes)
    answers = codes[scores.nearest]
    is_right = (answers == codes).astype(np.float64)
    counts = np.zeros((num_classes, num_classes))
    np.add.at(counts, (codes, answers), 1)
    asked, named, right = counts.sum(axis=1), counts.sum(axis=0), np.diag(counts)
    recall = right / asked
    precision = np.divide(right, named, where=named > 0, out=np.zeros(num_classes))
    f1 = 2 * right / (asked + named)

    groups = np.arange(num_clips) if clusters is None else clusters
    units = "clips" if clusters is None else "recordings"
    kind = f"other {units} of the same classes as queries, the answers held fixed; Student's t over {units}"
    accuracy = float(is_right.mean())
    interval, _ = delta_interval(
        np.array([accuracy]), (is_right - accuracy) / num_clips, groups, np.zeros(num_clips, dtype=np.int64), kind=kind
    )
    _, intervals = delta_interval(recall, (is_right - recall[codes]) / asked[codes], groups, codes, kind=kind)

    has_relevant = scores.relevant > 0
    average_precision = np.where(has_relevant, scores.average_precision, 0)
    with np.errstate(invalid="ignore"):
        per_class_ap = np.bincount(codes, average_precision, num_classes) / np.bincount(
            codes, has_relevant, num_classes
        )

    def named_by_class(values: npt.NDArray[np.float64]) -> dict[str, float]:
        return dict(zip(classes, values.tolist(), strict=True))

    return RetrievalResult(
        accuracy=accuracy,
        interval=interval,
        precision=float(precision.mean()),
        recall=float(recall.mean()),
        f1=float(f1.mean()),
        accuracy_at_k={k: float((scores.found[:, i] > 0).mean()) for i, k in enumerate(ks)},
        map_at_k={k: _mean(_ratio(scores.precisions[:, i], scores.found[:, i])) for i, k in enumerate(ks)},
        standard_map_at_k={
            k: _mean(_ratio(scores.precisions[:, i], np.minimum(k, scores.relevant))) for i, k in enumerate(ks)
        },
        mean_average_precision=_mean(scores.average_precision),
        r_precision=_mean(scores.r_precision),
        chance=_chance(scores.met, scores.relevant, ks),
        per_class=named_by_class(recall),
        per_class_intervals=dict(zip(classes, intervals, strict=True)),
        per_class_precision=named_by_class(precision),
        per_class_f1=named_by_class(f1),
        per_class_average_precision=named_by_class(per_class_ap),
        confusion=counts / asked[:, None],
        classes=classes,
        policy=policy,
        description=f"each of {num_clips} clips of {num_classes} classes as a query for {_POLICIES[policy]}, "
        f"compared by {compared_by}; of equally similar clips the first in the data",
        num_clips=num_clips,
        num_tied=int(scores.is_tied.sum()),
        left_out=subject.left_out,
        query_accuracy=subject.spread(is_right, math.nan),
        query_average_precision=subject.spread(scores.average_precision, math.nan),
        query_classes=subject.spread(codes, -1),
        nearest=subject.spread(subject.positions[scores.nearest], -1),
    )


def _chance(met: npt.NDArray[np.int64], relevant: npt.NDArray[np.int64], ks: tuple[int, ...]) -> dict[str, float]:
    """Return what random rankings are expected to reach.

    Of n clips R are relevant. Rank i holds a relevant one with probability R/n, and then (R - 1)/(n - 1) of the ranks
    before it do, so that the expected precision there, where it is relevant, is (1 + (i - 1)(R - 1)/(n - 1))/i.
    """
    from scipy.stats import hypergeom

    pairs, weights = np.unique(np.stack([met, relevant]), axis=1, return_counts=True)
    n, r = pairs[:, pairs[1] > 0].astype(np.float64)
    weights = weights[pairs[1] > 0].astype(np.float64)

    def precision_sum(hits: Any, ranks: Any, up_to: int) -> Any:
        """Return the expected sum of precisions at the relevant of `up_to` ranks, `hits` of `ranks` being relevant."""
        i = np.arange(1, up_to + 1)
        of_others = (np.asarray(hits)[..., None] - 1) / np.maximum(np.asarray(ranks)[..., None] - 1, 1)
        return (np.asarray(hits / ranks)[..., None] * (1 + (i - 1) * of_others) / i).sum(axis=-1)

    full = [precision_sum(hits, clips, int(clips)) / hits for clips, hits in zip(n, r, strict=True)]
    # Those without a relevant clip are never right, and have no average precision.
    figures = {
        "accuracy": float((weights * r / n).sum() / len(met)),
        "MAP": float(np.average(full, weights=weights)),
        "R-precision": float(np.average(r / n, weights=weights)),
    }
    for k in ks:
        seen = np.minimum(k, n)
        nothing = hypergeom.pmf(0, n, r, seen)
        standard = [
            precision_sum(hits, clips, int(ranks)) / min(k, hits) for clips, hits, ranks in zip(n, r, seen, strict=True)
        ]
        # Among the queries that find something: `found` relevant ones, anywhere among the ranks that are seen.
        found = np.arange(1, k + 1)
        pedersen = np.zeros(len(n))
        for j, ranks in enumerate(seen.astype(int)):
            few = found[found <= ranks]
            means = precision_sum(few, float(ranks), ranks) / few
            pedersen[j] = (hypergeom.pmf(few, n[j], r[j], ranks) * means).sum()
        figures |= _at_k(
            k,
            float((weights * (1 - nothing)).sum() / len(met)),
            float((weights * pedersen).sum() / (weights * (1 - nothing)).sum()),
            float(np.average(standard, weights=weights)),
        )
    return figures


def _at_k(k: int, accuracy: float, pedersen: float, standard: float) -> dict[str, float]:
    return {f"accuracy@{k}": accuracy, f"MAP@{k}": pedersen, f"standard MAP@{k}": standard}


def _checked_ks(k: Sequence[int]) -> tuple[int, ...]:
    ks = tuple(int(each) for each in k)
    if not ks or min(ks) < 1:
        raise ParameterError("k", str(tuple(k)), "one or more whole numbers from 1 on")
    return tuple(sorted(set(ks)))


def _superclasses(
    superclasses: Mapping[str, str] | Sequence[str] | npt.ArrayLike, subject: Subject
) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Return the names of the superclasses that take part, and that of each clip."""
    if isinstance(superclasses, Mapping):
        by_name = {str(name): value for name, value in superclasses.items()}
        if missing := [name for name in subject.classes if name not in by_name]:
            raise ParameterError("superclasses", f"none for the class {missing[0]!r}", "one for each class")
        values = np.asarray([by_name[name] for name in subject.classes])[subject.labels]
    else:
        values = np.asarray(superclasses)
        if values.shape != (subject.num_given,):
            raise ParameterError("superclasses", f"shape {values.shape}", f"({subject.num_given},), one for each clip")
        values = values[subject.positions]
    names, codes = np.unique(values, return_inverse=True)
    return tuple(str(name) for name in names), codes.astype(np.int64)


def _ratio(sums: npt.NDArray[np.float64], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """NaN where nothing was counted."""
    return np.divide(sums, counts, where=counts > 0, out=np.full(len(sums), np.nan))


def _mean(values: npt.NDArray[np.float64]) -> float:
    """Over those that are there."""
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else math.nan


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, Interval):
        return _plain(dataclasses.asdict(value))
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _or_nan(value: Any) -> Any:
    return math.nan if value is None else value


def _interval_from_dict(values: dict[str, Any]) -> Interval:
    return Interval(**{name: _or_nan(value) for name, value in values.items()})
