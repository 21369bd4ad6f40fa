"""Networks as ONNX files."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from siamaudio.errors import ParameterError
from siamaudio.files import replace_file
from siamaudio.interop.architecture import (
    EUCLIDEAN_FLOOR,
    NORM_EPSILON,
    PART_LENGTH,
    Architecture,
    Part,
    check_part,
    pair,
)
from siamaudio.network import SiameseNetwork
from siamaudio.optional import require

__all__ = ["export_onnx"]

_OPSET = 17
_IR_VERSION = 8
_MOST_BYTES = 2**31 - 1  # that one protocol buffer can have
_END = 2**62  # of any axis
_TINY = 1e-12  # of a squared length
_LEAKY_SLOPE = 0.2


def export_onnx(net: SiameseNetwork, path: str | os.PathLike[str], *, part: Part = "siamese") -> None:
    """Write a network as an ONNX file (opset 17), for onnxruntime and whatever else reads that.

    Parameters
    ----------
    net : SiameseNetwork
        Built, trained or loaded.
    path : path-like
        The file, usually ``*.onnx``; written whole or not at all.
    part : {"siamese", "encoder", "classifier"}
        - "siamese": ``left``, ``right`` (clips, bands, frames) -> ``similarity`` (clips,) of clip i with clip i.
        - "encoder": ``spectrograms`` -> ``embedding`` (clips, embedding_size), calibrated where the network is.
        - "classifier": ``spectrograms`` -> ``probability`` (clips, classes) of the training classes.

        Spectrograms are float32 of the network's `input_shape_`; any number of clips, and of frames where the
        encoder pools over time. The classes and the front end are in the file's metadata.

    Raises
    ------
    ImportError
        The package onnx is not installed (``siamaudio[onnx]``).
    TrainingError
        The network has no weights, or no classifier where that is asked for.
    ParameterError
        There is no such part, or the weights are more than a file can hold (2 GiB).

    Examples
    --------
    >>> import siamaudio as sa
    >>> net = sa.SiameseNetwork.preset("honka2019").build((64, 64))
    >>> sa.interop.export_onnx(net, "encoder.onnx", part="encoder")  # doctest: +SKIP
    """
    architecture = Architecture.of(net)
    check_part(part, architecture)
    weights = net.weights()
    num_bytes = sum(array.nbytes for array in weights.values())
    if num_bytes > _MOST_BYTES * 0.99:
        raise ParameterError("net", f"one with {num_bytes / 2**30:.1f} GiB of weights", "at most 2 GiB in an ONNX file")
    onnx = require("onnx", extra="onnx", purpose="writing ONNX files")
    graph = _Graph(onnx, weights)
    frames: int | str = architecture.input_shape[2] if architecture.encoder.pooling == "flatten" else "frames"
    shape = ["clips", *net.input_shape_[:-1], frames]
    sides = ["left", "right"] if part == "siamese" else ["spectrograms"]
    # Left and right may differ in their frames, where these are free.
    inputs = [
        (side, [f"{side}_{size}" if size == "frames" else size for size in shape] if part == "siamese" else shape)
        for side in sides
    ]
    is_classifier = part == "classifier"
    encoded = [
        graph.encode_shifted(side, architecture, has_channels=len(shape) == 4, as_trained=is_classifier)
        for side in sides
    ]
    if part == "classifier":
        output, output_shape = graph.classify(encoded[0], architecture), ["clips", architecture.num_classes]
    elif part == "encoder":
        output, output_shape = graph.calibrate(encoded[0], architecture), ["clips", architecture.embedding_size()]
    else:
        left, right = (graph.calibrate(each, architecture) for each in encoded)
        output = graph.compare(left, right, architecture)
        output_shape = ["clips"]
    name = {"siamese": "similarity", "encoder": "embedding", "classifier": "probability"}[part]
    model = graph.model(inputs, output, name, output_shape)
    described = {"part": part, "front_end": None if net.front_end_ is None else net.front_end_.to_dict()}
    described["classes"] = list(net.train_classes_)
    onnx.helper.set_model_props(model, {"siamaudio": json.dumps(described)})
    onnx.checker.check_model(model)
    replace_file(Path(path), model.SerializeToString())


class _Graph:
    """Nodes under construction; every method that adds some returns the name of what they make."""

    def __init__(self, onnx: Any, weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
        self._onnx = onnx
        self._weights = weights
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def model(
        self,
        inputs: list[tuple[str, list[Any]]],
        output: str,
        output_name: str,
        output_shape: list[Any],
    ) -> Any:
        helper, number = self._onnx.helper, self._onnx.TensorProto.FLOAT
        self._nodes.append(helper.make_node("Identity", [output], [output_name]))
        graph = helper.make_graph(
            self._nodes,
            "siamaudio",
            [helper.make_tensor_value_info(name, number, shape) for name, shape in inputs],
            [helper.make_tensor_value_info(output_name, number, output_shape)],
            initializer=list(self._constants.values()),
        )
        opset = helper.make_opsetid("", _OPSET)
        return helper.make_model(graph, producer_name="siamaudio", opset_imports=[opset], ir_version=_IR_VERSION)

    def encode_shifted(self, x: str, architecture: Architecture, *, has_channels: bool, as_trained: bool) -> str:
        """Return the mean of the embeddings of spectrograms moved by the calibration's shifts."""
        embeddings = [
            self.encode(self._shifted(x, bands, frames), architecture, has_channels=has_channels, as_trained=as_trained)
            for bands, frames in architecture.shifts
        ]
        return embeddings[0] if len(embeddings) == 1 else self._add("Mean", *embeddings)

    def encode(self, x: str, architecture: Architecture, *, has_channels: bool, as_trained: bool) -> str:
        """Apply the encoder to spectrograms; `as_trained` leaves out what no loss, and so no classifier, has seen."""
        options = architecture.encoder
        if not has_channels:
            x = self._add("Unsqueeze", x, self._integers(1))
        if options.input_batch_norm:
            x = self._norm(x, "encoder.input_norm")
        earlier = x
        for number, block in enumerate(options.blocks, start=1):
            name, earlier = f"encoder.block{number}", x
            x = self._add(
                "Conv",
                x,
                self._weight(f"{name}.conv.weight"),
                self._weight(f"{name}.conv.bias"),
                strides=pair(block.stride),
                auto_pad="SAME_UPPER" if block.padding == "same" else "VALID",
            )
            if block.batch_norm:
                x = self._norm(x, f"{name}.norm")
            x = self._activate(x, block.activation)
            if block.pooling != "none":
                size = pair(block.pool_size)
                x = self._add({"max": "MaxPool", "average": "AveragePool"}[block.pooling], x,
                              kernel_shape=size, strides=size)  # fmt: skip
        if options.pooling == "frequency_levels":
            parts = [self._frequency(x), self._over("ReduceMax", x, 2, 3)]
            parts += [] if as_trained else [self._frequency(earlier)]
            joined = self._add("Concat", *map(self._l2_normalize, parts), axis=1)
            x = self._add("Mul", joined, self._number(PART_LENGTH))
        else:
            x = self._pool(x, options.pooling)
        for number, layer in enumerate(options.dense, start=1):
            name = f"encoder.dense{number}"
            x = self._dense(x, name)
            if layer.batch_norm:
                x = self._norm(x, f"{name}.norm")
            x = self._activate(x, layer.activation)
        return self._l2_normalize(x) if options.l2_normalize else x

    def calibrate(self, z: str, architecture: Architecture) -> str:
        """Centre and whiten embeddings, where the network does."""
        if not architecture.is_calibrated:
            return z
        powered = self._add("Pow", self._add("Abs", z), self._weight("calibration.power"))
        z = self._add("Mul", self._add("Sign", z), powered)
        centred = self._add("Sub", self._l2_normalize(z), self._weight("calibration.mean"))
        return self._add("MatMul", centred, self._weight("calibration.matrix"))

    def compare(self, a: str, b: str, architecture: Architecture) -> str:
        """Make similarities of embeddings."""
        if architecture.uses_head:
            distance = self._distance(a, b, architecture.metric)
            return self._add("Squeeze", self._add("Sigmoid", self._dense(distance, "head")), self._integers(1))
        if architecture.metric == "euclidean":
            return self._add("Neg", self._add("Sqrt", self._sum_of_squares(self._add("Sub", a, b), keepdims=0)))
        return self._cosine(a, b, keepdims=0)

    def classify(self, z: str, architecture: Architecture) -> str:
        """Make probabilities of embeddings."""
        if architecture.has_cosine_classifier:
            rows = self._weights["classifier.weight"]
            lengths = np.sqrt(np.maximum(np.square(rows).sum(1, keepdims=True), _TINY))
            directions = self._constant("classifier.directions", (rows / lengths).T)
            return self._add("Softmax", self._add("MatMul", self._l2_normalize(z), directions), axis=1)
        return self._add("Softmax", self._dense(z, "classifier"), axis=1)

    # ---- Layers

    def _dense(self, x: str, name: str) -> str:
        return self._add("Gemm", x, self._weight(f"{name}.weight"), self._weight(f"{name}.bias"), transB=1)

    def _norm(self, x: str, name: str) -> str:
        weights = ("weight", "bias", "running_mean", "running_variance")
        return self._add(
            "BatchNormalization", x, *(self._weight(f"{name}.{each}") for each in weights), epsilon=NORM_EPSILON
        )

    def _activate(self, x: str, activation: str) -> str:
        if activation == "linear":
            return x
        if activation == "leaky_relu":
            return self._add("LeakyRelu", x, alpha=_LEAKY_SLOPE)
        if activation == "gelu":  # by the error function: Gelu itself came with a later opset
            erf = self._add("Erf", self._add("Mul", x, self._number(1 / math.sqrt(2))))
            return self._add("Mul", x, self._add("Mul", self._add("Add", erf, self._number(1)), self._number(0.5)))
        return self._add({"relu": "Relu", "elu": "Elu", "sigmoid": "Sigmoid", "tanh": "Tanh"}[activation], x)

    def _pool(self, x: str, pooling: str) -> str:
        if pooling == "flatten":
            return self._add("Flatten", x)
        if pooling == "frequency":
            return self._frequency(x)
        names = {"global_average": ["ReduceMean"], "global_max": ["ReduceMax"]}
        parts = [self._over(name, x, 2, 3) for name in names.get(pooling, ["ReduceMean", "ReduceMax"])]
        return parts[0] if len(parts) == 1 else self._add("Concat", *parts, axis=1)

    def _frequency(self, x: str) -> str:
        return self._add("Flatten", self._add("Add", self._over("ReduceMean", x, 3), self._over("ReduceMax", x, 3)))

    def _shifted(self, x: str, bands: int, frames: int) -> str:
        """Move up, where the edge's band takes the place of those that are missing, and around in time."""
        if bands:
            edge = self._slice(x, -2, 0, 1) if bands > 0 else self._slice(x, -2, -1, _END)
            kept = self._slice(x, -2, 0, -bands) if bands > 0 else self._slice(x, -2, -bands, _END)
            edges = [edge] * abs(bands)
            x = self._add("Concat", *([*edges, kept] if bands > 0 else [kept, *edges]), axis=-2)
        if frames:
            x = self._add("Concat", self._slice(x, -1, -frames, _END), self._slice(x, -1, 0, -frames), axis=-1)
        return x

    def _slice(self, x: str, axis: int, start: int, stop: int) -> str:
        return self._add("Slice", x, self._integers(start), self._integers(stop), self._integers(axis))

    def _over(self, operator: str, x: str, *axes: int) -> str:
        return self._add(operator, x, axes=axes, keepdims=0)

    def _distance(self, a: str, b: str, distance: str) -> str:
        """Make what a head weighs: (clips, embedding_size) or (clips, 1)."""
        if distance == "product":
            return self._add("Mul", a, b)
        if distance == "cosine":
            return self._add("Sub", self._number(1), self._cosine(a, b, keepdims=1))
        difference = self._add("Sub", a, b)
        if distance == "absolute":
            return self._add("Abs", difference)
        if distance == "squared":
            return self._add("Mul", difference, difference)
        squares = self._sum_of_squares(difference, keepdims=1)
        return self._add("Sqrt", self._add("Max", squares, self._number(EUCLIDEAN_FLOOR**2)))

    def _cosine(self, a: str, b: str, *, keepdims: int) -> str:
        products = self._add("Mul", self._l2_normalize(a), self._l2_normalize(b))
        return self._add("ReduceSum", products, self._integers(1), keepdims=keepdims)

    def _l2_normalize(self, x: str) -> str:
        squares = self._add("Max", self._sum_of_squares(x, keepdims=1), self._number(_TINY))
        return self._add("Div", x, self._add("Sqrt", squares))

    def _sum_of_squares(self, x: str, *, keepdims: int) -> str:
        return self._add("ReduceSum", self._add("Mul", x, x), self._integers(1), keepdims=keepdims)

    # ---- Parts of the graph

    def _add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        output = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def _weight(self, name: str) -> str:
        return self._constant(name, self._weights[name])

    def _number(self, value: float) -> str:
        return self._constant(f"number {value!r}", np.array(value, dtype=np.float32))

    def _integers(self, *values: int) -> str:
        return self._constant(f"integers {values}", np.array(values, dtype=np.int64))

    def _constant(self, name: str, array: npt.NDArray[Any]) -> str:
        if name not in self._constants:
            self._constants[name] = self._onnx.numpy_helper.from_array(array, name)
        return name
