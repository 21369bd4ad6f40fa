"""Synthetic clips: a sound, the room that it is heard in, and the recorder."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

from siamaudio.datasets import sound_blocks as blocks
from siamaudio.datasets.sound_blocks import Array, Scene
from siamaudio.datasets.sounds import CLASS_NAMES, SOUNDS

__all__ = ["CLASS_NAMES", "GENERATOR_VERSION", "render", "source_of_clip"]

# Goes up with every change that alters a sample, so that sets on disk from before the change are not reused.
GENERATOR_VERSION = 1

_CLIPS_PER_BLOCK = 5
_SOURCES_PER_BLOCK = 4


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
    sound = SOUNDS[class_name](Scene(voice, take, sr, num_frames))
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
    reverberation_seconds = blocks.log_uniform(take, 0.1, 0.6)
    tail = np.arange(int(reverberation_seconds * sr)) / sr
    response = take.standard_normal(len(tail)) * 10.0 ** (-3.0 * tail / reverberation_seconds)
    response *= np.sqrt(take.uniform(0.0, 0.5) / np.sum(response**2))
    response[0] = 1.0
    size = blocks.fft_size(len(sound) + len(response))
    tilt = blocks.power_law(size, sr, slope_db=take.uniform(-2.0, 2.0))
    heard = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(response, size) * tilt, size)
    return heard[: len(sound)]


def _record(heard: Array, take: np.random.Generator, sr: int) -> npt.NDArray[np.int16]:
    """Add background noise of random colour and level, set a random recording level, and quantise."""
    noise = blocks.shaped_noise(
        take, len(heard), lambda size: blocks.power_law(size, sr, slope_db=take.uniform(-5.0, 0.0))
    )
    snr_db = take.uniform(8.0, 30.0)
    noise *= np.sqrt(np.mean(heard**2) / np.mean(noise**2)) * 10.0 ** (-snr_db / 20.0)
    mixed = heard + noise
    peak_db = take.uniform(-15.0, -1.0)
    mixed *= 10.0 ** (peak_db / 20.0) / np.max(np.abs(mixed))
    return np.round(mixed * 32767.0).astype(np.int16)
