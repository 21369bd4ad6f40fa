"""Pair-level quality, against scikit-learn and against plain loops."""

from __future__ import annotations

import itertools
import json

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats
from scipy.optimize import brentq
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_auc_score, roc_curve

import siamaudio as sa

MANY_RATES = (0.0, 0.001, 0.01, 0.05, 0.1, 0.37, 0.5, 1.0)


def _scores(rng: np.random.Generator, num_pairs: int, num_values: int) -> tuple[npt.NDArray, npt.NDArray]:
    same = rng.random(num_pairs) < 0.3
    same[:2] = True, False
    scores = rng.integers(num_values, size=num_pairs) / num_values + 0.4 * same * (rng.random(num_pairs) < 0.7)
    return scores, same


def _loop(similarity: npt.NDArray, labels: npt.NDArray, sources: npt.NDArray | None) -> tuple[list[float], list[bool]]:
    scores, same = [], []
    for i, j in itertools.combinations(range(len(labels)), 2):
        if sources is None or sources[i] != sources[j]:
            scores.append(similarity[i, j])
            same.append(bool(labels[i] == labels[j]))
    return scores, same


@pytest.mark.parametrize("num_values", [1, 2, 3, 10, 1_000_000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_curve_and_auc_as_scikit_learn(rng: np.random.Generator, num_values: int, dtype: type) -> None:
    scores, same = _scores(rng, 300, num_values)
    scores = scores.astype(dtype)
    result = sa.evaluate_pairs(scores=scores, same=same)
    assert result.auc == pytest.approx(roc_auc_score(same, scores), abs=1e-12)
    false_accept, true_accept, _ = roc_curve(same, scores)
    # Both are the corners of one broken line; there may be superfluous ones on its straight pieces.
    np.testing.assert_allclose(
        np.interp(false_accept + true_accept, result.false_accept + result.true_accept, result.true_accept),
        true_accept,
        atol=1e-12,
    )
    assert np.trapezoid(result.true_accept, result.false_accept) == pytest.approx(result.auc, abs=1e-12)
    for threshold, false, true in zip(result.thresholds, result.false_accept, result.true_accept, strict=True):
        assert false == (scores[~same] >= threshold).mean()
        assert true == (scores[same] >= threshold).mean()
    assert (np.diff(result.thresholds) < 0).all()


@pytest.mark.parametrize("num_values", [2, 5, 1_000_000])
def test_equal_error_is_where_the_curve_crosses(rng: np.random.Generator, num_values: int) -> None:
    scores, same = _scores(rng, 301, num_values)
    result = sa.evaluate_pairs(scores=scores, same=same)
    false_accept, true_accept, _ = roc_curve(same, scores, drop_intermediate=False)
    along = false_accept + true_accept  # strictly rising, so that the line is a function of it
    crossing = brentq(lambda s: np.interp(s, along, false_accept) + np.interp(s, along, true_accept) - 1, 0, 2)
    assert result.equal_error_rate == pytest.approx(np.interp(crossing, along, false_accept), abs=1e-9)

    def gap(threshold: float) -> float:
        return abs((scores[~same] >= threshold).mean() - (scores[same] < threshold).mean())

    assert gap(result.equal_error_threshold) == pytest.approx(min(map(gap, np.unique(scores))), abs=1e-12)


@pytest.mark.parametrize("num_values", [1, 2, 7, 1_000_000])
def test_operating_points_are_the_best_of_all_thresholds(rng: np.random.Generator, num_values: int) -> None:
    scores, same = _scores(rng, 200, num_values)
    result = sa.evaluate_pairs(scores=scores, same=same, false_accept_rates=MANY_RATES)
    everywhere = [*np.unique(scores), np.inf]
    for rate in MANY_RATES:
        point = result.at(rate)
        assert point.false_accept_rate == (scores[~same] >= point.threshold).mean() <= rate
        assert point.true_accept_rate == (scores[same] >= point.threshold).mean()
        allowed = [t for t in everywhere if (scores[~same] >= t).mean() <= rate]
        assert point.true_accept_rate == max((scores[same] >= t).mean() for t in allowed)
        for interval, value in (
            (point.false_accept_interval, point.false_accept_rate),
            (point.true_accept_interval, point.true_accept_rate),
            (point.threshold_interval, point.threshold),
        ):
            assert interval.low <= value <= interval.high
    with pytest.raises(sa.ParameterError, match=r"got 0\.2; accepted: 0, 0\.001, "):
        result.at(0.2)


def test_wilson_for_independent_pairs() -> None:
    """Without clips in common the interval is the textbook's."""
    from statsmodels.stats.proportion import proportion_confint

    scores = np.r_[np.linspace(0, 1, 200), np.linspace(0.5, 1.5, 50)]
    same = np.r_[np.zeros(200), np.ones(50)]
    point = sa.evaluate_pairs(scores=scores, same=same, false_accept_rates=[0.1]).at(0.1)
    for rate, interval, count in (
        (point.false_accept_rate, point.false_accept_interval, 200),
        (point.true_accept_rate, point.true_accept_interval, 50),
    ):
        low, high = proportion_confint(round(rate * count), count, method="wilson")
        # One less degree of freedom than the textbook's.
        assert interval.low == pytest.approx(low, abs=0.003)
        assert interval.high == pytest.approx(high, abs=0.003)


@pytest.mark.parametrize("num_bins_filled", ["all", "few"])
def test_calibration_as_scikit_learn(rng: np.random.Generator, num_bins_filled: str) -> None:
    probabilities = rng.random(500) * (1 if num_bins_filled == "all" else 0.35)
    same = rng.random(500) < probabilities**2
    share = same.mean()
    found = sa.evaluate_pairs(scores=probabilities, same=same, prior=share).calibration
    assert found is not None
    observed, predicted = calibration_curve(same, probabilities, n_bins=10)
    np.testing.assert_allclose(found.observed, observed, atol=1e-12)
    np.testing.assert_allclose(found.predicted, predicted, atol=1e-12)
    assert found.weight.sum() == pytest.approx(1)
    error = sum(
        inside.mean() * abs(probabilities[inside].mean() - same[inside].mean())
        for low in np.arange(10) / 10
        if (inside := (probabilities > low) & (probabilities <= low + 0.1)).any()
    )
    assert found.error == pytest.approx(error, abs=1e-9)


def test_prior_counts_the_pairs_of_a_class_as_if_repeated(rng: np.random.Generator) -> None:
    probabilities, same = rng.random(40), np.arange(40) < 10
    balanced = sa.evaluate_pairs(scores=probabilities, same=same, prior=0.5).calibration
    repeated = np.r_[np.tile(probabilities[:10], 3), probabilities[10:]]
    as_they_come = sa.evaluate_pairs(scores=repeated, same=np.arange(60) < 30, prior=0.5).calibration
    assert balanced is not None
    assert as_they_come is not None
    np.testing.assert_allclose(balanced.observed, as_they_come.observed)
    assert balanced.error == pytest.approx(as_they_come.error)


def test_no_calibration_without_probabilities(rng: np.random.Generator) -> None:
    scores, same = _scores(rng, 50, 1000)
    result = sa.evaluate_pairs(scores=scores - 1, same=same)
    assert result.calibration is None
    with pytest.raises(sa.ParameterError, match="no probabilities"):
        result.plot_calibration()


@pytest.mark.parametrize("source_disjoint", [False, True])
@pytest.mark.parametrize("num_values", [3, 100_000])
def test_matrix_equals_its_pairs(rng: np.random.Generator, source_disjoint: bool, num_values: int) -> None:
    labels, sources = np.repeat(np.arange(6), 5), np.arange(30) // 2
    similarity = rng.integers(num_values, size=(30, 30)) / num_values
    result = sa.evaluate_pairs(similarity=similarity, labels=labels, sources=sources, source_disjoint=source_disjoint)
    scores, same = _loop(similarity, labels, sources if source_disjoint else None)
    by_pairs = sa.evaluate_pairs(scores=scores, same=same)
    assert (result.num_same, result.num_different) == (sum(same), len(same) - sum(same))
    assert result.auc == by_pairs.auc
    assert result.equal_error_rate == by_pairs.equal_error_rate
    np.testing.assert_array_equal(result.false_accept, by_pairs.false_accept)
    np.testing.assert_array_equal(result.thresholds, by_pairs.thresholds)
    assert result.source_disjoint == source_disjoint
    assert ("different sources" in result.description) == source_disjoint


def test_blocks_do_not_matter(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    from siamaudio.evaluation import pairs

    arguments = {"embeddings": rng.standard_normal((40, 4)), "labels": np.arange(40) % 4, "sources": np.arange(40) // 2}
    whole = sa.evaluate_pairs(**arguments)
    monkeypatch.setattr(pairs, "_BLOCK_PAIRS", 100)
    blockwise = sa.evaluate_pairs(**arguments)
    assert whole.auc == blockwise.auc
    assert whole.auc_interval.low == pytest.approx(blockwise.auc_interval.low, abs=1e-12)
    np.testing.assert_array_equal(whole.true_accept, blockwise.true_accept)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_embeddings_equal_their_similarities(rng: np.random.Generator, metric: str) -> None:
    embeddings = rng.standard_normal((30, 8)).astype(np.float32)
    labels = np.arange(30) % 5
    if metric == "cosine":
        unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
        similarity = unit @ unit.T
    else:
        similarity = -np.linalg.norm(embeddings[:, None] - embeddings[None], axis=2)
    result = sa.evaluate_pairs(embeddings=embeddings, labels=labels, metric=metric)
    scores, same = _loop(similarity, labels, None)
    assert result.auc == pytest.approx(roc_auc_score(same, scores), abs=1e-4)
    assert result.calibration is None


def test_network(trained: sa.SiameseNetwork, unseen: sa.Features) -> None:
    result = sa.evaluate_pairs(trained, unseen)
    embeddings = trained.embed(unseen)
    scores, same = _loop(trained.similarity(embeddings, embeddings), unseen.labels, None)
    assert result.auc == pytest.approx(roc_auc_score(same, scores), abs=1e-12)
    assert result.calibration is not None
    assert result.num_clips == len(unseen)


def _clips(rng: np.random.Generator, num_sources: int, takes: int) -> tuple[npt.NDArray, npt.NDArray, npt.NDArray]:
    """Clips of four fixed classes; those of one source are close."""
    centres = np.random.default_rng(5).standard_normal((4, 3))
    labels = np.repeat(np.arange(4), num_sources * takes)
    sources = np.repeat(np.arange(4 * num_sources), takes)
    of_source = 0.8 * rng.standard_normal((4 * num_sources, 3))
    return centres[labels] + of_source[sources] + 0.2 * rng.standard_normal((len(labels), 3)), labels, sources


def test_intervals_cover_at_their_rate() -> None:
    """Over 400 data sets, with two takes a source: intervals as if pairs were independent would be far too short."""
    rng = np.random.default_rng(1)
    many, labels, sources = _clips(rng, 300, 1)
    truth = sa.evaluate_pairs(embeddings=many, labels=labels, sources=sources, metric="euclidean", source_disjoint=True)
    threshold = truth.at(0.1).threshold
    inside = {"auc": 0, "equal error": 0, "threshold": 0, "true accept": 0}
    naive = 0
    for _ in range(400):
        embeddings, labels, sources = _clips(rng, 8, 2)
        found = sa.evaluate_pairs(
            embeddings=embeddings, labels=labels, sources=sources, metric="euclidean",
            false_accept_rates=[0.1], source_disjoint=True,
        )  # fmt: skip
        inside["auc"] += found.auc_interval.low <= truth.auc <= found.auc_interval.high
        equal = found.equal_error_interval
        inside["equal error"] += equal.low <= truth.equal_error_rate <= equal.high
        point = found.at(0.1)
        inside["threshold"] += point.threshold_interval.low <= threshold <= point.threshold_interval.high
        true = point.true_accept_interval
        held = truth.true_accept[np.searchsorted(-truth.thresholds, -point.threshold, side="right") - 1]
        inside["true accept"] += true.low <= held <= true.high
        half = 1.96 * np.sqrt(found.auc * (1 - found.auc) / found.num_same)
        naive += abs(found.auc - truth.auc) <= half
    # At 95 % the binomial standard error over 400 is 1.1 points.
    assert min(inside.values()) / 400 > 0.91, inside
    assert naive / 400 < 0.85


@pytest.mark.parametrize(("num_same", "num_different"), [(60, 60), (40, 400), (300, 50)])
def test_intervals_of_independent_pairs_cover_at_their_rate(num_same: int, num_different: int) -> None:
    """Scores of two normal distributions of different widths, whose curve is known."""
    rng = np.random.default_rng(2)
    auc = stats.norm.cdf(1.5 / np.hypot(1, 0.5))
    equal_error = stats.norm.cdf(-1.5 / (1 + 0.5))
    same = np.arange(num_same + num_different) < num_same
    inside = {"auc": 0, "equal error": 0}
    widths = []
    for _ in range(400):
        scores = np.where(same, 1.5 + 0.5 * rng.standard_normal(len(same)), rng.standard_normal(len(same)))
        found = sa.evaluate_pairs(scores=scores, same=same, false_accept_rates=[])
        inside["auc"] += found.auc_interval.low <= auc <= found.auc_interval.high
        inside["equal error"] += found.equal_error_interval.low <= equal_error <= found.equal_error_interval.high
        widths.append(found.auc_interval.high - found.auc_interval.low)
    assert 0.91 < inside["auc"] / 400 < 0.985, inside
    assert 0.91 < inside["equal error"] / 400 < 0.985, inside
    assert 0.01 < np.mean(widths) < 0.2
    assert found.to_frame().empty


def test_perfect_and_useless() -> None:
    labels = np.repeat(np.arange(3), 4)
    perfect = sa.evaluate_pairs(similarity=labels[:, None] == labels, labels=labels)
    assert (perfect.auc, perfect.equal_error_rate) == (1.0, 0.0)
    assert perfect.at(0.001).true_accept_rate == 1.0
    # Twelve clips cannot show that one false accept in a thousand is not passed.
    assert perfect.at(0.001).false_accept_interval.high > 0.2
    assert perfect.calibration is not None
    assert perfect.calibration.error == 0
    useless = sa.evaluate_pairs(similarity=np.full((12, 12), 0.5), labels=labels)
    assert (useless.auc, useless.equal_error_rate) == (0.5, 0.5)
    point = useless.at(0.1)
    assert (point.false_accept_rate, point.true_accept_rate) == (0.0, 0.0)
    assert point.threshold > 0.5


def test_result_object(rng: np.random.Generator) -> None:
    scores, same = _scores(rng, 60, 20)
    result = sa.evaluate_pairs(scores=scores / 2, same=same)
    again = sa.PairResult.from_json(result.to_json())
    assert again.to_json() == result.to_json()
    assert json.loads(result.to_json())["auc"] == result.auc
    assert again.operating_points == result.operating_points
    frame = result.to_frame()
    assert list(frame.index) == [0.1, 0.05, 0.01, 0.001]
    assert frame.loc[0.05, "threshold"] == result.at(0.05).threshold
    assert frame.loc[0.05, "true_accept_high"] == result.at(0.05).true_accept_interval.high
    assert "AUC" in repr(result)
    assert "<table" in result._repr_html_()
    with pytest.raises(AttributeError):
        result.auc = 1.0


def test_bad_input_is_named(trained: sa.SiameseNetwork, unseen: sa.Features) -> None:
    square, labels = np.zeros((4, 4)), ["a", "a", "b", "b"]
    nan = square.copy()
    nan[1, 2] = np.nan
    infinite = square.copy()
    infinite[1, 2] = np.inf
    for arguments, error, message in (
        ({}, sa.ParameterError, "nothing to evaluate"),
        ({"scores": [1, 2]}, sa.ParameterError, "same: got None"),
        ({"same": [1, 0]}, sa.ParameterError, "scores: got None"),
        ({"scores": [1, 2], "same": [1]}, sa.ParameterError, r"shape \(1,\) for scores of shape \(2,\)"),
        ({"scores": [1, 2], "same": [1, 2]}, sa.ParameterError, "other values than 0 and 1"),
        ({"scores": [1, np.nan], "same": [1, 0]}, sa.ParameterError, "scores: got nan"),
        ({"scores": ["x", "y"], "same": [1, 0]}, sa.ParameterError, "real numbers"),
        ({"scores": [1, 2], "same": [1, 1]}, sa.DatasetError, "no pair of different classes"),
        ({"scores": [1, 2], "same": [1, 0], "labels": labels}, sa.ParameterError, "by themselves"),
        ({"scores": [1, 2], "same": [1, 0], "source_disjoint": True}, sa.ParameterError, "source_disjoint"),
        ({"similarity": square, "labels": ["a", "b", "c", "d"]}, sa.DatasetError, "no pair of the same class"),
        ({"similarity": nan, "labels": labels}, sa.ParameterError, "NaN for clips 1 and 2"),
        ({"similarity": infinite, "labels": labels}, sa.ParameterError, "inf for clips 1 and 2"),
        ({"similarity": square, "labels": labels, "source_disjoint": True}, sa.ParameterError, "sources: got None"),
        ({"similarity": square, "labels": labels, "false_accept_rates": [1.5]}, sa.ParameterError, "from 0 to 1"),
        ({"similarity": square, "labels": labels, "prior": 1}, sa.ParameterError, "prior: got 1"),
    ):
        with pytest.raises(error, match=message):
            sa.evaluate_pairs(**arguments)
