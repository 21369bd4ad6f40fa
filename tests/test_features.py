"""Features as a collection."""

from __future__ import annotations

import numpy as np
import pytest

import siamaudio as sa


def test_parts_stay_aligned(synthetic_features: sa.Features) -> None:
    part = synthetic_features[[5, 90, 17]]
    np.testing.assert_array_equal(part.array, synthetic_features.array[[5, 90, 17]])
    for position, index in enumerate((5, 90, 17)):
        assert part.clips[position].path == synthetic_features.clips[index].path
        assert part.clips[position].class_name == synthetic_features.clips[index].class_name
    assert len(synthetic_features[10:20]) == 10
    assert len(synthetic_features[[]]) == 0
    assert part.front_end == synthetic_features.front_end


def test_split_classes(synthetic_features: sa.Features) -> None:
    parts = synthetic_features.split_classes(7, 2, 3, seed=3)
    assert [len(part.class_names) for part in parts] == [7, 2, 3]
    assert sum(len(part) for part in parts) == len(synthetic_features)
    names = [set(part.class_names) for part in parts]
    assert sum(map(len, names)) == len(set().union(*names))
    for part in parts:
        by_path = {clip.path: clip.class_name for clip in synthetic_features.clips}
        assert all(by_path[clip.path] == clip.class_name for clip in part.clips)
    assert len(synthetic_features.split_classes(10, 0, 2, seed=0)[1]) == 0
    again = synthetic_features.split_classes(7, 2, 3, seed=3)
    assert [part.class_names for part in again] == [part.class_names for part in parts]
    named = synthetic_features.split_classes(train=parts[0].class_names, validation=parts[1].class_names)
    assert named[2].class_names == parts[2].class_names


def test_array_protocol_and_repr(synthetic_features: sa.Features) -> None:
    assert np.asarray(synthetic_features).shape == (96, 32, 47)
    assert repr(synthetic_features) == "Features('synthetic': 96 clips of 32 bands x 47 frames, 12 classes)"


@pytest.mark.parametrize("shape", [(4,), (4, 8), (3, 8, 8), (4, 1, 8, 8)])
def test_wrong_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises((sa.ParameterError, sa.DatasetError), match=r"accepted: "):
        sa.Features.from_arrays(np.zeros(shape), ["a", "a", "b", "b"])
