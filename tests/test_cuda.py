"""Training on a CUDA device: the same as on the CPU. Needs no audio library, so that it can run where there is none."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import siamaudio as sa
from siamaudio import augment, fitting, presets
from siamaudio._engine import core

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(core.resolve_device("auto") == "cpu", reason="no CUDA device"),
]

SHAPES = {"fedele2022": (1, 44, 46), "lloret2019_mnist": (1, 28, 28), "lloret2019_fashion": (1, 28, 28)}


@pytest.fixture(autouse=True)
def _true_float32() -> Iterator[None]:
    """Without TensorFloat-32, of whose 10 bits of mantissa no comparison would be left."""
    import torch

    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


def patterns(
    num_classes: int, clips_per_class: int, shape: tuple[int, ...], *, seed: int, noise: float = 1.0
) -> sa.Features:
    """Each class a pattern of its own under noise; other seeds draw other clips of the same classes."""
    rng = np.random.default_rng(seed)
    own = np.random.default_rng(100).standard_normal((num_classes, 1, *shape))
    clips = own + noise * rng.standard_normal((num_classes, clips_per_class, *shape))
    return sa.Features.from_arrays(
        clips.reshape(-1, *shape), np.repeat([f"class {i:02}" for i in range(num_classes)], clips_per_class)
    )


def without_dropout(net: sa.SiameseNetwork) -> sa.SiameseNetwork:
    blocks = tuple(dataclasses.replace(block, dropout=0.0) for block in net.encoder.blocks)
    dense = tuple(dataclasses.replace(layer, dropout=0.0) for layer in net.encoder.dense)
    return net.set_params(encoder=dataclasses.replace(net.encoder, blocks=blocks, dense=dense), augment=())


def one_step(preset: str, pairing: Any, device: str, precision: Any) -> tuple[float, NDArray[np.float64]]:
    """Make one step of gradient descent; return the loss and by how much the weights moved, all in one vector."""
    shape = next((shape for start, shape in SHAPES.items() if preset.startswith(start)), (1, 64, 64))
    if "cifar10" in preset:
        shape = (3, 32, 32)
    features = patterns(4, 6, shape, seed=0)
    net = without_dropout(sa.SiameseNetwork.preset(preset)).set_params(optimizer=sa.optimizers.SGD(lr=0.1))
    if isinstance(net.sampler, sa.samplers.AnchorPairs):  # as many pairs as four classes have
        net.set_params(sampler=dataclasses.replace(net.sampler, num_positive=2, num_negative=2))
    if isinstance(net.sampler, sa.samplers.RandomPairs):
        net.set_params(sampler=dataclasses.replace(net.sampler, num_negative=2))
    before = net.build(features.shape[1:], num_classes=4, seed=1).weights()
    net.fit(
        features, epochs=1, steps_per_epoch=1, pairing=pairing, warm_start=True, device=device, precision=precision,
        progress=False,
    )  # fmt: skip
    after = net.weights()
    moved = [(after[name].astype(np.float64) - before[name]).ravel() for name in before]
    return net.history_["loss"][0], np.concatenate(moved)


def distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """L2-relative, to `b`."""
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


@pytest.mark.parametrize(
    ("preset", "pairing"), [*((name, None) for name in presets.network_presets()), ("honka2019", "two-sided")]
)
def test_the_same_step(preset: str, pairing: Any) -> None:
    loss, moved = one_step(preset, pairing, "cuda", "float32")
    expected_loss, expected = one_step(preset, pairing, "cpu", "float32")
    assert loss == pytest.approx(expected_loss, rel=1e-4)
    # In any two float32 implementations some near-ties of the maxima fall differently.
    assert distance(moved, expected) < 1e-2


def test_bf16_steps_the_same_way() -> None:
    loss, moved = one_step("honka2019", "two-sided", "cuda", "bf16")
    expected_loss, expected = one_step("honka2019", "two-sided", "cuda", "float32")
    assert loss == pytest.approx(expected_loss, rel=0.05)
    assert 0 < distance(moved, expected) < 0.5


@pytest.mark.parametrize("distance", ["absolute", "squared", "product", "euclidean", "cosine"])
def test_similarity_of_a_head(distance: Any) -> None:
    """Every pair by matrix products and Manhattan distances, on both devices."""
    net = sa.SiameseNetwork(small_encoder(), distance=distance).build((1, 24, 24))
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((count, net._native.embedding_size), dtype=np.float32) for count in (70, 50))
    here = net.similarity(a, b)
    net._native.to("cuda")
    np.testing.assert_allclose(net.similarity(a, b), here, atol=1e-5)


def test_embeddings_and_similarity() -> None:
    features = patterns(4, 6, (64, 64), seed=0)
    net = sa.SiameseNetwork.preset("honka2019").fit(features, epochs=2, device="cuda", progress=False)
    there = net.embed(features)
    similarity = net.similarity(there, there)
    net._native.to("cpu")
    np.testing.assert_allclose(there, net.embed(features), atol=1e-4)
    np.testing.assert_allclose(similarity, net.similarity(there, there), atol=1e-4)


# Noise draws its values on the device, whose generator is another.
@pytest.mark.parametrize("augmentation", [each() for each in augment.registry.classes if each is not augment.Noise])
def test_the_same_augmentation(augmentation: augment.Augmentation) -> None:
    clips = np.random.default_rng(0).standard_normal((6, 1, 40, 150)).astype(np.float32)
    native = [augment.registry.to_core(augmentation)]
    for seed in range(4):
        there = core.augment(native, clips, seed=seed, device="cuda")
        np.testing.assert_allclose(there, core.augment(native, clips, seed=seed, device="cpu"), atol=1e-4)


def test_noise_has_its_deviation() -> None:
    clips = np.zeros((6, 1, 40, 150), dtype=np.float32)
    noise = core.augment([augment.registry.to_core(augment.Noise(std=0.3))], clips, seed=1, device="cuda")
    assert noise.std() == pytest.approx(0.3, rel=0.02)
    assert abs(noise.mean()) < 0.01


def test_fetched_clips_are_the_resident_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    features = patterns(6, 8, (32, 32), seed=0)
    moved = {}
    for memory in ("resident", "fetched"):
        monkeypatch.setattr(fitting, "core", _CoreWith(memory))
        net = sa.SiameseNetwork(small_encoder(), optimizer=sa.optimizers.SGD(lr=0.1))
        net.fit(features, epochs=3, batch_size=16, device="cuda", precision="float32", seed=2, progress=False)
        weights = net.weights()
        before = net.build((32, 32), seed=2).weights()
        moved[memory] = np.concatenate([(weights[name].astype(np.float64) - before[name]).ravel() for name in weights])
    # Not the same bits: some sums have no fixed order there. A wrong clip would change the step as a whole.
    assert distance(moved["fetched"], moved["resident"]) < 1e-2


class _CoreWith:
    """The core, with the training clips kept as said."""

    def __init__(self, feature_memory: str) -> None:
        self.fit = functools.partial(core.fit, feature_memory=feature_memory)

    def __getattr__(self, name: str) -> Any:
        return getattr(core, name)


def small_encoder() -> sa.ConvEncoder:
    return sa.ConvEncoder(
        blocks=(sa.ConvBlock(filters=16, kernel_size=3), sa.ConvBlock(filters=16, kernel_size=3)),
        dense=(sa.Dense(units=32),),
    )


NOISE = 0.9  # at which a class is told from the others most of the time


def accuracy(device: str, precision: Any, seed: int) -> float:
    """Train; the one-shot accuracy on other clips of the same classes."""
    net = sa.SiameseNetwork(small_encoder(), optimizer=sa.optimizers.Adam(lr=3e-3))
    net.fit(
        patterns(8, 8, (24, 24), seed=2 * seed, noise=NOISE), epochs=30, batch_size=32, device=device,
        precision=precision, seed=seed, progress=False,
    )  # fmt: skip
    others = patterns(8, 8, (24, 24), seed=2 * seed + 1, noise=NOISE)
    return sa.evaluate_oneshot(net, others, ways=5, allow_trained_classes=True).accuracy


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_learns_as_well_as_the_cpu(precision: str) -> None:
    there = np.array([accuracy("cuda", precision, seed) for seed in range(5)])
    here = np.array([accuracy("cpu", "float32", seed) for seed in range(5)])
    assert 0.5 < here.mean() < 0.95  # chance is 0.2
    spread = np.sqrt((there.var(ddof=1) + here.var(ddof=1)) / 5)
    assert abs(there.mean() - here.mean()) < 3 * spread + 0.02


def test_auto_is_what_the_device_can() -> None:
    assert core.resolve_precision(precision="auto", device="cuda") in ("bf16", "float32")
    with pytest.raises(sa.ParameterError, match="precision: got bf16"):
        core.resolve_precision(precision="bf16", device="cpu")


def test_out_of_memory_names_what_to_lower() -> None:
    import torch

    net = sa.SiameseNetwork.preset("honka2019")
    features = patterns(8, 32, (64, 64), seed=0)
    net.build((64, 64))
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(300e6 / total)
    try:
        message = (
            r"^out of memory on cuda:0: a training step of 256 clips asked for [0-9.]+ [KMG]iB more than there is; "
            "lower batch_size$"
        )
        with pytest.raises(sa.TrainingError, match=message):
            net.fit(features, batch_size=256, warm_start=True, device="cuda", progress=False)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
    net.fit(features, epochs=1, batch_size=32, warm_start=True, device="cuda", progress=False)  # it can still be used


@pytest.mark.parametrize("method", ["sinex", "sinexc", "rise", "occlusion", "gradient", "integrated_gradients"])
def test_explanations_are_those_of_the_cpu(method: str) -> None:
    features = patterns(4, 2, (1, 44, 46), seed=0)
    options = {"method": method, "segmentation": sa.explanation.Grid(bands=4, frames=4), "silence": -3.0}
    found = {}
    for device in ("cpu", "cuda"):
        net = sa.SiameseNetwork.preset("fedele2022_audiomnist").build((1, 44, 46), seed=1)
        net._native.to(device)
        found[device] = sa.explain(net, features[0], features[[1, 2, 4]], seed=2, progress=False, **options)
    here, there = found["cpu"].maps, found["cuda"].maps
    np.testing.assert_allclose(there, here, atol=2e-3 * np.abs(here).max())


def test_an_autoencoder_is_the_same_on_both_devices(tmp_path: Path) -> None:
    clips = patterns(3, 8, (33, 30), seed=0).array
    vae = sa.VariationalAutoencoder(latent_dim=8, filters=(16, 32), batch_size=8, optimizer=sa.optimizers.Adam(lr=3e-3))
    vae.fit(clips[:20], clips[20:], epochs=20, device="cuda", progress=False)
    losses = vae.history_["loss"]
    assert losses[-1] < losses[0]
    vae.save(tmp_path / "vae.siam")
    on_cpu = sa.VariationalAutoencoder.load(tmp_path / "vae.siam")
    np.testing.assert_allclose(vae.embed(clips), on_cpu.embed(clips), atol=1e-3)
    for mine, theirs in zip(vae.reconstruct(clips), on_cpu.reconstruct(clips), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-3)
    np.testing.assert_allclose(vae.score_samples(clips), on_cpu.score_samples(clips), rtol=1e-3)


# ---- YAMNet


def yamnet_weights(seed: int) -> dict[str, NDArray[np.float32]]:
    """Weights under which neither zeros nor infinities come out."""
    rng = np.random.default_rng(seed)
    shapes = {name: values.shape for name, values in core.Yamnet(num_classes=5).weights().items()}
    scales = {name: 0.1 if len(shape) == 1 else np.sqrt(2 / np.prod(shape[1:])) for name, shape in shapes.items()}
    return {name: (scales[name] * rng.standard_normal(shape)).astype(np.float32) for name, shape in shapes.items()}


def test_yamnet_is_that_of_the_cpu() -> None:
    weights = yamnet_weights(0)
    spectrograms = np.random.default_rng(1).standard_normal((5, 64, 250)).astype(np.float32)
    on_cpu, on_device = (sa.models.Yamnet(weights, device=device) for device in ("cpu", "cuda"))
    assert distance(on_device.embed_patches(spectrograms), on_cpu.embed_patches(spectrograms)) < 1e-5
    np.testing.assert_allclose(on_device.scores(spectrograms), on_cpu.scores(spectrograms), atol=1e-4)
    assert on_device.fingerprint() == on_cpu.fingerprint()


@pytest.mark.parametrize("trainable", [False, True])
def test_yamnet_in_a_network_trains_as_on_the_cpu(tmp_path: Path, trainable: bool) -> None:
    path = tmp_path / "yamnet.safetensors"
    sa.models.Yamnet(yamnet_weights(0)).save(path)
    dense = (sa.Dense(units=8, batch_norm=False, dropout=0.0),)
    encoder = sa.YamnetEncoder(weights=str(path), trainable=trainable, dense=dense)
    features = patterns(4, 6, (64, 150), seed=0)
    moved = []
    for device in ("cpu", "cuda"):
        net = sa.SiameseNetwork(encoder, loss="mse", optimizer=sa.optimizers.SGD(lr=0.1))
        before = net.build((64, 150), seed=1).weights()
        net.fit(
            features, epochs=1, steps_per_epoch=1, warm_start=True, device=device, precision="float32", progress=False
        )
        after = net.weights()
        moved.append(np.concatenate([(after[name].astype(np.float64) - before[name]).ravel() for name in before]))
    assert distance(moved[1], moved[0]) < 1e-3
