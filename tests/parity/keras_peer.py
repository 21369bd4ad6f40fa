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


def run_keras(script: str, *arguments: Path) -> None:
    """Run a script of this folder in that interpreter."""
    settings = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    command = [keras_python(), str(Path(__file__).with_name(script)), *map(str, arguments)]
    done = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]


def ask_keras(folder: Path) -> None:
    """Have Keras answer all questions in the folder, in one process: TensorFlow takes seconds to load."""
    run_keras("keras_side.py", folder)
