"""Pictures of searches for hyperparameters, drawn with matplotlib as those of `siamaudio.plotting`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from siamaudio.errors import ParameterError
from siamaudio.optional import require
from siamaudio.plotting_style import (
    BLUE,
    SKY,
    VERMILLION,
    ink,
    legend_above,
    new_axes,
    new_figure,
    on_paper,
    one_line,
)

if TYPE_CHECKING:
    from siamaudio.tuning.results import TrialRecord, TuningResult

__all__ = ["parameters_size", "plot_curves", "plot_importances", "plot_parameters", "plot_trials"]

_COLUMNS = 3  # of axes in a figure
_SIZE = (6.4, 3.6)


def plot_trials(result: TuningResult, *, ax: Axes | None = None) -> Axes:
    """Draw the value of each trial, the best so far, and which were stopped or could not be trained.

    Parameters
    ----------
    result : TuningResult
        What to draw.
    ax : matplotlib.axes.Axes or None
        Where to draw; None: new axes.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(_SIZE) if ax is None else ax
    complete = _valued(result, "complete")
    lines: list[Line2D] = []
    for state, colour, marker, face in (("complete", BLUE, "o", BLUE), ("pruned", VERMILLION, "s", "none")):
        found = _valued(result, state)
        if found:
            numbers, values = [record.trial for record in found], [_value(record) for record in found]
            label = "trained to the end" if state == "complete" else "stopped early"
            lines += ax.plot(numbers, values, marker, color=colour, markerfacecolor=face, markersize=5, label=label)
    numbers = [record.trial for record in complete]
    best = np.maximum.accumulate([_value(record) for record in complete])
    lines += ax.plot(numbers, best, color=ink(), drawstyle="steps-post", label="best so far")
    lines += ax.plot(
        result.best.trial, result.best_value, "*", color=ink(), markersize=12,
        label=f"best: trial {result.best.trial} ({result.best_value:.3f})",
    )  # fmt: skip
    impossible = [record.trial for record in result.trials if record.state == "untrainable"]
    if impossible:
        # At the foot of the axes, as they have no value.
        place = {"transform": ax.get_xaxis_transform(), "clip_on": False}
        lines += ax.plot(
            impossible, [0.0] * len(impossible), "x", color=VERMILLION, label="could not be trained", **place
        )
    ax.set_xlabel("trial (counted from 0)")
    ax.set_ylabel(_value_label(result))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_above(ax, lines)
    return ax


def plot_importances(result: TuningResult, *, ax: Axes | None = None) -> Axes:
    """Draw how much of the variation of the trials' values each parameter explains, by Optuna's estimate.

    Parameters
    ----------
    result : TuningResult
        What to draw.
    ax : matplotlib.axes.Axes or None
        Where to draw; None: new axes.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ParameterError
        Fewer than two trials were trained to the end.
    """
    import optuna

    require("sklearn", extra="classifiers", purpose="the importance of parameters")
    if len(_valued(result, "complete")) < 2:
        raise ParameterError("result", "a single trial that was trained to the end", "two or more")
    # As many random numbers as ever, from a seed of their own: the same picture each time.
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    found = optuna.importance.get_param_importances(result.study, evaluator=evaluator)
    ax = new_axes((6.4, 1.2 + 0.32 * len(found))) if ax is None else ax
    names, shares = list(found)[::-1], [100 * share for share in found.values()][::-1]
    bars = ax.barh(range(len(names)), shares, color=SKY, height=0.75)
    ax.bar_label(bars, fmt="{:.0f}", padding=3, fontsize="small", bbox=on_paper(ax))
    ax.set_yticks(range(len(names)), [one_line(name) for name in names], parse_math=False)
    ax.set_ylabel("parameter")
    ax.set_xlim(0, 112)
    ax.set_xticks(range(0, 101, 20))
    ax.set_xlabel("share of the variation that is explained (%)")
    return ax


def plot_curves(result: TuningResult, *, ax: Axes | None = None) -> Axes:
    """Draw the values of each trial over its epochs, the best trial thick, those stopped early dashed.

    Parameters
    ----------
    result : TuningResult
        What to draw.
    ax : matplotlib.axes.Axes or None
        Where to draw; None: new axes.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(_SIZE) if ax is None else ax
    states = {record.trial: record.state for record in result.trials}
    styles: dict[str, dict[str, Any]] = {
        "complete": {"color": BLUE, "linestyle": "-", "linewidth": 0.9},
        "pruned": {"color": VERMILLION, "linestyle": "--", "linewidth": 0.9},
        "best": {"color": ink(), "linestyle": "-", "linewidth": 2.2, "zorder": 3},
    }
    drawn = set()
    for trial, record in zip(result.study.trials, result.trials, strict=True):
        state = "best" if record.trial == result.best.trial else states[record.trial]
        values = trial.intermediate_values
        if state in styles and values:
            epochs = sorted(values)
            ax.plot(epochs, [100 * values[epoch] for epoch in epochs], marker=".", markersize=4, **styles[state])
            drawn.add(state)
    names = {"complete": "trained to the end", "pruned": "stopped early", "best": f"best: trial {result.best.trial}"}
    ax.set_xlabel("epoch (counted from 0)")
    ax.set_ylabel("one-shot accuracy on validation (%)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_above(ax, [Line2D([], [], label=names[state], **styles[state]) for state in styles if state in drawn])
    return ax


def plot_parameters(result: TuningResult, *, figure: Figure | None = None) -> Figure:
    """Draw the trials' values against each parameter, the best trial as a star.

    Parameters
    ----------
    result : TuningResult
        What to draw.
    figure : matplotlib.figure.Figure or None
        An empty figure of `parameters_size`; None: a new one.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = new_figure(parameters_size(result)) if figure is None else figure
    figure.set_layout_engine("constrained")
    names = _parameters(result)
    rows = math.ceil(len(names) / _COLUMNS)
    grid = figure.subplots(rows, min(len(names), _COLUMNS), sharey=True, squeeze=False)
    complete = _valued(result, "complete")
    for ax, name in zip(grid.flat, names, strict=False):
        chosen = [record for record in complete if name in record.params]
        xs, ticks = _places([record.params[name] for record in chosen])
        ax.plot(xs, [_value(record) for record in chosen], "o", color=BLUE, markersize=5, alpha=0.8)
        best = next((x for x, record in zip(xs, chosen, strict=True) if record.trial == result.best.trial), None)
        if best is not None:
            ax.plot(best, result.best_value, "*", color=ink(), markersize=12, label="best")
        if ticks is not None:
            ax.set_xticks(range(len(ticks)), [one_line(tick, 14) for tick in ticks], parse_math=False)
            ax.set_xlim(-0.5, len(ticks) - 0.5)
            if max(map(len, ticks)) * len(ticks) > 24:
                ax.tick_params(axis="x", rotation=30)
        elif _is_logarithmic(xs):
            ax.set_xscale("log")
        ax.set_xlabel(one_line(name), parse_math=False)
    for ax in grid.flat[len(names) :]:
        ax.axis("off")
    figure.supylabel(_value_label(result), fontsize="medium")
    return figure


def parameters_size(result: TuningResult) -> tuple[float, float]:
    """Return the width and height in inches of a figure for `plot_parameters`.

    Parameters
    ----------
    result : TuningResult
        What is drawn.
    """
    number = len(_parameters(result))
    return 0.6 + 2.4 * min(number, _COLUMNS), max(3.4, 2.5 * math.ceil(number / _COLUMNS))


def _valued(result: TuningResult, state: str) -> list[TrialRecord]:
    return [record for record in result.trials if record.state == state and record.value is not None]


def _value(record: TrialRecord) -> float:
    return math.nan if record.value is None else record.value


def _value_label(result: TuningResult) -> str:
    """Return what is maximised: an accuracy, or whatever the caller's own objective measures."""
    judged = result.protocol.split(";")[0]
    return f"{judged} (1: all right)" if judged.endswith("accuracy") else judged


def _parameters(result: TuningResult) -> list[str]:
    return list(dict.fromkeys(name for record in _valued(result, "complete") for name in record.params))


def _places(values: list[Any]) -> tuple[list[float], list[str] | None]:
    """Return where values stand on an axis, and the ticks' names where they are no numbers."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return [float(value) for value in values], None
    names = sorted({str(value) for value in values})
    return [float(names.index(str(value))) for value in values], names


def _is_logarithmic(values: list[float]) -> bool:
    """Whether values are spread over more than a power of ten, none of them 0 or less."""
    return min(values) > 0 and max(values) / min(values) > 10
