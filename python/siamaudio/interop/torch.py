"""Networks as plain PyTorch modules.

The only module that imports torch when it is imported; nothing imports it before `to_torch` is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from siamaudio import encoders
from siamaudio.interop.architecture import (
    EUCLIDEAN_FLOOR,
    NORM_EPSILON,
    PART_LENGTH,
    Architecture,
    pair,
    same_padding,
)
from siamaudio.network import SiameseNetwork

__all__ = ["Encoder", "Siamese", "to_torch"]

_NORM_OPTIONS: dict[str, Any] = {"eps": NORM_EPSILON, "momentum": 0.01}  # Keras's 0.99
_LEAKY_SLOPE = 0.2
_TINY = 1e-12  # of a squared length, so that a zero vector stays zero

_ACTIVATIONS = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(_LEAKY_SLOPE),
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}


def to_torch(net: SiameseNetwork) -> Siamese:
    """Make a PyTorch module with the weights of a network.

    Parameters
    ----------
    net : SiameseNetwork
        Built, trained or loaded.

    Returns
    -------
    Siamese
        A `torch.nn.Module` in evaluation mode, on the CPU, that needs nothing of siamaudio's core: ``module(a, b)`` is
        the similarity of spectrograms, ``module.embed(x)`` their embeddings, ``module.classify(x)`` the probabilities
        of the training classes where the network has a classifier. It trains as any other module; a calibration
        stays as it is.

    Raises
    ------
    TrainingError
        The network has no weights.

    Examples
    --------
    >>> import numpy as np, torch
    >>> import siamaudio as sa
    >>> net = sa.SiameseNetwork.preset("modern").build((64, 96), num_classes=5)
    >>> x = np.random.default_rng(0).random((2, 64, 96), dtype=np.float32)
    >>> with torch.no_grad():
    ...     embeddings = sa.interop.to_torch(net).embed(torch.from_numpy(x)).numpy()
    >>> np.allclose(embeddings, net.embed(x), atol=1e-4)
    True
    """
    module = Siamese(Architecture.of(net))
    module.load_weights(net.weights())
    return module.eval()


class Siamese(nn.Module):
    """One encoder for both sides, and what makes a similarity of two embeddings.

    Parameters
    ----------
    architecture : Architecture
        Without weights; `load_weights` brings them.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        size = architecture.embedding_size()
        self.metric: str = architecture.metric
        self.encoder: Encoder = Encoder(architecture)
        trained_size = architecture.trained_size()
        self.head: nn.Linear | None = None
        if architecture.head is not None:
            self.head = nn.Linear(1 if architecture.distance in ("euclidean", "cosine") else trained_size, 1)
        self.uses_head: bool = architecture.uses_head
        self.classifier: nn.Linear | None = None
        self.has_cosine_classifier: bool = architecture.has_cosine_classifier
        if architecture.num_classes is not None:
            self.classifier = nn.Linear(trained_size, architecture.num_classes, bias=not self.has_cosine_classifier)
        self.shifts: tuple[tuple[int, int], ...] = architecture.shifts
        self.calibration_power: torch.Tensor | None
        self.calibration_mean: torch.Tensor | None
        self.calibration_matrix: torch.Tensor | None
        self.register_buffer("calibration_power", torch.ones(()) if architecture.is_calibrated else None)
        self.register_buffer("calibration_mean", torch.zeros(size) if architecture.is_calibrated else None)
        self.register_buffer("calibration_matrix", torch.eye(size) if architecture.is_calibrated else None)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Compare spectrogram i of `a` with spectrogram i of `b`, as `SiameseNetwork.similarity` does: (clips,)."""
        return self.compare(self.embed(a), self.embed(b))

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """(clips, bands, frames) or (clips, channels, bands, frames) -> (clips, embedding_size)."""
        if self.calibration_power is None or self.calibration_mean is None or self.calibration_matrix is None:
            return self.encoder(x)
        z = torch.stack([self.encoder(_shifted(x, bands, frames)) for bands, frames in self.shifts]).mean(0)
        powered = z.sign() * z.abs() ** self.calibration_power
        return (_l2_normalize(powered) - self.calibration_mean) @ self.calibration_matrix

    def compare(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Embeddings, broadcastable (..., embedding_size) -> similarities (...)."""
        if not self.uses_head or self.head is None:
            if self.metric == "euclidean":
                return -torch.linalg.vector_norm(a - b, dim=-1)
            return (_l2_normalize(a) * _l2_normalize(b)).sum(-1)
        return torch.sigmoid(self.head(self._distance(a, b)).squeeze(-1))

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """Spectrograms -> P(class), (clips, classes), as `SiameseNetwork.predict_proba`."""
        if self.classifier is None:
            raise AttributeError("this network has no classifier")
        z = self.encoder(x)[:, : self.classifier.in_features]
        if not self.has_cosine_classifier:
            return torch.softmax(self.classifier(z), -1)
        return torch.softmax(functional.linear(_l2_normalize(z), _l2_normalize(self.classifier.weight)), -1)

    def load_weights(self, weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Take over what `SiameseNetwork.weights` returned."""
        tensors = {name: value for name, value in weights.items() if name != "calibration.shifts"}  # an attribute
        self.load_state_dict({_state_name(name): torch.from_numpy(np.array(value)) for name, value in tensors.items()})

    def _distance(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        if self.metric == "absolute":
            return (a - b).abs()
        if self.metric == "squared":
            return (a - b).square()
        if self.metric == "product":
            return a * b
        if self.metric == "euclidean":
            return (a - b).square().sum(-1, keepdim=True).clamp_min(EUCLIDEAN_FLOOR**2).sqrt()
        return 1 - (_l2_normalize(a) * _l2_normalize(b)).sum(-1, keepdim=True)


class Encoder(nn.Module):
    """Spectrograms to embeddings, before any calibration.

    Parameters
    ----------
    architecture : Architecture
        Of which the encoder's part counts.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        options = architecture.encoder
        channels = architecture.input_shape[0]
        has_norm = options.input_batch_norm
        self.input_norm: nn.Module = nn.BatchNorm2d(channels, **_NORM_OPTIONS) if has_norm else nn.Identity()
        self.blocks: nn.ModuleList = nn.ModuleList()
        for block in options.blocks:
            self.blocks.append(_ConvBlock(block, channels))
            channels = block.filters
        self.pooling = options.pooling
        self.dense: nn.ModuleList = nn.ModuleList()
        num_inputs = architecture.pooled_size()
        for layer in options.dense:
            self.dense.append(_DenseBlock(layer, num_inputs))
            num_inputs = layer.units
        self.l2_normalize: bool = options.l2_normalize

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(clips, bands, frames) or (clips, channels, bands, frames) -> (clips, units).

        While it trains, "frequency_levels" leaves out what no loss shall see.
        """
        x = earlier = self.input_norm(x if x.ndim == 4 else x[:, None])
        for block in self.blocks:
            x, earlier = block(x), x
        if self.pooling == "frequency_levels":
            parts = [_frequency(x), x.amax((2, 3))] + ([] if self.training else [_frequency(earlier)])
            x = torch.cat([_l2_normalize(part) for part in parts], 1) * PART_LENGTH
        else:
            x = _pooled(x, self.pooling)
        for layer in self.dense:
            x = layer(x)
        return _l2_normalize(x) if self.l2_normalize else x


class _ConvBlock(nn.Module):
    def __init__(self, options: encoders.ConvBlock, num_inputs: int) -> None:
        super().__init__()
        self.options = options
        self.conv = nn.Conv2d(num_inputs, options.filters, pair(options.kernel_size), pair(options.stride))
        self.norm = nn.BatchNorm2d(options.filters, **_NORM_OPTIONS) if options.batch_norm else nn.Identity()
        self.activation = _ACTIVATIONS[options.activation]()
        pools = {"none": None, "max": nn.MaxPool2d, "average": nn.AvgPool2d}
        pool = pools[options.pooling]
        self.pooling = nn.Identity() if pool is None else pool(pair(options.pool_size))
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        top, bottom = same_padding(self.options, 0, x.shape[2])
        left, right = same_padding(self.options, 1, x.shape[3])
        x = functional.pad(x, (left, right, top, bottom))
        return self.dropout(self.pooling(self.activation(self.norm(self.conv(x)))))


class _DenseBlock(nn.Module):
    def __init__(self, options: encoders.Dense, num_inputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(num_inputs, options.units)
        self.norm = nn.BatchNorm1d(options.units, **_NORM_OPTIONS) if options.batch_norm else nn.Identity()
        self.activation = _ACTIVATIONS[options.activation]()
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.activation(self.norm(self.linear(x))))


def _pooled(x: torch.Tensor, pooling: str) -> torch.Tensor:
    if pooling == "flatten":
        return x.flatten(1)
    if pooling == "global_average":
        return x.mean((2, 3))
    if pooling == "global_max":
        return x.amax((2, 3))
    if pooling == "global_average_max":
        return torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)
    return _frequency(x)


def _frequency(x: torch.Tensor) -> torch.Tensor:
    return (x.mean(3) + x.amax(3)).flatten(1)


def _shifted(x: torch.Tensor, bands: int, frames: int) -> torch.Tensor:
    """Move spectrograms up, where the edge's band takes the place of those that are missing, and around in time."""
    number = x.shape[-2]
    rows = (torch.arange(number, device=x.device) - bands).clamp(0, number - 1)
    return x.index_select(-2, rows).roll(frames, -1)


def _l2_normalize(x: torch.Tensor) -> torch.Tensor:
    return x * x.square().sum(-1, keepdim=True).clamp_min(_TINY).rsqrt()


def _state_name(name: str) -> str:
    """Return the name in the module's `state_dict` of a weight of the core."""
    parts = name.split(".")
    if parts[0] == "encoder":
        for kind, group in (("block", "blocks"), ("dense", "dense")):
            number = parts[1].removeprefix(kind)
            if number.isdigit():
                parts[1:2] = [group, str(int(number) - 1)]
        if parts[1] == "dense" and len(parts) == 4:  # encoder.dense.0.weight, beside encoder.dense.0.norm.weight
            parts.insert(3, "linear")
    if parts[0] == "calibration":
        return "_".join(parts)
    renamed = {"running_variance": "running_var", "num_updates": "num_batches_tracked"}
    return ".".join([*parts[:-1], renamed.get(parts[-1], parts[-1])])
