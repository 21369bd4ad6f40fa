"""The siamese network as an estimator."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from siamaudio import checkpoint as checkpoint_file
from siamaudio import encoders, estimators, fitting, network_options, options, samplers
from siamaudio import losses as loss_options
from siamaudio import optimizers as optimizer_options
from siamaudio._engine import core
from siamaudio.augment import Augmentation, FrequencyShift, TimeShift
from siamaudio.clip_splits import Split, split_from_dict
from siamaudio.encoders import ConvEncoder, Encoder, YamnetEncoder
from siamaudio.errors import CheckpointError, DatasetError, ParameterError, TrainingError
from siamaudio.features import Features
from siamaudio.history import History
from siamaudio.log_mel import LogMel
from siamaudio.losses import BinaryCrossentropy, Loss
from siamaudio.optimizers import Adam, Optimizer
from siamaudio.presets import preset_options
from siamaudio.samplers import Balanced, Sampler
from siamaudio.schedules import Cosine
from siamaudio.summary import Summary

__all__ = ["SiameseNetwork"]

_SHIFTS = ((0, 0), (1, 3), (-1, 5))  # in bands and frames; found on validation classes, see docs/recipe.md
_EMBED_CLIPS = 256  # that are read at once; a multiple of the core's batches, so that the results have the same bits


class SiameseNetwork:
    """One encoder for two spectrograms, the distance of their embeddings, and what makes a similarity of it.

    A scikit-learn style estimator: the constructor only keeps the options, `fit` builds and trains the network in C++,
    and what it learned is in attributes whose names end in ``_``.

    Parameters
    ----------
    encoder : ConvEncoder or YamnetEncoder
        What turns a spectrogram into an embedding.
    distance : {"squared", "absolute", "product", "euclidean", "cosine"}
        Of two embeddings. The first three are element-wise and go with ``head="dense"``; the others are one number and
        go without a head.
    head : {"dense", None}
        "dense": a dense unit with a sigmoid weighs the elements of the distance, and similarity is P(same class).
        None: similarity is minus the Euclidean distance, or the cosine.
    loss : Loss, str, or sequence of these
        What is minimised, from `siamaudio.losses`, or its name such as "contrastive"; several add up.
    sampler : Sampler or str
        Which clips a batch puts together, from `siamaudio.samplers`.
    optimizer : Optimizer or str
        How weights follow gradients, from `siamaudio.optimizers`; with it the learning rate's schedule, gradient
        clipping and averaging of weights.
    augment : sequence of Augmentation
        Random changes of training spectrograms, from `siamaudio.augment`, in this order.

    Attributes
    ----------
    history_ : History
        What happened in each epoch of the last `fit`.
    best_epoch_ : int
        The epoch, from 0, whose weights the network has; -1 for the initial ones.
    train_classes_, validation_classes_ : tuple of str
        The classes that the network has seen.
    front_end_ : LogMel or None
        What made the spectrograms that it was trained on.
    input_shape_ : tuple of int
        (bands, frames) of a spectrogram, or (channels, bands, frames).
    split_ : ClassSplit, FoldSplit, SourceSplit, ClipSplit or None
        The split of the experiment, kept in the saved file; set it to have it kept.

    Examples
    --------
    >>> import siamaudio as sa
    >>> net = sa.SiameseNetwork.preset("honka2019")
    >>> net.encoder.dense[0].units
    500
    >>> sa.SiameseNetwork(distance="euclidean", head=None, loss="contrastive").losses()
    (Contrastive(margin=1.0, form='a', weight=1.0),)
    """

    def __init__(
        self,
        encoder: Encoder | None = None,
        *,
        distance: Literal["squared", "absolute", "product", "euclidean", "cosine"] = "squared",
        head: Literal["dense"] | None = "dense",
        loss: Loss | str | Sequence[Loss | str] | None = None,
        sampler: Sampler | str | None = None,
        optimizer: Optimizer | str | None = None,
        augment: Sequence[Augmentation] = (),
    ) -> None:
        self.encoder: Encoder = ConvEncoder() if encoder is None else encoder
        self.distance = distance
        self.head = head
        self.loss: Loss | str | Sequence[Loss | str] = BinaryCrossentropy() if loss is None else loss
        self.sampler: Sampler | str = Balanced() if sampler is None else sampler
        self.optimizer: Optimizer | str = Adam() if optimizer is None else optimizer
        self.augment = augment

    @classmethod
    def preset(cls, name: str | os.PathLike[str]) -> Self:
        """Make a network by name, untrained: a published one, "modern", this project's own recipe, or a file's.

        Parameters
        ----------
        name : str or path-like
            One of `siamaudio.network_presets`; `siamaudio.presets` says what each is. Or a preset file
            ``*.json``, such as `siamaudio.tuning.TuningResult.save` writes.

        Raises
        ------
        ParameterError
            There is no such preset, or the file holds none.
        """
        return cls(**preset_options(name))

    # ---- Options

    def losses(self) -> tuple[Loss, ...]:
        """Return the losses that add up to what is minimised."""
        return network_options.listed_losses(self.loss)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's arguments by name.

        Parameters
        ----------
        deep : bool
            Also the fields of options, as ``optimizer__lr``.

        Returns
        -------
        dict
            Argument to value.
        """
        return estimators.get_params(self, deep=deep)

    def set_params(self, **params: Any) -> Self:
        """Replace constructor arguments by name; a trained network keeps its weights until the next `fit`.

        Parameters
        ----------
        **params
            Arguments, or fields of options as in ``optimizer__lr=1e-4``.

        Returns
        -------
        SiameseNetwork
            Itself.

        Raises
        ------
        ParameterError
            There is no such argument or field.

        Examples
        --------
        >>> import siamaudio as sa
        >>> sa.SiameseNetwork().set_params(optimizer__lr=1e-4).optimizer.lr
        0.0001
        """
        estimators.set_params(self, params)
        return self

    def set_from_text(self, settings: Mapping[str, str]) -> Self:
        """Replace options by values given as text, as a command line does.

        Parameters
        ----------
        settings : mapping from str to str
            "loss": "contrastive", "optimizer.lr": "1e-3", "encoder.dense.0.units": "128": an argument of the
            constructor, or the way to a field; "encoder.blocks.count": "2" cuts, or repeats the last. Several losses or
            augmentations are named with commas between them.

        Returns
        -------
        SiameseNetwork
            Itself.

        Raises
        ------
        ParameterError
            There is no such option, or the text is no value of it.

        Examples
        --------
        >>> import siamaudio as sa
        >>> net = sa.SiameseNetwork().set_from_text({"optimizer.lr": "1e-4", "loss": "mse"})
        >>> net.optimizer.lr, net.losses()
        (0.0001, (MeanSquaredError(weight=1.0),))
        """
        for path, text in settings.items():
            root, _, field = path.partition(".")
            if root not in self.get_params(deep=False):
                raise ParameterError("--set", path, ", ".join(self.get_params(deep=False)))
            if field:
                value = options.with_settings(self._option(root), {field: text}, within=root)
            else:
                value = self._parsed(root, text)
            setattr(self, root, value)
        return self

    def _option(self, name: str) -> Any:
        if name == "loss":
            losses = self.losses()
            return losses[0] if len(losses) == 1 else losses
        registry = network_options.REGISTRIES.get(name)
        value = getattr(self, name)
        return registry.parse(value) if registry is not None and isinstance(value, str) else value

    @staticmethod
    def _parsed(name: str, text: str) -> Any:
        registry = network_options.REGISTRIES.get(name)
        if registry is not None:
            parts = tuple(registry.parse(part.strip()) for part in text.split(",") if part.strip())
            return parts if name == "augment" or len(parts) != 1 else parts[0]
        if name == "encoder":
            raise ParameterError("--set", "encoder", "one of its fields, such as encoder.pooling")
        return None if text.lower() == "none" else text

    def __repr__(self) -> str:
        state = "not trained"
        if self._is_built():
            state = f"trained on {len(self.train_classes_)} classes" if self.train_classes_ else "built, not trained"
        return f"SiameseNetwork(distance={self.distance!r}, head={self.head!r}, loss={self.loss!r}, {state})"

    # ---- Training

    def build(self, input_shape: Sequence[int], *, num_classes: int | None = None, seed: int = 0) -> Self:
        """Make the network with new weights, as `fit` does before it trains.

        Parameters
        ----------
        input_shape : (int, int) or (int, int, int)
            (bands, frames), or (channels, bands, frames).
        num_classes : int > 1 or None
            Training classes; needed where a loss trains a classifier.
        seed : int >= 0
            Of the weights.

        Returns
        -------
        SiameseNetwork
            Itself.

        Raises
        ------
        ParameterError
            Options are out of their range, or the spectrograms are too small for the encoder.

        Examples
        --------
        >>> import siamaudio as sa
        >>> sa.SiameseNetwork.preset("honka2019").build((128, 431)).num_parameters()
        19408979
        """
        if len(input_shape) not in (2, 3):
            raise ParameterError("input_shape", tuple(input_shape), "(bands, frames) or (channels, bands, frames)")
        if seed < 0:
            raise ParameterError("seed", seed, "0 or more")
        native = self._build(tuple(input_shape), num_classes, seed)
        if isinstance(self.encoder, YamnetEncoder):
            _set_pretrained(native, self.encoder)
        return self._take(native, tuple(input_shape), num_classes)

    def _take(self, native: core.Siamese, input_shape: tuple[int, ...], num_classes: int | None) -> Self:
        self._native = native
        self._num_classes = num_classes
        self.input_shape_: tuple[int, ...] = input_shape
        self.front_end_: LogMel | None = None
        self.train_classes_: tuple[str, ...] = ()
        self.validation_classes_: tuple[str, ...] = ()
        self.split_: Split | None = None
        self.history_: History = History()
        self.best_epoch_: int = -1
        return self

    def fit(
        self,
        features: Features,
        *,
        validation: Features | None = None,
        epochs: int = 40,
        steps_per_epoch: int | None = None,
        batch_size: int | None = None,
        pairing: fitting.Pairing | None = None,
        patience: int | None = None,
        validation_freq: int = 1,
        warm_start: bool = False,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: int = 100,
        resume: bool | str = False,
        device: str = "auto",
        precision: fitting.Precision = "auto",
        seed: int = 0,
        num_threads: int | None = None,
        callbacks: Sequence[fitting.Callback] = (),
        progress: bool = True,
    ) -> Self:
        """Train, in one C++ loop.

        Parameters
        ----------
        features : Features
            Training clips, two or more of each class.
        validation : Features or None
            Clips of other classes, on which the exact one-shot accuracy is measured after each epoch; the weights of
            the best epoch are kept. None or empty: no early stopping, the last epoch's weights are kept.
        epochs : int > 0
            Most epochs.
        steps_per_epoch : int > 0 or None
            Batches an epoch, and so from one validation to the next; None: what the sampler calls an epoch.
        batch_size : int > 0 or None
            In the place of the sampler's: clips, or pairs where both sides are encoded.
        pairing : {"in-batch", "two-sided"} or None
            Instead of the network's sampler: "in-batch" for class-balanced batches in which every clip is encoded once
            and all pairs are formed on the embeddings, "two-sided" for the literal siamese batches of Honka 2019, both
            sides of each pair encoded and batch-normalised separately. None: the sampler.
        patience : int >= 0 or None
            Epochs without a better validation accuracy after which training stops; 0: never. None: 10, but never with a
            schedule that is laid out for all epochs, as `schedules.Cosine`, whose last epochs learn most.
        validation_freq : int > 0
            Epochs from one validation to the next; the last epoch is always validated.
        warm_start : bool
            Go on from the present weights, of `build`, `load` or an earlier `fit`, instead of new ones.
        checkpoint : path-like or None
            A folder for checkpoints, of which the last two are kept.
        checkpoint_every : int > 0
            Steps from one checkpoint to the next; one more is written at the end.
        resume : bool or str
            True: go on from the last checkpoint in the folder, with the same data and options, as if nothing had
            happened: on a CPU the weights come out the same, bit for bit. Without a checkpoint a new training begins.
            A file name goes on from that checkpoint.
        device : str
            "auto" (CUDA where there is a device), "cpu", "cuda" or "cuda:N".
        precision : {"auto", "float32", "bf16"}
            In which numbers the encoder computes while it trains. "bf16" needs a CUDA device of compute capability 8.0
            or later: convolutions and dense layers round to 8 bits of mantissa, while weights, statistics, head and
            losses stay float32. "auto": bf16 on such a device, float32 elsewhere. Embedding is always float32.
        seed : int >= 0
            Of weights, batches, augmentation and dropout. The same seed and thread count give the same
            bits on a CPU; a CUDA device takes some sums in no fixed order.
        num_threads : int > 0 or None
            CPU threads; None: LibTorch's choice.
        callbacks : sequence of callable
            Each is called after each epoch with the network, which can be used, and the epoch's record of `History`; a
            true answer stops training.
        progress : bool
            Show a progress bar with loss and validation accuracy on stderr.

        Returns
        -------
        SiameseNetwork
            This object.

        Raises
        ------
        ParameterError
            An option is out of its range, options do not go together, or the spectrograms are too small for the
            encoder.
        DatasetError
            A class has a single clip, there are fewer than two classes, or training and validation share classes.
        TrainingError
            The loss or the weights are no longer finite, all embeddings have become one, or memory runs out. The
            network then has the weights of its best epoch so far.
        CheckpointError
            A checkpoint cannot be written, is damaged, or is of another training.
        KeyboardInterrupt
            Ctrl-C. The network then has the weights of its best epoch so far and can be used.

        Examples
        --------
        >>> import numpy as np
        >>> import siamaudio as sa
        >>> patterns = np.random.default_rng(0).standard_normal((4, 1, 16, 16))
        >>> noise = np.random.default_rng(1).standard_normal((4, 8, 16, 16))
        >>> clips = (patterns + 0.5 * noise).reshape(32, 16, 16)
        >>> features = sa.Features.from_arrays(clips, np.repeat(list("abcd"), 8))
        >>> encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=8, kernel_size=3),), dense=(sa.Dense(units=16),))
        >>> net = sa.SiameseNetwork(encoder, optimizer=sa.optimizers.Adam(lr=3e-3))
        >>> net.fit(features, epochs=5, batch_size=16, progress=False).history_
        History(5 epochs, ...)
        """
        if validation is not None and len(validation) == 0:
            validation = None
        if seed < 0:
            raise ParameterError("seed", seed, "0 or more")
        if steps_per_epoch is not None and steps_per_epoch < 1:
            raise ParameterError("steps_per_epoch", steps_per_epoch, "1 or more, or None for the sampler's epoch")
        if patience is None:
            schedule = optimizer_options.registry.parse(self.optimizer).schedule
            patience = 0 if isinstance(schedule, Cosine) else 10
        fit_options = fitting.FitOptions(
            sampler=fitting.sampler_for(samplers.registry.parse(self.sampler), pairing, batch_size),
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            patience=patience,
            validation_freq=validation_freq,
            precision=precision,
            seed=seed,
        )
        fitting.check_checkpointing(checkpoint, checkpoint_every, resume)
        fitting.check_trainable(features, validation)
        device = core.resolve_device(device)
        core.resolve_precision(precision=precision, device=device)

        if warm_start:
            self._check_warm_start(features)
        else:
            self.build(features.shape[1:], num_classes=len(features.class_names), seed=seed)
        native = self._native
        native.to(device)
        self.front_end_ = features.front_end
        self.train_classes_ = features.class_names
        self.validation_classes_ = () if validation is None else validation.class_names

        records: list[dict[str, Any]] = []
        self.best_epoch_ = -1
        finished = None
        try:
            finished = fitting.run(
                self,
                native,
                features,
                validation,
                fit_options,
                description=self._options_to_dict(),
                checkpoint=checkpoint,
                checkpoint_every=checkpoint_every,
                resume=resume,
                num_threads=num_threads,
                callbacks=callbacks,
                progress=progress,
                records=records,
            )
        finally:
            self.history_ = History(records)
            self.best_epoch_ = _best_epoch(records) if finished is None else finished
        return self

    def calibrate(
        self,
        features: Features,
        *,
        power: float = 0.5,
        shrinkage: float = 0.8,
        shifts: Sequence[tuple[int, int]] | Literal["augmented"] = "augmented",
        num_threads: int | None = None,
    ) -> Self:
        """Centre and whiten the embeddings, so that their cosine tells classes apart better.

        From then on `embed` gives ``(p / |p| - mean) S'^(-1/2)`` with ``p = sign(z) |z|^power``, z the mean of the
        encoder's embeddings of the spectrogram moved by each of the shifts, the mean and the within-class covariance S
        of these clips' ``p / |p|``, ``S' = (1 - shrinkage) S + shrinkage (tr S / dim) I``, and `similarity` is the
        cosine, whatever the head. Nothing else is learned.

        Parameters
        ----------
        features : Features
            Clips of the training classes: of unseen ones it would no longer be one-shot recognition.
        power : float in (0, 1]
            Of the embeddings' values: below 1, a few large ones count for less; 1: as they are.
        shrinkage : float in (0, 1]
            Share of a covariance that is the same in all directions.
        shifts : sequence of (int, int), or "augmented"
            Bands upwards and frames later, (0, 0) for the spectrogram as it is; each costs the time of embedding once
            more. Frames come in again at the other end, the edge's band takes the place of bands that are missing.
            "augmented": (0, 0), (1, 3) and (-1, 5) where training moved the spectrograms too (`augment.TimeShift` and
            `augment.FrequencyShift`), else (0, 0) alone.
        num_threads : int > 0 or None
            CPU threads; None: LibTorch's choice.

        Returns
        -------
        SiameseNetwork
            Itself.

        Raises
        ------
        ParameterError
            Power or shrinkage is out of its range, there is no shift, or the features are not those of the network.
        DatasetError
            No class has two clips.
        TrainingError
            The network is not trained.
        """
        native = self._built()
        if shifts == "augmented":
            kinds = {type(augmentation) for augmentation in self.augment}
            shifts = _SHIFTS if {TimeShift, FrequencyShift} <= kinds else _SHIFTS[:1]
        native.clear_calibration()
        embeddings = self._embedded(
            features,
            lambda block: native.embed_shifted(block, shifts=shifts, num_threads=num_threads or 0),
        )
        if len(features) == 0 or np.bincount(features.labels).max() < 2:
            raise DatasetError("calibration needs classes with two or more clips")
        fitted = core.fit_calibration(embeddings, features.labels, power=power, shrinkage=shrinkage)
        power_mean_matrix = dict(zip(("power", "mean", "matrix"), fitted, strict=True))
        native.set_calibration(**power_mean_matrix, shifts=np.array(shifts, dtype=np.float32))
        return self

    # ---- Use

    def embed(self, features: Features | npt.ArrayLike, *, num_threads: int | None = None) -> npt.NDArray[np.float32]:
        """Turn spectrograms into embeddings.

        Parameters
        ----------
        features : Features or array-like [shape=(clips, bands, frames) or (clips, channels, bands, frames)]
            Spectrograms as the network was trained on; with another number of frames where its encoder pools over time.
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
        native = self._built()
        return self._embedded(features, lambda block: native.embed(block, num_threads=num_threads or 0))

    def _embedded(
        self, features: Features | npt.ArrayLike, embed: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
    ) -> npt.NDArray[np.float32]:
        """Check features and embed them, block by block."""
        if isinstance(features, Features):
            estimators.check_front_end(features, self.front_end_)
            data: Features | npt.NDArray[np.float32] = features
        else:
            data = np.asarray(features, dtype=np.float32)
        expected = self.input_shape_
        matches = data.shape[1:] == expected
        if self.encoder.takes_any_frames:
            matches = len(data.shape) == len(expected) + 1 and data.shape[1:-1] == expected[:-1]
        if not matches:
            accepted = [str(size) for size in expected]
            if self.encoder.takes_any_frames:
                accepted[-1] = "frames"
            raise ParameterError("features", f"shape {data.shape}", f"(clips, {', '.join(accepted)})")
        embeddings = np.empty((data.shape[0], self._built().embedding_size), dtype=np.float32)
        for start in range(0, len(embeddings), _EMBED_CLIPS):
            block = np.asarray(data[start : start + _EMBED_CLIPS], dtype=np.float32)
            embeddings[start : start + len(block)] = embed(block)
        return embeddings

    def similarity(
        self, a: npt.ArrayLike, b: npt.ArrayLike, *, num_threads: int | None = None
    ) -> npt.NDArray[np.float32]:
        """How similar every pair of embeddings is.

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
        np.ndarray [shape=(n, m), dtype=float32]
            P(same class) with a head; minus the Euclidean distance, or the cosine, without one; the cosine after
            `calibrate`.

        Raises
        ------
        ParameterError
            The embeddings have another size than the network's.
        TrainingError
            The network is not trained.
        """
        native = self._built()
        left, right = np.asarray(a, dtype=np.float32), np.asarray(b, dtype=np.float32)
        for name, value in (("a", left), ("b", right)):
            if value.ndim != 2 or value.shape[1] != native.embedding_size:
                raise ParameterError(name, f"shape {value.shape}", f"(clips, {native.embedding_size})")
        return native.similarity(left, right, num_threads=num_threads or 0)

    def predict_proba(
        self, features: Features | npt.ArrayLike, *, num_threads: int | None = None
    ) -> npt.NDArray[np.float32]:
        """Tell the training classes apart, by the classifier that a loss of classes has trained.

        Parameters
        ----------
        features : Features or array-like
            As for `embed`.
        num_threads : int > 0 or None
            CPU threads; None: LibTorch's choice.

        Returns
        -------
        np.ndarray [shape=(clips, classes), dtype=float32, range=[0, 1]]
            Softmax over `train_classes_`, in their order.

        Raises
        ------
        ParameterError
            The spectrograms have another shape.
        TrainingError
            The network is not trained, has no classifier, or is calibrated.
        """
        native = self._built()
        if not native.has_classifier or native.is_calibrated:
            raise TrainingError(
                "the embeddings are calibrated for comparing; classes are told apart before `calibrate`"
                if native.is_calibrated
                else "the network has no classifier: train it with a loss of classes, such as CrossEntropy"
            )
        logits = native.classifier_logits(self.embed(features, num_threads=num_threads))
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    def predict(self, features: Features | npt.ArrayLike, *, num_threads: int | None = None) -> npt.NDArray[np.str_]:
        """Return the most probable training class of each clip; see `predict_proba`.

        Parameters
        ----------
        features : Features or array-like [shape=(clips, bands, frames) or (clips, channels, bands, frames)]
            Clips.
        num_threads : int > 0 or None
            CPU threads; None: LibTorch's choice.

        Returns
        -------
        np.ndarray [shape=(clips,), dtype=str]
            Names of classes.
        """
        best = self.predict_proba(features, num_threads=num_threads).argmax(axis=1)
        return np.array(self.train_classes_)[best]

    def num_parameters(self) -> int:
        """Return how many numbers training changes."""
        return self._built().num_parameters()

    def summary(self) -> Summary:
        """Describe the layers: output shapes, parameters, FLOPs.

        Raises
        ------
        TrainingError
            The network has no weights yet.

        Examples
        --------
        >>> import siamaudio as sa
        >>> summary = sa.SiameseNetwork.preset("honka2019").build((128, 431)).summary()
        >>> summary.num_parameters
        19408979
        """
        return Summary.of(self._built().layers())

    # ---- Weights and files

    def weights(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return copies of all weights and running statistics by name."""
        return self._built().weights()

    def set_weights(self, weights: dict[str, npt.NDArray[np.float32]]) -> Self:
        """Replace all weights; names and shapes as `weights` returns them, with those of a calibration or without.

        Parameters
        ----------
        weights : dict from str to array-like
            Arrays by name.

        Returns
        -------
        SiameseNetwork
            Itself.
        """
        native = self._built()
        before = native.weights()
        try:
            _set_calibration(native, weights)
            native.set_weights(weights)
        except BaseException:
            _set_calibration(native, before)
            raise
        return self

    def fingerprint(self) -> str:
        """Return a digest of all that embeddings depend on, the same after saving and loading, and on any device.

        It is a SHA-256 over the encoder, distance, head, input shape, front end and weights. How the network was
        trained plays no part.

        Raises
        ------
        TrainingError
            The network is not trained.

        Examples
        --------
        >>> import siamaudio as sa
        >>> net = sa.SiameseNetwork.preset("lloret2019_mnist_pair").build((28, 28), seed=1)
        >>> net.save("net.siam")
        >>> sa.SiameseNetwork.load("net.siam").fingerprint() == net.fingerprint()
        True
        """
        weights = self.weights()
        encoder = self._options_to_dict()["encoder"]
        encoder.pop("weights", None)  # where the first weights came from tells nothing about these
        described = {
            "encoder": encoder,
            "distance": self.distance,
            "head": self.head,
            "input_shape": list(self.input_shape_),
            "front_end": None if self.front_end_ is None else self.front_end_.to_dict(),
        }
        return checkpoint_file.digest(json.dumps(described, sort_keys=True), weights)

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
            "kind": "network",
            "network": self._options_to_dict(),
            "input_shape": list(self.input_shape_),
            "num_classes": self._num_classes,
            "calibrated": self._built().is_calibrated,
            "front_end": None if self.front_end_ is None else self.front_end_.to_dict(),
            "train_classes": list(self.train_classes_),
            "validation_classes": list(self.validation_classes_),
            "split": None if self.split_ is None else self.split_.to_dict(),
            "history": list(self.history_),
            "best_epoch": self.best_epoch_,
        }
        checkpoint_file.write(Path(path), manifest, weights)

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
        manifest, weights = checkpoint_file.read(Path(path), "network")
        try:
            net = cls(**network_options.from_dict(manifest["network"]))
            shape, num_classes = tuple(manifest["input_shape"]), manifest["num_classes"]
            net._take(net._build(shape, num_classes, seed=0), shape, num_classes)
            net.set_weights(weights)
            net.front_end_ = None if manifest["front_end"] is None else LogMel.from_dict(manifest["front_end"])
            net.train_classes_ = tuple(manifest["train_classes"])
            net.validation_classes_ = tuple(manifest["validation_classes"])
            net.split_ = None if manifest["split"] is None else split_from_dict(manifest["split"])
            net.history_ = History(manifest["history"])
            net.best_epoch_ = manifest["best_epoch"]
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{os.fspath(path)} holds options that this version does not know: {error}"
            ) from error
        net._native.to(device)
        return net

    # ---- Inside

    def _build(self, input_shape: tuple[int, ...], num_classes: int | None, seed: int) -> core.Siamese:
        channels, bands, frames = (1, *input_shape)[-3:]
        native = core.Siamese(
            encoder=encoders.native_encoder(self.encoder),
            distance=self.distance,
            head=self.head,
            input_shape=(channels, bands, frames),
            seed=seed,
        )
        kind = core.classifier_kind([loss_options.registry.to_core(loss) for loss in self.losses()])
        if kind is not None:
            if num_classes is None or num_classes < 2:
                raise ParameterError("num_classes", num_classes, "2 or more: a loss of classes trains a classifier")
            native.add_classifier(num_classes, kind)
        return native

    def _options_to_dict(self) -> dict[str, Any]:
        return network_options.to_dict(self.get_params(deep=False))

    def _is_built(self) -> bool:
        return hasattr(self, "_native")

    def _built(self) -> core.Siamese:
        if not self._is_built():
            raise TrainingError("the network is not trained: call fit(), or SiameseNetwork.load()")
        return self._native

    def _check_warm_start(self, features: Features) -> None:
        self._built()
        if features.shape[1:] != self.input_shape_:
            expected = ", ".join(map(str, self.input_shape_))
            raise ParameterError(
                "features", f"shape {features.shape}", f"(clips, {expected}), as the network's weights"
            )
        self._native.clear_calibration()
        kind = core.classifier_kind([loss_options.registry.to_core(loss) for loss in self.losses()])
        if kind is not None and self._num_classes != len(features.class_names):
            self._num_classes = len(features.class_names)
            self._native.add_classifier(self._num_classes, kind)


def _set_pretrained(native: core.Siamese, encoder: YamnetEncoder) -> None:
    """Give a new network the weights of YAMNet that its options name."""
    if encoder.weights is None:
        if not encoder.trainable:
            raise ParameterError("encoder.weights", None, "a file of YAMNet's weights, as it is not trainable")
        return
    from siamaudio.models import yamnet_weights

    pretrained, _ = yamnet_weights.read_own(Path(encoder.weights))
    names = {name: f"encoder.yamnet.{name}" for name in pretrained if not name.startswith("dense.")}
    native.set_weights(native.weights() | {own: pretrained[name] for name, own in names.items()})


def _set_calibration(native: core.Siamese, weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
    if "calibration.mean" in weights:
        native.set_calibration(
            **{name: weights[f"calibration.{name}"] for name in ("power", "mean", "matrix", "shifts")}
        )
    else:
        native.clear_calibration()


def _best_epoch(records: list[dict[str, Any]]) -> int:
    """Return the epoch whose weights an interrupted training leaves."""
    accuracies = [record["validation_accuracy"] for record in records]
    if all(accuracy is None for accuracy in accuracies):
        return len(records) - 1
    return max(range(len(records)), key=lambda epoch: -1.0 if accuracies[epoch] is None else accuracies[epoch])
