"""What YAMNet's embeddings know of ESC-50: search and one-shot accuracy on fold 4's recordings.

::

    python benchmarks/yamnet_esc50.py [--splits 20] [--seed 0] [--threads 2] [--out FILE]

Needs `esc50-fold4` and `yamnet` in the folder that `SIAMAUDIO_SHARED_DATA` names (default `../shared/data`), and scipy.
Prints two tables and writes them as JSON.

1. Every kind of clip vector, by cosine and by Euclidean distance: leave-one-out accuracy of the nearest neighbour for
   50 classes and 5 superclasses, and exact 5-way 1-shot accuracy over all tasks of the 50 classes. Of waveforms as they
   are and scaled to [0, 1], resampled by libsoxr as always here, and by SciPy as the published figures were, which are
   printed beside their rows.
2. 5-way 1-shot accuracy on 5 unseen classes over class splits 40/5/5, dealt so that each class is tested equally often:
   the cosine of mean vectors; whitened within the 40 training classes (`SiameseNetwork.calibrate`'s layer, power 1,
   shrinkage 0.7); the preset ``yamnet_head`` trained on them, and calibrated. Each compared with whitening by the
   t-test and Wilcoxon's signed-rank test of the splits' paired differences. The head's options were chosen on the
   validation classes of other splits (seeds 1000 to 1007), never on test classes.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.signal import resample_poly

import siamaudio as sa
from harness import RESULTS, aligned, describe_machine, shared_data
from siamaudio._engine import core
from siamaudio.splits import draw_class_splits

VECTORS = ("mean", "std", "mean+std", "delta", "delta_time", "mean+delta")
METRICS = ("cosine", "euclidean")
WAYS = 5
SHRINKAGE = 0.7

# Published with the weights' golden outputs: class / superclass of the nearest neighbour, one-shot; percent.
PUBLISHED: dict[tuple[str, str, str], tuple[float | None, float | None, float | None]] = {
    ("plain", "mean", "cosine"): (74.0, 90.0, 76.9),
    ("plain", "mean", "euclidean"): (68.3, 83.0, 67.9),
    ("plain", "std", "cosine"): (74.8, 90.3, None),
    ("plain", "mean+std", "cosine"): (72.3, 87.3, None),
    ("plain", "delta_time", "cosine"): (50.0, 70.0, None),
    ("minmax", "mean", "cosine"): (77.3, 90.0, None),
    ("minmax", "delta", "cosine"): (78.0, 89.5, None),
}

FloatArray = npt.NDArray[np.float32]


def superclasses_of(clips: Any, folder: Path) -> npt.NDArray[np.int64]:
    """Return the superclass of each clip: ESC-50 numbers the classes of one in a row, ten each."""
    with (folder / "meta" / "esc50.csv").open(encoding="utf-8", newline="") as file:
        targets = {Path(row["filename"]).stem: int(row["target"]) for row in csv.DictReader(file)}
    return np.array([targets[Path(path).stem] // 10 for path in clips.paths])


def patch_embeddings(yamnet: sa.models.Yamnet, clips: Any, scale: Any, resampler: str, num_threads: int) -> FloatArray:
    """Return the embeddings of all patches of all clips."""
    if resampler == "soxr":
        features = sa.models.yamnet_features(clips, scale=scale, cache=False, progress=False, num_threads=num_threads)
        return yamnet.embed_patches(features, num_threads=num_threads)
    blocks = []
    for path in clips.paths:
        y, _ = sa.load(path)
        signal = resample_poly(y.astype(np.float64), 160, 441)
        blocks.append(sa.models.yamnet_log_mel(signal, scale=scale, num_threads=1))
    return yamnet.embed_patches(np.stack(blocks), num_threads=num_threads)


def similarity(vectors: FloatArray, metric: str) -> npt.NDArray[np.float64]:
    x = vectors.astype(np.float64)
    if metric == "cosine":
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        return x @ x.T
    squares = (x**2).sum(axis=1)
    return 2 * x @ x.T - squares[:, None] - squares


def leave_one_out(vectors: FloatArray, metric: str, *labels: npt.NDArray[Any]) -> list[float]:
    """Return for each kind of label how many percent of the clips have that of their nearest neighbour."""
    similar = similarity(vectors, metric)
    np.fill_diagonal(similar, -np.inf)
    nearest = similar.argmax(axis=1)
    return [100 * float((own[nearest] == own).mean()) for own in labels]


def one_shot(vectors: FloatArray, labels: npt.NDArray[np.int64], metric: str = "cosine") -> float:
    return (
        100 * sa.evaluate_oneshot(embeddings=vectors, labels=labels, ways=WAYS, metric=metric, baseline=False).accuracy
    )


def search_table(
    patches: dict[tuple[str, str], FloatArray], labels: npt.NDArray[np.int64], superclasses: npt.NDArray[np.int64]
) -> list[dict[str, Any]]:
    rows = []
    for (scale, resampler), embeddings in patches.items():
        for words in VECTORS:
            vectors = sa.models.clip_vectors(embeddings, words)
            for metric in METRICS:
                of_class, of_superclass = leave_one_out(vectors, metric, labels, superclasses)
                rows.append(
                    {
                        "waveform": scale,
                        "resampler": resampler,
                        "vectors": words,
                        "metric": metric,
                        "class": of_class,
                        "superclass": of_superclass,
                        "one_shot": one_shot(vectors, labels, metric),
                        "published": PUBLISHED.get((scale, words, metric)) if resampler == "scipy" else None,
                    }
                )
    return rows


def whitened(train: FloatArray, labels: npt.NDArray[np.int64]) -> Callable[[FloatArray], FloatArray]:
    """Fit the calibration that `SiameseNetwork.calibrate` fits."""
    _, dense_labels = np.unique(labels, return_inverse=True)
    power, mean, matrix = core.fit_calibration(train, dense_labels.astype(np.int64), power=1.0, shrinkage=SHRINKAGE)

    def apply(vectors: FloatArray) -> FloatArray:
        raised = np.sign(vectors) * np.abs(vectors) ** power
        return (raised / np.linalg.norm(raised, axis=1, keepdims=True) - mean) @ matrix

    return apply


def split_table(features: sa.Features, num_splits: int, seed: int, num_threads: int) -> dict[str, list[float]]:
    """Return the accuracy of each system on each split, and the seconds that the head trains."""
    accuracies: dict[str, list[float]] = {}
    vectors = features.array[:, 0]
    names = np.array(features.class_names)[features.labels]
    drawn = draw_class_splits(features.class_names, num_splits, num_test=5, num_validation=5, seed=seed)
    for number, split in enumerate(drawn):
        is_train, is_test = np.isin(names, split.train), np.isin(names, split.test)
        train, test = features[is_train], features[is_test]
        start = time.perf_counter()
        net = sa.SiameseNetwork.preset("yamnet_head")
        net.fit(train, seed=seed + number, device="cpu", num_threads=num_threads, progress=False)
        seconds = time.perf_counter() - start
        trained = sa.evaluate_oneshot(net, test, ways=WAYS, baseline=False).accuracy
        net.calibrate(train, power=1.0, num_threads=num_threads)
        whiten = whitened(vectors[is_train], features.labels[is_train])
        found = {
            "cosine": one_shot(vectors[is_test], features.labels[is_test]),
            "whitened": one_shot(whiten(vectors[is_test]), features.labels[is_test]),
            "trained head": 100 * trained,
            "trained head, calibrated": 100 * sa.evaluate_oneshot(net, test, ways=WAYS, baseline=False).accuracy,
            "seconds": seconds,
        }
        for name, value in found.items():
            accuracies.setdefault(name, []).append(value)
    return accuracies


def paired(values: list[float], others: list[float]) -> dict[str, float]:
    """Compare two systems over the same splits."""
    difference = np.subtract(values, others)
    if not difference.any():
        return {"difference": 0.0, "t_test": 1.0, "wilcoxon": 1.0}
    return {
        "difference": float(difference.mean()),
        "t_test": float(stats.ttest_1samp(difference, 0).pvalue),
        "wilcoxon": float(stats.wilcoxon(difference).pvalue),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="YAMNet's embeddings on fold 4 of ESC-50")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS / "yamnet_esc50.json")
    arguments = parser.parse_args()

    folder = shared_data("yamnet")
    yamnet = sa.models.Yamnet.from_tflite(folder / "yamnet.tflite")
    clips = sa.datasets.esc50(shared_data("esc50-fold4"))
    superclasses = superclasses_of(clips, shared_data("esc50-fold4"))
    patches = {
        (scale or "plain", resampler): patch_embeddings(yamnet, clips, scale, resampler, arguments.threads)
        for resampler in ("soxr", "scipy")
        for scale in (None, "minmax")
    }

    search = search_table(patches, clips.labels, superclasses)
    lines = [["waveform", "resampled by", "vectors", "metric", "class", "superclass", "5-way 1-shot", "published"]]
    for row in search:
        published = " / ".join("–" if value is None else f"{value:.1f}" for value in row["published"] or ())
        figures = [f"{row[key]:.1f}" for key in ("class", "superclass", "one_shot")]
        lines.append([row["waveform"], row["resampler"], row["vectors"], row["metric"], *figures, published])
    print(aligned(lines, right=(4, 5, 6)))

    one_shot_rows = {}
    for scale in ("plain", "minmax"):
        vectors = sa.models.clip_vectors(patches[scale, "soxr"])
        features = sa.Features(vectors[:, np.newaxis], clips=clips)
        accuracies = split_table(features, arguments.splits, arguments.seed, arguments.threads)
        seconds = accuracies.pop("seconds")
        lines = [
            ["waveform", f"5-way 1-shot, {arguments.splits} splits", "mean ± sd", "against whitened", "t", "Wilcoxon"]
        ]
        rows: dict[str, Any] = {"seconds_to_train": float(np.median(seconds))}
        for name, values in accuracies.items():
            tests = paired(values, accuracies["whitened"])
            spread = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
            rows[name] = {"mean": float(np.mean(values)), "sd": spread, "splits": values, "against_whitened": tests}
            shown = ["", "", ""] if name == "whitened" else [
                f"{tests['difference']:+.1f}", f"{tests['t_test']:.1e}", f"{tests['wilcoxon']:.1e}"
            ]  # fmt: skip
            lines.append([scale, name, f"{np.mean(values):.1f} ± {spread:.1f}", *shown])
        print(f"\n{aligned(lines, right=(3, 4, 5))}\nhead trained in {rows['seconds_to_train']:.1f} s")
        one_shot_rows[scale] = rows

    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    result = {
        "machine": describe_machine(packages=("numpy", "scipy", "torch")),
        "search": search,
        "one_shot": one_shot_rows,
    }
    arguments.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
