"""The task that all contenders of bench_explain.py explain, as files that each can read."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

import siamaudio as sa
from siamaudio._engine import core

sys.path.append(str(Path(__file__).parents[1] / "tests" / "parity"))
from keras_weights import to_keras

WAYS = 5
SILENCE = -80.0
SEED = 0


def network(bands: int, frames: int) -> sa.SiameseNetwork:
    """Make the network of Fedele et al. 2022, untrained: the time does not depend on its weights."""
    return sa.SiameseNetwork.preset("fedele2022_esc50").build((bands, frames), seed=SEED)


def write_work(folder: Path, bands: int, frames: int, cells: int, sample: int) -> tuple[int, int]:
    """Write what the workers need; return the perturbations of the task, all of them and those that are shared.

    task.npz: ``query`` and ``supports`` of noise, ``segments`` (bands, frames), a grid; ``support`` and ``kept``
    (sample, segments): the first coalitions of SINEXC, as many of each support. weights.npz, keras.npz: the same
    weights in our order of axes and in Keras's; network.json: the network.
    """
    rng = np.random.default_rng(SEED)
    clips = rng.normal(-40, 15, (1 + WAYS, bands, frames)).astype(np.float32)
    grid = sa.explanation.Grid(bands=cells, frames=cells)
    segments = sa.explanation.segment(clips[:1], grid)[0]
    method = sa.explanation.Sinexc()
    settings = {"alpha": method.alpha, "beta": method.beta, "seed": SEED}
    sets, of_segment = core.draw_coalitions(cells**2, are_shared=False, **settings)
    shared, _ = core.draw_coalitions(cells**2, are_shared=True, **settings)
    chosen = of_segment.ravel()[rng.permutation(of_segment.size)[:sample]]
    np.savez(
        folder / "task.npz",
        query=clips[0],
        supports=clips[1:],
        segments=segments,
        support=np.arange(sample) % WAYS,
        kept=1 - sets[chosen],
    )
    net = network(bands, frames)
    weights = net.weights()
    np.savez(folder / "weights.npz", **weights)  # pyright: ignore[reportArgumentType]
    last_map = [layer.output_shape for layer in net.summary().layers if len(layer.output_shape) == 3][-1]
    np.savez(folder / "keras.npz", **to_keras(weights, net.encoder, last_map))  # pyright: ignore[reportArgumentType]
    description = {"encoder": net.encoder.to_dict(), "distance": net.distance, "head": net.head}
    (folder / "network.json").write_text(json.dumps(description), encoding="utf-8")
    return WAYS * of_segment.size, WAYS * len(shared)
