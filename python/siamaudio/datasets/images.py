"""Images with labels, for experiments such as Lloret's (2019): the IDX files of MNIST, and ``.npz`` files."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from siamaudio.datasets.npz import array_names, read_arrays
from siamaudio.datasets.spectrograms import scaled
from siamaudio.errors import DatasetError, ParameterError

if TYPE_CHECKING:
    from siamaudio.features import Features

__all__ = ["images"]

# The type's number in an IDX file
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_COMPRESSION = 1100
_IDX_STEMS = {"train": "train", "test": "t10k"}
_ACCEPTED = (
    "a folder with MNIST's files (train-images-idx3-ubyte, ..., with .gz or without), or an .npz file with x_train, "
    "y_train, x_test and y_test, or with images and labels"
)


def images(path: str | os.PathLike[str], *, part: Literal["train", "test"] = "train") -> Features:
    """Read images and their labels.

    Parameters
    ----------
    path : path-like
        A folder with the IDX files of MNIST, Fashion-MNIST or another set of that form, as they are or gzipped; or an
        ``.npz`` file with ``x_train``, ``y_train``, ``x_test`` and ``y_test``, as Keras's, or with ``images`` and
        ``labels``, which have no parts.
    part : {"train", "test"}
        Which images.

    Returns
    -------
    Features
        (images, height, width) or (images, channels, height, width) float32, whole numbers divided by the largest of
        their type; classes are the labels in words, and each image is its own source.

    Raises
    ------
    DatasetError
        There is no such data set, a file is damaged or claims more than it holds, or images and labels differ in
        number.
    ParameterError
        There is no such part.

    Examples
    --------
    >>> import numpy as np
    >>> np.savez("few.npz", images=np.zeros((3, 8, 8, 3), np.uint8), labels=[4, 2, 4])
    >>> images("few.npz")
    Features('few': 3 clips of 8 bands x 8 frames x 3 channels, 2 classes)
    """
    from siamaudio.features import Features

    if part not in _IDX_STEMS:
        raise ParameterError("part", part, "'train' or 'test'")
    place = Path(path)
    pixels, labels = _read_npz(place, part) if place.is_file() else _read_idx_pair(place, part)
    if (
        pixels.ndim not in (3, 4)
        or pixels.dtype.kind not in "uif"
        or labels.shape not in ((len(pixels),), (len(pixels), 1))
    ):
        raise DatasetError(
            f"{place}: its images have shape {pixels.shape} of {pixels.dtype}, its labels {labels.shape}; accepted: "
            "(images, height, width) or (images, height, width, channels), and one label an image"
        )
    if labels.dtype.kind not in "iuU":
        raise DatasetError(f"{place}: its labels are {labels.dtype}; accepted: whole numbers or words")
    if pixels.ndim == 4:
        pixels = pixels.transpose(0, 3, 1, 2)
    words = [str(label) for label in labels.reshape(-1)]
    return Features.from_arrays(scaled(pixels), words, name=place.stem)


def _read_npz(path: Path, part: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    present = set(array_names(path))
    for names in ((f"x_{part}", f"y_{part}"), ("images", "labels")):
        if present.issuperset(names):
            arrays = read_arrays(path, names)
            return arrays[names[0]], arrays[names[1]]
    raise DatasetError(f"{path}: its arrays are {', '.join(sorted(present)) or 'none'}; accepted: {_ACCEPTED}")


def _read_idx_pair(folder: Path, part: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such file or folder; accepted: {_ACCEPTED}")
    found = []
    for kind in ("images-idx3", "labels-idx1"):
        # With a dot in place of the second hyphen in some copies
        stem = f"{_IDX_STEMS[part]}-{kind}-ubyte"
        names = [name + end for name in (stem, stem.replace("-idx", ".idx")) for end in ("", ".gz")]
        path = next((folder / name for name in names if (folder / name).is_file()), None)
        if path is None:
            raise DatasetError(f"{folder}: no {stem} (or {stem}.gz) in it; accepted: {_ACCEPTED}")
        found.append(_read_idx(path))
    return found[0], found[1]


def _read_idx(path: Path) -> npt.NDArray[Any]:
    """Read an array: two zeros, the type, the number of axes, their lengths (big-endian), then the values."""
    accepted = "an IDX file, as it is or gzipped"
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            zeros, kind, rank = file.read(2), *file.read(2)
            sizes = file.read(4 * rank)
            if zeros != b"\0\0" or kind not in _IDX_TYPES or len(sizes) != 4 * rank:
                raise DatasetError(f"{path}: does not begin as an IDX file; accepted: {accepted}")
            lengths = np.frombuffer(sizes, dtype=">u4").tolist()
            dtype = np.dtype(_IDX_TYPES[kind])
            num_bytes = math.prod(lengths) * dtype.itemsize
            if num_bytes > _MOST_COMPRESSION * path.stat().st_size:
                raise DatasetError(f"{path}: claims a shape of {tuple(lengths)}, which the file does not hold")
            content = file.read(num_bytes)
            is_whole = len(content) == num_bytes and not file.read(1)
    except (EOFError, OSError, ValueError, zlib.error) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{path}: not readable ({error}); accepted: {accepted}") from error
    if not is_whole:
        raise DatasetError(f"{path}: has another length than its shape of {tuple(lengths)} needs; accepted: {accepted}")
    return np.frombuffer(content, dtype=dtype).reshape(lengths)
