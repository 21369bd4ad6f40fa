"""Arrays of ``.npz`` files: numbers and words, never objects, and no more of them than the file holds."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from siamaudio.errors import DatasetError

__all__ = ["array_names", "read_arrays"]

_MOST_COMPRESSION = 1100  # of deflate: about 1030


def array_names(path: Path) -> tuple[str, ...]:
    """Return the names of the arrays in an ``.npz`` file.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    DatasetError
        There is no such file, or it is no archive of arrays.
    """
    with _opened(path) as archive:
        return tuple(name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy"))


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Read arrays of an ``.npz`` file.

    Parameters
    ----------
    path : Path
        The file.
    names : sequence of str
        Arrays that it must have.

    Returns
    -------
    dict from str to np.ndarray

    Raises
    ------
    DatasetError
        There is no such file, an array is missing or damaged, holds objects (which only a pickle can, and pickles are
        never read), or claims more than the file holds.
    """
    present = array_names(path)
    for name in names:
        if name not in present:
            raise DatasetError(f"{path}: no array {name!r} among {', '.join(present)}; accepted: {', '.join(names)}")
    arrays = {}
    with _opened(path) as archive:
        for name in names:
            info = archive.getinfo(f"{name}.npy")
            if info.file_size > _MOST_COMPRESSION * max(1, info.compress_size):
                raise DatasetError(f"{path}: its {name!r} claims {info.file_size} bytes, which the file does not hold")
            try:
                with archive.open(info) as file:
                    _check_header(path, name, file, info.file_size)
                with archive.open(info) as file:
                    arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
            except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
                if isinstance(error, DatasetError):
                    raise
                raise DatasetError(f"{path}: its {name!r} is damaged ({error})") from error
    return arrays


def _check_header(path: Path, name: str, file: IO[bytes], num_bytes: int) -> None:
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    if dtype.hasobject:
        raise DatasetError(f"{path}: its {name!r} holds objects, which only a pickle can; pickles are never read")
    if math.prod(shape) * dtype.itemsize > num_bytes:
        raise DatasetError(f"{path}: its {name!r} claims a shape of {shape}, which the file does not hold")


def _opened(path: Path) -> zipfile.ZipFile:
    if not path.is_file():
        raise DatasetError(f"{path}: no such file; accepted: an .npz file")
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path}: not readable ({error}); accepted: an .npz file") from error
