"""Honka 2019 in Keras: "One-shot learning with siamese networks for environmental audio".

The thesis's best network and settings: three convolutions of 64 filters with batch norm, dense layer of 500, squared
difference, mean squared error, Adam at 6.11e-3 with inverse-time decay, 20 pairs a batch.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from drawing import honka_pairs, honka_tasks
from keras import layers

BATCH_SIZE = 20
LEARNING_RATE = 6.11e-3
DECAY = 1.59e-6
DROPOUT = 0.25

make_tasks = honka_tasks


def make_encoder(input_shape: tuple[int, ...]) -> keras.Model:
    """Build the encoder of (bands, frames, 1) spectrograms."""
    x = inputs = keras.Input(input_shape)
    x = layers.BatchNormalization(name="input_norm")(x)
    for number in (1, 2, 3):
        x = layers.Conv2D(64, 5, name=f"block{number}.conv")(x)
        x = layers.BatchNormalization(name=f"block{number}.norm")(x)
        x = layers.Activation("relu")(x)
        x = layers.MaxPooling2D(2)(x)
        x = layers.Dropout(DROPOUT)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(500, name="dense1")(x)
    x = layers.BatchNormalization(name="dense1.norm")(x)
    x = layers.Activation("sigmoid")(x)
    x = layers.Dropout(DROPOUT)(x)
    return keras.Model(inputs, x, name="encoder")


def compile_network(network: keras.Model) -> None:
    """Give it loss and optimizer: Keras's old ``decay``, lr / (1 + decay × step), is a schedule now."""
    schedule = keras.optimizers.schedules.InverseTimeDecay(LEARNING_RATE, decay_steps=1, decay_rate=DECAY)
    network.compile(loss="mean_squared_error", optimizer=keras.optimizers.Adam(schedule))


class Pairs(keras.utils.PyDataset):
    """Batches of pairs, drawn anew for each epoch."""

    def __init__(self, clips: np.ndarray, labels: np.ndarray, seed: int) -> None:
        super().__init__()
        self._clips, self._labels = clips, labels
        self._rng = np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self._pairs) // BATCH_SIZE)

    def __getitem__(self, index: int) -> Any:
        batch = slice(index * BATCH_SIZE, (index + 1) * BATCH_SIZE)
        left, right = self._pairs[batch].T
        return (self._clips[left], self._clips[right]), self._is_same[batch].astype(np.float32)

    @property
    def num_pairs(self) -> int:
        """Of an epoch."""
        return len(self._pairs)

    def on_epoch_end(self) -> None:
        """Draw the pairs of the next epoch."""
        self._pairs, self._is_same = honka_pairs(self._labels, self._rng)
