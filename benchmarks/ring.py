"""Contenders in processes of their own, of which one works at a time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from harness import check_same
from worker import Worker

Answer = dict[str, Any]
Commands = dict[str, list[str | Path]]
"""How each contender is started, ours first."""


class Ring:
    """Contenders that have loaded their libraries.

    Parameters
    ----------
    workers : dict
        By the contender's name.
    """

    def __init__(self, workers: dict[str, Worker]) -> None:
        self.workers = workers
        self.descriptions = {name: worker.ask("describe") for name, worker in workers.items()}
        self.idle_cores = dict.fromkeys(workers, 0.0)  # what each used at most while another was at work
        self.peaks: dict[str, dict[str, int]] = {name: {} for name in workers}

    def ask(self, name: str, task: str, **arguments: Any) -> Answer:
        """Have one contender do a task, and watch that the others rest."""
        before = {other: worker.cpu_seconds() for other, worker in self.workers.items() if other != name}
        start = time.perf_counter()
        answer = self.workers[name].ask(task, **arguments)
        passed = time.perf_counter() - start
        for other, cpu_seconds in before.items():
            if passed > 0.5:  # the clock of CPU time ticks in hundredths of a second
                idle = (self.workers[other].cpu_seconds() - cpu_seconds) / passed
                self.idle_cores[other] = max(self.idle_cores[other], idle)
        return answer

    def note_memory(self, when: str) -> None:
        """Note the most memory that each has had so far."""
        for name, worker in self.workers.items():
            self.peaks[name][when] = worker.peak_memory()


@contextlib.contextmanager
def ring(commands: Commands, work: Path, environment: dict[str, str]) -> Iterator[Ring]:
    """Start contenders; their processes end with the scope."""
    with contextlib.ExitStack() as stack:
        workers = {
            name: stack.enter_context(Worker(command, log=work / f"{name}.log", environment=environment))
            for name, command in commands.items()
        }
        yield Ring(workers)


def check_first_step(commands: Commands, work: Path, environment: dict[str, str], tolerance: float) -> dict[str, float]:
    """Compare the loss of the first training step; the processes, without dropout, are others than those timed.

    Returns each peer's difference from the first contender.

    Raises
    ------
    BenchmarkError
        A difference is above the tolerance.
    """
    losses = {}
    for name, command in commands.items():
        with ring({name: command}, work, environment) as alone:
            losses[name] = np.array(alone.ask(name, "train", steps=1)["loss"])
    ours, *peers = losses
    return {
        peer: check_same(losses[ours], losses[peer], tolerance, f"loss of the first step, {peer}") for peer in peers
    }
