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


@pytest.fixture
def esc50(harness: types.ModuleType) -> types.ModuleType:
    import esc50

    return esc50


def _run_frontend(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return _run("bench_frontend.py", *arguments, **environment)


def _run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, BENCHMARKS / script, *arguments],
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


# ---- search


@pytest.mark.slow
def test_search_quick(tmp_path: Path) -> None:
    pytest.importorskip("faiss", reason="faiss-cpu absent")
    out = tmp_path / "search.json"
    done = _run("bench_search.py", "--quick", "--out", str(out))
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text(encoding="utf-8"))
    exact = {(row["area"], row["work"]): row for row in found["rows"] if row["area"].startswith("exact")}
    assert len(exact) == 12
    for (area, work), row in exact.items():
        assert 0 < row["difference"] <= row["tolerance"] == 1e-4
        many = {"exact, inner product": 1, "exact, euclidean": 1.4}[area]
        assert row["target"] == {"16": many, "8": None, "1": 3}[work.split(" of ")[0]]
    assert min(found["same_positions"].values()) > 0.9
    assert [point["storage"] for point in found["storages"]] == ["float32", "float16", "int8"]
    sizes = [point["bytes_per_vector"] for point in found["storages"]]
    assert sizes == sorted(sizes, reverse=True)
    assert found["storages"][0]["recall"] == 1
    approximate = {point["index"]: point["recall"] for point in found["approximate"]}
    assert sum(name.startswith("faiss") for name in approximate) == 5
    assert all(0 < recall <= 1 for recall in approximate.values())
    if "Milvus" not in found["skipped"]:
        assert approximate["Milvus, embedded, FLAT"] > 0.95
    for point in found["large"]:
        assert 0 < point["loaded_bytes"] <= point["filled_bytes"] <= point["peak_bytes"]
        assert point["storage"] in done.stdout


# ---- Keras


@pytest.mark.slow
def test_keras_quick(shared_data: Path, tmp_path: Path) -> None:
    if not os.environ.get("SIAMAUDIO_KERAS_PYTHON"):
        pytest.skip("Keras absent: set SIAMAUDIO_KERAS_PYTHON to an interpreter that has keras and tensorflow")
    out = tmp_path / "keras.json"
    done = _run("bench_keras.py", "--quick", "--out", str(out), SIAMAUDIO_SHARED_DATA=str(shared_data))
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text(encoding="utf-8"))
    assert list(found["systems"]) == ["honka", "fedele"]
    for system, values in found["systems"].items():
        # the same network, before and after training: float32 sums in another order, and never the very same
        assert all(0 < each <= values["tolerance"] for each in values["largest differences"].values())
        contenders = values["contenders"]
        assert set(contenders) == {"keras", "two-sided", "in-batch"} | ({"modern"} if system == "honka" else set())
        for each in contenders.values():
            assert each["name"] in done.stdout
            seconds = [point["seconds"] for point in each["curve"]]
            assert seconds == sorted(seconds)
            assert all(0 <= point["accuracy"] <= 1 for point in each["curve"])
            assert each["best_accuracy"] == max(point["accuracy"] for point in each["curve"])
            assert min(each["evaluation"].values()) > 0
            assert each["peak_memory"] > 5e7
        pairs = {"honka": 2 * 8 * 3 * 3, "fedele": 100 * 8 * (4 + 4)}[system]  # 8 classes of 6 clips
        assert contenders["keras"]["pairs_per_epoch"] == contenders["two-sided"]["pairs_per_epoch"] == pairs
        assert contenders["in-batch"]["pairs_per_epoch"] > 0
        classes = values["classes"]
        assert not set(classes["train"]) & {*classes["validation"], *classes["test"]}
    ratios = {(row["area"].split(" to ")[0], row["target"]) for row in found["rows"]}
    assert {("training pairs", 100), ("training pairs", None), ("one-shot evaluation", None)} <= ratios
    for system, values in found["systems"].items():
        times = [row for row in found["rows"] if row["area"].startswith("time to") and row["work"].startswith(system)]
        missed = [note for note in found["notes"] if note.startswith(system) and "not twice in a row" in note]
        keras = values["contenders"]["keras"]
        learned = keras["kept_accuracy"] > keras["untrained_accuracy"]
        assert len(times) + len(missed) == (len(values["contenders"]) - 1) * learned
        is_poor = keras["kept_accuracy"] < values["raw spectrograms"] and learned
        assert is_poor == any(note.startswith(f"{system}: Keras's best") for note in found["notes"])
        assert values["contenders"]["two-sided"]["untrained_accuracy"] == pytest.approx(keras["untrained_accuracy"])
    assert out.with_suffix(".png").stat().st_size > 10_000


def test_keras_absent(tmp_path: Path) -> None:
    done = _run("bench_keras.py", "--quick", "--out", str(tmp_path / "keras.json"), SIAMAUDIO_KERAS_PYTHON="")
    assert done.returncode == 1
    assert done.stderr == "bench_keras: SIAMAUDIO_KERAS_PYTHON names no interpreter that has Keras\n"


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS / "keras_baseline")
    import drawing

    return drawing


def test_keras_baseline_draws_as_honka(drawing: types.ModuleType) -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(40), 40))
    pairs, is_same = drawing.honka_pairs(labels, np.random.default_rng(0))
    assert (is_same.sum(), (~is_same).sum()) == (16_000, 16_000)  # as the thesis counts
    left, right = labels[pairs].T
    np.testing.assert_array_equal(left == right, is_same)
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert len(np.unique(np.sort(pairs, axis=1), axis=0)) == len(pairs)
    _, drawn = np.unique(pairs[:, 0], return_counts=True)
    assert (len(drawn), set(drawn)) == (800, {40})

    labels = np.repeat(np.arange(5), 40)
    tasks = drawing.honka_tasks(labels, 0)
    assert len(tasks) == 2000
    queries, supports = {query for query, _ in tasks}, {tuple(supports) for _, supports in tasks}
    assert (len(queries), len(supports)) == (100, 20)
    assert len(queries.union(*supports)) == 200  # no query is a support, no support twice
    assert all((labels[list(each)] == np.arange(5)).all() for each in supports)


def test_keras_baseline_draws_as_fedele(drawing: types.ModuleType) -> None:
    labels = np.repeat(np.arange(40), 8)
    pairs, is_same = drawing.fedele_pairs(labels, 4, 4, np.random.default_rng(0))
    assert pairs.shape == (320, 2)
    for own, of_anchor in enumerate(pairs.reshape(40, 8, 2)):
        (anchor,), partners = set(of_anchor[:, 0]), of_anchor[:, 1]
        assert labels[anchor] == own
        assert set(labels[partners[:4]]) == {own}
        assert len({anchor, *partners[:4]}) == 5
        assert len({own, *labels[partners[4:]]}) == 5  # four other classes
    np.testing.assert_array_equal(labels[pairs[:, 0]] == labels[pairs[:, 1]], is_same)

    labels = np.repeat(np.arange(5), 8)
    tasks = drawing.fedele_tasks(labels, 0)
    assert len(tasks) == 300
    for number, (query, supports) in enumerate(tasks):
        assert labels[query] == number % 5
        np.testing.assert_array_equal(labels[supports], np.arange(5))
        assert query not in supports


def test_what_a_curve_says(harness: types.ModuleType) -> None:
    import bench_keras

    accuracies = (0.2, 0.4, 0.3, 0.45, 0.5)
    curve = [{"seconds": 10.0 * i, "steps": 8 * i, "accuracy": a} for i, a in enumerate(accuracies, start=1)]
    assert bench_keras.kept(curve) == 0.45
    assert [bench_keras.seconds_to(curve, 0.4, at_first=first) for first in (True, False)] == [40, 50]
    assert bench_keras.seconds_to(curve, 0.3, at_first=False) == 30
    assert bench_keras.seconds_to(curve, 0.46, at_first=True) is None
    assert bench_keras.accuracy_at(curve, "seconds", 35.0) == 0.3
    assert bench_keras.accuracy_at(curve, "steps", 16) == 0.4
    assert bench_keras.accuracy_at(curve, "steps", 7) is None
    assert bench_keras.accuracies_of(curve, 0.31) == [0.35, 0.4, 0.45]
    assert bench_keras.accuracies_of(curve, 0.5) == []  # nothing was learned


def test_keras_answers_are_checked(harness: types.ModuleType) -> None:
    import bench_keras

    similarity = np.array([[1.0, 0.9, 0.2], [0.9, 1.0, 0.9], [0.2, 0.9, 1.0]])
    played = {"queries": [0, 1], "supports": [[1, 2], [0, 2]], "answers": [0, 1]}  # clip 1 is a tie
    bench_keras.check_answers(similarity, played, "honka")
    with pytest.raises(harness.BenchmarkError, match=r"^honka: 1 of 2 one-shot tasks are answered otherwise"):
        bench_keras.check_answers(similarity, {**played, "answers": [1, 1]}, "honka")


# ---- accuracy


def test_mel_triangles_like_a_loop(esc50: types.ModuleType) -> None:
    for num_bands, top in ((64, 7500.0), (20, 8000.0)):
        triangles = esc50.mel_triangles(num_bands, top)
        mels = [2595 * np.log10(1 + top / 700) * i / (num_bands + 1) for i in range(num_bands + 2)]
        corners = [700 * (10 ** (mel / 2595) - 1) for mel in mels]
        for band in range(num_bands):
            start, peak, end = corners[band : band + 3]
            expected = np.zeros(128)
            for i in range(128):
                hertz = 31.25 + 62.5 * i
                if start < hertz <= peak:
                    expected[i] = (hertz - start) / (peak - start)
                elif peak < hertz < end:
                    expected[i] = (end - hertz) / (end - peak)
            np.testing.assert_allclose(triangles[band], expected / expected.sum(), atol=1e-12)


def test_class_splits(esc50: types.ModuleType) -> None:
    classes = [f"class {i:02}" for i in range(50)]
    splits = [esc50.split_classes(classes, seed, num_test=10) for seed in (0, 0, 1)]
    assert splits[0] == splits[1] != splits[2]
    for split in splits:
        assert [len(part) for part in (split.train, split.validation, split.test)] == [35, 5, 10]
        assert sorted([*split.train, *split.validation, *split.test]) == classes
    named = esc50.split_classes(classes, 3, test=("class 07", "class 11"))
    assert (named.test, len(named.validation), len(named.train)) == (("class 07", "class 11"), 5, 43)


@pytest.mark.slow
def test_evaluation_quick(tmp_path: Path) -> None:
    out = tmp_path / "evaluation.json"
    done = _run("bench_evaluation.py", "--quick", "--out", str(out))
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text(encoding="utf-8"))
    keras, eager = "Keras on TensorFlow", "eager PyTorch, channels_last"
    peers = {eager, keras} if os.environ.get("SIAMAUDIO_KERAS_PYTHON") else {eager}
    assert ({keras} - peers) == set(found["skipped"])
    rows = {row["peer"]: row for row in found["rows"]}
    assert set(rows) == peers
    for peer, row in rows.items():
        assert 0 <= row["difference"] <= row["tolerance"] == 1e-4
        assert row["target"] == {eager: 2, keras: 200}[peer]
        assert row["work"] == "20 5-way tasks on 20 clips of 64 x 64"
    similarity, *embeddings = found["exact"]
    assert similarity["accuracy"] == pytest.approx(embeddings[0]["accuracy"], abs=1e-3)
    assert [(point["classes"], point["clips"], point["ways"]) for point in embeddings] == [(5, 40, 5), (10, 80, 10)]
    for point in found["exact"]:
        assert 0 < point["loaded_bytes"] <= point["peak_bytes"]
        assert point["given"] in done.stdout


@pytest.mark.slow
def test_accuracy_quick(shared_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "accuracy"
    arguments = ["--quick", "--threads", "1", "--out", str(out)]
    done = _run("bench_accuracy.py", *arguments, SIAMAUDIO_SHARED_DATA=str(shared_data))
    assert done.returncode == 0, done.stderr
    summary = json.loads((out / "accuracy.json").read_text(encoding="utf-8"))
    protocols = ["40/5/5", "35/5/10", "honka2019", "fedele2022", "fold4"]
    assert list(summary["protocols"]) == protocols
    for name, num_test in zip(protocols, (5, 10, 5, 5, 5), strict=True):
        found = json.loads((out / f"{name.replace('/', '-')}-split0.json").read_text(encoding="utf-8"))
        assert len(found["classes"]["test"]) == num_test
        assert found["test clips"] == 4 * num_test
        assert set(found["accuracy"]) == set(summary["protocols"][name]["accuracy"])
        assert all(0 < accuracy < 1 for accuracy in found["accuracy"].values())
        assert name in done.stdout
    assert (out / "accuracy.png").stat().st_size > 10_000

    # what is there is not measured again, what is missing is; a file of other settings is refused
    files = {path.name: path.stat().st_mtime_ns for path in out.glob("*split*.json")}
    (out / "fold4-split0.json").unlink()
    done = _run("bench_accuracy.py", *arguments, SIAMAUDIO_SHARED_DATA=str(shared_data))
    assert done.returncode == 0, done.stderr
    renewed = {path.name for path in out.glob("*split*.json") if path.stat().st_mtime_ns != files[path.name]}
    assert renewed == {"fold4-split0.json"}
    refused = _run("bench_accuracy.py", "--epochs", "2", "--out", str(out), SIAMAUDIO_SHARED_DATA=str(shared_data))
    assert refused.returncode == 1
    assert refused.stderr.endswith("was measured with epochs 1, not 2: --out names another folder\n")


def test_moments_of_splits(harness: types.ModuleType) -> None:
    import bench_accuracy

    split = {"split": 0, "threads": 1, "device": "cpu", "seconds": {"training": 2.0}}
    accuracies = (0.5, 0.7, 0.9)
    splits = [{**split, "split": i, "accuracy": dict.fromkeys(bench_accuracy.FIGURES, accuracies[i])} for i in range(3)]
    summary = bench_accuracy.summary({"35/5/10": splits}, {})
    figure = summary["protocols"]["35/5/10"]["accuracy"]["whitened"]
    assert figure["mean"] == pytest.approx(0.7)
    assert figure["standard deviation"] == pytest.approx(0.2)  # of a sample
    assert figure["standard error"] == pytest.approx(0.2 / 3**0.5)
    assert "70.0 ± 20.0 (11.5)" in bench_accuracy.table(summary)


@pytest.mark.slow
def test_explain_quick(tmp_path: Path) -> None:
    out = tmp_path / "explain.json"
    done = _run("bench_explain.py", "--quick", "--out", str(out))
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text(encoding="utf-8"))
    keras, batches = "Keras, a predict each", "eager PyTorch, batches"
    peers = {batches, keras} if os.environ.get("SIAMAUDIO_KERAS_PYTHON") else {batches}
    assert ({keras} - peers) == set(found["skipped"])
    assert found["perturbations"]["published"] == 5 * 9 * 150 > found["perturbations"]["shared"]
    targets = {}
    for row in found["rows"]:
        targets[row["area"], row["peer"]] = row["target"]
        if row["area"] == "same perturbations":
            assert 0 <= row["difference"] <= row["tolerance"] == 1e-4
    assert {peer for _, peer in targets} == peers
    assert targets["SINEXC, alpha 150", batches] == targets["same perturbations", batches] == 3
    assert targets.get(("SINEXC, alpha 150", keras), 50) == 50


@pytest.mark.slow
def test_explain_faithfulness_quick(shared_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "faithfulness.json"
    done = _run(
        "explain_faithfulness.py", "--quick", "--orders", "3", "--out", str(out), SIAMAUDIO_SHARED_DATA=str(shared_data)
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text(encoding="utf-8"))
    assert set(found["results"]) == {"ESC-50, fold 4", "AudioMNIST, speakers"}
    for rows in found["results"].values():
        assert set(rows) == {"sinexc", "gradient"}
        for row in rows.values():
            assert 1 <= row["queries"] <= 4
            assert 0 < row["deletion"]["wilcoxon_p"] <= 1
            assert -1 <= row["sound_correlation"] <= 1


@pytest.mark.slow
def test_pedersen2023_runs_whole(shared_data: Path, tmp_path: Path) -> None:
    arguments = ("pedersen2023.py", "--quick", "--num-threads", "1", "--out", str(tmp_path))
    done = _run(*arguments, SIAMAUDIO_SHARED_DATA=str(shared_data))
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "pedersen2023.json").read_text())
    for procedure in ("all clips", "own fold", "published"):
        assert found["folds"]["search"]["autoencoder"][procedure]["class"]["accuracy"] <= 1
    # pixels are the same in all five spaces, so that it makes no difference who embeds whom
    pixels = found["folds"]["search"]["raw pixels"]
    assert pixels["all clips"]["class"]["accuracy"] == pytest.approx(pixels["published"]["class"]["accuracy"])
    one = found["folds"]["one model"]
    for name in ("vectors by file name", "vectors as a shuffled data set has them"):
        assert one[name]["class"]["accuracy"] < one["aligned"]["class"]["accuracy"]
    yamnet = found["sounds"]["search"]["YAMNet mean, cosine"]["all classes"]["class"]["accuracy"]
    assert yamnet > found["sounds"]["search"]["raw log-mel, cosine"]["all classes"]["class"]["accuracy"]
    # what is there is not made again
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.np[yz]")}
    assert len(times) == 7
    done = _run(*arguments, "--parts", "folds", SIAMAUDIO_SHARED_DATA=str(shared_data))
    assert json.loads((tmp_path / "pedersen2023.json").read_text())["folds"] == found["folds"]
    assert times == {path: path.stat().st_mtime_ns for path in times}
