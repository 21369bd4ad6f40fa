"""`Clips`: an immutable list of labelled audio files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from siamaudio.clip_splits import Split, positions
from siamaudio.errors import DatasetError, ParameterError
from siamaudio.splits import split_classes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Clip", "Clips"]


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled audio file.

    Attributes
    ----------
    path : str
        The file.
    label : int
        Index of the class in the `Clips` that the clip was taken from.
    class_name : str
        The class.
    source : str
        What the clip was cut from; two clips with the same source are not independent.
    fold : int
        Cross-validation fold; 0 where the data set has none.
    """

    path: str
    label: int
    class_name: str
    source: str
    fold: int


class Clips(Sequence[Clip]):
    """An immutable list of labelled audio files; no audio is read.

    Parameters
    ----------
    paths : sequence of path-like, length clips
        The audio files.
    class_of_clip : sequence of str, length clips
        The class of each file.
    sources : sequence of str, length clips, optional
        What each file was cut from; by default each file is its own source.
    folds : sequence of int, length clips, optional
        Cross-validation fold of each file; by default 0.
    name : str, optional
        Name of the data set, shown by ``repr``.

    Attributes
    ----------
    paths : tuple of str, length clips
    class_names : tuple of str, length classes
        The classes that occur, sorted; the index of a class is its label.
    labels : ndarray of int64, shape (clips,), range [0, classes)
        Read-only.
    sources : tuple of str, length clips
    folds : ndarray of int64, shape (clips,)
        Read-only.
    name : str

    Raises
    ------
    DatasetError
        If the sequences differ in length or a class name is empty.

    Notes
    -----
    Labels always count the classes that occur: a part of a `Clips`, which may have fewer classes, numbers them anew.

    Examples
    --------
    >>> clips = Clips(paths=["a.wav", "b.wav", "c.wav"], class_of_clip=["dog", "cat", "dog"], name="pets")
    >>> clips
    Clips('pets': 3 clips, 2 classes)
    >>> clips.class_names, clips.labels.tolist()
    (('cat', 'dog'), [1, 0, 1])
    >>> clips[0].class_name
    'dog'
    >>> clips[clips.labels == 1].paths
    ('a.wav', 'c.wav')
    """

    __slots__ = ("_class_names", "_folds", "_labels", "_name", "_paths", "_sources")

    def __init__(
        self,
        *,
        paths: Sequence[str | os.PathLike[str]],
        class_of_clip: Sequence[str],
        sources: Sequence[str] | None = None,
        folds: Sequence[int] | npt.NDArray[np.integer[Any]] | None = None,
        name: str = "",
    ) -> None:
        self._paths = tuple(os.fspath(path) for path in paths)
        num_clips = len(self._paths)
        for argument, values in (("class_of_clip", class_of_clip), ("sources", sources), ("folds", folds)):
            if values is not None and len(values) != num_clips:
                raise DatasetError(f"{argument}: got {len(values)} values for {num_clips} paths; accepted: one a path")
        if not all(class_of_clip):
            first = next(index for index, class_name in enumerate(class_of_clip) if not class_name)
            raise DatasetError(f"{self._paths[first]}: got an empty class name; accepted: a name a clip")
        self._class_names = tuple(sorted(set(class_of_clip)))
        label_of = {class_name: label for label, class_name in enumerate(self._class_names)}
        self._labels = np.array([label_of[class_name] for class_name in class_of_clip], dtype=np.int64)
        self._sources = self._paths if sources is None else tuple(sources)
        self._folds = np.zeros(num_clips, dtype=np.int64) if folds is None else np.array(folds, dtype=np.int64)
        self._name = name
        self._labels.setflags(write=False)
        self._folds.setflags(write=False)

    @property
    def paths(self) -> tuple[str, ...]:
        """The audio files."""
        return self._paths

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes that occur, sorted; the index of a class is its label."""
        return self._class_names

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Label of each clip, int64, shape (clips,), read-only."""
        return self._labels

    @property
    def sources(self) -> tuple[str, ...]:
        """What each clip was cut from."""
        return self._sources

    @property
    def folds(self) -> npt.NDArray[np.int64]:
        """Cross-validation fold of each clip, int64, shape (clips,), read-only."""
        return self._folds

    @property
    def name(self) -> str:
        """Name of the data set."""
        return self._name

    def __len__(self) -> int:
        return len(self._paths)

    @overload
    def __getitem__(self, index: int | np.integer[Any]) -> Clip: ...

    @overload
    def __getitem__(self, index: slice | Sequence[int] | Sequence[bool] | npt.NDArray[Any]) -> Clips: ...

    def __getitem__(
        self, index: int | np.integer[Any] | slice | Sequence[int] | Sequence[bool] | npt.NDArray[Any]
    ) -> Clip | Clips:
        if isinstance(index, slice):
            return self._part(range(len(self))[index])
        if isinstance(index, int | np.integer):
            return self._clip(int(index))
        return self._part(self._positions(index))

    def __iter__(self) -> Iterator[Clip]:
        return (self._clip(index) for index in range(len(self)))

    def __repr__(self) -> str:
        label = f"{self._name!r}: " if self._name else ""
        return f"Clips({label}{_counted(len(self), 'clip')}, {_counted(len(self._class_names), 'class')})"

    def to_frame(self) -> pd.DataFrame:
        """Return the clips as a table.

        Returns
        -------
        pandas.DataFrame
            One row a clip; columns ``path``, ``label``, ``class_name``, ``source``, ``fold``.
        """
        import pandas as pd

        return pd.DataFrame(
            {
                "path": list(self._paths),
                "label": self._labels,
                "class_name": [self._class_names[label] for label in self._labels],
                "source": list(self._sources),
                "fold": self._folds,
            }
        )

    def select_classes(self, names: Iterable[str]) -> Clips:
        """Return the clips of the named classes, in their present order.

        Parameters
        ----------
        names : iterable of str
            Class names; their order does not matter.

        Returns
        -------
        Clips
            Labels are numbered anew; no names give an empty `Clips`.

        Raises
        ------
        ParameterError
            If a name is not one of `class_names`.

        Examples
        --------
        >>> clips = Clips(paths=["a.wav", "b.wav", "c.wav"], class_of_clip=["dog", "cat", "dog"])
        >>> clips.select_classes(["dog"])
        Clips(2 clips, 1 class)
        """
        # A single string is iterable too and would be taken for a list of one-letter classes.
        if isinstance(names, str):
            raise ParameterError("names", names, "a list of class names")
        wanted = set(names)
        unknown = sorted(wanted - set(self._class_names))
        if unknown:
            raise ParameterError(
                "names", f"unknown class {unknown[0]!r}", f"names out of {', '.join(self._class_names)}"
            )
        chosen = np.array([class_name in wanted for class_name in self._class_names], dtype=bool)
        return self._part(np.flatnonzero(chosen[self._labels]).tolist())

    def split_classes(
        self,
        num_train: int | None = None,
        num_validation: int | None = None,
        num_test: int | None = None,
        *,
        seed: int | None = None,
        train: Iterable[str] | None = None,
        validation: Iterable[str] | None = None,
        test: Iterable[str] | None = None,
    ) -> tuple[Clips, Clips, Clips]:
        """Divide the clips by class; see `siamaudio.splits.split_classes` for the parameters.

        Parameters
        ----------
        num_train, num_validation, num_test : int, optional
            Numbers of classes; need `seed`.
        seed : int, optional
            Seed of the random order of the classes.
        train, validation, test : iterable of str, optional
            Class names in place of counts and seed.

        Returns
        -------
        train, validation, test : Clips
            No two share a class; validation and test may be empty.

        Raises
        ------
        ParameterError
            As `siamaudio.splits.split_classes`.

        Examples
        --------
        >>> clips = Clips(paths=["a.wav", "b.wav", "c.wav"], class_of_clip=["dog", "cat", "hen"])
        >>> clips.split_classes(train=["dog", "cat"])[2].class_names
        ('hen',)
        """
        split = split_classes(
            self._class_names,
            num_train,
            num_validation,
            num_test,
            seed=seed,
            train=train,
            validation=validation,
            test=test,
        )
        return self.select_classes(split.train), self.select_classes(split.validation), self.select_classes(split.test)

    def split(self, split: Split) -> tuple[Clips, Clips, Clips]:
        """Divide the clips as a split says.

        Parameters
        ----------
        split : Split
            From `siamaudio.splits.split_classes`, `split_folds`, `split_sources`, `split_clips` or `load_split`.

        Returns
        -------
        train, validation, test : Clips

        Raises
        ------
        ParameterError
            The split is of other clips.
        """
        train, validation, test = positions(split, self)
        return self[train], self[validation], self[test]

    def _clip(self, index: int) -> Clip:
        label = int(self._labels[index])  # raises IndexError where there is no such clip
        return Clip(
            path=self._paths[index],
            label=label,
            class_name=self._class_names[label],
            source=self._sources[index],
            fold=int(self._folds[index]),
        )

    def _positions(self, index: Sequence[int] | Sequence[bool] | npt.NDArray[Any]) -> list[int]:
        chosen = np.asarray(index)
        if chosen.size == 0 and chosen.dtype != bool:
            chosen = chosen.astype(np.int64)  # an empty list comes as float64
        if chosen.ndim != 1 or chosen.dtype.kind not in "iub":
            raise ParameterError(
                "index",
                f"an array of {chosen.dtype} with shape {chosen.shape}",
                "an integer, a slice, or a one-dimensional array of integers or booleans",
            )
        if chosen.dtype == bool and len(chosen) != len(self):
            raise ParameterError("index", f"{len(chosen)} booleans", f"one for each of the {len(self)} clips")
        # NumPy's own indexing resolves booleans and negative positions, and raises IndexError beyond the ends.
        return np.arange(len(self))[chosen].tolist()

    def _part(self, positions: Iterable[int]) -> Clips:
        kept = list(positions)
        return Clips(
            paths=[self._paths[index] for index in kept],
            class_of_clip=[self._class_names[self._labels[index]] for index in kept],
            sources=[self._sources[index] for index in kept],
            folds=self._folds[kept],
            name=self._name,
        )


def _counted(count: int, noun: str) -> str:
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{count} {noun if count == 1 else plural}"
