"""Losses of embeddings against pytorch-metric-learning: the same value and the same gradient of a network's weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import siamaudio as sa

distances = pytest.importorskip("pytorch_metric_learning.distances")
pml_losses = pytest.importorskip("pytorch_metric_learning.losses")
miners = pytest.importorskip("pytorch_metric_learning.miners")
reducers = pytest.importorskip("pytorch_metric_learning.reducers")

NUM_CLASSES, DIM, SHAPE = 4, 6, (3, 5)


def _euclidean() -> Any:
    return distances.LpDistance(normalize_embeddings=False)


def _triplets(embeddings: Any, labels: Any, _: Any, *, hard: bool) -> Any:
    loss = pml_losses.TripletMarginLoss(margin=0.5, distance=_euclidean(), reducer=reducers.MeanReducer())
    found = miners.BatchHardMiner(distance=_euclidean())(embeddings, labels) if hard else None
    return loss(embeddings, labels, found)


def _of_classes(loss: Any, embeddings: Any, labels: Any, weight: Any) -> Any:
    loss.W = torch.nn.Parameter(weight.T)
    return loss(embeddings, labels)


CASES = {
    "supervised contrastive": (
        sa.losses.SupervisedContrastive(temperature=0.3),
        lambda e, y, _: pml_losses.SupConLoss(temperature=0.3)(e, y),
    ),
    "all triplets": (
        sa.losses.Triplet(margin=0.5, mining="all"),
        lambda e, y, w: _triplets(e, y, w, hard=False),
    ),
    "hard triplets": (
        sa.losses.Triplet(margin=0.5, mining="hard"),
        lambda e, y, w: _triplets(e, y, w, hard=True),
    ),
    "cosine softmax": (
        sa.losses.CosineSoftmax(scale=8.0),
        lambda e, y, w: _of_classes(pml_losses.NormalizedSoftmaxLoss(NUM_CLASSES, DIM, temperature=1 / 8), e, y, w),
    ),
    "ArcFace": (
        sa.losses.ArcFace(scale=8.0, margin=0.3),
        lambda e, y, w: _of_classes(
            pml_losses.ArcFaceLoss(NUM_CLASSES, DIM, margin=np.degrees(0.3), scale=8), e, y, w
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_same_loss_and_gradient(name: str, rng: np.random.Generator) -> None:
    loss, peer = CASES[name]
    features = sa.Features.from_arrays(
        rng.standard_normal((5 * NUM_CLASSES, *SHAPE)), np.tile(list("abcd")[:NUM_CLASSES], 5)
    )
    dense = sa.Dense(units=DIM, batch_norm=False, activation="tanh", dropout=0)
    net = sa.SiameseNetwork(
        sa.ConvEncoder(blocks=(), input_batch_norm=False, dense=(dense,)),
        distance="euclidean",
        head=None,
        loss=loss,
        sampler=sa.samplers.Shuffled(batch_size=len(features)),
        optimizer=sa.optimizers.SGD(lr=1.0),
    ).build(SHAPE, num_classes=NUM_CLASSES)
    before = {key: torch.tensor(value, requires_grad=True) for key, value in net.weights().items()}
    net.fit(features, epochs=1, warm_start=True, progress=False)

    x = torch.tensor(features.array.reshape(len(features), -1))
    embeddings = torch.tanh(x @ before["encoder.dense1.weight"].T + before["encoder.dense1.bias"])
    expected = peer(embeddings, torch.tensor(features.labels), before.get("classifier.weight"))
    assert net.history_["loss"][0] == pytest.approx(expected.item(), rel=1e-5)
    gradient = torch.autograd.grad(expected, before["encoder.dense1.weight"])[0].numpy()
    moved = before["encoder.dense1.weight"].detach().numpy() - net.weights()["encoder.dense1.weight"]
    np.testing.assert_allclose(moved, gradient, atol=1e-6 + 1e-5 * np.abs(gradient).max())
