"""Augmentation as seen from Python. What each one does and draws is tested in C++, against loops."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import siamaudio as sa
from siamaudio import augment
from siamaudio.errors import ParameterError

AUGMENTATIONS = [cls() for cls in augment.registry.classes]


def pictures(*shape: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def by_name(augmentation: Any) -> str:
    return type(augmentation).__name__


@pytest.mark.parametrize("augmentation", AUGMENTATIONS, ids=by_name)
def test_each_changes_copies_repeatably(augmentation: augment.Augmentation) -> None:
    x = pictures(6, 20, 30)
    original = x.copy()
    changed = [augment.apply([augmentation], x, seed=seed) for seed in (1, 1, 2, 3, 4)]
    assert np.array_equal(x, original)
    assert changed[0].dtype == np.float32
    assert changed[0].shape == ((6, 20, 128) if by_name(augmentation) == "RandomCrop" else x.shape)
    assert np.array_equal(changed[0], changed[1])
    assert any(not np.array_equal(changed[0], other) for other in changed[2:])
    with_channels = augment.apply([augmentation], x[:, None], seed=1)
    assert np.array_equal(with_channels[:, 0], changed[0])


def test_nothing_is_a_copy() -> None:
    x = pictures(2, 3, 4)
    same = augment.apply([], x)
    assert np.array_equal(same, x)
    assert not np.shares_memory(same, x)


def test_names_stand_for_defaults() -> None:
    x = pictures(4, 20, 30)
    assert np.array_equal(augment.apply(["gain"], x, seed=3), augment.apply([augment.Gain()], x, seed=3))


def test_order_matters() -> None:
    x = pictures(4, 20, 30)
    louder = augment.Gain(max_gain=0, max_offset=5)
    masked = augment.SpecAugment(max_time_frames=30, num_frequency_masks=0, value=100.0)
    assert augment.apply([louder, masked], x, seed=1).max() == 100
    assert augment.apply([masked, louder], x, seed=1).max() != 100


def test_options_reach_the_core() -> None:
    """Each field changes the outcome, so none is lost or mixed up with another on the way."""
    x = pictures(8, 40, 60)
    other = {
        "max_factor": 1.5,
        "max_bands": 5,
        "frames": 20,
        "max_gain": 0.5,
        "max_offset": 0.7,
        "std": 0.3,
        "num_time_masks": 3,
        "max_time_frames": 50,
        "num_frequency_masks": 3,
        "value": -7.0,
        "alpha": 3.0,
        "num_points": 3,
        "probability": 0.1,
    }
    for augmentation in AUGMENTATIONS:
        for field in dataclasses.fields(augmentation):
            changed = dataclasses.replace(augmentation, **{field.name: other[field.name]})
            assert any(
                not np.array_equal(augment.apply([augmentation], x, seed=s), augment.apply([changed], x, seed=s))
                for s in range(5)
            ), (by_name(augmentation), field.name)


def test_masks_hold_the_mean_of_the_clip() -> None:
    x = pictures(5, 20, 30)
    masked = augment.apply([augment.SpecAugment()], x, seed=1)
    for before, after in zip(x, masked, strict=True):
        assert np.allclose(after[after != before], before.mean(), atol=1e-6)


@pytest.mark.parametrize("augmentation", AUGMENTATIONS, ids=by_name)
def test_options_survive_a_dictionary(augmentation: augment.Augmentation) -> None:
    assert augment.registry.from_dict(augment.registry.to_dict(augmentation)) == augmentation


@pytest.mark.parametrize(
    ("augmentations", "spectrograms", "options", "message"),
    [
        ([sa.augment.Gain(max_gain=-1)], pictures(1, 2, 3), {}, r"Gain\.max_gain: got -1; accepted: a finite number"),
        ([sa.augment.Mixup()] * 2, pictures(1, 2, 3), {}, "augment: got 2 times Mixup; accepted: Mixup once at most"),
        ([sa.augment.SpecAugment(max_bands=2.5)], pictures(1, 2, 3), {}, "max_bands: got 2.5; accepted: a whole"),  # pyright: ignore[reportArgumentType]
        (["louder"], pictures(1, 2, 3), {}, "augmentation: got louder; accepted: 'time_shift'"),
        ([3], pictures(1, 2, 3), {}, "augmentation: got 3; accepted: 'TimeShift'"),
        ([], pictures(2, 3), {}, r"spectrograms: got float32 of shape \(2, 3\); accepted: numbers of shape"),
        ([], pictures(0, 2, 3), {}, r"spectrograms: got \[0, 1, 2, 3\]"),
        ([], [["a"]], {}, "spectrograms: got <U1"),
        ([], pictures(1, 2, 3), {"seed": -1}, "seed: got -1"),
        ([], pictures(1, 2, 3), {"device": "tpu"}, "device: got tpu"),
    ],
)
def test_what_is_wrong_is_named(augmentations: Any, spectrograms: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        sa.augment.apply(augmentations, spectrograms, **options)
