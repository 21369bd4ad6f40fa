"""Published networks by name."""

from __future__ import annotations

from typing import Any

from siamaudio.encoders import ConvEncoder
from siamaudio.errors import ParameterError
from siamaudio.optimizers import Adam
from siamaudio.schedules import InverseTimeDecay

__all__ = ["preset_names", "preset_options"]


def _honka2019() -> dict[str, Any]:
    """Honka 2019, "One-shot learning with siamese networks for environmental audio".

    Three blocks of 64 filters of 5 x 5, dense layer of 500, dropouts 0.25, squared difference, inverse-time decay
    1.59e-6, as thesis and code agree. Where they differ the thesis's optimum is followed, which is what its published
    accuracy was reached with: mean squared error and a learning rate of 6.11e-3 (the code's defaults: binary
    cross-entropy and 1e-3).
    """
    return {
        "encoder": ConvEncoder(),
        "distance": "squared",
        "loss": "mse",
        "optimizer": Adam(lr=6.11e-3, schedule=InverseTimeDecay(decay=1.59e-6)),
    }


_PRESETS = {"honka2019": _honka2019}


def preset_names() -> tuple[str, ...]:
    """Return the names that `preset_options` knows."""
    return tuple(sorted(_PRESETS))


def preset_options(name: str) -> dict[str, Any]:
    """Return the constructor arguments of `SiameseNetwork` that make a published network.

    Parameters
    ----------
    name : str
        One of `preset_names`.

    Raises
    ------
    ParameterError
        There is no such preset.
    """
    if name not in _PRESETS:
        raise ParameterError("preset", name, ", ".join(preset_names()))
    return _PRESETS[name]()
