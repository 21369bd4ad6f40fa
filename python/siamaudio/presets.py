"""Published networks by name."""

from __future__ import annotations

from typing import Any

from siamaudio.encoders import ConvEncoder
from siamaudio.errors import ParameterError
from siamaudio.optimizers import Adam

__all__ = ["preset_names", "preset_options"]


def _honka2019() -> dict[str, Any]:
    """Honka 2019, "One-shot learning with siamese networks for environmental audio".

    Three blocks of 64 filters of 5 x 5, dense layer of 500, dropouts 0.25, squared difference, as thesis and code
    agree. Where they differ the code is followed: binary cross-entropy and a learning rate of 1e-3 (the thesis's
    optimum: mean squared error and 6.11e-3). Inverse-time decay 1.59e-6.
    """
    return {
        "encoder": ConvEncoder(),
        "distance": "squared",
        "loss": "bce",
        "optimizer": Adam(learning_rate=1e-3, decay=1.59e-6),
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
