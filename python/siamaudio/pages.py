"""What the HTML pages have in common: templates, and charts, pictures and sounds that stand in the page itself."""

from __future__ import annotations

import base64
import io
import re
import types
import warnings
import wave
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from siamaudio.files import replace_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from siamaudio.log_mel import LogMel

__all__ = ["chart", "data_uri", "drawn", "png", "spectrogram", "wav", "write_template"]

_PNG_DPI = 120
# Text stays text, in the reader's fonts; the salt makes ids the same each time.
_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "siamaudio"}
# What a chart is drawn in, to be replaced by the page's own colours, light or dark; nothing else has these two.
_INK, _PAPER = "#010203", "#fcfdfe"
_CHART_STYLE = {
    **dict.fromkeys(["text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"], _INK),
    **dict.fromkeys(["figure.facecolor", "axes.facecolor", "savefig.facecolor"], _PAPER),
}
_NARROWEST = 0.6  # to which a chart shrinks on a small screen, of its own width; then it scrolls
_NO_METADATA = {"png": ["Software"], "svg": ["Creator", "Date", "Format", "Type"]}
_FULL_SCALE = 32767


def write_template(path: Path, template: str, **values: Any) -> None:
    """Fill in a template of the folder templates/ and write it, whole or not at all.

    Parameters
    ----------
    path : Path
        The file; one that is there is replaced.
    template : str
        Its name.
    **values
        What it speaks of.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["percent"] = lambda share: f"{share:.1%}"
    # A file name that is no valid UTF-8 can end up in a class name; it shall not end the page.
    replace_file(path, templates.get_template(template).render(**values).encode("utf-8", "replace"))


def drawn(
    draw: Callable[[Figure], object],
    size: tuple[float, float],
    file_format: Literal["png", "svg"],
    style: Mapping[str, Any] = types.MappingProxyType({}),
) -> bytes:
    """Draw in matplotlib's own style whatever the user's, without pyplot's list of open figures.

    Parameters
    ----------
    draw : callable
        Draws into a figure.
    size : (float, float)
        Width and height in inches.
    file_format : {"png", "svg"}
        The same figure has the same bytes.
    style : mapping
        Settings of matplotlib beyond its own.
    """
    import matplotlib.style
    from matplotlib.figure import Figure

    stream = io.BytesIO()
    with matplotlib.style.context(["default", {**_STYLE, **style}]), warnings.catch_warnings():
        # The reader's browser has the letters that matplotlib's own font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        metadata = dict.fromkeys(_NO_METADATA[file_format])
        figure.savefig(stream, format=file_format, dpi=_PNG_DPI, metadata=metadata)
    return stream.getvalue()


def chart(name: str, words: str, draw: Callable[[Figure], object], size: tuple[float, float]) -> Markup:
    """Draw a figure as SVG that stands in the page, in the page's colours.

    Parameters
    ----------
    name : str
        Of the chart, by which its ids begin.
    words : str
        For those who do not see it.
    draw : callable
        Draws into a figure.
    size : (float, float)
        Width and height in inches.
    """
    svg = drawn(draw, size, "svg", _CHART_STYLE).decode("utf-8")
    svg = svg[svg.index("<svg") :].replace(_INK, "var(--ink)").replace(_PAPER, "var(--card)")
    # Ids are of the whole page, and matplotlib names the parts of each figure alike; text holds no raw < or >.
    svg = re.sub(r"<[^<>]+>", lambda tag: re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", tag[0]), svg)
    # The page's style sheet sizes the figure; its inner style sheet would be the page's too.
    svg = re.sub(r'^<svg[^>]*?(viewBox="[^"]*")[^>]*>', rf'<svg role="img" aria-labelledby="{name}-title" \1>', svg)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    head, rest = svg.split(">", 1)
    title = Markup('<title id="{}-title">{}</title>').format(name, words)
    return Markup(f'{head} style="width: {size[0]:g}in; min-width: {_NARROWEST * size[0]:g}in">') + title + Markup(rest)


def png(levels: npt.NDArray[np.floating[Any]], limits: tuple[float, float] | None = None) -> bytes:
    """Return an image of levels as PNG, a pixel a value, row 0 below: dark the lowest, light the highest.

    Parameters
    ----------
    levels : np.ndarray [shape=(height, width)]
        Finite.
    limits : (float, float) or None
        Levels of the darkest and the lightest colour; None: the lowest and the highest.
    """
    import matplotlib as mpl
    from PIL import Image

    low, high = (float(levels.min()), float(levels.max())) if limits is None else limits
    shares = np.clip((levels[::-1].astype(np.float64) - low) / (high - low if high > low else 1.0), 0, 1)
    image = Image.fromarray(np.rint(255 * shares).astype(np.uint8), mode=None).convert("P")
    palette = np.rint(255 * mpl.colormaps["magma"](np.arange(256))[:, :3]).astype(np.uint8)
    image.putpalette(palette.tobytes())
    stream = io.BytesIO()
    image.save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def spectrogram(
    levels: npt.NDArray[np.floating[Any]], front_end: LogMel | None, limits: tuple[float, float] | None = None
) -> dict[str, Any]:
    """Return a spectrogram as the template _sound.html.j2 shows it: the picture, and where what stands at its axes.

    Parameters
    ----------
    levels : np.ndarray [shape=(bands, frames)]
        Finite.
    front_end : LogMel or None
        What made it; None: axes in frames and bands.
    limits : (float, float) or None
        As for `png`.
    """
    from matplotlib.ticker import MaxNLocator

    from siamaudio.plotting_spectrogram import frequency_ticks

    num_bands, num_frames = levels.shape
    if front_end is None:
        unit, time_unit = 1.0, "frames"
        marks = [place for place in MaxNLocator(3, integer=True).tick_values(0, num_bands - 1) if place < num_bands]
        heights = [(place, f"{place:g}") for place in marks if place >= 0]
        heights[-1:] = [(place, f"band {name}") for place, name in heights[-1:]]
    else:
        unit, time_unit = front_end.hop_length / front_end.sr, "s"
        places, frequencies = frequency_ticks(front_end)
        heights = list(zip(places.tolist(), map(_hertz, frequencies.tolist()), strict=True))
    seconds = [float(place) for place in MaxNLocator(3).tick_values(0, (num_frames - 1) * unit)]
    times = [place for place in seconds if 0 <= place <= (num_frames - 0.5) * unit]
    return {
        "picture": data_uri(png(levels, limits), "image/png"),
        # In per cent of the picture's sides; frames and bands are centred at their places.
        "heights": [(100 * (place + 0.5) / num_bands, name) for place, name in heights],
        "times": [(100 * (place / unit + 0.5) / num_frames, f"{place:g}") for place in times],
        "time_unit": time_unit,
    }


def _hertz(frequency: float) -> str:
    return f"{frequency / 1000:g} kHz" if frequency >= 1000 else f"{frequency:g} Hz"


def wav(y: npt.NDArray[np.floating[Any]], sr: float) -> bytes:
    """Return a mono signal as a WAV file of 16 bits.

    Parameters
    ----------
    y : np.ndarray [shape=(samples,)]
        Full scale is [-1, 1]; what is beyond is cut.
    sr : float > 0
        Sample rate in Hz.
    """
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(round(sr))
        file.writeframes(np.rint(np.clip(y, -1, 1) * _FULL_SCALE).astype("<i2").tobytes())
    return stream.getvalue()


def data_uri(content: bytes, kind: str) -> str:
    """Return an address that is its own content.

    Parameters
    ----------
    content : bytes
    kind : str
        Media type, such as "image/png".
    """
    return f"data:{kind};base64," + base64.b64encode(content).decode("ascii")
