"""The work that all contenders of bench_training.py do, as files that each can read."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

import siamaudio as sa

sys.path.append(str(Path(__file__).parents[1] / "tests" / "parity"))
from keras_weights import to_keras

FloatArray = npt.NDArray[np.float32]


def honka(dropout: float) -> sa.SiameseNetwork:
    """Honka's network, untrained, with a loss and an optimizer that every library has."""
    net = sa.SiameseNetwork.preset("honka2019").set_params(
        loss=sa.losses.BinaryCrossentropy(), optimizer=sa.optimizers.Adam(lr=1e-3)
    )
    blocks = tuple(dataclasses.replace(block, dropout=dropout) for block in net.encoder.blocks)
    dense = tuple(dataclasses.replace(layer, dropout=dropout) for layer in net.encoder.dense)
    return net.set_params(encoder=dataclasses.replace(net.encoder, blocks=blocks, dense=dense))


def labelled(clips: FloatArray) -> sa.Features:
    """Clips as training data, two of each class: the sampler makes batches of half as many pairs of them."""
    return sa.Features.from_arrays(clips, [f"class {i // 2}" for i in range(len(clips))])


def random_weights(net: sa.SiameseNetwork, rng: np.random.Generator) -> dict[str, FloatArray]:
    """Its initial weights, but with batch norms that have seen other data and scale by numbers of both signs."""
    weights = net.weights()
    for name, array in weights.items():
        if "norm." not in name or name.endswith("num_updates"):
            continue
        if name.endswith(("mean", "bias")):
            weights[name] = rng.normal(0, 0.2, array.shape).astype(np.float32)
        else:
            sign = rng.choice([-1, 1], array.shape) if name.endswith("weight") else 1
            weights[name] = (sign * rng.uniform(0.5, 1.5, array.shape)).astype(np.float32)
    return weights


def write_work(folder: Path, clips: int, bands: int, frames: int) -> None:
    """Write what the workers need.

    work.npz: ``clips`` of noise, ``left`` and ``right`` of the pairs that our first training step takes, ``is_same``;
    weights.npz and keras.npz: the same weights in our order of axes and in Keras's; network.json: the network.
    """
    rng = np.random.default_rng(0)
    x = rng.standard_normal((clips, bands, frames), dtype=np.float32)
    batch = sa.samplers.HonkaPairs(batch_size=clips // 2).plan(labelled(x).labels, seed=0)[0]
    left, right = batch.clips[batch.pairs].T
    np.savez(folder / "work.npz", clips=x, left=left, right=right, is_same=batch.is_same)

    net = honka(0.25).build((bands, frames))
    weights = random_weights(net, rng)
    np.savez(folder / "weights.npz", **weights)  # pyright: ignore[reportArgumentType]
    last_map = [layer.output_shape for layer in net.summary().layers if len(layer.output_shape) == 3][-1]
    np.savez(folder / "keras.npz", **to_keras(weights, net.encoder, last_map))  # pyright: ignore[reportArgumentType]
    network = {"encoder": net.encoder.to_dict(), "distance": net.distance, "head": net.head}
    (folder / "network.json").write_text(json.dumps(network), encoding="utf-8")
