"""A contender in a process of its own, which does one task at a time when it is told to.

The process runs a script that ends in ``serve(tasks)``; the benchmark holds it by a `Worker`. They speak in lines of
JSON, ``{"task": NAME, ...}`` one way and ``{"seconds": ..., ...}`` or ``{"error": ...}`` the other; arrays travel in
files. Only the standard library is needed, as peers live in interpreters of their own.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

Tasks = Mapping[str, Callable[..., dict[str, Any]]]


class WorkerError(Exception):
    """A worker could not do what it was told to; the message is its last line of error."""


# ---- inside the process


def bind_to_cores(threads: int) -> None:
    """Keep this process on so many cores, whatever pools of threads its libraries make."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return seconds and result of a call."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def serve(tasks: Tasks) -> None:
    """Do tasks until the benchmark closes the pipe. What libraries print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = tasks[request.pop("task")](**request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {(str(error) or 'no message').splitlines()[0]}"}
        print(json.dumps(answer), file=answers, flush=True)


# ---- beside it


class Worker:
    """A process that serves tasks.

    Parameters
    ----------
    command : sequence of str or path
        What to run.
    log : path
        Gets what it writes to stderr.
    environment : mapping
        More settings for it.
    """

    def __init__(self, command: Sequence[str | Path], *, log: Path, environment: Mapping[str, str]) -> None:
        self._log = log
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [*map(str, command)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env={**os.environ, **environment},
            )

    def ask(self, task: str, **arguments: Any) -> dict[str, Any]:
        """Have a task done and return the answer.

        Raises
        ------
        WorkerError
            The task failed, or the process has ended.
        """
        with contextlib.suppress(BrokenPipeError):
            _pipe(self._process.stdin).write(json.dumps({"task": task, **arguments}) + "\n")
            _pipe(self._process.stdin).flush()
        line = _pipe(self._process.stdout).readline()
        if not line:
            self._process.wait()
            lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise WorkerError(lines[-1] if lines else f"ended with status {self._process.returncode}")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def peak_memory(self) -> int:
        """Return the most bytes of memory that the process has had at a time."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")
        return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1])

    def cpu_seconds(self) -> float:
        """Return the time that all threads of the process have computed so far."""
        stat = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8")
        user, system = stat.rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """End the process, and wait for its end."""
        with contextlib.suppress(BrokenPipeError):
            _pipe(self._process.stdin).close()
        _pipe(self._process.stdout).close()
        self._process.wait()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
