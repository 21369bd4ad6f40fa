"""Splitting classes: which ones are trained on, which ones choose the stopping point, which ones are tested.

One-shot recognition is measured on classes that training never saw, so a split divides classes, not clips.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from siamaudio.errors import ParameterError

__all__ = ["ClassSplit", "draw_class_splits", "split_classes"]


@dataclass(frozen=True, slots=True)
class ClassSplit:
    """Three disjoint groups of classes.

    Attributes
    ----------
    train, validation, test : tuple of str
        Class names, sorted; validation and test may be empty.
    seed : int or None
        The seed that drew the groups; None where the caller named them.

    Examples
    --------
    >>> split = ClassSplit(train=("cat", "dog"), validation=(), test=("hen",))
    >>> ClassSplit.from_dict(split.to_dict()) == split
    True
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    seed: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the split as plain lists, ready for JSON.

        Returns
        -------
        dict
            Keys ``train``, ``validation``, ``test`` (lists of str) and ``seed`` (int or None).
        """
        return {
            "train": list(self.train),
            "validation": list(self.validation),
            "test": list(self.test),
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ClassSplit:
        """Rebuild a split from what `to_dict` returned.

        Parameters
        ----------
        values : mapping
            Keys ``train``, ``validation``, ``test`` and, optionally, ``seed``.

        Returns
        -------
        ClassSplit

        Raises
        ------
        ParameterError
            If a group is missing or is not a list of names, if a class is named twice, or if the seed is not an
            integer.
        """
        groups: dict[str, tuple[str, ...]] = {}
        for group in ("train", "validation", "test"):
            if group not in values:
                raise ParameterError("split", f"keys {sorted(values)}", "the keys train, validation, test and seed")
            groups[group] = _names(group, values[group])
        _check_disjoint(groups)
        seed = values.get("seed")
        return cls(**groups, seed=None if seed is None else _whole_number("seed", seed))


def split_classes(
    class_names: Iterable[str],
    num_train: int | None = None,
    num_validation: int | None = None,
    num_test: int | None = None,
    *,
    seed: int | None = None,
    train: Iterable[str] | None = None,
    validation: Iterable[str] | None = None,
    test: Iterable[str] | None = None,
) -> ClassSplit:
    """Divide classes into training, validation and test classes, at random or by name.

    Parameters
    ----------
    class_names : iterable of str
        The classes to divide; their order and repetitions do not matter.
    num_train : int, optional
        Number of training classes, at least 2 (a network needs pairs of different classes).
    num_validation : int, optional
        Number of validation classes, 0 or more; None means 0.
    num_test : int, optional
        Number of test classes, 0 or more; None means all classes that are left. Where the three counts come to
        less than the number of classes, the rest is not used.
    seed : int, optional
        Seed of the random order, 0 or more; required with counts, not accepted with names.
    train : iterable of str, optional
        The training classes by name, at least 2, in place of counts and seed.
    validation : iterable of str, optional
        The validation classes by name; None means none.
    test : iterable of str, optional
        The test classes by name; None means all classes that are left.

    Returns
    -------
    ClassSplit
        The groups, each sorted.

    Raises
    ------
    ParameterError
        If counts and names are mixed or both absent, if a count is negative, too large or not an integer, if fewer
        than two classes are left to train on, or if a name is unknown or used twice.

    Examples
    --------
    >>> split_classes(["cat", "dog", "hen", "owl"], train=["dog", "cat"]).test
    ('hen', 'owl')
    >>> len(split_classes("abcdefghij", 6, 2, 2, seed=1).train)
    6
    """
    known = sorted(set(class_names))
    counts_given = any(count is not None for count in (num_train, num_validation, num_test))
    names_given = any(names is not None for names in (train, validation, test))
    if counts_given and names_given:
        raise ParameterError(
            "split",
            "both counts and class names",
            "either num_train, num_validation, num_test and seed, or train, validation and test",
        )
    if names_given:
        if seed is not None:
            raise ParameterError("seed", seed, "None where classes are named: nothing is drawn")
        return _split_by_name(known, train, validation, test)
    return _split_by_count(known, num_train, num_validation, num_test, seed)


def draw_class_splits(
    class_names: Iterable[str], num_splits: int, *, num_test: int, num_validation: int = 0, seed: int
) -> tuple[ClassSplit, ...]:
    """Draw several splits in which all classes are tested equally often, but for one time.

    Test classes are dealt from a shuffled pack of all classes, and from a new one where it runs out. The first splits
    of many are the same as if only these were drawn.

    Parameters
    ----------
    class_names : iterable of str
        The classes to divide; their order and repetitions do not matter.
    num_splits : int > 0
        How many to draw.
    num_test : int > 0
        Test classes of each.
    num_validation : int >= 0
        Validation classes of each, drawn from those that are not tested; all others are trained on.
    seed : int >= 0
        Of the random order.

    Returns
    -------
    tuple of ClassSplit

    Raises
    ------
    ParameterError
        A number is out of its range, or fewer than two classes are left to train on.

    Examples
    --------
    >>> splits = draw_class_splits("abcdef", 3, num_test=2, seed=0)
    >>> sorted(name for split in splits for name in split.test)
    ['a', 'b', 'c', 'd', 'e', 'f']
    """
    known = sorted(set(class_names))
    _whole_number("splits", num_splits, minimum=1)
    _whole_number("num_test", num_test, minimum=1)
    _whole_number("num_validation", num_validation)
    _whole_number("seed", seed)
    if num_test + num_validation + 2 > len(known):
        raise ParameterError(
            "num_test",
            f"{num_test}, and {num_validation} to validate on",
            f"at most {max(0, len(known) - 2)} together: of {len(known)} classes two or more are to be trained on",
        )
    pack: list[str] = []
    dealer = np.random.default_rng([seed, 0])
    splits = []
    for index in range(num_splits):
        test: list[str] = []
        while len(test) < num_test:
            if not pack:
                pack = dealer.permutation(np.array(known, dtype=object)).tolist()
            # A class that is in the hand already, from the last pack, waits for the next hand.
            test.append(pack.pop(next(place for place, name in enumerate(pack) if name not in test)))
        others = np.random.default_rng([seed, 1, index]).permutation([name for name in known if name not in test])
        splits.append(
            ClassSplit(
                train=tuple(sorted(others[num_validation:].tolist())),
                validation=tuple(sorted(others[:num_validation].tolist())),
                test=tuple(sorted(test)),
            )
        )
    return tuple(splits)


def _split_by_count(
    known: list[str], num_train: int | None, num_validation: int | None, num_test: int | None, seed: int | None
) -> ClassSplit:
    if num_train is None:
        raise ParameterError("num_train", num_train, "the number of training classes, or their names as train=[...]")
    first = _whole_number("num_train", num_train, minimum=2)
    second = 0 if num_validation is None else _whole_number("num_validation", num_validation)
    third = max(len(known) - first - second, 0) if num_test is None else _whole_number("num_test", num_test)
    if seed is None:
        raise ParameterError("seed", seed, "an integer, 0 or more: classes are drawn at random only from a given seed")
    valid_seed = _whole_number("seed", seed)
    total = first + second + third
    if total > len(known):
        raise ParameterError(
            "split",
            f"{first}/{second}/{third} = {total} classes",
            f"at most the {len(known)} classes of this data set",
        )
    order = np.random.default_rng(valid_seed).permutation(len(known))
    shuffled = [known[index] for index in order]
    return ClassSplit(
        train=tuple(sorted(shuffled[:first])),
        validation=tuple(sorted(shuffled[first : first + second])),
        test=tuple(sorted(shuffled[first + second : total])),
        seed=valid_seed,
    )


def _split_by_name(
    known: list[str],
    train: Iterable[str] | None,
    validation: Iterable[str] | None,
    test: Iterable[str] | None,
) -> ClassSplit:
    if train is None:
        raise ParameterError("train", train, "the names of the training classes, since other classes are named")
    groups = {
        "train": _names("train", train),
        "validation": () if validation is None else _names("validation", validation),
        "test": () if test is None else _names("test", test),
    }
    for group, names in groups.items():
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise ParameterError(group, f"unknown class {unknown[0]!r}", f"names out of {_shortened(known)}")
    if len(groups["train"]) < 2:
        raise ParameterError("train", f"{len(groups['train'])} class(es)", "at least 2 classes")
    _check_disjoint(groups)
    if test is None:
        taken = {*groups["train"], *groups["validation"]}
        groups["test"] = tuple(name for name in known if name not in taken)
    return ClassSplit(**groups)


def _names(group: str, names: object) -> tuple[str, ...]:
    # A single string is iterable too and would be taken for a list of one-letter classes.
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise ParameterError(group, names, "a list of class names")
    listed: list[object] = list(names)
    result: list[str] = []
    for name in listed:
        if not isinstance(name, str):
            raise ParameterError(group, name, "a list of class names, each a string")
        result.append(name)
    return tuple(sorted(result))


def _check_disjoint(groups: Mapping[str, tuple[str, ...]]) -> None:
    owner: dict[str, str] = {}
    for group, names in groups.items():
        for name in names:
            if name in owner:
                raise ParameterError(group, f"class {name!r} again (already in {owner[name]})", "each class once")
            owner[name] = group


def _whole_number(parameter: str, value: object, *, minimum: int = 0) -> int:
    # bool is an int to Python, but True as a count is a slip.
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer) or value < minimum:
        raise ParameterError(parameter, value, f"an integer, {minimum} or more")
    return int(value)


def _shortened(names: list[str], limit: int = 12) -> str:
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown}, ... ({len(names)} classes)"
