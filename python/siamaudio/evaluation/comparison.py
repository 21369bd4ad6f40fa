"""Is one network better than another? Tests on the same queries."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt

from siamaudio.errors import ParameterError
from siamaudio.evaluation.class_splits import SplitsResult
from siamaudio.evaluation.results import EvaluationResult, Interval
from siamaudio.evaluation.retrieval import RetrievalResult
from siamaudio.features import Features

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["ClassComparison", "Comparison", "McNemar", "compare"]

Correction = Literal["holm", "bh", "none"]
Exchange = Literal["clips", "classes"]
Comparable = EvaluationResult | RetrievalResult | SplitsResult

_BLOCK_SIGNS = 1 << 21  # random signs that are drawn at once
_MADE_ALIKE = {
    "EvaluationResult": ("protocol", "ways", "shots", "source_disjoint", "classes", "left_out"),
    "RetrievalResult": ("policy", "classes", "left_out"),
    "SplitsResult": ("ways", "source_disjoint"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class McNemar:
    """McNemar's exact test, of the clips that only one of the two recognises.

    A clip counts as recognised where more than half of its tasks are answered right; where it is exactly half, the clip
    is left out.

    Attributes
    ----------
    only_first, only_second : int
        Clips that only the first, or only the second recognises.
    both, neither : int
        Clips that both, or none, recognise.
    p_value : float
        Two-sided, from the binomial distribution.
    chi_square : float
        The statistic of the approximate test with continuity correction: ``(|only_first - only_second| - 1)²`` over
        their sum; 0 where that is 0.
    chi_square_p_value : float
        Of that statistic, which has one degree of freedom.
    """

    only_first: int
    only_second: int
    both: int
    neither: int
    p_value: float
    chi_square: float
    chi_square_p_value: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassComparison:
    """Two results on the queries of one class.

    Attributes
    ----------
    first, second : float
        Accuracies.
    difference : float
        Second less first.
    interval : Interval or None
        Of the difference; None for a class with a single clip, or source.
    p_value, corrected_p_value : float
        Of the permutation test, alone and among all classes.
    mcnemar : McNemar
    corrected_mcnemar_p_value : float
        Among all classes.
    """

    first: float
    second: float
    difference: float
    interval: Interval | None
    p_value: float
    corrected_p_value: float
    mcnemar: McNemar
    corrected_mcnemar_p_value: float

    def __repr__(self) -> str:
        return (
            f"ClassComparison({self.first:.1%} and {self.second:.1%}, {100 * self.difference:+.1f} points, "
            f"corrected p = {self.corrected_p_value:.3f})"
        )


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Comparison:
    """What two evaluations on the same clips differ by.

    Attributes
    ----------
    names : tuple of (str, str)
        What the two are called.
    first, second : float
        Accuracies: means over the classes of means over their queries.
    difference : float
        Second less first.
    interval : Interval or None
        Of the difference; None where there is too little to tell.
    effect_size : float or None
        Cohen's d: the difference over the standard deviation of a clip's difference, pooled over the classes; None
        where that is 0.
    p_value : float
        Of the paired permutation test, two-sided.
    num_exchanged : int
        Units that are exchanged in that test.
    num_permutations : int
        Permutations that were tried, the given one included.
    all_permutations : bool
        Whether these are all there are; else they were drawn at random.
    mcnemar : McNemar
    per_class : dict from str to ClassComparison
    correction : str
        What p-values of classes were corrected by: "holm" (family-wise error), "bh" (false discovery rate) or "none".
    exchange : str
        "clips" or "classes".
    description : str
        What is tested, in words.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat(list("abcde"), 8)
    >>> centres = np.repeat(rng.standard_normal((5, 16)), 8, axis=0)
    >>> good, bad = (centres + noise * rng.standard_normal((40, 16)) for noise in (0.5, 2.0))
    >>> results = [sa.evaluate_oneshot(embeddings=vectors, labels=labels) for vectors in (bad, good)]
    >>> found = sa.compare(*results)
    >>> found.difference > 0.2, found.p_value < 0.001
    (True, True)
    """

    names: tuple[str, str]
    first: float
    second: float
    difference: float
    interval: Interval | None
    effect_size: float | None
    p_value: float
    num_exchanged: int
    num_permutations: int
    all_permutations: bool
    mcnemar: McNemar
    per_class: dict[str, ClassComparison]
    correction: str
    exchange: str
    description: str

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return dataclasses.asdict(self)

    def to_json(self) -> str:
        """Return everything as JSON, from which `from_json` makes the same comparison again."""
        return json.dumps(self.to_dict(), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Make the comparison that `to_json` wrote.

        Parameters
        ----------
        text : str
            What `to_json` returned.
        """
        values = json.loads(text)
        per_class = {
            name: ClassComparison(
                **{**found, "interval": _interval(found["interval"]), "mcnemar": McNemar(**found["mcnemar"])}
            )
            for name, found in values["per_class"].items()
        }
        return cls(
            **{
                **values,
                "names": tuple(values["names"]),
                "interval": _interval(values["interval"]),
                "mcnemar": McNemar(**values["mcnemar"]),
                "per_class": per_class,
            }
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row a class: both accuracies, their difference with its interval, and the p-values."""
        import pandas as pd

        rows = [
            {
                self.names[0]: found.first,
                self.names[1]: found.second,
                "difference": found.difference,
                "low": math.nan if found.interval is None else found.interval.low,
                "high": math.nan if found.interval is None else found.interval.high,
                "p": found.p_value,
                "p_corrected": found.corrected_p_value,
                "mcnemar_p": found.mcnemar.p_value,
                "mcnemar_p_corrected": found.corrected_mcnemar_p_value,
            }
            for found in self.per_class.values()
        ]
        return pd.DataFrame(rows, index=pd.Index(list(self.per_class), dtype=object, name="class"))

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the difference of each class, and over all, with intervals.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None
            Where to draw; None: new axes.
        """
        from siamaudio import plotting

        return plotting.plot_comparison(self, ax=ax)

    def __str__(self) -> str:
        interval = ""
        if self.interval is not None:
            ends = f"{100 * self.interval.low:+.1f} to {100 * self.interval.high:+.1f}"
            interval = f" [{ends}, {self.interval.confidence:.0%}]"
        effect = "" if self.effect_size is None else f", Cohen's d {self.effect_size:.2f}"
        better = [name for name, found in self.per_class.items() if found.corrected_p_value < 0.05]
        shown = ", ".join(better) if better else "none"
        return "\n".join(
            [
                f"{self.names[0]} {self.first:.1%}, {self.names[1]} {self.second:.1%}: "
                f"{100 * self.difference:+.1f} points{interval}{effect}",
                f"permutation test p = {_shown(self.p_value)}; McNemar's p = {_shown(self.mcnemar.p_value)}: "
                f"{self.mcnemar.only_second} clips recognised by {self.names[1]} alone, "
                f"{self.mcnemar.only_first} by {self.names[0]} alone",
                f"classes that differ ({self.correction}, 5%): {shown}",
            ]
        )

    def __repr__(self) -> str:
        return (
            f"Comparison({self.names[0]} {self.first:.1%}, {self.names[1]} {self.second:.1%}, "
            f"{100 * self.difference:+.1f} points, p = {_shown(self.p_value)})"
        )

    def _repr_html_(self) -> str:
        from html import escape

        lines = "<br>".join(map(escape, [*str(self).splitlines(), self.description]))
        return f"<p>{lines}</p>{self.to_frame().to_html(float_format='{:.3g}'.format)}"


def compare(
    first: Comparable,
    second: Comparable,
    *,
    sources: Features | Sequence[str] | npt.ArrayLike | None = None,
    exchange: Exchange = "clips",
    correction: Correction = "holm",
    permutations: int = 10_000,
    seed: int = 0,
    names: tuple[str, str] = ("first", "second"),
) -> Comparison:
    """Test whether one result is better than another on the same queries.

    Paired: each clip's share of right answers as a query under the second less that under the first. The permutation
    test's statistic is the difference of the accuracies; if the two were equally good, each clip's difference might as
    well have the other sign.

    Parameters
    ----------
    first, second : EvaluationResult, RetrievalResult or SplitsResult
        Of one protocol, on the same clips in the same order; or over the same class splits, where a clip counts by its
        mean over the splits that tested its class.
    sources : Features, sequence of str, array-like or None [shape=(clips,)]
        What each clip was cut from: clips of one source and class are no independent witnesses, so that their signs
        change together. Results over class splits need the features. None: every clip by itself.
    exchange : {"clips", "classes"}
        What is exchanged in the test over all, and what the interval is for. "clips": other clips of these classes.
        "classes": all clips of a class at once, which tells about other classes; with fewer than 6 classes it cannot
        find anything at 5 %.
    correction : {"holm", "bh", "none"}
        Of p-values of single classes: Holm's for the family-wise error, Benjamini and Hochberg's for the false
        discovery rate.
    permutations : int > 0
        Most permutations of a test; where there are no more than these, all are tried and the p-value is exact.
    seed : int >= 0
        Of the random permutations.
    names : tuple of (str, str)
        What to call the two in tables and pictures.

    Returns
    -------
    Comparison

    Raises
    ------
    ParameterError
        The results are of other protocols, classes or clips, or a parameter is out of its range.

    Notes
    -----
    Tasks share clips and are not independent, so that nothing here counts tasks: McNemar's test counts clips. The
    supports that the queries meet are the same for all of them and are taken as given. A random
    permutation test's p-value is (1 + number at least as extreme) / (1 + number drawn), which is never 0 (Phipson and
    Smyth 2010). Results whose queries were drawn differ in which clips were queries; those of both count.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> labels = np.repeat(list("ab"), 5)
    >>> similarity = np.random.default_rng(0).random((10, 10))
    >>> result = sa.evaluate_oneshot(similarity=similarity, labels=labels, ways=2)
    >>> sa.compare(result, result).p_value
    1.0
    """
    if correction not in ("holm", "bh", "none"):
        raise ParameterError("correction", correction, "'holm', 'bh' or 'none'")
    if exchange not in ("clips", "classes"):
        raise ParameterError("exchange", exchange, "'clips' or 'classes'")
    if permutations < 1:
        raise ParameterError("permutations", permutations, "1 or more")
    _check_alike(first, second)
    one, other = _answers(first), _answers(second)
    if not np.array_equal(one.labels, other.labels):
        raise ParameterError(
            "second",
            f"a result on {len(other.labels)} clips of other classes",
            f"one on the same {len(one.labels)} clips in the same order",
        )
    clusters = _clusters(sources, one)
    asked = ~np.isnan(one.shares) & ~np.isnan(other.shares) & (one.labels >= 0)
    if not asked.any():
        raise ParameterError("second", "no clip that was a query in both results", "results on the same queries")
    codes, labels = np.unique(one.labels[asked], return_inverse=True)
    shares = np.stack([one.shares[asked], other.shares[asked]])
    classes = [one.classes[code] for code in codes]
    queries = _Queries(shares=shares, labels=labels, clusters=clusters[asked])

    rng = np.random.default_rng(seed)
    tests = []
    for label in range(len(classes)):
        own = queries.of_class(label)
        tests.append((own, _permutation_test(own.pulls(), permutations, rng).p_value, _mcnemar(own.shares)))
    corrected = corrected_p_values([p_value for _, p_value, _ in tests], correction)
    corrected_mcnemar = corrected_p_values([mcnemar.p_value for *_, mcnemar in tests], correction)
    per_class = {
        name: ClassComparison(
            first=float(own.means()[0, 0]),
            second=float(own.means()[1, 0]),
            difference=own.difference(),
            interval=own.interval("clips"),
            p_value=p_value,
            corrected_p_value=corrected[index],
            mcnemar=mcnemar,
            corrected_mcnemar_p_value=corrected_mcnemar[index],
        )
        for index, (name, (own, p_value, mcnemar)) in enumerate(zip(classes, tests, strict=True))
    }
    pulls = queries.pulls() if exchange == "clips" else queries.class_differences() / len(classes)
    overall = _permutation_test(pulls, permutations, rng)
    unit = "class" if exchange == "classes" else "clip" if sources is None else "source within a class"
    how = "all" if overall.is_complete else f"{overall.number} random"
    return Comparison(
        names=(str(names[0]), str(names[1])),
        first=float(queries.means()[0].mean()),
        second=float(queries.means()[1].mean()),
        difference=queries.difference(),
        interval=queries.interval(exchange),
        effect_size=queries.effect_size(),
        p_value=overall.p_value,
        num_exchanged=len(pulls),
        num_permutations=overall.number,
        all_permutations=overall.is_complete,
        mcnemar=_mcnemar(shares),
        per_class=per_class,
        correction=correction,
        exchange=exchange,
        description=f"{one.description}, {int(asked.sum())} queries of "
        f"{len(classes)} classes; permutation test: the two results exchanged for each {unit} ({len(pulls)}), "
        f"{how} permutations",
    )


def corrected_p_values(p_values: Sequence[float], correction: Correction) -> list[float]:
    """Correct p-values for their number.

    Parameters
    ----------
    p_values : sequence of float
        Of each test by itself.
    correction : {"holm", "bh", "none"}
        See `compare`.

    Examples
    --------
    >>> corrected_p_values([0.01, 0.04, 0.03], "holm")
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    rank = np.arange(1, len(p) + 1)
    if correction == "holm":
        p[order] = np.maximum.accumulate(p[order] * (len(p) - rank + 1))
    elif correction == "bh":
        p[order[::-1]] = np.minimum.accumulate((p[order] * len(p) / rank)[::-1])
    return np.minimum(p, 1).tolist()


@dataclasses.dataclass(frozen=True, eq=False)
class _Queries:
    """Right answers' shares of the clips [shape=(2, clips)], their classes (from 0, all there) and sources."""

    shares: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]
    clusters: npt.NDArray[np.int64]

    def of_class(self, label: int) -> _Queries:
        own = self.labels == label
        return _Queries(self.shares[:, own], np.zeros(int(own.sum()), dtype=np.int64), self.clusters[own])

    def means(self) -> npt.NDArray[np.float64]:
        """Return both accuracies of each class [shape=(2, classes)]."""
        return np.stack([np.bincount(self.labels, row) for row in self.shares]) / np.bincount(self.labels)

    def class_differences(self) -> npt.NDArray[np.float64]:
        means = self.means()
        return means[1] - means[0]

    def difference(self) -> float:
        return float(self.class_differences().mean())

    def pulls(self) -> npt.NDArray[np.float64]:
        """Return what each source of a class adds to the difference."""
        return self._sums((self.shares[1] - self.shares[0]) * self._weights())[1]

    def effect_size(self) -> float | None:
        centred = self.shares[1] - self.shares[0] - self.class_differences()[self.labels]
        freedom = len(self.labels) - self.labels.max() - 1
        deviation = math.sqrt(float(centred @ centred) / freedom) if freedom > 0 else 0.0
        return self.difference() / deviation if deviation > 1e-12 else None

    def interval(self, exchange: Exchange) -> Interval | None:
        """Return Student's interval of the difference; None without degrees of freedom."""
        from scipy.stats import t as student

        differences = self.class_differences()
        if exchange == "classes":
            freedom = len(differences) - 1
            variance = float(differences.var(ddof=1)) / len(differences) if freedom > 0 else 0.0
            kind = "other classes; Student's t"
        else:
            centred = self.shares[1] - self.shares[0] - differences[self.labels]
            of_class, sums = self._sums(centred * self._weights())
            sizes = np.bincount(of_class)
            freedom = int((sizes - 1).sum())
            if (sizes < 2).any():
                return None
            variance = float((sums**2 * (sizes / (sizes - 1))[of_class]).sum())
            kind = "other clips, or recordings, of the same classes; Student's t"
        if freedom < 1:
            return None
        reach = float(student.ppf(0.975, freedom)) * math.sqrt(variance)
        return Interval(self.difference() - reach, self.difference() + reach, kind=kind)

    def _weights(self) -> npt.NDArray[np.float64]:
        sizes = np.bincount(self.labels)
        return 1 / (len(sizes) * sizes[self.labels])

    def _sums(self, values: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Return class and sum of each source within a class."""
        units, unit_of = np.unique(np.stack([self.labels, self.clusters], axis=1), axis=0, return_inverse=True)
        return units[:, 0], np.asarray(np.bincount(unit_of.ravel(), values), dtype=np.float64)


@dataclasses.dataclass(frozen=True)
class _PermutationTest:
    p_value: float
    number: int
    is_complete: bool


def _permutation_test(pulls: npt.NDArray[np.float64], permutations: int, rng: np.random.Generator) -> _PermutationTest:
    """Test the sum against the sums with other signs; what is 0 has no sign."""
    pulls = pulls[pulls != 0]
    least = abs(pulls.sum()) - 1e-12 * np.abs(pulls).sum()  # sums in another order are equal but for rounding
    if len(pulls) < 63 and 2 ** len(pulls) <= permutations:
        signs = np.array(list(itertools.product((-1.0, 1.0), repeat=len(pulls)))).reshape(2 ** len(pulls), len(pulls))
        return _PermutationTest(float((np.abs(signs @ pulls) >= least).mean()), len(signs), True)
    num_extreme = 1  # the given one
    num_rows = max(1, _BLOCK_SIGNS // len(pulls))
    for start in range(0, permutations, num_rows):
        rows = min(num_rows, permutations - start)
        signs = rng.integers(2, size=(rows, len(pulls)), dtype=np.int8)
        num_extreme += int((np.abs((2.0 * signs - 1) @ pulls) >= least).sum())
    return _PermutationTest(num_extreme / (permutations + 1), permutations + 1, False)


def _mcnemar(shares: npt.NDArray[np.float64]) -> McNemar:
    from scipy.stats import binomtest, chi2

    decided = (np.abs(shares - 0.5) > 1e-12).all(axis=0)
    first, second = shares[:, decided] > 0.5
    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    num_different = only_first + only_second
    distance = max(0, abs(only_first - only_second) - 1)
    chi_square = distance**2 / num_different if num_different else 0.0
    return McNemar(
        only_first=only_first,
        only_second=only_second,
        both=int((first & second).sum()),
        neither=int((~first & ~second).sum()),
        p_value=float(binomtest(only_first, num_different).pvalue) if num_different else 1.0,
        chi_square=chi_square,
        chi_square_p_value=float(chi2.sf(chi_square, 1)),
    )


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class _Answers:
    """Share of right answers of each clip, and its class; the clips of splits are those of each class in turn."""

    shares: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    description: str
    by_class: bool


def _answers(result: Comparable) -> _Answers:
    if isinstance(result, EvaluationResult):
        return _Answers(
            shares=result.query_accuracy,
            labels=result.query_classes,
            classes=result.classes,
            description=f"{result.protocol}, {result.ways}-way {result.shots}-shot",
            by_class=False,
        )
    if isinstance(result, RetrievalResult):
        return _Answers(
            shares=result.query_accuracy,
            labels=result.query_classes,
            classes=result.classes,
            description=f"nearest clips, {result.policy}",
            by_class=False,
        )
    classes = tuple(sorted(result.per_class))
    of_class = []
    for name in classes:
        found = [single for single in result.results if name in single.classes]
        shares = [single.query_accuracy[single.query_classes == single.classes.index(name)] for single in found]
        of_class.append(np.mean(shares, axis=0))
    return _Answers(
        shares=np.concatenate(of_class),
        labels=np.repeat(np.arange(len(classes)), [len(shares) for shares in of_class]),
        classes=classes,
        description=f"{result.ways}-way one-shot, each clip's mean over those of {len(result.splits)} class splits "
        "that tested it",
        by_class=True,
    )


def _check_alike(first: Comparable, second: Comparable) -> None:
    if type(first) is not type(second):
        raise ParameterError("second", type(second).__name__, f"{type(first).__name__}, as the first")
    if isinstance(first, SplitsResult) and isinstance(second, SplitsResult) and first.splits != second.splits:
        raise ParameterError("second", "a result of other class splits", "one of the same: of equal seed and numbers")
    for name in _MADE_ALIKE[type(first).__name__]:
        one, other = getattr(first, name), getattr(second, name)
        if one != other:
            if name == "classes":
                one, other = f"{len(one)} classes", f"{len(other)} classes, or others"
            raise ParameterError("second", f"a result with {name} {other}", f"{name} as of the first, {one}")


def _clusters(sources: Features | Sequence[str] | npt.ArrayLike | None, answers: _Answers) -> npt.NDArray[np.int64]:
    num_clips = len(answers.labels)
    if sources is None:
        return np.arange(num_clips)
    values = np.asarray(sources.sources if isinstance(sources, Features) else sources, dtype=object)
    if answers.by_class:
        if not isinstance(sources, Features):
            raise ParameterError("sources", "sources alone", "the features themselves, for results over class splits")
        names = np.array(sources.class_names, dtype=object)[sources.labels]
        values = np.concatenate([values[names == name] for name in answers.classes])
    if values.shape != (num_clips,):
        raise ParameterError("sources", f"shape {values.shape}", f"({num_clips},), one for each clip of the results")
    return np.unique(values, return_inverse=True)[1]


def _interval(values: dict[str, Any] | None) -> Interval | None:
    return None if values is None else Interval(**values)


def _shown(p_value: float) -> str:
    return f"{p_value:.3f}" if p_value >= 0.001 else f"{p_value:.1e}"
