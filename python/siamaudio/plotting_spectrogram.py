"""Pictures of spectrograms, in seconds and Hz where the front end is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from siamaudio.errors import ParameterError
from siamaudio.plotting_style import figure_of, new_axes

if TYPE_CHECKING:
    from matplotlib.image import AxesImage

    from siamaudio.log_mel import LogMel

__all__ = ["draw_spectrogram", "frequency_label", "frequency_ticks", "level_label", "plot_spectrogram", "time_label"]


def plot_spectrogram(spectrogram: npt.ArrayLike, *, front_end: LogMel | None = None, ax: Axes | None = None) -> Axes:
    """Draw a spectrogram in seconds and Hz, or in frames and bands where its front end is not known.

    Parameters
    ----------
    spectrogram : array-like [shape=(bands, frames)]
        Levels.
    front_end : LogMel or None
        What made the spectrogram.
    ax : matplotlib.axes.Axes or None
        Where to draw; None: new axes.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ParameterError
        The array has another shape, or another number of bands than the front end makes.
    """
    image = np.asarray(spectrogram, dtype=np.float32)
    if image.ndim != 2 or image.size == 0:
        raise ParameterError("spectrogram", f"shape {image.shape}", "(bands, frames), neither 0")
    if front_end is not None and len(image) != front_end.n_mels:
        raise ParameterError("spectrogram", f"{len(image)} bands", f"the {front_end.n_mels} of the front end")
    ax = new_axes((6.4, 3.2)) if ax is None else ax
    drawn = draw_spectrogram(ax, image, front_end)
    ax.set_xlabel(time_label(front_end))
    ax.set_ylabel(frequency_label(front_end))
    figure_of(ax).colorbar(drawn, ax=ax, label=level_label(front_end))
    return ax


def draw_spectrogram(ax: Axes, spectrogram: npt.NDArray[np.floating], front_end: LogMel | None) -> AxesImage:
    """Draw bands upwards by number; with a front end frames in seconds, ticks at round frequencies.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    spectrogram : np.ndarray [shape=(bands, frames)]
        Levels.
    front_end : LogMel or None
        What made it.
    """
    num_bands, num_frames = spectrogram.shape
    unit = 1.0 if front_end is None else front_end.hop_length / front_end.sr
    # Frames are centred at their times.
    extent = (-0.5 * unit, (num_frames - 0.5) * unit, -0.5, num_bands - 0.5)
    drawn = ax.imshow(spectrogram.astype(np.float32), origin="lower", aspect="auto", cmap="magma", extent=extent)
    if front_end is None:
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        positions, frequencies = frequency_ticks(front_end)
        ax.set_yticks(positions, [f"{frequency:g}" for frequency in frequencies])
    return drawn


def time_label(front_end: LogMel | None) -> str:
    """Return what stands at the axis of time, with its unit.

    Parameters
    ----------
    front_end : LogMel or None
        What made the spectrogram.
    """
    return "frame" if front_end is None else "time (s)"


def frequency_label(front_end: LogMel | None) -> str:
    """Return what stands at the axis of frequency, with its unit.

    Parameters
    ----------
    front_end : LogMel or None
        What made the spectrogram.
    """
    return "band" if front_end is None else "frequency (Hz)"


def level_label(front_end: LogMel | None) -> str:
    """Return what stands at the axis of level, with its unit.

    Parameters
    ----------
    front_end : LogMel or None
        What made the spectrogram.
    """
    if front_end is None:
        return "level (as given)"
    if front_end.log is None:
        return "magnitude" if front_end.power == 1 else "power"
    return "level (dB)" if front_end.log == "db" else "level (natural logarithm)"


def frequency_ticks(front_end: LogMel) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return where round frequencies are among the bands (band 0 at 0), and these in Hz.

    Parameters
    ----------
    front_end : LogMel
        No two are closer than an eighth of its bands.
    """
    hz_to_mel, mel_to_hz = (_htk_from_hz, _hz_from_htk) if front_end.htk else (_slaney_from_hz, _hz_from_slaney)
    edges = hz_to_mel(np.array([front_end.fmin, front_end.fmax or front_end.sr / 2]))
    # Centres of the bands divide the range evenly, in mel; the range's ends are edges, not centres.
    to_band = np.array([(front_end.n_mels + 1) / (edges[1] - edges[0])])
    centres = mel_to_hz(edges[0] + np.arange(1, front_end.n_mels + 1) / to_band)
    round_hz = np.array([digit * 10.0**power for power in range(6) for digit in (1, 2, 5)])
    inside = round_hz[(round_hz >= centres[0]) & (round_hz <= centres[-1])]
    if len(inside) < 2:
        ends = [0, front_end.n_mels - 1] if front_end.n_mels > 1 else [0]
        return np.array(ends, dtype=np.float64), np.round(centres[ends], 1)
    positions = (hz_to_mel(inside) - edges[0]) * to_band - 1
    kept = [len(inside) - 1]
    for index in range(len(inside) - 2, -1, -1):
        if positions[kept[-1]] - positions[index] >= front_end.n_mels / 8:
            kept.append(index)
    return positions[kept[::-1]], inside[kept[::-1]]


def _slaney_from_hz(frequencies_hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Slaney's scale (Auditory Toolbox, 1998), as in librosa: 3 mel every 200 Hz, from 1000 Hz on logarithmic."""
    above = 15 + 27 * np.log(np.maximum(frequencies_hz, 1000) / 1000) / np.log(6.4)
    return np.where(frequencies_hz < 1000, frequencies_hz * 3 / 200, above)


def _hz_from_slaney(mels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(np.log(6.4) * (np.maximum(mels, 15) - 15) / 27))


def _htk_from_hz(frequencies_hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """O'Shaughnessy's scale, in mel."""
    return 2595 * np.log10(1 + frequencies_hz / 700)


def _hz_from_htk(mels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 700 * (10 ** (mels / 2595) - 1)
