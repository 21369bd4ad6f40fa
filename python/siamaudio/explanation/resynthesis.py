"""Segments of a spectrogram as sound."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from siamaudio import inverse
from siamaudio.errors import ParameterError
from siamaudio.files import replace_file
from siamaudio.pages import data_uri, wav

if TYPE_CHECKING:
    from siamaudio.explanation.results import Explanation

__all__ = ["Resynthesis", "audio_uri", "resynthesise"]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Resynthesis:
    """Segments of a support as sound, or what is left without them.

    Attributes
    ----------
    samples : np.ndarray [shape=(samples,), dtype=float32]
        As loud as in the support.
    sr : float
        Sample rate in Hz.
    segments : tuple of int
        Which.
    part : {"segments", "rest"}
        These, or all others.
    mask : np.ndarray [shape=(bands, frames), dtype=bool]
        The pixels that are to be heard.
    replayed : np.ndarray [shape=(bands, frames), dtype=float32]
        What the front end makes of the samples.
    correlation : float
        Of `replayed` and the support's own levels in the mask, silence around it: 1 where the sound lights up just the
        segments that it was made from. NaN where one of them does not vary.
    """

    samples: npt.NDArray[np.float32]
    sr: float
    segments: tuple[int, ...]
    part: Literal["segments", "rest"]
    mask: npt.NDArray[np.bool_]
    replayed: npt.NDArray[np.float32]
    correlation: float

    def save_wav(self, path: str | os.PathLike[str]) -> Path:
        """Write the sound as a 16-bit WAV file, quieter where it would not fit.

        Parameters
        ----------
        path : path-like
            The file; one that is there is replaced.

        Returns
        -------
        pathlib.Path
            The file.
        """
        path = Path(path)
        replace_file(path, wav(_fitting(self.samples), self.sr))
        return path

    def __repr__(self) -> str:
        what = f"segments {self.segments}" if self.part == "segments" else f"all but segments {self.segments}"
        seconds = len(self.samples) / self.sr
        return f"Resynthesis({what}: {seconds:.2f} s, correlation {self.correlation:.3f})"

    def _repr_html_(self) -> str:
        from html import escape

        return f'<p>{escape(repr(self))}</p><audio controls src="{audio_uri(self.samples, self.sr)}"></audio>'


def resynthesise(
    explanation: Explanation, support: int, segments: tuple[int, ...], part: Literal["segments", "rest"]
) -> Resynthesis:
    """Do the work of `Explanation.resynthesise`, which describes the parameters."""
    clip, front_end = explanation.supports[support], explanation.front_end
    if clip.samples is None or front_end is None:
        accepted = "a support that was given as a recording or as samples, with a front end that the network knows"
        raise ParameterError("support", "a spectrogram without samples", accepted)
    if part not in ("segments", "rest"):
        raise ParameterError("part", part, "'segments' or 'rest'")
    labels = explanation.segments[support]
    unknown = [number for number in segments if not 0 <= number <= labels.max()]
    if unknown or not segments:
        raise ParameterError("segments", segments, f"one or more of 0 to {labels.max()}")
    mask = np.isin(labels, segments) == (part == "segments")

    weights = inverse.mel_weights(front_end)
    reached = weights.sum(axis=0)
    # Bins that no band reaches are no part of any segment.
    chosen = np.isin(labels, segments).astype(np.float32)
    share = np.divide(weights.T @ chosen, reached[:, None], out=np.zeros((len(reached), chosen.shape[1]), np.float32),
                      where=reached[:, None] > 0)  # fmt: skip
    if part == "rest":
        share = 1 - share
    stft = inverse.stft_of(front_end)
    samples = stft.inverse(stft(clip.samples) * share, length=len(clip.samples))
    replayed = front_end(samples)
    silence = explanation.fills[support] if explanation.replacement == "silence" else clip.spectrogram.min()
    wanted = np.where(mask, clip.spectrogram, silence)
    return Resynthesis(
        samples=samples,
        sr=front_end.sr,
        segments=segments,
        part=part,
        mask=mask,
        replayed=replayed,
        correlation=_correlation(wanted, replayed),
    )


def audio_uri(samples: npt.NDArray[np.float32], sr: float) -> str:
    """Return a sound as a page can hold it.

    Parameters
    ----------
    samples : np.ndarray [shape=(samples,)]
        Full scale is [-1, 1]; louder ones are made quieter.
    sr : float
        Sample rate in Hz.
    """
    return data_uri(wav(_fitting(samples), sr), "audio/wav")


def _fitting(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Make a sound as much quieter as full scale asks for."""
    return samples / max(1.0, float(np.abs(samples).max(initial=0)))


def _correlation(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    x, y = (values.astype(np.float64).ravel() - values.mean(dtype=np.float64) for values in (a, b))
    length = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / length) if length > 0 else np.nan
