"""Damaged and hostile audio files: an array or an AudioError; never a signal, a hang, or memory that a header claims.

The files are decoded in worker processes with limited memory, which die loudly. A long run, which prints its figures:

    python tests/test_robustness.py --mutations 10000
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import hashlib
import io
import json
import os
import resource
import select
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

import siamaudio as sa

FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "aiff": ("AIFF", "PCM_16"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "caf": ("CAF", "PCM_16"),
    "au": ("AU", "PCM_16"),
}
SECONDS_A_FILE = 20
MEMORY = 256 << 20  # bytes that a worker may claim beyond what it has after its imports
REAL_MEMORY = 16 << 20  # bytes that a file of kilobytes may make it touch
FILES_A_WORKER = 5000
PROMISED = {"array", "AudioError"}


def clip(name: str, *, frames: int = 2000, channels: int = 1) -> bytes:
    """A small file of a format, noise with a silent middle."""
    rng = np.random.default_rng(0)
    samples = rng.uniform(-0.5, 0.5, (frames, channels))
    samples[frames // 3 : frames // 2] = 0
    container, codec = FORMATS[name]
    file = io.BytesIO()
    soundfile.write(file, samples, 16000, format=container, subtype=codec)
    return file.getvalue()


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """One to four of: flipped bits, a range inserted, removed or doubled, a header field from somewhere else."""
    damaged = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        # Headers are small and matter most: half of the changes fall there.
        end = len(damaged) if rng.random() < 0.5 else min(len(damaged), 256)
        start = int(rng.integers(0, max(end, 1)))
        size = int(rng.integers(1, 64))
        match rng.integers(0, 6):
            case 0:
                for at in rng.integers(0, max(end, 1), size):
                    damaged[at : at + 1] = bytes([int(rng.integers(256))])
            case 1:
                damaged[start:start] = rng.bytes(size)
            case 2:
                del damaged[start : start + size]
            case 3:
                damaged[start:start] = damaged[start : start + size]
            case 4:
                width = int(rng.choice([1, 2, 4, 8]))
                value = int(
                    rng.choice([0, 1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1])
                )
                order = "little" if rng.random() < 0.5 else "big"
                damaged[start : start + width] = (value % 256**width).to_bytes(width, order)
            case _:
                width, other = int(rng.choice([2, 4, 8])), int(rng.integers(0, max(end, 1)))
                field = damaged[start : start + width]
                damaged[start : start + width] = damaged[other : other + width]
                damaged[other : other + width] = field
    return bytes(damaged)


def repair_checksums(data: bytes) -> bytes:
    """Give every Ogg page the checksum of what it holds now, so that the decoders see the damage."""
    repaired = bytearray(data)
    start = repaired.find(b"OggS")
    while start >= 0:
        num_segments = repaired[start + 26] if start + 26 < len(repaired) else 0
        end = start + 27 + num_segments + sum(repaired[start + 27 : start + 27 + num_segments])
        if end <= len(repaired):
            repaired[start + 22 : start + 26] = bytes(4)
            checksum = 0
            for byte in repaired[start:end]:
                checksum = (checksum << 8 & 0xFFFFFFFF) ^ OGG_CHECKSUMS[checksum >> 24 ^ byte]
            repaired[start + 22 : start + 26] = struct.pack("<I", checksum)
        start = repaired.find(b"OggS", start + 4)
    return bytes(repaired)


def _ogg_checksum(byte: int) -> int:
    """Return the remainder of one byte by Ogg's polynomial."""
    remainder = byte << 24
    for _ in range(8):
        remainder = remainder << 1 ^ (0x104C11DB7 if remainder & 0x80000000 else 0)
    return remainder


OGG_CHECKSUMS = [_ogg_checksum(byte) for byte in range(256)]


# ---- Worker processes


def work() -> None:
    """Decode what comes in over stdin, size and bytes one after the other; one JSON line out for each."""
    sa.load(clip("wav"), sr=8000)  # whatever is imported late
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    while head := sys.stdin.buffer.read(8):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        data = sys.stdin.buffer.read(struct.unpack("<q", head)[0])
        outcomes: list[str] = []
        for options in ({"mono": False}, {"sr": 8000, "offset": 0.02, "duration": 0.1}):
            try:
                y, sr = sa.load(data, **options)
                outcomes.append("array" if y.dtype == np.float32 and sr > 0 else f"an array of {y.dtype} at {sr} Hz")
                if options.get("sr") is None and y.shape[-1] > sa.info(data).frames:
                    outcomes.append(f"{y.shape[-1]} frames, where the header says {sa.info(data).frames}")
            except sa.AudioError as error:
                outcomes.append("AudioError" if str(error).startswith("<bytes>: ") else f"AudioError: {error}")
            except Exception as error:
                outcomes.append(f"{type(error).__name__}: {error}")
        used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
        if used > REAL_MEMORY:
            outcomes.append(f"{used >> 20} MiB used")
        print(json.dumps(outcomes), flush=True)


class Worker:
    """A process that decodes files, until one of them ends it."""

    def __init__(self) -> None:
        # libmpg123 tells stderr what it thinks of damaged files.
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--work"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def decode(self, data: bytes) -> list[str]:
        """Return "array", "AudioError" or what else happened, for each way of reading."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # then there is no answer either
            self.process.stdin.write(struct.pack("<q", len(data)) + data)
            self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], SECONDS_A_FILE)[0]:
            return [f"no answer in {SECONDS_A_FILE} s"]
        line = self.process.stdout.readline()
        return json.loads(line) if line else [f"the process ended by {-self.process.wait()}"]

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate()


def decode_all(files: Iterable[bytes], folder: Path) -> collections.Counter[str]:
    """Count what becomes of the files; those that are not answered as promised are kept in `folder`."""
    counts: collections.Counter[str] = collections.Counter()
    worker = Worker()
    try:
        for index, data in enumerate(files):
            # libsndfile leaks some kilobytes of most damaged Ogg files (tests/fuzz/leaks.supp): without new processes
            # the limit would be reached in the end, by no fault of the file that happens to be next.
            if index % FILES_A_WORKER == FILES_A_WORKER - 1:
                worker.close()
                worker = Worker()
            outcomes = worker.decode(data)
            counts.update(outcomes)
            if not PROMISED.issuperset(outcomes):
                kept = folder / f"finding-{hashlib.sha256(data).hexdigest()[:12]}"
                kept.write_bytes(data)
                print(f"{kept}: {outcomes}")
                worker.close()
                worker = Worker()
    finally:
        worker.close()
    return counts


def mutations(name: str, number: int) -> Iterator[bytes]:
    """The same damaged files of a format every time."""
    rng = np.random.default_rng([number, *name.encode()])
    sources = [clip(name), clip(name, channels=2), clip(name, frames=1)]
    for i in range(number):
        damaged = mutate(sources[i % len(sources)], rng)
        yield repair_checksums(damaged) if name in ("ogg", "opus") and i % 4 else damaged


# ---- Tests

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")


@on_linux
@pytest.mark.parametrize("name", FORMATS)
def test_mutated_files(name: str, tmp_path: Path) -> None:
    counts = decode_all(mutations(name, 80), tmp_path)
    assert counts.keys() == PROMISED, counts


@on_linux
@pytest.mark.parametrize("name", FORMATS)
def test_truncated_files(name: str, tmp_path: Path) -> None:
    whole = clip(name)
    counts = decode_all((whole[:size] for size in range(1025)), tmp_path)
    assert counts.keys() <= PROMISED, counts
    assert counts["AudioError"] > 0


def _wav(*, channels: int = 1, rate: int = 8000, claimed: int = 8, magic: bytes = b"RIFF", extra: bytes = b"") -> bytes:
    fmt = struct.pack("<HHIIHH", 1, channels, rate, 2 * rate % 2**32, 2 * channels % 2**16, 16)
    chunks = extra + b"fmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", claimed) + bytes(8)
    return magic + struct.pack("<I", min(claimed + 36, 2**32 - 1)) + b"WAVE" + chunks


def _aiff(*, channels: int = 1, frames: int = 4, rate: bytes = b"\x40\x0e\xac\x44") -> bytes:
    comm = struct.pack(">hIh", channels, frames, 16) + rate.ljust(10, b"\0")
    ssnd = struct.pack(">4sIII", b"SSND", 16, 0, 0) + bytes(8)
    chunks = b"AIFF" + struct.pack(">4sI", b"COMM", len(comm)) + comm + ssnd
    return struct.pack(">4sI", b"FORM", len(chunks)) + chunks


def _au(*, channels: int = 1, rate: int = 8000, size: int = 8, offset: int = 24) -> bytes:
    return b".snd" + struct.pack(">IIIII", offset, size, 3, rate, channels) + bytes(8)


def _caf(*, channels: int = 1, rate: float = 8000.0, size: int = 12, bits: int = 16) -> bytes:
    description = struct.pack(">d4sIIIII", rate, b"lpcm", 0, bits // 8 * channels % 2**32, 1, channels, bits)
    header = b"caff" + struct.pack(">HH", 1, 0) + b"desc" + struct.pack(">q", len(description)) + description
    return header + b"data" + struct.pack(">qI", size, 0) + bytes(8)


def _flac(*, channels: int = 1, rate: int = 44100, frames: int = 100, block: int = 4096) -> bytes:
    packed = rate << 44 | (channels - 1) << 41 | 15 << 36 | frames
    return b"fLaC\x80\0\0\x22" + struct.pack(">HH", block, block) + bytes(6) + packed.to_bytes(8, "big") + bytes(16)


def _rf64(size: int) -> bytes:
    ds64 = b"ds64" + struct.pack("<IqqqI", 28, size + 72, size, size // 2, 0)
    return _wav(magic=b"RF64", claimed=2**32 - 1, extra=ds64)


BOMBS = {
    "wav claims 4 GiB": _wav(claimed=2**32 - 1),
    "wav claims 2 GiB": _wav(claimed=2**31 - 1),
    "wav of 65535 channels": _wav(channels=65535),
    "wav of 1024 channels": _wav(channels=1024),
    "wav of 65 channels": _wav(channels=65),
    "wav of no channels": _wav(channels=0),
    "wav at 4 GHz": _wav(rate=2**32 - 1),
    "wav at 2 GHz": _wav(rate=2**31 - 1),
    "wav at 1 Hz": _wav(rate=1),
    "wav at 0 Hz": _wav(rate=0),
    "wav with a chunk of 4 GiB": _wav(extra=b"LIST" + struct.pack("<I", 2**32 - 1)),
    "wav with a chunk of 2 GiB": _wav(extra=b"junk" + struct.pack("<I", 2**31 - 1)),
    "rf64 claims 4 EiB": _rf64(2**62),
    "rf64 claims -1": _rf64(-1),
    "aiff claims 4 G frames": _aiff(frames=2**32 - 1),
    "aiff of 32767 channels": _aiff(channels=2**15 - 1),
    "aiff of -1 channels": _aiff(channels=-1),
    "aiff at an infinite rate": _aiff(rate=b"\x7f\xff" + b"\xff" * 8),
    "aiff at a rate of 2^63": _aiff(rate=b"\x40\x3e\x80"),
    "au claims 4 GiB": _au(size=2**32 - 2),
    "au of 4 G channels": _au(channels=2**32 - 1),
    "au at 4 GHz": _au(rate=2**32 - 1),
    "au whose data begin at 4 GiB": _au(offset=2**32 - 4),
    "caf claims 8 EiB": _caf(size=2**63 - 1),
    "caf claims -2": _caf(size=-2),
    "caf of 2 G channels": _caf(channels=2**31 - 1),
    "caf at 1e300 Hz": _caf(rate=1e300),
    "caf at NaN Hz": _caf(rate=float("nan")),
    "caf of 1 Gbit": _caf(bits=2**30),
    "flac claims 2^36 frames": _flac(frames=2**36 - 1),
    "flac of 8 channels claims 2^36 frames": _flac(channels=8, frames=2**36 - 1, block=65535),
    "flac at 0 Hz": _flac(rate=0),
    "flac at 1 MHz": _flac(rate=2**20 - 1),
}


@on_linux
def test_header_bombs(tmp_path: Path) -> None:
    counts = decode_all(BOMBS.values(), tmp_path)
    assert counts.keys() == PROMISED, counts


@on_linux
def test_the_bombs_without_their_lies_are_read() -> None:
    """Otherwise they would be refused for the wrong reason."""
    for data in (_wav(), _aiff(), _au(), _caf(), _rf64(8)):
        np.testing.assert_array_equal(sa.load(data)[0], np.zeros(4))
        assert sa.info(data).frames == 4
    assert sa.info(_flac()).frames == 100


def test_repaired_checksums_are_those_of_ogg() -> None:
    whole = clip("ogg")
    assert repair_checksums(bytes(22) + whole[:22] + bytes(4) + whole[26:])[22:] == whole


def test_worker_tells_what_it_is_asked_to_tell(tmp_path: Path) -> None:
    """The trial itself: a whole file is an array, and the end of a process is noticed."""
    assert decode_all([clip("wav"), b""], tmp_path) == {"array": 2, "AudioError": 2}
    worker = Worker()
    worker.process.kill()
    assert worker.decode(clip("wav")) == ["the process ended by 9"]
    worker.close()


@pytest.mark.slow
def test_short_fuzzing(tmp_path: Path) -> None:
    """The fuzzers build and find nothing in a few seconds; tools/fuzz.sh runs them for longer."""
    empty = tmp_path / "empty.cpp"
    empty.write_text('extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }')
    probe = ["clang++", "-fsanitize=fuzzer,address", empty, "-o", tmp_path / "empty"]
    if shutil.which("clang++") is None or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("clang or its fuzzer is absent: apt-get install clang libclang-rt-14-dev")
    script = Path(__file__).parents[1] / "tools" / "fuzz.sh"
    done = subprocess.run(
        [script, "5"],
        env=os.environ | {"PYTHON": sys.executable, "BUILD": str(tmp_path / "build")},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert done.stderr.count("DONE") == 2


# ---- Samples at the edges


def _float_wav(samples: npt.ArrayLike) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.asarray(samples, dtype=np.float32), 16000, format="WAV", subtype="FLOAT")
    return file.getvalue()


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("frames", [0, 1, 2])
def test_shortest_files(name: str, frames: int) -> None:
    if frames == 0 and name in ("flac", "opus", "mp3"):
        pytest.skip(f"no encoder writes a whole {name} file without samples")
    data = clip(name, frames=frames)
    expected = soundfile.read(io.BytesIO(data), dtype="float32")[0]
    np.testing.assert_allclose(sa.load(data)[0], expected, rtol=0, atol=2e-5)
    assert sa.info(data).frames == frames
    assert sa.load(data, sr=8000)[0].shape == (-(-frames // 2),)


def test_silence_stays_silent() -> None:
    data = _float_wav(np.zeros(5000))
    assert not sa.load(data)[0].any()
    assert not sa.load(data, sr=44100)[0].any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_kept_and_spread_only_where_filters_reach(value: float) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, 40000).astype(np.float32)
    damaged = samples.copy()
    damaged[20000] = value
    np.testing.assert_array_equal(sa.load(_float_wav(damaged))[0], damaged)
    resampled = sa.load(_float_wav(damaged), sr=8000)[0]
    whole = sa.load(_float_wav(samples), sr=8000)[0]
    assert np.isnan(resampled[10000])
    untouched = np.isfinite(resampled)
    np.testing.assert_array_equal(resampled[untouched], whole[untouched])
    assert untouched[:5000].all()
    assert untouched[15000:].all()


def test_denormals_are_numbers() -> None:
    samples = np.full(4000, np.float32(1e-41))
    np.testing.assert_array_equal(sa.load(_float_wav(samples))[0], samples)
    resampled = sa.resample(samples, orig_sr=16000, target_sr=8000)
    assert resampled.shape == (2000,)
    assert np.abs(resampled).max() < 1e-40


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Decode mutated files and print what became of them.")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--mutations", type=int, default=10000, help="files of each format")
    parser.add_argument("--keep", type=Path, default=Path(), help="folder for the findings")
    arguments = parser.parse_args()
    if arguments.work:
        work()
        sys.exit()
    broken = False
    for format_name in FORMATS:
        begin = time.perf_counter()
        result = decode_all(mutations(format_name, arguments.mutations), arguments.keep)
        print(f"{format_name}: {arguments.mutations} files in {time.perf_counter() - begin:.0f} s: {dict(result)}")
        broken |= not PROMISED.issuperset(result)
    sys.exit(broken)
