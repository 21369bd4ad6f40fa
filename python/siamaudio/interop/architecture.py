"""What a network is made of, as every other library needs to know it: layers, shapes, and how two embeddings meet."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Literal

from siamaudio.encoders import ConvBlock, ConvEncoder
from siamaudio.errors import ParameterError, TrainingError
from siamaudio.network import SiameseNetwork

__all__ = [
    "EUCLIDEAN_FLOOR",
    "NORM_EPSILON",
    "PART_LENGTH",
    "Architecture",
    "Part",
    "WeightedLayer",
    "check_part",
    "pair",
    "same_padding",
]

Part = Literal["siamese", "encoder", "classifier"]

NORM_EPSILON = 1e-3  # of every batch norm
PART_LENGTH = 4.0  # to which "frequency_levels" brings each of its parts
EUCLIDEAN_FLOOR = 1e-7**0.5  # the least distance that a head sees


@dataclasses.dataclass(frozen=True)
class WeightedLayer:
    """A layer with weights.

    Attributes
    ----------
    name : str
        As the names of its weights begin.
    kind : {"conv", "norm", "dense"}
    shape : tuple of int
        Of its weight: (filters, channels, height, width), (channels,) or (units, inputs).
    """

    name: str
    kind: Literal["conv", "norm", "dense"]
    shape: tuple[int, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Architecture:
    """A network without its weights.

    Attributes
    ----------
    encoder : ConvEncoder
    input_shape : (int, int, int)
        Channels, bands and frames.
    distance : str
        As `SiameseNetwork` takes it.
    head : {"dense", None}
    num_classes : int or None
        Of its classifier; None where it has none.
    has_cosine_classifier : bool
        Whether the classifier compares directions, and has no biases.
    is_calibrated : bool
    """

    encoder: ConvEncoder
    input_shape: tuple[int, int, int]
    distance: str = "cosine"
    head: str | None = None
    num_classes: int | None = None
    has_cosine_classifier: bool = False
    is_calibrated: bool = False

    @classmethod
    def of(cls, net: SiameseNetwork) -> Architecture:
        """Return what a network with weights is made of; TrainingError where it has none, ParameterError for YAMNet."""
        weights = net.weights()
        if not isinstance(net.encoder, ConvEncoder):
            raise ParameterError("network", f"one with {net.encoder}", "one with a ConvEncoder")
        classifier = weights.get("classifier.weight")
        channels, bands, frames = (1, *net.input_shape_)[-3:]
        return cls(
            encoder=net.encoder,
            input_shape=(channels, bands, frames),
            distance=net.distance,
            head=net.head,
            num_classes=None if classifier is None else len(classifier),
            has_cosine_classifier=classifier is not None and "classifier.bias" not in weights,
            is_calibrated="calibration.mean" in weights,
        )

    @property
    def uses_head(self) -> bool:
        """Whether similarity is what the head says: a calibration puts cosines in its place."""
        return self.head is not None and not self.is_calibrated

    @property
    def metric(self) -> str:
        """The distance that similarity is made of."""
        return "cosine" if self.is_calibrated else self.distance

    def map_shapes(self) -> list[tuple[int, int, int]]:
        """Return channels, height and width of the input and after each block."""
        shapes = [self.input_shape]
        for block in self.encoder.blocks:
            _, height, width = shapes[-1]
            shapes.append((block.filters, _output_side(block, 0, height), _output_side(block, 1, width)))
        return shapes

    def pooled_size(self) -> int:
        """Return how many numbers a clip's pooled map has."""
        shapes = self.map_shapes()
        channels, height, _ = shapes[-1]
        if self.encoder.pooling == "frequency_levels":
            return self.trained_size() + math.prod(shapes[-2][:2])
        return {
            "flatten": math.prod(shapes[-1]),
            "global_average": channels,
            "global_max": channels,
            "global_average_max": 2 * channels,
            "frequency": channels * height,
        }[self.encoder.pooling]

    def trained_size(self) -> int:
        """Return how many of an embedding's numbers, the first ones, a head or a classifier sees."""
        channels, height, _ = self.map_shapes()[-1]
        return channels * height + channels if self.encoder.pooling == "frequency_levels" else self.embedding_size()

    def embedding_size(self) -> int:
        """Return how many numbers an embedding has."""
        return self.encoder.dense[-1].units if self.encoder.dense else self.pooled_size()

    def weighted_layers(self) -> Iterator[WeightedLayer]:
        """Yield the layers that have weights, in the order of the data; the head and the classifier last."""
        channels = self.input_shape[0]
        if self.encoder.input_batch_norm:
            yield WeightedLayer("encoder.input_norm", "norm", (channels,))
        for number, block in enumerate(self.encoder.blocks, start=1):
            kernel = (block.filters, channels, *pair(block.kernel_size))
            yield WeightedLayer(f"encoder.block{number}.conv", "conv", kernel)
            if block.batch_norm:
                yield WeightedLayer(f"encoder.block{number}.norm", "norm", (block.filters,))
            channels = block.filters
        num_inputs = self.pooled_size()
        for number, layer in enumerate(self.encoder.dense, start=1):
            yield WeightedLayer(f"encoder.dense{number}", "dense", (layer.units, num_inputs))
            if layer.batch_norm:
                yield WeightedLayer(f"encoder.dense{number}.norm", "norm", (layer.units,))
            num_inputs = layer.units
        num_inputs = self.trained_size()
        if self.head is not None:
            yield WeightedLayer("head", "dense", (1, 1 if self.distance in ("euclidean", "cosine") else num_inputs))
        if self.num_classes is not None:
            yield WeightedLayer("classifier", "dense", (self.num_classes, num_inputs))


def check_part(part: str, architecture: Architecture) -> None:
    """Raise for a part that no network has, or not this one."""
    if part not in ("siamese", "encoder", "classifier"):
        raise ParameterError("part", part, "'siamese', 'encoder' or 'classifier'")
    if part != "classifier":
        return
    if architecture.num_classes is None:
        raise TrainingError("the network has no classifier: train it with a loss of classes, such as CrossEntropy")
    if architecture.is_calibrated:
        raise TrainingError("the embeddings are calibrated for comparing; classes are told apart before `calibrate`")


def pair(sides: int | tuple[int, int]) -> tuple[int, int]:
    """Return (height, width) of an option of `ConvBlock`, which holds pairs once it is made."""
    return (sides, sides) if isinstance(sides, int) else sides


def same_padding(block: ConvBlock, axis: int, side: int) -> tuple[int, int]:
    """Return the zeros before and after a side (axis 0: bands, 1: frames) of the map that a convolution gets."""
    if block.padding == "valid":
        return 0, 0
    kernel, stride = pair(block.kernel_size)[axis], pair(block.stride)[axis]
    total = max(0, (-(-side // stride) - 1) * stride + kernel - side)
    return total // 2, total - total // 2


def _output_side(block: ConvBlock, axis: int, side: int) -> int:
    padded = side + sum(same_padding(block, axis, side))
    convolved = (padded - pair(block.kernel_size)[axis]) // pair(block.stride)[axis] + 1
    return convolved if block.pooling == "none" else convolved // pair(block.pool_size)[axis]
