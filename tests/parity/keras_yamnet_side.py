"""Runs inside an interpreter that has Keras: ``python keras_yamnet_side.py FOLDER``.

Builds YAMNet of Keras's own layers, gives it the arrays of FOLDER/weights.npz, named "layer1/conv/kernel",
"layer1/conv/bn/beta" and so on, and writes what it makes of FOLDER/patches.npy (n, frames, bands) to FOLDER/answer.npz.
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers

STAGES = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))


def main(folder: Path) -> None:
    arrays = dict(np.load(folder / "weights.npz"))
    steps: list[tuple[keras.Layer, list[str]]] = []

    def then(x: keras.KerasTensor, layer: keras.Layer, *names: str) -> keras.KerasTensor:
        steps.append((layer, list(names)))
        return layer(x)

    def normed(x: keras.KerasTensor, layer: keras.Layer, name: str, kernel: str = "kernel") -> keras.KerasTensor:
        x = then(x, layer, f"{name}/{kernel}")
        norm = layers.BatchNormalization(center=True, scale=False, epsilon=1e-4)
        return layers.ReLU()(
            then(x, norm, *(f"{name}/bn/{each}" for each in ("beta", "moving_mean", "moving_variance")))
        )

    inputs = keras.Input((96, 64))
    x = layers.Reshape((96, 64, 1))(inputs)
    x = normed(x, layers.Conv2D(32, 3, 2, padding="same", use_bias=False), "layer1/conv")
    for number, (filters, stride) in enumerate(STAGES, start=2):
        depthwise = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)
        x = normed(x, depthwise, f"layer{number}/depthwise_conv", "depthwise_kernel")
        x = normed(x, layers.Conv2D(filters, 1, use_bias=False), f"layer{number}/pointwise_conv")
    embeddings = layers.GlobalAveragePooling2D()(x)
    dense = layers.Dense(len(arrays["dense/bias"]), activation="sigmoid")
    model = keras.Model(inputs, [embeddings, then(embeddings, dense, "dense/kernel", "dense/bias")])
    for layer, names in steps:
        layer.set_weights([arrays[name] for name in names])
    found = model.predict(np.load(folder / "patches.npy"), verbose=0)
    np.savez(folder / "answer.npz", embeddings=found[0], scores=found[1])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
