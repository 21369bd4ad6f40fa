"""Weights in Keras's HDF5 files, and their order of axes.

Keras's maps are (height, width, channels), the core's (channels, height, width): a convolution's kernel is (height,
width, in, out) there and (out, in, height, width) here, a dense layer's (inputs, units) there and (units, inputs) here,
and the first dense layer after a flattened map meets its inputs in another order.

Reading takes numbers from a file and nothing else: links to other files, types that hold objects, and arrays that claim
more than the file holds are refused before memory is asked for.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from siamaudio.interop.architecture import NORM_EPSILON, Architecture, WeightedLayer
from siamaudio.interop.keras_graph import Node, UnreadableError

__all__ = ["LayerArrays", "WeightFile", "attribute", "from_keras", "in_file_order", "to_keras_arrays"]

FloatArray = npt.NDArray[np.float32]

NORM_NAMES = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_variance": "moving_variance"}
_VARIABLES = {"conv": ("kernel", "bias"), "dense": ("kernel", "bias"), "norm": tuple(NORM_NAMES.values())}
_SETTLED_UPDATES = 100.0  # after which running statistics move by 1 - momentum: Keras does not count
_MOST_ATTRIBUTE_BYTES = 16 << 20
_MOST_DEPTH = 12
_MOST_GROUPS = 20_000
_CONTAINERS = ("layers", "_layer_checkpoint_dependencies")  # Keras 3; its first form
_OPTIMIZERS = ("optimizer", "optimizer_weights", "top_level_model_weights")


@dataclasses.dataclass(frozen=True)
class LayerArrays:
    """The weights of one layer, not yet read.

    Attributes
    ----------
    name : str
        Of the layer in the file.
    arrays : dict from str to h5py.Dataset
        By "kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance".
    epsilon : float
        Of a batch norm.
    """

    name: str
    arrays: dict[str, Any]
    epsilon: float = NORM_EPSILON

    @property
    def kind(self) -> str:
        """What layer has these weights: "conv", "dense", "norm"; "" for something else."""
        if "kernel" in self.arrays:
            return {4: "conv", 2: "dense"}.get(self.arrays["kernel"].ndim, "")
        return "norm" if {"moving_mean", "moving_variance"} <= set(self.arrays) else ""


def attribute(group: Any, name: str) -> Any:
    """Return an attribute of a group, or None; UnreadableError where it claims to be large."""
    if name not in group.attrs:
        return None
    stored = group.attrs.get_id(name)
    size = math.prod(stored.shape) * stored.get_type().get_size()
    if size > _MOST_ATTRIBUTE_BYTES:
        raise UnreadableError(f"its attribute {name!r} claims {size} bytes; accepted: {_MOST_ATTRIBUTE_BYTES} at most")
    return group.attrs[name]


class WeightFile:
    """An open HDF5 file of either of Keras's forms.

    Parameters
    ----------
    h5py : module
    file : h5py.File
        Open for reading.
    """

    def __init__(self, h5py: Any, file: Any) -> None:
        self._h5py = h5py
        self._root = self._child(file, "model_weights") if "model_weights" in file else file
        self._num_groups = 0

    @property
    def is_legacy(self) -> bool:
        """Whether arrays have names, as in the older form; Keras 3's own have numbers."""
        return "layer_names" in self._root.attrs or "layer_names0" in self._root.attrs

    def layer(self, node: Node, groups: Mapping[tuple[str, ...], tuple[str, ...]]) -> LayerArrays:
        """Find the weights of a layer that the model's description names.

        Parameters
        ----------
        node : Node
            The layer.
        groups : mapping
            As in `Graph`.
        """
        expected = _expected(node)
        epsilon = float(node.config.get("epsilon", NORM_EPSILON))
        if self.is_legacy:
            named = self._legacy(node.path[0])
            own = {
                name.rsplit("/", 1)[-1]: array
                for name, array in named
                if len(node.path) == 1 or name.split("/")[-2:-1] == [node.path[-1]]
            }
            missing = [name for name in expected if name not in own]
            if missing:
                raise UnreadableError(f"{node} has no weights named {', '.join(missing)} in the file")
            arrays = {name: own[name] for name in expected}
        else:
            variables = self._variables(groups[node.path])
            if len(variables) != len(expected):
                raise UnreadableError(f"{node} has {len(variables)} arrays in the file; accepted: {len(expected)}")
            arrays = dict(zip(expected, variables, strict=True))
        return LayerArrays(node.path[-1], arrays, epsilon)

    def layers(self) -> list[LayerArrays]:
        """Return all layers with weights, an encoder's before those of the model around it."""
        found = list(self._legacy_layers() if self.is_legacy else self._numbered_layers(self._root, ()))
        return [layer for layer in found if layer.arrays]

    def named_arrays(self) -> dict[str, Any]:
        """Return the arrays of a file of the older form, not yet read, by names such as "encoder/conv2d/kernel"."""
        return {name: array for top in _names(self._root, "layer_names") for name, array in self._legacy(top)}

    # ---- The older form: groups by layer, arrays by name

    def _legacy_layers(self) -> Iterator[LayerArrays]:
        for top in _names(self._root, "layer_names"):
            layers: dict[str, dict[str, Any]] = {}
            for name, array in self._legacy(top):
                *around, variable = name.split("/")
                layers.setdefault(around[-1] if around else top, {})[variable] = array
            for name, arrays in layers.items():
                yield LayerArrays(name, arrays)

    def _legacy(self, top: str) -> list[tuple[str, Any]]:
        """Return names, such as "encoder/conv2d/kernel", and arrays of a group."""
        if top not in self._root:
            raise UnreadableError(f"the file holds no weights of layer {top!r}")
        group = self._group(self._root, top)
        return [(name.split(":")[0], self._array(group, name)) for name in _names(group, "weight_names")]

    # ---- Keras 3's form: layers/<class>[_<number>]/vars/<number>

    def _variables(self, group_path: Iterable[str]) -> list[Any]:
        group = self._root
        for word in group_path:
            container = next((name for name in _CONTAINERS if name in group), None)
            if container is None or word not in self._group(group, container):
                raise UnreadableError(f"the file holds no weights at {'/'.join(group_path)}")
            group = self._group(self._group(group, container), word)
        return self._numbered(group)

    def _numbered(self, group: Any) -> list[Any]:
        if "vars" not in group:
            return []
        variables = self._group(group, "vars")
        return [self._array(variables, str(number)) for number in range(len(variables))]

    def _numbered_layers(self, group: Any, path: tuple[str, ...]) -> Iterator[LayerArrays]:
        self._num_groups += 1
        if len(path) > _MOST_DEPTH or self._num_groups > _MOST_GROUPS:
            raise UnreadableError("the file's groups are nested too deep, or too many")
        inner = sorted(
            (name for name in group if name != "vars" and not (path == () and name in _OPTIMIZERS)), key=_natural
        )
        inner = [name for name in inner if self._is_group(group, name)]
        # What lies deeper first: the encoder before the head.
        for name in sorted(inner, key=lambda name: not self._holds_layers(group, name)):
            yield from self._numbered_layers(self._group(group, name), (*path, name))
        arrays = self._numbered(group)
        if arrays:
            yield LayerArrays("/".join(path), _by_rank(arrays))

    def _holds_layers(self, group: Any, name: str) -> bool:
        return any(each != "vars" for each in self._group(group, name))

    # ---- What may be touched

    def _is_group(self, group: Any, name: str) -> bool:
        return group.get(name, getclass=True) is self._h5py.Group

    def _group(self, group: Any, name: str) -> Any:
        child = self._child(group, name)
        if not isinstance(child, self._h5py.Group):
            raise UnreadableError(f"{name!r} is no group in the file")
        return child

    def _array(self, group: Any, path: str) -> Any:
        """Return an array without reading it."""
        *around, name = path.split("/")
        for word in around:
            group = self._group(group, word)
        array = self._child(group, name)
        if not isinstance(array, self._h5py.Dataset):
            raise UnreadableError(f"{path!r} is no array in the file")
        if array.dtype.kind != "f":
            raise UnreadableError(f"the array {path!r} holds {array.dtype}; accepted: floating-point numbers")
        if array.is_virtual or array.external:
            raise UnreadableError(f"the array {path!r} lies in another file")
        if array.nbytes > array.id.get_storage_size():
            raise UnreadableError(
                f"the array {path!r} claims a shape of {array.shape}, which the file does not hold (or compresses)"
            )
        return array

    def _child(self, group: Any, name: str) -> Any:
        link = group.get(name, getlink=True) if name else None
        if link is None:
            raise UnreadableError(f"the file has no {name!r}")
        if not isinstance(link, self._h5py.HardLink):
            raise UnreadableError(f"{name!r} in the file is a link; accepted: what lies in the file itself")
        return group[name]


def in_file_order(layers: Iterable[LayerArrays], wanted: Iterable[WeightedLayer]) -> dict[str, LayerArrays]:
    """Assign the layers of a file to those of a network, kind by kind, in their order.

    Raises
    ------
    UnreadableError
        Their numbers differ.
    """
    queues: dict[str, list[LayerArrays]] = {"conv": [], "norm": [], "dense": []}
    for layer in layers:
        if layer.kind not in queues:
            shapes = ", ".join(str(array.shape) for array in layer.arrays.values())
            raise UnreadableError(f"layer {layer.name!r} has arrays of {shapes}, which no layer of a network has")
        queues[layer.kind].append(layer)
    needed = list(wanted)
    words = {"conv": "convolutions", "norm": "batch norms", "dense": "dense layers"}
    for kind, queue in queues.items():
        number = sum(layer.kind == kind for layer in needed)
        if number != len(queue):
            names = ", ".join(repr(layer.name) for layer in queue) or "none"
            raise UnreadableError(f"it has {len(queue)} {words[kind]} ({names}), the network {number}")
    return {layer.name: queues[layer.kind].pop(0) for layer in needed}


# ---- Order of axes


def from_keras(
    layers: Mapping[str, LayerArrays], architecture: Architecture, *, is_channels_first: bool = False
) -> dict[str, FloatArray]:
    """Read the weights of a network.

    Parameters
    ----------
    layers : mapping from str to LayerArrays
        By the names of `Architecture.weighted_layers`.
    architecture : Architecture
        What the weights are of.
    is_channels_first : bool
        Whether the flattened map has the core's order.

    Returns
    -------
    dict from str to np.ndarray [dtype=float32]
        As `SiameseNetwork.weights` names them.

    Raises
    ------
    UnreadableError
        Shapes differ, which is told before anything is read.
    """
    wanted = {layer.name: layer for layer in architecture.weighted_layers() if layer.name in layers}
    for name, layer in wanted.items():
        _check_shapes(layer, layers[name])
    map_layer = None if is_channels_first else _meets_map(architecture)
    weights = {}
    for name, layer in wanted.items():
        arrays = {variable: np.asarray(array, dtype=np.float32) for variable, array in layers[name].arrays.items()}
        if layer.kind == "norm":
            weights |= _norm_from_keras(layer, arrays, layers[name].epsilon)
            continue
        kernel = arrays["kernel"]
        if layer.kind == "conv":
            kernel = kernel.transpose(3, 2, 0, 1)
        else:
            kernel = kernel.T
            if name == map_layer:
                channels, height, width = architecture.map_shapes()[-1]
                kernel = kernel.reshape(-1, height, width, channels).transpose(0, 3, 1, 2).reshape(kernel.shape)
        weights[f"{name}.weight"] = np.ascontiguousarray(kernel)
        weights[f"{name}.bias"] = arrays.get("bias", np.zeros(len(kernel), dtype=np.float32))
    return weights


def to_keras_arrays(weights: Mapping[str, FloatArray], architecture: Architecture) -> dict[str, dict[str, FloatArray]]:
    """Return the weights of a network as Keras has them: by `WeightedLayer` name, then by variable."""
    map_layer = _meets_map(architecture) if architecture.encoder.dense else None
    result: dict[str, dict[str, FloatArray]] = {}
    for layer in architecture.weighted_layers():
        if layer.kind == "norm":
            result[layer.name] = {own: weights[f"{layer.name}.{name}"] for name, own in NORM_NAMES.items()}
            continue
        kernel = weights[f"{layer.name}.weight"]
        if layer.kind == "conv":
            kernel = kernel.transpose(2, 3, 1, 0)
        else:
            if layer.name == map_layer:
                map_shape = architecture.map_shapes()[-1]
                kernel = kernel.reshape(-1, *map_shape).transpose(0, 2, 3, 1).reshape(kernel.shape)
            kernel = kernel.T
        bias = weights.get(f"{layer.name}.bias", np.zeros(layer.shape[0], dtype=np.float32))
        result[layer.name] = {"kernel": np.ascontiguousarray(kernel), "bias": bias}
    return result


def _meets_map(architecture: Architecture) -> str | None:
    """Return the dense layer whose inputs are the values of a flattened map one by one."""
    if architecture.encoder.pooling != "flatten":
        return None
    if architecture.encoder.dense:
        return "encoder.dense1"
    return "head" if architecture.head is not None else "classifier"


def _check_shapes(layer: WeightedLayer, found: LayerArrays) -> None:
    expected: dict[str, tuple[int, ...]]
    if layer.kind == "norm":
        expected = dict.fromkeys(_VARIABLES["norm"], layer.shape)
    elif layer.kind == "conv":
        filters, channels, height, width = layer.shape
        expected = {"kernel": (height, width, channels, filters), "bias": (filters,)}
    else:
        units, num_inputs = layer.shape
        expected = {"kernel": (num_inputs, units), "bias": (units,)}
    for variable, array in found.arrays.items():
        if variable not in expected:
            raise UnreadableError(f"layer {found.name!r} has a weight {variable!r}; accepted: {', '.join(expected)}")
        if array.shape != expected[variable]:
            raise UnreadableError(
                f"layer {found.name!r} has a {variable} of shape {array.shape}; the network's {layer.name} needs "
                f"{expected[variable]}"
            )


def _norm_from_keras(layer: WeightedLayer, arrays: dict[str, FloatArray], epsilon: float) -> dict[str, FloatArray]:
    (channels,) = layer.shape
    defaults = {"gamma": np.ones(channels, dtype=np.float32), "beta": np.zeros(channels, dtype=np.float32)}
    own = {name: (defaults | arrays)[variable] for name, variable in NORM_NAMES.items()}
    # Another epsilon is the same as another variance.
    own["running_variance"] = own["running_variance"] + np.float32(epsilon - NORM_EPSILON)
    own["num_updates"] = np.array(_SETTLED_UPDATES, dtype=np.float32)
    return {f"{layer.name}.{name}": array for name, array in own.items()}


# ---- Names


def _expected(node: Node) -> list[str]:
    """Return which variables a layer has, in Keras's order."""
    if node.kind == "BatchNormalization":
        kept = [node.config.get("scale", True), node.config.get("center", True), True, True]
        return [name for name, is_kept in zip(_VARIABLES["norm"], kept, strict=True) if is_kept]
    return ["kernel", "bias"] if node.config.get("use_bias", True) else ["kernel"]


def _by_rank(arrays: list[Any]) -> dict[str, Any]:
    """Name the arrays of a layer whose class is not known, by their shapes."""
    ranks = [array.ndim for array in arrays]
    if ranks == [1, 1, 1, 1]:
        return dict(zip(_VARIABLES["norm"], arrays, strict=True))
    if ranks in ([4], [4, 1], [2], [2, 1]):
        return dict(zip(("kernel", "bias"), arrays, strict=False))
    return {str(number): array for number, array in enumerate(arrays)}


def _names(group: Any, name: str) -> list[str]:
    """Read an attribute of names, which Keras divides where it is long."""
    values = [attribute(group, name)]
    while (value := attribute(group, f"{name}{len(values) - 1}")) is not None:
        values.append(value)
    names = [each for value in values if value is not None for each in value]
    return [each.decode() if isinstance(each, bytes) else str(each) for each in names]


def _natural(name: str) -> tuple[str, int]:
    """Order "conv2d_10" after "conv2d_9"."""
    stem, number = re.fullmatch(r"(.*?)(?:_(\d+))?", name).groups()  # type: ignore[union-attr]
    return stem, int(number or 0)
