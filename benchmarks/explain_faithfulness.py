"""Whether explanations are faithful on real sounds: deletion and insertion areas beside random orders, and sound.

benchmarks/README.md says what is measured and how to read it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

import siamaudio as sa
from harness import RESULTS, BenchmarkError, aligned, shared_data

WAYS = 5
SEED = 0
METHODS: dict[str, sa.explanation.Method] = {
    "sinexc": sa.explanation.Sinexc(),
    "sinexc, others replaced": sa.explanation.Sinexc(replaced="others"),
    "sinex": sa.explanation.Sinex(),
    "sinex, others replaced": sa.explanation.Sinex(replaced="others"),
    "rise": sa.explanation.Rise(num_masks=1000),
    "occlusion": sa.explanation.Occlusion(),
    "gradient": sa.explanation.Gradient(),
    "integrated gradients": sa.explanation.IntegratedGradients(steps=20),
}


def esc50(quick: bool, seed: int, threads: int) -> tuple[sa.SiameseNetwork, sa.Features]:
    """Return a network trained on 30 classes of fold 4 of ESC-50, and the clips of the 20 others."""
    clips = sa.datasets.esc50(shared_data("esc50-fold4"))
    features = sa.LogMel.preset("modern").transform(clips, progress=False, num_threads=threads)
    train, _, test = features.split_classes(30, 0, 20, seed=seed)
    return trained(train, 1 if quick else 12, seed, threads), test


def audiomnist(quick: bool, seed: int, threads: int) -> tuple[sa.SiameseNetwork, sa.Features]:
    """Return a network trained on takes 0 to 6 of five speakers, and their takes 7 to 9.

    The shared recordings hold no other speakers, so that these are known to the network; an explanation may be of any.
    """
    clips = sa.datasets.audiomnist(shared_data("audiomnist-test"))
    front_end = sa.LogMel(sr=44100, n_fft=2048, hop_length=394, n_mels=64, ref="max", duration=1.0)
    features = front_end.transform(clips, progress=False, num_threads=threads)
    takes = np.array([int(Path(path).stem.split("_")[2]) for path in features.clips.paths])
    return trained(features[takes < 7], 1 if quick else 8, seed, threads), features[takes >= 7]


def trained(features: sa.Features, epochs: int, seed: int, threads: int) -> sa.SiameseNetwork:
    net = sa.SiameseNetwork.preset("modern")
    net.fit(features, epochs=epochs, seed=seed, num_threads=threads, progress=False)
    return net.calibrate(features, num_threads=threads)


DATA = {"ESC-50, fold 4": esc50, "AudioMNIST, speakers": audiomnist}


def draw_tasks(labels: npt.NDArray[np.int64], count: int, seed: int) -> list[tuple[int, list[int]]]:
    """Draw queries, each clip once at most, each with another clip of its class and one of four other classes."""
    rng = np.random.default_rng(seed)
    tasks = []
    for query in rng.permutation(len(labels))[:count].tolist():
        others = rng.choice(np.setdiff1d(labels, labels[query]), WAYS - 1, replace=False)
        own = rng.choice(np.setdiff1d(np.flatnonzero(labels == labels[query]), query))
        tasks.append((query, [int(own), *(int(rng.choice(np.flatnonzero(labels == other))) for other in others)]))
    return tasks


def explain_predicted(
    net: sa.SiameseNetwork, test: sa.Features, task: tuple[int, list[int]], threads: int, **options: Any
) -> tuple[sa.Explanation, bool]:
    """Explain the support that the network finds most similar, from its file; also return whether it is right."""
    query, supports = task
    embeddings = net.embed(test[[query, *supports]], num_threads=threads)
    nearest = supports[int(net.similarity(embeddings[:1], embeddings[1:]).argmax())]
    name = test.class_names[test.labels[nearest]]
    explanation = sa.explain(
        net, test.clips.paths[query], {name: test.clips.paths[nearest]}, num_threads=threads, progress=False, **options
    )
    return explanation, bool(test.labels[nearest] == test.labels[query])


def paired(own: npt.NDArray[np.float64], random: npt.NDArray[np.float64], direction: str) -> dict[str, float]:
    """Compare the areas of all queries with the mean of their random orders."""
    return {
        "mean": float(own.mean()),
        "random_mean": float(random.mean()),
        "share_of_queries": float(np.mean(own < random if direction == "less" else own > random)),
        "wilcoxon_p": float(stats.wilcoxon(own, random, alternative=direction).pvalue),
        "t_test_p": float(stats.ttest_rel(own, random, alternative=direction).pvalue),
    }


def measure(
    net: sa.SiameseNetwork, test: sa.Features, tasks: Sequence[tuple[int, list[int]]], method: sa.explanation.Method,
    segmentation: str, orders: int, threads: int,
) -> dict[str, Any]:  # fmt: skip
    """Explain the predicted support of each task, and take its segments away and put them back."""
    found = []
    rights = []
    sounds = []
    counts = []
    start = time.perf_counter()
    for task in tasks:
        explanation, is_right = explain_predicted(
            net, test, task, threads, method=method, segmentation=segmentation, seed=SEED
        )
        counts.append(len(explanation.contributions[0]))
        if counts[-1] < 2:
            continue
        rights.append(is_right)
        found.append(explanation.faithfulness(num_orders=orders, seed=SEED, num_threads=threads, progress=False))
        sounds.append(explanation.resynthesise().correlation)
    if not found:
        raise BenchmarkError("every support is a single segment")
    deletion, insertion = (
        np.array([getattr(each, name) for each in found]) for name in ("deletion_areas", "insertion_areas")
    )
    return {
        "queries": len(found),
        "accuracy": float(np.mean(rights)),
        "segments": float(np.mean(counts)),
        "deletion": paired(deletion[:, 0], deletion[:, 1:].mean(axis=1), "less"),
        "insertion": paired(insertion[:, 0], insertion[:, 1:].mean(axis=1), "greater"),
        "sound_correlation": float(np.nanmean(sounds)),
        "seconds": time.perf_counter() - start,
    }


def run(options: argparse.Namespace) -> None:
    queries = 4 if options.quick else options.queries
    names = options.methods or (["sinexc", "gradient"] if options.quick else list(METHODS))
    results: dict[str, dict[str, Any]] = {}
    heading = ("data", "method", "queries", "deletion", "random", "p", "insertion", "random", "p", "sound")
    lines: list[tuple[str, ...]] = [heading]
    for data, prepare in DATA.items():
        if options.data and options.data not in data:
            continue
        net, test = prepare(options.quick, SEED, options.threads)
        tasks = draw_tasks(test.labels, queries, SEED)
        results[data] = {}
        for name in names:
            row = measure(net, test, tasks, METHODS[name], options.segmentation, options.orders, options.threads)
            results[data][name] = row
            areas = [
                text
                for curve in ("deletion", "insertion")
                for text in (
                    f"{row[curve]['mean']:.3f}", f"{row[curve]['random_mean']:.3f}", f"{row[curve]['wilcoxon_p']:.1e}"
                )
            ]  # fmt: skip
            lines.append((data, name, str(row["queries"]), *areas, f"{row['sound_correlation']:.3f}"))
            print(f"{data}, {name}: {row['seconds']:.0f} s", file=sys.stderr)
    settings = {key: value for key, value in vars(options).items() if key != "out"} | {"seed": SEED, "ways": WAYS}
    out = options.out or RESULTS / ("explain-faithfulness-quick.json" if options.quick else "explain-faithfulness.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"settings": settings, "results": results}, indent=1) + "\n", encoding="utf-8")
    print(aligned(lines, right=range(2, len(heading))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few queries, hardly trained networks: shows that it runs")
    parser.add_argument("--queries", type=int, default=120)
    parser.add_argument("--orders", type=int, default=10, help="random orders a query")
    parser.add_argument("--segmentation", default="felzenszwalb")
    parser.add_argument("--methods", nargs="*", choices=METHODS, help="by default all")
    parser.add_argument("--data", help="only the data sets whose name holds this")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="JSON file (default: results/explain-faithfulness.json)")
    options = parser.parse_args()
    try:
        run(options)
    except BenchmarkError as error:
        sys.exit(f"explain_faithfulness: {error}")


if __name__ == "__main__":
    main()
