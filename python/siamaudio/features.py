"""`Features`: the spectrograms of a data set, with what is known about each clip."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from siamaudio.clip_splits import Split, positions
from siamaudio.datasets import Clips
from siamaudio.errors import ParameterError
from siamaudio.lazy_array import ArrayReader, LazyArray, converted
from siamaudio.log_mel import LogMel
from siamaudio.splits import split_classes

__all__ = ["Features", "Skipped"]

_BLOCK_BYTES = 64 << 20  # of a block of `iter_blocks`
_MOST_WARNINGS = 10  # for single clips


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
    """Spectrograms of labelled clips, in memory or in a feature store.

    Made by `LogMel.transform`, by `Features.from_arrays`, or opened by `Features.load`. Those of a store are read when
    they are asked for, so that there may be more than fit into memory: choosing clips (a slice, an array of positions
    or booleans) reads nothing, a single position reads one clip, `iter_blocks` reads them all in bounded memory, and
    only `array` keeps them.

    Parameters
    ----------
    array : np.ndarray or LazyArray [shape=(clips, bands, frames) or (clips, channels, bands, frames)]
        Spectrograms; float16 is kept, all else becomes float32.
    clips : Clips
        What each spectrogram was made from, in the same order.
    front_end : LogMel or None
        What made the spectrograms; None where that is not known.
    skipped : sequence of Skipped
        Clips that were left out because they could not be read; warned about here, once.
    lengths : array-like of int or None [shape=(clips,)]
        Frames of each clip that hold signal, before padding; None: all.

    Raises
    ------
    ParameterError
        The array has another shape, or the lengths do not fit it.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> features = sa.Features.from_arrays(np.ones((4, 8, 6)), ["a", "a", "b", "b"], lengths=[6, 6, 5, 2])
    >>> features[features.lengths == 6]
    Features(2 clips of 8 bands x 6 frames, 1 classes)
    >>> features[3].shape
    (8, 6)
    """

    def __init__(
        self,
        array: npt.NDArray[np.floating[Any]] | LazyArray,
        *,
        clips: Clips,
        front_end: LogMel | None = None,
        skipped: Sequence[Skipped] = (),
        lengths: npt.ArrayLike | None = None,
    ) -> None:
        if not isinstance(array, LazyArray):
            array = np.ascontiguousarray(array)
            array = array if array.dtype == np.float16 else array.astype(np.float32, copy=False)
        if array.ndim not in (3, 4) or len(array) != len(clips):
            accepted = f"({len(clips)} clips, bands, frames) or ({len(clips)} clips, channels, bands, frames)"
            raise ParameterError("array", f"shape {array.shape}", accepted)
        self._array = array
        self.clips = clips
        self.front_end = front_end
        self.skipped: tuple[Skipped, ...] = tuple(skipped)
        self._lengths = _checked_lengths(lengths, array.shape[0], array.shape[-1])
        for clip in self.skipped[:_MOST_WARNINGS]:
            warnings.warn(f"left out {clip}", stacklevel=3)
        if len(self.skipped) > _MOST_WARNINGS:
            num_more = len(self.skipped) - _MOST_WARNINGS
            warnings.warn(f"left out {num_more} more clips; `skipped` lists them all", stacklevel=3)

    @classmethod
    def from_arrays(
        cls,
        array: npt.ArrayLike,
        labels: Sequence[str] | npt.NDArray[Any],
        *,
        sources: Sequence[str] | None = None,
        folds: Sequence[int] | npt.NDArray[np.integer[Any]] | None = None,
        lengths: npt.ArrayLike | None = None,
        name: str = "",
    ) -> Features:
        """Make features from spectrograms, or any other images, that are at hand already.

        Parameters
        ----------
        array : array-like [shape=(clips, bands, frames) or (clips, channels, bands, frames)]
            One image a clip, of one channel or of several; float16 is kept, all else becomes float32.
        labels : sequence of str or int [shape=(clips,)]
            Class of each clip.
        sources : sequence of str or None
            What each clip was cut from; None: each is a source of its own.
        folds : sequence of int or None
            Cross-validation fold of each clip; None: 0.
        lengths : array-like of int or None [shape=(clips,)]
            Frames of each clip that hold signal, before padding; None: all.
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
        images = np.asarray(array)
        if images.ndim and len(images) != len(labels):
            raise ParameterError("labels", f"{len(labels)} for {len(images)} images", "one for each image")
        clips = Clips(
            paths=[f"clip {index}" for index in range(len(images) if images.ndim else 0)],
            class_of_clip=[str(class_name) for class_name in labels],
            sources=sources,
            folds=folds,
            name=name,
        )
        return cls(images, clips=clips, lengths=lengths)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Features:
        """Open a feature store. Spectrograms are read, and checked, when they are asked for.

        Parameters
        ----------
        path : path-like
            The folder that `LogMel.transform` or `save` wrote.

        Raises
        ------
        StoreError
            The store is missing, incomplete, or something else. That a block is damaged is told when it is read.
        """
        from siamaudio import store

        return store.read(Path(path))

    @classmethod
    def concatenate(cls, parts: Sequence[Features]) -> Features:
        """Put features one after the other; nothing is read.

        Parameters
        ----------
        parts : sequence of Features
            One or more, of equal bands, frames and front end. Classes and sources of equal names become one.

        Returns
        -------
        Features
            float32 unless all parts are float16.

        Raises
        ------
        ParameterError
            There are no parts, or they differ in bands, frames or front end.

        Examples
        --------
        >>> import numpy as np
        >>> import siamaudio as sa
        >>> cats = sa.Features.from_arrays(np.zeros((2, 8, 6)), ["cat", "cat"], sources=["tom", "kitty"])
        >>> dogs = sa.Features.from_arrays(np.ones((3, 8, 6)), ["dog", "dog", "dog"], sources=["rex", "rex", "bello"])
        >>> sa.Features.concatenate([cats, dogs])
        Features(5 clips of 8 bands x 6 frames, 2 classes)
        """
        if not parts:
            raise ParameterError("parts", "no features", "one or more")
        first = parts[0]
        for part in parts[1:]:
            if part.shape[1:] != first.shape[1:]:
                accepted = "features of equal bands and frames: give the front end a duration"
                raise ParameterError("parts", f"shapes {first.shape} and {part.shape}", accepted)
            if part.front_end != first.front_end:
                received = f"features made by {first.front_end} and by {part.front_end}"
                raise ParameterError("parts", received, "features by one front end")
        if all(isinstance(part._array, np.ndarray) for part in parts):
            array = np.concatenate([part.array for part in parts])
        else:
            array = LazyArray.concatenate([part._as_lazy() for part in parts])
        joined = cls(
            array,
            clips=Clips(
                paths=[path for part in parts for path in part.clips.paths],
                class_of_clip=[part.class_names[label] for part in parts for label in part.labels],
                sources=[source for part in parts for source in part.sources],
                folds=np.concatenate([part.clips.folds for part in parts]),
                name=" + ".join(dict.fromkeys(part.clips.name for part in parts if part.clips.name)),
            ),
            front_end=first.front_end,
            lengths=np.concatenate([part.lengths for part in parts]),
        )
        joined.skipped = tuple(skip for part in parts for skip in part.skipped)  # warned about when they were made
        return joined

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a feature store: a Zarr 3 folder with checksums. Features of a store are copied block by block.

        Parameters
        ----------
        path : path-like
            The folder; an older feature store there is replaced once the new one is complete.

        Raises
        ------
        StoreError
            `path` is something else than a feature store, or cannot be written.
        """
        from siamaudio import store

        store.write(Path(path), self)

    @property
    def array(self) -> npt.NDArray[np.floating[Any]]:
        """All spectrograms in memory, where they are kept from then on [shape=(clips, bands, frames)]."""
        if isinstance(self._array, LazyArray):
            self._array = self._array.read()
        return self._array

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Frames of each clip that hold signal, before padding [shape=(clips,), dtype=int64], read-only."""
        return self._lengths

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
    def shape(self) -> tuple[int, ...]:
        """(clips, bands, frames), or (clips, channels, bands, frames) where there are channels."""
        return self._array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float16."""
        return self._array.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of all spectrograms, wherever they lie."""
        return math.prod(self.shape) * self.dtype.itemsize

    def to_numpy(self, dtype: npt.DTypeLike | None = None) -> npt.NDArray[Any]:
        """Return all spectrograms as a new array, which is not kept here.

        Parameters
        ----------
        dtype : dtype or None
            Floating-point type of the result; None: that of the features.

        Returns
        -------
        np.ndarray [shape=(clips, bands, frames)]

        Raises
        ------
        ParameterError
            `dtype` is no floating-point type, or too small for the values.
        StoreError
            The store is damaged.
        """
        wanted = self.dtype if dtype is None else np.dtype(dtype)
        if not np.issubdtype(wanted, np.floating):
            raise ParameterError("dtype", str(wanted), "a floating-point type")
        if isinstance(self._array, LazyArray):
            return self._array.astype(wanted).read()
        result = converted(self._array, wanted)
        return result.copy() if result is self._array else result

    def astype(self, dtype: npt.DTypeLike) -> Features:
        """Return the features in another precision; those of a store are converted when they are read.

        Parameters
        ----------
        dtype : dtype
            float32 or float16.

        Returns
        -------
        Features
            The same clips.

        Raises
        ------
        ParameterError
            Another type, or values that float16 cannot hold.

        Examples
        --------
        >>> import numpy as np
        >>> import siamaudio as sa
        >>> features = sa.Features.from_arrays(np.zeros((4, 8, 6)), ["a", "a", "b", "b"])
        >>> features.nbytes, features.astype("float16").nbytes
        (768, 384)
        """
        wanted = np.dtype(dtype)
        if wanted not in (np.dtype(np.float32), np.dtype(np.float16)):
            raise ParameterError("dtype", str(wanted), "float32 or float16")
        array = self._array
        return self._with(
            array.astype(wanted) if isinstance(array, LazyArray) else converted(array, wanted), self.clips
        )

    def iter_blocks(self, *, num_clips: int | None = None, max_bytes: int | None = None) -> Iterator[Features]:
        """Go through the features in order, a block in memory at a time.

        Parameters
        ----------
        num_clips : int > 0 or None
            Clips a block; the last may have fewer.
        max_bytes : int > 0 or None
            Largest size of a block's spectrograms in place of `num_clips`, though a block has at least one clip;
            both None: 64 MiB.

        Returns
        -------
        iterator of Features
            Each in memory.

        Examples
        --------
        >>> import numpy as np
        >>> import siamaudio as sa
        >>> features = sa.Features.from_arrays(np.ones((5, 8, 6)), ["a", "a", "b", "b", "b"])
        >>> [len(block) for block in features.iter_blocks(num_clips=2)]
        [2, 2, 1]
        """
        for name, value in (("num_clips", num_clips), ("max_bytes", max_bytes)):
            if value is not None and not value > 0:
                raise ParameterError(name, value, "above 0")
        if num_clips is not None and max_bytes is not None:
            raise ParameterError("iter_blocks", "both num_clips and max_bytes", "one of them")
        if num_clips is None:
            clip_bytes = max(1, math.prod(self.shape[1:]) * self.dtype.itemsize)
            num_clips = max(1, (max_bytes or _BLOCK_BYTES) // clip_bytes)
        return self._blocks(num_clips)

    def _blocks(self, num_clips: int) -> Iterator[Features]:
        for start in range(0, len(self), num_clips):
            block = self[start : start + num_clips]
            block._array = block.array
            yield block

    def __len__(self) -> int:
        return len(self._array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if isinstance(self._array, np.ndarray):
            return np.array(self._array, dtype=dtype, copy=copy)
        if copy is False:
            raise ValueError("features of a store cannot become an array without a copy: `features.array` reads them")
        return self.to_numpy(dtype)

    @overload
    def __getitem__(self, index: int | np.integer[Any]) -> npt.NDArray[np.floating[Any]]: ...

    @overload
    def __getitem__(self, index: slice | Sequence[int] | Sequence[bool] | npt.NDArray[Any]) -> Features: ...

    def __getitem__(
        self, index: int | np.integer[Any] | slice | Sequence[int] | Sequence[bool] | npt.NDArray[Any]
    ) -> npt.NDArray[np.floating[Any]] | Features:
        if isinstance(index, int | np.integer):
            position = range(len(self))[index]
            array = self._array
            return array[position] if isinstance(array, np.ndarray) else array[position : position + 1].read()[0]
        clips = self.clips[index]  # says what is wrong with an index
        rows = index if isinstance(index, slice) else np.arange(len(self))[_as_index(index)]
        return self._with(self._array[rows], clips, self._lengths[rows])

    def __iter__(self) -> Iterator[npt.NDArray[np.floating[Any]]]:
        return (spectrogram for block in self.iter_blocks() for spectrogram in block.array)

    def __repr__(self) -> str:
        num_clips, *channels, num_bands, num_frames = self.shape
        name = f"{self.clips.name!r}: " if self.clips.name else ""
        images = f"{num_clips} clips of {num_bands} bands x {num_frames} frames"
        images += f" x {channels[0]} channels" if channels else ""
        dtype = "" if self.dtype == np.float32 else f", {self.dtype}"
        return f"Features({name}{images}, {len(self.class_names)} classes{dtype})"

    def select_classes(self, names: Iterable[str]) -> Features:
        """Return the clips of some classes.

        Parameters
        ----------
        names : iterable of str
            Class names; none gives empty features.

        Returns
        -------
        Features
            In their present order.

        Raises
        ------
        ParameterError
            A name is not one of `class_names`.
        """
        wanted = self.clips.select_classes(names).class_names
        return self[np.flatnonzero(np.isin(np.array(self.class_names)[self.labels], wanted))]

    def split_classes(
        self,
        num_train: int | None = None,
        num_validation: int | None = None,
        num_test: int | None = None,
        *,
        seed: int | None = None,
        train: Sequence[str] | None = None,
        validation: Sequence[str] | None = None,
        test: Sequence[str] | None = None,
    ) -> tuple[Features, Features, Features]:
        """Divide by class; see `siamaudio.splits.split_classes` for the parameters.

        Parameters
        ----------
        num_train, num_validation, num_test : int or None
            Numbers of classes; need `seed`. Without the last, all that are left are tested.
        seed : int >= 0 or None
            Of the random order of the classes.
        train, validation, test : sequence of str or None
            Names of classes, in the place of numbers and seed.

        Returns
        -------
        train, validation, test : Features
            No two share a class; validation and test may be empty.

        Raises
        ------
        ParameterError
            Numbers or names do not fit the classes, or both are given.

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
            self.class_names,
            num_train,
            num_validation,
            num_test,
            seed=seed,
            train=train,
            validation=validation,
            test=test,
        )
        return self.select_classes(split.train), self.select_classes(split.validation), self.select_classes(split.test)

    def split(self, split: Split) -> tuple[Features, Features, Features]:
        """Divide the clips as a split says.

        Parameters
        ----------
        split : Split
            From `siamaudio.splits.split_classes`, `split_folds`, `split_sources`, `split_clips` or `load_split`.

        Returns
        -------
        train, validation, test : Features

        Raises
        ------
        ParameterError
            The split is of other clips.

        Examples
        --------
        >>> import numpy as np
        >>> import siamaudio as sa
        >>> features = sa.Features.from_arrays(np.zeros((6, 8, 8)), list("aaabbb"))
        >>> train, _, test = features.split(sa.split_clips(features.clips, 2, seed=0))
        >>> len(train), len(test)
        (4, 2)
        """
        train, validation, test = positions(split, self.clips)
        return self[train], self[validation], self[test]

    def _with(
        self, array: npt.NDArray[Any] | LazyArray, clips: Clips, lengths: npt.NDArray[np.int64] | None = None
    ) -> Features:
        lengths = self._lengths if lengths is None else lengths
        return Features(array, clips=clips, front_end=self.front_end, lengths=lengths)

    def _as_lazy(self) -> LazyArray:
        return self._array if isinstance(self._array, LazyArray) else LazyArray.of(ArrayReader(self._array))


def _as_index(index: Sequence[int] | Sequence[bool] | npt.NDArray[Any]) -> npt.NDArray[Any]:
    values = np.asarray(index)
    return values.astype(np.int64) if values.size == 0 and values.dtype != bool else values  # an empty list is float64


def _checked_lengths(lengths: npt.ArrayLike | None, num_clips: int, num_frames: int) -> npt.NDArray[np.int64]:
    if lengths is None:
        checked = np.full(num_clips, num_frames, dtype=np.int64)
    else:
        values = np.asarray(lengths)
        if values.shape != (num_clips,) or (values.size and values.dtype.kind not in "iu"):
            received = f"an array of {values.dtype} with shape {values.shape}"
            raise ParameterError("lengths", received, f"a whole number for each of the {num_clips} clips")
        if values.size and not (values.min() >= 0 and values.max() <= num_frames):
            raise ParameterError("lengths", f"{values.min()} to {values.max()}", f"0 to {num_frames} frames")
        checked = values.astype(np.int64)  # a copy
    checked.setflags(write=False)
    return checked
