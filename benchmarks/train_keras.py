"""Worker of bench_training.py and bench_evaluation.py: Keras on TensorFlow, in an interpreter of its own.

``python train_keras.py WORK DROPOUT THREADS``. The network is the one that the tests compare the core with.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from worker import bind_to_cores, serve, timed

WORK, DROPOUT, THREADS = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
bind_to_cores(THREADS)

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

tf.config.threading.set_intra_op_parallelism_threads(THREADS)
tf.config.threading.set_inter_op_parallelism_threads(THREADS)

sys.path.append(str(Path(__file__).parents[1] / "tests" / "parity"))
import keras_side  # noqa: E402


class Keras:
    """The network and the work, loaded."""

    def __init__(self) -> None:
        with np.load(WORK / "work.npz") as file:
            self.clips = file["clips"][..., None]
            self.sides = self.clips[file["left"]], self.clips[file["right"]]
            self.is_same = file["is_same"].astype(np.float32)
        question = json.loads((WORK / "network.json").read_text(encoding="utf-8"))
        for part in (*question["encoder"]["blocks"], *question["encoder"]["dense"]):
            part["dropout"] = DROPOUT
        self.encoder, self.network = keras_side.siamese(question | {"input_shape": self.clips.shape[1:]})
        with np.load(WORK / "keras.npz") as file:
            keras_side.set_weights(self.network, dict(file))
        self.network.compile(loss="binary_crossentropy", optimizer=keras.optimizers.Adam(1e-3))

    def describe(self) -> dict[str, Any]:
        """Name versions and libraries."""
        return {
            "packages": {"keras": keras.__version__, "tensorflow": tf.__version__},
            "libraries": f"jit_compile={self.network.jit_compile} (what Keras chooses by itself), oneDNN as by default",
        }

    def embed(self) -> dict[str, Any]:
        """Embed all clips."""
        seconds, embeddings = timed(lambda: self.encoder.predict(self.clips, batch_size=len(self.clips), verbose=0))
        np.save(WORK / "keras.npy", embeddings)
        return {"seconds": seconds, "embeddings": str(WORK / "keras.npy")}

    def train(self, steps: int) -> dict[str, Any]:
        """Make so many steps on the same pairs; the loss is that of the first."""
        seconds, losses = timed(lambda: [self.network.train_on_batch(self.sides, self.is_same) for _ in range(steps)])
        return {"seconds": seconds / steps, "pairs": len(self.is_same), "loss": float(losses[0])}

    def oneshot(self, tasks: int) -> dict[str, Any]:
        """Answer the first tasks, each by predicting its pairs; the seconds are those of all tasks at that rate."""
        with np.load(WORK / "tasks.npz") as file:
            queries, supports = file["queries"], file["supports"]

        def answer(task: int) -> Any:
            sides = np.repeat(self.clips[queries[task]][None], len(supports[task]), axis=0), self.clips[supports[task]]
            return self.network.predict(sides, verbose=0)[:, 0]

        seconds, similarities = timed(lambda: [answer(task) for task in range(tasks)])
        np.save(WORK / "keras-tasks.npy", similarities)
        return {"seconds": seconds / tasks * len(queries), "similarities": str(WORK / "keras-tasks.npy")}


if __name__ == "__main__":
    peer = Keras()
    serve({"describe": peer.describe, "embed": peer.embed, "train": peer.train, "oneshot": peer.oneshot})
