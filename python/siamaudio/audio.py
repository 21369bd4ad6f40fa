"""Reading and resampling audio."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from siamaudio._frontend import audio_core
from siamaudio.arrays import as_signals
from siamaudio.errors import ParameterError

__all__ = ["AudioInfo", "check_part", "info", "load", "resample"]


class BinaryFile(Protocol):
    """What is needed of a file object: as of ``open(path, "rb")`` or `io.BytesIO`."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> object:
        """Go to a position."""
        ...

    def tell(self) -> int:
        """Return the position."""
        ...


Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryFile


@dataclasses.dataclass(frozen=True)
class AudioInfo:
    """What the header of an audio file says.

    Parameters
    ----------
    frames : int
        Samples a channel. The header's claim: a file that was cut short holds fewer, and for an MP3 file without a
        Xing or Info tag it is an estimate.
    sr : int
        Sample rate in Hz.
    channels : int
        Number of channels.

    Examples
    --------
    >>> import siamaudio as sa
    >>> sa.AudioInfo(frames=66150, sr=44100, channels=2).duration
    1.5
    """

    frames: int
    sr: int
    channels: int

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.frames / self.sr


def info(source: Source) -> AudioInfo:
    """Read the header of an audio file, and nothing else.

    Parameters
    ----------
    source : path-like, bytes-like or binary file object
        As in `load`.

    Returns
    -------
    AudioInfo
        Frames, sample rate, channels and duration.

    Raises
    ------
    AudioError
        The file is missing, damaged, or of a format that is not accepted.
    ParameterError
        `source` is nothing that can be read.

    Examples
    --------
    >>> import siamaudio as sa
    >>> sa.info(sa.datasets.synthetic(2, 2).paths[0])
    AudioInfo(frames=24000, sr=16000, channels=1)
    """
    return AudioInfo(*audio_core.audio_info(_readable(source)))


def load(
    source: Source,
    *,
    sr: float | None = None,
    mono: bool = True,
    offset: float = 0.0,
    duration: float | None = None,
) -> tuple[npt.NDArray[np.float32], float]:
    """Read audio from a file, from memory or from a file object.

    Parameters
    ----------
    source : path-like, bytes-like or binary file object
        WAV, FLAC, OGG (Vorbis, Opus), MP3, AIFF, AU or CAF file. Other codecs are refused by name. A file object
        needs ``read``, ``seek`` and ``tell``; it is read from its first byte, wherever it stands, and stands anywhere
        afterwards. What it raises passes through.
    sr : float > 0 or None
        Sample rate to resample to, in Hz, at most 256 times above or below the file's; None keeps the file's own.
    mono : bool
        Average the channels.
    offset : float >= 0
        Start of the part to read, in seconds; past the end the result is empty.
    duration : float >= 0 or None
        Length of the part to read, in seconds; None reads to the end. A part that reaches past the end is cut there.

    Returns
    -------
    y : np.ndarray [shape=(samples,) or (channels, samples), dtype=float32]
        Full scale is [-1, 1]. Shape (samples,) if `mono`, else (channels, samples). A float file's values are taken as
        they are, NaN and infinities among them; the samples around these are NaN after resampling.
    sr : float
        Sample rate of `y` in Hz.

    Raises
    ------
    AudioError
        The file is missing, damaged, or of a format that is not accepted, or its rate is too far from `sr`.
    ParameterError
        An option is out of its range, or `source` is nothing that can be read.

    Examples
    --------
    >>> import siamaudio as sa
    >>> path = sa.datasets.synthetic(2, 2).paths[0]
    >>> y, sr = sa.load(path, sr=8000, duration=1.0)
    >>> y.shape, sr
    ((8000,), 8000)
    >>> with open(path, "rb") as file:
    ...     sa.load(file.read())[0].shape
    (24000,)
    """
    check_part(offset, duration)
    if sr is not None and not 0 < sr < float("inf"):
        raise ParameterError("sr", sr, "a sample rate above 0 Hz, or None")
    y, native_sr = audio_core.read_audio(
        _readable(source),
        offset_seconds=offset,
        duration_seconds=-1.0 if duration is None else duration,
        mono=mono,
        sample_rate=0.0 if sr is None else sr,
    )
    return y, native_sr if sr is None else sr


def _readable(source: Any) -> Any:
    """Return `source` as the core takes it: a str, a contiguous buffer, or a binary file object."""
    if isinstance(source, str | os.PathLike):
        return os.fsdecode(source)
    if isinstance(source, memoryview):
        return source if source.c_contiguous else source.tobytes()
    if isinstance(source, bytes | bytearray):
        return source
    accepted = "a path, bytes, or a file opened for reading in binary mode that can seek"
    if not all(callable(getattr(source, name, None)) for name in ("read", "seek", "tell")):
        raise ParameterError("source", f"an object of type {type(source).__name__}", accepted)
    if hasattr(source, "seekable") and not source.seekable():
        raise ParameterError("source", "a file that cannot seek", accepted)
    if hasattr(source, "readable") and not source.readable():
        raise ParameterError("source", "a file that is not open for reading", accepted)
    if isinstance(source.read(0), str):
        raise ParameterError("source", "a text file", accepted)
    return source


def check_part(offset: float, duration: float | None) -> None:
    """Raise ParameterError where no part of a recording can be meant."""
    if not offset >= 0:
        raise ParameterError("offset", offset, "0 seconds or more")
    if duration is not None and not duration >= 0:
        raise ParameterError("duration", duration, "0 seconds or more, or None")


def resample(y: npt.ArrayLike, *, orig_sr: float, target_sr: float) -> npt.NDArray[np.float32]:
    """Change the sample rate of a signal, by libsoxr at quality "HQ".

    Each signal is taken to be silent outside its samples. NaN and infinities make NaN of the samples around them, as
    far as libsoxr's filters reach.

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
        A sample rate is not above 0, or they are more than 256 times apart, or `y` has no samples axis.

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
