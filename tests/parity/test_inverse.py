"""The way back, from spectra to sound, against librosa's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import librosa
import numpy as np
import numpy.typing as npt
import pytest
import soundfile

import siamaudio as sa

INVERTIBLE: list[dict[str, Any]] = [
    {"n_fft": 1024, "hop_length": 256},
    {"n_fft": 400, "hop_length": 160, "window": "hamming"},
    {"n_fft": 1024, "hop_length": 200, "win_length": 700},
    {"n_fft": 512, "hop_length": 128, "pad_mode": "reflect"},
    {"n_fft": 512, "hop_length": 128, "window": "hamming", "center": False},
]
ALIGNED_AT_START: dict[str, Any] = {"n_fft": 512, "win_length": 400, "window_align": "start", "window": "hamming"}


@pytest.mark.parametrize("options", INVERTIBLE, ids=str)
def test_inverse_equals_librosa(options: dict[str, Any]) -> None:
    """Also of spectra that are no signal's, where the answer is the nearest signal."""
    rng = np.random.default_rng(0)
    shape = (2, 1 + options["n_fft"] // 2, 20)
    spectrum = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)
    theirs = {key: value for key, value in options.items() if key not in ("n_fft", "pad_mode")}
    for length in (None, 2000, 3000):
        expected = librosa.istft(spectrum, **theirs, n_fft=options["n_fft"], length=length)
        got = sa.STFT(**options).inverse(spectrum, length=length)
        assert got.shape == expected.shape
        assert got.dtype == np.float32
        # Where windows overlap little, at the ends, noise of 1e-7 is divided by the small weight.
        np.testing.assert_allclose(got, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    "options",
    [
        *INVERTIBLE,
        {**ALIGNED_AT_START, "hop_length": 100},
        {**ALIGNED_AT_START, "hop_length": 100, "center": False},
        {**ALIGNED_AT_START, "hop_length": 160, "center": False, "snip_edges": False},
        {"n_fft": 64, "hop_length": 64, "window": "boxcar", "center": False},
    ],
    ids=str,
)
def test_there_and_back(options: dict[str, Any]) -> None:
    stft = sa.STFT(**options)
    y = np.random.default_rng(0).standard_normal((3, 5120)).astype(np.float32)
    back = stft.inverse(stft(y), length=5120)
    covered = 5120 if stft.center or not stft.snip_edges else stft.inverse(stft(y)).shape[-1]
    np.testing.assert_allclose(back[:, :covered], y[:, :covered], atol=2e-5)
    assert not back[:, covered:].any()


def _convergence(magnitude: npt.NDArray[np.float32], target: npt.NDArray[np.float32]) -> float:
    """Spectral convergence: 0 is equal."""
    return float(np.linalg.norm(magnitude - target) / np.linalg.norm(target))


def _speech(folder: Path) -> tuple[npt.NDArray[np.float32], int]:
    y, sr = soundfile.read(folder / "audiomnist-test" / "27" / "3_27_4.flac", dtype="float32")
    return librosa.resample(y, orig_sr=sr, target_sr=16000), 16000


def test_phases_are_found_as_well_as_by_librosa(shared_data: Path) -> None:
    y, _ = _speech(shared_data)
    spectrogram = sa.Spectrogram(n_fft=1024, hop_length=256, power=1)
    magnitude = spectrogram(y)
    ours, theirs = [], []
    for seed in range(10):  # one beginning is luckier than another by up to a half
        found = spectrogram.to_audio(magnitude, length=len(y), seed=seed)
        ours.append(_convergence(spectrogram(found), magnitude))
        found = librosa.griffinlim(magnitude, n_fft=1024, hop_length=256, length=len(y), random_state=seed)
        theirs.append(_convergence(spectrogram(found), magnitude))
    assert np.mean(ours) < 1.2 * np.mean(theirs)


@pytest.mark.parametrize(("num_mels", "power"), [(64, 2.0), (128, 1.0)])
def test_mel_is_inverted_as_well_as_by_librosa(shared_data: Path, num_mels: int, power: float) -> None:
    y, sr = _speech(shared_data)
    options = {"sr": sr, "n_fft": 1024, "hop_length": 256, "n_mels": num_mels, "power": power}
    front_end = sa.LogMel(**options, log=None)
    mel = front_end(y)
    ours = front_end.to_audio(mel, length=len(y))
    theirs = librosa.feature.inverse.mel_to_audio(mel, sr=sr, n_fft=1024, hop_length=256, power=power, length=len(y))
    target = mel ** (1 / power)
    assert _convergence(front_end(ours) ** (1 / power), target) < 1.1 * _convergence(
        front_end(theirs) ** (1 / power), target
    )


@pytest.mark.parametrize(
    "front_end",
    [
        sa.LogMel(sr=16000, n_fft=1024, hop_length=256, n_mels=80),
        sa.LogMel(sr=16000, n_fft=1024, hop_length=256, n_mels=80, power=1, ref=0.01, top_db=None),
        sa.LogMel.preset("yamnet"),
        sa.LogMel.preset("kaldi", n_mels=80),
        sa.LogMel.preset("kaldi", n_mels=80, snip_edges=False),
        sa.LogMel.preset("honka2019", sr=16000),
    ],
    ids=["db", "magnitude", "yamnet", "kaldi", "kaldi-midpoint", "honka"],
)
def test_sound_of_a_picture_gives_the_picture(shared_data: Path, front_end: sa.LogMel) -> None:
    """Every logarithm, gain and framing: what comes back lies within a few dB where there is sound."""
    y, _ = _speech(shared_data)
    picture = front_end(y)
    back = front_end(front_end.to_audio(picture, num_iterations=60))[:, : picture.shape[1]]
    picture = picture[:, : back.shape[1]]
    a_db = 1.0 if front_end.log == "db" else np.log(10) / 20 * front_end.power
    loud = picture > picture.max() - 30 * a_db
    assert np.abs(back - picture)[loud].mean() < 3 * a_db


def test_griffin_lim_begins_from_its_seed() -> None:
    spectrogram = sa.Spectrogram(n_fft=256, hop_length=64)
    levels = np.random.default_rng(0).random((2, 129, 10), dtype=np.float32)
    first, again, other = (spectrogram.to_audio(levels, num_iterations=3, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1 * np.abs(first).max()


@pytest.mark.parametrize(
    ("levels", "options", "parameter"),
    [
        (np.zeros((16, 0)), {}, "spectrogram"),
        (np.zeros((15, 4)), {}, "spectrogram"),
        (np.zeros(16), {}, "spectrogram"),
        (np.full((16, 4), np.nan), {}, "spectrogram"),
        (np.full((16, 4), 1e6), {}, "spectrogram"),
        (np.zeros((16, 4)), {"length": 10_000}, "length"),
        (np.zeros((16, 4)), {"length": -1}, "length"),
        (np.zeros((16, 4)), {"num_iterations": -1}, "num_iterations"),
    ],
)
def test_refused(levels: npt.NDArray[np.float64], options: dict[str, Any], parameter: str) -> None:
    front_end = sa.LogMel(sr=8000, n_fft=256, hop_length=128, n_mels=16)
    with pytest.raises(sa.ParameterError, match=f"^{parameter}: got "):
        front_end.to_audio(levels, **options)


def test_silence_stays_silent() -> None:
    front_end = sa.LogMel(sr=8000, n_fft=256, hop_length=128, n_mels=16, log=None)
    assert not front_end.to_audio(np.zeros((16, 4))).any()
    assert front_end.to_audio(np.zeros((16, 1))).shape == (0,)
    assert sa.STFT(n_fft=256).inverse(np.zeros((3, 129, 1))).shape == (3, 0)
