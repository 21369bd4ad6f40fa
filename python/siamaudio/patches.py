"""Pieces of spectrograms, as networks with an input of fixed length take them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from siamaudio.errors import ParameterError

__all__ = ["patches"]


def patches(spectrogram: npt.ArrayLike, *, length: int = 96, hop: int = 48) -> npt.NDArray[np.float32]:
    """Cut spectrograms into overlapping patches; frames after the last whole patch are left out.

    Parameters
    ----------
    spectrogram : array-like [shape=(..., bands, frames)]
        Spectrograms of at least `length` frames.
    length : int > 0
        Frames a patch.
    hop : int > 0
        Frames between the beginnings of patches.

    Returns
    -------
    np.ndarray [shape=(..., 1 + (frames - length) // hop, bands, length)]
        A read-only view of `spectrogram` where that is an array.

    Raises
    ------
    ParameterError
        There are fewer frames than one patch needs, or `length` or `hop` is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> sa.patches(np.zeros((64, 200)), length=96, hop=48).shape
    (3, 64, 96)
    """
    values = np.asarray(spectrogram)
    for name, value in (("length", length), ("hop", hop)):
        if value < 1:
            raise ParameterError(name, value, "1 frame or more")
    if values.ndim < 2:
        raise ParameterError("spectrogram", f"shape {values.shape}", "shape (..., bands, frames)")
    if values.shape[-1] < length:
        raise ParameterError("spectrogram", f"{values.shape[-1]} frames", f"at least {length}, one patch")
    windows = np.lib.stride_tricks.sliding_window_view(values, length, axis=-1)[..., ::hop, :]
    return np.moveaxis(windows, -2, -3)
