"""Searching with Milvus, embedded (milvus-lite) or on a server: a mirror of the collection, by its own ids."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt

from siamaudio.errors import ParameterError, StoreError
from siamaudio.optional import require
from siamaudio.search.collection import Collection, Table
from siamaudio.search.engines import Found, search_candidates
from siamaudio.search.options import Milvus

__all__ = ["MilvusEngine"]

_FOLDER = "milvus.db"
_METRICS = {"cosine": "COSINE", "euclidean": "L2", "inner_product": "IP"}
_BATCH = 1000  # rows sent at a time; a server takes 64 MiB
_MOST_CANDIDATES = 16384  # Milvus's own bound
_ID_RANGE = 10_000  # ids that are asked for at a time, below that bound
_NAME_BYTES = 1024


class MilvusEngine:
    """Searches with Milvus; see `siamaudio.search.engines.Engine`.

    Parameters
    ----------
    options : Milvus
    collection : Collection
        What shall be mirrored.

    Raises
    ------
    ImportError
        pymilvus, or for an embedded database milvus-lite, is not installed.
    ParameterError
        The collection lies in memory, and would leave its mirror behind.
    StoreError
        The database is out of reach.
    """

    def __init__(self, options: Milvus, collection: Collection) -> None:
        self._pymilvus = require("pymilvus", extra="search", purpose="the backend milvus")
        self._is_embedded = options.uri is None
        if self._is_embedded:
            require("milvus_lite", extra="search", purpose="an embedded Milvus")
        if collection.folder is None:
            raise ParameterError("path", None, "a folder for the index: Milvus mirrors what lies there")
        self._index_type = options.index_type or ("FLAT" if self._is_embedded else "AUTOINDEX")
        self._name = f"siamaudio_{collection.manifest.lineage}"
        self._folder = collection.folder
        self._known: npt.NDArray[np.int64] | None = None  # ids that are there; None: yet to be asked
        self._known_generation = -1  # of the collection that these are all of
        uri = str(collection.folder / _FOLDER) if options.uri is None else options.uri
        with self._told():
            self._client = self._pymilvus.MilvusClient(uri=uri, token=options.token or "")

    def update(self, collection: Collection) -> None:
        """See `Engine`; nothing is in this process."""

    def save(self, collection: Collection) -> None:
        """See `Engine`: rows that are missing are sent, those that should not be there are deleted."""
        if collection.manifest.dim is None:
            return
        with self._told():
            if self._known is None:
                self._known = (
                    self._ids(collection) if self._client.has_collection(self._name) else self._made(collection)
                )
            table = collection.table
            alive = table.ids[table.is_alive]
            extra = np.setdiff1d(self._known, alive)
            for start in range(0, len(extra), _BATCH):
                self._client.delete(self._name, ids=extra[start : start + _BATCH].tolist())
            missing = np.flatnonzero(table.is_alive & ~np.isin(table.ids, self._known))
            for start in range(0, len(missing), _BATCH):
                self._client.insert(self._name, self._rows(collection, table, missing[start : start + _BATCH]))
            if len(extra) or len(missing):
                self._client.flush(self._name)
            self._known, self._known_generation = alive, collection.manifest.generation

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
        ids = collection.table.ids
        unsent = self._unsent_rows(collection)
        metric = _METRICS[collection.manifest.options.metric]

        def candidates(some: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.int64]:
            rows = np.full((len(some), count + len(unsent)), -1, dtype=np.int64)
            rows[:, count:] = unsent
            found = self._client.search(
                self._name, data=list(some), limit=count, search_params={"metric_type": metric}, anns_field="vector"
            )
            for own, hits in zip(rows, found, strict=True):
                hit_ids = np.array([hit["id"] for hit in hits], dtype=np.int64)
                places = np.minimum(np.searchsorted(ids, hit_ids), len(ids) - 1)
                own[: len(hits)] = np.where(ids[places] == hit_ids, places, -1)  # others were added since
            return rows

        with self._told():
            return search_candidates(
                collection,
                candidates,
                queries,
                k,
                allowed,
                most_candidates=_MOST_CANDIDATES,
                num_threads=num_threads,
            )

    def close(self) -> None:
        """See `Engine`."""
        self._client.close()

    # ---- Inside

    def _unsent_rows(self, collection: Collection) -> npt.NDArray[np.int64]:
        """Return rows that the database lacks, as after an addition that was broken off."""
        table = collection.table
        if self._known is None or self._known_generation == collection.manifest.generation:
            return np.empty(0, dtype=np.int64)
        return np.flatnonzero(table.is_alive & ~np.isin(table.ids, self._known))

    def _made(self, collection: Collection) -> npt.NDArray[np.int64]:
        """Make the collection in the database; return the ids in it, none."""
        types = self._pymilvus.DataType
        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", types.INT64, is_primary=True)
        schema.add_field("vector", types.FLOAT_VECTOR, dim=collection.manifest.dim)
        for name in ("path", "label"):  # for those who look into the database
            schema.add_field(name, types.VARCHAR, max_length=_NAME_BYTES)
        indexes = self._client.prepare_index_params()
        metric = _METRICS[collection.manifest.options.metric]
        indexes.add_index("vector", index_type=self._index_type, metric_type=metric)
        self._client.create_collection(self._name, schema=schema, index_params=indexes, consistency_level="Strong")
        return np.empty(0, dtype=np.int64)

    def _ids(self, collection: Collection) -> npt.NDArray[np.int64]:
        """Return the ids that are in the database."""
        self._client.load_collection(self._name)
        found = []
        for start in range(0, collection.manifest.next_id, _ID_RANGE):
            wanted = f"id >= {start} and id < {start + _ID_RANGE}"
            rows = self._client.query(self._name, filter=wanted, output_fields=["id"], limit=_ID_RANGE)
            found.append(np.array([row["id"] for row in rows], dtype=np.int64))
        return np.unique(np.concatenate([np.empty(0, dtype=np.int64), *found]))

    def _rows(self, collection: Collection, table: Table, rows: npt.NDArray[np.int64]) -> list[dict[str, Any]]:
        sent = []
        for row, vector in zip(rows.tolist(), collection.vectors(rows), strict=True):
            recording = table.recordings[table.recording_of_row[row]]
            names = {"path": _cut(recording.path), "label": _cut(recording.label or "")}
            sent.append({"id": int(table.ids[row]), "vector": vector, **names})
        return sent

    @contextlib.contextmanager
    def _told(self) -> Generator[None]:
        try:
            yield
        except self._pymilvus.MilvusException as error:
            raise StoreError(f"Milvus failed for {self._folder}: {error.message}") from error


def _cut(name: str) -> str:
    """Return a name in as many bytes as the database takes."""
    return name.encode("utf-8", "replace")[:_NAME_BYTES].decode("utf-8", "ignore")
