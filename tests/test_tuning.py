"""Search for hyperparameters: the trials, what comes out, and that no death of a process loses or doubles one."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import optuna
import pytest
from matplotlib.figure import Figure
from optuna.trial import TrialState

import siamaudio as sa
from postgres import find_binaries, running_server
from siamaudio import presets
from siamaudio.files import FileLock
from siamaudio.tuning import Range, SearchSpace
from siamaudio.tuning.storage import opened_storage
from siamaudio.tuning.workers import CHOSEN, _Queue, finished_trials, index_of, work
from tuning_processes import small_features, small_space, tune_small

GUIDE = (Path(__file__).parents[1] / "docs" / "tuning.md").read_text()
PROCESSES = Path(__file__).with_name("tuning_processes.py")


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a PostgreSQL server."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL absent: apt-get install postgresql")
    with running_server(binaries) as url:
        yield url


@pytest.fixture(params=["journal", "postgresql"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A storage of either kind, new."""
    if request.param == "journal":
        return str(tmp_path / "study.journal")
    import psycopg

    url = request.getfixturevalue("server")
    schema = f"test_{os.urandom(6).hex()}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    return f"{url}?options=-csearch_path%3D{schema}"


class Opened:
    """A storage's study of some name, open."""

    def __init__(self, storage: str, name: str, takeover_seconds: int = 1) -> None:
        with opened_storage(storage, takeover_seconds=takeover_seconds) as (self.storage, self.claims):
            self.study = optuna.create_study(
                storage=self.storage, study_name=name, direction="maximize", load_if_exists=True
            )

    @property
    def trials(self) -> list[optuna.trial.FrozenTrial]:
        return self.study.get_trials()

    def states(self) -> Counter[str]:
        return Counter(trial.state.name for trial in self.trials)

    def work(self, objective: Callable[[optuna.Trial, int], float], num_trials: int) -> None:
        work(self.study, self.storage, self.claims, objective, num_trials=num_trials)

    def queue(self, num_trials: int) -> _Queue:
        return _Queue(self.study, self.storage, self.claims, num_trials)

    def abandon(self, num_trials: int) -> optuna.trial.FrozenTrial:
        """Begin the next trial as a process does that dies then."""
        trial_id = self.queue(num_trials).take()
        assert trial_id is not None
        x_of(optuna.Trial(self.study, trial_id), 0)
        self.claims.release()
        return self.storage.get_trial(trial_id)


@pytest.fixture
def opened(storage: str) -> Iterator[Opened]:
    opened = Opened(storage, "shared")
    yield opened
    opened.claims.close()


def x_of(trial: optuna.Trial, index: int) -> float:
    x = trial.suggest_float("x", 0.0, 1.0)
    trial.set_user_attr(CHOSEN, {})
    return x


# ---- Spaces


def suggested(space: Callable[[optuna.Trial], Any], **params: Any) -> sa.SiameseNetwork:
    return space(optuna.trial.FixedTrial(params))


def test_honka_space_holds_the_thesis() -> None:
    """Every combination of protocols' section 1 and no other; its optimum is the preset of the same name."""
    space = sa.tuning.search_space("honka2019")
    assert space.epochs == 12
    assert isinstance(space.make, SearchSpace)
    parameters = space.make.parameters
    sizes = [len(values) for values in parameters.values() if not isinstance(values, Range)]
    assert sorted(sizes) == sorted([4, 3, 3, 2, 2, 3, 3, 2])
    assert parameters["optimizer.lr"] == Range(1e-4, 1e-2, log=True)
    assert parameters["optimizer.schedule.decay"] == Range(1e-7, 1e-5, log=True)
    best = {
        "encoder.blocks.count": 3,
        "encoder.blocks.all.filters": 64,
        "encoder.blocks.all.dropout": 0.25,
        "encoder.dense.0.units": 500,
        "encoder.dense.0.dropout": 0.25,
        "distance": "squared",
        "loss": "mse",
        "optimizer.lr": 6.11e-3,
        "optimizer.schedule.decay": 1.59e-6,
        "sampler.negative_ratio": 1.0,
    }
    net, published = suggested(space, **best), sa.SiameseNetwork.preset("honka2019")
    for name, value in published.get_params(deep=False).items():
        assert getattr(net, name) == value, name
    deepest = suggested(space, **{**best, "encoder.blocks.count": 4, "loss": "bce", "encoder.blocks.all.filters": 16})
    assert [block.filters for block in deepest.encoder.blocks] == [16] * 4
    assert deepest.losses() == (sa.losses.BinaryCrossentropy(),)


def test_fedele_space_holds_the_report() -> None:
    """The published network is one of its points; a contrastive loss is on the distance that then is the similarity."""
    space = sa.tuning.search_space("fedele2022")
    best = {
        "blocks": 3, "pooling": "max", "convolution dropout": 0.0, "filters 1": 64, "filters 2": 32, "filters 3": 12,
        "dense units": 4096, "dense dropout": 0.0, "loss": "bce", "distance": "squared", "positive pairs": 4,
        "pair ratio": "1:1",
    }  # fmt: skip
    net, published = suggested(space, **best), sa.SiameseNetwork.preset("fedele2022_esc50")
    for name, value in published.get_params(deep=False).items():
        assert getattr(net, name) == value, name
    for ratio, num_negative in (("1:3", 12), ("2:1", 2), ("3:1", 1)):
        assert suggested(space, **{**best, "pair ratio": ratio}).sampler.num_negative == num_negative
    contrastive = suggested(space, **{**best, "loss": "contrastive"})
    assert (contrastive.distance, contrastive.head) == ("euclidean", None)
    seen = Counter()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(60):
        trial = study.ask()
        seen[len(space(trial).encoder.blocks)] += 1
        assert trial.params["dense units"] in (1024, 2048, 4096)
    assert set(seen) == {1, 2, 3, 4}


def test_a_space_from_a_file(tmp_path: Path) -> None:
    toml, as_json = tmp_path / "wide.toml", tmp_path / "wide.json"
    toml.write_text(
        'preset = "modern"\n[parameters]\n"loss" = ["cross_entropy", "arcface"]\n'
        '"optimizer.lr" = {low = 1e-4, high = 1e-2, log = true}\n'
        "optimizer.schedule.warmup = {low = 0.0, high = 0.2}\n"
    )
    as_json.write_text(
        json.dumps(
            {"preset": "modern", "parameters": {"loss": ["arcface"], "sampler.batch_size": {"low": 8, "high": 9}}}
        )
    )
    space = SearchSpace.load(toml)
    assert (space.name, space.preset) == ("wide", "modern")
    net = suggested(space, **{"loss": "arcface", "optimizer.lr": 3e-3, "optimizer.schedule.warmup": 0.15})
    assert net.losses() == (sa.losses.ArcFace(),)
    assert net.get_params()["optimizer__lr"] == 3e-3
    sizes = {SearchSpace.load(as_json)(optuna.create_study().ask()).sampler.batch_size for _ in range(20)}
    assert sizes == {8, 9}


def test_the_spaces_of_the_guide(tmp_path: Path) -> None:
    toml, function = (
        next(block for block in re.findall(rf"```{kind}\n(.*?)```", GUIDE, re.DOTALL) if begin in block)
        for kind, begin in (("toml", "preset"), ("python", "def space"))
    )
    (tmp_path / "small.toml").write_text(toml)
    assert len(SearchSpace.load(tmp_path / "small.toml").parameters) == 4
    names: dict[str, Any] = {"sa": sa}
    exec(function, names)
    assert suggested(names["space"], loss="contrastive", lr=1e-3).distance == "euclidean"
    assert suggested(names["space"], loss="bce", lr=2e-3).optimizer.lr == 2e-3


@pytest.mark.parametrize("name", sa.tuning.search_space_names())
def test_a_published_space_is_searched(tmp_path: Path, name: str, rng: np.random.Generator) -> None:
    """Whatever is chosen is trained, or said to be too deep or to need more classes; nothing else comes up."""
    clips = rng.standard_normal((36, 44, 52), dtype=np.float32)
    features = sa.Features.from_arrays(clips, np.repeat(list("abcdefghijkl"), 3))
    train, validation, _ = features.split_classes(10, 2, 0, seed=0)
    result = sa.tune(
        train, validation=validation, space=name, trials=4, storage=tmp_path / "s", epochs=1, steps_per_epoch=1,
        sampler="random", seed=3, num_threads=1, progress=False,
    )  # fmt: skip
    frame = result.to_frame()
    depth = "encoder.blocks.count" if name == "honka2019" else "blocks"
    assert len(frame) == 4
    assert set(frame[frame["state"] == "complete"][depth]) <= {1, 2, 3}
    reasons = frame[frame["state"] == "untrainable"]["reason"]
    assert all(reasons.str.contains("got 4 blocks|num_negative: got 1[28]|num_positive: got"))
    assert len(reasons) < 4


def test_choices_that_are_no_numbers() -> None:
    space = SearchSpace(
        {
            "encoder.input_batch_norm": [True, False],
            "distance": ["cosine"],
            "head": [None],
            "optimizer.clip_norm": [None, 2.5],
        }
    )
    values = {"encoder.input_batch_norm": False, "distance": "cosine", "head": None, "optimizer.clip_norm": None}
    net = suggested(space, **values)
    assert (net.encoder.input_batch_norm, net.head, net.optimizer.clip_norm) == (False, None, None)
    assert suggested(space, **{**values, "optimizer.clip_norm": 2.5}).optimizer.clip_norm == 2.5


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "parameters: got none"),
        ({"optimizer.rate": [1.0]}, "optimizer.rate"),
        ({"encoder.blocks.7.filters": [1]}, "encoder.blocks.7.filters"),
        ({"loss": ["mse", "bees"]}, "loss: got bees"),
        ({"encoder.dense.0.units": [10, 2.5]}, "encoder.dense.0.units: got 2.5"),
        ({"encoder.dense.0.units": Range(1.0, 2.0)}, "encoder.dense.0.units: got 1.0"),
        ({"distance": "squared"}, "distance: got squared; accepted: a Range, or a list"),
        ({"distance": []}, "distance"),
        ({"distance": [["squared"]]}, "distance"),
        ({"encoder.blocks.count": [-1]}, "encoder.blocks.count: got -1"),
        ({"encoder.blocks.count": ["two"]}, "encoder.blocks.count: got two"),
    ],
)
def test_a_space_is_checked_before_it_is_searched(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(sa.ParameterError) as caught:
        SearchSpace(parameters)
    assert message in str(caught.value)


@pytest.mark.parametrize(("low", "high", "log"), [(1, 1, False), (2, 1, False), (0.0, 1.0, True), ("a", 1, False)])
def test_a_range_is_in_order(low: Any, high: Any, log: bool) -> None:
    with pytest.raises(sa.ParameterError, match="Range: got"):
        Range(low, high, log=log)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.toml", None, "No such file"),
        ("a.toml", "preset = ", "a.toml"),
        ("a.json", "[]", "holds something else"),
        ("a.json", '{"preset": "modern"}', "holds something else"),
        ("a.json", '{"parameters": 3}', "parameters: got 3"),
        ("a.json", '{"parameters": {"loss": {"min": 3}}}', "loss.min: got 3"),
        ("a.json", '{"parameters": {"optimizer.lr": {"low": 3}}}', "low, high"),
        ("a.json", b"\xff\xfe", "a.json"),
    ],
)
def test_a_file_that_holds_no_space(tmp_path: Path, name: str, content: str | bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(sa.ParameterError, match=message):
        SearchSpace.load(path)


# ---- One process


def test_trials_are_trained_and_judged_as_fit_does(tmp_path: Path) -> None:
    """Each trial is what `fit` makes of its options and its seed: the best epoch's accuracy."""
    train, validation = small_features()
    result = tune_small(tmp_path / "s.journal", 4, pruner="none")
    assert [record.trial for record in result.trials] == [0, 1, 2, 3]
    assert len({record.seed for record in result.trials}) == 4
    for record in result.trials:
        net = small_space(optuna.trial.FixedTrial(record.params))
        net.fit(train, validation=validation, epochs=3, seed=record.seed, num_threads=1, progress=False)
        assert record.value == max(net.history_["validation_accuracy"])
        assert (record.state, record.epochs, record.reason) == ("complete", 3, None)
    assert result.best_value == max(record.value for record in result.trials if record.value is not None)
    again = result.best_network()
    again.fit(train, validation=validation, epochs=3, seed=result.best.seed, num_threads=1, progress=False)
    assert max(again.history_["validation_accuracy"]) == result.best_value
    assert "exact 2-way one-shot over all tasks of 2 validation classes" in result.protocol


def comparable(result: sa.tuning.TuningResult) -> list[tuple[Any, ...]]:
    return [(each.trial, each.state, each.value, each.params, each.seed, each.epochs) for each in result.trials]


def test_going_on_is_as_never_having_stopped(tmp_path: Path) -> None:
    """The same trials, whether at once, in two calls, or interrupted; also where earlier values steer the choice."""
    at_once = tune_small(tmp_path / "a", 16)
    assert {record.state for record in at_once.trials} == {"complete", "pruned"}
    assert len(tune_small(tmp_path / "b", 5).trials) == 5
    assert comparable(tune_small(tmp_path / "b", 16)) == comparable(at_once)
    assert comparable(tune_small(tmp_path / "b", 3)) == comparable(at_once)

    calls = 0

    def interrupted_space(trial: optuna.Trial) -> sa.SiameseNetwork:
        nonlocal calls
        calls += 1
        net = small_space(trial)
        if calls == 13:
            raise KeyboardInterrupt
        return net

    interrupted_space.__name__ = "small_space"
    with pytest.raises(KeyboardInterrupt):
        tune_small(tmp_path / "c", 16, space=interrupted_space)
    assert comparable(tune_small(tmp_path / "c", 16)) == comparable(at_once)
    assert comparable(tune_small(tmp_path / "d", 16, seed=1)) != comparable(at_once)


def test_an_objective_of_ones_own(tmp_path: Path) -> None:
    """It gets the trained network, and its value is maximised."""

    def smallness(net: sa.SiameseNetwork) -> float:
        assert net.best_epoch_ >= 0
        return -net.num_parameters()

    result = tune_small(tmp_path / "s", 8, objective=smallness, pruner="none")
    assert result.best_params["filters"] == 2
    assert result.best_value == -result.best_network().build((16, 16)).num_parameters()
    assert result.protocol.startswith("smallness of the trained network")
    with pytest.raises(sa.TuningError, match="returned nan"):
        tune_small(tmp_path / "t", 1, objective=lambda net: math.nan)


def test_what_cannot_be_trained_counts(tmp_path: Path) -> None:
    """Too deep for the spectrograms, or no longer finite: known and said, and not tried again."""

    def space(trial: optuna.Trial) -> sa.SiameseNetwork:
        kind = trial.suggest_categorical("kind", ["fine", "deep", "wild"])
        blocks = (sa.ConvBlock(filters=2, kernel_size=3, batch_norm=False),) * (5 if kind == "deep" else 1)
        encoder = sa.ConvEncoder(blocks=blocks, dense=(sa.Dense(units=4, batch_norm=False, activation="linear"),))
        optimizer = sa.optimizers.SGD(lr=1e30 if kind == "wild" else 1e-3)
        return sa.SiameseNetwork(encoder, distance="euclidean", head=None, loss="contrastive", optimizer=optimizer)

    result = tune_small(tmp_path / "s", 10, space=space, sampler="random")
    frame = result.to_frame()
    assert len(frame) == 10
    assert set(frame["kind"]) == {"fine", "deep", "wild"}
    assert all((frame["state"] == "untrainable") == (frame["kind"] != "fine"))
    assert frame[frame["kind"] == "deep"]["reason"].str.contains("block").all()
    assert frame[frame["kind"] == "wild"]["reason"].str.contains("finite").all()
    assert frame[frame["kind"] != "fine"]["value"].isna().all()

    def hopeless(trial: optuna.Trial) -> sa.SiameseNetwork:
        return sa.SiameseNetwork(sa.ConvEncoder(blocks=(sa.ConvBlock(),) * trial.suggest_int("blocks", 5, 6)))

    with pytest.raises(sa.TuningError, match=r"none of 2 trials was trained to the end; .*block"):
        tune_small(tmp_path / "t", 2, space=hopeless)


def test_the_result_as_table_plots_and_file(tmp_path: Path) -> None:
    mpl.use("Agg")

    result = tune_small(tmp_path / "s", 6)
    frame = result.to_frame()
    assert list(frame.columns) == ["state", "value", "seed", "epochs", "seconds", "reason", "filters", "lr"]
    assert frame.loc[result.best.trial, "value"] == result.best_value
    assert json.loads(json.dumps(result.to_dict()))["best"]["params"] == result.best_params
    assert "optuna" not in repr(result)
    assert "filters" in result._repr_html_()

    style = dict(mpl.rcParams)
    axes = result.plot()
    drawn = {tuple(point) for line in axes.lines for point in line.get_xydata().tolist()}
    assert {(record.trial, record.value) for record in result.trials if record.value is not None} <= drawn
    curves = result.plot("intermediate_values").lines
    assert sorted(len(curve.get_xdata()) for curve in curves) == sorted(record.epochs for record in result.trials)
    assert sum(bar.get_width() for bar in result.plot("param_importances").patches) == pytest.approx(100)
    assert {ax.get_xlabel() for ax in result.plot("slice").axes} >= {"filters", "lr"}
    other = Figure().subplots()
    for kind in ("optimization_history", "intermediate_values", "param_importances"):
        assert result.plot(kind, ax=other) is other
    assert dict(mpl.rcParams) == style
    with pytest.raises(sa.ParameterError, match="ax: got axes; accepted: None for"):
        result.plot("slice", ax=other)
    with pytest.raises(sa.ParameterError, match="kind: got pie; accepted: optimization_history"):
        result.plot("pie")

    with pytest.raises(sa.ParameterError, match=r"path: got .*best\.toml"):
        result.save(tmp_path / "best.toml")
    result.save(tmp_path / "best.json")
    net = sa.SiameseNetwork.preset(tmp_path / "best.json")
    for name, value in result.best_network().get_params(deep=False).items():
        assert getattr(net, name) == value, name
    assert net.optimizer.lr == result.best_params["lr"]
    assert json.loads((tmp_path / "best.json").read_text())["origin"]["seed"] == result.best.seed


def test_the_sampler_that_was_used_is_in_the_preset(tmp_path: Path) -> None:
    result = tune_small(tmp_path / "s", 1, pairing="two-sided", batch_size=8)
    assert result.best_network().sampler == sa.samplers.HonkaPairs(batch_size=8)


@pytest.mark.parametrize("name", presets.network_presets())
def test_a_preset_file_holds_every_preset(tmp_path: Path, name: str) -> None:
    from siamaudio.preset_files import write_preset

    net = sa.SiameseNetwork.preset(name)
    write_preset(tmp_path / "net.json", net.get_params(deep=False))
    again = sa.SiameseNetwork.preset(tmp_path / "net.json")
    for argument, value in net.get_params(deep=False).items():
        assert getattr(again, argument) == value, argument


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (None, "No such file"),
        (lambda content: "{", "accepted: a preset file"),
        (lambda content: "[]", "another kind of file"),
        (lambda content: content.replace("siamaudio preset", "other"), "another kind of file"),
        (lambda content: content.replace('"encoder"', '"decoder"'), "encoder"),
        (lambda content: content.replace('"lr": 0.001', '"lr": "fast"'), "optimizer.lr: got fast"),
        (lambda content: content.replace('"filters": 64', '"filters": "many"'), "filters: got many"),
        (lambda content: content.replace('"squared"', "5"), "distance: got 5"),
        (lambda content: content.replace('"units"', '"__class__"'), "__class__"),
    ],
)
def test_a_preset_file_is_checked(tmp_path: Path, change: Callable[[str], str] | None, message: str) -> None:
    from siamaudio.preset_files import write_preset

    path = tmp_path / "net.json"
    if change is not None:
        write_preset(path, sa.SiameseNetwork().get_params(deep=False))
        content = path.read_text()
        assert change(content) != content
        path.write_text(change(content))
    with pytest.raises(sa.ParameterError) as caught:
        sa.SiameseNetwork.preset(path)
    assert message in str(caught.value)
    assert "net.json" in str(caught.value)


# ---- Bad input


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"space": "honka"}, sa.ParameterError, "space: got honka; accepted: fedele2022, honka2019, a file"),
        ({"space": 3}, sa.ParameterError, "space: got 3; accepted: a name, a SearchSpace, or a function"),
        ({"space": lambda trial: None}, sa.TuningError, "the search space made 'NoneType', where a SiameseNetwork"),
        ({"trials": 0}, sa.ParameterError, "trials: got 0; accepted: 1 or more"),
        ({"epochs": 0}, sa.ParameterError, "epochs: got 0"),
        ({"patience": -1}, sa.ParameterError, "patience: got -1; accepted: 0 or more"),
        ({"steps_per_epoch": 0}, sa.ParameterError, "steps_per_epoch: got 0"),
        ({"seed": -1}, sa.ParameterError, "seed: got -1"),
        ({"validation_freq": 0}, sa.ParameterError, "validation_freq: got 0"),
        ({"takeover_seconds": 0}, sa.ParameterError, "takeover_seconds: got 0"),
        ({"pairing": "three-sided"}, sa.ParameterError, "pairing: got three-sided"),
        ({"sampler": "gut"}, sa.ParameterError, "sampler: got gut; accepted: 'tpe', 'random'"),
        ({"pruner": "axe"}, sa.ParameterError, "pruner: got axe; accepted: 'median', 'none'"),
        ({"device": "abacus"}, sa.ParameterError, "device: got abacus"),
    ],
)
def test_wrong_arguments(tmp_path: Path, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        tune_small(tmp_path / "s", **{"trials": 1, **options})
    assert message in str(caught.value)


def test_validation_is_of_other_classes(tmp_path: Path) -> None:
    train, validation = small_features()
    with pytest.raises(sa.DatasetError, match="both training and validation"):
        sa.tune(train, validation=train, space=small_space, storage=tmp_path / "s")
    with pytest.raises(sa.ParameterError, match="validation: got no clips"):
        sa.tune(train, validation=validation[:0], space=small_space, storage=tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_another_search_is_refused_by_what_differs(storage: str) -> None:
    """The same storage and name, other arguments: nothing is mixed. Another name is another study."""
    tune_small(storage, 1)
    for options, message in (
        ({"epochs": 4}, "fit.epochs was 3, and is now 4"),
        ({"seed": 7}, "seed was 0, and is now 7"),
        (
            {"space": SearchSpace({"encoder.dense.0.units": [4]}), "study": "small_space"},
            "space.name was 'small_space'",
        ),
        ({"sampler": "random"}, "sampler was 'tpe', and is now 'random'"),
    ):
        with pytest.raises(sa.TuningError) as caught:
            tune_small(storage, 2, **options)
        assert message in str(caught.value)
        assert "give the same, or another study name" in str(caught.value)
    assert len(tune_small(storage, 2, epochs=4, study="longer").trials) == 2
    assert len(tune_small(storage, 3).trials) == 3


def test_a_study_of_something_else_is_left_alone(opened: Opened, storage: str) -> None:
    opened.study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    with pytest.raises(sa.TuningError, match="study 'shared' was not made by siamaudio"):
        tune_small(storage, 2, study="shared")
    assert len(opened.trials) == 1


@pytest.mark.parametrize(
    ("storage", "error", "message"),
    [
        ("postgresql://u:secret@127.0.0.1:1/none", sa.TuningError, "out of reach: .*127.0.0.1.*port 1.* failed"),
        ("postgresql://u:secret@127.0.0.1:port/none", sa.ParameterError, "a URL of postgresql that cannot be read"),
        ("mysql://u:secret@127.0.0.1/none", sa.ParameterError, "storage: got a URL of mysql; accepted: a journal file"),
    ],
)
def test_no_database(storage: str, error: type[Exception], message: str) -> None:
    """One sentence, without the password."""
    with pytest.raises(error) as caught:
        tune_small(storage, 1)
    assert re.search(message, str(caught.value), re.DOTALL)
    assert "secret" not in str(caught.value)


def test_no_such_database_on_a_server(server: str) -> None:
    with pytest.raises(sa.TuningError, match=r'no such database, or out of reach: .*"nowhere" does not exist'):
        tune_small(server.rpartition("/")[0] + "/nowhere", 1)


def test_a_database_that_goes_away(tmp_path: Path) -> None:
    """In the midst of a trial: one sentence, and no thread is left behind."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL absent: apt-get install postgresql")
    with running_server(binaries) as url:
        tune_small(url, 1)
        context = running_server(binaries)
        other = context.__enter__()

        def pull_the_plug(net: sa.SiameseNetwork) -> float:
            context.__exit__(None, None, None)
            return 1.0

        with pytest.raises(sa.TuningError, match=r"out of reach: .*; when it is back, the same call goes on"):
            tune_small(other, 1, objective=pull_the_plug)


@pytest.mark.parametrize(
    "content", [b"notes\n", b"{}", b"\x00\x01", b'{"op_code":0,"worker_id":"a"}\n', b'{"op_code":x}\n']
)
def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(sa.TuningError, match=r"notes\.txt: (no|damaged) journal"):
        tune_small(path, 1)
    assert path.read_bytes() == content


def test_a_journal_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "study.journal"):
        with pytest.raises(sa.TuningError, match="cannot keep a study there"):
            tune_small(path, 1)


@pytest.mark.parametrize(
    ("module", "storage", "message"),
    [
        ("optuna", "s.journal", 'tuning needs optuna: `pip install "siamaudio[tune]"`'),
        (
            "psycopg",
            "postgresql://h/d",
            'a study in a PostgreSQL database needs psycopg: `pip install "siamaudio[tune]"`',
        ),
    ],
)
def test_missing_packages_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, storage: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError) as caught:
        tune_small(storage, 1)
    assert str(caught.value) == message


def test_importing_needs_no_optuna() -> None:
    code = "import sys; sys.modules['optuna'] = None; import siamaudio as sa; print(sa.tuning.search_space_names())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "honka2019" in done.stdout


# ---- Deaths


def test_a_dead_process_s_trial_is_taken_over(opened: Opened, storage: str) -> None:
    """By its values, once; the study has as many trials as asked for, one of each index."""
    opened.work(x_of, 2)
    other = Opened(storage, "shared")
    dead = [opened.abandon(5), other.abandon(5)] if storage.startswith("postgres") else [opened.abandon(5)]
    assert opened.states() == {"COMPLETE": 2, "RUNNING": len(dead)}
    opened.work(x_of, 5)
    other.claims.close()
    assert opened.states() == {"COMPLETE": 5, "FAIL": len(dead)}
    finished = finished_trials(opened.study)
    assert [index_of(trial) for trial in finished] == [0, 1, 2, 3, 4]
    for trial in dead:
        assert finished[index_of(trial)].params == trial.params
        assert finished[index_of(trial)].number != trial.number


def test_a_living_process_s_trial_is_not_taken_over(storage: str) -> None:
    """However long it takes; with a database it says that it lives."""
    own, other = Opened(storage, "shared", takeover_seconds=2), Opened(storage, "shared", takeover_seconds=2)
    seen = []

    def look(trial: optuna.Trial, index: int) -> float:
        time.sleep(3 if storage.startswith("postgres") else 0)
        other.claims.fail_dead(other.study, [trial._trial_id])
        seen.append(other.study.get_trials()[trial.number].state)
        return x_of(trial, index)

    own.work(look, 1)
    assert seen == [TrialState.RUNNING]
    assert own.states() == {"COMPLETE": 1}
    own.claims.close()
    other.claims.close()


def test_a_process_that_closes_its_storage_lets_go(opened: Opened, storage: str) -> None:
    """Also of a trial that was taken and, interrupted between two lines, never handed back."""
    other = Opened(storage, "shared")
    assert other.queue(1).take() is not None
    other.claims.close()
    opened.work(x_of, 1)
    assert opened.states() == {"COMPLETE": 1, "FAIL": 1}


def test_trials_of_others_do_not_count(opened: Opened) -> None:
    """Such as a user adds by Optuna's own means."""
    opened.study.add_trial(optuna.create_trial(value=2.0))
    opened.study.enqueue_trial({"x": 0.5})
    opened.work(x_of, 2)
    assert [index_of(trial) for trial in finished_trials(opened.study)] == [0, 1]
    assert opened.states() == {"COMPLETE": 3, "WAITING": 1}


def test_a_trial_that_kills_its_processes_is_given_up(opened: Opened) -> None:
    """It is tried three times; the study ends all the same."""

    def stop(trial: optuna.Trial, index: int) -> float:
        raise KeyboardInterrupt

    for _ in range(4):  # to be stopped is no death
        with pytest.raises(KeyboardInterrupt):
            opened.work(stop, 1)
    for deaths in range(3):
        assert opened.abandon(1).user_attrs["deaths"] == deaths
    calls = []
    opened.work(lambda trial, index: calls.append(index) or x_of(trial, index), 2)
    assert calls == [1]
    given_up, other = finished_trials(opened.study)
    assert (given_up.state, other.state) == (TrialState.PRUNED, TrialState.COMPLETE)
    assert given_up.user_attrs["reason"] == "its process died 3 times"


def test_a_process_that_was_taken_for_dead_gives_way(opened: Opened, storage: str) -> None:
    """It slept, another finished its trial: its own result is dropped, and nothing is doubled."""
    other = Opened(storage, "shared")
    calls = []

    def sleepy(trial: optuna.Trial, index: int) -> float:
        calls.append(index)
        x_of(trial, index)
        if len(calls) == 1:
            opened.storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)  # as others would
            other.work(lambda trial, index: 0.25, 1)
        return 0.75

    opened.work(sleepy, 2)
    other.claims.close()
    assert calls == [0, 1]
    assert opened.states() == {"COMPLETE": 2, "FAIL": 1}
    assert [(index_of(trial), trial.value) for trial in finished_trials(opened.study)] == [(0, 0.25), (1, 0.75)]


def test_training_that_was_taken_for_dead_gives_way(storage: str) -> None:
    """In the midst of the C++ loop, which ends at the next epoch."""

    class Coroner(optuna.pruners.BasePruner):
        has_erred = False

        def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
            if trial.number == 1 and len(trial.intermediate_values) == 2:
                self.has_erred = True
                study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
            return False

    coroner = Coroner()
    result = tune_small(storage, 3, epochs=5, pruner=coroner)
    assert coroner.has_erred
    assert [(record.trial, record.state, record.epochs) for record in result.trials] == [
        (trial, "complete", 5) for trial in range(3)
    ]
    opened = Opened(storage, "small_space")
    assert opened.states() == {"COMPLETE": 3, "FAIL": 1}
    assert len(opened.trials[1].intermediate_values) == 2
    assert opened.trials[2].params == opened.trials[1].params
    opened.claims.close()


def test_two_that_add_at_the_same_time(opened: Opened, storage: str) -> None:
    """The first trial of an index is run, the second withdrawn, by whoever sees them; one that runs never is."""
    other = Opened(storage, "shared")
    first, second = opened.queue(1), other.queue(1)
    first._add(0)
    second._add(0)
    second._add(0)
    taken = second.take()
    assert taken is not None
    assert opened.states() == {"RUNNING": 1, "FAIL": 2}
    assert opened.trials[0].state is TrialState.RUNNING
    first._withdraw(opened.trials[0])
    assert opened.trials[0].state is TrialState.RUNNING
    opened.storage.set_trial_state_values(taken, TrialState.FAIL)
    other.claims.close()
    opened.work(x_of, 1)
    assert opened.states() == {"COMPLETE": 1, "FAIL": 3}
    assert opened.trials[-1].user_attrs["deaths"] == 1  # what was withdrawn has killed nobody


def test_two_numbers_of_trials(opened: Opened, storage: str) -> None:
    """Each call has what it asked for; the study the greater of both."""
    other = Opened(storage, "shared")
    opened.work(x_of, 2)
    other.work(x_of, 4)
    opened.work(x_of, 3)
    other.claims.close()
    assert [index_of(trial) for trial in finished_trials(opened.study)] == [0, 1, 2, 3]


def test_half_a_line_is_no_end_of_a_journal(tmp_path: Path) -> None:
    """What a process killed in the midst of writing leaves is cut off, not glued to what comes next."""
    path = tmp_path / "s.journal"
    whole = comparable(tune_small(tmp_path / "whole", 5))
    tune_small(path, 2)
    content = path.read_bytes()
    path.write_bytes(content + content.splitlines(keepends=True)[-1][:-1])
    assert comparable(tune_small(path, 3)) == whole[:3]
    content = path.read_bytes()
    path.write_bytes(content[:-7])  # the last trial's end is lost with it
    assert comparable(tune_small(path, 5)) == whole
    assert b"}{" not in path.read_bytes()


def test_a_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    """Threads, too; who lets go removes the file, and who locked a removed file has locked nothing."""
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.acquire()
    assert not second.acquire()
    second.release()
    assert not second.acquire()
    first.release()
    assert not (tmp_path / "lock").exists()
    assert second.acquire()
    assert not first.acquire()
    (tmp_path / "lock").unlink()
    assert first.acquire()


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(PROCESSES), *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_one_of_two_processes_is_killed_in_the_midst_of_a_trial(storage: str) -> None:
    """The other takes the trial over, by its values and seed; there are as many trials as asked for, each once."""
    opened = Opened(storage, "marked_space")
    arguments = ("search", storage, 5, 60)
    survivor, victim = start(*arguments), start(*arguments)

    def killed_trial() -> optuna.trial.FrozenTrial | None:
        """A trial that the victim is in the midst of."""
        for trial in opened.trials:
            is_own = trial.user_attrs.get("process") == victim.pid
            if is_own and trial.state is TrialState.RUNNING and 3 <= len(trial.intermediate_values) < 50:
                return trial
        return None

    try:
        seen = None
        while seen is None:
            assert survivor.poll() is None, survivor.communicate()[1]
            assert victim.poll() is None, victim.communicate()[1]
            seen = killed_trial()
            time.sleep(0.01)
        victim.send_signal(signal.SIGKILL)
        victim.communicate()
        output, complaints = survivor.communicate(timeout=120)
    finally:
        for process in (survivor, victim):
            process.kill()
    assert survivor.returncode == 0, complaints
    dead = opened.trials[seen.number]
    assert dead.state is TrialState.FAIL
    assert len(dead.intermediate_values) < 60
    finished = finished_trials(opened.study)
    opened.claims.close()
    assert [trial.state for trial in finished] == [TrialState.COMPLETE] * 5
    assert [index_of(trial) for trial in finished] == list(range(5))
    heir = finished[index_of(dead)]
    assert heir.number != dead.number
    assert heir.params == dead.params
    assert heir.user_attrs["process"] == survivor.pid
    assert all(len(trial.intermediate_values) == 60 for trial in finished)
    # The same seed: the same epochs again.
    assert dead.intermediate_values.items() <= heir.intermediate_values.items()
    printed = json.loads(output)["trials"]
    assert [record["value"] for record in printed] == [trial.value for trial in finished]


@pytest.mark.slow
def test_processes_are_killed_again_and_again(storage: str, tmp_path: Path) -> None:
    """Three share the trials; again and again one of them is killed, wherever it is, and replaced."""
    num_trials, num_kills, pause = (60, 40, 0.15) if storage.startswith("/") else (40, 15, 0.8)
    process = start("storm", storage, num_trials, 3, num_kills, pause, 0)
    output, complaints = process.communicate(timeout=300)
    assert process.returncode == 0, complaints
    assert output.count("killed") >= 5
    opened = Opened(storage, "storm")
    finished = finished_trials(opened.study)
    failed = [trial for trial in opened.trials if trial.state is TrialState.FAIL]
    opened.claims.close()
    assert [index_of(trial) for trial in finished] == list(range(num_trials))
    assert any(trial.user_attrs["deaths"] for trial in finished)
    for trial in failed:  # what was begun was gone on with
        if CHOSEN in trial.user_attrs:
            assert finished[index_of(trial)].params == trial.params
    assert not list(tmp_path.glob(".*"))
