"""siamaudio index-remove: take recordings out of an index."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

import siamaudio as sa
from siamaudio.cli._shared import DryRun, Json, print_json
from siamaudio.cli.search import conditions
from siamaudio.errors import ParameterError

__all__ = ["EXAMPLES", "SEE_ALSO", "index_remove"]

EXAMPLES = """\
siamaudio index-remove sounds.db recordings/monday.wav
siamaudio index-remove sounds.db --label dog --where fold=4 --dry-run
siamaudio index-remove sounds.db --compact
"""
SEE_ALSO = "index, search"


def index_remove(
    index: Path,
    /,
    *paths: Path,
    label: Annotated[list[str] | None, Parameter(negative="")] = None,
    where: Annotated[list[str], Parameter(negative="", allow_leading_hyphen=True, show_default=False)] = [],  # noqa: B006
    compact: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Remove recordings from an index; what is given of paths, --label and --where must all hold of them.

    Parameters
    ----------
    index
        An index that `siamaudio index` wrote.
    paths
        Recordings, all windows of each.
    label
        Items of this class; several times: of any of these.
    where
        Items of which this holds, as in fold=4; of one name several times: any of these values.
    compact
        Give back the space of items that were removed; alone, of those that were removed before.
    """
    if not (paths or label or where or compact):
        raise ParameterError("index-remove", "nothing", "recordings, --label, --where or --compact")
    with sa.SearchIndex.open(index) as opened:
        before = len(opened)
        removed = 0
        if paths or label or where:
            chosen = conditions(where, opened) or None
            wanted = [str(path) for path in paths] or None
            if dry_run:
                removed = _count(opened, wanted, label, chosen or {})
            else:
                removed = opened.remove(wanted, label=label, where=chosen)
        if compact and not dry_run:
            opened.compact()
    if json:
        print_json({"path": str(index), "dry_run": dry_run, "removed": removed, "items": before - removed})
        return
    would = "would be " if dry_run else ""
    print(f"{index}: {removed} items {would}removed, {before - removed} left")


def _count(
    index: sa.SearchIndex, paths: list[str] | None, labels: list[str] | None, where: dict[str, list[object]]
) -> int:
    """Return how many items `SearchIndex.remove` would take out."""
    table = index.to_frame()
    chosen = np.ones(len(table), dtype=bool)
    groups = {"path": [*(paths or ()), *map(os.path.abspath, paths or ())] or None, "label": labels}
    for name, values in groups.items():
        if values is not None:
            own = table[name].isin(values).to_numpy()
            if not own.any():
                raise ParameterError(name, values[0], f"a {name} of the index")
            chosen &= own
    for name, values in where.items():
        if name not in table:
            raise ParameterError("--where", name, ", ".join(map(str, table.columns)))
        chosen &= table[name].isin(values).to_numpy()
    return int(chosen.sum())
