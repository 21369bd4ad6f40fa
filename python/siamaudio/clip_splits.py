"""Splitting clips by fold, by source, or at random; every split is a small object that JSON can hold.

`siamaudio.splits` splits classes. All of them go through `positions`, `split_name`, `save_split` and `load_split`.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from siamaudio.errors import ParameterError
from siamaudio.files import replace_file
from siamaudio.splits import ClassSplit

__all__ = [
    "ClipSplit",
    "FoldSplit",
    "SourceSplit",
    "Split",
    "load_split",
    "positions",
    "save_split",
    "split_clips",
    "split_folds",
    "split_from_dict",
    "split_name",
    "split_sources",
]

_PARTS = ("train", "validation", "test")
_IntArray = npt.NDArray[np.int64]


class LabelledClips(Protocol):
    """What is split: `Clips`, or `Features`' clips."""

    @property
    def class_names(self) -> tuple[str, ...]: ...
    @property
    def labels(self) -> _IntArray: ...
    @property
    def sources(self) -> tuple[str, ...]: ...
    @property
    def folds(self) -> _IntArray: ...


@dataclasses.dataclass(frozen=True, slots=True)
class FoldSplit:
    """Three disjoint groups of cross-validation folds.

    Attributes
    ----------
    train, validation, test : tuple of int
        Folds, sorted; validation and test may be empty.

    Examples
    --------
    >>> split = FoldSplit(train=(1, 2, 3), validation=(4,), test=(5,))
    >>> split_name(split)
    'folds 1+2+3 / 4 / 5'
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the split as plain lists, ready for JSON."""
        return {"by": "fold", **{part: list(getattr(self, part)) for part in _PARTS}}


@dataclasses.dataclass(frozen=True, slots=True)
class SourceSplit:
    """Three disjoint groups of sources, so that no two clips of one recording, or speaker, are in two parts.

    Attributes
    ----------
    train, validation, test : tuple of str
        Sources, sorted; validation and test may be empty.
    seed : int or None
        The seed that drew the groups; None where the caller named them.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    seed: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the split as plain lists, ready for JSON."""
        return {"by": "source", **{part: list(getattr(self, part)) for part in _PARTS}, "seed": self.seed}


@dataclasses.dataclass(frozen=True, slots=True)
class ClipSplit:
    """Three disjoint groups of clips of one data set.

    Attributes
    ----------
    train, validation, test : tuple of int
        Positions, sorted; validation and test may be empty.
    num_clips : int
        Clips of the data set that the positions are in.
    seed : int or None
        The seed that drew the groups; None where the caller named them.
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]
    num_clips: int
    seed: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the split as plain lists, ready for JSON."""
        groups = {part: list(getattr(self, part)) for part in _PARTS}
        return {"by": "clip", **groups, "num_clips": self.num_clips, "seed": self.seed}


Split = ClassSplit | FoldSplit | SourceSplit | ClipSplit


# ---- Making splits


def split_folds(train: Iterable[int], *, validation: Iterable[int] = (), test: Iterable[int] = ()) -> FoldSplit:
    """Divide by cross-validation fold.

    Parameters
    ----------
    train, validation, test : iterable of int
        Folds; no fold twice.

    Returns
    -------
    FoldSplit
        The folds of each part; `Features.split` takes it.

    Raises
    ------
    ParameterError
        A fold is named twice or is no whole number, or there are none to train on.

    Examples
    --------
    >>> import siamaudio as sa
    >>> sa.split_folds([1, 2, 3], validation=[4], test=[5])
    FoldSplit(train=(1, 2, 3), validation=(4,), test=(5,))
    """
    return FoldSplit(**_groups({"train": train, "validation": validation, "test": test}, int, "folds"))


def split_sources(clips: LabelledClips, *, validation: float = 0.0, test: float = 0.2, seed: int) -> SourceSplit:
    """Divide at random so that all clips of a source stay together, with about the same shares of every class.

    Parameters
    ----------
    clips : Clips
        What is divided.
    validation, test : float in [0, 1)
        Shares of the clips; what they leave is for training.
    seed : int >= 0
        Of the order in which sources are given out, each to the part that most lacks its classes.

    Returns
    -------
    SourceSplit
        The sources of each part; `Features.split` takes it.

    Raises
    ------
    ParameterError
        The shares leave nothing for training, or the seed is none.

    Examples
    --------
    >>> import siamaudio as sa
    >>> clips = sa.datasets.Clips(paths=list("abcd"), class_of_clip=["x"] * 4, sources=["1", "1", "2", "3"])
    >>> train, _, test = clips.split(sa.split_sources(clips, test=0.5, seed=0))
    >>> set(train.sources) & set(test.sources)
    set()
    """
    shares = np.array([1 - validation - test, validation, test])
    if not (validation >= 0 and test >= 0 and shares[0] > 0):
        raise ParameterError("validation, test", (validation, test), "shares of 0 or more that leave some for training")
    sources, source_of = np.unique(np.array(clips.sources, dtype=np.str_), return_inverse=True)
    counts = np.zeros((len(sources), len(clips.class_names)))
    np.add.at(counts, (source_of, clips.labels), 1)
    lacking = shares[:, None] * counts.sum(axis=0)
    groups: dict[str, list[str]] = {part: [] for part in _PARTS}
    for source in np.random.default_rng(_seed(seed)).permutation(len(sources)):
        gains = lacking @ counts[source]
        gains[shares == 0] = -np.inf
        part = int(np.argmax(gains))
        lacking[part] -= counts[source]
        groups[_PARTS[part]].append(str(sources[source]))
    return SourceSplit(*(tuple(sorted(groups[part])) for part in _PARTS), seed=seed)


def split_clips(
    clips: LabelledClips, num_train: int, num_validation: int = 0, num_test: int | None = None, *, seed: int
) -> ClipSplit:
    """Divide at random, with the same number of clips of every class.

    Parameters
    ----------
    clips : Clips
        What is divided.
    num_train : int > 0
        Training clips of each class, as Lloret's 100.
    num_validation : int >= 0
        Validation clips of each class.
    num_test : int >= 0 or None
        Test clips of each class; None: all that are left.
    seed : int >= 0
        Of the order of each class's clips.

    Returns
    -------
    ClipSplit
        Positions of the clips of each part; `Features.split` takes it.

    Raises
    ------
    ParameterError
        A number is out of its range, or a class has fewer clips.

    Examples
    --------
    >>> import siamaudio as sa
    >>> clips = sa.datasets.Clips(paths=list("abcdef"), class_of_clip=list("xxxyyy"))
    >>> [len(part) for part in clips.split(sa.split_clips(clips, 2, seed=0))]
    [4, 0, 2]
    """
    for name, value, least in (
        ("num_train", num_train, 1),
        ("num_validation", num_validation, 0),
        ("num_test", num_test or 0, 0),
    ):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ParameterError(name, value, f"an integer, {least} or more")
    rng = np.random.default_rng(_seed(seed))
    labels = np.asarray(clips.labels)
    groups: dict[str, list[int]] = {part: [] for part in _PARTS}
    for label, class_name in enumerate(clips.class_names):
        own = rng.permutation(np.flatnonzero(labels == label))
        needed = num_train + num_validation + (num_test or 0)
        if len(own) < needed:
            raise ParameterError("split", f"{needed} clips of each class", f"at most the {len(own)} of {class_name!r}")
        ends = [num_train, num_train + num_validation, len(own) if num_test is None else needed]
        for part, start, end in zip(_PARTS, [0, *ends], ends, strict=False):
            groups[part] += own[start:end].tolist()
    return ClipSplit(*(tuple(sorted(groups[part])) for part in _PARTS), num_clips=len(labels), seed=seed)


# ---- Using splits


def positions(split: Split, clips: LabelledClips) -> tuple[_IntArray, _IntArray, _IntArray]:
    """Return which clips are in each part of a split; `Clips.split` and `Features.split` return the clips themselves.

    Parameters
    ----------
    split : Split
        Of classes, folds, sources or clips.
    clips : Clips
        What is divided.

    Returns
    -------
    train, validation, test : np.ndarray [dtype=int64]
        In the present order. What is in no group is left out.

    Raises
    ------
    ParameterError
        The split names classes, folds or sources that do not occur, or is of another number of clips.
    """
    if isinstance(split, ClipSplit):
        if split.num_clips != len(clips.labels):
            raise ParameterError("split", f"one of {split.num_clips} clips", f"one of these {len(clips.labels)} clips")
        train, validation, test = (np.array(getattr(split, part), dtype=np.int64) for part in _PARTS)
        return train, validation, test
    if isinstance(split, ClassSplit):
        known: Sequence[Any] = np.array(clips.class_names, dtype=np.str_)[clips.labels].tolist()
        what = "class"
    elif isinstance(split, FoldSplit):
        known, what = np.asarray(clips.folds).tolist(), "fold"
    elif isinstance(split, SourceSplit):
        known, what = clips.sources, "source"
    else:
        raise ParameterError("split", split, "what split_classes, split_folds, split_sources or split_clips returns")
    present = set(known)
    parts = []
    for part in _PARTS:
        wanted = set(getattr(split, part))
        if missing := sorted(wanted - present):
            shown = ", ".join(map(str, sorted(present)[:12])) + (", ..." if len(present) > 12 else "")
            raise ParameterError("split", f"{what} {missing[0]!r} to {part}", f"those of these clips: {shown}")
        parts.append(np.flatnonzero([each in wanted for each in known]).astype(np.int64))
    return parts[0], parts[1], parts[2]


def split_name(split: Split) -> str:
    """Return a split in words, to be named beside a result.

    Parameters
    ----------
    split : Split
        Of classes, folds, sources or clips.

    Examples
    --------
    >>> from siamaudio.splits import split_classes
    >>> split_name(split_classes("abcdefghij", 6, 2, 2, seed=1))
    'classes 6/2/2, seed 1'
    """
    if isinstance(split, FoldSplit):
        return "folds " + " / ".join("+".join(map(str, getattr(split, part))) or "none" for part in _PARTS)
    words = {ClassSplit: "classes", SourceSplit: "sources", ClipSplit: "clips"}[type(split)]
    drawn = "named" if split.seed is None else f"seed {split.seed}"
    return f"{words} {'/'.join(str(len(getattr(split, part))) for part in _PARTS)}, {drawn}"


def save_split(split: Split, path: str | os.PathLike[str]) -> None:
    """Write a split as JSON, whole or not at all.

    Parameters
    ----------
    split : Split
        Of classes, folds, sources or clips.
    path : path-like
        The file.

    Examples
    --------
    >>> import siamaudio as sa
    >>> split = sa.split_folds([1, 2], test=[3])
    >>> sa.save_split(split, "split.json")
    >>> sa.load_split("split.json") == split
    True
    """
    text = json.dumps({"name": split_name(split), **split.to_dict()}, indent=1, ensure_ascii=False)
    replace_file(Path(path), text.encode() + b"\n")


def load_split(path: str | os.PathLike[str]) -> Split:
    """Read a split that `save_split` wrote.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    ClassSplit, ClipSplit, FoldSplit or SourceSplit
        As it was saved.

    Raises
    ------
    ParameterError
        There is no such file, or it holds something else.

    Examples
    --------
    >>> import siamaudio as sa
    >>> sa.save_split(sa.split_folds([1, 2], test=[3]), "split.json")
    >>> sa.load_split("split.json")
    FoldSplit(train=(1, 2), validation=(), test=(3,))
    """
    try:
        values = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ParameterError("path", f"{os.fspath(path)} ({error})", "a file that save_split wrote") from error
    if not isinstance(values, dict):
        raise ParameterError("path", f"{os.fspath(path)}, which holds no split", "a file that save_split wrote")
    return split_from_dict(values)


def split_from_dict(values: Mapping[str, Any]) -> Split:
    """Rebuild a split from what its `to_dict` returned.

    Parameters
    ----------
    values : mapping
        As from JSON.

    Raises
    ------
    ParameterError
        A group is missing, holds something else, or shares something with another.
    """
    by = values.get("by", "class")
    if by == "class":
        return ClassSplit.from_dict(values)
    kinds = {"fold": int, "source": str, "clip": int}
    if by not in kinds or any(part not in values for part in _PARTS):
        raise ParameterError(
            "split",
            f"keys {sorted(map(str, values))}, by {by!r}",
            "train, validation, test; by class, fold, source or clip",
        )
    groups = _groups({part: values[part] for part in _PARTS}, kinds[by], f"{by}s")
    seed = values.get("seed")
    seed = None if seed is None else _seed(seed)
    if by == "fold":
        return FoldSplit(**groups)
    if by == "source":
        return SourceSplit(**groups, seed=seed)
    num_clips = _seed(values.get("num_clips"), "num_clips")
    largest = max((max(group) for group in groups.values() if group), default=-1)
    if largest >= num_clips or min((min(group) for group in groups.values() if group), default=0) < 0:
        raise ParameterError(
            "split", f"positions up to {largest}", f"0 to {num_clips - 1}, as it is of {num_clips} clips"
        )
    return ClipSplit(**groups, num_clips=num_clips, seed=seed)


def _groups(groups: Mapping[str, object], kind: type, what: str) -> dict[str, Any]:
    """Return groups as sorted tuples; none empty but for validation and test, nothing twice."""
    owner: dict[object, str] = {}
    result: dict[str, Any] = {}
    for part, group in groups.items():
        accepted = f"a list of {what}"
        if isinstance(group, str) or not isinstance(group, Iterable):
            raise ParameterError(part, group, accepted)
        members = list(group)
        for member in members:
            is_kind = isinstance(member, str) if kind is str else isinstance(member, int | np.integer)
            if not is_kind or isinstance(member, bool):
                raise ParameterError(part, member, accepted)
            if member in owner:
                raise ParameterError(part, f"{member!r} again (already in {owner[member]})", f"each of the {what} once")
            owner[member] = part
        result[part] = tuple(sorted(kind(member) for member in members))
    if not result["train"]:
        raise ParameterError("train", f"no {what}", "one or more")
    return result


def _seed(value: object, name: str = "seed") -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
        raise ParameterError(name, value, "an integer, 0 or more")
    return int(value)
