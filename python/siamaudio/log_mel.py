"""The log-mel front end."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import os
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt

from siamaudio.arrays import as_signals
from siamaudio.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from siamaudio import _audio
    from siamaudio.datasets import Clips
    from siamaudio.features import Features

__all__ = ["LogMel"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogMel:
    """Log-mel spectrograms, equal to ``librosa.power_to_db(librosa.feature.melspectrogram(y=y, sr=sr, ...))``.

    Periodic Hann window of `n_fft` samples, frames centred and zero-padded at the ends, power spectrum, triangular
    mel filters on Slaney's scale with unit area, decibels. Calling the object transforms arrays; `transform` makes
    the features of a data set.

    Parameters
    ----------
    sr : float > 0
        Sample rate in Hz; files of another rate are resampled to it.
    n_fft : int, even
        Samples a frame.
    hop_length : int > 0
        Samples between frames.
    n_mels : int > 0
        Mel bands.
    fmin : float >= 0
        Lower edge of the lowest band in Hz.
    fmax : float or None
        Upper edge of the highest band in Hz; None means ``sr / 2``.
    ref : float > 0
        Power that becomes 0 dB.
    amin : float > 0
        Powers below are raised to it.
    top_db : float >= 0 or None
        Values further than this below a clip's loudest are raised to that floor, in dB; None keeps all.
    duration : float > 0 or None
        Length that `transform` gives to every clip, in seconds: of longer ones a part is taken, shorter ones are
        zero-padded at the end. None: that of the longest clip of the data set.

    Raises
    ------
    ParameterError
        An option is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> log_mel = sa.LogMel(sr=16000, n_fft=1024, hop_length=256, n_mels=64)
    >>> log_mel(np.zeros(16000)).shape
    (64, 63)
    """

    sr: float = 44100
    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 128
    fmin: float = 0.0
    fmax: float | None = None
    ref: float = 1.0
    amin: float = 1e-10
    top_db: float | None = 80.0
    duration: float | None = None

    def __post_init__(self) -> None:
        if self.duration is not None and not (self.duration > 0 and math.isfinite(self.duration)):
            raise ParameterError("duration", self.duration, "above 0 seconds, or None")
        for name in ("n_fft", "hop_length", "n_mels"):
            if not isinstance(getattr(self, name), (int, np.integer)):
                raise ParameterError(name, getattr(self, name), "a whole number")
        if self.fmax is not None and not self.fmax > 0:
            raise ParameterError("fmax", self.fmax, "above 0 Hz, or None for half the sample rate")
        # A build without the audio module still carries the options of networks that were trained elsewhere.
        if importlib.util.find_spec("siamaudio._audio") is not None:
            self._native()

    def _native(self) -> _audio.Spectrogram:
        from siamaudio._frontend import audio_core

        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.n_fft) / max(self.n_fft, 1))
        return audio_core.Spectrogram(
            sr=self.sr,
            n_fft=self.n_fft,
            hop_length=self.hop_length,
            window=window,
            placement="centred",
            pad_mode="constant",
            gain=1.0,
            remove_dc=False,
            preemphasis=0.0,
            kind="power",
            n_mels=self.n_mels,
            fmin=self.fmin,
            fmax=self.fmax,
            mel_scale="slaney",
            area_norm=True,
            linear_in_mel=False,
            log="db",
            amin=self.amin,
            ref=self.ref,
            top_db=self.top_db,
            log_offset=0.0,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the options by name, as `from_dict` takes them and JSON can hold them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, options: dict[str, Any]) -> Self:
        """Make the front end that `to_dict` described."""
        return cls(**options)

    @property
    def num_samples(self) -> int | None:
        """Samples that `transform` gives to every clip, None while `duration` is open."""
        return None if self.duration is None else max(1, round(self.duration * self.sr))

    def __call__(self, y: npt.ArrayLike, *, num_threads: int | None = None) -> npt.NDArray[np.float32]:
        """Transform signals that already have the front end's sample rate; `duration` plays no part.

        Parameters
        ----------
        y : array-like [shape=(..., samples)]
            Signals at `sr`. Each is a clip of its own: `top_db` counts from its own loudest value.
        num_threads : int > 0 or None
            CPU threads over the clips; None: one a core.

        Returns
        -------
        np.ndarray [shape=(..., n_mels, 1 + samples // hop_length), dtype=float32]
            Decibels.
        """
        signals = as_signals(y)
        leading = signals.shape[:-1]
        rows = signals.reshape(math.prod(leading), signals.shape[-1])
        spectrograms = self._native().transform(rows, num_threads=num_threads or 0)
        return spectrograms.reshape(*leading, *spectrograms.shape[1:])

    def num_frames(self, num_samples: int) -> int:
        """Return the number of frames of a signal of `num_samples` samples: ``1 + num_samples // hop_length``."""
        return self._native().num_frames(num_samples)

    def transform_files(
        self,
        paths: Sequence[str],
        *,
        positions: Sequence[int] | None = None,
        crop: Literal["start", "center", "random"] = "start",
        seed: int = 0,
        num_threads: int | None = None,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], list[tuple[int, str, str]]]:
        """Read, resample and transform files over threads; `duration` must be given.

        Parameters
        ----------
        paths : sequence of str
            Audio files.
        positions : sequence of int or None
            Position of each file in its data set, on which a random crop depends; None: 0, 1, 2, ...
        crop : {"start", "center", "random"}
            Which part to take of files that are longer than `duration`; no more than that is decoded.
        seed : int >= 0
            Of random crops.
        num_threads : int > 0 or None
            CPU threads over the files; None: one a core.

        Returns
        -------
        spectrograms : np.ndarray [shape=(files, n_mels, frames), dtype=float32]
            Decibels; undefined for files that failed.
        lengths : np.ndarray [shape=(files,), dtype=int64]
            Frames of each file that hold signal, before the padding; 0 for files that failed.
        failed : list of (index, path, reason)
            The files that could not be read.
        """
        from siamaudio._frontend import audio_core

        if self.num_samples is None:
            raise ParameterError("duration", None, "a length in seconds, so that all files get the same shape")
        return audio_core.transform_files(
            self._native(),
            list(paths),
            positions=np.arange(len(paths)) if positions is None else np.asarray(positions, dtype=np.int64),
            num_samples=self.num_samples,
            crop=crop,
            seed=seed,
            num_threads=num_threads or 0,
        )

    def transform(
        self,
        clips: Clips,
        *,
        path: str | os.PathLike[str] | None = None,
        cache: bool = True,
        crop: Literal["start", "center", "random"] = "start",
        seed: int = 0,
        dtype: Literal["float32", "float16"] = "float32",
        on_error: Literal["fail", "skip"] = "fail",
        num_threads: int | None = None,
        progress: bool = True,
    ) -> Features:
        """Make the features of a data set, or read them back if they have been made before.

        They go block by block into a feature store, so memory stays within some 128 MiB and a clip a thread. What an
        interrupted call has done (Ctrl-C, a crash, a full disk) lies beside the store, and the next call with the same
        options and files goes on from there. Blocks of a store that were damaged since are made anew. Where two
        processes ask for one store, the second waits for the first.

        Parameters
        ----------
        clips : Clips
            The data set.
        path : path-like or None
            Feature store (a Zarr 3 folder) to keep the features in; None: one in the user's cache folder.
        cache : bool
            False with `path` None: keep the features in memory only.
        crop : {"start", "center", "random"}
            Which part to take of clips that are longer than `duration`.
        seed : int >= 0
            Of random crops; a clip's part depends on the seed and its position in `clips`.
        dtype : {"float32", "float16"}
            What to keep the values in.
        on_error : {"fail", "skip"}
            What to do with a clip that cannot be read: raise AudioError, or leave it out and warn.
        num_threads : int > 0 or None
            CPU threads over the clips; None: one a core.
        progress : bool
            Show a progress bar on stderr.

        Returns
        -------
        Features
            Its `front_end` is this one with `duration` filled in. Read from the store when asked for.

        Raises
        ------
        AudioError
            A clip cannot be read and `on_error` is "fail".
        DatasetError
            There are no clips, or none can be read.
        ParameterError
            An option is not accepted, or `duration` is None for clips of very different lengths.
        StoreError
            `path` is something else than a feature store, or cannot be written.
        KeyboardInterrupt
            Ctrl-C. The next call goes on.
        """
        from siamaudio.extraction import extract

        return extract(
            self,
            clips,
            path=path,
            cache=cache,
            crop=crop,
            seed=seed,
            dtype=dtype,
            on_error=on_error,
            num_threads=num_threads,
            progress=progress,
        )
