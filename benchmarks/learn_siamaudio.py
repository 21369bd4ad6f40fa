"""Worker of bench_keras.py: the package itself, training one of its ways.

``python learn_siamaudio.py WORK SYSTEM RECIPE SEED THREADS``. RECIPE is ``two-sided`` (batches as published),
``in-batch`` (the same network, each clip of a batch embedded once, all pairs formed) or ``modern`` (the project's own
network).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import siamaudio as sa
from worker import bind_to_cores, serve, timed

WORK, SYSTEM, RECIPE = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
SEED, THREADS = int(sys.argv[4]), int(sys.argv[5])
PRESETS = {"honka": "honka2019", "fedele": "fedele2022_esc50"}
MODERN_EPOCHS = 40


class Siamaudio:
    """The network and the data, loaded."""

    def __init__(self) -> None:
        bind_to_cores(THREADS)
        with np.load(WORK / f"{SYSTEM}.npz") as file:
            data = dict(file)
        self.parts = {
            part: sa.Features.from_arrays(data[part], [f"{part} {label:03}" for label in data[f"{part}_labels"]])
            for part in ("train", "validation", "test")
        }
        self.net = sa.SiameseNetwork.preset("modern" if RECIPE == "modern" else PRESETS[SYSTEM])

    def describe(self) -> dict[str, Any]:
        """Name versions."""
        return {"packages": {}}  # `siamaudio info` is in the report anyway

    def train(self, seconds: float, steps_per_check: int) -> dict[str, Any]:
        """Train for so long; the clock runs from the call of `fit` on, through the validations.

        These come after so many steps in the two-sided recipe, and after each epoch in the others.
        """
        curve: list[dict[str, Any]] = []
        steps = 0

        def note(_: sa.SiameseNetwork, record: dict[str, Any]) -> bool:
            nonlocal steps
            passed = time.perf_counter() - start
            steps += options.get("steps_per_epoch") or len(self.epoch())
            point = {"seconds": passed, "steps": steps, "accuracy": record["validation_accuracy"]}
            curve.append({**point, "pairs": record["num_pairs"]})
            return passed >= seconds

        train, validation = self.parts["train"], self.parts["validation"]
        options: dict[str, Any] = {"epochs": MODERN_EPOCHS}
        if RECIPE == "modern":
            self.net.build(train.shape[1:], num_classes=len(train.class_names), seed=SEED)
        else:
            weights = np.load(WORK / f"{SYSTEM}-weights.npz")
            self.net.build(train.shape[1:]).set_weights(dict(weights))
            options = {"epochs": 100_000, "pairing": RECIPE}
        if RECIPE == "two-sided":
            options["steps_per_epoch"] = steps_per_check
        untrained = sa.evaluate_oneshot(self.net, validation)
        start = time.perf_counter()
        self.net.fit(
            train,
            validation=validation,
            warm_start=True,
            patience=0,
            callbacks=[note],
            seed=SEED,
            device="cpu",
            num_threads=THREADS,
            progress=False,
            **options,
        )
        return {
            "curve": curve,
            "steps_per_epoch": len(self.epoch()),
            "pairs_per_epoch": self.pairs_per_epoch(curve[0]["pairs"]),
            "untrained_accuracy": untrained.accuracy,
            "raw_accuracy": untrained.baselines["raw spectrogram"],
            "best_accuracy": max(point["accuracy"] for point in curve),
            "test_accuracy": sa.evaluate_oneshot(self.net, self.parts["test"], baseline=False).accuracy,
        }

    def epoch(self) -> list[sa.samplers.Batch]:
        """Return what its sampler calls an epoch."""
        sampler = self.net.sampler
        if RECIPE == "in-batch":
            sampler = sa.samplers.Balanced()
        elif RECIPE == "two-sided" and not isinstance(sampler, sa.samplers.AnchorPairs):
            sampler = sa.samplers.HonkaPairs()
        assert isinstance(sampler, sa.samplers.Sampler)
        return sampler.plan(self.parts["train"].labels, seed=SEED)

    def pairs_per_epoch(self, of_first_check: int) -> int | None:
        """How many pairs an epoch learns from; None for a recipe that has no pairs."""
        if RECIPE == "modern":
            return None
        return of_first_check if RECIPE == "in-batch" else sum(len(batch.pairs) for batch in self.epoch())

    def evaluate(self) -> dict[str, Any]:
        """Play the study's one-shot tasks on the validation classes."""
        clips = self.parts["validation"]
        how: dict[str, Any] = {"baseline": False, "allow_trained_classes": True, "num_threads": THREADS}
        if SYSTEM == "fedele":
            seconds, result = timed(lambda: sa.evaluation.fedele2022(self.net, clips, **how))
        else:
            seconds, result = timed(lambda: sa.evaluation.honka2019(self.net, clips, **how))
        return {"seconds": seconds, "num_tasks": result.num_tasks}


if __name__ == "__main__":
    own = Siamaudio()
    serve({"describe": own.describe, "train": own.train, "evaluate": own.evaluate})
