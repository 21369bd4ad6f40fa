"""Worker of bench_evaluation.py: exact evaluation of made-up clips. ``python evaluate_exact.py THREADS``."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

import siamaudio as sa
from worker import bind_to_cores, serve, timed

THREADS = int(sys.argv[1])
DIM = 128
WAYS = 5


def made_up(classes: int, clips_per_class: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Embeddings that a network of middling quality might give, and their classes."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), clips_per_class)
    centres = rng.standard_normal((classes, DIM), dtype=np.float32)
    return centres[labels] + 2 * rng.standard_normal((len(labels), DIM), dtype=np.float32), labels


def from_similarity(classes: int, clips_per_class: int) -> dict[str, Any]:
    """Evaluate a similarity matrix that is there: every number of ways, confusion and intervals."""
    embeddings, labels = made_up(classes, clips_per_class)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    similarity = unit @ unit.T
    return _measured(similarity=similarity, labels=labels)


def from_embeddings(classes: int, clips_per_class: int) -> dict[str, Any]:
    """Evaluate embeddings, whose similarities are computed block by block."""
    embeddings, labels = made_up(classes, clips_per_class)
    return _measured(embeddings=embeddings, labels=labels)


def _measured(**given: Any) -> dict[str, Any]:
    seconds, result = timed(lambda: sa.evaluate_oneshot(**given, ways=WAYS, num_threads=THREADS))
    return {
        "seconds": seconds,
        "accuracy": result.accuracy,
        "ways": len(result.ways_curve) + 1,
        "rows_off_by": float(np.abs(result.confusion.sum(axis=1) - 1).max()),
    }


if __name__ == "__main__":
    bind_to_cores(THREADS)
    serve({"from_similarity": from_similarity, "from_embeddings": from_embeddings})
