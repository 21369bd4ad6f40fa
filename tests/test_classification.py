"""Recognising recordings from examples."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import siamaudio as sa


@pytest.fixture
def supports(unseen: sa.Features, tmp_path: Path) -> Path:
    """A folder with one subfolder a class, two recordings each."""
    for name in unseen.class_names:
        (tmp_path / "supports" / name).mkdir(parents=True)
        for clip in unseen.select_classes([name]).clips[:2]:
            shutil.copy(clip.path, tmp_path / "supports" / name)
    return tmp_path / "supports"


def test_equals_similarities_by_hand(trained: sa.SiameseNetwork, unseen: sa.Features, supports: Path) -> None:
    queries = [clip.path for name in unseen.class_names for clip in unseen.select_classes([name]).clips[2:5]]
    result = sa.classify_oneshot(trained, supports, queries)
    assert result.classes == unseen.class_names
    embeddings = dict(zip(unseen.clips.paths, trained.embed(unseen), strict=True))
    for query, row, prediction in zip(queries, result.similarities, result.predictions, strict=True):
        by_hand = [
            trained.similarity(
                [embeddings[query]], [embeddings[clip.path] for clip in unseen.select_classes([name]).clips[:2]]
            ).mean()
            for name in unseen.class_names
        ]
        np.testing.assert_allclose(row, by_hand, atol=1e-5)
        assert prediction == unseen.class_names[int(np.argmax(row))]
    assert list(result.to_frame().columns) == ["prediction", *unseen.class_names]
    assert result.to_dict()[0]["query"] == queries[0]


def test_a_support_is_its_own_class(trained: sa.SiameseNetwork, unseen: sa.Features, supports: Path) -> None:
    """Nothing is more alike than a recording and itself, wherever it lies."""
    one_each = {name: sorted((supports / name).iterdir())[0] for name in unseen.class_names}
    result = sa.classify_oneshot(trained, one_each, list(one_each.values()))
    assert result.predictions == tuple(one_each)


def test_flat_folder_names_classes_by_file(trained: sa.SiameseNetwork, supports: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for folder in supports.iterdir():
        shutil.copy(sorted(folder.iterdir())[0], flat / f"{folder.name}.wav")
    query = sorted(next(supports.iterdir()).iterdir())[1]
    nested = {name.stem: [name] for name in flat.iterdir()}
    assert sa.classify_oneshot(trained, flat, query).to_dict()[0]["similarities"] == pytest.approx(
        sa.classify_oneshot(trained, dict(sorted(nested.items())), query).to_dict()[0]["similarities"]
    )


def test_bad_input_is_named(trained: sa.SiameseNetwork, supports: Path, tmp_path: Path) -> None:
    query = sorted(next(supports.iterdir()).iterdir())[0]
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.wav").write_text("no sound")
    for arguments, error, message in (
        ((tmp_path / "none", query), sa.DatasetError, "no such folder"),
        ((tmp_path / "empty", query), sa.DatasetError, "holds no supports"),
        (({"only": query}, query), sa.DatasetError, "two or more are needed"),
        (({"a": query, "b": []}, query), sa.DatasetError, "class 'b' has no support"),
        ((supports, []), sa.ParameterError, "one or more recordings"),
        ((supports, tmp_path / "text.wav"), sa.AudioError, "text.wav: is not an audio file"),
        ((supports, tmp_path / "gone.wav"), sa.AudioError, "gone.wav: no such file"),
    ):
        with pytest.raises(error, match=message):
            sa.classify_oneshot(trained, *arguments)
