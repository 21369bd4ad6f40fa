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


def seconds_of(found: dict[str, Any], area: str) -> dict[str, float]:
    """Return the median seconds of ours and of each peer."""
    rows = [row for row in found["rows"] if row["area"] == area]
    times = {"siamaudio": rows[0]["ours_seconds"]} | {row["peer"]: row["peer_seconds"] for row in rows}
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def draw(ax: Axes, values: dict[str, float], title: str, unit: str) -> None:
    """Draw one bar a contender; the peers' say how many times as much as ours they are."""
    ours = values["siamaudio"]
    bars = ax.barh(
        list(values), list(values.values()), color=[OURS if name == "siamaudio" else OTHERS for name in values]
    )
    for bar, (name, value) in zip(bars, values.items(), strict=True):
        text = f"{value:.2f} {unit}" if name == "siamaudio" else f"{value:.2f} {unit}, {value / ours:.1f} ×"
        ax.annotate(text, (value, bar.get_y() + bar.get_height() / 2), (4, 0), textcoords="offset points", va="center")
    ax.set_title(title, loc="left", fontsize="medium")
    ax.set_xlim(right=1.4 * max(values.values()))
    ax.invert_yaxis()
    ax.set_xticks([])
    ax.spines[["top", "right", "bottom"]].set_visible(False)


def main() -> None:
    """Write docs/training.png."""
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "benchmarks/results/training.json")
    if not path.is_file():
        raise SystemExit(f"{path} is missing: run make bench-training")
    found = json.loads(path.read_text(encoding="utf-8"))
    settings = found["settings"]
    memory = {name: peaks["training"] / 1e9 for name, peaks in found["peak_memory"].items()}
    figure, axes = plt.subplots(3, 1, figsize=(8, 5.5), layout="constrained")
    clips = f"{settings['clips']} clips of {settings['bands']} × {settings['frames']}"
    draw(axes[0], seconds_of(found, "training step"), f"One training step, {clips} as pairs", "s")
    draw(axes[1], seconds_of(found, "inference"), f"Embedding {clips}", "s")
    draw(axes[2], memory, "Most memory", "GB")
    figure.suptitle(f"Honka's network, {found['rows'][0]['threads']} threads, {found['environment']['cpu']}")
    figure.savefig("docs/training.png", dpi=96)


if __name__ == "__main__":
    main()
