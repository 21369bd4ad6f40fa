"""Blocks of spectrograms as files: the chunks of a Zarr 3 array, uncompressed, each with its CRC-32C at the end.

They are read and written here directly: one clip is then a single read at a known place, and a block is written whole
or not at all.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt

from siamaudio.errors import StoreError
from siamaudio.files import write_synced

__all__ = ["BlockLayout", "BlockReader", "check_blocks", "write_block", "write_metadata"]

_BLOCK_BYTES = 8 << 20  # of spectrograms; what is read, and checked, before the first clip of a block is at hand
_CHECKSUM_BYTES = 4


@dataclasses.dataclass(frozen=True)
class BlockLayout:
    """How the clips of an array are divided into blocks.

    Attributes
    ----------
    shape : tuple of int
        Clips, channels where there are any, bands, frames of the array.
    dtype : str
        "float32" or "float16".
    block_clips : int
        Clips a block; the last may have fewer, and is zero-padded in its file.
    """

    shape: tuple[int, ...]
    dtype: str
    block_clips: int

    @classmethod
    def of(cls, shape: tuple[int, ...], dtype: str) -> BlockLayout:
        """Return the layout for an array of this shape: blocks of at most 8 MiB, or of one clip if that is larger."""
        clip_bytes = max(1, math.prod(shape[1:]) * np.dtype(dtype).itemsize)
        return cls(shape, dtype, max(1, min(shape[0], _BLOCK_BYTES // clip_bytes)))

    @classmethod
    def from_dict(cls, layout: dict[str, Any]) -> BlockLayout:
        """Make the layout that `to_dict` described."""
        return cls(tuple(layout["shape"]), layout["dtype"], layout["block_clips"])

    def to_dict(self) -> dict[str, Any]:
        """Return the layout as JSON holds it."""
        return {"shape": list(self.shape), "dtype": self.dtype, "block_clips": self.block_clips}

    @property
    def num_blocks(self) -> int:
        """Blocks of the array."""
        return -(-self.shape[0] // self.block_clips)

    @property
    def clip_bytes(self) -> int:
        """Bytes a clip."""
        return math.prod(self.shape[1:]) * np.dtype(self.dtype).itemsize

    @property
    def file_bytes(self) -> int:
        """Bytes of a block's file."""
        return self.block_clips * self.clip_bytes + _CHECKSUM_BYTES

    def clips_of(self, block: int) -> range:
        """Return the clips of a block."""
        return range(block * self.block_clips, min(self.shape[0], (block + 1) * self.block_clips))

    def file_name(self, block: int) -> str:
        """Return the name of a block's file in the folder of the array."""
        return f"c.{block}.0.0"


def write_metadata(folder: Path, layout: BlockLayout) -> None:
    """Write the file that makes a folder of blocks a Zarr 3 array."""
    write_synced(folder / "zarr.json", _metadata(layout))


def _metadata(layout: BlockLayout) -> bytes:
    metadata = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(layout.shape),
        "data_type": layout.dtype,
        "chunk_grid": {
            "name": "regular",
            "configuration": {"chunk_shape": [layout.block_clips, *layout.shape[1:]]},
        },
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": 0.0,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
        "attributes": {},
    }
    return json.dumps(metadata, indent=2).encode()


def write_block(folder: Path, layout: BlockLayout, block: int, values: npt.NDArray[np.floating[Any]]) -> int:
    """Write a block whole or not at all.

    Parameters
    ----------
    folder : Path
        The folder of the array.
    layout : BlockLayout
        Of the array.
    block : int
        Which block.
    values : np.ndarray [shape=(clips of the block, …)]
        Spectrograms in the layout's dtype.

    Returns
    -------
    int
        CRC-32C of the block.
    """
    content = np.ascontiguousarray(values, dtype=np.dtype(layout.dtype).newbyteorder("<")).tobytes()
    content += bytes((layout.block_clips - len(values)) * layout.clip_bytes)
    checksum = google_crc32c.value(content)
    path = folder / layout.file_name(block)
    partial = path.with_name(
        f"{path.name}.partial"
    )  # a name of its own, so that a later try writes over an earlier one's rest
    write_synced(partial, content + checksum.to_bytes(_CHECKSUM_BYTES, "little"))
    partial.replace(path)
    return checksum


def check_blocks(folder: Path, layout: BlockLayout, checksums: dict[int, int]) -> Iterator[int]:
    """Yield those of some blocks that are in the folder as they were written.

    Parameters
    ----------
    folder : Path
        The folder of the array.
    layout : BlockLayout
        Of the array.
    checksums : dict of int to int
        CRC-32C of each block in question.
    """
    for block, checksum in checksums.items():
        try:
            content = (folder / layout.file_name(block)).read_bytes()
        except OSError:
            continue
        if len(content) == layout.file_bytes and _is_intact(content, checksum):
            yield block


def _is_intact(content: bytes, checksum: int) -> bool:
    return (
        int.from_bytes(content[-_CHECKSUM_BYTES:], "little") == checksum
        and google_crc32c.value(np.frombuffer(content, dtype=np.uint8)[:-_CHECKSUM_BYTES]) == checksum
    )


class BlockReader:
    """Reads clips of an array of blocks; each block is checked before anything of it is given out.

    It holds on to the folder as it was when it was opened: where another store takes its place, what is read is what
    was there before or a StoreError, never the other store's clips.

    Parameters
    ----------
    path : Path
        The feature store, named in errors.
    folder : Path
        The folder of the array.
    layout : BlockLayout
        Of the array.
    checksums : sequence of int
        CRC-32C of each block.

    Raises
    ------
    StoreError
        Blocks are missing or have another size, or Zarr's description of the array is another.
    """

    def __init__(self, path: Path, folder: Path, layout: BlockLayout, checksums: list[int]) -> None:
        self.layout = layout
        self._arguments = (path, folder.resolve(), layout, checksums)
        self._path = path
        self._checksums = checksums
        self._is_checked = np.zeros(layout.num_blocks, dtype=bool)
        try:
            self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            weakref.finalize(self, os.close, self._folder)
            is_described = (folder / "zarr.json").read_bytes() == _metadata(layout)
        except OSError as error:
            raise StoreError(f"{path} is damaged: {error}") from error
        if not is_described:
            raise StoreError(f"{path} is damaged: its array's zarr.json is not what it should be")
        sizes = [self._size(block) for block in range(layout.num_blocks)]
        if None in sizes:
            raise StoreError(f"{path} is damaged: {sizes.count(None)} of its {layout.num_blocks} blocks are missing")
        for block, size in enumerate(sizes):
            if size != layout.file_bytes:
                raise self._damaged(block, f"it has {size} bytes in place of {layout.file_bytes}")

    def __reduce__(self) -> tuple[type[BlockReader], tuple[Any, ...]]:
        return BlockReader, self._arguments

    @property
    def shape(self) -> tuple[int, ...]:
        """(clips, bands, frames)."""
        return self.layout.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float16."""
        return np.dtype(self.layout.dtype)

    def check(self) -> None:
        """Read every block and raise StoreError for the first that is damaged."""
        for block in range(self.layout.num_blocks):
            self._read_block(block)

    def read(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Return clips.

        Parameters
        ----------
        rows : np.ndarray [shape=(n,), dtype=int64, range=[0, clips)]
            Which, in any order.

        Returns
        -------
        np.ndarray [shape=(n, …)]

        Raises
        ------
        StoreError
            A block that is needed is damaged.
        """
        values = np.empty((len(rows), *self.shape[1:]), dtype=self.dtype)
        blocks = rows // self.layout.block_clips
        order = np.argsort(blocks, kind="stable")
        needed, starts = np.unique(blocks[order], return_index=True)
        for block, places in zip(needed.tolist(), np.split(order, starts[1:]), strict=False):
            inner = rows[places] - block * self.layout.block_clips
            if self._is_checked[block] and 2 * len(inner) < self.layout.block_clips:
                self._read_clips(block, inner, places, values)
            else:
                values[places] = self._read_block(block)[inner]
        return values

    def _read_block(self, block: int) -> npt.NDArray[Any]:
        try:
            with open(self._open(block), "rb") as file:
                content = file.read()
        except OSError as error:
            raise self._damaged(block, str(error)) from error
        if len(content) != self.layout.file_bytes or not _is_intact(content, self._checksums[block]):
            raise self._damaged(block, "its content does not match its checksum")
        self._is_checked[block] = True
        dtype = self.dtype.newbyteorder("<")
        values = np.frombuffer(content, dtype=dtype, count=self.layout.block_clips * math.prod(self.shape[1:]))
        return values.reshape(self.layout.block_clips, *self.shape[1:])

    def _read_clips(
        self, block: int, inner: npt.NDArray[np.int64], places: npt.NDArray[np.int64], values: npt.NDArray[Any]
    ) -> None:
        dtype = self.dtype.newbyteorder("<")
        try:
            with open(self._open(block), "rb", buffering=0) as file:
                for row, place in zip(inner.tolist(), places.tolist(), strict=True):
                    content = os.pread(file.fileno(), self.layout.clip_bytes, row * self.layout.clip_bytes)
                    if len(content) != self.layout.clip_bytes:
                        raise self._damaged(block, "it ends too early")
                    values[place] = np.frombuffer(content, dtype=dtype).reshape(self.shape[1:])
        except OSError as error:
            if isinstance(error, StoreError):
                raise
            raise self._damaged(block, str(error)) from error

    def _open(self, block: int) -> int:
        return os.open(self.layout.file_name(block), os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._folder)

    def _size(self, block: int) -> int | None:
        try:
            return os.stat(self.layout.file_name(block), dir_fd=self._folder).st_size
        except FileNotFoundError:
            return None

    def _damaged(self, block: int, reason: str) -> StoreError:
        clips = self.layout.clips_of(block)
        where = f"the block of clips {clips.start} to {clips.stop - 1}"
        return StoreError(f"{self._path} is damaged, or was replaced since it was opened, in {where}: {reason}")
