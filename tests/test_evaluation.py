"""Exact one-shot evaluation, against every task written out."""

from __future__ import annotations

import dataclasses
import itertools
import json

import numpy as np
import numpy.typing as npt
import pytest

import siamaudio as sa
from siamaudio.evaluation.exact import exact_scores
from siamaudio.evaluation.subjects import as_subject

LABELS = np.array([0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 4])
# A take of class 4 shares its recording with one of class 0, one of class 3 with one of class 1.
SOURCES = ["a", "b", "c", "c", "d", "e", "f", "d", "g", "h", "a"]


def _all_tasks(
    similarity: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], ways: int, sources: list[str] | None = None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Confusion and each query's share right, by enumerating every class subset, query, support and other clips.

    A class's queries count alike, a query's subsets count alike, and within one all of its tasks.
    """
    classes = sorted(set(labels))
    members = {c: np.flatnonzero(labels == c) for c in classes}
    confusion = np.zeros((len(classes), len(classes)))
    right = np.zeros(len(labels))
    for query, own in enumerate(labels):

        def met(c: int, query: int = query) -> list[int]:
            return [i for i in members[c] if i != query and (sources is None or sources[i] != sources[query])]

        answers = np.zeros(len(classes))
        subsets = list(itertools.combinations([c for c in classes if c != own], ways - 1))
        for others in subsets:
            tasks = list(itertools.product(met(own), *map(met, others)))
            for clips in tasks:
                values = similarity[query, list(clips)]
                winners = np.flatnonzero(values == values.max())
                for winner in winners:
                    answers[[own, *others][winner]] += 1 / (len(winners) * len(tasks) * len(subsets))
        right[query] = answers[own]
        confusion[own] += answers / len(members[own])
    return confusion, right


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("source_disjoint", [False, True])
@pytest.mark.parametrize("num_values", [2, 3, 1000])
@pytest.mark.parametrize("ways", [2, 3, 4, 5])
def test_equals_every_task(
    rng: np.random.Generator, ways: int, num_values: int, source_disjoint: bool, dtype: npt.DTypeLike
) -> None:
    similarity = rng.integers(num_values, size=(11, 11)).astype(dtype)
    result = sa.evaluate_oneshot(
        similarity=similarity, labels=LABELS, sources=SOURCES, source_disjoint=source_disjoint, ways=ways
    )
    confusion, right = _all_tasks(similarity, LABELS, ways, SOURCES if source_disjoint else None)
    assert result.accuracy == pytest.approx(np.diag(confusion).mean(), abs=1e-12)
    np.testing.assert_allclose(result.confusion, confusion, atol=1e-12)
    np.testing.assert_allclose(result.confusion.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(list(result.per_class.values()), np.diag(confusion), atol=1e-12)
    np.testing.assert_allclose(result.query_accuracy, right, atol=1e-12)
    assert list(result.ways_curve) == [2, 3, 4, 5]
    for other, accuracy in result.ways_curve.items():
        expected, _ = _all_tasks(similarity, LABELS, other, SOURCES if source_disjoint else None)
        assert accuracy == pytest.approx(np.diag(expected).mean(), abs=1e-12)


def test_tasks_of_many_classes_with_ties(rng: np.random.Generator) -> None:
    """Rows add up to 1 and chance stays chance where the recursion is long."""
    labels = np.repeat(np.arange(40), 5)
    for num_values in (1, 2, 30, 10**6):
        similarity = rng.integers(num_values, size=(200, 200))
        for ways in (2, 3, 20, 39, 40):
            result = sa.evaluate_oneshot(similarity=similarity, labels=labels, ways=ways)
            np.testing.assert_allclose(result.confusion.sum(axis=1), 1, atol=1e-12)
            assert result.confusion.min() >= 0
            assert result.ways_curve[ways] == result.accuracy
            if num_values == 1:
                np.testing.assert_allclose([result.ways_curve[k] * k for k in result.ways_curve], 1, atol=1e-12)
                np.testing.assert_allclose(result.confusion[0, 1:], (1 - 1 / ways) / 39, atol=1e-12)


def test_a_thousand_classes() -> None:
    """Means over more subsets than there are numbers: still a share, still falling with the classes a task."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(1000), 2)
    embeddings = rng.standard_normal((1000, 8)).repeat(2, axis=0) + 0.3 * rng.standard_normal((2000, 8))
    result = sa.evaluate_oneshot(embeddings=embeddings, labels=labels, ways=5, curve_ways=1000)
    curve = np.array(list(result.ways_curve.values()))
    assert list(result.ways_curve) == list(range(2, 1001))
    assert 0 < curve[-1] < curve[0] < 1
    assert np.all(np.diff(curve) < 0)
    np.testing.assert_allclose(result.confusion.sum(axis=1), 1, atol=1e-11)
    # With all classes in the task there is one subset: the nearest other clip's class is the answer.
    similarity = as_subject(None, None, embeddings=embeddings, labels=labels).similarity().copy()
    np.fill_diagonal(similarity, -2)
    own = similarity[np.arange(2000), np.arange(2000) ^ 1]
    similarity[np.arange(2000), np.arange(2000) ^ 1] = -2
    pairs = similarity.reshape(2000, 1000, 2)
    shares = (pairs < own[:, None, None]).mean(axis=2)
    shares[np.arange(2000), labels] = 1
    assert curve[-1] == pytest.approx(shares.prod(axis=1).mean(), abs=1e-12)


@pytest.mark.parametrize("ways", [2, 5, 20])
def test_guessing_is_chance(ways: int) -> None:
    labels = np.repeat(np.arange(20), 10)
    result = sa.evaluate_oneshot(similarity=np.zeros((200, 200)), labels=labels, ways=ways)
    assert result.accuracy == pytest.approx(1 / ways, abs=1e-12)
    assert result.baselines["chance"] == 1 / ways


def test_random_embeddings_land_on_chance() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(25), 10)
    found = [
        list(sa.evaluate_oneshot(embeddings=rng.standard_normal((250, 16)), labels=labels).ways_curve.values())
        for _ in range(40)
    ]
    error = np.std(found, axis=0, ddof=1) / np.sqrt(40)
    assert np.all(np.abs(np.mean(found, axis=0) - 1 / np.arange(2, 26)) < 4 * error)


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


def test_blocks_of_queries_change_nothing(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings, labels = rng.standard_normal((60, 4)), np.tile(np.arange(12), 5)
    whole = sa.evaluate_oneshot(embeddings=embeddings, labels=labels, num_threads=1)
    monkeypatch.setattr("siamaudio.evaluation.subjects._BLOCK_BYTES", 7 * 4 * 60)
    parts = sa.evaluate_oneshot(embeddings=embeddings, labels=labels, num_threads=2)
    np.testing.assert_array_equal(parts.query_accuracy, whole.query_accuracy)
    np.testing.assert_allclose(parts.confusion, whole.confusion, atol=1e-14)
    assert parts.interval.low == pytest.approx(whole.interval.low, abs=1e-12)


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
    assert result.baselines["raw spectrogram"] == pytest.approx(expected.accuracy, abs=1e-6)
    assert list(sa.evaluate_oneshot(trained, unseen, ways=2, baseline=False).baselines) == ["chance"]


def test_trained_classes_are_refused(trained: sa.SiameseNetwork, synthetic_features: sa.Features) -> None:
    with pytest.raises(sa.DatasetError, match="trained on 8 of these classes"):
        sa.evaluate_oneshot(trained, synthetic_features)
    assert len(sa.evaluate_oneshot(trained, synthetic_features, allow_trained_classes=True).classes) == 12


# ---- How sure the figure is


def test_influence_is_what_a_clip_changes(rng: np.random.Generator) -> None:
    """Leaving a clip out of its class changes the class's accuracy by an exact function of its influence."""
    labels = np.repeat(np.arange(4), 6)
    similarity = rng.integers(8, size=(24, 24)).astype(np.float64)
    scores = exact_scores(as_subject(None, None, similarity=similarity, labels=labels), ways=3)
    for clip in (0, 5, 13):
        own, accuracy = labels[clip], scores.per_class[labels[clip], 1]
        rest = np.delete(np.arange(24), clip)
        without = exact_scores(
            as_subject(None, None, similarity=similarity[np.ix_(rest, rest)], labels=labels[rest]), ways=3
        )
        as_query = scores.query_accuracy[clip] - accuracy
        as_support = 6 * scores.influence[clip] - as_query
        assert accuracy - without.per_class[own, 1] == pytest.approx(as_query / 5 + as_support / 4, abs=1e-12)
    for own in range(4):
        assert scores.influence[labels == own].sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("takes", [1, 2])
def test_interval_covers_the_accuracy_on_new_recordings(takes: int) -> None:
    """Recordings of one class drawn anew, of one or two takes each: 95 % of its intervals hold the mean accuracy."""
    rng = np.random.default_rng(takes)
    others = (1.2 * rng.standard_normal((5, 1, 6)) + rng.standard_normal((5, 20, 6))).reshape(100, 6)
    labels, sources = np.repeat(np.arange(6), [100, 20, 20, 20, 20, 20])[100 - 24 :], np.arange(124)
    sources[:24] //= takes
    accuracies, held = [], []
    for _ in range(400):
        recordings = 0.9 * rng.standard_normal((24 // takes, 6)).repeat(takes, axis=0)
        own = 0.5 + recordings + 0.45 * rng.standard_normal((24, 6))
        result = sa.evaluate_oneshot(
            embeddings=np.concatenate([own, others]), labels=labels, sources=sources, source_disjoint=True,
            metric="euclidean", num_threads=1,
        )  # fmt: skip
        accuracies.append(result.per_class["0"])
        held.append(result.per_class_intervals["0"])
    truth = np.mean(accuracies)  # the accuracy is unbiased
    share = np.mean([interval.low <= truth <= interval.high for interval in held])
    assert 0.90 < share < 0.985
    assert 0.1 < truth < 0.9


# ---- The result


def _same(a: sa.EvaluationResult, b: sa.EvaluationResult) -> None:
    for field in dataclasses.fields(a):
        mine, other = getattr(a, field.name), getattr(b, field.name)
        if isinstance(mine, np.ndarray):
            assert mine.dtype == other.dtype
            np.testing.assert_array_equal(mine, other)
        else:
            assert repr(mine) == repr(other), field.name  # NaN is itself here


def test_result_object(trained: sa.SiameseNetwork, unseen: sa.Features) -> None:
    result = sa.evaluate_oneshot(trained, unseen, ways=2)
    values = json.loads(json.dumps(result.to_dict()))
    assert set(values) == {field.name for field in dataclasses.fields(result)}
    frame = result.to_frame()
    assert list(frame.index) == list(unseen.class_names)
    assert frame["accuracy"].mean() == pytest.approx(result.accuracy)
    assert np.all(frame["low"] <= frame["accuracy"])
    assert np.all(frame["high"] >= frame["accuracy"])
    assert "2-way" in repr(result)
    assert unseen.class_names[0] in result._repr_html_()
    with pytest.raises(AttributeError):
        result.accuracy = 1.0
    _same(sa.EvaluationResult.from_json(result.to_json()), result)


def test_json_keeps_what_is_not_known(rng: np.random.Generator) -> None:
    labels = ["a", "a", "b", "alone", "b", "c", "c"]
    with pytest.warns(UserWarning, match="1 of 4 classes left out, with fewer than 2 clips: 'alone'"):
        result = sa.evaluate_oneshot(similarity=rng.random((7, 7)), labels=labels, ways=2)
    assert np.isnan(result.query_accuracy[3])
    _same(sa.EvaluationResult.from_json(result.to_json()), result)
    played = dataclasses.replace(result, outcomes=np.array([True, False]), seed=3, num_tasks=2)
    _same(sa.EvaluationResult.from_json(played.to_json()), played)


# ---- What was given


def test_classes_of_one_clip_are_left_out_by_name(rng: np.random.Generator) -> None:
    similarity = rng.random((9, 9))
    labels = np.array(["b", "a", "only", "a", "b", "c", "c", "b", "once"])
    with pytest.warns(UserWarning, match="2 of 5 classes left out, with fewer than 2 clips: 'once', 'only'"):
        result = sa.evaluate_oneshot(similarity=similarity, labels=labels, ways=3)
    kept = np.array([0, 1, 3, 4, 5, 6, 7])
    same = sa.evaluate_oneshot(similarity=similarity[np.ix_(kept, kept)], labels=labels[kept], ways=3)
    assert result.left_out == ("once", "only")
    assert result.classes == ("a", "b", "c")
    np.testing.assert_array_equal(result.confusion, same.confusion)
    np.testing.assert_array_equal(result.query_accuracy[kept], same.query_accuracy)
    np.testing.assert_array_equal(result.query_classes, [1, 0, -1, 0, 1, 2, 2, 1, -1])
    assert result.num_clips == 7


def test_classes_of_one_source_are_left_out_where_sources_must_differ(rng: np.random.Generator) -> None:
    arguments = {
        "similarity": rng.random((6, 6)),
        "labels": ["a", "a", "b", "b", "c", "c"],
        "sources": [0, 1, 2, 2, 3, 4],
        "ways": 2,
    }
    assert sa.evaluate_oneshot(**arguments).left_out == ()
    with pytest.warns(UserWarning, match="fewer than 2 sources: 'b'"):
        result = sa.evaluate_oneshot(**arguments, source_disjoint=True)
    assert result.classes == ("a", "c")
    assert result.source_disjoint
    assert "different sources" in result.description


def test_features_bring_their_sources(trained: sa.SiameseNetwork, unseen: sa.Features) -> None:
    half = sa.Features.from_arrays(
        unseen.array, np.array(unseen.class_names)[unseen.labels], sources=[str(i // 2) for i in range(len(unseen))]
    )
    disjoint = sa.evaluate_oneshot(trained, half, ways=2, source_disjoint=True)
    embeddings = trained.embed(half)
    confusion, _ = _all_tasks(trained.similarity(embeddings, embeddings), half.labels, 2, list(half.sources))
    np.testing.assert_allclose(disjoint.confusion, confusion, atol=1e-12)


@pytest.mark.filterwarnings("ignore:.*left out")
def test_bad_input_is_named(trained: sa.SiameseNetwork, unseen: sa.Features) -> None:
    square = np.zeros((4, 4))
    labels = ["a", "a", "b", "b"]
    nan = square.copy()
    nan[1, 2] = np.nan
    for arguments, message in (
        ({}, "nothing to evaluate"),
        ({"similarity": square, "embeddings": square, "labels": labels}, "exactly one of"),
        ({"similarity": square}, "labels"),
        ({"similarity": square, "labels": labels[:3]}, r"shape \(4, 4\); accepted: \(3, 3\)"),
        ({"similarity": [[1, 2], [3]], "labels": labels}, "rows of unequal length"),
        ({"similarity": [["x"] * 4] * 4, "labels": labels}, "real numbers"),
        ({"embeddings": square, "labels": labels[:3]}, r"\(3, dim\)"),
        ({"embeddings": square, "labels": [labels]}, r"labels: got shape \(1, 4\)"),
        ({"embeddings": square, "labels": labels, "metric": "x", "ways": 2}, "metric: got x"),
        ({"similarity": square, "labels": labels, "ways": 3}, "ways: got 3; accepted: 2 to 2"),
        ({"similarity": square, "labels": labels, "ways": 1}, "ways: got 1"),
        ({"similarity": square, "labels": labels, "ways": 2, "curve_ways": 3}, "curve_ways: got 3; accepted: 2 to 2"),
        ({"similarity": nan, "labels": labels, "ways": 2}, "NaN for clips 1 and 2"),
        ({"embeddings": nan, "labels": labels, "ways": 2}, "NaN or infinity for clip 1"),
        ({"similarity": square, "labels": ["a", "a", "b", "c"]}, "two or more classes of 2 or more clips"),
        ({"similarity": square, "labels": ["a"] * 4}, "two or more classes of 2 or more clips"),
        ({"similarity": square, "labels": labels, "ways": 2, "source_disjoint": True}, "sources: got None"),
        ({"similarity": square, "labels": labels, "ways": 2, "sources": [1, 2]}, "sources: got 2 for 4 clips"),
        ({"net": trained}, "a network together with features"),
        ({"similarity": square, "labels": labels, "features": unseen}, "together with a network"),
    ):
        with pytest.raises(sa.ParameterError, match=message):
            sa.evaluate_oneshot(**arguments)


def test_ways_tells_which_classes_are_missing() -> None:
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(sa.ParameterError, match="2 to 2, the number of classes without 'c'"),
    ):
        sa.evaluate_oneshot(similarity=np.zeros((5, 5)), labels=["a", "a", "b", "b", "c"], ways=3)
