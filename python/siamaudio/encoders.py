"""Encoders as data: what the network is made of, without weights."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

__all__ = ["ConvBlock", "ConvEncoder"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvBlock:
    """Convolution without padding, batch norm, ReLU, max pooling, dropout.

    Parameters
    ----------
    filters : int > 0
        Output channels.
    kernel_size : int > 0
        Side of the square kernel.
    batch_norm : bool
        Normalise the convolution's output.
    pool_size : int > 0
        Side and stride of the max pooling; 1: none.
    dropout : float in [0, 1)
        Share of the pooled activations set to zero in training.
    """

    filters: int = 64
    kernel_size: int = 5
    batch_norm: bool = True
    pool_size: int = 2
    dropout: float = 0.25


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvEncoder:
    """Blocks of convolutions, flattened into a dense sigmoid layer: the encoder of Honka 2019.

    Keras's defaults hold: Glorot-uniform weights, zero biases, batch norm with momentum 0.99 and epsilon 1e-3.

    Parameters
    ----------
    blocks : tuple of ConvBlock
        From the spectrogram upwards.
    input_batch_norm : bool
        Normalise the spectrogram first, by one mean and deviation for all bands.
    embedding_size : int > 0
        Units of the dense layer.
    embedding_batch_norm : bool
        Normalise the dense layer's output, before the sigmoid.
    embedding_dropout : float in [0, 1)
        Share of the embedding set to zero in training.

    Examples
    --------
    >>> import siamaudio as sa
    >>> encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=16), sa.ConvBlock(filters=32)), embedding_size=64)
    >>> len(encoder.blocks)
    2
    """

    blocks: tuple[ConvBlock, ...] = (ConvBlock(), ConvBlock(), ConvBlock())
    input_batch_norm: bool = True
    embedding_size: int = 500
    embedding_batch_norm: bool = True
    embedding_dropout: float = 0.25

    def to_dict(self) -> dict[str, Any]:
        """Return the options by name, as `from_dict` takes them and JSON can hold them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, options: dict[str, Any]) -> Self:
        """Make the encoder that `to_dict` described."""
        return cls(**{**options, "blocks": tuple(ConvBlock(**block) for block in options["blocks"])})
