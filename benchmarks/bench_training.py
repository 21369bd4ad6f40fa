"""Training and inference of Honka's network beside Keras on TensorFlow and PyTorch from Python.

benchmarks/README.md says what is measured and how to read it. The environment variable SIAMAUDIO_KERAS_PYTHON names the
interpreter that has Keras.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness import (
    RESULTS,
    BenchmarkError,
    Contender,
    Report,
    Unit,
    aligned,
    alternate,
    describe_machine,
    watch_other_load,
)
from ring import Answer, Commands, Ring, check_first_step, ring
from training_work import write_work
from worker import WorkerError

BENCHMARKS = Path(__file__).parent
THREADS = 2
DROPOUT = 0.25
PACKAGES = ("numpy", "torch")

# Float32 sums in another order; embeddings are sigmoids in (0, 1), the loss is about 1.
EMBEDDING_TOLERANCE = 1e-4
LOSS_TOLERANCE = 1e-4

OURS, KERAS, EAGER, COMPILED = (
    "siamaudio",
    "Keras on TensorFlow",
    "eager PyTorch, channels_last",
    "torch.compile, channels_last",
)


# ---- the contenders' processes


ENVIRONMENT = {
    "OMP_NUM_THREADS": str(THREADS),
    "CUDA_VISIBLE_DEVICES": "-1",
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


def commands(work: Path, dropout: float) -> Commands:
    """Return how each contender is started; Keras only where its interpreter is known."""
    arguments = [work, str(dropout), str(THREADS)]
    on_device = [*arguments, "cpu", "float32"]
    found: Commands = {OURS: [sys.executable, BENCHMARKS / "train_siamaudio.py", *on_device]}
    if keras := os.environ.get("SIAMAUDIO_KERAS_PYTHON"):
        found[KERAS] = [keras, BENCHMARKS / "train_keras.py", *arguments]
    found[EAGER] = [sys.executable, BENCHMARKS / "train_torch.py", *on_device, "eager"]
    found[COMPILED] = [sys.executable, BENCHMARKS / "train_torch.py", *on_device, "compile"]
    return found


# ---- side by side


def compare(report: Report, contenders: Ring, *, steps: int, shape: str, clips: int) -> None:
    """Time inference, the training step and pairs."""

    def contender(
        name: str, task: str, seconds: Callable[[Answer], float], targets: dict[str, float], **arguments: Any
    ) -> Contender:
        return Contender(
            name,
            lambda: contenders.ask(name, task, **arguments),
            comparable=lambda answer: np.load(answer["embeddings"]),
            target=targets.get(name),
            seconds=seconds,
        )

    names = list(contenders.workers)

    def whole(answer: Answer) -> float:
        return answer["seconds"]

    def of_a_pair(answer: Answer) -> float:
        return answer["seconds"] / answer["pairs"]

    contenders.note_memory("loaded")
    ours, *peers = (contender(name, "embed", whole, {KERAS: 3.5, EAGER: 4.0}) for name in names)
    report.compare(
        ours,
        peers,
        area="inference",
        work=f"{clips} clips of {shape}",
        threads=THREADS,
        unit=Unit("ms", 1e3),
        tolerance=EMBEDDING_TOLERANCE,
    )
    contenders.note_memory("inference")
    # A turn of ours is two epochs, of which the second counts: so each peer makes one step, and ours several.
    ours, *peers = (
        contender(name, "train", whole, {KERAS: 3.0, EAGER: 6.0}, steps=steps if name == OURS else 1) for name in names
    )
    report.compare(
        ours,
        peers,
        area="training step",
        work=f"{clips // 2} pairs of {shape}, two-sided",
        threads=THREADS,
        unit=Unit("ms", 1e3),
        tolerance=None,  # compared before, without dropout
    )
    contenders.note_memory("training")
    if KERAS in names:
        report.compare(
            contender(OURS, "train", of_a_pair, {}, steps=steps, pairing="in-batch"),
            [contender(KERAS, "train", of_a_pair, {KERAS: 100.0}, steps=1)],
            area="training pairs",
            work=f"{clips} clips a step; ours forms all pairs",
            threads=THREADS,
            unit=Unit("ms/pair", 1e3),
            tolerance=None,  # not the same work, which is the point
        )


def measure_growth(
    work: Path, counts: Sequence[int], lengths: Sequence[int], *, clips: int, rounds: int
) -> list[dict[str, Any]]:
    """Time our training step over batch sizes and lengths of clips, in a process of its own."""
    with np.load(work / "work.npz") as file:
        own_length = file["clips"].shape[2]
    shapes = [("clips a step", count, own_length) for count in counts]
    shapes += [("frames a clip", clips, length) for length in lengths]
    with ring({OURS: commands(work, DROPOUT)[OURS]}, work, ENVIRONMENT) as alone:
        calls = [
            Contender(
                series,
                lambda count=count, length=length: alone.ask(OURS, "train_shape", steps=1, clips=count, frames=length),
                seconds=lambda answer: answer["seconds"],
            )
            for series, count, length in shapes
        ]
        times = alternate(calls, rounds=rounds, min_seconds=0.0)
    return [
        {
            "series": series,
            "clips": count,
            "frames": length,
            "seconds": seconds,
            "ms_per_clip": statistics.median(seconds) / count * 1e3,
            "us_per_frame": statistics.median(seconds) / count / length * 1e6,
        }
        for (series, count, length), seconds in zip(shapes, times, strict=True)
    ]


# ---- the run


def print_memory(contenders: Ring) -> None:
    heading = ("most memory, MB", "loaded", "after inference", "after training", "cores used while another worked")
    lines: list[tuple[str, ...]] = [heading]
    for name, peaks in contenders.peaks.items():
        sizes = (f"{peaks[when] / 1e6:,.0f}" for when in ("loaded", "inference", "training"))
        lines.append((name, *sizes, f"{contenders.idle_cores[name]:.3f}"))
    print("\n" + aligned(lines, right=range(1, len(heading))))


def print_growth(growth: Sequence[dict[str, Any]]) -> None:
    heading = ("our step over", "clips", "frames", "ms/clip", "us/frame")
    lines: list[tuple[str, ...]] = [heading]
    for point in growth:
        numbers = (str(point["clips"]), str(point["frames"]), f"{point['ms_per_clip']:.2f}")
        lines.append((point["series"], *numbers, f"{point['us_per_frame']:.1f}"))
    print("\n" + aligned(lines, right=range(1, len(heading))))


def run(options: argparse.Namespace) -> None:
    quick = options.quick
    clips, bands, frames = (12, 64, 64) if quick else (40, 128, 431)
    rounds, steps = (2, 1) if quick else (options.rounds, 3)
    counts, lengths = ((8, 16), (64, 128)) if quick else ((8, 16, 32, 64), (108, 216, 431, 862))
    settings = {"quick": quick, "clips": clips, "bands": bands, "frames": frames, "steps_per_turn": steps}
    report = Report("training", rounds, 0.0, settings, describe_machine(PACKAGES))
    if not os.environ.get("SIAMAUDIO_KERAS_PYTHON"):
        report.skipped[KERAS] = "SIAMAUDIO_KERAS_PYTHON names no interpreter that has it"
    if quick:
        report.skipped[COMPILED] = "compiling takes minutes"
    with tempfile.TemporaryDirectory() as folder, watch_other_load() as load:
        work = Path(folder)
        write_work(work, clips, bands, frames)
        run_now = {name: command for name, command in commands(work, DROPOUT).items() if name not in report.skipped}
        without_dropout = {name: commands(work, 0.0)[name] for name in run_now}
        loss_differences = check_first_step(without_dropout, work, ENVIRONMENT, LOSS_TOLERANCE)
        with ring(run_now, work, ENVIRONMENT) as contenders:
            compare(report, contenders, steps=steps, shape=f"{bands} x {frames}", clips=clips)
        growth = measure_growth(work, counts, lengths, clips=clips, rounds=min(rounds, 3))
    report.environment |= load
    for description in contenders.descriptions.values():
        report.environment["packages"] |= description["packages"]
    report.extras = {
        "libraries": {name: description["libraries"] for name, description in contenders.descriptions.items()},
        "first_step": {"loss_differences": loss_differences, "tolerance": LOSS_TOLERANCE},
        "peak_memory": contenders.peaks,
        "idle_cores": contenders.idle_cores,
        "growth": growth,
    }
    report.write(options.out or RESULTS / ("training-quick.json" if quick else "training.json"))
    print(report)
    print_memory(contenders)
    print_growth(growth)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small clips, no torch.compile: shows that it runs")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender")
    parser.add_argument("--out", type=Path, help="JSON file (default: results/training.json, quick: training-quick)")
    options = parser.parse_args()
    try:
        run(options)
    except (BenchmarkError, WorkerError) as error:
        sys.exit(f"bench_training: {error}")


if __name__ == "__main__":
    main()
