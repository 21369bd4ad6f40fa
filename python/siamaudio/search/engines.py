"""What all ways of searching have in common: the interface, and exact search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from siamaudio._engine import core
from siamaudio.search.collection import Collection
from siamaudio.search.options import Backend, Exact, FaissHNSW, FaissIVFPQ
from siamaudio.search.vectors import Metric, similarities

__all__ = ["Engine", "ExactEngine", "Found", "make_engine", "search_candidates"]

Found = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]

_OVERSAMPLING = 4  # candidates for each item that is asked for, which are then compared exactly
_FEWEST_CANDIDATES = 64  # codes of a few bytes put the nearest item rarely first, but seldom far from it
_FEW_ROWS = 1 << 14  # that pass a filter: comparing them all takes less than sifting candidates
_RESCORED_VALUES = 1 << 22  # numbers of candidates' embeddings that are in memory at once


class Engine(Protocol):
    """Searches a collection. The collection is the truth; an engine holds a copy in whatever form it searches in."""

    def update(self, collection: Collection) -> None:
        """Take over, in this process's memory, what the collection has and the engine has not."""
        ...

    def save(self, collection: Collection) -> None:
        """Make what lies outside this process, a file or a database, agree with the collection.

        The caller is the only writer of the collection, which is as it lies on the disk.
        """
        ...

    def search(
        self,
        collection: Collection,
        queries: npt.NDArray[np.float32],
        k: int,
        allowed: npt.NDArray[np.bool_],
        *,
        num_threads: int | None,
    ) -> Found:
        """Find the most similar of the allowed rows.

        Parameters
        ----------
        collection : Collection
            As of the last `update`.
        queries : np.ndarray [shape=(q, dim), dtype=float32]
        k : int > 0
            At most as many as there are allowed rows.
        allowed : np.ndarray [shape=(rows,), dtype=bool]
        num_threads : int > 0 or None

        Returns
        -------
        rows : np.ndarray [shape=(q, k), dtype=int64]
            The most similar first.
        similarities : np.ndarray [shape=(q, k), dtype=float32]
        """
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


class ExactEngine:
    """Compares with every row, in C++; of equally similar rows the first comes first."""

    def __init__(self) -> None:
        self._layout = ""
        self._native: core.NearestIndex | None = None

    def update(self, collection: Collection) -> None:
        """See `Engine`."""
        manifest = collection.manifest
        if manifest.layout != self._layout:
            self._native, self._layout = None, manifest.layout
        if manifest.dim is None:
            return
        if self._native is None:
            self._native = core.NearestIndex(manifest.dim, manifest.options.metric, manifest.options.dtype)
        for vectors in collection.blocks(self._native.size):
            self._native.add(vectors)

    def save(self, collection: Collection) -> None:
        """See `Engine`; there is nothing outside."""

    def search(
        self,
        collection: Collection,
        queries: npt.NDArray[np.float32],
        k: int,
        allowed: npt.NDArray[np.bool_],
        *,
        num_threads: int | None,
    ) -> Found:
        """See `Engine`."""
        assert self._native is not None
        mask = None if allowed.all() else allowed
        return self._native.search(queries, k, allowed=mask, num_threads=num_threads or 0)

    def close(self) -> None:
        """See `Engine`; there is nothing to let go of."""


def make_engine(backend: Backend, collection: Collection) -> Engine:
    """Make what searches a collection; nothing is in it before the first `update` and `save`.

    Raises
    ------
    ImportError
        The backend's package is not installed.
    ParameterError
        The backend does not go with the collection.
    """
    if isinstance(backend, Exact):
        return ExactEngine()
    if isinstance(backend, FaissHNSW | FaissIVFPQ):
        from siamaudio.search.faiss_engine import FaissEngine

        return FaissEngine(backend)
    from siamaudio.search.milvus_engine import MilvusEngine

    return MilvusEngine(backend, collection)


def search_candidates(
    collection: Collection,
    candidates: Callable[[npt.NDArray[np.float32], int], npt.NDArray[np.int64]],
    queries: npt.NDArray[np.float32],
    k: int,
    allowed: npt.NDArray[np.bool_],
    *,
    most_candidates: int,
    num_threads: int | None,
) -> Found:
    """Search with an engine that only proposes candidates: compare them exactly, and never find too few.

    Candidates that are not allowed fall away; where fewer than `k` stay, more are asked for. Where the engine has no
    more to offer, or only a few rows are allowed, all of these are compared.

    Parameters
    ----------
    collection : Collection
    candidates : callable
        Of queries and a count; returns that many rows a query, -1 where it has no more [shape=(q, count)].
    queries : np.ndarray [shape=(q, dim), dtype=float32]
    k : int > 0
        At most as many as there are allowed rows.
    allowed : np.ndarray [shape=(rows,), dtype=bool]
    most_candidates : int
        That the engine can be asked for.
    num_threads : int > 0 or None
    """
    num_allowed = int(allowed.sum())
    is_few = num_allowed <= min(_FEW_ROWS, len(allowed) // 2)
    most = 0 if is_few else min(most_candidates, len(allowed))
    count = min(most, max(_FEWEST_CANDIDATES, _OVERSAMPLING * -(-k * len(allowed) // num_allowed)))
    rows = np.empty((len(queries), k), dtype=np.int64)
    found = np.empty((len(queries), k), dtype=np.float32)
    left = np.arange(len(queries))
    while len(left) and count >= k:
        proposed = candidates(queries[left], count)
        usable = (proposed >= 0) & allowed[proposed]
        enough = usable.sum(axis=1) >= k
        done = left[enough]
        rows[done], found[done] = _best(collection, queries[done], proposed[enough], usable[enough], k)
        left = left[~enough]
        if count == most:
            break
        count = min(most, 4 * count)
    if len(left):
        chosen = np.flatnonzero(allowed)
        options = collection.manifest.options
        native = core.NearestIndex(queries.shape[1], options.metric, options.dtype)
        step = max(1, _RESCORED_VALUES // queries.shape[1])
        for start in range(0, len(chosen), step):
            native.add(collection.vectors(chosen[start : start + step]))
        places, found[left] = native.search(queries[left], k, num_threads=num_threads or 0)
        rows[left] = chosen[places]
    return rows, found


def _best(
    collection: Collection,
    queries: npt.NDArray[np.float32],
    proposed: npt.NDArray[np.int64],
    usable: npt.NDArray[np.bool_],
    k: int,
) -> Found:
    """Return the most similar candidates; of equally similar ones the first row."""
    metric: Metric = collection.manifest.options.metric
    rows = np.empty((len(queries), k), dtype=np.int64)
    found = np.empty((len(queries), k), dtype=np.float32)
    step = max(1, _RESCORED_VALUES // max(1, proposed.shape[1] * queries.shape[1]))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        own = proposed[part]
        vectors = collection.vectors(np.where(usable[part], own, 0).ravel()).reshape(*own.shape, -1)
        similar = np.where(usable[part], similarities(queries[part], vectors, metric), -np.inf)
        order = np.lexsort((own, -similar), axis=1)[:, :k]
        rows[part] = np.take_along_axis(own, order, axis=1)
        found[part] = np.take_along_axis(similar, order, axis=1)
    return rows, found
