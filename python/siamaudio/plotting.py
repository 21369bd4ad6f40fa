"""Pictures of trainings, results and spectrograms, drawn with matplotlib.

Functions with `ax` draw into one pair of axes and return it; those with `figure` draw several into an empty figure. The
reader's style is left alone.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from siamaudio.errors import DatasetError, ParameterError
from siamaudio.plotting_spectrogram import (
    draw_spectrogram,
    frequency_label,
    level_label,
    plot_spectrogram,
    time_label,
)
from siamaudio.plotting_style import (
    BLACK,
    BLUE,
    GREEN,
    LONGEST_TITLE,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    draw_frame,
    figure_of,
    ink,
    legend_above,
    new_axes,
    new_figure,
    on_paper,
    one_line,
    plain,
    vertical_line,
)

if TYPE_CHECKING:
    from matplotlib.lines import Line2D

    from siamaudio.evaluation import (
        Comparison,
        EmbeddingReport,
        EvaluationResult,
        LeakReport,
        OperatingPoint,
        PairResult,
        RetrievalResult,
        SplitsResult,
    )
    from siamaudio.features import Features
    from siamaudio.history import History
    from siamaudio.log_mel import LogMel
    from siamaudio.models.vae import VariationalAutoencoder
    from siamaudio.network import SiameseNetwork
    from siamaudio.search import Hit, SearchResult

__all__ = [
    "OneShotExample",
    "choose_examples",
    "class_style",
    "confusion_size",
    "embedding_map_size",
    "examples_size",
    "history_size",
    "per_class_size",
    "plot_calibration",
    "plot_comparison",
    "plot_confusion",
    "plot_det",
    "plot_embedding_map",
    "plot_embedding_report",
    "plot_examples",
    "plot_history",
    "plot_leaks",
    "plot_pairs",
    "plot_per_class",
    "plot_reconstructions",
    "plot_retrieval",
    "plot_roc",
    "plot_search",
    "plot_spectrogram",
    "plot_split_classes",
    "plot_splits",
    "plot_ways",
    "search_size",
    "square_size",
    "ways_size",
]

# Seven of each, so that the pairs repeat only after 49.
_MAP_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
_MAP_MARKERS = ("o", "s", "^", "D", "v", "P", "X")

_BASELINES = {"raw spectrogram": (VERMILLION, "--"), "chance": (GREEN, ":")}
_MOST_CLASSES_WITH_NUMBERS = 12
_MOST_CLASSES_LARGE = 24  # named in letters of full size
_MOST_CLASSES_WITH_NAMES = 60


@dataclasses.dataclass(frozen=True, kw_only=True)
class OneShotExample:
    """One one-shot task: a query, and one support of its own and of each of some other classes.

    Attributes
    ----------
    query : int
        Index of the query among the clips.
    supports : tuple of int
        Indices of the supports, each of another class.
    similarities : tuple of float
        Of the query and each support, as `SiameseNetwork.similarity` has it.
    own : int
        Position in `supports` of the support of the query's class.
    """

    query: int
    supports: tuple[int, ...]
    similarities: tuple[float, ...]
    own: int

    @property
    def nearest(self) -> int:
        """Position in `supports` of the most similar one; of equally similar ones the first."""
        return int(np.argmax(self.similarities))

    @property
    def is_right(self) -> bool:
        """Whether the most similar support is of the query's class."""
        return self.nearest == self.own


def plot_history(history: History, *, ax: Axes | None = None) -> Axes:
    """Draw the loss of each epoch and that of validation, or on a second axis its accuracy; the best epoch is marked.

    Parameters
    ----------
    history : History
        One epoch or more.
    ax : matplotlib.axes.Axes or None
        Where to draw; None: new axes.

    Returns
    -------
    matplotlib.axes.Axes
        The axes of the loss.

    Raises
    ------
    ParameterError
        The history is empty.
    """
    if not len(history):
        raise ParameterError("history", "no epochs", "one epoch or more")
    ax = new_axes(history_size()) if ax is None else ax
    epochs = history["epoch"]
    lines = ax.plot(epochs, history["loss"], color=BLUE, marker="o", markersize=4, label="training loss")
    ax.set_xlabel("epoch (counted from 0)")
    ax.set_ylabel("training loss (mean per step)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))

    def measured(name: str) -> npt.NDArray[np.float64]:
        values = [record.get(name) for record in history]
        return np.array([math.nan if value is None else value for value in values])

    def draw(axes: Axes, values: npt.NDArray[np.float64], best: int, label: str, shown: str) -> list[Line2D]:
        # A line through what was measured, though not in every epoch.
        known = np.flatnonzero(~np.isnan(values))
        drawn = axes.plot(
            np.array(epochs)[known],
            values[known],
            color=VERMILLION,
            linestyle="--",
            marker="s",
            markersize=4,
            label=label,
        )
        return drawn + axes.plot(
            epochs[best],
            values[best],
            color=ink(),
            linestyle="none",
            marker="*",
            markersize=12,
            label=f"best epoch: {epochs[best]} ({shown})",
        )

    accuracies, losses = 100 * measured("validation_accuracy"), measured("validation_loss")
    if not np.isnan(accuracies).all():
        right = ax.twinx()
        right.set_ylabel("validation accuracy (%)")
        best = int(np.nanargmax(accuracies))
        lines += draw(right, accuracies, best, "validation accuracy (right)", f"{accuracies[best]:.1f}%")
    elif not np.isnan(losses).all():
        ax.set_ylabel("loss")
        best = int(np.nanargmin(losses))
        lines += draw(ax, losses, best, "validation loss", f"{losses[best]:.4g}")
    legend_above(ax, lines)
    return ax


def plot_per_class(result: EvaluationResult, *, ax: Axes | None = None) -> Axes:
    """Draw the accuracy of each class as a bar, the best on top, its interval, and the mean beside the baselines.

    Parameters
    ----------
    result : EvaluationResult
        What to draw.
    ax : matplotlib.axes.Axes or None
        Where to draw; None: new axes.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(per_class_size(result)) if ax is None else ax
    ranked = _ranked(result.per_class)
    positions = np.arange(len(ranked))
    percent = 100 * np.array([accuracy for _, accuracy in ranked])
    bars = ax.barh(positions, np.nan_to_num(percent), color=SKY, height=0.75)
    ax.bar_label(bars, _figures(percent), padding=3, fontsize="small", bbox=on_paper(ax), zorder=3)
    intervals = [result.per_class_intervals[name] for name, _ in ranked]
    ends = 100 * np.array([[interval.low, interval.high] for interval in intervals])
    # Through the middle of the bars' upper half: the numbers stand beside the bars' ends.
    ax.hlines(positions + 0.25, ends[:, 0], ends[:, 1], color=ink(), linewidth=1.2, zorder=2.5)
    _name_classes(ax, [name for name, _ in ranked])
    ax.set_xlabel(f"{result.ways}-way {_shots(result)} accuracy (%)")
    _draw_baselines(ax, result)
    return ax


def plot_ways(result: EvaluationResult, *, ax: Axes | None = None) -> Axes:
    """Draw the accuracy against the number of classes a task, beside guessing.

    Parameters
    ----------
    result : EvaluationResult
        What to draw.
    ax : matplotlib.axes.Axes or None
        Where to draw; None: new axes.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(ways_size()) if ax is None else ax
    ways = np.array(sorted(result.ways_curve))
    percent = [100 * result.ways_curve[number] for number in ways.tolist()]
    marker = "o" if len(ways) <= _MOST_CLASSES_WITH_NUMBERS else None
    lines = ax.plot(ways, percent, color=BLUE, marker=marker, label=result.protocol)
    lines += ax.plot(ways, 100 / ways, color=GREEN, linestyle=":", marker=marker, label="guessing")
    lines += ax.plot(
        result.ways,
        100 * result.accuracy,
        color=ink(),
        linestyle="none",
        marker="*",
        markersize=12,
        label=f"{result.ways} ways: {result.accuracy:.1%}",
    )
    ax.set_xlabel("classes a task")
    ax.set_ylabel(f"{_shots(result)} accuracy (%)")
    ax.set_ylim(0, 105)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_above(ax, lines)
    return ax


def plot_confusion(result: EvaluationResult | RetrievalResult, *, ax: Axes | None = None) -> Axes:
    """Draw the confusion matrix as a heat map, with numbers in the cells of up to 12 classes.

    Parameters
    ----------
    result : EvaluationResult or RetrievalResult
        What to draw.
    ax : matplotlib.axes.Axes or None
        Where to draw; None: new axes.

    Returns
    -------
    matplotlib.axes.Axes
    """
    num_classes = len(result.classes)
    ax = new_axes(confusion_size(result)) if ax is None else ax
    percent = 100 * np.asarray(result.confusion)
    image = ax.imshow(percent, cmap="cividis", vmin=0, vmax=100)
    # A class without a query has no shares: its row shows the page.
    step = math.ceil(num_classes / _MOST_CLASSES_WITH_NAMES)
    named = range(0, num_classes, step)
    names = [one_line(result.classes[index]) for index in named]
    font_size = "medium" if num_classes <= _MOST_CLASSES_LARGE else "x-small"
    ax.set_xticks(named, names, rotation=90, fontsize=font_size, parse_math=False)
    ax.set_yticks(named, names, fontsize=font_size, parse_math=False)
    ax.set_xlabel("answer")
    ax.set_ylabel("query's class")
    figure_of(ax).colorbar(image, ax=ax, label="share of the class's queries (%)", shrink=0.8)
    if num_classes <= _MOST_CLASSES_WITH_NUMBERS:
        for (row, column), value in np.ndenumerate(percent):
            colour, words = ("black" if value > 50 else "white"), f"{value:.0f}"
            if math.isnan(value):
                colour, words = ink(), "–"
            ax.text(column, row, words, ha="center", va="center", color=colour, fontsize="small")
    return ax


def plot_retrieval(result: RetrievalResult, *, ax: Axes | None = None) -> Axes:
    """Draw accuracy and both mean average precisions against k, and dotted those of a random ranking.

    Parameters
    ----------
    result : RetrievalResult
        What to draw.
    ax : matplotlib.axes.Axes or None
        Where to draw; None: new axes.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(ways_size()) if ax is None else ax
    ks = list(result.accuracy_at_k)
    curves = (
        ("accuracy", result.accuracy_at_k, BLUE, "o"),
        ("MAP", result.map_at_k, VERMILLION, "s"),
        ("standard MAP", result.standard_map_at_k, GREEN, "^"),
    )
    lines = []
    for name, figures, colour, marker in curves:
        percent = [100 * figures[k] for k in ks]
        lines += ax.plot(ks, percent, color=colour, marker=marker, label=f"{name} at k")
        random = [100 * result.chance[f"{name}@{k}"] for k in ks]
        ax.plot(ks, random, color=colour, marker=marker, fillstyle="none", linestyle=":")
    lines += ax.plot([], [], color=ink(), marker="o", fillstyle="none", linestyle=":", label="random ranking")
    ax.set_xlabel("k, nearest clips that count")
    ax.set_ylabel("share (%)")
    ax.set_ylim(0, 105)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_above(ax, lines)
    return ax


def plot_roc(result: PairResult, *, ax: Axes | None = None) -> Axes:
    """Draw true accepts against false accepts, with the operating points and the equal error rate.

    Parameters
    ----------
    result : PairResult
        What to draw.
    ax : matplotlib.axes.Axes or None
        Where to draw; None: new axes.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(square_size()) if ax is None else ax
    false_accept, true_accept = 100 * result.false_accept, 100 * result.true_accept
    lines = ax.plot(false_accept, true_accept, color=BLUE, label=f"AUC {result.auc:.3f}")
    lines += ax.plot([0, 100], [0, 100], color=GREEN, linestyle=":", label="guessing")
    rate = 100 * result.equal_error_rate
    label = f"equal error rate {rate:.1f}%"
    lines += ax.plot(rate, 100 - rate, color=VERMILLION, linestyle="none", marker="x", markersize=8, label=label)
    _draw_points(
        ax,
        [(100 * point.false_accept_rate, 100 * point.true_accept_rate, point) for point in result.operating_points],
        (8, -9),
    )
    ax.set_xlabel("different classes, accepted (%)")
    ax.set_ylabel("same class, accepted (%)")
    ax.set_xlim(-2, 102)
    ax.set_ylim(-2, 102)
    legend_above(ax, lines)
    return ax


def plot_comparison(comparison: Comparison, *, ax: Axes | None = None) -> Axes:
    """Draw the difference of each class with its interval, largest on top, and that over all beneath.

    Parameters
    ----------
    comparison : Comparison
        What to draw.
    ax : matplotlib.axes.Axes or None
        Where to draw; None: new axes.

    Returns
    -------
    matplotlib.axes.Axes
        Filled dots are classes whose corrected p-value is below 5 %.
    """
    ranked = sorted(comparison.per_class.items(), key=lambda item: item[1].difference)
    ax = new_axes((6.4, 1.6 + 0.3 * len(ranked))) if ax is None else ax
    rows = [(comparison.difference, comparison.interval, comparison.p_value)]
    rows += [(found.difference, found.interval, found.corrected_p_value) for _, found in ranked]
    for position, (difference, interval, p_value) in enumerate(rows):
        colour = BLUE if position else ink()
        if interval is not None:
            ax.hlines(position, 100 * interval.low, 100 * interval.high, color=colour, linewidth=1.5)
        filled = colour if p_value < 0.05 else ax.get_facecolor()
        marker = "o" if position else "D"
        ax.plot(100 * difference, position, marker, color=colour, markerfacecolor=filled, linestyle="none")
    ax.axvline(0, color=ink(), linewidth=0.8)
    ax.set_yticks(range(len(rows)), ["over all", *(one_line(name) for name, _ in ranked)], parse_math=False)
    ax.set_ylim(-0.6, len(rows) - 0.4)
    ax.set_xlabel(
        f"{one_line(comparison.names[1])} less {one_line(comparison.names[0])} (percentage points); filled: p < 5%",
        parse_math=False,
    )
    ax.set_ylabel("class")
    return ax


def plot_det(result: PairResult, *, ax: Axes | None = None) -> Axes:
    """Draw false rejects against false accepts on normal scales, where two normal distributions give a straight line.

    Parameters
    ----------
    result : PairResult
        What to draw.
    ax : matplotlib.axes.Axes or None
        Where to draw; None: new axes.

    Returns
    -------
    matplotlib.axes.Axes
    """
    from scipy.special import ndtri

    ax = new_axes(square_size()) if ax is None else ax
    ticks = np.array([0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999])
    ends = ticks[0] / 3, 1 - ticks[0] / 3  # of the axes; rates of 0 and 1 would be infinitely far
    false_accept, false_reject = (
        ndtri(np.clip(rates, *ends)) for rates in (result.false_accept, 1 - result.true_accept)
    )
    lines = ax.plot(false_accept, false_reject, color=BLUE, label=f"AUC {result.auc:.3f}")
    middle = ndtri(np.clip(result.equal_error_rate, *ends))
    label = f"equal error rate {result.equal_error_rate:.1%}"
    lines += ax.plot(middle, middle, color=VERMILLION, linestyle="none", marker="x", markersize=8, label=label)
    points = [
        (*ndtri(np.clip([point.false_accept_rate, 1 - point.true_accept_rate], *ends)), point)
        for point in result.operating_points
    ]
    _draw_points(ax, points, (8, 6))
    names = [f"{100 * tick:g}" for tick in ticks]
    ax.set_xticks(ndtri(ticks), names)
    ax.set_yticks(ndtri(ticks), names)
    ax.set_xlim(*ndtri(ends))
    ax.set_ylim(*ndtri(ends))
    ax.set_xlabel("different classes, accepted (%)")
    ax.set_ylabel("same class, rejected (%)")
    legend_above(ax, lines)
    return ax


def plot_calibration(result: PairResult, *, ax: Axes | None = None) -> Axes:
    """Draw the share of pairs of the same class against P(same class), dots as large as their bins are full.

    Parameters
    ----------
    result : PairResult
        What to draw.
    ax : matplotlib.axes.Axes or None
        Where to draw; None: new axes.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ParameterError
        The similarities are no probabilities.
    """
    found = result.calibration
    if found is None:
        raise ParameterError("result", "similarities that are no probabilities", "a result with a calibration")
    ax = new_axes(square_size()) if ax is None else ax
    predicted, observed = 100 * found.predicted, 100 * found.observed
    lines = ax.plot([0, 100], [0, 100], color=GREEN, linestyle=":", label="as it says")
    lines += ax.plot(predicted, observed, color=BLUE, label=f"calibration error {found.error:.3f}")
    ax.scatter(predicted, observed, s=10 + 300 * found.weight, color=BLUE, zorder=3)
    ax.set_xlabel("P(same class), mean of the bin (%)")
    ax.set_ylabel(f"pairs of the same class (%), of {found.prior:.0%} in all")
    ax.set_xlim(-3, 103)
    ax.set_ylim(-3, 103)
    legend_above(ax, lines)
    return ax


def plot_leaks(report: LeakReport, *, ax: Axes | None = None) -> Axes:
    """Draw the accuracies with and without clips of one source and copies, beside guessing.

    Parameters
    ----------
    report : LeakReport
        What to draw.
    ax : matplotlib.axes.Axes or None
        Where to draw; None: new axes.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes((6.4, 1.2 + 0.5 * len(report.accuracies))) if ax is None else ax
    positions = range(len(report.accuracies))
    percent = 100 * np.array(list(report.accuracies.values()))
    bars = ax.barh(positions, np.nan_to_num(percent), color=SKY, height=0.75)
    ax.bar_label(bars, _figures(percent), padding=3, fontsize="small", bbox=on_paper(ax), zorder=3)
    ax.set_yticks(positions, list(report.accuracies))
    ax.invert_yaxis()
    ax.set_ylabel("supports allowed")
    ax.set_xlabel(f"{report.ways}-way one-shot accuracy of {report.compared_by} (%)")
    _percent_axis(ax)
    legend_above(ax, [vertical_line(ax, 1 / report.ways, "guessing", GREEN, ":")])
    return ax


def plot_split_classes(result: SplitsResult, *, ax: Axes | None = None) -> Axes:
    """Draw the mean accuracy of each class as a bar, the best on top, with a dot for each split that tested it.

    Parameters
    ----------
    result : SplitsResult
        What to draw.
    ax : matplotlib.axes.Axes or None
        Where to draw; None: new axes.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ranked = _ranked(result.per_class)
    ax = new_axes((5.4, 1.4 + 0.3 * len(ranked))) if ax is None else ax
    ax.barh(range(len(ranked)), [0 if math.isnan(accuracy) else 100 * accuracy for _, accuracy in ranked],
            color=SKY, height=0.75)  # fmt: skip
    for position, (name, _) in enumerate(ranked):
        found = [100 * single.per_class[name] for single in result.results if name in single.per_class]
        ax.plot(found, [position] * len(found), ".", color=ink(), markersize=5, zorder=3)
    _name_classes(ax, [name for name, _ in ranked])
    ax.set_xlabel(f"{result.ways}-way one-shot accuracy (%), a dot a split")
    _draw_baselines(ax, result)
    return ax


def plot_splits(result: SplitsResult, *, ax: Axes | None = None) -> Axes:
    """Draw the accuracy of each split, in rising order, beside its baselines, and the mean with its interval.

    Parameters
    ----------
    result : SplitsResult
        What to draw.
    ax : matplotlib.axes.Axes or None
        Where to draw; None: new axes.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes((6.4, 3.6)) if ax is None else ax
    order = sorted(range(len(result.results)), key=lambda split: result.results[split].accuracy)
    lines = ax.plot([100 * result.results[split].accuracy for split in order], "o", color=BLUE, label="accuracy")
    for name in result.baselines:
        colour, style = _BASELINES.get(name, (VERMILLION, "-."))
        values = [100 * result.results[split].baselines[name] for split in order]
        lines += ax.plot(values, color=colour, linestyle=style, label=name)
    lines.append(ax.axhline(100 * result.accuracy, color=ink(), label=f"mean {result.accuracy:.1%}"))
    if result.interval is not None:
        ax.axhspan(100 * result.interval.low, 100 * result.interval.high, color=ink(), alpha=0.12, linewidth=0)
    ax.set_xticks(range(len(order)), [str(split) for split in order])
    ax.set_xlabel("class split, in rising order")
    ax.set_ylabel(f"{result.ways}-way one-shot accuracy (%)")
    ax.set_ylim(0, 102)
    legend_above(ax, lines)
    return ax


def plot_embedding_map(
    places: npt.NDArray[np.floating],
    labels: npt.NDArray[np.int64],
    classes: Sequence[str],
    *,
    title: str = "",
    explained: tuple[float, float] | None = None,
    is_test: npt.NDArray[np.bool_] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw where clips lie in a map of an embedding space, a colour and a marker a class.

    Up to 12 classes are named in a legend, more of them, up to 60, in the middle of their clips.

    Parameters
    ----------
    places : np.ndarray [shape=(clips, 2)]
        Of the clips in the map.
    labels : np.ndarray [shape=(clips,), dtype=int64]
        Class of each clip as an index into `classes`.
    classes : sequence of str
        Their names.
    title : str
        Heading.
    explained : (float, float) or None
        Shares of the variance along the axes, where they have a meaning.
    is_test : np.ndarray [shape=(clips,), dtype=bool] or None
        Clips to be drawn full, and the others hollow; None: all full.
    ax : matplotlib.axes.Axes or None
        Where to draw; None: new axes.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(embedding_map_size(len(classes))) if ax is None else ax
    _draw_map(ax, places, labels, classes, title=title, explained=explained, is_test=is_test)
    handles = _class_handles(classes, is_test)
    if handles:
        plain(ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize="small"))
    return ax


def plot_embedding_report(report: EmbeddingReport, *, figure: Figure | None = None) -> Figure:
    """Draw all maps of a report side by side.

    Parameters
    ----------
    report : EmbeddingReport
        Whose maps to draw.
    figure : matplotlib.figure.Figure or None
        An empty one to draw into; None: a new one.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ParameterError
        The report was made without maps.
    """
    if not report.maps:
        raise ParameterError("report", "one without maps", "one that was made with maps=True")
    width, height = embedding_map_size(len(report.classes))
    figure = new_figure((width * len(report.maps), height)) if figure is None else figure
    figure.set_layout_engine("constrained")
    grid = figure.subplots(1, len(report.maps), squeeze=False)
    for ax, name in zip(grid[0], report.maps, strict=True):
        _draw_map(
            ax,
            report.maps[name],
            report.labels,
            report.classes,
            title=name,
            explained=report.explained if name == "PCA" else None,
            is_test=report.is_test,
        )
    handles = _class_handles(report.classes, report.is_test)
    if handles:
        plain(figure.legend(handles=handles, loc="outside right upper", frameon=False, fontsize="small"))
    return figure


def plot_search(result: SearchResult, query: int = 0, *, ax: Axes | None = None) -> Axes:
    """Draw how similar the hits of a query are, a bar each, the most similar above.

    Parameters
    ----------
    result : SearchResult
        What `SearchIndex.query` returned.
    query : int
        Which of its queries.
    ax : matplotlib.axes.Axes or None
        Where to draw; None: new axes.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ParameterError
        There is no such query, or nothing was found for it.
    """
    if not 0 <= query < len(result):
        raise ParameterError("query", query, f"0 to {len(result) - 1}")
    hits = result.hits[query]
    if not hits:
        raise ParameterError("query", query, "one for which something was found")
    ax = new_axes(search_size(len(hits))) if ax is None else ax
    similarities = [hit.similarity for hit in hits]
    places = range(len(hits))
    bars = ax.barh(places, similarities, color=BLUE, height=0.7)
    ax.bar_label(bars, fmt="%.3f", padding=3, fontsize="small")
    ax.set_yticks(places, [_hit_name(hit) for hit in hits], fontsize="small", parse_math=False)
    ax.invert_yaxis()
    ax.set_ylabel("hit")
    ax.margins(x=0.2 if min(similarities) < 0 else 0.12)
    names = {"cosine": "cosine similarity", "euclidean": "minus the Euclidean distance"}
    ax.set_xlabel(names.get(result.metric, "inner product"))
    ax.set_title(one_line(os.path.basename(result.queries[query])), parse_math=False)
    return ax


def plot_pairs(
    net: SiameseNetwork,
    features: Features,
    *,
    num_queries: int = 4,
    ways: int = 5,
    seed: int = 0,
    figure: Figure | None = None,
) -> Figure:
    """Draw queries, each beside one support of its own and of other classes, the most similar one framed.

    Parameters
    ----------
    net : SiameseNetwork
        A trained network.
    features : Features
        Clips, two or more a class.
    num_queries : int > 0
        Rows: queries, each of another class.
    ways : int >= 2
        Supports a query, each of another class, one of the query's.
    seed : int >= 0
        Of the random choice of classes and clips.
    figure : matplotlib.figure.Figure or None
        An empty one to draw into; None: a new one.

    Returns
    -------
    matplotlib.figure.Figure
        A solid frame is around the most similar support, a dashed one around the support of the query's
        class where that is another.

    Raises
    ------
    DatasetError
        A class has a single clip.
    ParameterError
        There are fewer classes than queries or ways, or the spectrograms are not as the network was trained on.
    TrainingError
        The network is not trained.
    """
    examples = choose_examples(net, features, num_queries=num_queries, ways=ways, seed=seed)
    figure = new_figure(examples_size(examples)) if figure is None else figure
    return plot_examples(examples, features, front_end=features.front_end or net.front_end_, figure=figure)


def choose_examples(
    net: SiameseNetwork, features: Features, *, num_queries: int, ways: int, seed: int
) -> list[OneShotExample]:
    """Draw queries and supports at random and compare them; parameters and exceptions as for `plot_pairs`.

    Returns
    -------
    list of OneShotExample, length num_queries
    """
    num_classes = len(features.class_names)
    if not 1 <= num_queries <= num_classes:
        raise ParameterError("num_queries", num_queries, f"1 to {num_classes}, the number of classes")
    if not 2 <= ways <= num_classes:
        raise ParameterError("ways", ways, f"2 to {num_classes}, the number of classes")
    if seed < 0:
        raise ParameterError("seed", seed, "0 or more")
    counts = np.bincount(features.labels, minlength=num_classes)
    if counts.min() < 2:
        name = features.class_names[int(counts.argmin())]
        raise DatasetError(f"class {name!r} has a single clip; a query and a support, two clips a class, are needed")

    rng = np.random.default_rng(seed)
    chosen = [_draw_clips(features.labels, own, ways, rng) for own in rng.permutation(num_classes)[:num_queries]]
    used = np.unique(np.concatenate([[query, *supports] for query, supports in chosen]))
    embeddings = dict(zip(used.tolist(), net.embed(features[used]), strict=True))
    examples: list[OneShotExample] = []
    for query, supports in chosen:
        similarities = net.similarity(embeddings[query][None], np.stack([embeddings[index] for index in supports]))
        own = [features.labels[index] for index in supports].index(features.labels[query])
        examples.append(
            OneShotExample(query=query, supports=supports, similarities=tuple(similarities[0].tolist()), own=own)
        )
    return examples


def plot_examples(
    examples: Sequence[OneShotExample], features: Features, *, front_end: LogMel | None, figure: Figure
) -> Figure:
    """Draw what `choose_examples` chose, a row each.

    Parameters
    ----------
    examples : sequence of OneShotExample
        One or more, all with equally many supports.
    features : Features
        The clips that they were chosen from.
    front_end : LogMel or None
        What made the spectrograms; None: axes in frames and bands.
    figure : matplotlib.figure.Figure
        An empty figure of `examples_size` to draw into.

    Returns
    -------
    matplotlib.figure.Figure
        The one that was given.
    """
    figure.set_layout_engine("constrained", w_pad=0.03, h_pad=0.05)
    num_columns = 1 + len(examples[0].supports)
    grid = figure.subplots(len(examples), num_columns, sharex=True, sharey=True, squeeze=False)
    # One scale for all, so that equal colours are equal levels; a few extreme cells shall not use it up.
    shown = features[np.unique([index for example in examples for index in (example.query, *example.supports)])].array
    low, high = np.percentile(shown, [1, 99.9])
    drawn = None
    for example, row in zip(examples, grid, strict=True):
        for ax, index in zip(row, (example.query, *example.supports), strict=True):
            drawn = draw_spectrogram(ax, features[index], front_end)
            drawn.set_clim(low, high)
            ax.xaxis.set_major_locator(MaxNLocator(3, integer=front_end is None, prune="upper"))
            ax.tick_params(labelsize="small")
            name = one_line(features.class_names[features.labels[index]], LONGEST_TITLE)
            ax.set_title(name, fontsize="medium", parse_math=False)
        row[0].set_title("query\n" + row[0].get_title(), fontsize="medium", fontweight="bold", parse_math=False)
        row[0].set_ylabel(frequency_label(front_end), fontsize="small")
        for position, ax in enumerate(row[1:]):
            _mark_support(ax, example, position)
    assert drawn is not None
    figure.supxlabel(time_label(front_end), fontsize="medium")
    figure.colorbar(drawn, ax=grid, label=level_label(front_end), shrink=min(1, 2 / len(examples)), aspect=30)
    return figure


def plot_reconstructions(
    vae: VariationalAutoencoder,
    features: Features | npt.ArrayLike,
    *,
    num_clips: int = 5,
    seed: int | None = None,
    figure: Figure | None = None,
) -> Figure:
    """Draw spectrograms and, below each, what an autoencoder makes of it: the pixels' means and deviations.

    Parameters
    ----------
    vae : VariationalAutoencoder
        A trained one.
    features : Features or array-like [shape=(clips, bands, frames)]
        Spectrograms as it was trained on.
    num_clips : int > 0
        Columns; fewer where there are fewer clips.
    seed : int >= 0 or None
        Of the random choice of clips; None: the first ones.
    figure : matplotlib.figure.Figure or None
        An empty one to draw into; None: a new one.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ParameterError
        There are no clips, they have several channels, or they are not as the autoencoder was trained on.
    TrainingError
        The autoencoder is not trained.
    """
    from siamaudio.features import Features

    total = len(features) if isinstance(features, Features) else len(np.asarray(features))
    if num_clips < 1 or total < 1:
        raise ParameterError("num_clips", min(num_clips, total), "1 or more")
    if len(vae.input_shape_) != 2:
        raise ParameterError("features", "several channels", "spectrograms of one")
    if seed is not None and seed < 0:
        raise ParameterError("seed", seed, "0 or more, or None for the first clips")
    order = np.arange(total) if seed is None else np.random.default_rng(seed).permutation(total)
    chosen = order[:num_clips]
    part = features[chosen] if isinstance(features, Features) else np.asarray(features, dtype=np.float32)[chosen]
    rebuilt = vae.reconstruct(part)

    front_end = vae.front_end_
    figure = new_figure((1.0 + 2.4 * len(chosen), 6.0)) if figure is None else figure
    figure.set_layout_engine("constrained", w_pad=0.03, h_pad=0.05)
    grid = figure.subplots(3, len(chosen), sharex=True, sharey=True, squeeze=False)
    rows = (("clip", np.asarray(part)), ("mean", rebuilt.mean), ("deviation", rebuilt.std))
    # One scale for clips and means; a few extreme cells shall not use it up.
    levels = np.percentile(rows[0][1], [1, 99.9])
    for (name, images), axes in zip(rows, grid, strict=True):
        drawn = [draw_spectrogram(ax, image, front_end) for ax, image in zip(axes, images, strict=True)]
        low, high = levels if name != "deviation" else (0, float(np.percentile(images, 99.9)))
        for each in drawn:
            each.set_clim(low, high)
        axes[0].set_ylabel(f"{name}\n{frequency_label(front_end)}", fontsize="small")
        figure.colorbar(drawn[0], ax=axes, label=level_label(front_end), aspect=12)
    if isinstance(part, Features):
        for ax, label in zip(grid[0], part.labels, strict=True):
            ax.set_title(one_line(part.class_names[label], LONGEST_TITLE), fontsize="medium", parse_math=False)
    for ax in grid.flat:
        ax.tick_params(labelsize="small")
        ax.xaxis.set_major_locator(MaxNLocator(3, integer=front_end is None, prune="upper"))
    figure.supxlabel(time_label(front_end), fontsize="medium")
    return figure


def history_size() -> tuple[float, float]:
    """Return the width and height in inches of a figure for `plot_history`."""
    return 6.4, 3.6


def per_class_size(result: EvaluationResult) -> tuple[float, float]:
    """Return the width and height in inches of a figure for `plot_per_class`."""
    return 5.4, 1.4 + 0.3 * len(result.classes)


def ways_size() -> tuple[float, float]:
    """Return the width and height in inches of a figure for `plot_ways`."""
    return 6.4, 3.6


def search_size(num_hits: int) -> tuple[float, float]:
    """Return the width and height in inches of a figure for `plot_search`."""
    return 6.4, 1.2 + 0.32 * num_hits


def square_size() -> tuple[float, float]:
    """Return the width and height in inches of a figure whose axes are alike, as for `plot_roc`."""
    return 4.8, 4.8


def confusion_size(result: EvaluationResult | RetrievalResult) -> tuple[float, float]:
    """Return the width and height in inches of a figure for `plot_confusion`."""
    num_classes = len(result.classes)
    # Inches of a cell: for a number, for a name, for a small name.
    cell = 0.35 if num_classes <= _MOST_CLASSES_WITH_NUMBERS else 0.25 if num_classes <= _MOST_CLASSES_LARGE else 0.16
    side = min(3.2 + cell * num_classes, 14)
    return side + 0.8, side


def embedding_map_size(num_classes: int) -> tuple[float, float]:
    """Return the width and height in inches of a figure for `plot_embedding_map`."""
    # Names of many classes stand in the map itself.
    return (5.6, 4.6) if num_classes <= _MOST_CLASSES_WITH_NUMBERS else (8.0, 6.4)


def examples_size(examples: Sequence[OneShotExample]) -> tuple[float, float]:
    """Return the width and height in inches of a figure for `plot_examples`."""
    return 1.9 * (1 + len(examples[0].supports)) + 0.8, 2.3 * len(examples) + 0.3


def _draw_map(
    ax: Axes,
    places: npt.NDArray[np.floating],
    labels: npt.NDArray[np.int64],
    classes: Sequence[str],
    *,
    title: str,
    explained: tuple[float, float] | None,
    is_test: npt.NDArray[np.bool_] | None,
) -> None:
    is_full = np.ones(len(places), dtype=bool) if is_test is None else is_test
    for number in range(len(classes)):
        colour, marker = _class_look(number)
        is_own = labels == number
        for chosen, filled in ((is_own & ~is_full, False), (is_own & is_full, True)):
            faces = colour if filled else "none"
            ax.scatter(*places[chosen].T, s=22, marker=marker, facecolors=faces, edgecolors=colour, linewidths=0.9)
    ax.set_xticks([])
    ax.set_yticks([])
    # As far along one axis is as far along the other.
    ax.set_aspect("equal", adjustable="datalim")
    if explained is None:
        words = ["no unit: near is alike"] * 2
    else:
        words = [
            f"{name} component ({share:.0%} of the variance)"
            for name, share in zip(("1st", "2nd"), explained, strict=True)
        ]
    ax.set_xlabel(words[0])
    ax.set_ylabel(words[1])
    ax.set_title(title)
    if _MOST_CLASSES_WITH_NUMBERS < len(classes) <= _MOST_CLASSES_WITH_NAMES:
        _write_names(ax, places, labels, classes)


def _write_names(
    ax: Axes, places: npt.NDArray[np.floating], labels: npt.NDArray[np.int64], classes: Sequence[str]
) -> None:
    """Write each class's name in the middle of its clips, or as near as there is room, joined to it by a line."""
    figure = figure_of(ax)
    figure.draw_without_rendering()  # lays the figure out
    to_pixels, taken = ax.transData.transform, []
    # From the inside outwards, in steps of about a letter's height.
    steps = [(0.0, 0.0)]
    steps += [(ring * math.cos(turn), ring * math.sin(turn)) for ring in range(1, 13) for turn in np.linspace(0, 6, 13)]
    letter = figure.dpi * 0.1
    for number, name in enumerate(classes):
        own = places[labels == number]
        if not len(own):
            continue
        middle = tuple(np.median(own, axis=0).tolist())
        text = ax.annotate(
            one_line(name), middle, xytext=(0, 0), textcoords="offset pixels", ha="center", va="center",
            fontsize="x-small", bbox={**on_paper(ax), "pad": 0.4, "alpha": 0.7}, parse_math=False, zorder=4,
        )  # fmt: skip
        size = text.get_window_extent()
        half = np.array([size.width, size.height]) / 2 + 2
        x, y = to_pixels(middle)
        for dx, dy in steps:
            box = np.array([x + letter * dx, y + letter * dy])
            if not any((np.abs(box - other) < half + other_half).all() for other, other_half in taken):
                break
        else:
            dx = dy = 0.0
            box = np.array([x, y])
        taken.append((box, half))
        if dx or dy:
            text.set_position((letter * dx, letter * dy))
            ax.plot(*np.stack([middle, ax.transData.inverted().transform(box)]).T, color=ink(), linewidth=0.5, zorder=3)


def _class_look(number: int) -> tuple[str, str]:
    """Return `class_style`, with the style's own ink for black."""
    colour, marker = class_style(number)
    return (ink() if colour == BLACK else colour), marker


def class_style(number: int) -> tuple[str, str]:
    """Return the colour and matplotlib's marker of a class in maps; they repeat after 49 classes."""
    turn, colour = divmod(number, len(_MAP_COLOURS))
    return _MAP_COLOURS[colour], _MAP_MARKERS[(colour + turn) % len(_MAP_MARKERS)]


def _class_handles(classes: Sequence[str], is_test: npt.NDArray[np.bool_] | None) -> list[Line2D]:
    """Return a legend's lines: the classes, if they are few, and what hollow and full mean, if there are both."""
    from matplotlib.lines import Line2D

    handles: list[Line2D] = []
    if len(classes) <= _MOST_CLASSES_WITH_NUMBERS:
        for number, name in enumerate(classes):
            colour, marker = _class_look(number)
            handles.append(Line2D([], [], linestyle="none", marker=marker, color=colour, label=one_line(name)))
    if is_test is not None and is_test.any():
        for label, face in (("to classify by", "none"), ("classified", ink())):
            handles.append(Line2D([], [], linestyle="none", marker="o", color=ink(), markerfacecolor=face, label=label))
    return handles


def _hit_name(hit: Hit) -> str:
    """Return a hit's class and file, and where in the file it is unless it is its beginning."""
    words = one_line(os.path.basename(hit.path))
    if hit.start_seconds:
        words += f" at {hit.start_seconds:.1f} s"
    return words if hit.label is None else f"{one_line(hit.label)}: {words}"


def _draw_clips(
    labels: npt.NDArray[np.int64], own: int, ways: int, rng: np.random.Generator
) -> tuple[int, tuple[int, ...]]:
    """One query of class `own`, and supports of it and of other classes in random order."""
    query, own_support = rng.choice(np.flatnonzero(labels == own), 2, replace=False)
    others = rng.choice(np.setdiff1d(labels, [own]), ways - 1, replace=False)
    supports = [own_support, *(rng.choice(np.flatnonzero(labels == other)) for other in others)]
    return int(query), tuple(int(index) for index in rng.permutation(supports))


def _mark_support(ax: Axes, example: OneShotExample, position: int) -> None:
    is_own, is_nearest = position == example.own, position == example.nearest
    words = f"similarity {example.similarities[position]:.2f}"
    if is_nearest:
        draw_frame(ax, GREEN if is_own else VERMILLION, "-")
        words += f"\nnearest: {'right' if is_own else 'wrong'}"
    elif is_own:
        draw_frame(ax, BLUE, "--")
        words += "\nquery's class"
    else:
        words += "\n "
    ax.set_xlabel(words, fontsize="medium", fontweight="bold" if is_nearest else "normal")


def _draw_points(ax: Axes, points: Sequence[tuple[float, float, OperatingPoint]], offset: tuple[float, float]) -> None:
    """Draw operating points, and the words on them so many points to the right of and above each."""
    for x, y, point in points:
        ax.plot(x, y, color=ink(), marker="o", markersize=4, linestyle="none")
        words = f"{100 * point.wanted_rate:g}%: from {point.threshold:.3g}"
        place = {"xytext": offset, "textcoords": "offset points", "parse_math": False}
        ax.annotate(words, (x, y), fontsize="x-small", bbox=on_paper(ax), zorder=3, **place)


def _ranked(per_class: dict[str, float]) -> list[tuple[str, float]]:
    """Return classes and accuracies, the worst first, before it those that had no query."""
    return sorted(per_class.items(), key=lambda item: (not math.isnan(item[1]), item[1]))


def _figures(percent: npt.NDArray[np.float64]) -> list[str]:
    return ["no query" if math.isnan(value) else f"{value:.1f}" for value in percent]


def _name_classes(ax: Axes, names: Sequence[str]) -> None:
    ax.set_yticks(range(len(names)), [one_line(name) for name in names], parse_math=False)
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.set_ylabel("class")


def _percent_axis(ax: Axes) -> None:
    # The room on the right is for the number beside a full bar.
    ax.set_xlim(0, 112)
    ax.set_xticks(range(0, 101, 20))


def _draw_baselines(ax: Axes, result: EvaluationResult | SplitsResult) -> None:
    """Draw the mean and the baselines as lines across the bars of classes."""
    _percent_axis(ax)
    lines = [vertical_line(ax, result.accuracy, "mean", ink(), "-")]
    lines += [
        vertical_line(ax, accuracy, name, *_BASELINES.get(name, (VERMILLION, "-.")))
        for name, accuracy in result.baselines.items()
    ]
    legend_above(ax, lines)


def _shots(result: EvaluationResult) -> str:
    return "one-shot" if result.shots == 1 else f"{result.shots}-shot"
