"""The front ends against librosa."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr
from tolerances import DECIBELS, assert_decibels_close, assert_powers_close

import siamaudio as sa


def _librosa(y: npt.NDArray[np.float32], front_end: sa.LogMel) -> npt.NDArray[np.float32]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Empty filters")  # where bands are narrower than bins
        warnings.filterwarnings("ignore", "n_fft=.* is too large")
        mel = librosa.feature.melspectrogram(
            y=y,
            sr=front_end.sr,
            n_fft=front_end.n_fft,
            hop_length=front_end.hop_length,
            win_length=front_end.win_length,
            window=front_end.window,
            center=front_end.center,
            pad_mode=front_end.pad_mode,
            power=front_end.power,
            n_mels=front_end.n_mels,
            fmin=front_end.fmin,
            fmax=front_end.fmax,
            htk=front_end.htk,
            norm=front_end.norm,
        )
    if front_end.log is None:
        return mel
    if front_end.power == 2:
        ref = np.max if front_end.ref == "max" else front_end.ref
        return librosa.power_to_db(mel, ref=ref, amin=front_end.amin, top_db=front_end.top_db)
    ref = np.max if front_end.ref == "max" else front_end.ref**0.5
    return librosa.amplitude_to_db(mel, ref=ref, amin=front_end.amin**0.5, top_db=front_end.top_db)


def _assert_close(got: npt.NDArray[np.float32], y: npt.NDArray[np.float32], front_end: sa.LogMel) -> None:
    check = assert_powers_close if front_end.log is None else assert_decibels_close
    expected = _librosa(y, front_end)
    check(got, expected, power=front_end.power)
    if front_end.log == "db":  # what a network sees: no allowance for noise down to 80 dB below the loudest
        assert (np.abs(got - expected)[expected > expected.max() - 80] <= DECIBELS).all()


# ---- Every pair of values of every two options, on real recordings

OPTIONS: dict[str, list[Any]] = {
    "sr": [16000, 22050, 44100],
    "n_fft": [154, 256, 400, 882, 1000, 1024, 2048, 4096],  # 154 = 2 x 7 x 11, 882 = 2 x 3 x 3 x 7 x 7
    "hop_length": [100, 160, 333, 512],
    "win_length": [1.0, 0.78, 0.5],  # of n_fft
    "window": ["hann", "hamming", "blackman", "boxcar", ("kaiser", 12.0), ("tukey", 0.3)],
    "center": [True, False],
    "pad_mode": ["constant", "reflect", "symmetric", "edge"],
    "power": [2.0, 1.0],
    "n_mels": [20, 64, 128],
    "fmin": [0.0, 60.0],
    "fmax": [None, 7000.0],
    "htk": [False, True],
    "norm": ["slaney", None],
    "log": ["db", None],
    "ref": [1.0, "max", 0.02],
    "amin": [1e-10, 1e-5],
    "top_db": [80.0, None, 20.0],
}
NUM_SETTINGS = 220


def _settings() -> list[dict[str, Any]]:
    """Settings that hold every pair of values of two options, found greedily, and random ones after these."""
    rng = np.random.default_rng(0)
    names = list(OPTIONS)
    missing = {
        ((a, i), (b, j))
        for a, b in itertools.combinations(names, 2)
        for i in range(len(OPTIONS[a]))
        for j in range(len(OPTIONS[b]))
    }
    rows = []
    while missing or len(rows) < NUM_SETTINGS:
        candidates = [{name: int(rng.integers(len(OPTIONS[name]))) for name in names} for _ in range(30)]
        if missing:
            needed = min(missing)
            for candidate in candidates:
                candidate.update(needed)
        pairs = [set(itertools.combinations(candidate.items(), 2)) & missing for candidate in candidates]
        best = max(range(len(candidates)), key=lambda index: len(pairs[index]))
        missing -= pairs[best]
        rows.append({name: OPTIONS[name][value] for name, value in candidates[best].items()})
    for row in rows:
        row["win_length"] = round(row["win_length"] * row["n_fft"])
        row["n_mels"] = min(row["n_mels"], row["n_fft"] // 2 + 1)
    return rows


def test_settings_on_real_recordings(shared_data: Path) -> None:
    paths = sorted((shared_data / "esc50-fold4" / "audio").glob("*.flac"))
    settings = _settings()
    assert len(settings) >= 200
    clips: list[npt.NDArray[np.float32]] = []
    for path in paths[:: len(paths) // 20]:
        y, _ = soundfile.read(path, dtype="float32")
        loudest = int(np.argmax(np.abs(y)))
        clips.append(y[max(0, loudest - 10000) :][:15000])
    for index, options in enumerate(settings):
        y = clips[index % len(clips)]
        front_end = sa.LogMel(**options)
        try:
            _assert_close(front_end(y), y, front_end)
        except AssertionError as error:
            raise AssertionError(f"{options} on clip {index % len(clips)}: {error}") from None


def test_whole_recordings(shared_data: Path) -> None:
    front_end = sa.LogMel()
    for path in sorted((shared_data / "esc50-fold4" / "audio").glob("*.flac"))[::20]:
        y, sr = soundfile.read(path, dtype="float32")
        assert sr == front_end.sr
        _assert_close(front_end(y), y, front_end)


@pytest.mark.parametrize("kind", ["noise", "tone", "clicks", "silence"])
def test_synthetic_signals(kind: str) -> None:
    sr = 16000
    rng = np.random.default_rng(0)
    y = {
        "noise": rng.standard_normal(sr) * 0.1,
        "tone": 0.5 * np.sin(2 * np.pi * 440 * np.arange(sr) / sr),
        "clicks": rng.random(sr) < 1e-3,
        "silence": np.zeros(sr),
    }[kind].astype(np.float32)
    for n_fft, hop_length, n_mels in itertools.product((256, 400, 2048), (100, 512), (20, 64)):
        front_end = sa.LogMel(sr=sr, n_fft=n_fft, hop_length=hop_length, n_mels=n_mels)
        _assert_close(front_end(y), y, front_end)


@pytest.mark.parametrize("length", [0, 1, 511, 512, 513, 1023, 1024, 2047, 2048, 2049])
def test_edge_lengths(length: int) -> None:
    y = np.random.default_rng(length).standard_normal(length).astype(np.float32)
    front_end = sa.LogMel(top_db=None)
    # librosa refuses an empty signal: pad it, which changes no frame.
    expected = _librosa(np.pad(y, (0, 4096 - length % 512)), front_end)[:, : 1 + length // 512]
    assert_decibels_close(front_end(y), expected)


@pytest.mark.parametrize("pad_mode", ["reflect", "symmetric", "edge", "wrap"])
@pytest.mark.parametrize("length", [1, 2, 300, 5000])
def test_padding_of_short_signals(pad_mode: str, length: int) -> None:
    """As numpy.pad does it, however often the signal has to be repeated, and for the mode that librosa has not."""
    y = np.random.default_rng(0).standard_normal(length).astype(np.float32)
    padded = np.pad(y, 512, mode=pad_mode)
    options: dict[str, Any] = {"sr": 16000, "n_fft": 1024, "hop_length": 200, "n_mels": 40, "log": None}
    got = sa.LogMel(**options, pad_mode=pad_mode)(y)
    assert_powers_close(got, _librosa(padded, sa.LogMel(**options, center=False)))


def test_numpy_max_is_accepted() -> None:
    assert sa.LogMel(ref=np.max) == sa.LogMel(ref="max")


# ---- Transforms besides LogMel


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_fft": 400, "hop_length": 160},
        {"n_fft": 1024, "hop_length": 256, "win_length": 700, "window": "hamming"},
        {"n_fft": 1024, "hop_length": 512, "center": False},
        {"n_fft": 512, "hop_length": 600, "pad_mode": "reflect"},
    ],
)
def test_stft_and_spectrogram(options: dict[str, Any]) -> None:
    y = np.random.default_rng(0).standard_normal((2, 3, 9000)).astype(np.float32)
    expected = librosa.stft(y, **options)
    got = sa.STFT(**options)(y)
    assert got.dtype == np.complex64
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, atol=1e-6 * np.abs(expected).max())  # see NOISE_MAGNITUDE
    assert_powers_close(sa.Spectrogram(**options)(y), np.abs(expected) ** 2)
    assert_powers_close(sa.Spectrogram(**options, power=1)(y), np.abs(expected), power=1)
    one = sa.Spectrogram(**options, log="db", ref="max")(y[0, 0])
    assert_decibels_close(one, librosa.power_to_db(np.abs(expected[0, 0]) ** 2, ref=np.max))


def test_stft_takes_the_options_that_librosa_pads_for() -> None:
    y = np.random.default_rng(0).standard_normal(9000).astype(np.float32)
    window = np.random.default_rng(1).random(300)
    expected = librosa.stft(y, n_fft=512, win_length=300, window=window)
    np.testing.assert_allclose(sa.STFT(n_fft=512, hop_length=75, win_length=300, window=window)(y), expected, atol=1e-4)


@pytest.mark.parametrize("dct_type", [1, 2, 3])
@pytest.mark.parametrize(("norm", "lifter"), [("ortho", 0), (None, 0), ("ortho", 22)])
def test_mfcc(shared_data: Path, dct_type: int, norm: str | None, lifter: float) -> None:
    y, sr = soundfile.read(shared_data / "audiomnist-test" / "27" / "3_27_4.flac", dtype="float32")
    expected = librosa.feature.mfcc(y=y, sr=sr, dct_type=dct_type, norm=norm, lifter=lifter, n_mfcc=20)
    got = sa.MFCC(log_mel=sa.LogMel(sr=sr), dct_type=dct_type, norm=norm, lifter=lifter)(y)
    assert got.shape == expected.shape
    # A coefficient sums up 128 levels, each within 4e-4 dB as RELATIVE allows.
    np.testing.assert_allclose(got, expected, atol=4e-4 * np.abs(expected).max())


# ---- From files


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
