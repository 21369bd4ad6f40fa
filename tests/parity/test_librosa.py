"""The log-mel front end against librosa."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path

import librosa
import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr

import siamaudio as sa

# Both compute in float32. A band 100 dB below the loudest bin holds rounding noise of the transform itself, so a
# difference counts relative to the band's own power or to 1e-9 of the clip's largest, whichever is more.
RELATIVE = 1e-4
NOISE_FLOOR = 1e-9


def _librosa(y: npt.NDArray[np.float32], front_end: sa.LogMel) -> npt.NDArray[np.float32]:
    power = librosa.feature.melspectrogram(
        y=y,
        sr=front_end.sr,
        n_fft=front_end.n_fft,
        hop_length=front_end.hop_length,
        n_mels=front_end.n_mels,
        fmin=front_end.fmin,
        fmax=front_end.fmax,
    )
    return librosa.power_to_db(power, ref=front_end.ref, amin=front_end.amin, top_db=front_end.top_db)


def _assert_equal_in_power(got: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> None:
    assert got.shape == expected.shape
    assert got.dtype == np.float32
    power, expected_power = (10 ** (decibels.astype(np.float64) / 10) for decibels in (got, expected))
    tolerance = RELATIVE * expected_power + NOISE_FLOOR * expected_power.max()
    worst = np.max(np.abs(power - expected_power) / tolerance)
    assert worst <= 1, f"{worst:.2f} times the tolerance"


def _signals(sr: int) -> dict[str, npt.NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    t = np.arange(sr) / sr
    return {
        "noise": rng.standard_normal(sr).astype(np.float32) * 0.1,
        "tone": (0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32),
        "clicks": (rng.random(sr) < 1e-3).astype(np.float32),
        "silence": np.zeros(sr, dtype=np.float32),
    }


GRID = list(itertools.product((16000, 44100), (256, 400, 1024, 2048), (100, 512), (20, 64)))


@pytest.mark.parametrize(("sr", "n_fft", "hop_length", "n_mels"), GRID)
def test_settings(sr: int, n_fft: int, hop_length: int, n_mels: int) -> None:
    for top_db, fmin, fmax in [(80.0, 0.0, None), (None, 50.0, 7000.0)]:
        front_end = sa.LogMel(
            sr=sr, n_fft=n_fft, hop_length=hop_length, n_mels=n_mels, top_db=top_db, fmin=fmin, fmax=fmax
        )
        for y in _signals(sr).values():
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Empty filters")  # of librosa, where bands are narrower than bins
                expected = _librosa(y, front_end)
            _assert_equal_in_power(front_end(y), expected)


@pytest.mark.parametrize("length", [0, 1, 511, 512, 513, 1023, 1024, 2047, 2048, 2049])
def test_edge_lengths(length: int) -> None:
    y = np.random.default_rng(length).standard_normal(length).astype(np.float32)
    front_end = sa.LogMel()
    got = front_end(y)
    assert got.shape == (128, 1 + length // 512)
    # librosa refuses an empty signal and warns about one shorter than a frame: pad it, which changes no frame.
    padded = np.pad(y, (0, 4096 - length % 512))
    expected = _librosa(padded, sa.LogMel(top_db=None))[:, : 1 + length // 512]
    _assert_equal_in_power(sa.LogMel(top_db=None)(y), expected)


def test_reference_amin_and_floor() -> None:
    y = _signals(16000)["noise"] * 1e-3
    for options in ({"ref": 0.01}, {"amin": 1e-3}, {"top_db": 0.0}, {"top_db": 12.5}):
        front_end = sa.LogMel(sr=16000, n_fft=512, hop_length=160, n_mels=40, **options)
        _assert_equal_in_power(front_end(y), _librosa(y, front_end))


def test_real_recordings(shared_data: Path) -> None:
    front_end = sa.LogMel()
    for path in sorted((shared_data / "esc50-fold4" / "audio").glob("*.flac"))[::20]:
        y, sr = soundfile.read(path, dtype="float32")
        assert sr == front_end.sr
        _assert_equal_in_power(front_end(y), _librosa(y, front_end))


def test_files_of_another_rate(shared_data: Path) -> None:
    """Decoding, resampling and log-mel together: soundfile, python-soxr (as librosa.load uses them) and librosa."""
    front_end = sa.LogMel(sr=16000, n_fft=512, hop_length=256, n_mels=40, top_db=60, duration=0.5)
    paths = sorted((shared_data / "audiomnist-test").rglob("*.flac"))[::100]
    got, _, failed = front_end.transform_files([str(path) for path in paths])
    assert not failed
    for spectrogram, path in zip(got, paths, strict=True):
        y, sr = soundfile.read(path, dtype="float32")
        y = soxr.resample(y[: round(0.5 * sr)], sr, 16000, quality="HQ")
        expected = _librosa(librosa.util.fix_length(y, size=8000), front_end)
        # Two builds of libsoxr round differently; their stop band lies 100 dB down.
        np.testing.assert_allclose(spectrogram, expected, atol=0.02)
