"""siamaudio classify: which class a recording belongs to."""

from __future__ import annotations

from pathlib import Path

import siamaudio as sa
from siamaudio.cli._shared import Json, NumThreads, print_json

__all__ = ["EXAMPLES", "classify"]

EXAMPLES = """\
siamaudio classify net.siam --supports examples query.wav
siamaudio classify net.siam --supports examples monday.wav tuesday.wav --json
"""


def classify(
    model: Path,
    /,
    *queries: Path,
    supports: Path,
    num_threads: NumThreads = None,
    json: Json = False,
) -> None:
    """Tell which class each recording belongs to, from one or a few examples of each class.

    Parameters
    ----------
    model
        A network that `siamaudio train` wrote.
    queries
        Recordings to classify.
    supports
        A folder with one subfolder of recordings a class, or one recording a class named after it.
    """
    net = sa.SiameseNetwork.load(model)
    result = sa.classify_oneshot(net, supports, queries, num_threads=num_threads)
    if json:
        print_json(result.to_dict())
        return
    for record in result.to_dict():
        ranked = sorted(record["similarities"].items(), key=lambda item: -item[1])
        shown = ", ".join(f"{name} {similarity:.3f}" for name, similarity in ranked)
        print(f"{record['query']}: {record['prediction']}  ({shown})")
