"""Extraction at scale: bounded memory, any block size, crops, and what is left when it is stopped at any moment."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import siamaudio as sa
from siamaudio import blocks, extraction, files, store

NUM_KILLS = int(os.environ.get("SIAMAUDIO_KILLS", "6"))
FRONT_END = sa.LogMel(sr=8000, n_fft=128, hop_length=64, n_mels=8, duration=0.1)
CLIP_BYTES = 8 * 13 * 4
NUM_CLIPS = 21


@pytest.fixture
def data(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A folder of 3 classes x 7 clips of 0.05 to 0.35 s; FRONT_END takes 0.1 s."""
    for index in range(NUM_CLIPS):
        path = tmp_path / "data" / f"class{index % 3}" / f"{index:02}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * rng.standard_normal(400 + 120 * index), 8000)
    return tmp_path / "data"


@pytest.fixture
def clips(data: Path) -> sa.datasets.Clips:
    return sa.datasets.folder(data)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Sets the clips a block and the blocks a batch."""

    def set_sizes(clips_per_block: int, blocks_per_batch: int) -> None:
        monkeypatch.setattr(blocks, "_BLOCK_BYTES", clips_per_block * CLIP_BYTES)
        monkeypatch.setattr(extraction, "_BATCH_BYTES", clips_per_block * blocks_per_batch * CLIP_BYTES)

    return set_sizes


def content(folder: Path) -> dict[str, bytes]:
    """Everything in a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def partial_folder(target: Path) -> Path:
    (folder,) = target.parent.glob(f".{target.name}.*.partial")
    return folder


def count_transformed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that are transformed from now on."""
    real = sa.LogMel.transform_files
    seen: list[str] = []

    def transform_files(self: sa.LogMel, paths: list[str], **options: object) -> object:
        seen.extend(paths)
        return real(self, paths, **options)

    monkeypatch.setattr(sa.LogMel, "transform_files", transform_files)
    return seen


# ---- What is extracted


@pytest.mark.parametrize(("clips_per_block", "blocks_per_batch"), [(1, 1), (2, 3), (5, 1), (7, 2), (21, 1), (100, 9)])
@pytest.mark.parametrize("crop", ["start", "random"])
def test_blocks_and_threads_change_nothing(
    clips: sa.datasets.Clips, tmp_path: Path, small_blocks, clips_per_block: int, blocks_per_batch: int, crop: str
) -> None:
    expected = FRONT_END.transform(clips, cache=False, crop=crop, seed=3, num_threads=1, progress=False)
    small_blocks(clips_per_block, blocks_per_batch)
    made = FRONT_END.transform(clips, path=tmp_path / "f.zarr", crop=crop, seed=3, num_threads=3, progress=False)
    np.testing.assert_array_equal(made.array, expected.array)
    np.testing.assert_array_equal(made.lengths, expected.lengths)
    assert names(tmp_path) == ["data", "f.zarr"]
    memory = FRONT_END.transform(clips, cache=False, crop=crop, seed=3, progress=False)
    np.testing.assert_array_equal(memory.array, expected.array)


def test_lengths(clips: sa.datasets.Clips) -> None:
    """Frames with signal: all of those of clips of 0.1 s and more, by the samples of the shorter ones."""
    samples = [soundfile.info(path).frames for path in clips.paths]
    assert min(samples) < 800 < max(samples)
    made = FRONT_END.transform(clips, cache=False, progress=False)
    assert made.lengths.tolist() == [1 + min(n, 800) // 64 for n in samples]
    longest = sa.LogMel(sr=8000, n_fft=128, hop_length=64, n_mels=8).transform(clips, cache=False, progress=False)
    assert longest.lengths.tolist() == [1 + n // 64 for n in samples]
    assert longest.shape[2] == longest.lengths.max()


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_center(tmp_path: Path, rng: np.random.Generator, subtype: str) -> None:
    """The middle of a file of another rate and of two channels, as reading that part with `load` gives it."""
    soundfile.write(tmp_path / "a.wav", 0.1 * rng.standard_normal((12001, 2)), 16000, subtype=subtype)
    spectrograms, lengths, failed = FRONT_END.transform_files([str(tmp_path / "a.wav")], crop="center")
    y, _ = sa.load(tmp_path / "a.wav", sr=8000, offset=5200 / 16000, duration=0.1)  # (12001 - 1600) // 2
    np.testing.assert_array_equal(spectrograms[0], FRONT_END(y))
    assert (lengths.tolist(), failed) == ([13], [])


def test_random_crops_are_parts_of_the_file(tmp_path: Path, rng: np.random.Generator) -> None:
    samples = (0.1 * rng.standard_normal(900)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    parts = FRONT_END(np.lib.stride_tricks.sliding_window_view(samples, 800))
    found = {}
    for seed in (0, 1):
        spectrograms, _, _ = FRONT_END.transform_files([str(tmp_path / "a.wav")] * 60, crop="random", seed=seed)
        starts = [np.flatnonzero((parts == clip).all(axis=(1, 2))) for clip in spectrograms]
        assert all(len(start) == 1 for start in starts)
        found[seed] = np.concatenate(starts)
        assert found[seed].min() < 20  # 60 draws out of 101 places: otherwise less than one in 10^5
        assert found[seed].max() > 80
    assert (found[0] != found[1]).any()
    later, _, _ = FRONT_END.transform_files([str(tmp_path / "a.wav")] * 2, positions=[41, 7], crop="random")
    np.testing.assert_array_equal(later, parts[found[0][[41, 7]]])


@pytest.mark.parametrize(
    ("claimed", "start"), [(0, 600), (900, 50), (2000, 600), (3000, 1100), (4000, 600), (5000, 600)]
)
def test_crop_where_the_header_is_wrong(tmp_path: Path, rng: np.random.Generator, claimed: int, start: int) -> None:
    """A FLAC file of 2000 samples whose header counts another number, or none.

    The header is believed where the part that it leads to is there; else the middle is that of all samples.
    """
    path = tmp_path / "a.flac"
    samples = rng.integers(-3000, 3000, 2000).astype(np.int16)
    soundfile.write(path, samples, 8000)
    header = bytearray(path.read_bytes())
    assert header[:8] == b"fLaC\x00\x00\x00\x22"
    header[22:26] = claimed.to_bytes(4, "big")  # the lower 32 of the 36 bits of STREAMINFO's count
    path.write_bytes(bytes(header))
    spectrograms, _, failed = FRONT_END.transform_files([str(path)], crop="center")
    assert not failed
    np.testing.assert_array_equal(spectrograms[0], FRONT_END(samples[start : start + 800] / np.float32(32768)))


@pytest.mark.parametrize(
    ("option", "value"), [("crop", "end"), ("dtype", "float64"), ("on_error", "ignore"), ("seed", -1), ("seed", 2**64)]
)
def test_bad_options_are_named_before_anything_is_done(
    clips: sa.datasets.Clips, tmp_path: Path, option: str, value: object
) -> None:
    with pytest.raises(sa.ParameterError, match=f"^{option}: got "):
        FRONT_END.transform(clips, path=tmp_path / "f.zarr", progress=False, **{option: value})
    assert names(tmp_path) == ["data"]


def test_positions_must_fit(clips: sa.datasets.Clips) -> None:
    with pytest.raises(sa.ParameterError, match=r"^positions: got 1 values"):
        FRONT_END.transform_files(clips.paths, positions=[3])
    with pytest.raises(sa.ParameterError, match=r"^crop: got end"):
        FRONT_END.transform_files(clips.paths, crop="end")


def test_options_make_other_features(clips: sa.datasets.Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each option that changes the values makes them anew; one that does not, does not."""
    seen = count_transformed(monkeypatch)
    for options, is_new in (
        ({}, True),
        ({"seed": 5}, False),  # of random crops only
        ({"on_error": "skip"}, False),
        ({"crop": "center"}, True),
        ({"crop": "random"}, True),
        ({"crop": "random", "seed": 0}, False),
        ({"crop": "random", "seed": 5}, True),
        ({"dtype": "float16"}, True),
    ):
        seen.clear()
        FRONT_END.transform(clips, path=tmp_path / "f.zarr", progress=False, **options)
        assert bool(seen) == is_new, options


def test_float16(clips: sa.datasets.Clips, tmp_path: Path) -> None:
    exact = FRONT_END.transform(clips, cache=False, progress=False)
    for options in ({"path": tmp_path / "f.zarr"}, {"cache": False}):
        made = FRONT_END.transform(clips, dtype="float16", progress=False, **options)
        assert made.dtype == made.array.dtype == np.float16
        np.testing.assert_array_equal(made.array, exact.array.astype(np.float16))
    assert sa.Features.load(tmp_path / "f.zarr").nbytes == exact.nbytes // 2


def test_file_names_that_are_no_utf8(tmp_path: Path) -> None:
    """Names are bytes on disk: as good as any other, also where one cannot be read."""
    source = sa.datasets.synthetic(2, 2).paths[0]
    good, bad = (tmp_path / os.fsdecode(name) for name in (b"sound\xff.wav", b"words\xfe.wav"))
    shutil.copy(source, good)
    bad.write_text("no sound")
    front_end = sa.LogMel(sr=16000, n_fft=512, n_mels=8, duration=1)
    expected = front_end.transform_files([source])[0]
    found, lengths, failed = front_end.transform_files([str(good), str(bad)])
    np.testing.assert_array_equal(found[:1], expected)
    assert lengths[1] == 0
    assert [(index, path) for index, path, _ in failed] == [(1, str(bad))]
    np.testing.assert_array_equal(front_end.transform_file(good), front_end.transform_file(source))
    with pytest.raises(sa.AudioError) as caught:
        front_end.transform_file(bad)
    assert caught.value.path == str(bad)


@pytest.mark.parametrize("bad", [[0], [20], [3, 4, 5, 6], [0, 2, 9, 19, 20], list(range(20))])
def test_unreadable_clips_anywhere(clips: sa.datasets.Clips, tmp_path: Path, small_blocks, bad: list[int]) -> None:
    whole = FRONT_END.transform(clips, cache=False, crop="random", progress=False)
    for index in bad:
        Path(clips.paths[index]).write_text("no sound")
    kept = np.delete(np.arange(NUM_CLIPS), bad)
    small_blocks(4, 2)
    options = {"crop": "random", "on_error": "skip", "progress": False}
    for make in (
        lambda: FRONT_END.transform(clips, path=tmp_path / "f.zarr", **options),
        lambda: FRONT_END.transform(clips, cache=False, **options),
        lambda: sa.Features.load(tmp_path / "f.zarr"),
    ):
        with pytest.warns(UserWarning, match="left out"):
            made = make()
        np.testing.assert_array_equal(made.array, whole.array[kept])  # others' crops are as they were
        np.testing.assert_array_equal(made.lengths, whole.lengths[kept])
        assert made.clips.paths == clips[kept].paths
        assert [skip.path for skip in made.skipped] == [clips.paths[index] for index in bad]
    with pytest.raises(sa.AudioError, match=re.escape(clips.paths[bad[0]])):  # the store is no excuse
        FRONT_END.transform(clips, path=tmp_path / "f.zarr", crop="random", progress=False)


def test_many_skipped_clips_are_counted(clips: sa.datasets.Clips) -> None:
    for index in range(13):
        Path(clips.paths[index]).write_text("no sound")
    with pytest.warns(UserWarning, match="left out") as caught:
        made = FRONT_END.transform(clips, cache=False, on_error="skip", progress=False)
    assert len(made.skipped) == 13
    assert len(caught) == 11
    assert "left out 3 more clips" in str(caught[-1].message)


def test_nothing_readable_leaves_nothing(clips: sa.datasets.Clips, tmp_path: Path) -> None:
    for path in clips.paths:
        Path(path).write_text("no sound")
    with pytest.raises(sa.DatasetError, match="none of the 21 clips can be read"):
        FRONT_END.transform(clips, path=tmp_path / "f.zarr", on_error="skip", progress=False)
    assert names(tmp_path) == ["data"]


# ---- Going on


def test_goes_on_after_a_clip_that_fails(
    clips: sa.datasets.Clips, tmp_path: Path, small_blocks, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """on_error="fail" stops at clip 12; "skip" then begins with its batch."""
    small_blocks(3, 1)
    Path(clips.paths[12]).write_text("no sound")
    with pytest.raises(sa.AudioError):
        FRONT_END.transform(clips, path=tmp_path / "f.zarr", progress=False)
    seen = count_transformed(monkeypatch)
    with pytest.warns(UserWarning, match="left out"):
        made = FRONT_END.transform(clips, path=tmp_path / "f.zarr", on_error="skip")
    assert seen == list(clips.paths[12:])
    np.testing.assert_array_equal(made.array[0], FRONT_END(np.pad(sa.load(clips.paths[0])[0], (0, 400))))
    assert names(tmp_path) == ["data", "f.zarr"]
    bar = re.split(r"[\r\n]+", capsys.readouterr().err.strip())
    assert "12/21" in bar[0]
    assert "21/21" in bar[-1]
    assert re.search(r"clip/s|s/clip", bar[-1])


def test_only_damaged_blocks_are_made_anew(
    clips: sa.datasets.Clips, tmp_path: Path, small_blocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_blocks(4, 2)
    Path(clips.paths[9]).write_text("no sound")
    target = tmp_path / "f.zarr"
    with pytest.warns(UserWarning, match="left out"):
        FRONT_END.transform(clips, path=target, on_error="skip", progress=False)
    whole = content(target)
    flipped = bytearray(whole["spectrograms/c.2.0.0"])
    flipped[100] ^= 1
    (target / "spectrograms" / "c.2.0.0").write_bytes(bytes(flipped))
    (target / "spectrograms" / "c.4.0.0").unlink()
    (target / "spectrograms" / "c.5.0.0").write_bytes(whole["spectrograms/c.5.0.0"][:-1])
    seen = count_transformed(monkeypatch)
    with pytest.warns(UserWarning, match="left out"):
        FRONT_END.transform(clips, path=target, on_error="skip", progress=False)
    assert seen == [*clips.paths[8:12], *clips.paths[16:21]]
    assert content(target) == whole
    assert names(tmp_path) == ["data", "f.zarr"]


def test_exchanged_blocks_are_noticed(clips: sa.datasets.Clips, tmp_path: Path, small_blocks) -> None:
    """Two whole blocks in each other's place."""
    small_blocks(4, 2)
    target = tmp_path / "f.zarr"
    FRONT_END.transform(clips, path=target, progress=False)
    whole = content(target)
    (target / "spectrograms" / "c.0.0.0").write_bytes(whole["spectrograms/c.1.0.0"])
    (target / "spectrograms" / "c.1.0.0").write_bytes(whole["spectrograms/c.0.0.0"])
    with pytest.raises(sa.StoreError, match="block of clips 0 to 3"):
        _ = sa.Features.load(target).array
    FRONT_END.transform(clips, path=target, progress=False)
    assert content(target) == whole


def test_damaged_rest_is_not_trusted(clips: sa.datasets.Clips, tmp_path: Path, small_blocks, rng) -> None:
    """Any byte of what an interrupted extraction left may be wrong, or missing."""
    small_blocks(4, 1)
    target = tmp_path / "f.zarr"
    FRONT_END.transform(clips, path=target, progress=False)
    whole = content(target)

    bad = Path(clips.paths[18])
    sound, status = bad.read_bytes(), bad.stat()
    for _ in range(30):
        for entry in (target, *tmp_path.glob(".*.partial")):
            shutil.rmtree(entry)
        bad.write_bytes(bytes(len(sound)))  # the same size and time: the same fingerprint
        os.utime(bad, ns=(status.st_atime_ns, status.st_mtime_ns))
        with pytest.raises(sa.AudioError):
            FRONT_END.transform(clips, path=target, progress=False)
        bad.write_bytes(sound)
        os.utime(bad, ns=(status.st_atime_ns, status.st_mtime_ns))
        rest = partial_folder(target)
        left = sorted(path for path in rest.rglob("*") if path.is_file())
        assert len(left) >= 5
        damaged = left[rng.integers(len(left))]
        changed = bytearray(damaged.read_bytes())
        changed[rng.integers(len(changed))] ^= 1 << int(rng.integers(8))
        damaged.write_bytes(bytes(changed[: rng.integers(len(changed))] if rng.random() < 0.3 else changed))
        FRONT_END.transform(clips, path=target, progress=False)
        assert content(target) == whole, damaged


@pytest.mark.filterwarnings("ignore:left out")
def test_no_byte_of_the_journal_is_trusted(
    clips: sa.datasets.Clips, tmp_path: Path, small_blocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed digit of a length is still JSON."""
    small_blocks(8, 1)
    target = tmp_path / "f.zarr"
    Path(clips.paths[20]).write_text("no sound")
    FRONT_END.transform(clips, path=target, on_error="skip", progress=False)
    whole = content(target)
    shutil.rmtree(target)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store.UnfinishedStore, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            FRONT_END.transform(clips, path=target, on_error="skip", progress=False)
    rest = partial_folder(target)
    kept = rest.rename(tmp_path / "kept")
    digits = [match.start() for match in re.finditer(rb"\d", (kept / "journal.jsonl").read_bytes())]
    for position in digits[::5]:
        shutil.copytree(kept, rest)
        journal = bytearray((rest / "journal.jsonl").read_bytes())
        journal[position] ^= 1  # another digit
        (rest / "journal.jsonl").write_bytes(bytes(journal))
        FRONT_END.transform(clips, path=target, on_error="skip", progress=False)
        assert content(target) == whole, bytes(journal[: position + 1]).splitlines()[-1]
        shutil.rmtree(target)


def test_others_rests_are_removed(clips: sa.datasets.Clips, tmp_path: Path) -> None:
    """What an extraction with other options left goes once there is a store; other files beside it stay."""
    for name in (".f.zarr.0123456789abcdef.partial", ".f.zarr.save.partial", ".g.zarr.0123.partial"):
        (tmp_path / name / "spectrograms").mkdir(parents=True)
    (tmp_path / ".f.zarr.mine").mkdir()
    FRONT_END.transform(clips, path=tmp_path / "f.zarr", progress=False)
    assert names(tmp_path) == [".f.zarr.mine", ".g.zarr.0123.partial", "data", "f.zarr"]


def test_through_a_symbolic_link(clips: sa.datasets.Clips, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "f.zarr"
    link.symlink_to(tmp_path / "elsewhere" / "real.zarr")
    FRONT_END.transform(clips, path=link, progress=False)
    FRONT_END.transform(clips, path=link, crop="center", progress=False)
    assert link.is_symlink()
    assert names(tmp_path / "elsewhere") == ["real.zarr"]
    assert len(sa.Features.load(link)) == NUM_CLIPS


# ---- Stopped

PROCESS = """
import os, random, shutil, signal, sys, time
import siamaudio as sa
from siamaudio import blocks, extraction
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits that it is ignored
blocks._BLOCK_BYTES, extraction._BATCH_BYTES = 4 * {clip_bytes}, 8 * {clip_bytes}
front_end = sa.LogMel(**{front_end})
clips = sa.datasets.folder({data!r})
target = {target!r}

def transform(**options):
    front_end.transform(clips, path=target, crop="random", seed=1, progress=False, num_threads=2, **options)

def child(action):
    pid = os.fork()
    if pid == 0:
        try:
            action()
        except BaseException as error:
            print("failed:", repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    return pid

def content():
    found = {{}}
    for folder, _, names in os.walk(target):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                found[os.path.relpath(os.path.join(folder, name), target)] = file.read()
    return found

def set_up(state):
    # nothing, a store with other options, or a damaged one
    shutil.rmtree(target, ignore_errors=True)
    if state > 0:
        transform(**({{"dtype": "float16"}} if state == 1 else {{}}))
    if state == 2:
        for block in (1, 5):
            with open(f"{{target}}/spectrograms/c.{{block}}.0.0", "r+b") as file:
                file.write(b"damage")

def check(state):
    # What stands at the target is what stood there or the finished store; then it is finished.
    was_finished = content() == whole
    if state == 1:
        assert len(sa.Features.load(target).array) == len(clips)
    assert was_finished or os.path.exists(target) == (state > 0)
    transform()
    assert content() == whole, sorted(content())
    if was_finished:  # who finds a finished store tidies nothing up, but who makes the next one does
        transform(dtype="float16")
    rest = [name for name in os.listdir(os.path.dirname(target)) if name.startswith(".f.zarr.")]
    assert not rest, rest

transform()
whole = content()
"""


def run_process(data: Path, code: str, *, timeout: float) -> tuple[str, str]:
    """What PROCESS and then `code` print to stdout and stderr."""
    source = PROCESS.format(
        clip_bytes=CLIP_BYTES, front_end=FRONT_END.to_dict(), data=str(data), target=str(data.parent / "f.zarr")
    )
    command = [sys.executable, "-c", source + code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)
    return done.stdout, done.stderr


def test_kill_at_random_moments(data: Path) -> None:
    """kill -9: nothing done is lost, nothing half done is seen, the rerun gives the same bytes.

    SIAMAUDIO_KILLS=50 in the environment makes it 50 kills in place of 6.
    """
    code = f"""
set_up(0)
began = time.perf_counter()
os.waitpid(child(transform), 0)
usual = time.perf_counter() - began
chance = random.Random(0)
num_killed = 0
while num_killed < {NUM_KILLS}:
    state = num_killed % 3
    set_up(state)
    pid = child(transform)
    time.sleep(chance.uniform(0, usual))
    os.kill(pid, signal.SIGKILL)
    if os.waitpid(pid, 0)[1] == signal.SIGKILL:
        num_killed += 1
    else:
        usual *= 0.9  # it had ended: the first one took longer than usual
    check(state)
print(num_killed)
"""
    out, err = run_process(data, code, timeout=60 + 5 * NUM_KILLS)
    assert (out, err) == (f"{NUM_KILLS}\n", "")


@pytest.mark.parametrize("state", [0, 1, 2])
def test_kill_at_every_step(data: Path, state: int) -> None:
    """kill -9 before each step that changes the disk."""
    code = f"""
STEPS = {{"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "open", "ctypes.dlsym"}}

def transform_up_to(last):
    count = 0
    def hook(event, arguments):
        nonlocal count
        if event not in STEPS or (event == "open" and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR)):
            return
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1
    sys.addaudithook(hook)
    transform()

step = 0
while True:
    set_up({state})
    pid = child(lambda: transform_up_to(step))
    if os.waitpid(pid, 0)[1] != signal.SIGKILL:
        break
    check({state})
    step += 1
print(step)
"""
    out, err = run_process(data, code, timeout=300)
    assert err == ""
    assert int(out) > 15


def test_two_processes_make_one_store(data: Path) -> None:
    """Three at once, each told to make it: one does, the others wait, and all find the same."""
    code = """
for _ in range(4):
    set_up(0)
    children = [child(transform) for _ in range(3)]
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
    check(0)
print("done")
"""
    out, err = run_process(data, code, timeout=120)
    assert (out, err) == ("done\n", "")


def test_waiting_is_told_and_can_be_interrupted(data: Path) -> None:
    """A second process says what it waits for; Ctrl-C ends its waiting; a third gets its turn."""
    target = data.parent / "f.zarr"
    command = [sys.executable, "-m", "siamaudio", "features", str(data), "-o", str(target)]
    with (data.parent / ".f.zarr.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with (
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as third,
            subprocess.Popen(
                command,
                stderr=subprocess.PIPE,
                text=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job ignores it
            ) as second,
        ):
            assert second.stderr is not None
            assert third.stderr is not None
            for process in (second, third):
                assert process.stderr.readline() == f"waiting for another process, which is making {target}\n"
            second.send_signal(signal.SIGINT)
            assert second.wait(timeout=60) == 130
            assert third.poll() is None
            assert not target.exists()
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert third.wait(timeout=60) == 0
    assert len(sa.Features.load(target)) == NUM_CLIPS


def test_interrupt_leaves_what_is_done(tmp_path: Path) -> None:
    """Ctrl-C in the middle of an extraction: it ends at once, no store appears, whole blocks are kept."""
    (tmp_path / "data" / "a").mkdir(parents=True)
    noise = np.random.default_rng(0).standard_normal(44100 * 20) * 0.1
    soundfile.write(tmp_path / "data" / "a" / "0.wav", noise, 44100)
    for take in range(1, 200):
        (tmp_path / "data" / "a" / f"{take}.wav").hardlink_to(tmp_path / "data" / "a" / "0.wav")
    code = (
        "import signal, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits that it is ignored\n"
        "import siamaudio as sa\n"
        f"clips = sa.datasets.folder({str(tmp_path / 'data')!r})\n"
        "print('go', flush=True)\n"
        "try:\n"
        f"    sa.LogMel(hop_length=64).transform(clips, path={str(tmp_path / 'f.zarr')!r}, progress=False)\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped', flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n"
        journal = None
        while journal is None or len(journal.read_bytes().splitlines()) < 3:  # until two blocks are done
            journal = next(tmp_path.glob(".f.zarr.*.partial/journal.jsonl"), None)
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert out == "stopped\n"
    assert names(tmp_path) == [partial_folder(tmp_path / "f.zarr").name, "data"]
    num_blocks = len(list(partial_folder(tmp_path / "f.zarr").glob("spectrograms/c.*.0")))
    assert num_blocks == len(journal.read_bytes().splitlines()) - 1


# ---- A disk that refuses


def test_full_disk(data: Path) -> None:
    """No file may grow beyond some bytes: a StoreError, the old store as it was, and the rerun goes on."""
    code = """
import resource
set_up(1)
before = content()
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
for limit in (0, 100, 700, 900, 1200, 2000, 3000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        transform()
    except sa.StoreError as error:
        print(error)
    assert content() == before
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
check(1)
"""
    out, err = run_process(data, code, timeout=60)
    assert err == ""
    lines = out.splitlines()
    assert len(lines) == 7
    assert all(line.startswith(f"{data.parent / 'f.zarr'} cannot be written: [Errno 27]") for line in lines)
    assert lines[-1].endswith("(what is done is kept: run it again to go on)")


def test_failing_write_stops_the_rest(
    clips: sa.datasets.Clips, tmp_path: Path, small_blocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of the background thread comes out, and what was made after it is not written."""
    small_blocks(2, 1)
    real, written = os.fsync, []

    def full(descriptor: int) -> None:
        written.append(descriptor)
        if len(written) > 8:
            raise OSError(28, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(sa.StoreError, match="No space left on device"):
            FRONT_END.transform(clips, path=tmp_path / "f.zarr", progress=False)
    assert len(written) == 9
    assert not any(thread.name.startswith("siamaudio-writer") for thread in threading.enumerate())
    seen = count_transformed(monkeypatch)
    FRONT_END.transform(clips, path=tmp_path / "f.zarr", progress=False)
    assert 0 < len(seen) < NUM_CLIPS


def test_an_error_stops_the_writing(
    clips: sa.datasets.Clips, tmp_path: Path, small_blocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clip 15, in the second batch, fails while the first block of the first batch is being written: no other is."""
    small_blocks(2, 5)
    Path(clips.paths[15]).write_text("no sound")
    failed = threading.Event()
    real_transform, real_write, written = sa.LogMel.transform_files, store.write_block, []

    def transform_files(self: sa.LogMel, paths: list[str], **options: object) -> object:
        made = real_transform(self, paths, **options)
        if clips.paths[15] in paths:
            threading.Timer(0.3, failed.set).start()  # after the error of the batch has come up
        return made

    def write_block(*arguments: object) -> int:
        assert failed.wait(60)
        written.append(arguments)
        return real_write(*arguments)

    monkeypatch.setattr(sa.LogMel, "transform_files", transform_files)
    monkeypatch.setattr(store, "write_block", write_block)
    with pytest.raises(sa.AudioError):
        FRONT_END.transform(clips, path=tmp_path / "f.zarr", progress=False)
    assert len(written) == 1


def test_a_lock_whose_file_was_removed_is_none(tmp_path: Path) -> None:
    """Who waited for a lock that its last owner removed asks again, for the file that others would find."""
    lock = tmp_path / ".f.zarr.lock"
    is_waiting, is_inside, may_leave = threading.Event(), threading.Event(), threading.Event()

    def wait_and_hold() -> None:
        with files.locked(tmp_path / "f.zarr", on_wait=is_waiting.set):
            is_inside.set()
            assert may_leave.wait(60)

    with lock.open("w") as first, lock.with_name("second").open("w") as second:
        fcntl.flock(first, fcntl.LOCK_EX)
        waiter = threading.Thread(target=wait_and_hold)
        waiter.start()
        assert is_waiting.wait(60)
        is_waiting.clear()
        fcntl.flock(second, fcntl.LOCK_EX)
        lock.with_name("second").rename(lock)  # the first owner's file goes, another's comes
        fcntl.flock(first, fcntl.LOCK_UN)
        assert is_waiting.wait(60)
        assert not is_inside.is_set()
        fcntl.flock(second, fcntl.LOCK_UN)
        assert is_inside.wait(60)
        with lock.open("w") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        may_leave.set()
        waiter.join()
    assert names(tmp_path) == []


def test_folder_that_cannot_be_written(clips: sa.datasets.Clips, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(sa.StoreError, match="cannot be written"):
        FRONT_END.transform(clips, path=tmp_path / "file" / "f.zarr", progress=False)


# ---- Memory

MEMORY = """
import sys
import siamaudio as sa
from siamaudio import blocks, extraction
blocks._BLOCK_BYTES, extraction._BATCH_BYTES = 1 << 20, 8 << 20
def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) / 1024
path, target, num_clips = sys.argv[1], sys.argv[2], int(sys.argv[3])
front_end = sa.LogMel(sr=8000, n_fft=64, hop_length=8, n_mels=16)
clips = sa.datasets.Clips(paths=[path] * num_clips, class_of_clip=["a", "b"] * (num_clips // 2))
front_end.transform(clips[:8], cache=False, num_threads=2, progress=False)
before = peak()
features = front_end.transform(clips, path=target, num_threads=2, progress=False)
made = peak()
total = sum(float(block.array.sum(dtype="f8")) for block in features.iter_blocks(max_bytes=8 << 20))
features[::-1].astype("float16").save(target + ".half")
sa.Features.concatenate([features, features]).save(target + ".twice")
sum(float(sa.Features.load(target + ".half")[position].sum()) for position in range(0, num_clips, 5))
print(features.nbytes / 2**20, made - before, peak() - made)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the process's peak memory")
def test_memory_does_not_grow_with_the_data(tmp_path: Path, rng: np.random.Generator) -> None:
    """Two batches of 8 MiB while extracting, a block of 8 MiB and copies while reading; slack for the heaps."""
    soundfile.write(tmp_path / "a.wav", 0.1 * rng.standard_normal(8000), 8000)
    grown = {}
    for num_clips in (400, 2400):
        arguments = [str(tmp_path / "a.wav"), str(tmp_path / f"{num_clips}.zarr"), str(num_clips)]
        done = subprocess.run([sys.executable, "-c", MEMORY, *arguments], capture_output=True, text=True, check=True)
        megabytes, making, reading = map(float, done.stdout.split())
        assert making < 2 * 8 + 16
        assert reading < 40
        grown[megabytes] = making + reading
    (small, few), (large, many) = grown.items()
    assert large > 6 * small - 1 > 100
    assert many - few < 8
