"""Which items of an index are meant: by path, by label, by metadata, or by any rule on the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from siamaudio.errors import ParameterError
from siamaudio.search.collection import Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Labels", "Where", "as_frame", "chosen_rows"]

Labels = str | Sequence[str]
Where = Mapping[str, Any] | Callable[["pd.DataFrame"], Any]

_GROUPS = ("path", "label")
_TIMES = ("start_seconds", "end_seconds")


def as_frame(table: Table, rows: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Return some rows as a table: path, label, start_seconds, end_seconds, then the metadata."""
    import pandas as pd

    recordings = [table.recordings[index] for index in table.recording_of_row[rows].tolist()]
    names = list(dict.fromkeys(name for recording in recordings for name in recording.metadata))
    columns: dict[str, Any] = {
        # Of objects, not pandas's strings: a file name may be no valid UTF-8.
        "path": pd.Series([recording.path for recording in recordings], dtype=object),
        "label": pd.Series([recording.label for recording in recordings], dtype=object),
        "start_seconds": table.starts[rows],
        "end_seconds": table.ends[rows],
        **{name: [recording.metadata.get(name) for recording in recordings] for name in names},
    }
    return pd.DataFrame(columns)


def chosen_rows(
    table: Table, *, paths: Sequence[str] | None = None, label: Labels | None = None, where: Where | None = None
) -> npt.NDArray[np.bool_]:
    """Return which rows are meant, of those that were not removed.

    Parameters
    ----------
    table : Table
    paths : sequence of str or None
        Recordings; None: all.
    label : str, sequence of str, or None
        Classes; None: all.
    where : mapping, callable or None
        As `SearchIndex.query` has it.

    Returns
    -------
    np.ndarray [shape=(rows,), dtype=bool]

    Raises
    ------
    ParameterError
        A path, a label or a column is not in the index, or the callable returned something else than a truth value a
        row.
    """
    wanted = table.is_alive.copy()
    if paths is not None:
        wanted &= _of_groups(table, table.by_path, paths, "paths")
    if label is not None:
        wanted &= _of_groups(table, table.by_label, [label] if isinstance(label, str) else list(label), "label")
    if callable(where):
        rows = np.flatnonzero(table.is_alive)
        answer = np.asarray(where(as_frame(table, rows)))
        if answer.shape != rows.shape or answer.dtype != bool:
            raise ParameterError(
                "where", f"a callable that returned {answer.dtype} of shape {answer.shape}", f"{len(rows)} truth values"
            )
        wanted[rows[~answer]] = False
    elif where is not None:
        for column, value in where.items():
            accepted = list(value) if isinstance(value, list | tuple | set | frozenset | np.ndarray) else [value]
            wanted &= _of_values(table, column, accepted)
    return wanted


def _of_groups(
    table: Table, groups: Mapping[str | None, list[int]], values: Sequence[str], name: str
) -> npt.NDArray[np.bool_]:
    for value in values:
        if value not in groups:
            known = sorted(map(str, groups))
            shown = ", ".join(known[:10]) + (f" and {len(known) - 10} more" if len(known) > 10 else "")
            raise ParameterError(name, value, shown or "nothing: the index is empty")
    return table.rows_of([index for value in values for index in groups[value]])


def _of_values(table: Table, column: str, accepted: list[Any]) -> npt.NDArray[np.bool_]:
    if column in _TIMES:
        return np.isin(table.starts if column == "start_seconds" else table.ends, accepted)
    if column in _GROUPS:
        groups = table.by_path if column == "path" else table.by_label
        return table.rows_of([index for value in accepted for index in groups.get(value, ())])
    if column not in table.columns:
        raise ParameterError("where", column, ", ".join(sorted({*_TIMES, *_GROUPS, *table.columns})))
    living = table.living.tolist()
    return table.rows_of([index for index in living if table.recordings[index].metadata.get(column) in accepted])
