"""Preset files: the options of a network in a JSON file, for `SiameseNetwork.preset` and ``siamaudio train``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from siamaudio import network_options
from siamaudio.errors import ParameterError
from siamaudio.files import replace_file

__all__ = ["check_preset_path", "is_preset_file", "read_preset", "write_preset"]

_KIND = "siamaudio preset"
_SUFFIX = ".json"


def is_preset_file(name: str | os.PathLike[str]) -> bool:
    """Whether this is the path of a preset file, and no name of a preset."""
    return os.fspath(name).endswith(_SUFFIX)


def check_preset_path(path: str | os.PathLike[str]) -> None:
    """Raise a ParameterError for a path that could not be told from a name of a preset."""
    if not is_preset_file(path):
        raise ParameterError("path", os.fspath(path), f"a file *{_SUFFIX}, which is no name of a preset")


def write_preset(
    path: str | os.PathLike[str], arguments: Mapping[str, Any], *, origin: Mapping[str, Any] | None = None
) -> None:
    """Write a preset file, whole or not at all.

    Parameters
    ----------
    path : path-like
        The file, ``*.json``.
    arguments : mapping
        Those of `SiameseNetwork`, all of them.
    origin : mapping or None
        Where they come from, for readers: anything that JSON can hold.

    Raises
    ------
    ParameterError
        The file has another suffix.
    """
    check_preset_path(path)
    content = {"kind": _KIND, "network": network_options.to_dict(arguments), "origin": dict(origin or {})}
    replace_file(Path(path), (json.dumps(content, indent=2) + "\n").encode())


def read_preset(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the arguments of `SiameseNetwork` that a preset file holds.

    Parameters
    ----------
    path : path-like
        A file that `write_preset` wrote.

    Raises
    ------
    ParameterError
        There is no such file, or it holds something else.
    """
    accepted = "a preset file, such as `siamaudio tune` writes"
    try:
        content = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise ParameterError("preset", f"{os.fspath(path)} ({error.strerror})", accepted) from error
    except ValueError as error:  # no JSON, or no UTF-8
        raise ParameterError("preset", f"{os.fspath(path)} ({error})", accepted) from error
    if not isinstance(content, dict) or content.get("kind") != _KIND:
        raise ParameterError("preset", f"{os.fspath(path)}, another kind of file", accepted)
    try:
        return network_options.from_dict(content["network"])
    except (KeyError, TypeError, ValueError) as error:
        raise ParameterError("preset", f"{os.fspath(path)} ({error})", accepted) from error
