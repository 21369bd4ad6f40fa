"""What a search for hyperparameters has found."""

from __future__ import annotations

import dataclasses
import os
import warnings
from typing import TYPE_CHECKING, Any, Literal

from siamaudio import network_options
from siamaudio.errors import ParameterError, TuningError
from siamaudio.network import SiameseNetwork
from siamaudio.preset_files import write_preset

if TYPE_CHECKING:
    import optuna
    import pandas as pd

__all__ = ["TrialRecord", "TuningResult"]

Plot = Literal[
    "optimization_history",
    "intermediate_values",
    "param_importances",
    "parallel_coordinate",
    "slice",
    "contour",
    "edf",
    "rank",
    "timeline",
]
_PLOTS = Plot.__args__  # pyright: ignore[reportAttributeAccessIssue]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One trial that has come to an end.

    Attributes
    ----------
    trial : int
        Its number; one that took over a dead process's trial has that one's.
    state : {"complete", "pruned", "untrainable"}
        Trained to the end; stopped because others did better; or impossible, for the reason given.
    value : float or None
        What is maximised: by default the one-shot accuracy, in [0, 1], of the best epoch; of a pruned trial its last
        accuracy.
    params : dict from str to value
        The choice, by the names of the search space.
    network : dict
        All options of the network, as of a preset file.
    seed : int
        Of `SiameseNetwork.fit`.
    epochs : int
        How many it was trained.
    seconds : float
        How long the trial took.
    reason : str or None
        Why it is untrainable.
    """

    trial: int
    state: Literal["complete", "pruned", "untrainable"]
    value: float | None
    params: dict[str, Any]
    network: dict[str, Any]
    seed: int
    epochs: int
    seconds: float
    reason: str | None


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TuningResult:
    """The trials of a study, best network first to hand; made by `tune`.

    Attributes
    ----------
    best : TrialRecord
        The completed trial of the greatest value; of several equal ones the first.
    trials : tuple of TrialRecord
        All that have come to an end, by number.
    protocol : str
        How a trial is judged, in words.
    study_name : str
        Name of the study in its storage.
    storage : str
        Where it is, without password.
    study : optuna.Study
        These trials as a study in memory, for Optuna's other analyses.
    """

    best: TrialRecord
    trials: tuple[TrialRecord, ...]
    protocol: str
    study_name: str
    storage: str
    study: optuna.Study = dataclasses.field(repr=False)

    @classmethod
    def of(cls, trials: tuple[TrialRecord, ...], **others: Any) -> TuningResult:
        """Make the result of some trials.

        Raises
        ------
        TuningError
            Not one of them was trained to the end.
        """
        complete = [record for record in trials if record.state == "complete"]
        if not complete:
            reasons = [record.reason for record in trials if record.reason is not None]
            raise TuningError(f"none of {len(trials)} trials was trained to the end; {', '.join(reasons[:1])}")
        best = max(complete, key=lambda record: (record.value, -record.trial))
        return cls(best=best, trials=trials, **others)

    @property
    def best_value(self) -> float:
        """What the best trial has reached."""
        return float(self.best.value or 0.0)

    @property
    def best_params(self) -> dict[str, Any]:
        """The best trial's choice."""
        return dict(self.best.params)

    def best_network(self) -> SiameseNetwork:
        """Return the best trial's network, untrained; with its seed `fit` repeats the trial."""
        return SiameseNetwork(**network_options.from_dict(self.best.network))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the best network's options to a preset file, for `SiameseNetwork.preset` and ``train --preset``.

        Parameters
        ----------
        path : path-like
            The file, ``*.json``.

        Raises
        ------
        ParameterError
            The file has another suffix.
        """
        origin = {
            "study": self.study_name,
            "trials": len(self.trials),
            "trial": self.best.trial,
            "value": self.best.value,
            "protocol": self.protocol,
            "params": self.best.params,
            "seed": self.best.seed,
        }
        write_preset(path, network_options.from_dict(self.best.network), origin=origin)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a trial: state, value, seed, epochs, seconds, reason, and each parameter."""
        import pandas as pd

        shown = ("state", "value", "seed", "epochs", "seconds", "reason")
        rows = [{name: getattr(record, name) for name in shown} | record.params for record in self.trials]
        return pd.DataFrame(rows, index=pd.Index([record.trial for record in self.trials], name="trial"))

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the study as JSON can hold it."""
        fields = [field.name for field in dataclasses.fields(self) if field.name not in ("study", "best", "trials")]
        return {
            **{name: getattr(self, name) for name in fields},
            "best": dataclasses.asdict(self.best),
            "trials": [dataclasses.asdict(record) for record in self.trials],
        }

    def plot(self, kind: Plot = "optimization_history") -> Any:
        """Draw one of Optuna's plots with matplotlib.

        Parameters
        ----------
        kind : str
            "optimization_history", "intermediate_values", "param_importances", "parallel_coordinate", "slice",
            "contour", "edf", "rank" or "timeline": `optuna.visualization` says what they show, and draws the same of
            `study` for a browser.

        Returns
        -------
        matplotlib.axes.Axes, or np.ndarray of these

        Raises
        ------
        ParameterError
            There is no such plot.
        """
        if kind not in _PLOTS:
            raise ParameterError("kind", kind, ", ".join(_PLOTS))
        import matplotlib as mpl
        import optuna

        draw = getattr(optuna.visualization.matplotlib, f"plot_{kind}")
        with mpl.rc_context(), warnings.catch_warnings():  # Optuna changes the style of all plots that follow
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            drawn = draw(self.study)
            is_interactive = mpl.is_interactive()
        mpl.interactive(is_interactive)  # a notebook's first figure switches it on, and later ones need it to be shown
        return drawn

    def __repr__(self) -> str:
        return (
            f"TuningResult({len(self.trials)} trials, best {self.best_value:.1%} by trial {self.best.trial}: "
            f"{self.best.params})"
        )

    def _repr_html_(self) -> str:
        return f"<p>{self.protocol}</p>{self.to_frame().to_html()}"
