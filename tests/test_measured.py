"""The figures on the pages are those of the files of record."""

from __future__ import annotations

import importlib.util
import json
import statistics
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def measured() -> ModuleType:
    specification = importlib.util.spec_from_file_location("measured", ROOT / "tools" / "measured.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_pages_are_up_to_date(measured: ModuleType) -> None:
    for page in measured.PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        assert "<!-- measured " in text
        assert measured.filled(text) == text, f"{page}: run make figures"


def test_another_result_changes_the_pages(
    measured: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in measured.RESULTS.glob("*.json"):
        found = json.loads(path.read_text(encoding="utf-8"))
        for row in found.get("rows", []):
            row["ratio"] *= 1.5
        (tmp_path / path.name).write_text(json.dumps(found))
    monkeypatch.setattr(measured, "RESULTS", tmp_path)
    for page in ("README.md", "docs/results.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert measured.filled(text) != text


def test_all_results_are_shown(measured: ModuleType) -> None:
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert {name for _, name, _ in measured.BLOCK.findall(text)} == {path.stem for path in measured.RESULTS.glob("*")}


def test_ratios_are_those_of_the_rounds(measured: ModuleType) -> None:
    rows: list[dict[str, Any]] = [
        row for path in measured.RESULTS.glob("*.json") for row in measured.read(path.stem).get("rows", [])
    ]
    assert len(rows) > 30
    for row in rows:
        each = [peer / own for own, peer in zip(row["ours_seconds"], row["peer_seconds"], strict=True)]
        assert row["ratio"] == pytest.approx(statistics.median(each))


@pytest.mark.parametrize(
    ("value", "two", "three"),
    [(4.594, "4.6", "4.59"), (10.9, "11", "10.9"), (429.2, "430", "429"), (1793, "1,800", "1,790")],
)
def test_digits(measured: ModuleType, value: float, two: str, three: str) -> None:
    assert (measured.two_digits(value), measured.three_digits(value)) == (two, three)
