"""One-shot evaluation beside Keras's prediction task by task and beside embedding once in PyTorch.

benchmarks/README.md says what is measured and how to read it. The environment variable SIAMAUDIO_KERAS_PYTHON names the
interpreter that has Keras.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bench_training import EAGER, ENVIRONMENT, KERAS, OURS, PACKAGES, THREADS, commands
from harness import RESULTS, BenchmarkError, Contender, Report, Unit, aligned, describe_machine, watch_other_load
from ring import ring
from training_work import write_work
from worker import Worker, WorkerError

BENCHMARKS = Path(__file__).parent
CLASSES = 5
DROPOUT = 0.25
SIMILARITY_TOLERANCE = 1e-4  # of probabilities; float32 sums in another order
EXACT_SECONDS = 1.0  # promised for 50 classes of 40 clips, every number of ways
SEED = 0

TARGETS = {KERAS: 200.0, EAGER: 2.0}

# Classes and clips a class: growing data sets, then many classes.
GROWTH = ((50, 40), (50, 100), (50, 200), (50, 400), (1000, 20))
QUICK_GROWTH = ((5, 8), (10, 8))


def write_tasks(folder: Path, clips_per_class: int) -> int:
    """Write Honka's tasks of all clips, as `sa.evaluation.honka2019` draws them, and return their number.

    tasks.npz: ``labels`` of the clips, ``queries`` (tasks,), ``supports`` (tasks, classes).
    """
    rng = np.random.default_rng(SEED)
    labels = np.repeat(np.arange(CLASSES), clips_per_class)
    orders = [rng.permutation(np.flatnonzero(labels == c)) for c in range(CLASSES)]
    half = clips_per_class // 2
    queries = np.concatenate([order[:half] for order in orders])
    sets = np.stack([order[half:] for order in orders], axis=1)
    np.savez(
        folder / "tasks.npz",
        labels=labels,
        queries=np.repeat(queries, len(sets)),
        supports=np.tile(sets, (len(queries), 1)),
    )
    return len(queries) * len(sets)


def compare(report: Report, work: Path, *, clips: int, shape: tuple[int, int], keras_tasks: int, tasks: int) -> None:
    """Time the tasks of a paper: ours and PyTorch answer all of them, Keras a few, at whose rate it would go on."""
    run_now = {name: command for name, command in commands(work, DROPOUT).items() if name in (OURS, KERAS, EAGER)}
    with ring(run_now, work, ENVIRONMENT) as contenders:
        ours, *peers = (
            Contender(
                name,
                lambda name=name: contenders.ask(name, "oneshot", tasks=keras_tasks),
                comparable=lambda answer: np.load(answer["similarities"])[:keras_tasks],
                target=TARGETS.get(name),
                seconds=lambda answer: answer["seconds"],
            )
            for name in run_now
        )
        report.compare(
            ours,
            peers,
            area="one-shot tasks",
            work=f"{tasks:,} {CLASSES}-way tasks on {clips} clips of {shape[0]} x {shape[1]}",
            threads=THREADS,
            unit=Unit("s", 1.0),
            tolerance=SIMILARITY_TOLERANCE,
        )
        contenders.note_memory("evaluation")
        for description in contenders.descriptions.values():
            report.environment["packages"] |= description["packages"]
    report.extras["peak_memory"] = contenders.peaks
    report.extras["idle_cores"] = contenders.idle_cores


def exact_alone(work: Path, task: str, classes: int, clips_per_class: int, rounds: int) -> dict[str, Any]:
    """Time exact evaluation in a process of its own, whose memory is counted."""
    command = [sys.executable, BENCHMARKS / "evaluate_exact.py", str(THREADS)]
    with Worker(command, log=work / "exact.log", environment=ENVIRONMENT) as worker:
        worker.ask(task, classes=CLASSES, clips_per_class=4)  # loads the libraries
        loaded = worker.peak_memory()
        answers = [worker.ask(task, classes=classes, clips_per_class=clips_per_class) for _ in range(rounds)]
        peak = worker.peak_memory()
    if answers[0]["rows_off_by"] > 1e-9:
        raise BenchmarkError(f"rows of the confusion matrix are off by {answers[0]['rows_off_by']:g}")
    seconds = [answer["seconds"] for answer in answers]
    return {
        "given": task.removeprefix("from_"),
        "classes": classes,
        "clips": classes * clips_per_class,
        "ways": answers[0]["ways"],
        "accuracy": answers[0]["accuracy"],
        "seconds": seconds,
        "median_seconds": statistics.median(seconds),
        "peak_bytes": peak,
        "loaded_bytes": loaded,
    }


def print_exact(points: list[dict[str, Any]]) -> None:
    heading = ("exact evaluation of", "classes", "clips", "ways up to", "seconds", "us/clip pair", "memory, MB")
    lines: list[tuple[str, ...]] = [heading]
    for point in points:
        lines.append(
            (
                point["given"],
                str(point["classes"]),
                f"{point['clips']:,}",
                str(point["ways"]),
                f"{point['median_seconds']:.3f}",
                f"{point['median_seconds'] / point['clips'] ** 2 * 1e6:.3f}",
                f"{point['loaded_bytes'] / 1e6:,.0f} to {point['peak_bytes'] / 1e6:,.0f}",
            )
        )
    print("\n" + aligned(lines, right=range(1, len(heading))))


def run(options: argparse.Namespace) -> None:
    quick = options.quick
    clips_per_class, shape = (4, (64, 64)) if quick else (40, (128, 431))
    keras_tasks, rounds = (2, 2) if quick else (5, options.rounds)
    settings = {"quick": quick, "clips": CLASSES * clips_per_class, "shape": shape, "tasks_of_keras": keras_tasks}
    report = Report("evaluation", rounds, 0.0, settings, describe_machine(PACKAGES))
    if not os.environ.get("SIAMAUDIO_KERAS_PYTHON"):
        report.skipped[KERAS] = "SIAMAUDIO_KERAS_PYTHON names no interpreter that has it"
    with tempfile.TemporaryDirectory() as folder, watch_other_load() as load:
        work = Path(folder)
        write_work(work, CLASSES * clips_per_class, *shape)
        tasks = write_tasks(work, clips_per_class)
        compare(report, work, clips=CLASSES * clips_per_class, shape=shape, keras_tasks=keras_tasks, tasks=tasks)
        classes, size = (QUICK_GROWTH if quick else GROWTH)[0]
        points = [exact_alone(work, "from_similarity", classes, size, rounds)]
        for classes, size in QUICK_GROWTH if quick else GROWTH:
            few = rounds if classes * size <= 2000 else 1
            points.append(exact_alone(work, "from_embeddings", classes, size, few))
    report.environment |= load
    report.extras["exact"] = points
    report.extras["exact_target"] = {
        "seconds": EXACT_SECONDS,
        "reached": None if quick else points[0]["median_seconds"] <= EXACT_SECONDS,
    }
    report.write(options.out or RESULTS / ("evaluation-quick.json" if quick else "evaluation.json"))
    print(report)
    print_exact(points)
    if not quick:
        reached = "yes" if report.extras["exact_target"]["reached"] else "no"
        print(f"\nthe first within {EXACT_SECONDS:g} s: {reached}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few small clips: shows that it runs")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender")
    parser.add_argument("--out", type=Path, help="JSON file (default: results/evaluation.json)")
    options = parser.parse_args()
    try:
        run(options)
    except (BenchmarkError, WorkerError) as error:
        sys.exit(f"bench_evaluation: {error}")


if __name__ == "__main__":
    main()
