"""Loads the compiled audio module, which a build for a machine without audio libraries leaves out."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__all__ = ["audio_core"]

if TYPE_CHECKING:
    from siamaudio import _audio as audio_core
else:
    try:
        audio_core = importlib.import_module("siamaudio._audio")
    except ModuleNotFoundError:
        raise ImportError(
            "siamaudio was built without its audio module: reinstall it without SIAMAUDIO_AUDIO=OFF"
        ) from None
