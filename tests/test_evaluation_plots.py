"""Pictures of pairs, comparisons, class splits and leaks: they show the numbers that the results have."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.stats import norm

import siamaudio as sa

LABELS = np.repeat(["ant", "bee", "cat", "a name with $dollars$ and far too many letters to be shown"], 6)


@pytest.fixture
def ax() -> Axes:
    return Figure(layout="constrained").subplots()


@pytest.fixture(scope="module")
def pairs() -> sa.PairResult:
    rng = np.random.default_rng(0)
    same = rng.random(400) < 0.3
    return sa.evaluate_pairs(scores=rng.beta(1 + same, 2 - same), same=same)


@pytest.fixture(scope="module")
def results() -> list[sa.EvaluationResult]:
    rng = np.random.default_rng(0)
    centres = np.repeat(rng.standard_normal((4, 8)), 6, axis=0)
    return [sa.evaluate_oneshot(embeddings=centres + noise * rng.standard_normal((24, 8)), labels=LABELS, ways=3)
            for noise in (1.5, 1.0)]  # fmt: skip


@pytest.fixture(scope="module")
def splits() -> sa.SplitsResult:
    rng = np.random.default_rng(0)
    features = sa.Features.from_arrays(rng.standard_normal((48, 12, 12)), np.repeat([*"defghijk"], 6))
    encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=4, kernel_size=3),), dense=(sa.Dense(units=8),))

    def make_network(train: sa.Features, validation: sa.Features, seed: int) -> sa.SiameseNetwork:
        return sa.SiameseNetwork(encoder).build(train.shape[1:], seed=seed)

    return sa.evaluate_splits(make_network, features, splits=5, num_test=3, num_validation=0, ways=2, progress=False)


def draw(ax: Axes) -> None:
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()


def texts(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def test_roc(pairs: sa.PairResult, ax: Axes) -> None:
    assert pairs.plot(ax=ax) is ax
    draw(ax)
    np.testing.assert_allclose(ax.lines[0].get_xdata(), 100 * pairs.false_accept)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), 100 * pairs.true_accept)
    assert texts(ax) == [f"AUC {pairs.auc:.3f}", "guessing", f"equal error rate {100 * pairs.equal_error_rate:.1f}%"]
    dots = {tuple(line.get_xydata()[0]) for line in ax.lines[3:]}
    assert dots == {(100 * p.false_accept_rate, 100 * p.true_accept_rate) for p in pairs.operating_points}
    assert f"1%: from {pairs.at(0.01).threshold:.3g}" in {text.get_text() for text in ax.texts}


def test_det(pairs: sa.PairResult, ax: Axes) -> None:
    assert pairs.plot_det(ax=ax) is ax
    draw(ax)
    line = ax.lines[0].get_xydata()
    inside = (pairs.false_accept > 0.001) & (pairs.false_accept < 0.999)
    inside &= (pairs.true_accept > 0.001) & (pairs.true_accept < 0.999)
    assert inside.any()
    np.testing.assert_allclose(line[inside, 0], norm.ppf(pairs.false_accept[inside]))
    np.testing.assert_allclose(line[inside, 1], norm.ppf(1 - pairs.true_accept[inside]))
    assert np.isfinite(line).all()


def test_calibration(pairs: sa.PairResult, ax: Axes) -> None:
    assert pairs.plot_calibration(ax=ax) is ax
    draw(ax)
    assert pairs.calibration is not None
    np.testing.assert_allclose(ax.lines[1].get_xdata(), 100 * pairs.calibration.predicted)
    np.testing.assert_allclose(ax.lines[1].get_ydata(), 100 * pairs.calibration.observed)


def test_comparison(results: list[sa.EvaluationResult], ax: Axes) -> None:
    found = sa.compare(*results, names=("old", "new"))
    assert found.plot(ax=ax) is ax
    draw(ax)
    dots = [line for line in ax.lines if line.get_marker() in ("o", "D")]
    drawn = [dot.get_xdata()[0] for dot in dots]  # pyright: ignore[reportIndexIssue]
    ranked = sorted(own.difference for own in found.per_class.values())
    assert drawn == pytest.approx([100 * found.difference, *(100 * difference for difference in ranked)])
    assert ax.get_yticklabels()[0].get_text() == "over all"
    assert all(len(label.get_text()) <= 28 for label in ax.get_yticklabels())
    filled = [dot.get_markerfacecolor() != ax.get_facecolor() for dot in dots]
    significant = sorted(found.per_class.values(), key=lambda own: own.difference)
    assert filled == [found.p_value < 0.05, *(own.corrected_p_value < 0.05 for own in significant)]


def test_split_classes(splits: sa.SplitsResult, ax: Axes) -> None:
    assert splits.plot(ax=ax) is ax
    draw(ax)
    bars = [patch.get_width() for patch in ax.patches if isinstance(patch, Rectangle)]
    assert bars == pytest.approx(sorted(100 * accuracy for accuracy in splits.per_class.values()))
    dots = np.concatenate([line.get_xdata() for line in ax.lines if line.get_marker() == "."])
    assert sorted(dots) == pytest.approx(sorted(100 * v for r in splits.results for v in r.per_class.values()))


def test_splits(splits: sa.SplitsResult, ax: Axes) -> None:
    assert splits.plot_splits(ax=ax) is ax
    draw(ax)
    accuracies = [100 * result.accuracy for result in splits.results]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), sorted(accuracies))
    assert [label.get_text() for label in ax.get_xticklabels()] == [str(i) for i in np.argsort(accuracies)]
    assert f"mean {splits.accuracy:.1%}" in texts(ax)


def test_leaks(ax: Axes) -> None:
    rng = np.random.default_rng(0)
    array = np.repeat(rng.standard_normal((12, 16, 40)), 2, axis=0)
    report = sa.leak_report(sa.Features.from_arrays(array, np.repeat([*"abc"], 8)), ways=3)
    assert report.plot(ax=ax) is ax
    draw(ax)
    bars = [patch.get_width() for patch in ax.patches if isinstance(patch, Rectangle)]
    assert bars == pytest.approx([100 * accuracy for accuracy in report.accuracies.values()])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["standard", "copy-disjoint"]


@pytest.mark.parametrize("kind", ["plot", "plot_det", "plot_calibration"])
def test_new_axes_are_made(pairs: sa.PairResult, kind: str) -> None:
    assert getattr(pairs, kind)() is plt.gca()
