"""Build the core on a machine with a CUDA device, test it there against the CPU, and time it.

Usage: python tools/gpu_check.py [--out FILE] [--quick], from the repository's root, with the Python that has torch.

Needs no network, no audio libraries and no CUDA compiler (the core has no CUDA source: torch's dispatcher picks the
kernels), and installs nothing: it builds against whatever torch is there, into build/gpu-check. What it needs of Python
it names where it is missing. Without a CUDA device it builds, tries the core on the CPU, and says what it skips.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "gpu-check"
SITE = FOLDER / "site"

MODULES = {
    "torch": "torch",
    "numpy": "numpy",
    "lazy_loader": "lazy-loader",
    "tqdm": "tqdm",
    "pybind11": "pybind11>=3",
    "scikit_build_core": "scikit-build-core>=0.11",
    "pytest": "pytest",
    "threadpoolctl": "threadpoolctl",
}

TRY_THE_CORE = """
import numpy as np, siamaudio as sa
clips = np.random.default_rng(0).standard_normal((8, 64, 64))
net = sa.SiameseNetwork.preset("honka2019")
net.fit(sa.Features.from_arrays(clips, list("aabbccdd")), epochs=1, steps_per_epoch=1, device="cpu", progress=False)
print("one step on the CPU: loss", net.history_["loss"][0])
"""


def step(title: str) -> None:
    """Say what comes next."""
    print(f"\n== {title}", flush=True)


def run(*command: str | Path) -> None:
    """Run a command that finds the built package, and stop where it fails."""
    path = os.pathsep.join([str(SITE), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run([*map(str, command)], cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, check=False)
    if done.returncode:
        sys.exit(f"gpu_check: failed with status {done.returncode}: {' '.join(map(str, command))}")


def check_needs() -> None:
    """Stop where this Python lacks something."""
    missing = [package for module, package in MODULES.items() if importlib.util.find_spec(module) is None]
    if missing:
        sys.exit(f"gpu_check: {sys.executable} lacks {', '.join(missing)}")


def device_name() -> str | None:
    """Say what torch is here; return the device's name, None without one."""
    import torch

    print(f"Python {sys.version.split()[0]}, torch {torch.__version__} built for CUDA {torch.version.cuda}")
    if not torch.cuda.is_available():
        return None
    major, minor = torch.cuda.get_device_capability()
    name = torch.cuda.get_device_name()
    print(f"{name}, compute capability {major}.{minor}, cuDNN {torch.backends.cudnn.version()}")
    return name


def build() -> None:
    """Build the package against this Python's torch, and put it into a folder of its own."""
    run(
        sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index", "--no-deps",
        "--no-build-isolation", "--upgrade", "--target", SITE, "-C", f"build-dir={FOLDER / 'build'}",
        "-C", "cmake.define.SIAMAUDIO_AUDIO=OFF", ROOT,
    )  # fmt: skip


def main() -> None:
    """Build, test, time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="JSON file of the times (default: benchmarks/results/gpu.json)")
    parser.add_argument("--quick", action="store_true", help="a short benchmark")
    options = parser.parse_args()
    check_needs()
    step("the machine")
    device = device_name()
    step("building the core without audio")
    build()
    run(sys.executable, "-c", TRY_THE_CORE)
    if device is None:
        print("\nno CUDA device: skipped: the tests marked cuda, benchmarks/bench_gpu.py")
        return
    step("tests on the device, against the CPU")
    # Warnings of that machine's own packages are no failures.
    run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "default", "-m", "cuda", "tests/test_cuda.py")
    step("times on the device")
    out = [] if options.out is None else ["--out", options.out.resolve()]
    run(sys.executable, "benchmarks/bench_gpu.py", *out, *(["--quick"] if options.quick else []))


if __name__ == "__main__":
    main()
