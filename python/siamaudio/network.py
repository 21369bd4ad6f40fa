"""The siamese network as an estimator."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from siamaudio import checkpoint, optimizers
from siamaudio._engine import core
from siamaudio.encoders import ConvEncoder
from siamaudio.errors import CheckpointError, DatasetError, ParameterError, TrainingError
from siamaudio.features import Features
from siamaudio.history import History
from siamaudio.log_mel import LogMel
from siamaudio.optimizers import Optimizer
from siamaudio.presets import preset_options
from siamaudio.splits import ClassSplit

__all__ = ["SiameseNetwork"]

_EMBED_CLIPS = 256  # that are read at once; a multiple of the core's batches, so that the results have the same bits
_DEFAULT_BATCH_SIZE = {"in-batch": 40, "two-sided": 20}


class SiameseNetwork:
    """One encoder for two spectrograms, the distance of their embeddings, and a dense sigmoid unit: P(same class).

    A scikit-learn style estimator: the constructor only keeps the options, `fit` builds and trains the network in C++,
    and what it learned is in attributes whose names end in ``_``.

    Parameters
    ----------
    encoder : ConvEncoder
        What turns a spectrogram into an embedding.
    distance : {"squared", "absolute"}
        Element-wise distance between two embeddings.
    loss : {"bce", "mse"}
        Binary cross-entropy or mean squared error of P(same class).
    optimizer : Optimizer or str
        How weights follow gradients: one of `siamaudio.optimizers`, or its name.

    Attributes
    ----------
    history_ : History
        What happened in each epoch of the last `fit`.
    best_epoch_ : int
        The epoch, from 0, whose weights the network has.
    train_classes_, validation_classes_ : tuple of str
        The classes that the network has seen.
    front_end_ : LogMel or None
        What made the spectrograms that it was trained on.
    input_shape_ : (int, int)
        Bands and frames of a spectrogram.
    split_ : ClassSplit or None
        The class split of the experiment, kept in the saved file; set it to have it kept.

    Examples
    --------
    >>> import siamaudio as sa
    >>> net = sa.SiameseNetwork.preset("honka2019")
    >>> net.encoder.embedding_size
    500
    """

    def __init__(
        self,
        encoder: ConvEncoder | None = None,
        *,
        distance: Literal["squared", "absolute"] = "squared",
        loss: Literal["bce", "mse"] = "bce",
        optimizer: Optimizer | str = "adam",
    ) -> None:
        self.encoder = ConvEncoder() if encoder is None else encoder
        self.distance = distance
        self.loss = loss
        self.optimizer = optimizers.registry.parse(optimizer)

    @classmethod
    def preset(cls, name: str) -> Self:
        """Make a published network, untrained.

        Parameters
        ----------
        name : str
            "honka2019": Honka 2019 for environmental sounds.

        Raises
        ------
        ParameterError
            There is no such preset.
        """
        return cls(**preset_options(name))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's arguments by name; `deep` is scikit-learn's and changes nothing here."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Replace constructor arguments by name; a trained network keeps its weights until the next `fit`."""
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise ParameterError("set_params", name, ", ".join(known))
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        state = f"trained on {len(self.train_classes_)} classes" if self._is_fitted() else "not trained"
        return f"SiameseNetwork(embedding_size={self.encoder.embedding_size}, distance={self.distance!r}, {state})"

    # ---- Training

    def fit(
        self,
        features: Features,
        *,
        validation: Features | None = None,
        epochs: int = 40,
        patience: int = 10,
        batch_size: int | None = None,
        pairing: Literal["in-batch", "two-sided"] = "in-batch",
        clips_per_class: int = 4,
        negative_ratio: float = 1.0,
        device: str = "auto",
        seed: int = 0,
        num_threads: int | None = None,
        progress: bool = True,
    ) -> Self:
        """Train from new weights, in one C++ loop.

        Parameters
        ----------
        features : Features
            Training clips, two or more of each class.
        validation : Features or None
            Clips of other classes, on which the exact one-shot accuracy is measured after each epoch; the weights of
            the best epoch are kept. None or empty: no early stopping, the last epoch's weights are kept.
        epochs : int > 0
            Most epochs.
        patience : int >= 0
            Epochs without a better validation accuracy after which training stops; 0: never.
        batch_size : int > 0 or None
            Clips a batch ("in-batch"; None: 40) or pairs a batch ("two-sided"; None: 20).
        pairing : {"in-batch", "two-sided"}
            "in-batch": class-balanced batches, every clip once an epoch and encoded once, all pairs formed on the
            embeddings. "two-sided": the literal siamese batch of Honka 2019, both sides of each pair encoded and
            batch-normalised separately; an epoch has about clips²/(2 classes) pairs of either kind.
        clips_per_class : int >= 2
            Clips of a class that enter a batch together ("in-batch").
        negative_ratio : float > 0
            Weight ("in-batch") or number ("two-sided") of pairs of different classes for each pair of one class.
        device : str
            "auto" (CUDA where there is a device), "cpu", "cuda" or "cuda:N".
        seed : int >= 0
            Of weights, batches and dropout. The same seed, device and thread count give the same bits.
        num_threads : int > 0 or None
            CPU threads; None: LibTorch's choice.
        progress : bool
            Show a progress bar with loss and validation accuracy on stderr.

        Returns
        -------
        SiameseNetwork
            This object.

        Raises
        ------
        ParameterError
            An option is out of its range, or the spectrograms are too small for the encoder.
        DatasetError
            A class has a single clip, there are fewer than two classes, or training and validation share classes.
        TrainingError
            The loss or the weights are no longer finite.
        KeyboardInterrupt
            Ctrl-C. The network then has the weights of its best epoch so far and can be used.
        """
        if pairing not in _DEFAULT_BATCH_SIZE:
            raise ParameterError("pairing", pairing, "'in-batch' or 'two-sided'")
        if seed < 0:
            raise ParameterError("seed", seed, "0 or more")
        if validation is not None and len(validation) == 0:
            validation = None
        _check_trainable(features, validation)
        device = core.resolve_device(device)

        _, num_bands, num_frames = features.shape
        self._native = self._build(num_bands, num_frames, seed)
        self._native.to(device)
        self.front_end_ = features.front_end
        self.input_shape_ = (num_bands, num_frames)
        self.train_classes_ = features.class_names
        self.validation_classes_ = () if validation is None else validation.class_names
        self.split_: ClassSplit | None = None

        records: list[dict[str, Any]] = []
        bar = tqdm(total=epochs, desc="training", unit="epoch", disable=not progress)
        best_accuracy: float | None = None

        def show(epochs_done: float, loss: float) -> None:
            bar.n = round(epochs_done, 2)
            accuracy = "" if best_accuracy is None else f", best validation accuracy {best_accuracy:.1%}"
            bar.set_postfix_str(f"loss {loss:.4f}{accuracy}")

        def on_step(epoch: int, step: int, num_steps: int, loss: float) -> None:
            show(epoch + step / num_steps, loss)

        def on_epoch(record: dict[str, Any]) -> None:
            nonlocal best_accuracy
            if validation is None:
                record["validation_accuracy"] = None  # NaN would be no JSON
            else:
                best_accuracy = max(best_accuracy or 0.0, record["validation_accuracy"])
            records.append(record)
            show(record["epoch"] + 1, record["loss"])

        empty = features[:0] if validation is None else validation
        try:
            self.best_epoch_: int = core.fit(
                self._native,
                train=np.asarray(features, dtype=np.float32),
                train_labels=features.labels,
                num_train_classes=len(features.class_names),
                validation=np.asarray(empty, dtype=np.float32),
                validation_labels=empty.labels,
                num_validation_classes=len(empty.class_names),
                pairing=pairing,
                loss=self.loss,
                optimizer=optimizers.to_core(self.optimizer),
                epochs=epochs,
                patience=patience,
                batch_size=_DEFAULT_BATCH_SIZE[pairing] if batch_size is None else batch_size,
                clips_per_class=clips_per_class,
                negative_ratio=negative_ratio,
                validation_ways=5,
                seed=seed,
                num_threads=num_threads or 0,
                on_step=on_step,
                on_epoch=on_epoch,
            )
        finally:
            bar.close()
            self.history_ = History(records)
            if not hasattr(self, "best_epoch_"):
                self.best_epoch_ = _best_epoch(records)
        return self

    # ---- Use

    def embed(self, features: Features | npt.ArrayLike, *, num_threads: int | None = None) -> npt.NDArray[np.float32]:
        """Turn spectrograms into embeddings.

        Parameters
        ----------
        features : Features or array-like [shape=(clips, bands, frames)]
            Spectrograms as the network was trained on.
        num_threads : int > 0 or None
            CPU threads; None: LibTorch's choice.

        Returns
        -------
        np.ndarray [shape=(clips, embedding_size), dtype=float32]

        Raises
        ------
        ParameterError
            The spectrograms have another shape, or another front end made them.
        TrainingError
            The network is not trained.
        """
        native = self._fitted()
        if isinstance(features, Features):
            self._check_front_end(features)
            data: Features | npt.NDArray[np.float32] = features
        else:
            data = np.asarray(features, dtype=np.float32)
        if len(data.shape) != 3 or data.shape[1:] != self.input_shape_:
            raise ParameterError("features", f"shape {data.shape}", "(clips, {}, {})".format(*self.input_shape_))
        embeddings = np.empty((data.shape[0], self.encoder.embedding_size), dtype=np.float32)
        for start in range(0, len(embeddings), _EMBED_CLIPS):
            block = np.asarray(data[start : start + _EMBED_CLIPS], dtype=np.float32)
            embeddings[start : start + len(block)] = native.embed(block, num_threads=num_threads or 0)
        return embeddings

    def similarity(
        self, a: npt.ArrayLike, b: npt.ArrayLike, *, num_threads: int | None = None
    ) -> npt.NDArray[np.float32]:
        """P(same class) of every pair of embeddings.

        Parameters
        ----------
        a : array-like [shape=(n, embedding_size)]
            Embeddings, from `embed`.
        b : array-like [shape=(m, embedding_size)]
            Embeddings, from `embed`.
        num_threads : int > 0 or None
            CPU threads; None: LibTorch's choice.

        Returns
        -------
        np.ndarray [shape=(n, m), dtype=float32, range=[0, 1]]

        Raises
        ------
        ParameterError
            The embeddings have another size than the network's.
        TrainingError
            The network is not trained.
        """
        native = self._fitted()
        left, right = np.asarray(a, dtype=np.float32), np.asarray(b, dtype=np.float32)
        for name, value in (("a", left), ("b", right)):
            if value.ndim != 2 or value.shape[1] != self.encoder.embedding_size:
                raise ParameterError(name, f"shape {value.shape}", f"(clips, {self.encoder.embedding_size})")
        return native.similarity(left, right, num_threads=num_threads or 0)

    def num_parameters(self) -> int:
        """Return how many numbers training changes."""
        return self._fitted().num_parameters()

    # ---- Weights and files

    def weights(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return copies of all weights and running statistics by name."""
        return self._fitted().weights()

    def set_weights(self, weights: dict[str, npt.NDArray[np.float32]]) -> Self:
        """Replace all weights; names and shapes as `weights` returns them."""
        self._fitted().set_weights(weights)
        return self

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trained network to one file, whole or not at all.

        Parameters
        ----------
        path : path-like
            The file, usually ``*.siam``: safetensors, with options, front end, class names and history as JSON.

        Raises
        ------
        TrainingError
            The network is not trained.
        CheckpointError
            The file cannot be written.
        """
        weights = self.weights()
        manifest = {
            "encoder": self.encoder.to_dict(),
            "distance": self.distance,
            "loss": self.loss,
            "optimizer": optimizers.registry.to_dict(self.optimizer),
            "input_shape": list(self.input_shape_),
            "front_end": None if self.front_end_ is None else self.front_end_.to_dict(),
            "train_classes": list(self.train_classes_),
            "validation_classes": list(self.validation_classes_),
            "split": None if self.split_ is None else self.split_.to_dict(),
            "history": list(self.history_),
            "best_epoch": self.best_epoch_,
        }
        checkpoint.write(Path(path), manifest, weights)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, device: str = "cpu") -> Self:
        """Read a network that `save` wrote.

        Parameters
        ----------
        path : path-like
            The file.
        device : str
            Where to put the weights: "cpu", "auto", "cuda" or "cuda:N".

        Raises
        ------
        CheckpointError
            The file is missing, damaged, or something else.
        """
        manifest, weights = checkpoint.read(Path(path))
        try:
            net = cls(
                ConvEncoder.from_dict(manifest["encoder"]),
                distance=manifest["distance"],
                loss=manifest["loss"],
                optimizer=optimizers.registry.from_dict(manifest["optimizer"]),
            )
            num_bands, num_frames = manifest["input_shape"]
            net._native = net._build(num_bands, num_frames, seed=0)
            net._native.set_weights(weights)
            net.input_shape_ = (num_bands, num_frames)
            net.front_end_ = None if manifest["front_end"] is None else LogMel.from_dict(manifest["front_end"])
            net.train_classes_ = tuple(manifest["train_classes"])
            net.validation_classes_ = tuple(manifest["validation_classes"])
            net.split_ = None if manifest["split"] is None else ClassSplit.from_dict(manifest["split"])
            net.history_ = History(manifest["history"])
            net.best_epoch_ = manifest["best_epoch"]
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{os.fspath(path)} holds options that this version does not know: {error}"
            ) from error
        net._native.to(device)
        return net

    # ---- Inside

    def _build(self, num_bands: int, num_frames: int, seed: int) -> core.Siamese:
        encoder = self.encoder
        return core.Siamese(
            blocks=[
                core.ConvBlockOptions(
                    filters=block.filters,
                    kernel_size=block.kernel_size,
                    batch_norm=block.batch_norm,
                    pool_size=block.pool_size,
                    dropout=block.dropout,
                )
                for block in encoder.blocks
            ],
            input_batch_norm=encoder.input_batch_norm,
            embedding_size=encoder.embedding_size,
            embedding_batch_norm=encoder.embedding_batch_norm,
            embedding_dropout=encoder.embedding_dropout,
            distance=self.distance,
            height=num_bands,
            width=num_frames,
            seed=seed,
        )

    def _is_fitted(self) -> bool:
        return hasattr(self, "_native")

    def _fitted(self) -> core.Siamese:
        if not self._is_fitted():
            raise TrainingError("the network is not trained: call fit(), or SiameseNetwork.load()")
        return self._native

    def _check_front_end(self, features: Features) -> None:
        if features.front_end is not None and self.front_end_ is not None and features.front_end != self.front_end_:
            raise ParameterError(
                "features",
                f"made by {features.front_end}",
                f"features by the network's own front end, {self.front_end_}",
            )


def _check_trainable(features: Features, validation: Features | None) -> None:
    if len(features.class_names) < 2:
        raise DatasetError(f"training needs two or more classes, not {len(features.class_names)}")
    for part in (features, validation):
        if part is None:
            continue
        counts = np.bincount(part.labels)
        if counts.min() < 2:
            raise DatasetError(
                f"class {part.class_names[int(counts.argmin())]!r} has a single clip; two or more a class are needed"
            )
        if not all(np.isfinite(block.array).all() for block in part.iter_blocks()):
            raise DatasetError("the spectrograms hold NaN or infinite values; only finite numbers can be trained on")
    if validation is not None:
        shared = sorted(set(features.class_names) & set(validation.class_names))
        if shared:
            raise DatasetError(f"class {shared[0]!r} is in both training and validation; the classes must be different")
        if len(validation.class_names) < 2:
            raise DatasetError("validation needs two or more classes, or none")
        if validation.shape[1:] != features.shape[1:]:
            raise ParameterError(
                "validation", f"shape {validation.shape}", f"(clips, {features.shape[1]}, {features.shape[2]})"
            )


def _best_epoch(records: list[dict[str, Any]]) -> int:
    """Return the epoch whose weights an interrupted training leaves."""
    if not records or records[0]["validation_accuracy"] is None:
        return len(records) - 1
    return max(range(len(records)), key=lambda epoch: records[epoch]["validation_accuracy"])
