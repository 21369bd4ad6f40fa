"""Where studies are kept: a journal file for the processes of one machine, a PostgreSQL database for several machines.

Either comes with claims: how a process says that a trial is its own, and how others see that it has died.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import json
import os
import threading
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from siamaudio.errors import ParameterError, TuningError
from siamaudio.files import FileLock, locked
from siamaudio.optional import require

if TYPE_CHECKING:
    import optuna
    import sqlalchemy

__all__ = ["Claims", "is_database", "one_line", "opened_storage", "shown_storage"]

_SCHEMES = ("postgresql", "postgres")
_DRIVER = "postgresql+psycopg"
_CONNECT_SECONDS = 10
_BEATS = 5  # that a process sends in the time after which its silence is its death
_FIRST_BYTES = b'{"op_code":'  # of every line of a journal


class Claims(Protocol):
    """Who works on which trial. All trials are named by their ids in the storage."""

    def take(self, trial_id: int) -> bool:
        """Claim a trial, before it is set to run; False where another has it."""
        ...

    def release(self) -> None:
        """Let go of the trial that was taken."""
        ...

    def fail_dead(self, study: optuna.Study, running: list[int]) -> None:
        """Set to failed those of some running trials whose process is no more."""
        ...

    def close(self) -> None:
        """Let go of the storage, and of a trial that is still taken."""
        ...


def is_database(storage: str | os.PathLike[str]) -> bool:
    """Whether a storage is named by a URL, and is no file."""
    return "://" in os.fspath(storage)


def shown_storage(storage: str | os.PathLike[str]) -> str:
    """Return a storage's name without the password that it may hold."""
    name = os.fspath(storage)
    return _url(name).render_as_string(hide_password=True) if is_database(name) else name


def one_line(error: object) -> str:
    """Return what a database complains about, in one line."""
    return " ".join(str(error).split())


@contextlib.contextmanager
def opened_storage(
    storage: str | os.PathLike[str], *, takeover_seconds: int
) -> Generator[tuple[optuna.storages.BaseStorage, Claims]]:
    """Open a storage, and make it if need be; nobody else opens it until the context is left.

    Parameters
    ----------
    storage : path-like or str
        A journal file, or a URL ``postgresql://…``.
    takeover_seconds : int > 0
        Silence after which a process that works on a database is taken for dead.

    Raises
    ------
    ParameterError
        The URL is none, or of something else than PostgreSQL.
    ImportError
        Packages are missing; the message says what to type.
    TuningError
        The database cannot be reached, or the file cannot be written or is no journal.
    """
    if takeover_seconds < 1:
        raise ParameterError("takeover_seconds", takeover_seconds, "1 or more")
    require("optuna", extra="tune", purpose="tuning")
    if is_database(storage):
        with _opened_database(os.fspath(storage), takeover_seconds) as opened:
            yield opened
    else:
        with _opened_journal(Path(storage)) as opened:
            yield opened


# ---- A journal file


@contextlib.contextmanager
def _opened_journal(path: Path) -> Generator[tuple[optuna.storages.BaseStorage, Claims]]:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path = path.resolve()
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(path))
            _check_journal(path)
            lock: Any = _JournalLock(path)  # Optuna asks for no more than the two methods
            storage = JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
        except OSError as error:
            raise TuningError(f"{path}: cannot keep a study there: {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise TuningError(f"{path}: damaged journal of a study: {error}") from error
        yield storage, _FileClaims(path, storage)


def _check_journal(path: Path) -> None:
    """Let no other file be written to, nor be cut where its last line has no end; and no damage be written after."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            is_whole = line.endswith(b"\n")
            if not (line.startswith(_FIRST_BYTES) if is_whole else _FIRST_BYTES.startswith(line[: len(_FIRST_BYTES)])):
                raise TuningError(f"{path}: no journal of a study, or a damaged one (line {number})")
            if is_whole:
                json.loads(line)


class _JournalLock:
    """The system's lock on the journal itself, which a killed process lets go of at once.

    Who has it cuts off what a process killed in the midst of writing may have left: half a line, which never became
    part of the study, and to which the next line would be glued.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def acquire(self) -> bool:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            _cut_half_line(self._descriptor)
        except BaseException:
            self.release()
            raise
        return True

    def release(self) -> None:
        os.close(self._descriptor)


def _cut_half_line(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    end = size
    while end > 0 and os.pread(descriptor, 1, end - 1) != b"\n":
        end -= 1
    if end < size:
        os.ftruncate(descriptor, end)


class _FileClaims:
    """A lock beside the journal for each trial that runs; the system lets go of it when its process ends."""

    def __init__(self, journal: Path, storage: optuna.storages.BaseStorage) -> None:
        self._journal = journal
        self._storage = storage
        self._own: FileLock | None = None

    def take(self, trial_id: int) -> bool:
        lock = self._lock(trial_id)
        if not lock.acquire():
            return False
        self._own = lock
        return True

    def release(self) -> None:
        if self._own is not None:
            self._own.release()
            self._own = None

    def fail_dead(self, study: optuna.Study, running: list[int]) -> None:
        import optuna

        for trial_id in running:
            lock = self._lock(trial_id)
            if lock.acquire():
                # Its process may have finished it a moment ago, or another one may have found it.
                with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
                    self._storage.set_trial_state_values(trial_id, optuna.trial.TrialState.FAIL)
                lock.release()

    def close(self) -> None:
        self.release()
        # Of processes that were killed at the very end of a trial.
        for path in self._journal.parent.glob(f".{glob.escape(self._journal.name)}.trial-*.lock"):
            lock = FileLock(path)
            if lock.acquire():
                lock.release()

    def _lock(self, trial_id: int) -> FileLock:
        return FileLock(self._journal.with_name(f".{self._journal.name}.trial-{trial_id}.lock"))


# ---- A database


def _url(text: str) -> sqlalchemy.URL:
    scheme = text.partition("://")[0]
    accepted = "a journal file, or postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
    if scheme.partition("+")[0] not in _SCHEMES:
        raise ParameterError("storage", f"a URL of {scheme}", accepted)
    sqlalchemy = require("sqlalchemy", extra="tune", purpose="a study in a database")
    require("psycopg", extra="tune", purpose="a study in a PostgreSQL database")
    try:
        url = sqlalchemy.make_url(text)
    except (sqlalchemy.exc.ArgumentError, ValueError):  # which would show the password
        raise ParameterError("storage", f"a URL of {scheme} that cannot be read", accepted) from None
    return url


@contextlib.contextmanager
def _opened_database(text: str, takeover_seconds: int) -> Generator[tuple[optuna.storages.BaseStorage, Claims]]:
    url = _url(text).set(drivername=_DRIVER)
    import optuna
    import sqlalchemy
    from sqlalchemy.exc import SQLAlchemyError

    if "connect_timeout" not in url.query:
        url = url.update_query_dict({"connect_timeout": str(_CONNECT_SECONDS)})
    whole_url = url.render_as_string(hide_password=False)
    with contextlib.ExitStack() as stack:
        try:
            engine = sqlalchemy.create_engine(whole_url, poolclass=sqlalchemy.NullPool)
            connection = stack.enter_context(engine.begin())
            # Two processes that make Optuna's tables at once would collide: the lock ends with the transaction.
            key = int.from_bytes(hashlib.sha256(b"siamaudio tuning").digest()[:8], signed=True)
            connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # heartbeats
                rdb = optuna.storages.RDBStorage(
                    whole_url,
                    engine_kwargs={"pool_pre_ping": True},
                    heartbeat_interval=1,  # any; the beats are those of _Heartbeats
                    grace_period=takeover_seconds,
                )
        except SQLAlchemyError as error:
            reason = one_line(getattr(error, "orig", None) or error)
            raise TuningError(f"{shown_storage(text)}: no such database, or out of reach: {reason}") from error
        except RuntimeError as error:  # tables of another version of Optuna
            raise TuningError(f"{shown_storage(text)}: {error}") from error
        yield optuna.storages.get_storage(rdb), _Heartbeats(rdb, takeover_seconds / _BEATS)


class _Heartbeats:
    """A time in the database for each trial that runs, which a thread of its process keeps young."""

    def __init__(self, storage: optuna.storages.RDBStorage, interval_seconds: float) -> None:
        self._storage = storage
        self._interval_seconds = interval_seconds
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def take(self, trial_id: int) -> bool:
        # Before the trial runs: one that runs without any heartbeat would never be found dead.
        self._storage.record_heartbeat(trial_id)
        self._stop.clear()
        self._thread = threading.Thread(target=self._beat, args=(trial_id,), daemon=True)
        self._thread.start()
        return True

    def release(self) -> None:
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None

    def fail_dead(self, study: optuna.Study, running: list[int]) -> None:
        import optuna

        if running:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                optuna.storages.fail_stale_trials(study)

    def close(self) -> None:
        self.release()
        self._storage.remove_session()
        self._storage.engine.dispose()

    def _beat(self, trial_id: int) -> None:
        while not self._stop.wait(self._interval_seconds):
            # A database that is out of reach for a moment misses a beat; the trial goes on.
            with contextlib.suppress(Exception):
                self._storage.record_heartbeat(trial_id)
