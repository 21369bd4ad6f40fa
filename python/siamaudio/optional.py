"""Packages that only some of the work needs: imported where they are used, and asked for by the extra's name."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["require"]


def require(module: str, *, extra: str, purpose: str) -> Any:
    """Import a module that an extra of siamaudio brings.

    Parameters
    ----------
    module : str
        Its name, as in an import statement.
    extra : str
        Which extra brings it.
    purpose : str
        What needs it, as the first words of a sentence.

    Raises
    ------
    ImportError
        It is not installed; the message says what to type.

    Examples
    --------
    >>> from siamaudio.optional import require
    >>> require("no_such_module", extra="tune", purpose="tuning")
    Traceback (most recent call last):
    ImportError: tuning needs no_such_module: `pip install "siamaudio[tune]"`
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        name = module.split(".")[0]
        if error.name is not None and error.name.split(".")[0] != name:
            raise  # it is there, and lacks something itself
        raise ImportError(f'{purpose} needs {name}: `pip install "siamaudio[{extra}]"`', name=name) from error
