"""Sampled evaluation: what is drawn, who wins, and how often its interval holds the exact figure."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest

import siamaudio as sa
from siamaudio.evaluation.subjects import as_subject
from siamaudio.evaluation.tasks import draw_tasks, play

LABELS = np.repeat(np.arange(6), [7, 8, 9, 7, 12, 10])


@pytest.fixture
def similarity(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Few values: many ties."""
    return rng.integers(6, size=(len(LABELS), len(LABELS))).astype(np.float64)


def _drawn(subject, **options):
    defaults = {"ways": 3, "shots": 2, "queries": 2, "tasks": 200, "stratified": True, "seed": 0}
    return draw_tasks(subject, **{**defaults, "source_disjoint": False, **options})


# ---- What is drawn


@pytest.mark.parametrize("stratified", [True, False])
def test_tasks_are_of_different_clips_of_their_classes(similarity: npt.NDArray[np.float64], stratified: bool) -> None:
    tasks = _drawn(as_subject(None, None, similarity=similarity, labels=LABELS), stratified=stratified)
    assert tasks.classes.shape == (200, 3)
    assert tasks.supports.shape == (200, 3, 2)
    assert tasks.queries.shape == (200, 6)
    for classes, supports, queries in zip(tasks.classes, tasks.supports, tasks.queries, strict=True):
        assert len(set(classes)) == 3
        np.testing.assert_array_equal(LABELS[supports], classes[:, None].repeat(2, axis=1))
        np.testing.assert_array_equal(LABELS[queries], classes.repeat(2))
        assert len({*supports.ravel(), *queries}) == 12
    counts = np.bincount(tasks.classes.ravel())
    assert (counts.max() - counts.min() <= 1) == stratified


@pytest.mark.parametrize("source_disjoint", [False, True])
def test_draws_are_uniform(source_disjoint: bool) -> None:
    """Chi-square of classes, of queries in their class, and of pairs of query and support."""
    from scipy import stats

    labels = np.repeat(np.arange(4), 4)
    sources = np.array([0, 0, 1, 2] * 4) + 10 * labels
    subject = as_subject(None, None, similarity=np.zeros((16, 16)), labels=labels, sources=sources)
    for one_query in (False, True):
        tasks = _drawn(
            subject, ways=2, shots=1, queries=1, tasks=20_000, stratified=False, has_one_query=one_query,
            source_disjoint=source_disjoint,
        )  # fmt: skip
        sets = tasks.classes[:, 0] * 4 + tasks.classes[:, 1]
        counts = np.bincount(sets, minlength=16).reshape(4, 4)
        assert np.all(np.diag(counts) == 0)
        assert stats.chisquare(counts[~np.eye(4, dtype=bool)]).pvalue > 1e-4
        queries, supports = tasks.queries[:, 0], tasks.supports[:, 0, 0]
        assert stats.chisquare(np.bincount(queries, minlength=16)).pvalue > 1e-4
        met = np.bincount(queries * 16 + supports, minlength=256).reshape(16, 16)
        for query in range(16):
            possible = (labels == labels[query]) & (np.arange(16) != query)
            if source_disjoint:
                possible &= sources != sources[query]
            assert np.all(met[query, ~possible] == 0)
            assert stats.chisquare(met[query, possible]).pvalue > 1e-5


def test_one_query_asks_for_the_classes_in_turn(similarity: npt.NDArray[np.float64]) -> None:
    tasks = _drawn(as_subject(None, None, similarity=similarity, labels=LABELS), shots=1, queries=1, has_one_query=True)
    np.testing.assert_array_equal(tasks.classes[:, 0], np.arange(200) % 6)
    np.testing.assert_array_equal(LABELS[tasks.queries[:, 0]], tasks.classes[:, 0])


def test_queries_never_meet_their_source(rng: np.random.Generator) -> None:
    labels = np.repeat(np.arange(5), 8)
    sources = rng.integers(12, size=40)
    subject = as_subject(None, None, similarity=np.zeros((40, 40)), labels=labels, sources=sources)
    tasks = _drawn(subject, ways=3, shots=2, queries=2, source_disjoint=True)
    for supports, queries in zip(tasks.supports, tasks.queries, strict=True):
        assert not set(sources[supports].ravel()) & set(sources[queries])


def test_seed_threads_and_number_of_tasks(similarity: npt.NDArray[np.float64]) -> None:
    subject = as_subject(None, None, similarity=similarity, labels=LABELS)
    first = _drawn(subject, num_threads=1)
    for other, is_same in (
        (_drawn(subject, num_threads=3), True),
        (_drawn(subject, tasks=700), True),
        (_drawn(subject, seed=1), False),
    ):
        assert np.array_equal(first.supports, other.supports[:200]) == is_same
        assert np.array_equal(first.queries, other.queries[:200]) == is_same


# ---- Who wins


def _expected_shares(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    best = scores == scores.max()
    return best / best.sum()


def _votes(values: npt.NDArray[np.float64], neighbours: int) -> npt.NDArray[np.float64]:
    """Expected votes of each class over every order of equally similar supports."""
    flat = values.ravel()
    orders = [
        order
        for order in itertools.permutations(range(flat.size))
        if all(flat[a] >= flat[b] for a, b in itertools.pairwise(order))
    ]
    return np.mean([np.bincount(np.array(o[:neighbours]) // values.shape[1], minlength=len(values)) for o in orders], 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("merge", ["mean", "max", "weighted", "neighbours"])
def test_merges_equal_a_loop(similarity: npt.NDArray[np.float64], merge: str, dtype: npt.DTypeLike) -> None:
    similarity = similarity.astype(dtype)
    subject = as_subject(None, None, similarity=similarity, labels=LABELS)
    tasks = _drawn(subject, tasks=40)
    weights = np.array([0.5, -2.0])
    shares = play(subject, tasks, merge=merge, weights=weights, neighbours=3, num_threads=2)
    for task, (supports, queries) in enumerate(zip(tasks.supports, tasks.queries, strict=True)):
        for position, query in enumerate(queries):
            values = similarity[query, supports].astype(np.float64)
            scores = {
                "mean": values.mean(axis=1),
                "max": values.max(axis=1),
                "weighted": -np.sort(-values, axis=1) @ weights,
                "neighbours": _votes(values, 3),
            }[merge]
            np.testing.assert_allclose(shares[task, position], _expected_shares(np.round(scores, 9)), atol=1e-15)


def test_blocks_of_queries_change_nothing(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = {"embeddings": rng.standard_normal((len(LABELS), 4)), "labels": LABELS, "shots": 2, "tasks": 100}
    whole = sa.evaluate_fewshot(**arguments)
    monkeypatch.setattr("siamaudio.evaluation.subjects._BLOCK_BYTES", 5 * 4 * len(LABELS))
    assert sa.evaluate_fewshot(**arguments).to_json() == whole.to_json()


@pytest.mark.parametrize("scorer", ["centroid", "cl2n"])
def test_centroids_equal_a_loop(rng: np.random.Generator, scorer: str) -> None:
    embeddings = rng.integers(3, size=(len(LABELS), 5)).astype(np.float32)
    base = rng.standard_normal((20, 5)).astype(np.float32) + 1
    result = sa.evaluate_fewshot(
        embeddings=embeddings, labels=LABELS, base=(base, np.arange(20) % 2), ways=3, shots=2, queries=2, tasks=50,
        scorer=scorer, seed=4,
    )  # fmt: skip
    vectors = embeddings.astype(np.float64)
    if scorer == "cl2n":
        vectors = vectors - base.mean(axis=0, dtype=np.float64)
        vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32).astype(np.float64)
    tasks = _drawn(as_subject(None, None, embeddings=embeddings, labels=LABELS), tasks=50, seed=4)
    credit = []
    for supports, queries in zip(tasks.supports, tasks.queries, strict=True):
        centroids = vectors[supports].mean(axis=1)
        for position, query in enumerate(queries):
            distances = np.round(np.linalg.norm(vectors[query] - centroids, axis=1), 9)
            credit.append(_expected_shares(-distances)[position // 2])
    assert result.accuracy == pytest.approx(np.mean(credit), abs=1e-12)


def test_learned_merge_finds_the_support_that_counts() -> None:
    """Where a class's least similar support tells everything, neither the mean nor the largest does."""
    rng = np.random.default_rng(0)

    def clips(num_classes: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        labels = np.repeat(np.arange(num_classes), 12)
        return 2 * rng.standard_normal((num_classes, 1, 4)).repeat(12, axis=1).reshape(-1, 4) + rng.standard_normal(
            (12 * num_classes, 4)
        ), labels

    base, (embeddings, labels) = clips(20), clips(20)
    accuracy = {
        scorer: sa.evaluate_fewshot(
            embeddings=embeddings, labels=labels, base=base, metric="euclidean", shots=5, tasks=2000, scorer=scorer
        ).accuracy
        for scorer in ("mean", "max", "learned")
    }
    assert accuracy["learned"] > max(accuracy["mean"], accuracy["max"]) - 0.005
    one = {"embeddings": embeddings, "labels": labels, "base": base, "shots": 1, "tasks": 300}
    assert sa.evaluate_fewshot(**one, scorer="learned").accuracy == sa.evaluate_fewshot(**one).accuracy


# ---- What it comes to


def test_result_sums_up_the_tasks(similarity: npt.NDArray[np.float64]) -> None:
    result = sa.evaluate_fewshot(similarity=similarity, labels=LABELS, ways=3, shots=2, queries=2, tasks=200)
    subject = as_subject(None, None, similarity=similarity, labels=LABELS)
    tasks = _drawn(subject)
    shares = play(subject, tasks)
    credit = shares[:, np.arange(6), np.arange(6) // 2]
    assert result.accuracy == pytest.approx(credit.mean(), abs=1e-12)
    classes = tasks.classes.repeat(2, axis=1)
    for c in range(6):
        assert result.per_class[str(c)] == pytest.approx(credit[classes == c].mean(), abs=1e-12)
        for other in range(6):
            answered = (shares * (tasks.classes[:, None] == other)).sum(axis=2)[classes == c].mean()
            assert result.confusion[c, other] == pytest.approx(answered, abs=1e-12)
    for clip in range(len(LABELS)):
        assert result.query_accuracy[clip] == pytest.approx(credit[tasks.queries == clip].mean(), abs=1e-12)
    np.testing.assert_allclose(result.confusion.sum(axis=1), 1, atol=1e-12)
    half_width = 1.959963984540054 * credit.mean(axis=1).std(ddof=1) / np.sqrt(200)
    assert result.interval.high - result.accuracy == pytest.approx(half_width, rel=1e-9)
    assert (result.num_tasks, result.seed, result.shots, result.outcomes) == (200, 0, 2, None)
    assert sa.EvaluationResult.from_json(result.to_json()).to_json() == result.to_json()


@pytest.mark.parametrize(
    ("interval", "source_disjoint", "repetitions"),
    [("normal", False, 1000), ("normal", True, 1000), ("bootstrap", False, 500)],
)
def test_interval_covers_the_exact_value(interval: str, source_disjoint: bool, repetitions: int) -> None:
    """At its stated rate."""
    rng = np.random.default_rng(5)
    labels = np.repeat(np.arange(6), 8)
    embeddings = 0.8 * rng.standard_normal((6, 3))[labels] + rng.standard_normal((48, 3))
    sources = np.arange(48) // 2 if source_disjoint else np.arange(48)
    arguments = {"embeddings": embeddings, "labels": labels, "sources": sources, "source_disjoint": source_disjoint}
    exact = sa.evaluate_oneshot(**arguments, ways=4).accuracy
    found = [
        sa.evaluate_fewshot(
            **arguments, ways=4, tasks=150, stratified=False, interval=interval, seed=seed, num_threads=1
        )
        for seed in range(repetitions)
    ]
    held = np.mean([result.interval.low <= exact <= result.interval.high for result in found])
    assert 0.93 < held < 0.97
    assert np.mean([result.accuracy for result in found]) == pytest.approx(exact, abs=0.004)


def test_a_network_with_its_baseline(trained: sa.SiameseNetwork, unseen: sa.Features) -> None:
    result = sa.evaluate_fewshot(trained, unseen, ways=2, shots=3, tasks=50)
    assert set(result.baselines) == {"raw spectrogram", "chance"}
    embeddings = trained.embed(unseen)
    same = sa.evaluate_fewshot(
        similarity=trained.similarity(embeddings, embeddings), labels=unseen.labels, ways=2, shots=3, tasks=50
    )
    assert same.accuracy == result.accuracy


@pytest.mark.parametrize("scorer", ["learned", "cl2n"])
def test_a_network_with_its_base(
    trained: sa.SiameseNetwork, unseen: sa.Features, synthetic_features: sa.Features, scorer: str
) -> None:
    base = synthetic_features.select_classes(trained.train_classes_)
    result = sa.evaluate_fewshot(trained, unseen, ways=2, shots=3, tasks=50, scorer=scorer, base=base)
    assert 0.5 <= result.accuracy <= 1


@pytest.mark.filterwarnings("ignore:.*left out")
def test_bad_input_is_named(similarity: npt.NDArray[np.float64], trained, unseen) -> None:
    vectors = np.zeros((len(LABELS), 3))
    by_similarity = {"similarity": similarity, "labels": LABELS}
    by_vectors = {"embeddings": vectors, "labels": LABELS}
    nan = similarity.copy()
    nan[0, :] = np.nan
    for arguments, message in (
        ({**by_similarity, "ways": 7}, "ways: got 7; accepted: 2 to 6"),
        ({**by_similarity, "shots": 0}, "shots: got 0"),
        ({**by_similarity, "queries": 0}, "queries: got 0"),
        ({**by_similarity, "tasks": 0}, "tasks: got 0"),
        ({**by_similarity, "seed": -1}, "seed: got -1"),
        ({**by_similarity, "shots": 11}, "1 classes, the others"),
        ({**by_similarity, "scorer": "best"}, "scorer: got best; accepted: 'mean', 'max'"),
        ({**by_similarity, "scorer": "centroid"}, "scorer: got centroid; accepted: 'mean', 'max' or 'knn'"),
        ({**by_similarity, "scorer": "knn", "neighbours": 6}, "neighbours: got 6; accepted: 1 to 5"),
        ({**by_similarity, "interval": "exact"}, "interval: got exact"),
        ({**by_similarity, "source_disjoint": True}, "sources: got None"),
        ({"similarity": nan, "labels": LABELS}, "NaN for clips 0 and 1"),
        ({**by_vectors, "scorer": "learned"}, "base: got None"),
        ({**by_vectors, "scorer": "cl2n"}, "base: got None"),
        ({**by_vectors, "scorer": "cl2n", "base": unseen}, "base: got features"),
        ({**by_vectors, "scorer": "cl2n", "base": (np.zeros((3, 2)), [0, 0, 1])}, "embeddings of 2 numbers"),
        ({**by_vectors, "scorer": "cl2n", "base": (np.zeros((3, 3)), [0])}, r"\(clips, dim\) and \(clips,\)"),
        ({**by_vectors, "sources": np.arange(53) // 6, "source_disjoint": True, "shots": 5}, "sources: got too few"),
    ):
        with pytest.raises(sa.ParameterError, match=message):
            sa.evaluate_fewshot(**arguments)
