from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from siamaudio.errors import ParameterError
from siamaudio.splits import ClassSplit, split_classes

NAMES = [f"class{number:02d}" for number in range(10)]


def groups(split: ClassSplit) -> tuple[set[str], set[str], set[str]]:
    return set(split.train), set(split.validation), set(split.test)


@pytest.mark.parametrize("seed", [0, 1, 2**40])
def test_counts_take_consecutive_parts_of_a_seeded_permutation(seed: int) -> None:
    shuffled = np.array(NAMES)[np.random.default_rng(seed).permutation(10)]
    split = split_classes(NAMES, 5, 2, 3, seed=seed)
    assert groups(split) == (set(shuffled[:5]), set(shuffled[5:7]), set(shuffled[7:]))
    assert split.seed == seed


def test_order_and_repetition_of_the_names_do_not_matter() -> None:
    assert split_classes([*NAMES[::-1], *NAMES], 4, 3, 3, seed=7) == split_classes(NAMES, 4, 3, 3, seed=7)


def test_seeds_differ_and_groups_come_sorted() -> None:
    splits = [split_classes(NAMES, 5, 2, 3, seed=seed) for seed in range(20)]
    assert len({split.train for split in splits}) > 10
    for split in splits:
        for group in (split.train, split.validation, split.test):
            assert list(group) == sorted(group)


@pytest.mark.parametrize(
    ("counts", "sizes"),
    [
        ((10, 0, 0), (10, 0, 0)),
        ((2, 0, 1), (2, 0, 1)),  # the rest is not used
        ((6, 1), (6, 1, 3)),  # no num_test: all that are left
        ((6,), (6, 0, 4)),
        ((10,), (10, 0, 0)),
        ((np.int64(4), np.int32(3), np.uint8(3)), (4, 3, 3)),
    ],
)
def test_sizes(counts: tuple[Any, ...], sizes: tuple[int, int, int]) -> None:
    found = groups(split_classes(NAMES, *counts, seed=3))
    assert tuple(map(len, found)) == sizes
    assert len(set.union(*found)) == sum(sizes)


def test_names() -> None:
    split = split_classes("dcba", train=["c", "a"], validation=["d"])
    assert split == ClassSplit(train=("a", "c"), validation=("d",), test=("b",), seed=None)
    assert split_classes("dcba", train=["c", "a"], test=["d"]).test == ("d",)
    assert split_classes("dcba", train=["c", "a"], test=[]).test == ()
    assert split_classes("dcba", train=(name for name in "ac")).test == ("b", "d")


def test_too_many_classes_is_explained() -> None:
    with pytest.raises(ParameterError) as caught:
        split_classes(NAMES, 40, 5, 5, seed=0)
    assert str(caught.value) == "split: got 40/5/5 = 50 classes; accepted: at most the 10 classes of this data set"


@pytest.mark.parametrize(
    ("arguments", "parameter"),
    [
        ({}, "num_train"),
        ({"num_test": 3, "seed": 0}, "num_train"),
        ({"num_train": 5}, "seed"),
        ({"num_train": 5, "seed": -1}, "seed"),
        ({"num_train": 5, "seed": 1.0}, "seed"),
        ({"num_train": 1, "seed": 0}, "num_train"),
        ({"num_train": -1, "seed": 0}, "num_train"),
        ({"num_train": True, "seed": 0}, "num_train"),
        ({"num_train": "5", "seed": 0}, "num_train"),
        ({"num_train": 5, "num_validation": -1, "seed": 0}, "num_validation"),
        ({"num_train": 5, "num_test": -1, "seed": 0}, "num_test"),
        ({"num_train": 5, "num_test": 2.0, "seed": 0}, "num_test"),
        ({"num_train": 11, "seed": 0}, "split"),
        ({"num_train": 5, "num_validation": 6, "seed": 0}, "split"),
        ({"num_train": 5, "train": NAMES[:5], "seed": 0}, "split"),
        ({"num_test": 5, "train": NAMES[:5]}, "split"),
        ({"train": NAMES[:5], "seed": 0}, "seed"),
        ({"test": NAMES[:5]}, "train"),
        ({"train": NAMES[:1]}, "train"),
        ({"train": []}, "train"),
        ({"train": "class00"}, "train"),
        ({"train": 5}, "train"),
        ({"train": [0, 1]}, "train"),
        ({"train": [*NAMES[:2], "class99"]}, "train"),
        ({"train": NAMES[:2], "validation": ["class99"]}, "validation"),
        ({"train": [NAMES[0], NAMES[0]]}, "train"),
        ({"train": NAMES[:3], "validation": NAMES[2:4]}, "validation"),
        ({"train": NAMES[:3], "test": NAMES[2:4]}, "test"),
        ({"train": NAMES[:3], "validation": NAMES[4:6], "test": NAMES[5:]}, "test"),
    ],
)
def test_mistakes(arguments: dict[str, Any], parameter: str) -> None:
    with pytest.raises(ParameterError) as caught:
        split_classes(NAMES, **arguments)
    assert caught.value.parameter == parameter
    assert "\n" not in str(caught.value)


def test_unknown_name_is_named_with_what_exists() -> None:
    with pytest.raises(ParameterError, match="got unknown class 'cow'; accepted: names out of cat, dog, hen"):
        split_classes(["hen", "dog", "cat"], train=["dog", "cow"])


def test_fewer_than_the_names_to_list_are_not_all_listed() -> None:
    many = [f"class{number:03d}" for number in range(500)]
    with pytest.raises(ParameterError, match=r"class011, \.\.\. \(500 classes\)$"):
        split_classes(many, train=["cow", "hen"])


@pytest.mark.parametrize(
    "split", [split_classes(NAMES, 5, 2, 3, seed=4), split_classes(NAMES, train=NAMES[:4], test=NAMES[8:])]
)
def test_dict_survives_json(split: ClassSplit) -> None:
    assert ClassSplit.from_dict(json.loads(json.dumps(split.to_dict()))) == split


@pytest.mark.parametrize(
    ("values", "parameter"),
    [
        ({"train": ["a", "b"], "test": []}, "split"),
        ({"train": "ab", "validation": [], "test": []}, "train"),
        ({"train": ["a", "b"], "validation": [], "test": ["b"]}, "test"),
        ({"train": ["a", "b"], "validation": [1], "test": []}, "validation"),
        ({"train": ["a", "b"], "validation": [], "test": [], "seed": "x"}, "seed"),
    ],
)
def test_damaged_dict(values: dict[str, Any], parameter: str) -> None:
    with pytest.raises(ParameterError) as caught:
        ClassSplit.from_dict(values)
    assert caught.value.parameter == parameter
