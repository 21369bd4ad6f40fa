"""How an index is searched: exactly, or by an approximate structure that is kept beside it.

Each is a frozen dataclass; `registry` names them for `SearchIndex(backend=...)` and for the files of an index.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from siamaudio.errors import ParameterError
from siamaudio.options import Registry

__all__ = ["Backend", "Exact", "FaissHNSW", "FaissIVFPQ", "Milvus", "registry"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exact:
    """Compare a query with every item, in C++; the default."""

    name: ClassVar[str] = "exact"


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaissHNSW:
    """Walk faiss's graph of neighbours: quick among millions, at the price of memory and of some recall.

    Parameters
    ----------
    neighbours : int > 1
        Links of an item.
    construction_depth : int > 0
        Candidates that are looked at while an item is linked (faiss's efConstruction).
    search_depth : int > 0
        Candidates that are looked at for a query (faiss's efSearch); more than `k` is taken where `k` is larger.
    """

    name: ClassVar[str] = "faiss-hnsw"
    neighbours: int = 32
    construction_depth: int = 80
    search_depth: int = 128

    def __post_init__(self) -> None:
        _check_counts(self, {"neighbours": 2, "construction_depth": 1, "search_depth": 1})


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaissIVFPQ:
    """Look into the nearest of faiss's lists, which hold items in a few bytes each: little memory.

    An index is searched exactly until it has as many items as the training of the lists takes.

    Parameters
    ----------
    lists : int > 0 or None
        Lists; None: four times the square root of the number of items.
    code_bytes : int > 0 or None
        Bytes of an item, a divisor of the embedding's size; None: the largest divisor up to a quarter of that size.
    probes : int > 0 or None
        Lists that a query looks into; None: a quarter of them, eight or more.
    """

    name: ClassVar[str] = "faiss-ivfpq"
    lists: int | None = None
    code_bytes: int | None = None
    probes: int | None = None

    def __post_init__(self) -> None:
        _check_counts(self, {"lists": 1, "code_bytes": 1, "probes": 1})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Milvus:
    """Search in Milvus, a vector database, which mirrors the index.

    Parameters
    ----------
    uri : str or None
        A server's address such as "http://localhost:19530"; None: an embedded database (milvus-lite) in the index's
        own folder.
    token : str or None
        For a server that asks for one, "user:password" or an API key. It is not kept in the index's files: give it
        again when the index is opened.
    index_type : str or None
        Milvus's kind of index; None: "FLAT" embedded, "AUTOINDEX" on a server.
    """

    name: ClassVar[str] = "milvus"
    uri: str | None = None
    token: str | None = dataclasses.field(default=None, repr=False)
    index_type: str | None = None


Backend = Exact | FaissHNSW | FaissIVFPQ | Milvus

registry: Registry[Backend] = Registry(kind="backend", classes=(Exact, FaissHNSW, FaissIVFPQ, Milvus))


def _check_counts(option: object, lowest: dict[str, int]) -> None:
    for name, least in lowest.items():
        value = getattr(option, name)
        if value is not None and not value >= least:
            raise ParameterError(name, value, f"{least} or more")
