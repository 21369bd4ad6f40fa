"""One file of arrays: safetensors, and in its metadata a JSON manifest with a checksum over all.

Saved networks (`.siam`) and the checkpoints of trainings are such files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from siamaudio.errors import CheckpointError
from siamaudio.files import replace_file

__all__ = ["read", "write"]

_FORMAT = 2
_HEADER_SIZE_BYTES = 8  # safetensors: length of the JSON header, little-endian


def write(path: Path, manifest: Mapping[str, Any], tensors: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write a file whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    manifest : mapping
        Everything but the arrays, as JSON can hold it.
    tensors : mapping from name to np.ndarray
        The arrays, C-contiguous.

    Raises
    ------
    CheckpointError
        The file cannot be written; an older one is intact.
    """
    from safetensors.numpy import save

    text = json.dumps({"format": _FORMAT, **manifest}, sort_keys=True)
    content = save(dict(tensors), metadata={"siamaudio": text, "sha256": _digest(text, tensors)})
    try:
        replace_file(path, content)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be written: {error}") from error


def read(path: Path) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Read a file and check it.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    manifest : dict
    tensors : dict from name to np.ndarray

    Raises
    ------
    CheckpointError
        The file is missing, damaged, of a later format, or something else.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; `siamaudio train` makes one")
    try:
        content = path.read_bytes()
        tensors = load(content)
        header_size = int.from_bytes(content[:_HEADER_SIZE_BYTES], "little")
        metadata = json.loads(content[_HEADER_SIZE_BYTES : _HEADER_SIZE_BYTES + header_size])["__metadata__"]
        text, digest = metadata["siamaudio"], metadata["sha256"]
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged, or no file of siamaudio ({error})") from error
    if digest != _digest(text, tensors):
        raise CheckpointError(f"{path} is damaged: its content does not match its checksum")
    manifest: dict[str, Any] = json.loads(text)
    version = manifest.pop("format")
    if version != _FORMAT:
        raise CheckpointError(f"{path} has file format {version}; accepted: {_FORMAT}")
    return manifest, tensors


def _digest(text: str, tensors: Mapping[str, npt.NDArray[Any]]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(f"\0{name}\0{tensors[name].dtype}{tensors[name].shape}\0".encode())
        digest.update(np.ascontiguousarray(tensors[name]).data)
    return digest.hexdigest()
