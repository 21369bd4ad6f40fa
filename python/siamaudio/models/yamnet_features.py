"""What YAMNet hears: log-mel spectrograms of sounds that are long enough for whole patches."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from siamaudio.arrays import as_signals
from siamaudio.errors import ParameterError
from siamaudio.log_mel import LogMel

if TYPE_CHECKING:
    from siamaudio.datasets import Clips
    from siamaudio.features import Features

__all__ = ["PATCH_FRAMES", "PATCH_HOP", "num_patches", "padded_length", "yamnet_features", "yamnet_log_mel"]

PATCH_FRAMES = 96
PATCH_HOP = 48  # frames from one patch to the next
SR = 16000
_PATCH_SAMPLES = 15600  # 0.975 s
_HOP_SAMPLES = 7680  # 0.48 s

Scale = Literal["minmax"]


def padded_length(num_samples: int) -> int:
    """Return to how many samples YAMNet pads a signal: 15600 and as often 7680 more as it needs.

    Parameters
    ----------
    num_samples : int
        Of the signal, at 16 kHz.

    Examples
    --------
    >>> from siamaudio.models.yamnet_features import padded_length
    >>> padded_length(80000)
    84720
    """
    return _PATCH_SAMPLES + max(0, -(-(num_samples - _PATCH_SAMPLES) // _HOP_SAMPLES)) * _HOP_SAMPLES


def num_patches(num_frames: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return how many patches it takes to see all of so many frames of signal; one at least."""
    return 1 + np.maximum(0, -(-(np.asarray(num_frames, dtype=np.int64) - PATCH_FRAMES) // PATCH_HOP))


def yamnet_log_mel(
    y: npt.ArrayLike, *, scale: Scale | None = None, num_threads: int | None = None
) -> npt.NDArray[np.float32]:
    """Make the spectrograms of signals.

    Parameters
    ----------
    y : array-like [shape=(..., samples)]
        Signals at 16 kHz; zeros are put after them to fill the last patch.
    scale : {"minmax", None}
        "minmax": each signal is first moved and scaled to [0, 1], as in Pedersen 2023. None: as it is.
    num_threads : int > 0 or None
        CPU threads over the signals; None: one a core.

    Returns
    -------
    np.ndarray [shape=(..., 64, 48 + 48 * patches), dtype=float32]
        ``ln(magnitude + 0.001)`` of 64 mel bands, 100 frames a second.

    Raises
    ------
    ParameterError
        A signal holds NaN or infinite values, or `scale` is none of those accepted.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> sa.models.yamnet_log_mel(np.zeros(80000)).shape
    (64, 528)
    """
    signals = _scaled(as_signals(y), scale)
    missing = padded_length(signals.shape[-1]) - signals.shape[-1]
    padded = np.pad(signals, [(0, 0)] * (signals.ndim - 1) + [(0, missing)])
    return LogMel.preset("yamnet")(padded, num_threads=num_threads)


def yamnet_features(
    clips: Clips,
    *,
    duration: float | None = None,
    scale: Scale | None = None,
    path: str | os.PathLike[str] | None = None,
    cache: bool = True,
    num_threads: int | None = None,
    progress: bool = True,
) -> Features:
    """Make the spectrograms of a data set, as `LogMel.transform` does, with frames for whole patches.

    Parameters
    ----------
    clips : Clips
        The data set.
    duration : float > 0 or None
        Seconds of a clip that count; of longer ones the rest is left out. None: the longest clip's.
    scale : {"minmax", None}
        As of `yamnet_log_mel`; the features then stay in memory, and `path` and `cache` play no part.
    path : path-like or None
        Feature store to keep them in; None: one in the user's cache folder.
    cache : bool
        False with `path` None: keep them in memory only.
    num_threads : int > 0 or None
        CPU threads over the clips; None: one a core.
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    Features
        All clips padded to one length; `lengths` says how many frames hold signal, and `Yamnet.embed` leaves the
        patches after them out.

    Raises
    ------
    AudioError
        A clip cannot be read.
    DatasetError
        There are no clips, or none can be read.
    ParameterError
        An option is not accepted.

    Examples
    --------
    >>> import siamaudio as sa
    >>> features = sa.models.yamnet_features(sa.datasets.synthetic(2, 2), progress=False)
    >>> features.shape
    (4, 64, 192)
    """
    from siamaudio.extraction import longest_duration

    if duration is None:
        duration = longest_duration(clips)
    elif not duration > 0:
        raise ParameterError("duration", duration, "above 0 seconds, or None")
    num_samples = padded_length(round(duration * SR))
    front_end = LogMel.preset("yamnet", duration=num_samples / SR)
    if scale is None:
        return front_end.transform(clips, path=path, cache=cache, num_threads=num_threads, progress=progress)
    return _scaled_features(clips, duration, scale, front_end, num_threads)


def _scaled_features(
    clips: Clips, duration: float, scale: Scale, front_end: LogMel, num_threads: int | None
) -> Features:
    from siamaudio.audio import load
    from siamaudio.features import Features

    num_frames = front_end.num_frames(front_end.num_samples or 0)
    spectrograms = np.empty((len(clips), front_end.n_mels, num_frames), dtype=np.float32)
    silence = yamnet_log_mel(np.zeros(_PATCH_SAMPLES), num_threads=1)[:, :1]
    lengths = np.empty(len(clips), dtype=np.int64)

    def fill(index: int) -> None:
        y, _ = load(clips.paths[index], sr=SR, duration=duration)
        spectrogram = yamnet_log_mel(y, scale=scale, num_threads=1)
        spectrograms[index] = silence
        spectrograms[index, :, : spectrogram.shape[1]] = spectrogram[:, :num_frames]
        lengths[index] = min(num_frames, max(1, front_end.num_frames(len(y))))

    with ThreadPoolExecutor(num_threads) as executor:
        list(executor.map(fill, range(len(clips))))
    return Features(spectrograms, clips=clips, lengths=lengths)


def _scaled(signals: npt.NDArray[np.float32], scale: Any) -> npt.NDArray[np.float32]:
    if scale is None:
        return signals
    if scale != "minmax":
        raise ParameterError("scale", scale, "'minmax' or None")
    if signals.shape[-1] == 0:
        return signals
    low = signals.min(axis=-1, keepdims=True)
    span = signals.max(axis=-1, keepdims=True) - low
    return (signals - low) / np.where(span > 0, span, np.float32(1))
