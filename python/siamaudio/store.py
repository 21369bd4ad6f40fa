"""The feature store: a Zarr 3 folder with one array of spectrograms and a description of the clips.

Blocks of clips carry CRC-32C checksums; the description, kept in the group's attributes, carries a SHA-256 and the
blocks' checksums. A store is complete or absent, because it is made beside its place and renamed: by `write` from
features, by `UnfinishedStore` block by block, so that what is done survives the end of the process.

The array has a row for every clip that was asked for. Rows of clips that could not be read are zero, and `rows` of the
description lists the others: so a clip's place never depends on which other clips could be read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from siamaudio.blocks import BlockLayout, BlockReader, check_blocks, write_block, write_metadata
from siamaudio.datasets import Clips
from siamaudio.errors import AudioError, StoreError
from siamaudio.features import Features, Skipped
from siamaudio.files import locked, move_into_place, partial_beside, told_as_store_error, write_synced
from siamaudio.lazy_array import LazyArray
from siamaudio.log_mel import LogMel

__all__ = [
    "BlockRecord",
    "UnfinishedStore",
    "cache_path",
    "check_writable",
    "fingerprint",
    "making",
    "read",
    "read_if_current",
    "write",
]

_FORMAT = 2
_ARRAY = "spectrograms"
_JOURNAL = "journal.jsonl"


def cache_path(fingerprint: str) -> Path:
    """Return where in the user's cache the features with this fingerprint belong."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("siamaudio")) / "features" / f"{fingerprint[:32]}.zarr"


def fingerprint(clips: Clips, options: dict[str, Any]) -> str:
    """Return a digest of everything that features depend on: options, files, and what is known about the clips.

    Parameters
    ----------
    clips : Clips
        The data set; a file counts as changed when its size or time of modification did.
    options : dict
        Options, as JSON can hold them.
    """
    digest = hashlib.sha256(_digest({"options": options, "format": _FORMAT, "name": clips.name}).encode())
    for clip in clips:
        try:
            status = os.stat(clip.path)
        except OSError:
            file = [clip.path, -1, -1]
        else:
            file = [os.path.abspath(clip.path), status.st_size, status.st_mtime_ns]
        digest.update(json.dumps([*file, clip.class_name, clip.source, clip.fold]).encode())
    return digest.hexdigest()


def check_writable(path: Path) -> None:
    """Raise StoreError if `path` exists and is no feature store."""
    if path.exists() and not _is_store(path):
        raise StoreError(f"{path} exists and is no feature store; nothing was written: choose another path")


@contextlib.contextmanager
def making(path: Path, *, on_wait: Callable[[], None] = lambda: None) -> Generator[None]:
    """Be the only one who makes the store at `path`; what the system does not allow is told as a StoreError.

    Parameters
    ----------
    path : Path
        The folder.
    on_wait : callable
        Called once where another process is making it, before waiting for that one.
    """
    with told_as_store_error(path), locked(path, on_wait=on_wait):
        yield


def write(path: Path, features: Features) -> None:
    """Write a store, in place of an older one.

    Parameters
    ----------
    path : Path
        The folder.
    features : Features
        What to keep; read block by block where it is not in memory.

    Raises
    ------
    StoreError
        `path` exists and is no feature store, or cannot be written.
    """
    check_writable(path)
    layout = BlockLayout.of(features.shape, str(features.dtype))
    with making(path):
        folder = partial_beside(path, "save")
        shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
        try:
            array = _make_array(folder, layout)
            checksums = []
            for block in range(layout.num_blocks):
                clips = layout.clips_of(block)
                checksums.append(write_block(array, layout, block, features[clips.start : clips.stop].array))
            _write_description(
                folder,
                {
                    "clips": _describe_clips(features.clips),
                    "lengths": features.lengths.tolist(),
                    "rows": None,
                    "front_end": None if features.front_end is None else features.front_end.to_dict(),
                    "skipped": [list(skip) for skip in features.skipped],
                    "layout": layout.to_dict(),
                    "crc32c": checksums,
                    "options": None,
                    "fingerprint": "",
                },
            )
            move_into_place(folder, path)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def read(path: Path) -> Features:
    """Open a store; spectrograms are read from it when they are asked for.

    Parameters
    ----------
    path : Path
        The folder.

    Raises
    ------
    StoreError
        It is missing, damaged, of another format, or something else.
    """
    description = _read_description(path)
    return _features(description, _reader(path, description))


def read_if_current(path: Path, fingerprint: str, *, on_error: str) -> Features | None:
    """Open a store if it has this fingerprint and every block of it is whole, else return None.

    Parameters
    ----------
    path : Path
        The folder.
    fingerprint : str
        Of what the features are to be made from.
    on_error : str
        With "fail", clips that the store left out raise AudioError, as they would if it were made anew.
    """
    try:
        description = _read_description(path)
        if description["fingerprint"] != fingerprint:
            return None
        reader = _reader(path, description)
        reader.check()
    except StoreError:
        return None
    if description["skipped"] and on_error == "fail":
        raise AudioError(*description["skipped"][0])
    return _features(description, reader)


class BlockRecord(NamedTuple):
    """What is known of a finished block beside its spectrograms.

    Attributes
    ----------
    checksum : int
        CRC-32C.
    lengths : list of int
        Frames of each of its clips that hold signal; 0 for one that could not be read.
    failed : list of (int, str, str)
        Position in the data set, path and reason of each clip that could not be read.
    """

    checksum: int
    lengths: list[int]
    failed: list[tuple[int, str, str]]


class UnfinishedStore:
    """A store in the making, which goes on where an earlier attempt ended. The caller has its `path` locked.

    It lies beside its place, named after its fingerprint. A block is done once its file, and after it a line of the
    journal, is written; what is found there or in a store of the same fingerprint is only trusted if checksums agree.

    Parameters
    ----------
    path : Path
        Where the store shall be.
    fingerprint : str
        Of what the features are made from.
    layout : BlockLayout
        Of the array.

    Attributes
    ----------
    layout : BlockLayout
        Of the array.
    missing : list of int
        Blocks that were yet to be written when it was opened.

    Raises
    ------
    StoreError
        It cannot be written.
    """

    def __init__(self, path: Path, fingerprint: str, layout: BlockLayout) -> None:
        self.layout = layout
        self._path = path
        self._header = {"fingerprint": fingerprint, "layout": layout.to_dict()}
        self._folder = partial_beside(path, fingerprint[:16])
        self._array = self._folder / _ARRAY
        with told_as_store_error(path):
            kept = self._intact_records(self._folder)
            self._done = kept or {}
            if kept is None:
                shutil.rmtree(self._folder, ignore_errors=True)
            _make_array(self._folder, layout)
            self._take_over_finished_blocks()
            # Written anew, as the last line of an interrupted one may be cut.
            lines = [_line(self._header), *(_line([block, *record]) for block, record in self._done.items())]
            write_synced(self._folder / "journal.partial", b"".join(lines))
            (self._folder / "journal.partial").replace(self._folder / _JOURNAL)
        self.missing: list[int] = [block for block in range(layout.num_blocks) if block not in self._done]

    def write(
        self, block: int, values: npt.NDArray[Any], lengths: list[int], failed: list[tuple[int, str, str]]
    ) -> None:
        """Write a block; see `BlockRecord` for the parameters."""
        with told_as_store_error(self._path, " (what is done is kept: run it again to go on)"):
            record = BlockRecord(write_block(self._array, self.layout, block, values), lengths, failed)
            with (self._folder / _JOURNAL).open("ab") as journal:
                journal.write(_line([block, *record]))
                journal.flush()
                os.fsync(journal.fileno())
        self._done[block] = record

    @property
    def num_readable(self) -> int:
        """Clips of the blocks written so far that could be read."""
        return sum(len(record.lengths) - len(record.failed) for record in self._done.values())

    def finish(self, clips: Clips, front_end: LogMel, options: dict[str, Any]) -> None:
        """Put the store in its place once all blocks are written.

        Parameters
        ----------
        clips : Clips
            The data set, with the clips that could not be read.
        front_end : LogMel
            What made the spectrograms.
        options : dict
            How, as JSON holds it.
        """
        records = [self._done[block] for block in range(self.layout.num_blocks)]
        failed = [entry for record in records for entry in record.failed]
        lengths = [length for record in records for length in record.lengths]
        positions = {position for position, _, _ in failed}
        rows = [row for row in range(len(clips)) if row not in positions] if failed else None
        with told_as_store_error(self._path, " (what is done is kept: run it again to go on)"):
            _write_description(
                self._folder,
                {
                    "clips": _describe_clips(clips if rows is None else clips[rows]),
                    "lengths": lengths,
                    "rows": rows,
                    "front_end": front_end.to_dict(),
                    "skipped": [[path, reason] for _, path, reason in failed],
                    "layout": self.layout.to_dict(),
                    "crc32c": [record.checksum for record in records],
                    "options": options,
                    "fingerprint": self._header["fingerprint"],
                },
            )
            (self._folder / _JOURNAL).unlink()
            move_into_place(self._folder, self._path)

    def discard(self) -> None:
        """Remove what was written."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _take_over_finished_blocks(self) -> None:
        """Of a store of the same fingerprint that is damaged in places, keep the blocks that are not."""
        for block, record in (self._intact_records(self._path) or {}).items():
            if block in self._done:
                continue
            name = self.layout.file_name(block)
            (self._array / name).unlink(missing_ok=True)
            try:
                os.link(self._path / _ARRAY / name, self._array / name)
            except OSError:  # a file system without links
                shutil.copyfile(self._path / _ARRAY / name, self._array / name)
            self._done[block] = record

    def _intact_records(self, folder: Path) -> dict[int, BlockRecord] | None:
        """Return the blocks of a folder that are whole, None where it is not of the same fingerprint and layout."""
        records = self._described_records(folder)
        if records is None:
            records = self._journalled_records(folder)
        if records is None:
            return None
        checksums = {block: record.checksum for block, record in records.items()}
        return {block: records[block] for block in check_blocks(folder / _ARRAY, self.layout, checksums)}

    def _described_records(self, folder: Path) -> dict[int, BlockRecord] | None:
        try:
            description = _read_description(folder)
        except StoreError:
            return None
        if {key: description[key] for key in self._header} != self._header:
            return None
        rows = set(range(self.layout.shape[0]) if description["rows"] is None else description["rows"])
        skipped = iter(description["skipped"])
        records = {}
        for block, checksum in enumerate(description["crc32c"]):
            clips = self.layout.clips_of(block)
            failed = [(position, *next(skipped)) for position in clips if position not in rows]
            records[block] = BlockRecord(checksum, description["lengths"][clips.start : clips.stop], failed)
        return records

    def _journalled_records(self, folder: Path) -> dict[int, BlockRecord] | None:
        try:
            lines = (folder / _JOURNAL).read_bytes().splitlines()
        except OSError:
            return None
        entries = [entry for entry in map(_parse_line, lines) if entry is not None]
        if not entries or entries[0] != self._header:
            return None
        return {
            block: BlockRecord(checksum, lengths, [(position, path, reason) for position, path, reason in failed])
            for block, checksum, lengths, failed in entries[1:]
        }


def _make_array(folder: Path, layout: BlockLayout) -> Path:
    array = folder / _ARRAY
    array.mkdir(parents=True, exist_ok=True)
    write_metadata(array, layout)
    return array


def _features(description: dict[str, Any], reader: BlockReader) -> Features:
    rows, front_end = description["rows"], description["front_end"]
    kept = np.arange(reader.shape[0]) if rows is None else np.array(rows, dtype=np.int64)
    return Features(
        LazyArray.of(reader, kept),
        clips=Clips(**description["clips"]),
        front_end=None if front_end is None else LogMel.from_dict(front_end),
        skipped=[Skipped(*skip) for skip in description["skipped"]],
        lengths=np.array(description["lengths"], dtype=np.int64)[kept],
    )


def _reader(path: Path, description: dict[str, Any]) -> BlockReader:
    return BlockReader(path, path / _ARRAY, BlockLayout.from_dict(description["layout"]), description["crc32c"])


def _write_description(folder: Path, description: dict[str, Any]) -> None:
    attributes = {"siamaudio": {"format": _FORMAT, "sha256": _digest(description), **description}}
    group = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    write_synced(folder / "zarr.json", json.dumps(group, indent=1).encode())


def _read_description(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise StoreError(f"{path}: no such feature store; `siamaudio features DATA -o {path}` makes one")
    if not _is_store(path):
        raise StoreError(f"{path} is no feature store; accepted: a folder that `siamaudio features` wrote")
    try:
        description = json.loads((path / "zarr.json").read_text())["attributes"]["siamaudio"]
        version, digest = description.pop("format"), description.pop("sha256")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{path} is damaged: its description cannot be read ({error})") from error
    if version != _FORMAT:
        raise StoreError(
            f"{path} has store format {version}; accepted: {_FORMAT}, so make it anew with `siamaudio features`"
        )
    if digest != _digest(description):
        raise StoreError(f"{path} is damaged: its description does not match its checksum")
    return description


def _is_store(path: Path) -> bool:
    return (path / "zarr.json").is_file() and (path / _ARRAY).is_dir()


def _describe_clips(clips: Clips) -> dict[str, Any]:
    """Return the arguments of Clips, as JSON holds them."""
    return {
        "paths": list(clips.paths),
        "class_of_clip": [clips.class_names[label] for label in clips.labels],
        "sources": list(clips.sources),
        "folds": clips.folds.tolist(),
        "name": clips.name,
    }


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _line(entry: Any) -> bytes:
    """Return a line of the journal, which tells by itself whether it is whole."""
    return json.dumps({"entry": entry, "sha256": _digest(entry)}).encode() + b"\n"


def _parse_line(line: bytes) -> Any:
    """Return the entry of a line of the journal, None where it is cut or changed."""
    try:
        parsed = json.loads(line)
        return parsed["entry"] if _digest(parsed["entry"]) == parsed["sha256"] else None
    except (ValueError, KeyError, TypeError):
        return None
