"""An index in a folder: complete, checked, or refused, whatever ends the process that writes it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import siamaudio as sa

NUM_KILLS = int(os.environ.get("SIAMAUDIO_KILLS", "0"))
NUM_ITEMS, DIM = 40, 6


def vectors(count: int = NUM_ITEMS) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).normal(size=(count, DIM)).astype(np.float32)


def add(index: sa.SearchIndex, count: int = NUM_ITEMS, *, commit_every: int = 3) -> sa.search.Added:
    names = {"path": [f"{i}.wav" for i in range(count)], "label": [f"c{i % 3}" for i in range(count)]}
    return index.add(embeddings=vectors(count), metadata=names, commit_every=commit_every)


def content(index: sa.SearchIndex) -> dict[str, bytes]:
    """What is in an index, by path."""
    return dict(zip(index.to_frame().path, map(bytes, index.embeddings()), strict=True))


EXPECTED = {f"{i}.wav": bytes(vector) for i, vector in enumerate(vectors())}


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    index = sa.SearchIndex(None, tmp_path / "s.db")
    add(index)
    index.remove(["5.wav", "17.wav"])
    return tmp_path / "s.db"


def rest() -> dict[str, bytes]:
    return {path: vector for path, vector in EXPECTED.items() if path not in ("5.wav", "17.wav")}


# ---- Keeping


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
@pytest.mark.parametrize("metric", ["cosine", "euclidean", "inner_product"])
def test_reopened_it_answers_with_the_same_bits(tmp_path: Path, dtype: Any, metric: Any) -> None:
    index = sa.SearchIndex(None, tmp_path / "s.db", dtype=dtype, metric=metric)
    add(index)
    queries = vectors(50)[-5:]
    reopened = sa.SearchIndex.open(tmp_path / "s.db")
    assert (reopened.dtype, reopened.metric, len(reopened)) == (dtype, metric, NUM_ITEMS)
    assert reopened.query(embeddings=queries, k=NUM_ITEMS).to_dict() == index.query(embeddings=queries, k=40).to_dict()
    assert add(reopened) == sa.search.Added(0, NUM_ITEMS, 0)


def test_narrow_numbers_take_less_space(tmp_path: Path) -> None:
    sizes = {}
    for dtype in ("float32", "float16", "int8"):
        index = sa.SearchIndex(None, tmp_path / dtype, dtype=dtype)
        index.add(embeddings=np.random.default_rng(0).normal(size=(8, 4096)), metadata={"path": list("abcdefgh")})
        sizes[dtype] = sum(file.stat().st_size for file in (tmp_path / dtype).iterdir())
    assert sizes["float16"] < 0.6 * sizes["float32"]
    assert sizes["int8"] < 0.35 * sizes["float32"]


def test_many_commits_leave_few_files(tmp_path: Path) -> None:
    index = sa.SearchIndex(None, tmp_path / "s.db")
    add(index, 100, commit_every=1)
    assert len(list((tmp_path / "s.db").iterdir())) < 12
    assert len(sa.SearchIndex.open(tmp_path / "s.db")) == 100
    index.compact()
    assert sorted(path.name.split("-")[0] for path in (tmp_path / "s.db").iterdir()) == ["index.json", "segment"]


def test_what_was_removed_stays_removed(stored: Path) -> None:
    index = sa.SearchIndex.open(stored)
    assert content(index) == rest()
    size = sum(file.stat().st_size for file in stored.iterdir())
    index.compact()
    assert sum(file.stat().st_size for file in stored.iterdir()) < size
    assert content(sa.SearchIndex.open(stored)) == rest()
    assert add(index).num_added == 2
    assert content(sa.SearchIndex.open(stored)) == EXPECTED


def test_the_embedder_lies_in_the_folder(
    trained: sa.SiameseNetwork, unseen: sa.Features, small_encoder: sa.ConvEncoder, tmp_path: Path
) -> None:
    index = sa.SearchIndex(trained, tmp_path / "s.db", window_seconds=1.0, hop_seconds=0.25)
    index.add(unseen.clips, progress=False)
    expected = index.query(unseen.clips.paths[3], k=5).to_dict()
    shutil.move(tmp_path / "s.db", tmp_path / "moved.db")
    opened = sa.SearchIndex.open(tmp_path / "moved.db")
    assert opened.query(unseen.clips.paths[3], k=5).to_dict() == expected
    assert (opened.window_seconds, opened.hop_seconds) == (1.0, 0.25)
    assert opened.add(unseen.clips, progress=False).num_present == 16
    with sa.SearchIndex(trained, tmp_path / "moved.db", metric="cosine", window_seconds=1.0) as again:
        assert len(again) == len(opened)

    other = sa.SiameseNetwork(small_encoder).build(trained.input_shape_, seed=5)
    for make in (
        lambda: sa.SearchIndex(other, tmp_path / "moved.db"),
        lambda: sa.SearchIndex.open(tmp_path / "moved.db", other),
    ):
        with pytest.raises(sa.StoreError, match=r"holds embeddings by SiameseNetwork .*and the embedder is SiameseN"):
            make()
    with pytest.raises(sa.StoreError, match="none was given"):
        sa.SearchIndex(None, tmp_path / "moved.db")
    for option in ({"metric": "euclidean"}, {"dtype": "int8"}, {"window_seconds": 1.5}):
        with pytest.raises(sa.ParameterError, match=r"which the index was made with"):
            sa.SearchIndex(trained, tmp_path / "moved.db", **option)
    other.save(tmp_path / "moved.db" / "embedder.siam")
    with pytest.raises(sa.StoreError, match="is not the embedder that the index was made with"):
        sa.SearchIndex.open(tmp_path / "moved.db")
    (tmp_path / "moved.db" / "embedder.siam").write_bytes(b"junk")
    with pytest.raises(sa.CheckpointError, match="damaged"):
        sa.SearchIndex.open(tmp_path / "moved.db")


# ---- Damage


def test_every_flipped_bit_is_noticed(stored: Path, rng: np.random.Generator) -> None:
    """Anywhere, the same content or a StoreError that names the index, never another content."""
    noticed = 0
    positions = [(path, int(rng.integers(path.stat().st_size))) for path in sorted(stored.iterdir()) for _ in range(40)]
    for path, position in positions:
        original = path.read_bytes()
        damaged = bytearray(original)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(damaged))
        told = ""
        try:
            found = content(sa.SearchIndex.open(stored))
        except sa.StoreError as error:
            noticed += 1
            told = str(error)
        assert told.startswith(str(stored)) or found == rest()
        path.write_bytes(original)
    assert noticed > 0.75 * len(positions)
    assert content(sa.SearchIndex.open(stored)) == rest()


def test_every_cut_is_noticed(stored: Path, rng: np.random.Generator) -> None:
    for path in sorted(stored.iterdir()):
        original = path.read_bytes()
        for length in {0, 1, 7, 8, len(original) - 1, *rng.integers(len(original), size=10).tolist()}:
            path.write_bytes(original[:length])
            with pytest.raises(sa.StoreError, match=rf"is damaged: .*{path.name}|no search index"):
                sa.SearchIndex.open(stored)
        path.unlink()
        with pytest.raises(sa.StoreError, match=rf"is damaged: {path.name} is missing|no search index"):
            sa.SearchIndex.open(stored)
        path.write_bytes(original)


def test_what_is_no_index(tmp_path: Path, stored: Path) -> None:
    with pytest.raises(sa.StoreError, match=r"no such index; `siamaudio index"):
        sa.SearchIndex.open(tmp_path / "none.db")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("years of work")
    with pytest.raises(sa.StoreError, match="is no search index"):
        sa.SearchIndex.open(tmp_path / "folder")
    with pytest.raises(sa.StoreError, match="nothing was written"):
        sa.SearchIndex(None, tmp_path / "folder")
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["thesis.txt"]
    (tmp_path / "file.db").write_text("x")
    with pytest.raises(sa.StoreError, match=r"file\.db"):
        sa.SearchIndex(None, tmp_path / "file.db")
    manifest = (stored / "index.json").read_text()
    (stored / "index.json").write_text(manifest.replace('"format": 1', '"format": 2'))
    with pytest.raises(sa.StoreError, match="index format 2; accepted: 1"):
        sa.SearchIndex.open(stored)


@pytest.mark.parametrize("successes", range(8))
@pytest.mark.parametrize("change", ["add", "remove", "compact"])
def test_a_full_disk_leaves_what_was_there(
    stored: Path, monkeypatch: pytest.MonkeyPatch, successes: int, change: str
) -> None:
    """Whichever write fails: an error that says so, and the old content or, once it counts, the new one."""
    index = sa.SearchIndex.open(stored)
    fsync, count = os.fsync, 0

    def full(descriptor: int) -> None:
        nonlocal count
        count += 1
        if count > successes:
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    changes = {
        "add": lambda: add(index),
        "remove": lambda: index.remove(where={"label": "c1"}),
        "compact": index.compact,
    }
    after = {
        "add": EXPECTED,
        "remove": {path: vector for path, vector in rest().items() if int(path[:-4]) % 3 != 1},
        "compact": rest(),
    }[change]
    monkeypatch.setattr("os.fsync", full)
    told = ""
    try:
        changes[change]()
    except sa.StoreError as error:
        told = str(error)
    assert ("No space left on device" in told) == (count > successes)
    monkeypatch.undo()
    found = content(sa.SearchIndex.open(stored))
    changes[change]()  # the same object goes on
    assert content(sa.SearchIndex.open(stored)) == content(index) == after
    assert not list(stored.glob(".*"))
    assert found in (rest(), after)
    named = json.loads((stored / "index.json").read_text())["manifest"]
    files = {file["name"] for file in [*named["segments"], *([named["removed"]] if named["removed"] else [])]}
    assert {path.name for path in stored.iterdir()} == {"index.json", *files}


# ---- Several at once


def test_two_writers(stored: Path) -> None:
    """While one writes, another is told so; afterwards it goes on from what the first wrote."""
    first, second = sa.SearchIndex.open(stored), sa.SearchIndex.open(stored)
    told = []

    class Nosy(list):  # of paths: asked for one in the middle of writing
        def __iter__(self):
            yield "0.wav"

    def where(rows: Any) -> Any:
        for write in (lambda: add(second), lambda: second.remove(label="c0"), second.compact):
            with pytest.raises(sa.StoreError, match="is being written by another process or thread"):
                write()
            told.append(True)
        return rows.path == "3.wav"

    assert first.remove(where=where) == 1
    assert len(told) == 3
    assert len(second) == 38
    assert second.remove("4.wav") == 1
    expected = {path: vector for path, vector in rest().items() if path not in ("3.wav", "4.wav")}
    assert content(second) == content(sa.SearchIndex.open(stored)) == expected
    add(first)
    assert content(first) == content(sa.SearchIndex.open(stored)) == EXPECTED
    # Whoever only reads has what was there when it was opened.
    assert content(second) == expected
    assert len(second.query(embeddings=vectors()[0], k=36).hits[0]) == 36


PROCESS = """
import os, random, signal, sys, time
import numpy as np
sys.path.insert(0, {tests!r})
import siamaudio as sa
from test_search_store import EXPECTED, add, content
from pathlib import Path

folder = Path({folder!r})

def child(work):
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid

def work():
    index = sa.SearchIndex(None, folder)
    add(index, commit_every=4)
    index.remove(label="c1")
    index.compact()
    add(index, commit_every=8)

def check():
    "What is there is whole; nothing of what was committed is lost; adding again adds the rest."
    if (folder / "index.json").exists():
        found = content(sa.SearchIndex.open(folder))
        assert found.items() <= EXPECTED.items(), found
        before = len(found)
    else:
        before = 0
    index = sa.SearchIndex(None, folder)
    assert add(index).num_added == len(EXPECTED) - before
    assert content(sa.SearchIndex.open(folder)) == EXPECTED
    files = {{path.name.split("-")[0] for path in folder.iterdir()}}
    assert files <= {{"index.json", "segment", "removed"}}, files
    return before

def clear():
    import shutil
    shutil.rmtree(folder, ignore_errors=True)
"""


def run_process(folder: Path, code: str) -> str:
    source = PROCESS.format(tests=str(Path(__file__).parent), folder=str(folder))
    done = subprocess.run([sys.executable, "-c", source + code], capture_output=True, text=True, timeout=600)
    assert done.stderr == ""
    return done.stdout


RANDOM_KILLS = """
clear()
began = time.perf_counter()
os.waitpid(child(work), 0)
usual = time.perf_counter() - began
chance = random.Random(0)
kills, counts = 0, set()
while kills < {num_kills}:
    if chance.random() < 0.7:
        clear()
    pid = child(work)
    time.sleep(chance.uniform(0, usual))
    os.kill(pid, signal.SIGKILL)
    if os.waitpid(pid, 0)[1] == signal.SIGKILL:
        kills += 1
    else:
        usual *= 0.9
    counts.add(check())
assert len(counts) > 2, counts
print(kills)
"""


def test_killed_at_random_moments(tmp_path: Path) -> None:
    """kill -9. SIAMAUDIO_KILLS=500 in the environment makes it 500 kills in place of 8."""
    num_kills = NUM_KILLS or 8
    assert run_process(tmp_path / "s.db", RANDOM_KILLS.format(num_kills=num_kills)) == f"{num_kills}\n"


@pytest.mark.slow
def test_killed_at_many_random_moments(tmp_path: Path) -> None:
    num_kills = NUM_KILLS or 60
    assert run_process(tmp_path / "s.db", RANDOM_KILLS.format(num_kills=num_kills)) == f"{num_kills}\n"


EVERY_STEP = """
STEPS = {{"os.rename", "os.remove", "os.mkdir", "open"}}

def work_up_to(last):
    count = 0
    def hook(event, arguments):
        nonlocal count
        if event not in STEPS or (event == "open" and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR)):
            return
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1
    sys.addaudithook(hook)
    work()

step = 0
while True:
    clear()
    pid = child(lambda: work_up_to(step))
    if os.waitpid(pid, 0)[1] != signal.SIGKILL:
        break
    check()
    step += {stride}
print(step)
"""


@pytest.mark.parametrize("stride", [19, pytest.param(2, marks=pytest.mark.slow)])
def test_killed_before_each_step(tmp_path: Path, stride: int) -> None:
    """kill -9 before whatever changes the disk: the same, wherever the files stand."""
    steps = int(run_process(tmp_path / "s.db", EVERY_STEP.format(stride=stride)))
    assert steps > 60
