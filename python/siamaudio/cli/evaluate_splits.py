"""siamaudio evaluate-splits: training and testing on many class splits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

import siamaudio as sa
from siamaudio.cli._shared import (
    Device,
    DryRun,
    Json,
    Network,
    NumThreads,
    Out,
    Settings,
    check_folder,
    chosen_network,
    print_json,
    print_plan,
)

__all__ = ["EXAMPLES", "FILES", "SEE_ALSO", "evaluate_splits"]

EXAMPLES = """\
siamaudio evaluate-splits esc50.zarr -o runs --calibrate --splits 20
siamaudio evaluate-splits esc50.zarr -o runs --preset honka2019 --set loss=bce --dry-run
"""
FILES = """\
runs/split-000.json  a split's result, by which an interrupted run goes on
"""
SEE_ALSO = "train, evaluate, compare"


def evaluate_splits(
    features: Path,
    /,
    *,
    out: Out,
    preset: str = "modern",
    network: Network = None,
    settings: Settings = [],  # noqa: B006 - never changed
    splits: int = 20,
    num_test: int = 5,
    num_validation: int = 5,
    ways: int = 5,
    source_disjoint: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    epochs: int = 40,
    steps_per_epoch: int | None = None,
    patience: int | None = None,
    validation_freq: int = 1,
    batch_size: int | None = None,
    pairing: Literal["in-batch", "two-sided"] | None = None,
    calibrate: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    seed: int = 0,
    device: Device = "auto",
    precision: Literal["auto", "float32", "bf16"] = "auto",
    num_threads: NumThreads = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Train and test on many class splits; an interrupted run is gone on with.

    Parameters
    ----------
    features
        A feature store that `siamaudio features` made.
    out
        A folder, which gets the result of each split.
    preset
        The network to train: modern, or a published one such as honka2019.
    settings
        An option of the network in the place of the preset's, as often as wanted: loss=contrastive, optimizer.lr=1e-3.
    splits
        How many.
    num_test
        Classes of each that are tested on.
    num_validation
        Classes of each that are validated on; all others are trained on.
    ways
        Classes a task.
    source_disjoint
        Only tasks in which no support is of the query's recording.
    epochs
        Most epochs of a training.
    steps_per_epoch
        As of train.
    patience
        As of train.
    validation_freq
        As of train.
    batch_size
        As of train.
    pairing
        As of train.
    calibrate
        Centre and whiten the embeddings on the training classes afterwards.
    seed
        Of the class splits and the trainings.
    precision
        As of train.
    """
    check_folder(out)
    net = chosen_network(preset, network, settings)
    data = sa.Features.load(features)
    num_train = len(data.class_names) - num_test - num_validation
    if dry_run:
        from siamaudio.splits import split_classes

        split_classes(data.class_names, num_train, num_validation, num_test, seed=seed)
        net.build(data.shape[1:], num_classes=num_train)
        print_plan(out, f"{splits} results of trainings on {num_train} classes", json, splits=splits)
        return
    changed = {
        "steps_per_epoch": steps_per_epoch,
        "patience": patience,
        "validation_freq": None if validation_freq == 1 else validation_freq,
        "batch_size": batch_size,
        "pairing": pairing,
        "precision": None if precision == "auto" else precision,
    }
    given = {name: value for name, value in changed.items() if value is not None}
    result = sa.evaluate_splits(
        net,
        data,
        splits=splits,
        num_test=num_test,
        num_validation=num_validation,
        ways=ways,
        source_disjoint=source_disjoint,
        fit={"epochs": epochs, "device": device, **given},
        calibrate=calibrate,
        seed=seed,
        folder=out,
        num_threads=num_threads,
    )
    if json:
        print_json(result.to_dict())
        return
    print(result.description)
    for name, accuracy in result.per_class.items():
        print(f"  {name:<24} {accuracy:6.1%}  {result.per_class_splits[name]} splits")
    spread = ""
    if result.standard_deviation is not None and result.standard_error is not None:
        spread = f" ± {100 * result.standard_deviation:.1f} (standard error {100 * result.standard_error:.1f})"
    baselines = ", ".join(f"{name} {accuracy:.1%}" for name, accuracy in result.baselines.items())
    print(f"accuracy {100 * result.accuracy:.1f}{spread} % over {len(result.splits)} splits; {baselines}")
