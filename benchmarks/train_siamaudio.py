"""Worker of bench_training.py, bench_evaluation.py and bench_gpu.py: the package itself.

``python train_siamaudio.py WORK DROPOUT THREADS DEVICE PRECISION``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

import siamaudio as sa
from training_work import honka, labelled
from worker import bind_to_cores, serve, timed

WORK, DROPOUT, THREADS = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
DEVICE, PRECISION = sys.argv[4:]


class Siamaudio:
    """The network and the work, loaded."""

    def __init__(self) -> None:
        bind_to_cores(THREADS)
        with np.load(WORK / "work.npz") as file:
            self.clips = file["clips"]
        with np.load(WORK / "weights.npz") as file:
            self.net = honka(DROPOUT).build(self.clips.shape[1:]).set_weights(dict(file))
        self.net._native.to(DEVICE)  # as load() does
        self.features = labelled(self.clips)

    def describe(self) -> dict[str, Any]:
        """Name versions and libraries."""
        return {"packages": {}, "libraries": ""}  # `siamaudio info` is in the report anyway

    def embed(self) -> dict[str, Any]:
        """Embed all clips."""
        seconds, embeddings = timed(lambda: self.net.embed(self.clips, num_threads=THREADS))
        np.save(WORK / "siamaudio.npy", embeddings)
        return {"seconds": seconds, "embeddings": str(WORK / "siamaudio.npy")}

    def oneshot(self, tasks: int) -> dict[str, Any]:
        """Evaluate as Honka did, whose tasks those of the others are; `tasks` is for those who answer fewer."""
        with np.load(WORK / "tasks.npz") as file:
            queries, supports, labels = file["queries"], file["supports"], file["labels"]
        features = sa.Features.from_arrays(self.clips, labels)
        seconds, result = timed(
            lambda: sa.evaluation.honka2019(
                self.net, features, baseline=False, allow_trained_classes=True, num_threads=THREADS
            )
        )
        embeddings = self.net.embed(self.clips, num_threads=THREADS)
        similarities = self.net.similarity(embeddings, embeddings, num_threads=THREADS)[queries[:, None], supports]
        right = similarities.argmax(axis=1) == labels[queries]
        assert result.num_tasks == len(queries)
        assert abs(result.accuracy - right.mean()) < 1e-6
        np.save(WORK / "siamaudio-tasks.npy", similarities)
        return {"seconds": seconds, "similarities": str(WORK / "siamaudio-tasks.npy")}

    def device_memory(self) -> dict[str, Any]:
        """Return the most bytes on the device so far: LibTorch's allocator is the one of torch in Python."""
        import torch

        torch.cuda.init()  # torch's Python side, which counts nothing before
        return {"bytes": torch.cuda.max_memory_allocated()}

    def train(self, steps: int, pairing: str = "two-sided") -> dict[str, Any]:
        """Train as `fit` does."""
        return fit(self.net, self.features, steps, pairing)

    def train_shape(self, steps: int, clips: int, frames: int) -> dict[str, Any]:
        """Train on batches of another shape, from new weights."""
        x = np.random.default_rng(0).standard_normal((clips, self.clips.shape[1], frames), dtype=np.float32)
        return fit(honka(DROPOUT).build(x.shape[1:]), labelled(x), steps, "two-sided")


def fit(net: sa.SiameseNetwork, features: sa.Features, steps: int, pairing: Any) -> dict[str, Any]:
    """Train two epochs of so many steps; the first warms up, the second is timed by the package's own history.

    That counts all the work of a step, and what the end of an epoch costs; the start of fit() is not counted.
    """
    net.fit(
        features,
        epochs=2,
        steps_per_epoch=steps,
        batch_size=len(features) // (2 if pairing == "two-sided" else 1),
        pairing=pairing,
        warm_start=True,
        device=DEVICE,
        precision=PRECISION,  # pyright: ignore[reportArgumentType]
        seed=0,
        num_threads=THREADS,
        progress=False,
    )
    first, last = net.history_
    return {"seconds": last["seconds"] / steps, "pairs": last["num_pairs"] / steps, "loss": first["loss"]}


if __name__ == "__main__":
    own = Siamaudio()
    serve(
        {
            "describe": own.describe,
            "embed": own.embed,
            "train": own.train,
            "oneshot": own.oneshot,
            "train_shape": own.train_shape,
            "device_memory": own.device_memory,
        }
    )
