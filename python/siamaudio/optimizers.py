"""Optimizers as data; the C++ trainer runs them.

========================  ===========================================================
`SGD`                     stochastic gradient descent, with or without momentum
`Adam`, `AdamW`, `Nadam`  Adam, with decoupled weight decay, with Nesterov's momentum
`RMSprop`, `Adadelta`     steps scaled by past gradients, or by past steps, too
========================  ===========================================================

The formulas and defaults are Keras 3's. All share three fields: ``clip_norm``, ``schedule`` (`siamaudio.schedules`) and
``moving_average``. `Optimizer` is any of them; `registry` knows them by name.

Examples
--------
>>> import siamaudio as sa
>>> net = sa.SiameseNetwork(optimizer=sa.optimizers.AdamW(lr=3e-4, schedule=sa.schedules.Cosine()))
>>> net.optimizer.lr
0.0003
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from siamaudio.options import Registry
from siamaudio.schedules import Constant, Schedule

if TYPE_CHECKING:
    from siamaudio._engine import core

__all__ = ["SGD", "Adadelta", "Adam", "AdamW", "Nadam", "Optimizer", "RMSprop", "registry"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Common:
    """What every optimizer has beside its own fields."""

    clip_norm: float | None = None
    schedule: Schedule | None = None
    moving_average: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class SGD(_Common):
    """Stochastic gradient descent, with or without momentum.

    Parameters
    ----------
    lr : float > 0
        Step size, before the schedule.
    momentum : float in [0, 1)
        Share of the last step that is made again.
    nesterov : bool
        Look ahead along the momentum.
    clip_norm : float > 0 or None
        Longest gradient of all weights together; a longer one is scaled down. None: any.
    schedule : Schedule or None
        How the step size changes, from `siamaudio.schedules`. None: not.
    moving_average : float in (0, 1) or None
        Decay of the moving average of the weights, which is what is validated and kept. None: the weights themselves.

    Examples
    --------
    >>> import siamaudio as sa
    >>> sa.optimizers.SGD(momentum=0.9, nesterov=True).lr
    0.01
    """

    name: ClassVar[str] = "sgd"
    lr: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class RMSprop(_Common):
    """Gradients over the root of their mean square (Hinton 2012).

    Parameters
    ----------
    lr : float > 0
        Step size, before the schedule.
    rho : float in [0, 1)
        Decay of the mean square.
    epsilon : float > 0
        Added to the mean square, within the root.
    clip_norm, schedule, moving_average
        As in `SGD`.
    """

    name: ClassVar[str] = "rmsprop"
    lr: float = 1e-3
    rho: float = 0.9
    epsilon: float = 1e-7


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adadelta(_Common):
    """Steps scaled by past steps (Zeiler 2012).

    Parameters
    ----------
    lr : float > 0
        What the paper's step is multiplied by, before the schedule; 1.0 in the paper.
    rho : float in [0, 1)
        Decay of the mean squares.
    epsilon : float > 0
        Added to the mean squares, within the roots.
    clip_norm, schedule, moving_average
        As in `SGD`.
    """

    name: ClassVar[str] = "adadelta"
    lr: float = 1e-3
    rho: float = 0.95
    epsilon: float = 1e-7


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adam(_Common):
    """Adam (Kingma and Ba 2015, in the form at the end of their section 2, which is Keras's).

    ``epsilon`` is added to the root before its bias is corrected; PyTorch adds it after, which makes first steps longer
    where gradients are near epsilon in size.

    Parameters
    ----------
    lr : float > 0
        Step size, before the schedule.
    beta_1, beta_2 : float in [0, 1)
        Decay of the mean and of the mean square of the gradient.
    epsilon : float > 0
        Added to the root of the mean square.
    clip_norm, schedule, moving_average
        As in `SGD`.

    Examples
    --------
    >>> import siamaudio as sa
    >>> sa.optimizers.Adam(lr=2e-3, schedule=sa.schedules.Cosine(warmup=0.1), moving_average=0.99).beta_2
    0.999
    """

    name: ClassVar[str] = "adam"
    lr: float = 1e-3
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdamW(_Common):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019).

    Parameters
    ----------
    lr : float > 0
        Step size, before the schedule.
    weight_decay : float >= 0
        Before each step weights are multiplied by ``1 - lr * weight_decay``; biases and batch norm are not.
    beta_1, beta_2, epsilon
        As in `Adam`.
    clip_norm, schedule, moving_average
        As in `SGD`.
    """

    name: ClassVar[str] = "adamw"
    lr: float = 1e-3
    weight_decay: float = 0.004
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7


@dataclasses.dataclass(frozen=True, kw_only=True)
class Nadam(_Common):
    """Adam with Nesterov's momentum and Dozat's (2016) momentum schedule.

    Parameters
    ----------
    lr : float > 0
        Step size, before the schedule.
    beta_1, beta_2, epsilon
        As in `Adam`.
    clip_norm, schedule, moving_average
        As in `SGD`.
    """

    name: ClassVar[str] = "nadam"
    lr: float = 1e-3
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7


Optimizer = SGD | RMSprop | Adadelta | Adam | AdamW | Nadam
registry: Registry[Optimizer] = Registry("optimizer", (SGD, RMSprop, Adadelta, Adam, AdamW, Nadam))


def to_core(optimizer: Optimizer) -> core.OptimizerOptions:
    """Return an optimizer's options, its schedule's among them, as the C++ core takes them.

    Parameters
    ----------
    optimizer : Optimizer
        The options.

    Raises
    ------
    ParameterError
        A number is out of its range.
    """
    from siamaudio._engine import core

    fields = {field.name: getattr(optimizer, field.name) for field in dataclasses.fields(optimizer)}
    schedule = fields.pop("schedule") or Constant()
    return core.OptimizerOptions(
        kind=optimizer.name,
        schedule=core.ScheduleOptions(kind=schedule.name, **dataclasses.asdict(schedule)),
        **fields,
    )


def __dir__() -> list[str]:
    return list(__all__)
