"""Files of options: everything that Python takes can be said in TOML, and what is wrong is said in one line."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from pathlib import Path

import pytest

import siamaudio as sa
from siamaudio import cli, network_options
from siamaudio.cli._config import network_from, to_toml
from siamaudio.presets import network_presets


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main([str(argument) for argument in arguments])
    return int(caught.value.code or 0)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, synthetic_features: sa.Features) -> Path:
    path = tmp_path_factory.mktemp("config") / "f.zarr"
    synthetic_features.save(path)
    return path


def dumped(net: sa.SiameseNetwork) -> dict:
    return network_options.to_dict(net.get_params(deep=False))


@pytest.mark.parametrize("name", network_presets())
def test_every_preset_goes_through_toml(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("presets", name) == 0
    text = capsys.readouterr().out
    path = tmp_path / "net.toml"
    path.write_text(text)
    wanted = dumped(sa.SiameseNetwork.preset(name))
    other = "honka2019" if name != "honka2019" else "modern"
    assert dumped(network_from(other, str(path))) == wanted
    table = tomllib.loads(text)["train"]["network"]
    assert dumped(network_from(other, json.dumps(table))) == wanted


@pytest.mark.parametrize("name", sa.front_end_presets())
def test_every_front_end_goes_through_toml(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("presets", name) == 0
    config = tmp_path / "run.toml"
    config.write_text(capsys.readouterr().out)
    data = Path(sa.datasets.synthetic(2, 2).paths[0]).parents[1]
    assert (
        run("--config", config, "features", data, "-o", tmp_path / "f.zarr", "--duration", 1.5, "--dry-run", "--json")
        == 0
    )
    planned = sa.LogMel.from_dict(json.loads(capsys.readouterr().out)["front_end"])
    assert planned == sa.LogMel.preset(name, duration=1.5)


def every_option() -> list[tuple[str, object]]:
    """Each class of options of a network, with its defaults."""
    return [(name, cls()) for name, registry in network_options.REGISTRIES.items() for cls in registry.classes]


@pytest.mark.parametrize(("name", "option"), every_option(), ids=lambda value: getattr(value, "name", str(value)))
def test_every_option_goes_through_toml(name: str, option: object) -> None:
    described = network_options.REGISTRIES[name].to_dict(option)
    text = to_toml({name: [described] if name in ("loss", "augment") else described})
    made = network_from("honka2019", json.dumps(tomllib.loads(text)))
    value = getattr(made, name)
    assert (value[0] if name == "augment" else value) == option


def test_an_encoder_of_another_kind_goes_through_toml() -> None:
    encoder = sa.YamnetEncoder(weights="y.safetensors", trainable=True, dense=(sa.Dense(units=7),), l2_normalize=True)
    from siamaudio import encoders

    text = to_toml({"encoder": encoders.registry.to_dict(encoder)})
    assert network_from("modern", json.dumps(tomllib.loads(text))).encoder == encoder


def test_tables_replace_what_they_name_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    path.write_text(
        'head = "none"\ndistance = "cosine"\naugment = ["time_shift", {type = "spec_augment", max_bands = 5}]\n'
        '[encoder]\npooling = "frequency"\n[loss]\ntype = "triplet"\n[optimizer]\nlr = 0.5\n'
    )
    net, preset = network_from("honka2019", str(path)), sa.SiameseNetwork.preset("honka2019")
    assert net.encoder == dataclasses.replace(preset.encoder, pooling="frequency")
    assert (net.head, net.distance, net.loss) == (None, "cosine", sa.losses.Triplet())
    assert net.optimizer == dataclasses.replace(preset.optimizer, lr=0.5)
    assert net.sampler == preset.sampler
    assert net.augment == (sa.augment.TimeShift(), sa.augment.SpecAugment(max_bands=5))


def test_a_training_as_the_file_says(stored: Path, tmp_path: Path) -> None:
    config, out = tmp_path / "run.toml", tmp_path / "m.siam"
    config.write_text(
        "[train]\nepochs = 1\nsteps_per_epoch = 2\nsplit = '4/2/2'\nset = ['optimizer.lr=0.25']\n"
        "[train.network]\naugment = []\n[train.network.optimizer]\ntype = 'sgd'\nlr = 0.5\n"
        "[train.network.encoder]\nblocks = [{filters = 3, kernel_size = 3}]\ndense = [{units = 4}]\n"
    )
    assert run("--config", config, "train", stored, "-o", out) == 0
    net = sa.SiameseNetwork.load(out)
    assert net.optimizer == sa.optimizers.SGD(lr=0.25)  # --set comes after tables
    assert net.encoder == sa.ConvEncoder(blocks=(sa.ConvBlock(filters=3, kernel_size=3),), dense=(sa.Dense(units=4),))
    assert len(net.history_) == 1


def test_options_of_other_commands_are_tables_too(
    stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "run.toml"
    config.write_text(
        "[train-autoencoder]\nlatent-dim = 3\nfilters = [4, 8]\nepochs = 1\n"
        "augment = ['time_shift', {type = 'spec_augment', max_bands = 3}]\n"
        "[train-autoencoder.optimizer]\ntype = 'adamw'\nlr = 0.125\n"
    )
    assert run("--config", config, "train-autoencoder", stored, "-o", tmp_path / "v.siam") == 0
    vae = sa.VariationalAutoencoder.load(tmp_path / "v.siam")
    assert (vae.latent_dim, tuple(vae.filters)) == (3, (4, 8))
    assert vae.optimizer == sa.optimizers.AdamW(lr=0.125)
    assert vae.augment == (sa.augment.TimeShift(), sa.augment.SpecAugment(max_bands=3))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "[train.network]\ndepth = 3",
            "network: got depth; accepted: encoder, distance, head, loss, sampler, optimizer",
        ),
        (
            "[train.network.optimizer]\nrate = 3",
            "optimizer.rate: got 3; accepted: the fields of adam are 'clip_norm', ",
        ),
        ("[train.network.optimizer]\ntype = 'adagrad'", "optimizer type: got adagrad; accepted: 'sgd', "),
        ("[train.network.optimizer]\nlr = 'fast'", "optimizer.lr: got fast; accepted: a number"),
        ("[train.network]\nloss = 'l1'", "loss type: got l1; accepted: 'bce'"),
        ("[train.network]\ndistance = 'far'", "distance: got far; accepted: squared"),
        ("[train.network]\naugment = [3]", "augment"),
        ("[train.network]\nencoder = 3", "encoder"),
        (
            "[train.network.encoder]\nblocks = [{filter = 3}]",
            "blocks[0].filter: got 3; accepted: the fields of ConvBlock",
        ),
        ("[train]\nnetwork = 'none.toml'", "network: got none.toml (No such file or directory)"),
        ("[train]\nnetwork = '{'", "network: got {"),
        ("[train]\nepoch = 3", "--config: got epoch in [train] of "),
        ("[train]\nepochs = 'many'", "many"),
        ("[train]\nepochs = {type = 3}", "epochs"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    stored: Path, tmp_path: Path, text: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "run.toml"
    config.write_text(text)
    assert run("--config", config, "train", stored, "-o", tmp_path / "m.siam", "--dry-run") == 2
    printed = capsys.readouterr()
    assert complaint in printed.err
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["run.toml"]
