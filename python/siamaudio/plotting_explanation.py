"""Pictures of explanations, drawn with matplotlib as those of `siamaudio.plotting`."""

# What plots share is private to them.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from siamaudio.plotting_spectrogram import draw_spectrogram, frequency_label, level_label, time_label
from siamaudio.plotting_style import (
    BLUE,
    GREEN,
    LONGEST_TITLE,
    SKY,
    VERMILLION,
    draw_frame,
    figure_of,
    new_axes,
    new_figure,
    one_line,
)

if TYPE_CHECKING:
    from matplotlib.image import AxesImage

    from siamaudio.explanation import Explanation, Faithfulness

__all__ = ["explanation_size", "faithfulness_size", "plot_explanation", "plot_faithfulness", "plot_heat_map"]

_HEAT_MAP = "PuOr_r"  # orange speaks for, purple against; told apart by colour-blind eyes
_NUM_MARKED = 3


def plot_explanation(explanation: Explanation, *, figure: Figure | None = None) -> Figure:
    """Draw the query and the supports, and below each support what its parts contribute.

    The numbers 1, 2, 3 stand in the segments that contribute most. The similarity stands under each support, the
    predicted one has a solid frame, one of the query's class a dashed one.

    Parameters
    ----------
    explanation : Explanation
        What to draw.
    figure : matplotlib.figure.Figure or None
        An empty figure of `explanation_size`; None: a new one.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = new_figure(explanation_size(explanation)) if figure is None else figure
    figure.set_layout_engine("constrained", w_pad=0.03, h_pad=0.05)
    num_supports = len(explanation.classes)
    grid = figure.subplots(2, 1 + num_supports, squeeze=False)
    clips = [explanation.query, *explanation.supports]
    images = [_image(clip.spectrogram) for clip in clips]
    # One scale for all, so that equal colours are equal levels; a few extreme cells shall not use it up.
    low, high = np.percentile(np.concatenate([image.ravel() for image in images]), [1, 99.9])
    titles = [explanation.true_class or "", *explanation.classes]
    drawn: AxesImage | None = None
    for ax, image, title in zip(grid[0], images, titles, strict=True):
        drawn = draw_spectrogram(ax, image, explanation.front_end)
        drawn.set_clim(low, high)
        ax.set_title(one_line(title, LONGEST_TITLE), fontsize="medium", parse_math=False)
    query = grid[0, 0]
    query.set_title("query\n" + query.get_title(), fontsize="medium", fontweight="bold", parse_math=False)
    grid[1, 0].axis("off")
    span = _span(explanation)
    heat: AxesImage | None = None
    for support, ax in enumerate(grid[1, 1:]):
        heat = _draw_heat_map(ax, explanation, support, span)
        _mark(ax, explanation, support)
    for ax in [query, *grid[1, 1:]]:
        ax.xaxis.set_major_locator(MaxNLocator(3, integer=explanation.front_end is None, prune="upper"))
    for ax in grid[0, 1:]:
        ax.set_xticklabels([])
    for ax in [*grid[0, 1:], *grid[1, 2:]]:
        ax.set_yticklabels([])
    for ax in (query, grid[1, 1]):
        ax.set_ylabel(frequency_label(explanation.front_end), fontsize="small")
    for ax in grid.flat:
        ax.tick_params(labelsize="small")
    query.set_xlabel(time_label(explanation.front_end), fontsize="small")
    assert drawn is not None and heat is not None  # noqa: PT018 - a query and a support are drawn
    figure.colorbar(drawn, ax=grid[0], label=level_label(explanation.front_end), aspect=15)
    figure.colorbar(heat, ax=grid[1], label=_heat_label(explanation), aspect=15)
    return figure


def plot_heat_map(explanation: Explanation, support: int, *, ax: Axes | None = None) -> Axes:
    """Draw what the parts of one support contribute over its grey spectrogram; the numbers mark the top segments.

    Parameters
    ----------
    explanation : Explanation
        What to draw.
    support : int
        Which support.
    ax : matplotlib.axes.Axes or None
        Where to draw; None: new axes.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes((6.4, 3.2)) if ax is None else ax
    heat = _draw_heat_map(ax, explanation, support, _span(explanation))
    ax.set_xlabel(time_label(explanation.front_end))
    ax.set_ylabel(frequency_label(explanation.front_end))
    ax.set_title(one_line(explanation.classes[support]), parse_math=False)
    figure_of(ax).colorbar(heat, ax=ax, label=_heat_label(explanation))
    return ax


def plot_faithfulness(result: Faithfulness, *, ax: Axes | None = None) -> Axes:
    """Draw the deletion and the insertion curve of an explanation, those of random orders thin behind them.

    Parameters
    ----------
    result : Faithfulness
        What to draw.
    ax : matplotlib.axes.Axes or None
        Where to draw; None: new axes.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(faithfulness_size()) if ax is None else ax
    for curves, areas, name, colour, style in (
        (result.deletion, result.deletion_areas, "taken away", VERMILLION, "-"),
        (result.insertion, result.insertion_areas, "put back", BLUE, "--"),
    ):
        for number, (shares, values) in enumerate(zip(result.shares[1:], curves[1:], strict=True)):
            label = f"{name} in random orders: area {areas[1:].mean():.3f}" if number == 0 else None
            ax.plot(100 * shares, values, color=colour, linestyle=style, linewidth=0.6, alpha=0.35, label=label)
        label = f"{name}, the first first: area {areas[0]:.3f}"
        ax.plot(100 * result.shares[0], curves[0], color=colour, linestyle=style, linewidth=2.2, label=label)
    ax.set_xlabel("pixels (%)")
    ax.set_ylabel("similarity")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize="x-small")
    return ax


def explanation_size(explanation: Explanation) -> tuple[float, float]:
    """Return the width and height in inches of a figure for `plot_explanation`."""
    return 2.1 * (1 + len(explanation.classes)) + 1.2, 4.9


def faithfulness_size() -> tuple[float, float]:
    """Return the width and height in inches of a figure for `plot_faithfulness`."""
    return 6.4, 3.8


def _draw_heat_map(ax: Axes, explanation: Explanation, support: int, span: float) -> AxesImage:
    """Draw the map of a support, whose fullest colour is a contribution of `span`."""
    image = _image(explanation.supports[support].spectrogram)
    behind = draw_spectrogram(ax, image, explanation.front_end)
    behind.set(cmap="gray_r", clim=np.percentile(image, [1, 99.9]), alpha=0.6)
    values = _centred(explanation, support)
    strength = np.clip(np.abs(values) / span, 0, 1) if span > 0 else np.zeros_like(values)
    extent = behind.get_extent()
    heat = ax.imshow(
        values,
        origin="lower",
        aspect="auto",
        extent=extent,
        cmap=_HEAT_MAP,
        vmin=-(span or 1.0),
        vmax=span or 1.0,
        alpha=0.2 + 0.7 * strength,
        interpolation="nearest",
    )
    unit = (extent[1] - extent[0]) / image.shape[1]
    for rank, segment in enumerate(explanation.top_segments(support, top=_NUM_MARKED), start=1):
        band, frame = _inside(explanation.segments[support] == segment)
        place = (extent[0] + (frame + 0.5) * unit, band)
        box = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": "black", "linewidth": 0.6}
        ax.text(*place, str(rank), ha="center", va="center", fontsize="x-small", color="black", bbox=box)
    return heat


def _image(spectrogram: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return spectrogram.mean(axis=0) if spectrogram.ndim == 3 else spectrogram


def _centred(explanation: Explanation, support: int) -> npt.NDArray[np.float32]:
    """Return the map; that of masks, which give similarities, less its mean."""
    values = explanation.maps[support]
    return values - values.mean() if explanation.method.name == "rise" else values


def _span(explanation: Explanation) -> float:
    """Return the largest contribution, but for one pixel in fifty."""
    values = np.stack([_centred(explanation, support) for support in range(len(explanation.classes))])
    largest = float(np.percentile(np.abs(values), 98))
    return largest if largest > 0 else float(np.abs(values).max())


def _heat_label(explanation: Explanation) -> str:
    return "similarity less the mean" if explanation.method.name == "rise" else "contribution a pixel"


def _inside(mask: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Return the band and frame of the pixel of a segment that is nearest to its middle."""
    places = np.argwhere(mask)
    nearest = ((places - places.mean(axis=0)) ** 2).sum(axis=1).argmin()
    band, frame = places[nearest].tolist()
    return band, frame


def _mark(ax: Axes, explanation: Explanation, support: int) -> None:
    is_own = explanation.true_class == explanation.classes[support]
    is_nearest = support == explanation.predicted
    is_known = explanation.true_class is not None
    words = f"similarity {explanation.similarities[support]:.3f}"
    if is_nearest:
        draw_frame(ax, (GREEN if is_own else VERMILLION) if is_known else SKY, "-")
        words += "\nnearest" + (f": {'right' if is_own else 'wrong'}" if is_known else "")
    elif is_own:
        draw_frame(ax, BLUE, "--")
        words += "\nquery's class"
    else:
        words += "\n "
    ax.set_xlabel(words, fontsize="medium", fontweight="bold" if is_nearest else "normal")
