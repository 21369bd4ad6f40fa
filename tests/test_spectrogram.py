"""STFT, Spectrogram, MFCC and patches: what librosa does not define."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import siamaudio as sa
from siamaudio import windows

FRONT_ENDS = [
    sa.STFT(n_fft=256, hop_length=64, window=np.hamming(256)),
    sa.Spectrogram(n_fft=256, hop_length=64, log="db", ref="max"),
    sa.MFCC(log_mel=sa.LogMel(sr=8000, n_fft=256, hop_length=64, n_mels=32), n_mfcc=13, lifter=22),
]


@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=lambda front_end: type(front_end).__name__)
def test_is_a_value(front_end: Any, rng: np.random.Generator) -> None:
    twin = type(front_end).from_dict(json.loads(json.dumps(front_end.to_dict())))
    assert twin == front_end
    assert hash(twin) == hash(front_end)
    y = rng.standard_normal((2, 3, 1000))
    together = front_end(y, num_threads=2)
    assert together.shape[:2] == (2, 3)
    assert together.shape[-1] == front_end.num_frames(1000)
    for i, j in np.ndindex(2, 3):
        np.testing.assert_array_equal(together[i, j], twin(y[i, j]))


def test_spectrogram_is_the_square_of_the_transform(rng: np.random.Generator) -> None:
    options: dict[str, Any] = {"n_fft": 400, "win_length": 300, "window_align": "start", "hop_length": 100,
                               "center": False, "snip_edges": False}  # fmt: skip
    y = rng.standard_normal(2000)
    spectrum = sa.STFT(**options)(y)
    # Two kernels round the same sums differently: by some 1e-7 of the largest bin.
    for front_end, expected in [
        (sa.Spectrogram(**options), np.abs(spectrum) ** 2),
        (sa.Spectrogram(**options, power=1, gain=3), 3 * np.abs(spectrum)),
    ]:
        np.testing.assert_allclose(front_end(y), expected, rtol=1e-5, atol=1e-6 * expected.max())


def test_samples_that_are_not_finite_are_refused() -> None:
    y = np.zeros(1000)
    y[500] = np.nan
    for front_end in FRONT_ENDS:
        with pytest.raises(sa.ParameterError, match=r"^y: got "):
            front_end(y)


@pytest.mark.parametrize(
    ("kind", "option", "value"),
    [
        (sa.STFT, "n_fft", 255),
        (sa.STFT, "win_length", 5000),
        (sa.STFT, "window", "none"),
        (sa.Spectrogram, "power", 3),
        (sa.Spectrogram, "log", "bels"),
        (sa.MFCC, "n_mfcc", 129),
        (sa.MFCC, "n_mfcc", 0),
        (sa.MFCC, "dct_type", 4),
        (sa.MFCC, "norm", "slaney"),
        (sa.MFCC, "lifter", -1),
        (sa.MFCC, "lifter", float("inf")),
        (sa.MFCC, "log_mel", None),
    ],
)
def test_bad_options_are_named(kind: Any, option: str, value: object) -> None:
    with pytest.raises(sa.ParameterError, match=f"^{option}: got "):
        kind(**{option: value})


def test_inverse_refuses_other_shapes() -> None:
    stft = sa.STFT(n_fft=256)
    for shape in ((129,), (128, 4), (129, 0)):
        with pytest.raises(sa.ParameterError, match=r"^spectrum: got shape"):
            stft.inverse(np.zeros(shape))
    with pytest.raises(sa.ParameterError, match=r"^length: got -1"):
        stft.inverse(np.zeros((129, 4)), length=-1)


@pytest.mark.parametrize("length", [1, 2, 5, 400])
def test_windows(length: int) -> None:
    """The two that are computed here, against SciPy's, and Kaldi's by its formula."""
    signal = pytest.importorskip("scipy.signal")
    np.testing.assert_allclose(
        windows.window_values("hann", length), signal.get_window("hann", length) if length > 1 else [0.0], atol=1e-15
    )
    if length > 1:
        symmetric = signal.windows.hann(length, sym=True) ** 0.85
        np.testing.assert_allclose(windows.window_values("povey", length), symmetric, atol=1e-15)


def test_patches(rng: np.random.Generator) -> None:
    spectrogram = rng.standard_normal((2, 4, 25)).astype(np.float32)
    got = sa.patches(spectrogram, length=10, hop=5)
    assert got.shape == (2, 4, 4, 10)
    for index in range(4):
        np.testing.assert_array_equal(got[:, index], spectrogram[:, :, 5 * index : 5 * index + 10])
    assert sa.patches(spectrogram, length=25, hop=1).shape == (2, 1, 4, 25)
    for parameter, options in [
        ("spectrogram", {"length": 26}),
        ("length", {"length": 0}),
        ("hop", {"length": 3, "hop": 0}),
    ]:
        with pytest.raises(sa.ParameterError, match=f"^{parameter}: got "):
            sa.patches(spectrogram, **options)
    with pytest.raises(sa.ParameterError, match=r"^spectrogram: got shape"):
        sa.patches(spectrogram[0, 0], length=3)
