"""The options of a network as JSON can hold them: what saved networks and preset files have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from siamaudio import augment, encoders, losses, optimizers, samplers
from siamaudio.errors import ParameterError
from siamaudio.options import Registry

__all__ = ["REGISTRIES", "from_dict", "listed_losses", "to_dict"]

REGISTRIES: dict[str, Registry[Any]] = {
    "loss": losses.registry,
    "sampler": samplers.registry,
    "optimizer": optimizers.registry,
    "augment": augment.registry,
}
"""By the name of the constructor's argument, what its option may be."""

_WORDS = {"distance": ("squared", "absolute", "product", "euclidean", "cosine"), "head": ("dense", None)}


def listed_losses(loss: losses.Loss | str | Sequence[losses.Loss | str]) -> tuple[losses.Loss, ...]:
    """Return the losses of an argument that may be one, several, or their names."""
    given = (loss,) if isinstance(loss, str) or not isinstance(loss, Sequence) else loss
    return tuple(losses.registry.parse(each) for each in given)


def to_dict(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a network.

    Parameters
    ----------
    arguments : mapping
        Those of `SiameseNetwork`, all of them.

    Raises
    ------
    ParameterError
        An option is none of its kind.
    """
    return {
        "encoder": encoders.registry.to_dict(arguments["encoder"]),
        "distance": arguments["distance"],
        "head": arguments["head"],
        "loss": [losses.registry.to_dict(loss) for loss in listed_losses(arguments["loss"])],
        "sampler": samplers.registry.to_dict(arguments["sampler"]),
        "optimizer": optimizers.registry.to_dict(arguments["optimizer"]),
        "augment": [augment.registry.to_dict(each) for each in arguments["augment"]],
    }


def from_dict(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `SiameseNetwork` that `to_dict` described.

    Raises
    ------
    KeyError
        An argument is missing.
    ParameterError
        An option, or the type of a value, is unknown.
    """
    for name, accepted in _WORDS.items():
        if described[name] not in accepted:
            raise ParameterError(name, described[name], ", ".join(map(str, accepted)))
    loss = tuple(losses.registry.from_dict(each) for each in described["loss"])
    return {
        "encoder": encoders.registry.from_dict(described["encoder"]),
        "distance": described["distance"],
        "head": described["head"],
        "loss": loss[0] if len(loss) == 1 else loss,
        "sampler": samplers.registry.from_dict(described["sampler"]),
        "optimizer": optimizers.registry.from_dict(described["optimizer"]),
        "augment": tuple(augment.registry.from_dict(each) for each in described["augment"]),
    }
