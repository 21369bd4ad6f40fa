"""siamaudio split: what to train on, to validate on and to test on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

import siamaudio as sa
from siamaudio.cli._shared import DryRun, Json, Out, check_output, print_json, print_plan
from siamaudio.errors import ParameterError

__all__ = ["EXAMPLES", "SEE_ALSO", "split"]

EXAMPLES = """\
siamaudio split esc50.zarr -o split.json --train 40 --validation 5 --test 5 --seed 1
siamaudio split esc50.zarr -o split.json --by folds --train 1 2 3 --validation 4 --test 5
siamaudio split sounds.zarr -o split.json --by sources --validation 0.1 --test 0.2
"""
SEE_ALSO = "train, tune, evaluate"

Numbers = Annotated[list[float] | None, Parameter(consume_multiple=True, negative="")]


def split(
    features: Path,
    /,
    *,
    out: Out,
    by: Literal["classes", "folds", "sources", "clips"] = "classes",
    train: Numbers = None,
    validation: Numbers = None,
    test: Numbers = None,
    seed: int = 0,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Divide a data set, and keep the division in a file, for `siamaudio train --split`.

    Parameters
    ----------
    features
        A feature store that `siamaudio features` made.
    out
        The split, a file such as split.json.
    by
        classes: so many classes; folds: the folds of these numbers; sources: shares of the clips, all clips of a
        recording in one part; clips: so many of each class.
    train
        Classes, folds, or clips of each class; with sources, what is left.
    validation
        Classes, folds, share, or clips of each class; by default none.
    test
        Classes, folds, share, or clips of each class; by default all other classes or clips, no fold, a share of 0.2.
    seed
        Of the draw.
    """
    check_output(out, (".json",))
    data = sa.Features.load(features)
    made = _made(data, by, train, validation, test, seed)
    sizes = [len(part) for part in data.split(made)]
    if dry_run:
        print_plan(out, f"a split by {by}: {'/'.join(map(str, sizes))} clips", json, **made.to_dict())
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    sa.save_split(made, out)
    if json:
        print_json({"path": str(out), "clips": sizes, **made.to_dict()})
        return
    print(f"{out}: a split by {by}, {sizes[0]} clips to train on, {sizes[1]} to validate on, {sizes[2]} to test on")


def _made(
    data: sa.Features,
    by: str,
    train: list[float] | None,
    validation: list[float] | None,
    test: list[float] | None,
    seed: int,
) -> sa.clip_splits.Split:
    if by == "folds":
        groups = {"train": train, "validation": validation, "test": test}
        folds = {name: [_whole(name, fold) for fold in group or ()] for name, group in groups.items()}
        return sa.split_folds(folds["train"], validation=folds["validation"], test=folds["test"])
    if by == "sources":
        if train is not None:
            raise ParameterError("--train", f"{train[0]:g}", "none with --by sources: it gets what is left")
        shares = {"validation": _one("--validation", validation), "test": _one("--test", test)}
        given = {name: share for name, share in shares.items() if share is not None}
        return sa.split_sources(data.clips, **given, seed=seed)
    num_train = _one("--train", train)
    if num_train is None:
        raise ParameterError("--train", "none", f"how many {by} to train on")
    num_validation, num_test = _one("--validation", validation), _one("--test", test)
    if by == "clips":
        wanted = None if num_test is None else _whole("--test", num_test)
        counts = (_whole("--train", num_train), _whole("--validation", num_validation or 0), wanted)
        return sa.split_clips(data.clips, *counts, seed=seed)
    from siamaudio.splits import split_classes

    first, second = _whole("--train", num_train), _whole("--validation", num_validation or 0)
    rest = len(data.class_names) - first - second
    if rest < 0:
        accepted = f"with {second} to validate on, at most the {len(data.class_names)} classes"
        raise ParameterError("--train", str(first), accepted)
    third = rest if num_test is None else _whole("--test", num_test)
    return split_classes(data.class_names, first, second, third, seed=seed)


def _one(name: str, given: list[float] | None) -> float | None:
    if given is not None and len(given) != 1:
        raise ParameterError(name, " ".join(f"{value:g}" for value in given), "one number, or several with --by folds")
    return None if given is None else given[0]


def _whole(name: str, value: float) -> int:
    if value != int(value):
        raise ParameterError(name, f"{value:g}", "a whole number")
    return int(value)
