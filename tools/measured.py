"""Write the figures of benchmarks into the Markdown files that show them: `make figures`.

A block between ``<!-- measured NAME -->`` and ``<!-- /measured -->`` is a table made from the files of record in
``docs/results``, copies of what benchmarks write to ``benchmarks/results``. NAME is ``speed`` (a selection for the
README), ``accuracy``, or a benchmark, for all its rows.

Usage: python tools/measured.py [--check]
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
PAGES = ("README.md", "docs/results.md", "docs/recipe.md")
BLOCK = re.compile(r"(<!-- measured (\S+) -->\n).*?(<!-- /measured -->)", re.DOTALL)


class Line(NamedTuple):
    """A line of the table ``speed``: words of ours for the rows of one area whose work begins so."""

    words: str
    benchmark: str
    area: str
    work: str
    peers: dict[str, str]
    threads: int = 2


LIBROSA = {"librosa, plain loop": "librosa", "kaldi-native-fbank": "kaldi-native-fbank"}
FILES = {"soundfile + librosa, plain loop": "soundfile and librosa"}
KERAS_TORCH = {"Keras on TensorFlow": "Keras", "eager PyTorch, channels_last": "PyTorch"}
SPEED = (
    Line("log-mel spectrograms, one thread", "frontend", "log-mel in memory", "40", LIBROSA, 1),
    Line("the same, two threads", "frontend", "log-mel in memory", "40", LIBROSA),
    Line("from WAV files", "frontend", "files to log-mel", "40 WAV", FILES),
    Line("from FLAC files", "frontend", "files to log-mel", "40 FLAC", FILES),
    Line("a training step on 20 pairs, the same arithmetic", "training", "training step", "20", KERAS_TORCH),
    Line("pairs learned from in a second, each clip embedded once", "training", "training pairs", "40", KERAS_TORCH),
    Line("embedding", "training", "inference", "40", KERAS_TORCH),
    Line(
        "training until an accuracy is reached, the same pairs",
        "keras",
        "time to",
        "honka, as published",
        KERAS_TORCH,
    ),
    Line("the same, each clip embedded once", "keras", "time to", "honka, each clip embedded once", KERAS_TORCH),
    Line("the same, preset `modern`", "keras", "time to", "honka, modern preset", KERAS_TORCH),
    Line("2,000 one-shot tasks of five classes", "evaluation", "one-shot tasks", "2,000", KERAS_TORCH),
    Line(
        "explaining an answer (SINEXC)",
        "explain",
        "SINEXC",
        "5-way",
        {"Keras, a predict each": "Keras", "eager PyTorch, batches": "PyTorch"},
    ),
    Line(
        "exact search, 256 queries in 100,000 vectors",
        "search",
        "exact, inner product",
        "256 of 100,000 x 512, bunches",
        {"faiss IndexFlatIP": "faiss"},
    ),
    Line(
        "exact search, one query",
        "search",
        "exact, inner product",
        "1 of 100,000 x 512, bunches",
        {"faiss IndexFlatIP": "faiss"},
    ),
)
PROTOCOLS = {
    "40/5/5": "5 of 50 classes unseen",
    "35/5/10": "10 of 50 classes unseen",
    "honka2019": "the five test classes of Honka's thesis",
    "fedele2022": "the five test classes of Fedele's study",
    "fold4": "fold 4's recordings, 8 clips a class, 5 of 50 classes unseen",
}
ACCURACIES = {
    "raw": "raw pictures",
    "plain": "network",
    "whitened": "whitened",
    "whitened, source-disjoint": "whitened, other source",
}


def three_digits(value: float) -> str:
    """Return a number with three significant digits, and commas between thousands."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:g}"


def two_digits(value: float) -> str:
    """Return a ratio as one says it: 4.6, 11, 430."""
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 10 else f"{rounded:.1f}"


def read(name: str) -> dict[str, Any]:
    """Return a file of record."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def markdown(heading: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table."""
    rows = [heading, ["---"] * len(heading), *lines]
    return "".join(f"| {' | '.join(row)} |\n".replace("|  |", "| |") for row in rows)


# ---- the tables


def speed() -> str:
    """Return the README's selection: times as fast as each peer, and where that was measured."""
    lines, versions = [], {}
    machine: dict[str, Any] = {}
    for line in SPEED:
        found = read(line.benchmark)
        machine = found["environment"]
        versions |= machine["packages"]
        ratios = [
            f"{peer} {two_digits(row['ratio'])} ×"
            for name, peer in line.peers.items()
            for row in found["rows"]
            if (row["area"].startswith(line.area) and row["work"].startswith(line.work))
            and (row["peer"] == name and row["threads"] == line.threads)
        ]
        if not ratios:
            raise SystemExit(f"docs/results/{line.benchmark}.json has no row for {line.words!r}")
        lines.append((line.words, ", ".join(ratios)))
    peers = ("librosa", "kaldi-native-fbank", "keras", "tensorflow", "torch", "faiss-cpu")
    words = ", ".join(f"{name} {versions[name]}" for name in peers)
    table = markdown(("work", "times as fast as"), lines)
    return f"{table}\n{machine['cores']} virtual cores of an {machine['cpu']}; {words}.\n"


def accuracy() -> str:
    """Return mean ± standard deviation (standard error) in % over class splits."""
    found = read("accuracy")
    lines = []
    for name, protocol in found["protocols"].items():
        cells = []
        for key in ACCURACIES:
            figure = protocol["accuracy"][key]
            cell = f"{100 * figure['mean']:.1f}"
            if figure["standard deviation"]:
                cell += f" ± {100 * figure['standard deviation']:.1f} ({100 * figure['standard error']:.1f})"
            cells.append(cell)
        published = ", ".join(f"{100 * value:.1f} ({who})" for who, value in protocol["published"].items())
        lines.append((PROTOCOLS[name], str(len(protocol["splits"])), *cells, published))
    return markdown(("protocol", "splits", *ACCURACIES.values(), "published"), lines)


def benchmark(name: str) -> str:
    """Return all rows of a benchmark: times, the ratio with its extreme rounds, the target."""
    found = read(name)
    lines = []
    for row in found["rows"]:
        unit, target = row["unit"], row["target"]
        medians = (
            f"{three_digits(statistics.median(row[whose]) * unit['factor'])} {unit['name']}"
            for whose in ("ours_seconds", "peer_seconds")
        )
        ratios = (row["ratio"], min(row["ratios"]), max(row["ratios"]))
        lines.append(
            (
                row["area"],
                row["work"],
                row["peer"],
                str(row["threads"]),
                *medians,
                "{} ({} to {})".format(*map(three_digits, ratios)),
                "" if target is None else f"{target:g}",
            )
        )
    heading = ("area", "work", "peer", "threads", "ours", "peer's", "times as fast", "target")
    machine = found["environment"]
    packages = ", ".join(f"{package} {version}" for package, version in machine["packages"].items())
    return f"{markdown(heading, lines)}\n{machine['cpu']}, {machine['cores']} cores; {packages}\n"


def filled(text: str) -> str:
    """Return a page with each block made anew."""
    tables = {"speed": speed, "accuracy": accuracy}

    def block(found: re.Match[str]) -> str:
        name = found[2]
        return f"{found[1]}\n{tables[name]() if name in tables else benchmark(name)}\n{found[3]}"

    return BLOCK.sub(block, text)


def main() -> None:
    """Write the pages, or only say which are behind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is behind")
    options = parser.parse_args()
    behind = []
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        if filled(text) != text:
            behind.append(page)
            if not options.check:
                (ROOT / page).write_text(filled(text), encoding="utf-8")
    if options.check and behind:
        sys.exit(f"{', '.join(behind)} show other figures than docs/results: run make figures")


if __name__ == "__main__":
    main()
