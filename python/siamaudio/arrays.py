"""What callers pass as arrays, as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from siamaudio.errors import ParameterError

__all__ = ["as_signals"]


def as_signals(y: Any) -> npt.NDArray[np.float32]:
    """Return `y` as float32 signals, shape (..., samples); ParameterError if it has no samples axis."""
    signals = np.ascontiguousarray(y, dtype=np.float32)
    if np.ndim(y) == 0:
        raise ParameterError("y", "a single number", "an array of shape (..., samples)")
    return signals
