"""Networks with every option that another library has to know, with weights as after some training."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import siamaudio as sa
from siamaudio import presets

FloatArray = npt.NDArray[np.float32]

_SHAPES = {
    "yamnet_head": (1, 64),
    "modern": (64, 96),
    "honka2019": (64, 64),
    "fedele2022": (44, 46),
    "lloret2019_mnist": (28, 28),
    "lloret2019_fashion": (28, 28),
    "lloret2019_cifar10": (3, 32, 32),
}
_ODD = sa.ConvBlock(filters=3, kernel_size=(5, 4), stride=(2, 3), padding="same", pool_size=(2, 1), activation="elu")
_AVERAGE = sa.ConvBlock(filters=4, kernel_size=(2, 1), pooling="average", activation="leaky_relu", batch_norm=False)
_GELU = sa.ConvBlock(filters=4, kernel_size=3, activation="gelu", pooling="none")
_DENSE = (sa.Dense(units=7, activation="tanh"), sa.Dense(units=5, batch_norm=False, activation="linear"))

# name: encoder, input shape, distance, head
_NETWORKS = {
    "flatten": (sa.ConvEncoder(blocks=(_ODD, _AVERAGE), dense=_DENSE), (2, 21, 34), "absolute", "dense"),
    "flatten, no dense": (sa.ConvEncoder(blocks=(_GELU,), dense=()), (2, 9, 8), "squared", "dense"),
    "no blocks": (sa.ConvEncoder(blocks=(), dense=_DENSE), (6, 7), "product", "dense"),
    "global_average": (
        sa.ConvEncoder(blocks=(_ODD,), pooling="global_average", dense=()),
        (21, 30),
        "product",
        "dense",
    ),
    "global_max": (sa.ConvEncoder(blocks=(_GELU,), pooling="global_max"), (12, 13), "euclidean", "dense"),
    "global_average_max": (
        sa.ConvEncoder(blocks=(_ODD,), pooling="global_average_max", dense=(), l2_normalize=True),
        (20, 31),
        "cosine",
        "dense",
    ),
    "frequency": (sa.ConvEncoder(blocks=(_AVERAGE,), pooling="frequency", dense=_DENSE), (12, 13), "euclidean", None),
    "frequency_levels": (
        sa.ConvEncoder(blocks=(_AVERAGE, _GELU), pooling="frequency_levels", dense=(), input_batch_norm=False),
        (12, 13),
        "cosine",
        None,
    ),
}  # fmt: skip
NAMES = (*presets.network_presets(), *_NETWORKS, "calibrated", "shifted", "cosine classifier")
WITH_SHIFTS = "shifted"  # which Keras has no layer for
SHIFTS = {"calibrated": [(0, 0)], "shifted": [(0, 0), (2, -7), (-1, 5)]}


def network(name: str) -> sa.SiameseNetwork:
    """Make a network by name, shaken."""
    if name in presets.network_presets():
        shape = next(shape for start, shape in _SHAPES.items() if name.startswith(start))
        net = sa.SiameseNetwork.preset(name).build(shape, num_classes=4)
    elif name in SHIFTS:
        net = network("modern")
        clips = np.random.default_rng(1).standard_normal((12, 64, 96))
        return net.calibrate(sa.Features.from_arrays(clips, list("aabb") * 3), shifts=SHIFTS[name])
    elif name == "cosine classifier":
        encoder = sa.ConvEncoder(blocks=(_GELU,), pooling="global_max", dense=())
        net = sa.SiameseNetwork(encoder, distance="cosine", head=None, loss="arcface").build((12, 13), num_classes=3)
    else:
        encoder, shape, distance, head = _NETWORKS[name]
        loss = "bce" if head else "contrastive"
        net = sa.SiameseNetwork(encoder, distance=distance, head=head, loss=loss)  # type: ignore[arg-type]
        net.build(shape)
    rng = np.random.default_rng(len(name))
    return net.set_weights({key: _shaken(key, value, rng) for key, value in net.weights().items()})


def clips_for(net: sa.SiameseNetwork, num_clips: int = 6) -> FloatArray:
    """Return spectrograms that the network takes."""
    return np.random.default_rng(7).standard_normal((num_clips, *net.input_shape_)).astype(np.float32)


def pair_similarities(net: sa.SiameseNetwork, x: FloatArray) -> FloatArray:
    """Return the similarity of each clip of the first half with one of the second."""
    z = net.embed(x)
    half = len(x) // 2
    return np.diagonal(net.similarity(z[:half], z[half:]))


def has_probabilities(net: sa.SiameseNetwork) -> bool:
    weights = net.weights()
    return "classifier.weight" in weights and "calibration.mean" not in weights


def _shaken(name: str, value: FloatArray, rng: np.random.Generator) -> FloatArray:
    if value.ndim > 1 or name.endswith("num_updates"):
        return value
    low, high = (0.5, 1.5) if name.endswith(("running_variance", "norm.weight")) else (-0.3, 0.3)
    return rng.uniform(low, high, value.shape).astype(np.float32)
