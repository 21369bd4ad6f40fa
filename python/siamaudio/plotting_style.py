"""What all pictures have in common: colours, names of classes, legends, new axes.

Colours can be told apart with colour-blind eyes (Okabe and Ito's for lines and bars, cividis and magma for maps), and
nothing is said by colour alone. Lines and words are drawn in the text colour of the reader's style, light or dark.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

__all__ = [
    "BLACK",
    "BLUE",
    "GREEN",
    "LONGEST_TITLE",
    "ORANGE",
    "PURPLE",
    "SKY",
    "VERMILLION",
    "draw_frame",
    "figure_of",
    "ink",
    "legend_above",
    "new_axes",
    "new_figure",
    "on_paper",
    "one_line",
    "plain",
    "vertical_line",
]

# Okabe and Ito, "Color Universal Design", 2008.
BLUE = "#0072B2"
VERMILLION = "#D55E00"
GREEN = "#009E73"
SKY = "#56B4E9"
ORANGE = "#E69F00"
PURPLE = "#CC79A7"
BLACK = "#000000"

LONGEST_TITLE = 19  # characters over a small picture
_LONGEST_NAME = 28


def ink() -> str:
    """Return the colour of words and of the lines that belong to no series, as the style has it."""
    return str(mpl.rcParams["text.color"])


def on_paper(ax: Axes) -> dict[str, object]:
    """Return a box in the colour of the axes, so that lines do not strike words through.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where the words stand.
    """
    return {"facecolor": ax.get_facecolor(), "edgecolor": "none", "pad": 0.8}


def draw_frame(ax: Axes, colour: str, line_style: str) -> None:
    """Draw a thick frame around axes.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where.
    colour, line_style : str
        Of the frame.
    """
    drawn = Rectangle((0, 0), 1, 1, transform=ax.transAxes, fill=False, clip_on=False)
    drawn.set(edgecolor=colour, linestyle=line_style, linewidth=4, zorder=3)
    ax.add_patch(drawn)


def vertical_line(ax: Axes, share: float, name: str, colour: str, line_style: str) -> Line2D:
    """Draw a line at a share of 1, on an axis in per cent; the legend tells name and share.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where.
    share : float
        In [0, 1].
    name, colour, line_style : str
        Of the line.
    """
    return ax.axvline(100 * share, color=colour, linestyle=line_style, linewidth=1.8, label=f"{name} {share:.1%}")


def legend_above(ax: Axes, lines: Sequence[Line2D]) -> None:
    """Draw a legend above axes, in as many columns as there is room for.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where.
    lines : sequence of matplotlib.lines.Line2D
        What it names.
    """
    # Inches: of the axes with the room that their own words take, and of an entry's handle and words.
    room = ax.get_position().width * figure_of(ax).get_figwidth() / 0.8
    widths = [0.45 + 0.065 * len(str(line.get_label())) for line in lines]
    columns = 3 if len(lines) <= 3 and sum(widths) <= room else max(1, min(3, int(room / max(widths))))
    # Flush right: names beside the axes leave room on its left.
    legend = ax.legend(
        handles=lines,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=columns,
        frameon=False,
        fontsize="small",
        columnspacing=1.2,
        handlelength=1.8,
        borderaxespad=0.2,
    )
    plain(legend)


def plain(legend: Legend) -> None:
    """Let a legend's words stand as they are: a dollar sign in a name begins no formula.

    Parameters
    ----------
    legend : matplotlib.legend.Legend
        Whose words.
    """
    for text in legend.get_texts():
        text.set_parse_math(False)


def new_axes(size: tuple[float, float]) -> Axes:
    """Return axes in a new figure of pyplot.

    Parameters
    ----------
    size : (float, float)
        Width and height in inches.
    """
    return new_figure(size).subplots()


def new_figure(size: tuple[float, float]) -> Figure:
    """Return a new, empty figure of pyplot.

    Parameters
    ----------
    size : (float, float)
        Width and height in inches.
    """
    import matplotlib.pyplot as plt

    return plt.figure(figsize=size, layout="constrained")


def figure_of(ax: Axes) -> Figure:
    """Return the whole figure that axes are in.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Which.
    """
    figure = ax.get_figure(root=True)
    assert isinstance(figure, Figure)
    return figure


def one_line(name: str, longest: int = _LONGEST_NAME) -> str:
    """Return a class name in one line that matplotlib can set, shortened in the middle if need be.

    Parameters
    ----------
    name : str
        Whatever it holds.
    longest : int > 2
        Characters.
    """
    line = " ".join(name.split())
    line = "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cs") else c for c in line)
    half = (longest - 1) // 2
    return line if len(line) <= longest else f"{line[: longest - 1 - half]}…{line[-half:]}"
