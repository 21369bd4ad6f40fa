"""What an evaluation of pairs returns: curves, rates, thresholds."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from siamaudio.errors import ParameterError
from siamaudio.evaluation.results import Interval

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["Calibration", "OperatingPoint", "PairResult"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """A threshold, and what it lets through.

    Attributes
    ----------
    wanted_rate : float
        The false-accept rate that was asked for.
    threshold : float
        Two clips count as of the same class where their similarity is at least this: the choice that accepts most pairs
        of the same class without more false accepts than wanted.
    threshold_interval : Interval
        Between which thresholds the false-accept rate may be what it was found to be (Woodruff 1952).
    false_accept_rate : float
        Share of the pairs of different classes that are accepted, `wanted_rate` at most.
    false_accept_interval : Interval
        Of this rate, the threshold held fixed.
    true_accept_rate : float
        Share of the pairs of the same class that are accepted.
    true_accept_interval : Interval
        Of this rate, the threshold held fixed.
    """

    wanted_rate: float
    threshold: float
    threshold_interval: Interval
    false_accept_rate: float
    false_accept_interval: Interval
    true_accept_rate: float
    true_accept_interval: Interval

    def __repr__(self) -> str:
        return (
            f"OperatingPoint(threshold {self.threshold:.4g}: false accepts {self.false_accept_rate:.2%} of at most "
            f"{self.wanted_rate:.2%}, true accepts {self.true_accept_rate:.1%})"
        )


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Calibration:
    """Whether P(same class) is what it says.

    Attributes
    ----------
    predicted : np.ndarray [shape=(bins,), dtype=float64]
        Mean similarity in each of ten bins of equal width, empty ones left out.
    observed : np.ndarray [shape=(bins,), dtype=float64]
        Share of pairs of the same class in it.
    weight : np.ndarray [shape=(bins,), dtype=float64]
        Share of all pairs that are in it; adds up to 1.
    error : float
        Expected calibration error: mean of ``abs(predicted - observed)`` by `weight`.
    prior : float
        Share that pairs of the same class were given among all pairs.
    """

    predicted: npt.NDArray[np.float64]
    observed: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float64]
    error: float
    prior: float

    def __repr__(self) -> str:
        return f"Calibration(error {self.error:.3f} over {len(self.predicted)} bins, prior {self.prior:.3g})"


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class PairResult:
    """How well similarities tell pairs of the same class from pairs of different classes.

    Attributes
    ----------
    auc : float
        Area under the ROC curve: the chance that a pair of the same class is more similar than one of different
        classes, ties counted half.
    auc_interval : Interval
        Of `auc`.
    equal_error_rate : float
        Where false accepts and false rejects are equally frequent, between two thresholds if need be.
    equal_error_interval : Interval
        Of `equal_error_rate`.
    equal_error_threshold : float
        The threshold at which the two rates are closest.
    operating_points : tuple of OperatingPoint
        One for each false-accept rate that was asked for.
    calibration : Calibration or None
        None where similarities are no probabilities.
    false_accept, true_accept : np.ndarray [shape=(corners,), dtype=float64]
        The corners of the ROC curve, from (0, 0) to (1, 1).
    thresholds : np.ndarray [shape=(corners,), dtype=float64]
        Least similarity that is accepted at each corner, falling.
    num_same, num_different : int
        Pairs of the same class, and of different classes.
    num_clips : int or None
        Clips that the pairs are of; None where only pairs were given.
    source_disjoint : bool
        Whether pairs of one source are left out.
    description : str
        What was compared, in words.

    Examples
    --------
    >>> import siamaudio as sa
    >>> result = sa.evaluate_pairs(scores=[0.9, 0.8, 0.3, 0.4, 0.2, 0.1], same=[1, 1, 1, 0, 0, 0])
    >>> round(result.auc, 3), round(result.equal_error_rate, 3)
    (0.889, 0.333)
    """

    auc: float
    auc_interval: Interval
    equal_error_rate: float
    equal_error_interval: Interval
    equal_error_threshold: float
    operating_points: tuple[OperatingPoint, ...]
    calibration: Calibration | None
    false_accept: npt.NDArray[np.float64]
    true_accept: npt.NDArray[np.float64]
    thresholds: npt.NDArray[np.float64]
    num_same: int
    num_different: int
    num_clips: int | None
    source_disjoint: bool
    description: str

    def at(self, false_accept_rate: float) -> OperatingPoint:
        """Return the operating point for a false-accept rate.

        Parameters
        ----------
        false_accept_rate : float
            One of those that `evaluate_pairs` was asked for.

        Returns
        -------
        OperatingPoint
            The one that was asked for.

        Raises
        ------
        ParameterError
            It was not asked for.

        Examples
        --------
        >>> import siamaudio as sa
        >>> sa.evaluate_pairs(scores=[0.9, 0.8, 0.3, 0.2], same=[1, 1, 0, 0]).at(0.01).threshold
        0.8
        """
        for point in self.operating_points:
            if point.wanted_rate == false_accept_rate:
                return point
        known = ", ".join(f"{point.wanted_rate:g}" for point in self.operating_points)
        raise ParameterError(
            "false_accept_rate", false_accept_rate, f"{known}; evaluate_pairs(false_accept_rates=…) computes others"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return {name: _plain(value) for name, value in dataclasses.asdict(self).items()}

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
        >>> result = sa.evaluate_pairs(scores=[0.9, 0.8, 0.3, 0.2], same=[1, 1, 0, 0])
        >>> sa.PairResult.from_json(result.to_json()).auc == result.auc
        True
        """
        values = json.loads(text)
        arrays = ("false_accept", "true_accept", "thresholds")
        calibration = values["calibration"]
        if calibration is not None:
            curves = {name: np.array(calibration[name]) for name in ("predicted", "observed", "weight")}
            calibration = Calibration(**{**calibration, **curves})
        return cls(
            **{
                **values,
                **{name: np.array(values[name]) for name in arrays},
                "auc_interval": Interval(**values["auc_interval"]),
                "equal_error_interval": Interval(**values["equal_error_interval"]),
                "operating_points": tuple(map(_point_from_dict, values["operating_points"])),
                "calibration": calibration,
            }
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row a false-accept rate that was asked for: threshold, both rates, and their intervals."""
        import pandas as pd

        rows = []
        for point in self.operating_points:
            row: dict[str, float] = {}
            for name in ("threshold", "false_accept", "true_accept"):
                row[name] = getattr(point, name if name == "threshold" else f"{name}_rate")
                interval: Interval = getattr(point, f"{name}_interval")
                row |= {f"{name}_low": interval.low, f"{name}_high": interval.high}
            rows.append(row)
        wanted = [point.wanted_rate for point in self.operating_points]
        return pd.DataFrame(rows, index=pd.Index(wanted, name="wanted_rate", dtype=float))

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the ROC curve, with the operating points.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None
            Where to draw; None: new axes.
        """
        from siamaudio import plotting

        return plotting.plot_roc(self, ax=ax)

    def plot_det(self, *, ax: Axes | None = None) -> Axes:
        """Draw false rejects against false accepts, both on a normal scale (detection error tradeoff).

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None
            Where to draw; None: new axes.
        """
        from siamaudio import plotting

        return plotting.plot_det(self, ax=ax)

    def plot_calibration(self, *, ax: Axes | None = None) -> Axes:
        """Draw how often pairs are of the same class against how probable that was said to be.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None
            Where to draw; None: new axes.

        Raises
        ------
        ParameterError
            The similarities are no probabilities.
        """
        from siamaudio import plotting

        return plotting.plot_calibration(self, ax=ax)

    def __repr__(self) -> str:
        error = "" if self.calibration is None else f", calibration error {self.calibration.error:.3f}"
        return (
            f"PairResult(AUC {self.auc:.3f} [{self.auc_interval.low:.3f}, {self.auc_interval.high:.3f}], "
            f"equal error rate {self.equal_error_rate:.1%}{error}, {self.num_same} pairs of the same class, "
            f"{self.num_different} of different classes)"
        )

    def _repr_html_(self) -> str:
        from html import escape

        table = self.to_frame().to_html(float_format="{:.4g}".format)
        return f"<p>{escape(repr(self))}</p><p>{escape(self.description)}</p>{table}"


def _point_from_dict(values: dict[str, Any]) -> OperatingPoint:
    intervals = {name: Interval(**value) for name, value in values.items() if name.endswith("_interval")}
    return OperatingPoint(**{**values, **intervals})


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value
