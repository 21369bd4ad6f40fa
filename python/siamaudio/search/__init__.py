"""Search by example: an index of sounds that answers which are most like a given one.

=====================  ===========================================================
`SearchIndex`          the index: add, query, remove, in memory or in a folder
`Added`                what adding did
`SearchResult`, `Hit`  what a query found: a table, a picture, a page to listen to
=====================  ===========================================================

How it is searched is an option:

============  =================================================
`Exact`       every item is compared, in C++; the default
`FaissHNSW`   faiss's graph of neighbours: quick among millions
`FaissIVFPQ`  faiss's lists of short codes: little memory
`Milvus`      a vector database, embedded or on a server
============  =================================================

Examples
--------
>>> import siamaudio as sa
>>> index = sa.SearchIndex(None, backend=sa.search.Exact())
>>> index.add(embeddings=[[1.0, 0.0], [0.0, 1.0]], metadata={"path": ["a.wav", "b.wav"], "label": ["dog", "cat"]})
Added(num_added=2, num_present=0, num_items=2, skipped=())
>>> index.query(embeddings=[0.9, 0.1], k=1).hits[0][0].label
'dog'
"""

from __future__ import annotations

from siamaudio.search.index import Added, SearchIndex
from siamaudio.search.options import Exact, FaissHNSW, FaissIVFPQ, Milvus
from siamaudio.search.result import Hit, SearchResult

__all__ = ["Added", "Exact", "FaissHNSW", "FaissIVFPQ", "Hit", "Milvus", "SearchIndex", "SearchResult"]
