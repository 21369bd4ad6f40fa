"""Search by example: an index of sounds that answers which are most like a given one.

`SearchIndex` is the index; how it is searched is an option:

======================  ==============================================================
`Exact`                 every item is compared, in C++; the default
`FaissHNSW`             faiss's graph of neighbours: quick among millions
`FaissIVFPQ`            faiss's lists of short codes: little memory
`Milvus`                a vector database, embedded or on a server
======================  ==============================================================
"""

from __future__ import annotations

from siamaudio.search.index import Added, SearchIndex
from siamaudio.search.options import Exact, FaissHNSW, FaissIVFPQ, Milvus
from siamaudio.search.result import Hit, SearchResult

__all__ = ["Added", "Exact", "FaissHNSW", "FaissIVFPQ", "Hit", "Milvus", "SearchIndex", "SearchResult"]
