"""Features as a collection."""

from __future__ import annotations

import copy
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import siamaudio as sa
from siamaudio import blocks, network


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


@pytest.mark.parametrize("shape", [(4,), (4, 8), (3, 8, 8), (3, 1, 8, 8), (4, 1, 1, 8, 8)])
def test_wrong_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises((sa.ParameterError, sa.DatasetError), match=r"accepted: "):
        sa.Features.from_arrays(np.zeros(shape), ["a", "a", "b", "b"])


def test_classes_of_another_number_of_images() -> None:
    with pytest.raises(sa.ParameterError, match="labels: got 3 for 4 images; accepted: one for each image"):
        sa.Features.from_arrays(np.zeros((4, 8, 8)), ["a", "a", "b"])


# ---- Features of a store, read when they are asked for

DTYPES = ("float32", "float16")


@pytest.fixture(params=DTYPES)
def pair(
    request: pytest.FixtureRequest, tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> tuple[sa.Features, Path]:
    """23 clips in memory, and their store: four blocks of seven clips, the last of two."""
    array = (40 * rng.standard_normal((23, 4, 6))).astype(request.param)
    monkeypatch.setattr(blocks, "_BLOCK_BYTES", 7 * array[0].nbytes + 1)
    names = [f"class {index % 5}" for index in range(23)]
    sources = [f"source {index // 2}" for index in range(23)]
    features = sa.Features.from_arrays(array, names, sources=sources, lengths=rng.integers(0, 7, 23), name="mine")
    features.save(tmp_path / "f.zarr")
    assert len(list((tmp_path / "f.zarr" / "spectrograms").glob("c.*"))) == 4
    return features, tmp_path / "f.zarr"


def assert_same(actual: sa.Features, expected: sa.Features) -> None:
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype == actual.to_numpy().dtype == actual.array.dtype
    np.testing.assert_array_equal(actual.to_numpy(), expected.array)
    np.testing.assert_array_equal(actual.array, expected.array)
    np.testing.assert_array_equal(actual.lengths, expected.lengths)
    assert actual.clips.to_frame().equals(expected.clips.to_frame())
    assert actual.clips.name == expected.clips.name
    assert actual.front_end == expected.front_end
    assert repr(actual) == repr(expected)


INDICES = [
    slice(None),
    slice(3, 20),
    slice(None, None, -1),
    slice(20, 2, -3),
    slice(5, 5),
    [],
    [6],
    [7, 6, 22, 0, 7, 7, -1],
    np.arange(23) % 3 == 1,
    np.zeros(23, dtype=bool),
    np.array([13, 14], dtype=np.uint8),
]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_choosing_clips(pair: tuple[sa.Features, Path], index: object) -> None:
    """A chain of choices gives what NumPy's indexing gives, wherever the clips lie."""
    features, path = pair
    expected = features[index]
    np.testing.assert_array_equal(
        expected.array, features.array[np.asarray(index, int) if isinstance(index, list) else index]
    )
    lazy = sa.Features.load(path)[index]
    assert_same(lazy, expected)
    for again in (slice(None, None, 2), slice(1, None), [0, 0] if len(expected) else []):
        assert_same(sa.Features.load(path)[index][again], expected[again])


@pytest.mark.parametrize("index", [0, 6, 7, 22, -1, np.int64(13)])
def test_one_clip(pair: tuple[sa.Features, Path], index: int) -> None:
    features, path = pair
    for made in (features, sa.Features.load(path), sa.Features.load(path)[::-1][::-1]):
        np.testing.assert_array_equal(made[index], features.array[index])
        with pytest.raises(IndexError):
            made[23]


@pytest.mark.parametrize(
    ("index", "error"),
    [([0.5], sa.ParameterError), ([[1]], sa.ParameterError), ([True], sa.ParameterError), ([23], IndexError)],
)
def test_wrong_indices(pair: tuple[sa.Features, Path], index: object, error: type[Exception]) -> None:
    features, path = pair
    for made in (features, sa.Features.load(path)):
        with pytest.raises(error):
            made[index]


def test_iteration(pair: tuple[sa.Features, Path]) -> None:
    features, path = pair
    for made in (features, sa.Features.load(path), sa.Features.load(path)[::-1]):
        np.testing.assert_array_equal(np.stack(list(made)), made.to_numpy())


@pytest.mark.parametrize("options", [{"num_clips": 5}, {"num_clips": 100}, {"max_bytes": 1}, {"max_bytes": 1000}, {}])
def test_blocks(pair: tuple[sa.Features, Path], options: dict[str, int]) -> None:
    features, path = pair
    for made in (features, sa.Features.load(path)):
        parts = list(made.iter_blocks(**options))
        sizes = [len(part) for part in parts]
        clips_of_bytes = max(1, options.get("max_bytes", 1 << 20) // features.array[0].nbytes)
        largest = options.get("num_clips", clips_of_bytes)
        assert sizes[:-1] == [min(largest, 23)] * (len(sizes) - 1)
        assert sum(sizes) == 23
        assert_same(sa.Features.concatenate(parts), features)
    assert list(features[:0].iter_blocks()) == []


@pytest.mark.parametrize("options", [{"num_clips": 0}, {"max_bytes": -1}, {"num_clips": 1, "max_bytes": 1}])
def test_wrong_blocks(pair: tuple[sa.Features, Path], options: dict[str, int]) -> None:
    with pytest.raises(sa.ParameterError):
        pair[0].iter_blocks(**options)


def test_nothing_is_read_before_it_is_asked_for(pair: tuple[sa.Features, Path]) -> None:
    """Damage in one block is met by who reads that block alone."""
    features, path = pair
    block = path / "spectrograms" / "c.1.0.0"
    block.write_bytes(bytes(block.stat().st_size))
    lazy = sa.Features.load(path)
    part = sa.Features.concatenate([lazy.select_classes(["class 1"]), lazy.astype("float16")[::-1]])
    with pytest.raises(sa.StoreError, match="block of clips 7 to 13"):
        part.to_numpy()
    with pytest.raises(sa.StoreError, match="block of clips 7 to 13"):
        lazy[7]
    np.testing.assert_array_equal(lazy[[0, 6, 14, 22]].array, features.array[[0, 6, 14, 22]])


def test_one_clip_is_one_read(pair: tuple[sa.Features, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Once its block has been checked, a clip costs its own bytes."""
    features, path = pair
    lazy = sa.Features.load(path)
    assert lazy[8].size
    sizes = []
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, size, at: sizes.append(size) or real(fd, size, at))
    monkeypatch.setattr(blocks.BlockReader, "_read_block", lambda *_: pytest.fail("read a whole block"))
    np.testing.assert_array_equal(lazy[9], features.array[9])
    np.testing.assert_array_equal(lazy[[13, 7]].array, features.array[[13, 7]])
    assert sizes == [features.array[0].nbytes] * 3


def test_array_is_kept_and_to_numpy_is_not(pair: tuple[sa.Features, Path]) -> None:
    _, path = pair
    lazy = sa.Features.load(path)
    first = lazy.to_numpy()
    assert not np.shares_memory(first, lazy.to_numpy())
    np.testing.assert_array_equal(np.asarray(lazy), first)
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(lazy, copy=False)
    assert lazy.array is lazy.array
    assert np.shares_memory(np.asarray(lazy, copy=False), lazy.array)
    assert not np.shares_memory(lazy.to_numpy(), lazy.array)
    assert np.asarray(lazy, dtype=np.float64).dtype == np.float64


def test_precision(pair: tuple[sa.Features, Path], tmp_path: Path) -> None:
    features, path = pair
    for made in (features, sa.Features.load(path)):
        for dtype in DTYPES:
            other = made.astype(dtype)
            np.testing.assert_array_equal(other.array, features.array.astype(dtype))
            assert other.dtype == np.dtype(dtype)
            assert other.nbytes == 23 * 4 * 6 * np.dtype(dtype).itemsize
            np.testing.assert_array_equal(other.lengths, features.lengths)
            other.save(tmp_path / "other.zarr")
            assert_same(sa.Features.load(tmp_path / "other.zarr"), other)
        half = features.array.astype(np.float16)
        rounded = made.astype("float16").astype("float32")
        np.testing.assert_array_equal(rounded.array, half.astype(np.float32))
        both = sa.Features.concatenate([sa.Features.load(path).astype("float16"), made.astype("float32")])
        np.testing.assert_array_equal(both.array, np.concatenate([half, features.array.astype(np.float32)]))
        np.testing.assert_array_equal(made.to_numpy("float64"), features.array.astype(np.float64))
        for dtype in (np.float64, np.int32):
            with pytest.raises(sa.ParameterError, match=r"^dtype: got "):
                made.astype(dtype)
        with pytest.raises(sa.ParameterError, match=r"^dtype: got int32"):
            made.to_numpy(np.int32)


def test_values_that_float16_cannot_hold(tmp_path: Path) -> None:
    array = np.array([[[1e6, np.inf, np.nan]], [[1.0, -np.inf, 0.0]]])
    features = sa.Features.from_arrays(array, ["a", "b"])
    features.save(tmp_path / "f.zarr")
    lazy = sa.Features.load(tmp_path / "f.zarr").astype("float16")
    with pytest.raises(sa.ParameterError, match=r"^dtype: got float16 for values beyond 65504"):
        features.astype("float16")
    with pytest.raises(sa.ParameterError, match=r"^dtype: got float16 for values beyond 65504"):
        _ = lazy.array
    np.testing.assert_array_equal(lazy[1], array[1].astype(np.float16))


def test_concatenate(pair: tuple[sa.Features, Path], tmp_path: Path) -> None:
    features, path = pair
    lazy = sa.Features.load(path)
    expected = sa.Features.concatenate([features[5:9], features, features[:0], features[::-2]])
    np.testing.assert_array_equal(expected.array[:4], features.array[5:9])
    assert expected.clips.paths == (*features.clips.paths[5:9], *features.clips.paths, *features.clips.paths[::-2])
    assert expected.sources[:4] == features.sources[5:9]
    mixed = sa.Features.concatenate([lazy[5:9], features, sa.Features.load(path)[:0], lazy[::-2]])
    assert_same(mixed, expected)
    mixed.save(tmp_path / "mixed.zarr")
    assert_same(sa.Features.load(tmp_path / "mixed.zarr"), expected)
    chosen = sa.Features.concatenate([lazy, features])[[45, 0, 23, 22, 1]]
    np.testing.assert_array_equal(chosen.array, features.array[[22, 0, 0, 22, 1]])


def test_concatenated_classes_are_numbered_anew() -> None:
    a = sa.Features.from_arrays(np.zeros((2, 3, 4)), ["b", "d"], name="x")
    b = sa.Features.from_arrays(np.ones((2, 3, 4), dtype=np.float16), ["c", "b"], name="y")
    both = sa.Features.concatenate([a, b])
    assert both.class_names == ("b", "c", "d")
    assert both.labels.tolist() == [0, 2, 1, 0]
    assert both.clips.name == "x + y"
    assert both.dtype == np.float32
    assert sa.Features.concatenate([b, b]).dtype == np.float16


def test_what_cannot_be_concatenated(synthetic_features: sa.Features) -> None:
    with pytest.raises(sa.ParameterError, match=r"^parts: got no features"):
        sa.Features.concatenate([])
    other = sa.Features.from_arrays(np.zeros((2, 32, 40)), ["a", "b"])
    with pytest.raises(sa.ParameterError, match=r"shapes \(96, 32, 47\) and \(2, 32, 40\)"):
        sa.Features.concatenate([synthetic_features, other])
    same_shape = sa.Features.from_arrays(np.zeros((2, 32, 47)), ["a", "b"])
    with pytest.raises(sa.ParameterError, match=r"made by LogMel\(.*\) and by None"):
        sa.Features.concatenate([synthetic_features, same_shape])


@pytest.mark.parametrize("lengths", [[1, 2], [1, 2, 3, 7], [0, 0, 0, -1], [1.0, 2.0, 3.0, 4.0], [[1, 2, 3, 4]]])
def test_wrong_lengths(lengths: list[int]) -> None:
    with pytest.raises(sa.ParameterError, match=r"^lengths: got "):
        sa.Features.from_arrays(np.zeros((4, 5, 6)), list("aabb"), lengths=lengths)


def test_lengths_are_always_there() -> None:
    features = sa.Features.from_arrays(np.zeros((4, 5, 6)), list("aabb"))
    assert features.lengths.tolist() == [6, 6, 6, 6]
    assert features.lengths.dtype == np.int64
    assert not features.lengths.flags.writeable
    given = np.array([1, 2, 3, 0])
    features = sa.Features.from_arrays(np.zeros((4, 5, 6)), list("aabb"), lengths=given)
    given[:] = 5
    assert features[[3, 1]].lengths.tolist() == [0, 2]


def test_pickled_features_open_their_store(pair: tuple[sa.Features, Path]) -> None:
    features, path = pair
    lazy = sa.Features.load(path)[3:20]
    assert len(pickle.dumps(lazy)) < 10_000
    assert_same(pickle.loads(pickle.dumps(lazy)), features[3:20])
    assert_same(copy.deepcopy(lazy), features[3:20])


def test_many_threads_may_read(pair: tuple[sa.Features, Path]) -> None:
    features, path = pair
    lazy = sa.Features.load(path)
    order = np.random.default_rng(1).integers(0, 23, 400).tolist()
    with ThreadPoolExecutor(8) as executor:
        for index, clip in zip(order, executor.map(lazy.__getitem__, order), strict=True):
            np.testing.assert_array_equal(clip, features.array[index])


def test_a_network_takes_features_of_a_store(
    trained: sa.SiameseNetwork, unseen: sa.Features, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same embeddings, bit for bit, read in blocks or not."""
    expected = trained.embed(unseen.array)
    unseen.save(tmp_path / "f.zarr")
    monkeypatch.setattr(network, "_EMBED_CLIPS", 16)
    np.testing.assert_array_equal(trained.embed(sa.Features.load(tmp_path / "f.zarr")), expected)
    half = trained.embed(sa.Features.load(tmp_path / "f.zarr").astype("float16"))
    np.testing.assert_array_equal(half, trained.embed(unseen.array.astype(np.float16)))
    assert trained.embed(sa.Features.load(tmp_path / "f.zarr")[:0]).shape == (0, 32)
