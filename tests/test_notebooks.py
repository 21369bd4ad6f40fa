"""Every notebook runs from its first cell to its last, as a reader finds it, and on real recordings where they are."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
SUBJECTS = {
    "quick_start",
    "your_own_sounds",
    "honka2019",
    "fedele2022_audiomnist",
    "lloret2019",
    "fedele2022_esc50",
    "tuning",
    "pedersen2023",
    "honest_evaluation",
    "keras",
}
# Settings, in the place of None, that name what lies in the folder of real recordings.
REAL = {
    "03_honka2019": {"data": "esc50-fold4"},
    "04_fedele2022_audiomnist": {"data": "audiomnist-test"},
    "06_fedele2022_esc50": {"data": "esc50-fold4"},
    "08_pedersen2023": {"data": "esc50-fold4", "weights": "yamnet/yamnet.tflite"},
}
EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def code(path: Path) -> list[str]:
    """The cells that the notebook's own interpreter runs, without what asks for their time."""
    sources = [cell.source for cell in read(path).cells if cell.cell_type == "code"]
    return [source.removeprefix("%%time\n") for source in sources if not source.startswith("%%script ")]


def run(path: Path, folder: Path, settings: dict[str, str]) -> list[Any]:
    """What the cells show, with some of the settings of the first one changed; each that draws shows a figure."""
    notebook = read(path)
    first = notebook.cells[1]
    for name, value in settings.items():
        assert f"\n{name} = " in first.source, f"{path.name} has no setting {name}"
        first.source += f"\n{name} = {value!r}"
    ran = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    cells = [cell for cell in ran.cells if cell.cell_type == "code"]
    drawing = [cell for cell in cells if cell.source.endswith(";")]  # hides the axes' name
    assert drawing
    for cell in drawing:
        assert shown(cell.outputs, "image/png"), f"no figure: {cell.source}"
    return [output for cell in cells for output in cell.outputs]


def shown(outputs: list[Any], kind: str) -> list[str]:
    return [output.data[kind] for output in outputs if kind in output.get("data", {})]


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that share cores with other tests wait for each other."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def test_every_subject_has_its_notebook() -> None:
    assert {path.stem.split("_", 1)[1] for path in NOTEBOOKS} == SUBJECTS


@EACH
def test_it_imports_nothing_but_siamaudio(path: Path) -> None:
    for source in code(path):
        for node in ast.walk(ast.parse(source)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert {name.split(".")[0] for name in names} <= {"siamaudio"}


@EACH
def test_it_explains_and_keeps_no_output(path: Path) -> None:
    cells = read(path).cells
    assert cells[0].cell_type == cells[-1].cell_type == "markdown"
    assert cells[0].source.startswith("# ")
    assert cells[1].source.startswith("import siamaudio as sa\n\nquick = True  # False: ")
    assert not any(cell.outputs or cell.execution_count for cell in cells if cell.cell_type == "code")


@pytest.mark.slow
@EACH
def test_it_runs(path: Path, tmp_path: Path) -> None:
    settings = {}
    if path.stem == "10_keras":
        settings["keras_python"] = os.environ.get("SIAMAUDIO_KERAS_PYTHON", "")
        if not settings["keras_python"]:
            pytest.skip("Keras absent: set SIAMAUDIO_KERAS_PYTHON to an interpreter that has keras and tensorflow")
    outputs = run(path, tmp_path, settings)
    if path.stem == "10_keras":
        printed = "".join(output.text for output in outputs if output.get("name") == "stdout")
        assert float(printed.split("largest difference of a similarity: ")[1].split()[0]) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_it_runs_on_real_recordings(name: str, shared_data: Path, tmp_path: Path) -> None:
    settings = {setting: str(shared_data / place) for setting, place in REAL[name].items()}
    outputs = run(NOTEBOOKS[0].parent / f"{name}.ipynb", tmp_path, settings)
    if "fedele2022" in name:
        assert sum("<audio" in page for page in shown(outputs, "text/html")) == 2
