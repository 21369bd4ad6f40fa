"""Worker of bench_explain.py: the package itself. ``python explain_siamaudio.py WORK THREADS``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

import siamaudio as sa
from explain_work import SEED, SILENCE, network
from worker import bind_to_cores, serve, timed

WORK, THREADS = Path(sys.argv[1]), int(sys.argv[2])


class Siamaudio:
    """The network and the task, loaded."""

    def __init__(self) -> None:
        bind_to_cores(THREADS)
        with np.load(WORK / "task.npz") as file:
            self.task = dict(file)
        with np.load(WORK / "weights.npz") as file:
            self.net = network(*self.task["query"].shape).set_weights(dict(file))

    def describe(self) -> dict[str, Any]:
        """Name versions and libraries."""
        return {"packages": {}, "libraries": ""}  # `siamaudio info` is in the report anyway

    def explain(self, method: str = "sinexc") -> dict[str, Any]:
        """Explain the task as a user does."""
        seconds, explanation = timed(lambda: self._explain(method))
        np.save(WORK / "contributions.npy", np.stack(explanation.contributions))
        return {"seconds": seconds, "contributions": str(WORK / "contributions.npy")}

    def perturb(self, count: int) -> dict[str, Any]:
        """Measure the similarity of the sample's first perturbations; the seconds are those of one."""
        explainer = self._explain("gradient").explainer
        support, kept = self.task["support"][:count], self.task["kept"][:count]
        similarities = np.empty(count)

        def measure() -> None:
            for number in np.unique(support).tolist():
                own = support == number
                similarities[own] = explainer.kept_similarities(
                    number,
                    segments=self.task["segments"],
                    kept=kept[own],
                    num_threads=THREADS,
                    on_progress=lambda done, total: None,
                )

        seconds, _ = timed(measure)
        np.save(WORK / "siamaudio.npy", similarities)
        return {"seconds": seconds / count, "similarities": str(WORK / "siamaudio.npy")}

    def _explain(self, method: str) -> sa.Explanation:
        return sa.explain(
            self.net,
            self.task["query"],
            self.task["supports"],
            method=method,
            segmentation=self.task["segments"],
            silence=SILENCE,
            seed=SEED,
            num_threads=THREADS,
            progress=False,
        )


if __name__ == "__main__":
    own = Siamaudio()
    serve({"describe": own.describe, "explain": own.explain, "perturb": own.perturb})
