"""Which items of an index are meant: by path, by label, by metadata, or by any rule on the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from siamaudio.errors import ParameterError
from siamaudio.search.collection import Table
from siamaudio.search.recordings import Recording

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Labels", "Where", "as_frame", "chosen_rows"]

Labels = str | Sequence[str]
Where = Mapping[str, Any] | Callable[["pd.DataFrame"], Any]

_COLUMNS = ("path", "label", "start_seconds", "end_seconds")


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
    living = np.unique(table.recording_of_row[table.is_alive]).tolist()
    if paths is not None:
        wanted &= _of_recordings(table, living, lambda recording: recording.path, paths, "paths")
    if label is not None:
        labels = [label] if isinstance(label, str) else list(label)
        wanted &= _of_recordings(table, living, lambda recording: recording.label, labels, "label")
    if callable(where):
        rows = np.flatnonzero(table.is_alive)
        answer = np.asarray(where(as_frame(table, rows)))
        if answer.shape != rows.shape or answer.dtype != bool:
            raise ParameterError(
                "where", f"a callable that returned {answer.dtype} of shape {answer.shape}", f"{len(rows)} truth values"
            )
        wanted[rows[~answer]] = False
    elif where is not None:
        known = set(_COLUMNS).union(*(table.recordings[index].metadata for index in living))
        for column, value in where.items():
            if column not in known:
                raise ParameterError("where", column, ", ".join(sorted(known)))
            wanted &= _where(table, column, value)
    return wanted


def _of_recordings(
    table: Table, living: list[int], attribute: Callable[[Recording], str | None], values: Sequence[str], name: str
) -> npt.NDArray[np.bool_]:
    wanted = set(values)
    matching = [index for index in living if attribute(table.recordings[index]) in wanted]
    unknown = sorted(wanted - {str(attribute(table.recordings[index])) for index in matching})
    if unknown:
        known = sorted({str(attribute(table.recordings[index])) for index in living})
        shown = ", ".join(known[:10]) + (f" and {len(known) - 10} more" if len(known) > 10 else "")
        raise ParameterError(name, unknown[0], shown or "nothing: the index is empty")
    return np.isin(table.recording_of_row, matching)


def _where(table: Table, column: str, value: Any) -> npt.NDArray[np.bool_]:
    accepted = list(value) if isinstance(value, list | tuple | set | frozenset | np.ndarray) else [value]
    if column in ("start_seconds", "end_seconds"):
        return np.isin(table.starts if column == "start_seconds" else table.ends, accepted)
    matching = []
    for index, recording in enumerate(table.recordings):
        known = getattr(recording, column) if column in ("path", "label") else recording.metadata.get(column)
        if any(known == each for each in accepted):
            matching.append(index)
    return np.isin(table.recording_of_row, matching)
