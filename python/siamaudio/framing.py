"""What `LogMel`, `Spectrogram` and `STFT` share: how signals become frames, frames levels, and who computes them."""

from __future__ import annotations

import functools
import math
import numbers
import os
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from siamaudio.arrays import as_signals
from siamaudio.errors import ParameterError
from siamaudio.windows import as_window, window_values

if TYPE_CHECKING:
    from siamaudio import _audio
    from siamaudio.log_mel import LogMel
    from siamaudio.spectrogram import Spectrogram
    from siamaudio.stft import STFT

    # Frozen dataclasses with a method `_native_options`.
    FrontEnd = LogMel | Spectrogram | STFT
    Levels = LogMel | Spectrogram

__all__ = [
    "Log",
    "PadMode",
    "WindowAlign",
    "check_framing",
    "check_levels",
    "count_frames",
    "frame_window",
    "framing_options",
    "level_options",
    "native",
    "number",
    "one_of",
    "transform",
    "true_or_false",
    "whole_number",
]

WindowAlign = Literal["center", "start"]
PadMode = Literal["constant", "reflect", "symmetric", "edge", "wrap"]
Log = Literal["db", "ln", "ln_offset", "ln_nonzero"]

_NATIVE_LOGS = {None: "none", "db": "db", "ln": "floor", "ln_offset": "offset", "ln_nonzero": "nonzero"}


def check_framing(front_end: FrontEnd) -> None:
    """Bring the options of framing into Python's own types, in which they are compared, hashed and written as JSON.

    Ranges of single numbers are the core's to check; here is what it does not see.
    """
    whole_number(front_end, "n_fft")
    whole_number(front_end, "hop_length")
    if front_end.win_length is not None:
        whole_number(front_end, "win_length")
        if not 1 <= front_end.win_length <= front_end.n_fft:
            raise ParameterError("win_length", front_end.win_length, f"1 to n_fft, which is {front_end.n_fft}, or None")
    _set(front_end, "window", as_window(front_end.window))
    one_of(front_end, "window_align", ("center", "start"))
    one_of(front_end, "pad_mode", ("constant", "reflect", "symmetric", "edge", "wrap"))
    true_or_false(front_end, "center")
    true_or_false(front_end, "snip_edges")
    if front_end.center and not front_end.snip_edges:
        raise ParameterError("snip_edges", False, "True, or False together with center=False")


def check_levels(front_end: Levels) -> None:
    """Do what `check_framing` does, for the options of levels."""
    number(front_end, "power")
    if front_end.power not in (1, 2):
        raise ParameterError("power", front_end.power, "1 for magnitudes or 2 for powers")
    one_of(front_end, "log", ("db", "ln", "ln_offset", "ln_nonzero", None))
    if front_end.ref is np.max or front_end.ref == "max":
        _set(front_end, "ref", "max")
    elif isinstance(front_end.ref, numbers.Real):
        number(front_end, "ref")
    else:
        raise ParameterError("ref", front_end.ref, "a power above 0, or 'max' for a clip's own largest")
    for name in ("amin", "log_offset", "gain", "preemphasis"):
        number(front_end, name)
    if front_end.top_db is not None:
        number(front_end, "top_db")
    true_or_false(front_end, "remove_dc")


def number(front_end: object, name: str) -> None:
    """Check that an option is a real number."""
    value = getattr(front_end, name)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise ParameterError(name, value, "a number")
    _set(front_end, name, value if isinstance(value, (int, float)) else float(value))


def whole_number(front_end: object, name: str) -> None:
    """Check that an option is a whole number."""
    value = getattr(front_end, name)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise ParameterError(name, value, "a whole number")
    _set(front_end, name, int(value))


def true_or_false(front_end: object, name: str) -> None:
    """Check that an option is a truth value."""
    value = getattr(front_end, name)
    if not isinstance(value, (bool, np.bool_)):
        raise ParameterError(name, value, "True or False")
    _set(front_end, name, bool(value))


def one_of(front_end: object, name: str, accepted: tuple[str | None, ...]) -> None:
    """Check that an option is one of a few names."""
    value = getattr(front_end, name)
    if not (value is None or isinstance(value, str)) or value not in accepted:
        raise ParameterError(name, value, ", ".join(map(repr, accepted)))


def _set(front_end: object, name: str, value: Any) -> None:
    object.__setattr__(front_end, name, value)  # the dataclass is frozen once it is made


def framing_options(front_end: FrontEnd) -> dict[str, Any]:
    """Return the options of framing as the core takes them."""
    placement = "centred" if front_end.center else "inside" if front_end.snip_edges else "midpoint"
    return {
        "n_fft": front_end.n_fft,
        "hop_length": front_end.hop_length,
        "window": frame_window(front_end),
        "placement": placement,
        "pad_mode": "symmetric" if placement == "midpoint" else front_end.pad_mode,
    }


def frame_window(front_end: FrontEnd) -> npt.NDArray[np.float64]:
    """Return the window of a frame, with the zeros around it that are read as part of the frame."""
    # A length below 1 cannot come from win_length: n_fft itself is out of range, as the core will say.
    window = window_values(as_window(front_end.window), max(1, front_end.win_length or front_end.n_fft))
    if front_end.window_align == "start":
        return window
    num_zeros = max(0, front_end.n_fft - len(window))
    return np.pad(window, (num_zeros // 2, num_zeros - num_zeros // 2))


def level_options(front_end: Levels) -> dict[str, Any]:
    """Return the options of levels as the core takes them."""
    return {
        "gain": front_end.gain,
        "remove_dc": front_end.remove_dc,
        "preemphasis": front_end.preemphasis,
        "kind": "magnitude" if front_end.power == 1 else "power",
        "log": _NATIVE_LOGS[front_end.log],
        "amin": front_end.amin,
        "ref": None if front_end.ref == "max" else front_end.ref,
        "top_db": front_end.top_db,
        "log_offset": front_end.log_offset,
    }


def native(front_end: FrontEnd) -> _audio.Spectrogram:
    """Return the object of the core that computes `front_end`, the same from call to call.

    It owns the tables and every thread's buffers. SIAMAUDIO_ISA is read when it is made, and so is part of the key.
    """
    return _native(front_end, os.environ.get("SIAMAUDIO_ISA"))


@functools.lru_cache(maxsize=16)
def _native(front_end: FrontEnd, _isa: str | None) -> _audio.Spectrogram:
    from siamaudio._frontend import audio_core

    return audio_core.Spectrogram(**front_end._native_options())  # pyright: ignore[reportPrivateUsage]


def count_frames(front_end: FrontEnd, num_samples: int) -> int:
    """Return the number of frames of a signal of `num_samples` samples."""
    if isinstance(num_samples, bool) or not isinstance(num_samples, numbers.Integral) or num_samples < 0:
        raise ParameterError("num_samples", num_samples, "a whole number, 0 or more")
    return native(front_end).num_frames(int(num_samples))


def transform(front_end: FrontEnd, y: npt.ArrayLike, num_threads: int | None) -> npt.NDArray[np.float32]:
    """Return the core's rows for signals of shape (..., samples): shape (..., rows, frames)."""
    signals = as_signals(y)
    *leading, num_samples = signals.shape
    if count_frames(front_end, num_samples) == 0:
        if front_end.snip_edges:
            needed = f"at least the {len(frame_window(front_end))} of one frame, as center is False"
        else:
            needed = f"at least the {(front_end.hop_length + 1) // 2} of half a hop, as snip_edges is False"
        raise ParameterError("y", f"{num_samples} samples", needed)
    if num_threads is not None and num_threads < 1:
        raise ParameterError("num_threads", num_threads, "1 or more, or None for one a core")
    clips = signals.reshape(math.prod(leading), num_samples)
    rows = native(front_end).transform(clips, num_threads=num_threads or 0)
    return rows.reshape(*leading, *rows.shape[1:])
