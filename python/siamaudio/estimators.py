"""What the estimators have in common: their options by name, and whether features are theirs."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

from siamaudio.errors import ParameterError
from siamaudio.features import Features
from siamaudio.log_mel import LogMel

__all__ = ["check_front_end", "get_params", "set_params"]


def get_params(estimator: object, *, deep: bool) -> dict[str, Any]:
    """Return the constructor's arguments by name, as scikit-learn's estimators do.

    Parameters
    ----------
    estimator : object
        Keeps each argument of its constructor in an attribute of that name.
    deep : bool
        Also the fields of options, as ``optimizer__lr``.
    """
    params = {name: getattr(estimator, name) for name in inspect.signature(type(estimator)).parameters}
    if deep:
        for name, value in list(params.items()):
            if dataclasses.is_dataclass(value):
                for field in dataclasses.fields(value):
                    params[f"{name}__{field.name}"] = getattr(value, field.name)
    return params


def set_params(estimator: object, params: Mapping[str, Any]) -> None:
    """Replace constructor arguments by name.

    Parameters
    ----------
    estimator : object
        As for `get_params`.
    params : mapping
        Arguments, or fields of options as in ``optimizer__lr``.

    Raises
    ------
    ParameterError
        There is no such argument or field.
    """
    for name, value in params.items():
        known = get_params(estimator, deep=True)
        if name not in known:
            raise ParameterError("set_params", name, ", ".join(known))
        root, _, field = name.partition("__")
        new = dataclasses.replace(getattr(estimator, root), **{field: value}) if field else value
        setattr(estimator, root, new)


def check_front_end(features: Features, front_end: LogMel | None) -> None:
    """Raise a ParameterError where another front end made the features than an estimator was trained on."""
    if features.front_end is not None and front_end is not None and features.front_end != front_end:
        raise ParameterError(
            "features", f"made by {features.front_end}", f"features by the network's own front end, {front_end}"
        )
