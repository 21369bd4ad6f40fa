"""Fedele et al. 2022 in Keras: "Explaining siamese networks in few-shot learning for audio data", for ESC-50.

Three convolutions without batch norm, dense layer of 4096, squared difference, binary cross-entropy, Adam; a batch has
an anchor of every class, with four clips of its class and four of other classes. The report does not say what
activates the dense layer: a sigmoid, as in Koch et al. 2015, whose network it follows.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from drawing import fedele_pairs, fedele_tasks
from keras import layers

NUM_POSITIVE = NUM_NEGATIVE = 4
STEPS_BETWEEN_VALIDATIONS = 100

make_tasks = fedele_tasks


def make_encoder(input_shape: tuple[int, ...]) -> keras.Model:
    """Build the encoder of (bands, frames, 1) spectrograms."""
    x = inputs = keras.Input(input_shape)
    for number, (filters, kernel) in enumerate(((64, 5), (32, 5), (12, 3)), start=1):
        x = layers.Conv2D(filters, kernel, activation="relu", name=f"block{number}.conv")(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(4096, activation="sigmoid", name="dense1")(x)
    return keras.Model(inputs, x, name="encoder")


def compile_network(network: keras.Model) -> None:
    """Give it loss and optimizer."""
    network.compile(loss="binary_crossentropy", optimizer="adam")


class Pairs(keras.utils.PyDataset):
    """Random batches, as many as the report has between two validations."""

    def __init__(self, clips: np.ndarray, labels: np.ndarray, seed: int) -> None:
        super().__init__()
        self._clips, self._labels = clips, labels
        self._rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return STEPS_BETWEEN_VALIDATIONS

    def __getitem__(self, index: int) -> Any:
        pairs, is_same = fedele_pairs(self._labels, NUM_POSITIVE, NUM_NEGATIVE, self._rng)
        left, right = pairs.T
        return (self._clips[left], self._clips[right]), is_same.astype(np.float32)

    @property
    def num_pairs(self) -> int:
        """Of what counts as an epoch here."""
        return len(self) * (int(self._labels.max()) + 1) * (NUM_POSITIVE + NUM_NEGATIVE)
