"""The Kaldi convention against kaldi-native-fbank."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kaldi_native_fbank as knf
import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from tolerances import NEPERS, NOISE_POWER

import siamaudio as sa


def _kaldi(y: npt.NDArray[np.float32], front_end: sa.LogMel) -> npt.NDArray[np.float32]:
    options = knf.FbankOptions()
    options.frame_opts.samp_freq = front_end.sr
    options.frame_opts.frame_length_ms = 1000 * (front_end.win_length or front_end.n_fft) / front_end.sr
    options.frame_opts.frame_shift_ms = 1000 * front_end.hop_length / front_end.sr
    options.frame_opts.dither = 0
    options.frame_opts.preemph_coeff = front_end.preemphasis
    options.frame_opts.remove_dc_offset = front_end.remove_dc
    options.frame_opts.snip_edges = front_end.snip_edges
    options.frame_opts.window_type = {"boxcar": "rectangular"}.get(front_end.window, front_end.window)
    options.mel_opts.num_bins = front_end.n_mels
    options.mel_opts.low_freq = front_end.fmin
    options.mel_opts.high_freq = front_end.fmax or 0
    options.use_power = front_end.power == 2
    options.energy_floor = 0
    fbank = knf.OnlineFbank(options)
    fbank.accept_waveform(front_end.sr, (y * front_end.gain).tolist())
    fbank.input_finished()
    return np.stack([fbank.get_frame(index) for index in range(fbank.num_frames_ready)], axis=1)


def _assert_nepers_close(got: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> None:
    """Logarithms, with the noise that the clip's largest value leaves."""
    assert got.shape == expected.shape
    relative_noise = NOISE_POWER * np.exp(expected.max() - expected.astype(np.float64))
    assert (np.abs(got - expected) <= NEPERS + np.log1p(relative_noise)).all()


SETTINGS: list[dict[str, Any]] = [
    {},
    {"n_mels": 80},
    {"n_mels": 40, "fmin": 60.0, "fmax": 7600.0},
    {"preemphasis": 0.0},
    {"remove_dc": False},
    {"window": "boxcar", "remove_dc": False, "preemphasis": 0.0},
    {"power": 1.0},
    {"sr": 8000, "n_fft": 256, "win_length": 200, "hop_length": 80, "n_mels": 40},
    {"sr": 44100, "n_fft": 2048, "win_length": 1102, "hop_length": 441, "n_mels": 128},
    {"sr": 16000, "n_fft": 1024, "win_length": 1024, "hop_length": 512, "n_mels": 64},
]


@pytest.mark.parametrize("snip_edges", [True, False])
@pytest.mark.parametrize("options", SETTINGS, ids=str)
def test_filterbank_features(shared_data: Path, options: dict[str, Any], snip_edges: bool) -> None:
    front_end = sa.LogMel.preset("kaldi", **options, snip_edges=snip_edges)
    for path in sorted((shared_data / "audiomnist-test").rglob("*.flac"))[::120]:
        y = soundfile.read(path, dtype="float32")[0][:16001]
        _assert_nepers_close(front_end(y), _kaldi(y, front_end))


def test_floor() -> None:
    silence = np.zeros(1600, dtype=np.float32)
    front_end = sa.LogMel.preset("kaldi")
    np.testing.assert_allclose(front_end(silence), _kaldi(silence, front_end), rtol=1e-6)


@pytest.mark.parametrize("num_samples", [400, 401, 559, 560, 1000])
@pytest.mark.parametrize("snip_edges", [True, False])
def test_short_signals(num_samples: int, snip_edges: bool) -> None:
    y = np.random.default_rng(0).standard_normal(num_samples).astype(np.float32) * 0.1
    front_end = sa.LogMel.preset("kaldi", snip_edges=snip_edges)
    _assert_nepers_close(front_end(y), _kaldi(y, front_end))
