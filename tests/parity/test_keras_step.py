"""One training step of every preset against Keras on TensorFlow: the same loss and the same weights after it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_peer import ask_keras, keras_python
from keras_weights import to_keras

import siamaudio as sa
from siamaudio import losses, presets
from siamaudio.fitting import sampler_for

# What float32 sums in another order come to; the steps of the learning rates are 10 to 60 times as long.
TOLERANCE = 1e-4
NOISE = 1e-6  # of a gradient
# Two positions of a pool may be so nearly equal that rounding decides between them, and with it a few gradients.
MOST_UNDECIDED = 1e-4  # share of the weights

SHAPES = {
    "modern": (1, 64, 96),
    "honka2019": (1, 64, 64),
    "fedele2022": (1, 44, 46),
    "lloret2019_mnist": (1, 28, 28),
    "lloret2019_fashion": (1, 28, 28),
    "lloret2019_cifar10": (3, 32, 32),
}
# A head has no convolution, and Keras no loss of its kind.
CASES = [(name, None) for name in presets.network_presets() if name != "yamnet_head"] + [("honka2019", "two-sided")]
SEED = 5


class Case:
    """A preset without what is random (dropout, augmentation), its step by the core, and Keras's.

    Also without schedule and moving average of the weights, which Keras does not do alike; others test them.
    """

    def __init__(self, preset: str, pairing: Any) -> None:
        shape = next(shape for start, shape in SHAPES.items() if preset.startswith(start))
        self.rng = np.random.default_rng(0)
        self.features = sa.Features.from_arrays(self.rng.standard_normal((12, *shape)), np.repeat(["a", "b", "c"], 4))
        net = sa.SiameseNetwork.preset(preset)
        encoder = dataclasses.replace(
            net.encoder,
            blocks=tuple(dataclasses.replace(block, dropout=0.0) for block in net.encoder.blocks),
            dense=tuple(dataclasses.replace(layer, dropout=0.0) for layer in net.encoder.dense),
        )
        sampler = net.sampler
        if isinstance(sampler, sa.samplers.AnchorPairs):  # as many pairs as three classes of four clips have
            sampler = dataclasses.replace(sampler, num_positive=2, num_negative=2)
        if isinstance(sampler, sa.samplers.RandomPairs):
            sampler = dataclasses.replace(sampler, num_negative=2)
        optimizer = dataclasses.replace(net.optimizer, schedule=None, moving_average=None)
        net.set_params(encoder=encoder, sampler=sampler, optimizer=optimizer, augment=())
        self.net = net.build(shape, num_classes=3, seed=SEED)
        maps = [layer.output_shape for layer in self.net.summary().layers if len(layer.output_shape) == 3]
        self.map_shape: Any = maps[-1]
        self.weights = self.net.weights()
        self.batch = sampler_for(sampler, pairing, None).plan(self.features.labels, seed=SEED)[0]
        self.net.fit(
            self.features, epochs=1, steps_per_epoch=1, pairing=pairing, warm_start=True, seed=SEED, progress=False
        )

    def ask(self, folder: Path, name: str) -> None:
        channels, height, width = self.features.shape[1:]
        batch = self.batch
        pairs, is_same = batch.pairs, batch.is_same
        weights = np.full(len(pairs), 1 / max(1, len(pairs)))
        if len(pairs) == 0:  # all pairs of the clips, both kinds of the same weight as wholes
            labels = self.features.labels[batch.clips]
            pairs = np.array([(i, j) for j in range(len(labels)) for i in range(j)])
            is_same = labels[pairs[:, 0]] == labels[pairs[:, 1]]
            weights = np.where(is_same, 0.5 / is_same.sum(), 0.5 / (~is_same).sum())
        question = {
            "task": "step",
            "encoder": self.net.encoder.to_dict(),
            "distance": self.net.distance,
            "head": self.net.head,
            "input_shape": [height, width, channels],
            "num_sides": batch.num_sides,
            "losses": [losses.registry.to_dict(loss) for loss in self.net.losses()],
            "lr": self.net.optimizer.lr,
            "weight_decay": getattr(self.net.optimizer, "weight_decay", None),
        }
        (folder / f"{name}.json").write_text(json.dumps(question))
        np.savez(
            folder / f"{name}.npz",
            x=np.asarray(self.features)[batch.clips].transpose(0, 2, 3, 1),
            labels=self.features.labels[batch.clips],
            pairs=pairs,
            is_same=is_same.astype(np.float32),
            pair_weights=weights.astype(np.float32),
            triplets=batch.triplets,
            **to_keras(self.weights, self.net.encoder, self.map_shape),
        )

    def hear(self, folder: Path, name: str) -> None:
        self.loss = json.loads((folder / f"{name}.answer.json").read_text())["loss"]
        with np.load(folder / f"{name}.answer.npz") as file:
            self.after = dict(file)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[Any, Case]:
    keras_python()
    folder = tmp_path_factory.mktemp("keras")
    cases = {case: Case(*case) for case in CASES}
    for (name, pairing), case in cases.items():
        case.ask(folder, f"{name}-{pairing}")
    ask_keras(folder)
    for (name, pairing), case in cases.items():
        case.hear(folder, f"{name}-{pairing}")
    return cases


@pytest.mark.parametrize(("preset", "pairing"), CASES)
def test_the_same_step(cases: dict[Any, Case], preset: str, pairing: Any) -> None:
    case = cases[preset, pairing]
    assert case.net.history_["loss"][0] == pytest.approx(case.loss, rel=TOLERANCE)
    before = to_keras(case.weights, case.net.encoder, case.map_shape)
    after = to_keras(case.net.weights(), case.net.encoder, case.map_shape)
    moved = 0
    for name, array in after.items():
        if "moving" in name:  # Keras begins from mean 0 and variance 1, the core from the first batch
            continue
        # Where the gradient is rounding noise, as for a bias before batch norm, so is Adam's step.
        told_apart = np.abs(case.after[f"gradient of {name}"]) > NOISE
        differs = np.abs(array[told_apart] - case.after[name][told_apart]) > TOLERANCE
        assert np.count_nonzero(differs) <= MOST_UNDECIDED * differs.size, name
        assert np.abs(array - case.after[name]).max() < 2 * case.net.optimizer.lr
        moved += np.count_nonzero(np.abs(array - before[name])[told_apart] > 5 * TOLERANCE)
    assert moved > 1000
