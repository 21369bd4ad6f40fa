"""siamaudio leaks: recordings and copies that a data set holds twice."""

from __future__ import annotations

from pathlib import Path

import siamaudio as sa
from siamaudio.cli._shared import AllowTrained, Json, NumThreads, chosen_clips, print_json

__all__ = ["EXAMPLES", "SEE_ALSO", "leaks"]

EXAMPLES = """\
siamaudio leaks sounds.zarr
siamaudio leaks sounds.zarr --model net.siam --ways 5 --json
"""
SEE_ALSO = "features, evaluate --source-disjoint"


def leaks(
    features: Path,
    /,
    *,
    model: Path | None = None,
    ways: int = 5,
    min_similarity: float = 0.3,
    allow_trained_classes: AllowTrained = False,
    num_threads: NumThreads = None,
    json: Json = False,
) -> None:
    """Find clips of one recording and copies of clips, and what the accuracy gains by them.

    Parameters
    ----------
    features
        A feature store that `siamaudio features` made.
    model
        A network whose accuracy to measure, on classes that it has not seen; by default that of the raw spectrograms.
    ways
        Classes a task.
    min_similarity
        Of the fingerprints of two clips that are named as near-duplicates, 0 to 1.
    """
    data = sa.Features.load(features)
    net = None
    if model is not None:
        net = sa.SiameseNetwork.load(model)
        data = data if allow_trained_classes else chosen_clips(net, data, None)
    report = sa.leak_report(
        data,
        net,
        ways=ways,
        min_similarity=min_similarity,
        allow_trained_classes=allow_trained_classes,
        num_threads=num_threads,
    )
    if json:
        print_json(report.to_dict())
        return
    print(report)
    for found in report.near_duplicates:
        kind = "one source" if found.same_source else "different sources"
        print(f"  {found.similarity:.2f}  {found.paths[0]}  {found.paths[1]}  {' / '.join(found.classes)}, {kind}")
