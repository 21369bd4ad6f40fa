"""Pedersen 2023 on ESC-50: search by example with a variational autoencoder, YAMNet, a siamese network and raw pixels.

::

    python benchmarks/pedersen2023.py [--parts folds,sounds] [--epochs 50] [--out FOLDER] [--quick]

The first part, on the spectrograms of all 2000 clips (`esc50-logspec-128.npz` of the folder that SIAMAUDIO_SHARED_DATA
names, default ../shared/data), trains five autoencoders, each on four folds, without labels. Every clip is a query
once, and its nearest clip by cosine should be of its class:

all clips
    The query's fold was not seen by the model that embeds the query *and all other clips*; those of the other folds
    were seen, without their labels. Raw pixels have nothing to see, so theirs is the plain leave-one-out search.
own fold
    Query and other clips are of the fold that the model did not see: 400 clips, 7 more of a class. The mean of five.
published
    Pedersen's procedure: each fold embedded by its own model, then all searched together. Five models have five
    latent spaces with nothing in common, so that only clips of the query's fold are comparable with it.

The mean over the searched clips is subtracted before cosines are taken, from pixels and latent vectors alike; of pixels
also, or instead, each clip's own mean. "averaged" latent vectors are the means over eight circular shifts of a clip in
time, "whitened" ones have covariance 1 over the clips that the model has seen. The figure that Pedersen published for
the autoencoder, 2.6 % of 50 classes, is that of vectors in one order and labels in another, which is tried here.

The second part, on the sounds of fold 4 (`esc50-fold4`, 400 clips), compares systems with each other: YAMNet with
several vectors, an autoencoder, siamese networks, raw log-mel spectrograms.

The autoencoder is the preset "modern". It differs from the published one in its loss (a whole Gaussian likelihood), in
its size, and in what it is shown: spectrograms of 128 bands by 8 frames, and a clip that is shifted in time by chance
is to be rebuilt from one that is shifted otherwise, so that the latent vector cannot tell when things happen.

Vectors, and trainings that are under way, are kept in FOLDER (default benchmarks/results/pedersen2023): what is there
is not made again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

import siamaudio as sa
from esc50 import mel_pictures
from harness import RESULTS, BenchmarkError, shared_data

FloatArray = npt.NDArray[np.float32]
Metric = Literal["cosine", "euclidean"]
METRICS: tuple[Metric, ...] = ("cosine", "euclidean")

SPECTROGRAMS = "esc50-logspec-128.npz"
FRAMES_TOGETHER = 16  # of the spectrograms, that become one
SHIFTS = 8
_OWN_MEAN = "raw pixels, each clip less its own mean instead"


class Esc50:
    """All spectrograms, with what is known about them."""

    def __init__(self, *, num_classes: int) -> None:
        path = shared_data("") / SPECTROGRAMS
        if not path.is_file():
            raise BenchmarkError(f"{path} is missing")
        with np.load(path) as file:
            # Codes 101 ... 510 in the order of the targets 0 ... 49, ten of which are a superclass.
            targets = (file["class_code"] // 100 - 1) * 10 + file["class_code"] % 100 - 1
            self.rows = np.flatnonzero(targets % 10 < num_classes // 5)
            self.targets = targets[self.rows]
            self.pixels: FloatArray = file["spectrograms"][self.rows].astype(np.float32) / 255
            self.classes = file["class_name"][self.rows]
            self.superclasses = file["superclass"][self.rows]
            self.folds = file["fold"][self.rows].astype(np.int64)
            self.names = file["clip"][self.rows]  # FOLD-SOURCE-TAKE

    def pooled(self) -> FloatArray:
        """Return the spectrograms as the autoencoder sees them."""
        count, bands, frames = self.pixels.shape
        return self.pixels.reshape(count, bands, frames // FRAMES_TOGETHER, FRAMES_TOGETHER).mean(axis=3)


def train_autoencoder(clips: FloatArray, options: argparse.Namespace, folder: Path) -> sa.VariationalAutoencoder:
    """Train on clips; a run that was stopped goes on."""
    vae = sa.VariationalAutoencoder.preset("modern")
    return vae.fit(
        clips,
        epochs=options.epochs,
        checkpoint=folder,
        checkpoint_every=200,
        resume=True,
        num_threads=options.num_threads,
        progress=options.progress,
    )


def averaged(vae: sa.VariationalAutoencoder, clips: FloatArray) -> FloatArray:
    """Return latent vectors, averaged over circular shifts in time."""
    steps = [round(i * clips.shape[-1] / SHIFTS) for i in range(SHIFTS)]
    return np.stack([vae.embed(np.roll(clips, step, axis=-1)) for step in steps]).mean(axis=0)


def fold_vectors(data: Esc50, fold: int, options: argparse.Namespace) -> dict[str, FloatArray]:
    """Return vectors of all clips by the model that has not seen a fold."""
    path = options.out / f"fold{fold}.npz"
    if not path.is_file():
        clips = data.pooled()
        vae = train_autoencoder(clips[data.folds != fold], options, options.out / f"fold{fold}")
        vae.save(options.out / f"fold{fold}.siam")
        seen = vae.embed(clips)
        np.savez(path, latent=seen, averaged=averaged(vae, clips), loss=vae.history_["loss"])
    with np.load(path) as file:
        return {name: file[name] for name in ("latent", "averaged")}


# ---- Part 1: all clips, five autoencoders


def centred(vectors: FloatArray) -> FloatArray:
    """Return clips as vectors, less their mean."""
    flat = vectors.reshape(len(vectors), -1).astype(np.float32)
    return flat - flat.mean(axis=0)


def whitened(vectors: FloatArray, seen: npt.NDArray[np.bool_], *, components: int | None = None) -> FloatArray:
    """Return vectors, or their principal components, of covariance 1 over the clips that a model has seen."""
    flat = vectors.reshape(len(vectors), -1).astype(np.float64)
    flat = flat - flat[seen].mean(axis=0)
    _, deviations, axes = np.linalg.svd(flat[seen], full_matrices=False)
    deviations, axes = deviations[:components], axes[:components]
    # Directions in which hardly anything differs are not blown up.
    scale = np.sqrt(deviations**2 + 0.01 * np.mean(deviations**2))
    return (flat @ axes.T / scale).astype(np.float32)


def cosines(queries: FloatArray, vectors: FloatArray) -> FloatArray:
    """Return the cosine of each query with each vector."""
    lengths = [np.maximum(np.linalg.norm(each, axis=1, keepdims=True), 1e-12) for each in (queries, vectors)]
    return (queries / lengths[0]) @ (vectors / lengths[1]).T


def figures(result: sa.RetrievalResult) -> dict[str, Any]:
    """Return what is reported of a search."""
    found: dict[str, Any] = {"class": result.figures, "chance": result.chance}
    if result.superclasses is not None:
        found |= {"superclass": result.superclasses.figures, "superclass chance": result.superclasses.chance}
    return found


def searched(data: Esc50, spaces: dict[int, FloatArray], *, centre: bool = True) -> dict[str, Any]:
    """Search in five spaces, one a fold, as the three procedures say; a space has all clips."""
    ready = centred if centre else np.asarray
    names = {"labels": data.classes, "superclasses": data.superclasses}
    similarity = np.empty((len(data.folds),) * 2, dtype=np.float32)
    own: list[sa.RetrievalResult] = []
    together = np.empty((len(data.folds), next(iter(spaces.values())).shape[1]), dtype=np.float32)
    for fold, vectors in spaces.items():
        inside = data.folds == fold
        similarity[inside] = cosines(ready(vectors)[inside], ready(vectors))
        part = {name: values[inside] for name, values in names.items()}
        own.append(sa.evaluate_retrieval(embeddings=ready(vectors[inside]), **part))
        together[inside] = vectors[inside]
    return {
        "all clips": figures(sa.evaluate_retrieval(similarity=similarity, **names)),
        "own fold": mean_figures([figures(result) for result in own]),
        "published": figures(sa.evaluate_retrieval(embeddings=ready(together), **names)),
    }


def mean_figures(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the means of figures of equal names."""
    return {
        kind: {name: float(np.mean([p[kind][name] for p in parts])) for name in parts[0][kind]} for kind in parts[0]
    }


def orders(data: Esc50) -> dict[str, npt.NDArray[np.int64]]:
    """Return orders in which vectors may have been written while the labels stayed in that of the class folders."""
    return {
        "aligned": np.arange(len(data.names)),
        "vectors by file name": np.argsort(data.names, kind="stable"),
        "vectors as a shuffled data set has them": np.random.default_rng(0).permutation(len(data.names)),
    }


def separability(labels: npt.NDArray[np.str_], data: Esc50, spaces: dict[int, FloatArray]) -> dict[str, float]:
    """Tell labels apart by linear classifiers, each fold in the space of the model that has not seen it."""
    right: dict[str, list[float]] = {}
    for fold, vectors in spaces.items():
        result = sa.evaluation.linear_separability(vectors, labels, folds=(data.folds == fold).astype(np.int64), c=0.1)
        for name, accuracies in result.fold_accuracies.items():
            right.setdefault(name, []).append(accuracies[1])
    return {name: float(np.mean(accuracies)) for name, accuracies in right.items()}


def run_folds(options: argparse.Namespace) -> dict[str, Any]:
    """Measure the autoencoders, and pixels beside them."""
    data = Esc50(num_classes=options.num_classes)
    folds = range(1, 6)
    made = {fold: fold_vectors(data, fold, options) for fold in folds}
    pixels, pooled = data.pixels, data.pooled()
    own_mean = (pixels - pixels.mean(axis=(1, 2), keepdims=True)).reshape(len(pixels), -1)
    latent, average = ({fold: made[fold][name] for fold in folds} for name in ("latent", "averaged"))
    flat = pooled.reshape(len(pooled), -1)
    spaces = {
        "raw pixels": dict.fromkeys(folds, pixels.reshape(len(pixels), -1)),
        _OWN_MEAN: dict.fromkeys(folds, own_mean),
        "raw pixels, both means subtracted": dict.fromkeys(folds, own_mean),
        "raw pixels as the autoencoder sees them": dict.fromkeys(folds, flat),
        "their 64 principal components, whitened": {
            fold: whitened(flat, data.folds != fold, components=64) for fold in folds
        },
        "autoencoder": latent,
        "autoencoder, averaged": average,
        "autoencoder, averaged and whitened": {fold: whitened(average[fold], data.folds != fold) for fold in folds},
    }
    results = {name: searched(data, each, centre=name != _OWN_MEAN) for name, each in spaces.items()}
    classifiers = {
        kind: {
            "raw pixels as the autoencoder sees them": separability(
                labels, data, spaces["raw pixels as the autoencoder sees them"]
            ),
            "autoencoder": separability(labels, data, latent),
            "autoencoder, averaged": separability(labels, data, average),
        }
        for kind, labels in (("class", data.classes), ("superclass", data.superclasses))
        if options.classifiers
    }
    one_model = {
        name: figures(
            sa.evaluate_retrieval(
                embeddings=centred(average[1][order]), labels=data.classes, superclasses=data.superclasses
            )
        )
        for name, order in orders(data).items()
    }
    return {
        "search": results,
        "one model": one_model,
        "linear classifiers": classifiers,
    }


# ---- Part 2: the sounds of fold 4

YAMNET_VECTORS = ("mean", "std", "delta", "mean+std", "mean+delta", "std+delta", "mean+std+delta")


class Fold4:
    """The sounds, in the order of their spectrograms in part 1."""

    def __init__(self, data: Esc50) -> None:
        clips = sa.datasets.esc50(shared_data("esc50-fold4"))
        # FOLD-SOURCE-TAKE-TARGET
        position = {Path(path).stem.rsplit("-", 1)[0]: i for i, path in enumerate(clips.paths)}
        self.inside = data.folds == 4
        self.clips = clips[np.array([position[name] for name in data.names[self.inside]])]
        self.labels = data.classes[self.inside]
        self.superclasses = data.superclasses[self.inside]
        # Half of the classes of each superclass, all clips of part 1.
        self.half_of_all = (data.targets % 10 + data.targets // 10) % 2
        self.half = self.half_of_all[self.inside]

    def measured(self, vectors: FloatArray, metric: Metric) -> tuple[sa.RetrievalResult, dict[str, Any]]:
        """Search among all clips, and in each half of the classes by itself."""
        whole = sa.evaluate_retrieval(
            embeddings=vectors, labels=self.labels, superclasses=self.superclasses, metric=metric
        )
        return whole, {"all classes": figures(whole), "halves": self.halves(vectors, metric)}

    def halves(self, vectors: FloatArray, metric: Metric) -> dict[str, Any]:
        """Search in each half of the classes by itself; the means of two."""
        parts = [
            sa.evaluate_retrieval(
                embeddings=vectors[self.half == half],
                labels=self.labels[self.half == half],
                superclasses=self.superclasses[self.half == half],
                metric=metric,
            )
            for half in (0, 1)
        ]
        return mean_figures([figures(part) for part in parts])


def kept(path: Path, make: Callable[[], FloatArray]) -> FloatArray:
    """Return an array from a file, which is made where it is missing."""
    if not path.is_file():
        np.save(path, make())
    return np.load(path)


def yamnet_patches(sounds: Fold4) -> FloatArray:
    """Return the embeddings of the patches of waveforms brought to [0, 1], as published, which does better, too."""
    yamnet = sa.models.Yamnet.from_tflite(shared_data("yamnet") / "yamnet.tflite")
    return yamnet.embed_patches(sa.models.yamnet_features(sounds.clips, scale="minmax", progress=False))


def siamese_vectors(data: Esc50, sounds: Fold4, options: argparse.Namespace) -> FloatArray:
    """Return embeddings of each half of the classes by a network that was trained on the other half, in other folds."""
    pictures = mel_pictures()[data.rows]
    vectors: list[FloatArray] = []
    for half in (0, 1):
        seen = pictures[(sounds.half_of_all != half) & (data.folds != 4)]
        net = sa.SiameseNetwork.preset("modern")
        net.fit(
            seen,
            epochs=options.siamese_epochs,
            checkpoint=options.out / f"siamese{half}",
            checkpoint_every=50,
            resume=True,
            num_threads=options.num_threads,
            progress=options.progress,
        )
        vectors.append(net.calibrate(seen).embed(pictures[sounds.inside]))
    return np.where(sounds.half[:, np.newaxis] == 0, vectors[0], vectors[1])


def run_sounds(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all systems on the same clips."""
    data = Esc50(num_classes=options.num_classes)
    sounds = Fold4(data)
    rows = np.flatnonzero(sounds.inside)
    latent = fold_vectors(data, 4, options)
    patches = kept(options.out / "yamnet.npy", lambda: yamnet_patches(sounds))
    log_mel = sa.LogMel(sr=16000, n_fft=1024, hop_length=512, n_mels=64).transform(sounds.clips, progress=False)
    systems = {f"YAMNet {vectors}": sa.models.clip_vectors(patches, vectors) for vectors in YAMNET_VECTORS}
    pixels = data.pooled().reshape(len(data.pixels), -1)
    systems |= {
        "autoencoder": latent["latent"][rows],
        "autoencoder, averaged": latent["averaged"][rows],
        "autoencoder, averaged and whitened": whitened(latent["averaged"], data.folds != 4)[rows],
        "raw pixels as the autoencoder sees them": pixels[rows],
        "raw pixels": data.pixels[rows].reshape(len(rows), -1),
        "raw log-mel": log_mel.array.reshape(len(rows), -1),
    }
    table: dict[str, Any] = {}
    results: dict[str, sa.RetrievalResult] = {}
    for name, vectors in systems.items():
        for metric in METRICS:
            compared = vectors if name.startswith("YAMNet") else centred(vectors)
            results[f"{name}, {metric}"], table[f"{name}, {metric}"] = sounds.measured(compared, metric)
    siamese = kept(options.out / "siamese.npy", lambda: siamese_vectors(data, sounds, options))
    table["siamese, other classes, cosine"] = {"halves": sounds.halves(siamese, "cosine")}

    tests = {}
    for kind in ("class", "superclass"):
        for metric in METRICS:
            pair = [results[f"{name}, {metric}"] for name in ("autoencoder, averaged", "YAMNet delta")]
            if kind == "superclass":
                pair = [each.superclasses for each in pair if each.superclasses is not None]
            test = sa.compare(*pair, names=("autoencoder", "YAMNet"), permutations=1000).mcnemar
            tests[f"{kind}, {metric}"] = dataclasses.asdict(test)
    return {"search": table, "McNemar": tests, "linear classifiers": sound_classifiers(sounds, systems, options)}


def sound_classifiers(sounds: Fold4, systems: dict[str, FloatArray], options: argparse.Namespace) -> dict[str, Any]:
    """Tell the classes apart by linear classifiers, also without numbers that hardly vary, and on fewer axes."""
    found: dict[str, Any] = {}
    if not options.classifiers:
        return found
    for name in ("YAMNet delta", "YAMNet mean", "autoencoder, averaged", "raw log-mel"):
        vectors = systems[name]
        variance = vectors.var(axis=0)
        choices: dict[str, dict[str, Any]] = {"all": {}, "95 % of the variance": {"pca": 0.95}}
        if name == "YAMNet delta":
            choices |= {
                f"the {100 - share} % that vary most": {"variance_threshold": float(np.percentile(variance, share))}
                for share in (25, 50, 75)
            }
        for choice, arguments in choices.items():
            for kind, labels in (("class", sounds.labels), ("superclass", sounds.superclasses)):
                result = sa.evaluation.linear_separability(vectors, labels, folds=4, c=0.1, **arguments)
                found.setdefault(name, {}).setdefault(choice, {})[kind] = result.accuracy
    return found


# ---- What is printed


def row(name: str, found: dict[str, Any]) -> str:
    """Return one line: both accuracies, and the figures of classes."""
    classes, superclasses = found["class"], found["superclass"]
    shown = [classes["accuracy"], superclasses["accuracy"]]
    shown += [classes[each] for each in ("precision", "recall", "f1", "MAP@5", "standard MAP@5", "accuracy@5", "MAP")]
    return f"{name:<58}" + "".join(f"{100 * value:>10.1f}" for value in shown)


def report(found: dict[str, Any]) -> str:
    """Return all tables."""
    columns = ("class", "super", "prec", "recall", "F1", "MAP@5", "stdMAP@5", "acc@5", "MAP")
    header = f"{'%':<58}" + "".join(f"{column:>10}" for column in columns)
    lines: list[str] = []
    if "folds" in found:
        for procedure in ("all clips", "own fold", "published"):
            lines += ["", f"five folds, {procedure}", header]
            lines += [row(name, each[procedure]) for name, each in found["folds"]["search"].items()]
        lines += ["", "vectors of one model, labels in the order of the class folders", header]
        lines += [row(name, each) for name, each in found["folds"]["one model"].items()]
    if "sounds" in found:
        for part in ("all classes", "halves"):
            lines += ["", f"the sounds of fold 4, {part}", header]
            lines += [row(name, each[part]) for name, each in found["sounds"]["search"].items() if part in each]
        lines += [f"McNemar, {name}: {test}" for name, test in found["sounds"]["McNemar"].items()]
    for part, results in found.items():
        for name, each in results["linear classifiers"].items():
            lines.append(f"linear classifiers, {part}, {name}: {json.dumps(each)}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="folds,sounds")
    parser.add_argument("--epochs", type=int, default=50, help="of an autoencoder")
    parser.add_argument("--siamese-epochs", type=int, default=20, help="of a siamese network")
    parser.add_argument("--out", type=Path, default=RESULTS / "pedersen2023")
    parser.add_argument("--num-threads", type=int)
    parser.add_argument("--quick", action="store_true", help="few clips and epochs, to see that it works")
    parser.add_argument("--progress", action="store_true")
    options = parser.parse_args()
    options.num_classes, options.classifiers = 50, True
    if options.quick:
        options.epochs = options.siamese_epochs = 1
        options.num_classes, options.classifiers = 10, False
    options.out.mkdir(parents=True, exist_ok=True)
    runs = {"folds": run_folds, "sounds": run_sounds}
    try:
        found = {part: runs[part](options) for part in options.parts.split(",")}
    except (BenchmarkError, sa.SiamaudioError) as error:
        sys.exit(f"pedersen2023: {error}")
    print(report(found))
    settings = {"epochs": options.epochs, "siamese_epochs": options.siamese_epochs, "quick": options.quick}
    (options.out / "pedersen2023.json").write_text(json.dumps({"settings": settings, **found}, indent=1))


if __name__ == "__main__":
    main()
