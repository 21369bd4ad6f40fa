"""Learning-rate schedules as data; the C++ trainer follows them.

==================  ========================================================
`Constant`          the optimizer's rate throughout; the default
`Cosine`            up within a share of the steps, then down along a cosine
`InverseTimeDecay`  Keras's former ``decay``
`ReduceOnPlateau`   lower whenever validation stands still
==================  ========================================================

`Schedule` is any of them; `registry` knows them by name.

Examples
--------
>>> import siamaudio as sa
>>> sa.optimizers.SGD(lr=0.1, momentum=0.9, schedule=sa.schedules.Cosine(warmup=0.05)).schedule
Cosine(warmup=0.05, final=0.0)
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from siamaudio.options import Registry

__all__ = ["Constant", "Cosine", "InverseTimeDecay", "ReduceOnPlateau", "Schedule", "registry"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Constant:
    """The optimizer's rate throughout."""

    name: ClassVar[str] = "constant"


@dataclasses.dataclass(frozen=True, kw_only=True)
class InverseTimeDecay:
    """Keras's former ``decay``: the rate after s steps is ``lr / (1 + decay * s)``.

    Parameters
    ----------
    decay : float >= 0
        Per step.
    """

    name: ClassVar[str] = "inverse_time_decay"
    decay: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cosine:
    """Linear warm-up to the optimizer's rate, then half a cosine down (Loshchilov and Hutter 2017, no restarts).

    Parameters
    ----------
    warmup : float in [0, 1)
        Share of all steps in which the rate rises; its first step already moves.
    final : float >= 0
        The rate at the end, as a share of the optimizer's.
    """

    name: ClassVar[str] = "cosine"
    warmup: float = 0.1
    final: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReduceOnPlateau:
    """Lower the rate each time that the validation accuracy (without validation: the loss) stands still.

    Parameters
    ----------
    factor : float in (0, 1)
        What the rate is multiplied by.
    patience : int > 0
        Epochs without a better value after which that happens.
    min_lr : float >= 0
        The rate is not lowered below it.
    """

    name: ClassVar[str] = "reduce_on_plateau"
    factor: float = 0.1
    patience: int = 5
    min_lr: float = 0.0


Schedule = Constant | InverseTimeDecay | Cosine | ReduceOnPlateau
registry: Registry[Schedule] = Registry("schedule", (Constant, InverseTimeDecay, Cosine, ReduceOnPlateau))


def __dir__() -> list[str]:
    return list(__all__)
