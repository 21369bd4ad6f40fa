"""Embedders: what turns sounds into embeddings, and how an index keeps its own."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from siamaudio.errors import ParameterError, StoreError
from siamaudio.features import Features
from siamaudio.log_mel import LogMel
from siamaudio.network import SiameseNetwork
from siamaudio.search.vectors import Metric

__all__ = ["Embedder", "default_metric", "keep", "load", "load_model", "padded_length"]


class _Kind(NamedTuple):
    """A class whose objects an index can keep.

    Attributes
    ----------
    module : str
        Where it is.
    suffix : str
        Of the file that an index keeps.
    options : tuple of str
        Attributes that its files do not hold, and that its `load` takes as arguments.
    """

    module: str
    suffix: str
    options: tuple[str, ...] = ()


_KINDS = {
    "SiameseNetwork": _Kind("siamaudio.network", ".siam"),
    "VariationalAutoencoder": _Kind("siamaudio.models.vae", ".siam"),
    "Yamnet": _Kind("siamaudio.models.yamnet", ".safetensors", ("vectors",)),
}
_KIND_OF_CHECKPOINT = {"network": "SiameseNetwork", "vae": "VariationalAutoencoder"}
# Files of others that a class can be made of: class and method by suffix.
_FOREIGN = {".safetensors": ("Yamnet", "load"), ".tflite": ("Yamnet", "from_tflite"), ".h5": ("Yamnet", "from_keras")}


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
    if isinstance(embedder, SiameseNetwork) and (embedder.head, embedder.distance) == (None, "euclidean"):
        return "cosine" if "calibration.mean" in embedder.weights() else "euclidean"
    return "cosine"


def padded_length(embedder: Embedder, num_samples: int) -> int:
    """Return to how many samples a signal is padded with silence before its spectrogram is embedded.

    Parameters
    ----------
    embedder : Embedder
        With a front end.
    num_samples : int
        Of the signal, at the front end's rate.
    """
    if _kind(embedder) == "Yamnet":
        from siamaudio.models.yamnet_features import padded_length as of_patches

        return of_patches(num_samples)
    least = None if embedder.front_end_ is None else embedder.front_end_.num_samples
    return max(num_samples, least or 0)


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
    name = _kind(embedder)
    kind = _KINDS.get(name)
    options = {option: getattr(embedder, option) for option in (() if kind is None else kind.options)}
    described = {"kind": name, "options": options, "fingerprint": embedder.fingerprint(), "file": None}
    if folder is not None and kind is not None:
        described["file"] = f"embedder{kind.suffix}"
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
    if described["file"] is None or described["kind"] not in _KINDS:
        accepted = f"the {described['kind']} that the index was made with, as there is no copy in it"
        raise ParameterError("embedder", None, accepted)
    cls = _class(described["kind"])
    embedder = cls.load(folder / described["file"], **described["options"])
    if embedder.fingerprint() != described["fingerprint"]:
        raise StoreError(f"{folder} is damaged: {described['file']} is not the embedder that the index was made with")
    return embedder


def load_model(path: Path, *, device: str = "cpu") -> Embedder:
    """Read an embedder of any kind.

    Parameters
    ----------
    path : Path
        A file ``*.siam`` of a network or an autoencoder; of YAMNet a file that `save` wrote (``*.safetensors``), or a
        published one (``*.tflite``, ``*.h5``).
    device : str
        Where to put the weights: "cpu", "auto", "cuda" or "cuda:N".

    Raises
    ------
    CheckpointError
        The file is missing or damaged.
    ParameterError
        It is of another kind.
    """
    if path.suffix == ".siam":
        return _class(_KIND_OF_CHECKPOINT.get(_kind_of_checkpoint(path), "SiameseNetwork")).load(path, device=device)
    if path.suffix in _FOREIGN:
        kind, method = _FOREIGN[path.suffix]
        return getattr(_class(kind), method)(path, device=device)
    raise ParameterError("model", str(path), ", ".join(f"*{suffix}" for suffix in (".siam", *_FOREIGN)))


def _class(kind: str) -> Any:
    return getattr(importlib.import_module(_KINDS[kind].module), kind)


def _kind_of_checkpoint(path: Path) -> str:
    """Return what kind of thing a file of siamaudio says that it is; "" where that cannot be told."""
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return json.loads(header["__metadata__"]["siamaudio"])["kind"]
    except (OSError, ValueError, KeyError, TypeError, MemoryError):
        return ""  # reading all of it tells what is wrong


def _kind(embedder: Any) -> str:
    """Return an embedder's class, of a class of one's own by its whole name, so that it is taken for no other."""
    cls = type(embedder)
    is_ours = cls.__name__ in _KINDS and cls.__module__ == _KINDS[cls.__name__].module
    return cls.__name__ if is_ours else f"{cls.__module__}.{cls.__qualname__}"
