"""The collection: recordings and embeddings of an index, in memory or in a folder. It is the truth of every backend.

In a folder, rows lie in segments that are never changed. A commit writes new files, waits until the disk has them, and
then replaces the manifest: whatever ends the process, the manifest names whole files, and only those count. Files that
no manifest names are what interrupted writes left; the next write removes them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import re
import uuid
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from siamaudio.errors import StoreError
from siamaudio.files import FileLock, sync, told_as_store_error
from siamaudio.search.manifest import MANIFEST, IndexOptions, Manifest
from siamaudio.search.recordings import Recording
from siamaudio.search.segments import (
    Checked,
    Rows,
    Segment,
    checked_content,
    read_segment,
    write_checked,
    write_segment,
)
from siamaudio.search.vectors import decoded, encoded, row_bytes

__all__ = ["Addition", "Collection", "Table", "is_folder_of_index"]

_LOCK = ".lock"
_OWN_FILE = re.compile(r"(segment|removed)-\d{8}|\..*\.partial")
_SEGMENT_BYTES = 64 << 20  # of embeddings; smaller segments are joined as the index grows
_BLOCK_BYTES = 32 << 20  # of embeddings that are decoded at once


class Addition(NamedTuple):
    """A recording with the embeddings of its windows.

    Attributes
    ----------
    recording : Recording
    starts, ends : np.ndarray [shape=(n,), dtype=float64]
        Seconds.
    vectors : np.ndarray [shape=(n, dim), dtype=float32]
    """

    recording: Recording
    starts: npt.NDArray[np.float64]
    ends: npt.NDArray[np.float64]
    vectors: npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Table:
    """All rows by their place, those that were removed among them.

    Attributes
    ----------
    recordings : list of Recording
    recording_of_row : np.ndarray [shape=(rows,), dtype=int64]
        As an index into `recordings`.
    ids : np.ndarray [shape=(rows,), dtype=int64]
        Rising.
    starts, ends : np.ndarray [shape=(rows,), dtype=float64]
        Seconds, or NaN.
    is_alive : np.ndarray [shape=(rows,), dtype=bool]
        Whether each row was not removed.
    """

    recordings: list[Recording]
    recording_of_row: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int64]
    starts: npt.NDArray[np.float64]
    ends: npt.NDArray[np.float64]
    is_alive: npt.NDArray[np.bool_]

    @functools.cached_property
    def num_alive(self) -> int:
        """Rows that were not removed."""
        return int(self.is_alive.sum())

    @functools.cached_property
    def living(self) -> npt.NDArray[np.int64]:
        """Recordings of which there are rows, as indices into `recordings`, rising."""
        return np.flatnonzero(np.bincount(self.recording_of_row[self.is_alive], minlength=len(self.recordings)))

    @functools.cached_property
    def by_path(self) -> dict[str | None, list[int]]:
        """The living recordings of each path."""
        return self._grouped(lambda recording: recording.path)

    @functools.cached_property
    def by_label(self) -> dict[str | None, list[int]]:
        """The living recordings of each label."""
        return self._grouped(lambda recording: recording.label)

    @functools.cached_property
    def columns(self) -> list[str]:
        """Names of the living recordings' metadata, sorted."""
        return sorted(set().union(*(self.recordings[index].metadata for index in self.living.tolist())))

    def _grouped(self, attribute: Callable[[Recording], str | None]) -> dict[str | None, list[int]]:
        groups: dict[str | None, list[int]] = {}
        for index in self.living.tolist():
            groups.setdefault(attribute(self.recordings[index]), []).append(index)
        return groups

    @functools.cached_property
    def complete(self) -> dict[Hashable, int]:
        """By its key, each recording of which no row was removed, as an index into `recordings`."""
        rows = np.bincount(self.recording_of_row, minlength=len(self.recordings))
        alive = np.bincount(self.recording_of_row[self.is_alive], minlength=len(self.recordings))
        whole = np.flatnonzero(rows == alive)
        return {self.recordings[index].key: index for index in whole.tolist()}

    @functools.cached_property
    def _first_rows(self) -> npt.NDArray[np.int64]:
        """The row at which each recording's begin, as they lie together; and the number of rows."""
        return np.searchsorted(self.recording_of_row, np.arange(len(self.recordings) + 1))

    def ids_of(self, recording: int) -> npt.NDArray[np.int64]:
        """Return the ids of the rows of a recording that were not removed."""
        own = slice(*self._first_rows[recording : recording + 2])
        return self.ids[own][self.is_alive[own]]

    def rows_of(self, recordings: Sequence[int]) -> npt.NDArray[np.bool_]:
        """Return which rows are of some recordings, and were not removed."""
        is_wanted = np.zeros(len(self.recordings), dtype=bool)
        is_wanted[list(recordings)] = True
        return is_wanted[self.recording_of_row] & self.is_alive


class Collection:
    """Recordings and their embeddings; see `open` and `create`.

    Parameters
    ----------
    folder : Path or None
        Where it lies; None: in memory.
    manifest : Manifest
        What is in it.
    segments : sequence of Segment
        Its rows.
    removed : np.ndarray [dtype=int64]
        Ids of rows that were removed, rising.

    Attributes
    ----------
    manifest : Manifest
    """

    def __init__(
        self, folder: Path | None, manifest: Manifest, segments: Sequence[Segment], removed: npt.NDArray[np.int64]
    ) -> None:
        self.folder = folder
        self.manifest = manifest
        self._segments = list(segments)
        self._removed = removed
        self._table: Table | None = None

    # ---- Making and opening

    @classmethod
    def create(cls, folder: Path | None, options: IndexOptions, backend: dict[str, Any]) -> Collection:
        """Make an empty collection; in a folder that is there, the caller has it locked."""
        manifest = Manifest(options=options, backend=backend, lineage=uuid.uuid4().hex, layout=uuid.uuid4().hex)
        if folder is not None:
            with told_as_store_error(folder):
                manifest.write(folder)
        return cls(folder, manifest, [], np.empty(0, dtype=np.int64))

    @classmethod
    def open(cls, folder: Path) -> Collection:
        """Read a collection and check all of it.

        Raises
        ------
        StoreError
            It is missing, damaged, or something else.
        """
        manifest = Manifest.read(folder)
        while True:
            try:
                segments = [read_segment(folder, file) for file in manifest.segments]
                removed = np.empty(0, dtype=np.int64)
                if manifest.removed is not None:
                    removed = np.frombuffer(checked_content(folder, manifest.removed), dtype="<i8").astype(np.int64)
            except FileNotFoundError as error:
                # Another process may have joined segments since the manifest was read.
                newer = Manifest.read(folder)
                if newer == manifest:
                    raise StoreError(f"{folder} is damaged: {Path(error.filename).name} is missing") from error
                manifest = newer
            except OSError as error:
                if isinstance(error, StoreError):
                    raise
                raise StoreError(f"{folder} cannot be read: {error}") from error
            else:
                return cls(folder, manifest, segments, removed)

    @staticmethod
    @contextlib.contextmanager
    def locked(folder: Path | None) -> Generator[None]:
        """Be the only one who writes; StoreError where another does. The folder is there."""
        if folder is None:
            yield
            return
        lock = FileLock(folder / _LOCK)
        with told_as_store_error(folder):
            is_free = lock.acquire()
        if not is_free:
            raise StoreError(f"{folder} is being written by another process or thread: try again when it has finished")
        try:
            yield
        finally:
            lock.release()

    def is_current(self) -> bool:
        """Whether no other has committed anything since the collection was read."""
        return self.folder is None or Manifest.read(self.folder) == self.manifest

    def remove_orphans(self) -> None:
        """Remove what interrupted writes left; the caller has the lock."""
        if self.folder is None:
            return
        named = {file.name for file in self.manifest.segments}
        if self.manifest.removed is not None:
            named.add(self.manifest.removed.name)
        with told_as_store_error(self.folder):
            for entry in os.scandir(self.folder):
                if _OWN_FILE.fullmatch(entry.name) and entry.name not in named and entry.is_file():
                    os.unlink(entry.path)

    # ---- Reading

    @property
    def table(self) -> Table:
        """All rows, without their embeddings."""
        if self._table is None:
            parts = [segment.rows for segment in self._segments]
            counts = np.concatenate([np.empty(0, dtype=np.int64), *(part.counts for part in parts)])
            ids = np.concatenate([np.empty(0, dtype=np.int64), *(part.ids for part in parts)])
            self._table = Table(
                recordings=[recording for part in parts for recording in part.recordings],
                recording_of_row=np.repeat(np.arange(len(counts)), counts),
                ids=ids,
                starts=np.concatenate([np.empty(0), *(part.starts for part in parts)]),
                ends=np.concatenate([np.empty(0), *(part.ends for part in parts)]),
                is_alive=~np.isin(ids, self._removed),
            )
        return self._table

    @property
    def num_rows(self) -> int:
        """Rows, those that were removed among them."""
        return sum(len(segment.rows) for segment in self._segments)

    def vectors(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return the embeddings of some rows, as they are kept [shape=(n, dim), dtype=float32]."""
        vectors = np.empty((len(rows), self.manifest.dim or 0), dtype=np.float32)
        firsts = np.cumsum([0, *(len(segment.rows) for segment in self._segments)])
        for number, segment in enumerate(self._segments):
            places = np.flatnonzero((rows >= firsts[number]) & (rows < firsts[number + 1]))
            if len(places):
                inner, kept = rows[places] - firsts[number], segment.rows
                vectors[places] = decoded(kept.values[inner], kept.scales[inner] if len(kept.scales) else kept.scales)
        return vectors

    def blocks(self, first_row: int = 0) -> Iterator[npt.NDArray[np.float32]]:
        """Go through the embeddings from some row on, a block in memory at a time."""
        step = max(1, _BLOCK_BYTES // (4 * max(1, self.manifest.dim or 0)))
        for start in range(first_row, self.num_rows, step):
            yield self.vectors(np.arange(start, min(start + step, self.num_rows)))

    # ---- Writing; the caller has the lock

    def commit(self, additions: Sequence[Addition] = (), removed_ids: npt.NDArray[np.int64] | None = None) -> None:
        """Add recordings and remove rows, all of it or nothing.

        Parameters
        ----------
        additions : sequence of Addition
            What to add; of embeddings as long as those that are there.
        removed_ids : np.ndarray [dtype=int64] or None
            Of the rows to remove.

        Raises
        ------
        StoreError
            The folder cannot be written; what was there before is intact.
        """
        manifest = self.manifest
        segments = self._segments
        removed = self._removed
        if additions:
            rows = self._rows(additions)
            changes = {"dim": rows.values.shape[1], "next_id": manifest.next_id + len(rows)}
            manifest = dataclasses.replace(manifest, **changes)
            # Segments are joined with later ones that are no smaller: few files, and each row is rewritten seldom.
            kept = len(segments)
            own_bytes = row_bytes(rows.values.shape[1], manifest.options.dtype)
            total = len(rows)
            while kept and len(segments[kept - 1].rows) <= total:
                if (total + len(segments[kept - 1].rows)) * own_bytes > _SEGMENT_BYTES:
                    break
                kept -= 1
                total += len(segments[kept].rows)
            segments = [*segments[:kept], Segment(Rows.joined([*(s.rows for s in segments[kept:]), rows]), None)]
        if removed_ids is not None and len(removed_ids):
            removed = np.union1d(removed, removed_ids)
        self._replace(manifest, segments, removed)

    def compact(self) -> None:
        """Let go of the rows that were removed, and join small files; StoreError as for `commit`."""
        segments: list[Segment] = []
        parts: list[Rows] = []
        num_bytes = 0
        alive = self.table.is_alive
        first = 0
        for segment in self._segments:
            part = segment.rows.select(alive[first : first + len(segment.rows)])
            first += len(segment.rows)
            size = len(part) * row_bytes(self.manifest.dim or 0, self.manifest.options.dtype)
            if parts and num_bytes + size > _SEGMENT_BYTES:
                segments.append(Segment(Rows.joined(parts), None))
                parts, num_bytes = [], 0
            if len(part):
                parts.append(part)
                num_bytes += size
        if parts:
            segments.append(Segment(Rows.joined(parts), None))
        manifest = dataclasses.replace(self.manifest, layout=uuid.uuid4().hex)
        self._replace(manifest, segments, np.empty(0, dtype=np.int64))

    def set_backend(self, backend: dict[str, Any]) -> None:
        """Keep another way of searching in the manifest; StoreError as for `commit`."""
        self._replace(dataclasses.replace(self.manifest, backend=backend), self._segments, self._removed)

    def _rows(self, additions: Sequence[Addition]) -> Rows:
        options = self.manifest.options
        vectors = np.concatenate([addition.vectors for addition in additions])
        values, scales = encoded(vectors, options.dtype, options.metric)
        return Rows(
            recordings=[addition.recording for addition in additions],
            counts=np.array([len(addition.vectors) for addition in additions], dtype=np.int64),
            ids=np.arange(self.manifest.next_id, self.manifest.next_id + len(vectors)),
            starts=np.concatenate([addition.starts for addition in additions]),
            ends=np.concatenate([addition.ends for addition in additions]),
            values=values,
            scales=scales,
        )

    def _replace(self, manifest: Manifest, segments: Sequence[Segment], removed: npt.NDArray[np.int64]) -> None:
        """Write what has no file yet, then the manifest that names it all, and only then forget what was before."""
        manifest = dataclasses.replace(manifest, generation=manifest.generation + 1)
        if self.folder is not None:
            manifest, segments = self._write(self.folder, manifest, segments, removed)
        self.manifest: Manifest = manifest
        self._segments = list(segments)
        self._removed = removed
        self._table = None

    def _write(
        self, folder: Path, manifest: Manifest, segments: Sequence[Segment], removed: npt.NDArray[np.int64]
    ) -> tuple[Manifest, list[Segment]]:
        written: list[str] = []

        def new_name(kind: str) -> str:
            name = f"{kind}-{manifest.next_file + len(written):08d}"
            written.append(name)
            return name

        with told_as_store_error(folder, "; what was there before is intact"):
            try:
                # Read back, embeddings lie on the disk and no longer in memory, and are known to be whole.
                segments = [
                    read_segment(folder, write_segment(folder, new_name("segment"), segment.rows))
                    if segment.file is None
                    else segment
                    for segment in segments
                ]
                removed_file: Checked | None = manifest.removed
                if not len(removed):
                    removed_file = None
                elif removed is not self._removed:
                    removed_file = write_checked(folder, new_name("removed"), removed.astype("<i8").tobytes())
                if written:
                    sync(folder)
                manifest = dataclasses.replace(
                    manifest,
                    next_file=manifest.next_file + len(written),
                    segments=tuple(segment.file for segment in segments if segment.file is not None),
                    removed=removed_file,
                )
                manifest.write(folder)
            except BaseException:
                # Where the manifest came into its place before the error, these files count.
                with contextlib.suppress(OSError, StoreError):
                    if Manifest.read(folder).generation < manifest.generation:
                        for name in written:
                            (folder / name).unlink(missing_ok=True)
                raise
        named = {file.name for file in (*manifest.segments, manifest.removed) if file is not None}
        for file in (*self.manifest.segments, self.manifest.removed):
            if file is not None and file.name not in named:
                with contextlib.suppress(OSError):
                    (folder / file.name).unlink()
        return manifest, list(segments)


def is_folder_of_index(folder: Path) -> bool:
    """Whether a folder holds an index, or only what an interrupted attempt to make one left."""
    if (folder / MANIFEST).is_file():
        return True
    return all(entry.name == _LOCK or entry.name.startswith((".", "embedder.")) for entry in folder.iterdir())
