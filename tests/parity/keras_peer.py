"""Asking Keras, which runs in an interpreter of its own that the environment variable SIAMAUDIO_KERAS_PYTHON names."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest


def keras_python() -> str:
    """Return the interpreter that has Keras; skip the test where none is named."""
    python = os.environ.get("SIAMAUDIO_KERAS_PYTHON")
    if not python:
        pytest.skip("Keras absent: set SIAMAUDIO_KERAS_PYTHON to an interpreter that has keras and tensorflow")
    return python


def ask_keras(folder: Path) -> None:
    """Have Keras answer all questions in the folder, in one process: TensorFlow takes seconds to load."""
    settings = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    script = Path(__file__).with_name("keras_side.py")
    done = subprocess.run(
        [keras_python(), str(script), str(folder)], env={**os.environ, **settings}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4000:]
