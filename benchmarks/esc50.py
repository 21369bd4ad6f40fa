"""All 2000 clips of ESC-50 as the benchmarks of accuracy use them: spectrograms, class splits.

The spectrograms are those of `esc50-logspec-128.npz`: 128 linear bins of 0 to 8 kHz by 128 frames of 31 ms, logarithms
brought to 0 … 255 in each clip by itself.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import siamaudio as sa
from harness import shared_data
from siamaudio import splits

__all__ = [
    "FEDELE_CLASSES",
    "HONKA_CLASSES",
    "linear_pictures",
    "mel_pictures",
    "mel_triangles",
    "split_classes",
]

FILE = "esc50-logspec-128.npz"
TOP_HERTZ = 8000.0  # of the 128 linear bins
BIN_HERTZ = TOP_HERTZ / 128

# The five test classes of two published studies, which both train on 40 others and validate on 5.
HONKA_CLASSES = ("Church bells", "Clapping", "Coughing", "Rooster", "Thunderstorm")
FEDELE_CLASSES = ("Church bells", "Door wood creaks", "Frog", "Glass breaking", "Laughing")


def _read() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.str_], list[str]]:
    """Return spectrograms (clips, bins, frames), the class of each, and the recording that each was cut from."""
    with np.load(shared_data("") / FILE) as file:
        # A clip is named FOLD-SOURCE-TAKE.
        return file["spectrograms"], file["class_name"], [str(clip).split("-")[1] for clip in file["clip"]]


def linear_pictures(size: int) -> sa.Features:
    """Return the spectrograms, averaged to `size` x `size` pixels, in [0, 1]."""
    spectrograms, names, sources = _read()
    factor = 128 // size
    pooled = spectrograms.reshape(-1, size, factor, size, factor).mean((2, 4), dtype=np.float32) / 255
    return sa.Features.from_arrays(pooled, names, sources=sources, name="esc50")


def mel_pictures(num_bands: int = 64, top: float = 7500.0) -> sa.Features:
    """Return the spectrograms in mel bands, less the mean of all and divided by the deviation of all.

    The logarithms are averaged, not the powers: the file has no powers.
    """
    spectrograms, names, sources = _read()
    triangles = mel_triangles(num_bands, top).astype(np.float32)
    bands = np.stack([triangles @ spectrogram for spectrogram in spectrograms.astype(np.float32)])
    standardised = (bands - bands.mean(dtype=np.float64)) / bands.std(dtype=np.float64)
    return sa.Features.from_arrays(standardised, names, sources=sources, name="esc50")


def mel_triangles(num_bands: int, top: float) -> npt.NDArray[np.float64]:
    """Return the weights of the linear bins in each mel band.

    The corners of the triangles lie evenly on HTK's mel scale, 2595 log10(1 + f / 700), from 0 Hz to `top`; each
    begins and ends where its neighbours peak. A bin counts by the triangle's height at its centre; the weights of a
    band add up to 1.

    Parameters
    ----------
    num_bands : int
        Triangles; few enough for each to hold the centre of a bin.
    top : float
        End of the last triangle in Hz.

    Returns
    -------
    np.ndarray [shape=(num_bands, 128)]
    """
    top_mel = 2595 * np.log10(1 + top / 700)
    corners = 700 * (10 ** (np.linspace(0, top_mel, num_bands + 2) / 2595) - 1)
    start, peak, end = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    centres = (np.arange(128) + 0.5) * BIN_HERTZ
    heights = np.maximum(0, np.minimum((centres - start) / (peak - start), (end - centres) / (end - peak)))
    return heights / heights.sum(axis=1, keepdims=True)


def split_classes(
    classes: list[str] | tuple[str, ...],
    seed: int,
    *,
    num_validation: int = 5,
    num_test: int = 5,
    test: tuple[str, ...] | None = None,
) -> splits.ClassSplit:
    """Draw test and validation classes; all others are trained on.

    Parameters
    ----------
    classes : sequence of str
        All of them.
    seed : int
        Of NumPy's default generator.
    num_validation, num_test : int
        How many to draw.
    test : tuple of str or None
        These test classes; only those to validate on are drawn then.
    """
    drawn = np.random.default_rng(seed).permutation([name for name in sorted(classes) if name not in (test or ())])
    order = [*(test or ()), *drawn.tolist()]
    num_test = num_test if test is None else len(test)
    return splits.split_classes(
        classes,
        train=order[num_test + num_validation :],
        validation=order[num_test : num_test + num_validation],
        test=order[:num_test],
    )
