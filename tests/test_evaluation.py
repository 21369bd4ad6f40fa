"""Exact one-shot evaluation, against every task written out."""

from __future__ import annotations

import itertools
import json

import numpy as np
import numpy.typing as npt
import pytest

import siamaudio as sa


def _all_tasks(
    similarity: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], ways: int
) -> tuple[float, npt.NDArray[np.float64]]:
    """Accuracy and confusion by enumerating every class subset, query, support and choice of other clips.

    A class's subsets count alike, and within one all of its tasks.
    """
    classes = sorted(set(labels))
    members = {c: np.flatnonzero(labels == c) for c in classes}
    confusion = np.zeros((len(classes), len(classes)))
    for own in classes:
        subsets = list(itertools.combinations([c for c in classes if c != own], ways - 1))
        for others in subsets:
            pairs = itertools.permutations(members[own], 2)
            tasks = list(itertools.product(pairs, *(members[c] for c in others)))
            for (query, support), *clips in tasks:
                values = similarity[query, [support, *clips]]
                winners = np.flatnonzero(values == values.max())
                for winner in winners:
                    confusion[own, [own, *others][winner]] += 1 / (len(winners) * len(tasks) * len(subsets))
    return float(np.diag(confusion).mean()), confusion


@pytest.mark.parametrize("num_values", [2, 3, 1000])
@pytest.mark.parametrize("ways", [2, 3, 4, 5])
def test_equals_every_task(rng: np.random.Generator, ways: int, num_values: int) -> None:
    labels = np.array([0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 4])
    similarity = rng.integers(num_values, size=(11, 11)).astype(np.float64)
    accuracy, confusion = _all_tasks(similarity, labels, ways)
    result = sa.evaluate_oneshot(similarity=similarity, labels=labels, ways=ways)
    assert result.accuracy == pytest.approx(accuracy, abs=1e-12)
    np.testing.assert_allclose(result.confusion, confusion, atol=1e-12)
    np.testing.assert_allclose(result.confusion.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(list(result.per_class.values()), np.diag(confusion), atol=1e-12)


@pytest.mark.parametrize("ways", [2, 5, 20])
def test_guessing_is_chance(ways: int) -> None:
    labels = np.repeat(np.arange(20), 10)
    result = sa.evaluate_oneshot(similarity=np.zeros((200, 200)), labels=labels, ways=ways)
    assert result.accuracy == pytest.approx(result.chance, abs=1e-12)
    assert result.chance == 1 / ways


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_embeddings_equal_their_similarity_matrix(rng: np.random.Generator, metric: str) -> None:
    embeddings = rng.standard_normal((30, 8)).astype(np.float32)
    labels = np.repeat([f"class {i}" for i in range(6)], 5)
    if metric == "cosine":
        unit = embeddings.astype(np.float64) / np.linalg.norm(embeddings.astype(np.float64), axis=1, keepdims=True)
        similarity = unit @ unit.T
    else:
        similarity = -np.linalg.norm(embeddings[:, None].astype(np.float64) - embeddings[None], axis=2)
    by_embeddings = sa.evaluate_oneshot(embeddings=embeddings, labels=labels, metric=metric)
    by_similarity = sa.evaluate_oneshot(similarity=similarity, labels=labels)
    assert by_embeddings.accuracy == pytest.approx(by_similarity.accuracy, abs=1e-6)
    assert by_embeddings.classes == tuple(f"class {i}" for i in range(6))


def test_network_equals_its_similarity_matrix(trained: sa.SiameseNetwork, synthetic_features: sa.Features) -> None:
    classes = [name for name in synthetic_features.class_names if name not in trained.train_classes_]
    features = synthetic_features.select_classes(classes)
    result = sa.evaluate_oneshot(trained, features, ways=3)
    embeddings = trained.embed(features)
    same = sa.evaluate_oneshot(
        similarity=trained.similarity(embeddings, embeddings), labels=np.array(classes)[features.labels], ways=3
    )
    assert result.accuracy == same.accuracy
    np.testing.assert_array_equal(result.confusion, same.confusion)


def test_baseline_is_the_nearest_raw_spectrogram(trained: sa.SiameseNetwork, unseen: sa.Features) -> None:
    result = sa.evaluate_oneshot(trained, unseen, ways=2)
    correlation = np.corrcoef(unseen.array.reshape(len(unseen), -1))  # cosine of what is left without the mean
    expected = sa.evaluate_oneshot(similarity=correlation.astype(np.float32), labels=unseen.labels, ways=2)
    assert result.baseline == pytest.approx(expected.accuracy, abs=1e-6)


def test_trained_classes_are_refused(trained: sa.SiameseNetwork, synthetic_features: sa.Features) -> None:
    with pytest.raises(sa.DatasetError, match="trained on 8 of these classes"):
        sa.evaluate_oneshot(trained, synthetic_features)
    assert len(sa.evaluate_oneshot(trained, synthetic_features, allow_trained_classes=True).classes) == 12


def test_result_object(trained: sa.SiameseNetwork, unseen: sa.Features) -> None:
    result = sa.evaluate_oneshot(trained, unseen, ways=2)
    values = json.loads(json.dumps(result.to_dict()))
    assert {"accuracy", "chance", "baseline", "per_class", "classes", "ways", "protocol"} <= set(values)
    frame = result.to_frame()
    assert list(frame.index) == list(unseen.class_names)
    assert frame["accuracy"].mean() == pytest.approx(result.accuracy)
    assert "2-way" in repr(result)
    assert unseen.class_names[0] in result._repr_html_()
    with pytest.raises(AttributeError):
        result.accuracy = 1.0


def test_bad_input_is_named(trained: sa.SiameseNetwork, unseen: sa.Features) -> None:
    square = np.zeros((4, 4))
    labels = ["a", "a", "b", "b"]
    nan = square.copy()
    nan[1, 2] = np.nan
    for arguments, error, message in (
        ({}, sa.ParameterError, "nothing to evaluate"),
        ({"similarity": square, "embeddings": square, "labels": labels}, sa.ParameterError, "exactly one of"),
        ({"similarity": square}, sa.ParameterError, "labels"),
        ({"similarity": square, "labels": labels[:3]}, sa.ParameterError, r"shape \(4, 4\); accepted: \(3, 3\)"),
        ({"embeddings": square, "labels": labels[:3]}, sa.ParameterError, r"\(3, dim\)"),
        ({"embeddings": square, "labels": labels, "metric": "x", "ways": 2}, sa.ParameterError, "metric: got x"),
        ({"similarity": square, "labels": labels, "ways": 3}, sa.ParameterError, "ways: got 3; accepted: 2 to 2"),
        ({"similarity": square, "labels": labels, "ways": 1}, sa.ParameterError, "ways: got 1"),
        ({"similarity": nan, "labels": labels, "ways": 2}, sa.ParameterError, "NaN for clips 1 and 2"),
        ({"similarity": square, "labels": ["a", "a", "b", "c"]}, sa.DatasetError, "class 'b' has a single clip"),
        ({"similarity": square, "labels": ["a"] * 4}, sa.DatasetError, "two or more classes, not 1"),
        ({"net": trained}, sa.ParameterError, "a network together with features"),
        ({"similarity": square, "labels": labels, "features": unseen}, sa.ParameterError, "together with a network"),
    ):
        with pytest.raises(error, match=message):
            sa.evaluate_oneshot(**arguments)
