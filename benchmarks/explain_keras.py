"""Worker of bench_explain.py: one call of Keras's predict for each perturbation, in an interpreter of its own.

``python explain_keras.py WORK THREADS``. The network is the one that the tests compare the core with.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from worker import bind_to_cores, serve, timed

WORK, THREADS = Path(sys.argv[1]), int(sys.argv[2])
SILENCE = -80.0
bind_to_cores(THREADS)

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

tf.config.threading.set_intra_op_parallelism_threads(THREADS)
tf.config.threading.set_inter_op_parallelism_threads(THREADS)

sys.path.append(str(Path(__file__).parents[1] / "tests" / "parity"))
import keras_side  # noqa: E402


class Keras:
    """The network and the task, loaded."""

    def __init__(self) -> None:
        with np.load(WORK / "task.npz") as file:
            self.task = dict(file)
        question = json.loads((WORK / "network.json").read_text(encoding="utf-8"))
        _, self.network = keras_side.siamese(question | {"input_shape": (*self.task["query"].shape, 1)})
        with np.load(WORK / "keras.npz") as file:
            keras_side.set_weights(self.network, dict(file))

    def describe(self) -> dict[str, Any]:
        """Name versions and libraries."""
        return {"packages": {"keras": keras.__version__, "tensorflow": tf.__version__}, "libraries": ""}

    def perturb(self, count: int) -> dict[str, Any]:
        """Predict the sample's first perturbations, one a call; the seconds are those of one."""
        task = self.task
        query = task["query"][None, ..., None]

        def one(number: int) -> float:
            kept = task["kept"][number][task["segments"]].astype(bool)
            support = np.where(kept, task["supports"][task["support"][number]], np.float32(SILENCE))
            return float(self.network.predict((query, support[None, ..., None]), verbose=0)[0, 0])

        seconds, similarities = timed(lambda: [one(number) for number in range(count)])
        np.save(WORK / "keras-similarities.npy", similarities)
        return {"seconds": seconds / count, "similarities": str(WORK / "keras-similarities.npy")}


if __name__ == "__main__":
    peer = Keras()
    serve({"describe": peer.describe, "perturb": peer.perturb})
