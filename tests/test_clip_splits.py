from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import siamaudio as sa
from siamaudio.clip_splits import ClipSplit, FoldSplit, SourceSplit, positions, split_from_dict, split_name
from siamaudio.datasets import Clips
from siamaudio.errors import ParameterError
from siamaudio.splits import ClassSplit


@pytest.fixture(scope="module")
def clips() -> Clips:
    """400 clips of 8 classes and 5 folds; sources of 1 to 6 clips, some of them in two classes."""
    rng = np.random.default_rng(0)
    classes = [f"class{number % 8}" for number in range(400)]
    sources = [f"source{number}" for number in rng.integers(0, 150, 400)]
    return Clips(
        paths=[f"{number}.wav" for number in range(400)],
        class_of_clip=classes,
        sources=sources,
        folds=rng.integers(1, 6, 400),
        name="many",
    )


def all_splits(clips: Clips) -> list[Any]:
    return [
        sa.split_folds([1, 3], validation=[5], test=[2]),
        sa.split_sources(clips, validation=0.1, test=0.3, seed=4),
        sa.split_clips(clips, 10, 5, seed=7),
        ClassSplit(train=("class0", "class1"), validation=("class2",), test=("class3",), seed=None),
    ]


def test_folds(clips: Clips) -> None:
    train, validation, test = clips.split(sa.split_folds([3, 1], validation=[5], test=[2]))
    expected = [[clip.path for clip in clips if clip.fold in folds] for folds in ((1, 3), (5,), (2,))]
    assert [list(part.paths) for part in (train, validation, test)] == expected


@pytest.mark.parametrize("seed", range(5))
def test_no_source_is_in_two_parts(clips: Clips, seed: int) -> None:
    parts = clips.split(sa.split_sources(clips, validation=0.1, test=0.3, seed=seed))
    assert sorted(path for part in parts for path in part.paths) == sorted(clips.paths)
    groups = [set(part.sources) for part in parts]
    assert sum(map(len, groups)) == len(set(clips.sources))
    for part, share in zip(parts, (0.6, 0.1, 0.3), strict=True):
        counts = Counter(clip.class_name for clip in part)
        assert len(counts) == 8
        assert all(abs(count - share * 50) <= 6 for count in counts.values()), counts  # a source has up to 6 clips


def test_shares_of_nothing_are_empty(clips: Clips) -> None:
    train, validation, test = clips.split(sa.split_sources(clips, validation=0, test=0, seed=1))
    assert (len(train), len(validation), len(test)) == (400, 0, 0)


@pytest.mark.parametrize(
    ("counts", "expected"), [((10, 5, 20), (10, 5, 20)), ((10, 0, None), (10, 0, 40)), ((50,), (50, 0, 0))]
)
def test_the_same_number_of_each_class(clips: Clips, counts: Any, expected: Any) -> None:
    split = sa.split_clips(clips, *counts, seed=3)
    parts = positions(split, clips)
    for part, number in zip(parts, expected, strict=True):
        assert np.bincount(clips.labels[part], minlength=8).tolist() == [number] * 8
        assert (np.diff(part) > 0).all()
    together = np.concatenate(parts)
    assert len(set(together.tolist())) == len(together)


def test_seeds_make_splits(clips: Clips) -> None:
    for make in (lambda seed: sa.split_clips(clips, 10, seed=seed), lambda seed: sa.split_sources(clips, seed=seed)):
        assert make(1) == make(1)
        assert make(1) != make(2)


def test_features_are_split_as_their_clips(clips: Clips) -> None:
    features = sa.Features(np.arange(400.0, dtype=np.float32)[:, None, None], clips=clips)
    for split in all_splits(clips):
        for part, own in zip(features.split(split), clips.split(split), strict=True):
            assert part.clips.paths == own.paths
            assert [f"{value:.0f}.wav" for value in part.array[:, 0, 0]] == list(own.paths)


def test_arrays_have_folds(rng: np.random.Generator) -> None:
    features = sa.Features.from_arrays(rng.random((4, 2, 3)), list("abab"), folds=[1, 2, 1, 2])
    train, _, test = features.split(sa.split_folds([2], test=[1]))
    np.testing.assert_array_equal(train.array, features.array[[1, 3]])
    np.testing.assert_array_equal(test.array, features.array[[0, 2]])


def test_splits_survive_json(clips: Clips, tmp_path: Path) -> None:
    for split in all_splits(clips):
        sa.save_split(split, tmp_path / "split.json")
        assert sa.load_split(tmp_path / "split.json") == split
        assert json.loads((tmp_path / "split.json").read_text())["name"] == split_name(split)


def test_names() -> None:
    assert split_name(FoldSplit((1, 2), (), (3,))) == "folds 1+2 / none / 3"
    assert split_name(SourceSplit(("a", "b"), (), ("c",), seed=5)) == "sources 2/0/1, seed 5"
    assert split_name(ClipSplit((0, 1), (), (2,), num_clips=4)) == "clips 2/0/1, named"


def test_a_network_keeps_its_split(trained: sa.SiameseNetwork, tmp_path: Path) -> None:
    trained.save(tmp_path / "a.siam")
    net = sa.SiameseNetwork.load(tmp_path / "a.siam")
    for split in (
        sa.split_folds([1], test=[2]),
        SourceSplit(("a",), (), ("b",), 3),
        ClassSplit(("a", "b"), (), ("c",)),
    ):
        net.split_ = split
        net.save(tmp_path / "b.siam")
        assert sa.SiameseNetwork.load(tmp_path / "b.siam").split_ == split


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "^split: got keys"),
        ({"by": "weather", "train": [], "validation": [], "test": []}, "by 'weather'"),
        ({"by": "fold", "train": [1], "validation": [1], "test": []}, "1 again"),
        ({"by": "fold", "train": [], "validation": [1], "test": []}, "^train: got no folds"),
        ({"by": "fold", "train": ["1"], "validation": [], "test": []}, "a list of folds"),
        ({"by": "fold", "train": [True], "validation": [], "test": []}, "a list of folds"),
        ({"by": "source", "train": "ab", "validation": [], "test": []}, "a list of sources"),
        ({"by": "source", "train": [1], "validation": [], "test": []}, "a list of sources"),
        ({"by": "source", "train": ["a"], "validation": [], "test": [], "seed": -1}, "^seed"),
        ({"by": "clip", "train": [0], "validation": [], "test": []}, "^num_clips"),
        ({"by": "clip", "train": [4], "validation": [], "test": [], "num_clips": 4}, "positions up to 4"),
        ({"by": "clip", "train": [-1], "validation": [], "test": [], "num_clips": 4}, "^split"),
    ],
)
def test_malformed_splits(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        split_from_dict(values)


@pytest.mark.parametrize("content", [None, b"", b"[]", b"\xff", b"[" * 100_000])
def test_files_that_are_no_split(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ParameterError, match="a file that save_split wrote"):
        sa.load_split(tmp_path / "a.json")


def test_splits_of_other_clips(clips: Clips) -> None:
    others = [
        (sa.split_folds([1], test=[9]), "fold 9 to test; accepted: those of these clips: 1, 2, 3, 4, 5"),
        (SourceSplit(("elsewhere",), (), ()), "source 'elsewhere' to train"),
        (ClassSplit(("class0", "dog"), (), ()), "class 'dog' to train"),
        (ClipSplit((0,), (), (1,), num_clips=2), "one of 2 clips; accepted: one of these 400 clips"),
    ]
    for split, message in others:
        with pytest.raises(ParameterError, match=message):
            clips.split(split)
    with pytest.raises(ParameterError, match="what split_classes"):
        clips.split((0.8, 0.2))  # type: ignore[arg-type]


def test_wrong_use(clips: Clips) -> None:
    with pytest.raises(ParameterError, match=r"got 60 clips of each class; accepted: at most the 50 of 'class0'"):
        sa.split_clips(clips, 40, 20, seed=0)
    for arguments, name in (
        ((0,), "num_train"),
        ((1, -1), "num_validation"),
        ((1, 1, -1), "num_test"),
        ((1.5,), "num_train"),
    ):
        with pytest.raises(ParameterError, match=f"^{name}"):
            sa.split_clips(clips, *arguments, seed=0)
    for validation, test in ((0.5, 0.5), (-0.1, 0.2), (0.1, float("nan"))):
        with pytest.raises(ParameterError, match="leave some for training"):
            sa.split_sources(clips, validation=validation, test=test, seed=0)
    with pytest.raises(ParameterError, match=r"^seed"):
        sa.split_sources(clips, seed=-1)
    with pytest.raises(ParameterError, match=r"3 again \(already in train\)"):
        sa.split_folds([1, 3], test=[3])
