"""Loads the compiled core beside the torch that it was built with.

Every module that trains or scores takes ``core`` from here, and nothing else does: importing this module is what loads
LibTorch.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

__all__ = ["core"]


def check_torch(built_with: str, installed: str | None) -> None:
    """Raise an ImportError that says what to type if the installed torch is not the one of the build.

    Parameters
    ----------
    built_with : str
        Version of torch that the core is linked to.
    installed : str or None
        Version that is installed, with or without a local part ("+cpu"); None for no torch.
    """
    if installed is not None and installed.split("+")[0] == built_with:
        return
    found = "torch is not installed" if installed is None else f"torch {installed} is installed"
    raise ImportError(
        f"siamaudio was built with torch {built_with}, but {found}: "
        f"`pip install torch=={built_with}` brings that one; to use another, rebuild siamaudio with it: "
        "`pip install --no-build-isolation --no-deps --force-reinstall siamaudio`"
    )


def _installed_torch() -> str | None:
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return None


def _load() -> None:
    """Load LibTorch, so that the core finds it."""
    try:
        built_with: str = importlib.import_module("siamaudio._built_with").TORCH_VERSION
    except ModuleNotFoundError:
        raise ImportError("siamaudio was built without its core: reinstall it without SIAMAUDIO_CORE=OFF") from None
    check_torch(built_with, _installed_torch())
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        raise ImportError("torch is installed, but its files cannot be found: `pip install --force-reinstall torch`")
    libraries = Path(spec.origin).parent / "lib"
    if (libraries / "libtorch_cuda.so").exists():
        importlib.import_module("torch")  # finds and loads the CUDA libraries
    elif (libraries / "libtorch_cpu.so").exists():
        ctypes.CDLL(str(libraries / "libtorch_cpu.so"))  # all that the core needs, in a tenth of the time


if TYPE_CHECKING:
    from siamaudio import _core as core
else:
    _load()
    core = importlib.import_module("siamaudio._core")
