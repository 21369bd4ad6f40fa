"""Worker of bench_training.py: PyTorch from Python, channels_last. ``python train_torch.py WORK DROPOUT THREADS KIND``.

KIND: "eager", or "compile" for torch.compile.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from worker import bind_to_cores, serve, timed

WORK, DROPOUT, THREADS, KIND = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
EPSILON, MOMENTUM = 1e-3, 0.01  # of batch norm, Keras's, in torch's terms

Weights = dict[str, torch.Tensor]


def norm(weights: Weights, name: str, layer: type[nn.BatchNorm1d] | type[nn.BatchNorm2d]) -> nn.Module:
    own = layer(len(weights[f"{name}.weight"]), eps=EPSILON, momentum=MOMENTUM)
    state = {key: weights[f"{name}.{key}"] for key in ("weight", "bias", "running_mean")}
    state["running_var"] = weights[f"{name}.running_variance"]
    own.load_state_dict(state, strict=False)
    return own


def encoder(weights: Weights) -> nn.Sequential:
    """Honka's encoder with the weights of siamaudio, which have torch's shapes."""
    layers: list[nn.Module] = [norm(weights, "input_norm", nn.BatchNorm2d)]
    for block in ("block1", "block2", "block3"):
        kernel = weights[f"{block}.conv.weight"]
        conv = nn.Conv2d(kernel.shape[1], kernel.shape[0], kernel.shape[2])
        conv.load_state_dict({"weight": kernel, "bias": weights[f"{block}.conv.bias"]})
        layers += [conv, norm(weights, f"{block}.norm", nn.BatchNorm2d)]
        layers += [nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(DROPOUT)]
    dense = nn.Linear(*reversed(weights["dense1.weight"].shape))
    dense.load_state_dict({"weight": weights["dense1.weight"], "bias": weights["dense1.bias"]})
    layers += [nn.Flatten(), dense, norm(weights, "dense1.norm", nn.BatchNorm1d), nn.Sigmoid(), nn.Dropout(DROPOUT)]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


class Torch:
    """The network and the work, loaded."""

    def __init__(self) -> None:
        bind_to_cores(THREADS)
        torch.set_num_threads(THREADS)
        torch.manual_seed(0)
        with np.load(WORK / "weights.npz") as file:
            weights = {name: torch.from_numpy(file[name]) for name in file}
        own = encoder({n.removeprefix("encoder."): v for n, v in weights.items() if n.startswith("encoder.")})
        self.head = nn.Linear(*reversed(weights["head.weight"].shape))
        self.head.load_state_dict({"weight": weights["head.weight"], "bias": weights["head.bias"]})
        # Its fastest Adam on a CPU.
        self.optimizer = torch.optim.Adam([*own.parameters(), *self.head.parameters()], lr=1e-3, fused=True)
        self.module = own
        self.encoder: Any = torch.compile(own) if KIND == "compile" else own
        with np.load(WORK / "work.npz") as file:
            clips = torch.from_numpy(file["clips"])[:, None]
            self.clips, self.left, self.right = (
                part.contiguous(memory_format=torch.channels_last)
                for part in (clips, clips[file["left"]], clips[file["right"]])
            )
            self.is_same = torch.from_numpy(file["is_same"]).float()

    def describe(self) -> dict[str, Any]:
        """Name versions and libraries."""
        names = ("MKL", "MKL-DNN", "CPU capability")
        lines = [line.strip(" -") for line in torch.__config__.show().splitlines()]
        return {
            "packages": {"torch": torch.__version__},
            "libraries": ", ".join(line.split(" Product")[0] for line in lines if any(name in line for name in names)),
        }

    def embed(self) -> dict[str, Any]:
        """Embed all clips."""
        self.module.eval()
        with torch.inference_mode():
            seconds, embeddings = timed(lambda: self.encoder(self.clips))
        self.module.train()
        path = WORK / f"{KIND}.npy"
        np.save(path, embeddings.numpy())
        return {"seconds": seconds, "embeddings": str(path)}

    def _step(self) -> float:
        self.optimizer.zero_grad(set_to_none=True)
        distance = (self.encoder(self.left) - self.encoder(self.right)).square()
        loss = nn.functional.binary_cross_entropy_with_logits(self.head(distance)[:, 0], self.is_same)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def train(self, steps: int) -> dict[str, Any]:
        """Make so many steps on the same pairs; the loss is that of the first."""
        seconds, losses = timed(lambda: [self._step() for _ in range(steps)])
        return {"seconds": seconds / steps, "pairs": len(self.is_same), "loss": losses[0]}


if __name__ == "__main__":
    peer = Torch()
    serve({"describe": peer.describe, "embed": peer.embed, "train": peer.train})
