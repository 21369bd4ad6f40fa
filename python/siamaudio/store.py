"""The feature store: a Zarr 3 folder with one array of spectrograms and a description of the clips.

Chunks hold a block of clips and carry crc32c checksums; the description, kept in the group's attributes, carries a
SHA-256. A store is complete or absent, because it is written beside its place and renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from siamaudio.datasets import Clips
from siamaudio.errors import StoreError
from siamaudio.features import Features, Skipped
from siamaudio.files import replaced_folder
from siamaudio.log_mel import LogMel

__all__ = ["cache_path", "check_writable", "fingerprint", "read", "read_if_current", "write"]

_FORMAT = 1
_BLOCK_CLIPS = 32


def cache_path(fingerprint: str) -> Path:
    """Return where in the user's cache the features with this fingerprint belong."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("siamaudio")) / "features" / f"{fingerprint[:32]}.zarr"


def fingerprint(clips: Clips, front_end: dict[str, Any], on_error: str) -> str:
    """Return a digest of everything that features depend on: options, files, and what is known about the clips.

    Parameters
    ----------
    clips : Clips
        The data set; a file counts as changed when its size or time of modification did.
    front_end : dict
        Options, as JSON can hold them.
    on_error : str
        What was to be done with unreadable files.
    """
    files: list[tuple[str, int, int]] = []
    for path in clips.paths:
        try:
            status = os.stat(path)
        except OSError:
            files.append((path, -1, -1))
        else:
            files.append((os.path.abspath(path), status.st_size, status.st_mtime_ns))
    return _digest({"front_end": front_end, "on_error": on_error, "files": files, "clips": _describe_clips(clips)})


def write(path: Path, features: Features, *, fingerprint: str = "") -> None:
    """Write a store, in place of an older one.

    Parameters
    ----------
    path : Path
        The folder.
    features : Features
        What to keep.
    fingerprint : str
        Digest by which `read_if_current` recognises what the features were made from.

    Raises
    ------
    StoreError
        `path` exists and is no feature store, or cannot be written.
    """
    import zarr
    from zarr.codecs import Crc32cCodec

    check_writable(path)
    description = {
        "clips": _describe_clips(features.clips),
        "front_end": None if features.front_end is None else features.front_end.to_dict(),
        "skipped": [list(skip) for skip in features.skipped],
        "shape": list(features.shape),
        "fingerprint": fingerprint,
    }
    try:
        with replaced_folder(path) as folder:
            group = zarr.create_group(folder, zarr_format=3)
            array = group.create_array(
                "spectrograms",
                shape=features.shape,
                dtype=np.float32,
                chunks=(min(_BLOCK_CLIPS, max(1, len(features))), *features.shape[1:]),
                compressors=[Crc32cCodec()],
                config={"write_empty_chunks": True},  # so that a chunk that is not there is a chunk that was lost
            )
            array[...] = features.array
            group.attrs["siamaudio"] = {"format": _FORMAT, "sha256": _digest(description), **description}
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error}") from error


def check_writable(path: Path) -> None:
    """Raise StoreError if `path` exists and is no feature store."""
    if path.exists() and not _is_store(path):
        raise StoreError(f"{path} exists and is no feature store; nothing was written: choose another path")


def read(path: Path) -> Features:
    """Read a store.

    Parameters
    ----------
    path : Path
        The folder.

    Raises
    ------
    StoreError
        It is missing, damaged, of a later format, or something else.
    """
    import zarr

    description = _read_description(path)
    try:
        array = zarr.open_array(path / "spectrograms", mode="r", zarr_format=3)
        if list(array.shape) != description["shape"] or array.dtype != np.float32:
            raise StoreError(f"{path} is damaged: its array has shape {array.shape}, its description another")
        if array.nchunks_initialized != array.nchunks:
            raise StoreError(f"{path} is damaged: {array.nchunks - array.nchunks_initialized} blocks are missing")
        spectrograms = np.empty(array.shape, dtype=np.float32)
        step = array.chunks[0]
        for start in range(0, len(spectrograms), step):
            try:
                spectrograms[start : start + step] = array[start : start + step]
            except (ValueError, OSError) as error:
                raise StoreError(
                    f"{path} is damaged in the block of clips {start} to {start + step - 1}: {error}"
                ) from error
    except StoreError:
        raise
    except Exception as error:  # whatever zarr makes of a damaged description of the array
        raise StoreError(f"{path} is damaged: {error}") from error

    front_end = description["front_end"]
    return Features(
        spectrograms,
        clips=Clips(**description["clips"]),
        front_end=None if front_end is None else LogMel.from_dict(front_end),
        skipped=[Skipped(*skip) for skip in description["skipped"]],
    )


def read_if_current(path: Path, fingerprint: str) -> Features | None:
    """Read a store if it is whole and has this fingerprint, else return None."""
    try:
        if _read_description(path)["fingerprint"] != fingerprint:
            return None
        return read(path)
    except StoreError:
        return None


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
    return (path / "zarr.json").is_file() and (path / "spectrograms").is_dir()


def _describe_clips(clips: Clips) -> dict[str, Any]:
    """Return the arguments of Clips, as JSON holds them."""
    return {
        "paths": list(clips.paths),
        "class_of_clip": [clips.class_names[label] for label in clips.labels],
        "sources": list(clips.sources),
        "folds": clips.folds.tolist(),
        "name": clips.name,
    }


def _digest(description: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()
