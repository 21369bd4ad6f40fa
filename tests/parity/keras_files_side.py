"""Runs inside an interpreter that has Keras: reads files that siamaudio wrote, and writes files for it to read.

``python keras_files_side.py FOLDER``. FOLDER/ours holds models as files and NAME.npz with their inputs; outputs go to
FILE.answer.npz. FOLDER/questions holds networks to build as JSON; NAME.keras, NAME.h5, NAME.weights.h5 and
NAME.answer.npz are written. A third argument names a folder of which only the models are read, after siamaudio has
written them back.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import keras
import keras_side
import numpy as np
from keras import layers, ops


def read_models(folder: Path) -> None:
    """Predict with every model in the folder on the inputs beside it, in Keras's safe mode."""
    for path in sorted([*folder.glob("*.keras"), *folder.glob("*.h5")]):
        with np.load(folder / f"{path.name.split('.')[0]}.npz") as file:
            inputs = [file[name] for name in sorted(file.files)]
        model = keras.models.load_model(path)
        outputs = model.predict(inputs if len(model.inputs) == 2 else inputs[0], verbose=0)
        np.savez(folder / f"{path.name}.answer.npz", outputs=outputs)


def frequency(x: Any) -> Any:
    over_time = layers.Add()([ops.mean(x, axis=2), ops.max(x, axis=2)])
    return layers.Flatten()(layers.Permute((2, 1))(over_time))


def pooled(x: Any, pooling: str) -> Any:
    """As `keras_side.pooled`, without code in the encoder."""
    return frequency(x) if pooling == "frequency" else keras_side_pooled(x, pooling)


def levels(below: Any, last: Any) -> Any:
    """As `keras_side.levels`, without code."""
    parts = [frequency(last), layers.GlobalMaxPooling2D()(last), frequency(below)]
    return layers.Concatenate()([layers.Rescaling(4.0)(layers.UnitNormalization()(part)) for part in parts])


def distance(a: Any, b: Any, name: str) -> Any:
    """The distances of `keras_side` as graphs of Keras's own operations."""
    if name == "cosine":
        return 1.0 - layers.Dot(axes=1, normalize=True)([a, b])
    if name == "absolute":
        return ops.abs(ops.subtract(a, b))
    if name == "squared":
        return ops.square(a - b)
    if name == "product":
        return layers.Multiply()([a, b])
    return ops.sqrt(ops.maximum(ops.sum(ops.square(a - b), axis=1, keepdims=True), keras.backend.epsilon()))


def siamese(question: dict[str, Any]) -> tuple[keras.Model, keras.Model]:
    """Build an encoder and a network in one of the ways that people do.

    The distance by code or by operations; the encoder as a model, or as layers that both sides share.
    """
    embed = keras_side.encoder(question["encoder"], question["input_shape"])
    left, right = keras.Input(question["input_shape"]), keras.Input(question["input_shape"])
    if question["style"] == "shared layers":
        sides = [layers_of(embed, left), layers_of(embed, right)]
    elif question["style"] == "sequential":
        embed = keras.Sequential([keras.Input(question["input_shape"]), *embed.layers[1:]])
        sides = [embed(left), embed(right)]
    else:
        sides = [embed(left), embed(right)]
    if question["style"] == "code":
        x = layers.Lambda(lambda pair: keras_side._distance(*pair, question["distance"]))(sides)
    else:
        x = distance(*sides, question["distance"])
    if question["head"] == "dense":
        x = layers.Dense(1, activation="sigmoid")(x)
    return keras.Model(left, sides[0]), keras.Model([left, right], x)


def layers_of(model: keras.Model, x: Any) -> Any:
    """Apply the layers of a chain one by one."""
    for layer in model.layers[1:]:
        x = layer(x)
    return x


def write_models(folder: Path) -> None:
    """Build every network that is asked for, train it where there are labels, and save it in every form."""
    for path in sorted(folder.glob("*.json")):
        question = json.loads(path.read_text())
        name = path.with_suffix("")
        with np.load(f"{name}.npz") as file:
            x, labels = file["x"], file["labels"]
        rng = np.random.default_rng(len(x))
        keras.utils.set_random_seed(len(x))
        encoder, model = siamese(question)
        half = len(x) // 2
        if question["steps"]:
            model.compile("adam", "binary_crossentropy")
            for _ in range(question["steps"]):
                left, right = rng.integers(len(x), size=(2, 16))
                model.train_on_batch([x[left], x[right]], (labels[left] == labels[right]).astype(np.float32))
            left, right = (side.ravel() for side in np.meshgrid(range(len(x)), range(len(x)), indexing="ij"))
        else:
            for variable in model.variables:
                if len(variable.shape) == 1:
                    low, high = (0.5, 1.5) if variable.name in ("gamma", "moving_variance") else (-0.3, 0.3)
                    variable.assign(rng.uniform(low, high, variable.shape))
            left, right = np.arange(half), np.arange(half, 2 * half)
        outputs = model.predict([x[left], x[right]], verbose=0, batch_size=128)
        np.savez(f"{name}.answer.npz", outputs=outputs, embeddings=encoder.predict(x, verbose=0))
        model.save(f"{name}.keras")
        model.save(f"{name}.h5")
        model.save_weights(f"{name}.weights.h5")


if __name__ == "__main__":
    keras_side_pooled, keras_side.pooled, keras_side.levels = keras_side.pooled, pooled, levels
    if len(sys.argv) > 2:
        read_models(Path(sys.argv[2]))
    else:
        read_models(Path(sys.argv[1], "ours"))
        write_models(Path(sys.argv[1], "questions"))
