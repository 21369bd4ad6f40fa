"""Recognises a siamese network in the graph of a Keras model: an encoder, a comparison, a head."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from siamaudio.encoders import ConvBlock, ConvEncoder, Dense
from siamaudio.interop.architecture import PART_LENGTH, Architecture
from siamaudio.interop.keras_graph import Graph, Node, UnreadableError

__all__ = ["Match", "match"]

_LARGEST = 2**20  # of any size that a layer names
_ACTIVATIONS = ("linear", "relu", "leaky_relu", "elu", "gelu", "sigmoid", "tanh")
_LARGEST_FLOOR = 1e-3  # of a Euclidean distance, to be the same for all that is told apart


@dataclasses.dataclass(frozen=True)
class Match:
    """A Keras model as a network.

    Attributes
    ----------
    architecture : Architecture
    layers : dict from str to Node
        The Keras layer of each `WeightedLayer`, by its name, and "calibration.mean" and "calibration.matrix".
    is_channels_first : bool
        Whether a flattened map has channels first, then bands, then frames, as the core's; Keras's own order is
        bands, frames, channels.
    head_scale, head_offset : float
        The head sees scale * distance + offset.
    power : float
        Of the calibration, where there is one.
    """

    architecture: Architecture
    layers: dict[str, Node]
    is_channels_first: bool
    head_scale: float
    head_offset: float
    power: float = 1.0


def match(graph: Graph, *, distance: str | None, input_shape: Sequence[int] | None) -> Match:
    """Recognise a network.

    Parameters
    ----------
    graph : Graph
        Of two inputs (the siamese pair), or of one (an encoder or a classifier).
    distance : str or None
        What a layer of code between the two embeddings computes, or how the embeddings of an encoder are compared.
    input_shape : sequence of int or None
        (bands, frames) or (channels, bands, frames), where the model leaves them open.

    Raises
    ------
    UnreadableError
        It is something else; names the layer that does not fit.
    """
    shape = _input_shape(graph.inputs, input_shape)
    if len(graph.inputs) == 1:
        embedding, scalar = _as_node(graph.output), None
    elif len(graph.inputs) == 2:
        embedding, scalar = _split_pair(graph, distance)
    else:
        raise UnreadableError(f"the model has {len(graph.inputs)} inputs; accepted: one, or two for a siamese pair")
    chain = _Chain(_steps(embedding))
    encoder = chain.encoder(is_classifier=scalar is None)
    layers = chain.layers
    if scalar is None:
        if distance not in (None, "euclidean", "cosine"):
            raise UnreadableError(f"got distance {distance!r}; accepted for an encoder: 'euclidean' or 'cosine'")
        if distance is None and not chain.num_classes and not chain.is_calibrated:
            raise UnreadableError(
                "the model is an encoder, which does not say how its embeddings are compared; accepted: "
                "distance='cosine' or distance='euclidean' besides"
            )
        head, metric, scale, offset = None, distance or "cosine", 1.0, 0.0
    else:
        node, metric, scale, offset = scalar
        head = None if node is None else "dense"
        if node is not None:
            layers["head"] = node
        if chain.is_calibrated and (head is not None or metric != "cosine"):
            raise UnreadableError("calibrated embeddings are compared by the cosine; the model does not")
    architecture = Architecture(
        encoder=encoder,
        input_shape=shape,
        distance=metric,
        head=head,
        num_classes=chain.num_classes,
        is_calibrated=chain.is_calibrated,
    )
    for pooled, (_, _, frames) in zip(chain.pooled_frames, architecture.map_shapes()[::-1], strict=False):
        if pooled not in (None, frames):
            raise UnreadableError(f"it pools over {pooled} of a map's {frames} frames; accepted: all")
    return Match(architecture, layers, chain.is_channels_first, scale, offset, chain.power)


def _input_shape(inputs: Sequence[Node], given: Sequence[int] | None) -> tuple[int, int, int]:
    """Return channels, bands and frames, from Keras's (None, bands, frames, channels)."""
    shapes = [node.config.get("batch_shape") or node.config.get("batch_input_shape") for node in inputs]
    if any(shape != shapes[0] for shape in shapes) or not isinstance(shapes[0], list):
        raise UnreadableError(f"its inputs have the shapes {shapes}; accepted: one shape for both sides")
    sides = shapes[0][1:]
    if len(sides) == 2:
        sides = [*sides, 1]
    if len(sides) != 3:
        raise UnreadableError(f"its input has shape {shapes[0]}; accepted: (clips, bands, frames, channels)")
    bands, frames, channels = sides
    wanted: Sequence[int | None] = (channels, bands, frames)
    if given is not None:
        filled = (1, *given) if len(given) == 2 else tuple(given)
        if len(filled) != 3 or any(own not in (None, size) for own, size in zip(wanted, filled, strict=True)):
            raise UnreadableError(f"got input_shape {tuple(given)}; accepted: what fits its own {shapes[0]}")
        wanted = filled
    if None in wanted:
        raise UnreadableError(
            f"its input of shape {shapes[0]} leaves sizes open; accepted: input_shape=(bands, frames) besides"
        )
    channels, bands, frames = (_size(size, "the input") for size in wanted)
    return channels, bands, frames


# ---- The comparison


def _split_pair(graph: Graph, distance: str | None) -> tuple[Node, tuple[Node | None, str, float, float]]:
    """Return the left embedding, and the head (or None) with distance, scale and offset."""
    sides: dict[int, dict[Node, None]] = {0: {}, 1: {}}
    seen: dict[Node, frozenset[int]] = {}

    def inputs_of(node: Node) -> frozenset[int]:
        if node not in seen:
            if node in graph.inputs:
                seen[node] = frozenset([graph.inputs.index(node)])
            else:
                seen[node] = frozenset().union(*(inputs_of(each) for each in node.inputs if isinstance(each, Node)))
        return seen[node]

    visited: set[Node] = set()

    def visit(node: Node) -> None:
        """Collect the last layers that see one side only."""
        if node in visited:
            return
        visited.add(node)
        side = inputs_of(node)
        if len(side) == 1:
            sides[next(iter(side))][node] = None
            return
        for each in node.inputs:
            if isinstance(each, Node):
                visit(each)

    visit(graph.output)
    if len(sides[0]) != 1 or len(sides[1]) != 1:
        raise UnreadableError("its output does not compare one embedding of each input")
    (left,), (right,) = sides[0], sides[1]
    if [node.path for node in _trace(left)] != [node.path for node in _trace(right)]:
        raise UnreadableError("its two sides go through different layers; accepted: one encoder for both")
    return left, _comparison(graph.output, left, right, distance)


def _trace(node: Node) -> list[Node]:
    """Return all layers below a node, in an order that depends on the layers alone."""
    found: dict[Node, None] = {}

    def visit(each: Node) -> None:
        if each in found:
            return
        for inner in each.inputs:
            if isinstance(inner, Node):
                visit(inner)
        if each.kind != "InputLayer":
            found[each] = None

    visit(node)
    return list(found)


def _comparison(output: Node, left: Node, right: Node, distance: str | None) -> tuple[Node | None, str, float, float]:
    head = output
    if head.kind == "Activation" and _activation(head) == "sigmoid":
        inner = _as_node(head.inputs[0])
        if inner.kind != "Dense" or _activation(inner) != "linear":
            raise UnreadableError(f"{inner} before the sigmoid is no dense layer of one unit")
        head = inner
    elif not (head.kind == "Dense" and _activation(head) == "sigmoid"):
        found, scale, offset = _Comparison(left, right, distance).affine(output)
        if found not in ("euclidean", "cosine"):
            raise UnreadableError(f"it gives the {found} distance of each element; accepted: a dense sigmoid after it")
        if abs(scale) != 1 or (found == "euclidean" and offset != 0):
            raise UnreadableError(f"it scales its distance by {scale} and adds {offset}; accepted: the distance itself")
        return None, found, 1.0, 0.0
    if head.config["units"] != 1:
        raise UnreadableError(f"{head} has {head.config['units']} units; accepted: one, P(same class)")
    return head, *_Comparison(left, right, distance).affine(_as_node(head.inputs[0]))


class _Comparison:
    """What is made of two embeddings."""

    def __init__(self, left: Node, right: Node, distance: str | None) -> None:
        self._pair = {left, right}
        self._distance = distance
        self._has_unit_length = left.kind == "UnitNormalization"

    def affine(self, node: Node) -> tuple[str, float, float]:
        """Return (distance, scale, offset) of what is scale * distance + offset."""
        inner = node.inputs[0]
        if node.kind == "Rescaling":
            name, scale, offset = self.affine(_as_node(inner))
            factor, shift = _number(node, "scale"), _number(node, "offset")
            return name, factor * scale, factor * offset + shift
        if node.kind == "Negative":
            name, scale, offset = self.affine(_as_node(inner))
            return name, -scale, -offset
        if node.kind == "Subtract" and isinstance(inner, float):
            name, scale, offset = self.affine(_as_node(node.inputs[1]))
            return name, -scale, inner - offset
        if node.kind == "ReLU" or (node.kind == "Activation" and _activation(node) == "relu"):  # max(distance, floor)
            name, scale, offset = self.affine(_as_node(inner))
            if name == "euclidean" and scale == 1 and -_LARGEST_FLOOR <= offset <= 0:
                return name, scale, offset
        if node.kind == "Dot" and set(node.inputs) == self._pair:
            if _flag(node, "normalize") or self._has_unit_length:
                return "cosine", -1.0, 1.0
        elif node.kind == "Lambda" and set(node.inputs) <= {*self._pair, *self._differences(node)}:
            if self._distance is None:
                raise UnreadableError(
                    f"{node} holds code, which is never run; accepted: distance='squared' or whatever it computes "
                    "besides (squared, absolute, product, euclidean, cosine)"
                )
            return self._distance, 1.0, 0.0
        name = self._elementwise(node) or self._euclidean(node)
        if name is None:
            raise UnreadableError(
                f"{node} is in no comparison that is known; accepted: the squared, absolute, product, euclidean or "
                "cosine distance of two embeddings"
            )
        return name, 1.0, 0.0

    def _elementwise(self, node: Node) -> str | None:
        inputs = node.inputs
        if node.kind == "Multiply" and set(inputs) == self._pair:
            return "product"
        if self._is_square(node):
            return "squared"
        if node.kind == "Absolute" and self._is_difference(inputs[0]):
            return "absolute"
        if node.kind == "Subtract" and all(isinstance(each, Node) for each in inputs):
            first, second = (_as_node(each) for each in inputs)
            if (first.kind, second.kind) == ("Maximum", "Minimum") and set(first.inputs) == self._pair == set(
                second.inputs
            ):
                return "absolute"
        return None

    def _euclidean(self, node: Node) -> str | None:
        if node.kind == "Norm" and self._is_difference(node.inputs[0]):
            return "euclidean"
        if node.kind == "Dot" and len(node.inputs) == 2:  # of the difference with its direction
            for one, other in (node.inputs, node.inputs[::-1]):
                is_direction = isinstance(other, Node) and other.kind == "UnitNormalization" and other.inputs[0] is one
                if is_direction and self._is_difference(one):
                    return "euclidean"
        if node.kind != "Sqrt":
            return None
        inner = _as_node(node.inputs[0])
        while inner.kind in ("Maximum", "Add") and any(isinstance(each, float) for each in inner.inputs):
            floor = next(each for each in inner.inputs if isinstance(each, float))
            if not 0 <= floor <= _LARGEST_FLOOR**2:
                return None
            inner = next(each for each in inner.inputs if isinstance(each, Node))
        is_sum = inner.kind == "Sum" and inner.config.get("axis", -1) in (1, -1, [1], [-1])
        if is_sum and self._is_square(_as_node(inner.inputs[0])):
            return "euclidean"
        if inner.kind == "Dot" and inner.inputs[0] is inner.inputs[1] and self._is_difference(inner.inputs[0]):
            return "euclidean"
        return None

    def _is_square(self, node: Node) -> bool:
        inputs = node.inputs
        if not self._is_difference(inputs[0]):
            return False
        return (
            node.kind == "Square"
            or (node.kind == "Multiply" and len(inputs) == 2 and inputs[0] is inputs[1])
            or (node.kind == "Power" and inputs[1] == 2)
        )

    def _is_difference(self, node: Node | float) -> bool:
        return isinstance(node, Node) and node.kind == "Subtract" and set(node.inputs) == self._pair

    def _differences(self, node: Node) -> list[Node | float]:
        return [each for each in node.inputs if self._is_difference(each)]


# ---- The encoder


@dataclasses.dataclass(frozen=True)
class _Pool:
    """How the last map becomes a vector."""

    name: str
    node: Node
    is_channels_first: bool = False
    frames: tuple[int | None, ...] = ()  # that pools over time cover, of the last map and the one before; None: all
    earlier: Node | None = None  # the map before the last, where it is pooled too


@dataclasses.dataclass(frozen=True)
class _Power:
    """sign(z) |z|^exponent."""

    node: Node
    exponent: float


_Step = Node | _Pool | _Power


def _steps(node: Node) -> list[_Step]:
    """Return the layers from the input to a node, in the order of the data, the pooling of the last map as one."""
    found: list[_Step] = []
    while node.kind != "InputLayer":
        pool = _pooling(node)
        if pool is not None:
            step, node = pool
            found.append(step)
            continue
        if node.kind == "Multiply" and (power := _power(node)) is not None:
            found.append(_Power(node, power[1]))
            node = power[0]
            continue
        if len(node.inputs) != 1:
            raise UnreadableError(
                f"{node} joins {len(node.inputs)} inputs within the encoder; accepted: layers one after another"
            )
        found.append(node)
        node = _as_node(node.inputs[0])
    return found[::-1]


def _pooling(node: Node) -> tuple[_Pool, Node] | None:
    """Return how a map becomes the vector that a node gives, and the map; None where a node does no such thing."""
    names = {"GlobalAveragePooling2D": "global_average", "GlobalMaxPooling2D": "global_max"}
    if node.kind in names:
        return _Pool(names[node.kind], node), _as_node(node.inputs[0])
    if node.kind == "Flatten" or (node.kind == "Reshape" and node.config.get("target_shape") == [-1]):
        inner = _as_node(node.inputs[0])
        if inner.kind != "Permute":
            return _Pool("flatten", node), inner
        below = _as_node(inner.inputs[0])
        if below.kind == "Add":
            frequency = _frequency(node)
            return None if frequency is None else (_Pool("frequency", node, frames=(frequency[1],)), frequency[0])
        if inner.config["dims"] == [3, 1, 2]:
            return _Pool("flatten", node, is_channels_first=True), below
        raise UnreadableError(f"{inner} has dims {inner.config['dims']}; accepted before flattening: (3, 1, 2)")
    if node.kind != "Concatenate" or len(node.inputs) not in (2, 3):
        return None
    first, second, *third = (_as_node(each) for each in node.inputs)
    if (first.kind, second.kind, third) == ("GlobalAveragePooling2D", "GlobalMaxPooling2D", []):
        return (_Pool("global_average_max", node), _as_node(first.inputs[0])) if first.inputs == second.inputs else None
    parts = [_unscaled(first), _unscaled(second)]
    if parts[0] is None or parts[1] is None or parts[1].kind != "GlobalMaxPooling2D":
        return None
    frequency = _frequency(parts[0])
    if frequency is None or parts[1].inputs[0] is not frequency[0]:
        return None
    if not third:
        return _Pool("frequency_levels", node, frames=(frequency[1],)), frequency[0]
    below = _unscaled(third[0])
    earlier = None if below is None else _frequency(below)
    if earlier is None:
        return None
    return _Pool("frequency_levels", node, frames=(frequency[1], earlier[1]), earlier=earlier[0]), frequency[0]


def _power(node: Node) -> tuple[Node, float] | None:
    """Return z and the exponent, where a node gives sign(z) |z|^exponent."""
    if len(node.inputs) != 2:
        return None
    signs, sizes = (_as_node(each) for each in node.inputs)
    if (signs.kind, sizes.kind) != ("Sign", "Power"):
        return None
    absolute, exponent = sizes.inputs
    if not isinstance(exponent, float) or not 0 < exponent <= 1:
        return None
    is_of_one = _as_node(absolute).kind == "Absolute" and _as_node(absolute).inputs[0] is signs.inputs[0]
    return (_as_node(signs.inputs[0]), exponent) if is_of_one else None


def _unscaled(node: Node) -> Node | None:
    """Return what a node brings to the length that parts have."""
    if node.kind != "Rescaling" or (_number(node, "scale"), _number(node, "offset")) != (PART_LENGTH, 0):
        return None
    unit = _as_node(node.inputs[0])
    return _as_node(unit.inputs[0]) if unit.kind == "UnitNormalization" else None


def _frequency(node: Node) -> tuple[Node, int | None] | None:
    """Return the map whose mean over time + maximum over time a node gives, and over how many frames."""
    if node.kind != "Flatten":
        return None
    permute = _as_node(node.inputs[0])
    total = _as_node(permute.inputs[0]) if permute.kind == "Permute" else None
    if total is None or total.kind != "Add" or len(total.inputs) != 2:
        return None
    mean, maximum = (_as_node(each) for each in total.inputs)
    if mean.inputs != maximum.inputs:
        return None
    below = _as_node(mean.inputs[0])
    if (mean.kind, maximum.kind) == ("Mean", "Max") and permute.config["dims"] == [2, 1]:
        is_over_time = all(each.config["axis"] in (2, [2]) for each in (mean, maximum))
        return (below, None) if is_over_time else None
    if (mean.kind, maximum.kind) == ("AveragePooling2D", "MaxPooling2D") and permute.config["dims"] == [3, 1, 2]:
        sizes = [_pool_size(each) for each in (mean, maximum)]
        return (below, sizes[0][1]) if sizes[0] == sizes[1] and sizes[0][0] == 1 else None
    return None


class _Chain:
    """Reads the layers of an encoder one after the other."""

    def __init__(self, steps: list[_Step]) -> None:
        # What changes nothing
        self._steps = [step for step in steps if not _does_nothing(step)]
        self._position = 0
        self.layers: dict[str, Node] = {}
        self.num_classes: int | None = None
        self.is_calibrated = False
        self.is_channels_first = False
        self.pooled_frames: tuple[int | None, ...] = ()
        self.power = 1.0

    def encoder(self, *, is_classifier: bool) -> ConvEncoder:
        """Read them all; the last may be a classifier, which is then in `layers`."""
        self._take("Reshape", "ExpandDims", when=self._adds_channel)
        input_norm = self._take("BatchNormalization")
        if input_norm is not None:
            self._norm(input_norm, "encoder.input_norm", is_map=True)
        blocks = []
        while (conv := self._take("Conv2D")) is not None:
            blocks.append(self._block(conv, f"encoder.block{len(blocks) + 1}"))
        pool = self._next()
        if not isinstance(pool, _Pool):
            raise self._misplaced(pool, "a convolution, or what turns its map into a vector")
        self._position += 1
        self.is_channels_first, self.pooled_frames = pool.is_channels_first, pool.frames
        last_conv = self.layers.get(f"encoder.block{len(blocks)}.conv")
        if pool.earlier is not None and (last_conv is None or last_conv.inputs[0] is not pool.earlier):
            raise UnreadableError(f"{pool.node} pools another map than that before the last block")
        dense = []
        while (layer := self._take("Dense")) is not None:
            if is_classifier and self._is_softmax(layer):
                self._classifier(layer)
                break
            dense.append(self._dense(layer, f"encoder.dense{len(dense) + 1}"))
        l2_normalize = self._unit_lengths()
        if l2_normalize and is_classifier:
            layer = self._take("Dense", when=lambda node: _activation(node) == "softmax")
            if layer is not None:
                self._classifier(layer)
        if self._position < len(self._steps):
            raise self._misplaced(self._next(), "the end of the encoder")
        if pool.name == "frequency_levels" and pool.earlier is None and self.num_classes is None:
            raise UnreadableError(f"{pool.node} pools the last map alone, as no encoder but that of a classifier")
        return ConvEncoder(
            blocks=tuple(blocks),
            input_batch_norm=input_norm is not None,
            pooling=pool.name,  # type: ignore[arg-type]
            dense=tuple(dense),
            l2_normalize=l2_normalize,
        )

    def _block(self, conv: Node, name: str) -> ConvBlock:
        config = conv.config
        for option, accepted in (("dilation_rate", [1, 1]), ("groups", 1)):
            if config.get(option, accepted) not in (accepted, 1):
                raise UnreadableError(f"{conv} has {option} {config[option]}; accepted: 1")
        if config.get("data_format") not in (None, "channels_last"):
            raise UnreadableError(f"{conv} has data_format {config['data_format']!r}; accepted: 'channels_last'")
        self.layers[f"{name}.conv"] = conv
        norm, activation = self._norm_and_activation(conv, f"{name}.norm", is_map=True)
        pool = self._take("MaxPooling2D", "AveragePooling2D")
        pooling: dict[str, Any] = {"pooling": "none"}
        if pool is not None:
            word = "max" if pool.kind == "MaxPooling2D" else "average"
            pooling = {"pooling": word, "pool_size": _pool_size(pool)}
        return ConvBlock(
            filters=_size(config["filters"], conv),
            kernel_size=_sides(config["kernel_size"], conv),
            stride=_sides(config.get("strides", 1), conv),
            padding=config["padding"],
            batch_norm=norm,
            activation=activation,  # type: ignore[arg-type]
            dropout=self._dropout(),
            **pooling,
        )

    def _dense(self, layer: Node, name: str) -> Dense:
        self.layers[name] = layer
        norm, activation = self._norm_and_activation(layer, f"{name}.norm", is_map=False)
        units = _size(layer.config["units"], layer)
        return Dense(units=units, batch_norm=norm, activation=activation, dropout=self._dropout())  # type: ignore[arg-type]

    def _norm_and_activation(self, layer: Node, name: str, *, is_map: bool) -> tuple[bool, str]:
        activation = _activation(layer)
        norm = self._take("BatchNormalization")
        if norm is not None:
            if activation != "linear":
                raise UnreadableError(f"{norm} comes after the activation of {layer}; accepted: before it")
            self._norm(norm, name, is_map=is_map)
        if activation == "linear":
            node = self._take("Activation", "ReLU", "LeakyReLU", "ELU")
            activation = "linear" if node is None else _activation(node)
        if activation not in _ACTIVATIONS:
            raise UnreadableError(f"{layer} has activation {activation!r}; accepted: {', '.join(_ACTIVATIONS)}")
        return norm is not None, activation

    def _norm(self, norm: Node, name: str, *, is_map: bool) -> None:
        axis = norm.config.get("axis", -1)
        axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
        if axis not in (-1, 3 if is_map else 1):
            raise UnreadableError(f"{norm} has axis {axis}; accepted: that of the channels, the last")
        if _flag(norm, "renorm"):
            raise UnreadableError(f"{norm} renormalises; accepted: plain batch normalization")
        self.layers[name] = norm

    def _dropout(self) -> float:
        dropout = self._take("Dropout")
        return 0.0 if dropout is None else _number(dropout, "rate")

    def _unit_lengths(self) -> bool:
        """Read "l2_normalize" and a calibration: unit lengths, minus a mean, times a matrix."""
        power = self._next()
        if isinstance(power, _Power):
            self._position += 1
            self.power = power.exponent
        if self._take("UnitNormalization") is None:
            if isinstance(power, _Power):
                raise self._misplaced(self._next(), "unit normalization, as after the power of a calibration,")
            return False
        mean = self._take("BatchNormalization", when=lambda node: not (_flag(node, "center") or _flag(node, "scale")))
        if mean is None and not isinstance(power, _Power):
            return True
        if mean is None:
            raise self._misplaced(self._next(), "the centring of a calibration")
        matrix = self._take("Dense", when=lambda node: not _flag(node, "use_bias") and _activation(node) == "linear")
        if matrix is None:
            raise self._misplaced(self._next(), "a dense layer without biases, as after the centring of a calibration")
        self.is_calibrated = True
        self.layers |= {"calibration.mean": mean, "calibration.matrix": matrix}
        return False  # a calibration normalises by itself

    def _classifier(self, layer: Node) -> None:
        self.layers["classifier"] = layer
        self.num_classes = _size(layer.config["units"], layer)

    def _is_softmax(self, layer: Node) -> bool:
        if _activation(layer) == "softmax":
            return True
        after = self._next()
        if isinstance(after, Node) and (after.kind == "Softmax" or _activation_or_none(after) == "softmax"):
            self._position += 1
            return True
        return False

    def _adds_channel(self, node: Node) -> bool:
        target = node.config.get("target_shape")
        return node.config.get("axis") in (-1, 3) if target is None else len(target) == 3 and target[2] == 1

    def _take(self, *kinds: str, when: Any = lambda node: True) -> Node | None:
        step = self._next()
        if isinstance(step, Node) and step.kind in kinds and when(step):
            self._position += 1
            return step
        return None

    def _next(self) -> _Step | None:
        return self._steps[self._position] if self._position < len(self._steps) else None

    def _misplaced(self, step: _Step | None, accepted: str) -> UnreadableError:
        node = step.node if isinstance(step, _Pool | _Power) else step
        if isinstance(node, Node) and node.kind == "Lambda":
            return UnreadableError(f"{node} holds code, which is never run; accepted: layers of Keras's own")
        found = "the encoder ends" if node is None else f"{node} comes"
        return UnreadableError(
            f"{found} where {accepted} is accepted; encoders have [batch norm], blocks of [convolution, batch norm, "
            "activation, pooling, dropout], [flatten or global pooling], [dense, batch norm, activation, dropout], "
            "[unit normalization]"
        )


# ---- Options of a layer


def _does_nothing(step: _Step) -> bool:
    if isinstance(step, _Pool | _Power):
        return False
    if step.kind == "Activation":
        return _activation(step) == "linear"
    return step.kind == "Identity" or (step.kind == "Dropout" and _number(step, "rate") == 0)


def _as_node(value: Node | float) -> Node:
    if not isinstance(value, Node):
        raise UnreadableError(f"the number {value} is computed with where a layer's output is accepted")
    return value


def _activation_or_none(node: Node) -> str | None:
    return _activation(node) if node.kind in ("Activation", "Dense", "Conv2D") else None


def _activation(node: Node) -> str:
    """Return the name of a layer's activation, or of the function that an activation layer is."""
    if node.kind == "ReLU":
        options = [node.config.get(name) or 0 for name in ("max_value", "negative_slope", "threshold")]
        return "relu" if options == [0, 0, 0] and node.config.get("max_value") is None else f"relu with {options}"
    if node.kind == "LeakyReLU":
        slope = node.config.get("negative_slope", node.config.get("alpha"))
        return "leaky_relu" if slope is not None and abs(slope - 0.2) < 1e-6 else f"leaky_relu with slope {slope}"
    if node.kind == "ELU":
        return "elu" if node.config.get("alpha", 1) == 1 else f"elu with alpha {node.config['alpha']}"
    activation = node.config.get("activation", "linear")
    if isinstance(activation, Mapping):  # Keras 3's form of a function, or of a layer
        activation = activation["config"] if activation["class_name"] == "function" else activation["class_name"]
    if activation is None:
        return "linear"
    return str(activation)


def _pool_size(node: Node) -> tuple[int, int]:
    size = _sides(node.config["pool_size"], node)
    strides = node.config.get("strides")
    if node.config["padding"] != "valid" or (strides is not None and _sides(strides, node) != size):
        raise UnreadableError(
            f"{node} has strides {strides} and padding {node.config['padding']!r}; accepted: strides as the pool, valid"
        )
    return size


def _sides(value: Any, node: Node) -> tuple[int, int]:
    height, width = (value, value) if isinstance(value, int) else value
    return _size(height, node), _size(width, node)


def _size(value: Any, where: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _LARGEST:
        raise UnreadableError(f"{where} has a size of {value!r}; accepted: 1 to {_LARGEST}")
    return value


def _number(node: Node, name: str) -> float:
    value = node.config.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnreadableError(f"{node} has {name} {value!r}; accepted: a number")
    return float(value)


def _flag(node: Node, name: str) -> bool:
    defaults = {"center": True, "scale": True, "use_bias": True}
    return bool(node.config.get(name, defaults.get(name, False)))
