"""The types that the package declares: of its compiled modules, and of all that is public."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import siamaudio as sa

pytestmark = pytest.mark.slow


def test_stubs_match_the_compiled_modules() -> None:
    """Every name of the modules is in the stubs, and the other way round."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "siamaudio._audio", "siamaudio._core", "--concise"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    complaints = [line for line in done.stdout.splitlines() if line.startswith("siamaudio.")]
    assert len(complaints) > 30, done.stdout + done.stderr  # all of them of one kind: classes of pybind11 have its type
    assert not [line for line in complaints if not line.endswith("is inconsistent, metaclass differs")]


def test_every_public_type_is_known(tmp_path: Path) -> None:
    """By pyright's own measure, what no other checker has to guess."""
    pyright = shutil.which("pyright", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if pyright is None:
        pytest.skip("pyright is not installed (siamaudio[dev])")
    # It asks the Python that comes first on the path, and takes modules of the current folder before installed ones.
    done = subprocess.run(
        [pyright, "--verifytypes", "siamaudio", "--ignoreexternal", "--outputjson"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip
    report = json.loads(done.stdout)["typeCompleteness"]
    assert Path(report["packageRootDirectory"]) == Path(sa.__file__).parent
    unknown = [each["name"] for each in report["symbols"] if each["isExported"] and not each["isTypeKnown"]]
    assert not unknown
    assert report["completenessScore"] == 1
