"""Comparisons of results, against SciPy and statsmodels."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

import siamaudio as sa
from siamaudio.evaluation.comparison import corrected_p_values


def _result(shares: npt.ArrayLike, labels: npt.ArrayLike, **changes) -> sa.EvaluationResult:
    """A result with these shares of right answers."""
    shares, labels = np.asarray(shares, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    classes = tuple(f"class {code}" for code in range(max(labels) + 1))
    nothing = sa.Interval(0, 1)
    values = {
        "accuracy": 0.5,
        "interval": nothing,
        "per_class": dict.fromkeys(classes, 0.5),
        "per_class_intervals": dict.fromkeys(classes, nothing),
        "confusion": np.eye(len(classes)),
        "classes": classes,
        "ways": 2,
        "shots": 1,
        "ways_curve": {2: 0.5},
        "baselines": {"chance": 0.5},
        "protocol": "made up",
        "description": "made up",
        "num_clips": len(labels),
        "num_tasks": None,
        "seed": None,
        "source_disjoint": False,
        "left_out": (),
        "query_accuracy": shares,
        "query_classes": labels,
    }
    return sa.EvaluationResult(**{**values, **changes})


def _pair(rng: np.random.Generator, labels: npt.NDArray, *, better: float = 0.1) -> tuple[npt.NDArray, npt.NDArray]:
    first = rng.random(len(labels)) * 0.8
    return first, np.clip(first + better + 0.3 * rng.standard_normal(len(labels)), 0, 1)


def _macro(labels: npt.NDArray):
    codes = np.unique(labels)
    return lambda x, y, axis=-1: np.mean([(y - x)[..., labels == code].mean(axis=-1) for code in codes], axis=0)


def test_all_permutations_as_scipy(rng: np.random.Generator) -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
    first, second = _pair(rng, labels)
    found = sa.compare(_result(first, labels), _result(second, labels))
    statistic = _macro(labels)
    expected = stats.permutation_test(
        (first, second), statistic, permutation_type="samples", n_resamples=10_000, vectorized=True
    )
    assert found.all_permutations
    assert found.num_permutations == 1024
    assert found.p_value == pytest.approx(expected.pvalue, abs=1e-12)
    assert found.difference == pytest.approx(expected.statistic, abs=1e-12)
    for code in range(3):
        own = labels == code
        alone = stats.permutation_test(
            (first[own], second[own]), lambda x, y, axis: (y - x).mean(axis=axis), permutation_type="samples"
        )
        assert found.per_class[f"class {code}"].p_value == pytest.approx(alone.pvalue, abs=1e-12)


def test_random_permutations_are_near_all(rng: np.random.Generator) -> None:
    labels = np.repeat(np.arange(2), 7)
    first, second = _pair(rng, labels)
    results = _result(first, labels), _result(second, labels)
    exact = sa.compare(*results, permutations=20_000)
    drawn = sa.compare(*results, permutations=10_000, seed=3)
    assert exact.all_permutations
    assert not drawn.all_permutations
    assert drawn.num_permutations == 10_001
    error = math.sqrt(exact.p_value * (1 - exact.p_value) / 10_000)
    assert abs(drawn.p_value - exact.p_value) < 4 * error + 1e-4
    assert sa.compare(*results, permutations=10_000, seed=3).p_value == drawn.p_value


def test_sources_change_sign_together(rng: np.random.Generator) -> None:
    labels = np.repeat(np.arange(3), 6)
    sources = np.array([0, 0, 0, 1, 1, 2, 3, 3, 4, 4, 5, 5, 6, 6, 6, 7, 8, 8])
    first, second = _pair(rng, labels)
    found = sa.compare(_result(first, labels), _result(second, labels), sources=sources)
    assert found.num_exchanged == 9
    difference, observed, extreme = second - first, None, 0
    statistic = _macro(labels)
    for signs in itertools.product((1, -1), repeat=9):
        value = abs(statistic(np.zeros(18), difference * np.array(signs)[sources]))
        observed = value if observed is None else observed
        extreme += value >= observed - 1e-12
    assert found.p_value == pytest.approx(extreme / 512, abs=1e-12)
    assert "source within a class" in found.description
    # One name for recordings of two classes is two sources: classes are never exchanged together.
    assert sa.compare(_result(first, labels), _result(second, labels), sources=["x"] * 18).num_exchanged == 3


def test_exchanging_classes(rng: np.random.Generator) -> None:
    labels = np.repeat(np.arange(7), 5)
    first, second = _pair(rng, labels)
    found = sa.compare(_result(first, labels), _result(second, labels), exchange="classes")
    differences = np.array([(second - first)[labels == code].mean() for code in range(7)])
    expected = stats.permutation_test(
        (np.zeros(7), differences), lambda x, y, axis: (y - x).mean(axis=axis), permutation_type="samples"
    )
    assert found.p_value == pytest.approx(expected.pvalue, abs=1e-12)
    assert found.num_exchanged == 7
    interval = stats.ttest_1samp(differences, 0).confidence_interval()
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx(tuple(interval), abs=1e-12)


def test_interval_and_effect_size_of_one_class_as_students(rng: np.random.Generator) -> None:
    first, second = rng.random(20), rng.random(20)
    labels = np.repeat([0, 1], 10)
    found = sa.compare(_result(first, labels), _result(second, labels))
    for code, name in enumerate(("class 0", "class 1")):
        difference = (second - first)[labels == code]
        interval = stats.ttest_1samp(difference, 0).confidence_interval()
        own = found.per_class[name].interval
        assert own is not None
        assert (own.low, own.high) == pytest.approx(tuple(interval), abs=1e-12)
    pooled = math.sqrt(np.mean([(second - first)[labels == code].var(ddof=1) for code in (0, 1)]))
    assert found.effect_size == pytest.approx(found.difference / pooled, abs=1e-12)


def test_mcnemar_as_statsmodels(rng: np.random.Generator) -> None:
    labels = np.repeat(np.arange(3), 20)
    first = rng.choice([0, 0.25, 0.5, 0.75, 1], 60)
    second = rng.choice([0, 0.5, 0.75, 1, 1], 60)
    found = sa.compare(_result(first, labels), _result(second, labels))
    for test, own in [(found.mcnemar, labels >= 0)] + [
        (found.per_class[f"class {code}"].mcnemar, labels == code) for code in range(3)
    ]:
        decided = own & (first != 0.5) & (second != 0.5)
        one, other = first[decided] > 0.5, second[decided] > 0.5
        table = [[np.sum(one & other), np.sum(one & ~other)], [np.sum(~one & other), np.sum(~one & ~other)]]
        assert [[test.both, test.only_first], [test.only_second, test.neither]] == table
        assert test.p_value == pytest.approx(mcnemar(table, exact=True).pvalue, abs=1e-12)


@pytest.mark.parametrize(("correction", "method"), [("holm", "holm"), ("bh", "fdr_bh")])
@pytest.mark.parametrize("count", [1, 2, 50])
def test_corrections_as_statsmodels(rng: np.random.Generator, correction, method: str, count: int) -> None:
    p_values = np.round(rng.random(count) ** 3, 2)  # with ties
    np.testing.assert_allclose(
        corrected_p_values(p_values.tolist(), correction), multipletests(p_values, method=method)[1], atol=1e-12
    )
    assert corrected_p_values(p_values.tolist(), "none") == p_values.tolist()


def test_p_values_are_uniform_where_both_are_equally_good() -> None:
    """Under the null hypothesis a p-value is below 5 % in 5 % of the cases, sources of three takes or not."""
    rng = np.random.default_rng(0)
    labels, sources = np.repeat(np.arange(4), 12), np.repeat(np.arange(16), 3)
    below = {"by source": 0, "by clip": 0}
    for _ in range(300):
        shared = rng.standard_normal(16)[sources] * 0.3
        first, second = 0.5 + 0.1 * rng.standard_normal((2, 48)) + [shared, -shared]
        results = _result(first, labels), _result(second, labels)
        below["by source"] += sa.compare(*results, sources=sources, permutations=199).p_value < 0.05
        below["by clip"] += sa.compare(*results, permutations=199).p_value < 0.05
    assert 0.01 < below["by source"] / 300 < 0.09  # three standard errors
    assert below["by clip"] / 300 > 0.15  # what ignoring sources would do


def test_equal_results_do_not_differ(rng: np.random.Generator) -> None:
    result = _result(rng.random(12), np.arange(12) % 3)
    found = sa.compare(result, result)
    assert (found.difference, found.p_value, found.effect_size) == (0.0, 1.0, None)
    assert found.mcnemar.p_value == 1.0
    assert all(own.corrected_p_value == 1.0 for own in found.per_class.values())


def test_queries_of_both_count(rng: np.random.Generator) -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, -1])
    first, second = np.array([1, 1, np.nan, 0, 0, 1, np.nan]), np.array([0, 1, 1, 0, np.nan, 0, np.nan])
    found = sa.compare(_result(first, labels), _result(second, labels))
    assert (found.first, found.second) == ((1 + 0.5) / 2, (0.5 + 0) / 2)
    assert "4 queries of 2 classes" in found.description


def test_evaluations(trained: sa.SiameseNetwork, unseen: sa.Features) -> None:
    """The whole way: two results on the same clips, sources from the features."""
    network = sa.evaluate_oneshot(trained, unseen, ways=2)
    labels = np.array(unseen.class_names)[unseen.labels]
    rng = np.random.default_rng(0)
    guessing = sa.evaluate_oneshot(embeddings=rng.standard_normal((len(unseen), 4)), labels=labels, ways=2)
    found = sa.compare(guessing, network, sources=unseen, names=("guessing", "network"))
    assert found.names == ("guessing", "network")
    assert set(found.per_class) == set(unseen.class_names)


def test_class_splits(rng: np.random.Generator) -> None:
    """A clip counts by its mean over the splits that tested its class."""
    clips = np.repeat(rng.standard_normal((8, 12, 12)), 4, axis=0) + rng.standard_normal((32, 12, 12))
    # The clips of the classes are mixed, so that an order by class is another one.
    order = rng.permutation(32)
    sources = [f"{i // 2}" for i in range(32)]
    features = sa.Features.from_arrays(
        clips[order], np.repeat(list("abcdefgh"), 4)[order], sources=[sources[i] for i in order]
    )

    def evaluate(filters: int, seed: int = 0) -> sa.SplitsResult:
        encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=filters, kernel_size=3),), dense=(sa.Dense(units=8),))

        def make_network(train: sa.Features, validation: sa.Features, seed: int) -> sa.SiameseNetwork:
            return sa.SiameseNetwork(encoder).build(train.shape[1:], seed=seed)

        return sa.evaluate_splits(
            make_network, features, splits=5, num_test=3, num_validation=0, ways=2, seed=seed, progress=False
        )

    first, second = evaluate(2), evaluate(4)
    found = sa.compare(first, second, sources=features)
    differences = {}
    for name in first.per_class:
        values = [np.mean([r.per_class[name] for r in result.results if name in r.per_class])
                  for result in (first, second)]  # fmt: skip
        differences[name] = values[1] - values[0]
        assert found.per_class[name].difference == pytest.approx(differences[name], abs=1e-12)
    assert found.difference == pytest.approx(np.mean(list(differences.values())), abs=1e-12)
    assert found.num_exchanged == 16
    # The sources of class "a", by hand.
    own = np.flatnonzero(features.labels == 0)
    pulls = {}
    for position, clip in enumerate(own):
        shares = [np.mean([r.query_accuracy[r.query_classes == r.classes.index("a")][position]
                           for r in result.results if "a" in r.classes]) for result in (first, second)]  # fmt: skip
        source = features.sources[clip]
        pulls[source] = pulls.get(source, 0) + shares[1] - shares[0]
    one, other = pulls.values()
    expected = 1.0 if abs(one + other) <= abs(one - other) or min(abs(one), abs(other)) == 0 else 0.5
    assert found.per_class["a"].p_value == expected
    by_class = sa.compare(first, second, exchange="classes")
    assert by_class.num_exchanged == 8
    with pytest.raises(sa.ParameterError, match="a result of other class splits"):
        sa.compare(first, evaluate(4, seed=1))
    with pytest.raises(sa.ParameterError, match="got EvaluationResult; accepted: SplitsResult"):
        sa.compare(first, first.results[0])
    with pytest.raises(sa.ParameterError, match="the features themselves"):
        sa.compare(first, second, sources=list(features.sources))


def test_comparison_object(rng: np.random.Generator) -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 2])
    first, second = _pair(rng, labels)
    found = sa.compare(_result(first, labels), _result(second, labels), names=("old", "new"))
    again = sa.Comparison.from_json(found.to_json())
    assert again.to_json() == found.to_json()
    assert again.per_class == found.per_class
    assert found.per_class["class 2"].interval is None  # of a single clip
    assert found.interval is None
    frame = found.to_frame()
    assert list(frame.columns[:3]) == ["old", "new", "difference"]
    assert frame.loc["class 1", "p"] == found.per_class["class 1"].p_value
    assert frame["new"].mean() - frame["old"].mean() == pytest.approx(found.difference)
    assert "old" in repr(found)
    assert "McNemar" in str(found)
    assert "<table" in found._repr_html_()
    with pytest.raises(AttributeError):
        found.p_value = 0.0


def test_bad_input_is_named(rng: np.random.Generator) -> None:
    labels = np.array([0, 0, 1, 1])
    result = _result(rng.random(4), labels)
    other = dataclasses.replace
    for second, arguments, message in (
        (other(result, ways=5), {}, "a result with ways 5; accepted: ways as of the first, 2"),
        (other(result, protocol="exact"), {}, "protocol exact"),
        (other(result, source_disjoint=True), {}, "source_disjoint True"),
        (other(result, classes=("x", "y")), {}, "classes 2 classes, or others"),
        (_result(rng.random(6), [0, 0, 0, 1, 1, 1]), {}, "6 clips of other classes; accepted: one on the same 4"),
        (_result([np.nan] * 4, labels), {}, "no clip that was a query in both"),
        (result, {"correction": "x"}, "correction: got x"),
        (result, {"exchange": "x"}, "exchange: got x"),
        (result, {"permutations": 0}, "permutations: got 0"),
        (result, {"sources": ["a", "b"]}, r"shape \(2,\); accepted: \(4,\)"),
    ):
        with pytest.raises(sa.ParameterError, match=message):
            sa.compare(result, second, **arguments)
