"""SINEXC on one five-way task beside Keras's prediction for each perturbation and beside batches in PyTorch.

benchmarks/README.md says what is measured and how to read it. The environment variable SIAMAUDIO_KERAS_PYTHON names the
interpreter that has Keras.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from bench_training import ENVIRONMENT, PACKAGES, THREADS
from explain_work import WAYS, write_work
from harness import RESULTS, BenchmarkError, Contender, Report, Unit, describe_machine, watch_other_load
from ring import Commands, Ring, ring
from worker import WorkerError

BENCHMARKS = Path(__file__).parent
OURS, KERAS, TORCH = "siamaudio", "Keras, a predict each", "eager PyTorch, batches"
SIMILARITY_TOLERANCE = 1e-4  # of probabilities; float32 sums in another order


def commands(work: Path) -> Commands:
    """Return how each contender is started; Keras only where its interpreter is known."""
    arguments = [work, str(THREADS)]
    found: Commands = {OURS: [sys.executable, BENCHMARKS / "explain_siamaudio.py", *arguments]}
    if keras := os.environ.get("SIAMAUDIO_KERAS_PYTHON"):
        found[KERAS] = [keras, BENCHMARKS / "explain_keras.py", *arguments]
    found[TORCH] = [sys.executable, BENCHMARKS / "explain_torch.py", *arguments]
    return found


def compare(report: Report, contenders: Ring, work: str, *, sample: int, few: int, published: int, shared: int) -> None:
    """Time the same perturbations, then the task: ours by the user's call, the peers as the method is published."""
    counts = {name: few if name == KERAS else sample for name in contenders.workers}

    def contender(name: str, passes: int, target: float | None) -> Contender:
        return Contender(
            name,
            lambda: contenders.ask(name, "perturb", count=counts[name]),
            comparable=lambda answer: np.load(answer["similarities"])[:few],
            target=target,
            seconds=lambda answer: answer["seconds"] * passes,
        )

    ours, *peers = (contender(name, shared, {TORCH: 3.0}.get(name)) for name in contenders.workers)
    report.compare(
        ours, peers, area="same perturbations", work=f"{shared:,} of {work}", threads=THREADS, unit=Unit("s", 1.0),
        tolerance=SIMILARITY_TOLERANCE,
    )  # fmt: skip
    whole = Contender(
        OURS, lambda: contenders.ask(OURS, "explain"), comparable=np.asarray, seconds=lambda answer: answer["seconds"]
    )
    peers = [contender(name, published, {KERAS: 50.0, TORCH: 3.0}[name]) for name in contenders.workers if name != OURS]
    report.compare(
        whole, peers, area="SINEXC, alpha 150", work=f"{WAYS}-way task, {work}", threads=THREADS, unit=Unit("s", 1.0),
        tolerance=None,
    )  # fmt: skip


def run(options: argparse.Namespace) -> None:
    quick = options.quick
    shape, cells = ((46, 44), 3) if quick else ((128, 431), 8)
    sample, few = (20, 3) if quick else (160, 20)
    rounds = 2 if quick else options.rounds
    settings = {"quick": quick, "shape": shape, "segments": cells**2, "sample": sample, "sample_of_keras": few}
    report = Report("explain", rounds, 0.0, settings, describe_machine(PACKAGES))
    if not os.environ.get("SIAMAUDIO_KERAS_PYTHON"):
        report.skipped[KERAS] = "SIAMAUDIO_KERAS_PYTHON names no interpreter that has it"
    with tempfile.TemporaryDirectory() as name, watch_other_load() as load:
        folder = Path(name)
        published, shared = write_work(folder, *shape, cells, sample)
        report.extras["perturbations"] = {"published": published, "shared": shared}
        work = f"{shape[0]} x {shape[1]}, {cells**2} segments"
        with ring(commands(folder), folder, ENVIRONMENT) as contenders:
            compare(report, contenders, work, sample=sample, few=few, published=published, shared=shared)
            for description in contenders.descriptions.values():
                report.environment["packages"] |= description["packages"]
            contenders.note_memory("explaining")
        report.extras["peak_memory"] = contenders.peaks
        report.extras["idle_cores"] = contenders.idle_cores
    report.environment |= load
    report.write(options.out or RESULTS / ("explain-quick.json" if quick else "explain.json"))
    print(report)
    print(f"\nas published {published:,} perturbations, with shared coalitions {shared:,}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small spectrograms: shows that it runs")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contender")
    parser.add_argument("--out", type=Path, help="JSON file (default: results/explain.json)")
    options = parser.parse_args()
    try:
        run(options)
    except (BenchmarkError, WorkerError) as error:
        sys.exit(f"bench_explain: {error}")


if __name__ == "__main__":
    main()
