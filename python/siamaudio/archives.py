"""Unpacking archives from elsewhere: files and folders, inside one folder, and no more of them than expected."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from siamaudio.errors import DatasetError
from siamaudio.files import locked, move_into_place, partial_beside

__all__ = ["extract", "is_archive"]

_MOST_ENTRIES = 2_000_000
_MOST_RATIO = 100  # bytes unpacked for each of the archive
_LEAST_LIMIT_BYTES = 64 << 20  # that any archive may unpack to
_PIECE_BYTES = 1 << 20
_MOST_READ_BYTES = 16 << 20  # at once; a header of a tar archive is read as a whole
_DECOMPRESSORS = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\x00", lzma.open))


# What a damaged archive, or a full disk, makes the standard library raise
_DAMAGE = (
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)


class _RefusedError(Exception):
    """The archive holds something that is not unpacked."""


def is_archive(path: Path) -> bool:
    """Tell whether a file is a zip archive or a tar archive, compressed or not."""
    return zipfile.is_zipfile(path) or _is_tar(path)


def extract(archive: Path, folder: Path) -> None:
    """Unpack a zip or tar archive into a new folder, wholly or not at all.

    Parameters
    ----------
    archive : Path
        The file; what it is, is told by its content.
    folder : Path
        What shall hold the files; where the archive has one folder with everything in it, that is what `folder`
        becomes. There is nothing at this place before everything has been unpacked.

    Raises
    ------
    DatasetError
        It is no archive, it is damaged, it holds links, devices, or names that lead out of the folder, or it unpacks
        to more than 100 times its size. Nothing is then left of it.
    """
    if folder.exists():
        raise DatasetError(f"{folder}: is there already; accepted: a folder that is not")
    with locked(folder):
        partial = partial_beside(folder, "unpacking")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            partial.mkdir(parents=True)
            _extract(archive, partial)
            move_into_place(_root(partial), folder)
        except _RefusedError as error:
            raise DatasetError(f"{archive}: {error}") from None
        except _DAMAGE as error:
            raise DatasetError(f"{archive}: cannot be unpacked ({error}); accepted: zip and tar archives") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _extract(archive: Path, folder: Path) -> None:
    limit = max(_LEAST_LIMIT_BYTES, _MOST_RATIO * archive.stat().st_size)
    if zipfile.is_zipfile(archive):
        entries = _zip_entries(archive, limit)
    elif _is_tar(archive):
        entries = _tar_entries(archive, limit)
    else:
        raise _RefusedError("is no archive; accepted: zip, tar, tar.gz, tar.bz2, tar.xz")
    unpacked = 0
    for number, (name, file) in enumerate(entries):
        if number >= _MOST_ENTRIES:
            raise _RefusedError(f"holds more than {_MOST_ENTRIES} files")
        path = folder.joinpath(*_safe_parts(name))
        if file is None:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as target:  # never a file that is there already
            while piece := file.read(_PIECE_BYTES):
                unpacked += len(piece)
                if unpacked > limit:
                    raise _too_large(limit)
                target.write(piece)


def _zip_entries(archive: Path, limit: int) -> Iterator[tuple[str, IO[bytes] | None]]:
    with zipfile.ZipFile(archive) as opened:
        infos = opened.infolist()
        if sum(info.file_size for info in infos) > limit:
            raise _too_large(limit)
        for info in infos:
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _RefusedError(f"{info.filename!r} is a link or a device; accepted: files and folders")
            # As the archive has it: `filename` was changed already.
            if info.is_dir():
                yield info.orig_filename, None
            else:
                with opened.open(info) as file:
                    yield info.orig_filename, file


def _tar_entries(archive: Path, limit: int) -> Iterator[tuple[str, IO[bytes] | None]]:
    with _decompressed(archive, limit) as stream, tarfile.open(fileobj=stream, mode="r:") as opened:
        for member in opened:
            if not (member.isreg() or member.isdir()) or member.issparse():
                raise _RefusedError(f"{member.name!r} is a link or a device; accepted: files and folders")
            yield member.name, opened.extractfile(member) if member.isreg() else None


def _safe_parts(name: str) -> tuple[str, ...]:
    """Return the parts of a name that stays inside its folder."""
    path = PurePosixPath(name)
    is_safe = not path.is_absolute() and ".." not in path.parts
    if not is_safe or any(character in name for character in "\\:\0"):
        raise _RefusedError(f"{name!r} leads out of the folder that it is unpacked to; accepted: names within it")
    return path.parts


def _too_large(limit: int) -> _RefusedError:
    return _RefusedError(f"unpacks to more than {limit} bytes; accepted: {_MOST_RATIO} times its size at most")


def _root(folder: Path) -> Path:
    """Return the folder that holds everything: the archive's one folder, where it has just that."""
    entries = list(folder.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else folder


def _is_tar(path: Path) -> bool:
    try:
        with _decompressed(path, _LEAST_LIMIT_BYTES) as stream, tarfile.open(fileobj=stream, mode="r:"):
            return True
    except (*_DAMAGE, _RefusedError):
        return False


@contextlib.contextmanager
def _decompressed(path: Path, limit: int) -> Generator[Any]:
    with path.open("rb") as file:
        start = file.read(8)
    opener = next((opener for magic, opener in _DECOMPRESSORS if start.startswith(magic)), open)
    with opener(path, "rb") as stream:
        yield _Bounded(stream, limit)


class _Bounded(io.RawIOBase):
    """A stream that refuses to go on for ever, or to give much at once."""

    def __init__(self, stream: Any, limit: int) -> None:
        self._stream = stream
        self._limit = limit

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > _MOST_READ_BYTES:
            raise _RefusedError(f"has a header of {size} bytes")
        content = self._stream.read(size)
        # Headers count too, but not much.
        if self._stream.tell() > self._limit + _LEAST_LIMIT_BYTES:
            raise _too_large(self._limit)
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()
