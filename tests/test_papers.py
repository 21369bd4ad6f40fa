"""The evaluations of published papers, against transcriptions of their procedures."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

import siamaudio as sa


def _honka(
    similarity: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], seed: int, sources: npt.NDArray[np.int64] | None
) -> npt.NDArray[np.float64]:
    """The procedure with loops; answers of queries of class [row], ties shared. Sources: tasks that meet them go."""
    rng = np.random.default_rng(seed)
    queries, supports = {}, {}
    for c in sorted(set(labels)):
        clips = rng.permutation([i for i, label in enumerate(labels) if label == c])
        half = len(clips) // 2
        queries[c], supports[c] = clips[:half], clips[half:]
    num_sets = min(len(clips) for clips in supports.values())
    confusion = np.zeros((len(queries), len(queries)))
    for c, own in queries.items():
        tasks = 0
        for query in own:
            for number in range(num_sets):
                support_set = [supports[other][number] for other in sorted(supports)]
                if sources is not None and sources[query] in sources[support_set]:
                    continue
                predictions = [similarity[query, support] for support in support_set]
                winners = [other for other, value in enumerate(predictions) if value == max(predictions)]
                confusion[c, winners] += 1 / len(winners)
                tasks += 1
        confusion[c] /= tasks
    return confusion


@pytest.mark.parametrize("source_disjoint", [False, True])
@pytest.mark.parametrize("num_values", [4, 10**9])
def test_honka_is_the_procedure(rng: np.random.Generator, num_values: int, source_disjoint: bool) -> None:
    labels = np.repeat(np.arange(5), [40, 40, 37, 40, 41])
    labels = labels[rng.permutation(len(labels))]
    similarity = rng.integers(num_values, size=(198, 198)) + 0.5 * (labels[:, None] == labels)
    sources = rng.integers(60, size=198)
    result = sa.evaluation.honka2019(
        similarity=similarity, labels=labels, sources=sources, seed=7, source_disjoint=source_disjoint
    )
    expected = _honka(similarity, labels, 7, sources if source_disjoint else None)
    np.testing.assert_allclose(result.confusion, expected, atol=1e-12)
    assert result.accuracy == pytest.approx(np.diag(expected).mean(), abs=1e-12)
    assert (result.protocol, result.ways, result.seed) == ("honka2019", 5, 7)
    if not source_disjoint:
        assert result.num_tasks == (20 + 20 + 18 + 20 + 20) * 19
    assert sa.evaluation.honka2019(similarity=similarity, labels=labels, seed=8).accuracy != result.accuracy


def test_honka_of_the_original_size() -> None:
    labels = np.repeat(np.arange(5), 40)
    result = sa.evaluation.honka2019(similarity=labels[:, None] == labels, labels=labels)
    assert result.num_tasks == 2000
    assert np.isfinite(result.query_accuracy).sum() == 100
    assert result.outcomes is not None
    assert result.outcomes.sum() == 2000
    assert result.accuracy == 1


def test_honka_interval_is_of_the_queries(rng: np.random.Generator) -> None:
    """As wide as the spread of the queries' accuracies says, which is wider than 2000 independent tasks would."""
    labels = np.repeat(np.arange(5), 40)
    embeddings = 1.2 * rng.standard_normal((5, 4))[labels] + rng.standard_normal((200, 4))
    result = sa.evaluation.honka2019(embeddings=embeddings, labels=labels, metric="euclidean")
    of_class = [result.query_accuracy[(labels == c) & np.isfinite(result.query_accuracy)] for c in range(5)]
    error = np.sqrt(sum(shares.var(ddof=1) / 20 for shares in of_class)) / 5
    half_width = (result.interval.high - result.interval.low) / 2
    assert 1.95 * error < half_width < 2.1 * error
    assert half_width > 1.96 * np.sqrt(result.accuracy * (1 - result.accuracy) / 2000)


def test_honka_says_where_no_task_is_left() -> None:
    labels, sources = np.repeat([0, 1], 4), [0, 0, 0, 1, 0, 0, 0, 2]
    arguments = {"similarity": np.eye(8), "labels": labels, "sources": sources, "source_disjoint": True}
    messages = []
    for seed in range(20):
        try:
            assert sa.evaluation.honka2019(**arguments, seed=seed).num_tasks < 8
        except sa.ParameterError as error:
            messages.append(str(error))
    assert 0 < len(messages) < 20
    assert "which leaves class '0' no query" in messages[0]


def test_fedele_asks_for_each_class_in_turn(rng: np.random.Generator) -> None:
    labels = np.repeat(np.arange(5), 12)
    embeddings = 0.8 * rng.standard_normal((5, 3))[labels] + rng.standard_normal((60, 3))
    result = sa.evaluation.fedele2022(embeddings=embeddings, labels=labels, seed=3)
    assert (result.num_tasks, result.ways, result.protocol) == (300, 5, "fedele2022")
    assert list(result.ways_curve) == [1, 2, 3, 4, 5]
    assert result.outcomes is not None
    for c in range(5):  # 60 runs of each class
        assert result.outcomes[c::5].mean() == pytest.approx(result.per_class[str(c)], abs=1e-12)
    many = sa.evaluation.fedele2022(embeddings=embeddings, labels=labels, tasks=60_000, seed=1)
    for ways in range(2, 6):
        exact = sa.evaluate_oneshot(embeddings=embeddings, labels=labels, ways=ways)
        assert many.ways_curve[ways] == pytest.approx(exact.accuracy, abs=0.008)
    np.testing.assert_allclose(many.confusion, exact.confusion, atol=0.02)


def test_fedele_of_two_classes_ties(rng: np.random.Generator) -> None:
    result = sa.evaluation.fedele2022(similarity=np.zeros((20, 20)), labels=np.repeat([0, 1], 10), ways=2, tasks=2000)
    assert result.accuracy == 0.5
    assert result.outcomes is not None
    assert 0.45 < result.outcomes.mean() < 0.55  # a tie is right by chance, not by its place


@pytest.mark.parametrize("shots", [1, 5])
def test_metaaudio_is_ten_thousand_random_tasks(rng: np.random.Generator, shots: int) -> None:
    labels = np.repeat(np.arange(10), 12)
    embeddings = rng.standard_normal((10, 3))[labels] + rng.standard_normal((120, 3))
    result = sa.evaluation.metaaudio(embeddings=embeddings, labels=labels, shots=shots)
    assert (result.num_tasks, result.ways, result.shots, result.protocol) == (10_000, 5, shots, "metaaudio")
    same = sa.evaluate_fewshot(embeddings=embeddings, labels=labels, shots=shots, stratified=False)
    assert result.accuracy == same.accuracy
    assert result.interval == same.interval
    if shots == 1:
        exact = sa.evaluate_oneshot(embeddings=embeddings, labels=labels)
        assert result.interval.low - 0.01 < exact.accuracy < result.interval.high + 0.01


@pytest.mark.parametrize("protocol", [sa.evaluation.fedele2022, sa.evaluation.metaaudio])
def test_sampled_protocols_can_be_source_disjoint(rng: np.random.Generator, protocol) -> None:
    """Where only clips of one source are alike, there is nothing left to recognise."""
    labels, sources = np.repeat(np.arange(5), 8), np.arange(40) // 2
    similarity = (sources[:, None] == sources).astype(float)
    arguments = {"similarity": similarity, "labels": labels, "sources": sources, "tasks": 5000}
    assert protocol(**arguments).accuracy > 0.25
    assert protocol(**arguments, source_disjoint=True).accuracy == pytest.approx(0.2, abs=1e-12)


# ---- Lloret


@pytest.fixture
def spaces() -> tuple[tuple[npt.NDArray, npt.NDArray], tuple[npt.NDArray, npt.NDArray]]:
    rng = np.random.default_rng(2)
    centres = 1.5 * rng.standard_normal((4, 6))
    names = np.array(["w", "x", "y", "z"])
    train, test = np.repeat(np.arange(4), [9, 10, 11, 12]), np.repeat(np.arange(4), 15)
    return (
        (centres[train] + rng.standard_normal((42, 6)), names[train]),
        (centres[test] + rng.standard_normal((60, 6)), names[test]),
    )


def _mean_distance(vectors, names, asked) -> str:
    means = {name: np.linalg.norm(vectors[names == name] - asked, axis=1).mean() for name in np.unique(names)}
    return min(means, key=means.__getitem__)


def test_lloret_average_distance(spaces) -> None:
    (vectors, names), (asked, own) = spaces
    right = np.array([_mean_distance(vectors, names, clip) for clip in asked]) == own
    result = sa.evaluation.lloret2019(None, (vectors, names), (asked, own))
    np.testing.assert_array_equal(result.query_accuracy, right)
    np.testing.assert_array_equal(result.outcomes, right)
    assert result.accuracy == pytest.approx(right.mean())  # as many of each class
    assert (result.num_tasks, result.ways, result.shots, result.protocol) == (60, 4, 9, "lloret2019")
    np.testing.assert_allclose(result.confusion.sum(axis=1), 1)
    alone = sa.evaluation.lloret2019(None, (vectors, names))
    expected = [
        _mean_distance(np.delete(vectors, i, axis=0), np.delete(names, i), vectors[i]) == names[i] for i in range(42)
    ]
    np.testing.assert_array_equal(alone.query_accuracy, expected)


@pytest.mark.parametrize("neighbours", [1, 3, 15])
def test_lloret_neighbours_are_scikit_learns(spaces, neighbours: int) -> None:
    sklearn = pytest.importorskip("sklearn.neighbors")
    (vectors, names), (asked, own) = spaces
    model = sklearn.KNeighborsClassifier(neighbours).fit(vectors, names)
    result = sa.evaluation.lloret2019(None, (vectors, names), (asked, own), classifier="knn", neighbours=neighbours)
    clear = np.isin(result.query_accuracy, [0, 1])  # scikit-learn gives ties to the first class
    assert clear.mean() > 0.8
    np.testing.assert_array_equal(result.query_accuracy[clear], (model.predict(asked) == own)[clear])
    alone = sa.evaluation.lloret2019(None, (vectors, names), classifier="knn", neighbours=neighbours)
    for i in np.flatnonzero(np.isin(alone.query_accuracy, [0, 1])):
        model.fit(np.delete(vectors, i, axis=0), np.delete(names, i))
        assert alone.query_accuracy[i] == (model.predict(vectors[i : i + 1])[0] == names[i])


@pytest.mark.parametrize("classifier", ["svm_linear", "svm_polynomial", "svm_rbf", "forest"])
def test_lloret_other_classifiers(spaces, classifier: str) -> None:
    pytest.importorskip("sklearn")
    train, test = spaces
    result = sa.evaluation.lloret2019(None, train, test, classifier=classifier, trees=25)
    assert result.accuracy > 0.5
    assert sa.evaluation.lloret2019(None, train, test, classifier=classifier, trees=25).accuracy == result.accuracy
    if classifier == "svm_linear":
        assert sa.evaluation.lloret2019(None, train, classifier=classifier).num_tasks == 42


def test_lloret_with_a_network(trained: sa.SiameseNetwork, synthetic_features: sa.Features) -> None:
    known = synthetic_features.select_classes(trained.train_classes_)
    odd = np.arange(len(known)) % 2 == 1
    result = sa.evaluation.lloret2019(trained, known[odd], known[~odd])
    embeddings, names = trained.embed(known), np.array(known.class_names)[known.labels]
    same = sa.evaluation.lloret2019(None, (embeddings[odd], names[odd]), (embeddings[~odd], names[~odd]))
    assert result.accuracy == same.accuracy > 0.2  # chance is 0.125


def test_lloret_without_scikit_learn(spaces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sklearn", None)
    monkeypatch.setitem(__import__("sys").modules, "sklearn.svm", None)
    with pytest.raises(ImportError, match=r'support vector machine needs .*sklearn.*"siamaudio\[classifiers\]"'):
        sa.evaluation.lloret2019(None, *spaces, classifier="svm_linear")


def test_bad_input_is_named(spaces, unseen: sa.Features, trained: sa.SiameseNetwork) -> None:
    (vectors, names), (asked, own) = spaces
    for arguments, message in (
        ({"classifier": "best"}, "classifier: got best"),
        ({"classifier": "knn", "neighbours": 0}, "neighbours: got 0"),
        ({"classifier": "knn", "neighbours": 43}, "neighbours: got 43; accepted: 1 to 42"),
        ({"classifier": "forest", "trees": 0}, "trees: got 0"),
        ({"seed": -1}, "seed: got -1"),
        ({"test": (asked, ["v"] * 60)}, "the class 'v'"),
        ({"test": (asked[:, 1:], own)}, "embeddings of 5 numbers"),
        ({"test": (asked, own[1:])}, r"test: got shapes \(60, 6\) and \(59,\)"),
        ({"test": (asked * np.nan, own)}, "test: got NaN"),
        ({"test": unseen}, "features without a network"),
        ({"net": trained}, "arrays beside a network"),
        ({"train": (vectors[:3], ["a", "a", "b"]), "test": None}, "one with 1 clips"),
    ):
        with pytest.raises(sa.ParameterError, match=message):
            sa.evaluation.lloret2019(**{"net": None, "train": (vectors, names), "test": (asked, own), **arguments})
    with pytest.raises(sa.ParameterError, match="seed: got -1"):
        sa.evaluation.honka2019(embeddings=vectors, labels=names, seed=-1)
    with pytest.raises(sa.ParameterError, match="ways: got 6"):
        sa.evaluation.fedele2022(embeddings=vectors, labels=names, ways=6)
