"""A table with one row a clip: CSV or Parquet."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from siamaudio.datasets.clips import Clips
from siamaudio.datasets.folder import missing_files
from siamaudio.errors import DatasetError
from siamaudio.optional import require

__all__ = ["Row", "read_rows", "table", "whole_number"]

# Accepted column titles, the preferred one first.
_PATH_TITLES = ("path", "file", "filename")
_CLASS_TITLES = ("class", "label", "class_name", "category")
_SOURCE_TITLES = ("source", "src_file")
_FOLD_TITLES = ("fold",)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: its line number in the file (from 1) and its cells by column title."""

    line: int
    cells: Mapping[str, str]


def table(path: str | os.PathLike[str], *, root: str | os.PathLike[str] | None = None) -> Clips:
    """List the audio files that a table names.

    Parameters
    ----------
    path : path-like
        A comma-separated table in UTF-8 with a title row, or a Parquet file (``.parquet``). Columns: ``path`` (or
        ``file``, ``filename``), ``class`` (or ``label``, ``class_name``, ``category``) and, optionally, ``source`` (or
        ``src_file``; what the clip was cut from) and ``fold`` (an integer). Other columns are ignored. Of several
        accepted titles for one thing, the first in this order is used.
    root : path-like, optional
        The folder that the paths start from; by default the table's own folder. Absolute paths are taken as they are.

    Returns
    -------
    Clips
        In the table's order. An empty source makes the file its own source; an empty fold is 0.

    Raises
    ------
    DatasetError
        If there is no such table, if it is not readable, has no rows or lacks a column, if a path or class is empty
        or a fold not an integer, or if files are missing.
    ImportError
        If the table is a Parquet file and the package pyarrow is not installed (``siamaudio[parquet]``).

    Examples
    --------
    >>> clips = table("recordings.csv", root="recordings")  # doctest: +SKIP
    """
    table_path = Path(path)
    read = _read_parquet_rows if table_path.suffix.lower() == ".parquet" else read_rows
    columns, rows = read(table_path)
    path_column = _required_column(table_path, columns, _PATH_TITLES)
    class_column = _required_column(table_path, columns, _CLASS_TITLES)
    source_column = _column(columns, _SOURCE_TITLES)
    fold_column = _column(columns, _FOLD_TITLES)
    base = table_path.parent if root is None else Path(root)

    paths: list[Path] = []
    sources: list[str] = []
    folds: list[int] = []
    for row in rows:
        for column in (path_column, class_column):
            if not row.cells[column]:
                raise DatasetError(f"{table_path}, line {row.line}: the column {column!r} is empty; accepted: a value")
        clip_path = base / row.cells[path_column]
        paths.append(clip_path)
        sources.append((row.cells[source_column] if source_column else "") or str(clip_path))
        folds.append(whole_number(table_path, row, fold_column) if fold_column else 0)

    error = missing_files(paths, table_path, hint=f" below {base} (root= names another folder)")
    if error is not None:
        raise error
    return Clips(
        paths=paths,
        class_of_clip=[row.cells[class_column] for row in rows],
        sources=sources,
        folds=folds,
        name=table_path.stem,
    )


def read_rows(csv_path: Path) -> tuple[tuple[str, ...], list[Row]]:
    """Read a CSV file.

    Parameters
    ----------
    csv_path : Path
        Comma-separated, UTF-8 (with or without byte order mark), first row titles.

    Returns
    -------
    columns : tuple of str
        The titles, without surrounding blanks.
    rows : list of Row
        Empty lines left out; cells without surrounding blanks, those that a short row lacks as empty strings.

    Raises
    ------
    DatasetError
        If the file is missing, not UTF-8 text or not well-formed, or has no rows below the titles.
    """
    if not csv_path.is_file():
        raise DatasetError(f"{csv_path}: no such file; accepted: a CSV table with the columns path and class")
    try:
        # utf-8-sig: spreadsheet programs put a byte order mark before the first title.
        with csv_path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            columns = tuple(title.strip() for title in next(reader, []))
            rows: list[Row] = []
            for values in reader:
                if any(values):
                    cells = [value.strip() for value in values] + [""] * (len(columns) - len(values))
                    rows.append(Row(line=reader.line_num, cells=dict(zip(columns, cells, strict=False))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{csv_path}: not readable ({error}); accepted: a CSV table in UTF-8") from error
    if not rows:
        raise DatasetError(f"{csv_path}: no rows; accepted: a CSV table with titles and one row a clip")
    return columns, rows


def _read_parquet_rows(path: Path) -> tuple[tuple[str, ...], list[Row]]:
    """Read a Parquet file as `read_rows` reads a CSV file; nothing but the columns that a table has is looked at."""
    parquet = require("pyarrow.parquet", extra="parquet", purpose="reading Parquet tables")
    if not path.is_file():
        raise DatasetError(f"{path}: no such file; accepted: a Parquet table with the columns path and class")
    try:
        with parquet.ParquetFile(path) as file:
            columns = tuple(file.schema_arrow.names)
            wanted = [
                title for title in (*_PATH_TITLES, *_CLASS_TITLES, *_SOURCE_TITLES, *_FOLD_TITLES) if title in columns
            ]
            values = file.read(columns=wanted).to_pydict()
    except (OSError, ValueError, KeyError, NotImplementedError) as error:  # what pyarrow raises is among these
        raise DatasetError(f"{path}: not readable ({error}); accepted: a Parquet table") from error
    num_rows = len(next(iter(values.values()), []))
    if not num_rows:
        raise DatasetError(f"{path}: no rows; accepted: a Parquet table with one row a clip")
    return columns, [
        Row(line=number + 1, cells={title: _as_text(values[title][number]) for title in wanted})
        for number in range(num_rows)
    ]


def _as_text(value: object) -> str:
    if value is None or value != value:  # NaN: a missing number among floating-point ones
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def whole_number(csv_path: Path, row: Row, column: str) -> int:
    """Return a cell as an integer, an empty one as 0.

    Raises
    ------
    DatasetError
        If the cell holds anything else.
    """
    value = row.cells[column]
    try:
        return int(value) if value else 0
    except ValueError:
        raise DatasetError(
            f"{csv_path}, line {row.line}: the column {column!r} is {value!r}; accepted: an integer"
        ) from None


def _column(columns: Sequence[str], titles: Sequence[str]) -> str | None:
    return next((title for title in titles if title in columns), None)


def _required_column(csv_path: Path, columns: Sequence[str], titles: Sequence[str]) -> str:
    found = _column(columns, titles)
    if found is None:
        raise DatasetError(
            f"{csv_path}: no column {titles[0]!r} among {', '.join(columns)}; accepted titles: {', '.join(titles)}"
        )
    return found
