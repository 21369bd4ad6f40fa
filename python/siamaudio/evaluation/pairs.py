"""Same class or not? How well similarities tell, and which threshold to set."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from siamaudio.errors import DatasetError, ParameterError
from siamaudio.evaluation.pair_results import Calibration, OperatingPoint, PairResult
from siamaudio.evaluation.results import Interval
from siamaudio.evaluation.subjects import Metric, Subject, as_subject
from siamaudio.features import Features
from siamaudio.network import SiameseNetwork

__all__ = ["evaluate_pairs"]

FloatArray = npt.NDArray[np.floating[Any]]

_BLOCK_PAIRS = 1 << 21  # that are looked at at once
_NORMAL_95 = 1.959963984540054  # the normal distribution's 97.5 % quantile
_NUM_BINS = 10  # of a calibration curve


def evaluate_pairs(
    net: SiameseNetwork | None = None,
    features: Features | None = None,
    *,
    similarity: npt.ArrayLike | None = None,
    embeddings: npt.ArrayLike | None = None,
    labels: Sequence[str] | npt.ArrayLike | None = None,
    sources: Sequence[str] | npt.ArrayLike | None = None,
    metric: Metric = "cosine",
    scores: npt.ArrayLike | None = None,
    same: npt.ArrayLike | None = None,
    false_accept_rates: Sequence[float] = (0.1, 0.05, 0.01, 0.001),
    source_disjoint: bool = False,
    prior: float = 0.5,
    allow_trained_classes: bool = False,
    num_threads: int | None = None,
) -> PairResult:
    """Measure how well similarities tell whether two clips are of the same class, over every pair of clips.

    Give a network and features, or embeddings and labels, or a similarity matrix and labels, or the scores of pairs and
    whether each is of the same class.

    Parameters
    ----------
    net : SiameseNetwork or None
        A trained network.
    features : Features or None
        Clips of classes that the network has not been trained on.
    similarity : array-like or None [shape=(clips, clips)]
        Similarity of every two clips; read above the diagonal.
    embeddings : array-like or None [shape=(clips, dim)]
        To be compared by `metric`.
    labels : sequence or None [shape=(clips,)]
        Class of each clip, names or numbers, with `similarity` or `embeddings`.
    sources : sequence or None [shape=(clips,)]
        What each clip was cut from, names or numbers; None: as the features say.
    metric : {"cosine", "euclidean"}
        How to compare `embeddings`.
    scores : array-like or None [shape=(pairs,)]
        Similarity of each pair.
    same : array-like of bool or None [shape=(pairs,)]
        Whether each pair is of the same class, with `scores`.
    false_accept_rates : sequence of float in [0, 1]
        To find thresholds for.
    source_disjoint : bool
        Leave out pairs of clips of one source.
    prior : float in (0, 1)
        Share of pairs of the same class that calibration is judged for. Networks learn from about as many pairs of the
        same class as of different ones, while of all pairs of clips few are of the same class.
    allow_trained_classes : bool
        Accept classes that the network was trained on; the figure then says nothing about new sounds.
    num_threads : int > 0 or None
        CPU threads; None: one a core.

    Returns
    -------
    PairResult

    Raises
    ------
    ParameterError
        Arguments do not belong together, have wrong shapes, or are out of their range.
    DatasetError
        There is no pair of the same class, or none of different ones, or a class was trained on.

    Notes
    -----
    Pairs that share a clip are not independent. The variances are those of the infinitesimal jackknife over the sources
    (over the clips, where no sources are known; over the pairs, where only pairs are given): how much the figure would
    move if a source counted for more, less the mean of its class. For the AUC this is DeLong's variance with clusters
    (DeLong 1988, Obuchowski 1997). The intervals are Wilson's for as many independent pairs as would have that
    variance. Classes are held fixed: for other classes all intervals are too short.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> rng = np.random.default_rng(0)
    >>> embeddings = np.repeat(rng.standard_normal((5, 8)), 10, axis=0) + 0.5 * rng.standard_normal((50, 8))
    >>> result = sa.evaluate_pairs(embeddings=embeddings, labels=np.repeat(list("abcde"), 10))
    >>> result.num_same, result.num_different
    (225, 1000)
    >>> result.at(0.01).false_accept_rate <= 0.01
    True
    """
    rates = tuple(float(rate) for rate in false_accept_rates)
    if not all(0 <= rate <= 1 for rate in rates):
        raise ParameterError("false_accept_rates", false_accept_rates, "rates from 0 to 1")
    if not 0 < prior < 1:
        raise ParameterError("prior", prior, "between 0 and 1")
    if scores is not None or same is not None:
        if any(given is not None for given in (net, features, similarity, embeddings, labels)):
            raise ParameterError("scores", "scores of pairs and something else", "scores and same by themselves")
        if source_disjoint:
            raise ParameterError("source_disjoint", True, "False where only pairs are given: leave such pairs out")
        pairs = _given_pairs(scores, same)
        probable = None
    else:
        subject = as_subject(
            net,
            features,
            similarity=similarity,
            embeddings=embeddings,
            labels=labels,
            sources=sources,
            metric=metric,
            clips_per_class=1,
            allow_trained_classes=allow_trained_classes,
            num_threads=num_threads,
        )
        if source_disjoint and subject.sources is None:
            raise ParameterError(
                "sources",
                None,
                "what each clip was cut from, to leave out pairs of one source; or source_disjoint=False",
            )
        pairs = _clip_pairs(subject, source_disjoint)
        # Without a head similarities are distances or cosines, wherever they lie.
        is_metric = embeddings is not None or (net is not None and net.head is None)
        probable = False if is_metric else None
    return _evaluate(pairs, rates, prior, probable, source_disjoint)


# ---- Pairs, in blocks


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Block:
    """Some pairs: their similarities, and the two units (clips, or the pair itself) that each is made of."""

    same: FloatArray
    different: FloatArray
    units_of_same: tuple[npt.NDArray[np.int64], ...]
    units_of_different: tuple[npt.NDArray[np.int64], ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Pairs:
    """All pairs, which `blocks` goes through as often as asked."""

    blocks: Callable[[], Iterator[_Block]]
    strata: npt.NDArray[np.int64]  # class of each unit
    clusters: npt.NDArray[np.int64]  # source of each unit
    units_per_pair: int
    most_pairs: int
    num_clips: int | None
    description: str
    resampled: str


def _given_pairs(scores: npt.ArrayLike | None, same: npt.ArrayLike | None) -> _Pairs:
    if scores is None or same is None:
        raise ParameterError("same" if same is None else "scores", None, "one for each pair, scores and same together")
    values, is_same = np.asarray(scores), np.asarray(same)
    if values.dtype.kind not in "biuf":
        raise ParameterError("scores", f"an array of {values.dtype}", "real numbers")
    values = values if values.dtype == np.float32 else values.astype(np.float64)
    if values.ndim != 1 or is_same.shape != values.shape:
        raise ParameterError("same", f"shape {is_same.shape} for scores of shape {values.shape}", "(pairs,) both")
    if is_same.dtype.kind not in "biuf" or not np.isin(is_same, (0, 1)).all():
        raise ParameterError("same", "other values than 0 and 1", "True or False for each pair")
    if not np.isfinite(values).all():
        raise ParameterError("scores", f"{values[~np.isfinite(values)][0]}", "finite numbers")
    is_same = is_same.astype(bool)
    everyone = np.arange(len(values))
    block = _Block(
        same=values[is_same],
        different=values[~is_same],
        units_of_same=(everyone[is_same],),
        units_of_different=(everyone[~is_same],),
    )
    return _Pairs(
        blocks=lambda: iter([block]),
        strata=is_same.astype(np.int64),
        clusters=everyone,
        units_per_pair=1,
        most_pairs=len(values),
        num_clips=None,
        description=f"{len(values)} given pairs",
        resampled="other pairs, all taken as independent",
    )


def _clip_pairs(subject: Subject, source_disjoint: bool) -> _Pairs:
    if subject.sources is None:
        clusters, resampled = np.arange(len(subject.labels)), "other clips of the same classes"
    else:
        clusters, resampled = subject.sources, "other recordings of the same classes"
    policy = "from different sources" if source_disjoint else "which may share a source"
    return _Pairs(
        blocks=lambda: _blocks_above_diagonal(subject, source_disjoint),
        strata=subject.labels,
        clusters=clusters,
        units_per_pair=2,
        most_pairs=len(subject.labels) * (len(subject.labels) - 1) // 2,
        num_clips=len(subject.labels),
        description=f"every pair of {len(subject.labels)} clips of {len(subject.classes)} classes, {policy}, "
        f"compared by {subject.compared_by}",
        resampled=resampled,
    )


def _blocks_above_diagonal(subject: Subject, source_disjoint: bool) -> Iterator[_Block]:
    labels, sources = subject.labels, subject.sources
    num_rows = max(1, _BLOCK_PAIRS // len(labels))
    for start, similarity in subject.blocks():
        for first in range(start, start + len(similarity), num_rows):
            rows = np.arange(first, min(first + num_rows, start + len(similarity)))
            columns = np.arange(first, len(labels))
            values = similarity[rows - start, first:]
            counts = columns > rows[:, None]
            if source_disjoint and sources is not None:
                counts &= sources[columns] != sources[rows][:, None]
            if not np.isfinite(values[counts]).all():
                row, column = np.argwhere(counts & ~np.isfinite(values))[0]
                one, other = subject.positions[rows[row]], subject.positions[columns[column]]
                raise ParameterError(
                    "similarity", f"{values[row, column]} for clips {one} and {other}", "finite numbers"
                )
            is_same = labels[columns] == labels[rows][:, None]
            same, different = np.nonzero(counts & is_same), np.nonzero(counts & ~is_same)
            yield _Block(
                same=values[same],
                different=values[different],
                units_of_same=(rows[same[0]], columns[same[1]]),
                units_of_different=(rows[different[0]], columns[different[1]]),
            )


# ---- The figures


def _evaluate(
    pairs: _Pairs, rates: tuple[float, ...], prior: float, probable: bool | None, source_disjoint: bool
) -> PairResult:
    same, different = _sorted_scores(pairs)
    curve = _Curve(same, different)
    auc = _auc(same, different)
    equal_error_rate, equal_error_threshold = _equal_error(curve)
    corners = [curve.best_corner(rate) for rate in rates]
    thresholds = np.array([*(curve.thresholds[corner] for corner in corners), equal_error_threshold])
    spread = _Spread(pairs, same, different, auc, thresholds, _equal_error_weight(curve, equal_error_rate))

    points = []
    for index, (rate, corner) in enumerate(zip(rates, corners, strict=True)):
        false_accept, true_accept = float(curve.false_accept[corner]), float(curve.true_accept[corner])
        false_interval = spread.interval(false_accept, spread.false_accept[index], "different")
        point = OperatingPoint(
            wanted_rate=rate,
            threshold=float(curve.thresholds[corner]),
            threshold_interval=Interval(
                curve.threshold_at(false_interval.high),
                max(curve.threshold_at(false_interval.low), float(curve.thresholds[corner])),
                kind=false_interval.kind,
            ),
            false_accept_rate=false_accept,
            false_accept_interval=false_interval,
            true_accept_rate=true_accept,
            true_accept_interval=spread.interval(true_accept, spread.true_accept[index], "same"),
        )
        points.append(point)
    if probable is None:
        low, high = min(same[0], different[0]), max(same[-1], different[-1])
        probable = bool(low >= 0 and high <= 1)
    turns = curve.turns()
    return PairResult(
        auc=auc,
        auc_interval=spread.interval(auc, spread.auc, "both"),
        equal_error_rate=equal_error_rate,
        equal_error_interval=spread.interval(equal_error_rate, spread.equal_error, "both"),
        equal_error_threshold=equal_error_threshold,
        operating_points=tuple(points),
        calibration=_calibration(same, different, prior) if probable else None,
        false_accept=curve.false_accept[turns],
        true_accept=curve.true_accept[turns],
        thresholds=curve.thresholds[turns],
        num_same=len(same),
        num_different=len(different),
        num_clips=pairs.num_clips,
        source_disjoint=source_disjoint,
        description=pairs.description,
    )


def _sorted_scores(pairs: _Pairs) -> tuple[FloatArray, FloatArray]:
    same: FloatArray = np.empty(0)
    different: FloatArray = np.empty(0)
    num_same = num_different = 0
    for number, block in enumerate(pairs.blocks()):
        if number == 0:  # memory that is not written to is not taken
            same, different = (np.empty(pairs.most_pairs, dtype=block.same.dtype) for _ in range(2))
        same[num_same : num_same + len(block.same)] = block.same
        different[num_different : num_different + len(block.different)] = block.different
        num_same += len(block.same)
        num_different += len(block.different)
    same, different = same[:num_same], different[:num_different]
    for scores, what in ((same, "of the same class"), (different, "of different classes")):
        if len(scores) == 0:
            raise DatasetError(f"there is no pair {what}; both kinds are needed")
        scores.sort()
    return same, different


class _Curve:
    """The ROC curve at every similarity at which a pair of the same class begins to be accepted.

    Between two of these nothing but pairs of different classes is accepted, so that no corner is missing, however many
    pairs of different classes there are.
    """

    def __init__(self, same: FloatArray, different: FloatArray) -> None:
        self.same, self.different = same, different
        levels = np.unique(same)[::-1]
        just_above = np.nextafter(levels, np.array(np.inf, dtype=levels.dtype))
        least = min(same[0], different[0])
        most = max(same[-1], different[-1])
        start = np.nextafter(most, np.array(np.inf, dtype=levels.dtype))
        steps = np.stack([just_above, levels], axis=1).ravel()
        # Every threshold is a number of the scores' own precision: what is compared with it decides alike.
        thresholds = np.concatenate([[start], steps, [least]]).astype(levels.dtype)
        num_false = len(different) - np.searchsorted(different, thresholds, side="left")
        num_true = len(same) - np.searchsorted(same, thresholds, side="left")
        fresh = np.r_[True, (np.diff(num_false) > 0) | (np.diff(num_true) > 0)]
        self.num_false, self.num_true = num_false[fresh], num_true[fresh]
        self.thresholds = thresholds[fresh].astype(np.float64)
        self.false_accept, self.true_accept = self.num_false / len(different), self.num_true / len(same)

    def best_corner(self, rate: float) -> int:
        """Return the corner with most true accepts, and of these with fewest false ones, within a false-accept rate."""
        allowed = int(np.searchsorted(self.false_accept, rate, side="right")) - 1
        return int(np.searchsorted(self.num_true, self.num_true[allowed], side="left"))

    def threshold_at(self, rate: float) -> float:
        """Return the least similarity of the share `rate` of the pairs of different classes that are most similar."""
        count = min(max(math.ceil(rate * len(self.different)), 0), len(self.different))
        return float(self.different[-count]) if count else float(self.thresholds[0])

    def turns(self) -> npt.NDArray[np.int64]:
        """Return the corners between which the curve is straight."""
        across, up = np.diff(self.num_false), np.diff(self.num_true)
        bends = across[1:] * up[:-1] != across[:-1] * up[1:]
        return np.flatnonzero(np.r_[True, bends, True])


def _auc(same: FloatArray, different: FloatArray) -> float:
    less, up_to = (np.searchsorted(different, same, side=side) for side in ("left", "right"))
    return (int(less.sum()) + int(up_to.sum())) / (2 * len(same) * len(different))


def _equal_error(curve: _Curve) -> tuple[float, float]:
    """Return the rate at which the curve meets the diagonal of equal errors, and the threshold nearest to it."""
    excess = curve.false_accept + curve.true_accept - 1
    after = int(np.flatnonzero(excess >= 0)[0])
    share = -excess[after - 1] / (excess[after] - excess[after - 1])
    rate = curve.false_accept[after - 1] + share * (curve.false_accept[after] - curve.false_accept[after - 1])
    between = []
    for scores in (curve.same, curve.different):
        start, stop = np.searchsorted(scores, curve.thresholds[[after, after - 1]].astype(scores.dtype))
        between.append(scores[start : stop + 1])
    candidates = np.unique(np.concatenate(between))
    false_accept = 1 - np.searchsorted(curve.different, candidates) / len(curve.different)
    false_reject = np.searchsorted(curve.same, candidates) / len(curve.same)
    return float(rate), float(candidates[np.abs(false_accept - false_reject).argmin()])


def _equal_error_weight(curve: _Curve, rate: float) -> float:
    """Return how much the false-accept rate at the threshold of equal errors counts in how the equal error rate moves.

    Where the rates at a threshold t change by a and r, they meet again after F(t) + a = R(t) + r, at a rate that has
    changed by (f r + g a) / (f + g) with the slopes f of F and g of R, whose ratio is the slope of the ROC curve.
    """
    if rate <= 0:
        return 0.5
    ends = np.array([0.5 * rate, min(1.0, 1.5 * rate)])
    low, high = np.interp(ends, curve.false_accept, curve.true_accept)
    slope = (high - low) / (ends[1] - ends[0])
    return float(slope / (1 + slope))


class _Spread:
    """How far the figures would move if other clips had been drawn."""

    def __init__(
        self,
        pairs: _Pairs,
        same: FloatArray,
        different: FloatArray,
        auc: float,
        thresholds: npt.NDArray[np.float64],
        equal_error_weight: float,
    ) -> None:
        self._pairs = pairs
        self._counts = {"same": len(same), "different": len(different)}
        num_units = len(pairs.strata)
        limits = thresholds.astype(same.dtype)
        auc_pull = np.zeros(num_units)
        pulls = {"same": np.zeros((len(limits), num_units)), "different": np.zeros((len(limits), num_units))}
        for block in pairs.blocks():
            for kind, scores, units, others in (
                ("same", block.same, block.units_of_same, different),
                ("different", block.different, block.units_of_different, same),
            ):
                total = len(same) if kind == "same" else len(different)
                # The share of the other kind of pairs that this pair is on the right side of.
                less, up_to = (np.searchsorted(others, scores, side=side) for side in ("left", "right"))
                share = (less + up_to) / (2 * len(others))
                _add(auc_pull, units, ((share if kind == "same" else 1 - share) - auc) / total)
                for row, limit in zip(pulls[kind], limits, strict=True):
                    accepted = scores >= limit
                    sorted_all = same if kind == "same" else different
                    rate = 1 - np.searchsorted(sorted_all, limit) / total
                    _add(row, units, (accepted - rate) / total)
        self.auc = self._variance(auc_pull)
        self.true_accept = [self._variance(pull) for pull in pulls["same"]]
        self.false_accept = [self._variance(pull) for pull in pulls["different"]]
        self.equal_error = self._variance(
            equal_error_weight * pulls["different"][-1] - (1 - equal_error_weight) * pulls["same"][-1]
        )

    def _variance(self, pull: npt.NDArray[np.float64]) -> float:
        strata, clusters = self._pairs.strata, self._pairs.clusters
        sizes = np.bincount(strata)
        centred = pull - (np.bincount(strata, pull) / np.maximum(sizes, 1))[strata]
        in_class, cluster_of = np.unique(np.stack([strata, clusters], axis=1), axis=0, return_inverse=True)
        num_clusters = np.bincount(in_class[:, 0], minlength=len(sizes))
        sums = np.bincount(cluster_of.ravel(), centred, minlength=len(in_class))
        count = num_clusters[in_class[:, 0]]
        return float((sums**2 * count / np.maximum(count - 1, 1)).sum())

    def interval(self, rate: float, variance: float, kind: Literal["same", "different", "both"]) -> Interval:
        """Return Wilson's interval for as many independent draws as give such a variance."""
        # A mean over all pairs is never less sure than one over those that have no clip in common.
        per_draw = self._pairs.units_per_pair * (2 if kind == "both" else 1)
        least = len(np.unique(self._pairs.clusters)) / per_draw if per_draw > 1 else math.inf
        least = max(1.0, min(least, *(self._counts.values() if kind == "both" else (self._counts[kind],))))
        most = math.prod(self._counts.values()) if kind == "both" else self._counts[kind]
        number = rate * (1 - rate) / variance if variance > 0 else 0.0
        number = min(max(number, least), most)
        squared = _NORMAL_95**2 / number
        middle = (rate + squared / 2) / (1 + squared)
        reach = math.sqrt(squared * (rate * (1 - rate) + squared / 4)) / (1 + squared)
        return Interval(
            max(0.0, min(rate, middle - reach)),
            min(1.0, max(rate, middle + reach)),
            kind=f"{self._pairs.resampled}; Wilson's interval with their variance by the infinitesimal jackknife",
        )


def _add(
    sums: npt.NDArray[np.float64], units: tuple[npt.NDArray[np.int64], ...], values: npt.NDArray[np.float64]
) -> None:
    for unit in units:
        sums += np.bincount(unit, values, minlength=len(sums))


def _calibration(same: FloatArray, different: FloatArray, prior: float) -> Calibration:
    edges = np.linspace(0, 1, _NUM_BINS + 1)[1:-1].astype(same.dtype)
    counts = np.zeros((2, _NUM_BINS))
    sums = np.zeros((2, _NUM_BINS))
    for kind, scores in enumerate((same, different)):
        ends = [0, *np.searchsorted(scores, edges, side="right"), len(scores)]
        for number, (start, stop) in enumerate(itertools.pairwise(ends)):
            counts[kind, number] = stop - start
            sums[kind, number] = scores[start:stop].sum(dtype=np.float64)
    per_pair = np.array([[prior / len(same)], [(1 - prior) / len(different)]])
    counts, sums = counts * per_pair, sums * per_pair
    filled = counts.sum(axis=0) > 0
    weight = counts.sum(axis=0)[filled]
    predicted, observed = sums.sum(axis=0)[filled] / weight, counts[0, filled] / weight
    return Calibration(
        predicted=predicted,
        observed=observed,
        weight=weight,
        error=float(weight @ np.abs(predicted - observed)),
        prior=prior,
    )
