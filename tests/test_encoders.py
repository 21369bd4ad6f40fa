from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import siamaudio as sa
from siamaudio._engine import core
from siamaudio.encoders import native_encoder


def _native(encoder: sa.ConvEncoder, input_shape: tuple[int, int, int], **options: Any) -> core.Siamese:
    options = {"distance": "squared", "head": "dense", "seed": 0, **options}
    return core.Siamese(encoder=native_encoder(encoder), input_shape=input_shape, **options)


def _modern() -> sa.ConvEncoder:
    """Stride 2 first, pools in between, an embedding of three parts of one length."""
    blocks = (
        sa.ConvBlock(filters=32, kernel_size=5, stride=2, padding="same", dropout=0),
        sa.ConvBlock(filters=64, kernel_size=3, padding="same", dropout=0),
        sa.ConvBlock(filters=128, kernel_size=3, padding="same", dropout=0),
        sa.ConvBlock(filters=256, kernel_size=3, padding="same", pooling="none", dropout=0),
    )
    return sa.ConvEncoder(blocks=blocks, input_batch_norm=False, pooling="frequency_levels", dense=())


def test_sides_are_kept_as_pairs() -> None:
    assert sa.ConvBlock(kernel_size=3) == sa.ConvBlock(kernel_size=(3, 3))
    block = sa.ConvBlock(kernel_size=[3, 5], stride=2, pool_size=(1, 4))
    assert (block.kernel_size, block.stride, block.pool_size) == ((3, 5), (2, 2), (1, 4))
    assert hash(block) == hash(sa.ConvBlock(kernel_size=(3, 5), stride=(2, 2), pool_size=(1, 4)))
    for wrong in (2.5, "3", (1, 2, 3), None):
        with pytest.raises(sa.ParameterError, match=r"^stride: got .*; accepted: an int, or \(height, width\)"):
            sa.ConvBlock(stride=wrong)


@pytest.mark.parametrize("encoder", [sa.ConvEncoder(), _modern(), sa.ConvEncoder(blocks=(), dense=())])
def test_options_survive_json(encoder: sa.ConvEncoder) -> None:
    again = sa.ConvEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    assert again == encoder
    assert hash(again) == hash(encoder)


def test_published_size() -> None:
    assert _native(sa.ConvEncoder(), (1, 128, 431)).num_parameters() == 19_408_979


def test_modern_network() -> None:
    """64 bands x 128 frames give a map of 256 x 4 x 8 and 1024 + 256 numbers, the block before it 512 more."""
    encoder = _modern()
    net = _native(encoder, (1, 64, 128), distance="cosine", head=None)
    assert net.embedding_size == encoder.embedding_size((1, 64, 128)) == 1792
    maps = [layer["output_shape"] for layer in net.layers() if layer["name"].startswith("encoder.block")]
    assert maps[-1] == (256, 4, 8)
    assert 3.8e5 < net.num_parameters() < 4e5
    embeddings = net.embed(np.random.default_rng(0).standard_normal((3, 64, 200)).astype(np.float32), num_threads=1)
    assert embeddings.shape == (3, 1792)
    for part in np.split(embeddings, (1024, 1280), axis=1):
        np.testing.assert_allclose(np.linalg.norm(part, axis=1), 4, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"pooling": "mean"}, "pooling: got mean; accepted: 'flatten', 'global_average'"),
        ({"blocks": (sa.ConvBlock(padding="full"),)}, "padding: got full; accepted: 'valid' or 'same'"),
        ({"blocks": (sa.ConvBlock(pooling="min"),)}, "pooling: got min; accepted: 'none', 'max' or 'average'"),
        ({"dense": (sa.Dense(activation="swish"),)}, "activation: got swish; accepted: 'linear', 'relu'"),
        ({"blocks": (sa.ConvBlock(), sa.ConvBlock(stride=(0, 1)))}, "block2.stride: got 0 x 1"),
        ({"blocks": (sa.ConvBlock(dropout=1.0),)}, "block1.dropout: got 1.0"),
        ({"dense": (sa.Dense(), sa.Dense(units=0))}, "dense2.units: got 0"),
        ({"blocks": (sa.ConvBlock(),) * 4}, "encoder: got 4 blocks on 40 bands x 60 frames; accepted: block4 needs"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], named: str) -> None:
    encoder = sa.ConvEncoder(**options)
    for use in (lambda: encoder.embedding_size((1, 40, 60)), lambda: _native(encoder, (1, 40, 60))):
        with pytest.raises(sa.ParameterError) as error:
            use()
        assert str(error.value).startswith(named)


def test_distances_without_a_head_are_scalars() -> None:
    encoder = sa.ConvEncoder(blocks=(), dense=())
    with pytest.raises(
        sa.ParameterError, match=r"^distance: got .*; accepted: 'euclidean' or 'cosine', or a dense head"
    ):
        _native(encoder, (1, 4, 5), distance="squared", head=None)
    with pytest.raises(sa.ParameterError, match=r"^head: got linear"):
        _native(encoder, (1, 4, 5), head="linear")


def test_layers_add_up() -> None:
    net = _native(sa.ConvEncoder(blocks=(sa.ConvBlock(filters=4),)), (1, 32, 47))
    net.add_classifier(10, "linear")
    layers = net.layers()
    assert sum(layer["num_parameters"] for layer in layers) == net.num_parameters()
    assert [layer["name"] for layer in layers][-2:] == ["head", "classifier"]
    assert layers[1] == {
        "name": "encoder.block1.conv",
        "kind": "conv",
        "output_shape": (4, 28, 43),
        "num_parameters": 4 * 25 + 4,
        "flops": 2 * 4 * 25 * 28 * 43,
        "path": layers[1]["path"],  # which depends on the processor: tests/test_fused.py
    }


def test_everything_that_was_learned_is_among_the_weights(rng: np.random.Generator) -> None:
    encoder = sa.ConvEncoder(blocks=(), dense=(sa.Dense(units=3),))

    half, still = np.array(0.5, np.float32), np.zeros((1, 2), np.float32)

    def make(seed: int) -> core.Siamese:
        net = _native(encoder, (1, 4, 5), seed=seed)
        net.add_classifier(6, "cosine")
        net.set_calibration(power=half, mean=np.zeros(3, np.float32), matrix=np.eye(3, dtype=np.float32), shifts=still)
        return net

    net = make(0)
    changed = {name: rng.random(value.shape).astype(np.float32) for name, value in net.weights().items()}
    changed["calibration.shifts"] = still
    assert {"classifier.weight", "calibration.power", "calibration.mean", "calibration.matrix"} <= changed.keys()
    net.set_weights(changed)
    other = make(1)
    other.set_weights(net.weights())
    x = rng.standard_normal((4, 4, 5)).astype(np.float32)
    np.testing.assert_array_equal(other.embed(x, num_threads=1), net.embed(x, num_threads=1))
    embeddings = rng.standard_normal((2, 3)).astype(np.float32)
    weight = changed["classifier.weight"]
    expected = embeddings @ weight.T / np.linalg.norm(embeddings, axis=1)[:, None] / np.linalg.norm(weight, axis=1)
    np.testing.assert_allclose(other.classifier_logits(embeddings), expected, atol=1e-6)

    other.clear_calibration()
    assert not other.is_calibrated
    plain = other.embed(x, num_threads=1)
    plain = np.sign(plain) * np.abs(plain) ** changed["calibration.power"]
    directions = plain / np.linalg.norm(plain, axis=1, keepdims=True)
    np.testing.assert_allclose(
        net.embed(x, num_threads=1),
        (directions - changed["calibration.mean"]) @ changed["calibration.matrix"],
        atol=1e-6,
    )
    with pytest.raises(sa.ParameterError, match=r"^calibration: .*a power \(\), a mean \(3,\) and a matrix \(3, 3\)"):
        net.set_calibration(power=half, mean=np.zeros(4, np.float32), matrix=np.eye(4, dtype=np.float32), shifts=still)
