"""What a Keras model computes, read from its JSON description: a graph of layers. Nothing of it is run."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

__all__ = ["Graph", "Node", "UnreadableError", "read_graph"]

_MOST_NODES = 10_000
_MODELS = ("Functional", "Model", "Sequential")
# Keras 2 wrote a function of TensorFlow that was called on tensors as a layer with the function's name.
_FUNCTIONS = {
    "math.subtract": "Subtract",
    "math.abs": "Absolute",
    "math.square": "Square",
    "math.multiply": "Multiply",
    "math.maximum": "Maximum",
    "math.minimum": "Minimum",
    "math.sqrt": "Sqrt",
    "math.reduce_sum": "Sum",
    "math.pow": "Power",
    "math.negative": "Negative",
}


_Reference = tuple[str, int, int]  # layer, call, number of the output


class UnreadableError(Exception):
    """A Keras file holds something that cannot become a network; says what, without naming the file."""


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """A layer applied to something. Two of them are the same only where they are one object.

    Attributes
    ----------
    kind : str
        The layer's class, such as "Conv2D"; "InputLayer" for what the model is given.
    path : tuple of str
        Names of the models that the layer is in, then its own.
    config : mapping
        The layer's options, as Keras wrote them.
    inputs : tuple of Node or float
        What it is applied to.
    """

    kind: str
    path: tuple[str, ...]
    config: Mapping[str, Any]
    inputs: tuple[Node | float, ...] = ()

    def __str__(self) -> str:
        return f"layer {self.path[-1]!r} ({self.kind})"


@dataclasses.dataclass(frozen=True)
class Graph:
    """A model.

    Attributes
    ----------
    inputs : tuple of Node
    output : Node
    groups : dict from path to str
        Where the weights of each layer lie in a ``.weights.h5`` file, without the prefix of the container.
    """

    inputs: tuple[Node, ...]
    output: Node
    groups: dict[tuple[str, ...], tuple[str, ...]]


def read_graph(description: Any) -> Graph:
    """Read a model's description: ``config.json`` of a ``.keras`` file, ``model_config`` of an ``.h5`` file.

    Parameters
    ----------
    description : dict
        From JSON.

    Raises
    ------
    UnreadableError
        The model is no graph of layers, or not of one output.
    KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError
        The description is malformed.
    """
    if description["class_name"] not in _MODELS:
        raise UnreadableError(
            f"a model of class {description['class_name']!r} computes by code of its own, which is never run; "
            "accepted: functional and sequential models, or its weights alone into load_keras(path, network=...)"
        )
    reader = _Reader()
    inputs = tuple(Node("InputLayer", (name,), config) for name, config in _inputs(description))
    outputs = reader.apply(description, (), inputs)
    if len(outputs) != 1:
        raise UnreadableError(f"the model has {len(outputs)} outputs; accepted: one")
    groups: dict[tuple[str, ...], tuple[str, ...]] = {}
    _find_groups(description, (), (), groups)
    (output,) = outputs
    if not isinstance(output, Node):
        raise UnreadableError("the model's output is a number")
    return Graph(inputs, output, groups)


class _Reader:
    def __init__(self) -> None:
        self._num_nodes = 0

    def apply(self, model: Any, path: tuple[str, ...], inputs: Sequence[Node | float]) -> list[Node | float]:
        """Apply a model to inputs; return its outputs."""
        self._count()
        if model["class_name"] == "Sequential":
            x = _only(inputs, model)
            for layer in _layers(model):
                if layer["class_name"] != "InputLayer":
                    (x,) = self._call(layer, path, (x,))
            return [x]
        return _Functional(self, model, path, inputs).outputs()

    def _call(self, layer: Any, path: tuple[str, ...], inputs: Sequence[Node | float]) -> list[Node | float]:
        self._count()
        inner = (*path, _name(layer))
        if layer["class_name"] in _MODELS:
            return self.apply(layer, inner, inputs)
        kind, config = layer["class_name"], layer["config"]
        if kind in ("TFOpLambda", "SlicingOpLambda"):
            kind = _FUNCTIONS.get(str(config.get("function")), kind)
        return [Node(str(kind), inner, config, tuple(inputs))]

    def _count(self) -> None:
        self._num_nodes += 1
        if self._num_nodes > _MOST_NODES:
            raise UnreadableError(f"the model has more than {_MOST_NODES} layers")


class _Functional:
    """A functional model, applied once."""

    def __init__(self, reader: _Reader, model: Any, path: tuple[str, ...], inputs: Sequence[Node | float]) -> None:
        self._reader = reader
        self._path = path
        self._config = model["config"]
        self._layers = {_name(layer): layer for layer in _layers(model)}
        names = [name for name, *_ in _tensors(self._config["input_layers"])]
        if len(names) != len(inputs):
            raise UnreadableError(f"the model {_name(model)!r} has {len(names)} inputs, but gets {len(inputs)}")
        self._made: dict[tuple[str, int], list[Node | float]] = {
            (name, 0): [x] for name, x in zip(names, inputs, strict=True)
        }
        self._calls: dict[str, int] | None = None

    def outputs(self) -> list[Node | float]:
        return [self._tensor(*reference) for reference in _tensors(self._config["output_layers"])]

    def _tensor(self, name: str, call: int, number: int) -> Node | float:
        if (name, call) not in self._made:
            layer = self._layers[name]
            operands = [
                self._tensor(*operand) if isinstance(operand, tuple) else operand
                for operand in _operands(layer["inbound_nodes"][call - self._first_call(name)])
            ]
            self._made[name, call] = self._reader._call(layer, self._path, operands)  # pyright: ignore[reportPrivateUsage]
        return self._made[name, call][number]

    def _first_call(self, name: str) -> int:
        """Return the number of a layer's first call: Keras 2 counts the making of a model as its call 0."""
        if self._calls is None:
            self._calls = {}
            references = _tensors(self._config["output_layers"])
            for layer in self._layers.values():
                for call in layer["inbound_nodes"]:
                    references += [operand for operand in _operands(call) if isinstance(operand, tuple)]
            for other, call, _ in references:
                self._calls[other] = max(call, self._calls.get(other, 0))
        return 1 if self._calls[name] == len(self._layers[name]["inbound_nodes"]) else 0


def _operands(call: Any) -> Iterator[_Reference | float]:
    """Yield what a layer is applied to: tensors by layer, call and number, and numbers."""
    if isinstance(call, Mapping):  # Keras 3
        yield from _flattened([*call["args"], *call["kwargs"].values()])
        return
    # Keras 2: [[name, call, number, keywords], ...], or one of these
    for name, index, number, *keywords in [call] if isinstance(call[0], str) else call:
        yield str(name), int(index), int(number)
        other = keywords[0].get("y") if keywords else None  # of a function of two
        if isinstance(other, list):
            yield str(other[0]), int(other[1]), int(other[2])
        elif isinstance(other, int | float):
            yield float(other)


def _flattened(arguments: Iterable[Any]) -> Iterator[_Reference | float]:
    for argument in arguments:
        if isinstance(argument, Mapping):
            if argument.get("class_name") == "__keras_tensor__":
                name, call, number = argument["config"]["keras_history"]
                yield str(name), int(call), int(number)
        elif isinstance(argument, list):
            yield from _flattened(argument)
        elif isinstance(argument, int | float) and not isinstance(argument, bool):
            yield float(argument)


def _tensors(references: Any) -> list[_Reference]:
    """Return the tensors that a model begins or ends with: one, a list, or a dict of them."""
    if isinstance(references, Mapping):
        references = list(references.values())
    listed = [references] if isinstance(references[0], str) else references
    return [(str(name), int(call), int(number)) for name, call, number in listed]


def _inputs(model: Any) -> list[tuple[str, Mapping[str, Any]]]:
    """Return names and options of what a model is given."""
    config = model["config"]
    if model["class_name"] != "Sequential":
        layers = {_name(layer): layer for layer in _layers(model)}
        return [(name, layers[name]["config"]) for name, *_ in _tensors(config["input_layers"])]
    first = _layers(model)[0]
    if isinstance(config, Mapping) and "build_input_shape" in config and first["class_name"] in _MODELS:
        return [("input", {"batch_shape": config["build_input_shape"]})]
    if first["class_name"] in _MODELS:
        return _inputs(first)
    if not {"batch_shape", "batch_input_shape"} & set(first["config"]):
        return [("input", {"batch_shape": config["build_input_shape"]})]
    return [("input", first["config"])]


def _only(inputs: Sequence[Node | float], model: Any) -> Node | float:
    if len(inputs) != 1:
        raise UnreadableError(f"the model {_name(model)!r} has one input, but gets {len(inputs)}")
    return inputs[0]


def _layers(model: Any) -> list[Any]:
    config = model["config"]
    return config if isinstance(config, list) else config["layers"]  # the oldest sequential models are lists


def _name(layer: Any) -> str:
    config = layer["config"]
    return str(layer.get("name") or (config["name"] if isinstance(config, Mapping) else "sequential"))


def _find_groups(
    model: Any,
    path: tuple[str, ...],
    group: tuple[str, ...],
    groups: dict[tuple[str, ...], tuple[str, ...]],
) -> None:
    """Name layers as Keras 3's files do: by class, counted within their model."""
    counts: dict[str, int] = {}
    for layer in _layers(model):
        if model["class_name"] == "Sequential" and layer["class_name"] == "InputLayer":
            continue
        word = _snake_case(layer["class_name"])
        counts[word] = counts.get(word, -1) + 1
        inner = (*group, word if counts[word] == 0 else f"{word}_{counts[word]}")
        groups[*path, _name(layer)] = inner
        if layer["class_name"] in _MODELS:
            _find_groups(layer, (*path, _name(layer)), inner, groups)


def _snake_case(class_name: str) -> str:
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", class_name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()
