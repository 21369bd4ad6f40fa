"""Two published systems in Keras beside this package, trained on the same data: accuracy against seconds.

::

    python benchmarks/bench_keras.py [--minutes 10] [--systems honka,fedele] [--data fold4] [--size small] [--seed 0]

Trains Honka's and Fedele's systems as one would write them in Keras (benchmarks/keras_baseline/), and the same systems
here, on spectrograms of ESC-50: 40 classes, 5 more to validate on, 5 unseen ones. All begin with the same weights and
measure the same exact one-shot accuracy on the validation classes again and again. The environment variable
SIAMAUDIO_KERAS_PYTHON names the interpreter that has Keras. benchmarks/README.md says how to read the table.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import siamaudio as sa
from harness import (
    RESULTS,
    BenchmarkError,
    Report,
    Row,
    Unit,
    aligned,
    check_same,
    describe_machine,
    watch_other_load,
)
from keras_work import PRESETS, SIZES, features_of, ours_from_keras, split_of, write_work
from worker import Worker, WorkerError

BENCHMARKS = Path(__file__).parent
WAYS = 5
KERAS = "Keras on TensorFlow"
RECIPES = {
    "honka": {"two-sided": "as published", "in-batch": "each clip embedded once", "modern": "modern preset"},
    "fedele": {"two-sided": "as published", "in-batch": "each clip embedded once"},
}
KERAS_SHARE = 0.5  # of a system's time; ours have the other half together
WARM_UP_SHARE = 0.2  # of all the time, for loading, tracing and what is not on any clock
NUM_CHECKS = 40  # of Keras's accuracy
CHECKS_PER_EPOCH = 4  # of ours, where an epoch is as long as Keras's
MOST_STEPS_A_CHECK = 100

# Float32 sums in another order, through a sigmoid.
TOLERANCE = 1e-3
TIME_TARGET, PAIRS_TARGET = 30.0, 100.0

Curve = list[dict[str, Any]]


# ---- the contenders, one after the other


def environment(threads: int) -> dict[str, str]:
    return {
        "OMP_NUM_THREADS": str(threads),
        "CUDA_VISIBLE_DEVICES": "-1",
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def train_keras(
    python: str, work: Path, system: str, validation: sa.Features, options: argparse.Namespace, seconds: float
) -> dict[str, Any]:
    """Train the Keras baseline, and check that our network with its weights is the same network."""
    command = [python, BENCHMARKS / "keras_baseline" / "serve.py", work, system]
    command += [str(options.seed), str(options.threads)]
    log = work / f"{system}-keras.log"
    with Worker(command, log=log, environment=environment(options.threads)) as worker:
        packages = worker.ask("describe")["packages"]
        first = np.load(worker.ask("warm_up")["similarity"])
        found = worker.ask("train", seconds=seconds, num_checks=NUM_CHECKS)
        played = worker.ask("evaluate", most_tasks=options.tasks)
        memory = worker.peak_memory()
    with np.load(found["similarities"]) as file:
        similarities = {part: file[part] for part in ("validation", "test")}
    with np.load(work / f"{system}.npz") as file:
        labels = {part: file[f"{part}_labels"] for part in similarities}
    for point, *matrices in zip(found["curve"], *similarities.values(), strict=True):
        for part, matrix in zip(similarities, matrices, strict=True):
            result = sa.evaluate_oneshot(similarity=matrix, labels=labels[part], ways=WAYS)
            point["accuracy" if part == "validation" else "test accuracy"] = result.accuracy
    best = max(found["curve"], key=lambda point: point["accuracy"])
    untrained = sa.evaluate_oneshot(similarity=first, labels=labels["validation"], ways=WAYS)

    with np.load(work / f"{system}-keras.npz") as before, np.load(found["weights"]) as after:
        twins = [ours_from_keras(system, validation.shape[1:], dict(arrays)) for arrays in (before, after)]
    ours = [own.similarity(*2 * [own.embed(validation, num_threads=options.threads)]) for own in twins]
    differences = {
        when: check_same(own, theirs, TOLERANCE, f"{system}, similarities {when}")
        for when, own, theirs in zip(
            ("before training", "after training"), ours, (first, similarities["validation"][-1]), strict=True
        )
    }
    check_answers(ours[1], played, system)
    return {
        "curve": found["curve"],
        "untrained_accuracy": untrained.accuracy,
        "best_accuracy": best["accuracy"],
        "kept_accuracy": kept(found["curve"]),
        "test_accuracy": best["test accuracy"],
        "steps_per_epoch": found["steps_per_epoch"],
        "pairs_per_epoch": found["pairs_per_epoch"],
        "evaluation": {"seconds": played["seconds"], "num_tasks": len(played["answers"])},
        "peak_memory": memory,
        "differences": differences,
        "packages": packages,
    }


def check_answers(similarity: npt.NDArray[np.float32], played: dict[str, Any], system: str) -> None:
    """Raise a BenchmarkError if Keras's `predict` answers a task otherwise than our similarities do.

    Supports that are equally similar, but for rounding, are both right answers.
    """
    of_supports = similarity[np.array(played["queries"])[:, None], np.array(played["supports"])]
    chosen = of_supports[np.arange(len(of_supports)), played["answers"]]
    different = int((chosen < of_supports.max(axis=1) - 2 * TOLERANCE).sum())
    if different:
        raise BenchmarkError(
            f"{system}: {different} of {len(chosen)} one-shot tasks are answered otherwise with the same weights"
        )


def train_ours(
    work: Path, system: str, recipe: str, steps_per_check: int, options: argparse.Namespace, seconds: float
) -> dict[str, Any]:
    """Train one of our recipes in a process of its own."""
    command = [sys.executable, BENCHMARKS / "learn_siamaudio.py", work, system, recipe]
    command += [str(options.seed), str(options.threads)]
    log = work / f"{system}-{recipe}.log"
    with Worker(command, log=log, environment=environment(options.threads)) as worker:
        found = worker.ask("train", seconds=seconds, steps_per_check=steps_per_check)
        found["evaluation"] = worker.ask("evaluate")
        return found | {"peak_memory": worker.peak_memory()}


# ---- what the curves say


def accuracy_at(curve: Curve, key: str, most: float) -> float | None:
    """Return the accuracy of the last check at which `key` had not passed `most`; None before the first check."""
    passed = [point["accuracy"] for point in curve if point[key] <= most]
    return passed[-1] if passed else None


def kept(curve: Curve) -> float:
    """Return the best accuracy that two checks in a row have: a single one may be luck."""
    accuracies = [point["accuracy"] for point in curve]
    return max(map(min, accuracies, accuracies[1:])) if len(curve) > 1 else accuracies[0]


def seconds_to(curve: Curve, accuracy: float, *, at_first: bool) -> float | None:
    """Return when two checks in a row had an accuracy: the time of the first of them, or of the second.

    None if there never were two.
    """
    for first, second in itertools.pairwise(curve):
        if min(first["accuracy"], second["accuracy"]) >= accuracy:
            return (first if at_first else second)["seconds"]
    return None


def contender_name(system: str, recipe: str) -> str:
    return KERAS if recipe == "keras" else f"siamaudio, {RECIPES[system][recipe]}"


def summarise(system: str, found: dict[str, dict[str, Any]]) -> None:
    """Add to each contender what its curve says beside Keras's."""
    keras_curve = found["keras"]["curve"]
    equal_seconds = min(contender["curve"][-1]["seconds"] for contender in found.values())
    for contender in found.values():
        last = contender["curve"][-1]
        seconds_per_step = last["seconds"] / last["steps"]
        contender["seconds_per_step"] = seconds_per_step
        contender["seconds_per_epoch"] = seconds_per_step * contender["steps_per_epoch"]
        pairs = contender["pairs_per_epoch"]
        contender["pairs_per_second"] = None if pairs is None else pairs / contender["seconds_per_epoch"]
        contender["equal_seconds"] = equal_seconds
        contender["accuracy_after_equal_time"] = accuracy_at(contender["curve"], "seconds", equal_seconds)
    # Where one of them made fewer epochs, both are looked at then.
    for recipe, contender in found.items():
        epochs = [c["curve"][-1]["steps"] / c["steps_per_epoch"] for c in (contender, found["keras"])]
        contender["equal_epochs"] = min(epochs)
        for whose, key in ((contender, ""), (found["keras"], "keras_")):
            steps = min(epochs) * whose["steps_per_epoch"] + 1e-6
            contender[f"{key}accuracy_after_equal_epochs"] = accuracy_at(whose["curve"], "steps", steps)
        contender["seconds_to_accuracy"] = {
            f"{accuracy:.4f}": seconds_to(contender["curve"], accuracy, at_first=recipe == "keras")
            for accuracy in accuracies_of(keras_curve, found["keras"]["untrained_accuracy"])
        }
        contender["name"] = contender_name(system, recipe)


def accuracies_of(curve: Curve, untrained: float) -> list[float]:
    """Return what a curve kept, and every twentieth below it that the first weights did not have."""
    best = kept(curve)
    return [accuracy for accuracy in sorted({*(step / 20 for step in range(20)), best}) if untrained < accuracy <= best]


def ratio_rows(
    system: str, found: dict[str, dict[str, Any]], raw_accuracy: float, threads: int
) -> tuple[list[Row], list[str]]:
    """Return what stands beside Keras as ratios, and in words what was not reached or says little."""
    rows, notes = [], []
    keras = found["keras"]
    best = f"{keras['kept_accuracy']:.4f}"
    if best not in keras["seconds_to_accuracy"]:
        notes.append(
            f"{system}: Keras did not learn in the {keras['curve'][-1]['seconds']:.0f} s it was given: best "
            f"{keras['kept_accuracy']:.1%}, untrained {keras['untrained_accuracy']:.1%}"
        )
    elif keras["kept_accuracy"] < raw_accuracy:
        notes.append(
            f"{system}: Keras's best, {keras['kept_accuracy']:.1%}, is below the {raw_accuracy:.1%} of comparing raw "
            "spectrograms: the time to it says little; --minutes and --data all give it more"
        )
    for recipe, own in found.items():
        if recipe == "keras":
            continue
        new = recipe != "two-sided"
        what = f"{system}, {RECIPES[system][recipe]}"

        def row(area: str, unit: Unit, ours: float, theirs: float, target: float | None, what: str = what) -> Row:
            return Row(area, what, threads, KERAS, unit, [ours], [theirs], None, None, target)

        ours, theirs = (each["seconds_to_accuracy"].get(best) for each in (own, keras))
        if theirs is not None and ours is None:
            notes.append(
                f"{what}: not twice in a row at the {keras['kept_accuracy']:.1%} that Keras had after {theirs:.0f} s, "
                f"in the {own['curve'][-1]['seconds']:.0f} s it was given (best {own['best_accuracy']:.1%})"
            )
        elif theirs is not None:
            area = f"time to {keras['kept_accuracy']:.1%}"
            rows.append(row(area, Unit("s", 1.0), ours, theirs, TIME_TARGET if new else None))
        if own["pairs_per_second"] is not None:
            pair, of_keras = 1 / own["pairs_per_second"], 1 / keras["pairs_per_second"]
            rows.append(row("training pairs", Unit("ms/pair", 1e3), pair, of_keras, PAIRS_TARGET if new else None))
        task = [each["evaluation"]["seconds"] / each["evaluation"]["num_tasks"] for each in (own, keras)]
        rows.append(row("one-shot evaluation", Unit("ms/task", 1e3), *task, None))
    return rows, notes


# ---- the run


def table(systems: dict[str, dict[str, Any]]) -> str:
    """Return all contenders, one a line."""

    def percent(value: float | None) -> str:
        return "–" if value is None else f"{value:.1%}"

    def count(value: float | None) -> str:
        return "–" if value is None else f"{value:,.0f}"

    heading = ("system", "contender", "s/epoch", "pairs/epoch", "pairs/s", "equal time", "equal epochs", "(Keras's)")
    lines = [(*heading, "untrained", "best", "unseen", "ms/task", "most MB")]
    for system, found in systems.items():
        for recipe, each in found["contenders"].items():
            keras_then = "" if recipe == "keras" else percent(each["keras_accuracy_after_equal_epochs"])
            lines.append(
                (
                    system,
                    each["name"],
                    f"{each['seconds_per_epoch']:.2f}",
                    count(each["pairs_per_epoch"]),
                    count(each["pairs_per_second"]),
                    f"{percent(each['accuracy_after_equal_time'])} at {each['equal_seconds']:.0f} s",
                    f"{percent(each['accuracy_after_equal_epochs'])} at {each['equal_epochs']:.2f}",
                    keras_then,
                    percent(each["untrained_accuracy"]),
                    percent(each["best_accuracy"]),
                    percent(each["test_accuracy"]),
                    f"{1e3 * each['evaluation']['seconds'] / each['evaluation']['num_tasks']:.2f}",
                    f"{each['peak_memory'] / 1e6:,.0f}",
                )
            )
    return aligned(lines, right=range(2, len(lines[0])))


def times_table(system: str, contenders: dict[str, dict[str, Any]]) -> str:
    """Return the seconds to each accuracy that Keras reached."""
    accuracies = list(contenders["keras"]["seconds_to_accuracy"])
    lines = [(f"{system}: seconds to", *(f"{float(accuracy):.1%}" for accuracy in accuracies))]
    for each in contenders.values():
        times = each["seconds_to_accuracy"]
        lines.append((each["name"], *("–" if times[a] is None else f"{times[a]:.1f}" for a in accuracies)))
    return aligned(lines, right=range(1, len(lines[0])))


def draw(results: Path, picture: Path) -> None:
    """Draw accuracy against seconds, one panel a system, from the JSON file.

    Parameters
    ----------
    results : Path
        What the run wrote.
    picture : Path
        The chart, in a format that Matplotlib knows by its ending.
    """
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    found = json.loads(results.read_text(encoding="utf-8"))
    colours = {"keras": "#000000", "two-sided": "#56b4e9", "in-batch": "#0072b2", "modern": "#d55e00"}
    systems = found["systems"]
    figure, grid = plt.subplots(1, len(systems), figsize=(6.2 * len(systems), 5.2), layout="constrained", squeeze=False)
    for ax, (system, values) in zip(grid[0], systems.items(), strict=True):
        for recipe, each in values["contenders"].items():
            seconds = [point["seconds"] for point in each["curve"]]
            percent = [100 * point["accuracy"] for point in each["curve"]]
            style = "--" if recipe == "keras" else "-"
            ax.plot(seconds, percent, style, color=colours[recipe], label=each["name"], linewidth=1.3, marker=".")
        best = 100 * values["contenders"]["keras"]["kept_accuracy"]
        ax.axhline(best, color="grey", linewidth=0.8, linestyle="-.", label=f"Keras twice in a row, {best:.1f} %")
        raw = 100 * values["raw spectrograms"]
        ax.axhline(raw, color="#009e73", linewidth=0.8, linestyle="--", label=f"raw spectrograms, {raw:.1f} %")
        ax.axhline(100 * values["chance"], color="grey", linewidth=0.8, linestyle=":", label="chance")
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(ScalarFormatter())
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_ylim(0, 100)
        ax.set_xlabel(f"seconds of training, threads: {found['settings']['threads']}")
        ax.set_title(f"{system}: {values['shape'][0]} x {values['shape'][1]}, {values['num_train_clips']} clips")
        ax.grid(alpha=0.3)
        ax.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, frameon=False)
    grid[0, 0].set_ylabel("exact one-shot accuracy on validation classes, %")
    figure.savefig(picture, dpi=120)
    plt.close(figure)


def run(options: argparse.Namespace) -> None:
    python = os.environ.get("SIAMAUDIO_KERAS_PYTHON")
    if not python:
        raise BenchmarkError("SIAMAUDIO_KERAS_PYTHON names no interpreter that has Keras")
    trained = 60 * options.minutes * (1 - WARM_UP_SHARE) / len(options.systems)
    settings = {
        "data": options.data,
        "size": options.size,
        "seed": options.seed,
        "minutes": options.minutes,
        "threads": options.threads,
        "quick": options.quick,
        "checks of ours in a row": 2,
    }
    report = Report("keras", 1, 0.0, settings, describe_machine(("numpy", "torch")))
    systems: dict[str, dict[str, Any]] = {}
    notes: list[str] = []
    with tempfile.TemporaryDirectory() as folder, watch_other_load() as load:
        work = Path(folder)
        for system in options.systems:
            features = features_of(options.data, system, options.size, options.clips_per_class)
            classes = split_of(features, options.seed, options.classes)
            validation = write_work(work, system, features, classes, options.seed)
            keras = train_keras(python, work, system, validation, options, KERAS_SHARE * trained)
            report.environment["packages"] |= keras.pop("packages")
            differences = keras.pop("differences")
            contenders = {"keras": keras}
            steps_per_check = min(MOST_STEPS_A_CHECK, max(1, keras["steps_per_epoch"] // CHECKS_PER_EPOCH))
            if system == "fedele":
                steps_per_check = 2  # its batches are 16 times as large as Honka's
            for recipe in RECIPES[system]:
                seconds = (1 - KERAS_SHARE) * trained / len(RECIPES[system])
                contenders[recipe] = train_ours(work, system, recipe, steps_per_check, options, seconds)
                raw_accuracy = contenders[recipe].pop("raw_accuracy")  # the same for all
            summarise(system, contenders)
            rows, remarks = ratio_rows(system, contenders, raw_accuracy, options.threads)
            report.rows += rows
            notes += remarks
            systems[system] = {
                "contenders": contenders,
                "classes": classes.to_dict(),
                "shape": features.shape[1:],
                "num_train_clips": int(np.isin(np.array(features.class_names)[features.labels], classes.train).sum()),
                "chance": 1 / WAYS,
                "raw spectrograms": raw_accuracy,
                "largest differences": differences,
                "tolerance": TOLERANCE,
            }
    report.environment |= load
    report.extras = {"systems": systems, "notes": notes}
    out = options.out or RESULTS / ("keras-quick.json" if options.quick else "keras.json")
    report.write(out)
    draw(out, out.with_suffix(".png"))
    print(report)
    for note in notes:
        print(f"note: {note}")
    print(f"\n{table(systems)}")
    for system, found in systems.items():
        if found["contenders"]["keras"]["seconds_to_accuracy"]:
            print(f"\n{times_table(system, found['contenders'])}")
    print(f"\n{out}, {out.with_suffix('.png')}")


def _systems(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in PRESETS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(PRESETS)}")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="about so long the whole run takes (default: 10)")
    parser.add_argument("--systems", type=_systems, default=list(PRESETS), help="default: honka,fedele")
    parser.add_argument(
        "--data",
        choices=("fold4", "all"),
        default="fold4",
        help="fold 4's recordings, or spectrograms of all 2000 clips",
    )
    parser.add_argument(
        "--size", choices=SIZES, default="small", help="full: 128 x 431; small: 64 x 108; tiny: 44 x 44"
    )
    parser.add_argument("--seed", type=int, default=0, help="of classes, weights and batches")
    parser.add_argument("--threads", type=int, default=2, help="of each contender (default: 2)")
    parser.add_argument("--quick", action="store_true", help="few tiny clips, seconds of training: shows that it runs")
    parser.add_argument(
        "--out", type=Path, help="JSON file; the picture stands beside it (default: results/keras.json)"
    )
    options = parser.parse_args()
    options.tasks, options.classes, options.clips_per_class = 300, None, None
    if options.quick:
        options.size, options.minutes = "tiny", 0.15
        options.tasks, options.classes, options.clips_per_class = 10, 18, 6
    try:
        run(options)
    except (BenchmarkError, WorkerError) as error:
        sys.exit(f"bench_keras: {error}")


if __name__ == "__main__":
    main()
