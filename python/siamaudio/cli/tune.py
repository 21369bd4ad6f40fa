"""siamaudio tune: a search for the options of a network."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import siamaudio as sa
from siamaudio.cli._shared import (
    Device,
    DryRun,
    Json,
    NumThreads,
    Out,
    Split,
    check_output,
    print_json,
    print_plan,
    split_classes,
)
from siamaudio.errors import ParameterError

__all__ = ["EXAMPLES", "FILES", "SEE_ALSO", "tune"]

EXAMPLES = """\
siamaudio tune esc50.zarr -o best.json --space honka2019 --trials 50
siamaudio tune esc50.zarr -o b.json --storage postgresql://u:pw@host:5432/db
"""
FILES = """\
best.json     the best network, for `siamaudio train --preset best.json`
best.journal  the study, to go on with
"""
SEE_ALSO = "train, presets, split"


def tune(
    features: Path,
    /,
    *,
    out: Out,
    space: str = "honka2019",
    trials: int = 50,
    storage: str | None = None,
    study: str | None = None,
    split: Split = None,
    seed: int = 0,
    epochs: int | None = None,
    steps_per_epoch: int | None = None,
    patience: int | None = None,
    validation_freq: int = 1,
    batch_size: int | None = None,
    pairing: Literal["in-batch", "two-sided"] | None = None,
    sampler: Literal["tpe", "random"] = "tpe",
    pruner: Literal["median", "none"] = "median",
    takeover_seconds: int = 60,
    device: Device = "auto",
    precision: Literal["auto", "float32", "bf16"] = "auto",
    num_threads: NumThreads = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Search for a network's options, by validation accuracy; run it again, or several at a time, to go on with it.

    Parameters
    ----------
    features
        A feature store that `siamaudio features` made.
    out
        The best network's options, a file such as best.json, for `siamaudio train --preset best.json`.
    space
        What to search: honka2019, fedele2022, or a file *.toml or *.json with the preset to start from and a table
        parameters, of options as of train --set to a list of choices or to low, high and log.
    trials
        Trials that the study shall have in the end, whoever runs them.
    storage
        Where the study is kept: a file, by default that of --out with the suffix .journal, for processes of one
        machine, or postgresql://USER:PASSWORD@HOST:PORT/DATABASE for those of several.
    study
        Name in the storage; by default that of the space.
    seed
        Of the class split and the trials.
    epochs
        Most epochs of a trial; by default what the space is published with, or 40.
    steps_per_epoch
        Batches from one validation to the next; by default what the sampler calls an epoch.
    patience
        Epochs without a better validation accuracy after which a trial stops; 0: never.
    validation_freq
        Epochs from one validation to the next.
    batch_size
        In the place of the samplers': clips, or pairs where both sides are encoded.
    pairing
        As of train.
    sampler
        What chooses options.
    pruner
        median: stop trials that are worse than most; none: stop none.
    takeover_seconds
        With a database, how long a process is silent before another takes its trial over.
    precision
        As of train.
    """
    from siamaudio.preset_files import check_preset_path

    check_preset_path(out)
    check_output(out)
    chosen = sa.tuning.SearchSpace.load(space) if space.endswith((".toml", ".json")) else space
    if isinstance(chosen, str):
        sa.tuning.search_space(chosen)  # says which there are
    data = sa.Features.load(features)
    classes = split_classes(data, split, seed)
    train, validation, _ = data.split(classes)
    if dry_run:
        if not len(validation):
            raise ParameterError("--split", split, "one with classes to validate on")
        groups = f"{len(train.class_names)} classes ({len(train)} clips), judged on {len(validation.class_names)}"
        content = f"the best of {trials} trials of the space {space} on {groups}"
        print_plan(out, content, json, split=classes.to_dict(), trials=trials)
        return
    result = sa.tune(
        train,
        validation=validation,
        space=chosen,
        trials=trials,
        storage=out.with_suffix(".journal") if storage is None else storage,
        study=study,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        patience=patience,
        validation_freq=validation_freq,
        batch_size=batch_size,
        pairing=pairing,
        sampler=sampler,
        pruner=pruner,
        takeover_seconds=takeover_seconds,
        device=device,
        precision=precision,
        seed=seed,
        num_threads=num_threads,
    )
    result.save(out)
    if json:
        print_json({"path": str(out), "split": classes.to_dict(), **result.to_dict()})
        return
    for name, value in result.best_params.items():
        print(f"  {name} = {value}")
    print(f"{out}: trial {result.best.trial} of {len(result.trials)}, validation accuracy {result.best_value:.1%}")
