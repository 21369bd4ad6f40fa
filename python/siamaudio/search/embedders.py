"""Embedders: what turns sounds into embeddings, and how an index keeps its own."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from siamaudio.errors import ParameterError, StoreError
from siamaudio.features import Features
from siamaudio.log_mel import LogMel
from siamaudio.search.vectors import Metric

__all__ = ["Embedder", "default_metric", "keep", "load", "load_model"]

# By the name of the class: its module, and the suffix of the files that its `save` writes and its `load` reads.
_KINDS = {
    "SiameseNetwork": ("siamaudio.network", ".siam"),
}


@runtime_checkable
class Embedder(Protocol):
    """What an index needs: a `SiameseNetwork`, a model of `siamaudio.models`, or anything else with these members.

    Attributes
    ----------
    front_end_ : LogMel or None
        What makes the spectrograms; None: it is not known, and only spectrograms can be embedded.
    """

    front_end_: LogMel | None

    def embed(
        self, features: Features | npt.ArrayLike, /, *, num_threads: int | None = None
    ) -> npt.NDArray[np.float32]:
        """Return the embeddings of spectrograms [shape=(clips, dim)]."""
        ...

    def fingerprint(self) -> str:
        """Return a digest of all that embeddings depend on."""
        ...


def default_metric(embedder: Embedder | None) -> Metric:
    """Return what an embedder's embeddings are compared by where nothing is said: the network's distance, or cosine."""
    is_calibrated = "calibration.mean" in embedder.weights() if _kind(embedder) == "SiameseNetwork" else True
    if not is_calibrated and (embedder.head, embedder.distance) == (None, "euclidean"):
        return "euclidean"
    return "cosine"


def keep(embedder: Embedder | None, folder: Path | None) -> dict[str, Any] | None:
    """Put a copy of an embedder into the folder of an index.

    Parameters
    ----------
    embedder : Embedder or None
    folder : Path or None
        None: the index lies in memory.

    Returns
    -------
    dict or None
        What `load` takes; without a "file" where the embedder is of a kind that cannot be saved.
    """
    if embedder is None:
        return None
    kind = _kind(embedder)
    described = {"kind": kind, "fingerprint": embedder.fingerprint(), "file": None}
    if folder is not None and kind in _KINDS:
        described["file"] = f"embedder{_KINDS[kind][1]}"
        embedder.save(folder / described["file"])  # pyright: ignore[reportAttributeAccessIssue]
    return described


def load(folder: Path, described: dict[str, Any]) -> Embedder:
    """Read the embedder that `keep` put into a folder.

    Raises
    ------
    CheckpointError
        Its file is missing or damaged.
    ParameterError
        It is of a kind that cannot be saved.
    StoreError
        Its file holds another one.
    """
    if described["file"] is None:
        raise ParameterError(
            "embedder", "none", f"the {described['kind']} of this index, which is of a kind that cannot be kept in it"
        )
    embedder = _read(described["kind"], folder / described["file"])
    if embedder.fingerprint() != described["fingerprint"]:
        raise StoreError(f"{folder} is damaged: {described['file']} is not the embedder that the index was made with")
    return embedder


def load_model(path: Path) -> Embedder:
    """Read an embedder from a file of any kind, by its suffix.

    Parameters
    ----------
    path : Path
        A file that the embedder's `save` wrote.
    """
    for kind, (_, suffix) in _KINDS.items():
        if path.name.endswith(suffix):
            return _read(kind, path)
    accepted = ", ".join(f"*{suffix}" for _, suffix in _KINDS.values())
    raise ParameterError("model", str(path), f"a file {accepted}")


def _read(kind: str, path: Path) -> Any:
    if kind not in _KINDS:
        raise ParameterError("embedder", "none", f"the {kind} of this index, which this version cannot read")
    return getattr(importlib.import_module(_KINDS[kind][0]), kind).load(path)


def _kind(embedder: Any) -> str:
    """Return an embedder's class, of a class of one's own by its whole name, so that it is taken for no other."""
    cls = type(embedder)
    is_ours = cls.__name__ in _KINDS and cls.__module__ == _KINDS[cls.__name__][0]
    return cls.__name__ if is_ours else f"{cls.__module__}.{cls.__qualname__}"
