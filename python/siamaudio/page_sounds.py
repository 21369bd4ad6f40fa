"""Recordings that are heard from a page itself."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from siamaudio.audio import info, load, resample
from siamaudio.errors import AudioError

__all__ = ["PageSound", "load_sound"]

_LARGE_BYTES = 400_000  # above which a sound is resampled
_SMALLER_SR = 16000


class PageSound(NamedTuple):
    """A part of a recording.

    Attributes
    ----------
    samples : np.ndarray [shape=(samples,), dtype=float32] or None
        None where there is nothing to hear.
    sr : float
        Sample rate in Hz.
    remark : str or None
        Why there is nothing to hear, or what was cut off.
    """

    samples: npt.NDArray[np.float32] | None
    sr: float
    remark: str | None


def load_sound(
    path: str,
    *,
    offset: float = 0.0,
    duration: float | None = None,
    most_seconds: float,
    large_bytes: int = _LARGE_BYTES,
) -> PageSound:
    """Read a recording as small as it sounds well in a page: cut, and resampled where it is large.

    Parameters
    ----------
    path : str
        The file.
    offset, duration : float
        The part, in seconds; None: to the end.
    most_seconds : float > 0
        Of what is longer, the beginning.
    large_bytes : int
        A sound that takes more, in 16 bits, is resampled to 16 kHz.
    """
    wanted = most_seconds if duration is None else min(duration, most_seconds)
    try:
        y, sr = load(path, offset=offset, duration=wanted)
        is_cut = wanted == most_seconds < min(info(path).duration - offset, np.inf if duration is None else duration)
    except AudioError as error:
        return PageSound(None, 0.0, error.reason)
    if not len(y) or not np.isfinite(y).all():
        return PageSound(None, 0.0, "nothing to play")
    if 2 * len(y) > large_bytes and sr > _SMALLER_SR:
        y, sr = resample(y, orig_sr=sr, target_sr=_SMALLER_SR), _SMALLER_SR
    return PageSound(y, sr, f"the first {most_seconds:g} s" if is_cut else None)
