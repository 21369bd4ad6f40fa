"""Windows: what each frame is multiplied by."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
import numpy.typing as npt

from siamaudio.errors import ParameterError

__all__ = ["Window", "as_window", "window_values"]

# A name, a name with its parameters as ("kaiser", 14.0), or the values themselves.
Window = str | tuple[Any, ...] | list[Any] | npt.NDArray[Any]

_ACCEPTED = "'hann', 'povey', a name or tuple that scipy.signal.get_window takes, or the window's values"


def as_window(window: Window) -> str | tuple[Any, ...]:
    """Return `window` as a string or a tuple of Python's own numbers, which can be hashed and written as JSON."""
    if isinstance(window, str):
        return window
    if isinstance(window, (tuple, list, np.ndarray)) and len(window) > 0:
        if isinstance(window[0], str):
            return _as_tuple(window)
        if all(isinstance(value, numbers.Real) for value in window):
            return tuple(float(value) for value in window)
    raise ParameterError("window", window, _ACCEPTED)


def window_values(window: str | tuple[Any, ...], win_length: int) -> npt.NDArray[np.float64]:
    """Return the `win_length` values of a window.

    Parameters
    ----------
    window : str or tuple
        What `as_window` returns. Names and tuples of scipy.signal.get_window give its periodic windows; "povey" is
        Kaldi's, a symmetric Hann window to the power of 0.85.
    win_length : int > 0
        Samples.

    Raises
    ------
    ParameterError
        There is no such window, or it has another number of values.
    """
    if window == "hann":  # what nearly everybody takes, without SciPy's second of import
        return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(win_length) / win_length)
    if window == "povey":
        return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(win_length) / max(win_length - 1, 1))) ** 0.85
    if isinstance(window, tuple) and not isinstance(window[0], str):
        if len(window) != win_length:
            raise ParameterError("window", f"{len(window)} values", f"as many as win_length, which is {win_length}")
        return np.array(window)
    import scipy.signal

    try:
        return np.asarray(scipy.signal.get_window(window, win_length, fftbins=True), dtype=np.float64)
    except (ValueError, TypeError, IndexError):
        raise ParameterError("window", window, _ACCEPTED) from None


def _as_tuple(values: Any) -> tuple[Any, ...]:
    if isinstance(values, np.ndarray):
        values = values.tolist()
    return tuple(_as_tuple(value) if isinstance(value, (tuple, list, np.ndarray)) else value for value in values)
