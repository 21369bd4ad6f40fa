"""Worker of bench_keras.py: a published system on Keras and TensorFlow, in an interpreter of its own.

``python serve.py WORK SYSTEM SEED THREADS``; SYSTEM is ``honka`` or ``fedele``.
"""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))
from worker import bind_to_cores, serve, timed

WORK, SYSTEM, SEED, THREADS = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
bind_to_cores(THREADS)

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

tf.config.threading.set_intra_op_parallelism_threads(THREADS)
tf.config.threading.set_inter_op_parallelism_threads(THREADS)

system: Any = importlib.import_module(SYSTEM)


def squared_difference(sides: Any) -> Any:
    return keras.ops.square(sides[0] - sides[1])


class Keras:
    """The network and the data, loaded."""

    def __init__(self) -> None:
        keras.utils.set_random_seed(SEED)
        with np.load(WORK / f"{SYSTEM}.npz") as file:
            data = dict(file)
        self.clips = {part: data[part][..., None] for part in ("train", "validation", "test")}
        self.labels = {part: data[f"{part}_labels"] for part in self.clips}
        shape = self.clips["train"].shape[1:]
        self.encoder = system.make_encoder(shape)
        left, right = keras.Input(shape), keras.Input(shape)
        distance = keras.layers.Lambda(squared_difference)([self.encoder(left), self.encoder(right)])
        self.head = keras.layers.Dense(1, activation="sigmoid", name="head")
        self.network = keras.Model([left, right], self.head(distance))
        system.compile_network(self.network)
        with np.load(WORK / f"{SYSTEM}-keras.npz") as file:
            initial = dict(file)
        for name, variable in self.variables().items():
            variable.assign(initial.pop(name))
        assert not initial, f"no place for {sorted(initial)}"

    def variables(self) -> dict[str, Any]:
        """Return all weights as "LAYER/VARIABLE"."""
        layers = [*self.encoder.layers, self.head]
        return {f"{layer.name}/{variable.name}": variable for layer in layers for variable in layer.weights}

    def describe(self) -> dict[str, Any]:
        """Name versions."""
        return {"packages": {"keras": keras.__version__, "tensorflow": tf.__version__}}

    def similarity(self, part: str) -> np.ndarray:
        """Return P(same class) of every two clips, off the clock and therefore from embeddings."""
        embeddings = self.encoder.predict(self.clips[part], batch_size=32, verbose=0)
        rows = [self.head(np.square(clip - embeddings)).numpy()[:, 0] for clip in embeddings]
        return np.stack(rows)

    def warm_up(self) -> dict[str, Any]:
        """Have TensorFlow trace what will be timed, then put everything back as it was; return the first similarity."""
        pairs = system.Pairs(self.clips["train"], self.labels["train"], SEED)
        self.network.optimizer.build(self.network.trainable_variables)
        states = [*self.network.variables, *self.network.optimizer.variables]
        before = [state.numpy() for state in states]
        self.network.fit(pairs, epochs=1, steps_per_epoch=1, verbose=0)
        for state, value in zip(states, before, strict=True):
            state.assign(value)
        np.save(WORK / f"{SYSTEM}-first.npy", self.similarity("validation"))
        return {"similarity": str(WORK / f"{SYSTEM}-first.npy")}

    def train(self, seconds: float, num_checks: int) -> dict[str, Any]:
        """Train for so long; every so often, off the clock, note the similarities that accuracy is computed from."""
        pairs = system.Pairs(self.clips["train"], self.labels["train"], SEED)
        watch = Watch(self, seconds, seconds / num_checks)
        self.network.fit(pairs, epochs=1_000_000, verbose=0, callbacks=[watch])
        np.savez(WORK / f"{SYSTEM}-similarities.npz", **{part: np.stack(watch.found[part]) for part in watch.found})
        np.savez(WORK / f"{SYSTEM}-trained.npz", **{name: v.numpy() for name, v in self.variables().items()})
        return {
            "curve": watch.curve,
            "steps_per_epoch": len(pairs),
            "pairs_per_epoch": pairs.num_pairs,
            "similarities": str(WORK / f"{SYSTEM}-similarities.npz"),
            "weights": str(WORK / f"{SYSTEM}-trained.npz"),
        }

    def evaluate(self, most_tasks: int) -> dict[str, Any]:
        """Play the study's one-shot tasks on the validation classes, one call of `predict` a task.

        Of more tasks than are allowed every n-th is played.
        """
        clips, labels = self.clips["validation"], self.labels["validation"]
        tasks = system.make_tasks(labels, SEED)
        tasks = tasks[:: -(-len(tasks) // most_tasks)]

        def answer(query: int, supports: np.ndarray) -> int:
            sides = np.repeat(clips[query][None], len(supports), axis=0), clips[supports]
            return int(self.network.predict(sides, verbose=0).argmax())

        answer(*tasks[0])  # TensorFlow traces it
        seconds, answers = timed(lambda: [answer(*task) for task in tasks])
        return {
            "seconds": seconds,
            "queries": [query for query, _ in tasks],
            "supports": [supports.tolist() for _, supports in tasks],
            "answers": answers,
        }


class Watch(keras.callbacks.Callback):
    """Stops the training when its time is up; what the watch does itself is not counted."""

    def __init__(self, peer: Keras, seconds: float, interval: float) -> None:
        super().__init__()
        self._peer, self._seconds, self._interval = peer, seconds, interval
        self._trained, self._checked, self._steps = 0.0, 0.0, 0
        self.curve: list[dict[str, Any]] = []
        self.found: dict[str, list[np.ndarray]] = {"validation": [], "test": []}

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the clock."""
        self._resumed = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look at the clock."""
        self._trained += time.perf_counter() - self._resumed
        self._steps += 1
        is_over = self._trained >= self._seconds
        if is_over or self._trained - self._checked >= self._interval:
            self._checked = self._trained
            for part, similarities in self.found.items():
                similarities.append(self._peer.similarity(part))
            self.curve.append({"seconds": self._trained, "steps": self._steps})
        self.model.stop_training = is_over
        self._resumed = time.perf_counter()


if __name__ == "__main__":
    peer = Keras()
    serve({"describe": peer.describe, "warm_up": peer.warm_up, "train": peer.train, "evaluate": peer.evaluate})
