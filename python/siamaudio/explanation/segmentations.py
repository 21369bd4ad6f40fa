"""Spectrograms cut into segments: by what they look like, or by a grid."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from siamaudio.errors import ParameterError
from siamaudio.optional import require
from siamaudio.options import Registry

__all__ = ["Felzenszwalb", "Grid", "Segmentation", "Slic", "registry", "segment"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Felzenszwalb:
    """Felzenszwalb and Huttenlocher 2004, by scikit-image; the settings are those of Fedele et al. 2022.

    Parameters
    ----------
    scale : float > 0
        More makes larger segments.
    sigma : float >= 0
        Width in pixels of the Gaussian that the spectrogram is smoothed by.
    min_size : int > 0
        Least pixels of a segment.
    """

    name: ClassVar[str] = "felzenszwalb"
    scale: float = 50.0
    sigma: float = 1.5
    min_size: int = 150


@dataclasses.dataclass(frozen=True, kw_only=True)
class Slic:
    """SLIC of Achanta et al. 2012, by scikit-image: segments of about one size.

    Parameters
    ----------
    num_segments : int > 0
        About how many.
    compactness : float > 0
        More makes them squarer, less lets them follow the levels, which count from 0 to 1.
    sigma : float >= 0
        Width in pixels of the Gaussian that the spectrogram is smoothed by.
    """

    name: ClassVar[str] = "slic"
    num_segments: int = 50
    compactness: float = 0.1
    sigma: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grid:
    """Rectangles of about one size, whatever the spectrogram.

    Parameters
    ----------
    bands, frames : int > 0
        Rectangles over the bands and over the frames.
    """

    name: ClassVar[str] = "grid"
    bands: int = 8
    frames: int = 8


Segmentation = Felzenszwalb | Slic | Grid
registry: Registry[Segmentation] = Registry("segmentation", (Felzenszwalb, Slic, Grid))


def segment(
    spectrograms: npt.ArrayLike, segmentation: Segmentation | str | npt.ArrayLike = "felzenszwalb"
) -> npt.NDArray[np.int64]:
    """Cut spectrograms into segments.

    Parameters
    ----------
    spectrograms : array-like [shape=(clips, bands, frames) or (clips, channels, bands, frames)]
        Levels in any unit: each clip's are brought to 0 … 1 first, and channels are averaged.
    segmentation : Segmentation, str or array-like of int [shape=(bands, frames) or (clips, bands, frames)]
        "felzenszwalb", "slic", "grid", one of these with other settings, or the number of each pixel's segment.

    Returns
    -------
    np.ndarray [shape=(clips, bands, frames), dtype=int64]
        The number of each pixel's segment, from 0 on without gaps in each clip.

    Raises
    ------
    ParameterError
        There is no such segmentation, a setting is out of its range, or the labels have another shape.
    ImportError
        scikit-image is needed and missing: ``pip install "siamaudio[explain]"``.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> sa.explanation.segment(np.zeros((1, 4, 6)), sa.explanation.Grid(bands=2, frames=3))[0]
    array([[0, 0, 1, 1, 2, 2],
           [0, 0, 1, 1, 2, 2],
           [3, 3, 4, 4, 5, 5],
           [3, 3, 4, 4, 5, 5]])
    """
    clips = np.asarray(spectrograms, dtype=np.float32)
    if clips.ndim not in (3, 4) or clips.size == 0:
        raise ParameterError(
            "spectrograms", f"shape {clips.shape}", "(clips, bands, frames) or (clips, channels, bands, frames)"
        )
    images = clips if clips.ndim == 3 else clips.mean(axis=1)
    if not isinstance(segmentation, (str, Felzenszwalb, Slic, Grid)):
        return _given(segmentation, images.shape)
    option = registry.from_dict(registry.to_dict(registry.parse(segmentation)))
    _check(option)
    if isinstance(option, Grid):
        return np.broadcast_to(_grid(option, *images.shape[1:]), images.shape).copy()
    library = require("skimage.segmentation", extra="explain", purpose=f"segmentation {option.name!r}")
    return np.stack([_numbered(_by_levels(library, option, image)) for image in images])


def _given(labels: npt.ArrayLike, shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    values = np.asarray(labels)
    accepted = f"whole numbers of shape {shape[1:]}, for all supports, or {shape}, for each"
    if values.dtype.kind not in "iu" or values.shape not in (shape, shape[1:]):
        raise ParameterError("segmentation", f"an array of {values.dtype} of shape {values.shape}", accepted)
    if values.ndim == 2:
        return np.broadcast_to(_numbered(values), shape).copy()
    return np.stack([_numbered(own) for own in values])


def _numbered(labels: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    _, numbers = np.unique(labels, return_inverse=True)
    return numbers.reshape(labels.shape).astype(np.int64)


def _check(option: Segmentation) -> None:
    for field in dataclasses.fields(option):
        value = getattr(option, field.name)
        least = "0 or more" if field.name == "sigma" else "above 0"
        if not (value > 0 or (field.name == "sigma" and value == 0)):
            raise ParameterError(f"segmentation.{field.name}", value, least)


def _grid(option: Grid, num_bands: int, num_frames: int) -> npt.NDArray[np.int64]:
    rows = np.arange(num_bands) * min(option.bands, num_bands) // num_bands
    columns = np.arange(num_frames) * min(option.frames, num_frames) // num_frames
    return rows[:, None] * (columns[-1] + 1) + columns


def _by_levels(library: Any, option: Felzenszwalb | Slic, image: npt.NDArray[np.float32]) -> npt.NDArray[np.generic]:
    span = float(image.max() - image.min())
    levels = (image - image.min()) / span if span > 0 else np.zeros_like(image)
    if isinstance(option, Felzenszwalb):
        return library.felzenszwalb(levels, scale=option.scale, sigma=option.sigma, min_size=option.min_size)
    return library.slic(
        levels,
        n_segments=option.num_segments,
        compactness=option.compactness,
        sigma=option.sigma,
        channel_axis=None,
        start_label=0,
    )
