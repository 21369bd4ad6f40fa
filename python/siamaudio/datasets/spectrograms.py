"""Spectrograms that are at hand as an ``.npz`` file."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from siamaudio.datasets.clips import Clips
from siamaudio.datasets.npz import array_names, read_arrays
from siamaudio.errors import DatasetError, ParameterError

if TYPE_CHECKING:
    from siamaudio.features import Features

__all__ = ["spectrograms"]

_ESC_CLIP = re.compile(r"\d+-(?P<source>\d+)-[A-Z]+")


def spectrograms(path: str | os.PathLike[str], *, classes: str = "class_name") -> Features:
    """Read spectrograms and their labels from an ``.npz`` file.

    Parameters
    ----------
    path : path-like
        A file with the array ``spectrograms`` (clips, bands, frames), of floating-point numbers or of bytes, and one
        value a clip in the arrays ``class_name``, and optionally ``fold``, ``source`` and ``clip`` (its name).
    classes : str
        The array that names the classes, such as "superclass".

    Returns
    -------
    Features
        float32; bytes become 0 to 1. Without ``source``, clips that are named as in ESC-50 (FOLD-SOURCE-TAKE) have
        the number of their Freesound recording, others their own name.

    Raises
    ------
    DatasetError
        The file is missing or damaged, lacks an array, or its arrays do not fit each other.
    ParameterError
        It has no such array for the classes.

    Examples
    --------
    >>> import numpy as np
    >>> np.savez("clips.npz", spectrograms=np.zeros((3, 8, 6), np.uint8), class_name=["hen", "dog", "hen"])
    >>> spectrograms("clips.npz")
    Features('clips': 3 clips of 8 bands x 6 frames, 2 classes)
    """
    from siamaudio.features import Features

    file = Path(path)
    present = array_names(file)
    if classes not in present:
        raise ParameterError("classes", classes, f"one of {file}'s arrays: {', '.join(present)}")
    optional = [name for name in ("fold", "source", "clip") if name in present]
    arrays = read_arrays(file, ["spectrograms", classes, *optional])
    images = arrays["spectrograms"]
    if images.ndim not in (3, 4) or images.dtype.kind not in "fu":
        raise DatasetError(
            f"{file}: its spectrograms are {images.dtype} of shape {images.shape}; accepted: floating-point numbers or "
            "bytes (clips, bands, frames)"
        )
    for name in [classes, *optional]:
        if arrays[name].shape != images.shape[:1]:
            raise DatasetError(
                f"{file}: its {name!r} has shape {arrays[name].shape} for {len(images)} clips; accepted: one a clip"
            )
    if "fold" in arrays and arrays["fold"].dtype.kind not in "iu":
        raise DatasetError(f"{file}: its 'fold' holds {arrays['fold'].dtype}; accepted: whole numbers")
    names = [str(name) for name in arrays.get("clip", np.arange(len(images)))]
    clips = Clips(
        paths=names,
        class_of_clip=[str(name) for name in arrays[classes]],
        sources=_sources(arrays, names),
        folds=arrays.get("fold"),
        name=file.stem,
    )
    return Features(scaled(images), clips=clips)


def scaled(images: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return images as float32; whole numbers become 0 to 1, by the largest that their type holds."""
    if images.dtype.kind == "u":
        return images.astype(np.float32) / np.float32(np.iinfo(images.dtype).max)
    return images.astype(np.float32)


def _sources(arrays: dict[str, npt.NDArray[Any]], names: list[str]) -> list[str]:
    if "source" in arrays:
        return [str(source) for source in arrays["source"]]
    matches = [_ESC_CLIP.fullmatch(name) for name in names]
    return [name if match is None else match["source"] for name, match in zip(names, matches, strict=True)]
