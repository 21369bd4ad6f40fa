"""Encoders as data: what the network is made of, without weights."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeAlias

from siamaudio.errors import ParameterError
from siamaudio.options import Registry, changed_repr

if TYPE_CHECKING:
    from siamaudio._engine import core

__all__ = ["ConvBlock", "ConvEncoder", "Dense", "Encoder", "YamnetEncoder", "native_encoder", "registry"]

Activation = Literal["linear", "relu", "leaky_relu", "elu", "gelu", "sigmoid", "tanh"]
MapPooling = Literal["flatten", "global_average", "global_max", "global_average_max", "frequency", "frequency_levels"]


def _pair(name: str, value: Any) -> tuple[int, int]:
    """Return (height, width) of an int or of a sequence of two."""
    if isinstance(value, int):
        return value, value
    try:
        height, width = value
    except (TypeError, ValueError):
        raise ParameterError(name, value, "an int, or (height, width)") from None
    return height, width


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvBlock:
    """Convolution, batch norm, activation, pooling, dropout.

    Sides are given as one int for both or as (height, width), which is (bands, frames); they are kept as a pair.

    Parameters
    ----------
    filters : int > 0
        Output channels.
    kernel_size : int > 0 or (int, int)
        Sides of the kernel.
    stride : int > 0 or (int, int)
        Positions from one kernel to the next.
    padding : {"valid", "same"}
        "valid": none. "same": Keras's zeros around the map, so that ceil(side / stride) positions come out; where their
        number is odd, the last side gets one more.
    batch_norm : bool
        Normalise the convolution's output.
    activation : {"linear", "relu", "leaky_relu", "elu", "gelu", "sigmoid", "tanh"}
        As Keras's functions of these names: a leaky slope of 0.2, gelu without approximation.
    pooling : {"max", "average", "none"}
        What a pool gives on.
    pool_size : int > 0 or (int, int)
        Sides of a pool, and positions from one to the next; what is left at the end is dropped.
    dropout : float in [0, 1)
        Share of the pooled activations set to zero in training.

    Examples
    --------
    >>> import siamaudio as sa
    >>> sa.ConvBlock(filters=32, kernel_size=3, stride=(1, 2)).stride
    (1, 2)
    """

    filters: int = 64
    kernel_size: int | tuple[int, int] = 5
    stride: int | tuple[int, int] = 1
    padding: Literal["valid", "same"] = "valid"
    batch_norm: bool = True
    activation: Activation = "relu"
    pooling: Literal["max", "average", "none"] = "max"
    pool_size: int | tuple[int, int] = 2
    dropout: float = 0.25

    def __repr__(self) -> str:
        return changed_repr(self)

    def __post_init__(self) -> None:
        for name in ("kernel_size", "stride", "pool_size"):
            object.__setattr__(self, name, _pair(name, getattr(self, name)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dense:
    """Fully connected layer, batch norm, activation, dropout.

    Parameters
    ----------
    units : int > 0
        Outputs.
    batch_norm : bool
        Normalise the weighted sums, before the activation.
    activation : {"linear", "relu", "leaky_relu", "elu", "gelu", "sigmoid", "tanh"}
        As for `ConvBlock`.
    dropout : float in [0, 1)
        Share of the outputs set to zero in training.

    Examples
    --------
    >>> import siamaudio as sa
    >>> sa.Dense(units=64, activation="relu").units
    64
    """

    units: int = 500
    batch_norm: bool = True
    activation: Activation = "sigmoid"
    dropout: float = 0.25


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvEncoder:
    """Blocks of convolutions, a pooling of the last map, dense layers; by default the encoder of Honka 2019.

    Keras's defaults hold: Glorot-uniform weights, zero biases, batch norm with momentum 0.99 and epsilon 1e-3.

    Parameters
    ----------
    blocks : tuple of ConvBlock
        From the spectrogram upwards.
    input_batch_norm : bool
        Normalise the spectrogram first, by one mean and deviation a channel for all bands.
    pooling : str
        How the last map (channels, bands, frames) becomes a vector. All but the first take spectrograms of any number
        of frames.

        - "flatten": every value; channels, then bands, then frames.
        - "global_average", "global_max": mean or maximum of each channel.
        - "global_average_max": both of these, one after the other.
        - "frequency": mean over time + maximum over time of each channel and band.
        - "frequency_levels": "frequency" and "global_max" and, in embeddings but not in training, "frequency" of the
          block before the last; each brought to length 4, one after the other. No loss sees that last part: shaped for
          the training classes it would say less about others. Without dense layers and `l2_normalize` only.
    dense : tuple of Dense
        The last one's output is the embedding; if there is none, the pooled map is.
    l2_normalize : bool
        Bring embeddings to length 1.

    Examples
    --------
    >>> import siamaudio as sa
    >>> blocks = (sa.ConvBlock(filters=16), sa.ConvBlock(filters=32))
    >>> encoder = sa.ConvEncoder(blocks=blocks, pooling="global_average", dense=())
    >>> encoder.embedding_size((1, 64, 128))
    32
    """

    name: ClassVar[str] = "conv"
    blocks: tuple[ConvBlock, ...] = (ConvBlock(), ConvBlock(), ConvBlock())
    input_batch_norm: bool = True
    pooling: MapPooling = "flatten"
    dense: tuple[Dense, ...] = (Dense(),)
    l2_normalize: bool = False

    def __repr__(self) -> str:
        return changed_repr(self)

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", tuple(self.blocks))
        object.__setattr__(self, "dense", tuple(self.dense))

    @property
    def takes_any_frames(self) -> bool:
        """Whether spectrograms may have another number of frames than those it was trained on."""
        return self.pooling != "flatten"

    def embedding_size(self, input_shape: tuple[int, int, int]) -> int:
        """Return how many numbers an embedding has.

        Parameters
        ----------
        input_shape : (int, int, int)
            Channels, bands and frames of a spectrogram.

        Returns
        -------
        int
            Numbers of an embedding.

        Raises
        ------
        ParameterError
            An option is out of its range, or a block gets a smaller map than it needs.
        """
        return _embedding_size(self, input_shape)

    def to_dict(self) -> dict[str, Any]:
        """Return the options by name, as `from_dict` takes them and JSON can hold them."""
        return registry.to_dict(self)

    @classmethod
    def from_dict(cls, options: dict[str, Any]) -> Self:
        """Make the encoder that `to_dict` described; ParameterError where a field or the type of a value is unknown.

        Parameters
        ----------
        options : dict
            As from `to_dict`; what is absent has its default.
        """
        return Registry("encoder", (cls,)).from_dict(options)


@dataclasses.dataclass(frozen=True, kw_only=True)
class YamnetEncoder:
    """YAMNet, the mean of its 1024 numbers over a clip's patches, dense layers; see `siamaudio.models.Yamnet`.

    Takes spectrograms of 64 bands and 96 frames or more, from `siamaudio.models.yamnet_features`. As long as it is
    frozen and nothing is augmented, `SiameseNetwork.fit` runs it once over the clips, so that training takes seconds.

    Parameters
    ----------
    weights : str or None
        The file that `siamaudio.models.Yamnet.save` wrote, from which a new network takes YAMNet's weights. A saved
        network has them itself. None: random ones, for one that is `trainable`.
    trainable : bool
        Whether training changes YAMNet, too ("fine-tuning"); False: only what comes after it.
    dense : tuple of Dense
        The last one's output is the embedding; if there is none, the mean is.
    l2_normalize : bool
        Bring embeddings to length 1.

    Examples
    --------
    >>> import siamaudio as sa
    >>> encoder = sa.YamnetEncoder(weights="yamnet.safetensors", dense=(sa.Dense(units=128),))
    >>> encoder.embedding_size((1, 64, 528))
    128
    """

    name: ClassVar[str] = "yamnet"
    weights: str | None = None
    trainable: bool = False
    dense: tuple[Dense, ...] = ()
    l2_normalize: bool = False

    def __repr__(self) -> str:
        return changed_repr(self)

    def __post_init__(self) -> None:
        if self.weights is not None:
            object.__setattr__(self, "weights", os.fspath(self.weights))
        object.__setattr__(self, "dense", tuple(self.dense))

    @property
    def takes_any_frames(self) -> bool:
        """Whether spectrograms may have another number of frames than those it was trained on: they may."""
        return True

    def embedding_size(self, input_shape: tuple[int, int, int]) -> int:
        """Return how many numbers an embedding has.

        Parameters
        ----------
        input_shape : (int, int, int)
            Channels, bands and frames of a spectrogram.

        Returns
        -------
        int
            Numbers of an embedding.

        Raises
        ------
        ParameterError
            An option is out of its range, or the input is none of YAMNet's.
        """
        return _embedding_size(self, input_shape)

    def to_dict(self) -> dict[str, Any]:
        """Return the options by name, as `from_dict` takes them and JSON can hold them."""
        return registry.to_dict(self)

    @classmethod
    def from_dict(cls, options: dict[str, Any]) -> Self:
        """Make the encoder that `to_dict` described; ParameterError where a field or the type of a value is unknown.

        Parameters
        ----------
        options : dict
            As from `to_dict`; what is absent has its default.
        """
        return Registry("encoder", (cls,)).from_dict(options)


Encoder: TypeAlias = ConvEncoder | YamnetEncoder

registry: Registry[Encoder] = Registry("encoder", (ConvEncoder, YamnetEncoder))
"""What the encoder of a network may be."""


def _embedding_size(encoder: Encoder, input_shape: tuple[int, int, int]) -> int:
    from siamaudio._engine import core

    return core.embedding_size(native_encoder(encoder), input_shape=input_shape)


def native_encoder(encoder: Encoder) -> core.EncoderOptions | core.YamnetEncoderOptions:
    """Return the options as the core takes them.

    Parameters
    ----------
    encoder : ConvEncoder or YamnetEncoder
        The options.

    Raises
    ------
    ParameterError
        A word is none of those accepted. Numbers are checked where the network is made.
    """
    from siamaudio._engine import core

    dense = [core.DenseOptions(**_fields(layer)) for layer in encoder.dense]
    if isinstance(encoder, YamnetEncoder):
        return core.YamnetEncoderOptions(trainable=encoder.trainable, dense=dense, l2_normalize=encoder.l2_normalize)
    return core.EncoderOptions(
        input_batch_norm=encoder.input_batch_norm,
        blocks=[core.ConvBlockOptions(**_fields(block)) for block in encoder.blocks],
        pooling=encoder.pooling,
        dense=dense,
        l2_normalize=encoder.l2_normalize,
    )


def _fields(options: ConvBlock | Dense) -> dict[str, Any]:
    return {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
