"""`LazyArray`: spectrograms that are read when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from siamaudio.errors import ParameterError

__all__ = ["ArrayReader", "LazyArray", "converted"]

_PIECE_BYTES = 32 << 20  # read at once


class ReadsRows(Protocol):
    """Whatever gives out rows of an array: a feature store's `BlockReader`, or an array in memory."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def read(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]: ...


class ArrayReader:
    """Rows of an array in memory.

    Parameters
    ----------
    array : np.ndarray
        The array.
    """

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self._array = array
        self.shape: tuple[int, ...] = array.shape
        self.dtype: np.dtype[Any] = array.dtype

    def read(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Return a copy of some rows."""
        return self._array[rows]


class _ConvertedReader:
    """Rows of another reader in another dtype."""

    def __init__(self, reader: ReadsRows, dtype: np.dtype[Any]) -> None:
        self._reader = reader
        self.shape = reader.shape
        self.dtype = dtype

    def read(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        return converted(self._reader.read(rows), self.dtype)


class LazyArray:
    """Rows of one or several readers, in any order and number, as one array.

    Parameters
    ----------
    readers : sequence
        Where the rows lie; all of one shape but for the number of rows.
    reader_of_row : np.ndarray [shape=(rows,), dtype=int64]
        Reader of each row, as an index into `readers`.
    row_in_reader : np.ndarray [shape=(rows,), dtype=int64]
        Which row of its reader each is.
    """

    def __init__(
        self,
        readers: Sequence[ReadsRows],
        reader_of_row: npt.NDArray[np.int64],
        row_in_reader: npt.NDArray[np.int64],
    ) -> None:
        self._readers = tuple(readers)
        self._reader_of_row = reader_of_row
        self._row_in_reader = row_in_reader
        # One that holds the values of all.
        self.dtype: np.dtype[Any] = np.result_type(*(reader.dtype for reader in readers))
        self.shape: tuple[int, ...] = (len(row_in_reader), *self._readers[0].shape[1:])
        self.ndim: int = len(self.shape)

    @classmethod
    def of(cls, reader: ReadsRows, rows: npt.NDArray[np.int64] | None = None) -> LazyArray:
        """Make the array of some rows of one reader, None: of all."""
        rows = np.arange(reader.shape[0]) if rows is None else rows
        return cls([reader], np.zeros(len(rows), dtype=np.int64), rows)

    @classmethod
    def concatenate(cls, parts: Sequence[LazyArray]) -> LazyArray:
        """Make one array of several."""
        readers: list[ReadsRows] = []
        reader_of_row = []
        for part in parts:
            for reader in part._readers:
                if not any(reader is known for known in readers):
                    readers.append(reader)
            new_index = np.array([next(i for i, known in enumerate(readers) if known is r) for r in part._readers])
            reader_of_row.append(new_index[part._reader_of_row])
        return cls(
            readers,
            np.concatenate(reader_of_row),
            np.concatenate([part._row_in_reader for part in parts]),
        )

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | npt.NDArray[np.int64]) -> LazyArray:
        return LazyArray(self._readers, self._reader_of_row[rows], self._row_in_reader[rows])

    def astype(self, dtype: np.dtype[Any]) -> LazyArray:
        """Return the array with its values converted when they are read."""
        readers = [_ConvertedReader(reader, dtype) for reader in self._readers]
        return LazyArray(readers, self._reader_of_row, self._row_in_reader)

    def read(self) -> npt.NDArray[Any]:
        """Return all rows as an array in memory; ParameterError where the dtype is too small for them."""
        values = np.empty(self.shape, dtype=self.dtype)
        for index, reader in enumerate(self._readers):
            places = np.flatnonzero(self._reader_of_row == index)
            # Bounded pieces: rows of another dtype, or of several readers, shall not need the memory twice.
            row_bytes = max(1, int(np.prod(self.shape[1:])) * reader.dtype.itemsize)
            step = max(1, _PIECE_BYTES // row_bytes)
            for start in range(0, len(places), step):
                piece = places[start : start + step]
                values[piece] = converted(reader.read(self._row_in_reader[piece]), self.dtype)
        return values


def converted(values: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return floating-point values in another dtype, or ParameterError where a finite one would become infinite."""
    if values.dtype == dtype:
        return values
    with np.errstate(over="ignore"):
        result = values.astype(dtype)
    if not np.array_equal(np.isinf(result), np.isinf(values)):
        raise ParameterError("dtype", f"{dtype} for values beyond {np.finfo(dtype).max:.0f}", "float32")
    return result
