"""Mel-frequency cepstral coefficients."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from siamaudio import framing
from siamaudio.errors import ParameterError
from siamaudio.log_mel import LogMel
from siamaudio.options import changed_repr

__all__ = ["MFCC"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class MFCC:
    """Mel-frequency cepstral coefficients, by default ``librosa.feature.mfcc(y=y, sr=sr)``.

    Parameters
    ----------
    log_mel : LogMel
        The front end whose columns are transformed.
    n_mfcc : int > 0
        Coefficients to keep, at most its `n_mels`.
    dct_type : {1, 2, 3}
        Type of the discrete cosine transform.
    norm : {"ortho", None}
        Whether the transform is orthonormal, as `scipy.fft.dct` takes it.
    lifter : float >= 0
        Coefficient i (from 1) is multiplied by ``1 + lifter / 2 * sin(pi * i / lifter)``; 0: by 1.

    Raises
    ------
    ParameterError
        An option is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> sa.MFCC(log_mel=sa.LogMel(sr=22050), n_mfcc=13)(np.zeros(22050)).shape
    (13, 44)
    """

    log_mel: LogMel = dataclasses.field(default_factory=LogMel)
    n_mfcc: int = 20
    dct_type: int = 2
    norm: Literal["ortho"] | None = "ortho"
    lifter: float = 0.0

    def __repr__(self) -> str:
        return changed_repr(self)

    def __post_init__(self) -> None:
        if not isinstance(self.log_mel, LogMel):
            raise ParameterError("log_mel", self.log_mel, "a LogMel")
        framing.whole_number(self, "n_mfcc")
        framing.whole_number(self, "dct_type")
        framing.number(self, "lifter")
        framing.one_of(self, "norm", ("ortho", None))
        if not 1 <= self.n_mfcc <= self.log_mel.n_mels:
            raise ParameterError("n_mfcc", self.n_mfcc, f"1 to n_mels, which is {self.log_mel.n_mels}")
        if self.dct_type not in (1, 2, 3):
            raise ParameterError("dct_type", self.dct_type, "1, 2 or 3")
        if self.dct_type == 1 and self.log_mel.n_mels < 2:
            raise ParameterError("dct_type", 1, "2 or 3 for a single mel band")
        if not 0 <= self.lifter < np.inf:
            raise ParameterError("lifter", self.lifter, "a finite number, 0 or more")

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
        return cls(**{**options, "log_mel": LogMel.from_dict(options["log_mel"])})

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
        return self.log_mel.num_frames(num_samples)

    def __call__(self, y: npt.ArrayLike, *, num_threads: int | None = None) -> npt.NDArray[np.float32]:
        """Transform signals that already have the front end's sample rate.

        Parameters
        ----------
        y : array-like [shape=(..., samples)]
            Signals at the sample rate of `log_mel`.
        num_threads : int > 0 or None
            CPU threads over the signals; None: one a core.

        Returns
        -------
        np.ndarray [shape=(..., n_mfcc, num_frames(samples)), dtype=float32]

        Raises
        ------
        ParameterError
            As from calling a `LogMel`.
        """
        return _basis(self) @ self.log_mel(y, num_threads=num_threads)


@functools.lru_cache(maxsize=16)
def _basis(mfcc: MFCC) -> npt.NDArray[np.float32]:
    """Return the transform with its lifter as a matrix, shape (n_mfcc, n_mels)."""
    import scipy.fft

    identity = np.eye(mfcc.log_mel.n_mels)
    basis = np.asarray(scipy.fft.dct(identity, type=mfcc.dct_type, norm=mfcc.norm, axis=0))[: mfcc.n_mfcc]
    if mfcc.lifter > 0:
        basis *= (1 + mfcc.lifter / 2 * np.sin(np.pi * np.arange(1, mfcc.n_mfcc + 1) / mfcc.lifter))[:, np.newaxis]
    return basis.astype(np.float32)
