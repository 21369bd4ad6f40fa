"""The command line: what it prints where, and how it ends."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import numpy as np
import pytest

import siamaudio as sa
from siamaudio import cli


class Outcome:
    """What one command did."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def complaint(self) -> str:
        """The last line on stderr, which tells what went wrong; progress bars may stand above it."""
        return re.split(r"[\r\n]+", self.err.strip())[-1]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    def run_command(*arguments: object) -> Outcome:
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # as in a process of its own
            show = warnings.showwarning
            try:
                with pytest.raises(SystemExit) as caught:
                    cli.main([str(argument) for argument in arguments])
            finally:
                warnings.showwarning = show
        captured = capsys.readouterr()
        return Outcome(int(caught.value.code or 0), captured.out, captured.err)

    return run_command


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, synthetic_features: sa.Features) -> Path:
    path = tmp_path_factory.mktemp("cli") / "f.zarr"
    synthetic_features.save(path)
    return path


@pytest.fixture(scope="module")
def saved(stored: Path, trained: sa.SiameseNetwork) -> Path:
    path = stored.with_name("net.siam")
    trained.save(path)
    return path


def test_features_of_a_folder(run, tmp_path: Path) -> None:
    clips = sa.datasets.synthetic(4, 3)
    data = Path(clips.paths[0]).parents[1]
    arguments = ("features", data, "-o", tmp_path / "f.zarr", "--sr", 16000, "--n-fft", 512, "--n-mels", 20)
    done = run(*arguments)
    assert (done.status, done.out) == (0, f"{tmp_path / 'f.zarr'}: 12 clips of 20 bands x 47 frames, 4 classes\n")
    values = json.loads(run(*arguments, "--json").out)
    assert values["shape"] == [12, 20, 47]
    assert values["skipped"] == []
    assert sa.Features.load(tmp_path / "f.zarr").front_end == sa.LogMel(sr=16000, n_fft=512, n_mels=20, duration=1.5)


def test_pairs(run, saved: Path, stored: Path, trained: sa.SiameseNetwork, unseen: sa.Features) -> None:
    expected = sa.evaluate_pairs(trained, unseen, false_accept_rates=[0.2])
    arguments = ("evaluate-pairs", saved, stored, "--classes", *unseen.class_names, "--false-accept-rates", 0.2)
    values = json.loads(run(*arguments, "--json").out)
    assert values["auc"] == expected.auc
    assert values["operating_points"][0]["threshold"] == expected.at(0.2).threshold
    done = run(*arguments)
    assert done.status == 0
    assert f"equal error rate {expected.equal_error_rate:.1%}" in done.out
    assert f"threshold {expected.at(0.2).threshold:.6g}: accepts" in done.out


def test_leaks(run, saved: Path, stored: Path, synthetic_features: sa.Features) -> None:
    expected = sa.leak_report(synthetic_features, ways=3)
    assert json.loads(run("leaks", stored, "--ways", 3, "--json").out) == json.loads(expected.to_json())
    done = run("leaks", stored, "--ways", 3)
    assert done.out.startswith(str(expected))
    done = run("leaks", stored, "--ways", 2, "--model", saved)
    assert "accuracy of the network" in done.out


def test_compare(run, saved: Path, stored: Path, unseen: sa.Features, tmp_path: Path) -> None:
    result = run("evaluate", saved, stored, "--ways", 2, "--classes", *unseen.class_names, "--json").out
    (tmp_path / "old.json").write_text(result)
    labels = np.array(unseen.class_names)[unseen.labels]
    other = sa.evaluate_oneshot(
        embeddings=np.random.default_rng(0).random((len(unseen), 3)), labels=labels, sources=unseen.sources, ways=2
    )
    (tmp_path / "new.json").write_text(other.to_json())
    arguments = ("compare", tmp_path / "old.json", tmp_path / "new.json")
    found = sa.compare(sa.EvaluationResult.from_json(result), other, names=("old", "new"))
    assert json.loads(run(*arguments, "--json").out) == json.loads(found.to_json())
    assert run(*arguments).out.startswith(str(found))
    by_source = sa.compare(sa.EvaluationResult.from_json(result), other, names=("old", "new"), sources=unseen)
    assert json.loads(run(*arguments, "--features", stored, "--json").out)["p_value"] == by_source.p_value
    (tmp_path / "new.json").write_text("{}")
    refused = run(*arguments)
    assert (refused.status, "is no result of `siamaudio evaluate --json`" in refused.complaint) == (1, True)


def test_class_splits(run, stored: Path, tmp_path: Path) -> None:
    encoder = ("--set", "encoder.blocks.all.filters=4", "--set", "encoder.dense.0.units=8")
    arguments = (
        "evaluate-splits", stored, "-o", tmp_path / "runs", "--preset", "lloret2019_mnist_pair", *encoder,
        "--splits", 2, "--num-test", 2, "--num-validation", 2, "--ways", 2, "--epochs", 1, "--calibrate",
    )  # fmt: skip
    values = json.loads(run(*arguments, "--json").out)
    assert len(values["results"]) == 2
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["split-000.json", "split-001.json"]
    again = run(*arguments)
    assert f"accuracy {100 * values['accuracy']:.1f} ± " in again.out
    refused = run(*arguments, "--seed", 1)
    assert (refused.status, "was made with seed 0, not 1" in refused.complaint) == (1, True)


def test_features_of_a_published_front_end(run, tmp_path: Path) -> None:
    """Options that were typed replace the preset's, also where they are LogMel's own defaults."""
    data = Path(sa.datasets.synthetic(2, 2).paths[0]).parents[1]
    arguments = ("features", data, "-o", tmp_path / "f.zarr", "--front-end", "yamnet")
    assert run(*arguments).out.endswith(": 4 clips of 64 bands x 148 frames, 2 classes\n")
    assert sa.Features.load(tmp_path / "f.zarr").front_end == sa.LogMel.preset("yamnet", duration=1.5)
    run(*arguments, "--n-mels", 40, "--fmin", 0, "--log", "db", "--ref", "max", "--center", "--window", "hamming")
    expected = sa.LogMel.preset(
        "yamnet", n_mels=40, fmin=0.0, log="db", ref="max", center=True, window="hamming", duration=1.5
    )
    assert sa.Features.load(tmp_path / "f.zarr").front_end == expected
    refused = run("features", data, "-o", tmp_path / "g.zarr", "--front-end", "vggish")
    assert refused.status == 2
    assert refused.complaint.startswith("siamaudio: preset: got vggish; accepted: fedele2022_audiomnist, ")


def test_every_option_of_a_training(run, stored: Path, tmp_path: Path) -> None:
    """Options of the network as text, checkpoints, going on, calibration: as in Python."""
    model, folder = tmp_path / "m.siam", tmp_path / "run"
    settings = {
        "encoder.blocks.all.filters": "4",
        "encoder.blocks.all.kernel_size": "3",
        "encoder.dense.0.units": "8",
        "distance": "euclidean",
        "head": "none",
        "loss": "contrastive",
        "loss.margin": "0.5",
        "optimizer": "adamw",
        "optimizer.lr": "1e-3",
        "augment": "time_shift",
    }
    arguments = ["train", stored, "-o", model, "--split", "8/2/2", "--epochs", 2, "--batch-size", 16, "--calibrate"]
    arguments += [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    done = run(*arguments, "--checkpoint", folder, "--checkpoint-every", 3, "--steps-per-epoch", 5)
    assert done.status == 0, done.err
    net = sa.SiameseNetwork.load(model)
    assert net.losses() == (sa.losses.Contrastive(margin=0.5),)
    assert net.optimizer == sa.optimizers.AdamW(lr=1e-3)
    assert [block.filters for block in net.encoder.blocks] == [4, 4, 4]
    assert net.augment == (sa.augment.TimeShift(),)
    assert "calibration.matrix" in net.weights()
    assert len(list(folder.iterdir())) == 2

    again = [*arguments, "--checkpoint", folder, "--checkpoint-every", 3, "--steps-per-epoch", 5]
    refused = run(*again)
    assert refused.status == 1
    assert "resume=True goes on with it" in refused.complaint
    assert run(*again, "--resume").status == 0  # there is nothing left to do
    for name, weight in sa.SiameseNetwork.load(model).weights().items():
        np.testing.assert_array_equal(weight, net.weights()[name], err_msg=name)


def test_train_evaluate_classify(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The three commands on audio files, with the preset, in small."""
    clips = sa.datasets.synthetic(8, 4)
    data = Path(clips.paths[0]).parents[1]
    features, model = tmp_path / "f.zarr", tmp_path / "m.siam"
    options = ("--sr", 16000, "--n-fft", 1024, "--hop-length", 512, "--n-mels", 48, "--json")
    assert run("features", data, "-o", features, *options).status == 0

    done = run("train", features, "--preset", "honka2019", "--split", "4/2/2", "--seed", 1, "--epochs", 2, "-o", model)
    assert done.status == 0
    assert re.fullmatch(
        rf"{model}: trained on 4 classes, epoch [12] of 2 kept, loss 0\.\d+, validation accuracy [\d.]+%\n", done.out
    )
    assert "training" in done.err

    report = tmp_path / "r.html"
    done = run("evaluate", model, features, "--ways", 2, "--json", "--report", report)
    assert done.status == 0
    values = json.loads(done.out)
    assert {"accuracy", "baselines", "interval", "per_class", "classes", "ways", "protocol"} <= set(values)
    net = sa.SiameseNetwork.load(model)
    assert tuple(values["classes"]) == net.split_.test
    test = sa.Features.load(features).select_classes(net.split_.test)
    assert values["accuracy"] == sa.evaluate_oneshot(net, test, ways=2).accuracy
    assert report.read_text().startswith("<!DOCTYPE html>")
    table = run("evaluate", model, features, "--ways", 2).out
    assert f"accuracy {values['accuracy']:.1%}" in table
    assert "chance 50.0%" in table

    supports = tmp_path / "supports"
    supports.mkdir()
    queries = []
    for name in net.split_.test:
        shutil.copy(data / name / sorted(entry.name for entry in (data / name).iterdir())[0], supports / f"{name}.wav")
        queries.append(sorted((data / name).iterdir())[1])
    done = run("classify", model, "--supports", supports, *queries)
    assert done.status == 0
    expected = sa.classify_oneshot(net, supports, queries)
    lines = done.out.splitlines()
    assert [line.split(": ")[1].split("  (")[0] for line in lines] == list(expected.predictions)
    assert [line.split(": ")[0] for line in lines] == [str(query) for query in queries]
    assert json.loads(run("classify", model, "--supports", supports, queries[0], "--json").out)[0]["query"] == str(
        queries[0]
    )


def test_modern_from_sounds_to_accuracy(run, tmp_path: Path) -> None:
    """The front end and the network of one name go together, and the network is whitened."""
    data = Path(sa.datasets.synthetic(8, 4).paths[0]).parents[1]
    features, model = tmp_path / "f.zarr", tmp_path / "m.siam"
    assert run("features", data, "-o", features, "--front-end", "modern").status == 0
    assert sa.Features.load(features).front_end == sa.LogMel.preset("modern", duration=1.5)
    arguments = ("--preset", "modern", "--split", "4/2/2", "--epochs", 2, "--calibrate", "--num-threads", 1)
    done = run("train", features, "-o", model, *arguments)
    assert done.status == 0, done.err
    net = sa.SiameseNetwork.load(model)
    assert net.get_params() == sa.SiameseNetwork.preset("modern").get_params()
    assert "calibration.matrix" in net.weights()
    done = run("evaluate", model, features, "--ways", 2, "--json")
    assert done.status == 0, done.err
    assert 0 < json.loads(done.out)["accuracy"] <= 1


SPACE = """
preset = "honka2019"
[parameters]
"encoder.blocks.count" = [1, 2]
"encoder.blocks.all.filters" = [2, 4]
"encoder.dense.0.units" = [8]
"optimizer.lr" = {low = 1e-4, high = 1e-2, log = true}
"""


def test_tune_and_train_what_it_found(run, stored: Path, tmp_path: Path) -> None:
    """The study goes on where it was, its best network is trained, and the test classes are the same."""
    space, best, model = tmp_path / "small.toml", tmp_path / "best.json", tmp_path / "m.siam"
    space.write_text(SPACE)
    arguments = ("tune", stored, "-o", best, "--space", space, "--split", "6/3/3", "--seed", 5, "--epochs", 2,
                 "--steps-per-epoch", 3, "--num-threads", 1)  # fmt: skip
    done = run(*arguments, "--trials", 2)
    assert done.status == 0, done.err
    *params, last = done.out.splitlines()
    assert [line.split(" = ")[0] for line in params] == [
        f"  {address}" for address in tomllib.loads(SPACE)["parameters"]
    ]
    assert re.fullmatch(rf"{best}: trial [01] of 2, validation accuracy [\d.]+%", last)
    assert (tmp_path / "best.journal").is_file()
    assert "tuning" in done.err

    values = json.loads(run(*arguments, "--trials", 3, "--json").out)
    assert [trial["trial"] for trial in values["trials"]] == [0, 1, 2]
    assert values["best"]["value"] == max(trial["value"] for trial in values["trials"])
    trained = run("train", stored, "-o", model, "--preset", best, "--split", "6/3/3", "--seed", 5, "--epochs", 1)
    assert trained.status == 0, trained.err
    net = sa.SiameseNetwork.load(model)
    assert net.get_params(deep=False) == sa.SiameseNetwork.preset(best).get_params(deep=False)
    assert net.optimizer.lr == values["best"]["params"]["optimizer.lr"]
    assert net.split_ is not None
    assert net.split_.to_dict() == values["split"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--space", "honka"), 2, "space: got honka; accepted: fedele2022, honka2019, a file *.toml or *.json"),
        (("--space", "none.toml"), 2, "space: got none.toml (No such file or directory)"),
        (("--trials", 0), 2, "trials: got 0"),
        (("--out", "best.siam"), 2, "path: got best.siam; accepted: a file *.json"),
        (("--storage", "postgresql://u:secret@127.0.0.1:1/d"), 1, "no such database, or out of reach"),
        (("--storage", "mysql://u:secret@127.0.0.1:1/d"), 2, "storage: got a URL of mysql"),
        (("--split", "6/0/6"), 2, "validation: got no clips"),
    ],
)
def test_tune_with_wrong_arguments(
    run, stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple, status: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    out = () if "--out" in arguments else ("--out", "best.json")
    refused = run("tune", stored, *out, "--epochs", 1, *arguments)
    assert refused.status == status
    assert message in refused.complaint
    assert "secret" not in refused.err
    assert refused.complaint.startswith("siamaudio: ")
    assert list(tmp_path.iterdir()) == []


def test_train_with_a_preset_file_that_is_none(run, stored: Path, tmp_path: Path) -> None:
    refused = run("train", stored, "-o", tmp_path / "m.siam", "--preset", tmp_path / "best.json")
    assert refused.status == 2
    assert "best.json (No such file or directory); accepted: a preset file" in refused.complaint


def test_evaluate_chooses_unseen_classes(run, saved: Path, stored: Path, unseen: sa.Features) -> None:
    values = json.loads(run("evaluate", saved, stored, "--ways", 2, "--json").out)
    assert tuple(values["classes"]) == unseen.class_names
    named = sa.SiameseNetwork.load(saved).train_classes_[:2]
    refused = run("evaluate", saved, stored, "--ways", 2, "--classes", *named)
    assert refused.status == 1
    assert "trained on 2 of these classes" in refused.complaint
    allowed = run("evaluate", saved, stored, "--ways", 2, "--classes", *named, "--allow-trained-classes", "--json")
    assert tuple(json.loads(allowed.out)["classes"]) == named


def test_one_corrupt_clip_among_good_ones(run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for clip in sa.datasets.synthetic(2, 3):
        (data / clip.class_name).mkdir(parents=True, exist_ok=True)
        shutil.copy(clip.path, data / clip.class_name)
    bad = sorted(data.rglob("*.wav"))[1]
    bad.write_text("no sound")
    failed = run("features", data, "-o", tmp_path / "f.zarr")
    assert failed.status == 1
    assert str(bad) in failed.complaint
    assert not (tmp_path / "f.zarr").exists()
    skipped = run("features", data, "-o", tmp_path / "f.zarr", "--on-error", "skip")
    assert skipped.status == 0
    assert f"siamaudio: left out {bad}: " in skipped.err
    assert "5 clips" in skipped.out


def test_features_take_crop_and_precision(run, tmp_path: Path) -> None:
    clips = sa.datasets.synthetic(2, 3)
    data = Path(clips.paths[0]).parents[1]
    options = ("--sr", 8000, "--duration", 0.5, "--crop", "random", "--seed", 4, "--dtype", "float16")
    assert run("features", data, "-o", tmp_path / "f.zarr", *options).status == 0
    made = sa.Features.load(tmp_path / "f.zarr")
    front_end = sa.LogMel(sr=8000, duration=0.5)
    expected = front_end.transform(
        sa.datasets.from_path(data), crop="random", seed=4, dtype="float16", cache=False, progress=False
    )
    assert made.dtype == np.float16
    np.testing.assert_array_equal(made.array, expected.array)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ("features {tmp}/none -o {tmp}/x.zarr", 1, "{tmp}/none: no such file or folder; accepted:"),
        ("features {tmp}/empty -o {tmp}/x.zarr", 1, "{tmp}/empty"),
        ("features {tmp}/flat -o {tmp}/x.zarr", 1, "{tmp}/flat"),
        ("features {tmp}/text -o {tmp}/x.zarr", 1, "{tmp}/text/a/0.wav: is not an audio file of an accepted format"),
        ("features {tmp}/text -o {tmp}/x.zarr --n-fft 31", 2, "n_fft: got 31; accepted: an even number"),
        ("features {tmp}/text -o {tmp}/x.zarr --on-error maybe", 2, "maybe"),
        ("features {tmp}/text -o {tmp}/x.zarr --crop end", 2, "end"),
        ("features {tmp}/text -o {tmp}/x.zarr --seed -1", 2, "seed: got -1; accepted: 0 to 2^64 - 1"),
        ("features {tmp}/text", 2, "--out"),
        ("features", 2, "DATA"),
        ("train {tmp}/none.zarr -o {tmp}/m.siam", 1, "{tmp}/none.zarr: no such feature store"),
        ("train {tmp}/empty -o {tmp}/m.siam", 1, "{tmp}/empty is no feature store"),
        ("train {stored} -o {tmp}/m.siam --preset lenet", 2, "preset: got lenet; accepted: fedele2022_audiomnist, "),
        (
            "train {stored} -o {tmp}/m.siam --set optimizer.lr",
            2,
            "--set: got optimizer.lr; accepted: an option and its",
        ),
        ("train {stored} -o {tmp}/m.siam --set optimizer.rate=1", 2, "optimizer.rate: got 1"),
        ("train {stored} -o {tmp}/m.siam --set optimizer.lr=fast", 2, "optimizer.lr: got fast; accepted: a number"),
        ("train {stored} -o {tmp}/m.siam --set loss=x", 2, "loss: got x; accepted: 'bce'"),
        ("train {stored} -o {tmp}/m.siam --resume", 2, "resume: got True; accepted: False where no checkpoint"),
        (
            "train {stored} -o {tmp}/m.siam --split 40/5/5",
            2,
            "split: got 40/5/5 = 50 classes; accepted: at most the 12",
        ),
        ("train {stored} -o {tmp}/m.siam --split 40", 2, "--split: got 40; accepted: three numbers"),
        ("train {stored} -o {tmp}/m.siam --split 8/2/2 --device tpu", 2, "device: got tpu; accepted: 'auto'"),
        ("train {stored} -o {tmp}/m.siam --split 8/2/2 --epochs many", 2, "many"),
        ("train {single} -o {tmp}/m.siam --split 2/0/0", 1, "class 'b' has a single clip"),
        ("evaluate {tmp}/none.siam {stored}", 1, "{tmp}/none.siam: no such file"),
        ("evaluate {stored}/zarr.json {stored}", 1, "zarr.json is damaged, or no file"),
        ("evaluate {saved} {stored} --ways 9", 2, "ways: got 9; accepted: 2 to 2"),
        ("evaluate {saved} {stored} --ways 2 --shots 2", 2, "shots: got 2; accepted: 1 for protocol 'exact'"),
        ("evaluate {saved} {stored} --ways 2 --tasks 9", 2, "tasks: got 9; accepted: none for protocol 'exact'"),
        ("evaluate {saved} {stored} --protocol honka2019 --ways 5", 2, "ways: got 5; accepted: 2 for protocol"),
        ("evaluate {saved} {stored} --classes nobody", 2, "unknown class 'nobody'"),
        ("classify {saved} --supports {tmp}/none q.wav", 1, "{tmp}/none: no such folder"),
        ("classify {saved} --supports {tmp}/empty q.wav", 1, "{tmp}/empty holds no supports"),
        ("classify {saved} --supports {tmp}/empty", 2, "queries: got no recordings"),
        ("demo --epochs", 2, "--epochs"),
        ("sing", 2, 'Unknown command "sing"'),
    ],
)
def test_a_mistake_gets_one_line(
    run, tmp_path: Path, stored: Path, saved: Path, arguments: str, status: int, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "flat").mkdir()
    shutil.copy(sa.datasets.synthetic(2, 2).paths[0], tmp_path / "flat")
    (tmp_path / "text" / "a").mkdir(parents=True)
    (tmp_path / "text" / "a" / "0.wav").write_text("no sound")
    single = sa.Features.from_arrays(np.zeros((3, 64, 64)), ["a", "a", "b"])
    single.save(tmp_path / "single.zarr")
    places = {"tmp": tmp_path, "stored": stored, "saved": saved, "single": tmp_path / "single.zarr"}
    outcome = run(*arguments.format(**places).split(" "))
    assert outcome.status == status
    assert message.format(**places) in outcome.complaint
    assert outcome.complaint.startswith("siamaudio: ")
    assert "Traceback" not in outcome.err
    assert outcome.out == ""


def test_options_from_a_file(run, tmp_path: Path) -> None:
    """What is typed goes before what the file says, and that before the defaults."""
    clips = sa.datasets.synthetic(3, 2)
    data = Path(clips.paths[0]).parents[1]
    config = tmp_path / "run.toml"
    config.write_text('[features]\nsr = 16000\nn-fft = 512\nn_mels = 20\ndtype = "float16"\n[train]\nepochs = 3\n')
    done = run("--config", config, "features", data, "-o", tmp_path / "f.zarr", "--n-mels", 24)
    assert done.status == 0, done.err
    made = sa.Features.load(tmp_path / "f.zarr")
    assert made.front_end == sa.LogMel(sr=16000, n_fft=512, n_mels=24, duration=1.5)
    assert made.dtype == np.float16


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[features]\nmels = 20\n", r"mels in \[features\] of .*run.toml; accepted: .*n-fft, n-mels, no-center"),
        ('[features]\nn_mels = "many"\n', "many"),
        ("[features\n", r"--config: got .*run.toml \(.*\(at line 1, column 10\)\); accepted: a file in TOML"),
        ("[sing]\n", r"sing in .*run.toml; accepted: a table of a command: calibrate, classify, "),
        ("features = 3\n", r"features = 3 in .*run.toml; accepted: a table \[features\]"),
        (None, "run.toml"),
    ],
)
def test_a_wrong_file_of_options(run, tmp_path: Path, text: str | None, complaint: str) -> None:
    config = tmp_path / "run.toml"
    if text is not None:
        config.write_text(text)
    done = run("--config", config, "features", tmp_path, "-o", tmp_path / "f.zarr")
    assert done.status in (1, 2)
    assert done.out == ""
    assert re.search(complaint, done.err)
    assert done.err.count("\n") == 1


def test_completion_is_installed(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/bash")
    done = run("--install-completion", "--shell", "bash")
    assert done.status == 0, done.err
    (script,) = [path for path in tmp_path.rglob("siamaudio") if path.is_file()]
    assert "evaluate-splits" in script.read_text()


def test_a_dry_run_of_features_tells_what_the_run_makes(run, tmp_path: Path) -> None:
    data = Path(sa.datasets.synthetic(3, 2).paths[0]).parents[1]
    arguments = ("features", data, "-o", tmp_path / "f.zarr", "--sr", 16000, "--n-mels", 20)
    planned = json.loads(run(*arguments, "--dry-run", "--json").out)
    assert "6 clips of 20 bands x 47 frames, 3 classes, 0.0 MB" in run(*arguments, "--dry-run").out
    assert not list(tmp_path.iterdir())
    made = json.loads(run(*arguments, "--json").out)
    assert (planned["shape"], planned["classes"]) == (made["shape"], made["classes"])
    assert planned["num_bytes"] == sa.Features.load(tmp_path / "f.zarr").nbytes


def test_a_dry_run_of_training_tells_the_split_and_the_network(run, stored: Path, tmp_path: Path) -> None:
    arguments = ("train", stored, "-o", tmp_path / "n.siam", "--preset", "modern", "--split", "4/2/2", "--epochs", 1)
    planned = json.loads(run(*arguments, "--dry-run", "--json").out)
    done = run(*arguments, "--dry-run")
    assert done.status == 0
    assert "would be trained on 4 classes" in done.out
    assert not list(tmp_path.iterdir())
    made = json.loads(run(*arguments, "--json").out)
    assert planned["split"] == made["split"]
    assert planned["parameters"] == sa.SiameseNetwork.load(tmp_path / "n.siam").num_parameters()
    assert run(*arguments, "--dry-run", "--set", "optimizer.lr=fast").status == 2


@pytest.mark.parametrize("command", [name for name in cli.app if not name.startswith("-")])
def test_the_examples_of_the_help_are_commands(run, command: str) -> None:
    text = run(command, "--help").out
    part = text[text.index("Examples:") : text.index("Exit status:")].partition("Files:")[0]
    lines = part.replace("\\\n", "").splitlines()[1:]
    examples = [shlex.split(line) for line in lines if line.strip()]
    assert any(words[1] == command for words in examples)
    for program, *words in examples:
        assert program == "siamaudio"
        arguments = words[2:] if words[0] == "--config" else words
        cli.app.parse_args(arguments, exit_on_error=False, print_error=False)


def test_info(run) -> None:
    facts = json.loads(run("info", "--json").out)
    assert facts["siamaudio"] == sa.__version__
    assert facts["torch"].startswith("2.")
    assert "libsndfile" in run("info").out


def test_as_a_process() -> None:
    done = subprocess.run([sys.executable, "-m", "siamaudio", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == sa.__version__
    done = subprocess.run([sys.executable, "-m", "siamaudio", "sing"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "function", "arguments"),
    [
        ((), "evaluate_oneshot", {}),
        (("--source-disjoint",), "evaluate_oneshot", {"source_disjoint": True}),
        (
            ("--protocol", "sampled", "--shots", 3, "--queries", 2, "--tasks", 50, "--scorer", "max", "--seed", 4),
            "evaluate_fewshot",
            {"shots": 3, "queries": 2, "tasks": 50, "scorer": "max", "seed": 4},
        ),
        (("--protocol", "honka2019", "--shots", 1), "honka2019", {}),
        (("--protocol", "fedele2022", "--tasks", 40), "fedele2022", {"tasks": 40}),
        (("--protocol", "metaaudio", "--shots", 2, "--tasks", 40), "metaaudio", {"shots": 2, "tasks": 40}),
    ],
)
def test_evaluate_by_protocol(
    run, saved: Path, stored: Path, unseen: sa.Features, tmp_path: Path, options, function: str, arguments
) -> None:
    report = tmp_path / "r.html"
    done = run("evaluate", saved, stored, "--ways", 2, *options, "--json", "--report", report)
    assert done.status == 0, done.err
    assert report.exists()
    ways = {} if function == "honka2019" else {"ways": 2}
    expected = getattr(sa.evaluation, function)(sa.SiameseNetwork.load(saved), unseen, **ways, **arguments)
    values = json.loads(done.out)
    assert values.pop("report") == str(report)
    assert values == json.loads(expected.to_json())


@pytest.mark.parametrize("scorer", ["learned", "cl2n"])
def test_evaluate_learns_from_the_training_classes(run, saved: Path, stored: Path, scorer: str) -> None:
    options = ("--protocol", "sampled", "--ways", 2, "--shots", 3, "--scorer", scorer, "--tasks", 30)
    done = run("evaluate", saved, stored, *options)
    assert done.status == 0, done.err
    assert "interval: 95%, other tasks of the same clips" in done.out


@pytest.mark.slow
def test_main_job_on_real_recordings(run, shared_data: Path, tmp_path: Path) -> None:
    """The three commands on each kind of data set, one short epoch of small spectrograms."""
    small = ("--sr", 16000, "--n-fft", 1024, "--hop-length", 512, "--n-mels", 48, "--duration", 1.5)
    for folder, split, ways in (("esc50-fold4", "40/5/5", 5), ("esc10", "6/2/2", 2), ("audiomnist-test", "3/0/2", 2)):
        features, model = tmp_path / f"{folder}.zarr", tmp_path / f"{folder}.siam"
        assert run("features", shared_data / folder, "-o", features, *small).status == 0
        trained = run("train", features, "--split", split, "--seed", 1, "--epochs", 1, "-o", model)
        assert trained.status == 0, trained.err
        done = run("evaluate", model, features, "--ways", ways, "--json")
        assert done.status == 0, done.err
        values = json.loads(done.out)
        assert len(values["classes"]) == int(split.split("/")[2])
        assert values["baselines"]["chance"] == 1 / ways
        assert values["baselines"]["raw spectrogram"] > values["baselines"]["chance"]


@pytest.mark.slow
def test_demo(run, tmp_path: Path) -> None:
    """The last four lines are the result; the trained network beats raw spectrograms."""
    done = run("demo", "--out", tmp_path)
    assert done.status == 0, done.err
    accuracy, baseline, chance, report = done.out.splitlines()[-4:]
    reached = float(re.fullmatch(r"exact 5-way one-shot accuracy on 5 unseen classes: ([\d.]+)%", accuracy)[1])
    raw = float(re.fullmatch(r"nearest raw spectrogram: ([\d.]+)%", baseline)[1])
    assert chance == "chance: 20%"
    assert report == f"report: {tmp_path / 'demo.html'}"
    assert (tmp_path / "demo.html").exists()
    assert reached > raw + 8
