"""The description of a network as Keras 3 writes it: layers of its own alone, so that it loads in its safe mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from siamaudio.encoders import ConvBlock, Dense
from siamaudio.interop.architecture import EUCLIDEAN_FLOOR, NORM_EPSILON, PART_LENGTH, Architecture, Part, pair

__all__ = ["description", "layer_name"]


def layer_name(name: str) -> str:
    """Return the name in Keras of a `WeightedLayer`: "block1_conv" for "encoder.block1.conv"."""
    return name.removeprefix("encoder.").replace(".", "_")


def description(architecture: Architecture, part: Part, *, power: float, is_legacy: bool) -> dict[str, Any]:
    """Describe a network as a functional model.

    Parameters
    ----------
    architecture : Architecture
        What it is made of.
    part : {"siamese", "encoder", "classifier"}
        As `to_keras` takes it.
    power : float
        Of the calibration, where there is one.
    is_legacy : bool
        For an ``.h5`` file, which names no modules.

    Returns
    -------
    dict
        For JSON.
    """
    channels, bands, frames = architecture.input_shape
    shape = [None, bands, frames, channels]
    encoder = _Model("encoder", is_legacy)
    x = encoder.input("spectrograms", shape)
    z = _encode(encoder, x, architecture, as_trained=part == "classifier")
    if part == "classifier":
        if architecture.has_cosine_classifier:
            z = encoder.add("UnitNormalization", "directions", z)
        z = encoder.add("Dense", "classifier", z, units=architecture.num_classes, activation="softmax")
        return encoder.described([x], z)
    if architecture.is_calibrated:
        if power != 1:  # by operations: Keras has no layer for this
            sizes = encoder.operation("Power", "calibration_power", encoder.operation("Absolute", "sizes", z), power)
            z = encoder.add("Multiply", "powered", [encoder.operation("Sign", "signs", z), sizes])
        z = encoder.add("UnitNormalization", "calibration_length", z)
        z = encoder.add("BatchNormalization", "calibration_mean", z,
                        center=False, scale=False, epsilon=NORM_EPSILON, momentum=0.99)  # fmt: skip
        z = encoder.add(
            "Dense",
            "calibration_matrix",
            z,
            units=architecture.embedding_size(),
            use_bias=False,
            activation="linear",
        )
    described = encoder.described([x], z)
    if part == "encoder":
        return described
    pairs = _Model("siamese", is_legacy)
    left, right = pairs.input("left", shape), pairs.input("right", shape)
    a, b = pairs.call(described, [left], [right])
    return pairs.described([left, right], _compare(pairs, a, b, architecture))


def _encode(model: _Model, x: _Tensor, architecture: Architecture, *, as_trained: bool) -> _Tensor:
    """Make the encoder; `as_trained` leaves out what no loss, and so no classifier, has seen."""
    options = architecture.encoder
    if options.input_batch_norm:
        x = _norm(model, "input_norm", x)
    earlier = x
    for number, block in enumerate(options.blocks, start=1):
        name, earlier = f"block{number}", x
        x = model.add(
            "Conv2D",
            f"{name}_conv",
            x,
            filters=block.filters,
            kernel_size=pair(block.kernel_size),
            strides=pair(block.stride),
            padding=block.padding,
            activation="linear",
        )
        x = _normed_and_activated(model, name, x, block)
        if block.pooling != "none":
            kind = {"max": "MaxPooling2D", "average": "AveragePooling2D"}[block.pooling]
            x = _pooling(model, kind, f"{name}_pooling", x, pair(block.pool_size))
        x = _dropout(model, name, x, block)
    if options.pooling == "frequency_levels":
        x = _levels(model, x, None if as_trained else earlier, architecture)
    else:
        x = _pooled(model, x, architecture)
    for number, layer in enumerate(options.dense, start=1):
        name = f"dense{number}"
        x = model.add("Dense", name, x, units=layer.units, activation="linear")
        x = _dropout(model, name, _normed_and_activated(model, name, x, layer), layer)
    return model.add("UnitNormalization", "l2_normalize", x) if _ends_at_length_1(architecture) else x


def _ends_at_length_1(architecture: Architecture) -> bool:
    return architecture.encoder.l2_normalize and not architecture.is_calibrated  # which normalises by itself


def _normed_and_activated(model: _Model, name: str, x: _Tensor, options: ConvBlock | Dense) -> _Tensor:
    if options.batch_norm:
        x = _norm(model, f"{name}_norm", x)
    if options.activation != "linear":
        x = model.add("Activation", f"{name}_activation", x, activation=options.activation)
    return x


def _norm(model: _Model, name: str, x: _Tensor) -> _Tensor:
    return model.add("BatchNormalization", name, x, axis=-1, momentum=0.99, epsilon=NORM_EPSILON)


def _dropout(model: _Model, name: str, x: _Tensor, options: ConvBlock | Dense) -> _Tensor:
    return model.add("Dropout", f"{name}_dropout", x, rate=options.dropout) if options.dropout else x


def _pooling(model: _Model, kind: str, name: str, x: _Tensor, size: tuple[int, int]) -> _Tensor:
    return model.add(kind, name, x, pool_size=size, strides=size, padding="valid")


def _pooled(model: _Model, x: _Tensor, architecture: Architecture) -> _Tensor:
    pooling = architecture.encoder.pooling
    if pooling == "flatten":
        if not architecture.encoder.dense:  # the embedding's own order
            x = model.add("Permute", "channels_first", x, dims=(3, 1, 2))
        return model.add("Flatten", "pooling", x)
    if pooling == "global_average":
        return model.add("GlobalAveragePooling2D", "pooling", x)
    if pooling == "frequency":
        return _frequency(model, x, architecture.map_shapes()[-1][2])
    maximum = model.add("GlobalMaxPooling2D", "pooling" if pooling == "global_max" else "global_maximum", x)
    if pooling == "global_max":
        return maximum
    return model.add("Concatenate", "pooling", [model.add("GlobalAveragePooling2D", "global_average", x), maximum])


def _levels(model: _Model, x: _Tensor, earlier: _Tensor | None, architecture: Architecture) -> _Tensor:
    *_, (_, _, earlier_frames), (_, _, frames) = architecture.map_shapes()
    vectors = {
        "frequency": _frequency(model, x, frames),
        "maximum": model.add("GlobalMaxPooling2D", "global_maximum", x),
    }
    if earlier is not None:
        vectors["earlier"] = _frequency(model, earlier, earlier_frames, name="earlier")
    parts = []
    for name, vector in vectors.items():
        length_1 = model.add("UnitNormalization", f"{name}_direction", vector)
        parts.append(model.add("Rescaling", f"{name}_part", length_1, scale=PART_LENGTH, offset=0.0))
    return model.add("Concatenate", "pooling", parts)


def _frequency(model: _Model, x: _Tensor, frames: int, name: str = "frequency") -> _Tensor:
    """Mean + maximum over all frames; Keras has no layer that pools over one side of any length."""
    mean = _pooling(model, "AveragePooling2D", f"{name}_mean", x, (1, frames))
    maximum = _pooling(model, "MaxPooling2D", f"{name}_maximum", x, (1, frames))
    total = model.add("Add", f"{name}_sum", [mean, maximum])
    return model.add("Flatten", name, model.add("Permute", f"{name}_channels_first", total, dims=(3, 1, 2)))


def _compare(model: _Model, a: _Tensor, b: _Tensor, architecture: Architecture) -> _Tensor:
    """Make what `SiameseNetwork.similarity` gives, (clips, 1)."""
    distance = architecture.metric
    if distance == "cosine":
        x = model.add("Dot", "cosine", [a, b], axes=1, normalize=True)
        if architecture.uses_head:
            x = model.add("Rescaling", "distance", x, scale=-1.0, offset=1.0)
    elif distance == "product":
        x = model.add("Multiply", "distance", [a, b])
    elif distance == "absolute":
        larger, smaller = model.add("Maximum", "larger", [a, b]), model.add("Minimum", "smaller", [a, b])
        x = model.add("Subtract", "distance", [larger, smaller])
    else:
        difference = model.add("Subtract", "difference", [a, b])
        if distance == "squared":
            x = model.add("Multiply", "distance", [difference, difference])
        else:
            direction = model.add("UnitNormalization", "direction", difference)
            x = model.add("Dot", "length", [difference, direction], axes=1, normalize=False)
            if architecture.uses_head:  # max(length, floor)
                x = model.add("Rescaling", "above_floor", x, scale=1.0, offset=-EUCLIDEAN_FLOOR)
                x = model.add("ReLU", "at_least_floor", x)
                x = model.add("Rescaling", "distance", x, scale=1.0, offset=EUCLIDEAN_FLOOR)
            else:
                x = model.add("Rescaling", "similarity", x, scale=-1.0, offset=0.0)
    return model.add("Dense", "head", x, units=1, activation="sigmoid") if architecture.uses_head else x


_Tensor = tuple[str, int, int]  # layer, call, number


class _Model:
    """A functional model under construction."""

    def __init__(self, name: str, is_legacy: bool) -> None:
        self._name = name
        self._is_legacy = is_legacy
        self._layers: list[dict[str, Any]] = []

    def input(self, name: str, shape: Sequence[int | None]) -> _Tensor:
        self._append("InputLayer", {"name": name, "batch_shape": list(shape), "dtype": "float32"}, [])
        return name, 0, 0

    def add(self, kind: str, name: str, x: _Tensor | list[_Tensor], **config: Any) -> _Tensor:
        self._append(kind, {"name": name, "trainable": True, **config}, [x])
        return name, 0, 0

    def operation(self, kind: str, name: str, x: _Tensor, *numbers: float) -> _Tensor:
        """Apply one of Keras's operations, which the older form does not know."""
        layer = {"class_name": kind, "config": {"name": name}, "name": name, "module": "keras.src.ops.numpy"}
        inbound = {"args": [_tensor(x), *numbers], "kwargs": {}}
        self._layers.append(layer | {"registered_name": kind, "inbound_nodes": [inbound]})
        return name, 0, 0

    def call(self, model: dict[str, Any], *calls: list[_Tensor]) -> list[_Tensor]:
        """Apply a described model to one input after another."""
        name = model["config"]["name"]
        self._layers.append({**model, "name": name, "inbound_nodes": [_inbound(x) for (x,) in calls]})
        return [(name, number, 0) for number in range(len(calls))]

    def described(self, inputs: list[_Tensor], output: _Tensor) -> dict[str, Any]:
        config = {
            "name": self._name,
            "trainable": True,
            "layers": self._layers,
            "input_layers": [list(each) for each in inputs],
            "output_layers": [list(output)],
        }
        return {"class_name": "Functional", "config": config} | self._identity("keras.src.models.functional")

    def _append(self, kind: str, config: dict[str, Any], calls: list[Any]) -> None:
        layer = {"class_name": kind, "config": config, "name": config["name"]}
        self._layers.append(layer | self._identity("keras.layers") | {"inbound_nodes": [_inbound(x) for x in calls]})

    def _identity(self, module: str) -> dict[str, Any]:
        return {} if self._is_legacy else {"module": module, "registered_name": None}


def _inbound(x: _Tensor | list[_Tensor]) -> dict[str, Any]:
    argument = [_tensor(each) for each in x] if isinstance(x, list) else _tensor(x)
    return {"args": [argument], "kwargs": {}}


def _tensor(x: _Tensor) -> dict[str, Any]:
    # Keras takes only the history from here and finds the shape again.
    config = {"shape": [None], "dtype": "float32", "keras_history": list(x)}
    return {"class_name": "__keras_tensor__", "config": config}
