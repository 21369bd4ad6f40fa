"""The log-mel front end."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import os
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt

from siamaudio import framing, inverse
from siamaudio.errors import ParameterError
from siamaudio.framing import Log, PadMode, WindowAlign
from siamaudio.front_end_presets import preset_options
from siamaudio.options import changed_repr
from siamaudio.windows import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from siamaudio.datasets import Clips
    from siamaudio.features import Features

__all__ = ["LogMel"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogMel:
    """Log-mel spectrograms; by default ``librosa.power_to_db(librosa.feature.melspectrogram(y=y, sr=sr, ...))``.

    Calling the object transforms arrays; `transform` makes the features of a data set. The options cover what librosa,
    torchaudio, TensorFlow and Kaldi do differently; `preset` has those of published systems by name.

    Parameters
    ----------
    sr : float > 0
        Sample rate in Hz; files of another rate are resampled to it.
    n_fft : int, even
        Samples of the Fourier transform.
    hop_length : int > 0
        Samples between frames.
    n_mels : int > 0
        Mel bands.
    fmin : float >= 0
        Lower edge of the lowest band in Hz.
    fmax : float or None
        Upper edge of the highest band in Hz; None means ``sr / 2``.
    ref : float > 0 or "max"
        Power that becomes 0 dB; "max" (or `numpy.max`): the largest of each clip. Of magnitudes (`power` 1) too it is
        a power: the square of what `librosa.amplitude_to_db` takes.
    amin : float > 0
        Powers below are raised to it; used by `log` "db" and "ln". With `power` 1 and "db" it is a power as well.
    top_db : float >= 0 or None
        Values further than this below a clip's loudest are raised to that floor, in dB; None keeps all. Used by `log`
        "db".
    duration : float > 0 or None
        Length that `transform` gives to every clip, in seconds: of longer ones a part is taken, shorter ones are
        zero-padded at the end. None: that of the longest clip of the data set.
    win_length : int > 0 or None
        Samples of the window, at most `n_fft`; None: `n_fft`.
    window : str, tuple or array-like
        "hann"; any other name or tuple of `scipy.signal.get_window`, periodic; "povey", Kaldi's symmetric
        ``hann ** 0.85``; or the `win_length` values themselves.
    window_align : {"center", "start"}
        Where the window lies in a frame if it is shorter than `n_fft`: in its middle, zeros on both sides (librosa,
        torch), or at its start, the frame being `win_length` samples with zeros after them (TensorFlow, Kaldi).
    center : bool
        Frame f is centred on sample ``f * hop_length``, padding as `pad_mode` says where it reaches beyond the
        signal. If False, frames begin at ``f * hop_length`` and lie within the signal.
    snip_edges : bool
        Kaldi's option. False, which needs ``center=False``: frame f is centred on sample ``(f + 1/2) * hop_length``,
        and the signal is mirrored at its ends.
    pad_mode : {"constant", "reflect", "symmetric", "edge", "wrap"}
        What lies beyond the ends of the signal, as `numpy.pad` names it. Used with ``center=True``.
    power : {1, 2}
        Mel bands sum up magnitudes (1) or powers (2).
    htk : bool
        Mel scale of HTK, also Kaldi's and TensorFlow's, instead of Slaney's.
    norm : {"slaney", None}
        Triangles of unit area over Hz, or of unit height.
    mel_triangles : {"hz", "mel"}
        Axis over which the sides of the triangles are straight: "hz" (librosa, torchaudio) or "mel" (TensorFlow,
        Kaldi).
    log : {"db", "ln", "ln_offset", "ln_nonzero", None}
        Level of a value x: "db", decibels ``10 * log10(max(x, amin) / ref)``, of magnitudes 20 instead of 10; "ln",
        ``ln(max(x, amin))``; "ln_offset", ``ln(x + log_offset)``; "ln_nonzero", ``ln(x)``, or 0 where x is 0; None, x
        itself.
    log_offset : float > 0
        Used by `log` "ln_offset".
    gain : float
        Factor of the samples; 32768 where a convention counts 16-bit integers.
    preemphasis : float in [0, 1]
        In each frame, ``x[i] -= preemphasis * x[i - 1]`` (and ``x[0] -= preemphasis * x[0]``), before the window.
    remove_dc : bool
        Subtract each frame's mean, before `preemphasis`.

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

    The input of a network trained with TensorFlow:

    >>> sa.LogMel.preset("yamnet")(np.zeros(16000)).shape
    (64, 98)
    """

    sr: float = 44100
    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 128
    fmin: float = 0.0
    fmax: float | None = None
    ref: float | Literal["max"] = 1.0
    amin: float = 1e-10
    top_db: float | None = 80.0
    duration: float | None = None
    win_length: int | None = None
    window: Window = "hann"
    window_align: WindowAlign = "center"
    center: bool = True
    snip_edges: bool = True
    pad_mode: PadMode = "constant"
    power: float = 2.0
    htk: bool = False
    norm: Literal["slaney"] | None = "slaney"
    mel_triangles: Literal["hz", "mel"] = "hz"
    log: Log | None = "db"
    log_offset: float = 1e-3
    gain: float = 1.0
    preemphasis: float = 0.0
    remove_dc: bool = False

    def __repr__(self) -> str:
        return changed_repr(self)

    def __post_init__(self) -> None:
        if self.duration is not None:
            framing.number(self, "duration")
            if not (self.duration > 0 and math.isfinite(self.duration)):
                raise ParameterError("duration", self.duration, "above 0 seconds, or None")
        for name in ("sr", "fmin"):
            framing.number(self, name)
        framing.whole_number(self, "n_mels")
        if self.fmax is not None:
            framing.number(self, "fmax")
            if not self.fmax > 0:
                raise ParameterError("fmax", self.fmax, "above 0 Hz, or None for half the sample rate")
        framing.check_framing(self)
        framing.check_levels(self)
        framing.true_or_false(self, "htk")
        framing.one_of(self, "norm", ("slaney", None))
        framing.one_of(self, "mel_triangles", ("hz", "mel"))
        # A build without the audio module still carries the options of networks that were trained elsewhere.
        if importlib.util.find_spec("siamaudio._audio") is not None:
            framing.native(self)

    def _native_options(self) -> dict[str, Any]:
        return {
            "sr": self.sr,
            **framing.framing_options(self),
            **framing.level_options(self),
            "n_mels": self.n_mels,
            "fmin": self.fmin,
            "fmax": self.fmax,
            "mel_scale": "htk" if self.htk else "slaney",
            "area_norm": self.norm == "slaney",
            "linear_in_mel": self.mel_triangles == "mel",
        }

    @classmethod
    def preset(cls, name: str, **options: Any) -> Self:
        """Make a published front end.

        Parameters
        ----------
        name : str
            One of `front_end_presets`, where they are described.
        **options
            Options in place of the preset's.

        Raises
        ------
        ParameterError
            There is no such preset, or an option is out of its range.

        Examples
        --------
        >>> import siamaudio as sa
        >>> sa.LogMel.preset("kaldi", n_mels=80).num_frames(16000)
        98
        """
        return cls(**{**preset_options(name), **options})

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
        np.ndarray [shape=(..., n_mels, num_frames(samples)), dtype=float32]
            Levels as `log` says, decibels by default.

        Raises
        ------
        ParameterError
            `y` holds NaN, infinite values or values too large to be squared, or is too short for a frame where
            `center` is False.
        """
        return framing.transform(self, y, num_threads)

    def num_frames(self, num_samples: int) -> int:
        """Return the number of frames of a signal of `num_samples` samples.

        ``1 + num_samples // hop_length`` if `center`; else ``1 + (num_samples - length) // hop_length``, or 0 where
        that is negative, with a frame's length `n_fft` or, aligned at the start, `win_length`; without `snip_edges`
        ``(num_samples + hop_length // 2) // hop_length``.

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

    def to_audio(
        self, spectrogram: npt.ArrayLike, *, length: int | None = None, num_iterations: int = 32, seed: int = 0
    ) -> npt.NDArray[np.float32]:
        """Make signals that sound as spectrograms look.

        The logarithm is undone, then bins are found that add up to the mel bands (`spectrum_from_mel`), then phases
        that fit them (`griffin_lim`). Phases, detail within a band and all below `amin` or `top_db` are gone; so is
        loudness where `ref` is "max", which counts as 1.

        Parameters
        ----------
        spectrogram : array-like [shape=(..., n_mels, frames)]
            What calling the front end returns.
        length : int or None
            Samples of the signals; None: as many as the frames need.
        num_iterations : int >= 0
            Rounds of the search for phases.
        seed : int
            Of the phases that it begins with.

        Returns
        -------
        np.ndarray [shape=(..., samples), dtype=float32]
            Signals at `sr`.

        Raises
        ------
        ParameterError
            `spectrogram` has another shape or values that are not finite, or `length` does not fit it.

        Examples
        --------
        >>> import numpy as np
        >>> import siamaudio as sa
        >>> log_mel = sa.LogMel(sr=16000, n_fft=512, hop_length=256, n_mels=40)
        >>> tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / 16000)
        >>> log_mel.to_audio(log_mel(tone), length=8000).shape
        (8000,)
        """
        return inverse.log_mel_to_audio(self, spectrogram, length=length, num_iterations=num_iterations, seed=seed)

    def transform_file(
        self,
        path: str | os.PathLike[str],
        *,
        offset: float = 0.0,
        duration: float | None = None,
        num_threads: int | None = None,
    ) -> npt.NDArray[np.float32]:
        """Read, resample and transform one file of any length; the front end's own `duration` plays no part.

        Beside the result, memory does not grow with the length: a recording of hours takes some megabytes of samples
        at a time.

        Parameters
        ----------
        path : path-like
            Audio file; its channels are averaged.
        offset : float >= 0
            Start of the part to read, in seconds.
        duration : float >= 0 or None
            Length of the part to read, in seconds; None reads to the end.
        num_threads : int > 0 or None
            CPU threads over parts of the file; None: one a core.

        Returns
        -------
        np.ndarray [shape=(n_mels, num_frames(samples)), dtype=float32]
            Levels as `log` says.

        Raises
        ------
        AudioError
            The file cannot be read, holds no samples, or holds values that are not finite.

        Examples
        --------
        >>> import siamaudio as sa
        >>> path = sa.datasets.synthetic(2, 2).paths[0]
        >>> sa.LogMel(sr=16000).transform_file(path, duration=1.0).shape
        (128, 32)
        """
        from siamaudio._frontend import audio_core
        from siamaudio.audio import check_part

        check_part(offset, duration)
        return audio_core.transform_file(
            framing.native(self),
            os.fsencode(path),
            offset_seconds=offset,
            duration_seconds=-1.0 if duration is None else duration,
            num_threads=num_threads or 0,
        )

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
            Levels as `log` says; undefined for files that failed.
        lengths : np.ndarray [shape=(files,), dtype=int64]
            Frames of each file that hold signal, before the padding; 0 for files that failed.
        failed : list of (index, path, reason)
            The files that could not be read.
        """
        from siamaudio._frontend import audio_core

        if self.num_samples is None:
            raise ParameterError("duration", None, "a length in seconds, so that all files get the same shape")
        if self.num_frames(self.num_samples) == 0:
            raise ParameterError("duration", self.duration, "at least the length of one frame, as center is False")
        array, lengths, failed = audio_core.transform_files(
            framing.native(self),
            [os.fsencode(path) for path in paths],
            positions=np.arange(len(paths)) if positions is None else np.asarray(positions, dtype=np.int64),
            num_samples=self.num_samples,
            crop=crop,
            seed=seed,
            num_threads=num_threads or 0,
        )
        return array, lengths, [(index, paths[index], reason) for index, reason in failed]

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
