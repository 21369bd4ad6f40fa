"""siamaudio info: what this installation, or a file, is made of."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import siamaudio as sa
from siamaudio.cli._shared import Json, load_embedder, print_json

__all__ = ["EXAMPLES", "SEE_ALSO", "info"]

EXAMPLES = """\
siamaudio info
siamaudio info query.wav net.siam sounds.zarr sounds.db
"""
SEE_ALSO = "presets, plot"


def info(*paths: Path, json: Json = False) -> None:
    """Print versions, instruction set, threads and devices; or what files hold.

    Parameters
    ----------
    paths
        Recordings, networks and other models, feature stores, or indexes.
    """
    described = {str(path): _described(path) for path in paths} if paths else {"": _installation()}
    if json:
        print_json(described if paths else described[""])
        return
    for number, (name, facts) in enumerate(described.items()):
        if name:
            print(f"{'' if number == 0 else chr(10)}{name}")
        for key, value in facts.items():
            print(f"{'  ' if name else ''}{key:<16} {_shown(value)}")


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name}={each}" for name, each in value.items())
    return str(value)


def _installation() -> dict[str, Any]:
    from importlib.metadata import version

    from siamaudio._engine import core
    from siamaudio._frontend import audio_core

    return {
        "siamaudio": sa.__version__,
        "python": platform.python_version(),
        "torch": version("torch"),
        "numpy": version("numpy"),
        "libsndfile": audio_core.libsndfile_version(),
        "libsoxr": audio_core.libsoxr_version(),
        "instruction set": audio_core.isa(),
        "usable sets": " ".join(audio_core.usable_isas()),
        "network kernels": core.fused_kernels(),
        "torch's set": core.cpu_capability(),
        "cores": os.cpu_count(),
        "torch threads": core.num_threads(),
        "device": core.resolve_device("auto"),
    }


def _described(path: Path) -> dict[str, Any]:
    from siamaudio.search.manifest import MANIFEST

    if path.is_dir():
        return _of_index(path) if (path / MANIFEST).is_file() else _of_features(path)
    if path.suffix in (".siam", ".safetensors", ".tflite", ".h5"):
        return _of_model(path)
    found = sa.info(str(path))
    return {
        "kind": "recording",
        "seconds": round(found.frames / found.sr, 3),
        "sr": found.sr,
        "channels": found.channels,
        "frames": found.frames,
    }


def _of_index(path: Path) -> dict[str, Any]:
    with sa.SearchIndex.open(path) as index:
        return {
            "kind": "index",
            "items": len(index),
            "metric": index.metric,
            "dtype": index.dtype,
            "backend": index.backend.name,
            "embedder": type(index.embedder).__name__,
            "window": index.window_seconds,
            "hop": index.hop_seconds,
        }


def _of_features(path: Path) -> dict[str, Any]:
    data = sa.Features.load(path)
    front_end = None if data.front_end is None else data.front_end.to_dict()
    return {
        "kind": "features",
        "shape": list(data.shape),
        "dtype": str(data.dtype),
        "classes": list(data.class_names),
        "sources": len(set(data.sources)),
        "skipped": [skip.path for skip in data.skipped],
        "front end": front_end,
    }


def _of_model(path: Path) -> dict[str, Any]:
    model = load_embedder(path)
    facts: dict[str, Any] = {"kind": type(model).__name__, "fingerprint": model.fingerprint()}
    if not isinstance(model, sa.SiameseNetwork):
        return facts
    best = model.history_.records[model.best_epoch_] if len(model.history_) else {}
    return facts | {
        "parameters": model.num_parameters(),
        "input": list(model.input_shape_),
        "distance": model.distance,
        "head": model.head,
        "calibrated": "calibration.mean" in model.weights(),
        "trained on": list(model.train_classes_),
        "validated on": list(model.validation_classes_),
        "epochs": len(model.history_),
        "best epoch": best,
        "front end": None if model.front_end_ is None else model.front_end_.to_dict(),
    }
