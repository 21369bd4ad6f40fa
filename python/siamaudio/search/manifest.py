"""The manifest of an index: the one file whose replacement makes a change visible, all of it or nothing."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from siamaudio.errors import StoreError
from siamaudio.files import replace_file
from siamaudio.search.segments import Checked
from siamaudio.search.vectors import Dtype, Metric

__all__ = ["MANIFEST", "IndexOptions", "Manifest"]

MANIFEST = "index.json"
_FORMAT = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class IndexOptions:
    """What an index is made with, and never changes.

    Attributes
    ----------
    metric : {"cosine", "euclidean", "inner_product"}
        What similarity is.
    dtype : {"float32", "float16", "int8"}
        What embeddings are kept in.
    window_seconds, hop_seconds : float > 0 or None
        Length of windows and the time from one to the next; None: recordings are items as a whole.
    embedder : dict or None
        Kind, fingerprint and file of what makes embeddings of sounds; None: embeddings come from elsewhere.
    """

    metric: Metric
    dtype: Dtype
    window_seconds: float | None
    hop_seconds: float | None
    embedder: dict[str, Any] | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
    """What is in an index.

    Attributes
    ----------
    options : IndexOptions
        What it was made with.
    backend : dict
        How it is searched, as `options.registry` describes it.
    lineage : str
        Tells the index from all others.
    layout : str
        Changes when rows change their places.
    generation : int
        Commits so far.
    next_id, next_file : int
        The first id of a row, and number of a file, that was never used.
    dim : int or None
        Numbers of an embedding; None before there is one.
    segments : tuple of Checked
        The files of the rows, in their order.
    removed : Checked or None
        The file of the ids of rows that were removed.
    """

    options: IndexOptions
    backend: dict[str, Any]
    lineage: str
    layout: str
    generation: int = 0
    next_id: int = 0
    next_file: int = 0
    dim: int | None = None
    segments: tuple[Checked, ...] = ()
    removed: Checked | None = None

    def write(self, folder: Path) -> None:
        """Put the manifest in the place of the one that is there; OSError where it cannot be written."""
        described = json.dumps(dataclasses.asdict(self), sort_keys=True)
        digest = hashlib.sha256(described.encode()).hexdigest()
        content = {"siamaudio": "search index", "format": _FORMAT, "sha256": digest, "manifest": json.loads(described)}
        replace_file(folder / MANIFEST, json.dumps(content, indent=1).encode())

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the manifest of an index; StoreError where there is none, or it is damaged."""
        if not folder.exists():
            raise StoreError(f"{folder}: no such index; `siamaudio index DATA -o {folder} --model NET.siam` makes one")
        if not (folder / MANIFEST).is_file():
            raise StoreError(f"{folder} is no search index; accepted: a folder that SearchIndex wrote")
        try:
            content = json.loads((folder / MANIFEST).read_bytes())
            kind, version, digest, described = (content[key] for key in ("siamaudio", "format", "sha256", "manifest"))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{folder} is damaged: {MANIFEST} cannot be read ({error})") from error
        if (kind, version) != ("search index", _FORMAT):
            raise StoreError(f"{folder} has index format {version}; accepted: {_FORMAT}, so make it anew")
        if digest != hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest():
            raise StoreError(f"{folder} is damaged: {MANIFEST} does not match its checksum")
        return cls(
            **{
                **described,
                "options": IndexOptions(**described["options"]),
                "segments": tuple(Checked(**segment) for segment in described["segments"]),
                "removed": None if described["removed"] is None else Checked(**described["removed"]),
            }
        )
