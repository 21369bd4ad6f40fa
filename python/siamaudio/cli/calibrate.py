"""siamaudio calibrate: whitening for a network that is trained already."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

import siamaudio as sa
from siamaudio.cli._shared import DryRun, Json, NumThreads, Out, check_output, print_json, print_plan
from siamaudio.errors import DatasetError, ParameterError

__all__ = ["EXAMPLES", "SEE_ALSO", "calibrate"]

EXAMPLES = """\
siamaudio calibrate net.siam sounds.zarr -o calibrated.siam
siamaudio calibrate net.siam sounds.zarr -o c.siam --power 1 --shrinkage 0.7 --shifts 0,0 1,3
"""
SEE_ALSO = "train, evaluate"


def calibrate(
    net: Path,
    features: Path,
    /,
    *,
    out: Out,
    power: float = 0.5,
    shrinkage: float = 0.8,
    shifts: Annotated[
        list[str] | None, Parameter(consume_multiple=True, negative="", allow_leading_hyphen=True)
    ] = None,
    num_threads: NumThreads = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Centre and whiten the embeddings of a trained network, so that their cosine tells classes apart better.

    Parameters
    ----------
    net
        A network that `siamaudio train` wrote.
    features
        The feature store that it was trained on, of which its training classes are taken.
    out
        The calibrated network, a file such as calibrated.siam.
    power
        Of the embeddings' values, above 0 and at most 1: below 1, a few large ones count for less.
    shrinkage
        Share of the covariance that is the same in all directions, above 0 and at most 1.
    shifts
        Bands upwards and frames later, as in 0,0 1,3, over which embeddings are averaged; by default three places where
        training moved the spectrograms too, else 0,0 alone.
    """
    check_output(out, (".siam",))
    network = sa.SiameseNetwork.load(net)
    data = sa.Features.load(features)
    heard = [name for name in network.train_classes_ if name in data.class_names]
    if not heard:
        raise DatasetError(f"{features} holds none of the classes that {net} was trained on")
    clips = data.select_classes(heard)
    places = [_shift(text) for text in shifts] if shifts else "augmented"
    if dry_run:
        print_plan(out, f"{net}, calibrated on {len(clips)} clips of {len(heard)} classes", json, classes=heard)
        return
    network.calibrate(clips, power=power, shrinkage=shrinkage, shifts=places, num_threads=num_threads)
    network.save(out)
    if json:
        print_json({"path": str(out), "classes": heard, "num_clips": len(clips)})
        return
    print(f"{out}: calibrated on {len(clips)} clips of {len(heard)} classes")


def _shift(text: str) -> tuple[int, int]:
    try:
        bands, frames = (int(part) for part in text.split(","))
    except ValueError:
        raise ParameterError("--shifts", text, "bands and frames, as in 1,3") from None
    return bands, frames
