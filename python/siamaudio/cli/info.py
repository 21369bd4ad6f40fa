"""siamaudio info: what this installation is made of."""

from __future__ import annotations

import os
import platform

import siamaudio as sa
from siamaudio.cli._shared import Json, print_json

__all__ = ["EXAMPLES", "info"]

EXAMPLES = """\
siamaudio info
"""


def info(*, json: Json = False) -> None:
    """Print versions, instruction set, threads and devices."""
    from importlib.metadata import version

    from siamaudio._engine import core
    from siamaudio._frontend import audio_core

    facts = {
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
    if json:
        print_json(facts)
        return
    for name, value in facts.items():
        print(f"{name:<16} {value}")
