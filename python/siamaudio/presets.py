"""Networks by name, as options of `SiameseNetwork`: published ones, and this project's own."""

from __future__ import annotations

import functools
import inspect
import os
from typing import Any

from siamaudio import augment
from siamaudio.encoders import ConvBlock, ConvEncoder, Dense
from siamaudio.errors import ParameterError
from siamaudio.losses import (
    BinaryCrossentropy,
    ClassMemory,
    Contrastive,
    CrossEntropy,
    MeanSquaredError,
    SupervisedContrastive,
    Triplet,
)
from siamaudio.optimizers import Adam, AdamW
from siamaudio.preset_files import is_preset_file, read_preset
from siamaudio.samplers import AnchorPairs, Balanced, RandomPairs, RandomTriplets, Shuffled
from siamaudio.schedules import Cosine, InverseTimeDecay

__all__ = ["network_presets", "preset_description", "preset_options"]


def _honka2019() -> dict[str, Any]:
    """Honka 2019, "One-shot learning with siamese networks for environmental audio" (ESC-50).

    Three blocks of 64 filters of 5 x 5 with batch norm, dense layer of 500, dropouts 0.25, squared difference,
    inverse-time decay 1.59e-6, as thesis and code agree. Where they differ the thesis's optimum is followed, which is
    what its published accuracy was reached with: mean squared error and a learning rate of 6.11e-3 (the code's
    defaults: binary cross-entropy and 1e-3). The published batches are ``fit(pairing="two-sided")``; without it each
    clip of a balanced batch is embedded once, which learns the same in a fraction of the time. At most 40 epochs,
    patience 10.
    """
    return {
        "encoder": ConvEncoder(),
        "distance": "squared",
        "loss": MeanSquaredError(),
        "sampler": Balanced(batch_size=40),
        "optimizer": Adam(lr=6.11e-3, schedule=InverseTimeDecay(decay=1.59e-6)),
    }


def _fedele2022(num_pairs: int) -> dict[str, Any]:
    filters = ((64, 5), (32, 5), (12, 3))
    return {
        "encoder": ConvEncoder(
            input_batch_norm=False,
            blocks=tuple(
                ConvBlock(filters=count, kernel_size=kernel, batch_norm=False, dropout=0.0) for count, kernel in filters
            ),
            dense=(Dense(units=4096, batch_norm=False, activation="sigmoid", dropout=0.0),),
        ),
        "distance": "squared",
        "loss": BinaryCrossentropy(),
        "sampler": AnchorPairs(num_positive=num_pairs, num_negative=num_pairs),
        "optimizer": Adam(),
    }


def _fedele2022_esc50() -> dict[str, Any]:
    """Fedele et al. 2022, "Explaining siamese networks in few-shot learning for audio data", for ESC-50.

    Convolutions of 64 and 32 filters of 5 x 5 and 12 of 3 x 3, each with ReLU and max pooling, dense layer of 4096,
    squared difference, binary cross-entropy, Adam. A step is one batch of an anchor a class with 4 pairs of either
    kind; an epoch here is the 100 steps between two of their validations, so their 5000 steps and 10 checks are
    ``fit(epochs=50, patience=10)``. The report does not say what activates the dense layer: here a sigmoid, as in Koch
    et al. 2015, whose network it follows. It validates on 300 random tasks, here on all of them.
    """
    return _fedele2022(num_pairs=4)


def _fedele2022_audiomnist() -> dict[str, Any]:
    """Fedele et al. 2022 for the speakers of AudioMNIST: as for ESC-50, with 2 pairs of either kind an anchor.

    The report gives a hop of 216 samples, which would not make its 224 x 224 spectrograms; the front end of this name
    has the code's 197.
    """
    return _fedele2022(num_pairs=2)


_CONVOLUTION = {"batch_norm": False, "pooling": "none", "dropout": 0.0}

# Filters and options of the published bodies, without the dense layers.
_LLORET_BLOCKS = {
    "mnist": (
        ConvBlock(filters=32, kernel_size=3, **_CONVOLUTION),
        ConvBlock(filters=64, kernel_size=3, batch_norm=False, dropout=0.25),
    ),
    "fashion": (
        ConvBlock(filters=64, kernel_size=2, padding="same", batch_norm=False, dropout=0.3),
        ConvBlock(filters=32, kernel_size=2, padding="same", batch_norm=False, dropout=0.3),
    ),
    "cifar10": (
        ConvBlock(filters=32, kernel_size=3, padding="same", **_CONVOLUTION),
        ConvBlock(filters=32, kernel_size=3, batch_norm=False, dropout=0.25),
        ConvBlock(filters=64, kernel_size=3, padding="same", **_CONVOLUTION),
        ConvBlock(filters=64, kernel_size=3, batch_norm=False, dropout=0.25),
    ),
}
_CLASS_WEIGHT = 0.125  # of each softmax head
_LLORET_SYSTEMS = {
    "pair": (RandomPairs(), (Contrastive(),)),
    "pair_class": (RandomPairs(), (Contrastive(), CrossEntropy(weight=_CLASS_WEIGHT))),
    "triplet": (RandomTriplets(), (Triplet(),)),
    "triplet_class": (RandomTriplets(), (Triplet(), CrossEntropy(weight=_CLASS_WEIGHT))),
    "triplet_memory": (RandomTriplets(), (Triplet(), ClassMemory())),
    "cnn": (Shuffled(), (CrossEntropy(),)),
}


def _lloret2019(data: str, system: str) -> dict[str, Any]:
    """Lloret 2019, "Image classification using embedded spaces generated by siamese networks".

    Its encoders for MNIST, Fashion-MNIST and CIFAR-10 with a sigmoid embedding of 512, Euclidean distance and Adam:
    ``pair`` (contrastive loss (a), margin 1, one positive pair for four negative ones), ``pair_class`` (with softmax
    heads on both embeddings, each weighted 0.125), ``triplet``, ``triplet_class`` (three heads), ``triplet_memory``
    (0.01 times the distance of each embedding to its class's memory), and ``cnn``, the baseline: the same body, a dense
    ReLU layer of 128 (512 for CIFAR-10) with dropout 0.5, and softmax. Text and code of the thesis differ in how the
    memory moves: in the text the new mean counts less from epoch to epoch, in the code more; the text is followed,
    ``ClassMemory(schedule="code")`` is the other. The heads of one network share their weights here. The thesis trains
    for a fixed number of epochs, without validation.
    """
    if system == "cnn":
        units = 512 if data == "cifar10" else 128
        dense = Dense(units=units, batch_norm=False, activation="relu", dropout=0.5)
    else:
        dense = Dense(units=512, batch_norm=False, activation="sigmoid", dropout=0.0)
    sampler, losses = _LLORET_SYSTEMS[system]
    return {
        "encoder": ConvEncoder(input_batch_norm=False, blocks=_LLORET_BLOCKS[data], dense=(dense,)),
        "distance": "euclidean",
        "head": None,
        "loss": losses[0] if len(losses) == 1 else losses,
        "sampler": sampler,
        "optimizer": Adam(),
    }


def _modern() -> dict[str, Any]:
    """Siamaudio's own recipe: a classifier of the training classes whose embedding tells unseen classes apart.

    Convolutions of 32 filters (5 x 5, every second band), 64, 128 and 256 (3 x 3), padded, each with batch norm and
    ReLU, max pooling after the first three. The embedding keeps frequency rows apart: mean over time + maximum over
    time of each, and the maximum of each channel; after training also the rows of the block before the last.
    Cross-entropy with label smoothing 0.1; AdamW with warm-up, cosine and a moving average of the weights, which is
    what is kept; spectrograms shifted, stretched, masked and mixed. The input's batch norm and the augmentations make
    it the same for any unit of the spectrograms.

    Made for about 64 bands x 128 frames; any number of frames will do. ``fit(train)`` as it stands, without validation,
    as the rate falls to 0 in the last step, then ``calibrate(train)``, which is worth up to 4 points. Forty epochs, the
    default, are good; the README's accuracies are of ``fit(train, epochs=70)``. ``docs/recipe.md`` tells how it was
    found and what did not help.
    """
    filters = ((32, 5), (64, 3), (128, 3), (256, 3))
    return {
        "encoder": ConvEncoder(
            blocks=tuple(
                ConvBlock(
                    filters=count,
                    kernel_size=kernel,
                    stride=(2, 1) if number == 0 else 1,
                    padding="same",
                    pooling="none" if number == len(filters) - 1 else "max",
                    dropout=0.0,
                )
                for number, (count, kernel) in enumerate(filters)
            ),
            pooling="frequency_levels",
            dense=(),
        ),
        "distance": "cosine",
        "head": None,
        "loss": CrossEntropy(label_smoothing=0.1),
        "sampler": Shuffled(batch_size=32),
        "optimizer": AdamW(lr=2e-3, weight_decay=0.05, schedule=Cosine(warmup=0.1), moving_average=0.99),
        "augment": (
            augment.TimeShift(),
            augment.TimeStretch(max_factor=1.2),
            augment.FrequencyScale(max_factor=1.1),
            augment.FrequencyShift(max_bands=3.0),
            augment.FrequencyMixStyle(alpha=0.4, probability=0.7),
            augment.SpecAugment(max_time_frames=24, max_bands=16),
            augment.Mixup(alpha=0.2, probability=0.8),
        ),
    }


def _yamnet_head() -> dict[str, Any]:
    """Siamaudio's own: a linear layer on YAMNet's vectors that tells unseen classes apart, trained in seconds.

    1024 sums of the vector of a clip (`siamaudio.models.Yamnet.transform`), dropout 0.3, no activation; supervised
    contrastive loss at temperature 0.1 on batches of 16 classes of 4 clips; AdamW with warm-up, cosine and a moving
    average of the weights. ``fit(train)`` as it stands, for 40 epochs and without validation, as the rate falls to 0
    in the last step, then ``calibrate(train, power=1.0)``, which is worth a point.

    On the spectrograms themselves, in one network with YAMNet: ``set_params(encoder=YamnetEncoder(weights="...",
    dense=net.encoder.dense))``.
    """
    return {
        "encoder": ConvEncoder(
            blocks=(),
            input_batch_norm=False,
            dense=(Dense(units=1024, batch_norm=False, activation="linear", dropout=0.3),),
        ),
        "distance": "cosine",
        "head": None,
        "loss": SupervisedContrastive(temperature=0.1),
        "sampler": Balanced(batch_size=64, clips_per_class=4),
        "optimizer": AdamW(lr=2e-4, weight_decay=0.05, schedule=Cosine(warmup=0.1), moving_average=0.99),
    }


_PRESETS = {
    "modern": _modern,
    "yamnet_head": _yamnet_head,
    "honka2019": _honka2019,
    "fedele2022_esc50": _fedele2022_esc50,
    "fedele2022_audiomnist": _fedele2022_audiomnist,
    **{
        f"lloret2019_{data}_{system}": functools.partial(_lloret2019, data, system)
        for data in _LLORET_BLOCKS
        for system in _LLORET_SYSTEMS
    },
}


def network_presets() -> tuple[str, ...]:
    """Return the names that `SiameseNetwork.preset` knows; `siamaudio.presets.preset_description` says what each is.

    Returns
    -------
    tuple of str
        Sorted.

    Examples
    --------
    >>> import siamaudio as sa
    >>> sa.network_presets()[:3]
    ('fedele2022_audiomnist', 'fedele2022_esc50', 'honka2019')
    """
    return tuple(sorted(_PRESETS))


def preset_options(name: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the constructor arguments of `SiameseNetwork` that make a published network, or that of a preset file.

    Parameters
    ----------
    name : str or path-like
        One of `network_presets`, or a file ``*.json``.

    Raises
    ------
    ParameterError
        There is no such preset, or the file holds none.
    """
    if is_preset_file(name):
        return read_preset(name)
    known = os.fspath(name)
    if known not in _PRESETS:
        raise ParameterError("preset", known, f"{', '.join(network_presets())}, or a preset file *.json")
    return _PRESETS[known]()


def preset_description(name: str) -> str:
    """Return what a preset is, where text and code of its source differ, and which is followed.

    Parameters
    ----------
    name : str
        One of `network_presets`.

    Examples
    --------
    >>> from siamaudio.presets import preset_description
    >>> preset_description("honka2019").splitlines()[0]
    'Honka 2019, "One-shot learning with siamese networks for environmental audio" (ESC-50).'
    """
    if name not in _PRESETS:
        raise ParameterError("preset", name, ", ".join(network_presets()))
    preset = _PRESETS[name]
    return inspect.cleandoc((preset.func if isinstance(preset, functools.partial) else preset).__doc__ or "")
