"""Fedele et al. 2022 in Keras: "Explaining siamese networks in few-shot learning for audio data", for ESC-50.

Three convolutions without batch norm, dense layer of 4096, squared difference, binary cross-entropy, Adam; a batch has
an anchor of every class, with four clips of its class and four of other classes. The report does not say what
activates the dense layer: a sigmoid, as in Koch et al. 2015, whose network it follows.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

NUM_POSITIVE = NUM_NEGATIVE = 4
STEPS_BETWEEN_VALIDATIONS = 100
NUM_TASKS = 300


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
        classes = np.arange(int(self._labels.max()) + 1)
        left, right, is_same = [], [], []
        for anchor_class in classes:
            anchor, *positives = self._rng.choice(self._of_class(anchor_class), 1 + NUM_POSITIVE, replace=False)
            others = self._rng.choice(classes[classes != anchor_class], NUM_NEGATIVE, replace=False)
            negatives = [self._rng.choice(self._of_class(other)) for other in others]
            left += [anchor] * (NUM_POSITIVE + NUM_NEGATIVE)
            right += [*positives, *negatives]
            is_same += [1.0] * NUM_POSITIVE + [0.0] * NUM_NEGATIVE
        return (self._clips[left], self._clips[right]), np.array(is_same, dtype=np.float32)

    @property
    def num_pairs(self) -> int:
        """Of what counts as an epoch here."""
        return len(self) * (int(self._labels.max()) + 1) * (NUM_POSITIVE + NUM_NEGATIVE)

    def _of_class(self, name: int) -> np.ndarray:
        return np.flatnonzero(self._labels == name)


def make_tasks(labels: np.ndarray, seed: int, num_tasks: int | None = None) -> list[tuple[int, np.ndarray]]:
    """Return query and supports of each random task, the n-th support being of class n.

    Each class is asked for in turn; query and support of its class are two different clips.
    """
    rng = np.random.default_rng(seed)
    clips_of = [np.flatnonzero(labels == c) for c in range(int(labels.max()) + 1)]
    tasks = []
    for number in range(num_tasks or NUM_TASKS):
        supports = np.array([rng.choice(clips) for clips in clips_of])
        own = number % len(clips_of)
        query, supports[own] = rng.choice(clips_of[own], 2, replace=False)
        tasks.append((int(query), supports))
    return tasks
