"""The notebooks of explanations on real recordings; `test_notebooks` runs them on synthetic ones."""

from __future__ import annotations

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "folder"),
    [("04_fedele2022_audiomnist", "audiomnist-test"), ("06_fedele2022_esc50", "esc50-fold4")],
)
def test_it_runs_on_real_recordings(
    name: str, folder: str, shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # threads that share cores with others wait for each other
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    settings = notebook.cells[1]
    assert "\ndata = None" in settings.source
    settings.source += f"\ndata = {str(shared_data / folder)!r}"
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    ran = client.execute()
    shown = [output for cell in ran.cells if cell.cell_type == "code" for output in cell.outputs]
    kinds = {kind for output in shown if "data" in output for kind in output.data}
    assert {"image/png", "text/html"} <= kinds
    assert sum("<audio" in output.data.get("text/html", "") for output in shown if "data" in output) == 2
