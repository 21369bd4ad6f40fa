"""The C++ networks against the same networks in Keras on TensorFlow, weight for weight."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from keras_peer import ask_keras, keras_python
from keras_weights import from_keras, to_keras

import siamaudio as sa
from siamaudio._engine import core
from siamaudio.encoders import native_encoder

# float32 sums of up to 33,000 products in another order.
TOLERANCE = 1e-4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """What is built on both sides; `input_shape` is (channels, bands, frames)."""

    encoder: sa.ConvEncoder
    input_shape: tuple[int, int, int]
    distance: str = "squared"
    head: str | None = "dense"
    num_parameters: int | None = None  # where it is published or known


def _relu_block(filters: int, kernel_size: int, **options: Any) -> sa.ConvBlock:
    return sa.ConvBlock(filters=filters, kernel_size=kernel_size, batch_norm=False, **{"dropout": 0.0, **options})


def _plain(*blocks: sa.ConvBlock, units: int, activation: Any = "sigmoid") -> sa.ConvEncoder:
    """An encoder of blocks and a dense layer without any batch norm."""
    dense = (sa.Dense(units=units, batch_norm=False, activation=activation, dropout=0),)
    return sa.ConvEncoder(blocks=blocks, input_batch_norm=False, dense=dense)


_FEDELE = _plain(_relu_block(64, 5), _relu_block(32, 5), _relu_block(12, 3), units=4096)
_SMALL = {"filters": 4, "kernel_size": 3}
_NO_DENSE: dict[str, Any] = {"blocks": (sa.ConvBlock(**_SMALL), sa.ConvBlock(**_SMALL)), "dense": ()}

NETWORKS = {
    "honka": Network(encoder=sa.ConvEncoder(), input_shape=(1, 128, 431), num_parameters=19_408_979),
    "honka_small": Network(encoder=sa.ConvEncoder(), input_shape=(1, 64, 64), distance="absolute"),
    # 64 x 26, 32 x (64 x 25 + 1) and 12 x (32 x 9 + 1) in the blocks, 4096 x (inputs + 1), 4097 in the head
    "fedele_esc50": Network(
        encoder=_FEDELE,
        input_shape=(1, 128, 431),
        num_parameters=1664 + 51_232 + 3468 + 4096 * (12 * 13 * 51 + 1) + 4097,
    ),
    "fedele_audiomnist": Network(
        encoder=_FEDELE,
        input_shape=(1, 224, 224),
        num_parameters=1664 + 51_232 + 3468 + 4096 * (12 * 25 * 25 + 1) + 4097,
    ),
    "lloret_mnist": Network(
        encoder=_plain(_relu_block(32, 3, pooling="none"), _relu_block(64, 3, dropout=0.25), units=512),
        input_shape=(1, 28, 28),
        distance="euclidean",
        head=None,
        num_parameters=320 + 64 * (32 * 9 + 1) + 512 * (64 * 12 * 12 + 1),
    ),
    "lloret_fashion": Network(
        encoder=_plain(
            _relu_block(64, 2, padding="same", dropout=0.3), _relu_block(32, 2, padding="same", dropout=0.3), units=512
        ),
        input_shape=(1, 28, 28),
        distance="euclidean",
        head=None,
        num_parameters=320 + 32 * (64 * 4 + 1) + 512 * (32 * 7 * 7 + 1),
    ),
    "lloret_cifar10": Network(
        encoder=_plain(
            _relu_block(32, 3, padding="same", pooling="none"),
            _relu_block(32, 3, dropout=0.25),
            _relu_block(64, 3, padding="same", pooling="none"),
            _relu_block(64, 3, dropout=0.25),
            units=512,
        ),
        input_shape=(3, 32, 32),
        distance="euclidean",
        head=None,
        num_parameters=896 + 9248 + 18_496 + 36_928 + 512 * (64 * 6 * 6 + 1),
    ),
    "strides": Network(
        encoder=sa.ConvEncoder(
            blocks=(
                sa.ConvBlock(filters=3, kernel_size=(5, 3), stride=(2, 1), padding="same", pooling="none"),
                sa.ConvBlock(filters=4, kernel_size=(2, 4), stride=(3, 2), padding="same", pool_size=(1, 2)),
                sa.ConvBlock(filters=5, kernel_size=2, stride=2, pooling="none"),
            ),
            dense=(sa.Dense(units=6, activation="elu"), sa.Dense(units=3, batch_norm=False, activation="linear")),
        ),
        input_shape=(2, 21, 34),
        distance="cosine",
        head=None,
    ),
    "average_pooling": Network(
        encoder=sa.ConvEncoder(
            blocks=(
                sa.ConvBlock(**_SMALL, pooling="average", pool_size=(3, 2), activation="leaky_relu"),
                sa.ConvBlock(**_SMALL, pooling="average", activation="tanh"),
            ),
            dense=(sa.Dense(units=6, activation="relu"),),
        ),
        input_shape=(1, 24, 19),
        distance="product",
    ),
    "activations": Network(
        encoder=sa.ConvEncoder(
            blocks=tuple(
                sa.ConvBlock(filters=3, kernel_size=1, activation=activation, pool_size=(1, 2))
                for activation in ("gelu", "elu", "leaky_relu", "sigmoid", "linear")
            )
        ),
        input_shape=(1, 8, 64),
    ),
    "global_average": Network(
        encoder=sa.ConvEncoder(**_NO_DENSE, pooling="global_average"), input_shape=(1, 20, 24), distance="euclidean"
    ),
    "global_max": Network(encoder=sa.ConvEncoder(**_NO_DENSE, pooling="global_max"), input_shape=(1, 20, 24)),
    "global_average_max": Network(
        encoder=sa.ConvEncoder(**_NO_DENSE, pooling="global_average_max", l2_normalize=True),
        input_shape=(1, 20, 24),
    ),
    "frequency": Network(encoder=sa.ConvEncoder(**_NO_DENSE, pooling="frequency"), input_shape=(1, 20, 24)),
    "frequency_levels": Network(
        encoder=sa.ConvEncoder(**_NO_DENSE, pooling="frequency_levels"),
        input_shape=(1, 20, 24),
        distance="cosine",
        head=None,
    ),
}  # fmt: skip


class Twin:
    """A network in the core and Keras's answer about the same one."""

    def __init__(self, network: Network, seed: int) -> None:
        self.network = network
        self.native = core.Siamese(
            encoder=native_encoder(network.encoder),
            distance=network.distance,
            head=network.head,
            input_shape=network.input_shape,
            seed=seed,
        )
        rng = np.random.default_rng(seed)
        self.native.set_weights({name: _shaken(name, value, rng) for name, value in self.native.weights().items()})
        self.x = rng.standard_normal((4, *network.input_shape)).astype(np.float32)
        maps = [layer["output_shape"] for layer in self.native.layers() if len(layer["output_shape"]) == 3]
        self.map_shape: tuple[int, int, int] = [network.input_shape, *maps][-1]

    def ask(self, folder: Path, name: str) -> None:
        channels, height, width = self.network.input_shape
        question = {
            "task": "forward",
            "encoder": self.network.encoder.to_dict(),
            "distance": self.network.distance,
            "head": self.network.head,
            "input_shape": [height, width, channels],
        }
        (folder / f"{name}.json").write_text(json.dumps(question))
        weights = to_keras(self.native.weights(), self.network.encoder, self.map_shape)
        np.savez(folder / f"{name}.npz", x=self.x.transpose(0, 2, 3, 1), **weights)

    def hear(self, folder: Path, name: str) -> None:
        self.answer = json.loads((folder / f"{name}.answer.json").read_text())
        with np.load(folder / f"{name}.answer.npz") as file:
            self.results = dict(file)


def _shaken(name: str, value: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Biases, scales and statistics as after some training; kernels stay."""
    if value.ndim > 1 or name.endswith("num_updates"):
        return value
    low, high = (0.5, 1.5) if name.endswith(("running_variance", "norm.weight")) else (-0.3, 0.3)
    return rng.uniform(low, high, value.shape).astype(np.float32)


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Twin]:
    """Every network, after Keras was asked about all of them."""
    keras_python()
    folder = tmp_path_factory.mktemp("keras")
    twins = {name: Twin(network, seed) for seed, (name, network) in enumerate(NETWORKS.items())}
    for name, twin in twins.items():
        twin.ask(folder, name)
    ask_keras(folder)
    for name, twin in twins.items():
        twin.hear(folder, name)
    return twins


@pytest.mark.parametrize("name", NETWORKS)
def test_same_outputs(twins: dict[str, Twin], name: str) -> None:
    twin = twins[name]
    embeddings = twin.native.embed(twin.x, num_threads=0)
    assert np.ptp(embeddings, axis=0).max() > 1e-2  # the clips are told apart
    np.testing.assert_allclose(embeddings, twin.results["embeddings"], atol=TOLERANCE)
    similarity = np.diagonal(twin.native.similarity(embeddings[:2], embeddings[2:], num_threads=0))
    expected = twin.results["pairs"]
    if twin.network.head is None:
        expected = 1 - expected if twin.network.distance == "cosine" else -expected
    np.testing.assert_allclose(similarity, expected, atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("name", NETWORKS)
def test_same_layers(twins: dict[str, Twin], name: str) -> None:
    twin = twins[name]
    weights = twin.native.weights()
    assert twin.native.num_parameters() == twin.answer["num_parameters"]
    assert sum(value.size for key, value in weights.items() if "num_updates" not in key) == twin.answer["num_weights"]
    if twin.network.num_parameters is not None:
        assert twin.native.num_parameters() == twin.network.num_parameters
    num_compared = 0
    for layer in twin.native.layers():
        if layer["name"].startswith("encoder."):
            *sides, channels = twin.answer["output_shapes"][layer["name"].removeprefix("encoder.")]
            assert layer["output_shape"] == (channels, *sides), layer["name"]
            num_compared += 1
    assert num_compared > len(twin.network.encoder.blocks)


@pytest.mark.parametrize("name", ["honka_small", "lloret_cifar10", "strides", "frequency"])
def test_the_way_back(name: str) -> None:
    twin = Twin(NETWORKS[name], 0)
    weights = twin.native.weights()
    arrays = to_keras(weights, twin.network.encoder, twin.map_shape)
    back = from_keras(arrays, weights, twin.network.encoder, twin.map_shape)
    assert back.keys() == weights.keys()
    for key, value in weights.items():
        np.testing.assert_array_equal(back[key], value)
