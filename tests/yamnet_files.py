"""Weights of YAMNet's shapes, and files of them in the published form, for the tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from siamaudio.models import yamnet_weights

FloatArray = NDArray[np.float32]


def random_weights(num_classes: int = 5, seed: int = 0) -> dict[str, FloatArray]:
    """Weights of YAMNet's shapes under which neither zeros nor infinities come out."""
    rng = np.random.default_rng(seed)
    weights: dict[str, FloatArray] = {}
    for name, shape in yamnet_weights.weight_shapes(num_classes).items():
        scale = 0.1 if len(shape) == 1 else np.sqrt(2 / np.prod(shape[1:]))
        weights[name] = (scale * rng.standard_normal(shape)).astype(np.float32)
    return weights


def published_h5(path: Path, weights: dict[str, FloatArray], norms: dict[str, dict[str, FloatArray]]) -> None:
    """Write weights as the published file has them: groups by layer, kernels (frames, bands, in, out), batch norms."""
    h5py = pytest.importorskip("h5py")
    names: dict[str, dict[str, FloatArray]] = {}
    for name, values in weights.items():
        layer, variable = name.rsplit(".", 1)
        layer = layer.replace(".", "/")
        if layer == "dense":
            names.setdefault(layer, {})["kernel" if variable == "weight" else "bias"] = values.T
        elif variable == "weight" and layer.endswith("depthwise_conv"):
            names[layer] = {"depthwise_kernel": values.transpose(3, 2, 0, 1)}
        elif variable == "weight":
            names[layer] = {"kernel": values.transpose(3, 2, 1, 0)}
    for layer, arrays in norms.items():
        names[f"{layer}/bn"] = arrays
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.encode() for layer in names]
        for layer, arrays in names.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [f"{layer}/{variable}:0".encode() for variable in arrays]
            for variable, values in arrays.items():
                group[f"{layer}/{variable}:0"] = np.ascontiguousarray(values)


def random_norms(weights: dict[str, FloatArray], rng: np.random.Generator) -> dict[str, dict[str, FloatArray]]:
    """A batch norm after each convolution, without gamma as in the published network."""
    return {
        name[: -len(".bias")].replace(".", "/"): {
            "beta": rng.normal(0, 0.1, values.shape).astype(np.float32),
            "moving_mean": rng.normal(0, 0.1, values.shape).astype(np.float32),
            "moving_variance": rng.uniform(0.5, 2.0, values.shape).astype(np.float32),
        }
        for name, values in weights.items()
        if name.endswith(".bias") and not name.startswith("dense")
    }
