"""Writing so that nothing that was there is lost: write beside, fsync, rename."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import uuid
from collections.abc import Callable, Generator
from pathlib import Path

from siamaudio.errors import SiamaudioError, StoreError

__all__ = [
    "FileLock",
    "locked",
    "move_into_place",
    "partial_beside",
    "replace_file",
    "sync",
    "told_as_store_error",
    "write_synced",
]

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def partial_beside(path: Path, tag: str) -> Path:
    """Return where to make what shall become `path`: a hidden name in the same folder, so that a rename moves it.

    Parameters
    ----------
    path : Path
        The file or folder to be; through a symbolic link, what it points to.
    tag : str
        Tells apart what is being made for one `path`.
    """
    path = path.resolve()
    return path.with_name(f".{path.name}.{tag}.partial")


def write_synced(path: Path, *pieces: bytes | memoryview) -> None:
    """Write a file, piece by piece, and wait until the disk has it."""
    with path.open("wb") as file:
        for piece in pieces:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, *pieces: bytes | memoryview) -> None:
    """Write a file whole or not at all.

    Parameters
    ----------
    path : Path
        The file; its folder is made if need be.
    *pieces : bytes or memoryview
        What it shall hold, one after the other. Ctrl-C is heard between two of them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        write_synced(partial, *pieces)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync(path.parent)


@contextlib.contextmanager
def told_as_store_error(path: Path, hint: str = "") -> Generator[None]:
    """Tell what the system does not allow as a StoreError that names the store.

    Parameters
    ----------
    path : Path
        The store.
    hint : str
        Put after the reason.
    """
    try:
        yield
    except SiamaudioError:  # which may be an OSError too
        raise
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error}{hint}") from error


@contextlib.contextmanager
def locked(path: Path, *, on_wait: Callable[[], None] = lambda: None) -> Generator[None]:
    """Be the only one, of all threads and processes that ask, who makes `path`.

    The lock is a hidden file beside `path`. A process that ends, however it ends, lets go of it.

    Parameters
    ----------
    path : Path
        What is to be made; its folder is made if need be.
    on_wait : callable
        Called once where another has the lock, before waiting for it.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    descriptor = _acquire(lock, on_wait)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)


class FileLock:
    """A lock that is free or not: nobody waits for it. A process that ends, however it ends, lets go of it.

    Parameters
    ----------
    path : Path
        The lock itself; its folder is there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock; False where another has it."""
        try:
            self._descriptor = _acquire(self._path, _give_up)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Let go of the lock, and remove its file."""
        if self._descriptor is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None


def _give_up() -> None:
    raise BlockingIOError


def _acquire(lock: Path, on_wait: Callable[[], None]) -> int:
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                on_wait()
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Its last owner removed the file: who locked that one has locked nothing that others would find.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.stat(lock), os.fstat(descriptor)):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def move_into_place(folder: Path, path: Path) -> None:
    """Let a finished folder take the place of `path`, at which there is something whole at every moment.

    All other unfinished folders of `path` are removed, what killed processes left among them, so the caller must have
    it `locked`.

    Parameters
    ----------
    folder : Path
        The new folder, as `partial_beside` names it.
    path : Path
        Its place; an old folder there is removed after the new one stands.
    """
    path = path.resolve()
    for inner, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync(Path(inner, name))
        sync(Path(inner))
    if path.exists():
        _exchange(folder, path)
    else:
        folder.rename(path)
    sync(path.parent)
    for entry in path.parent.iterdir():
        if entry.name.startswith(f".{path.name}.") and entry.name.endswith(".partial") and entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)


def _exchange(new: Path, old: Path) -> None:
    """Swap the names of two folders, in one step where the system can."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    if rename is not None and rename(_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(old), _RENAME_EXCHANGE) == 0:
        return
    aside = partial_beside(old, "old")
    shutil.rmtree(aside, ignore_errors=True)
    old.rename(aside)
    new.rename(old)


def sync(path: Path) -> None:
    """Wait until the disk has a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
