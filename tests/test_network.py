"""SiameseNetwork as an estimator: fit, use, save, load."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.base import clone

import siamaudio as sa
from siamaudio import checkpoint
from siamaudio._engine import core


def _fit(encoder: sa.ConvEncoder, features: sa.Features, **options: object) -> sa.SiameseNetwork:
    train, validation, _ = features.split_classes(8, 2, 2, seed=0)
    net = sa.SiameseNetwork(encoder, optimizer=sa.optimizers.Adam(lr=3e-3))
    defaults = {"validation": validation, "epochs": 2, "num_threads": 2, "progress": False}
    return net.fit(train, **{**defaults, **options})


def test_learns_the_training_classes(synthetic_features: sa.Features, small_encoder: sa.ConvEncoder) -> None:
    net = _fit(small_encoder, synthetic_features, epochs=15, validation=None)
    train = synthetic_features.select_classes(net.train_classes_)
    result = sa.evaluate_oneshot(net, train, ways=5, allow_trained_classes=True)
    assert result.accuracy > 3 * result.baselines["chance"]
    assert net.history_["loss"][-1] < 0.9 * net.history_["loss"][0]


def test_fitted_attributes(trained: sa.SiameseNetwork, synthetic_features: sa.Features) -> None:
    train, validation, _ = synthetic_features.split_classes(8, 2, 2, seed=0)
    assert trained.train_classes_ == train.class_names
    assert trained.validation_classes_ == validation.class_names
    assert trained.front_end_ == synthetic_features.front_end
    assert trained.input_shape_ == synthetic_features.shape[1:]
    assert len(trained.history_) == 4
    assert trained.history_["epoch"] == [0, 1, 2, 3]
    assert all(0 <= accuracy <= 1 for accuracy in trained.history_["validation_accuracy"])
    assert trained.history_["num_clips"] == [len(train)] * 4


def test_the_best_epochs_weights_are_kept(trained: sa.SiameseNetwork, synthetic_features: sa.Features) -> None:
    accuracies = trained.history_["validation_accuracy"]
    assert trained.best_epoch_ == int(np.argmax(accuracies))
    validation = synthetic_features.select_classes(trained.validation_classes_)
    result = sa.evaluate_oneshot(trained, validation, ways=2)
    assert result.accuracy == pytest.approx(accuracies[trained.best_epoch_], abs=1e-12)


@pytest.mark.parametrize("pairing", ["in-batch", "two-sided"])
def test_same_seed_same_bits(synthetic_features: sa.Features, small_encoder: sa.ConvEncoder, pairing: str) -> None:
    first, second, other = (
        _fit(small_encoder, synthetic_features[::2], pairing=pairing, epochs=1, seed=seed).weights()
        for seed in (5, 5, 6)
    )
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not all(np.array_equal(first[name], other[name]) for name in first)


def test_no_validation_and_patience(synthetic_features: sa.Features, small_encoder: sa.ConvEncoder) -> None:
    net = _fit(small_encoder, synthetic_features, validation=None, epochs=3)
    assert net.validation_classes_ == ()
    assert net.history_["validation_accuracy"] == [None] * 3
    assert net.best_epoch_ == 2

    frozen = sa.SiameseNetwork(small_encoder, optimizer=sa.optimizers.Adam(lr=1e-30))
    train, validation, _ = synthetic_features.split_classes(8, 2, 2, seed=0)
    # Running statistics still move, so the accuracy may change for a while; the stop is counted from the best epoch.
    frozen.fit(train, validation=validation, epochs=50, patience=2, progress=False)
    assert len(frozen.history_) == frozen.best_epoch_ + 3 < 50
    frozen.fit(train, validation=validation, epochs=50, progress=False)
    assert len(frozen.history_) == frozen.best_epoch_ + 11 < 50
    # A cosine falls to 0 in the last epoch: stopping before would throw away what it is for.
    frozen.set_params(optimizer__schedule=sa.schedules.Cosine())
    frozen.fit(train, validation=validation, epochs=50, progress=False)
    assert len(frozen.history_) == 50


def test_save_and_load(trained: sa.SiameseNetwork, unseen: sa.Features, tmp_path: Path) -> None:
    trained.save(tmp_path / "net.siam")
    back = sa.SiameseNetwork.load(tmp_path / "net.siam")
    np.testing.assert_array_equal(back.embed(unseen, num_threads=2), trained.embed(unseen, num_threads=2))
    for name in ("train_classes_", "validation_classes_", "front_end_", "input_shape_", "best_epoch_", "split_"):
        assert getattr(back, name) == getattr(trained, name)
    assert back.get_params() == trained.get_params()
    assert back.history_.records == trained.history_.records
    from safetensors.numpy import load_file

    assert set(load_file(tmp_path / "net.siam")) == set(trained.weights())


def test_every_flipped_bit_of_a_file_is_noticed(
    trained: sa.SiameseNetwork, tmp_path: Path, rng: np.random.Generator
) -> None:
    path = tmp_path / "net.siam"
    trained.save(path)
    content = path.read_bytes()
    header = int.from_bytes(content[:8], "little")
    for position in [*range(0, 8), *rng.integers(8, 8 + header, 150), *rng.integers(8 + header, len(content), 150)]:
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(damaged))
        with pytest.raises(sa.CheckpointError, match=r"net\.siam"):
            sa.SiameseNetwork.load(path)
    for size in (0, 1, 7, 8, 100, 8 + header, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(sa.CheckpointError):
            sa.SiameseNetwork.load(path)


def test_what_is_no_saved_network(tmp_path: Path) -> None:
    with pytest.raises(sa.CheckpointError, match="no such file"):
        sa.SiameseNetwork.load(tmp_path / "none.siam")
    checkpoint.write(tmp_path / "other.siam", {"something": 1}, {"w": np.zeros(3, dtype=np.float32)})
    with pytest.raises(sa.CheckpointError, match="of an unknown kind, not a siamese network"):
        sa.SiameseNetwork.load(tmp_path / "other.siam")
    checkpoint.write(tmp_path / "other.siam", {"kind": "network", "w": 1}, {"w": np.zeros(3, dtype=np.float32)})
    with pytest.raises(sa.CheckpointError, match="options that this version does not know"):
        sa.SiameseNetwork.load(tmp_path / "other.siam")


def test_failing_write_keeps_the_old_file(
    trained: sa.SiameseNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained.save(tmp_path / "net.siam")
    before = (tmp_path / "net.siam").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(sa.CheckpointError, match="No space left"):
        trained.save(tmp_path / "net.siam")
    assert (tmp_path / "net.siam").read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["net.siam"]


def test_weights_round_trip(
    trained: sa.SiameseNetwork, synthetic_features: sa.Features, small_encoder: sa.ConvEncoder, unseen: sa.Features
) -> None:
    other = _fit(small_encoder, synthetic_features, epochs=1, seed=9)
    assert not np.array_equal(other.embed(unseen), trained.embed(unseen))
    other.set_weights(trained.weights())
    np.testing.assert_array_equal(other.embed(unseen), trained.embed(unseen))
    weights = trained.weights()
    weights.pop("head.bias")
    with pytest.raises(sa.ParameterError, match=r"head\.bias"):
        other.set_weights(weights)


def test_estimator_conventions(trained: sa.SiameseNetwork) -> None:
    twin = clone(trained)
    assert twin.get_params() == trained.get_params()
    assert "not trained" in repr(twin)
    assert twin.set_params(distance="absolute").distance == "absolute"
    with pytest.raises(sa.ParameterError, match="encoder, distance, head, loss, sampler, optimizer, augment"):
        twin.set_params(distanze="absolute")
    assert twin.set_params(optimizer__lr=1e-4, sampler__batch_size=8).get_params()["optimizer__lr"] == 1e-4
    assert (twin.optimizer.lr, trained.optimizer.lr, twin.sampler.batch_size) == (1e-4, 3e-3, 8)
    with pytest.raises(sa.ParameterError, match="optimizer__rate"):
        twin.set_params(optimizer__rate=1)
    for use in (lambda: twin.embed(np.zeros((1, 2, 3))), twin.weights, lambda: twin.save("x"), twin.num_parameters):
        with pytest.raises(sa.TrainingError, match="not trained"):
            use()


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [("epochs", 0, "epochs"), ("patience", -1, "patience"), ("batch_size", 1, "batch_size"),
     ("pairing", "x", "pairing"), ("steps_per_epoch", 0, "steps_per_epoch"),
     ("validation_freq", 0, "validation_freq"), ("device", "tpu", "device"),
     ("device", "cuda:99", "device"), ("seed", -1, "seed"), ("num_threads", -1, "num_threads")],
)  # fmt: skip
def test_bad_options_are_named(
    synthetic_features: sa.Features, small_encoder: sa.ConvEncoder, option: str, value: object, named: str
) -> None:
    with pytest.raises(sa.ParameterError, match=f"^{named}: got "):
        _fit(small_encoder, synthetic_features, **{option: value})


def test_bad_networks_are_named(synthetic_features: sa.Features, small_encoder: sa.ConvEncoder) -> None:
    with pytest.raises(sa.ParameterError, match=r"preset: got lenet; accepted: .*honka2019"):
        sa.SiameseNetwork.preset("lenet")
    for options, named in (
        ({"distance": "x"}, "distance: got '?x"),
        ({"head": "x"}, "head: got '?x"),
        ({"loss": "x"}, "loss: got x"),
        ({"loss": ()}, "loss: got none"),
        ({"sampler": "x"}, "sampler: got x"),
        ({"optimizer": "x"}, "optimizer: got x"),
        ({"augment": ("x",)}, "augment.*: got x"),
        ({"sampler": sa.samplers.Balanced(clips_per_class=1)}, "clips_per_class: got 1"),
        ({"sampler": sa.samplers.Balanced(negative_ratio=0.0)}, "negative_ratio: got 0"),
        ({"optimizer": sa.optimizers.Adam(lr=-1.0)}, "lr: got -1"),
        ({"loss": "triplet"}, "sampler: "),
        ({"distance": "cosine", "head": None}, "head: got None; accepted: 'dense'"),
        ({"loss": "cross_entropy"}, "head: got 'dense'; accepted: None"),
        ({"augment": (sa.augment.Mixup(),)}, "augment: got Mixup"),
    ):
        with pytest.raises(sa.ParameterError, match=f"^{named}"):
            sa.SiameseNetwork(small_encoder, **options).fit(synthetic_features, epochs=1, progress=False)
    with pytest.raises(sa.ParameterError, match=r"batch_size: got 8; accepted: None: the batches of AnchorPairs"):
        sa.SiameseNetwork(small_encoder, sampler="anchor_pairs").fit(synthetic_features, batch_size=8)
    with pytest.raises(sa.ParameterError, match="block3 needs an input larger"):
        sa.SiameseNetwork.preset("honka2019").fit(synthetic_features, epochs=1, progress=False)


def test_bad_features_are_named(
    trained: sa.SiameseNetwork, synthetic_features: sa.Features, small_encoder: sa.ConvEncoder
) -> None:
    net = sa.SiameseNetwork(small_encoder)
    train, validation, _ = synthetic_features.split_classes(8, 2, 2, seed=0)
    single = sa.Features.from_arrays(np.zeros((3, 32, 47)), ["a", "a", "b"])
    broken = sa.Features.from_arrays(np.full((4, 32, 47), np.nan), ["a", "a", "b", "b"])
    for part, options, message in (
        (train.select_classes(train.class_names[:1]), {}, "two or more classes, not 1"),
        (single, {}, "class 'b' has a single clip"),
        (broken, {}, "NaN or infinite"),
        (train, {"validation": train}, "is in both training and validation"),
        (train, {"validation": validation.select_classes(validation.class_names[:1])}, "two or more classes, or none"),
    ):
        with pytest.raises(sa.DatasetError, match=message):
            net.fit(part, epochs=1, progress=False, **options)
    with pytest.raises(sa.ParameterError, match=r"features: got shape \(1, 2, 3\); accepted: \(clips, 32, 47\)"):
        trained.embed(np.zeros((1, 2, 3)))
    with pytest.raises(sa.ParameterError, match="a: got shape"):
        trained.similarity(np.zeros((1, 2)), np.zeros((1, 32)))
    elsewhere = sa.Features(
        validation.array, clips=validation.clips, front_end=sa.LogMel(sr=16000, n_mels=32, duration=1.5)
    )
    with pytest.raises(sa.ParameterError, match="own front end"):
        trained.embed(elsewhere)


def test_exploding_training_is_told(synthetic_features: sa.Features, small_encoder: sa.ConvEncoder) -> None:
    net = sa.SiameseNetwork(small_encoder, optimizer=sa.optimizers.Adam(lr=1e38))
    with pytest.raises(sa.TrainingError, match=r"no longer finite .* lower learning rate"):
        net.fit(synthetic_features, epochs=20, progress=False)
    assert all(np.isfinite(weight).all() for weight in net.weights().values())


def test_weights_that_are_too_large_to_embed_with_are_told(synthetic_features: sa.Features) -> None:
    """Finite, but what they make of the validation clips is not."""
    train, validation, _ = synthetic_features.split_classes(8, 4, 0, seed=0)
    block = sa.ConvBlock(filters=2, kernel_size=3, batch_norm=False, dropout=0.0)
    dense = sa.Dense(units=4, batch_norm=False, activation="linear", dropout=0.0)
    encoder = sa.ConvEncoder(input_batch_norm=False, blocks=(block,), dense=(dense,))
    net = sa.SiameseNetwork(
        encoder, distance="euclidean", head=None, loss="contrastive", optimizer=sa.optimizers.Adam(lr=1e30)
    )
    with pytest.raises(sa.TrainingError, match=r"similarities are no longer finite .* lower learning rate"):
        net.fit(train, validation=validation, epochs=1, steps_per_epoch=1, progress=False)


def test_failing_callback_of_the_bar_comes_through(
    synthetic_features: sa.Features, small_encoder: sa.ConvEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception in Python code that the loop calls ends it and arrives unchanged."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("in the bar")

    monkeypatch.setattr("siamaudio.fitting.tqdm.set_postfix_str", broken)
    with pytest.raises(ZeroDivisionError, match="in the bar"):
        _fit(small_encoder, synthetic_features)


def test_callbacks_see_each_epoch_and_may_stop(synthetic_features: sa.Features, small_encoder: sa.ConvEncoder) -> None:
    seen = []

    def look(net: sa.SiameseNetwork, record: dict[str, object]) -> bool:
        seen.append((record["epoch"], net.embed(synthetic_features[:2]).shape))
        return len(seen) == 3

    net = _fit(small_encoder, synthetic_features, epochs=10, callbacks=[look])
    assert seen == [(0, (2, 32)), (1, (2, 32)), (2, (2, 32))]
    assert len(net.history_) == 3


def test_warm_start_goes_on_from_the_present_weights(
    trained: sa.SiameseNetwork, synthetic_features: sa.Features, small_encoder: sa.ConvEncoder
) -> None:
    train, _, _ = synthetic_features.split_classes(8, 2, 2, seed=0)
    other = clone(trained).build(trained.input_shape_, seed=9).set_weights(trained.weights())
    other.set_params(optimizer=sa.optimizers.SGD(lr=1e-30))
    other.fit(train, epochs=1, warm_start=True, progress=False)
    before, after = trained.weights(), other.weights()
    for name, weight in before.items():
        if "running" not in name and "updates" not in name:
            np.testing.assert_allclose(after[name], weight, atol=1e-25, err_msg=name)
    with pytest.raises(sa.TrainingError, match="not trained"):
        clone(trained).fit(train, warm_start=True)
    with pytest.raises(sa.ParameterError, match="as the network's weights"):
        other.fit(sa.Features.from_arrays(np.zeros((4, 8, 8)), list("aabb")), warm_start=True)


def test_a_classifier_tells_training_classes(
    synthetic_features: sa.Features, small_encoder: sa.ConvEncoder, tmp_path: Path
) -> None:
    train, _, _ = synthetic_features.split_classes(8, 2, 2, seed=0)
    net = sa.SiameseNetwork(
        small_encoder, distance="cosine", head=None, loss="cross_entropy", sampler="shuffled",
        optimizer=sa.optimizers.Adam(lr=3e-3), augment=(sa.augment.Mixup(),),
    ).fit(train, epochs=12, progress=False)  # fmt: skip
    probabilities = net.predict_proba(train)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    accuracy = np.mean(net.predict(train) == np.array(train.class_names)[train.labels])
    assert accuracy > 0.6  # chance is 1/8
    net.save(tmp_path / "net.siam")
    back = sa.SiameseNetwork.load(tmp_path / "net.siam")
    np.testing.assert_array_equal(back.predict_proba(train), probabilities)
    with pytest.raises(sa.TrainingError, match="calibrated"):
        net.calibrate(train).predict(train)


def test_a_network_without_classifier_predicts_no_classes(trained: sa.SiameseNetwork, unseen: sa.Features) -> None:
    with pytest.raises(sa.TrainingError, match="no classifier"):
        trained.predict(unseen)


def test_calibration_whitens_the_embeddings(
    trained: sa.SiameseNetwork, synthetic_features: sa.Features, unseen: sa.Features, tmp_path: Path
) -> None:
    train = synthetic_features.select_classes(trained.train_classes_)
    net = clone(trained).build(trained.input_shape_).set_weights(trained.weights())
    plain = net.embed(unseen)
    raw = net.embed(train)
    net.calibrate(train, shrinkage=0.5)

    def unit_vectors(embeddings: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        roots = np.sign(embeddings) * np.sqrt(np.abs(embeddings.astype(np.float64)))
        return roots / np.linalg.norm(roots, axis=1, keepdims=True)

    unit = unit_vectors(raw)
    within = unit - np.array([unit[train.labels == label].mean(axis=0) for label in train.labels])
    covariance = within.T @ within / len(unit)
    shrunk = 0.5 * covariance + 0.5 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    values, vectors = np.linalg.eigh(shrunk)
    expected = (unit_vectors(plain) - unit.mean(axis=0)) @ (vectors / np.sqrt(values) @ vectors.T)
    embeddings = net.embed(unseen)
    np.testing.assert_allclose(embeddings, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    cosine = embeddings @ embeddings.T / np.outer(*2 * [np.linalg.norm(embeddings, axis=1)])
    np.testing.assert_allclose(net.similarity(embeddings, embeddings), cosine, atol=1e-5)

    net.save(tmp_path / "net.siam")
    np.testing.assert_array_equal(sa.SiameseNetwork.load(tmp_path / "net.siam").embed(unseen), embeddings)
    assert np.array_equal(net.calibrate(train, shrinkage=0.5).embed(unseen), embeddings)  # not calibrated twice
    with pytest.raises(sa.DatasetError, match="two or more clips"):
        net.calibrate(train[np.unique(train.labels, return_index=True)[1]])
    with pytest.raises(sa.ParameterError, match="shrinkage"):
        net.calibrate(train, shrinkage=0.0)
    with pytest.raises(sa.ParameterError, match="power"):
        net.calibrate(train, power=1.5)


def test_calibration_with_shifts(rng: np.random.Generator) -> None:
    """What is whitened is the mean of the embeddings of a spectrogram moved as training moved it."""
    encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=4),), pooling="frequency", dense=())
    moving = (sa.augment.TimeShift(), sa.augment.FrequencyShift())
    clips = rng.standard_normal((8, 12, 16)).astype(np.float32)
    features = sa.Features.from_arrays(clips, list("aabbaabb"))

    def moved(bands: int, frames: int) -> npt.NDArray[np.float32]:
        rows = np.clip(np.arange(12) - bands, 0, 11)
        return np.roll(clips[:, rows], frames, axis=2)

    for augment, shifts in ((moving, [(0, 0), (1, 3), (-1, 5)]), (moving[:1], [(0, 0)]), ((), [(0, 0)])):
        net = sa.SiameseNetwork(encoder, augment=augment).build((12, 16))
        plain = net.embed(clips)
        mean = np.mean([net.embed(moved(*shift)) for shift in shifts], axis=0)
        net.calibrate(features)
        weights = net.weights()
        np.testing.assert_array_equal(weights["calibration.shifts"], shifts)
        power, centre, matrix = core.fit_calibration(mean, features.labels, power=0.5, shrinkage=0.8)
        roots = np.sign(mean) * np.abs(mean) ** power
        expected = (roots / np.linalg.norm(roots, axis=1, keepdims=True) - centre) @ matrix
        np.testing.assert_allclose(net.embed(clips), expected, atol=1e-4 * np.abs(expected).max())
        np.testing.assert_array_equal(net.build((12, 16)).embed(clips), plain)
    with pytest.raises(sa.ParameterError, match="shifts"):
        net.calibrate(features, shifts=[])


def test_any_number_of_frames_where_time_is_pooled(synthetic_features: sa.Features) -> None:
    blocks = (sa.ConvBlock(filters=4, kernel_size=3),)
    encoder = sa.ConvEncoder(blocks=blocks, pooling="frequency", dense=(sa.Dense(units=8),))
    net = _fit(encoder, synthetic_features, epochs=1)
    _, bands, frames = synthetic_features.shape
    rng = np.random.default_rng(0)
    assert net.embed(rng.random((3, bands, 2 * frames))).shape == (3, 8)
    with pytest.raises(sa.ParameterError, match=rf"accepted: \(clips, {bands}, frames\)"):
        net.embed(rng.random((3, bands + 1, frames)))


def test_options_by_name_are_those_with_defaults(
    synthetic_features: sa.Features, small_encoder: sa.ConvEncoder
) -> None:
    named = sa.SiameseNetwork(small_encoder, loss="mse", sampler="balanced", optimizer="adam")
    given = sa.SiameseNetwork(
        small_encoder,
        loss=sa.losses.MeanSquaredError(),
        sampler=sa.samplers.Balanced(),
        optimizer=sa.optimizers.Adam(),
    )
    one, other = (net.fit(synthetic_features, epochs=1, progress=False).weights() for net in (named, given))
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_images_with_channels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    features = sa.Features.from_arrays(rng.random((12, 3, 16, 18)), np.repeat(list("abc"), 4))
    encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=4, kernel_size=3),), dense=(sa.Dense(units=8),))
    net = sa.SiameseNetwork(encoder).fit(features, epochs=1, batch_size=8, progress=False)
    assert net.input_shape_ == (3, 16, 18)
    net.save(tmp_path / "net.siam")
    features.save(tmp_path / "f.zarr")
    np.testing.assert_array_equal(
        sa.SiameseNetwork.load(tmp_path / "net.siam").embed(sa.Features.load(tmp_path / "f.zarr")), net.embed(features)
    )


def test_options_as_text() -> None:
    net = sa.SiameseNetwork.preset("lloret2019_mnist_pair_class")
    net.set_from_text(
        {
            "loss.contrastive.margin": "2",
            "loss.1.weight": "0.5",
            "encoder.blocks.all.filters": "8",
            "encoder.dense.0.units": "32",
            "optimizer.schedule": "cosine",
            "optimizer.schedule.warmup": "0.2",
            "sampler": "balanced",
            "augment": "time_shift, noise",
            "augment.noise.std": "0.3",
        }
    )
    assert net.losses() == (sa.losses.Contrastive(margin=2.0), sa.losses.CrossEntropy(weight=0.5))
    assert [block.filters for block in net.encoder.blocks] == [8, 8]
    assert net.encoder.dense[0].units == 32
    assert net.optimizer == sa.optimizers.Adam(schedule=sa.schedules.Cosine(warmup=0.2))
    assert net.sampler == sa.samplers.Balanced()
    assert net.augment == (sa.augment.TimeShift(), sa.augment.Noise(std=0.3))
    assert net.set_from_text({"head": "dense", "distance": "squared", "loss": "bce"}).head == "dense"
    for settings in ({"lr": "1"}, {"optimizer.rate": "1"}, {"loss.margin": "x"}, {"encoder": "x"}, {"loss.5.m": "1"}):
        with pytest.raises(sa.ParameterError):
            sa.SiameseNetwork.preset("lloret2019_mnist_pair_class").set_from_text(settings)


def test_ctrl_c_leaves_a_usable_network(
    ctrl_c: None, synthetic_features: sa.Features, small_encoder: sa.ConvEncoder, unseen: sa.Features
) -> None:
    train, validation, _ = synthetic_features.split_classes(8, 2, 2, seed=0)
    net = sa.SiameseNetwork(small_encoder)
    ctrl_c_key = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))

    def press_after_two_epochs(_net: sa.SiameseNetwork, record: dict[str, float]) -> None:
        if record["epoch"] == 2:
            ctrl_c_key.start()

    with pytest.raises(KeyboardInterrupt):
        net.fit(
            train,
            validation=validation,
            epochs=100_000,
            patience=0,
            callbacks=[press_after_two_epochs],
            progress=False,
        )
    assert len(net.history_) > 0
    assert net.best_epoch_ == int(np.argmax(net.history_["validation_accuracy"]))
    result = sa.evaluate_oneshot(net, validation, ways=2)
    assert result.accuracy == pytest.approx(max(net.history_["validation_accuracy"]), abs=1e-12)
    assert net.embed(unseen).shape == (len(unseen), 32)


@pytest.mark.slow
def test_ctrl_c_in_a_long_step(tmp_path: Path) -> None:
    """Honka's own network on full-size spectrograms, seconds a step: Ctrl-C does not wait for the step's end."""
    code = (
        "import time, signal, numpy as np, siamaudio as sa\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "features = sa.Features.from_arrays(np.random.default_rng(0).random((40, 128, 431)), ['a', 'b'] * 20)\n"
        "net = sa.SiameseNetwork.preset('honka2019')\n"
        "hit = []\n"
        "signal.signal(signal.SIGALRM, lambda *_: (hit.append(time.monotonic()), signal.raise_signal(signal.SIGINT)))\n"
        "signal.setitimer(signal.ITIMER_REAL, 2.5)\n"
        "try:\n"
        "    net.fit(features, epochs=100, progress=False)\n"
        "except KeyboardInterrupt:\n"
        "    print(len(net.history_), net.embed(features[:2]).shape)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split(maxsplit=1)[1].strip() == "(2, 500)"


def test_cuda_is_named_where_there_is_none(trained: sa.SiameseNetwork, tmp_path: Path) -> None:
    from siamaudio._engine import core

    if core.resolve_device("auto") != "cpu":
        pytest.skip("a CUDA device is at hand")
    trained.save(tmp_path / "net.siam")
    with pytest.raises(sa.ParameterError, match="device: got cuda; accepted: 'auto' or 'cpu': no CUDA device"):
        sa.SiameseNetwork.load(tmp_path / "net.siam", device="cuda")
