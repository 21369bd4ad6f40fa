"""The six systems of Lloret 2019 in their own experiment: 100 images a class to learn from, an untouched test set.

On scikit-learn's digits (8 x 8), or on the IDX files of MNIST or Fashion-MNIST in a folder::

    python benchmarks/lloret2019.py [--data FOLDER] [--network mnist|fashion] [--epochs 30] [--seeds 3]

Prints each system's accuracy on the test set, by the average distance to the training embeddings of each class (the
thesis's own classifier; the CNN by its softmax), as mean and spread over seeds, beside the thesis's figures for MNIST.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

import siamaudio as sa

# Accuracy on MNIST in the thesis, tables 5.1, 5.7 and 5.8.
PUBLISHED = {
    "cnn": 0.920,
    "pair": 0.954,
    "pair_class": 0.962,
    "triplet": 0.948,
    "triplet_class": 0.935,
    "triplet_memory": 0.936,
}
TRAINING_IMAGES = 100  # a class

Images = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def read_idx(folder: Path, stem: str) -> npt.NDArray[np.uint8]:
    """Read one IDX file, compressed or not."""
    path = next(iter(sorted(folder.glob(f"{stem}*"))), None)
    if path is None:
        raise SystemExit(f"{folder} has no {stem}, an IDX file of MNIST or Fashion-MNIST")
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    num_axes = content[3]
    shape = np.frombuffer(content, ">u4", num_axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * num_axes).reshape(shape)


def load(folder: Path | None, rng: np.random.Generator) -> tuple[Images, Labels, Images, Labels]:
    """Return images in [0, 1] and labels: 100 random ones a class to learn from, and the test set."""
    if folder is None:
        from sklearn.datasets import load_digits

        pixels, digits = load_digits(return_X_y=True)
        images = (np.asarray(pixels).reshape(-1, 8, 8) / 16).astype(np.float32)
        labels = np.asarray(digits).astype(np.int64)
        test_images = test_labels = None
    else:
        images = (read_idx(folder, "train-images") / 255).astype(np.float32)
        labels = read_idx(folder, "train-labels").astype(np.int64)
        test_images = (read_idx(folder, "t10k-images") / 255).astype(np.float32)
        test_labels = read_idx(folder, "t10k-labels").astype(np.int64)
    chosen = np.concatenate(
        [rng.permutation(np.flatnonzero(labels == label))[:TRAINING_IMAGES] for label in np.unique(labels)]
    )
    if test_images is None or test_labels is None:  # digits: whatever was not chosen
        rest = np.setdiff1d(np.arange(len(labels)), chosen)
        test_images, test_labels = images[rest], labels[rest]
    return images[chosen], labels[chosen], test_images, test_labels


def accuracy(net: sa.SiameseNetwork, train: sa.Features, images: Images, labels: Labels) -> float:
    """Classify by the average Euclidean distance to each class, section 5.4; a network with softmax alone by that."""
    if net.sampler == sa.samplers.Shuffled():
        return float(np.mean(net.predict(images).astype(np.int64) == labels))
    test = sa.Features.from_arrays(images, labels.astype(str))
    return float(sa.evaluation.lloret2019(net, train, test).query_accuracy.mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with the IDX files; by default scikit-learn's digits")
    parser.add_argument("--network", choices=["mnist", "fashion"], default="mnist")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()

    results: dict[str, list[float]] = {system: [] for system in PUBLISHED}
    seconds = dict.fromkeys(PUBLISHED, 0.0)
    for seed in range(options.seeds):
        images, labels, test_images, test_labels = load(options.data, np.random.default_rng(seed))
        train = sa.Features.from_arrays(images, labels.astype(str))
        for system in PUBLISHED:
            net = sa.SiameseNetwork.preset(f"lloret2019_{options.network}_{system}")
            start = time.perf_counter()
            net.fit(train, epochs=options.epochs, seed=seed, progress=False)
            seconds[system] += time.perf_counter() - start
            results[system].append(accuracy(net, train, test_images, test_labels))
            print(f"seed {seed}: {system} {results[system][-1]:.3f}", flush=True)

    print(f"\n{'system':<16}{'accuracy':>10}{'spread':>9}{'seconds':>9}{'thesis, MNIST':>15}")
    for system in sorted(results, key=lambda name: -np.mean(results[name])):
        values = results[system]
        each = seconds[system] / options.seeds
        print(f"{system:<16}{np.mean(values):>10.3f}{np.std(values):>9.3f}{each:>9.0f}{PUBLISHED[system]:>15.3f}")
    out = Path(__file__).with_name("results") / "lloret2019.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"epochs": options.epochs, "accuracy": results, "seconds": seconds}, indent=2))


if __name__ == "__main__":
    main()
