"""Reading and resampling, against soundfile and python-soxr."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

import siamaudio as sa


def _first(folder: Path, pattern: str) -> Path:
    return sorted(folder.rglob(pattern))[0]


@pytest.mark.parametrize(
    "format_subtype",
    [
        ("wav", "PCM_16"),
        ("wav", "PCM_24"),
        ("wav", "FLOAT"),
        ("wav", "PCM_U8"),
        ("wav", "ULAW"),
        ("flac", "PCM_16"),
        ("flac", "PCM_24"),
        ("aiff", "PCM_16"),
        ("au", "PCM_32"),
        ("caf", "DOUBLE"),
        ("rf64", "PCM_16"),
        ("ogg", "VORBIS"),
        ("mp3", "MPEG_LAYER_III"),
    ],
)
def test_load_equals_soundfile(tmp_path: Path, rng: np.random.Generator, format_subtype: tuple[str, str]) -> None:
    container, subtype = format_subtype
    path = tmp_path / f"noise.{container}"
    soundfile.write(path, rng.uniform(-0.9, 0.9, (9001, 2)), 22050, format=container.upper(), subtype=subtype)
    expected, sr = soundfile.read(path, dtype="float32")

    y, got_sr = sa.load(path, mono=False)
    assert got_sr == sr
    # soundfile ships a libsndfile of its own, whose lossy decoders may differ from the system's by rounding.
    np.testing.assert_allclose(y, expected.T, rtol=0, atol=2e-5 if container in ("ogg", "mp3") else 0)

    mono, _ = sa.load(path)
    np.testing.assert_allclose(mono, expected.mean(axis=1), rtol=0, atol=2e-5 if container in ("ogg", "mp3") else 1e-7)


@pytest.mark.parametrize("length", [0, 1, 8191, 8192, 8193])
def test_load_edge_lengths(tmp_path: Path, length: int) -> None:
    samples = (np.arange(length) % 100 / 100).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    np.testing.assert_array_equal(sa.load(tmp_path / "a.wav")[0], samples)


def test_load_part(tmp_path: Path, rng: np.random.Generator) -> None:
    samples = rng.standard_normal(1000).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, 100, subtype="FLOAT")
    for offset, duration, expected in [
        (0.0, 1.0, samples[:100]),
        (2.5, 0.5, samples[250:300]),
        (9.5, 9.0, samples[950:]),
        (10.0, 1.0, samples[:0]),
        (99.0, None, samples[:0]),
        (1.0, 0.0, samples[:0]),
        (3.0, None, samples[300:]),
    ]:
        np.testing.assert_array_equal(sa.load(tmp_path / "a.wav", offset=offset, duration=duration)[0], expected)


def test_real_recordings_equal_soundfile(shared_data: Path) -> None:
    for path in (
        _first(shared_data / "esc50-fold4", "*.flac"),
        _first(shared_data / "esc10", "*.ogg"),
        _first(shared_data / "audiomnist-test", "*.flac"),
    ):
        expected, sr = soundfile.read(path, dtype="float32")
        y, got_sr = sa.load(path)
        assert got_sr == sr
        np.testing.assert_allclose(y, expected, rtol=0, atol=2e-5 if path.suffix == ".ogg" else 0)


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("these are words, not samples")
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "cut.wav").write_bytes(b"RIFF\0\0\0\0WAVE")
    for name in ("text.wav", "empty.wav", "cut.wav", "missing.wav", "."):
        path = tmp_path / name
        with pytest.raises(sa.AudioError) as caught:
            sa.load(path)
        assert caught.value.path == str(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)


def test_refused_codec(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(1000), 8000, subtype="IMA_ADPCM")
    with pytest.raises(sa.AudioError, match="codec that is not accepted"):
        sa.load(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("option", "value"), [("offset", -1.0), ("duration", -0.5), ("offset", float("nan")), ("sr", 0)]
)
def test_bad_options_are_named(tmp_path: Path, option: str, value: float) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(10), 8000)
    with pytest.raises(sa.ParameterError, match="sr" if option == "sr" else option):
        sa.load(tmp_path / "a.wav", **{option: value})


@pytest.mark.parametrize("rates", [(44100, 16000), (16000, 44100), (48000, 44100), (22050, 22050), (8000, 8001)])
@pytest.mark.parametrize("length", [0, 1, 2, 159, 160, 161, 4410, 44101])
def test_resample_equals_soxr(rng: np.random.Generator, rates: tuple[int, int], length: int) -> None:
    orig, target = rates
    y = rng.standard_normal(length).astype(np.float32)
    resampled = sa.resample(y, orig_sr=orig, target_sr=target)
    assert resampled.dtype == np.float32
    assert resampled.shape == (int(np.ceil(length * target / orig)),)
    if length > 0:
        expected = soxr.resample(y, orig, target, quality="HQ")
        size = min(len(expected), len(resampled))
        # The system's libsoxr 0.1.3 and the one inside python-soxr use other SIMD kernels: float32 rounding apart.
        np.testing.assert_allclose(resampled[:size], expected[:size], rtol=0, atol=2e-6)
        assert np.abs(resampled[size:]).max(initial=0) < 1e-6


def test_resample_leading_axes(rng: np.random.Generator) -> None:
    y = rng.standard_normal((2, 3, 500))
    together = sa.resample(y, orig_sr=3, target_sr=2)
    assert together.shape == (2, 3, 334)
    np.testing.assert_array_equal(together[1, 2], sa.resample(y[1, 2], orig_sr=3, target_sr=2))
    assert sa.resample(np.zeros((0, 10)), orig_sr=2, target_sr=1).shape == (0, 5)
    with pytest.raises(sa.ParameterError, match="single number"):
        sa.resample(3.0, orig_sr=2, target_sr=1)
