"""`Features`: the spectrograms of a data set, with what is known about each clip."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from siamaudio.datasets import Clips
from siamaudio.errors import ParameterError
from siamaudio.log_mel import LogMel
from siamaudio.splits import split_classes

__all__ = ["Features", "Skipped"]


class Skipped(NamedTuple):
    """A clip that could not be read and was left out.

    Attributes
    ----------
    path : str
        The file.
    reason : str
        Why it could not be read.
    """

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class Features:
    """Spectrograms of labelled clips.

    Made by `LogMel.transform`, by `Features.from_arrays`, or read from a feature store by `Features.load`.

    Parameters
    ----------
    array : np.ndarray [shape=(clips, bands, frames), dtype=float32]
        Spectrograms.
    clips : Clips
        What each spectrogram was made from, in the same order.
    front_end : LogMel or None
        What made the spectrograms; None where that is not known.
    skipped : sequence of Skipped
        Clips that were left out because they could not be read; warned about here, once.

    Raises
    ------
    ParameterError
        The array has another shape than (clips, bands, frames).
    """

    def __init__(
        self,
        array: npt.NDArray[np.float32],
        *,
        clips: Clips,
        front_end: LogMel | None = None,
        skipped: Sequence[Skipped] = (),
    ) -> None:
        array = np.ascontiguousarray(array, dtype=np.float32)
        if array.ndim != 3 or len(array) != len(clips):
            raise ParameterError("array", f"shape {array.shape}", f"({len(clips)} clips, bands, frames)")
        self.array = array
        self.clips = clips
        self.front_end = front_end
        self.skipped = tuple(skipped)
        for clip in self.skipped:
            warnings.warn(f"left out {clip}", stacklevel=3)

    @classmethod
    def from_arrays(
        cls,
        array: npt.ArrayLike,
        classes: Sequence[str] | npt.NDArray[Any],
        *,
        sources: Sequence[str] | None = None,
        name: str = "",
    ) -> Features:
        """Make features from spectrograms, or any other images, that are at hand already.

        Parameters
        ----------
        array : array-like [shape=(clips, bands, frames)]
            One image a clip; kept as float32.
        classes : sequence of str or int [shape=(clips,)]
            Class of each clip.
        sources : sequence of str or None
            What each clip was cut from; None: each is a source of its own.
        name : str
            Name of the data set.

        Returns
        -------
        Features

        Examples
        --------
        >>> import numpy as np
        >>> import siamaudio as sa
        >>> sa.Features.from_arrays(np.zeros((4, 8, 8)), ["a", "a", "b", "b"])
        Features(4 clips of 8 bands x 8 frames, 2 classes)
        """
        images = np.asarray(array, dtype=np.float32)
        clips = Clips(
            paths=[f"clip {index}" for index in range(len(images))],
            class_of_clip=[str(class_name) for class_name in classes],
            sources=sources,
            name=name,
        )
        return cls(images, clips=clips)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Features:
        """Read a feature store.

        Parameters
        ----------
        path : path-like
            The folder that `LogMel.transform` or `save` wrote.

        Raises
        ------
        StoreError
            The store is missing, damaged, or something else.
        """
        from siamaudio import store

        return store.read(Path(path))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a feature store: a Zarr 3 folder with checksums.

        Parameters
        ----------
        path : path-like
            The folder; an older feature store there is replaced once the new one is complete.
        """
        from siamaudio import store

        store.write(Path(path), self)

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Class of each clip as an index into `class_names` [shape=(clips,), dtype=int64]."""
        return self.clips.labels

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, sorted."""
        return self.clips.class_names

    @property
    def sources(self) -> tuple[str, ...]:
        """What each clip was cut from."""
        return self.clips.sources

    @property
    def shape(self) -> tuple[int, int, int]:
        """(clips, bands, frames)."""
        num_clips, num_bands, num_frames = self.array.shape
        return num_clips, num_bands, num_frames

    def __len__(self) -> int:
        return len(self.array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self.array, dtype=dtype, copy=copy)

    def __getitem__(self, index: slice | Sequence[int] | npt.NDArray[Any]) -> Features:
        if not isinstance(index, slice):
            index = np.asarray(index, dtype=np.int64 if np.size(index) == 0 else None)
        return Features(self.array[index], clips=self.clips[index], front_end=self.front_end)

    def __repr__(self) -> str:
        num_clips, num_bands, num_frames = self.shape
        name = f"{self.clips.name!r}: " if self.clips.name else ""
        images = f"{num_clips} clips of {num_bands} bands x {num_frames} frames"
        return f"Features({name}{images}, {len(self.class_names)} classes)"

    def select_classes(self, names: Iterable[str]) -> Features:
        """Return the clips of some classes.

        Parameters
        ----------
        names : iterable of str
            Class names; none gives empty features.

        Raises
        ------
        ParameterError
            A name is not one of `class_names`.
        """
        wanted = self.clips.select_classes(names).class_names
        return self[np.flatnonzero(np.isin(np.array(self.class_names)[self.labels], wanted))]

    def split_classes(
        self,
        n_train: int | None = None,
        n_validation: int | None = None,
        n_test: int | None = None,
        *,
        seed: int | None = None,
        train: Sequence[str] | None = None,
        validation: Sequence[str] | None = None,
        test: Sequence[str] | None = None,
    ) -> tuple[Features, Features, Features]:
        """Divide by class; see `siamaudio.splits.split_classes` for the parameters.

        Returns
        -------
        train, validation, test : Features
            No two share a class; validation and test may be empty.

        Examples
        --------
        >>> import numpy as np
        >>> import siamaudio as sa
        >>> features = sa.Features.from_arrays(np.zeros((6, 8, 8)), ["a", "a", "b", "b", "c", "c"])
        >>> train, validation, test = features.split_classes(2, 0, 1, seed=0)
        >>> len(train), len(validation), len(test)
        (4, 0, 2)
        """
        split = split_classes(
            self.class_names, n_train, n_validation, n_test, seed=seed, train=train, validation=validation, test=test
        )
        return self.select_classes(split.train), self.select_classes(split.validation), self.select_classes(split.test)
