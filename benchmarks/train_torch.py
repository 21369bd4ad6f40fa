"""Worker of bench_training.py, bench_evaluation.py and bench_gpu.py: PyTorch from Python, channels_last.

``python train_torch.py WORK DROPOUT THREADS DEVICE PRECISION KIND``. KIND: "eager", or "compile" for torch.compile.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from worker import bind_to_cores, serve, timed

WORK, DROPOUT, THREADS = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
DEVICE, PRECISION, KIND = sys.argv[4:]
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
        torch.backends.cudnn.benchmark = True  # the fastest convolutions of its library
        with np.load(WORK / "weights.npz") as file:
            weights = {name: torch.from_numpy(file[name]) for name in file}
        of_encoder = {n.removeprefix("encoder."): v for n, v in weights.items() if n.startswith("encoder.")}
        own = encoder(of_encoder).to(DEVICE)
        self.head = nn.Linear(*reversed(weights["head.weight"].shape))
        self.head.load_state_dict({"weight": weights["head.weight"], "bias": weights["head.bias"]})
        self.head.to(DEVICE)
        # Its fastest Adam.
        self.optimizer = torch.optim.Adam([*own.parameters(), *self.head.parameters()], lr=1e-3, fused=True)
        self.module = own
        self.encoder: Any = torch.compile(own) if KIND == "compile" else own
        with np.load(WORK / "work.npz") as file:
            clips = torch.from_numpy(file["clips"])[:, None]
            self.clips = clips.contiguous(memory_format=torch.channels_last)
            self.left, self.right = (self.clips[file[side]].to(DEVICE) for side in ("left", "right"))
            self.is_same = torch.from_numpy(file["is_same"]).float().to(DEVICE)

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
            seconds, embeddings = timed(lambda: self.encoder(self.clips.to(DEVICE)).cpu())
        self.module.train()
        path = WORK / f"{KIND}.npy"
        np.save(path, embeddings.numpy())
        return {"seconds": seconds, "embeddings": str(path)}

    def oneshot(self, tasks: int, batch: int = 40) -> dict[str, Any]:
        """Embed every clip once, in batches, then answer all tasks in NumPy; `tasks` is for those who answer fewer."""
        with np.load(WORK / "tasks.npz") as file:
            queries, supports = file["queries"], file["supports"]
        weight, bias = self.head.weight.detach().cpu().numpy()[0], float(self.head.bias)

        def answer() -> tuple[np.ndarray, np.ndarray]:
            with torch.inference_mode():
                parts = [self.encoder(part.to(DEVICE)).cpu().numpy() for part in self.clips.split(batch)]
            embeddings = np.concatenate(parts)
            distances = (embeddings[queries][:, None] - embeddings[supports]) ** 2
            similarities = 1 / (1 + np.exp(-(distances @ weight + bias)))
            return similarities, similarities.argmax(axis=1)

        self.module.eval()
        seconds, (similarities, _) = timed(answer)
        self.module.train()
        path = WORK / f"{KIND}-tasks.npy"
        np.save(path, similarities)
        return {"seconds": seconds, "similarities": str(path)}

    def device_memory(self) -> dict[str, Any]:
        """Return the most bytes on the device so far."""
        return {"bytes": torch.cuda.max_memory_allocated()}

    def matmul_rate(self, size: int = 8192, repeats: int = 20) -> dict[str, Any]:
        """Return the operations a second of a large bf16 matrix product on the device."""
        a, b = (torch.randn(size, size, device=DEVICE, dtype=torch.bfloat16) for _ in range(2))
        for _ in range(3):
            a @ b
        torch.cuda.synchronize()
        seconds, _ = timed(lambda: ([a @ b for _ in range(repeats)], torch.cuda.synchronize()))
        return {"operations_per_second": 2 * size**3 * repeats / seconds}

    def _step(self) -> torch.Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(DEVICE, torch.bfloat16, enabled=PRECISION == "bf16"):
            left, right = self.encoder(self.left), self.encoder(self.right)
        distance = (left.float() - right.float()).square()
        loss = nn.functional.binary_cross_entropy_with_logits(self.head(distance)[:, 0], self.is_same)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def train(self, steps: int) -> dict[str, Any]:
        """Make so many steps on the same pairs; the loss is that of the first."""
        # The losses are read at the end, so that a device never waits for the host.
        seconds, losses = timed(lambda: torch.stack([self._step() for _ in range(steps)]).tolist())
        return {"seconds": seconds / steps, "pairs": len(self.is_same), "loss": losses[0]}


if __name__ == "__main__":
    peer = Torch()
    serve(
        {
            "describe": peer.describe,
            "embed": peer.embed,
            "train": peer.train,
            "oneshot": peer.oneshot,
            "device_memory": peer.device_memory,
            "matmul_rate": peer.matmul_rate,
        }
    )
