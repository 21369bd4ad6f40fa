"""Accuracy over class splits."""

from __future__ import annotations

import collections
import functools
import itertools
import json
import math
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import siamaudio as sa
from siamaudio.evaluation.class_splits import _described_function
from siamaudio.splits import ClassSplit, draw_class_splits

ENCODER = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=4, kernel_size=3),), dense=(sa.Dense(units=8),))
NUMBERS = {"num_test": 3, "num_validation": 2, "ways": 3, "progress": False, "num_threads": 1}


@pytest.fixture(scope="module")
def features() -> sa.Features:
    """Nine classes of six clips, two of each recording."""
    rng = np.random.default_rng(0)
    clips = np.repeat(rng.standard_normal((9, 12, 12)), 6, axis=0) + 1.5 * rng.standard_normal((54, 12, 12))
    return sa.Features.from_arrays(clips, np.repeat(list("abcdefghi"), 6), sources=[f"{i // 2}" for i in range(54)])


def untrained(train: sa.Features, validation: sa.Features, seed: int) -> sa.SiameseNetwork:
    return sa.SiameseNetwork(ENCODER).build(train.shape[1:], seed=seed)


# ---- Which classes


@pytest.mark.parametrize(("num_classes", "num_test", "num_splits"), [(50, 5, 20), (9, 4, 7), (7, 5, 11), (5, 3, 1)])
def test_classes_are_tested_equally_often(num_classes: int, num_test: int, num_splits: int) -> None:
    names = [f"class {i:02}" for i in range(num_classes)]
    splits = draw_class_splits(names, num_splits, num_test=num_test, num_validation=0, seed=3)
    counts = collections.Counter(dict.fromkeys(names, 0))
    for split in splits:
        counts.update(split.test)
        assert len(set(split.test)) == num_test
        assert sorted(split.train + split.validation + split.test) == names
    assert max(counts.values()) - min(counts.values()) <= 1
    assert sum(counts.values()) == num_test * num_splits


def test_splits_are_those_of_the_seed() -> None:
    names = list("abcdefghijklmnop")
    drawn = draw_class_splits(names, 6, num_test=3, num_validation=2, seed=1)
    assert draw_class_splits(reversed(names), 4, num_test=3, num_validation=2, seed=1) == drawn[:4]
    assert draw_class_splits(names, 6, num_test=3, num_validation=2, seed=2) != drawn
    assert len({split.validation for split in drawn}) > 3
    # Which are tested does not depend on how many are validated on.
    assert [s.test for s in draw_class_splits(names, 6, num_test=3, seed=1)] == [s.test for s in drawn]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_splits": 0}, "splits: got 0; accepted: an integer, 1 or more"),
        ({"num_test": 0}, "num_test: got 0"),
        ({"num_validation": -1}, "num_validation: got -1"),
        ({"seed": -1}, "seed: got -1"),
        ({"num_test": 4, "num_validation": 1}, "at most 4 together: of 6 classes"),
    ],
)
def test_impossible_splits_are_refused(changes: dict[str, int], message: str) -> None:
    with pytest.raises(sa.ParameterError, match=message):
        draw_class_splits("abcdef", **{"num_splits": 2, "num_test": 2, "seed": 0, **changes})


# ---- The figures


def test_figures_are_those_of_the_splits(features: sa.Features) -> None:
    found = sa.evaluate_splits(untrained, features, splits=4, seed=5, **NUMBERS)
    splits = draw_class_splits(features.class_names, 4, num_test=3, num_validation=2, seed=5)
    assert found.splits == splits
    results = []
    for index, split in enumerate(splits):
        net = untrained(features, features, 5 + index)
        results.append(sa.evaluate_oneshot(net, features.select_classes(split.test), ways=3))
        assert found.results[index].accuracy == results[-1].accuracy
    accuracies = [result.accuracy for result in results]
    assert found.accuracy == pytest.approx(np.mean(accuracies), abs=1e-12)
    assert found.standard_deviation == pytest.approx(np.std(accuracies, ddof=1), abs=1e-12)
    assert found.standard_error == pytest.approx(stats.sem(accuracies), abs=1e-12)
    assert found.interval is not None
    expected = stats.t.interval(0.95, 3, np.mean(accuracies), stats.sem(accuracies))
    assert (found.interval.low, found.interval.high) == pytest.approx(expected, abs=1e-12)
    for name in features.class_names:
        values = [result.per_class[name] for result in results if name in result.per_class]
        assert found.per_class_splits[name] == len(values) in (1, 2)
        assert found.per_class[name] == pytest.approx(np.mean(values), abs=1e-12)
    for name in ("raw spectrogram", "chance"):
        assert found.baselines[name] == pytest.approx(np.mean([result.baselines[name] for result in results]))


def test_source_disjoint(features: sa.Features) -> None:
    found = sa.evaluate_splits(untrained, features, splits=2, source_disjoint=True, **NUMBERS)
    assert found.source_disjoint
    test = features.select_classes(found.splits[1].test)
    expected = sa.evaluate_oneshot(untrained(test, test, 1), test, ways=3, source_disjoint=True)
    assert found.results[1].accuracy == expected.accuracy


def test_a_function_gets_what_it_shall_train_on(features: sa.Features) -> None:
    seen = []

    def make_network(train: sa.Features, validation: sa.Features, seed: int) -> sa.SiameseNetwork:
        seen.append((train.class_names, validation.class_names, seed))
        return untrained(train, validation, seed)

    found = sa.evaluate_splits(make_network, features, splits=3, seed=2, **NUMBERS)
    assert seen == [(split.train, split.validation, 2 + index) for index, split in enumerate(found.splits)]


def test_network_and_preset_are_trained_anew(features: sa.Features) -> None:
    net = sa.SiameseNetwork(ENCODER, optimizer=sa.optimizers.Adam(lr=1e-3))
    fit = {"epochs": 1, "batch_size": 8}
    found = sa.evaluate_splits(net, features, splits=2, seed=1, fit=fit, **NUMBERS)
    calibrated = sa.evaluate_splits(net, features, splits=2, seed=1, fit=fit, calibrate=True, **NUMBERS)
    for index, split in enumerate(found.splits):
        train, validation, test = (
            features.select_classes(names) for names in (split.train, split.validation, split.test)
        )
        alone = sa.SiameseNetwork(ENCODER, optimizer=sa.optimizers.Adam(lr=1e-3))
        alone.fit(train, validation=validation, seed=1 + index, num_threads=1, progress=False, **fit)
        assert found.results[index].accuracy == sa.evaluate_oneshot(alone, test, ways=3).accuracy
        whitened = sa.evaluate_oneshot(alone.calibrate(train), test, ways=3).accuracy
        assert calibrated.results[index].accuracy == whitened
    assert "not trained" in repr(net)
    large = sa.Features.from_arrays(np.repeat(np.repeat(features.array, 4, 1), 4, 2), np.repeat(list("abcdefghi"), 6))
    named = sa.evaluate_splits("honka2019", large, splits=1, fit={"epochs": 1, "steps_per_epoch": 1}, **NUMBERS)
    assert named.standard_deviation is None
    assert named.interval is None
    assert "SplitsResult" in repr(named)


def test_given_splits(features: sa.Features) -> None:
    splits = [ClassSplit(train=tuple("abc"), validation=(), test=tuple(test)) for test in ("ghi", "def")]
    found = sa.evaluate_splits(untrained, features, splits=splits, ways=2, progress=False)
    assert found.splits == tuple(splits)
    assert set(found.per_class) == set("defghi")
    assert found.per_class_splits["a"] == 0
    assert math.isnan(found.to_frame().loc["a", "accuracy"])


# ---- Kept results


def test_resumed_does_only_what_is_missing(features: sa.Features, tmp_path: Path) -> None:
    calls = []

    def make_network(train: sa.Features, validation: sa.Features, seed: int) -> sa.SiameseNetwork:
        calls.append(seed)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return untrained(train, validation, seed)

    run = functools.partial(sa.evaluate_splits, make_network, features, folder=tmp_path / "new" / "runs", **NUMBERS)
    with pytest.raises(KeyboardInterrupt):
        run(splits=4)
    assert calls == [0, 1, 2]
    assert sorted(os.listdir(tmp_path / "new" / "runs")) == ["split-000.json", "split-001.json"]
    resumed = run(splits=4)
    assert calls == [0, 1, 2, 2, 3]
    more = run(splits=5)
    assert calls == [0, 1, 2, 2, 3, 4]
    at_once = sa.evaluate_splits(untrained, features, splits=5, **NUMBERS)
    assert more.accuracy == at_once.accuracy
    assert more.splits == at_once.splits
    assert resumed.results[3].to_json() == at_once.results[3].to_json()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ways": 2}, r"split-000\.json was made with ways 3, not 2: give the same as then, or another folder"),
        ({"source_disjoint": True}, "source_disjoint False, not True"),
        ({"seed": 1}, "seed 0, not 1"),
        ({"num_test": 4}, r"has other classes \(.*give the same numbers of classes"),
        ({"fit": {"epochs": 2}}, r"make_network\.fit\.epochs 1, not 2"),
        ({"fit": {"epochs": 1, "patience": 3}}, r"make_network\.fit\.patience None, not 3"),
        ({"make_network": sa.SiameseNetwork(ENCODER, loss="mse")}, r"make_network\.network\.loss Binary.*, not 'mse'"),
        ({"calibrate": True}, r"make_network\.calibrate False, not True"),
        ({"make_network": untrained}, r"make_network\.\w+ .*, not "),
    ],
)
def test_other_options_are_refused(features: sa.Features, tmp_path: Path, changes: dict, message: str) -> None:
    arguments = {
        "make_network": sa.SiameseNetwork(ENCODER),
        "features": features,
        "splits": 1,
        "fit": {"epochs": 1, "steps_per_epoch": 1},
        "folder": tmp_path,
        **NUMBERS,
    }
    sa.evaluate_splits(**arguments)
    if changes.get("make_network") is untrained:
        changes = {**changes, "fit": None}
    with pytest.raises(sa.CheckpointError, match=message):
        sa.evaluate_splits(**{**arguments, **changes})
    # Threads and device make nothing else of it.
    sa.evaluate_splits(**{**arguments, "num_threads": 2, "fit": {**arguments["fit"], "device": "cpu"}})


def test_other_clips_are_refused(features: sa.Features, tmp_path: Path) -> None:
    sa.evaluate_splits(untrained, features, splits=1, folder=tmp_path, **NUMBERS)
    changed = features.array.copy()
    changed[7, 3, 3] += 1e-3
    other = sa.Features.from_arrays(changed, np.repeat(list("abcdefghi"), 6), sources=features.sources)
    with pytest.raises(sa.CheckpointError, match="was made with features"):
        sa.evaluate_splits(untrained, other, splits=1, folder=tmp_path, **NUMBERS)


def test_damaged_results_are_refused(features: sa.Features, tmp_path: Path) -> None:
    sa.evaluate_splits(untrained, features, splits=1, folder=tmp_path, **NUMBERS)
    path = tmp_path / "split-000.json"
    whole = path.read_bytes()
    without = json.loads(whole)
    del without["result"]["accuracy"]
    for text in (b"", whole[:100], whole[:-40], b"[]", b"\xff\xfe", json.dumps(without).encode()):
        path.write_bytes(text)
        with pytest.raises(sa.CheckpointError, match=r"split-000\.json is no result of a class split, or damaged"):
            sa.evaluate_splits(untrained, features, splits=1, folder=tmp_path, **NUMBERS)


def test_functions_are_told_apart_by_what_they_do() -> None:
    def of(source: str) -> str:
        names: dict = {}
        exec(source, names)
        return json.dumps(_described_function(names["make"]))

    text = (
        "EPOCHS = 3\ndef make(train, validation, seed):\n    return run(train, epochs=EPOCHS, kind={'a', 'b', 'c'})\n"
    )
    assert of(text) == of(text.replace("    return", "    # a remark\n    return"))
    assert of(text) != of(text.replace("EPOCHS = 3", "EPOCHS = 4"))
    assert of(text) != of(text.replace("'c'", "'d'"))
    assert of(text) != of(text.replace("epochs=", "num_epochs="))
    assert of(text) != of(text.replace("seed):", "seed=1):"))
    assert _described_function(functools.partial(untrained, seed=1)) != _described_function(
        functools.partial(untrained, seed=2)
    )


def test_functions_are_known_again_by_another_process() -> None:
    code = (
        "from siamaudio.evaluation.class_splits import _described_function\n"
        "def make(train, validation, seed):\n"
        "    return [x for x in train if x in {'a', 'b', 'c', 'd', 'e'}]\n"
        "print(_described_function(make))\n"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(told) == 1


def test_two_at_once_share_the_work(features: sa.Features, tmp_path: Path) -> None:
    calls = []

    def make_network(train: sa.Features, validation: sa.Features, seed: int) -> sa.SiameseNetwork:
        calls.append(seed)
        time.sleep(0.02)
        return untrained(train, validation, seed)

    run = functools.partial(sa.evaluate_splits, make_network, features, splits=5, folder=tmp_path, **NUMBERS)
    with ThreadPoolExecutor(3) as pool:
        found = [future.result() for future in [pool.submit(run) for _ in range(3)]]
    assert sorted(calls) == [0, 1, 2, 3, 4]
    assert found[0].to_json() == found[1].to_json() == found[2].to_json()


KILLED = """
import sys, time
import numpy as np
import siamaudio as sa

features = sa.Features.from_arrays(np.random.default_rng(0).random((54, 12, 12)), np.repeat(list("abcdefghi"), 6))
encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=4, kernel_size=3),), dense=(sa.Dense(units=8),))

def make_network(train, validation, seed):
    print(seed, flush=True)
    time.sleep(float(sys.argv[2]))
    return sa.SiameseNetwork(encoder).build(train.shape[1:], seed=seed)

numbers = {"splits": 6, "num_test": 3, "num_validation": 2, "ways": 3}
found = sa.evaluate_splits(make_network, features, folder=sys.argv[1], num_threads=1, progress=False, **numbers)
print(found.accuracy)
"""


@pytest.mark.slow
def test_killed_at_any_time_nothing_is_lost(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(KILLED)

    def start(folder: str, seconds: float) -> subprocess.Popen[str]:
        command = [sys.executable, str(script), str(tmp_path / folder), str(seconds)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    begun = []
    for most in (1, 3, 2):  # so many splits are begun before the process is killed
        with start("killed", 0.05) as process:
            assert process.stdout is not None
            begun.append([int(process.stdout.readline()) for _ in range(most)])
            process.kill()
    # Each begins with the split that the last had not finished, or with the one after it.
    for before, after in itertools.pairwise(begun):
        assert after[0] in (before[-1], before[-1] + 1)
    with start("killed", 0) as process:
        *_, resumed = process.communicate()[0].split()
    with start("whole", 0) as process:
        *_, whole = process.communicate()[0].split()
    assert resumed == whole


def test_a_network_that_saw_test_classes_is_refused(features: sa.Features) -> None:
    net = sa.SiameseNetwork(ENCODER).fit(features, epochs=1, steps_per_epoch=1, num_threads=1, progress=False)
    with pytest.raises(sa.DatasetError, match="was trained on 3 of these classes"):
        sa.evaluate_splits(lambda train, validation, seed: net, features, splits=1, **NUMBERS)


# ---- The object


def test_result_object(features: sa.Features) -> None:
    found = sa.evaluate_splits(untrained, features, splits=3, **NUMBERS)
    again = sa.SplitsResult.from_json(found.to_json())
    assert again.to_json() == found.to_json()
    assert again.splits == found.splits
    frame = found.to_frame()
    assert list(frame.index) == list("abcdefghi")
    assert frame["splits"].sum() == 9
    by_split = found.splits_frame()
    assert by_split["accuracy"].mean() == pytest.approx(found.accuracy)
    assert by_split.loc[0, "test_classes"] == ", ".join(found.splits[0].test)
    assert "over 3 class splits" in repr(found)
    assert "<table" in found._repr_html_()
    with pytest.raises(AttributeError):
        found.accuracy = 1.0


def test_progress_is_shown(features: sa.Features, capsys: pytest.CaptureFixture[str]) -> None:
    sa.evaluate_splits(untrained, features, splits=2, **{**NUMBERS, "progress": True})
    shown = capsys.readouterr().err
    assert "class splits" in shown
    assert "2/2" in shown
    assert "mean accuracy" in shown


def test_bad_input_is_named(features: sa.Features) -> None:
    for arguments, message in (
        ({"make_network": 3}, "make_network: got 3"),
        ({"make_network": "no such preset"}, "no such preset"),
        ({"make_network": lambda train, validation, seed: None}, "returns NoneType"),
        ({"make_network": untrained, "fit": {"epochs": 2}}, r"a function that calls fit\(\) itself"),
        ({"make_network": untrained, "calibrate": True}, r"a function that calls calibrate\(\) itself"),
        ({"make_network": "honka2019", "fit": {"seed": 2}}, "the argument 'seed'"),
        ({"ways": 4}, "ways: got 4; accepted: 2 to 3"),
        ({"splits": 0}, "splits: got 0"),
        ({"splits": []}, "no splits"),
        ({"num_test": 6}, "at most 7 together"),
    ):
        with pytest.raises(sa.ParameterError, match=message):
            sa.evaluate_splits(**{"make_network": untrained, "features": features, "splits": 1, **NUMBERS, **arguments})
