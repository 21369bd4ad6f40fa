"""The sounds of the synthetic data set: parametric classes, and the room and recorder that every clip goes through.

A class is a name and a function that turns a `Scene` into a signal. Pitch and timbre are drawn from ``scene.voice``,
which the clips of one source share; timing, order and accents are drawn from ``scene.take``, which is each clip's own.
Whatever the function returns may have any level: `render` sets it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import signal

__all__ = ["CLASS_NAMES", "GENERATOR_VERSION", "Scene", "render", "source_of_clip"]

# Goes up with every change that alters a sample, so that sets on disk from before the change are not reused.
GENERATOR_VERSION = 1

_CLIPS_PER_BLOCK = 5
_SOURCES_PER_BLOCK = 4

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


def render(class_name: str, clip: int, *, seed: int, sr: int, num_frames: int) -> npt.NDArray[np.int16]:
    """Make one clip.

    Parameters
    ----------
    class_name : str
        One of `CLASS_NAMES`.
    clip : int
        Number of the clip in its class, from 0.
    seed : int
        Seed of the data set.
    sr : int
        Sampling rate in Hz.
    num_frames : int
        Length in samples.

    Returns
    -------
    ndarray of int16, shape (num_frames,)
        The same for the same arguments, whatever other clips are made.
    """
    source = source_of_clip(class_name, clip, seed=seed)
    voice = np.random.default_rng([seed, _key(class_name), 0, source])
    take = np.random.default_rng([seed, _key(class_name), 1, clip])
    sound = _SOUNDS[class_name](Scene(voice, take, sr, num_frames))
    return _record(_in_room(sound, take, sr), take, sr)


def source_of_clip(class_name: str, clip: int, *, seed: int) -> int:
    """Return the number of the source that a clip was taken from, counted within its class from 0.

    Of each block of five clips the last one is another take of one of the four before it, so that two in five clips
    share their source, however many clips are made.
    """
    block, place = divmod(clip, _CLIPS_PER_BLOCK)
    if place == _SOURCES_PER_BLOCK:
        place = int(np.random.default_rng([seed, _key(class_name), 2, block]).integers(_SOURCES_PER_BLOCK))
    return block * _SOURCES_PER_BLOCK + place


def _key(class_name: str) -> int:
    return zlib.crc32(class_name.encode())  # not hash(), which differs from run to run


# -------------------------------------------------------------------------------------------- room and recorder


def _in_room(sound: Array, take: np.random.Generator, sr: int) -> Array:
    """Add reverberation (noise that decays by 60 dB within a random time) and the tilt of a random microphone."""
    reverberation_seconds = _log_uniform(take, 0.1, 0.6)
    tail = np.arange(int(reverberation_seconds * sr)) / sr
    response = take.standard_normal(len(tail)) * 10.0 ** (-3.0 * tail / reverberation_seconds)
    response *= np.sqrt(take.uniform(0.0, 0.5) / np.sum(response**2))
    response[0] = 1.0
    size = _fft_size(len(sound) + len(response))
    tilt = _power_law(size, sr, slope_db=take.uniform(-2.0, 2.0))
    heard = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(response, size) * tilt, size)
    return heard[: len(sound)]


def _record(heard: Array, take: np.random.Generator, sr: int) -> npt.NDArray[np.int16]:
    """Add background noise of random colour and level, set a random recording level, and quantise."""
    noise = _shaped_noise(take, len(heard), lambda size: _power_law(size, sr, slope_db=take.uniform(-5.0, 0.0)))
    snr_db = take.uniform(8.0, 30.0)
    noise *= np.sqrt(np.mean(heard**2) / np.mean(noise**2)) * 10.0 ** (-snr_db / 20.0)
    mixed = heard + noise
    peak_db = take.uniform(-15.0, -1.0)
    mixed *= 10.0 ** (peak_db / 20.0) / np.max(np.abs(mixed))
    return np.round(mixed * 32767.0).astype(np.int16)


def _fft_size(num_frames: int) -> int:
    return 1 << (num_frames - 1).bit_length()


def _power_law(size: int, sr: int, *, slope_db: float) -> Array:
    """Return the gain of each bin of a real FFT, rising by `slope_db` an octave through 0 dB at 1 kHz."""
    octaves = np.log2(np.maximum(np.fft.rfftfreq(size, 1.0 / sr), 50.0) / 1000.0)
    return 10.0 ** (slope_db * octaves / 20.0)


# ----------------------------------------------------------------------------------------------- building blocks


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(low * (high / low) ** rng.uniform())


def _phase(scene: Scene, frequency_hz: float | Array) -> Array:
    """Return the phase in radians of an oscillator whose frequency may change from sample to sample."""
    audible = np.minimum(np.broadcast_to(frequency_hz, scene.num_frames), 0.45 * scene.sr)
    return 2.0 * np.pi * np.cumsum(audible) / scene.sr


def _tone(scene: Scene, frequency_hz: float | Array) -> Array:
    return np.sin(_phase(scene, frequency_hz))


def _harmonics(scene: Scene, frequency_hz: float | Array, amplitudes: Sequence[float] | Array) -> Array:
    """Return the sum of a tone's harmonics, those near half the sampling rate left out."""
    phase = _phase(scene, frequency_hz)
    # sin((k + 1) x) = 2 cos(x) sin(k x) - sin((k - 1) x): far cheaper than a sine for each harmonic.
    twice_cosine, before, now = 2.0 * np.cos(phase), np.zeros(scene.num_frames), np.sin(phase)
    total = np.zeros(scene.num_frames)
    highest = float(np.max(frequency_hz))
    for number, amplitude in enumerate(amplitudes, start=1):
        if number * highest > 0.45 * scene.sr:
            break
        total += amplitude * now
        before, now = now, twice_cosine * now - before
    return total


def _rich(scene: Scene, frequency_hz: float | Array, *, slope: float = 1.0, count: int = 40) -> Array:
    """Return a tone whose k-th harmonic has the amplitude k to the power of minus `slope`."""
    return _harmonics(scene, frequency_hz, np.arange(1, count + 1) ** -slope)


def _gate(scene: Scene, start: float, stop: float, *, fade: float = 0.01) -> Array:
    """Return an envelope that is 1 from `start` to `stop` (seconds) with linear flanks inside."""
    return np.clip(np.minimum(scene.t - start, stop - scene.t) / fade, 0.0, 1.0)


def _decay(scene: Scene, seconds: float, *, attack: float = 0.002) -> Array:
    """Return an envelope that rises within `attack` and falls by 1/e in `seconds`."""
    return np.exp(-scene.t / seconds) * np.minimum(scene.t / attack, 1.0)


def _arch(scene: Scene, *, sharpness: float = 0.5) -> Array:
    """Return an envelope that rises and falls once over the whole scene."""
    return np.sin(np.pi * np.arange(scene.num_frames) / scene.num_frames) ** sharpness


def _glide(scene: Scene, *frequencies_hz: float) -> Array:
    """Return a frequency that moves evenly in pitch through the given values."""
    places = np.linspace(0.0, scene.seconds, len(frequencies_hz))
    return np.exp(np.interp(scene.t, places, np.log(frequencies_hz)))


def _wander(scene: Scene, rng: np.random.Generator, rate_hz: float) -> Array:
    """Return a smooth random curve with mean 0 and range about -1 to 1, changing about `rate_hz` times a second."""
    knots = rng.uniform(-1.0, 1.0, int(scene.seconds * rate_hz) + 3)
    position = scene.t * rate_hz + rng.uniform()
    # Cosine steps between the knots: no corners that could be heard.
    index = position.astype(np.int64)
    share = 0.5 - 0.5 * np.cos(np.pi * (position - index))
    return knots[index] * (1.0 - share) + knots[index + 1] * share


def _shaped_noise(rng: np.random.Generator, num_frames: int, gain: Callable[[int], Array]) -> Array:
    """Return noise whose spectrum follows `gain`, a function from the FFT size to the gain of each bin."""
    size = _fft_size(num_frames)
    shape = gain(size)
    spectrum = shape * (rng.standard_normal(len(shape)) + 1j * rng.standard_normal(len(shape)))
    return np.fft.irfft(spectrum, size)[:num_frames] * np.sqrt(size)


def _band_noise(scene: Scene, low_hz: float, high_hz: float) -> Array:
    """Return noise between two frequencies, with flanks of 24 dB an octave."""

    def gain(size: int) -> Array:
        frequency = np.maximum(np.fft.rfftfreq(size, 1.0 / scene.sr), 1.0)
        return 1.0 / np.sqrt((1.0 + (low_hz / frequency) ** 8) * (1.0 + (frequency / high_hz) ** 8))

    return _shaped_noise(scene.take, scene.num_frames, gain)


def _moving_noise(scene: Scene, centre_hz: Array, width_hz: float) -> Array:
    """Return a band of noise whose centre moves."""
    return _band_noise(scene, 1.0, width_hz) * _tone(scene, centre_hz)


def _resonate(scene: Scene, sound: Array, centres_hz: Sequence[float], widths_hz: Sequence[float]) -> Array:
    """Return the sum of two-pole resonators' answers, each of unit gain at its centre."""
    total = np.zeros(len(sound))
    for centre, width in zip(centres_hz, widths_hz, strict=True):
        if centre < 0.45 * scene.sr:
            numerator, denominator = signal.iirpeak(centre, centre / width, fs=scene.sr)
            total += signal.lfilter(numerator, denominator, sound)
    return total


def _partials(scene: Scene, frequencies_hz: Sequence[float] | Array, decays: Sequence[float] | Array) -> Array:
    """Return partials that ring out, each with its own decay in seconds, as a struck body does."""
    t = scene.t
    total = np.zeros(scene.num_frames)
    for frequency, decay in zip(frequencies_hz, decays, strict=True):
        if frequency < 0.45 * scene.sr:
            total += np.exp(-t / decay) * np.sin(2.0 * np.pi * frequency * t)
    return total


def _pulses(scene: Scene, rate_hz: float | Array) -> Array:
    """Return single samples of 1 at a rate that may change."""
    cycles = np.cumsum(np.broadcast_to(rate_hz, scene.num_frames)) / scene.sr
    return np.diff(np.floor(cycles), prepend=0.0)


def _random_clicks(scene: Scene, rate_hz: float, *, spread: float) -> Array:
    """Return single samples at random times; their levels are log-normal with the given `spread`."""
    clicks = np.zeros(scene.num_frames)
    count = max(int(scene.take.poisson(rate_hz * scene.seconds)), 1)
    places = scene.take.integers(0, int(0.95 * scene.num_frames), count)  # a click at the very end is not heard
    np.add.at(clicks, places, np.exp(spread * scene.take.standard_normal(count)))
    return clicks


def _spread(scene: Scene, clicks: Array, grain: Array) -> Array:
    """Put a copy of `grain` on every click."""
    return signal.fftconvolve(clicks, grain)[: scene.num_frames]


def _place(scene: Scene, onsets: Sequence[float], grains: Sequence[Array]) -> Array:
    """Add up grains that begin at given times in seconds; what begins or lasts beyond the end is cut off."""
    total = np.zeros(scene.num_frames)
    for onset, grain in zip(onsets, grains, strict=True):
        start = int(onset * scene.sr)
        if start < scene.num_frames:
            cut = grain[: scene.num_frames - start]
            total[start : start + len(cut)] += cut
    return total


def _start(scene: Scene, needed: float = 0.5) -> float:
    """Return a random time in seconds that leaves the share `needed` of the scene behind it."""
    return float(scene.take.uniform(0.0, 1.0 - needed)) * scene.seconds


def _beats(scene: Scene, period: float, *, jitter: float = 0.0) -> list[float]:
    """Return times in seconds from a random start on to the end of the scene, `period` apart give or take."""
    count = int(scene.seconds / period) + 1
    # The first beat comes in the first half, or a short scene might stay silent.
    times = scene.take.uniform(0.0, min(period, 0.5 * scene.seconds)) + period * np.arange(count)
    times += period * jitter * scene.take.uniform(-1.0, 1.0, count)
    return [max(float(time), 0.0) for time in times if time < scene.seconds - 0.02]


def _accent(scene: Scene, amount: float = 0.5) -> float:
    return float(scene.take.uniform(1.0 - amount, 1.0))


# ------------------------------------------------------------------------------------------------- steady tones


def _fm_tone(scene: Scene) -> Array:
    carrier = _log_uniform(scene.voice, 200.0, 1000.0)
    ratio = scene.voice.uniform(1.3, 1.5)
    brightness = 1.5 + 2.5 * np.sin(np.pi * scene.t * _log_uniform(scene.take, 0.7, 1.4) + scene.take.uniform(0, 6.0))
    sound = np.sin(_phase(scene, carrier) + brightness * _tone(scene, carrier * ratio))
    start = _start(scene, 0.7)
    return sound * _gate(scene, start, start + scene.take.uniform(0.6, 1.0) * scene.seconds, fade=0.08)


def _organ_chord(scene: Scene) -> Array:
    root = _log_uniform(scene.voice, 130.0, 400.0)
    third = 1.26 if scene.voice.uniform() < 0.5 else 1.19
    stops = scene.voice.uniform(0.2, 1.0, 8)
    start = _start(scene, 0.7)
    envelope = _gate(scene, start, start + scene.take.uniform(0.6, 1.0) * scene.seconds, fade=0.1)
    return envelope * sum((_harmonics(scene, root * ratio, stops) for ratio in (1.0, third, 1.5)), np.zeros(1))


def _sawtooth_buzz(scene: Scene) -> Array:
    frequency = _log_uniform(scene.voice, 70.0, 280.0)
    length = _log_uniform(scene.voice, 0.25, 0.6)
    grain = scene.part(length)
    beats = _beats(scene, length * 1.35, jitter=0.1)
    buzz = _rich(grain, frequency, slope=0.7, count=60) * _gate(grain, 0.0, length)
    return _place(scene, beats, [buzz] * len(beats))


def _robot_voice(scene: Scene) -> Array:
    carrier = _log_uniform(scene.voice, 60.0, 180.0)
    length = _log_uniform(scene.voice, 0.14, 0.24)
    beats = _beats(scene, length * 1.15, jitter=0.05)
    grain = scene.part(length)
    grains: list[Array] = []
    for _ in beats:
        voice = _rich(grain, _log_uniform(scene.take, 100.0, 140.0), slope=0.5)
        formants = [scene.take.uniform(300.0, 900.0), scene.take.uniform(1000.0, 2400.0)]
        grains.append(_resonate(grain, voice, formants, [90.0, 120.0]) * _arch(grain))
    return _place(scene, beats, grains) * np.sign(_tone(scene, carrier))


# ------------------------------------------------------------------------------------------------------- sweeps


def _chirp(scene: Scene, *, upwards: bool) -> Array:
    low = _log_uniform(scene.voice, 200.0, 900.0)
    high = low * _log_uniform(scene.voice, 3.0, 6.0)
    grain = scene.part(_log_uniform(scene.take, 0.35, 0.95))
    sweep = _glide(grain, low, high) if upwards else _glide(grain, high, low)
    colour = scene.voice.uniform(1.0, 2.5)
    return _place(scene, [_start(scene)], [_rich(grain, sweep, slope=colour, count=6) * _arch(grain)])


def _chirp_up(scene: Scene) -> Array:
    return _chirp(scene, upwards=True)


def _chirp_down(scene: Scene) -> Array:
    return _chirp(scene, upwards=False)


def _laser_zaps(scene: Scene) -> Array:
    high = _log_uniform(scene.voice, 2500.0, 6000.0)
    length = _log_uniform(scene.voice, 0.09, 0.2)
    grain = scene.part(length)
    zap = _rich(grain, _glide(grain, high, high / 4, high / 10), slope=1.2, count=5) * _decay(grain, length / 2)
    beats = _beats(scene, length * _log_uniform(scene.take, 1.2, 2.2), jitter=0.15)
    return _place(scene, beats, [zap * _accent(scene) for _ in beats])


def _noise_sweep(scene: Scene) -> Array:
    low = _log_uniform(scene.voice, 250.0, 700.0)
    high = low * _log_uniform(scene.voice, 5.0, 9.0)
    grain = scene.part(_log_uniform(scene.take, 0.5, 1.1))
    path = (low, high, low) if scene.voice.uniform() < 0.5 else (low, high)
    whoosh = _moving_noise(grain, _glide(grain, *path), 0.3 * low + 100.0) * _arch(grain, sharpness=1.0)
    return _place(scene, [_start(scene)], [whoosh])


def _zip_fastener(scene: Scene) -> Array:
    centre = _log_uniform(scene.voice, 1500.0, 4000.0)
    grain = scene.part(_log_uniform(scene.take, 0.4, 0.9))
    slow = _log_uniform(scene.voice, 25.0, 45.0)
    teeth = _pulses(grain, _glide(grain, slow, slow * 5.0))
    rasp = _spread(grain, teeth, _band_noise(scene.part(0.01), centre, centre * 2.0) * _decay(scene.part(0.01), 0.003))
    return _place(scene, [_start(scene)], [rasp * np.linspace(0.4, 1.0, grain.num_frames)])


def _siren(scene: Scene, movement: Array) -> Array:
    low = _log_uniform(scene.voice, 350.0, 800.0)
    span = scene.voice.uniform(0.6, 1.1)
    return _rich(scene, low * np.exp(span * movement), slope=scene.voice.uniform(1.0, 1.8), count=10)


def _siren_wail(scene: Scene) -> Array:
    rate = _log_uniform(scene.voice, 0.45, 0.9)
    return _siren(scene, 0.5 - 0.5 * np.cos(2.0 * np.pi * (rate * scene.t + scene.take.uniform())))


def _siren_yelp(scene: Scene) -> Array:
    rate = _log_uniform(scene.voice, 2.8, 5.5)
    return _siren(scene, (rate * scene.t + scene.take.uniform()) % 1.0)


def _siren_hi_lo(scene: Scene) -> Array:
    rate = _log_uniform(scene.voice, 1.2, 2.6)
    return _siren(scene, np.where((rate * scene.t + scene.take.uniform()) % 1.0 < 0.5, 0.0, 0.5))


# ----------------------------------------------------------------------------------------------- struck, plucked


def _bell(scene: Scene) -> Array:
    strike = _log_uniform(scene.voice, 250.0, 1000.0)
    ratios = np.array([0.5, 1.0, 1.19, 1.5, 2.0, 2.51, 2.66, 3.01, 4.1]) * scene.voice.uniform(0.99, 1.01, 9)
    decays = scene.voice.uniform(0.5, 1.0) / np.sqrt(ratios)
    start = _start(scene, 0.6)
    return _place(scene, [start], [_partials(scene, strike * ratios, decays)])


def _gong(scene: Scene) -> Array:
    lowest = _log_uniform(scene.voice, 70.0, 180.0)
    frequencies = lowest * np.cumprod(scene.voice.uniform(1.05, 1.25, 22))
    body = _partials(scene, frequencies, 0.9 / np.sqrt(frequencies / lowest))
    shimmer = _band_noise(scene, lowest * 8, lowest * 30) * np.minimum(scene.t / 0.15, 1.0) * np.exp(-scene.t / 0.4)
    return _place(scene, [_start(scene, 0.65)], [body + 0.5 * shimmer])


def _plucked_string(scene: Scene) -> Array:
    open_string = _log_uniform(scene.voice, 100.0, 330.0)
    where = scene.voice.uniform(0.1, 0.35)  # plucking a string at this share of its length mutes some harmonics
    numbers = np.arange(1, 26)
    amplitudes = np.sin(np.pi * numbers * where) / numbers
    beats = _beats(scene, _log_uniform(scene.take, 0.22, 0.5), jitter=0.1)
    grain = scene.part(0.7)
    grains: list[Array] = []
    for _ in beats:
        frequency = open_string * 2.0 ** (scene.take.integers(0, 8) / 12.0)
        # The upper harmonics die away first: a bright beginning over a dull remainder.
        bright = _harmonics(grain, frequency, amplitudes * (numbers > 5)) * _decay(grain, 0.07)
        dull = _harmonics(grain, frequency, amplitudes[:5]) * _decay(grain, 0.25)
        grains.append((bright + dull) * _gate(grain, -1.0, 0.7, fade=0.1))
    return _place(scene, beats, grains)


def _marimba(scene: Scene) -> Array:
    lowest = _log_uniform(scene.voice, 180.0, 600.0)
    beats = _beats(scene, _log_uniform(scene.take, 0.13, 0.3), jitter=0.05)
    grain = scene.part(0.4)
    grains: list[Array] = []
    for _ in beats:
        frequency = lowest * 2.0 ** (int(scene.take.choice([0, 2, 4, 7, 9, 12])) / 12.0)
        grains.append(_partials(grain, frequency * np.array([1.0, 3.93, 9.2]), [0.1, 0.03, 0.012]) * _accent(scene))
    return _place(scene, beats, grains)


def _glass_break(scene: Scene) -> Array:
    brightness = _log_uniform(scene.voice, 0.7, 1.4)
    start = _start(scene, 0.7)
    count = int(scene.take.integers(25, 45))
    onsets = [start, *(start + scene.take.exponential(0.2, count))]
    crash = scene.part(0.08)
    grains: list[Array] = [4.0 * _band_noise(crash, 1500.0 * brightness, 7000.0) * _decay(crash, 0.02)]
    splinter = scene.part(0.15)
    for _ in range(count):
        frequencies = brightness * scene.take.uniform(1800.0, 6500.0, 2)
        grains.append(_partials(splinter, frequencies, [0.03, 0.015]) * _accent(scene, 0.9))
    return _place(scene, onsets, grains)


def _thump(scene: Scene, centre_hz: float, *, seconds: float) -> Array:
    """Return a short dull blow: decaying noise in a body that resonates at one frequency."""
    grain = scene.part(6.0 * seconds)
    blow = grain.take.standard_normal(grain.num_frames) * _decay(grain, seconds / 2.0, attack=0.0005)
    return _resonate(grain, blow, [centre_hz, 2.3 * centre_hz], [0.3 * centre_hz, 0.6 * centre_hz])


def _knocks(scene: Scene) -> Array:
    centre = _log_uniform(scene.voice, 180.0, 700.0)
    period = _log_uniform(scene.voice, 0.13, 0.24)
    onsets = _start(scene, 0.6) + period * np.arange(scene.take.integers(3, 6))
    return _place(scene, onsets.tolist(), [_thump(scene, centre, seconds=0.03) * _accent(scene) for _ in onsets])


def _footsteps(scene: Scene) -> Array:
    centre = _log_uniform(scene.voice, 70.0, 160.0)
    grit = _log_uniform(scene.voice, 1200.0, 3500.0)
    beats = _beats(scene, _log_uniform(scene.voice, 0.33, 0.55), jitter=0.06)
    grain = scene.part(0.16)
    steps = [
        3.0 * np.pad(_thump(scene, centre, seconds=0.025), (0, grain.num_frames))[: grain.num_frames]
        + 0.4 * _band_noise(grain, grit, 2.0 * grit) * _arch(grain, sharpness=2.0)
        for _ in beats
    ]
    return _place(scene, beats, steps)


def _clock_tick(scene: Scene) -> Array:
    centre = _log_uniform(scene.voice, 1800.0, 4500.0)
    period = _log_uniform(scene.voice, 0.2, 0.42)
    beats = _beats(scene, period)
    grain = scene.part(0.03)
    tick = _partials(grain, [centre, 1.62 * centre], [0.004, 0.003])
    tock = _partials(grain, [0.8 * centre, 1.3 * centre], [0.004, 0.003])
    return _place(scene, beats, [tick if index % 2 else tock for index in range(len(beats))])


def _heartbeat(scene: Scene) -> Array:
    centre = _log_uniform(scene.voice, 60.0, 120.0)
    period = _log_uniform(scene.voice, 0.5, 0.8)
    beats = _beats(scene, period, jitter=0.03)
    lub = _thump(scene, centre, seconds=0.07)
    dub = 0.7 * _thump(scene, 1.4 * centre, seconds=0.05)
    onsets = [*beats, *(beat + 0.32 * period for beat in beats)]
    return _place(scene, onsets, [lub] * len(beats) + [dub] * len(beats))


def _bouncing_ball(scene: Scene) -> Array:
    centre = _log_uniform(scene.voice, 250.0, 1100.0)
    restitution = scene.voice.uniform(0.72, 0.84)
    strength = restitution ** np.arange(14)
    onsets = _start(scene, 0.75) + np.cumsum(strength) * scene.take.uniform(0.22, 0.32)
    grain = scene.part(0.12)
    bounce = _partials(grain, [centre, 2.1 * centre, 3.7 * centre], [0.03, 0.015, 0.008])
    return _place(scene, onsets.tolist(), [level * bounce for level in strength])


# ------------------------------------------------------------------------------------------------ alarms, signals


def _alarm_beeps(scene: Scene) -> Array:
    frequency = _log_uniform(scene.voice, 700.0, 2600.0)
    period = _log_uniform(scene.voice, 0.14, 0.3)
    grain = scene.part(0.5 * period)
    beep = _harmonics(grain, frequency, [1.0, 0.0, 0.4, 0.0, 0.2]) * _gate(grain, 0.0, 0.5 * period, fade=0.004)
    beats = _beats(scene, period)
    return _place(scene, beats, [beep] * len(beats))


def _telephone_ring(scene: Scene) -> Array:
    frequency = _log_uniform(scene.voice, 500.0, 1600.0)
    rate = scene.voice.uniform(16.0, 26.0)
    length = scene.voice.uniform(0.35, 0.5)
    grain = scene.part(length)
    clapper = np.exp(-6.0 * ((rate * grain.t) % 1.0))
    ring = (_tone(grain, frequency) + _tone(grain, 1.25 * frequency) + 0.4 * _tone(grain, 2.7 * frequency)) * clapper
    start = _start(scene, 0.75)
    return _place(scene, [start, start + length + 0.2], [ring * _gate(grain, 0.0, length)] * 2)


def _morse(scene: Scene) -> Array:
    frequency = _log_uniform(scene.voice, 450.0, 1400.0)
    unit = _log_uniform(scene.voice, 0.04, 0.075)
    onsets: list[float] = []
    grains: list[Array] = []
    now = _start(scene, 0.85)
    while now < scene.seconds:
        length = unit * (3 if scene.take.uniform() < 0.5 else 1)
        grain = scene.part(length)
        onsets.append(now)
        grains.append(_tone(grain, frequency) * _gate(grain, 0.0, length, fade=0.004))
        now += length + unit * (3 if scene.take.uniform() < 0.25 else 1)
    return _place(scene, onsets, grains)


def _sonar_ping(scene: Scene) -> Array:
    frequency = _log_uniform(scene.voice, 600.0, 2200.0)
    echo = scene.voice.uniform(0.25, 0.5)
    ping = _tone(scene, _glide(scene, frequency, 0.97 * frequency)) * _decay(scene, 0.12, attack=0.01)
    onsets = _start(scene, 0.7) + echo * np.arange(4)
    return _place(scene, onsets.tolist(), [level * ping for level in (1.0, 0.4, 0.16, 0.06)])


def _car_horn(scene: Scene) -> Array:
    low = _log_uniform(scene.voice, 280.0, 520.0)
    interval = scene.voice.uniform(1.18, 1.27)
    count = int(scene.take.integers(1, 4))
    length = scene.take.uniform(0.6, 0.9) / count
    grain = scene.part(length)
    honk = _rich(grain, low, slope=0.6, count=20) + _rich(grain, low * interval, slope=0.6, count=20)
    onsets = _start(scene, 0.75) + (length + 0.09) * np.arange(count)
    return _place(scene, onsets.tolist(), [honk * _gate(grain, 0.0, length, fade=0.02)] * count)


def _cuckoo(scene: Scene) -> Array:
    high = _log_uniform(scene.voice, 450.0, 1100.0)
    interval = scene.voice.uniform(1.2, 1.3)
    length = scene.voice.uniform(0.17, 0.26)
    grain = scene.part(length)
    call = [
        (_harmonics(grain, frequency, [1.0, 0.15, 0.05]) + 0.02 * _band_noise(grain, 800.0, 4000.0)) * _arch(grain)
        for frequency in (high, high / interval)
    ]
    start = _start(scene, 0.8)
    onsets = start + length * np.array([0.0, 1.3, 3.2, 4.5])
    return _place(scene, onsets.tolist(), call * 2)


# ------------------------------------------------------------------------------------------------------- noises


def _rain(scene: Scene) -> Array:
    drop = scene.part(0.006)
    grain = _band_noise(drop, _log_uniform(scene.voice, 900.0, 2500.0), 7000.0) * _decay(drop, 0.0015, attack=0.0003)
    drops = _spread(scene, _random_clicks(scene, _log_uniform(scene.voice, 200.0, 700.0), spread=0.7), grain)
    hush = _band_noise(scene, _log_uniform(scene.voice, 300.0, 1500.0), 7500.0)
    return drops / np.std(drops) + 0.6 * hush / np.std(hush)


def _fire_crackle(scene: Scene) -> Array:
    snap = scene.part(0.012)
    grain = _band_noise(snap, _log_uniform(scene.voice, 500.0, 1500.0), 6000.0) * _decay(snap, 0.002, attack=0.0003)
    snaps = _spread(scene, _random_clicks(scene, _log_uniform(scene.voice, 12.0, 35.0), spread=1.2), grain)
    rumble = _band_noise(scene, 40.0, _log_uniform(scene.voice, 120.0, 350.0)) * (1.0 + _wander(scene, scene.take, 6.0))
    return snaps / np.std(snaps) + 0.6 * rumble / np.std(rumble)


def _geiger(scene: Scene) -> Array:
    centre = _log_uniform(scene.voice, 900.0, 4000.0)
    grain = _partials(scene.part(0.008), [centre, 2.2 * centre], [0.0012, 0.0008])
    return _spread(scene, _random_clicks(scene, _log_uniform(scene.voice, 10.0, 40.0), spread=0.1), grain)


def _wind(scene: Scene) -> Array:
    centre = _log_uniform(scene.voice, 300.0, 1000.0)
    howl = _moving_noise(scene, centre * np.exp(0.45 * _wander(scene, scene.take, 2.5)), 0.12 * centre)
    gusts = 1.0 + 0.7 * _wander(scene, scene.take, 2.0)
    return gusts * (howl / np.std(howl) + 0.5 * _band_noise(scene, 50.0, 0.7 * centre))


def _surf(scene: Scene) -> Array:
    crest = scene.take.uniform(0.3, 0.9) * scene.seconds
    rise, fall = _log_uniform(scene.voice, 0.25, 0.5), _log_uniform(scene.voice, 0.2, 0.4)
    swell = np.exp(-np.abs(scene.t - crest) / np.where(scene.t < crest, rise, fall))
    deep = _band_noise(scene, 80.0, _log_uniform(scene.voice, 500.0, 1200.0))
    foam = _band_noise(scene, 1000.0, _log_uniform(scene.voice, 4000.0, 7500.0))
    return swell * deep / np.std(deep) + 0.7 * swell**2 * foam / np.std(foam)


def _steam_bursts(scene: Scene) -> Array:
    low = _log_uniform(scene.voice, 1500.0, 4000.0)
    length = _log_uniform(scene.voice, 0.15, 0.35)
    beats = _beats(scene, length * _log_uniform(scene.voice, 1.4, 2.2), jitter=0.15)
    grain = scene.part(length)
    return _place(scene, beats, [_band_noise(grain, low, 7500.0) * _gate(grain, 0.0, length, fade=0.03) for _ in beats])


def _hand_saw(scene: Scene) -> Array:
    centre = _log_uniform(scene.voice, 700.0, 2200.0)
    teeth = _log_uniform(scene.voice, 60.0, 130.0)
    beats = _beats(scene, _log_uniform(scene.voice, 0.2, 0.36), jitter=0.05)
    strokes: list[Array] = []
    for index in range(len(beats)):
        grain = scene.part(0.2)
        low = centre * (1.0 if index % 2 else 1.5)  # the stroke away and the stroke back
        rasp = 1.0 + 0.8 * _tone(grain, teeth * (1.0 + 0.3 * _arch(grain)))
        strokes.append(_band_noise(grain, low, 2.2 * low) * rasp * _arch(grain) * (1.0 if index % 2 else 0.6))
    return _place(scene, beats, strokes)


def _applause(scene: Scene) -> Array:
    rate = _log_uniform(scene.voice, 40.0, 110.0)
    total = np.zeros(scene.num_frames)
    clap = scene.part(0.03)
    for _ in range(4):  # four kinds of hands
        centre = _log_uniform(scene.voice, 700.0, 2200.0)
        grain = _band_noise(clap, 0.7 * centre, 1.6 * centre) * _decay(clap, 0.006, attack=0.0005)
        total += _spread(scene, _random_clicks(scene, rate / 4.0, spread=0.4), grain)
    return total


# ------------------------------------------------------------------------------------------------------ engines


def _engine_slow(scene: Scene) -> Array:
    rate = _log_uniform(scene.voice, 14.0, 28.0)
    stroke = scene.part(0.08)
    blow = stroke.voice.standard_normal(stroke.num_frames) * _decay(stroke, 0.012)
    resonances = [_log_uniform(scene.voice, 70.0, 160.0), _log_uniform(scene.voice, 250.0, 700.0)]
    grain = _resonate(stroke, blow, resonances, [40.0, 120.0])
    firing = _pulses(scene, rate * (1.0 + 0.12 * _wander(scene, scene.take, 12.0)))
    return _spread(scene, firing * (1.0 + 0.4 * _wander(scene, scene.take, 20.0)), grain)


def _engine_fast(scene: Scene) -> Array:
    idle = _log_uniform(scene.voice, 60.0, 130.0)
    crest = idle * _log_uniform(scene.take, 1.5, 2.3)
    path = (idle, crest, idle) if scene.take.uniform() < 0.5 else (crest, idle, crest)
    revolutions = _glide(scene, *path) * (1.0 + 0.02 * _wander(scene, scene.take, 30.0))
    accents = scene.voice.uniform(0.2, 1.0, 40) / np.sqrt(np.arange(1, 41))
    return _harmonics(scene, revolutions, accents) + 0.5 * _band_noise(scene, 200.0, 1500.0)


def _propeller(scene: Scene) -> Array:
    rate = _log_uniform(scene.voice, 9.0, 20.0)
    chop = np.exp(-5.0 * ((rate * scene.t + scene.take.uniform()) % 1.0))
    low = _log_uniform(scene.voice, 60.0, 150.0)
    slap = _band_noise(scene, low, _log_uniform(scene.voice, 800.0, 2500.0))
    whine = _rich(scene, rate * scene.voice.uniform(18.0, 30.0), slope=1.0, count=6)
    return slap / np.std(slap) * chop + 0.12 * whine


def _drill(scene: Scene) -> Array:
    speed = _log_uniform(scene.voice, 180.0, 480.0)
    load = 1.0 - 0.25 * np.clip(_wander(scene, scene.take, 2.5), 0.0, 1.0)
    start = _start(scene, 0.8)
    spin_up = 1.0 - 0.7 * np.exp(-np.maximum(scene.t - start, 0.0) / 0.12)
    motor = _rich(scene, speed * load * spin_up, slope=0.5, count=30)
    debris = _band_noise(scene, 1500.0, 5000.0) * (1.1 - load)
    return (motor + 2.0 * debris) * _gate(scene, start, scene.seconds + 1.0, fade=0.03)


# ---------------------------------------------------------------------------------------------- voices, animals


def _whistle(scene: Scene) -> Array:
    base = _log_uniform(scene.voice, 800.0, 2000.0)
    vibrato = 1.0 + 0.012 * _tone(scene, scene.voice.uniform(4.5, 7.0))
    steps = base * 2.0 ** (scene.take.integers(-4, 8, 6) / 12.0)
    start = _start(scene, 0.75)
    envelope = _gate(scene, start, start + scene.take.uniform(0.65, 0.95) * scene.seconds, fade=0.06)
    breath = 0.03 * _band_noise(scene, base, 3.0 * base)
    return envelope * (_harmonics(scene, _glide(scene, *steps.tolist()) * vibrato, [1.0, 0.05]) + breath)


def _bird_trill(scene: Scene) -> Array:
    high = _log_uniform(scene.voice, 3000.0, 6500.0)
    period = _log_uniform(scene.voice, 0.05, 0.09)
    grain = scene.part(0.7 * period)
    syllable = _tone(grain, _glide(grain, high, high * scene.voice.uniform(0.55, 0.75))) * _arch(grain)
    count = int(scene.take.integers(6, 13))
    onsets = _start(scene, 0.65) + period * np.arange(count)
    return _place(scene, onsets.tolist(), [syllable * level for level in np.linspace(0.4, 1.0, count)])


def _cricket(scene: Scene) -> Array:
    frequency = _log_uniform(scene.voice, 2600.0, 6000.0)
    pulse = _log_uniform(scene.voice, 0.018, 0.03)
    grain = scene.part(0.8 * pulse)
    tick = _tone(grain, frequency) * _arch(grain)
    per_chirp = int(scene.voice.integers(3, 6))
    beats = _beats(scene, per_chirp * pulse + scene.voice.uniform(0.1, 0.25))
    onsets = [beat + pulse * index for beat in beats for index in range(per_chirp)]
    return _place(scene, onsets, [tick] * len(onsets))


def _frog_croak(scene: Scene) -> Array:
    rate = _log_uniform(scene.voice, 30.0, 65.0)
    formants = [_log_uniform(scene.voice, 350.0, 700.0), _log_uniform(scene.voice, 1100.0, 2200.0)]
    length = _log_uniform(scene.voice, 0.2, 0.38)
    beats = _beats(scene, length * _log_uniform(scene.take, 1.3, 1.9), jitter=0.1)
    grain = scene.part(length)
    croaks = [
        _resonate(grain, _pulses(grain, _glide(grain, rate, 1.25 * rate)), formants, [80.0, 160.0]) * _arch(grain)
        for _ in beats
    ]
    return _place(scene, beats, croaks)


def _vowel(scene: Scene, formants_hz: Sequence[float]) -> Array:
    pitch = _log_uniform(scene.voice, 90.0, 280.0)
    size = _log_uniform(scene.voice, 0.9, 1.15)  # a small head raises all formants
    grain = scene.part(_log_uniform(scene.take, 0.5, 1.1))
    melody = _glide(grain, *(pitch * scene.take.uniform(0.85, 1.18, 4)).tolist())
    glottis = _rich(grain, melody, slope=1.0, count=60)
    sound = _resonate(grain, glottis, [size * formant for formant in formants_hz], [80.0, 100.0, 140.0])
    return _place(scene, [_start(scene)], [sound * _arch(grain, sharpness=0.3)])


def _vowel_a(scene: Scene) -> Array:
    return _vowel(scene, (800.0, 1250.0, 2600.0))


def _vowel_i(scene: Scene) -> Array:
    return _vowel(scene, (290.0, 2250.0, 3000.0))


def _vowel_u(scene: Scene) -> Array:
    return _vowel(scene, (320.0, 780.0, 2300.0))


def _dog_bark(scene: Scene) -> Array:
    pitch = _log_uniform(scene.voice, 250.0, 700.0)
    length = _log_uniform(scene.voice, 0.1, 0.18)
    gaps = length * scene.take.uniform(1.4, 2.4, int(scene.take.integers(2, 5)))
    onsets = _start(scene, 0.75) + np.cumsum(gaps) - gaps[0]
    grain = scene.part(length)
    barks: list[Array] = []
    for _ in onsets:
        voiced = _rich(grain, _glide(grain, 0.7 * pitch, pitch, 0.6 * pitch), slope=0.4, count=20)
        rough = voiced + 1.2 * _band_noise(grain, pitch, 5.0 * pitch)
        barks.append(
            _resonate(grain, rough, [2.0 * pitch, 4.5 * pitch], [pitch, pitch]) * _arch(grain) * _accent(scene)
        )
    return _place(scene, onsets.tolist(), barks)


def _cat_meow(scene: Scene) -> Array:
    pitch = _log_uniform(scene.voice, 350.0, 800.0)
    grain = scene.part(_log_uniform(scene.take, 0.5, 0.95))
    voiced = _rich(grain, _glide(grain, 0.75 * pitch, pitch, 0.95 * pitch, 0.7 * pitch), slope=0.8, count=16)
    # Mouth closed, open, closed: the bright part swells in the middle.
    closed = _resonate(grain, voiced, [pitch], [0.5 * pitch])
    opened = _resonate(grain, voiced, [2.8 * pitch, 5.0 * pitch], [pitch, pitch])
    return _place(scene, [_start(scene)], [(closed + 2.5 * opened * _arch(grain, sharpness=3.0)) * _arch(grain)])


def _owl_hoot(scene: Scene) -> Array:
    pitch = _log_uniform(scene.voice, 260.0, 620.0)
    short = scene.part(scene.voice.uniform(0.1, 0.16))
    long = scene.part(scene.voice.uniform(0.3, 0.42))
    hoots = [
        _harmonics(grain, _glide(grain, 0.94 * pitch, pitch, 0.9 * pitch), [1.0, 0.2, 0.08]) * _arch(grain)
        for grain in (short, short, long)
    ]
    onsets = _start(scene, 0.7) + np.array([0.0, 0.24, 0.44]) * scene.take.uniform(0.9, 1.15)
    return _place(scene, onsets.tolist(), hoots)


def _laughter(scene: Scene) -> Array:
    pitch = _log_uniform(scene.voice, 130.0, 380.0)
    period = _log_uniform(scene.voice, 0.15, 0.24)
    count = int(scene.take.integers(4, 8))
    grain = scene.part(0.6 * period)
    pitches = np.geomspace(1.3 * pitch, 0.8 * pitch, count)
    calls: list[Array] = []
    for now in pitches:
        breathy = _rich(grain, _glide(grain, float(now), 0.85 * float(now))) + 0.5 * _band_noise(grain, 700.0, 5000.0)
        calls.append(_resonate(grain, breathy, [750.0, 1300.0, 2700.0], [120.0, 150.0, 200.0]) * _arch(grain))
    onsets = _start(scene, 0.7) + period * np.arange(count)
    return _place(scene, onsets.tolist(), calls)


Sound = Callable[[Scene], Array]

_FAMILIES: tuple[Mapping[str, Sound], ...] = (
    {"siren_wail": _siren_wail, "chirp_up": _chirp_up, "noise_sweep": _noise_sweep, "siren_yelp": _siren_yelp}
    | {"laser_zaps": _laser_zaps, "zip_fastener": _zip_fastener, "chirp_down": _chirp_down}
    | {"siren_hi_lo": _siren_hi_lo},
    {"bell": _bell, "knocks": _knocks, "plucked_string": _plucked_string, "clock_tick": _clock_tick}
    | {"glass_break": _glass_break, "marimba": _marimba, "footsteps": _footsteps, "gong": _gong}
    | {"bouncing_ball": _bouncing_ball, "heartbeat": _heartbeat},
    {"rain": _rain, "hand_saw": _hand_saw, "surf": _surf, "fire_crackle": _fire_crackle, "wind": _wind}
    | {"steam_bursts": _steam_bursts, "geiger": _geiger, "applause": _applause},
    {"dog_bark": _dog_bark, "bird_trill": _bird_trill, "vowel_a": _vowel_a, "cricket": _cricket}
    | {"cat_meow": _cat_meow, "frog_croak": _frog_croak, "laughter": _laughter, "vowel_i": _vowel_i}
    | {"owl_hoot": _owl_hoot, "whistle": _whistle, "vowel_u": _vowel_u},
    {"telephone_ring": _telephone_ring, "morse": _morse, "car_horn": _car_horn, "alarm_beeps": _alarm_beeps}
    | {"sonar_ping": _sonar_ping, "cuckoo": _cuckoo},
    {"engine_fast": _engine_fast, "propeller": _propeller, "fm_tone": _fm_tone, "drill": _drill}
    | {"organ_chord": _organ_chord, "engine_slow": _engine_slow, "sawtooth_buzz": _sawtooth_buzz}
    | {"robot_voice": _robot_voice},
)

_SOUNDS: Mapping[str, Sound] = {name: sound for family in _FAMILIES for name, sound in family.items()}

# One of each family in turn, so that the first n classes are a fair mixture for any n.
CLASS_NAMES: tuple[str, ...] = tuple(name for turn in zip_longest(*_FAMILIES) for name in turn if name is not None)
