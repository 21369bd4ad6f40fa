from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

import siamaudio as sa
from siamaudio._engine import core


def _whitening(
    embeddings: npt.NDArray[np.floating], labels: npt.NDArray[np.int64], power: float, shrinkage: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Centring and within-class whitening by the formula, with NumPy."""
    z = embeddings.astype(np.float64)
    z = np.sign(z) * np.abs(z) ** power
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    residuals = np.concatenate([z[labels == label] - z[labels == label].mean(0) for label in np.unique(labels)])
    within = residuals.T @ residuals / len(z)
    dim = len(within)
    shrunk = (1 - shrinkage) * within + shrinkage * np.trace(within) / dim * np.eye(dim)
    values, vectors = np.linalg.eigh(shrunk)
    return z.mean(0), vectors @ np.diag(values**-0.5) @ vectors.T


@pytest.mark.parametrize(("power", "shrinkage"), [(1.0, 0.05), (0.5, 0.7), (0.25, 1.0)])
@pytest.mark.parametrize(("clips", "dim"), [(40, 7), (300, 64), (12, 100)])  # the last: fewer clips than dimensions
def test_agrees_with_numpy(clips: int, dim: int, power: float, shrinkage: float, rng: np.random.Generator) -> None:
    labels = rng.integers(0, 5, clips)
    scales = np.geomspace(0.1, 3, dim)
    embeddings = ((rng.standard_normal((5, dim))[labels] + rng.standard_normal((clips, dim))) * scales + 1).astype("f4")
    fitted_power, mean, matrix = core.fit_calibration(embeddings, labels, power=power, shrinkage=shrinkage)
    expected_mean, expected_matrix = _whitening(embeddings, labels, power, shrinkage)
    assert fitted_power == power
    # The results are rounded to float32.
    np.testing.assert_allclose(mean, expected_mean, atol=1e-7)
    np.testing.assert_allclose(matrix, expected_matrix, atol=1e-6 * np.abs(expected_matrix).max())


def test_separates_classes_that_share_a_loud_direction(rng: np.random.Generator) -> None:
    """Clips differ most along a direction that says nothing of their class: whitening takes it out of the cosine."""
    labels = np.repeat(np.arange(6), 20)
    centres = np.concatenate([rng.standard_normal((6, 15)), np.zeros((6, 1))], axis=1)
    embeddings = centres[labels] + 0.3 * rng.standard_normal((120, 16))
    embeddings[:, 15] += 6 * rng.standard_normal(120)
    _, mean, matrix = core.fit_calibration(embeddings.astype(np.float32), labels, power=1, shrinkage=0.1)
    calibrated = (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True) - mean) @ matrix

    def accuracy(values: npt.NDArray[np.floating]) -> float:
        similarity = core.metric_similarity(values.astype(np.float32), values.astype(np.float32), metric="cosine")
        return sa.evaluate_oneshot(similarity=similarity, labels=labels, ways=5).accuracy

    assert accuracy(calibrated) > accuracy(embeddings) + 0.1


def test_bad_input_is_named(rng: np.random.Generator) -> None:
    embeddings = rng.standard_normal((4, 3)).astype(np.float32)
    for labels, power, shrinkage, named in (
        ([0, 0, 1], 1, 0.7, "labels"),
        ([0, 1, 2, 3], 1, 0.7, "embeddings"),
        ([0, 0, 1, 1], 1, 0, "shrinkage"),
        ([0, 0, 1, 1], 0, 0.7, "power"),
    ):
        with pytest.raises(sa.ParameterError, match=f"^{named}"):
            core.fit_calibration(embeddings, np.asarray(labels), power=power, shrinkage=shrinkage)
