"""`siamaudio explain`, from a trained network and recordings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import siamaudio as sa
from siamaudio.cli.explain import explain

pytest.importorskip("skimage")


@pytest.fixture
def task(trained: sa.SiameseNetwork, unseen: sa.Features, tmp_path: Path) -> tuple[Path, Path, Path]:
    """A network's file, a query, and a folder of supports."""
    model = tmp_path / "net.siam"
    trained.save(model)
    supports = tmp_path / "supports"
    supports.mkdir()
    for name in unseen.class_names:
        first = unseen.clips.paths[int(np.flatnonzero(unseen.labels == unseen.class_names.index(name))[0])]
        (supports / f"{name}{Path(first).suffix}").write_bytes(Path(first).read_bytes())
    return model, Path(unseen.clips.paths[1]), supports


def test_it_prints_and_writes(task: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    model, query, supports = task
    explain(
        model, query, supports=supports, segmentation="grid", settings=["segmentation.frames=4", "method.alpha=10"],
        report=tmp_path / "r.html", wav=tmp_path / "wav", faithfulness=True,
    )  # fmt: skip
    out = capsys.readouterr().out
    assert out.startswith(f"{query}: ")
    assert "top segments: " in out
    assert "Faithfulness(" in out
    assert len(list((tmp_path / "wav").glob("*.wav"))) == 2
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.count("<audio") == 1 + 2 * 3
    assert "Is the order right?" in page


def test_json_is_the_explanation(task: tuple[Path, Path, Path], capsys: pytest.CaptureFixture) -> None:
    model, query, supports = task
    explain(model, query, supports=supports, method="sinex", settings=["method.replaced=others"], json=True, seed=3)
    found = json.loads(capsys.readouterr().out)
    net = sa.SiameseNetwork.load(model)
    method = sa.explanation.Sinex(replaced="others")
    own = sa.explain(net, query, supports, method=method, seed=3, progress=False)
    assert {**own.to_dict(), "written": []} == found


def test_a_wrong_setting_is_named(task: tuple[Path, Path, Path]) -> None:
    model, query, supports = task
    for setting in ("alpha=3", "method.gamma=3", "method.alpha=x"):
        with pytest.raises(sa.ParameterError, match=r"alpha|gamma"):
            explain(model, query, supports=supports, settings=[setting])
