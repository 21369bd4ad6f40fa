"""One-shot accuracy on unseen classes of ESC-50, over many class splits.

::

    python benchmarks/bench_accuracy.py [--protocol 40/5/5,35/5/10,honka2019,fedele2022,fold4] [--splits 10]

Trains one network a split and writes what it reaches on the split's test classes to a file of its own, so that a run
that was stopped goes on where it was: with the same arguments it does what is missing. Then prints the means with
standard deviation and standard error, and writes them and a chart.

Protocols: ``40/5/5`` and ``35/5/10`` draw training, validation and test classes by the split's number as the seed;
``honka2019`` and ``fedele2022`` test on the five classes of those studies, train on 40 others, and draw which 5 remain;
these four are on mel bands made of `esc50-logspec-128.npz` (2000 clips). ``fold4`` is 40/5/5 on log-mel spectrograms
of fold 4's recordings, 8 clips a class. Validation classes are used for nothing: training has a fixed length.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import siamaudio as sa
from esc50 import FEDELE_CLASSES, HONKA_CLASSES, mel_pictures, split_classes
from harness import RESULTS, BenchmarkError, aligned, describe_machine, shared_data
from siamaudio import network_options
from siamaudio.files import replace_file
from siamaudio.presets import preset_options

WAYS = 5

# What is measured, in the order of tables and chart: key in the files and heading.
FIGURES = {
    "raw": "raw pictures",
    "plain": "network",
    "whitened": "whitened",
    "whitened, source-disjoint": "whitened, other source",
}


@dataclass(frozen=True)
class Protocol:
    """Which classes are trained and tested on.

    Parameters
    ----------
    num_test : int
        Test classes that a split draws.
    test : tuple of str or None
        Test classes by name, the same for every split.
    num_splits : int
        By default.
    recordings : bool
        Of fold 4, through the preset's front end; else the spectrograms of all clips.
    published : tuple of (str, float)
        Accuracies of others under this protocol.
    """

    num_test: int = 5
    test: tuple[str, ...] | None = None
    num_splits: int = 10
    recordings: bool = False
    published: tuple[tuple[str, float], ...] = ()


PROTOCOLS = {
    "40/5/5": Protocol(),
    "35/5/10": Protocol(num_test=10, published=(("FO-Meta-Curvature", 0.7617),)),
    "honka2019": Protocol(test=HONKA_CLASSES, num_splits=3, published=(("Honka 2019", 0.791),)),
    "fedele2022": Protocol(test=FEDELE_CLASSES, num_splits=3, published=(("Fedele 2022", 0.87),)),
    "fold4": Protocol(recordings=True),
}


# ---- one split


def load(protocol: Protocol, preset: str) -> sa.Features:
    """Return the features of all classes."""
    if not protocol.recordings:
        return mel_pictures()
    clips = sa.datasets.esc50(shared_data("esc50-fold4"))
    return sa.LogMel.preset(preset).transform(clips, progress=False)


def measure(features: sa.Features, protocol: Protocol, split: int, options: argparse.Namespace) -> dict[str, Any]:
    """Train and test on one split."""
    classes = split_classes(features.class_names, split, num_test=protocol.num_test, test=protocol.test)
    train, test = features.select_classes(classes.train), features.select_classes(classes.test)
    net = sa.SiameseNetwork.preset(options.preset)
    start = time.perf_counter()
    net.fit(
        train,
        epochs=options.epochs,
        seed=split,
        device=options.device,
        num_threads=options.threads,
        progress=sys.stderr.isatty(),
    )
    train_seconds = time.perf_counter() - start
    plain = sa.evaluate_oneshot(net, test, ways=WAYS)
    plain_disjoint = _source_disjoint(net, test)
    start = time.perf_counter()
    net.calibrate(train, num_threads=options.threads)
    calibrate_seconds = time.perf_counter() - start
    whitened = sa.evaluate_oneshot(net, test, ways=WAYS)
    return {
        "classes": classes.to_dict(),
        "accuracy": {
            "raw": plain.baselines["raw spectrogram"],
            "plain": plain.accuracy,
            "whitened": whitened.accuracy,
            "plain, source-disjoint": plain_disjoint,
            "whitened, source-disjoint": _source_disjoint(net, test),
        },
        "per class": whitened.per_class,
        "training clips": len(train),
        "test clips": len(test),
        "parameters": net.num_parameters(),
        "loss": net.history_["loss"],
        "seconds": {"training": train_seconds, "calibration": calibrate_seconds},
    }


def _source_disjoint(net: sa.SiameseNetwork, test: sa.Features) -> float | None:
    """Return the accuracy where no support has the query's source; None where too few classes have two sources."""
    sources = dict.fromkeys(zip(test.labels.tolist(), test.sources, strict=True))
    if np.count_nonzero(np.bincount([label for label, _ in sources]) > 1) < WAYS:
        return None
    return sa.evaluate_oneshot(net, test, ways=WAYS, source_disjoint=True, baseline=False).accuracy


# ---- all splits


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """Return what a split's figures depend on besides the split; device and threads are no part of it."""
    network = json.dumps(network_options.to_dict(preset_options(options.preset)), sort_keys=True)
    return {
        "preset": options.preset,
        "network": hashlib.sha256(network.encode()).hexdigest()[:16],
        "epochs": options.epochs,
        "clips of a class": options.clips_per_class,
    }


def split_path(folder: Path, protocol: str, split: int) -> Path:
    """Where the figures of a split are."""
    return folder / f"{protocol.replace('/', '-')}-split{split}.json"


def read_split(path: Path, wanted: dict[str, Any]) -> dict[str, Any] | None:
    """Return what an earlier run has measured; None if it has not.

    Raises
    ------
    BenchmarkError
        The file is of other settings.
    """
    if not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    for name, value in wanted.items():
        if found["settings"][name] != value:
            raise BenchmarkError(
                f"{path} was measured with {name} {found['settings'][name]}, not {value}: --out names another folder"
            )
    return found


def fewer_clips(features: sa.Features, clips_per_class: int) -> sa.Features:
    """Return clips of each class, evenly spaced, as neighbours are often of one recording."""
    chosen = []
    for label in np.unique(features.labels):
        clips = np.flatnonzero(features.labels == label)
        chosen += clips[np.arange(clips_per_class) * len(clips) // clips_per_class].tolist()
    return features[np.sort(chosen)]


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure what is missing, and return the summary of all."""
    wanted = settings(options)
    results: dict[str, list[dict[str, Any]]] = {}
    for name in options.protocol:
        protocol = PROTOCOLS[name]
        features = None
        results[name] = []
        for split in range(options.splits or protocol.num_splits):
            path = split_path(options.out, name, split)
            found = read_split(path, wanted)
            if found is None:
                if features is None:
                    features = load(protocol, options.preset)
                    if options.clips_per_class is not None:
                        features = fewer_clips(features, options.clips_per_class)
                figures = measure(features, protocol, split, options)
                found = {
                    "protocol": name,
                    "split": split,
                    "settings": wanted,
                    "device": options.device,
                    "threads": options.threads,
                    **figures,
                }
                replace_file(path, (json.dumps(found, indent=1, allow_nan=False) + "\n").encode())
            reached = {heading: found["accuracy"][key] for key, heading in FIGURES.items()}
            shown = "  ".join(f"{name} {'none' if each is None else f'{each:.1%}'}" for name, each in reached.items())
            print(f"{name:<11} split {split}: {shown}  {found['seconds']['training']:.0f} s", flush=True)
            results[name].append(found)
    return summary(results, wanted)


def summary(results: dict[str, list[dict[str, Any]]], wanted: dict[str, Any]) -> dict[str, Any]:
    """Return mean, standard deviation and standard error over splits of every figure, protocol by protocol."""
    protocols = {}
    for name, splits in results.items():
        reached = {key: [split["accuracy"][key] for split in splits] for key in splits[0]["accuracy"]}
        figures = {key: _moments([each for each in values if each is not None]) for key, values in reached.items()}
        protocols[name] = {
            "splits": [split["split"] for split in splits],
            "accuracy": figures,
            "training seconds": _moments([split["seconds"]["training"] for split in splits]),
            "threads": sorted({str(split["threads"]) for split in splits}),
            "devices": sorted({split["device"] for split in splits}),
            "published": dict(PROTOCOLS[name].published),
        }
    return {"benchmark": "accuracy", "ways": WAYS, "settings": wanted, "protocols": protocols}


def _moments(values: Sequence[float]) -> dict[str, Any]:
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {
        "mean": float(np.mean(values)),
        "standard deviation": deviation,
        "standard error": None if deviation is None else deviation / math.sqrt(len(values)),
        "values": list(values),
    }


def table(found: dict[str, Any]) -> str:
    """Return mean ± standard deviation (standard error) in %, one line a protocol."""
    lines = [("protocol", "splits", *FIGURES.values(), "published", "seconds")]
    for name, protocol in found["protocols"].items():
        cells = []
        for key in FIGURES:
            figure = protocol["accuracy"][key]
            spread = ""
            if figure["standard deviation"] is not None:
                spread = f" ± {100 * figure['standard deviation']:.1f} ({100 * figure['standard error']:.1f})"
            cells.append(f"{100 * figure['mean']:.1f}{spread}")
        published = ", ".join(f"{100 * accuracy:.1f}" for accuracy in protocol["published"].values())
        seconds = f"{protocol['training seconds']['mean']:.0f}"
        lines.append((name, str(len(protocol["splits"])), *cells, published, seconds))
    return aligned(lines, right=(1, *range(2, 4 + len(FIGURES))))


# ---- chart


def draw(summary_file: Path, picture: Path) -> None:
    """Draw the means of a summary, a dot a split, and what others have published.

    Parameters
    ----------
    summary_file : Path
        The JSON file that `run` ends with.
    picture : Path
        The chart, in a format that Matplotlib knows by its ending.
    """
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    found = json.loads(summary_file.read_text(encoding="utf-8"))
    shown = [key for key in FIGURES if "disjoint" not in key]
    colours = dict(zip(shown, ("#b8b8b8", "#7fa8d9", "#1f5aa6"), strict=True))
    figure, axes = plt.subplots(figsize=(9, 4.2), layout="constrained")
    for place, protocol in enumerate(found["protocols"].values()):
        for number, key in enumerate(shown):
            values = [100 * value for value in protocol["accuracy"][key]["values"]]
            x = place + (number - 1) * 0.26
            label = FIGURES[key] if place == 0 else None
            axes.bar(x, np.mean(values), width=0.24, color=colours[key], label=label, zorder=2)
            jitter = np.linspace(-0.07, 0.07, len(values)) if len(values) > 1 else [0.0]
            axes.plot(x + np.asarray(jitter), values, ".", color="black", markersize=3.5, alpha=0.6, zorder=3)
            axes.annotate(
                f"{np.mean(values):.1f}", (x, 2), ha="center", fontsize=8, color="white" if number == 2 else "black"
            )
        for who, accuracy in protocol["published"].items():
            axes.hlines(100 * accuracy, place - 0.4, place + 0.4, color="#c0392b", linestyle="--", zorder=4)
            axes.annotate(
                f"{who} {100 * accuracy:.1f}",
                (place, 100 * accuracy),
                xytext=(0, 5),
                textcoords="offset points",
                ha="center",
                fontsize=8,
                color="#c0392b",
                bbox={"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
                zorder=5,
            )
    axes.axhline(100 / found["ways"], color="grey", linewidth=0.8, linestyle=":", label="chance")
    names = [f"{name}\n{len(protocol['splits'])} splits" for name, protocol in found["protocols"].items()]
    axes.set_xticks(range(len(names)), names)
    axes.set_ylim(0, 100)
    axes.set_ylabel(f"exact {found['ways']}-way one-shot accuracy, %")
    axes.grid(axis="y", alpha=0.3, zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.12), ncols=4, frameon=False)
    figure.savefig(picture, dpi=120)
    plt.close(figure)


def _protocols(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in PROTOCOLS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(PROTOCOLS)}")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    everything = ",".join(PROTOCOLS)
    parser.add_argument("--protocol", type=_protocols, default=_protocols(everything), help=f"default: {everything}")
    parser.add_argument("--splits", type=int, help="of each protocol, from seed 0 (default: 10; 3 for named classes)")
    parser.add_argument("--preset", default="modern")
    parser.add_argument("--epochs", type=int, default=70)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, help="default: LibTorch's choice")
    parser.add_argument("--out", type=Path, help="folder for the files (default: results/accuracy)")
    parser.add_argument("--chart", type=Path, help="where to draw (default: accuracy.png in the folder)")
    parser.add_argument(
        "--quick", action="store_true", help="four clips a class, one epoch, one split: it runs, no more"
    )
    options = parser.parse_args()
    options.out = options.out or RESULTS / ("accuracy-quick" if options.quick else "accuracy")
    options.clips_per_class = 4 if options.quick else None
    if options.quick:
        options.epochs, options.splits = 1, 1
    try:
        found = run(options)
    except BenchmarkError as error:
        sys.exit(f"bench_accuracy: {error}")
    found["environment"] = describe_machine(["torch", "numpy"])
    path = options.out / "accuracy.json"
    replace_file(path, (json.dumps(found, indent=1, allow_nan=False) + "\n").encode())
    draw(path, options.chart or options.out / "accuracy.png")
    print(f"\n{table(found)}\n\nmean ± standard deviation (standard error) over splits, %; {path}")


if __name__ == "__main__":
    main()
