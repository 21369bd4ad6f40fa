"""From spectrograms back to sound: what the front ends' `inverse` and `to_audio` do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from siamaudio import framing
from siamaudio.errors import ParameterError

if TYPE_CHECKING:
    from siamaudio.log_mel import LogMel
    from siamaudio.spectrogram import Spectrogram
    from siamaudio.stft import STFT

__all__ = [
    "griffin_lim",
    "log_mel_to_audio",
    "mel_weights",
    "spectrogram_to_audio",
    "spectrum_from_mel",
    "stft_of",
    "stft_to_audio",
]

_MEL_ITERATIONS = 50  # after which the bands agree within less than 0.1 dB
_MOMENTUM = 0.99  # of Perraudin, Balazs and Søndergaard's "A fast Griffin-Lim algorithm"


def stft_to_audio(stft: STFT, spectrum: npt.ArrayLike, *, length: int | None) -> npt.NDArray[np.float32]:
    """Do the work of `STFT.inverse`, which describes the parameters: overlap-add, divided by the windows' squares."""
    values = np.asarray(spectrum, dtype=np.complex64)
    _check_shape("spectrum", values, 1 + stft.n_fft // 2)
    if length is not None and length < 0:
        raise ParameterError("length", length, "0 samples or more, or None")
    num_frames = values.shape[-1]
    window = framing.frame_window(stft).astype(np.float32)
    frames = np.fft.irfft(values, n=stft.n_fft, axis=-2).astype(np.float32, copy=False)[..., : len(window), :]
    frames *= window[:, np.newaxis]
    total = np.zeros((*values.shape[:-2], (num_frames - 1) * stft.hop_length + len(window)), dtype=np.float32)
    weight = np.zeros(total.shape[-1], dtype=np.float32)
    for frame in range(num_frames):
        place = slice(frame * stft.hop_length, frame * stft.hop_length + len(window))
        total[..., place] += frames[..., frame]
        weight[place] += window**2
    np.divide(total, weight, out=total, where=weight > np.finfo(np.float32).tiny)

    # Samples that the first frame has before the signal's own first.
    offset = len(window) // 2 if stft.center else 0 if stft.snip_edges else len(window) // 2 - stft.hop_length // 2
    inside = (num_frames - 1) * stft.hop_length
    whole = inside if stft.center else inside + (len(window) if stft.snip_edges else stft.hop_length)
    size = whole if length is None else length
    y = np.zeros((*total.shape[:-1], size), dtype=np.float32)
    first = max(0, -offset)  # where the first frame begins inside the signal: a hop longer than the frame
    part = total[..., max(0, offset) : max(0, offset + size)]
    y[..., first : first + part.shape[-1]] = part[..., : max(0, size - first)]
    return y


def griffin_lim(
    stft: STFT, magnitude: npt.NDArray[np.float32], *, length: int | None, num_iterations: int, seed: int
) -> npt.NDArray[np.float32]:
    """Return signals whose spectrum has magnitudes (..., bins, frames), by alternating projections with momentum."""
    if num_iterations < 0:
        raise ParameterError("num_iterations", num_iterations, "0 or more")
    if length is not None and (length < 0 or stft.num_frames(length) != magnitude.shape[-1]):
        raise ParameterError("length", length, f"a number of samples that gives {magnitude.shape[-1]} frames, or None")
    turns = np.random.default_rng(seed).random(magnitude.shape, dtype=np.float32)
    y = stft.inverse(magnitude * np.exp(2j * np.pi * turns), length=length)
    if y.shape[-1] == 0:
        return y
    previous = np.zeros_like(magnitude, dtype=np.complex64)
    for _ in range(num_iterations):
        rebuilt = stft(y)
        direction = rebuilt - np.float32(_MOMENTUM / (1 + _MOMENTUM)) * previous
        previous = rebuilt
        direction *= magnitude / np.maximum(np.abs(direction), np.finfo(np.float32).tiny)
        y = stft.inverse(direction, length=length)
    return y


def spectrum_from_mel(mel: npt.NDArray[np.float32], filterbank: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return bins (..., bins, frames), none negative, that the filterbank sums up to `mel` (..., bands, frames).

    Richardson and Lucy's multiplications, from equal bins on: of all that fit, they find smooth ones.
    """
    tiny = np.finfo(np.float32).tiny
    reached = filterbank.sum(axis=0)[:, np.newaxis]
    weights = np.divide(filterbank.T, reached, out=np.zeros_like(filterbank.T), where=reached > 0)
    bins = weights @ np.divide(mel, np.maximum(filterbank.sum(axis=1), tiny)[:, np.newaxis])
    for _ in range(_MEL_ITERATIONS):
        bins *= weights @ (mel / np.maximum(filterbank @ bins, tiny))
    return bins


def spectrogram_to_audio(
    spectrogram: Spectrogram, levels: npt.ArrayLike, *, length: int | None, num_iterations: int, seed: int
) -> npt.NDArray[np.float32]:
    """Do the work of `Spectrogram.to_audio`, which describes the parameters."""
    bins = _undo_log(spectrogram, levels, 1 + spectrogram.n_fft // 2)
    magnitude = _undo_preemphasis(spectrogram, bins ** (1 / spectrogram.power) / abs(spectrogram.gain))
    return griffin_lim(stft_of(spectrogram), magnitude, length=length, num_iterations=num_iterations, seed=seed)


def log_mel_to_audio(
    log_mel: LogMel, levels: npt.ArrayLike, *, length: int | None, num_iterations: int, seed: int
) -> npt.NDArray[np.float32]:
    """Do the work of `LogMel.to_audio`, which describes the parameters."""
    mel = _undo_log(log_mel, levels, log_mel.n_mels)
    bins = spectrum_from_mel(mel, mel_weights(log_mel))
    magnitude = _undo_preemphasis(log_mel, bins ** (1 / log_mel.power) / abs(log_mel.gain))
    return griffin_lim(stft_of(log_mel), magnitude, length=length, num_iterations=num_iterations, seed=seed)


def mel_weights(log_mel: LogMel) -> npt.NDArray[np.float32]:
    """Return how much of each bin a front end's bands sum up, (bands, bins)."""
    from siamaudio._frontend import audio_core

    filter_options = ("sr", "n_fft", "n_mels", "fmin", "fmax", "mel_scale", "area_norm", "linear_in_mel")
    options = log_mel._native_options()  # pyright: ignore[reportPrivateUsage]
    return audio_core.mel_filterbank(**{name: options[name] for name in filter_options})


def _undo_log(front_end: LogMel | Spectrogram, levels: npt.ArrayLike, num_rows: int) -> npt.NDArray[np.float32]:
    values = np.asarray(levels, dtype=np.float32)
    _check_shape("spectrogram", values, num_rows)
    if not np.isfinite(values).all():
        raise ParameterError("spectrogram", "NaN or infinite values", "finite levels")
    with np.errstate(over="ignore"):
        match front_end.log:
            case None:
                undone = np.maximum(values, 0)
            case "db":
                ref = 1.0 if front_end.ref == "max" else front_end.ref
                undone = (ref * 10 ** (values / 10)) ** (front_end.power / 2)
            case "ln":
                undone = np.exp(values)
            case "ln_offset":
                undone = np.maximum(np.exp(values) - front_end.log_offset, 0)
            case "ln_nonzero":
                undone = np.where(values == 0, 0, np.exp(values))
    if not np.isfinite(undone).all():
        raise ParameterError("spectrogram", f"levels up to {values.max():g}", "levels of powers in single precision")
    return undone.astype(np.float32, copy=False)


def _undo_preemphasis(front_end: LogMel | Spectrogram, magnitude: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Divide by the filter's frequency response, which is 0 at 0 Hz where `preemphasis` is 1."""
    if front_end.preemphasis == 0:
        return magnitude
    angle = 2 * np.pi * np.arange(magnitude.shape[-2]) / front_end.n_fft
    response = np.abs(1 - front_end.preemphasis * np.exp(-1j * angle)).astype(np.float32)
    return magnitude / np.maximum(response, 1e-3)[:, np.newaxis]


def stft_of(front_end: LogMel | Spectrogram) -> STFT:
    """Return the transform that a front end begins with."""
    from siamaudio.stft import STFT

    return STFT(
        n_fft=front_end.n_fft,
        hop_length=front_end.hop_length,
        win_length=front_end.win_length,
        window=front_end.window,
        window_align=front_end.window_align,
        center=front_end.center,
        snip_edges=front_end.snip_edges,
        pad_mode=front_end.pad_mode,
    )


def _check_shape(name: str, values: npt.NDArray[np.generic], num_rows: int) -> None:
    if values.ndim < 2 or values.shape[-2] != num_rows or values.shape[-1] == 0:
        raise ParameterError(name, f"shape {values.shape}", f"shape (..., {num_rows}, frames) with a frame or more")
