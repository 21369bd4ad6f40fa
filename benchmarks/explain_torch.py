"""Worker of bench_explain.py: perturbations in batches, by eager PyTorch, channels_last.

``python explain_torch.py WORK THREADS``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from worker import bind_to_cores, serve, timed

WORK, THREADS = Path(sys.argv[1]), int(sys.argv[2])
SILENCE = -80.0


def encoder(blocks: list[dict[str, Any]], weights: dict[str, torch.Tensor]) -> nn.Sequential:
    """Make the encoder of Fedele et al. 2022 with the weights of siamaudio, which have torch's shapes."""
    layers: list[nn.Module] = []
    for number in range(1, 1 + len(blocks)):
        kernel = weights[f"encoder.block{number}.conv.weight"]
        conv = nn.Conv2d(kernel.shape[1], kernel.shape[0], kernel.shape[2])
        conv.load_state_dict({"weight": kernel, "bias": weights[f"encoder.block{number}.conv.bias"]})
        layers += [conv, nn.ReLU(inplace=True), nn.MaxPool2d(2)]
    dense = nn.Linear(*reversed(weights["encoder.dense1.weight"].shape))
    dense.load_state_dict({"weight": weights["encoder.dense1.weight"], "bias": weights["encoder.dense1.bias"]})
    layers += [nn.Flatten(), dense, nn.Sigmoid()]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last).eval()  # pyright: ignore[reportCallIssue]


class Torch:
    """The network and the task, loaded."""

    def __init__(self) -> None:
        bind_to_cores(THREADS)
        torch.set_num_threads(THREADS)
        description = json.loads((WORK / "network.json").read_text(encoding="utf-8"))
        with np.load(WORK / "weights.npz") as file:
            weights = {name: torch.from_numpy(file[name]) for name in file}
        self.encoder = encoder(description["encoder"]["blocks"], weights)
        self.weight, self.bias = weights["head.weight"], weights["head.bias"]
        with np.load(WORK / "task.npz") as file:
            self.task = {name: torch.from_numpy(file[name]) for name in file}

    def describe(self) -> dict[str, Any]:
        """Name versions and libraries."""
        return {"packages": {"torch": torch.__version__}, "libraries": ""}

    def perturb(self, count: int, batch: int = 16) -> dict[str, Any]:
        """Measure the similarity of the sample's first perturbations; the seconds are those of one."""
        task = self.task

        def measure() -> torch.Tensor:
            parts = []
            with torch.inference_mode():
                query = self.encoder(task["query"][None, None].contiguous(memory_format=torch.channels_last))
                for start in range(0, count, batch):
                    chosen = slice(start, min(count, start + batch))
                    masks = task["kept"][chosen].bool()[:, task["segments"]]
                    clips = torch.where(masks, task["supports"][task["support"][chosen]], SILENCE)[:, None]
                    embeddings = self.encoder(clips.contiguous(memory_format=torch.channels_last))
                    parts.append(torch.sigmoid((embeddings - query).square() @ self.weight[0] + self.bias))
            return torch.cat(parts)

        seconds, similarities = timed(measure)
        np.save(WORK / "torch.npy", similarities.numpy())
        return {"seconds": seconds / count, "similarities": str(WORK / "torch.npy")}


if __name__ == "__main__":
    peer = Torch()
    serve({"describe": peer.describe, "perturb": peer.perturb})
