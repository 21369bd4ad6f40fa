"""siamaudio evaluate-pairs: same class or not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

import siamaudio as sa
from siamaudio.cli._shared import AllowTrained, Classes, Json, NumThreads, chosen_clips, print_json

__all__ = ["EXAMPLES", "SEE_ALSO", "evaluate_pairs"]

EXAMPLES = """\
siamaudio evaluate-pairs net.siam sounds.zarr --false-accept-rates 0.01 0.001
"""
SEE_ALSO = "evaluate, plot"


def evaluate_pairs(
    model: Path,
    features: Path,
    /,
    *,
    classes: Classes = None,
    false_accept_rates: Annotated[list[float], Parameter(consume_multiple=True, negative="")] = [  # noqa: B006
        0.1,
        0.05,
        0.01,
        0.001,
    ],
    source_disjoint: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    prior: float = 0.5,
    allow_trained_classes: AllowTrained = False,
    num_threads: NumThreads = None,
    json: Json = False,
) -> None:
    """Tell how well the network says whether two clips are of the same class, and which threshold to set.

    Parameters
    ----------
    model
        A network that `siamaudio train` wrote.
    features
        A feature store made with the same options as the one it was trained on.
    false_accept_rates
        To find thresholds for: shares of the pairs of different classes that may be taken for the same.
    source_disjoint
        Leave out pairs of clips of one recording.
    prior
        Share of pairs that are of the same class where the network is used, for the calibration error.
    """
    net = sa.SiameseNetwork.load(model)
    data = sa.Features.load(features)
    result = sa.evaluate_pairs(
        net,
        chosen_clips(net, data, classes),
        false_accept_rates=false_accept_rates,
        source_disjoint=source_disjoint,
        prior=prior,
        allow_trained_classes=allow_trained_classes,
        num_threads=num_threads,
    )
    if json:
        print_json(result.to_dict())
        return
    print(result.description)
    print(f"area under the ROC curve {result.auc:.3f}, equal error rate {result.equal_error_rate:.1%}")
    if result.calibration is not None:
        print(f"calibration error {result.calibration.error:.3f}, for {result.calibration.prior:.0%} same")
    for point in result.operating_points:
        print(
            f"  threshold {point.threshold:.6g}: accepts {point.true_accept_rate:.1%} of the same class, "
            f"{point.false_accept_rate:.2%} of different classes ({point.wanted_rate:g} wanted)"
        )
