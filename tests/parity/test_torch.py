"""The C++ network against the same network written with torch.nn, weight for weight."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import numpy.typing as npt
import pytest
import torch

import siamaudio as sa

# float32 sums over up to 10,000 terms in another order.
TOLERANCE = 1e-4


class _Honka(torch.nn.Module):
    """Written from the thesis's description, ReLU before pooling, in torch's own order of axes."""

    def __init__(self, encoder: sa.ConvEncoder, input_shape: tuple[int, int]) -> None:
        super().__init__()
        self.input_norm = torch.nn.BatchNorm2d(1, eps=1e-3)
        layers: list[torch.nn.Module] = []
        channels = 1
        for block in encoder.blocks:
            layers += [
                torch.nn.Conv2d(channels, block.filters, block.kernel_size),
                torch.nn.BatchNorm2d(block.filters, eps=1e-3),
                torch.nn.ReLU(),
                torch.nn.MaxPool2d(block.pool_size),
            ]
            channels = block.filters
        self.blocks = torch.nn.Sequential(*layers)
        units = encoder.dense[0].units
        size = self.blocks(torch.zeros(1, 1, *input_shape)).numel()
        self.dense = torch.nn.Linear(size, units)
        self.embedding_norm = torch.nn.BatchNorm1d(units, eps=1e-3)
        self.head = torch.nn.Linear(units, 1)

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks(self.input_norm(x[:, None]))
        return torch.sigmoid(self.embedding_norm(self.dense(x.flatten(1))))

    def load(self, weights: dict[str, npt.NDArray[np.float32]], encoder: sa.ConvEncoder) -> None:
        modules = {"encoder.input_norm": self.input_norm, "encoder.dense1": self.dense,
                   "encoder.dense1.norm": self.embedding_norm, "head": self.head}  # fmt: skip
        for index in range(len(encoder.blocks)):
            modules[f"encoder.block{index + 1}.conv"] = self.blocks[4 * index]
            modules[f"encoder.block{index + 1}.norm"] = self.blocks[4 * index + 1]
        names = {"running_variance": "running_var", "num_updates": "num_batches_tracked"}
        for name, value in weights.items():
            module, attribute = name.rsplit(".", 1)
            getattr(modules[module], names.get(attribute, attribute)).data.copy_(torch.from_numpy(value))


@pytest.fixture(scope="module")
def twin(trained: sa.SiameseNetwork) -> _Honka:
    module = _Honka(trained.encoder, trained.input_shape_)
    module.load(trained.weights(), trained.encoder)
    return module.eval()


def test_embeddings(trained: sa.SiameseNetwork, twin: _Honka, unseen: sa.Features) -> None:
    with torch.no_grad():
        expected = twin.embed(torch.from_numpy(unseen.array)).numpy()
    np.testing.assert_allclose(trained.embed(unseen), expected, atol=TOLERANCE)


def test_similarity(trained: sa.SiameseNetwork, twin: _Honka, unseen: sa.Features) -> None:
    embeddings = trained.embed(unseen)
    a, b = torch.from_numpy(embeddings[:5]), torch.from_numpy(embeddings)
    with torch.no_grad():
        expected = torch.sigmoid(twin.head((a[:, None] - b[None]) ** 2))[..., 0].numpy()
    np.testing.assert_allclose(trained.similarity(embeddings[:5], embeddings), expected, atol=TOLERANCE)


def test_published_parameter_count() -> None:
    """128 x 431 spectrograms: three blocks of 64, dense layer of 500, one output."""
    features = sa.Features.from_arrays(np.random.default_rng(0).random((4, 128, 431)), ["a", "a", "b", "b"])
    net = sa.SiameseNetwork.preset("honka2019").fit(features, epochs=1, progress=False)
    module = _Honka(net.encoder, (128, 431))
    assert net.num_parameters() == sum(parameter.numel() for parameter in module.parameters()) == 19_408_979


@pytest.mark.parametrize("loss", ["bce", "mse"])
@pytest.mark.parametrize("pairing", ["in-batch", "two-sided"])
def test_one_training_step(pairing: str, loss: str, rng: np.random.Generator) -> None:
    """From the same weights on the same batch, dropout off: the same loss and the same weights after Adam's step."""
    encoder = sa.ConvEncoder(
        blocks=(sa.ConvBlock(filters=4, kernel_size=3, dropout=0), sa.ConvBlock(filters=8, kernel_size=3, dropout=0)),
        dense=(sa.Dense(units=16, dropout=0),),
    )
    # Two clips of two classes are one batch, whatever the order: all six pairs, or the four of an epoch of Honka's.
    features = sa.Features.from_arrays(rng.standard_normal((4, 20, 24)), ["a", "a", "b", "b"])
    rate = 1e-2
    sampler = sa.samplers.Balanced(clips_per_class=2)
    net = sa.SiameseNetwork(encoder, loss=loss, sampler=sampler, optimizer=sa.optimizers.Adam(lr=rate))
    net.fit(features, epochs=1, pairing=pairing, seed=3, progress=False)

    # The initial weights are those of the same seed: train with a rate that changes nothing.
    start = sa.SiameseNetwork(encoder, loss=loss, sampler=sampler, optimizer=sa.optimizers.Adam(lr=1e-30))
    start.fit(features, epochs=1, pairing=pairing, seed=3, progress=False)
    module = _Honka(encoder, (20, 24))
    module.load(start.weights(), encoder)
    for layer in module.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            layer.reset_running_stats()
            layer.momentum = None  # a plain mean over the updates, as in the first updates of the core
    module.train()

    x = torch.from_numpy(features.array)
    if pairing == "two-sided":
        _check_two_sided(net, module, x, loss, rate)
        return
    embeddings = module.embed(x)
    left, right = torch.triu_indices(4, 4, 1)
    logits = module.head((embeddings[left] - embeddings[right]) ** 2)[:, 0]
    same = (torch.tensor([0, 0, 1, 1])[left] == torch.tensor([0, 0, 1, 1])[right]).float()
    weights = torch.where(same == 1, 0.5 / 2, 0.5 / 4)
    _check_step(net, module, logits, same, weights, loss, rate)


def _check_two_sided(net: sa.SiameseNetwork, module: _Honka, x: torch.Tensor, loss: str, rate: float) -> None:
    """The epoch's four pairs are drawn at random: one of the possible draws must give what the core got."""
    draws = itertools.product(((0, 1), (1, 0)), ((2, 3), (3, 2)), (2, 3), (0, 1))
    same = torch.tensor([1.0, 1.0, 0.0, 0.0])
    losses = []
    for first, second, other_of_first, other_of_second in draws:
        pairs = torch.tensor([first, second, (first[0], other_of_first), (second[0], other_of_second)])
        candidate = copy.deepcopy(module)
        left, right = candidate.embed(x[pairs[:, 0]]), candidate.embed(x[pairs[:, 1]])
        logits = candidate.head((left - right) ** 2)[:, 0]
        losses.append(_loss(logits, same, torch.full((4,), 0.25), loss).item())
        if net.history_["loss"][0] == pytest.approx(losses[-1], rel=TOLERANCE):
            _check_step(net, candidate, logits, same, torch.full((4,), 0.25), loss, rate)
            return
    pytest.fail(f"loss {net.history_['loss'][0]} is none of {losses}")


def _loss(logits: torch.Tensor, same: torch.Tensor, weights: torch.Tensor, loss: str) -> torch.Tensor:
    probability = torch.sigmoid(logits)
    if loss == "mse":
        return ((probability - same) ** 2 * weights).sum()
    return -((same * torch.log(probability) + (1 - same) * torch.log(1 - probability)) * weights).sum()


def _check_step(
    net: sa.SiameseNetwork,
    module: _Honka,
    logits: torch.Tensor,
    same: torch.Tensor,
    weights: torch.Tensor,
    loss: str,
    rate: float,
) -> None:
    value = _loss(logits, same, weights, loss)
    value.backward()
    assert net.history_["loss"][0] == pytest.approx(value.item(), rel=TOLERANCE)
    # Adam's first step moves every weight by the rate against the sign of its gradient. Where the gradient is rounding
    # noise, as for a bias before batch norm, so is the sign.
    torch.optim.Adam(module.parameters(), lr=rate, eps=1e-7 / (1 - 0.999) ** 0.5).step()  # Keras's epsilon
    expected = _Honka(net.encoder, net.input_shape_)
    expected.load(net.weights(), net.encoder)
    num_compared = 0
    for (name, got), parameter in zip(expected.named_parameters(), module.parameters(), strict=True):
        assert parameter.grad is not None
        told_apart = parameter.grad.abs() > 1e-5
        num_compared += int(told_apart.sum())
        np.testing.assert_allclose(
            got[told_apart].detach().numpy(), parameter[told_apart].detach().numpy(), atol=TOLERANCE, err_msg=name
        )
    assert num_compared > 0.8 * net.num_parameters()
