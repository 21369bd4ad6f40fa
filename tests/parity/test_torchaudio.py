"""LogMel against torchaudio's MelSpectrogram."""

from __future__ import annotations

import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import torch
from tolerances import assert_decibels_close, assert_powers_close

import siamaudio as sa


@pytest.fixture(scope="module")
def torchaudio() -> Any:
    """Without its compiled part, which loads with few builds of torch and has no share in spectrograms."""
    extension = types.ModuleType("torchaudio._extension")
    vars(extension).update(
        _IS_TORCHAUDIO_EXT_AVAILABLE=False, _IS_ALIGN_AVAILABLE=False, fail_if_no_align=lambda function: function
    )
    sys.modules.setdefault("torchaudio._extension", extension)
    import torchaudio

    return torchaudio


def _clips(folder: Path) -> list[npt.NDArray[np.float32]]:
    paths = sorted((folder / "esc50-fold4" / "audio").glob("*.flac"))[::80]
    return [soundfile.read(path, dtype="float32")[0][:60000] for path in paths]


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    """In float32 torchaudio's filterbank has edges that are 1e-4 Hz off, which is seen where bands are narrow."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def _mel(torchaudio: Any, **options: Any) -> torch.nn.Module:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "At least one mel filterbank has all zero values")
        return torchaudio.transforms.MelSpectrogram(**options)


def test_preset(torchaudio: Any, shared_data: Path) -> None:
    mel = _mel(torchaudio)
    decibels = torchaudio.transforms.AmplitudeToDB()
    for y in _clips(shared_data):
        expected = mel(torch.from_numpy(y).double())
        assert_powers_close(sa.LogMel.preset("torchaudio")(y), expected.numpy())
        in_decibels = sa.LogMel.preset("torchaudio", log="db", top_db=None)(y)
        assert_decibels_close(in_decibels, decibels(expected).numpy())


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"n_fft": 1024, "hop_length": 256, "win_length": 800, "n_mels": 64}, {}),
        ({"n_fft": 1024, "hop_length": 256, "n_mels": 64, "mel_scale": "slaney", "norm": "slaney"}, {"htk": False}),
        ({"n_fft": 512, "hop_length": 160, "n_mels": 40, "f_min": 60.0, "f_max": 7000.0, "center": False}, {}),
        ({"n_fft": 2048, "hop_length": 500, "n_mels": 80, "power": 1.0, "pad_mode": "constant"}, {}),
        ({"n_fft": 400, "n_mels": 23, "window_fn": torch.hamming_window, "hop_length": 200}, {"window": "hamming"}),
    ],
)
def test_options(torchaudio: Any, shared_data: Path, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    renamed = {"f_min": "fmin", "f_max": "fmax"}
    same = {renamed.get(key, key): value for key, value in theirs.items() if key not in ("window_fn", "mel_scale")}
    front_end = sa.LogMel.preset("torchaudio", **{**same, **ours})
    mel = _mel(torchaudio, **theirs)
    for y in _clips(shared_data):
        assert_powers_close(front_end(y), mel(torch.from_numpy(y).double()).numpy(), power=theirs.get("power", 2.0))
