"""Reading and resampling audio."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from siamaudio._frontend import audio_core
from siamaudio.arrays import as_signals
from siamaudio.errors import ParameterError

__all__ = ["load", "resample"]


def load(
    path: str | os.PathLike[str],
    *,
    sr: float | None = None,
    mono: bool = True,
    offset: float = 0.0,
    duration: float | None = None,
) -> tuple[npt.NDArray[np.float32], float]:
    """Read an audio file.

    Parameters
    ----------
    path : path-like
        WAV, FLAC, OGG (Vorbis, Opus), MP3, AIFF, AU or CAF file. Other codecs are refused by name.
    sr : float > 0 or None
        Sample rate to resample to, in Hz; None keeps the file's own.
    mono : bool
        Average the channels.
    offset : float >= 0
        Start of the part to read, in seconds.
    duration : float >= 0 or None
        Length of the part to read, in seconds; None reads to the end.

    Returns
    -------
    y : np.ndarray [shape=(samples,) or (channels, samples), dtype=float32]
        Full scale is [-1, 1]. Shape (samples,) if `mono`, else (channels, samples).
    sr : float
        Sample rate of `y` in Hz.

    Raises
    ------
    AudioError
        The file is missing, damaged, or of a format that is not accepted.
    ParameterError
        An option is out of its range.

    Examples
    --------
    >>> import siamaudio as sa
    >>> path = sa.datasets.synthetic(2, 2).paths[0]
    >>> y, sr = sa.load(path, sr=8000, duration=1.0)
    >>> y.shape, sr
    ((8000,), 8000)
    """
    if not offset >= 0:
        raise ParameterError("offset", offset, "0 seconds or more")
    if duration is not None and not duration >= 0:
        raise ParameterError("duration", duration, "0 seconds or more, or None")
    y, native_sr = audio_core.read_audio(
        os.fspath(path), offset_seconds=offset, duration_seconds=-1.0 if duration is None else duration, mono=mono
    )
    if sr is None or sr == native_sr:
        return y, native_sr
    return resample(y, orig_sr=native_sr, target_sr=sr), sr


def resample(y: npt.ArrayLike, *, orig_sr: float, target_sr: float) -> npt.NDArray[np.float32]:
    """Change the sample rate of a signal, by libsoxr at quality "HQ".

    Parameters
    ----------
    y : array-like [shape=(..., samples)]
        Signals; computed in float32.
    orig_sr : float > 0
        Sample rate of `y` in Hz.
    target_sr : float > 0
        Sample rate of the result in Hz.

    Returns
    -------
    np.ndarray [shape=(..., ceil(samples * target_sr / orig_sr)), dtype=float32]

    Raises
    ------
    ParameterError
        A sample rate is not above 0, or `y` has no samples axis.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> sa.resample(np.zeros((2, 44100)), orig_sr=44100, target_sr=16000).shape
    (2, 16000)
    """
    signals = as_signals(y)
    rows = signals.reshape(-1, signals.shape[-1]) if signals.size else signals.reshape(0, signals.shape[-1])
    resampled = audio_core.resample(rows, orig_sr=orig_sr, target_sr=target_sr)
    return resampled.reshape(*signals.shape[:-1], resampled.shape[-1])
