"""The short-time Fourier transform."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from siamaudio import framing, inverse
from siamaudio.framing import PadMode, WindowAlign
from siamaudio.options import changed_repr
from siamaudio.windows import Window

__all__ = ["STFT"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class STFT:
    """The short-time Fourier transform, by default that of ``librosa.stft``.

    Parameters
    ----------
    n_fft, hop_length, win_length, window, window_align, center, snip_edges, pad_mode
        As those of `LogMel`.

    Raises
    ------
    ParameterError
        An option is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> stft = sa.STFT(n_fft=512, hop_length=128)
    >>> y = np.random.default_rng(0).standard_normal(4096)
    >>> spectrum = stft(y)
    >>> spectrum.shape
    (257, 33)
    >>> bool(np.allclose(stft.inverse(spectrum), y, atol=1e-5))
    True
    """

    n_fft: int = 2048
    hop_length: int = 512
    win_length: int | None = None
    window: Window = "hann"
    window_align: WindowAlign = "center"
    center: bool = True
    snip_edges: bool = True
    pad_mode: PadMode = "constant"

    def __repr__(self) -> str:
        return changed_repr(self)

    def __post_init__(self) -> None:
        framing.check_framing(self)
        framing.native(self)

    def _native_options(self) -> dict[str, Any]:
        unused = {"fmin": 0.0, "fmax": None, "mel_scale": "slaney", "area_norm": True, "linear_in_mel": False}
        return {
            "sr": 1.0,
            **framing.framing_options(self),
            "gain": 1.0,
            "remove_dc": False,
            "preemphasis": 0.0,
            "kind": "complex",
            "log": "none",
            "amin": 1.0,
            "ref": 1.0,
            "top_db": None,
            "log_offset": 1.0,
            "n_mels": None,
            **unused,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the options by name, as `from_dict` takes them and JSON can hold them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, options: dict[str, Any]) -> Self:
        """Make the transform that `to_dict` described.

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

    def __call__(self, y: npt.ArrayLike, *, num_threads: int | None = None) -> npt.NDArray[np.complex64]:
        """Transform signals.

        Parameters
        ----------
        y : array-like [shape=(..., samples)]
            Signals.
        num_threads : int > 0 or None
            CPU threads over the signals; None: one a core.

        Returns
        -------
        np.ndarray [shape=(..., 1 + n_fft // 2, num_frames(samples)), dtype=complex64]

        Raises
        ------
        ParameterError
            `y` holds NaN or infinite values, or is too short for a frame where `center` is False.
        """
        rows = framing.transform(self, y, num_threads)
        *leading, num_rows, num_frames = rows.shape
        parts = rows.reshape(*leading, num_rows // 2, 2, num_frames)
        spectrum = np.empty((*leading, num_rows // 2, num_frames), dtype=np.complex64)
        spectrum.real = parts[..., 0, :]
        spectrum.imag = parts[..., 1, :]
        return spectrum

    def inverse(self, spectrum: npt.ArrayLike, *, length: int | None = None) -> npt.NDArray[np.float32]:
        """Return the signals whose transform is `spectrum`, or comes closest to it in the sense of least squares.

        Parameters
        ----------
        spectrum : array-like [shape=(..., 1 + n_fft // 2, frames)]
            Spectra, of which the frames were not changed beyond repair.
        length : int >= 0 or None
            Samples of the signals, cut or filled with zeros; None: what lies between the frames' first and last
            sample, or centre where `center` is True.

        Returns
        -------
        np.ndarray [shape=(..., samples), dtype=float32]

        Raises
        ------
        ParameterError
            `spectrum` has another shape, or `length` is below 0.
        """
        return inverse.stft_to_audio(self, spectrum, length=length)
