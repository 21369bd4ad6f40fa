"""siamaudio leaks: recordings and copies that a data set holds twice."""

from __future__ import annotations

from pathlib import Path

import siamaudio as sa
from siamaudio.cli._shared import Json, NumThreads, print_json, unseen_classes

__all__ = ["EXAMPLES", "leaks"]

EXAMPLES = """\
siamaudio leaks sounds.zarr
siamaudio leaks sounds.zarr --model net.siam --ways 5 --json
"""


def leaks(
    features: Path,
    /,
    *,
    model: Path | None = None,
    ways: int = 5,
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
    """
    data = sa.Features.load(features)
    net = None
    if model is not None:
        net = sa.SiameseNetwork.load(model)
        data = data.select_classes(unseen_classes(net, data))
    report = sa.leak_report(data, net, ways=ways, num_threads=num_threads)
    if json:
        print_json(report.to_dict())
        return
    print(report)
    for found in report.near_duplicates:
        kind = "one source" if found.same_source else "different sources"
        print(f"  {found.similarity:.2f}  {found.paths[0]}  {found.paths[1]}  {' / '.join(found.classes)}, {kind}")
