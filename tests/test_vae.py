"""The variational autoencoder: against a plain PyTorch module, and as users meet it."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

import siamaudio as sa
from siamaudio import augment, plotting
from siamaudio._engine import core

BANDS, FRAMES = 13, 18


@pytest.fixture(scope="module")
def clips() -> npt.NDArray[np.float32]:
    """Spectrograms with something in common, in a unit of their own."""
    rng = np.random.default_rng(0)
    shapes = rng.normal(size=(3, BANDS, FRAMES))
    weights = rng.normal(size=(12, 3))
    noise = rng.normal(size=(12, BANDS, FRAMES))
    return (-40 + 10 * np.tensordot(weights, shapes, 1) + 3 * noise).astype(np.float32)


def _small(**options: Any) -> sa.VariationalAutoencoder:
    arguments: dict[str, Any] = {"latent_dim": 4, "filters": (6, 8), "batch_size": 6, "warmup_epochs": 2, **options}
    return sa.VariationalAutoencoder(**arguments)


@pytest.fixture(scope="module")
def trained(clips: npt.NDArray[np.float32]) -> sa.VariationalAutoencoder:
    return _small().fit(clips, epochs=3, num_threads=1, progress=False)


class _Oracle(torch.nn.Module):
    """The same model, from PyTorch's own layers in float64."""

    def __init__(self, vae: sa.VariationalAutoencoder) -> None:
        super().__init__()
        self.weights = {name: torch.tensor(value, dtype=torch.float64) for name, value in vae.weights().items()}
        self.num_layers = len(vae.filters)
        self.min_variance = vae.min_variance

    def standardize(self, x: npt.NDArray[np.float32]) -> torch.Tensor:
        values = torch.tensor(x, dtype=torch.float64)
        values = values[:, None] if values.ndim == 3 else values
        return (values - self.weights["scaling.mean"]) / self.weights["scaling.std"]

    def norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        w = {
            part: self.weights[f"{name}.norm.{part}"] for part in ("weight", "bias", "running_mean", "running_variance")
        }
        mean, variance = w["running_mean"], w["running_variance"]
        return torch.nn.functional.batch_norm(x, mean, variance, w["weight"], w["bias"], eps=1e-3)

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.sides = []
        for layer in range(1, self.num_layers + 1):
            self.sides.append(x.shape[2:])
            name = f"encoder.block{layer}"
            w, b = self.weights[f"{name}.conv.weight"], self.weights[f"{name}.conv.bias"]
            value, gate = torch.nn.functional.conv2d(x, w, b, stride=2, padding=1).chunk(2, dim=1)
            x = self.norm(value * torch.sigmoid(gate), name)
        self.map_shape = x.shape[1:]
        both = x.flatten(1) @ self.weights["latent.weight"].T + self.weights["latent.bias"]
        mean, log_variance = both.chunk(2, dim=1)
        return mean, log_variance

    def decode(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = z @ self.weights["decoder.dense.weight"].T + self.weights["decoder.dense.bias"]
        x = x.reshape(-1, *self.map_shape)
        for layer in range(1, self.num_layers + 1):
            name = f"decoder.block{layer}"
            w, b = self.weights[f"{name}.conv.weight"], self.weights[f"{name}.conv.bias"]
            height, width = self.sides[-layer]
            # Without padding a transposed convolution gives a frame more on each side than is wanted.
            whole = torch.nn.functional.conv_transpose2d(x, w, b, stride=2, output_padding=1)
            value, gate = whole[:, :, 1 : 1 + height, 1 : 1 + width].chunk(2, dim=1)
            x = self.norm(value * torch.sigmoid(gate), name)
        both = torch.nn.functional.conv_transpose2d(x, self.weights["pixels.weight"], self.weights["pixels.bias"])
        mean, raw = both[:, :, 1:-1, 1:-1].chunk(2, dim=1)
        return mean, torch.log1p(torch.exp(raw)) + self.min_variance


@pytest.mark.parametrize("shape", [(BANDS, FRAMES), (16, 16), (1, 7), (2, 9, 8)])
def test_forward_and_losses_agree_with_torch(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    x = rng.normal(5, 3, size=(9, *shape)).astype(np.float32)
    vae = _small(filters=(5, 4, 6)).fit(x, epochs=2, num_threads=1, progress=False)
    oracle = _Oracle(vae)
    scaled = oracle.standardize(x)
    mean, log_variance = oracle.encode(scaled)
    np.testing.assert_allclose(vae.embed(x), mean, atol=2e-5)

    pixels, variance = oracle.decode(mean)
    rebuilt = vae.reconstruct(x)
    std = oracle.weights["scaling.std"]
    expected_mean = (pixels * std + oracle.weights["scaling.mean"]).reshape(x.shape)
    np.testing.assert_allclose(rebuilt.mean, expected_mean, atol=1e-4)
    np.testing.assert_allclose(rebuilt.std, (variance.sqrt() * std).reshape(x.shape), atol=1e-4)

    noise = rng.standard_normal((9, 4), dtype=np.float32)
    pixels, variance = oracle.decode(mean + torch.exp(log_variance / 2) * torch.tensor(noise, dtype=torch.float64))
    likely = torch.distributions.Normal(pixels, variance.sqrt()).log_prob(scaled).sum(dim=(1, 2, 3))
    posterior = torch.distributions.Normal(mean, torch.exp(log_variance / 2))
    kl = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).sum(dim=1)
    squared = ((scaled - pixels) ** 2 / variance).sum(dim=(1, 2, 3))
    for likelihood, loss in (("gaussian", -likely), ("squared_error", squared)):
        found = vae._native.clip_losses(x, noise=noise, likelihood=likelihood, num_threads=1)
        np.testing.assert_allclose(found[0], loss, rtol=1e-4)
        np.testing.assert_allclose(found[1], kl, rtol=1e-4, atol=1e-5)


def test_score_samples_is_the_lower_bound(trained: sa.VariationalAutoencoder, clips: npt.NDArray[np.float32]) -> None:
    noise = np.random.default_rng(3).standard_normal((12, 4), dtype=np.float32)
    losses = trained._native.clip_losses(clips, noise=noise, likelihood="gaussian", num_threads=1)
    np.testing.assert_array_equal(trained.score_samples(clips, seed=3), -losses.sum(axis=0))
    strange = np.random.default_rng(1).normal(0, 40, size=clips.shape)
    assert np.median(trained.score_samples(strange)) < trained.score_samples(clips).min()


# ---- Training


def test_training_needs_no_labels(clips: npt.NDArray[np.float32]) -> None:
    """Arrays, a single class and classes of one clip give the same bits."""
    names = [["a"] * 12, list("abcdefghijkl")]
    inputs = [clips, *(sa.Features.from_arrays(clips, classes) for classes in names)]
    first, *others = (_small().fit(x, epochs=2, num_threads=1, progress=False).weights() for x in inputs)
    for other in others:
        assert first.keys() == other.keys()
        for name, value in first.items():
            np.testing.assert_array_equal(value, other[name])


def test_a_few_clips_are_learned_by_heart(clips: npt.NDArray[np.float32]) -> None:
    vae = _small(beta=0.05, optimizer=sa.optimizers.Adam(lr=0.01))
    vae.fit(clips[:6], epochs=120, num_threads=1, progress=False)
    losses = vae.history_["loss"]
    assert losses[-1] < losses[0] - 50
    error = np.mean((vae.reconstruct(clips[:6]).mean - clips[:6]) ** 2)
    assert error < 0.5 * clips[:6].var(axis=(0, 2)).mean()
    assert repr(vae.history_).startswith("History(120 epochs, loss")


def test_history_tells_what_the_loss_is_made_of(clips: npt.NDArray[np.float32]) -> None:
    vae = _small(beta=0.5, warmup_epochs=4)
    vae.fit(clips[:8], validation=clips[8:], epochs=6, validation_freq=2, num_threads=1, progress=False)
    records = vae.history_.records
    assert [record["beta"] for record in records] == [0.125, 0.25, 0.375, 0.5, 0.5, 0.5]
    assert [core.kl_weight(beta=0.5, warmup_epochs=4, epoch=epoch) for epoch in range(6)] == vae.history_["beta"]
    for record in records:
        assert record["loss"] == pytest.approx(record["reconstruction"] + record["beta"] * record["kl"], abs=1e-3)
        assert (record["validation_loss"] is None) == (record["epoch"] % 2 == 0)
    measured = {record["epoch"]: record["validation_loss"] for record in records if record["epoch"] % 2}
    assert vae.best_epoch_ == min(measured, key=lambda epoch: measured[epoch])
    assert json.loads(json.dumps(records)) == list(records)


def test_the_published_loss_lets_the_variance_grow(clips: npt.NDArray[np.float32]) -> None:
    """Without the logarithm a larger variance is always better, whatever the means."""
    stds = []
    for likelihood in ("gaussian", "squared_error"):
        vae = _small(likelihood=likelihood, optimizer=sa.optimizers.Adam(lr=0.01))
        vae.fit(clips, epochs=60, num_threads=1, progress=False)
        stds.append(np.median(vae.reconstruct(clips).std))
    assert stds[1] > 2 * stds[0]


def test_seed_and_callbacks(clips: npt.NDArray[np.float32]) -> None:
    heard: list[int] = []

    def stop(vae: sa.VariationalAutoencoder, record: dict[str, Any]) -> bool:
        heard.append(record["epoch"])
        assert vae.embed(clips).shape == (12, 4)
        return record["epoch"] == 1

    a = _small(augment=(augment.TimeShift(),), corrupt=(augment.SpecAugment(max_time_frames=4, max_bands=3),))
    a.fit(clips, epochs=9, seed=1, callbacks=[stop], num_threads=1, progress=False)
    assert heard == [0, 1]
    b = _small(**a.get_params(deep=False)).fit(clips, epochs=2, seed=1, num_threads=1, progress=False)
    c = _small(**a.get_params(deep=False)).fit(clips, epochs=2, seed=2, num_threads=1, progress=False)
    np.testing.assert_array_equal(a.embed(clips), b.embed(clips))
    assert not np.array_equal(a.embed(clips), c.embed(clips))
    assert a.fingerprint() == b.fingerprint() != c.fingerprint()


def test_warm_start_goes_on(clips: npt.NDArray[np.float32]) -> None:
    vae = _small().fit(clips, epochs=1, num_threads=1, progress=False)
    before = vae.weights()
    vae.set_params(optimizer__lr=1e-9).fit(clips, epochs=1, warm_start=True, num_threads=1, progress=False)
    np.testing.assert_allclose(vae.weights()["latent.weight"], before["latent.weight"], atol=1e-6)
    with pytest.raises(sa.ParameterError, match="as the weights"):
        vae.fit(clips[:, :-1], epochs=1, warm_start=True, progress=False)


def test_a_training_that_was_cut_off_goes_on_with_the_same_bits(clips: npt.NDArray[np.float32], tmp_path: Path) -> None:
    options: dict[str, Any] = {"epochs": 4, "num_threads": 1, "progress": False, "checkpoint_every": 3}
    whole = _small().fit(clips[:9], validation=clips[9:], **options)

    def cut_off(*_: object) -> None:
        if len(list(tmp_path.glob("*.checkpoint"))) == 2:
            raise RuntimeError("cut off")

    with pytest.raises(RuntimeError):
        _small().fit(clips[:9], validation=clips[9:], checkpoint=tmp_path, callbacks=[cut_off], **options)
    rest = _small().fit(clips[:9], validation=clips[9:], checkpoint=tmp_path, resume=True, **options)
    for name, value in whole.weights().items():
        np.testing.assert_array_equal(value, rest.weights()[name])
    assert rest.history_["loss"] == whole.history_["loss"]
    assert rest.history_["kl"] == whole.history_["kl"]
    with pytest.raises(sa.CheckpointError, match=r"autoencoder\.beta was 1\.0, and is now 0\.5"):
        _small(beta=0.5).fit(clips[:9], validation=clips[9:], checkpoint=tmp_path, resume=True, **options)
    with pytest.raises(sa.CheckpointError, match="is the checkpoint of a training, not a variational autoencoder"):
        sa.VariationalAutoencoder.load(next(tmp_path.glob("*.checkpoint")))


def test_ctrl_c_leaves_it_usable(ctrl_c: None, clips: npt.NDArray[np.float32]) -> None:
    vae = _small()
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        vae.fit(clips, epochs=100_000, num_threads=1, progress=False)
    timer.join()
    assert len(vae.history_) == vae.best_epoch_ + 1
    assert np.isfinite(vae.embed(clips)).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(clips: npt.NDArray[np.float32], value: float) -> None:
    broken = clips.copy()
    broken[3, 2, 1] = value
    for x in (broken, sa.Features.from_arrays(broken, ["a"] * 12)):
        with pytest.raises(sa.DatasetError, match="NaN or infinite"):
            _small().fit(x, epochs=1, progress=False)
        with pytest.raises(sa.DatasetError, match="NaN or infinite"):
            _small().fit(clips, validation=x, epochs=1, progress=False)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"latent_dim": 0}, "latent_dim"),
        ({"filters": ()}, "filters"),
        ({"filters": (4, -1)}, "filters"),
        ({"likelihood": "poisson"}, "likelihood"),
        ({"min_variance": 0.0}, "min_variance"),
        ({"beta": -0.5}, "beta"),
        ({"warmup_epochs": -1}, "warmup_epochs"),
        ({"optimizer": "newton"}, "optimizer"),
        ({"batch_size": 1}, "batch_size"),
        ({"augment": (augment.RandomCrop(frames=4),)}, "augment"),
        ({"corrupt": ("mixup", "mixup")}, "augment"),
    ],
)
def test_options_out_of_range(clips: npt.NDArray[np.float32], options: dict[str, Any], name: str) -> None:
    with pytest.raises(sa.ParameterError) as error:
        _small(**options).fit(clips, epochs=1, progress=False)
    assert error.value.parameter == name


def test_arguments_of_fit(clips: npt.NDArray[np.float32]) -> None:
    for arguments, name in (
        ({"epochs": 0}, "epochs"),
        ({"seed": -1}, "seed"),
        ({"patience": -1}, "patience"),
        ({"resume": True}, "resume"),
        ({"device": "tpu"}, "device"),
        ({"validation": clips[:, :, :5]}, "validation"),
    ):
        with pytest.raises(sa.ParameterError) as error:
            _small().fit(clips, **{"epochs": 1, "progress": False, **arguments})
        assert error.value.parameter == name
    with pytest.raises(sa.ParameterError, match="features"):
        _small().fit(clips[0], epochs=1, progress=False)
    with pytest.raises(sa.TrainingError, match="two clips or more"):
        _small().fit(clips[:1], epochs=1, progress=False)
    assert len(_small().fit(clips, validation=clips[:0], epochs=1, progress=False).history_) == 1


# ---- Use


def test_what_is_not_trained_says_so(clips: npt.NDArray[np.float32], tmp_path: Path) -> None:
    vae = _small()
    for use in (vae.embed, vae.reconstruct, vae.generate, vae.score_samples, vae.reconstruct_audio):
        with pytest.raises(sa.TrainingError, match="not trained"):
            use(clips)
    for call in (vae.weights, vae.summary, vae.fingerprint, lambda: vae.save(tmp_path / "a"), lambda: vae.sample(1)):
        with pytest.raises(sa.TrainingError, match="not trained"):
            call()


def test_shapes_are_checked(trained: sa.VariationalAutoencoder, clips: npt.NDArray[np.float32]) -> None:
    for wrong in (clips[:, 1:], clips[:, :, 1:], clips[0], np.float32(1)):
        with pytest.raises(sa.ParameterError, match="features: got shape"):
            trained.embed(wrong)
    with pytest.raises(sa.ParameterError, match="latents"):
        trained.generate(np.zeros((2, 5)))
    assert trained.embed(clips[:0]).shape == (0, 4)
    assert trained.sample(0).shape == (0, BANDS, FRAMES)


def test_embedding_does_not_depend_on_the_company(
    trained: sa.VariationalAutoencoder, clips: npt.NDArray[np.float32]
) -> None:
    many = np.concatenate([clips] * 25)  # more than a block
    np.testing.assert_allclose(trained.embed(many)[-12:], trained.embed(clips), atol=1e-5)
    np.testing.assert_allclose(trained.embed(clips[5:6])[0], trained.embed(clips)[5], atol=1e-5)


def test_samples_are_of_the_prior(trained: sa.VariationalAutoencoder) -> None:
    a, b = trained.sample(5, seed=1), trained.sample(5, seed=1)
    np.testing.assert_array_equal(a, b)
    latents = np.random.default_rng(1).standard_normal((5, 4), dtype=np.float32)
    np.testing.assert_array_equal(a, trained.generate(latents).mean)
    with pytest.raises(sa.ParameterError, match="num_clips"):
        trained.sample(-1)


def test_save_and_load(trained: sa.VariationalAutoencoder, clips: npt.NDArray[np.float32], tmp_path: Path) -> None:
    trained.save(tmp_path / "vae.siam")
    loaded = sa.VariationalAutoencoder.load(tmp_path / "vae.siam")
    np.testing.assert_array_equal(loaded.embed(clips), trained.embed(clips))
    for mine, theirs in zip(loaded.reconstruct(clips), trained.reconstruct(clips), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert loaded.get_params() == {**trained.get_params(), "filters": (6, 8)}
    assert loaded.history_.records == trained.history_.records
    assert loaded.best_epoch_ == trained.best_epoch_
    assert loaded.fingerprint() == trained.fingerprint()


def test_files_of_something_else(
    trained: sa.VariationalAutoencoder, clips: npt.NDArray[np.float32], small_encoder: sa.ConvEncoder, tmp_path: Path
) -> None:
    path = tmp_path / "vae.siam"
    trained.save(path)
    with pytest.raises(sa.CheckpointError, match="is a variational autoencoder, not a siamese network"):
        sa.SiameseNetwork.load(path)
    sa.SiameseNetwork(small_encoder).build((32, 32)).save(tmp_path / "net.siam")
    with pytest.raises(sa.CheckpointError, match="is a siamese network, not a variational autoencoder"):
        sa.VariationalAutoencoder.load(tmp_path / "net.siam")
    with pytest.raises(sa.CheckpointError, match="no such file"):
        sa.VariationalAutoencoder.load(tmp_path / "absent.siam")
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], content[:-1] + bytes([content[-1] ^ 1])):
        path.write_bytes(damaged)
        with pytest.raises(sa.CheckpointError, match="damaged"):
            sa.VariationalAutoencoder.load(path)


def test_front_end_is_kept_checked_and_undone(synthetic_features: sa.Features, tmp_path: Path) -> None:
    features = synthetic_features[:12]
    vae = _small().fit(features, epochs=1, num_threads=1, progress=False)
    assert vae.front_end_ == features.front_end
    vae.save(tmp_path / "vae.siam")
    vae = sa.VariationalAutoencoder.load(tmp_path / "vae.siam")
    assert vae.front_end_ == features.front_end
    np.testing.assert_allclose(vae.embed(features), vae.embed(features.array), atol=1e-6)
    heard = vae.reconstruct_audio(features[:2], num_iterations=2)
    assert heard.ndim == 2
    assert features.front_end is not None
    assert features.front_end(heard).shape == features[:2].shape
    other = sa.LogMel(sr=8000, n_fft=512, hop_length=256, n_mels=features.shape[1])
    strange = sa.Features(features.array, clips=features.clips, front_end=other)
    with pytest.raises(sa.ParameterError, match="front end"):
        vae.embed(strange)
    vae.front_end_ = None
    with pytest.raises(sa.ParameterError, match="front_end_"):
        vae.reconstruct_audio(features)


def test_parameters_are_scikit_learns() -> None:
    vae = _small(beta=0.3).set_params(optimizer__lr=0.002, latent_dim=9)
    params = vae.get_params()
    assert (params["optimizer__lr"], params["latent_dim"], params["beta"]) == (0.002, 9, 0.3)
    with pytest.raises(sa.ParameterError, match="depth"):
        vae.set_params(depth=3)
    preset = sa.VariationalAutoencoder.preset("pedersen2023")
    assert (preset.batch_size, preset.optimizer, len(preset.filters)) == (20, sa.optimizers.Adam(lr=5e-4), 4)
    assert (preset.latent_dim, preset.warmup_epochs, preset.likelihood) == (64, 10, "squared_error")
    assert sa.VariationalAutoencoder.preset("modern").likelihood == "gaussian"
    with pytest.raises(sa.ParameterError, match="'modern' or 'pedersen2023'"):
        sa.VariationalAutoencoder.preset("pedersen")


def test_summary_counts_the_weights(trained: sa.VariationalAutoencoder) -> None:
    not_trained = ("running_mean", "running_variance", "num_updates", "scaling.mean", "scaling.std")
    counted = sum(value.size for name, value in trained.weights().items() if not name.endswith(not_trained))
    assert trained.num_parameters() == counted
    shapes = [layer.output_shape for layer in trained.summary().layers if "conv" in layer.kind]
    assert shapes == [(6, 7, 9), (8, 4, 5), (6, 7, 9), (6, BANDS, FRAMES), (2, BANDS, FRAMES)]


def test_pictures(trained: sa.VariationalAutoencoder, clips: npt.NDArray[np.float32]) -> None:

    figure = trained.plot_reconstructions(sa.Features.from_arrays(clips, list("abcdefghijkl")), num_clips=3)
    images = [ax.images[0].get_array() for ax in figure.axes if ax.images]
    rebuilt = trained.reconstruct(clips[:3])
    for image, expected in zip(images, (*clips[:3], *rebuilt.mean, *rebuilt.std), strict=True):
        np.testing.assert_allclose(np.asarray(image), expected, rtol=1e-6)
    assert [ax.get_title() for ax in figure.axes[:3]] == ["a", "b", "c"]
    with pytest.raises(sa.ParameterError, match="num_clips"):
        trained.plot_reconstructions(clips, num_clips=0)
    ax = plotting.plot_history(_small().fit(clips[:8], validation=clips[8:], epochs=2, progress=False).history_)
    legend = ax.get_legend()
    assert legend is not None
    assert "validation loss" in [text.get_text() for text in legend.get_texts()]
