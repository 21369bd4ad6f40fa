"""Runs inside an interpreter that has Keras, which siamaudio's own need not have.

``python keras_side.py FOLDER`` answers every question in FOLDER: NAME.json says what to build and what to do, NAME.npz
holds arrays, NAME.answer.json and NAME.answer.npz are written. Nothing here knows siamaudio: networks are built from
Keras's own layers, arrays of weights are in Keras's order of axes, named "LAYER/VARIABLE".
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops


def encoder(options: dict[str, Any], input_shape: list[int]) -> keras.Model:
    """Build an encoder of (height, width, channels) inputs; its layers have the names of the options."""
    x = inputs = keras.Input(input_shape)
    if options["input_batch_norm"]:
        x = layers.BatchNormalization(name="input_norm")(x)
    for number, block in enumerate(options["blocks"], start=1):
        name, below = f"block{number}", x
        x = layers.Conv2D(
            block["filters"], block["kernel_size"], block["stride"], block["padding"], name=f"{name}.conv"
        )(x)
        if block["batch_norm"]:
            x = layers.BatchNormalization(name=f"{name}.norm")(x)
        x = layers.Activation(block["activation"])(x)
        if block["pooling"] != "none":
            pooling = {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}[block["pooling"]]
            x = pooling(block["pool_size"], name=f"{name}.pooling")(x)
        x = layers.Dropout(block["dropout"])(x)
    x = levels(below, x) if options["pooling"] == "frequency_levels" else pooled(x, options["pooling"])
    for number, dense in enumerate(options["dense"], start=1):
        x = layers.Dense(dense["units"], name=f"dense{number}")(x)
        if dense["batch_norm"]:
            x = layers.BatchNormalization(name=f"dense{number}.norm")(x)
        x = layers.Activation(dense["activation"])(x)
        x = layers.Dropout(dense["dropout"])(x)
    if options["l2_normalize"]:
        x = layers.UnitNormalization(name="l2_normalize")(x)
    return keras.Model(inputs, x, name="encoder")


def pooled(x: Any, pooling: str) -> Any:
    """Turn a map (clips, height, width, channels) into vectors."""
    if pooling == "flatten":
        return layers.Flatten(name="pooling")(x)
    if pooling == "global_average":
        return layers.GlobalAveragePooling2D(name="pooling")(x)
    if pooling == "global_max":
        return layers.GlobalMaxPooling2D(name="pooling")(x)
    if pooling == "global_average_max":
        both = [layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)]
        return layers.Concatenate(name="pooling")(both)
    return layers.Flatten(name="pooling")(rows(x))


def rows(x: Any) -> Any:
    """Return mean over time + maximum over time: (clips, channels, height)."""
    over_time = layers.Lambda(lambda y: ops.mean(y, axis=2) + ops.max(y, axis=2))(x)  # (clips, height, channels)
    return layers.Permute((2, 1))(over_time)


def levels(below: Any, last: Any) -> Any:
    """Turn the last two maps into vectors, as outside training."""
    parts = [layers.Flatten()(rows(last)), layers.GlobalMaxPooling2D()(last), layers.Flatten()(rows(below))]
    parts = [layers.Rescaling(4.0)(layers.UnitNormalization()(part)) for part in parts]
    return layers.Concatenate(name="pooling")(parts)


def siamese(question: dict[str, Any]) -> tuple[keras.Model, keras.Model]:
    """Build the encoder, and the network of two inputs that ends in P(same class) or in a distance."""
    embed = encoder(question["encoder"], question["input_shape"])
    left, right = keras.Input(question["input_shape"]), keras.Input(question["input_shape"])
    distance = layers.Lambda(lambda pair: _distance(*pair, question["distance"]))([embed(left), embed(right)])
    if question["head"] == "dense":
        distance = layers.Dense(1, activation="sigmoid", name="head")(distance)
    return embed, keras.Model([left, right], distance)


def _distance(a: Any, b: Any, distance: str) -> Any:
    if distance == "absolute":
        return ops.abs(a - b)
    if distance == "squared":
        return ops.square(a - b)
    if distance == "product":
        return a * b
    if distance == "euclidean":
        squares = ops.sum(ops.square(a - b), axis=1, keepdims=True)
        return ops.sqrt(ops.maximum(squares, keras.backend.epsilon()))
    return 1 + keras.losses.cosine_similarity(a, b)[:, None]  # Keras's similarity is the negative cosine


def _variables(model: keras.Model) -> dict[str, keras.Variable]:
    """Return all weights of a model and of the models in it by name."""
    found = {}
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found |= _variables(layer)
        else:
            found |= {f"{layer.name}/{variable.name}": variable for variable in layer.weights}
    return found


def set_weights(model: keras.Model, arrays: dict[str, np.ndarray]) -> None:
    """Give every weight of the model its array; none may be missing or left over."""
    variables = _variables(model)
    if variables.keys() != arrays.keys():
        raise ValueError(f"the model has {sorted(variables)}, the arrays are {sorted(arrays)}")
    for name, variable in variables.items():
        variable.assign(arrays[name])


def forward(question: dict[str, Any], arrays: dict[str, np.ndarray]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Embed the clips "x"; compare clip i of the first half with clip i of the second."""
    x = arrays.pop("x")
    embed, network = siamese(question)
    set_weights(network, arrays)
    half = len(x) // 2
    answer = {
        "num_parameters": sum(int(np.prod(variable.shape)) for variable in network.trainable_variables),
        "num_weights": network.count_params(),
        "output_shapes": {layer.name: layer.output.shape[1:] for layer in embed.layers},
    }
    return answer, {
        "embeddings": embed.predict(x, verbose=0),
        "pairs": network.predict([x[:half], x[half : 2 * half]], verbose=0)[:, 0],
    }


def step(question: dict[str, Any], arrays: dict[str, np.ndarray]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Make one training step on the clips "x", whose sides are encoded one by one; answer loss and weights."""
    x, labels = arrays.pop("x"), arrays.pop("labels")
    batch = {name: arrays.pop(name) for name in ("pairs", "is_same", "pair_weights", "triplets")}
    embed, network = siamese(question)
    variables = _variables(network)
    classifier = None
    if "classifier/kernel" in arrays:
        classifier = layers.Dense(arrays["classifier/kernel"].shape[1], activation="softmax")
        classifier.build((None, arrays["classifier/kernel"].shape[0]))
        variables |= {"classifier/kernel": classifier.kernel, "classifier/bias": classifier.bias}
    if variables.keys() != arrays.keys():
        raise ValueError(f"the model has {sorted(variables)}, the arrays are {sorted(arrays)}")
    for name, variable in variables.items():
        variable.assign(arrays[name])
    trainable = [variable for variable in variables.values() if variable.trainable]

    with tf.GradientTape() as tape:
        sides = [embed(side, training=True) for side in np.split(x, question["num_sides"])]
        loss = sum(_loss(spec, sides, labels, batch, network, classifier, question) for spec in question["losses"])
    gradients = tape.gradient(loss, trainable, unconnected_gradients="zero")
    names = [name for name, variable in variables.items() if variable.trainable]
    if question["weight_decay"] is None:
        optimizer = keras.optimizers.Adam(question["lr"])
    else:
        optimizer = keras.optimizers.AdamW(question["lr"], weight_decay=question["weight_decay"])
        kept = [variables[name] for name in names if not name.endswith("/kernel")]
        optimizer.exclude_from_weight_decay(var_list=kept)
    optimizer.apply(gradients, trainable)
    return {"loss": float(loss)}, {
        **{name: variable.numpy() for name, variable in variables.items()},
        **{f"gradient of {name}": gradient.numpy() for name, gradient in zip(names, gradients, strict=True)},
    }


def _loss(
    spec: dict[str, Any],
    sides: list[Any],
    labels: np.ndarray,
    batch: dict[str, np.ndarray],
    network: keras.Model,
    classifier: Any,
    question: dict[str, Any],
) -> Any:
    embeddings = ops.concatenate(sides)
    if spec["type"] == "cross_entropy":
        targets = np.split(np.eye(classifier.units, dtype=np.float32)[labels], len(sides))
        smoothing = {"label_smoothing": spec["label_smoothing"]}
        # In training the embedding ends before the rows of the block below the last.
        seen = classifier.kernel.shape[0]
        of_sides = zip(sides, targets, strict=True)
        terms = [
            keras.losses.categorical_crossentropy(own, classifier(side[:, :seen]), **smoothing)
            for side, own in of_sides
        ]
        return spec["weight"] * sum(ops.mean(term) for term in terms)
    if spec["type"] == "triplet":
        anchor, positive, negative = (ops.take(embeddings, batch["triplets"][:, role], axis=0) for role in range(3))
        gaps = _distance(anchor, positive, "euclidean") - _distance(anchor, negative, "euclidean") + spec["margin"]
        return spec["weight"] * ops.mean(ops.maximum(gaps, 0.0))
    if spec["type"] == "class_memory":
        return 0.0  # nothing is in memory before the first epoch has ended
    left, right = (ops.take(embeddings, batch["pairs"][:, side], axis=0) for side in range(2))
    distance = _distance(left, right, question["distance"])
    if spec["type"] == "contrastive":
        y = 1.0 - batch["is_same"]
        terms = (1 - y) * distance[:, 0] ** 2 + y * ops.maximum(spec["margin"] - distance[:, 0], 0.0) ** 2
    else:
        p = network.get_layer("head")(distance)
        name = {"bce": keras.losses.binary_crossentropy, "mse": keras.losses.mean_squared_error}[spec["type"]]
        terms = name(batch["is_same"][:, None], p)
    return spec["weight"] * ops.sum(terms * batch["pair_weights"])


TASKS = {"forward": forward, "step": step}


def main(folder: Path) -> None:
    for path in sorted(folder.glob("*.json")):
        question = json.loads(path.read_text())
        with np.load(path.with_suffix(".npz")) as file:
            arrays = dict(file)
        answer, results = TASKS[question["task"]](question, arrays)
        path.with_suffix(".answer.json").write_text(json.dumps(answer))
        np.savez(path.with_suffix(".answer.npz"), **results)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
