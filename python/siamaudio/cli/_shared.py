"""What several commands have in common."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

import siamaudio as sa
from siamaudio.errors import DatasetError, ParameterError

__all__ = ["DryRun", "Json", "NumThreads", "Out", "parse_settings", "parse_split", "print_json", "unseen_classes"]

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print the result as JSON.")]
NumThreads = Annotated[int | None, Parameter(help="CPU threads; by default one a core.")]
DryRun = Annotated[bool, Parameter(negative="", help="Check everything and say what would be done, but do nothing.")]
Out = Annotated[Path, Parameter(name=["--out", "-o"])]


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))


def parse_split(split: str | None, num_classes: int) -> tuple[int, int, int]:
    """Numbers of training, validation and test classes."""
    if split is None:
        num_test = max(2, round(num_classes / 10))
        num_validation = num_test if num_classes >= 3 * num_test else 0
        return max(0, num_classes - num_validation - num_test), num_validation, num_test
    try:
        num_train, num_validation, num_test = (int(part) for part in split.split("/"))
    except ValueError:
        raise ParameterError("--split", split, "three numbers of classes, as in 40/5/5") from None
    return num_train, num_validation, num_test


def parse_settings(settings: list[str]) -> dict[str, str]:
    parsed = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ParameterError("--set", setting, "an option and its value, as in optimizer.lr=1e-3")
        parsed[name] = value
    return parsed


def unseen_classes(net: sa.SiameseNetwork, features: sa.Features) -> list[str]:
    seen = {*net.train_classes_, *net.validation_classes_}
    unseen = [name for name in features.class_names if name not in seen]
    planned = [name for name in unseen if net.split_ is not None and name in net.split_.test]
    if not unseen:
        raise DatasetError("the network has seen every class of these features: name classes, and allow trained ones")
    return planned or unseen
