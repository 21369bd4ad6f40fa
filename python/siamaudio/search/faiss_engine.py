"""Searching with faiss: a graph (HNSW) or lists of short codes (IVF-PQ), saved beside the collection.

The saved structure is a copy: where it is missing, damaged, older or of other options, it is made or completed from the
collection.
"""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt

from siamaudio.errors import ParameterError
from siamaudio.files import replace_file, told_as_store_error
from siamaudio.optional import require
from siamaudio.search.collection import Collection
from siamaudio.search.engines import ExactEngine, Found, search_candidates
from siamaudio.search.options import FaissHNSW, FaissIVFPQ, registry
from siamaudio.search.vectors import unit

__all__ = ["FaissEngine"]

_FILE = "faiss.index"
_LENGTH_BYTES = 8
_CODE_BITS = 8
_TRAINED_PER_CENTROID = 39  # faiss's own lower bound; with fewer it warns
_MOST_TRAINED_PER_CENTROID = 256  # more make the lists no better
_MOST_CANDIDATES = 1 << 14


class FaissEngine:
    """Searches with faiss; see `siamaudio.search.engines.Engine`.

    Parameters
    ----------
    options : FaissHNSW or FaissIVFPQ

    Raises
    ------
    ImportError
        faiss is not installed.
    """

    def __init__(self, options: FaissHNSW | FaissIVFPQ) -> None:
        self._faiss = require("faiss", extra="search", purpose=f"the backend {options.name}")
        self._options = options
        self._layout = ""
        self._index: Any = None
        self._is_saved = False
        self._exact = ExactEngine()  # until there are enough rows for training

    def update(self, collection: Collection) -> None:
        """See `Engine`."""
        manifest = collection.manifest
        if manifest.dim is None:
            return
        if manifest.layout != self._layout:
            self._layout = manifest.layout
            self._index = None if collection.folder is None else self._loaded(collection, collection.folder)
            self._is_saved = self._index is not None
        if self._index is None:
            self._index = self._made(collection)
        if self._index is None:
            self._exact.update(collection)
            return
        for vectors in collection.blocks(self._index.ntotal):
            self._index.add(self._prepared(collection, vectors))
            self._is_saved = False

    def save(self, collection: Collection) -> None:
        """See `Engine`."""
        if self._index is None or self._is_saved or collection.folder is None:
            return
        content = self._faiss.serialize_index(self._index)
        header = json.dumps({**self._description(collection), "crc32c": google_crc32c.value(content.tobytes())})
        encoded = header.encode()
        with told_as_store_error(collection.folder, f" ({_FILE}; the index itself is whole)"):
            replace_file(
                collection.folder / _FILE,
                len(encoded).to_bytes(_LENGTH_BYTES, "little") + encoded,
                memoryview(content),
            )
        self._is_saved = True

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
        if self._index is None:
            return self._exact.search(collection, queries, k, allowed, num_threads=num_threads)
        return search_candidates(
            collection,
            lambda some, count: self._candidates(self._prepared(collection, some), count),
            queries,
            k,
            allowed,
            most_candidates=_MOST_CANDIDATES,
            num_threads=num_threads,
        )

    def close(self) -> None:
        """See `Engine`; there is nothing to let go of."""

    # ---- Inside

    def _candidates(self, queries: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.int64]:
        faiss = self._faiss
        if isinstance(self._options, FaissHNSW):
            parameters = faiss.SearchParametersHNSW(efSearch=max(self._options.search_depth, count))
        else:
            lists = self._index.nlist
            probes = self._options.probes or max(8, -(-lists // 4))
            parameters = faiss.SearchParametersIVF(nprobe=min(lists, probes))
        return self._index.search(queries, count, params=parameters)[1]

    def _prepared(self, collection: Collection, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return embeddings that faiss can compare: of length 1 for the cosine."""
        return np.ascontiguousarray(unit(vectors) if collection.manifest.options.metric == "cosine" else vectors)

    def _made(self, collection: Collection) -> Any:
        """Return a new structure, trained where it needs that, with no rows; None where there are too few to train."""
        faiss = self._faiss
        dim, num_rows = collection.manifest.dim or 0, collection.num_rows
        # Of embeddings of length 1 the nearest are those of the largest cosine.
        is_distance = collection.manifest.options.metric != "inner_product"
        metric = faiss.METRIC_L2 if is_distance else faiss.METRIC_INNER_PRODUCT
        if isinstance(self._options, FaissHNSW):
            made = faiss.IndexHNSWFlat(dim, self._options.neighbours, metric)
            made.hnsw.efConstruction = self._options.construction_depth
            return made
        code_bytes = self._code_bytes(self._options, dim)
        lists = self._options.lists or max(1, round(4 * math.sqrt(num_rows)))
        needed = _TRAINED_PER_CENTROID * max(2**_CODE_BITS, self._options.lists or 1)
        if num_rows < needed:
            return None
        lists = min(lists, num_rows // _TRAINED_PER_CENTROID)
        quantizer = faiss.IndexFlatL2(dim) if is_distance else faiss.IndexFlatIP(dim)
        made = faiss.IndexIVFPQ(quantizer, dim, lists, code_bytes, _CODE_BITS, metric)
        made.own_fields = True
        quantizer.this.disown()
        count = min(num_rows, _MOST_TRAINED_PER_CENTROID * max(2**_CODE_BITS, lists))
        chosen = np.sort(np.random.default_rng(0).choice(num_rows, count, replace=False))
        made.train(self._prepared(collection, collection.vectors(chosen)))
        return made

    @staticmethod
    def _code_bytes(options: FaissIVFPQ, dim: int) -> int:
        divisors = [size for size in range(1, dim + 1) if dim % size == 0]
        if options.code_bytes is None:
            return max(size for size in divisors if size <= max(1, dim // 4))
        if options.code_bytes not in divisors:
            accepted = f"a divisor of the embeddings' {dim} numbers: {', '.join(map(str, divisors))}"
            raise ParameterError("code_bytes", options.code_bytes, accepted)
        return options.code_bytes

    def _description(self, collection: Collection) -> dict[str, Any]:
        """Return what a saved structure must have in common with the collection."""
        made_by = registry.to_dict(self._options)
        for name in ("search_depth", "probes"):  # only a search depends on them
            made_by.pop(name, None)
        options = dataclasses.asdict(collection.manifest.options)
        return {
            "options": made_by,
            "metric": options["metric"],
            "lineage": collection.manifest.lineage,
            "layout": collection.manifest.layout,
        }

    def _loaded(self, collection: Collection, folder: Path) -> Any:
        """Return the saved structure, None where it is not there, not whole, or not of this collection."""
        try:
            content = (folder / _FILE).read_bytes()
            header_size = int.from_bytes(content[:_LENGTH_BYTES], "little")
            header = json.loads(content[_LENGTH_BYTES : _LENGTH_BYTES + header_size])
            checksum = header.pop("crc32c")
        except (OSError, ValueError, KeyError, AttributeError):
            return None
        body = np.frombuffer(content, dtype=np.uint8, offset=_LENGTH_BYTES + header_size)
        if header != self._description(collection) or google_crc32c.value(body.tobytes()) != checksum:
            return None
        loaded = self._faiss.deserialize_index(body)
        return loaded if loaded.ntotal <= collection.num_rows else None
