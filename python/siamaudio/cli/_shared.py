"""What several commands have in common."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

import siamaudio as sa
from siamaudio.cli._config import network_from
from siamaudio.errors import DatasetError, ParameterError

if TYPE_CHECKING:
    from siamaudio.search.embedders import Embedder

__all__ = [
    "OPTIONS",
    "OUTPUT",
    "RUNNING",
    "AllowTrained",
    "Classes",
    "Device",
    "DryRun",
    "Json",
    "Network",
    "NumThreads",
    "Out",
    "Report",
    "Settings",
    "Split",
    "check_output",
    "chosen_clips",
    "chosen_network",
    "load_embedder",
    "parse_settings",
    "print_json",
    "print_plan",
    "split_classes",
    "unseen_classes",
]

OPTIONS = Group("Options", sort_key=101)
OUTPUT = Group("Output", sort_key=102)
RUNNING = Group("Running", sort_key=103)

Json = Annotated[
    bool, Parameter(name="--json", negative="", group=OUTPUT, show_default=False, help="Print the result as JSON.")
]
Out = Annotated[Path, Parameter(name=["--out", "-o"], group=OUTPUT)]
Report = Annotated[Path | None, Parameter(group=OUTPUT, help="Write an HTML report here.")]
NumThreads = Annotated[int | None, Parameter(group=RUNNING, help="CPU threads; by default one a core.")]
Device = Annotated[str, Parameter(group=RUNNING, help="auto, cpu, cuda or cuda:N.")]
DryRun = Annotated[
    bool,
    Parameter(
        negative="",
        group=RUNNING,
        show_default=False,
        help="Check the input and say what would be done, but write nothing.",
    ),
]
Settings = Annotated[list[str], Parameter(name="--set", negative="", allow_leading_hyphen=True, show_default=False)]
Network = Annotated[
    str | None,
    Parameter(
        help="A file *.toml or *.json with options in the place of the preset's, as `siamaudio presets NAME` prints "
        "them; in a file of --config the table network."
    ),
]
Split = Annotated[
    str | None,
    Parameter(
        help="Classes to train on, to validate on and to test on, as in 40/5/5, or a file that `siamaudio split` "
        "wrote; by default about 80, 10 and 10 % of the classes."
    ),
]
Classes = Annotated[
    list[str] | None,
    Parameter(
        consume_multiple=True,
        negative="",
        help="Classes to take; by default the test classes of the network's split, or all that it has not seen.",
    ),
]
AllowTrained = Annotated[
    bool, Parameter(negative="", show_default=False, help="Accept classes that the network was trained on.")
]


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))


def print_plan(path: Path, content: str, as_json: bool, **facts: Any) -> None:
    """Say what a dry run would have written."""
    if as_json:
        print_json({"dry_run": True, "path": str(path), **facts})
        return
    print(f"{path}: would hold {content}")


def check_output(path: Path, suffixes: tuple[str, ...] = (), *, option: str = "--out") -> None:
    """Raise a ParameterError where a file could not be written, before hours are spent on what it shall hold."""
    if suffixes and not path.name.endswith(suffixes):
        raise ParameterError(option, str(path), f"a file {', '.join(f'*{suffix}' for suffix in suffixes)}")
    if path.is_dir():
        raise ParameterError(option, f"{path}, a folder", "a file")
    check_folder(path.parent, option=option, given=path)


def check_folder(folder: Path, *, option: str = "--out", given: Path | None = None) -> None:
    """Raise a ParameterError where nothing could be written into a folder, or where it could not be made."""
    shown = str(folder if given is None else given)
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise ParameterError(option, shown, f"a path through folders; {place} is a file")
    if not os.access(place, os.W_OK | os.X_OK):
        raise ParameterError(option, shown, f"a place that may be written; {place} may not")


def parse_settings(settings: list[str]) -> dict[str, str]:
    parsed = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ParameterError("--set", setting, "an option and its value, as in optimizer.lr=1e-3")
        parsed[name] = value
    return parsed


def chosen_network(preset: str, network: str | None, settings: list[str]) -> sa.SiameseNetwork:
    """Return the untrained network that --preset, --network and --set describe, each before the one before it."""
    return network_from(preset, network).set_from_text(parse_settings(settings))


def split_classes(data: sa.Features, split: str | None, seed: int) -> Any:
    """Return the split of a command line: a file's, or of classes by their numbers."""
    from siamaudio.splits import split_classes as by_classes

    if split is not None and split.endswith(".json"):
        return sa.load_split(split)
    return by_classes(data.class_names, *_split_numbers(split, len(data.class_names)), seed=seed)


def _split_numbers(split: str | None, num_classes: int) -> tuple[int, int, int]:
    """Numbers of training, validation and test classes."""
    if split is None:
        num_test = max(2, round(num_classes / 10))
        num_validation = num_test if num_classes >= 3 * num_test else 0
        return max(0, num_classes - num_validation - num_test), num_validation, num_test
    try:
        num_train, num_validation, num_test = (int(part) for part in split.split("/"))
    except ValueError:
        raise ParameterError("--split", split, "three numbers of classes, as in 40/5/5, or a file *.json") from None
    return num_train, num_validation, num_test


def load_embedder(model: Path, *, device: str = "cpu") -> Embedder:
    """Read a network, an autoencoder or YAMNet."""
    from siamaudio.search.embedders import load_model

    if model.is_dir():
        raise ParameterError("model", f"{model}, a folder", "a file *.siam, *.safetensors, *.tflite or *.h5")
    return load_model(model, device=device)


def chosen_clips(net: Embedder, features: sa.Features, classes: list[str] | None) -> sa.Features:
    """Return the clips of the classes that were named, or else of those that the network has not seen."""
    if classes:
        return features.select_classes(classes)
    if isinstance(net, sa.SiameseNetwork):
        return features.select_classes(unseen_classes(net, features))
    return features


def unseen_classes(net: sa.SiameseNetwork, features: sa.Features) -> list[str]:
    from siamaudio.splits import ClassSplit

    seen = {*net.train_classes_, *net.validation_classes_}
    unseen = [name for name in features.class_names if name not in seen]
    planned = [name for name in unseen if isinstance(net.split_, ClassSplit) and name in net.split_.test]
    if not unseen:
        raise DatasetError("the network has seen every class of these features: name classes, and allow trained ones")
    return planned or unseen
