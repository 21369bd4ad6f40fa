"""What every evaluation returns: a figure, what it is made of, and how sure it is."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["EvaluationResult", "Interval"]


@dataclasses.dataclass(frozen=True)
class Interval:
    """Between which values a figure is believed to lie.

    Attributes
    ----------
    low, high : float
        Its ends; NaN where there is too little to tell.
    confidence : float
        Share of such intervals that hold the true value.
    kind : str
        In words: what would have to be drawn anew for the figure to move so far, and how the interval was computed.

    Examples
    --------
    >>> import siamaudio as sa
    >>> print(sa.Interval(0.7, 0.8, kind="over tasks, normal approximation"))
    70.0% to 80.0% (95%, over tasks, normal approximation)
    """

    low: float
    high: float
    confidence: float = 0.95
    kind: str = dataclasses.field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.low:.1%} to {self.high:.1%} ({self.confidence:.0%}, {self.kind})"


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class EvaluationResult:
    """What an evaluation found, whatever its protocol.

    Attributes
    ----------
    accuracy : float
        In [0, 1]: the mean over the classes, or over tasks where each has queries of several classes.
    interval : Interval
        Of the accuracy; its `kind` says what it covers.
    per_class : dict from str to float
        Accuracy of the queries of each class.
    per_class_intervals : dict from str to Interval
        Of the same kind as `interval`.
    confusion : np.ndarray [shape=(classes, classes), dtype=float64]
        Share of the answers to queries of class [row] that name class [column]; rows add up to 1, or are NaN for a
        class without a query.
    classes : tuple of str
        Names of the rows and columns.
    ways : int
        Classes a task.
    shots : int
        Supports a class.
    ways_curve : dict from int to float
        Accuracy for other numbers of classes a task, `ways` among them.
    baselines : dict from str to float
        Accuracy of something simpler on the same tasks: "chance", and "raw spectrogram" where there are spectrograms.
    protocol : str
        Its name: "exact", "sampled", "honka2019", ….
    description : str
        The protocol in words, whether query and support may share a source included.
    num_clips : int
        Clips that took part.
    num_tasks : int or None
        Tasks that were played; None: all that are possible.
    seed : int or None
        Of the random choice of tasks; None: nothing was drawn.
    source_disjoint : bool
        Whether no query met a support of its own source.
    left_out : tuple of str
        Classes that could not take part, for want of clips or sources.
    query_accuracy : np.ndarray [shape=(clips,), dtype=float64]
        Share of a clip's tasks, as the query, that were answered right; NaN where it was never a query. All clips that
        were given, in their order.
    query_classes : np.ndarray [shape=(clips,), dtype=int64]
        Class of each of these clips as an index into `classes`; -1 where its class was left out.
    outcomes : np.ndarray [shape=(tasks,), dtype=bool] or None
        Whether each task was answered right, for protocols of tasks with one query; None for others.
    """

    accuracy: float
    interval: Interval
    per_class: dict[str, float]
    per_class_intervals: dict[str, Interval]
    confusion: npt.NDArray[np.float64]
    classes: tuple[str, ...]
    ways: int
    shots: int
    ways_curve: dict[int, float]
    baselines: dict[str, float]
    protocol: str
    description: str
    num_clips: int
    num_tasks: int | None
    seed: int | None
    source_disjoint: bool
    left_out: tuple[str, ...]
    query_accuracy: npt.NDArray[np.float64]
    query_classes: npt.NDArray[np.int64]
    outcomes: npt.NDArray[np.bool_] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as strict JSON can hold it; None stands for NaN."""
        return {
            **{field.name: getattr(self, field.name) for field in dataclasses.fields(self)},
            "interval": _interval_to_dict(self.interval),
            "per_class": {name: _or_none(value) for name, value in self.per_class.items()},
            "per_class_intervals": {
                name: _interval_to_dict(interval) for name, interval in self.per_class_intervals.items()
            },
            "confusion": [[_or_none(value) for value in row] for row in self.confusion.tolist()],
            "classes": list(self.classes),
            "ways_curve": {str(ways): accuracy for ways, accuracy in self.ways_curve.items()},
            "left_out": list(self.left_out),
            "query_accuracy": [_or_none(value) for value in self.query_accuracy.tolist()],
            "query_classes": self.query_classes.tolist(),
            "outcomes": None if self.outcomes is None else self.outcomes.tolist(),
        }

    def to_json(self) -> str:
        """Return everything as JSON, from which `from_json` makes the same result again.

        Examples
        --------
        >>> import siamaudio as sa
        >>> result = sa.evaluate_oneshot(embeddings=[[0, 1], [0, 2], [1, 0], [2, 0]], labels=[0, 0, 1, 1], ways=2)
        >>> sa.EvaluationResult.from_json(result.to_json()).accuracy == result.accuracy
        True
        """
        return json.dumps(self.to_dict(), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Make the result that `to_json` wrote.

        Parameters
        ----------
        text : str
            What `to_json` returned.
        """
        values = json.loads(text)
        return cls(
            **{
                **values,
                "interval": _interval_from_dict(values["interval"]),
                "per_class": {name: _or_nan(value) for name, value in values["per_class"].items()},
                "per_class_intervals": {
                    name: _interval_from_dict(interval) for name, interval in values["per_class_intervals"].items()
                },
                "confusion": np.array([[_or_nan(value) for value in row] for row in values["confusion"]]),
                "classes": tuple(values["classes"]),
                "ways_curve": {int(ways): accuracy for ways, accuracy in values["ways_curve"].items()},
                "left_out": tuple(values["left_out"]),
                "query_accuracy": np.array([_or_nan(value) for value in values["query_accuracy"]], dtype=np.float64),
                "query_classes": np.array(values["query_classes"], dtype=np.int64),
                "outcomes": None if values["outcomes"] is None else np.array(values["outcomes"], dtype=bool),
            }
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row a class: accuracy, its interval, and the class that its queries are most often taken for."""
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
            "mistaken_for": pd.Series(mistaken_for, dtype=object).array,
            "mistaken_share": mistakes.max(axis=1),
        }
        return pd.DataFrame(rows, index=pd.Index(self.classes, dtype=object, name="class"))

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the accuracy of each class with its interval, beside the mean and the baselines.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None
            Where to draw; None: new axes.
        """
        from siamaudio import plotting

        return plotting.plot_per_class(self, ax=ax)

    def plot_confusion(self, *, ax: Axes | None = None) -> Axes:
        """Draw the confusion matrix as a heat map.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None
            Where to draw; None: new axes.
        """
        from siamaudio import plotting

        return plotting.plot_confusion(self, ax=ax)

    def plot_ways(self, *, ax: Axes | None = None) -> Axes:
        """Draw the accuracy against the number of classes a task.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None
            Where to draw; None: new axes.
        """
        from siamaudio import plotting

        return plotting.plot_ways(self, ax=ax)

    def __repr__(self) -> str:
        interval = f" [{self.interval.low:.1%}, {self.interval.high:.1%}]"
        baselines = "".join(f", {name} {accuracy:.1%}" for name, accuracy in self.baselines.items())
        return (
            f"EvaluationResult({self.protocol}, {self.ways}-way {self.shots}-shot accuracy {self.accuracy:.1%}"
            f"{interval}{baselines})"
        )

    def _repr_html_(self) -> str:
        from html import escape

        table = self.to_frame().to_html(float_format="{:.1%}".format)
        return f"<p>{escape(repr(self))}</p><p>{escape(self.description)}</p>{table}"


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _interval_to_dict(interval: Interval) -> dict[str, Any]:
    return {**dataclasses.asdict(interval), "low": _or_none(interval.low), "high": _or_none(interval.high)}


def _interval_from_dict(values: dict[str, Any]) -> Interval:
    return Interval(**{**values, "low": _or_nan(values["low"]), "high": _or_nan(values["high"])})
