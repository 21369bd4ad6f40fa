"""Ways to tell what each part of a support contributes, as data; the C++ core follows them."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

from siamaudio.options import Registry

__all__ = ["Gradient", "IntegratedGradients", "Method", "Occlusion", "Rise", "Sinex", "Sinexc", "registry"]

Replaced = Literal["members", "others"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sinex:
    """SINEX of Fedele et al. 2022: one segment at a time.

    Parameters
    ----------
    replaced : {"members", "others"}
        "members": the segment is taken away, and its contribution is (similarity - similarity without it) / its pixels.
        "others": all other segments are, and it is (similarity of it alone - similarity) / its pixels, the published
        formula with the sign turned, so that more is more similar either way.
    """

    name: ClassVar[str] = "sinex"
    replaced: Replaced = "members"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sinexc:
    """SINEXC of Fedele et al. 2022: the mean over random coalitions of segments, which tell what segments do together.

    Parameters
    ----------
    alpha : int > 0
        Coalitions that a segment is in.
    beta : float in [0, 1]
        Chance of any other segment to be in one of them.
    replaced : {"members", "others"}
        As of `Sinex`, of a coalition in the place of a segment; the pixels are those of the coalition.
    coalitions : {"shared", "separate"}
        "separate": alpha are drawn for each segment by itself, as published. "shared": alpha / beta for all together,
        each segment being put into alpha of them. What a single segment meets has the same distribution, at
        1 / (beta segments) of the work.
    """

    name: ClassVar[str] = "sinexc"
    alpha: int = 150
    beta: float = 0.15
    replaced: Replaced = "members"
    coalitions: Literal["shared", "separate"] = "shared"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rise:
    """RISE of Petsiuk, Das and Saenko 2018: the mean similarity over random masks, for each pixel those that keep it.

    The weights are divided by their own sum at each pixel, in the place of its expectation: that takes out noise.
    Values are similarities, not differences of similarity.

    Parameters
    ----------
    num_masks : int > 0
        Random masks.
    bands, frames : int > 0
        Cells of a mask, over the bands and over the frames.
    keep : float in (0, 1)
        Chance of a cell to stay.
    """

    name: ClassVar[str] = "rise"
    num_masks: int = 2000
    bands: int = 8
    frames: int = 8
    keep: float = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Occlusion:
    """Occlusion of Zeiler and Fergus 2014: what is lost where a window is taken away, a pixel of the window.

    Parameters
    ----------
    bands, frames : int > 0 or None
        The window; None: an eighth of the spectrogram.
    step : float in (0, 1]
        From one window to the next, as a share of the window.
    """

    name: ClassVar[str] = "occlusion"
    bands: int | None = None
    frames: int | None = None
    step: float = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gradient:
    """Gradient x input: the similarity's gradient at the support, times how far the support is from its replacement."""

    name: ClassVar[str] = "gradient"


@dataclasses.dataclass(frozen=True, kw_only=True)
class IntegratedGradients:
    """Integrated gradients of Sundararajan, Taly and Yan 2017, from the replacement to the support.

    Parameters
    ----------
    steps : int > 0
        Points on the way. With many the pixels add up to the similarity less that of the replacement.
    """

    name: ClassVar[str] = "integrated_gradients"
    steps: int = 50


Method = Sinex | Sinexc | Rise | Occlusion | Gradient | IntegratedGradients
registry: Registry[Method] = Registry("method", (Sinexc, Sinex, Rise, Occlusion, Gradient, IntegratedGradients))
