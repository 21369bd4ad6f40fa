"""Spectrograms over bins of equal width."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from siamaudio import framing, inverse
from siamaudio.framing import Log, PadMode, WindowAlign
from siamaudio.options import changed_repr
from siamaudio.windows import Window

__all__ = ["Spectrogram"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spectrogram:
    """Power or magnitude spectrograms, by default ``np.abs(librosa.stft(y)) ** 2``.

    Parameters
    ----------
    n_fft, hop_length, win_length, window, window_align, center, snip_edges, pad_mode
        As those of `LogMel`.
    power : {1, 2}
        Magnitudes or powers.
    log, ref, amin, top_db, log_offset
        As those of `LogMel`, but `log` is None by default: the magnitudes or powers themselves.
    gain, preemphasis, remove_dc
        As those of `LogMel`.

    Raises
    ------
    ParameterError
        An option is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> sa.Spectrogram(n_fft=512, hop_length=128, log="db")(np.zeros(4096)).shape
    (257, 33)
    """

    n_fft: int = 2048
    hop_length: int = 512
    win_length: int | None = None
    window: Window = "hann"
    window_align: WindowAlign = "center"
    center: bool = True
    snip_edges: bool = True
    pad_mode: PadMode = "constant"
    power: float = 2.0
    log: Log | None = None
    ref: float | Literal["max"] = 1.0
    amin: float = 1e-10
    top_db: float | None = 80.0
    log_offset: float = 1e-3
    gain: float = 1.0
    preemphasis: float = 0.0
    remove_dc: bool = False

    def __repr__(self) -> str:
        return changed_repr(self)

    def __post_init__(self) -> None:
        framing.check_framing(self)
        framing.check_levels(self)
        framing.native(self)

    def _native_options(self) -> dict[str, Any]:
        unused = {"fmin": 0.0, "fmax": None, "mel_scale": "slaney", "area_norm": True, "linear_in_mel": False}
        return {"sr": 1.0, **framing.framing_options(self), **framing.level_options(self), "n_mels": None, **unused}

    def to_dict(self) -> dict[str, Any]:
        """Return the options by name, as `from_dict` takes them and JSON can hold them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, options: dict[str, Any]) -> Self:
        """Make the front end that `to_dict` described.

        Parameters
        ----------
        options : dict
            As from `to_dict`; what is absent has its default.
        """
        return cls(**options)

    def num_frames(self, num_samples: int) -> int:
        """Return the number of frames of a signal of `num_samples` samples, as `LogMel.num_frames` does.

        Parameters
        ----------
        num_samples : int >= 0
            Samples of the signal.

        Returns
        -------
        int
            Frames, 0 for a signal that is too short.
        """
        return framing.count_frames(self, num_samples)

    def __call__(self, y: npt.ArrayLike, *, num_threads: int | None = None) -> npt.NDArray[np.float32]:
        """Transform signals.

        Parameters
        ----------
        y : array-like [shape=(..., samples)]
            Signals. Each is a clip of its own: `top_db` and `ref` "max" count from its own loudest value.
        num_threads : int > 0 or None
            CPU threads over the signals; None: one a core.

        Returns
        -------
        np.ndarray [shape=(..., 1 + n_fft // 2, num_frames(samples)), dtype=float32]

        Raises
        ------
        ParameterError
            `y` holds NaN, infinite values or values too large to be squared, or is too short for a frame where
            `center` is False.
        """
        return framing.transform(self, y, num_threads)

    def to_audio(
        self, spectrogram: npt.ArrayLike, *, length: int | None = None, num_iterations: int = 32, seed: int = 0
    ) -> npt.NDArray[np.float32]:
        """Make signals that sound as spectrograms look, as `LogMel.to_audio` does; only phases are guessed.

        Parameters
        ----------
        spectrogram : array-like [shape=(..., 1 + n_fft // 2, frames)]
            What calling the front end returns.
        length, num_iterations, seed
            As those of `LogMel.to_audio`.

        Returns
        -------
        np.ndarray [shape=(..., samples), dtype=float32]

        Raises
        ------
        ParameterError
            `spectrogram` has another shape or values that are not finite, or `length` does not fit it.
        """
        return inverse.spectrogram_to_audio(self, spectrogram, length=length, num_iterations=num_iterations, seed=seed)
