"""What callers pass as arrays, as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from siamaudio.errors import ParameterError

__all__ = ["as_signals"]


def as_signals(y: Any) -> npt.NDArray[np.float32]:
    """Return `y` as float32 signals, shape (..., samples); ParameterError if it has no samples axis or no numbers."""
    try:
        signals = np.asarray(y)
    except ValueError:  # rows of unequal length
        raise ParameterError("y", "rows of unequal length", "an array of shape (..., samples)") from None
    if signals.dtype.kind not in "biuf":
        raise ParameterError("y", f"an array of {signals.dtype}", "real numbers")
    if signals.ndim == 0:
        raise ParameterError("y", "a single number", "an array of shape (..., samples)")
    with np.errstate(over="ignore"):  # becomes infinite, which whoever computes with it refuses
        return np.ascontiguousarray(signals, dtype=np.float32)
