"""Packages that only some functions need: imported where they are used, with an error that says how to install them."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["require"]


def require(module: str, *, extra: str, purpose: str) -> Any:
    """Import a package that is not among siamaudio's own requirements.

    Parameters
    ----------
    module : str
        What to import.
    extra : str
        The extra of siamaudio that brings it.
    purpose : str
        What needs it, as the beginning of the message.

    Raises
    ------
    ImportError
        The package is not installed.

    Examples
    --------
    >>> require("no_such_module", extra="keras", purpose="reading Keras's files")
    Traceback (most recent call last):
    ImportError: reading Keras's files needs the package no_such_module: `pip install "siamaudio[keras]"`
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.split(".")[0]
        if error.name is None or error.name.split(".")[0] != package:
            raise
        message = f'{purpose} needs the package {package}: `pip install "siamaudio[{extra}]"`'
        raise ImportError(message, name=package) from None
