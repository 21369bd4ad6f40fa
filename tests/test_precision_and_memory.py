"""What a training computes in, and what it says when memory runs out, as far as a CPU can show it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import siamaudio as sa


@pytest.fixture(scope="module")
def features() -> sa.Features:
    clips = np.random.default_rng(0).standard_normal((8, 16, 16))
    return sa.Features.from_arrays(clips, list("aabbccdd"))


@pytest.fixture
def net() -> sa.SiameseNetwork:
    encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=8, kernel_size=3),), dense=(sa.Dense(units=8),))
    return sa.SiameseNetwork(encoder)


def test_the_cpu_computes_in_float32(net: sa.SiameseNetwork, features: sa.Features) -> None:
    weights = {}
    for precision in ("auto", "float32"):
        net.fit(features, epochs=1, device="cpu", precision=precision, num_threads=1, progress=False)
        weights[precision] = net.weights()
    for name, array in weights["auto"].items():
        np.testing.assert_array_equal(array, weights["float32"][name])


@pytest.mark.parametrize("precision", ["bf16", "float16", "", "FLOAT32"])
def test_what_a_cpu_cannot_is_named(net: sa.SiameseNetwork, features: sa.Features, precision: Any) -> None:
    message = f"^precision: got {precision}; accepted: 'auto' or 'float32' on cpu: bf16 needs a CUDA device"
    with pytest.raises(sa.ParameterError, match=message):
        net.fit(features, device="cpu", precision=precision, progress=False)
    with pytest.raises(sa.TrainingError, match="not trained"):
        net.weights()


OUT_OF_MEMORY = """
import resource, sys
import numpy as np
import siamaudio as sa
from siamaudio import samplers

clips = np.random.default_rng(0).standard_normal((64, 128, 400)).astype(np.float32)
features = sa.Features.from_arrays(clips, np.repeat(list("abcdefgh"), 8))
net = sa.SiameseNetwork.preset("honka2019").set_params(sampler=eval(sys.argv[1]))
net.build(features.shape[1:])
before = net.weights()
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 900_000_000, resource.RLIM_INFINITY))
try:
    net.fit(features, epochs=1, warm_start=True, device="cpu", num_threads=1, progress=False)
except sa.TrainingError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert all(np.array_equal(array, before[name]) for name, array in net.weights().items())
net.set_params(sampler=samplers.Balanced(batch_size=16))
net.fit(features, epochs=1, steps_per_epoch=1, warm_start=True, device="cpu", num_threads=1, progress=False)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's limit of address space")
@pytest.mark.parametrize(
    ("sampler", "clips", "option"),
    [
        ("samplers.Balanced(batch_size=64)", 64, "batch_size"),
        ("samplers.Episodes(ways=8, shots=1, queries=7)", 64, "the sampler's ways, shots or queries"),
    ],
)
def test_out_of_memory_names_what_to_lower(sampler: str, clips: int, option: str) -> None:
    done = subprocess.run([sys.executable, "-c", OUT_OF_MEMORY, sampler], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = done.stdout.strip()
    start = f"out of memory on cpu: a training step of {clips} clips asked for "
    assert said.startswith(start)
    amount, unit, end = said.removeprefix(start).split(" ", maxsplit=2)
    assert float(amount) > 0
    assert unit in ("MiB", "GiB")
    assert end == f"more than there is; lower {option}"
