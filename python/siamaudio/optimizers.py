"""Optimizers as data; the C++ trainer runs them."""

from __future__ import annotations

import dataclasses

__all__ = ["Adam"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adam:
    """Adam (Kingma and Ba 2015, algorithm 1) with Keras's inverse-time decay.

    Parameters
    ----------
    learning_rate : float > 0
        Initial step size.
    decay : float >= 0
        The rate after s updates is ``learning_rate / (1 + decay * s)``.
    """

    learning_rate: float = 1e-3
    decay: float = 0.0
