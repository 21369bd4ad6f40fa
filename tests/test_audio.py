"""Reading and resampling, against soundfile and python-soxr."""

from __future__ import annotations

import io
import mmap
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


@pytest.mark.parametrize(
    ("container", "subtype", "rate"),
    [("WAV", "PCM_16", 22050), ("FLAC", "PCM_16", 22050), ("OGG", "VORBIS", 22050), ("OGG", "OPUS", 48000),
     ("MP3", "MPEG_LAYER_III", 22050), ("AIFF", "PCM_24", 22050)],
)  # fmt: skip
def test_lengths_and_parts_equal_soundfile(rng: np.random.Generator, container: str, subtype: str, rate: int) -> None:
    """Every length and offset to the sample, for compressed files up to the last frame."""
    for frames in (1, 2, 999, 8192, 30001):
        file = io.BytesIO()
        soundfile.write(file, rng.uniform(-0.5, 0.5, frames), rate, format=container, subtype=subtype)
        file.seek(0)
        whole, _ = soundfile.read(file, dtype="float32")
        assert len(whole) == frames
        assert sa.info(file) == sa.AudioInfo(frames=frames, sr=rate, channels=1)
        for offset in {0, 1, 500, 8192, frames - 300, frames - 1, frames}:
            for duration in (0, 1, 5000, None):
                if not 0 <= offset <= frames:
                    continue
                seconds = None if duration is None else duration / rate
                y, _ = sa.load(file, offset=offset / rate, duration=seconds)
                expected = whole[offset : None if duration is None else offset + duration]
                np.testing.assert_allclose(y, expected, rtol=0, atol=2e-5 if container in ("OGG", "MP3") else 0)


def _wav(samples: np.ndarray, rate: int = 8000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="FLOAT")
    return file.getvalue()


def test_every_source_is_read_alike(tmp_path: Path, rng: np.random.Generator) -> None:
    samples = rng.uniform(-1, 1, 20000).astype(np.float32)
    data = _wav(samples)
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    spaced = np.zeros(2 * len(data), np.uint8)
    spaced[::2] = np.frombuffer(data, np.uint8)
    with (
        open(path, "rb") as opened,
        open(path, "rb", buffering=0) as unbuffered,
        zipfile.ZipFile(tmp_path / "a.zip", "w") as archive,
        open(path, "r+b") as mapped_file,
        mmap.mmap(mapped_file.fileno(), 0) as mapped,
    ):
        archive.writestr("a.wav", data, zipfile.ZIP_DEFLATED)
        opened.seek(1000)
        sources = [path, str(path), data, bytearray(data), memoryview(data), memoryview(spaced.data)[::2],
                   io.BytesIO(data), opened, unbuffered, mapped]  # fmt: skip
        for source in sources:
            for _ in range(2):  # a file object may be read again
                y, sr = sa.load(source)
                np.testing.assert_array_equal(y, samples)
                assert sr == 8000
            assert sa.info(source).frames == len(samples)
            np.testing.assert_array_equal(sa.load(source, offset=1.0, duration=0.5)[0], samples[8000:12000])
            assert sa.load(source, sr=16000)[0].shape == (40000,)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive, archive.open("a.wav") as member:
        np.testing.assert_array_equal(sa.load(member)[0], samples)


def test_result_is_the_callers(rng: np.random.Generator) -> None:
    """Written to, kept longer than the source."""
    data = bytearray(_wav(rng.uniform(-1, 1, 100)))
    y, _ = sa.load(data)
    copy = y.copy()
    data[:] = bytes(len(data))
    np.testing.assert_array_equal(y, copy)
    y[:] = 0
    data.clear()  # nobody holds the buffer any more
    stereo, _ = sa.load(_wav(rng.uniform(-1, 1, (100, 2))), mono=False)
    assert stereo.flags.c_contiguous
    assert stereo.flags.writeable


@pytest.mark.parametrize(
    ("source", "name"),
    [(b"no audio", "<bytes>"), (bytearray(b"no audio"), "<bytes>"), (io.BytesIO(b"no audio"), "<file object>"),
     (b"", "<bytes>"), (io.BytesIO(), "<file object>")],
)  # fmt: skip
def test_sources_without_a_path_are_named(source: Any, name: str) -> None:
    for read in (sa.load, sa.info):
        with pytest.raises(sa.AudioError, match=f"^{name}: is (not|empty)") as caught:
            read(source)
        assert caught.value.path == name


def test_file_objects_are_named_by_themselves(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no audio")
    with open(tmp_path / "text.wav", "rb") as file, pytest.raises(sa.AudioError) as caught:
        sa.load(file)
    assert caught.value.path == str(tmp_path / "text.wav")


def test_names_that_are_no_unicode(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.wav")
    Path(path).write_bytes(_wav(np.ones(3)))
    assert sa.load(path)[0].shape == (3,)
    with pytest.raises(sa.AudioError) as caught:
        sa.load(path + ".missing")
    assert caught.value.path == path + ".missing"
    with pytest.raises(sa.AudioError, match="NUL"):
        sa.load(path + "\0")


def test_what_is_no_source(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(_wav(np.zeros(10)))
    read_end, write_end = os.pipe()
    with open(path, encoding="latin-1") as text, open(path, "ab") as write_only, open(read_end, "rb") as pipe:
        os.close(write_end)
        for source, received in [
            (None, "type NoneType"),
            (3, "type int"),
            (np.zeros(10), "type ndarray"),
            (text, "a text file"),
            (io.StringIO("RIFF"), "a text file"),
            (write_only, "not open for reading"),
            (pipe, "cannot seek"),
        ]:
            for read in (sa.load, sa.info):
                with pytest.raises(sa.ParameterError, match=f"source: got .*{received}.*; accepted: a path, bytes"):
                    read(source)


class _Broken(io.BytesIO):
    """Fails in the middle."""

    def __init__(self, data: bytes, answer: Callable[[], bytes]) -> None:
        super().__init__(data)
        self.answer = answer

    def read(self, size: int | None = -1, /) -> bytes:
        return self.answer() if self.tell() >= 10000 else super().read(size)


def test_exceptions_of_file_objects_pass_through() -> None:
    data = _wav(np.zeros(20000))

    def cut() -> bytes:
        raise ConnectionError("the cable is cut")

    with pytest.raises(ConnectionError, match="cable"):
        sa.load(_Broken(data, cut), offset=1.0)
    with pytest.raises(ValueError, match="more than asked"):
        sa.load(_Broken(data, lambda: bytes(10**6)), offset=1.0)
    with pytest.raises(TypeError):
        sa.load(_Broken(data, lambda: "text"), offset=1.0)  # pyright: ignore
    assert sa.load(_Broken(data, bytes), offset=1.0)[0].shape[0] < 12000, "an early end is a cut file"


def test_truncated_header_claims_are_reported(tmp_path: Path) -> None:
    """The header's count stays what it says; the samples are those that are there."""
    data = _wav(np.ones(1000))[:-400]
    assert sa.load(data)[0].shape == (900,)


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
def test_bad_options_are_named(tmp_path: Path, option: str, value: Any) -> None:
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


def test_resample_equals_soxr_in_a_stream(rng: np.random.Generator) -> None:
    y = rng.standard_normal(50000).astype(np.float32)
    for orig, target in ((44100, 16000), (16000, 44100), (48000, 44100)):
        stream = soxr.ResampleStream(orig, target, 1, dtype="float32", quality="HQ")
        blocks = [stream.resample_chunk(y[i : i + 777], last=i + 777 >= len(y)) for i in range(0, len(y), 777)]
        expected = np.concatenate(blocks)
        resampled = sa.resample(y, orig_sr=orig, target_sr=target)
        size = min(len(expected), len(resampled))
        assert abs(len(expected) - len(resampled)) <= 1
        np.testing.assert_allclose(resampled[:size], expected[:size], rtol=0, atol=2e-6)


def test_load_resamples_as_resample_does(rng: np.random.Generator) -> None:
    data = _wav(rng.uniform(-1, 1, (3000, 2)))
    y, sr = sa.load(data, mono=False)
    np.testing.assert_array_equal(sa.load(data, mono=False, sr=11025)[0], sa.resample(y, orig_sr=sr, target_sr=11025))


def test_rates_too_far_apart_are_refused() -> None:
    with pytest.raises(sa.ParameterError, match=r"target_sr: got .*; accepted: .* 256 times"):
        sa.resample(np.zeros(10), orig_sr=1, target_sr=16000)
    with pytest.raises(sa.AudioError, match="<bytes>: has a sample rate of 1 Hz, too far from the 16000 Hz"):
        sa.load(_wav(np.zeros(10), rate=1), sr=16000)
    assert sa.load(_wav(np.zeros(10), rate=1))[1] == 1


def test_resample_leading_axes(rng: np.random.Generator) -> None:
    y = rng.standard_normal((2, 3, 500))
    together = sa.resample(y, orig_sr=3, target_sr=2)
    assert together.shape == (2, 3, 334)
    np.testing.assert_array_equal(together[1, 2], sa.resample(y[1, 2], orig_sr=3, target_sr=2))
    assert sa.resample(np.zeros((0, 10)), orig_sr=2, target_sr=1).shape == (0, 5)
    with pytest.raises(sa.ParameterError, match="single number"):
        sa.resample(3.0, orig_sr=2, target_sr=1)
