"""SIAMAUDIO_ISA: every instruction set gives the same spectrograms, and a wrong name is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import siamaudio as sa
from siamaudio import _audio, framing

# Of each value, and of the clip's largest as noise: sums are rounded with and without fused multiply-add, which of a
# magnitude is 1e-7 of the largest, and of a power far less.
RELATIVE = 1e-5
NOISE = {1: 1e-7, 2: 1e-9}

SETTINGS: list[dict[str, Any]] = [
    {},
    {"n_fft": 400, "hop_length": 160, "n_mels": 64, "htk": True, "norm": None},
    {"n_fft": 882, "hop_length": 441, "win_length": 600, "window": "hamming", "n_mels": 40, "power": 1},
    {"n_fft": 512, "win_length": 400, "window_align": "start", "hop_length": 160, "n_mels": 23, "center": False,
     "snip_edges": False, "preemphasis": 0.97, "remove_dc": True},
    {"n_fft": 1024, "hop_length": 2000, "pad_mode": "reflect", "n_mels": 80},
]  # fmt: skip


def _with_isa(monkeypatch: pytest.MonkeyPatch, isa: str, front_end: sa.LogMel, y: Any) -> Any:
    monkeypatch.setenv("SIAMAUDIO_ISA", isa)
    assert _audio.isa() == isa
    assert framing.native(front_end).isa == isa
    return front_end(y)


@pytest.mark.parametrize("options", SETTINGS, ids=str)
def test_all_agree(shared_data: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    front_end = sa.LogMel(**options, log=None)
    first, *others = _audio.usable_isas()
    for path in sorted((shared_data / "esc50-fold4" / "audio").glob("*.flac"))[::50]:
        y = soundfile.read(path, dtype="float32")[0][:100_000]
        expected = _with_isa(monkeypatch, first, front_end, y)
        for isa in others:
            got = _with_isa(monkeypatch, isa, front_end, y)
            np.testing.assert_allclose(got, expected, rtol=RELATIVE, atol=NOISE[front_end.power] * expected.max())


def test_empty_name_means_the_widest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIAMAUDIO_ISA", "")
    assert _audio.isa() == _audio.usable_isas()[-1]


def test_wrong_name(monkeypatch: pytest.MonkeyPatch) -> None:
    front_end = sa.LogMel()
    monkeypatch.setenv("SIAMAUDIO_ISA", "mmx")
    usable = ", ".join(_audio.usable_isas())
    with pytest.raises(sa.ParameterError, match=f"^SIAMAUDIO_ISA: got mmx; accepted: {usable} on this machine$"):
        front_end(np.zeros(1000))


@pytest.mark.parametrize("command", [["info"], ["features", "data", "-o", "f.zarr"]], ids=lambda command: command[0])
def test_wrong_name_on_the_command_line(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "data" / "a").mkdir(parents=True)
    soundfile.write(tmp_path / "data" / "a" / "0.wav", np.zeros(1000), 8000)
    done = subprocess.run(
        [sys.executable, "-m", "siamaudio", *command],
        capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, "SIAMAUDIO_ISA": "mmx"},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("siamaudio: SIAMAUDIO_ISA: got mmx; accepted: ")
    assert done.stderr.count("\n") == 1


def test_info_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for isa in _audio.usable_isas():
        done = subprocess.run(
            [sys.executable, "-m", "siamaudio", "info", "--json"],
            capture_output=True, text=True, check=True, env={**os.environ, "SIAMAUDIO_ISA": isa},
        )  # fmt: skip
        facts = json.loads(done.stdout)
        assert facts["instruction set"] == isa
        assert facts["usable sets"] == " ".join(_audio.usable_isas())
