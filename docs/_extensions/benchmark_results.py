"""The directive ``benchmark``: a table of ratios, drawn from the JSON file that a benchmark wrote.

::

    ```{benchmark} frontend
    ```

The files of record are in ``docs/results``: copies of what benchmarks write to ``benchmarks/results``.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

RESULTS = Path(__file__).parents[1] / "results"
COLUMNS = ("area", "work", "peer", "threads", "ours", "peer's", "times as fast", "target")


def three_digits(value: float) -> str:
    """Return a number with three significant digits, and commas between thousands."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:g}"


def shown(row: dict[str, Any]) -> tuple[str, ...]:
    """Return a row's cells."""
    unit, target = row["unit"], row["target"]

    def median(seconds: list[float]) -> str:
        return f"{three_digits(statistics.median(seconds) * unit['factor'])} {unit['name']}"

    return (
        row["area"],
        row["work"],
        row["peer"],
        str(row["threads"]),
        median(row["ours_seconds"]),
        median(row["peer_seconds"]),
        "{} ({} to {})".format(*map(three_digits, (row["ratio"], min(row["ratios"]), max(row["ratios"])))),
        "" if target is None else f"{target:g}",
    )


def table(rows: list[tuple[str, ...]]) -> nodes.table:
    """Return a table with a heading."""
    group = nodes.tgroup("", cols=len(COLUMNS))
    group += [nodes.colspec("", colwidth=1) for _ in COLUMNS]

    def line(cells: tuple[str, ...]) -> nodes.row:
        return nodes.row("", *(nodes.entry("", nodes.paragraph("", cell)) for cell in cells))

    group += nodes.thead("", line(COLUMNS))
    group += nodes.tbody("", *map(line, rows))
    return nodes.table("", group)


class Benchmark(SphinxDirective):
    """A benchmark's rows, and on what machine they were measured."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        path = RESULTS / f"{self.arguments[0]}.json"
        self.env.note_dependency(str(path))
        found = json.loads(path.read_text(encoding="utf-8"))
        machine = found["environment"]
        words = f"{machine['cpu']}, {machine['cores']} cores; " + ", ".join(
            f"{name} {number}" for name, number in machine["packages"].items()
        )
        return [table([shown(row) for row in found["rows"]]), nodes.paragraph("", words)]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("benchmark", Benchmark)
    return {"parallel_read_safe": True}
