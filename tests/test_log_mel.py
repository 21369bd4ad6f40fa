"""LogMel and the features of a data set: what librosa does not define."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile

import siamaudio as sa
from siamaudio import framing


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
        ("sr", "fast"),
        ("n_fft", 0),
        ("n_fft", 31),
        ("n_fft", 2.5),
        ("n_fft", True),
        ("hop_length", 0),
        ("n_mels", 0),
        ("n_mels", 200),
        ("fmin", -1),
        ("fmin", 5000),
        ("fmax", 5000),
        ("fmax", 0),
        ("ref", 0),
        ("ref", "min"),
        ("ref", None),
        ("amin", -1),
        ("amin", "tiny"),
        ("top_db", -1),
        ("duration", 0),
        ("duration", float("inf")),
        ("win_length", 0),
        ("win_length", 257),
        ("win_length", 100.5),
        ("window", "hannn"),
        ("window", ("kaiser",)),
        ("window", np.ones(255)),
        ("window", np.ones((2, 128))),
        ("window", [1.0] * 255 + [float("nan")]),
        ("window", []),
        ("window", None),
        ("window", np.hanning),
        ("window_align", "end"),
        ("center", 1),
        ("center", "yes"),
        ("snip_edges", False),  # needs center=False
        ("pad_mode", "zeros"),
        ("power", 1.5),
        ("power", 0),
        ("htk", None),
        ("norm", 1),
        ("mel_triangles", "bark"),
        ("log", "log2"),
        ("log", 10),
        ("log_offset", "small"),
        ("gain", 0),
        ("gain", float("inf")),
        ("preemphasis", 1.5),
        ("preemphasis", -0.1),
        ("remove_dc", 0),
    ],
)
def test_bad_options_are_named(option: str, value: object) -> None:
    options = {"sr": 8000, "n_fft": 256, "hop_length": 128, "n_mels": 16}
    with pytest.raises(sa.ParameterError, match=f"^{option}: got "):
        sa.LogMel(**{**options, option: value})


def test_offset_is_checked_where_it_is_used() -> None:
    with pytest.raises(sa.ParameterError, match=r"^log_offset: got "):
        sa.LogMel(log="ln_offset", log_offset=0)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"window": np.hamming(256)},
        {"window": list(range(100)), "win_length": 100},
        {"window": ("kaiser", 14.0)},
        {"window": ("general_cosine", [0.5, 0.3, 0.2])},
        {"ref": np.max, "n_fft": np.int64(256), "sr": np.float32(8000), "center": np.bool_(False)},
        {"log": None, "fmax": 3000.0, "norm": None},
    ],
    ids=lambda options: " ".join(options) or "default",
)
def test_is_a_value(options: dict[str, object], rng: np.random.Generator) -> None:
    """Equal, hashed, pickled, copied and written as JSON, arrays and all."""
    front_end = sa.LogMel(**{"sr": 8000, "n_fft": 256, "hop_length": 128, "n_mels": 16, **options})
    y = rng.standard_normal(1000)
    for twin in (
        sa.LogMel.from_dict(front_end.to_dict()),
        sa.LogMel.from_dict(json.loads(json.dumps(front_end.to_dict()))),
        pickle.loads(pickle.dumps(front_end)),
        copy.deepcopy(front_end),
    ):
        assert twin == front_end
        assert hash(twin) == hash(front_end)
        np.testing.assert_array_equal(twin(y), front_end(y))
    assert front_end != sa.LogMel.from_dict({**front_end.to_dict(), "gain": 2.0})


@pytest.mark.parametrize("log", ["db", "ln", "ln_offset", "ln_nonzero", None])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("position", [0, 777, 999])
def test_samples_that_are_not_finite_are_refused(log: str | None, value: float, position: int) -> None:
    front_end = sa.LogMel(sr=8000, n_fft=256, hop_length=128, n_mels=16, log=log, window="boxcar")
    y = np.zeros((3, 1000))
    y[1, position] = value
    with pytest.raises(sa.ParameterError, match=r"^y: got samples in clip 1 .*; accepted: finite"):
        front_end(y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(10, dtype=complex), "real numbers"),
        (np.array(["a", "b"]), "real numbers"),
        (None, "real numbers"),
        (1.0, "a single number"),
        ([[1.0], [1.0, 2.0]], "unequal length"),
    ],
)
def test_what_is_no_signal(small: sa.LogMel, y: object, message: str) -> None:
    with pytest.raises(sa.ParameterError, match=f"^y: .*{message}"):
        small(y)


def test_integers_are_taken_as_they_are(small: sa.LogMel, rng: np.random.Generator) -> None:
    y = rng.integers(-32768, 32768, 1000, dtype=np.int16)
    np.testing.assert_array_equal(small(y), small(y.astype(np.float64)))
    halves = dataclasses.replace(small, gain=2.0**-15)
    np.testing.assert_array_equal(halves(y), small(y / 32768))


@pytest.mark.parametrize("num_samples", [0, 1, 255, 256, 257, 383, 384])
@pytest.mark.parametrize(
    ("options", "length"),
    [
        ({}, 256),
        ({"win_length": 200}, 256),
        ({"win_length": 200, "window_align": "start"}, 200),
    ],
)
def test_frames_inside_the_signal(num_samples: int, options: dict[str, object], length: int) -> None:
    front_end = sa.LogMel(sr=8000, n_fft=256, hop_length=128, n_mels=16, center=False, **options)
    expected = max(0, 1 + (num_samples - length) // 128)
    assert front_end.num_frames(num_samples) == expected
    if expected > 0:
        assert front_end(np.zeros(num_samples)).shape == (16, expected)
    else:
        with pytest.raises(sa.ParameterError, match=f"^y: got {num_samples} samples; accepted: at least the {length} "):
            front_end(np.zeros(num_samples))


def test_too_short_for_a_midpoint() -> None:
    front_end = sa.LogMel.preset("kaldi", snip_edges=False)
    assert front_end(np.zeros(80)).shape == (23, 1)
    with pytest.raises(sa.ParameterError, match=r"^y: got 79 samples; accepted: at least the 80 of half a hop"):
        front_end(np.zeros(79))


@pytest.mark.parametrize("num_samples", [-1, 2.5, True, None])
def test_number_of_samples(small: sa.LogMel, num_samples: object) -> None:
    with pytest.raises(sa.ParameterError, match=r"^num_samples: got "):
        small.num_frames(num_samples)


def test_threads_are_counted(small: sa.LogMel) -> None:
    for num_threads in (0, -1):
        with pytest.raises(sa.ParameterError, match=r"^num_threads: got "):
            small(np.zeros(1000), num_threads=num_threads)


VARIETY: list[dict[str, object]] = [
    {},
    {"center": False, "win_length": 200, "window_align": "start", "preemphasis": 0.97, "remove_dc": True},
    {"pad_mode": "reflect", "power": 1, "ref": "max", "win_length": 180, "window": "hamming"},
    {"center": False, "snip_edges": False, "log": "ln", "top_db": None},
]


@pytest.mark.parametrize("options", VARIETY, ids=str)
def test_same_bits_however_the_work_is_divided(options: dict[str, object], rng: np.random.Generator) -> None:
    front_end = sa.LogMel(**{"sr": 8000, "n_fft": 256, "hop_length": 100, "n_mels": 16, **options})
    for shape in ((7, 3000), (1, 120_001), (40, 300)):
        y = rng.standard_normal(shape).astype(np.float32)
        one_thread = front_end(y, num_threads=1)
        for num_threads in (2, 5, None):
            np.testing.assert_array_equal(front_end(y, num_threads=num_threads), one_thread)
        for clip, spectrogram in zip(y, one_thread, strict=True):
            np.testing.assert_array_equal(front_end(clip), spectrogram)


def test_a_long_signal_equals_its_parts(rng: np.random.Generator) -> None:
    """Frames do not depend on what lies around them: any part of a long signal gives the same bits."""
    front_end = sa.LogMel(sr=8000, n_fft=256, hop_length=100, n_mels=16, center=False, top_db=None)
    y = rng.standard_normal(200_000).astype(np.float32)
    whole = front_end(y, num_threads=3)
    for first, count in ((0, 1), (1, 17), (500, 333), (1990, 8)):
        part = front_end(y[100 * first : 100 * (first + count - 1) + 256])
        np.testing.assert_array_equal(part, whole[:, first : first + count])


def test_tables_are_shared_from_call_to_call(small: sa.LogMel) -> None:
    twin = sa.LogMel.from_dict(small.to_dict())
    assert framing.native(small) is framing.native(small)
    assert framing.native(twin) is framing.native(small)
    assert framing.native(dataclasses.replace(small, gain=2.0)) is not framing.native(small)


def test_quiet_sounds_and_silence(small: sa.LogMel) -> None:
    np.testing.assert_allclose(small(np.zeros(1000)), np.full((16, 8), -100.0), rtol=1e-6)
    denormal = np.full(1000, 1e-40, dtype=np.float32)
    np.testing.assert_array_equal(small(denormal), small(np.zeros(1000)))
    for log, expected in (("ln", np.log(1e-10)), ("ln_offset", np.log(1e-3)), ("ln_nonzero", 0.0), (None, 0.0)):
        silent = dataclasses.replace(small, log=log)(np.zeros(1000))
        np.testing.assert_allclose(silent, expected, rtol=1e-6)
    np.testing.assert_array_equal(dataclasses.replace(small, ref="max")(np.zeros(1000)), 0)


def test_presets_can_be_changed() -> None:
    for name in sa.front_end_presets():
        assert sa.LogMel.preset(name) == sa.LogMel.from_dict(sa.LogMel.preset(name).to_dict())
    assert sa.LogMel.preset("yamnet", n_mels=40).n_mels == 40
    with pytest.raises(sa.ParameterError, match=r"^preset: got vggish; accepted: fedele2022_audiomnist, "):
        sa.LogMel.preset("vggish")
    with pytest.raises(sa.ParameterError, match=r"^fmax: got "):
        sa.LogMel.preset("yamnet", sr=8000)


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
