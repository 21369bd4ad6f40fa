"""Weights of the core in Keras's order of axes, and back.

Keras's maps are (height, width, channels), the core's (channels, height, width). So a convolution's kernel is
(height, width, in, out) there and (out, in, height, width) here, a dense layer's (inputs, units) there and
(units, inputs) here; and the first dense layer after "flatten" meets its inputs in another order.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

import siamaudio as sa

FloatArray = npt.NDArray[np.float32]

_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_variance": "moving_variance"}


def to_keras(
    weights: Mapping[str, FloatArray], encoder: sa.ConvEncoder, map_shape: tuple[int, int, int]
) -> dict[str, FloatArray]:
    """Return what `SiameseNetwork.weights` gave as Keras's arrays, named "LAYER/VARIABLE".

    Parameters
    ----------
    weights : mapping from name to np.ndarray
        Of the core; counters of batch norm have no counterpart and are left out.
    encoder : ConvEncoder
        What the weights are of.
    map_shape : (int, int, int)
        Channels, height and width of the encoder's last map.
    """
    arrays = {}
    for name, array in weights.items():
        layer, variable = name.removeprefix("encoder.").rsplit(".", 1)
        if variable == "num_updates":
            continue
        if layer.endswith("norm"):
            arrays[f"{layer}/{_NORM[variable]}"] = array
        elif variable == "bias":
            arrays[f"{layer}/bias"] = array
        elif layer.endswith("conv"):
            arrays[f"{layer}/kernel"] = array.transpose(2, 3, 1, 0)
        else:
            if _meets_the_map(layer, encoder):
                array = array.reshape(-1, *map_shape).transpose(0, 2, 3, 1).reshape(array.shape)
            arrays[f"{layer}/kernel"] = array.T
    return arrays


def from_keras(
    arrays: Mapping[str, FloatArray],
    weights: Mapping[str, FloatArray],
    encoder: sa.ConvEncoder,
    map_shape: tuple[int, int, int],
) -> dict[str, FloatArray]:
    """Return Keras's arrays in the places of `weights`, the way back from `to_keras`; counters stay as they are."""
    channels, height, width = map_shape
    result = {}
    for name, own in weights.items():
        layer, variable = name.removeprefix("encoder.").rsplit(".", 1)
        if variable == "num_updates":
            result[name] = own
        elif layer.endswith("norm"):
            result[name] = arrays[f"{layer}/{_NORM[variable]}"]
        elif variable == "bias":
            result[name] = arrays[f"{layer}/bias"]
        elif layer.endswith("conv"):
            result[name] = arrays[f"{layer}/kernel"].transpose(3, 2, 0, 1)
        else:
            array = arrays[f"{layer}/kernel"].T
            if _meets_the_map(layer, encoder):
                array = array.reshape(-1, height, width, channels).transpose(0, 3, 1, 2).reshape(array.shape)
            result[name] = array
    return result


def _meets_the_map(layer: str, encoder: sa.ConvEncoder) -> bool:
    """Whether a layer's inputs are the values of a map one by one."""
    return layer == "dense1" and encoder.pooling == "flatten"
