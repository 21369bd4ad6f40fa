"""Retrieval figures against naive loops, scikit-learn and published numbers."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

import siamaudio as sa
from siamaudio._engine import core
from siamaudio.evaluation.comparison import _mcnemar
from siamaudio.evaluation.retrieval import _chance

KS = (1, 2, 3, 5, 10, 1000)


def _answers(similarity: npt.NDArray[Any], groups: npt.NDArray[Any]) -> list[list[int]]:
    """Of each query the clips of other groups, most similar first, among equals the first."""
    clips, rows, groups = range(len(similarity)), similarity.tolist(), groups.tolist()
    return [
        sorted((c for c in clips if c != q and groups[c] != groups[q]), key=lambda c, q=q: (-rows[q][c], c))
        for q in clips
    ]


def _naive(answers: list[list[int]], labels: npt.NDArray[Any]) -> dict[str, float]:
    """All figures of `RetrievalResult.figures`, one rank after the other."""
    figures: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        figures.setdefault(name, []).append(value)

    labels = labels.tolist()
    for query, ranked in enumerate(answers):
        relevant = [labels[clip] == labels[query] for clip in ranked]
        precisions = [hits / (i + 1) for i, hits in enumerate(itertools.accumulate(relevant))]
        total = sum(relevant)
        note("accuracy", relevant[0])
        note("MAP", sum(p for p, is_relevant in zip(precisions, relevant, strict=True) if is_relevant) / total)
        note("R-precision", precisions[total - 1])
        for k in KS:
            hits = [p for p, is_relevant in zip(precisions[:k], relevant[:k], strict=True) if is_relevant]
            note(f"accuracy@{k}", bool(hits))
            if hits:
                note(f"MAP@{k}", sum(hits) / len(hits))
            note(f"standard MAP@{k}", sum(hits) / min(k, total))
    return {name: float(np.mean(values)) for name, values in figures.items()}


def _data(seed: int, num: int = 90) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(6), rng.integers(6, size=num - 6)])
    sources = rng.integers(num // 2, size=num)
    folds = rng.integers(4, size=num)
    vectors = (rng.standard_normal((6, 5))[labels] + rng.standard_normal((num, 5))).astype(np.float32)
    return rng, labels, sources, folds, vectors


def _class_has_two(groups: npt.NDArray[Any], labels: npt.NDArray[Any]) -> bool:
    return all(len(set(groups[labels == label])) > 1 for label in np.unique(labels))


@pytest.mark.parametrize("policy", ["all", "source-disjoint", "fold-disjoint"])
@pytest.mark.parametrize("has_ties", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_against_a_naive_loop(policy: Any, has_ties: bool, dtype: Any) -> None:
    for num in (90, 520):  # few clips are sorted in another way than many
        _, labels, sources, folds, vectors = _data(0, num)
        similarity = (vectors @ vectors.T).astype(dtype)
        if has_ties:
            similarity = np.round(similarity / 2)
        groups = {"all": np.arange(num), "source-disjoint": sources, "fold-disjoint": folds}[policy]
        assert _class_has_two(groups, labels)
        kinds = np.where(labels < 2, "low", "high")
        result = sa.evaluate_retrieval(
            similarity=similarity, labels=labels, superclasses=kinds, sources=sources, folds=folds, policy=policy, k=KS
        )
        answers = _answers(similarity, groups)
        assert result.nearest.tolist() == [ranked[0] for ranked in answers]
        tied = [
            (labels[ranked][similarity[q, ranked] == similarity[q, ranked[0]]] != labels[ranked[0]]).any()
            for q, ranked in enumerate(answers)
        ]
        assert result.num_tied == sum(tied)
        assert (sum(tied) > 0) == has_ties
        for found, own in ((result, labels), (result.superclasses, kinds)):
            expected = _naive(answers, own)
            assert {name: found.figures[name] for name in expected} == pytest.approx(expected, rel=1e-12)


def test_against_scikit_learn() -> None:
    _, labels, _, _, vectors = _data(3)
    result = sa.evaluate_retrieval(embeddings=vectors, labels=labels)
    similarity = core.metric_similarity(vectors, vectors, metric="cosine")
    scores = []
    for query in range(len(labels)):
        others = np.arange(len(labels)) != query
        scores.append(average_precision_score(labels[others] == labels[query], similarity[query, others]))
    np.testing.assert_allclose(result.query_average_precision, scores, rtol=1e-12)
    assert result.mean_average_precision == pytest.approx(np.mean(scores))
    predicted = labels[result.nearest]
    precision, recall, f1, _ = precision_recall_fscore_support(labels, predicted, average="macro", zero_division=0)
    assert (result.precision, result.recall, result.f1) == pytest.approx((precision, recall, f1))
    each = precision_recall_fscore_support(labels, predicted, zero_division=0)
    for found, expected in zip((result.per_class_precision, result.per_class, result.per_class_f1), each, strict=False):
        assert list(found.values()) == pytest.approx(expected)
    assert result.accuracy == np.mean(predicted == labels)
    np.testing.assert_array_equal(result.query_accuracy, predicted == labels)
    np.testing.assert_allclose(result.confusion.sum(axis=1), 1)
    assert result.confusion[2, 4] == np.mean(predicted[labels == 2] == 4)


def test_same_for_all_threads_and_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    from siamaudio.evaluation import subjects

    _, labels, sources, _, vectors = _data(4, 300)
    arguments = {"embeddings": vectors, "labels": labels, "sources": sources, "policy": "source-disjoint"}
    one = sa.evaluate_retrieval(**arguments, num_threads=1)
    assert sa.evaluate_retrieval(**arguments, num_threads=3).to_json() == one.to_json()
    monkeypatch.setattr(subjects, "_BLOCK_BYTES", 10_000)
    assert sa.evaluate_retrieval(**arguments).to_json() == one.to_json()


def test_agrees_with_the_search_index() -> None:
    _, labels, _, _, vectors = _data(5, 400)
    result = sa.evaluate_retrieval(embeddings=vectors, labels=labels, metric="euclidean")
    index = core.NearestIndex(5, "euclidean")
    index.add(vectors)
    everyone = np.arange(400)
    positions, _ = index.search(vectors, 1, query_groups=everyone, item_groups=everyone)
    np.testing.assert_array_equal(result.nearest, positions[:, 0])


def test_worked_example() -> None:
    """Manning et al., Introduction to Information Retrieval, give precisions 1, 2/3, 3/5 … in this way."""
    # One query and its ranking: relevant at ranks 1, 3, 5 of 6, of 4 relevant clips one is behind all others.
    labels = ["q", "q", "x", "q", "x", "q", "x", "q"]
    similarity = np.zeros((8, 8))
    similarity[0] = [9, 8, 7, 6, 5, 4, 3, 2]
    (_, _, [(relevant, _, found, precisions, average, r_precision)]) = core.score_retrieval(
        similarity[:1], labellings=[np.array([label == "q" for label in labels], dtype=np.int64)], groups=None,
        ks=[1, 2, 3, 5], first_query=0, num_threads=1,
    )  # fmt: skip
    assert relevant.tolist() == [4]
    assert found.tolist() == [[1, 1, 2, 3]]
    np.testing.assert_allclose(precisions, [[1, 1, 1 + 2 / 3, 1 + 2 / 3 + 3 / 5]])
    np.testing.assert_allclose(average, [(1 + 2 / 3 + 3 / 5 + 4 / 7) / 4])
    np.testing.assert_allclose(r_precision, [2 / 4])


# ---- chance


def test_chance_is_the_mean_over_all_rankings() -> None:
    """Five answers in all orders: two relevant ones, and three."""
    for num_relevant in (1, 2, 3, 5):
        orders = set(itertools.permutations([True] * num_relevant + [False] * (5 - num_relevant)))
        answers = [[i + 1 for i in np.argsort(np.argsort(~np.array(order), kind="stable"))] for order in orders]
        # Clip 0 is the query, the first num_relevant others are relevant.
        labels = np.array([1] + [1] * num_relevant + [0] * (5 - num_relevant))
        naive = [_naive([ranked], labels) for ranked in answers]
        chance = _chance(np.array([5]), np.array([num_relevant]), (1, 2, 3, 5, 10))
        for name, value in chance.items():
            k = int(name.split("@")[1]) if "@" in name else None
            if k == 10:
                continue
            values = [each[name] for each in naive if name in each]
            assert value == pytest.approx(np.mean(values)), name
        assert chance["MAP@10"] == pytest.approx(chance["MAP@5"])


def test_random_embeddings_are_at_chance() -> None:
    rng = np.random.default_rng(6)
    labels = np.repeat(np.arange(20), 40)
    result = sa.evaluate_retrieval(embeddings=rng.standard_normal((800, 16)), labels=labels)
    for name, value in result.chance.items():
        assert result.figures[name] == pytest.approx(value, abs=0.05), name
    assert result.interval.low < result.chance["accuracy"] < result.interval.high


def test_published_search_of_the_vae_is_at_chance() -> None:
    """Pedersen 2023, table 4.5, 50 classes, cosine: by the thesis's MAP@k a random order looks as good."""
    published = {2: (0.785, 0.036), 3: (0.643, 0.052), 4: (0.537, 0.07), 5: (0.476, 0.083)}
    chance = _chance(np.array([1999]), np.array([39]), tuple(published))
    for k, (mean_precision, accuracy) in published.items():
        assert chance[f"accuracy@{k}"] == pytest.approx(accuracy, abs=0.02)
        assert chance[f"MAP@{k}"] == pytest.approx(mean_precision, abs=0.04)


# ---- comparison


@pytest.mark.parametrize(
    ("both", "only_vae", "only_yamnet", "neither", "chi_square"),
    [(292, 52, 1472, 184, 1321.234), (310, 33, 1511, 146, 1412.907), (25, 3, 1523, 449, 1512.032)],
)
def test_published_mcnemar(both: int, only_vae: int, only_yamnet: int, neither: int, chi_square: float) -> None:
    """Pedersen 2023, tables 4.7 and 4.8."""
    vae = np.repeat([1.0, 1, 0, 0], [both, only_vae, only_yamnet, neither])
    yamnet = np.repeat([1.0, 0, 1, 0], [both, only_vae, only_yamnet, neither])
    found = _mcnemar(np.stack([vae, yamnet]))
    assert (found.only_first, found.only_second) == (only_vae, only_yamnet)
    assert found.chi_square == pytest.approx(chi_square, abs=5e-4)
    assert found.p_value < 1e-3
    assert found.chi_square_p_value < 1e-3


def test_mcnemar_against_statsmodels() -> None:
    from statsmodels.stats.contingency_tables import mcnemar

    for table in ([[5, 9], [2, 4]], [[1, 3], [12, 0]], [[0, 7], [6, 3]]):
        (a, b), (c, d) = table
        first, second = np.repeat([1.0, 1, 0, 0], [a, b, c, d]), np.repeat([1.0, 0, 1, 0], [a, b, c, d])
        found = _mcnemar(np.stack([first, second]))
        expected = mcnemar(table, exact=False, correction=True)
        assert found.chi_square == pytest.approx(expected.statistic)
        assert found.chi_square_p_value == pytest.approx(expected.pvalue)
        assert found.p_value == pytest.approx(mcnemar(table, exact=True).pvalue)


def test_compare() -> None:
    rng, labels, sources, _, vectors = _data(7, 300)
    worse = vectors + 2 * rng.standard_normal(vectors.shape)
    one, other = (sa.evaluate_retrieval(embeddings=each, labels=labels, sources=sources) for each in (worse, vectors))
    found = sa.compare(one, other, sources=sources, names=("noisy", "clean"))
    assert found.first == pytest.approx(one.recall)
    assert found.second == pytest.approx(other.recall)
    assert found.mcnemar.only_second == np.sum((one.query_accuracy == 0) & (other.query_accuracy == 1))
    assert found.p_value < 0.01
    assert sa.Comparison.from_json(found.to_json()).to_dict() == found.to_dict()
    disjoint = sa.evaluate_retrieval(embeddings=vectors, labels=labels, sources=sources, policy="source-disjoint")
    with pytest.raises(sa.ParameterError, match=r"^second: got a result with policy source-disjoint; accepted: policy"):
        sa.compare(one, disjoint)
    tasks = sa.evaluate_oneshot(embeddings=vectors, labels=labels, ways=2)
    with pytest.raises(sa.ParameterError, match=r"^second: got EvaluationResult; accepted: RetrievalResult, as the"):
        sa.compare(one, tasks)


# ---- what may be given


def test_learned_similarity() -> None:
    """A network compares by its own similarity, another embedder by its vectors."""
    rng = np.random.default_rng(8)
    names = np.repeat(list("abcd"), 6)
    features = sa.Features.from_arrays(rng.standard_normal((24, 16, 16)).astype(np.float32), names)
    net = sa.SiameseNetwork(
        sa.ConvEncoder(blocks=(sa.ConvBlock(filters=4),), dense=(sa.Dense(units=8),)), distance="squared", head="dense"
    ).build((16, 16), seed=0)
    result = sa.evaluate_retrieval(net, features)
    vectors = net.embed(features)
    expected = sa.evaluate_retrieval(similarity=net.similarity(vectors, vectors), labels=names)
    np.testing.assert_array_equal(result.nearest, expected.nearest)
    assert result.figures == expected.figures

    class Flat:
        def embed(self, features: Any, *, num_threads: int | None = None) -> npt.NDArray[np.float32]:
            return np.asarray(features).reshape(len(features), -1)

    result = sa.evaluate_retrieval(Flat(), features, metric="euclidean")
    flat = np.asarray(features).reshape(24, -1)
    assert result.figures == sa.evaluate_retrieval(embeddings=flat, labels=names, metric="euclidean").figures
    assert "Flat" in result.description
    with pytest.raises(sa.ParameterError, match=r"^labels: got labels beside an embedder"):
        sa.evaluate_retrieval(Flat(), features, labels=names)


def test_left_out_classes_and_folds() -> None:
    _, labels, sources, folds, vectors = _data(9)
    labels = labels.astype("<U9")
    labels[[3, 50]] = "lonely", "one fold"
    labels[51], folds[50], folds[51] = "one fold", 1, 1
    arguments = {"embeddings": vectors, "labels": labels, "sources": sources, "folds": folds}
    with pytest.warns(UserWarning, match=r"^1 of 8 classes left out, with fewer than 2 clips: 'lonely'$"):
        result = sa.evaluate_retrieval(**arguments)
    assert result.left_out == ("lonely",)
    assert (result.query_classes[3], result.nearest[3]) == (-1, -1)
    assert math.isnan(result.query_accuracy[3])
    assert 3 not in result.nearest
    assert result.classes[result.query_classes[50]] == "one fold"
    with pytest.warns(UserWarning, match=r"^2 of 8 classes left out"):
        result = sa.evaluate_retrieval(**arguments, policy="fold-disjoint")
    took_part = result.nearest >= 0
    assert (folds[took_part] != folds[result.nearest[took_part]]).all()
    again = sa.RetrievalResult.from_json(result.to_json())
    assert again.to_json() == result.to_json()
    np.testing.assert_array_equal(again.query_accuracy, result.query_accuracy)


def test_result_shows_itself() -> None:
    _, labels, _, _, vectors = _data(10)
    kinds = {str(label): "even" if label % 2 == 0 else "odd" for label in range(6)}
    result = sa.evaluate_retrieval(embeddings=vectors, labels=labels, superclasses=kinds)
    assert result.superclasses is not None
    by_clip = np.where(labels % 2 == 0, "even", "odd")
    alone = sa.evaluate_retrieval(embeddings=vectors, labels=labels, superclasses=by_clip).superclasses
    assert alone is not None
    assert alone.to_json() == result.superclasses.to_json()
    assert list(result.to_frame().index) == list(result.classes)
    assert result.summary().loc["MAP", "superclasses"] == result.superclasses.mean_average_precision
    assert "RetrievalResult(all, 90 clips of 6 classes" in result._repr_html_()
    again = sa.RetrievalResult.from_json(result.to_json())
    assert again.to_json() == result.to_json()
    assert {type(getattr(again, field.name)) for field in dataclasses.fields(again)} == {
        type(getattr(result, field.name)) for field in dataclasses.fields(result)
    }
    ax = result.plot()
    drawn = {line.get_label(): line.get_ydata() for line in ax.get_lines()}
    np.testing.assert_allclose(drawn["accuracy at k"], [100 * value for value in result.accuracy_at_k.values()])
    assert result.plot_confusion().get_xlabel() == "answer"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"policy": "fold"}, r"^policy: got fold; accepted: 'all', 'source-disjoint' or 'fold-disjoint'$"),
        ({"policy": "source-disjoint"}, r"^sources: got None"),
        ({"policy": "fold-disjoint"}, r"^folds: got none; accepted: two or more folds, for this policy$"),
        ({"policy": "fold-disjoint", "folds": [1] * 90}, r"^folds: got one fold; accepted: two or more"),
        ({"k": ()}, r"^k: got \(\); accepted: one or more whole numbers from 1 on$"),
        ({"k": (0, 3)}, r"^k: got \(0, 3\); accepted"),
        ({"superclasses": ["a"]}, r"^superclasses: got shape \(1,\); accepted: \(90,\), one for each clip$"),
        ({"superclasses": {"0": "a"}}, r"^superclasses: got none for the class '1'; accepted: one for each class$"),
        ({"sources": [1]}, r"^sources: got 1 for 90 clips; accepted: one for each clip$"),
        ({"metric": "manhattan"}, r"^metric: got manhattan; accepted: 'cosine' or 'euclidean'$"),
        ({"embeddings": None}, r"^evaluation: got nothing to evaluate"),
    ],
)
def test_wrong_use(changes: dict[str, Any], message: str) -> None:
    _, labels, _, _, vectors = _data(11)
    with pytest.raises(sa.ParameterError, match=message):
        sa.evaluate_retrieval(**{"embeddings": vectors, "labels": labels, **changes})


def test_nan_similarity() -> None:
    similarity = np.ones((4, 4), dtype=np.float32)
    similarity[1, 2] = np.nan
    labels = [np.array([0, 0, 1, 1])]
    with pytest.raises(sa.ParameterError, match=r"^similarity: got NaN for clips 1 and 2; accepted: numbers$"):
        core.score_retrieval(similarity, labellings=labels, groups=None, ks=[1], first_query=0, num_threads=1)


# ---- linear separability


def test_separability_against_scikit_learn() -> None:
    from sklearn.decomposition import PCA
    from sklearn.feature_selection import VarianceThreshold
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    rng, labels, _, folds, vectors = _data(12, 150)
    vectors = np.concatenate([vectors, 0.01 * rng.standard_normal((150, 2)), np.ones((150, 1))], axis=1)
    found = sa.evaluation.linear_separability(vectors, labels, folds=folds, variance_threshold=0.1, pca=3)
    for name, classifier in (
        ("logistic_regression", LogisticRegression(max_iter=2000)),
        ("linear_svm", SVC(kernel="linear")),
    ):
        steps = make_pipeline(VarianceThreshold(0.1), StandardScaler(), PCA(3, svd_solver="full"), classifier)
        vectors = vectors.astype(np.float64)
        expected = cross_val_predict(steps, vectors, labels, groups=folds, cv=LeaveOneGroupOut())
        np.testing.assert_array_equal(found.predictions[name], expected)
        assert found.accuracy[name] == np.mean(expected == labels)
        of_folds = [np.mean((expected == labels)[folds == fold]) for fold in range(4)]
        assert found.fold_accuracies[name] == pytest.approx(of_folds)
    assert found.num_features == (3, 3, 3, 3)
    assert list(found.to_frame().index) == ["logistic_regression", "linear_svm"]
    drawn = sa.evaluation.linear_separability(vectors, labels, classifiers=["linear_svm"], seed=3)
    assert len(drawn.num_features) == 5
    assert drawn.num_features[0] == 7  # all but the constant one
    for label in range(6):
        counts = np.bincount(drawn.folds[labels == label], minlength=5)
        assert np.ptp(counts) <= 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embeddings": np.ones(6)}, r"^embeddings: got shape \(6,\) of float64; accepted: a matrix of real numbers$"),
        ({"embeddings": np.full((6, 2), np.nan)}, r"^embeddings: got NaN or infinity for clip 0; accepted: finite"),
        ({"labels": [0, 1]}, r"^labels: got shape \(2,\); accepted: \(6,\), one for each clip$"),
        ({"labels": [0] * 6}, r"^labels: got 1 classes; accepted: two or more$"),
        ({"folds": 4}, r"^folds: got 4; accepted: 2 to 3, the clips of the smallest class$"),
        ({"folds": [1] * 6}, r"^folds: got 1 folds for 6 clips; accepted: two or more, one a clip$"),
        ({"folds": [0, 0, 0, 1, 1, 1]}, r"^folds: got a fold with all clips of '0'; accepted: clips of each class in"),
        ({"variance_threshold": 1e9}, r"^variance_threshold: got 1000000000.0; accepted: less than .*, the largest$"),
        ({"variance_threshold": -1}, r"^variance_threshold: got -1; accepted: 0 or more$"),
        ({"pca": 5}, r"^pca: got 5; accepted: 1 to 2 components, or a share between 0 and 1$"),
        ({"classifiers": ["forest"]}, r"^classifiers: got forest; accepted: 'logistic_regression' and 'linear_svm'$"),
    ],
)
def test_separability_wrong_use(changes: dict[str, Any], message: str) -> None:
    vectors = np.random.default_rng(13).standard_normal((6, 2))
    arguments = {"embeddings": vectors, "labels": [0, 0, 0, 1, 1, 1], "folds": 3, **changes}
    with pytest.raises(sa.ParameterError, match=message):
        sa.evaluation.linear_separability(arguments.pop("embeddings"), arguments.pop("labels"), **arguments)
