"""What the HTML pages have in common: templates, and figures and sounds that stand in the page itself."""

from __future__ import annotations

import base64
import io
import warnings
import wave
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from siamaudio.files import replace_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["data_uri", "drawn", "png", "wav", "write_template"]

_PNG_DPI = 120
# Text stays text, in the reader's fonts; the salt makes ids the same each time.
_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "siamaudio"}
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
    draw: Callable[[Figure], object], size: tuple[float, float], file_format: str, metadata: dict[str, None]
) -> bytes:
    """Draw in matplotlib's own style whatever the user's, without pyplot's list of open figures.

    Parameters
    ----------
    draw : callable
        Draws into a figure.
    size : (float, float)
        Width and height in inches.
    file_format : {"png", "svg"}
    metadata : dict
        Entries of the file that shall not be written, so that the same figure has the same bytes.
    """
    import matplotlib.style
    from matplotlib.figure import Figure

    stream = io.BytesIO()
    with matplotlib.style.context(["default", _STYLE]), warnings.catch_warnings():
        # The reader's browser has the letters that matplotlib's own font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        figure.savefig(stream, format=file_format, dpi=_PNG_DPI, metadata=metadata)
    return stream.getvalue()


def png(levels: npt.NDArray[np.floating[Any]]) -> bytes:
    """Return an image of levels as PNG, a pixel a value, row 0 below: dark the lowest, light the highest.

    Parameters
    ----------
    levels : np.ndarray [shape=(height, width)]
        Finite.
    """
    import matplotlib as mpl
    from PIL import Image

    low, high = float(levels.min()), float(levels.max())
    shares = (levels[::-1].astype(np.float64) - low) / (high - low if high > low else 1.0)
    image = Image.fromarray(np.rint(255 * shares).astype(np.uint8), mode=None).convert("P")
    palette = np.rint(255 * mpl.colormaps["magma"](np.arange(256))[:, :3]).astype(np.uint8)
    image.putpalette(palette.tobytes())
    stream = io.BytesIO()
    image.save(stream, format="PNG", optimize=True)
    return stream.getvalue()


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
