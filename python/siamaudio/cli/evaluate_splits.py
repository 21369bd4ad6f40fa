"""siamaudio evaluate-splits: training and testing on many class splits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

import siamaudio as sa
from siamaudio.cli._shared import Json, NumThreads, Out, parse_settings, print_json

__all__ = ["EXAMPLES", "evaluate_splits"]

EXAMPLES = """\
siamaudio evaluate-splits esc50.zarr -o runs --calibrate --splits 20
"""


def evaluate_splits(
    features: Path,
    /,
    *,
    out: Out,
    preset: str = "modern",
    settings: Annotated[list[str], Parameter(name="--set", negative="", allow_leading_hyphen=True)] = [],  # noqa: B006
    splits: int = 20,
    num_test: int = 5,
    num_validation: int = 5,
    ways: int = 5,
    source_disjoint: Annotated[bool, Parameter(negative="")] = False,
    epochs: int = 40,
    calibrate: Annotated[bool, Parameter(negative="")] = False,
    seed: int = 0,
    device: str = "auto",
    num_threads: NumThreads = None,
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
    calibrate
        Centre and whiten the embeddings on the training classes afterwards.
    seed
        Of the class splits and the trainings.
    device
        auto, cpu, cuda or cuda:N.
    """
    net = sa.SiameseNetwork.preset(preset).set_from_text(parse_settings(settings))
    result = sa.evaluate_splits(
        net,
        sa.Features.load(features),
        splits=splits,
        num_test=num_test,
        num_validation=num_validation,
        ways=ways,
        source_disjoint=source_disjoint,
        fit={"epochs": epochs, "device": device},
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
