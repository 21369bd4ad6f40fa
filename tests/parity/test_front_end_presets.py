"""The published front ends against their definitions and published outputs."""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import numpy.typing as npt
import pytest
import scipy.signal
import soundfile
from tolerances import NEPERS, NOISE_MAGNITUDE, NOISE_POWER, assert_decibels_close

import siamaudio as sa


def _clip(folder: Path, name: str) -> npt.NDArray[np.float32]:
    return soundfile.read(folder / "esc50-fold4" / "audio" / name, dtype="float32")[0]


def _names(folder: Path) -> list[str]:
    return [path.name for path in sorted((folder / "esc50-fold4" / "audio").glob("*.flac"))[::40]]


@pytest.mark.parametrize("scaled_to", [1, 32768])
def test_honka2019(shared_data: Path, scaled_to: int) -> None:
    """Logarithm of the non-zero powers, for samples in [-1, 1] or counted as 16-bit integers, with zeros as zeros."""
    front_end = sa.LogMel.preset("honka2019", gain=float(scaled_to))
    for name in _names(shared_data):
        y = _clip(shared_data, name)
        y[100000:140000] = 0
        mel = librosa.feature.melspectrogram(
            y=y.astype(np.float64) * scaled_to, sr=44100, n_fft=2048, hop_length=512, n_mels=128, pad_mode="reflect"
        )
        expected = np.where(mel == 0, 0, np.log(np.where(mel == 0, 1, mel)))
        got = front_end(y)
        assert got.shape == (128, 431)
        np.testing.assert_array_equal(got[mel == 0], 0)
        tolerance = NEPERS + np.log1p(NOISE_POWER * mel.max() / np.maximum(mel, 1e-300))
        assert (np.abs(got - expected) <= tolerance)[mel > 0].all()


def test_fedele2022(shared_data: Path) -> None:
    for preset, options, shape in [
        ("fedele2022_esc50", {"n_fft": 2048, "hop_length": 512, "n_mels": 128}, (128, 431)),
        ("fedele2022_audiomnist", {"n_fft": 4096, "hop_length": 197, "n_mels": 224}, (224, 224)),
    ]:
        front_end = sa.LogMel.preset(preset)
        for name in _names(shared_data):
            y = _clip(shared_data, name)[: front_end.num_samples]
            mel = librosa.feature.melspectrogram(y=y, sr=44100, pad_mode="reflect", **options)
            got = front_end(y)
            assert got.shape == shape
            assert_decibels_close(got, librosa.power_to_db(mel, ref=1.0))


def test_librosa(shared_data: Path) -> None:
    y = _clip(shared_data, _names(shared_data)[0])
    assert_decibels_close(sa.LogMel.preset("librosa")(y), librosa.power_to_db(librosa.feature.melspectrogram(y=y)))


def _yamnet_patches(y: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    num_more = max(0, -(-(len(y) - 15600) // 7680))
    padded = np.pad(y, (0, 15600 + 7680 * num_more - len(y)))
    return sa.patches(sa.LogMel.preset("yamnet")(padded), length=96, hop=48)


def _assert_yamnet_close(got: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> None:
    """ln(m + 0.001) of magnitudes m: noise of the largest of them, and the rounding of the logarithm."""
    assert got.shape == expected.shape
    magnitude = np.exp(expected.astype(np.float64))
    assert (np.abs(got - expected) <= 1e-6 + NOISE_MAGNITUDE * magnitude.max() / magnitude).all()


def test_yamnet(shared_data: Path) -> None:
    """Outputs of a float implementation of TensorFlow's conventions: each recording's first patch, whole signals."""
    golden = np.load(shared_data / "yamnet" / "golden.npz", allow_pickle=False)
    for name, expected in zip(golden["names"], golden["float_logmel0"], strict=True):
        # It resampled so.
        y = scipy.signal.resample_poly(_clip(shared_data, str(name)), 160, 441).astype(np.float32)
        patches = _yamnet_patches(y)
        assert patches.shape == (10, 64, 96)
        _assert_yamnet_close(patches[0], expected.T)
    for name in ("tone1k", "chirp", "noise", "short"):
        expected = golden[f"syn_{name}_float_logmel"].transpose(0, 2, 1)
        _assert_yamnet_close(_yamnet_patches(golden[f"syn_{name}"]), expected)
