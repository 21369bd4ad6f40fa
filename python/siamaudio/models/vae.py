"""A variational autoencoder: what it learns from clips without any labels can be searched, drawn and heard."""

from __future__ import annotations

import inspect
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from siamaudio import augment as augment_options
from siamaudio import checkpoint as checkpoint_file
from siamaudio import estimators, fitting
from siamaudio import optimizers as optimizer_options
from siamaudio._engine import core
from siamaudio.augment import Augmentation, TimeShift
from siamaudio.errors import CheckpointError, DatasetError, ParameterError, TrainingError
from siamaudio.features import Features
from siamaudio.history import History
from siamaudio.log_mel import LogMel
from siamaudio.optimizers import Adam, Optimizer
from siamaudio.schedules import Cosine
from siamaudio.summary import Summary
from siamaudio.training_checkpoints import TrainingCheckpoints

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Reconstruction", "VariationalAutoencoder"]

_BLOCK_CLIPS = 256  # that are read at once; a multiple of the core's blocks, so that the results have the same bits


class Reconstruction(NamedTuple):
    """What an autoencoder makes of latent vectors: a normal distribution for every pixel.

    Attributes
    ----------
    mean : np.ndarray [shape=(clips, bands, frames) or (clips, channels, bands, frames), dtype=float32]
        In the unit of the spectrograms.
    std : np.ndarray
        Standard deviation, of the same shape and unit.
    """

    mean: npt.NDArray[np.float32]
    std: npt.NDArray[np.float32]

    def __repr__(self) -> str:
        return f"Reconstruction(mean and std of shape {self.mean.shape})"


class VariationalAutoencoder:
    """Spectrograms as points of a small space, learned without labels (Kingma and Welling 2014).

    The encoder halves bands and frames with each of its layers (convolution 3 x 3 of stride 2, gated linear unit, batch
    normalisation) and ends in the mean and the logarithm of the variance of each latent number. The decoder mirrors it
    with transposed convolutions, for spectrograms of any size, and ends in the mean and the variance of each pixel.
    What is minimised is, for each clip in nats::

        Σ ½ (log 2π + log σ² + (x - μ)² / σ²)  +  β Σ ½ (m² + s² - 1 - log s²)

    over pixels x with the decoder's mean μ and variance σ², and over latent numbers with the encoder's mean m and
    variance s². Spectrograms are standardised inside, each band by its mean and deviation over the training clips,
    which the file keeps; whatever goes in and comes out is in the caller's unit.

    Parameters
    ----------
    latent_dim : int > 0
        Numbers that a clip becomes.
    filters : sequence of int
        Of the encoder's layers, first to last; the decoder has them in reverse.
    likelihood : {"gaussian", "squared_error"}
        Of the pixels. "gaussian": the formula above. "squared_error": Pedersen 2023 (equation 3.1) has Σ (x - μ)² / σ²
        in its place. Without the logarithm every pixel gains by a larger variance, whatever its mean: the variances
        grow without bound, the means are learned ever more slowly, and such a loss says nothing of how well clips are
        rebuilt.
    min_variance : float > 0
        Least σ² of a standardised pixel. Small values let the flattest pixels, such as silence, outweigh all others.
    beta : float >= 0
        Weight of the second term. Below 1 the latent numbers keep more of a clip.
    warmup_epochs : int >= 0
        Epochs over which the weight rises in a line to `beta` (Sønderby et al. 2016).
    optimizer : Optimizer or str
        How weights follow gradients, from `siamaudio.optimizers`. None: Adam with a learning rate of 0.0005, the
        published one.
    augment : sequence of Augmentation
        Random changes of training clips, from `siamaudio.augment`; the changed clip is what is to be rebuilt. They see
        standardised spectrograms.
    corrupt : sequence of Augmentation
        After them, random changes of what the encoder sees alone: masks that it has to fill in, or a shift in time that
        it has to ignore.
    batch_size : int >= 2
        Clips of a training step.

    Attributes
    ----------
    history_ : History
        What happened in each epoch of the last `fit`.
    best_epoch_ : int
        The epoch, from 0, whose weights it has; -1 for the initial ones.
    front_end_ : LogMel or None
        What made the spectrograms that it was trained on.
    input_shape_ : tuple of int
        (bands, frames) of a spectrogram, or (channels, bands, frames).

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> clips = np.random.default_rng(0).normal(size=(8, 12, 10))
    >>> vae = sa.VariationalAutoencoder(latent_dim=4, filters=(4, 8), batch_size=4)
    >>> vae.fit(clips, epochs=2, progress=False).embed(clips).shape
    (8, 4)
    >>> vae.reconstruct(clips).mean.shape
    (8, 12, 10)
    """

    def __init__(
        self,
        latent_dim: int = 64,
        *,
        filters: Sequence[int] = (32, 64, 128, 256),
        likelihood: Literal["gaussian", "squared_error"] = "gaussian",
        min_variance: float = 0.01,
        beta: float = 1.0,
        warmup_epochs: int = 10,
        optimizer: Optimizer | str | None = None,
        augment: Sequence[Augmentation] = (),
        corrupt: Sequence[Augmentation] = (),
        batch_size: int = 20,
    ) -> None:
        self.latent_dim = latent_dim
        self.filters = filters
        self.likelihood = likelihood
        self.min_variance = min_variance
        self.beta = beta
        self.warmup_epochs = warmup_epochs
        self.optimizer: Optimizer | str = Adam(lr=5e-4) if optimizer is None else optimizer
        self.augment = augment
        self.corrupt = corrupt
        self.batch_size = batch_size

    @classmethod
    def preset(cls, name: str) -> Self:
        """Make an untrained autoencoder by name.

        Parameters
        ----------
        name : {"modern", "pedersen2023"}
            "modern" is this project's own, for search: small, a low β, and time is taken out of the latent vectors, as
            a clip that is shifted by chance is to be rebuilt from one that is shifted otherwise. Made for about 128
            bands by 8 frames (average more frames to so many), 1600 clips and 50 epochs.
            "pedersen2023" is that of Pedersen 2023, "Learning latent audio representations for search and retrieval":
            four layers, Adam with a learning rate of 0.0005, batches of 20, the squared error over the variance, 64
            latent numbers (of 32, 64, 128 and 256 those with the best published search), a rise of β over 10 epochs;
            it was trained for 1000 epochs. Its filters are not published: here they are the defaults. The published
            results are without the rise (``warmup_epochs=0``), which had led to NaN.

        Raises
        ------
        ParameterError
            There is no such preset.

        Examples
        --------
        >>> import siamaudio as sa
        >>> sa.VariationalAutoencoder.preset("pedersen2023").likelihood
        'squared_error'
        """
        match name:
            case "modern":
                return cls(
                    latent_dim=64,
                    filters=(16, 32, 48, 64),
                    beta=0.3,
                    warmup_epochs=3,
                    optimizer=Adam(lr=2e-3, schedule=Cosine()),
                    augment=(TimeShift(),),
                    corrupt=(TimeShift(),),
                    batch_size=32,
                )
            case "pedersen2023":
                return cls(
                    latent_dim=64,
                    likelihood="squared_error",
                    beta=1.0,
                    warmup_epochs=10,
                    optimizer=Adam(lr=5e-4),
                    batch_size=20,
                )
            case _:
                raise ParameterError("preset", name, "'modern' or 'pedersen2023'")

    # ---- Options

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
        """Replace constructor arguments by name; a trained autoencoder keeps its weights until the next `fit`.

        Parameters
        ----------
        **params
            Arguments, or fields of options as in ``optimizer__lr=1e-4``.

        Returns
        -------
        VariationalAutoencoder
            Itself.

        Raises
        ------
        ParameterError
            There is no such argument or field.

        Examples
        --------
        >>> import siamaudio as sa
        >>> sa.VariationalAutoencoder().set_params(beta=0.1).beta
        0.1
        """
        estimators.set_params(self, params)
        return self

    def __repr__(self) -> str:
        state = "trained" if self._is_built() and self.best_epoch_ >= 0 else "not trained"
        return f"VariationalAutoencoder(latent_dim={self.latent_dim}, filters={tuple(self.filters)}, {state})"

    # ---- Training

    def build(self, input_shape: Sequence[int], *, seed: int = 0) -> Self:
        """Make the autoencoder with new weights, as `fit` does before it trains.

        Parameters
        ----------
        input_shape : (int, int) or (int, int, int)
            (bands, frames), or (channels, bands, frames).
        seed : int >= 0
            Of the weights.

        Returns
        -------
        VariationalAutoencoder
            Itself.

        Raises
        ------
        ParameterError
            Options are out of their range.

        Examples
        --------
        >>> import siamaudio as sa
        >>> sa.VariationalAutoencoder(filters=(8, 16)).build((64, 64)).num_parameters()
        796866
        """
        if len(input_shape) not in (2, 3):
            raise ParameterError("input_shape", tuple(input_shape), "(bands, frames) or (channels, bands, frames)")
        if seed < 0:
            raise ParameterError("seed", seed, "0 or more")
        channels, bands, frames = (1, *input_shape)[-3:]
        self._native = core.Vae(
            filters=tuple(self.filters),
            latent_dim=self.latent_dim,
            min_variance=self.min_variance,
            input_shape=(channels, bands, frames),
            seed=seed,
        )
        self.input_shape_: tuple[int, ...] = tuple(input_shape)
        self.front_end_: LogMel | None = None
        self.history_: History = History()
        self.best_epoch_: int = -1
        return self

    def fit(
        self,
        features: Features | npt.ArrayLike,
        *,
        validation: Features | npt.ArrayLike | None = None,
        epochs: int = 100,
        patience: int = 0,
        validation_freq: int = 1,
        warm_start: bool = False,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: int = 100,
        resume: bool | str = False,
        device: str = "auto",
        seed: int = 0,
        num_threads: int | None = None,
        callbacks: Sequence[Callable[[VariationalAutoencoder, dict[str, Any]], object]] = (),
        progress: bool = True,
    ) -> Self:
        """Train, in one C++ loop. Labels are not looked at.

        Parameters
        ----------
        features : Features or array-like [shape=(clips, bands, frames) or (clips, channels, bands, frames)]
            Training clips, two or more.
        validation : Features, array-like or None
            Other clips, whose loss is measured after each epoch; the weights of the best epoch are kept. None: the last
            epoch's are.
        epochs : int > 0
            Most epochs.
        patience : int >= 0
            Epochs without a lower validation loss after which training stops; 0: never.
        validation_freq : int > 0
            Epochs from one validation to the next; the last epoch is always validated.
        warm_start : bool
            Go on from the present weights and scaling, of `load` or an earlier `fit`, instead of new ones.
        checkpoint : path-like or None
            A folder for checkpoints, of which the last two are kept.
        checkpoint_every : int > 0
            Steps from one checkpoint to the next; one more is written at the end.
        resume : bool or str
            True: go on from the last checkpoint in the folder, with the same data and options, as if nothing had
            happened. Without a checkpoint a new training begins. A file name goes on from that checkpoint.
        device : str
            "auto" (CUDA where there is a device), "cpu", "cuda" or "cuda:N".
        seed : int >= 0
            Of weights, batches, augmentation and latent noise. The same seed and thread count give the same bits on a
            CPU.
        num_threads : int > 0 or None
            CPU threads; None: LibTorch's choice.
        callbacks : sequence of callable
            Each is called after each epoch with this object, which can be used, and the epoch's record of `History`; a
            true answer stops training.
        progress : bool
            Show a progress bar with the losses on stderr.

        Returns
        -------
        VariationalAutoencoder
            This object.

        Raises
        ------
        ParameterError
            An option is out of its range, an augmentation changes the size of clips, or arrays have another shape.
        DatasetError
            Spectrograms hold NaN or infinite values.
        TrainingError
            There is a single clip, the loss or the weights are no longer finite, or memory runs out. The autoencoder
            then has the weights of its best epoch so far.
        CheckpointError
            A checkpoint cannot be written, is damaged, or is of another training.
        KeyboardInterrupt
            Ctrl-C. The autoencoder then has the weights of its best epoch so far and can be used.

        Examples
        --------
        >>> import numpy as np
        >>> import siamaudio as sa
        >>> clips = np.random.default_rng(0).normal(size=(8, 12, 10))
        >>> vae = sa.VariationalAutoencoder(latent_dim=4, filters=(4, 8), batch_size=4)
        >>> vae.fit(clips[:6], validation=clips[6:], epochs=3, progress=False).history_
        History(3 epochs, loss ..., validation loss ...)
        """
        if seed < 0:
            raise ParameterError("seed", seed, "0 or more")
        fitting.check_checkpointing(checkpoint, checkpoint_every, resume)
        train = _training_array(features, "features")
        others = None if validation is None else _training_array(validation, "validation")
        if others is not None and len(others) == 0:
            others = None
        if others is not None and others.shape[1:] != train.shape[1:]:
            raise ParameterError("validation", f"shape {others.shape}", f"(clips, {_listed(train.shape[1:])})")
        options = {
            "batch_size": self.batch_size,
            "likelihood": self.likelihood,
            "beta": self.beta,
            "warmup_epochs": self.warmup_epochs,
            "augment": [augment_options.registry.to_core(each) for each in self.augment],
            "corrupt": [augment_options.registry.to_core(each) for each in self.corrupt],
            "optimizer": optimizer_options.to_core(optimizer_options.registry.parse(self.optimizer)),
            "epochs": epochs,
            "patience": patience,
            "validation_freq": validation_freq,
            "seed": seed,
        }
        device = core.resolve_device(device)

        records: list[dict[str, Any]] = []
        keeper = None
        state = None
        if checkpoint is not None:
            facts = {
                "autoencoder": self._options_to_dict(),
                "fit": {name: options[name] for name in ("epochs", "patience", "validation_freq", "seed")},
                "training data": fitting.fingerprint(train, np.empty(0, np.int64)),
                "validation data": None if others is None else fitting.fingerprint(others, np.empty(0, np.int64)),
            }
            keeper = fitting.Keeper(TrainingCheckpoints(Path(checkpoint)), facts, records)
            state = keeper.state_to_resume(resume)

        if warm_start:
            self._built()
            if train.shape[1:] != self.input_shape_:
                accepted = f"(clips, {_listed(self.input_shape_)}), as the weights"
                raise ParameterError("features", f"shape {train.shape}", accepted)
        else:
            self.build(train.shape[1:], seed=seed)
            self._native.fit_scaling(train, num_threads=num_threads or 0)
        native = self._native
        native.to(device)
        self.front_end_ = features.front_end if isinstance(features, Features) else None
        self.best_epoch_ = -1

        bar = fitting.ProgressBar(epochs, disable=not progress, records=records)

        def on_epoch(record: dict[str, Any]) -> bool:
            if math.isnan(record["validation_loss"]):
                record["validation_loss"] = None  # NaN would be no JSON
            records.append(record)
            bar.show(record["epoch"] + 1, record["loss"])
            answers = [callback(self, dict(record)) for callback in callbacks]
            return not any(answers)

        finished = None
        try:
            finished = core.fit_vae(
                native,
                train=train,
                validation=others,
                checkpoint_every=0 if keeper is None else checkpoint_every,
                num_threads=num_threads or 0,
                state=None if state is None else (state.manifest["progress"], state.tensors),
                on_step=bar.on_step,
                on_epoch=on_epoch,
                on_checkpoint=None if keeper is None else keeper.write,
                **options,
            )
        finally:
            bar.close()
            self.history_ = History(records)
            self.best_epoch_ = _best_epoch(records) if finished is None else finished
        return self

    # ---- Use

    def embed(self, features: Features | npt.ArrayLike, *, num_threads: int | None = None) -> npt.NDArray[np.float32]:
        """Turn spectrograms into latent vectors: the means of the encoder's distributions.

        Parameters
        ----------
        features : Features or array-like [shape=(clips, bands, frames) or (clips, channels, bands, frames)]
            Spectrograms as the autoencoder was trained on.
        num_threads : int > 0 or None
            CPU threads; None: LibTorch's choice.

        Returns
        -------
        np.ndarray [shape=(clips, latent_dim), dtype=float32]

        Raises
        ------
        ParameterError
            The spectrograms have another shape, or another front end made them.
        TrainingError
            The autoencoder is not trained.
        """
        native = self._built()
        data = self._checked(features)
        latents = np.empty((data.shape[0], self.latent_dim), dtype=np.float32)
        for start in range(0, len(latents), _BLOCK_CLIPS):
            block = np.asarray(data[start : start + _BLOCK_CLIPS], dtype=np.float32)
            latents[start : start + len(block)] = native.embed(block, num_threads=num_threads or 0)
        return latents

    def generate(self, latents: npt.ArrayLike, *, num_threads: int | None = None) -> Reconstruction:
        """Make spectrograms of latent vectors.

        Parameters
        ----------
        latents : array-like [shape=(clips, latent_dim)]
            From `embed`, or between such.
        num_threads : int > 0 or None
            CPU threads; None: LibTorch's choice.

        Returns
        -------
        Reconstruction
            Mean and standard deviation of each pixel.

        Raises
        ------
        ParameterError
            The vectors have another size.
        TrainingError
            The autoencoder is not trained.

        Examples
        --------
        >>> import numpy as np
        >>> import siamaudio as sa
        >>> clips = np.random.default_rng(0).normal(size=(8, 12, 10))
        >>> vae = sa.VariationalAutoencoder(latent_dim=4, filters=(4, 8)).fit(clips, epochs=1, progress=False)
        >>> a, b = vae.embed(clips[:2])
        >>> vae.generate([(a + b) / 2]).mean.shape
        (1, 12, 10)
        """
        native = self._built()
        vectors = np.asarray(latents, dtype=np.float32)
        if vectors.ndim != 2 or vectors.shape[1] != self.latent_dim:
            raise ParameterError("latents", f"shape {vectors.shape}", f"(clips, {self.latent_dim})")
        mean, variance = native.generate(vectors, num_threads=num_threads or 0)
        shape = (len(vectors), *self.input_shape_)
        return Reconstruction(mean.reshape(shape), np.sqrt(variance).reshape(shape))

    def reconstruct(self, features: Features | npt.ArrayLike, *, num_threads: int | None = None) -> Reconstruction:
        """Embed spectrograms and make spectrograms of the latent vectors; see `embed` and `generate`.

        Parameters
        ----------
        features : Features or array-like [shape=(clips, bands, frames) or (clips, channels, bands, frames)]
            Clips.
        num_threads : int > 0 or None
            CPU threads; None: LibTorch's choice.

        Returns
        -------
        Reconstruction
            Mean and standard deviation of each pixel.
        """
        return self.generate(self.embed(features, num_threads=num_threads), num_threads=num_threads)

    def sample(self, num_clips: int, *, seed: int = 0) -> npt.NDArray[np.float32]:
        """Make new spectrograms, of latent vectors that are drawn from the prior.

        Parameters
        ----------
        num_clips : int >= 0
            How many.
        seed : int >= 0
            Of the draws.

        Returns
        -------
        np.ndarray [shape=(num_clips, bands, frames) or (num_clips, channels, bands, frames), dtype=float32]
            The means of the pixels.

        Raises
        ------
        ParameterError
            A number is negative.
        TrainingError
            The autoencoder is not trained.
        """
        for name, value in (("num_clips", num_clips), ("seed", seed)):
            if value < 0:
                raise ParameterError(name, value, "0 or more")
        latents = np.random.default_rng(seed).standard_normal((num_clips, self.latent_dim), dtype=np.float32)
        return self.generate(latents).mean

    def score_samples(
        self, features: Features | npt.ArrayLike, *, seed: int = 0, num_threads: int | None = None
    ) -> npt.NDArray[np.float32]:
        """How probable each clip is: the lower bound of its logarithmic density, in nats.

        It is that of the standardised spectrogram, with one draw of the latent vector and β = 1. What was never heard
        in training scores low.

        Parameters
        ----------
        features : Features or array-like
            As for `embed`.
        seed : int >= 0
            Of the draws.
        num_threads : int > 0 or None
            CPU threads; None: LibTorch's choice.

        Returns
        -------
        np.ndarray [shape=(clips,), dtype=float32]

        Raises
        ------
        ParameterError
            The spectrograms have another shape, or another front end made them.
        TrainingError
            The autoencoder is not trained.
        """
        native = self._built()
        if seed < 0:
            raise ParameterError("seed", seed, "0 or more")
        data = self._checked(features)
        rng = np.random.default_rng(seed)
        scores = np.empty(data.shape[0], dtype=np.float32)
        for start in range(0, len(scores), _BLOCK_CLIPS):
            block = np.asarray(data[start : start + _BLOCK_CLIPS], dtype=np.float32)
            noise = rng.standard_normal((len(block), self.latent_dim), dtype=np.float32)
            losses = native.clip_losses(block, noise=noise, likelihood="gaussian", num_threads=num_threads or 0)
            scores[start : start + len(block)] = -losses.sum(axis=0)
        return scores

    def reconstruct_audio(
        self, features: Features | npt.ArrayLike, *, num_iterations: int = 32, seed: int = 0
    ) -> npt.NDArray[np.float32]:
        """Make signals of what the autoencoder keeps of clips; see `LogMel.to_audio`.

        Parameters
        ----------
        features : Features or array-like
            As for `embed`.
        num_iterations : int >= 0
            Rounds of the search for phases.
        seed : int
            Of the phases that it begins with.

        Returns
        -------
        np.ndarray [shape=(clips, samples), dtype=float32]
            Signals at ``front_end_.sr``.

        Raises
        ------
        ParameterError
            The front end is not known, or the spectrograms are not as the autoencoder was trained on.
        TrainingError
            The autoencoder is not trained.
        """
        self._built()
        if self.front_end_ is None:
            raise ParameterError("front_end_", None, "features by a LogMel in fit(), or set the attribute to it")
        return self.front_end_.to_audio(self.reconstruct(features).mean, num_iterations=num_iterations, seed=seed)

    def plot_reconstructions(
        self, features: Features | npt.ArrayLike, *, num_clips: int = 5, seed: int | None = None
    ) -> Figure:
        """Draw spectrograms above what the autoencoder makes of them; see `siamaudio.plotting.plot_reconstructions`.

        Parameters
        ----------
        features : Features or array-like [shape=(clips, bands, frames) or (clips, channels, bands, frames)]
            Clips.
        num_clips : int > 0
            Columns; fewer where there are fewer clips.
        seed : int >= 0 or None
            Of the random choice of clips; None: the first ones.

        Returns
        -------
        matplotlib.figure.Figure
            A new one.
        """
        from siamaudio import plotting

        return plotting.plot_reconstructions(self, features, num_clips=num_clips, seed=seed)

    def num_parameters(self) -> int:
        """Return how many numbers training changes."""
        return self.summary().num_parameters

    def summary(self) -> Summary:
        """Describe the layers: output shapes, parameters, FLOPs.

        Raises
        ------
        TrainingError
            It has no weights yet.
        """
        return Summary.of(self._built().layers())

    # ---- Weights and files

    def weights(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return copies of all weights, running statistics and the scaling by name."""
        return self._built().weights()

    def set_weights(self, weights: Mapping[str, npt.NDArray[np.float32]]) -> Self:
        """Replace all weights; names and shapes as `weights` returns them.

        Parameters
        ----------
        weights : dict from str to array-like
            Arrays by name.

        Returns
        -------
        VariationalAutoencoder
            Itself.
        """
        self._built().set_weights(dict(weights))
        return self

    def fingerprint(self) -> str:
        """Return a hexadecimal digest of weights, options and front end: equal ones embed alike."""
        described = {**self._described(), "kind": "vae"}
        return checkpoint_file.digest(json.dumps(described, sort_keys=True), self.weights())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trained autoencoder to one file, whole or not at all.

        Parameters
        ----------
        path : path-like
            The file, usually ``*.siam``: safetensors, with options, front end and history as JSON.

        Raises
        ------
        TrainingError
            The autoencoder is not trained.
        CheckpointError
            The file cannot be written.
        """
        weights = self.weights()
        manifest = {
            "kind": "vae",
            **self._described(),
            "history": list(self.history_),
            "best_epoch": self.best_epoch_,
        }
        checkpoint_file.write(Path(path), manifest, weights)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, device: str = "cpu") -> Self:
        """Read an autoencoder that `save` wrote.

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
        manifest, weights = checkpoint_file.read(Path(path), "vae")
        try:
            vae = cls(**_options_from_dict(manifest["autoencoder"]))
            vae.build(manifest["input_shape"])
            vae.set_weights(weights)
            vae.front_end_ = None if manifest["front_end"] is None else LogMel.from_dict(manifest["front_end"])
            vae.history_ = History(manifest["history"])
            vae.best_epoch_ = manifest["best_epoch"]
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{os.fspath(path)} holds options that this version does not know: {error}"
            ) from error
        vae._native.to(device)
        return vae

    # ---- Inside

    def _options_to_dict(self) -> dict[str, Any]:
        return {
            **self.get_params(deep=False),
            "filters": list(self.filters),
            "optimizer": optimizer_options.registry.to_dict(optimizer_options.registry.parse(self.optimizer)),
            "augment": [augment_options.registry.to_dict(each) for each in self.augment],
            "corrupt": [augment_options.registry.to_dict(each) for each in self.corrupt],
        }

    def _described(self) -> dict[str, Any]:
        self._built()
        return {
            "autoencoder": self._options_to_dict(),
            "input_shape": list(self.input_shape_),
            "front_end": None if self.front_end_ is None else self.front_end_.to_dict(),
        }

    def _is_built(self) -> bool:
        return hasattr(self, "_native")

    def _built(self) -> core.Vae:
        if not self._is_built():
            raise TrainingError("the autoencoder is not trained: call fit(), or VariationalAutoencoder.load()")
        return self._native

    def _checked(self, features: Features | npt.ArrayLike) -> Features | npt.NDArray[np.float32]:
        if isinstance(features, Features):
            estimators.check_front_end(features, self.front_end_)
            data: Features | npt.NDArray[np.float32] = features
        else:
            data = np.asarray(features, dtype=np.float32)
        if data.shape[1:] != self.input_shape_ or len(data.shape) == 0:
            raise ParameterError("features", f"shape {data.shape}", f"(clips, {_listed(self.input_shape_)})")
        return data


def _training_array(features: Features | npt.ArrayLike, name: str) -> npt.NDArray[np.float32]:
    if isinstance(features, Features):
        fitting.check_finite(features)
        return np.asarray(features, dtype=np.float32)
    array = np.asarray(features, dtype=np.float32)
    if array.ndim not in (3, 4):
        accepted = "(clips, bands, frames) or (clips, channels, bands, frames)"
        raise ParameterError(name, f"shape {array.shape}", accepted)
    if not np.isfinite(array).all():
        raise DatasetError("the spectrograms hold NaN or infinite values; only finite numbers can be trained on")
    return array


def _options_from_dict(described: Mapping[str, Any]) -> dict[str, Any]:
    arguments = {name: described[name] for name in inspect.signature(VariationalAutoencoder).parameters}
    unknown = set(described) - set(arguments)
    if unknown:
        raise ParameterError("autoencoder", min(unknown), ", ".join(arguments))
    return {
        **arguments,
        "filters": tuple(arguments["filters"]),
        "optimizer": optimizer_options.registry.from_dict(arguments["optimizer"]),
        "augment": tuple(augment_options.registry.from_dict(each) for each in arguments["augment"]),
        "corrupt": tuple(augment_options.registry.from_dict(each) for each in arguments["corrupt"]),
    }


def _best_epoch(records: Sequence[Mapping[str, Any]]) -> int:
    """Return the epoch whose weights an interrupted training leaves."""
    losses = [record["validation_loss"] for record in records]
    if all(loss is None for loss in losses):
        return len(records) - 1
    return min(range(len(records)), key=lambda epoch: math.inf if losses[epoch] is None else losses[epoch])


def _listed(sides: Sequence[int]) -> str:
    return ", ".join(map(str, sides))
