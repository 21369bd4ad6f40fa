"""The exact search against brute force in NumPy: every bit and every tie."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import siamaudio as sa
from siamaudio import _audio
from siamaudio._engine import core

METRICS = ("inner_product", "cosine", "euclidean")
STORAGES = ("float32", "float16", "int8")
ISAS = _audio.usable_isas()
FloatArray = npt.NDArray[np.float32]


def kept(vectors: FloatArray, storage: str) -> FloatArray:
    """What each storage makes of the vectors."""
    if storage == "float32":
        return vectors
    if storage == "float16":
        return vectors.astype(np.float16).astype(np.float32)
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    steps = vectors * np.divide(np.float32(127), largest, where=largest > 0, out=np.zeros_like(largest))
    # Halves are rounded away from zero.
    return np.trunc(steps + np.copysign(np.float32(0.5), steps)) * (largest / np.float32(127))


def ordered_sum(terms: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Sum the last axis as documented: number i to sum i mod 16, then the sums one after the other."""
    padded = np.zeros((*terms.shape[:-1], -(-terms.shape[-1] // 16), 16))
    padded.reshape(*terms.shape[:-1], -1)[..., : terms.shape[-1]] = terms
    sums = np.zeros((*terms.shape[:-1], 16))
    for step in range(padded.shape[-2]):
        sums += padded[..., step, :]
    total = np.zeros(terms.shape[:-1])
    for i in range(16):
        total += sums[..., i]
    return total


def similarities(queries: FloatArray, items: FloatArray, metric: str) -> FloatArray:
    left, right = queries.astype(np.float64)[:, None], items.astype(np.float64)[None]
    if metric == "euclidean":
        return -np.sqrt(ordered_sum((left - right) ** 2)).astype(np.float32)
    product = ordered_sum(left * right)
    if metric == "inner_product":
        return product.astype(np.float32)
    norms = np.sqrt((left**2).sum(axis=-1)) * np.sqrt((right**2).sum(axis=-1))
    return np.divide(product, norms, where=norms > 0, out=np.zeros_like(product)).astype(np.float32)


def brute_force(similarity: FloatArray, k: int, may_find: npt.NDArray[np.bool_] | None = None) -> tuple[Any, Any]:
    if may_find is not None:
        similarity = np.where(may_find, similarity, -np.inf)
    num_items = similarity.shape[1]
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    values = np.take_along_axis(similarity, order, axis=1)
    order = np.where(np.isneginf(values), -1, order)
    missing = ((0, 0), (0, max(0, k - num_items)))
    return np.pad(order, missing, constant_values=-1), np.pad(values, missing, constant_values=-np.inf)


def made_index(vectors: FloatArray, metric: str, storage: str = "float32") -> Any:
    index = core.NearestIndex(vectors.shape[1], metric, storage)
    index.add(vectors)
    return index


def check_same(found: tuple[Any, Any], expected: tuple[Any, Any]) -> None:
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def clustered(rng: np.random.Generator, num: int, dim: int) -> FloatArray:
    """Vectors far from the origin, in a few bunches, some of them twice."""
    centres = 3 + rng.standard_normal((5, dim))
    vectors = (centres[rng.integers(5, size=num)] + 0.1 * rng.standard_normal((num, dim))).astype(np.float32)
    vectors[num // 2 :: 7] = vectors[: len(vectors[num // 2 :: 7])]
    return vectors


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("metric", METRICS)
def test_equals_brute_force(monkeypatch: pytest.MonkeyPatch, metric: str, storage: str, isa: str) -> None:
    monkeypatch.setenv("SIAMAUDIO_ISA", isa)
    rng = np.random.default_rng(0)
    for num, dim, num_queries in ((1, 1, 1), (5, 3, 2), (700, 17, 9), (2300, 40, 13), (1500, 128, 30)):
        vectors = clustered(rng, num, dim)
        queries = np.concatenate([vectors[: num_queries // 2], clustered(rng, num_queries, dim)])
        index = made_index(vectors, metric, storage)
        np.testing.assert_array_equal(index.vectors(0, num), kept(vectors, storage))
        expected = similarities(queries, kept(vectors, storage), metric)
        for k in (1, 7, num, num + 3):
            check_same(index.search(queries, k), brute_force(expected, k))


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("metric", METRICS)
def test_same_bits_for_all(monkeypatch: pytest.MonkeyPatch, metric: str, storage: str) -> None:
    """Whatever the threads, the instruction set, the queries beside it and how the vectors were added."""
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((5000, 96)).astype(np.float32)
    queries = rng.standard_normal((70, 96)).astype(np.float32)
    index = made_index(vectors, metric, storage)
    expected = index.search(queries, 12, num_threads=1)
    for isa in ISAS:
        monkeypatch.setenv("SIAMAUDIO_ISA", isa)
        for num_threads in (1, 2, 5):
            check_same(index.search(queries, 12, num_threads=num_threads), expected)
        for count in (1, 2, 3, 4, 5, 6, 7):
            check_same(index.search(queries[:count], 12), (expected[0][:count], expected[1][:count]))
    piecewise = core.NearestIndex(96, metric, storage)
    for part in np.split(vectors, [1, 2, 3, 70, 1024, 1025, 2600]):
        piecewise.add(part)
    check_same(piecewise.search(queries, 12), expected)


@pytest.mark.parametrize("metric", METRICS)
def test_ties(metric: str) -> None:
    """Few different vectors, many times: among equals the lowest positions, in their order."""
    rng = np.random.default_rng(2)
    vectors = rng.integers(-1, 2, size=(3000, 4)).astype(np.float32)
    queries = rng.integers(-1, 2, size=(20, 4)).astype(np.float32)
    index = made_index(vectors, metric)
    expected = similarities(queries, vectors, metric)
    for k in (1, 10, 500):
        check_same(index.search(queries, k), brute_force(expected, k))
    same = made_index(np.ones((2500, 8), dtype=np.float32), metric)
    positions, _ = same.search(np.ones((3, 8), dtype=np.float32), 100)
    np.testing.assert_array_equal(positions, np.tile(np.arange(100), (3, 1)))


@pytest.mark.parametrize("metric", METRICS)
def test_ties_by_rounding(metric: str) -> None:
    """Vectors that differ by less than a float32 similarity can tell are ties, too."""
    rng = np.random.default_rng(3)
    base = rng.standard_normal(32)
    vectors = (base + 1e-7 * rng.standard_normal((3000, 32))).astype(np.float32)
    queries = (base + 1e-7 * rng.standard_normal((4, 32))).astype(np.float32)
    expected = similarities(queries, vectors, metric)
    if metric == "cosine":
        assert len(np.unique(expected)) < 20
    check_same(made_index(vectors, metric).search(queries, 25), brute_force(expected, 25))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("scale", [1e-30, 1e-18, 1e-12, 1e12, 1e18, 1e30])
def test_large_and_small_numbers(metric: str, scale: float) -> None:
    rng = np.random.default_rng(4)
    vectors = (scale * clustered(rng, 1300, 20)).astype(np.float32)
    vectors[::9] = rng.standard_normal(vectors[::9].shape)
    vectors[::11] = 0
    queries = np.concatenate([vectors[:4], rng.standard_normal((3, 20)).astype(np.float32)])
    with np.errstate(over="ignore"):
        expected = similarities(queries, vectors, metric)
    check_same(made_index(vectors, metric).search(queries, 20), brute_force(expected, 20))


@pytest.mark.parametrize("metric", METRICS)
def test_outliers(metric: str) -> None:
    """One number of a vector is far larger than the others: a byte tells nothing of these."""
    rng = np.random.default_rng(5)
    vectors = rng.standard_normal((2500, 48)).astype(np.float32)
    vectors[np.arange(2500), rng.integers(48, size=2500)] *= 1e4
    queries = rng.standard_normal((6, 48)).astype(np.float32)
    for storage in STORAGES:
        expected = similarities(queries, kept(vectors, storage), metric)
        check_same(made_index(vectors, metric, storage).search(queries, 10), brute_force(expected, 10))


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("share", [0.0, 0.001, 0.03, 0.5, 1.0])
def test_allowed(share: float, storage: str) -> None:
    rng = np.random.default_rng(6)
    vectors, queries = (rng.standard_normal((num, 24)).astype(np.float32) for num in (3000, 12))
    allowed = rng.random(3000) < share
    index = made_index(vectors, "cosine", storage)
    expected = brute_force(similarities(queries, kept(vectors, storage), "cosine"), 8, allowed[None])
    check_same(index.search(queries, 8, allowed=allowed), expected)


def test_groups_leave_one_out() -> None:
    rng = np.random.default_rng(7)
    vectors = clustered(rng, 1500, 24)
    asked = np.arange(0, 1500, 29)
    queries, sources = vectors[asked], rng.integers(300, size=1500)
    index = made_index(vectors, "euclidean")
    similarity = similarities(queries, vectors, "euclidean")
    allowed = rng.random(1500) < 0.7
    for groups in (np.arange(1500), sources, np.zeros(1500, dtype=np.int64)):
        may_find = groups[asked, None] != groups[None]
        found = index.search(queries, 5, query_groups=groups[asked], item_groups=groups)
        check_same(found, brute_force(similarity, 5, may_find))
        found = index.search(queries, 5, query_groups=groups[asked], item_groups=groups, allowed=allowed)
        check_same(found, brute_force(similarity, 5, may_find & allowed))


@pytest.mark.parametrize("storage", STORAGES)
def test_empty(storage: str) -> None:
    index = core.NearestIndex(3, "cosine", storage)
    index.add(np.empty((0, 3), dtype=np.float32))
    assert (len(index), index.size, index.dim) == (0, 0, 3)
    positions, values = index.search(np.ones((2, 3), dtype=np.float32), 4)
    np.testing.assert_array_equal(positions, np.full((2, 4), -1))
    np.testing.assert_array_equal(values, np.full((2, 4), -np.inf))
    positions, values = index.search(np.empty((0, 3), dtype=np.float32), 4)
    assert positions.shape == values.shape == (0, 4)


def test_zero_vectors() -> None:
    vectors = np.zeros((4, 5), dtype=np.float32)
    vectors[2] = 1
    positions, values = made_index(vectors, "cosine").search(vectors[1:3], 4)
    np.testing.assert_array_equal(positions, [[0, 1, 2, 3], [2, 0, 1, 3]])
    np.testing.assert_array_equal(values, [[0, 0, 0, 0], [1, 0, 0, 0]])


def test_agrees_with_the_matrix() -> None:
    """The similarities are those that evaluations compare by."""
    rng = np.random.default_rng(8)
    vectors = clustered(rng, 400, 33)
    for metric in ("cosine", "euclidean"):
        matrix = core.metric_similarity(vectors[:9], vectors, metric=metric)
        positions, values = made_index(vectors, metric).search(vectors[:9], 400)
        np.testing.assert_allclose(values, np.take_along_axis(matrix, positions, axis=1), rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda index: core.NearestIndex(0, "cosine"), r"^dim: got 0; accepted: 1 to 131072$"),
        (lambda index: core.NearestIndex(3, "cosine", "int4"), r"^storage: got int4; accepted: 'float32',"),
        (lambda index: core.NearestIndex(3, "manhattan"), r"^metric: got manhattan; accepted: 'inner_product'"),
        (lambda index: index.add(np.ones((2, 4))), r"^vectors: got shape \(2, 4\); accepted: \(n, 3\)"),
        (lambda index: index.add(np.ones(3)), r"^vectors: got shape \(3\); accepted: \(n, 3\)"),
        (lambda index: index.add([[0, 0, 0], [0, np.nan, 0]]), r"^vectors: got NaN in row 1; accepted: finite"),
        (lambda index: index.add([[np.inf, 0, 0]]), r"^vectors: got infinity in row 0; accepted: finite numbers$"),
        (lambda index: index.search([[0, -np.inf, 0]], 1), r"^queries: got infinity in row 0; accepted: fin"),
        (lambda index: index.search(np.ones((1, 2)), 1), r"^queries: got shape \(1, 2\); accepted: \(n, 3\)"),
        (lambda index: index.search(np.ones((1, 3)), 0), r"^k: got 0; accepted: 1 or more"),
        (lambda index: index.search(np.ones((1, 3)), 1, allowed=[True]), r"^allowed: got 1 values; accepted: 2, one"),
        (lambda index: index.search(np.ones((1, 3)), 1, query_groups=[1]), r"^groups: got those of queries or of"),
        (
            lambda index: index.search(np.ones((1, 3)), 1, query_groups=[1, 2], item_groups=[1, 2]),
            r"^query_groups: got 2 values; accepted: 1, one for each query$",
        ),
        (lambda index: index.vectors(1, 3), r"^begin, end: got 1, 3; accepted: 0 <= begin <= end <= 2$"),
    ],
)  # fmt: skip
def test_wrong_use(call: Any, message: str) -> None:
    index = made_index(np.eye(3, dtype=np.float32)[:2], "cosine")
    with pytest.raises(sa.ParameterError, match=message):
        call(index)
    assert len(index) == 2
    assert index.search(np.ones((1, 3)), 1)[0] == 0


def test_too_large_for_float16() -> None:
    index = core.NearestIndex(2, "cosine", "float16")
    with pytest.raises(sa.ParameterError, match=r"^vectors: got 70000.*in row 1; accepted: .*65504, for float16$"):
        index.add([[65504, 0], [7e4, 0]])
    index.add([[65504, 1e-7]])
    np.testing.assert_array_equal(index.vectors(0, 1), [[65504, np.float16(1e-7)]])
