"""Draw docs/training.png from what `make bench-training` measured.

Usage: python tools/training_picture.py [benchmarks/results/training.json], from the repository's root.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

OURS, OTHERS = "#d1495b", "#8d99ae"


def draw(ax: Axes, values: dict[str, float], ratios: dict[str, float], title: str, unit: str) -> None:
    """Draw one bar a contender; the peers' say how many times as much as ours they are."""
    bars = ax.barh(list(values), list(values.values()), color=[OTHERS if name in ratios else OURS for name in values])
    for bar, (name, value) in zip(bars, values.items(), strict=True):
        text = f"{value:.2f} {unit}" + (f", {ratios[name]:.1f} ×" if name in ratios else "")
        ax.annotate(text, (value, bar.get_y() + bar.get_height() / 2), (4, 0), textcoords="offset points", va="center")
    ax.set_title(title, loc="left", fontsize="medium")
    ax.set_xlim(right=1.4 * max(values.values()))
    ax.invert_yaxis()
    ax.set_xticks([])
    ax.spines[["top", "right", "bottom"]].set_visible(False)


def draw_times(ax: Axes, rows: list[dict[str, Any]], title: str) -> None:
    """Draw the median times of an area, with the ratios of the benchmark's table."""
    times = {"siamaudio": rows[0]["ours_seconds"]} | {row["peer"]: row["peer_seconds"] for row in rows}
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    draw(ax, medians, {row["peer"]: row["ratio"] for row in rows}, title, "s")


def main() -> None:
    """Write docs/training.png."""
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "benchmarks/results/training.json")
    if not path.is_file():
        raise SystemExit(f"{path} is missing: run make bench-training")
    found = json.loads(path.read_text(encoding="utf-8"))
    settings = found["settings"]
    rows = {area: [row for row in found["rows"] if row["area"] == area] for area in ("training step", "inference")}
    memory = {name: peaks["training"] / 1e9 for name, peaks in found["peak_memory"].items()}
    figure, axes = plt.subplots(3, 1, figsize=(8, 5.5), layout="constrained")
    clips = f"{settings['clips']} clips of {settings['bands']} × {settings['frames']}"
    draw_times(axes[0], rows["training step"], f"One training step, {clips} as pairs")
    draw_times(axes[1], rows["inference"], f"Embedding {clips}")
    ratios = {name: value / memory["siamaudio"] for name, value in memory.items() if name != "siamaudio"}
    draw(axes[2], memory, ratios, "Most memory", "GB")
    figure.suptitle(f"Honka's network, {found['rows'][0]['threads']} threads, {found['environment']['cpu']}")
    figure.savefig("docs/training.png", dpi=96)


if __name__ == "__main__":
    main()
