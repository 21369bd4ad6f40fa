"""siamaudio index: make, or add to, an index of sounds."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import siamaudio as sa
from siamaudio.cli._shared import Json, NumThreads, Out, print_json

__all__ = ["EXAMPLES", "index"]

EXAMPLES = """\
siamaudio index recordings -o sounds.db --model net.siam
siamaudio index tapes -o tapes.db --model net.siam --window 2 --hop 1
siamaudio index more-recordings -o sounds.db
"""


def index(
    data: Path,
    /,
    *,
    out: Out,
    model: Path | None = None,
    window: float | None = None,
    hop: float | None = None,
    backend: Literal["exact", "faiss-hnsw", "faiss-ivfpq", "milvus"] | None = None,
    milvus_uri: str | None = None,
    metric: Literal["cosine", "euclidean", "inner_product"] | None = None,
    dtype: Literal["float32", "float16", "int8"] | None = None,
    on_error: Literal["fail", "skip"] = "fail",
    num_threads: NumThreads = None,
    json: Json = False,
) -> None:
    """Add recordings to an index that `siamaudio search` asks; those that are there already are passed over.

    Parameters
    ----------
    data
        A folder of recordings, a data set, a CSV with columns path and class, or one recording.
    out
        The index, a folder such as sounds.db, which gets a copy of the model; one that is there is added to.
    model
        What makes embeddings, such as a network that `siamaudio train` wrote; needed for a new index.
    window
        Divide recordings into windows of so many seconds, so that hits tell where in a recording they are.
    hop
        Seconds from the beginning of a window to that of the next; by default half a window.
    backend
        How to search; by default exactly, or as the index is searched already.
    milvus_uri
        The address of a Milvus server; by default the backend milvus is a database in the index's folder.
    metric
        What similarity is; by default the model's own where that is the Euclidean distance, or else the cosine.
    dtype
        What embeddings are kept in; float16 takes half the space, int8 a quarter.
    on_error
        What to do with a recording that cannot be read: fail, or skip it and name it.
    """
    from siamaudio.errors import ParameterError
    from siamaudio.search.embedders import load_model
    from siamaudio.search.manifest import MANIFEST

    if milvus_uri is not None and backend != "milvus":
        raise ParameterError("--milvus-uri", milvus_uri, "none, or one with --backend milvus")
    chosen = backend if milvus_uri is None else sa.search.Milvus(uri=milvus_uri)
    if model is not None:
        embedder = load_model(model)
    elif (out / MANIFEST).is_file():
        embedder = sa.SearchIndex.open(out).embedder
    else:
        raise ParameterError("--model", "none", "a network, such as net.siam, for a new index")
    with sa.SearchIndex(
        embedder, out, backend=chosen, metric=metric, dtype=dtype, window_seconds=window, hop_seconds=hop
    ) as made:
        added = made.add(data, on_error=on_error, num_threads=num_threads)
        if json:
            print_json(
                {
                    "path": str(out),
                    "items": len(made),
                    "added": added.num_added,
                    "present": added.num_present,
                    "skipped": [skip._asdict() for skip in added.skipped],
                }
            )
            return
        print(
            f"{out}: {added.num_added} recordings added as {added.num_items} items, "
            f"{added.num_present} were there already; {len(made)} items in all"
        )
