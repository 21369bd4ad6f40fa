"""What all benchmarks share: fair timing side by side, the description of the machine, the table and the JSON file."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import threadpoolctl

RESULTS = Path(__file__).parent / "results"

# OpenMP and BLAS threads spin for some milliseconds after their work, and would take a core from who comes next.
PAUSE_SECONDS = 0.01

# Settings of the shell that can hold a peer back.
THREAD_SETTINGS = ("OPENBLAS_", "OMP_", "MKL_", "GOMP_", "KMP_", "NPY_", "NUMBA_")


class BenchmarkError(Exception):
    """The benchmark cannot run, or what it compares is not the same thing; the message is one sentence."""


# ---- timing


@dataclass(frozen=True)
class Contender:
    """One way of doing the work.

    Parameters
    ----------
    name : str
        As the table shows it.
    call : callable
        Does all the work once and returns the result.
    threads : int > 0
        Threads that BLAS, OpenMP and torch may use meanwhile. What the call itself starts is its own affair.
    comparable : callable
        Brings the result into the form that is compared; not timed.
    target : float or None
        Least ratio of its time and ours that the project promises.
    seconds : callable or None
        Reads from the result how long the work took, where the call has a clock of its own; None: the whole call.
    """

    name: str
    call: Callable[[], Any]
    threads: int = 1
    comparable: Callable[[Any], npt.NDArray[np.floating[Any]]] = np.asarray
    target: float | None = None
    seconds: Callable[[Any], float] | None = None


@dataclass(frozen=True)
class Unit:
    """How the table shows the time of one call: ``seconds * factor``, as in ns per frame."""

    name: str
    factor: float


@dataclass(frozen=True)
class Row:
    """One peer beside ours.

    Times are seconds of one call, one value a round; round i of both stood side by side. `difference` is the largest
    one between the two results, in the unit of `tolerance`; both are None where the results are not comparable.
    """

    area: str
    work: str
    threads: int
    peer: str
    unit: Unit
    ours_seconds: list[float]
    peer_seconds: list[float]
    difference: float | None
    tolerance: float | None
    target: float | None

    @property
    def ratios(self) -> list[float]:
        """Peer time / ours, one a round: what slows the whole machine down cancels."""
        return [peer / ours for peer, ours in zip(self.peer_seconds, self.ours_seconds, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of `ratios`."""
        return statistics.median(self.ratios)

    @property
    def reached(self) -> bool | None:
        """Whether the target is reached; None without one."""
        return None if self.target is None else self.ratio >= self.target

    def to_dict(self) -> dict[str, Any]:
        """Return all fields and what follows from them, as JSON can hold them."""
        return asdict(self) | {"ratios": self.ratios, "ratio": self.ratio, "reached": self.reached}


@contextlib.contextmanager
def limit_threads(threads: int) -> Iterator[None]:
    """Bound the threads of BLAS and OpenMP, and of torch, whose MKL is out of threadpoolctl's sight."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch is not None else None
    with threadpoolctl.threadpool_limits(threads):
        if torch is not None:
            torch.set_num_threads(threads)
        try:
            yield
        finally:
            if torch is not None:
                torch.set_num_threads(before)


def _time(contender: Contender, repeats: int) -> float:
    """Mean seconds of one call; freeing the result is not timed."""
    total = 0.0
    with limit_threads(contender.threads):
        time.sleep(PAUSE_SECONDS)
        for _ in range(repeats):
            start = time.perf_counter()
            result = contender.call()
            passed = time.perf_counter() - start
            total += passed if contender.seconds is None else contender.seconds(result)
            del result
    return total / repeats


def alternate(contenders: Sequence[Contender], *, rounds: int, min_seconds: float) -> list[list[float]]:
    """Time contenders in turns, every second round in reverse order.

    Parameters
    ----------
    contenders : sequence of Contender
        Each is called once before, untimed.
    rounds : int > 0
        Times that each has its turn.
    min_seconds : float >= 0
        A turn repeats the call until about so much time has passed.

    Returns
    -------
    list of list of float
        Mean seconds of a call, for each contender and round.
    """
    once = [_time(contender, 1) for contender in contenders]
    repeats = [max(1, math.ceil(min_seconds / seconds)) for seconds in once]
    seconds: list[list[float]] = [[] for _ in contenders]
    for turn in range(rounds):
        order = range(len(contenders)) if turn % 2 == 0 else reversed(range(len(contenders)))
        for i in order:
            seconds[i].append(_time(contenders[i], repeats[i]))
    return seconds


def check_same(ours: npt.NDArray[Any], peer: npt.NDArray[Any], tolerance: float, what: str) -> float:
    """Return the largest difference of two results.

    Raises
    ------
    BenchmarkError
        It is above `tolerance`, or NaN, or the shapes differ.
    """
    if ours.shape != peer.shape:
        raise BenchmarkError(f"{what}: our result has the shape {ours.shape}, the peer's {peer.shape}")
    difference = float(np.max(np.abs(ours.astype(np.float64) - peer.astype(np.float64)), initial=0.0))
    if not difference <= tolerance:
        raise BenchmarkError(f"{what}: results differ by {difference:.3g}, where {tolerance:g} is accepted")
    return difference


@dataclass
class Report:
    """What one benchmark script measured.

    Parameters
    ----------
    name : str
        Of the benchmark; its JSON file is called so.
    rounds, min_seconds
        See `alternate`.
    settings : dict
        What was measured on, for the JSON file.
    environment : dict
        See `describe_machine` and `watch_other_load`.
    rows : list of Row
        What `compare` found.
    skipped : dict
        Peers that are not run: name and reason.
    extras : dict
        More for the JSON file.
    """

    name: str
    rounds: int
    min_seconds: float
    settings: dict[str, Any]
    environment: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    extras: dict[str, Any] = field(default_factory=dict)

    def compare(
        self,
        ours: Contender,
        peers: Sequence[Contender],
        *,
        area: str,
        work: str,
        threads: int,
        unit: Unit,
        tolerance: float | None,
    ) -> None:
        """Compare the results of all peers with ours, then time them in turns; one row a peer.

        Without a tolerance nothing is compared: for work that is not the same, or whose results were compared before.

        Raises
        ------
        BenchmarkError
            A result differs by more than `tolerance` (or is NaN somewhere): the times would mean nothing.
        """
        differences: list[float | None] = [None] * len(peers)
        if tolerance is not None:
            with limit_threads(ours.threads):
                expected = ours.comparable(ours.call())
            for i, peer in enumerate(peers):
                with limit_threads(peer.threads):
                    found = peer.comparable(peer.call())
                differences[i] = check_same(expected, found, tolerance, f"{area}, {work}, {peer.name}")
            del expected
        ours_seconds, *peers_seconds = alternate([ours, *peers], rounds=self.rounds, min_seconds=self.min_seconds)
        for peer, seconds, difference in zip(peers, peers_seconds, differences, strict=True):
            self.rows.append(
                Row(area, work, threads, peer.name, unit, ours_seconds, seconds, difference, tolerance, peer.target)
            )

    def write(self, path: Path) -> None:
        """Write all that was measured as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "benchmark": self.name,
            "environment": self.environment,
            "settings": self.settings | {"rounds": self.rounds, "min_seconds": self.min_seconds},
            "rows": [row.to_dict() for row in self.rows],
            "skipped": self.skipped,
            **self.extras,
        }
        path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")

    def __str__(self) -> str:
        """Return the machine, what is missing and the rows as text."""
        facts, info = self.environment, self.environment["siamaudio info"]
        pools = {f"{p['internal_api']} {p['version'] or ''} {p['architecture'] or ''}" for p in facts["thread pools"]}
        lines = [
            f"{facts['cpu']}, {facts['cores']} cores, {info['instruction set']}, {facts['system']}",
            ", ".join(f"{name} {version}" for name, version in facts["packages"].items()),
            "thread pools: " + ", ".join(sorted(" ".join(pool.split()) for pool in pools)),
            *(f"note: {name}={value} is set" for name, value in facts["thread settings"].items()),
            *(f"skipped: {name}: {reason}" for name, reason in self.skipped.items()),
        ]
        if (other := facts.get("other load")) is not None:
            warning = ": the times are disturbed, repeat on an idle machine" if other > 0.1 else ""
            lines.append(f"{facts['seconds']:.0f} s, other processes used {other:.2f} cores{warning}")
        return "\n".join([*lines, "", self.table()])

    def table(self) -> str:
        """Return the rows as text."""
        lines = [("area", "work", "threads", "peer", "ours", "peer's", "unit", "ratio", "(range)", "target", "reached")]
        for row in self.rows:
            ours, peer = (statistics.median(times) * row.unit.factor for times in (row.ours_seconds, row.peer_seconds))
            target = "" if row.target is None else f"{row.target:g}"
            reached = {None: "", True: "yes", False: "no"}[row.reached]
            spread = f"({min(row.ratios):.1f} to {max(row.ratios):.1f})"
            numbers = (_number(ours), _number(peer), row.unit.name, f"{row.ratio:.1f}", spread, target, reached)
            lines.append((row.area, row.work, str(row.threads), row.peer, *numbers))
        return aligned(lines, right=(2, 4, 5, 7, 9))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def aligned(lines: Sequence[Sequence[str]], *, right: Sequence[int]) -> str:
    """Return lines of cells as text in columns; the first line is the heading, `right` names right-aligned columns."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    texts = [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([texts[0], "-" * max(map(len, texts)), *texts[1:]])


# ---- the machine


def cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _siamaudio_info() -> dict[str, Any]:
    """Return what `siamaudio info` says, from a process of its own, as it loads LibTorch."""
    done = subprocess.run(
        [sys.executable, "-m", "siamaudio", "info", "--json"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchmarkError(f"`siamaudio info --json` failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


def describe_machine(packages: Sequence[str]) -> dict[str, Any]:
    """Return versions, processor, BLAS and settings; call it when the peers are imported, so that their BLAS shows.

    Parameters
    ----------
    packages : sequence of str
        Distributions whose versions count.
    """
    blas = [
        {key: info.get(key) for key in ("internal_api", "version", "architecture", "num_threads")}
        | {"library": Path(info["filepath"]).name}
        for info in threadpoolctl.threadpool_info()
    ]
    return {
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "siamaudio info": _siamaudio_info(),
        "packages": {name: importlib.metadata.version(name) for name in packages},
        "thread pools": blas,
        "thread settings": {name: value for name, value in os.environ.items() if name.startswith(THREAD_SETTINGS)},
    }


def _busy_seconds() -> float | None:
    """Seconds that the machine's cores have worked since it started; None where the system does not tell."""
    try:
        with open("/proc/stat", encoding="utf-8") as stat:
            user, nice, system, _, _, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    except (OSError, ValueError):
        return None
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def watch_other_load() -> Iterator[dict[str, Any]]:
    """Measure how busy *others* keep the machine; the yielded dictionary is filled on leaving.

    "other load" is the mean number of cores that other processes used: above a tenth or so, repeat the run.
    """
    found: dict[str, Any] = {}
    start, busy, own = time.perf_counter(), _busy_seconds(), sum(os.times()[:4])
    yield found
    found["seconds"] = time.perf_counter() - start
    if busy is not None and (busy_after := _busy_seconds()) is not None:
        others = (busy_after - busy) - (sum(os.times()[:4]) - own)
        found["other load"] = max(0.0, others) / found["seconds"]


def shared_data(folder: str) -> Path:
    """Return a folder of real recordings, which are no part of the repository.

    Raises
    ------
    BenchmarkError
        It is not there.
    """
    named = os.environ.get("SIAMAUDIO_SHARED_DATA")
    path = (Path(named) if named else Path(__file__).parents[2] / "shared" / "data") / folder
    if not path.is_dir():
        raise BenchmarkError(
            f"real recordings absent ({path}): set SIAMAUDIO_SHARED_DATA to the folder that holds {folder}/"
        )
    return path
