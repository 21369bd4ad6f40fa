"""Embeddings as numbers: how they are kept, and how similar they are."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from siamaudio.lazy_array import converted

__all__ = ["DTYPES", "METRICS", "Dtype", "Metric", "decoded", "encoded", "row_bytes", "similarities", "unit"]

Metric = Literal["cosine", "euclidean", "inner_product"]
Dtype = Literal["float32", "float16", "int8"]

METRICS: tuple[Metric, ...] = ("cosine", "euclidean", "inner_product")
DTYPES: tuple[Dtype, ...] = ("float32", "float16", "int8")

_INT8_STEPS = 127


def row_bytes(dim: int, dtype: Dtype) -> int:
    """Return the bytes that an embedding of `dim` numbers takes."""
    return dim * np.dtype(dtype).itemsize + (4 if dtype == "int8" else 0)


def encoded(
    vectors: npt.NDArray[np.float32], dtype: Dtype, metric: Metric
) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32]]:
    """Return embeddings as they are kept.

    Parameters
    ----------
    vectors : np.ndarray [shape=(n, dim), dtype=float32]
        Finite.
    dtype : {"float32", "float16", "int8"}
        "float16" rounds; where the metric is the cosine, which lengths do not change, after bringing embeddings to
        length 1, so that none is too large or too small. "int8" rounds to 127 steps either way of each embedding's
        largest number.
    metric : {"cosine", "euclidean", "inner_product"}
        What embeddings are compared by.

    Returns
    -------
    values : np.ndarray [shape=(n, dim), dtype=`dtype`]
    scales : np.ndarray [shape=(n,) or (0,), dtype=float32]
        Factors of the rows; only "int8" has them.

    Raises
    ------
    ParameterError
        A number is too large for float16.
    """
    none = np.empty(0, dtype=np.float32)
    if dtype == "float32":
        return np.ascontiguousarray(vectors, dtype=np.float32), none
    if dtype == "float16":
        return converted(unit(vectors) if metric == "cosine" else vectors, np.dtype(np.float16)), none
    scales = np.abs(vectors).max(axis=1, initial=0) / np.float32(_INT8_STEPS)
    steps = np.rint(vectors / np.where(scales > 0, scales, 1)[:, None])
    return np.clip(steps, -_INT8_STEPS, _INT8_STEPS).astype(np.int8), scales.astype(np.float32)


def decoded(values: npt.NDArray[Any], scales: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return what `encoded` kept, as float32."""
    vectors = values.astype(np.float32)
    return vectors * scales[:, None] if len(scales) else vectors


def unit(vectors: npt.NDArray[np.floating[Any]]) -> npt.NDArray[Any]:
    """Return embeddings of length 1; one of length 0 stays."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def similarities(
    queries: npt.NDArray[np.float32], candidates: npt.NDArray[np.float32], metric: Metric
) -> npt.NDArray[np.float32]:
    """Return how similar each query is to its own candidates: the cosine, minus the distance, or the inner product.

    Parameters
    ----------
    queries : np.ndarray [shape=(q, dim), dtype=float32]
    candidates : np.ndarray [shape=(q, c, dim), dtype=float32]
    metric : {"cosine", "euclidean", "inner_product"}

    Returns
    -------
    np.ndarray [shape=(q, c), dtype=float32]
    """
    left, right = queries.astype(np.float64)[:, None, :], candidates.astype(np.float64)
    if metric == "euclidean":
        similar = -np.linalg.norm(right - left, axis=-1)
    else:
        if metric == "cosine":
            left, right = unit(left), unit(right)
        similar = (left * right).sum(axis=-1)
    return similar.astype(np.float32)
