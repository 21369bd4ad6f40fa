"""What importing costs: nothing that is not used, torch least of all."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import siamaudio as sa
from siamaudio import _engine


def _run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


LOADED = (
    "print(*sorted(m for m in ('torch', 'siamaudio._core', 'matplotlib', 'pandas', 'scipy') if m in sys.modules)); "
)
LIBTORCH = "print('libtorch' in open('/proc/self/maps').read())"
on_linux = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads the process's memory map")


@on_linux
def test_import_loads_nothing_heavy() -> None:
    assert _run("import sys, siamaudio; " + LOADED + LIBTORCH) == "False"


@on_linux
def test_front_end_never_loads_torch() -> None:
    code = (
        "import sys, numpy as np\n"
        "from siamaudio import LogMel, datasets\n"
        "clips = datasets.synthetic(2, 2)\n"
        "import siamaudio as sa\n"
        "y, sr = sa.load(clips.paths[0])\n"
        "LogMel(sr=sr)(y)\n"
        "LogMel(sr=sr).transform(clips, progress=False).split_classes(train=clips.class_names)\n"
        "print('torch' in sys.modules, 'siamaudio._core' in sys.modules); " + LIBTORCH
    )
    assert _run(code) == "False False\nFalse"


def test_import_is_quick() -> None:
    """Counted in modules, which unlike seconds do not depend on the machine's mood."""
    loaded = int(_run("import sys; before = len(sys.modules); import siamaudio; print(len(sys.modules) - before)"))
    assert loaded < 40


def test_every_public_name_exists() -> None:
    for name in sa.__all__:
        assert getattr(sa, name) is not None
    assert set(sa.__all__) <= set(dir(sa))


@pytest.mark.parametrize(
    ("installed", "message"),
    [
        ("2.12.1+cu128", r"torch 2\.13\.0, but torch 2\.12\.1\+cu128 is installed: `pip install torch==2\.13\.0`"),
        (None, r"torch 2\.13\.0, but torch is not installed: `pip install torch==2\.13\.0`"),
    ],
)  # fmt: skip
def test_another_torch_is_told_what_to_type(installed: str | None, message: str) -> None:
    with pytest.raises(ImportError, match=message):
        _engine.check_torch("2.13.0", installed)


def test_the_same_torch_is_accepted() -> None:
    for installed in ("2.13.0", "2.13.0+cpu", "2.13.0+cu130"):
        _engine.check_torch("2.13.0", installed)


def test_version_mismatch_reaches_the_user() -> None:
    """The whole way: a process whose metadata says another torch."""
    code = (
        "import importlib.metadata as m\n"
        "real = m.version\n"
        "m.version = lambda name: '1.0.0' if name == 'torch' else real(name)\n"
        "import siamaudio\n"
        "try:\n"
        "    siamaudio.SiameseNetwork\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    assert re.match(r"siamaudio was built with torch \S+, but torch 1\.0\.0 is installed: `pip install", _run(code))


@pytest.mark.parametrize("order", ["torch, siamaudio", "siamaudio, torch"])
def test_torch_may_be_imported_before_or_after(order: str) -> None:
    first, second = order.split(", ")
    use = {"torch": "print(float(torch.ones(3).sum()))", "siamaudio": "print(siamaudio.SiameseNetwork().loss.name)"}
    assert set(_run(f"import {first}; {use[first]}; import {second}; {use[second]}").split()) == {"3.0", "bce"}


def test_without_the_audio_module() -> None:
    """As on a GPU machine without audio libraries: networks work on arrays, audio says what is missing."""
    code = (
        "import sys\n"
        "sys.modules['siamaudio._audio'] = None\n"
        "import numpy as np, siamaudio as sa\n"
        "features = sa.Features.from_arrays(np.random.default_rng(0).random((4, 64, 64)), ['a', 'a', 'b', 'b'])\n"
        "net = sa.SiameseNetwork.preset('honka2019').fit(features, epochs=1, progress=False)\n"
        "print(net.embed(features).shape)\n"
        "try:\n"
        "    sa.LogMel()(np.zeros(100))\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    shape, complaint = _run(code).splitlines()
    assert shape == "(4, 500)"
    assert complaint == "siamaudio was built without its audio module: reinstall it without SIAMAUDIO_AUDIO=OFF"
