"""Training and inference of Honka's network on a CUDA device, beside PyTorch from Python, eager and torch.compile.

Run by tools/gpu_check.py. benchmarks/README.md says what is measured.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

import siamaudio as sa
from harness import RESULTS, BenchmarkError, Contender, Report, Unit, aligned, cpu_model
from ring import Answer, Commands, Ring, check_first_step, ring
from training_work import honka, write_work
from worker import WorkerError

BENCHMARKS = Path(__file__).parent
THREADS = 4  # of the CPU, for what feeds the device
DROPOUT = 0.25
BANDS, FRAMES = 128, 431

OURS, EAGER, COMPILED = "siamaudio", "eager PyTorch, channels_last", "torch.compile, channels_last"
ON_CPU = "siamaudio on the CPU"

# TensorFloat-32, which torch's convolutions of float32 use by default, has 10 bits of mantissa.
EMBEDDING_TOLERANCE = 1e-2
LOSS_TOLERANCE = 1e-2

ENVIRONMENT = {"OMP_NUM_THREADS": str(THREADS)}


def commands(work: Path, dropout: float, precision: str) -> Commands:
    """Return how each contender is started."""
    arguments = [work, str(dropout), str(THREADS), "cuda", precision]
    return {
        OURS: [sys.executable, BENCHMARKS / "train_siamaudio.py", *arguments],
        EAGER: [sys.executable, BENCHMARKS / "train_torch.py", *arguments, "eager"],
        COMPILED: [sys.executable, BENCHMARKS / "train_torch.py", *arguments, "compile"],
    }


def describe_device() -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(0)
    return {
        "device": properties.name,
        "compute capability": f"{properties.major}.{properties.minor}",
        "memory": properties.total_memory,
        "torch": torch.__version__,
        "CUDA": torch.version.cuda,
        "cuDNN": torch.backends.cudnn.version(),
        "siamaudio": sa.__version__,
        "cpu": cpu_model(),
        "system": platform.platform(),
    }


def first_step(work: Path) -> dict[str, float]:
    """Compare the loss of one float32 step on the device with the CPU's, and with eager PyTorch's."""
    found = commands(work, 0.0, "float32")
    on_cpu: list[str | Path] = [*found[OURS][:-2], "cpu", "float32"]
    return check_first_step({OURS: found[OURS], ON_CPU: on_cpu, EAGER: found[EAGER]}, work, ENVIRONMENT, LOSS_TOLERANCE)


def compare(report: Report, contenders: Ring, *, clips: int, steps: int) -> None:
    def whole(answer: Answer) -> float:
        return answer["seconds"]

    def of_a_pair(answer: Answer) -> float:
        return answer["seconds"] / answer["pairs"]

    def training(name: str, seconds: Any, **arguments: Any) -> Contender:
        return Contender(name, lambda: contenders.ask(name, "train", steps=steps, **arguments), seconds=seconds)

    ours, *peers = (
        Contender(
            name,
            lambda name=name: contenders.ask(name, "embed"),
            comparable=lambda answer: np.load(answer["embeddings"]),
            seconds=whole,
        )
        for name in contenders.workers
    )
    shape = f"{clips} clips of {BANDS} x {FRAMES}"
    report.compare(
        ours, peers, area="inference, float32", work=shape, threads=THREADS, unit=Unit("ms", 1e3),
        tolerance=EMBEDDING_TOLERANCE,
    )  # fmt: skip
    ours, *peers = (training(name, whole) for name in contenders.workers)
    report.compare(
        ours, peers, area="training step, bf16", work=f"{shape} as pairs, two-sided", threads=THREADS,
        unit=Unit("ms", 1e3), tolerance=None,
    )  # fmt: skip
    ours = training(OURS, of_a_pair, pairing="in-batch")
    peers = [training(name, of_a_pair) for name in contenders.workers if name != OURS]
    report.compare(
        ours, peers, area="training pairs, bf16", work=f"{shape}; ours forms all pairs", threads=THREADS,
        unit=Unit("us/pair", 1e6), tolerance=None,
    )  # fmt: skip


def throughput(report: Report, contenders: Ring, *, clips: int) -> dict[str, dict[str, float]]:
    """Clips and pairs a second in two-sided training, the share of the device's peak, and memory."""
    device_bytes = {name: contenders.ask(name, "device_memory")["bytes"] for name in contenders.workers}
    peak = contenders.ask(EAGER, "matmul_rate")["operations_per_second"]
    layers = honka(DROPOUT).build((BANDS, FRAMES)).summary().layers
    operations = 3 * clips * sum(layer.flops for layer in layers)  # forward, and twice that on the way back
    rows = [row for row in report.rows if row.area == "training step, bf16" and row.work.startswith(f"{clips} ")]
    seconds = {OURS: rows[0].ours_seconds} | {row.peer: row.peer_seconds for row in rows}
    found = {}
    for name, times in seconds.items():
        step = statistics.median(times)
        found[name] = {
            "clips_per_second": clips / step,
            "pairs_per_second": clips / 2 / step,
            "share_of_peak": operations / step / peak,
            "peak": peak,
            "device_bytes": device_bytes[name],
        }
    return found


def print_throughput(batches: dict[str, dict[str, dict[str, float]]]) -> None:
    heading = ("two-sided, bf16", "clips a step", "clips/s", "pairs/s", "share of peak", "most device memory, MB")
    lines: list[tuple[str, ...]] = [heading]
    for clips, found in batches.items():
        for name, figures in found.items():
            rates = (f"{figures['clips_per_second']:,.0f}", f"{figures['pairs_per_second']:,.0f}")
            lines.append(
                (name, clips, *rates, f"{figures['share_of_peak']:.1%}", f"{figures['device_bytes'] / 1e6:,.0f}")
            )
    print("\n" + aligned(lines, right=range(1, len(heading))))


def run(options: argparse.Namespace) -> None:
    rounds, steps = (2, 5) if options.quick else (5, 50)
    sizes = (40,) if options.quick else (40, 256)
    settings = {"quick": options.quick, "clips": sizes, "bands": BANDS, "frames": FRAMES, "steps_per_turn": steps}
    report = Report("gpu", rounds, 0.0, settings, describe_device())
    batches = {}
    for clips in sizes:
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            write_work(work, clips, BANDS, FRAMES)
            if clips == sizes[0]:
                report.extras["first_step"] = {"loss_differences": first_step(work), "tolerance": LOSS_TOLERANCE}
            with ring(commands(work, DROPOUT, "bf16"), work, ENVIRONMENT) as contenders:
                compare(report, contenders, clips=clips, steps=steps)
                batches[str(clips)] = throughput(report, contenders, clips=clips)
    report.extras["throughput"] = batches
    report.write(options.out or RESULTS / ("gpu-quick.json" if options.quick else "gpu.json"))
    print(", ".join(f"{name} {value}" for name, value in report.environment.items()))
    print("\n" + report.table())
    print_throughput(batches)
    peak = batches[str(sizes[0])][OURS]["peak"]
    print(f"\npeak: {peak / 1e12:,.0f} TFLOP/s, reached by a bf16 matrix product of 8192 x 8192")
    for name, difference in report.extras["first_step"]["loss_differences"].items():
        print(f"loss of the first float32 step, from {name}: {difference:.2g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one batch size, few steps")
    parser.add_argument("--out", type=Path, help="JSON file (default: results/gpu.json, quick: gpu-quick)")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("bench_gpu: no CUDA device")
    try:
        run(options)
    except (BenchmarkError, WorkerError) as error:
        sys.exit(f"bench_gpu: {error}")


if __name__ == "__main__":
    main()
