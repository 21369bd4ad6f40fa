"""Networks by name: their sizes, and that each trains on data of its kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import siamaudio as sa
from siamaudio import presets

# Spectrograms of the presets' front ends, or the images that they are named after.
SHAPES = {
    "modern": (64, 128),
    "honka2019": (128, 431),
    "fedele2022_esc50": (128, 431),
    "fedele2022_audiomnist": (224, 224),
    "lloret2019_mnist": (28, 28),
    "lloret2019_fashion": (28, 28),
    "lloret2019_cifar10": (3, 32, 32),
}
# Filters x (kernel x inputs + 1) of each convolution, units x (inputs + 1) of each dense layer; batch norm has two
# numbers a channel. A softmax over ten classes adds 10 x (512 + 1), or 10 x (units + 1) to the CNN.
MNIST_BODY = 32 * 10 + 64 * (9 * 32 + 1)
FASHION_BODY = 64 * 5 + 32 * (4 * 64 + 1)
CIFAR_BODY = 32 * (27 + 1) + 32 * (9 * 32 + 1) + 64 * (9 * 32 + 1) + 64 * (9 * 64 + 1)
FEDELE_BODY = 64 * 26 + 32 * (25 * 64 + 1) + 12 * (9 * 32 + 1)
MODERN_BODY = 2 + 32 * (26 + 2) + 64 * (9 * 32 + 3) + 128 * (9 * 64 + 3) + 256 * (9 * 128 + 3)
NUM_PARAMETERS = {
    "modern": MODERN_BODY + 10 * (256 * 4 + 256 + 1),
    "honka2019": 19_408_979,  # as in the thesis
    "fedele2022_esc50": FEDELE_BODY + 4096 * (12 * 13 * 51 + 1) + 4097,
    "fedele2022_audiomnist": FEDELE_BODY + 4096 * (12 * 25 * 25 + 1) + 4097,
    "lloret2019_mnist_pair": MNIST_BODY + 512 * (64 * 12 * 12 + 1),
    "lloret2019_mnist_pair_class": MNIST_BODY + 512 * (64 * 12 * 12 + 1) + 5130,
    "lloret2019_mnist_cnn": MNIST_BODY + 128 * (64 * 12 * 12 + 1) + 1290,
    "lloret2019_fashion_triplet": FASHION_BODY + 512 * (32 * 7 * 7 + 1),
    "lloret2019_fashion_cnn": FASHION_BODY + 128 * (32 * 7 * 7 + 1) + 1290,
    "lloret2019_cifar10_triplet_class": CIFAR_BODY + 512 * (64 * 6 * 6 + 1) + 5130,
    "lloret2019_cifar10_triplet_memory": CIFAR_BODY + 512 * (64 * 6 * 6 + 1),
    "lloret2019_cifar10_cnn": CIFAR_BODY + 512 * (64 * 6 * 6 + 1) + 5130,
}


def _shape(name: str) -> tuple[int, ...]:
    return next(shape for start, shape in SHAPES.items() if name.startswith(start))


@pytest.mark.parametrize("name", NUM_PARAMETERS)
def test_as_large_as_published(name: str) -> None:
    net = sa.SiameseNetwork.preset(name).build(_shape(name), num_classes=10)
    assert net.num_parameters() == net.summary().num_parameters == NUM_PARAMETERS[name]
    assert f"{NUM_PARAMETERS[name]:,}" in repr(net.summary())


@pytest.mark.parametrize("name", presets.network_presets())
def test_each_is_described_and_trains(name: str, rng: np.random.Generator) -> None:
    description = presets.preset_description(name)
    assert description.split()[0] in ("Siamaudio's", "Honka", "Fedele", "Lloret")
    shape = _shape(name) if name.startswith("lloret") else (60, 62)  # smaller spectrograms, the same images
    features = sa.Features.from_arrays(rng.random((30, *shape)), np.repeat(list("abcdef"), 5))
    net = sa.SiameseNetwork.preset(name)
    if isinstance(net.sampler, sa.samplers.RandomPairs):
        assert net.sampler.num_negative == 4
    net.fit(features, epochs=1, steps_per_epoch=2, progress=False)
    assert np.isfinite(net.history_["loss"][0])
    embeddings = net.embed(features)
    similarity = net.similarity(embeddings, embeddings)
    assert np.isfinite(similarity).all()
    clone = sa.SiameseNetwork.preset(name)
    assert clone.get_params() == net.get_params()


def test_unknown_presets_are_named() -> None:
    for ask in (presets.preset_options, presets.preset_description, sa.SiameseNetwork.preset):
        with pytest.raises(sa.ParameterError, match=r"preset: got lenet; accepted: fedele2022_audiomnist, .*honka2019"):
            ask("lenet")


@pytest.fixture(scope="module")
def modern() -> tuple[sa.SiameseNetwork, sa.Features, sa.Features]:
    """The modern preset, trained for a second, with its training classes and four unseen ones."""
    front_end = sa.LogMel.preset("modern", n_mels=32)
    features = front_end.transform(sa.datasets.synthetic(16, 8), progress=False)
    train, _, unseen = features.split_classes(12, 0, 4, seed=0)
    return sa.SiameseNetwork.preset("modern").fit(train, epochs=8, num_threads=1, progress=False), train, unseen


def test_modern_is_better_than_raw_pictures(modern: tuple[sa.SiameseNetwork, sa.Features, sa.Features]) -> None:
    net, train, unseen = modern
    plain = sa.evaluate_oneshot(net, unseen, ways=4)
    baseline = plain.baselines["raw spectrogram"]
    assert plain.accuracy > baseline + 0.1
    whitened = sa.evaluate_oneshot(net.calibrate(train), unseen, ways=4)
    assert whitened.accuracy > baseline + 0.1


def test_modern_survives_its_file(modern: tuple[sa.SiameseNetwork, sa.Features, sa.Features], tmp_path: Path) -> None:
    net, train, unseen = modern
    net.calibrate(train).save(tmp_path / "net.siam")
    again = sa.SiameseNetwork.load(tmp_path / "net.siam")
    assert again.get_params() == net.get_params()
    np.testing.assert_array_equal(again.embed(unseen), net.embed(unseen))
    shorter = np.asarray(unseen)[..., :50]  # it pools over time
    assert again.embed(shorter).shape == (len(unseen), net.embed(unseen).shape[1])


def test_modern_does_not_depend_on_the_unit(synthetic_features: sa.Features) -> None:
    """Decibels or nepers train alike: the input is normalised, and no augmentation has a unit."""
    train = synthetic_features
    spectrograms = np.asarray(train)
    losses = []
    for scale, offset in ((1.0, 0.0), (0.125, 16.0)):  # exact in float32, but for the offset's rounding
        scaled = sa.Features.from_arrays(spectrograms * scale + offset, [train.class_names[i] for i in train.labels])
        net = sa.SiameseNetwork.preset("modern").fit(scaled, epochs=2, num_threads=1, progress=False)
        losses.append(net.history_["loss"][-1])
    assert losses[0] == pytest.approx(losses[1], rel=0.01)
