"""YAMNet, the network of Plakal and Ellis that was trained on AudioSet, as an embedder and a classifier."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from siamaudio._engine import core
from siamaudio.errors import CheckpointError, ParameterError
from siamaudio.features import Features
from siamaudio.log_mel import LogMel
from siamaudio.models import yamnet_weights
from siamaudio.models.clip_vectors import clip_vectors, vector_parts
from siamaudio.models.yamnet_features import PATCH_FRAMES, PATCH_HOP, num_patches

__all__ = ["Yamnet"]

_BLOCK_CLIPS = 64  # of features that are read at once
_PUBLISHED = "https://storage.googleapis.com/audioset/yamnet.h5"


class Yamnet:
    """MobileNet v1 on log-mel patches of 0.96 s: 1024 numbers and the scores of AudioSet's classes for each patch.

    Made by `load`, `from_tflite`, `from_keras` or `download`. It computes what TensorFlow's does, to float32's
    rounding.
    `SiameseNetwork` takes it as `siamaudio.YamnetEncoder`, or the vectors of `embed` as its features.

    Parameters
    ----------
    weights : mapping from str to np.ndarray
        As `weights` returns them.
    class_names : sequence of str
        Names of the classes; none where they are not known.
    vectors : str
        What `embed` makes of a clip's patches: "mean", "std", "delta", "delta_time", or several with "+" between; see
        `clip_vectors`.
    device : str
        Where to compute: "cpu", "auto" (CUDA where there is a device), "cuda" or "cuda:N".

    Attributes
    ----------
    class_names : tuple of str
        Names of the classes.
    vectors : str
        As given.
    front_end_ : LogMel
        What makes its spectrograms.

    Raises
    ------
    CheckpointError
        The weights are not YAMNet's.
    ParameterError
        There are not as many class names as classes, or there are no such vectors or no such device.

    Examples
    --------
    >>> import siamaudio as sa
    >>> yamnet = sa.models.Yamnet.from_tflite("yamnet.tflite", class_map="class_map.csv")  # doctest: +SKIP
    >>> clips = sa.datasets.esc50("ESC-50")  # doctest: +SKIP
    >>> features = sa.models.yamnet_features(clips)  # doctest: +SKIP
    >>> yamnet.embed(features).shape  # doctest: +SKIP
    (2000, 1024)
    """

    def __init__(
        self,
        weights: Mapping[str, npt.NDArray[np.float32]],
        *,
        class_names: Sequence[str] = (),
        vectors: str = "mean",
        device: str = "cpu",
    ) -> None:
        yamnet_weights.check_weights(weights, "weights")
        vector_parts(vectors)
        num_classes = len(weights["dense.bias"])
        if class_names and len(class_names) != num_classes:
            raise ParameterError("class_names", f"{len(class_names)} names", f"{num_classes}, one a class, or none")
        self.class_names: tuple[str, ...] = tuple(class_names)
        self.vectors = vectors
        self.front_end_: LogMel = LogMel.preset("yamnet")
        self._native = core.Yamnet(num_classes=num_classes)
        self._native.set_weights(dict(weights))
        self._native.to(device)

    # ---- Files

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, vectors: str = "mean", device: str = "cpu") -> Self:
        """Read a file that `save` wrote.

        Parameters
        ----------
        path : path-like
            The file.
        vectors, device : str
            As of the class.

        Raises
        ------
        CheckpointError
            The file is missing, damaged, or of another model.
        """
        weights, class_names = yamnet_weights.read_own(Path(path))
        return cls(weights, class_names=class_names, vectors=vectors, device=device)

    @classmethod
    def from_tflite(
        cls,
        path: str | os.PathLike[str],
        *,
        class_map: str | os.PathLike[str] | None = None,
        vectors: str = "mean",
        device: str = "cpu",
    ) -> Self:
        """Read the weights published for TensorFlow Lite, 8-bit integers turned back into numbers.

        Parameters
        ----------
        path : path-like
            ``yamnet.tflite``.
        class_map : path-like or None
            ``yamnet_class_map.csv``, which has the names of the classes; None: they have none.
        vectors, device : str
            As of the class.

        Raises
        ------
        CheckpointError
            A file is missing, damaged, or of another model.
        """
        return cls._of(yamnet_weights.read_tflite(Path(path)), class_map, vectors, device)

    @classmethod
    def from_keras(
        cls,
        path: str | os.PathLike[str],
        *,
        class_map: str | os.PathLike[str] | None = None,
        vectors: str = "mean",
        device: str = "cpu",
    ) -> Self:
        """Read the weights published for Keras, whose batch norm (epsilon 1e-4) is folded into the convolutions.

        Parameters
        ----------
        path : path-like
            ``yamnet.h5``.
        class_map : path-like or None
            ``yamnet_class_map.csv``, which has the names of the classes; None: they have none.
        vectors, device : str
            As of the class.

        Raises
        ------
        ImportError
            The package h5py is not installed (``siamaudio[keras]``).
        CheckpointError
            A file is missing, damaged, or of another model.
        """
        return cls._of(yamnet_weights.read_keras(Path(path)), class_map, vectors, device)

    @classmethod
    def download(
        cls,
        address: str = _PUBLISHED,
        *,
        checksum: str | None = None,
        class_map: str | os.PathLike[str] | None = None,
        vectors: str = "mean",
        device: str = "cpu",
        progress: bool = True,
    ) -> Self:
        """Download weights, once: they stay in the user's cache folder.

        Parameters
        ----------
        address : str
            Of a file for Keras or TensorFlow Lite, or of one that `save` wrote; by default the published ``yamnet.h5``.
        checksum : str or None
            "sha256:..." or "md5:..." of the file. No checksum was published with it: None downloads without checking,
            and a warning says which it had, to be given from then on.
        class_map, vectors, device
            As of `from_keras`.
        progress : bool
            Show a progress bar on stderr.

        Raises
        ------
        ImportError
            The package pooch is not installed (``siamaudio[download]``), or h5py, which the published file needs.
        DatasetError
            The file cannot be fetched, or is not the one of the checksum; nothing is left of it.
        CheckpointError
            It is of another model.
        ParameterError
            The address or the checksum is none.

        Examples
        --------
        >>> import siamaudio as sa
        >>> yamnet = sa.models.Yamnet.download(class_map="yamnet_class_map.csv")  # doctest: +SKIP
        """
        from siamaudio import datasets

        folder = datasets.download(address, checksum=checksum, progress=progress)
        (path,) = (each for each in folder.iterdir() if each.is_file())
        with path.open("rb") as file:
            start = file.read(8)
        if start == b"\x89HDF\r\n\x1a\n":
            return cls.from_keras(path, class_map=class_map, vectors=vectors, device=device)
        if start[4:] == b"TFL3":
            return cls.from_tflite(path, class_map=class_map, vectors=vectors, device=device)
        return cls.load(path, vectors=vectors, device=device)

    @classmethod
    def _of(
        cls,
        weights: Mapping[str, npt.NDArray[np.float32]],
        class_map: str | os.PathLike[str] | None,
        vectors: str,
        device: str,
    ) -> Self:
        names = () if class_map is None else yamnet_weights.read_class_map(Path(class_map))
        if names and len(names) != len(weights["dense.bias"]):
            raise CheckpointError(
                f"{os.fspath(class_map or '')} names {len(names)} classes, and the network has "
                f"{len(weights['dense.bias'])}"
            )
        return cls(weights, class_names=names, vectors=vectors, device=device)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write weights and class names to one file, whole or not at all.

        Parameters
        ----------
        path : path-like
            The file: safetensors, with class names and a checksum as JSON.

        Raises
        ------
        CheckpointError
            The file cannot be written.
        """
        yamnet_weights.write_own(Path(path), self.weights(), self.class_names)

    def weights(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return copies of all weights by name, batch norm folded into them."""
        return self._native.weights()

    def fingerprint(self) -> str:
        """Return a SHA-256 over weights and vectors: embedders of one fingerprint give the same embeddings."""
        digest = hashlib.sha256(f"yamnet {self.vectors}".encode())
        for name, values in sorted(self.weights().items()):
            digest.update(f"\0{name}\0{values.shape}\0".encode())
            digest.update(values.data)
        return digest.hexdigest()

    def __repr__(self) -> str:
        return f"Yamnet({self._native.num_classes} classes, vectors={self.vectors!r})"

    # ---- Use

    def embed_patches(
        self, features: Features | npt.ArrayLike, *, num_threads: int | None = None
    ) -> npt.NDArray[np.float32]:
        """Turn each patch of 96 frames, one every 48, into 1024 numbers; a rest at the end is left out.

        Parameters
        ----------
        features : Features or array-like [shape=(clips, 64, frames)]
            From `yamnet_features` or `yamnet_log_mel`; 96 frames or more.
        num_threads : int > 0 or None
            CPU threads; None: LibTorch's choice.

        Returns
        -------
        np.ndarray [shape=(clips, patches, 1024), dtype=float32, range=[0, inf)]

        Raises
        ------
        ParameterError
            The spectrograms have another shape, or another front end made them.
        """
        shape = self._checked_shape(features)
        count = 1 + (shape[-1] - PATCH_FRAMES) // PATCH_HOP
        embeddings = np.empty((shape[0], count, yamnet_weights.EMBEDDING_SIZE), dtype=np.float32)
        data = features if isinstance(features, Features) else np.asarray(features)
        for start in range(0, shape[0], _BLOCK_CLIPS):
            block = np.asarray(data[start : start + _BLOCK_CLIPS], dtype=np.float32)
            embeddings[start : start + len(block)] = self._native.embed(block, num_threads=num_threads or 0)
        return embeddings

    def embed(
        self, features: Features | npt.ArrayLike, *, vectors: str | None = None, num_threads: int | None = None
    ) -> npt.NDArray[np.float32]:
        """Turn each clip into one vector.

        Parameters
        ----------
        features : Features or array-like [shape=(clips, 64, frames)]
            As for `embed_patches`. Patches that `Features.lengths` tells to lie after the signal are left out.
        vectors : str or None
            In the place of the network's own: "mean+std", for instance; see `clip_vectors`.
        num_threads : int > 0 or None
            CPU threads; None: LibTorch's choice.

        Returns
        -------
        np.ndarray [shape=(clips, 1024 * parts), dtype=float32]

        Raises
        ------
        ParameterError
            The spectrograms have another shape, another front end made them, or there are no such vectors.
        """
        wanted = self.vectors if vectors is None else vectors
        parts = vector_parts(wanted)
        shape = self._checked_shape(features)
        data = features if isinstance(features, Features) else np.asarray(features)
        result = np.empty((shape[0], yamnet_weights.EMBEDDING_SIZE * len(parts)), dtype=np.float32)
        for start in range(0, shape[0], _BLOCK_CLIPS):
            block = data[start : start + _BLOCK_CLIPS]
            patches = self._own_patches(block, self.embed_patches(block, num_threads=num_threads))
            result[start : start + _BLOCK_CLIPS] = clip_vectors(patches, wanted)
        return result

    def transform(self, features: Features, *, vectors: str | None = None, num_threads: int | None = None) -> Features:
        """Turn each clip into one vector, as features that a network without convolutions takes.

        Parameters
        ----------
        features : Features [shape=(clips, 64, frames)]
            As for `embed`.
        vectors : str or None
            As for `embed`.
        num_threads : int > 0 or None
            CPU threads; None: LibTorch's choice.

        Returns
        -------
        Features [shape=(clips, 1, 1024 * parts)]
            Of the same clips.

        Raises
        ------
        ParameterError
            As of `embed`.

        Examples
        --------
        A head for one-shot recognition of classes that nobody has trained on:

        >>> import siamaudio as sa
        >>> yamnet = sa.models.Yamnet.load("yamnet.safetensors")  # doctest: +SKIP
        >>> vectors = yamnet.transform(sa.models.yamnet_features(clips))  # doctest: +SKIP
        >>> train, _, test = vectors.split_classes(45, 0, 5, seed=0)  # doctest: +SKIP
        >>> net = sa.SiameseNetwork.preset("yamnet_head").fit(train).calibrate(train, power=1.0)  # doctest: +SKIP
        >>> sa.evaluate_oneshot(net, test)  # doctest: +SKIP
        """
        embeddings = self.embed(features, vectors=vectors, num_threads=num_threads)
        return Features(embeddings[:, np.newaxis], clips=features.clips)

    def scores(self, features: Features | npt.ArrayLike, *, num_threads: int | None = None) -> npt.NDArray[np.float32]:
        """Say how likely each class is to be heard in each patch.

        Parameters
        ----------
        features : Features or array-like [shape=(clips, 64, frames)]
            As for `embed_patches`.
        num_threads : int > 0 or None
            CPU threads; None: LibTorch's choice.

        Returns
        -------
        np.ndarray [shape=(clips, patches, classes), dtype=float32, range=[0, 1]]
            Classes do not exclude each other: the scores of a patch do not add up to 1.

        Raises
        ------
        ParameterError
            As of `embed_patches`.
        """
        embeddings = self.embed_patches(features, num_threads=num_threads)
        rows = embeddings.reshape(-1, embeddings.shape[-1])
        return self._native.scores(rows, num_threads=num_threads or 0).reshape(*embeddings.shape[:2], -1)

    def predict(self, features: Features | npt.ArrayLike, *, num_threads: int | None = None) -> npt.NDArray[np.str_]:
        """Return the class of each clip whose score, averaged over patches, is highest.

        Parameters
        ----------
        features : Features or array-like [shape=(clips, 64, frames)]
            As for `embed`.
        num_threads : int > 0 or None
            CPU threads; None: LibTorch's choice.

        Returns
        -------
        np.ndarray [shape=(clips,), dtype=str]
            Names of classes.

        Raises
        ------
        ParameterError
            As of `embed_patches`, or the classes have no names.
        """
        if not self.class_names:
            raise ParameterError("class_names", "none", "names: give from_tflite or from_keras a class_map")
        own = self._own_patches(features, self.scores(features, num_threads=num_threads))
        return np.array(self.class_names)[[int(clip.mean(axis=0).argmax()) for clip in own]]

    def _own_patches(
        self, features: Features | npt.ArrayLike, patches: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32] | list[npt.NDArray[np.float32]]:
        """Leave out what comes after a clip's signal."""
        if not isinstance(features, Features):
            return patches
        counts = np.minimum(num_patches(features.lengths), patches.shape[1])
        if (counts == patches.shape[1]).all():
            return patches
        return [clip[:count] for clip, count in zip(patches, counts, strict=True)]

    def _checked_shape(self, features: Features | npt.ArrayLike) -> tuple[int, ...]:
        front_end = features.front_end if isinstance(features, Features) else None
        if front_end is not None and dataclasses.replace(front_end, duration=None) != self.front_end_:
            raise ParameterError("features", f"made by {front_end}", "features by LogMel.preset('yamnet')")
        shape = features.shape if isinstance(features, Features) else np.shape(features)
        if len(shape) != 3 or shape[1] != self.front_end_.n_mels or shape[2] < PATCH_FRAMES:
            accepted = f"(clips, {self.front_end_.n_mels}, frames) with {PATCH_FRAMES} frames, one patch, or more"
            raise ParameterError("features", f"shape {shape}", accepted)
        return shape
