"""One file of arrays: safetensors, and in its metadata a JSON manifest with a checksum over all.

Saved networks (`.siam`) and the checkpoints of trainings are such files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from siamaudio.errors import CheckpointError
from siamaudio.files import replace_file

__all__ = ["digest", "read", "write"]

_FORMAT = 2
_HEADER_SIZE_BYTES = 8  # safetensors: length of the JSON header, little-endian
_ALIGNMENT = 8  # of the numbers
_DTYPES = {"<f4": "F32", "<f8": "F64", "<i8": "I64"}
_PIECE_BYTES = 16 * 2**20


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
    text = json.dumps({"format": _FORMAT, **manifest}, sort_keys=True)
    # Numbers of 8 bytes first, and the names in order: all start at multiples of their size.
    arrays = {
        name: np.ascontiguousarray(tensors[name]).reshape(np.shape(tensors[name]))
        for name in sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))
    }
    header = _header({"siamaudio": text, "sha256": digest(text, arrays)}, arrays)
    try:
        replace_file(path, header, *(piece for array in arrays.values() for piece in _pieces(array)))
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
        text, checksum = metadata["siamaudio"], metadata["sha256"]
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged, or no file of siamaudio ({error})") from error
    if checksum != digest(text, tensors):
        raise CheckpointError(f"{path} is damaged: its content does not match its checksum")
    manifest: dict[str, Any] = json.loads(text)
    version = manifest.pop("format")
    if version != _FORMAT:
        raise CheckpointError(f"{path} has file format {version}; accepted: {_FORMAT}")
    return manifest, tensors


def digest(text: str, arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return the SHA-256, in hexadecimal, of a text and of arrays, whatever their order.

    Parameters
    ----------
    text : str
        What describes the arrays.
    arrays : mapping from name to np.ndarray
        C-contiguous.
    """
    checksum = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        checksum.update(f"\0{name}\0{arrays[name].dtype}{arrays[name].shape}\0".encode())
        for piece in _pieces(arrays[name]):
            checksum.update(piece)
    return checksum.hexdigest()


def _header(metadata: dict[str, str], arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Return what stands before the numbers in a safetensors file.

    The library's own writer makes a second copy of everything and cannot be interrupted, which for the checkpoint of a
    large network is a second.
    """
    entries: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for name, array in arrays.items():
        start, end = end, end + array.nbytes
        entries[name] = {
            "dtype": _DTYPES[array.dtype.str],
            "shape": list(array.shape),
            "data_offsets": [start, end],
        }
    content = json.dumps(entries).encode()
    content += b" " * (-len(content) % _ALIGNMENT)
    return len(content).to_bytes(_HEADER_SIZE_BYTES, "little") + content


def _pieces(array: npt.NDArray[Any]) -> Iterator[memoryview]:
    """Divide an array's bytes so that nothing takes long with any of them."""
    content = array.reshape(-1).view(np.uint8).data
    return (content[start : start + _PIECE_BYTES] for start in range(0, len(content), _PIECE_BYTES))
