from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

_FloatArray = npt.NDArray[np.float32]
_IntArray = npt.NDArray[np.int64]

class ConvBlockOptions:
    def __init__(self, *, filters: int, kernel_size: int, batch_norm: bool, pool_size: int, dropout: float) -> None: ...

class Siamese:
    def __init__(
        self,
        *,
        blocks: Sequence[ConvBlockOptions],
        input_batch_norm: bool,
        embedding_size: int,
        embedding_batch_norm: bool,
        embedding_dropout: float,
        distance: str,
        height: int,
        width: int,
        seed: int,
    ) -> None: ...
    def to(self, device: str) -> None: ...
    def num_parameters(self) -> int: ...
    def embed(self, spectrograms: _FloatArray, *, num_threads: int) -> _FloatArray: ...
    def similarity(self, a: _FloatArray, b: _FloatArray, *, num_threads: int) -> _FloatArray: ...
    def weights(self) -> dict[str, _FloatArray]: ...
    def set_weights(self, weights: Mapping[str, _FloatArray]) -> None: ...

def resolve_device(device: str) -> str: ...
def num_threads() -> int: ...
def cpu_capability() -> str: ...
def metric_similarity(a: _FloatArray, b: _FloatArray, *, metric: str) -> _FloatArray: ...
def exact_oneshot(
    similarity: npt.NDArray[Any], labels: _IntArray, *, num_classes: int, ways: int, num_threads: int
) -> tuple[float, npt.NDArray[np.float64], npt.NDArray[np.float64]]: ...
def fit(
    network: Siamese,
    *,
    train: _FloatArray,
    train_labels: _IntArray,
    num_train_classes: int,
    validation: _FloatArray,
    validation_labels: _IntArray,
    num_validation_classes: int,
    pairing: str,
    loss: str,
    learning_rate: float,
    learning_rate_decay: float,
    epochs: int,
    patience: int,
    batch_size: int,
    clips_per_class: int,
    negative_ratio: float,
    validation_ways: int,
    seed: int,
    num_threads: int,
    on_step: Callable[[int, int, int, float], None],
    on_epoch: Callable[[dict[str, Any]], None],
) -> int: ...
