"""Files of networks: Keras reads what siamaudio writes, siamaudio what Keras writes, and both compute the same."""

from __future__ import annotations

import dataclasses
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from keras_peer import keras_python, run_keras

import siamaudio as sa
from siamaudio import presets

sys.path.append(str(Path(__file__).parents[1]))
from interop_networks import NAMES, WITH_SHIFTS, clips_for, has_probabilities, network, pair_similarities

pytestmark = pytest.mark.slow  # TensorFlow makes every model anew: a minute

TOLERANCE = 1e-4  # float32 sums of up to 33,000 products in another order, as a share of the largest value above 1
STYLES = ("encoder", "code", "shared layers", "sequential")
ENDINGS = (".keras", ".h5", ".weights.h5")


@dataclasses.dataclass(frozen=True)
class Question:
    """A network for Keras to build; `style` is how people write such a model."""

    net: sa.SiameseNetwork
    style: str
    x: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    steps: int = 0


FOR_KERAS = [name for name in NAMES if name != WITH_SHIFTS]


def as_keras(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(clips, bands, frames) or (clips, channels, bands, frames) in Keras's order."""
    return x[..., None] if x.ndim == 3 else x.transpose(0, 2, 3, 1)


def assert_close(got: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> None:
    np.testing.assert_allclose(got, expected, atol=TOLERANCE * max(1.0, float(np.abs(expected).max())), rtol=0)


def endings(name: str, part: str) -> tuple[str, ...]:
    """In which forms a network is written here: the pair of every preset, all of the networks that differ in kind."""
    if name in presets.network_presets() and not name.endswith(("honka2019", "modern", "mnist_cnn")):
        return (".keras",) if part == "siamese" else ()
    return (".keras",) if name == "calibrated" else (".keras", ".h5")


def _questions() -> dict[str, Question]:
    questions = {}
    for number, name in enumerate(presets.network_presets()):
        net, style = network(name), STYLES[number % len(STYLES)]
        if style in ("sequential", "shared layers") and net.encoder.pooling == "frequency_levels":
            style = "encoder"  # its pooling is no chain of layers
        x = clips_for(net)
        questions[name] = Question(net, style, x, np.zeros(len(x), dtype=np.int64))
    return questions


@pytest.fixture(scope="module")
def questions() -> dict[str, Question]:
    return _questions()


@pytest.fixture(scope="module")
def classes() -> sa.Features:
    """Three classes of noisy patterns, which a network learns to tell apart, mostly, in a few steps."""
    rng = np.random.default_rng(3)
    patterns = rng.standard_normal((3, 1, 20, 24))
    clips = (patterns + 1.5 * rng.standard_normal((3, 4, 20, 24))).reshape(12, 20, 24)
    return sa.Features.from_arrays(clips, np.repeat(list("abc"), 4))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, questions: dict[str, Question], classes: sa.Features) -> Path:
    """Everything that is asked, after Keras has answered, in one process: TensorFlow takes seconds to load."""
    keras_python()
    folder = tmp_path_factory.mktemp("keras")
    ours, asked = folder / "ours", folder / "questions"
    ours.mkdir()
    asked.mkdir()
    for name in FOR_KERAS:
        net = network(name)
        x = as_keras(clips_for(net))
        for part in ("siamese", "encoder", "classifier"):
            if part == "classifier" and not has_probabilities(net):
                continue
            stem = f"{name.replace(' ', '_').replace(',', '')}_{part}"
            arrays = {"a": x[:3], "b": x[3:]} if part == "siamese" else {"a": x}
            np.savez(ours / f"{stem}.npz", **arrays)
            for ending in endings(name, part):
                sa.interop.to_keras(net, ours / f"{stem}{ending}", part=part)
    encoder = sa.ConvEncoder(
        blocks=(sa.ConvBlock(filters=8, kernel_size=3), sa.ConvBlock(filters=8, kernel_size=3)),
        dense=(sa.Dense(units=16),),
    )
    trained = Question(sa.SiameseNetwork(encoder).build((20, 24)), "encoder", classes.array, classes.labels, steps=40)
    for name, question in {**questions, "trained": trained}.items():
        net = question.net
        channels, *sides = (1, *net.input_shape_)[-3:]
        described = {
            "encoder": net.encoder.to_dict(),
            "distance": net.distance,
            "head": net.head,
            "input_shape": [*sides, channels],
            "style": question.style,
            "steps": question.steps,
        }
        (asked / f"{name}.json").write_text(json.dumps(described))
        np.savez(asked / f"{name}.npz", x=as_keras(question.x), labels=question.labels)
    run_keras("keras_files_side.py", folder)
    return folder


def answer(path: Path, name: str = "outputs") -> npt.NDArray[np.float32]:
    with np.load(f"{path}.answer.npz") as file:
        return file[name]


@pytest.mark.parametrize("name", FOR_KERAS)
def test_keras_reads_ours(folder: Path, name: str) -> None:
    net = network(name)
    x = clips_for(net)
    stem = folder / "ours" / name.replace(" ", "_").replace(",", "")
    for ending in endings(name, "siamese"):
        assert_close(answer(Path(f"{stem}_siamese{ending}"))[:, 0], pair_similarities(net, x))
    for ending in endings(name, "encoder"):
        assert_close(answer(Path(f"{stem}_encoder{ending}")), net.embed(x))
        if has_probabilities(net):
            assert_close(answer(Path(f"{stem}_classifier{ending}")), net.predict_proba(x))


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", presets.network_presets())
def test_keras_is_read(folder: Path, questions: dict[str, Question], name: str, ending: str) -> None:
    question = questions[name]
    options: dict[str, Any] = {"distance": question.net.distance} if question.style == "code" else {}
    if ending == ".weights.h5":
        net = question.net
        fresh = network(name).build(net.input_shape_, num_classes=4 if has_probabilities(net) else None, seed=8)
        options = {"network": fresh}
    net = sa.interop.load_keras(folder / "questions" / f"{name}{ending}", **options)
    assert net.encoder == question.net.encoder
    assert (net.distance, net.head) == (question.net.distance, question.net.head)
    expected = answer(folder / "questions" / name)[:, 0]
    if net.head is None:  # there a distance, here a similarity
        expected = 1 - expected if net.distance == "cosine" else -expected
    assert_close(pair_similarities(net, question.x), expected)
    embeddings = answer(folder / "questions" / name, "embeddings")
    assert np.ptp(embeddings, axis=0).max() > 1e-2  # the clips are told apart
    assert_close(net.embed(question.x), embeddings)


def confusion(similarity: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """One-shot confusion over every task of three classes, one by one."""
    counts = np.zeros((3, 3))
    for query, label in enumerate(labels):
        clips = [[i for i in np.flatnonzero(labels == c) if i != query] for c in range(3)]
        for supports in itertools.product(*clips):
            scores = similarity[query, list(supports)]
            winners = np.flatnonzero(scores == scores.max())
            counts[label, winners] += 1 / len(winners)
    return counts / counts.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_trained_model_gives_the_same_confusion(folder: Path, classes: sa.Features, ending: str) -> None:
    net = sa.interop.load_keras(folder / "questions" / f"trained{ending}")
    similarity = answer(folder / "questions" / "trained").reshape(12, 12)
    z = net.embed(classes)
    assert_close(net.similarity(z, z), similarity)
    expected = confusion(similarity, classes.labels)
    assert np.ptp(expected) > 0.1  # it prefers some classes to others
    np.testing.assert_allclose(sa.evaluate_oneshot(net, classes, ways=3).confusion, expected, atol=1e-9)


def test_written_back_keras_computes_the_same(folder: Path, classes: sa.Features, tmp_path: Path) -> None:
    net = sa.interop.load_keras(folder / "questions" / "trained.keras")
    x = as_keras(classes.array)
    left, right = (side.ravel() for side in np.meshgrid(range(12), range(12), indexing="ij"))
    for ending in (".keras", ".h5"):
        sa.interop.to_keras(net, tmp_path / f"back{ending}")
    np.savez(tmp_path / "back.npz", a=x[left], b=x[right])
    run_keras("keras_files_side.py", folder, tmp_path)
    for ending in (".keras", ".h5"):
        outputs = answer(tmp_path / f"back{ending}")
        np.testing.assert_allclose(outputs, answer(folder / "questions" / "trained"), atol=1e-6)
