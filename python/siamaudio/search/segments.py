"""Segments: files that hold some rows of an index, never changed once they are written.

A file is a JSON header with the recordings, padded with spaces and preceded by its length (8 bytes, little-endian),
then for each row its id (int64), the seconds at which it starts and ends (float64), its factor (float32, for int8), and
its embedding. The manifest of the index has each file's size and CRC-32C.
"""

from __future__ import annotations

import dataclasses
import json
import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt

from siamaudio.errors import StoreError
from siamaudio.files import write_synced
from siamaudio.search.recordings import Recording

__all__ = ["Checked", "Rows", "Segment", "checked_content", "read_segment", "write_checked", "write_segment"]

_LENGTH_BYTES = 8
_ALIGNMENT = 64  # of the numbers
_PIECE_BYTES = 16 << 20


@dataclasses.dataclass(frozen=True)
class Checked:
    """A file as the manifest knows it."""

    name: str
    size_bytes: int
    crc32c: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Rows:
    """Some rows of an index: the windows of recordings, or recordings as a whole.

    Attributes
    ----------
    recordings : list of Recording
        In the order of their rows.
    counts : np.ndarray [shape=(recordings,), dtype=int64]
        Rows of each.
    ids : np.ndarray [shape=(n,), dtype=int64]
        Of the rows, rising.
    starts, ends : np.ndarray [shape=(n,), dtype=float64]
        Seconds from the beginning of the recording; NaN where they are not known.
    values : np.ndarray [shape=(n, dim)]
        Embeddings as they are kept.
    scales : np.ndarray [shape=(n,) or (0,), dtype=float32]
        Their factors, for int8.
    """

    recordings: list[Recording]
    counts: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int64]
    starts: npt.NDArray[np.float64]
    ends: npt.NDArray[np.float64]
    values: npt.NDArray[Any]
    scales: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def joined(cls, parts: Sequence[Rows]) -> Rows:
        """Put rows one after the other."""
        columns = ("counts", "ids", "starts", "ends", "values", "scales")
        return cls(
            recordings=[recording for part in parts for recording in part.recordings],
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in columns},
        )

    def select(self, chosen: npt.NDArray[np.bool_]) -> Rows:
        """Return some of the rows, without the recordings that have none left."""
        of_row = np.repeat(np.arange(len(self.recordings)), self.counts)
        counts = np.bincount(of_row[chosen], minlength=len(self.recordings))
        return Rows(
            recordings=[recording for recording, count in zip(self.recordings, counts, strict=True) if count],
            counts=counts[counts > 0],
            ids=self.ids[chosen],
            starts=self.starts[chosen],
            ends=self.ends[chosen],
            values=self.values[chosen],
            scales=self.scales[chosen] if len(self.scales) else self.scales,
        )


@dataclasses.dataclass(frozen=True)
class Segment:
    """Rows, and the file that they lie in, if there is one."""

    rows: Rows
    file: Checked | None


def write_segment(folder: Path, name: str, rows: Rows) -> Checked:
    """Write a segment and wait until the disk has it; OSError where it cannot be written."""
    header = json.dumps(
        {
            "recordings": [recording.to_list() for recording in rows.recordings],
            "counts": rows.counts.tolist(),
            "rows": len(rows),
            "dim": rows.values.shape[1],
            "dtype": str(rows.values.dtype),
        }
    ).encode()
    header += b" " * (-(_LENGTH_BYTES + len(header)) % _ALIGNMENT)
    pieces = [len(header).to_bytes(_LENGTH_BYTES, "little"), header]
    for column in (rows.ids, rows.starts, rows.ends, rows.scales, rows.values):
        pieces.append(column.astype(column.dtype.newbyteorder("<"), copy=False).tobytes())
    return write_checked(folder, name, b"".join(pieces))


def read_segment(index: Path, file: Checked) -> Segment:
    """Read a segment and check it; its embeddings stay on the disk until they are asked for.

    Parameters
    ----------
    index : Path
        The folder of the index, named in errors.
    file : Checked
        What the manifest says of the file.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    StoreError
        It is damaged.
    """
    content = checked_content(index, file)
    header_size = int.from_bytes(content[:_LENGTH_BYTES], "little")
    header = json.loads(bytes(content[_LENGTH_BYTES : _LENGTH_BYTES + header_size]))
    num_rows, dim, dtype = header["rows"], header["dim"], np.dtype(header["dtype"])
    offset = _LENGTH_BYTES + header_size

    def column(dtype: npt.DTypeLike, count: int) -> npt.NDArray[Any]:
        nonlocal offset
        values = np.frombuffer(content, dtype=np.dtype(dtype).newbyteorder("<"), count=count, offset=offset)
        offset += values.nbytes
        return values

    rows = Rows(
        recordings=[Recording(*recording) for recording in header["recordings"]],
        counts=np.array(header["counts"], dtype=np.int64),
        ids=column(np.int64, num_rows),
        starts=column(np.float64, num_rows),
        ends=column(np.float64, num_rows),
        scales=column(np.float32, num_rows if dtype == np.int8 else 0),
        values=column(dtype, num_rows * dim).reshape(num_rows, dim),
    )
    return Segment(rows, file)


def write_checked(folder: Path, name: str, content: bytes) -> Checked:
    """Write a file, and return what the manifest shall know of it; OSError where it cannot be written."""
    view = memoryview(content)
    write_synced(folder / name, *(view[start : start + _PIECE_BYTES] for start in range(0, len(view), _PIECE_BYTES)))
    return Checked(name, len(content), google_crc32c.value(content))


def checked_content(index: Path, file: Checked) -> memoryview:
    """Return what a file holds, mapped into memory; StoreError unless it is what the manifest says."""
    with (index / file.name).open("rb") as opened:
        size = opened.seek(0, 2)
        if size != file.size_bytes:
            raise StoreError(f"{index} is damaged: {file.name} has {size} bytes in place of {file.size_bytes}")
        content = memoryview(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)) if size else memoryview(b"")
    checksum = 0
    for start in range(0, len(content), _PIECE_BYTES):
        checksum = google_crc32c.extend(checksum, bytes(content[start : start + _PIECE_BYTES]))
    if checksum != file.crc32c:
        raise StoreError(f"{index} is damaged: the content of {file.name} does not match its checksum")
    return content
