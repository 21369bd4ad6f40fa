"""What synthetic sounds are made of: tones, noises, envelopes, resonances and rhythms.

Signals are arrays of float64, shape (frames,), of any level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import signal

Array = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Scene:
    """What a sound is made from.

    Attributes
    ----------
    voice : numpy.random.Generator
        Draws what the clips of one source have in common.
    take : numpy.random.Generator
        Draws what is new in each clip.
    sr : int
        Sampling rate in Hz.
    num_frames : int
        Length in samples.
    """

    voice: np.random.Generator
    take: np.random.Generator
    sr: int
    num_frames: int

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.num_frames / self.sr

    @property
    def t(self) -> Array:
        """Time of each sample in seconds, shape (num_frames,)."""
        return np.arange(self.num_frames) / self.sr

    def part(self, seconds: float) -> Scene:
        """Return a scene of another length with the same generators."""
        return replace(self, num_frames=max(int(seconds * self.sr), 8))


def fft_size(num_frames: int) -> int:
    """Return the least power of two that is not below `num_frames`."""
    return 1 << (num_frames - 1).bit_length()


def power_law(size: int, sr: int, *, slope_db: float) -> Array:
    """Return the gain of each bin of a real FFT, rising by `slope_db` an octave through 0 dB at 1 kHz."""
    octaves = np.log2(np.maximum(np.fft.rfftfreq(size, 1.0 / sr), 50.0) / 1000.0)
    return 10.0 ** (slope_db * octaves / 20.0)


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform between those of `low` and `high`."""
    return float(low * (high / low) ** rng.uniform())


def phase(scene: Scene, frequency_hz: float | Array) -> Array:
    """Return the phase in radians of an oscillator whose frequency may change from sample to sample."""
    audible = np.minimum(np.broadcast_to(frequency_hz, scene.num_frames), 0.45 * scene.sr)
    return 2.0 * np.pi * np.cumsum(audible) / scene.sr


def tone(scene: Scene, frequency_hz: float | Array) -> Array:
    """Return a sine of constant or moving frequency."""
    return np.sin(phase(scene, frequency_hz))


def harmonics(scene: Scene, frequency_hz: float | Array, amplitudes: Sequence[float] | Array) -> Array:
    """Return the sum of a tone's harmonics, those near half the sampling rate left out."""
    angle = phase(scene, frequency_hz)
    # sin((k + 1) x) = 2 cos(x) sin(k x) - sin((k - 1) x): far cheaper than a sine for each harmonic.
    twice_cosine, before, now = 2.0 * np.cos(angle), np.zeros(scene.num_frames), np.sin(angle)
    total = np.zeros(scene.num_frames)
    highest = float(np.max(frequency_hz))
    for number, amplitude in enumerate(amplitudes, start=1):
        if number * highest > 0.45 * scene.sr:
            break
        total += amplitude * now
        before, now = now, twice_cosine * now - before
    return total


def rich(scene: Scene, frequency_hz: float | Array, *, slope: float = 1.0, count: int = 40) -> Array:
    """Return a tone whose k-th harmonic has the amplitude k to the power of minus `slope`."""
    return harmonics(scene, frequency_hz, np.arange(1, count + 1) ** -slope)


def gate(scene: Scene, start: float, stop: float, *, fade: float = 0.01) -> Array:
    """Return an envelope that is 1 from `start` to `stop` (seconds) with linear flanks inside."""
    return np.clip(np.minimum(scene.t - start, stop - scene.t) / fade, 0.0, 1.0)


def decay(scene: Scene, seconds: float, *, attack: float = 0.002) -> Array:
    """Return an envelope that rises within `attack` and falls by 1/e in `seconds`."""
    return np.exp(-scene.t / seconds) * np.minimum(scene.t / attack, 1.0)


def arch(scene: Scene, *, sharpness: float = 0.5) -> Array:
    """Return an envelope that rises and falls once over the whole scene."""
    return np.sin(np.pi * np.arange(scene.num_frames) / scene.num_frames) ** sharpness


def glide(scene: Scene, *frequencies_hz: float) -> Array:
    """Return a frequency that moves evenly in pitch through the given values."""
    places = np.linspace(0.0, scene.seconds, len(frequencies_hz))
    return np.exp(np.interp(scene.t, places, np.log(frequencies_hz)))


def wander(scene: Scene, rng: np.random.Generator, rate_hz: float) -> Array:
    """Return a smooth random curve with mean 0 and range about -1 to 1, changing about `rate_hz` times a second."""
    knots = rng.uniform(-1.0, 1.0, int(scene.seconds * rate_hz) + 3)
    position = scene.t * rate_hz + rng.uniform()
    # Cosine steps between the knots: no corners that could be heard.
    index = position.astype(np.int64)
    share = 0.5 - 0.5 * np.cos(np.pi * (position - index))
    return knots[index] * (1.0 - share) + knots[index + 1] * share


def shaped_noise(rng: np.random.Generator, num_frames: int, gain: Callable[[int], Array]) -> Array:
    """Return noise whose spectrum follows `gain`, a function from the FFT size to the gain of each bin."""
    size = fft_size(num_frames)
    shape = gain(size)
    spectrum = shape * (rng.standard_normal(len(shape)) + 1j * rng.standard_normal(len(shape)))
    return np.fft.irfft(spectrum, size)[:num_frames] * np.sqrt(size)


def band_noise(scene: Scene, low_hz: float, high_hz: float) -> Array:
    """Return noise between two frequencies, with flanks of 24 dB an octave."""

    def gain(size: int) -> Array:
        frequency = np.maximum(np.fft.rfftfreq(size, 1.0 / scene.sr), 1.0)
        return 1.0 / np.sqrt((1.0 + (low_hz / frequency) ** 8) * (1.0 + (frequency / high_hz) ** 8))

    return shaped_noise(scene.take, scene.num_frames, gain)


def moving_noise(scene: Scene, centre_hz: Array, width_hz: float) -> Array:
    """Return a band of noise whose centre moves."""
    return band_noise(scene, 1.0, width_hz) * tone(scene, centre_hz)


def resonate(scene: Scene, sound: Array, centres_hz: Sequence[float], widths_hz: Sequence[float]) -> Array:
    """Return the sum of two-pole resonators' answers, each of unit gain at its centre."""
    total = np.zeros(len(sound))
    for centre, width in zip(centres_hz, widths_hz, strict=True):
        if centre < 0.45 * scene.sr:
            numerator, denominator = signal.iirpeak(centre, centre / width, fs=scene.sr)
            total += signal.lfilter(numerator, denominator, sound)
    return total


def partials(scene: Scene, frequencies_hz: Sequence[float] | Array, decays: Sequence[float] | Array) -> Array:
    """Return partials that ring out, each with its own decay in seconds, as a struck body does."""
    t = scene.t
    total = np.zeros(scene.num_frames)
    for frequency, decay in zip(frequencies_hz, decays, strict=True):
        if frequency < 0.45 * scene.sr:
            total += np.exp(-t / decay) * np.sin(2.0 * np.pi * frequency * t)
    return total


def pulses(scene: Scene, rate_hz: float | Array) -> Array:
    """Return single samples of 1 at a rate that may change."""
    cycles = np.cumsum(np.broadcast_to(rate_hz, scene.num_frames)) / scene.sr
    return np.diff(np.floor(cycles), prepend=0.0)


def random_clicks(scene: Scene, rate_hz: float, *, spread: float) -> Array:
    """Return single samples at random times; their levels are log-normal with the given `spread`."""
    clicks = np.zeros(scene.num_frames)
    count = max(int(scene.take.poisson(rate_hz * scene.seconds)), 1)
    places = scene.take.integers(0, int(0.95 * scene.num_frames), count)  # a click at the very end is not heard
    np.add.at(clicks, places, np.exp(spread * scene.take.standard_normal(count)))
    return clicks


def spread(scene: Scene, clicks: Array, grain: Array) -> Array:
    """Put a copy of `grain` on every click."""
    return signal.fftconvolve(clicks, grain)[: scene.num_frames]


def place(scene: Scene, onsets: Sequence[float], grains: Sequence[Array]) -> Array:
    """Add up grains that begin at given times in seconds; what begins or lasts beyond the end is cut off."""
    total = np.zeros(scene.num_frames)
    for onset, grain in zip(onsets, grains, strict=True):
        start = int(onset * scene.sr)
        if start < scene.num_frames:
            cut = grain[: scene.num_frames - start]
            total[start : start + len(cut)] += cut
    return total


def start(scene: Scene, needed: float = 0.5) -> float:
    """Return a random time in seconds that leaves the share `needed` of the scene behind it."""
    return float(scene.take.uniform(0.0, 1.0 - needed)) * scene.seconds


def beats(scene: Scene, period: float, *, jitter: float = 0.0) -> list[float]:
    """Return times in seconds from a random start on to the end of the scene, `period` apart give or take."""
    count = int(scene.seconds / period) + 1
    # The first beat comes in the first half, or a short scene might stay silent.
    times = scene.take.uniform(0.0, min(period, 0.5 * scene.seconds)) + period * np.arange(count)
    times += period * jitter * scene.take.uniform(-1.0, 1.0, count)
    return [max(float(time), 0.0) for time in times if time < scene.seconds - 0.02]


def accent(scene: Scene, amount: float = 0.5) -> float:
    """Draw the strength of one of several strokes."""
    return float(scene.take.uniform(1.0 - amount, 1.0))
