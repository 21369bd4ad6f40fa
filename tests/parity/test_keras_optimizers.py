"""The optimizers take Keras 3's steps, and torch.optim's where the formulas are the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from keras_peer import keras_python, run_keras

from siamaudio import optimizers
from siamaudio._engine import core

Arrays = list[npt.NDArray[np.float32]]

NUM_STEPS = 12
SHAPES: list[tuple[int, ...]] = [(4, 3), (5,), (2, 3, 2, 2)]

# Ours, Keras's class, what Keras calls the same.
CASES: list[tuple[optimizers.Optimizer, str, dict[str, Any]]] = [
    (optimizers.SGD(), "SGD", {}),
    (optimizers.SGD(momentum=0.9), "SGD", {"momentum": 0.9}),
    (optimizers.SGD(momentum=0.9, nesterov=True), "SGD", {"momentum": 0.9, "nesterov": True}),
    (optimizers.SGD(clip_norm=0.5), "SGD", {"global_clipnorm": 0.5}),
    (optimizers.RMSprop(), "RMSprop", {}),
    (optimizers.RMSprop(rho=0.5, epsilon=0.01), "RMSprop", {"rho": 0.5, "epsilon": 0.01}),
    (optimizers.Adadelta(), "Adadelta", {}),
    (optimizers.Adadelta(rho=0.5, epsilon=0.01), "Adadelta", {"rho": 0.5, "epsilon": 0.01}),
    (optimizers.Adam(), "Adam", {}),
    (optimizers.Adam(beta_1=0.5, beta_2=0.9), "Adam", {"beta_1": 0.5, "beta_2": 0.9}),
    (optimizers.Adam(clip_norm=2.0), "Adam", {"global_clipnorm": 2.0}),
    (optimizers.AdamW(), "AdamW", {}),
    (optimizers.AdamW(weight_decay=0.5), "AdamW", {"weight_decay": 0.5}),
    (optimizers.Nadam(), "Nadam", {}),
    (optimizers.Nadam(beta_1=0.5, beta_2=0.9, epsilon=0.01), "Nadam", {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.01}),
]
IDS = [f"{i}-{case[1]}" for i, case in enumerate(CASES)]


def rates(optimizer: optimizers.Optimizer) -> list[float]:
    """Rates that change in each step, as by a schedule; Adadelta's steps are short by themselves."""
    first = 1.0 if isinstance(optimizer, optimizers.Adadelta) else 0.05
    return [first / (1 + step) for step in range(NUM_STEPS)]


@pytest.fixture(scope="module")
def parameters() -> Arrays:
    rng = np.random.default_rng(1)
    return [rng.standard_normal(shape).astype(np.float32) for shape in SHAPES]


@pytest.fixture(scope="module")
def gradients() -> list[Arrays]:
    rng = np.random.default_rng(2)
    return [[rng.standard_normal(shape).astype(np.float32) for shape in SHAPES] for _ in range(NUM_STEPS)]


@pytest.fixture(scope="module")
def keras_results(
    parameters: Arrays, gradients: list[Arrays], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """Arrays "<case>_<parameter>" from one run of the other interpreter."""
    keras_python()
    folder = tmp_path_factory.mktemp("keras")
    cases = [{"class": name, "arguments": arguments, "lrs": rates(ours)} for ours, name, arguments in CASES]
    (folder / "cases.json").write_text(json.dumps(cases))
    arrays = {f"parameter{p}": array for p, array in enumerate(parameters)}
    arrays |= {f"gradient{s}_{p}": array for s, step in enumerate(gradients) for p, array in enumerate(step)}
    np.savez(folder / "given.npz", **arrays)
    run_keras("keras_optimizers_side.py", *(folder / name for name in ("cases.json", "given.npz", "results.npz")))
    with np.load(folder / "results.npz") as results:
        yield results


@pytest.mark.parametrize("index", range(len(CASES)), ids=IDS)
def test_keras_takes_the_same_steps(
    index: int, keras_results: Any, parameters: Arrays, gradients: list[Arrays]
) -> None:
    ours = CASES[index][0]
    results = core.optimizer_steps(optimizers.to_core(ours), parameters, gradients, rates(ours))
    for p, array in enumerate(results):
        # Parameters of about 1 err by 1e-7 in each step.
        np.testing.assert_allclose(array, keras_results[f"{index}_{p}"], rtol=0, atol=3e-6)
        assert np.abs(array - parameters[p]).max() > 1e-3  # far more than the tolerance


# RMSprop and Nadam are others in torch.optim: epsilon beside the root, another index in the momentum schedule.
TORCH_CASES = [case[0] for case in CASES if not isinstance(case[0], optimizers.RMSprop | optimizers.Nadam)]


def torch_optimizer(ours: optimizers.Optimizer, tensors: list[Any]) -> Any:
    optim = pytest.importorskip("torch").optim
    if isinstance(ours, optimizers.SGD):
        return optim.SGD(tensors, lr=1.0, momentum=ours.momentum, nesterov=ours.nesterov)
    if isinstance(ours, optimizers.Adadelta):
        return optim.Adadelta(tensors, lr=1.0, rho=ours.rho, eps=ours.epsilon)
    if isinstance(ours, optimizers.Adam):
        return optim.Adam(tensors, lr=1.0, betas=(ours.beta_1, ours.beta_2), eps=ours.epsilon)
    assert isinstance(ours, optimizers.AdamW)
    matrices = {"params": [tensor for tensor in tensors if tensor.ndim >= 2], "weight_decay": ours.weight_decay}
    vectors = {"params": [tensor for tensor in tensors if tensor.ndim < 2], "weight_decay": 0.0}
    return optim.AdamW([matrices, vectors], lr=1.0, betas=(ours.beta_1, ours.beta_2), eps=ours.epsilon)


@pytest.mark.parametrize("ours", TORCH_CASES, ids=lambda case: type(case).__name__)
def test_torch_takes_the_same_steps(ours: optimizers.Optimizer, parameters: Arrays, gradients: list[Arrays]) -> None:
    torch = pytest.importorskip("torch")
    tensors = [torch.tensor(array, dtype=torch.float64, requires_grad=True) for array in parameters]
    peer = torch_optimizer(ours, tensors)
    lrs = rates(ours)
    if isinstance(ours, optimizers.SGD) and ours.momentum > 0:
        lrs = lrs[:1] * NUM_STEPS  # torch's momentum is of gradients, Keras's of steps: the same where lr stays
    for number, (lr, step) in enumerate(zip(lrs, gradients, strict=True), start=1):
        for tensor, gradient in zip(tensors, step, strict=True):
            tensor.grad = torch.tensor(gradient, dtype=torch.float64)
        if ours.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(tensors, ours.clip_norm)
        for parameter_group in peer.param_groups:
            parameter_group["lr"] = lr
            if isinstance(ours, optimizers.Adam | optimizers.AdamW):  # Keras's epsilon is not divided by the correction
                parameter_group["eps"] = ours.epsilon / (1 - ours.beta_2**number) ** 0.5
        peer.step()
    results = core.optimizer_steps(optimizers.to_core(ours), parameters, gradients, lrs)
    for array, tensor in zip(results, tensors, strict=True):
        np.testing.assert_allclose(array, tensor.detach().numpy(), rtol=0, atol=3e-6)


def test_gradients_must_fit(parameters: Arrays, gradients: list[Arrays]) -> None:
    sgd = optimizers.SGD()
    for wrong in (gradients[:-1], [step[:-1] for step in gradients], [step[::-1] for step in gradients]):
        with pytest.raises(ValueError, match="gradients"):
            core.optimizer_steps(optimizers.to_core(sgd), parameters, wrong, rates(sgd))
