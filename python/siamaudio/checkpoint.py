"""The `.siam` file: the weights as safetensors, and a JSON manifest with a checksum over both in its metadata."""

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

_FORMAT = 1
_HEADER_SIZE_BYTES = 8  # safetensors: length of the JSON header, little-endian


def write(path: Path, manifest: Mapping[str, Any], weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
    """Write a file whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    manifest : mapping
        Everything but the weights, as JSON can hold it.
    weights : mapping from name to np.ndarray [dtype=float32]
        The weights.

    Raises
    ------
    CheckpointError
        The file cannot be written; an older one is intact.
    """
    from safetensors.numpy import save

    text = json.dumps({"format": _FORMAT, **manifest}, sort_keys=True)
    content = save(dict(weights), metadata={"siamaudio": text, "sha256": _digest(text, weights)})
    try:
        replace_file(path, content)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be written: {error}") from error


def read(path: Path) -> tuple[dict[str, Any], dict[str, npt.NDArray[np.float32]]]:
    """Read a file and check it.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    manifest : dict
    weights : dict from name to np.ndarray

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
        weights = load(content)
        header_size = int.from_bytes(content[:_HEADER_SIZE_BYTES], "little")
        metadata = json.loads(content[_HEADER_SIZE_BYTES : _HEADER_SIZE_BYTES + header_size])["__metadata__"]
        text, digest = metadata["siamaudio"], metadata["sha256"]
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged, or no network saved by siamaudio ({error})") from error
    if digest != _digest(text, weights):
        raise CheckpointError(f"{path} is damaged: its content does not match its checksum")
    manifest: dict[str, Any] = json.loads(text)
    version = manifest.pop("format")
    if version != _FORMAT:
        raise CheckpointError(f"{path} has file format {version}; accepted: {_FORMAT}")
    return manifest, weights


def _digest(text: str, weights: Mapping[str, npt.NDArray[np.float32]]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(weights):
        digest.update(f"\0{name}\0{weights[name].shape}\0".encode())
        digest.update(np.ascontiguousarray(weights[name]).tobytes())
    return digest.hexdigest()
