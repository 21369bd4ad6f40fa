"""Honka 2019 on all 2000 clips of ESC-50: the thesis's test classes, and random splits of classes.

::

    python benchmarks/honka2019.py [--splits thesis,1,2,3,4,5] [--epochs 40] [--size 128] [--checkpoints FOLDER]

Trains the preset with each clip embedded once (40 classes, 5 more to validate on, 5 unseen ones to test on) on the
spectrograms `esc50-logspec-128.npz` of the folder that SIAMAUDIO_SHARED_DATA names (default ../shared/data), and prints
exact 5-way one-shot accuracy on the unseen classes, without and with whitening fitted on the training classes, and
minutes. The thesis has 79.1 % on its own test classes, from larger and finer spectrograms of the same clips. With
``--checkpoints`` a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import siamaudio as sa
from esc50 import HONKA_CLASSES, linear_pictures, split_classes
from harness import BenchmarkError

PUBLISHED = 0.791


def run(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Train and test on one split."""
    features = linear_pictures(options.size)
    if name == "thesis":
        classes = split_classes(features.class_names, 0, test=HONKA_CLASSES)
    else:
        classes = split_classes(features.class_names, int(name))
    train, validation, test = map(features.select_classes, (classes.train, classes.validation, classes.test))
    net = sa.SiameseNetwork.preset("honka2019")
    start = time.perf_counter()
    net.fit(
        train,
        validation=validation,
        epochs=options.epochs,
        patience=10,
        seed=0,
        num_threads=options.num_threads,
        checkpoint=None if options.checkpoints is None else options.checkpoints / name,
        resume=options.checkpoints is not None,
    )
    minutes = (time.perf_counter() - start) / 60
    plain = sa.evaluate_oneshot(net, test, ways=5)
    whitened = sa.evaluate_oneshot(net.calibrate(train), test, ways=5)
    return {
        "split": name,
        "accuracy": plain.accuracy,
        "whitened": whitened.accuracy,
        "raw spectrograms": plain.baselines["raw spectrogram"],
        "per class": plain.per_class,
        "epochs": len(net.history_),
        "minutes": minutes,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", default="thesis,1,2,3,4,5", help="'thesis', or seeds of random splits")
    parser.add_argument("--epochs", type=int, default=40, help="at most; patience is 10")
    parser.add_argument("--size", type=int, choices=[128, 64], default=128, help="side of the spectrograms")
    parser.add_argument("--num-threads", type=int)
    parser.add_argument("--checkpoints", type=Path, help="folder for checkpoints, and to go on from them")
    options = parser.parse_args()

    results = []
    print(f"{'split':<8}{'accuracy':>10}{'whitened':>10}{'raw':>7}{'epochs':>8}{'minutes':>9}")
    for name in options.splits.split(","):
        try:
            result = run(name, options)
        except BenchmarkError as error:
            sys.exit(f"honka2019: {error}")
        results.append(result)
        shares = f"{result['accuracy']:>10.1%}{result['whitened']:>10.1%}{result['raw spectrograms']:>7.1%}"
        print(f"{name:<8}{shares}{result['epochs']:>8}{result['minutes']:>9.1f}", flush=True)
    seeds = [result for result in results if result["split"] != "thesis"]
    if len(seeds) > 1:
        for kind in ("accuracy", "whitened"):
            values = [result[kind] for result in seeds]
            spread = np.std(values, ddof=1)
            print(f"random splits, {kind}: mean {np.mean(values):.1%}, standard deviation {spread:.1%}")
    print(f"published for the thesis's classes: {PUBLISHED:.1%}")
    out = Path(__file__).with_name("results") / "honka2019.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"options": {**vars(options), "checkpoints": None}, "results": results}, indent=2))


if __name__ == "__main__":
    main()
