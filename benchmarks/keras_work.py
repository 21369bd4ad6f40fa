"""The data and the first weights that the contenders of bench_keras.py share, as files that each can read."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

import siamaudio as sa
from esc50 import linear_pictures, split_classes
from harness import shared_data
from siamaudio.splits import ClassSplit

sys.path.append(str(Path(__file__).parents[1] / "tests" / "parity"))
from keras_weights import from_keras, to_keras

FloatArray = npt.NDArray[np.float32]

PRESETS = {"honka": "honka2019", "fedele": "fedele2022_esc50"}
"""Of networks and front ends alike."""

SIZES = {
    "full": {},  # 128 bands x 431 frames, as published
    "small": {"n_fft": 4096, "hop_length": 2048, "n_mels": 64},  # x 108
    "tiny": {"n_fft": 8192, "hop_length": 5120, "n_mels": 44},  # x 44
}
"""What the front end has in place of the studies' settings."""


def features_of(data: str, system: str, size: str, clips_per_class: int | None) -> sa.Features:
    """Return what is trained on.

    Parameters
    ----------
    data : {"fold4", "all"}
        Log-mel spectrograms of fold 4 of ESC-50, as the study has them but for their size; or the linear ones of all
        clips, which are 64 x 64, 128 x 128 for the size "full".
    system : str
        Whose front end.
    size : str
        Of `SIZES`.
    clips_per_class : int or None
        The first few; None: all.
    """
    if data == "all":
        features = linear_pictures(128 if size == "full" else 64)
    else:
        front_end = sa.LogMel.preset(PRESETS[system], **SIZES[size])
        features = front_end.transform(sa.datasets.esc50(shared_data("esc50-fold4")), progress=False)
    if clips_per_class is None:
        return features
    kept = [np.flatnonzero(features.labels == label)[:clips_per_class] for label in range(len(features.class_names))]
    return features[np.sort(np.concatenate(kept))]


def split_of(features: sa.Features, seed: int, num_classes: int | None) -> ClassSplit:
    """Draw 5 test classes, 5 to validate on, and all others to train on, out of all or of the first few."""
    return split_classes(sorted(features.class_names)[:num_classes], seed)


def write_work(folder: Path, system: str, features: sa.Features, classes: ClassSplit, seed: int) -> sa.Features:
    """Write what the workers of a system need, and return the validation clips.

    SYSTEM.npz: spectrograms and labels of the three parts; SYSTEM-weights.npz and SYSTEM-keras.npz: the same new
    weights in our order of axes and in Keras's.
    """
    arrays: dict[str, npt.NDArray[np.float32 | np.int64]] = {}
    parts = {part: features.select_classes(getattr(classes, part)) for part in ("train", "validation", "test")}
    for name, part in parts.items():
        arrays |= {name: part.to_numpy(np.float32), f"{name}_labels": part.labels}
    np.savez(folder / f"{system}.npz", **arrays)  # pyright: ignore[reportArgumentType]
    net = sa.SiameseNetwork.preset(PRESETS[system]).build(features.shape[1:], seed=seed)
    weights = net.weights()
    np.savez(folder / f"{system}-weights.npz", **weights)  # pyright: ignore[reportArgumentType]
    in_keras = to_keras(weights, net.encoder, _last_map(net))
    np.savez(folder / f"{system}-keras.npz", **in_keras)  # pyright: ignore[reportArgumentType]
    return parts["validation"]


def ours_from_keras(system: str, shape: tuple[int, ...], arrays: Mapping[str, FloatArray]) -> sa.SiameseNetwork:
    """Return our network with Keras's weights."""
    net = sa.SiameseNetwork.preset(PRESETS[system]).build(shape)
    return net.set_weights(from_keras(arrays, net.weights(), net.encoder, _last_map(net)))


def _last_map(net: sa.SiameseNetwork) -> tuple[int, int, int]:
    shapes = [layer.output_shape for layer in net.summary().layers if len(layer.output_shape) == 3]
    channels, height, width = shapes[-1]
    return channels, height, width
