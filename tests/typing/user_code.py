"""What a user writes, as type checkers see it: they read this file, nobody runs it."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt

import siamaudio as sa


def from_sounds_to_a_result(folder: Path) -> float:
    clips = sa.datasets.folder(folder)
    assert_type(clips, sa.datasets.Clips)
    assert_type(clips[0], sa.datasets.Clip)
    assert_type(clips[:3], sa.datasets.Clips)
    features = sa.LogMel(sr=44100, n_mels=128).transform(clips, path="features.zarr", progress=False)
    assert_type(features, sa.Features)
    assert_type(features[:10], sa.Features)
    train, validation, test = features.split_classes(40, 5, 5, seed=1)
    net = sa.SiameseNetwork.preset("honka2019").fit(train, validation=validation, epochs=40, seed=0)
    assert_type(net, sa.SiameseNetwork)
    assert_type(net.history_["loss"], list[Any])
    assert_type(net.embed(test), npt.NDArray[np.float32])
    result = sa.evaluate_oneshot(net, test, ways=5)
    assert_type(result, sa.EvaluationResult)
    assert_type(result.per_class, dict[str, float])
    assert_type(result.interval, sa.Interval)
    net.save(folder / "net.siam")
    assert_type(sa.SiameseNetwork.load("net.siam", device="cuda"), sa.SiameseNetwork)
    return result.accuracy


def options_of_a_network() -> sa.SiameseNetwork:
    encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=32, kernel_size=(3, 5)),), dense=(sa.Dense(units=64),))
    return sa.SiameseNetwork(
        encoder,
        distance="cosine",
        head=None,
        loss=[sa.losses.CrossEntropy(label_smoothing=0.1), "triplet"],
        sampler=sa.samplers.Balanced(batch_size=64),
        optimizer=sa.optimizers.AdamW(lr=1e-3, schedule=sa.schedules.Cosine()),
        augment=[sa.augment.TimeShift(), sa.augment.SpecAugment()],
    )


def callbacks_and_searches(train: sa.Features, validation: sa.Features) -> sa.SiameseNetwork:
    def stop(net: sa.SiameseNetwork, record: dict[str, Any]) -> bool:
        return bool(record["loss"] < 0.1)

    options_of_a_network().fit(train, callbacks=[stop])
    space = sa.tuning.SearchSpace({"optimizer.lr": sa.tuning.Range(1e-4, 1e-2, log=True), "head": ["dense", None]})
    found = sa.tune(train, validation=validation, space=space, trials=10)
    assert_type(found, sa.tuning.TuningResult)
    return found.best_network()


def arrays(spectrograms: npt.NDArray[np.float32], labels: list[str]) -> npt.NDArray[np.float32]:
    features = sa.Features.from_arrays(spectrograms, labels)
    autoencoder = sa.VariationalAutoencoder(latent_dim=16).fit(spectrograms, epochs=5)
    assert_type(autoencoder, sa.VariationalAutoencoder)
    assert_type(sa.evaluate_retrieval(autoencoder, features), sa.RetrievalResult)
    y, sr = sa.load("dog.wav", sr=None)
    assert_type(y, npt.NDArray[np.float32])
    assert_type(sr, float)
    return sa.LogMel(sr=sr)(y)


def search_and_explain(net: sa.SiameseNetwork, recordings: sa.datasets.Clips) -> str:
    index = sa.SearchIndex(net, "sounds.index", backend=sa.search.FaissHNSW())
    assert_type(index.add(recordings), sa.search.Added)
    found = index.query("what.wav", k=5, where={"fold": 1})
    assert_type(found, sa.SearchResult)
    assert_type(found.hits[0][0], sa.search.Hit)
    why = sa.explain(net, "what.wav", {"dog": "dog.wav", "cat": ["cat1.wav", "cat2.wav"]}, method="rise")
    assert_type(why, sa.Explanation)
    assert_type(why.resynthesise(top=2).save_wav("why.wav"), Path)
    answer = sa.classify_oneshot(net, "examples", ["what.wav"])
    assert_type(answer.predictions, tuple[str, ...])
    return why.predicted_class


def mistakes(net: sa.SiameseNetwork, features: sa.Features) -> None:
    """Each is one that a checker must find: one that is not would make its comment an error."""
    sa.SiameseNetwork(distance="manhattan")  # type: ignore[arg-type]
    sa.ConvBlock(filtres=3)  # type: ignore[call-arg]
    net.fit(features, 40)  # type: ignore[call-arg, arg-type]
    sa.evaluate_oneshot(net, features, 5)  # type: ignore[call-arg]
    sa.losses.Triplet(mining="hardest")  # type: ignore[arg-type]
    print(net.embed(features).accuracy)  # type: ignore[attr-defined]
