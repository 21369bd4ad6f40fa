"""YAMNet read from a Keras file, against Keras with the same weights."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from keras_peer import keras_python, run_keras

import siamaudio as sa

sys.path.append(str(Path(__file__).parents[1]))
from yamnet_files import published_h5, random_norms, random_weights


def test_keras_gives_the_same(tmp_path: Path) -> None:
    keras_python()
    h5py = pytest.importorskip("h5py")
    rng = np.random.default_rng(0)
    weights = random_weights(num_classes=7)
    published_h5(tmp_path / "yamnet.h5", weights, random_norms(weights, rng))
    arrays: dict[str, np.ndarray] = {}
    with h5py.File(tmp_path / "yamnet.h5") as file:
        for layer in file.attrs["layer_names"]:
            group = file[layer]
            for name in group.attrs["weight_names"]:
                arrays[str(name).removesuffix(":0")] = np.asarray(group[name])
    np.savez(tmp_path / "weights.npz", **arrays)
    patches = rng.standard_normal((3, 96, 64)).astype(np.float32)
    np.save(tmp_path / "patches.npy", patches)
    run_keras("keras_yamnet_side.py", tmp_path)
    answer = np.load(tmp_path / "answer.npz")
    yamnet = sa.models.Yamnet.from_keras(tmp_path / "yamnet.h5")
    spectrograms = patches.transpose(0, 2, 1)
    largest = np.abs(answer["embeddings"]).max()
    assert largest > 0.01
    np.testing.assert_allclose(yamnet.embed_patches(spectrograms)[:, 0], answer["embeddings"], atol=1e-5 * largest)
    np.testing.assert_allclose(yamnet.scores(spectrograms)[:, 0], answer["scores"], atol=1e-5)
