"""siamaudio index: make, or add to, an index of sounds."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Literal

import siamaudio as sa
from siamaudio.cli._shared import (
    Device,
    DryRun,
    Json,
    NumThreads,
    Out,
    Settings,
    check_folder,
    load_embedder,
    parse_settings,
    print_json,
    print_plan,
)
from siamaudio.errors import ParameterError

__all__ = ["EXAMPLES", "SEE_ALSO", "index"]

EXAMPLES = """\
siamaudio index recordings -o sounds.db --model net.siam
siamaudio index tapes -o tapes.db --model net.siam --window-seconds 2 --hop-seconds 1
siamaudio index more-recordings -o sounds.db --dry-run
siamaudio index recordings -o big.db --model yamnet.safetensors --backend faiss-hnsw
"""
SEE_ALSO = "search, index-remove, train, download"


def index(
    data: Path,
    /,
    *,
    out: Out,
    model: Path | None = None,
    window_seconds: float | None = None,
    hop_seconds: float | None = None,
    backend: Literal["exact", "faiss-hnsw", "faiss-ivfpq", "milvus"] | None = None,
    settings: Settings = [],  # noqa: B006 - never changed
    metric: Literal["cosine", "euclidean", "inner_product"] | None = None,
    dtype: Literal["float32", "float16", "int8"] | None = None,
    on_error: Literal["fail", "skip"] = "fail",
    commit_every: int = 256,
    device: Device = "cpu",
    num_threads: NumThreads = None,
    dry_run: DryRun = False,
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
        What makes embeddings, needed for a new index: a network or an autoencoder *.siam, or YAMNet, *.safetensors,
        *.tflite or *.h5.
    window_seconds
        Divide recordings into windows of so many seconds, so that hits tell where in a recording they are.
    hop_seconds
        Seconds from the beginning of a window to that of the next; by default half a window.
    backend
        How to search; by default exactly, or as the index is searched already.
    settings
        An option of the backend, as often as wanted: backend.neighbours=64, or backend.uri=http://localhost:19530 of a
        Milvus server; by default milvus is a database in the index's folder.
    metric
        What similarity is; by default the model's own where that is the Euclidean distance, or else the cosine.
    dtype
        What embeddings are kept in; float16 takes half the space, int8 a quarter.
    on_error
        What to do with a recording that cannot be read: fail, or skip it and name it.
    commit_every
        Recordings from one commit to the next.
    """
    from siamaudio.search.manifest import MANIFEST

    check_folder(out)
    chosen = _backend(backend, settings)
    if model is not None:
        embedder = load_embedder(model, device=device)
    elif (out / MANIFEST).is_file():
        embedder = sa.SearchIndex.open(out).embedder
    else:
        raise ParameterError("--model", "none", "a network, such as net.siam, for a new index")
    options = {"metric": metric, "dtype": dtype, "window_seconds": window_seconds, "hop_seconds": hop_seconds}
    if dry_run:
        _plan(data, out, embedder, options, json)
        return
    is_new = not out.exists()
    with sa.SearchIndex(embedder, out, backend=chosen, **options) as made:
        try:
            added = made.add(data, on_error=on_error, commit_every=commit_every, num_threads=num_threads)
        except sa.SiamaudioError:
            if is_new and len(made) == 0:
                shutil.rmtree(out)  # nothing was added: nothing is left
            raise
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


def _backend(backend: str | None, settings: list[str]) -> Any:
    if not settings:
        return backend
    from siamaudio.options import with_settings
    from siamaudio.search.options import registry

    if backend is None:
        raise ParameterError("--set", settings[0], "none, or one with --backend")
    chosen = registry.parse(backend)
    for path, text in parse_settings(settings).items():
        root, _, field = path.partition(".")
        if root != "backend" or not field:
            raise ParameterError("--set", path, "backend.FIELD")
        chosen = with_settings(chosen, {field: text}, within="backend")
    return chosen


def _plan(data: Path, out: Path, embedder: Any, options: dict[str, Any], as_json: bool) -> None:
    from siamaudio.search import listing
    from siamaudio.search.manifest import MANIFEST

    recordings = listing.of_paths(data, {})
    present: set[str | None] = set()
    if (out / MANIFEST).is_file():
        with sa.SearchIndex(embedder, out, **options) as opened:
            present = set(opened.to_frame()["path"])
    else:
        sa.SearchIndex(embedder, **options).close()  # in memory: says whether the options go together
    new = [recording for recording in recordings if recording.path not in present]
    content = f"{len(new)} more recordings, {len(recordings) - len(new)} are there already"
    print_plan(out, content, as_json, added=len(new), present=len(recordings) - len(new))
