"""LogMel and the features of a data set: what librosa does not define."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile

import siamaudio as sa


@pytest.fixture
def small() -> sa.LogMel:
    return sa.LogMel(sr=8000, n_fft=256, hop_length=128, n_mels=16)


@pytest.fixture
def tones(tmp_path: Path) -> sa.datasets.Clips:
    """Two classes x three clips of 0.5 s, as files."""
    t = np.arange(4000) / 8000
    for name, hz in (("low", 200), ("high", 2000)):
        (tmp_path / "tones" / name).mkdir(parents=True)
        for take in range(3):
            soundfile.write(tmp_path / "tones" / name / f"{take}.wav", 0.1 * np.sin(2 * np.pi * (hz + take) * t), 8000)
    return sa.datasets.folder(tmp_path / "tones")


def test_leading_axes(small: sa.LogMel, rng: np.random.Generator) -> None:
    y = rng.standard_normal((2, 3, 1000)).astype(np.float32)
    together = small(y, num_threads=3)
    assert together.shape == (2, 3, 16, 8)
    for i in range(2):
        for j in range(3):
            np.testing.assert_array_equal(together[i, j], small(y[i, j]))
    assert small(np.zeros((0, 1000))).shape == (0, 16, 8)


def test_other_dtypes_and_strides(small: sa.LogMel, rng: np.random.Generator) -> None:
    y = rng.standard_normal((1000, 4)).astype(np.float32)
    np.testing.assert_array_equal(small(y.T), small(np.ascontiguousarray(y.T)))
    np.testing.assert_array_equal(small(y[:, 0].astype(np.float64)), small(y[:, 0]))
    np.testing.assert_array_equal(small([0.0] * 300), small(np.zeros(300, dtype=np.float32)))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("sr", 0),
        ("sr", float("nan")),
        ("n_fft", 0),
        ("n_fft", 31),
        ("n_fft", 2.5),
        ("hop_length", 0),
        ("n_mels", 0),
        ("n_mels", 200),
        ("fmin", -1),
        ("fmin", 5000),
        ("fmax", 5000),
        ("fmax", 0),
        ("ref", 0),
        ("amin", -1),
        ("top_db", -1),
        ("duration", 0),
        ("duration", float("inf")),
    ],
)
def test_bad_options_are_named(option: str, value: float) -> None:
    options = {"sr": 8000, "n_fft": 256, "hop_length": 128, "n_mels": 16}
    with pytest.raises(sa.ParameterError, match=f"^{option}: got "):
        sa.LogMel(**{**options, option: value})


def test_is_a_value(small: sa.LogMel) -> None:
    assert sa.LogMel.from_dict(small.to_dict()) == small
    assert pickle.loads(pickle.dumps(small)) == small
    assert hash(small) == hash(sa.LogMel.from_dict(small.to_dict()))


def test_transform_keeps_what_is_known(small: sa.LogMel, tones: sa.datasets.Clips) -> None:
    features = small.transform(tones, cache=False, progress=False)
    assert features.shape == (6, 16, 1 + 4000 // 128)
    assert features.front_end.duration == 0.5
    assert features.class_names == ("high", "low")
    assert features.clips.paths == tones.paths
    for spectrogram, path in zip(features.array, tones.paths, strict=True):
        np.testing.assert_array_equal(spectrogram, small(sa.load(path)[0]))


def test_shorter_clips_are_padded_and_longer_cut(small: sa.LogMel, tones: sa.datasets.Clips, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "tones" / "low" / "short.wav", np.full(100, 0.5), 8000)
    clips = sa.datasets.folder(tmp_path / "tones")
    features = small.transform(clips, cache=False, progress=False)
    short = features.array[clips.paths.index(str(tmp_path / "tones" / "low" / "short.wav"))]
    padded = np.pad(sa.load(tmp_path / "tones" / "low" / "short.wav")[0], (0, 3900))
    np.testing.assert_array_equal(short, small(padded))

    cut = sa.LogMel(**{**small.to_dict(), "duration": 0.1}).transform(tones, cache=False, progress=False)
    np.testing.assert_array_equal(cut.array[0], small(sa.load(tones.paths[0])[0][:800]))


def test_very_unequal_lengths_need_a_duration(small: sa.LogMel, tones: sa.datasets.Clips, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "tones" / "low" / "hours.wav", np.zeros(8000 * 20), 8000)
    with pytest.raises(sa.ParameterError, match=r"^duration: got None for clips of 0.5 s .* up to 20.0 s"):
        small.transform(sa.datasets.folder(tmp_path / "tones"), cache=False, progress=False)


def test_second_call_reads_the_store(
    small: sa.LogMel, tones: sa.datasets.Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = small.transform(tones, path=tmp_path / "f.zarr", progress=False)
    with monkeypatch.context() as patch:
        patch.setattr(sa.LogMel, "transform_files", lambda *_, **__: pytest.fail("extracted again"))
        second = small.transform(tones, path=tmp_path / "f.zarr", progress=False)
    np.testing.assert_array_equal(first.array, second.array)
    assert second.clips.to_frame().equals(first.clips.to_frame())
    assert second.front_end == first.front_end

    other = sa.LogMel(**{**small.to_dict(), "n_mels": 20}).transform(tones, path=tmp_path / "f.zarr", progress=False)
    assert other.shape[1] == 20
    soundfile.write(tones.paths[0], np.zeros(4000), 8000)
    os.utime(tones.paths[0], ns=(1, 1))  # even where the file system's clock is coarse
    changed = small.transform(tones, path=tmp_path / "f.zarr", progress=False)
    np.testing.assert_array_equal(changed.array[0], small(np.zeros(4000)))


def test_cache_is_used_without_a_path(
    small: sa.LogMel, tones: sa.datasets.Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = small.transform(tones, progress=False)
    monkeypatch.setattr(sa.LogMel, "transform_files", lambda *_, **__: pytest.fail("extracted again"))
    np.testing.assert_array_equal(small.transform(tones, progress=False).array, first.array)


def test_unreadable_clip(small: sa.LogMel, tones: sa.datasets.Clips, tmp_path: Path) -> None:
    bad = Path(tones.paths[2])
    bad.write_text("no sound")
    with pytest.raises(sa.AudioError) as caught:
        small.transform(tones, cache=False, progress=False)
    assert caught.value.path == str(bad)

    for _ in range(2):  # made, then read back: the warning comes again
        with pytest.warns(UserWarning, match="left out .*2.wav: is not an audio file"):
            features = small.transform(tones, path=tmp_path / "f.zarr", on_error="skip", progress=False)
        assert len(features) == 5
        assert str(bad) not in features.clips.paths
        assert [skip.path for skip in features.skipped] == [str(bad)]


def test_nothing_readable(small: sa.LogMel, tones: sa.datasets.Clips) -> None:
    for path in tones.paths:
        Path(path).write_text("no sound")
    with pytest.raises(sa.DatasetError, match="none of the 6 clips can be read"):
        small.transform(tones, cache=False, on_error="skip", progress=False)
    with pytest.raises(sa.DatasetError, match="empty"):
        small.transform(tones[:0], cache=False, progress=False)
