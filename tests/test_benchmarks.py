"""The benchmarks run, compare what they time, and write what they say; no time is asserted."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import harness

    return harness


@pytest.fixture
def compare(harness: types.ModuleType) -> Callable[..., list]:
    """Compare ours, which gives [1, 2], with a peer that gives something else."""

    def rows(peer_gives: object, **options: float) -> list:
        report = harness.Report("test", rounds=3, min_seconds=0.0, settings={}, environment={})
        report.compare(
            harness.Contender("ours", lambda: np.array([1.0, 2.0])),
            [harness.Contender("peer", lambda: peer_gives, **options)],
            area="area",
            work="work",
            threads=1,
            unit=harness.Unit("ms", 1e3),
            tolerance=0.1,
        )
        return report.rows

    return rows


def _run_frontend(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, BENCHMARKS / "bench_frontend.py", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


@pytest.mark.slow
def test_frontend_quick(shared_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "frontend.json"
    done = _run_frontend("--quick", "--out", str(out), SIAMAUDIO_SHARED_DATA=str(shared_data))
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text(encoding="utf-8"))
    assert set(found) == {"benchmark", "environment", "settings", "rows", "skipped", "limits", "growth"}
    assert {"cpu", "cores", "siamaudio info", "packages", "thread pools", "other load"} <= set(found["environment"])
    assert found["environment"]["siamaudio info"]["instruction set"]
    assert found["environment"]["packages"]["librosa"]

    # every peer of the tables of targets, on one and two threads, with results that were compared
    rows = {(row["area"], row["work"], row["threads"], row["peer"]): row for row in found["rows"]}
    assert len(rows) == len(found["rows"])
    memory = "log-mel in memory", "3 clips of 5 s"
    assert rows[*memory, 1, "librosa, plain loop"]["target"] == 10
    assert rows[*memory, 2, "librosa, plain loop"]["target"] == 20
    assert rows[*memory, 2, "torch.stft, clip by clip"]["target"] == 6
    assert rows[*memory, 1, "kaldi-native-fbank"]["target"] == 30
    for extension, target in (("WAV", 8), ("FLAC", 3), ("OGG", 2)):
        for threads in (1, 2):
            peer = "soundfile + librosa, plain loop"
            assert rows["files to log-mel", f"3 {extension} of 5 s", threads, peer]["target"] == target
    for row in rows.values():
        assert 0 < row["difference"] <= row["tolerance"] == 0.01  # two FFTs never agree in every bit
        ratios = [peer / ours for peer, ours in zip(row["peer_seconds"], row["ours_seconds"], strict=True)]
        assert row["ratio"] == pytest.approx(statistics.median(ratios))
        assert row["reached"] == (None if row["target"] is None else row["ratio"] >= row["target"])
        assert row["peer"] in done.stdout

    assert {point["series"] for point in found["growth"]} == {
        "number of clips",
        "length, 1 a call",
        "length, 16 a call",
    }
    assert all(set(point["ns_per_frame"]) == {"1", "2"} for point in found["growth"])
    assert set(found["limits"]["decode"]) == {"wav", "flac", "ogg"}


@pytest.mark.slow
def test_frontend_without_recordings(tmp_path: Path) -> None:
    done = _run_frontend("--quick", SIAMAUDIO_SHARED_DATA=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == (
        f"bench_frontend: real recordings absent ({tmp_path / 'esc50-fold4'}): "
        "set SIAMAUDIO_SHARED_DATA to the folder that holds esc50-fold4/\n"
    )


def test_compare_says_how_far_apart(compare: Callable[..., list]) -> None:
    (row,) = compare([1.0, 2.05])
    assert row.difference == pytest.approx(0.05)
    assert len(row.ours_seconds) == len(row.peer_seconds) == 3


@pytest.mark.parametrize("peer_gives", [[1.0, 2.2], [1.0, float("nan")], [1.0], [[1.0, 2.0]]])
def test_compare_refuses_other_results(
    compare: Callable[..., list], harness: types.ModuleType, peer_gives: list
) -> None:
    with pytest.raises(harness.BenchmarkError, match=r"^area, work, peer: "):
        compare(peer_gives)


def test_ratio_and_target(harness: types.ModuleType) -> None:
    times = {"ours_seconds": [1.0, 2.0, 1.0], "peer_seconds": [3.0, 4.0, 10.0]}
    labels = {"area": "a", "work": "w", "threads": 1, "peer": "p", "unit": harness.Unit("s", 1.0)}
    row = harness.Row(**labels, **times, difference=0.0, tolerance=0.0, target=3.0)
    assert (row.ratio, row.reached) == (3.0, True)
    row = harness.Row(**labels, **times, difference=0.0, tolerance=0.0, target=3.1)
    assert (row.ratio, row.reached) == (3.0, False)


def test_alternate_takes_turns(harness: types.ModuleType) -> None:
    calls: list[str] = []
    contenders = [harness.Contender(name, lambda name=name: calls.append(name)) for name in "ab"]
    times = harness.alternate(contenders, rounds=3, min_seconds=0.0)
    assert "".join(calls) == "ab" + "ab" + "ba" + "ab"
    assert [len(seconds) for seconds in times] == [3, 3]


def test_a_contender_may_have_its_own_clock(harness: types.ModuleType) -> None:
    contender = harness.Contender("a", lambda: {"seconds": 7.0}, seconds=lambda answer: answer["seconds"])
    assert harness.alternate([contender], rounds=2, min_seconds=0.0) == [[7.0, 7.0]]


def test_without_a_tolerance_nothing_is_compared(harness: types.ModuleType) -> None:
    report = harness.Report("test", rounds=2, min_seconds=0.0, settings={}, environment={})
    contenders = [harness.Contender(name, lambda: None, comparable=lambda _: 1 / 0) for name in ("ours", "peer")]
    report.compare(
        contenders[0], contenders[1:], area="a", work="w", threads=1, unit=harness.Unit("s", 1.0), tolerance=None
    )
    (row,) = report.rows
    assert (row.difference, row.tolerance) == (None, None)
    assert len(row.ratios) == 2


def test_limit_threads(harness: types.ModuleType) -> None:
    import torch

    def blas_threads() -> set[int]:
        return {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}

    before = blas_threads(), torch.get_num_threads()
    for threads in (1, 2):
        with harness.limit_threads(threads):
            assert (blas_threads(), torch.get_num_threads()) == ({threads}, threads)
    assert (blas_threads(), torch.get_num_threads()) == before


@pytest.mark.slow
def test_training_quick(tmp_path: Path) -> None:
    out = tmp_path / "training.json"
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "bench_training.py", "--quick", "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text(encoding="utf-8"))
    keras, eager = "Keras on TensorFlow", "eager PyTorch, channels_last"
    peers = {eager, keras} if os.environ.get("SIAMAUDIO_KERAS_PYTHON") else {eager}
    assert {keras} - peers < set(found["skipped"])
    for name in found["skipped"]:
        assert f"skipped: {name}: " in done.stdout

    rows = {(row["area"], row["peer"]): row for row in found["rows"]}
    expected = {(area, peer) for area in ("inference", "training step") for peer in peers}
    assert set(rows) == expected | {("training pairs", peer) for peer in peers & {keras}}
    for peer in peers:
        inference = rows["inference", peer]
        assert 0 <= inference["difference"] <= inference["tolerance"] == 1e-4
        assert 0 <= found["first_step"]["loss_differences"][peer] <= found["first_step"]["tolerance"]
        assert inference["target"] == {eager: 4, keras: 3.5}[peer]
        assert rows["training step", peer]["target"] == {eager: 6, keras: 3}[peer]
    assert set(found["peak_memory"]) == set(found["idle_cores"]) == peers | {"siamaudio"}
    for peaks in found["peak_memory"].values():
        assert 0 < peaks["loaded"] <= peaks["inference"] <= peaks["training"]
    assert [(point["clips"], point["frames"]) for point in found["growth"]] == [(8, 64), (16, 64), (12, 64), (12, 128)]


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import worker

    return worker


SERVER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from worker import serve, timed

def add(a, b):
    print("what a library says", flush=True)
    seconds, result = timed(lambda: a + b)
    return {"seconds": seconds, "result": result}

serve({"add": add, "die": lambda: os._exit(3)})
"""


def test_worker(worker: types.ModuleType, tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", SERVER, BENCHMARKS]
    with worker.Worker(command, log=log, environment={}) as adder:
        assert adder.ask("add", a=1, b=2)["result"] == 3
        with pytest.raises(worker.WorkerError, match=r"^TypeError: .*str"):
            adder.ask("add", a=1, b="2")
        assert adder.ask("add", a="x", b="y")["result"] == "xy"
        assert adder.peak_memory() > 1e6
        with pytest.raises(worker.WorkerError, match=r"^what a library says$"):
            adder.ask("die")
    assert log.read_text() == "what a library says\n" * 3
