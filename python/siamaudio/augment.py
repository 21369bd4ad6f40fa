"""Augmentation as data: random changes of spectrograms that leave their class as it is, in training only.

==================================  ===============================================================
`TimeShift`, `TimeStretch`          along time: circularly shifted; faster or slower
`FrequencyShift`, `FrequencyScale`  along frequency: higher or lower; spread or squeezed
`SpecAugment`                       masked frames and bands
`RandomCrop`                        a part of fixed length
`Gain`, `Noise`                     contrast and level; Gaussian noise
`RandomFrequencyResponse`           a random equaliser
`Mixup`                             weighted means of two clips and their labels
`FrequencyMixStyle`                 each band's mean and deviation mixed with those of another clip
==================================  ===============================================================

A network's augmentations are applied in the order of their list, to each clip anew in each step. Each has a
``probability``, which is that of a clip being changed at all, for each clip by itself unless said otherwise. Strengths
suit standardised spectrograms (mean 0, deviation 1). `apply` shows what they do. `Augmentation` is any of them;
`registry` knows them by name.

Examples
--------
>>> import siamaudio as sa
>>> net = sa.SiameseNetwork(augment=[sa.augment.TimeShift(), sa.augment.SpecAugment(max_bands=8)])
>>> [each.name for each in net.augment]
['time_shift', 'spec_augment']
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from siamaudio.errors import ParameterError
from siamaudio.options import Registry

if TYPE_CHECKING:
    pass

__all__ = [
    "Augmentation",
    "FrequencyMixStyle",
    "FrequencyScale",
    "FrequencyShift",
    "Gain",
    "Mixup",
    "Noise",
    "RandomCrop",
    "RandomFrequencyResponse",
    "SpecAugment",
    "TimeShift",
    "TimeStretch",
    "apply",
    "registry",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TimeShift:
    """Circular shift by a number of frames uniform in [0, frames).

    Parameters
    ----------
    probability : float in [0, 1]
        Of a clip being shifted.
    """

    name: ClassVar[str] = "time_shift"
    probability: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class TimeStretch:
    """Faster or slower: resampled about the middle frame, mirrored at the edges.

    Parameters
    ----------
    max_factor : float >= 1
        The factor is log-uniform in [1 / max_factor, max_factor]; above 1: longer.
    probability : float in [0, 1]
        Of a clip being stretched.
    """

    name: ClassVar[str] = "time_stretch"
    max_factor: float = 1.2
    probability: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrequencyScale:
    """Spread or squeezed along frequency: resampled about the middle band, mirrored at the edges.

    Parameters
    ----------
    max_factor : float >= 1
        The factor is log-uniform in [1 / max_factor, max_factor]; above 1: spread out.
    probability : float in [0, 1]
        Of a clip being scaled.
    """

    name: ClassVar[str] = "frequency_scale"
    max_factor: float = 1.1
    probability: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrequencyShift:
    """Higher or lower by a (broken) number of bands, mirrored at the edges.

    Parameters
    ----------
    max_bands : float >= 0
        The shift is uniform in [-max_bands, max_bands]; above 0: upwards.
    probability : float in [0, 1]
        Of a clip being shifted.
    """

    name: ClassVar[str] = "frequency_shift"
    max_bands: float = 3.0
    probability: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomCrop:
    """A part of fixed length at a uniformly drawn place.

    A shorter clip is put at a uniformly drawn place among frames of its own minimum. All clips of a batch have one
    length, so this is done always.

    Parameters
    ----------
    frames : int > 0
        Length of the part.
    """

    name: ClassVar[str] = "random_crop"
    frames: int = 128


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gain:
    """Contrast and level: ``x * gain + offset``.

    Parameters
    ----------
    max_gain : float >= 0
        The gain is uniform in [1 - max_gain, 1 + max_gain].
    max_offset : float >= 0
        The offset is uniform in [-max_offset, max_offset], in the spectrogram's unit.
    probability : float in [0, 1]
        Of a clip being changed.
    """

    name: ClassVar[str] = "gain"
    max_gain: float = 0.15
    max_offset: float = 0.15
    probability: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Noise:
    """Gaussian noise, independent for each value.

    Parameters
    ----------
    std : float >= 0
        Standard deviation, in the spectrogram's unit.
    probability : float in [0, 1]
        Of a clip getting noise.
    """

    name: ClassVar[str] = "noise"
    std: float = 0.1
    probability: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpecAugment:
    """Masked frames and bands (Park et al. 2019, section 2, without time warping).

    A mask's length is uniform in 0 … its maximum, at most the picture; its place is uniform.

    Parameters
    ----------
    num_time_masks : int >= 0
        Masks over all bands.
    max_time_frames : int >= 0
        Frames of one at most.
    num_frequency_masks : int >= 0
        Masks over all frames.
    max_bands : int >= 0
        Bands of one at most.
    value : float or None
        What masked places hold; None: the clip's mean.
    probability : float in [0, 1]
        Of a clip being masked.
    """

    name: ClassVar[str] = "spec_augment"
    num_time_masks: int = 1
    max_time_frames: int = 24
    num_frequency_masks: int = 1
    max_bands: int = 16
    value: float | None = None
    probability: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mixup:
    """Weighted means of two clips and their labels (Zhang et al. 2018): λ x + (1 - λ) x', one λ a batch.

    Parameters
    ----------
    alpha : float >= 0.01
        λ ~ Beta(alpha, alpha): the larger, the nearer to 1/2.
    probability : float in [0, 1]
        Of a batch being mixed.
    """

    name: ClassVar[str] = "mixup"
    alpha: float = 0.2
    probability: float = 0.8


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrequencyMixStyle:
    """Each band's mean and deviation over time mixed with those of another clip of the batch.

    Schmid et al. 2022, after MixStyle (Zhou et al. 2021): λ of its own and 1 - λ of the other's, with
    λ = max(l, 1 - l), l ~ Beta(alpha, alpha) for each clip.

    Parameters
    ----------
    alpha : float >= 0.01
        The larger, the more of the other clip.
    probability : float in [0, 1]
        Of a batch being mixed.
    """

    name: ClassVar[str] = "frequency_mix_style"
    alpha: float = 0.4
    probability: float = 0.7


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomFrequencyResponse:
    """A random equaliser: offsets at evenly spaced bands, linear between them (after Nam et al. 2022, FilterAugment).

    Parameters
    ----------
    max_offset : float >= 0
        Each offset is uniform in [-max_offset, max_offset], in the spectrogram's unit.
    num_points : int >= 2
        Bands with an offset of their own, the lowest and the highest among them.
    probability : float in [0, 1]
        Of a clip being changed.
    """

    name: ClassVar[str] = "random_frequency_response"
    max_offset: float = 0.3
    num_points: int = 6
    probability: float = 1.0


Augmentation = (
    TimeShift
    | TimeStretch
    | FrequencyScale
    | FrequencyShift
    | RandomCrop
    | Gain
    | Noise
    | SpecAugment
    | Mixup
    | FrequencyMixStyle
    | RandomFrequencyResponse
)
registry: Registry[Augmentation] = Registry(
    "augmentation",
    (
        TimeShift,
        TimeStretch,
        FrequencyScale,
        FrequencyShift,
        RandomCrop,
        Gain,
        Noise,
        SpecAugment,
        Mixup,
        FrequencyMixStyle,
        RandomFrequencyResponse,
    ),
)


def apply(
    augmentations: Sequence[Augmentation | str], spectrograms: npt.ArrayLike, *, device: str = "cpu", seed: int = 0
) -> npt.NDArray[np.float32]:
    """Augment spectrograms as a training step would, to look at them.

    Parameters
    ----------
    augmentations : sequence of Augmentation
        Options, or names of those with their defaults. Applied in this order; resamplings that follow one another are
        done as one.
    spectrograms : array-like of float, shape (clips, bands, frames) or (clips, channels, bands, frames)
        Stay as they are.
    device : str
        "auto", "cpu", "cuda" or "cuda:N": where it is done.
    seed : int >= 0
        The same seed gives the same changes on every device, noise excepted.

    Returns
    -------
    ndarray of float32
        As many axes; other frames only after `RandomCrop`.

    Raises
    ------
    ParameterError
        An option is out of its range, `Mixup` is there twice, or the spectrograms have another shape or no clips.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> spectrograms = np.arange(1.0, 13.0).reshape(1, 2, 6)
    >>> sa.augment.apply([sa.augment.TimeShift()], spectrograms, seed=4)
    array([[[ 5.,  6.,  1.,  2.,  3.,  4.],
            [11., 12.,  7.,  8.,  9., 10.]]], dtype=float32)
    """
    from siamaudio._engine import core

    pictures = np.asarray(spectrograms)
    if pictures.ndim not in (3, 4) or pictures.dtype.kind not in "fiub":
        raise ParameterError(
            "spectrograms",
            f"{pictures.dtype} of shape {pictures.shape}",
            "numbers of shape (clips, bands, frames) or (clips, channels, bands, frames)",
        )
    if not 0 <= seed < 2**64:
        raise ParameterError("seed", seed, "0 to 2^64 - 1")
    with_channels = pictures if pictures.ndim == 4 else pictures[:, None]
    changed = core.augment(
        [registry.to_core(augmentation) for augmentation in augmentations],
        with_channels.astype(np.float32, copy=False),
        seed=seed,
        device=device,
    )
    return changed if pictures.ndim == 4 else changed[:, 0]


def __dir__() -> list[str]:
    return list(__all__)
