"""The weights of YAMNet in files: its own publications', and ours.

Names and shapes are the core's: "layer1.conv.weight" (filters, input channels, bands, frames), "layer1.conv.bias",
"layer2.depthwise_conv.weight", "layer2.pointwise_conv.weight", ..., "dense.weight" (classes, 1024), "dense.bias".
TensorFlow's kernels are (frames, bands, in, out), and batch norm follows each convolution: here it is folded in.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from siamaudio import checkpoint
from siamaudio.errors import CheckpointError
from siamaudio.models.tflite import read_constants
from siamaudio.optional import require

__all__ = [
    "EMBEDDING_SIZE",
    "check_weights",
    "read_class_map",
    "read_keras",
    "read_own",
    "read_tflite",
    "weight_shapes",
    "write_own",
]

EMBEDDING_SIZE = 1024
_KIND = "yamnet"
_NORM_EPSILON = 1e-4  # of the published network; Keras's own default is 1e-3
_FILTERS = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
_TFLITE_NAME = re.compile(r"(?:.*?/)?(?:(layer\d+)/(conv|depthwise_conv|pointwise_conv)|(dense|logits))/")

FloatArray = npt.NDArray[np.float32]


def weight_shapes(num_classes: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all weights by the core's names."""
    shapes: dict[str, tuple[int, ...]] = {}

    def add(name: str, *shape: int) -> None:
        shapes[f"{name}.weight"] = shape
        shapes[f"{name}.bias"] = shape[:1]

    channels = 1
    for number, filters in enumerate(_FILTERS, start=1):
        if number == 1:
            add("layer1.conv", filters, 1, 3, 3)
        else:
            add(f"layer{number}.depthwise_conv", channels, 1, 3, 3)
            add(f"layer{number}.pointwise_conv", filters, channels, 1, 1)
        channels = filters
    add("dense", num_classes, EMBEDDING_SIZE)
    return shapes


def check_weights(weights: Mapping[str, FloatArray], source: str) -> None:
    """Raise a CheckpointError that says in what a file's weights are not YAMNet's.

    Parameters
    ----------
    weights : mapping from str to np.ndarray
        By the core's names.
    source : str
        What the message begins with: the file.
    """
    bias = weights.get("dense.bias")
    expected = weight_shapes(len(bias) if bias is not None and bias.ndim == 1 else 521)
    for name, shape in expected.items():
        if name not in weights:
            raise CheckpointError(f"{source} holds no YAMNet: {name} is missing")
        if weights[name].shape != shape:
            raise CheckpointError(f"{source} holds no YAMNet: {name} has shape {weights[name].shape}, not {shape}")
        if not np.isfinite(weights[name]).all():
            raise CheckpointError(f"{source} is damaged: {name} holds NaN or infinite values")
    unknown = sorted(set(weights) - set(expected))
    if unknown:
        raise CheckpointError(f"{source} holds no YAMNet: {unknown[0]} is none of its arrays")


# ---- As published


def read_tflite(path: Path) -> dict[str, FloatArray]:
    """Read ``yamnet.tflite``, in which batch norm is folded already.

    Raises
    ------
    CheckpointError
        The file is missing, damaged, or of another model.
    """
    weights: dict[str, FloatArray] = {}
    for name, values in read_constants(path).items():
        match = _TFLITE_NAME.match(name.split(";")[0])
        if match is None:
            continue  # of the front end
        layer, operation, _ = match.groups()
        ours = f"{layer}.{operation}" if layer else "dense"
        if values.ndim == 1:
            weights[f"{ours}.bias"] = values
        elif values.ndim in (2, 4):
            weights[f"{ours}.weight"] = _from_tflite_axes(values, ours)
    check_weights(weights, str(path))
    return weights


def _from_tflite_axes(kernel: FloatArray, name: str) -> FloatArray:
    if kernel.ndim == 2:
        return kernel
    order = (3, 0, 2, 1) if name.endswith("depthwise_conv") else (0, 3, 2, 1)
    return np.ascontiguousarray(kernel.transpose(order))


def read_keras(path: Path) -> dict[str, FloatArray]:
    """Read ``yamnet.h5`` and fold batch norm into the convolutions.

    Raises
    ------
    ImportError
        The package h5py is not installed (``siamaudio[keras]``).
    CheckpointError
        The file is missing, damaged, or of another model.
    """
    from siamaudio.interop.keras_arrays import WeightFile
    from siamaudio.interop.keras_graph import UnreadableError

    h5py = require("h5py", extra="keras", purpose="reading Keras's files")
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    if not h5py.is_hdf5(path):
        raise CheckpointError(f"{path} is damaged, or no HDF5 file")
    try:
        with h5py.File(path, "r") as file:
            arrays = WeightFile(h5py, file).named_arrays()
            weights = _from_keras({name: np.asarray(array, dtype=np.float64) for name, array in arrays.items()})
    except UnreadableError as error:
        raise CheckpointError(f"{path}: {error}") from None
    except KeyError as error:
        raise CheckpointError(f"{path} holds no YAMNet: {error.args[0]} is missing") from None
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged ({error})") from error
    check_weights(weights, str(path))
    return weights


def _from_keras(arrays: Mapping[str, npt.NDArray[np.float64]]) -> dict[str, FloatArray]:
    """Name arrays as the core does; KeyError where one is missing."""
    weights: dict[str, npt.NDArray[np.float64]] = {}
    for name, array in arrays.items():
        layer, _, variable = name.rpartition("/")
        if variable in ("kernel", "depthwise_kernel") and array.ndim == 4:
            order = (2, 3, 1, 0) if variable == "depthwise_kernel" else (3, 2, 1, 0)
            factor, offset = _folded_norm(arrays, layer)
            weights[f"{layer.replace('/', '.')}.weight"] = array.transpose(order) * factor[:, None, None, None]
            weights[f"{layer.replace('/', '.')}.bias"] = offset
        elif variable == "kernel" and array.ndim == 2:
            weights["dense.weight"] = array.T
            weights["dense.bias"] = arrays[f"{layer}/bias"]
    return {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in weights.items()}


def _folded_norm(
    arrays: Mapping[str, npt.NDArray[np.float64]], layer: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return factor and offset of each of a convolution's outputs, which batch norm in use amounts to."""
    norm = f"{layer}/bn"
    mean, variance = arrays[f"{norm}/moving_mean"], arrays[f"{norm}/moving_variance"]
    factor = arrays.get(f"{norm}/gamma", 1.0) / np.sqrt(variance + _NORM_EPSILON)
    return factor, arrays[f"{norm}/beta"] - mean * factor


def read_class_map(path: Path) -> tuple[str, ...]:
    """Read the names of the classes from ``yamnet_class_map.csv``, which has columns index, mid and display_name.

    Raises
    ------
    CheckpointError
        The file is missing, or something else.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        names = [row["display_name"] for row in rows]
        if [int(row["index"]) for row in rows] != list(range(len(rows))) or not names:
            raise ValueError("its indices are not 0, 1, 2, ...")
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is no class map, with columns index and display_name ({error})") from None
    return tuple(names)


# ---- Our own form


def write_own(path: Path, weights: Mapping[str, FloatArray], class_names: Sequence[str]) -> None:
    """Write weights and class names to one file, whole or not at all; CheckpointError where that fails."""
    checkpoint.write(path, {"kind": _KIND, "class_names": list(class_names)}, weights)


def read_own(path: Path) -> tuple[dict[str, FloatArray], tuple[str, ...]]:
    """Read what `write_own` wrote.

    Returns
    -------
    weights : dict from str to np.ndarray
    class_names : tuple of str

    Raises
    ------
    CheckpointError
        The file is missing, damaged, or of another model.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; Yamnet.save makes one")
    with path.open("rb") as file:
        start = file.read(8)
    if start[4:] == b"TFL3":
        raise CheckpointError(f"{path} is a file of TensorFlow Lite: Yamnet.from_tflite reads it")
    if start == b"\x89HDF\r\n\x1a\n":
        raise CheckpointError(f"{path} is an HDF5 file: Yamnet.from_keras reads it")
    manifest, weights = checkpoint.read(path, _KIND)
    check_weights(weights, str(path))
    names: Any = manifest.get("class_names")
    return weights, tuple(names)
