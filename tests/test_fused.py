"""The fused kernels beside the plain path, through the whole network."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import siamaudio as sa
from siamaudio._engine import core
from siamaudio.errors import ParameterError


def tones(num_classes: int, clips: int, *, seed: int, shape: tuple[int, int] = (32, 48)) -> sa.Features:
    """Spectrograms of classes that differ in two bands, in noise."""
    rng = np.random.default_rng(seed)
    bands, frames = shape
    spectrograms = rng.standard_normal((num_classes * clips, bands, frames)).astype(np.float32)
    for number in range(num_classes):
        for band in rng.choice(bands, 2, replace=False):
            spectrograms[number * clips : (number + 1) * clips, band] += rng.uniform(0.5, 1.0)
    return sa.Features.from_arrays(spectrograms, [f"{seed}-{i // clips}" for i in range(num_classes * clips)])


def without_dropout(encoder: sa.ConvEncoder) -> sa.ConvEncoder:
    import dataclasses

    return dataclasses.replace(
        encoder,
        blocks=tuple(dataclasses.replace(block, dropout=0.0) for block in encoder.blocks),
        dense=tuple(dataclasses.replace(dense, dropout=0.0) for dense in encoder.dense),
    )


def trained(encoder: sa.ConvEncoder, features: sa.Features, *, steps: int, seed: int = 0) -> sa.SiameseNetwork:
    net = sa.SiameseNetwork(encoder)
    return net.fit(features, epochs=1, steps_per_epoch=steps, seed=seed, progress=False)


CONVOLUTION = {"kernel_size": 3, "padding": "same", "dropout": 0.0}
ENCODERS = {
    "honka2019": without_dropout(sa.SiameseNetwork.preset("honka2019").encoder),
    # Its own pooling goes with losses of classes.
    "modern": dataclasses.replace(sa.SiameseNetwork.preset("modern").encoder, pooling="frequency"),
    "without norms": sa.ConvEncoder(
        input_batch_norm=False,
        blocks=(
            sa.ConvBlock(batch_norm=False, dropout=0.0),
            sa.ConvBlock(filters=32, kernel_size=3, batch_norm=False, dropout=0.0),
        ),
        dense=(sa.Dense(units=20, batch_norm=False, dropout=0.0),),
    ),
    # 12 filters are no multiple of any lanes but 4, an elu has no kernel, nor has a pool of 3.
    "hardly served": sa.ConvEncoder(
        blocks=(
            sa.ConvBlock(filters=12, **CONVOLUTION),
            sa.ConvBlock(filters=16, activation="elu", **CONVOLUTION),
            sa.ConvBlock(filters=16, pool_size=3, **CONVOLUTION),
        ),
        pooling="global_average_max",
        dense=(),
    ),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_one_step_and_the_embeddings_are_the_plain_path_s(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    features = tones(4, 12, seed=1, shape=(64, 61))
    losses, embeddings = {}, {}
    for fused in ("on", "off"):
        monkeypatch.setenv("SIAMAUDIO_FUSED", fused)
        net = trained(ENCODERS[name], features, steps=1)
        losses[fused] = net.history_["loss"][0]
        # Embeddings of one network: only what computes them differs.
        monkeypatch.setenv("SIAMAUDIO_FUSED", "on")
        embeddings[fused] = np.asarray(net.embed(features))
        monkeypatch.setenv("SIAMAUDIO_FUSED", "off")
        plain = np.asarray(net.embed(features))
        assert np.linalg.norm(embeddings[fused] - plain) <= 1e-5 * np.linalg.norm(plain)
    assert losses["on"] == pytest.approx(losses["off"], rel=1e-5)
    # After a step of Adam, which moves a weight by its gradient's sign, however small the gradient is.
    assert np.linalg.norm(embeddings["on"] - embeddings["off"]) <= 2e-2 * np.linalg.norm(embeddings["off"])


EMBED = """
import json, sys
import numpy as np, siamaudio as sa
net = sa.SiameseNetwork.load(sys.argv[1])
x = np.random.default_rng(0).standard_normal((3, 40, 44)).astype(np.float32)
print(json.dumps(np.asarray(net.embed(x), dtype=float).tolist()))
"""


def test_every_instruction_set_embeds_alike(tmp_path: object) -> None:
    path = f"{tmp_path}/net.siam"
    trained(ENCODERS["honka2019"], tones(3, 8, seed=2, shape=(40, 44)), steps=1).save(path)
    found = {}
    from siamaudio._frontend import audio_core

    for isa in audio_core.usable_isas():
        done = subprocess.run(
            [sys.executable, "-c", EMBED, path],
            env={**os.environ, "SIAMAUDIO_ISA": isa},
            capture_output=True,
            text=True,
            check=True,
        )
        found[isa] = np.array(json.loads(done.stdout))
    widest = next(reversed(found.values()))
    for isa, embeddings in found.items():
        np.testing.assert_allclose(embeddings, widest, rtol=0, atol=1e-5, err_msg=isa)


def test_the_summary_says_what_computes_a_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIAMAUDIO_ISA", core.fused_kernels().split(",")[0])
    honka = sa.SiameseNetwork.preset("honka2019").build((64, 64)).summary()
    paths = {layer.name: layer.path for layer in honka.layers}
    assert paths["encoder.input_norm"] == paths["encoder.block1.conv"] == paths["encoder.block2.norm"] == "fused"
    assert paths["encoder.block2.conv"] == "winograd"
    assert paths["head"] == ""
    unserved = sa.SiameseNetwork(
        sa.ConvEncoder(
            blocks=(
                sa.ConvBlock(filters=10, kernel_size=4, activation="elu"),
                sa.ConvBlock(filters=16, kernel_size=3, padding="same", pooling="average"),
            )
        )
    )
    text = str(unserved.build((64, 64)).summary())
    assert "plain: kernel of 4 x 4" in text
    assert "plain: activation other than relu" in text
    assert "plain: 10 channels, no multiple of " in text
    assert "plain: average pooling" in text

    monkeypatch.setenv("SIAMAUDIO_FUSED", "off")
    assert core.fused_kernels() == "off"
    off = sa.SiameseNetwork.preset("honka2019").build((64, 64)).summary()
    assert {layer.path for layer in off.layers} == {"plain", ""}


def test_a_wrong_setting_says_what_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIAMAUDIO_FUSED", "yes")
    with pytest.raises(ParameterError, match=r"SIAMAUDIO_FUSED: got yes; accepted: 'on' or 'off'"):
        core.fused_kernels()


@pytest.mark.slow
def test_training_reaches_the_plain_path_s_accuracy(monkeypatch: pytest.MonkeyPatch) -> None:
    block = {"filters": 16, "kernel_size": 3, "padding": "same", "dropout": 0.2}
    encoder = sa.ConvEncoder(
        blocks=(sa.ConvBlock(filters=16), sa.ConvBlock(**block), sa.ConvBlock(**block)),
        pooling="frequency",
        dense=(),
    )
    accuracies: dict[str, list[float]] = {"on": [], "off": []}
    train, test = tones(12, 12, seed=3), tones(5, 12, seed=4)
    for fused, found in accuracies.items():
        monkeypatch.setenv("SIAMAUDIO_FUSED", fused)
        for seed in range(5):
            net = sa.SiameseNetwork(encoder, distance="cosine", head=None, loss="cross_entropy", sampler="shuffled")
            net.fit(train, epochs=6, seed=seed, num_threads=1, progress=False)
            found.append(sa.evaluate_oneshot(net, test, ways=5).accuracy)
    on, off = np.array(accuracies["on"]), np.array(accuracies["off"])
    spread = np.hypot(on.std(ddof=1), off.std(ddof=1)) / np.sqrt(5)
    assert abs(on.mean() - off.mean()) <= 3 * spread + 0.01, accuracies
    assert min(on.mean(), off.mean()) > 0.3  # chance is 0.2
