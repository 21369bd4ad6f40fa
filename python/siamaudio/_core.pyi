from collections.abc import Callable, Mapping, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

_FloatArray = npt.NDArray[np.float32]
_IntArray = npt.NDArray[np.int64]

class ConvBlockOptions:
    def __init__(
        self,
        *,
        filters: int,
        kernel_size: tuple[int, int],
        stride: tuple[int, int],
        padding: str,
        batch_norm: bool,
        activation: str,
        pooling: str,
        pool_size: tuple[int, int],
        dropout: float,
    ) -> None: ...

class DenseOptions:
    def __init__(self, *, units: int, batch_norm: bool, activation: str, dropout: float) -> None: ...

class EncoderOptions:
    def __init__(
        self,
        *,
        input_batch_norm: bool,
        blocks: Sequence[ConvBlockOptions],
        pooling: str,
        dense: Sequence[DenseOptions],
        l2_normalize: bool,
    ) -> None: ...

class Siamese:
    def __init__(
        self,
        *,
        encoder: EncoderOptions,
        distance: str,
        head: str | None,
        input_shape: tuple[int, int, int],
        seed: int,
    ) -> None: ...
    def to(self, device: str) -> None: ...
    def num_parameters(self) -> int: ...
    def embed(self, spectrograms: _FloatArray, *, num_threads: int) -> _FloatArray: ...
    def similarity(self, a: _FloatArray, b: _FloatArray, *, num_threads: int) -> _FloatArray: ...
    def add_classifier(self, num_classes: int, kind: str) -> None: ...
    def classifier_logits(self, embeddings: _FloatArray) -> _FloatArray: ...
    def set_calibration(self, *, power: _FloatArray, mean: _FloatArray, matrix: _FloatArray) -> None: ...
    def clear_calibration(self) -> None: ...
    @property
    def has_classifier(self) -> bool: ...
    @property
    def is_calibrated(self) -> bool: ...
    @property
    def has_head(self) -> bool: ...
    @property
    def embedding_size(self) -> int: ...
    def layers(self) -> list[dict[str, Any]]: ...
    def weights(self) -> dict[str, _FloatArray]: ...
    def set_weights(self, weights: Mapping[str, _FloatArray]) -> None: ...

class SupportExplainer:
    def __init__(
        self,
        network: Siamese,
        *,
        query: _FloatArray,
        supports: _FloatArray,
        fills: _FloatArray,
        num_threads: int,
    ) -> None: ...
    @property
    def similarities(self) -> npt.NDArray[np.float64]: ...
    def kept_similarities(
        self,
        support: int,
        *,
        segments: _IntArray,
        kept: npt.NDArray[np.uint8],
        num_threads: int,
        on_progress: Callable[[int, int], None],
    ) -> npt.NDArray[np.float64]: ...
    def sinex(
        self, segments: _IntArray, *, replaced: str, num_threads: int, on_progress: Callable[[int, int], None]
    ) -> list[npt.NDArray[np.float64]]: ...
    def sinexc(
        self,
        segments: _IntArray,
        *,
        replaced: str,
        alpha: int,
        beta: float,
        are_shared: bool,
        seed: int,
        num_threads: int,
        on_progress: Callable[[int, int], None],
    ) -> list[npt.NDArray[np.float64]]: ...
    def rise(
        self,
        *,
        num_masks: int,
        rows: int,
        columns: int,
        keep: float,
        seed: int,
        num_threads: int,
        on_progress: Callable[[int, int], None],
    ) -> _FloatArray: ...
    def occlusion(
        self,
        *,
        height: int,
        width: int,
        row_step: int,
        column_step: int,
        num_threads: int,
        on_progress: Callable[[int, int], None],
    ) -> _FloatArray: ...
    def gradient_times_input(self, *, num_threads: int, on_progress: Callable[[int, int], None]) -> _FloatArray: ...
    def integrated_gradients(
        self, *, steps: int, num_threads: int, on_progress: Callable[[int, int], None]
    ) -> _FloatArray: ...

def draw_coalitions(
    num_segments: int, *, alpha: int, beta: float, are_shared: bool, seed: int
) -> tuple[npt.NDArray[np.uint8], _IntArray]: ...
def replacement_values(
    spectrograms: _FloatArray, *, segments: _IntArray, replacement: str, levels: Sequence[float], seed: int
) -> _FloatArray: ...
def embedding_size(encoder: EncoderOptions, *, input_shape: tuple[int, int, int]) -> int: ...
def fit_calibration(
    embeddings: _FloatArray, labels: _IntArray, *, power: float, shrinkage: float
) -> tuple[_FloatArray, _FloatArray, _FloatArray]: ...

class BinaryCrossentropyOptions:
    def __init__(self, *, weight: float) -> None: ...

class MeanSquaredErrorOptions:
    def __init__(self, *, weight: float) -> None: ...

class ContrastiveOptions:
    def __init__(self, *, margin: float, form: str, weight: float) -> None: ...

class TripletOptions:
    def __init__(self, *, margin: float, distance: str, mining: str, weight: float) -> None: ...

class CrossEntropyOptions:
    def __init__(self, *, label_smoothing: float, weight: float) -> None: ...

class CosineSoftmaxOptions:
    def __init__(self, *, scale: float, weight: float) -> None: ...

class ArcFaceOptions:
    def __init__(self, *, scale: float, margin: float, weight: float) -> None: ...

class ClassMemoryOptions:
    def __init__(self, *, schedule: str, weight: float) -> None: ...

class PrototypicalOptions:
    def __init__(self, *, weight: float) -> None: ...

class SupervisedContrastiveOptions:
    def __init__(self, *, temperature: float, weight: float) -> None: ...

_LossOptions = (
    BinaryCrossentropyOptions
    | MeanSquaredErrorOptions
    | ContrastiveOptions
    | TripletOptions
    | CrossEntropyOptions
    | CosineSoftmaxOptions
    | ArcFaceOptions
    | ClassMemoryOptions
    | PrototypicalOptions
    | SupervisedContrastiveOptions
)

class ScheduleOptions:
    def __init__(
        self,
        *,
        kind: str,
        decay: float = ...,
        warmup: float = ...,
        final: float = ...,
        factor: float = ...,
        patience: int = ...,
        min_lr: float = ...,
    ) -> None: ...

class OptimizerOptions:
    def __init__(
        self,
        *,
        kind: str,
        lr: float,
        momentum: float = ...,
        nesterov: bool = ...,
        rho: float = ...,
        beta_1: float = ...,
        beta_2: float = ...,
        epsilon: float = ...,
        weight_decay: float = ...,
        clip_norm: float | None = ...,
        moving_average: float | None = ...,
        schedule: ScheduleOptions = ...,
    ) -> None: ...

def optimizer_steps(
    options: OptimizerOptions,
    parameters: Sequence[_FloatArray],
    gradients: Sequence[Sequence[_FloatArray]],
    lrs: Sequence[float],
) -> list[_FloatArray]: ...
def scheduled_lr(options: ScheduleOptions, lr: float, step: int, total_steps: int) -> float: ...

class HonkaPairsOptions:
    def __init__(self, *, batch_size: int, negative_ratio: float) -> None: ...

class AnchorPairsOptions:
    def __init__(self, *, num_positive: int, num_negative: int, steps_per_epoch: int) -> None: ...

class RandomPairsOptions:
    def __init__(self, *, batch_size: int, num_positive: int, num_negative: int) -> None: ...

class RandomTripletsOptions:
    def __init__(self, *, batch_size: int, triplets_per_anchor: int) -> None: ...

class BalancedOptions:
    def __init__(self, *, batch_size: int, clips_per_class: int, negative_ratio: float) -> None: ...

class ShuffledOptions:
    def __init__(self, *, batch_size: int) -> None: ...

class EpisodesOptions:
    def __init__(self, *, ways: int, shots: int, queries: int, episodes_per_epoch: int) -> None: ...

_SamplerOptions = (
    HonkaPairsOptions
    | AnchorPairsOptions
    | RandomPairsOptions
    | RandomTripletsOptions
    | BalancedOptions
    | ShuffledOptions
    | EpisodesOptions
)

class TimeShiftOptions:
    def __init__(self, *, probability: float) -> None: ...

class TimeStretchOptions:
    def __init__(self, *, max_factor: float, probability: float) -> None: ...

class FrequencyScaleOptions:
    def __init__(self, *, max_factor: float, probability: float) -> None: ...

class FrequencyShiftOptions:
    def __init__(self, *, max_bands: float, probability: float) -> None: ...

class RandomCropOptions:
    def __init__(self, *, frames: int) -> None: ...

class GainOptions:
    def __init__(self, *, max_gain: float, max_offset: float, probability: float) -> None: ...

class NoiseOptions:
    def __init__(self, *, std: float, probability: float) -> None: ...

class SpecAugmentOptions:
    def __init__(
        self,
        *,
        num_time_masks: int,
        max_time_frames: int,
        num_frequency_masks: int,
        max_bands: int,
        value: float | None,
        probability: float,
    ) -> None: ...

class MixupOptions:
    def __init__(self, *, alpha: float, probability: float) -> None: ...

class FrequencyMixStyleOptions:
    def __init__(self, *, alpha: float, probability: float) -> None: ...

class RandomFrequencyResponseOptions:
    def __init__(self, *, max_offset: float, num_points: int, probability: float) -> None: ...

_AugmentOptions = (
    TimeShiftOptions
    | TimeStretchOptions
    | FrequencyScaleOptions
    | FrequencyShiftOptions
    | RandomCropOptions
    | GainOptions
    | NoiseOptions
    | SpecAugmentOptions
    | MixupOptions
    | FrequencyMixStyleOptions
    | RandomFrequencyResponseOptions
)

def plan_epoch(
    sampler: _SamplerOptions, *, labels: _IntArray, num_classes: int, seed: int, epoch: int
) -> list[tuple[_IntArray, int, _IntArray, npt.NDArray[np.bool_], _IntArray, int]]: ...
def augment(
    augmentations: Sequence[_AugmentOptions], spectrograms: _FloatArray, *, seed: int, device: str
) -> _FloatArray: ...
def resolve_device(device: str) -> str: ...
def resolve_precision(*, precision: str, device: str) -> str: ...
def num_threads() -> int: ...
def fused_kernels() -> str:
    """Instruction set of our own kernels for networks, and the channel counts that they serve."""

def cpu_capability() -> str: ...
def metric_similarity(a: _FloatArray, b: _FloatArray, *, metric: str) -> _FloatArray: ...

class Tasks:
    """Sampled tasks: classes, supports and queries."""

    @overload
    def __init__(
        self,
        labels: _IntArray,
        *,
        sources: _IntArray | None,
        num_classes: int,
        ways: int,
        shots: int,
        queries: int,
        tasks: int,
        is_stratified: bool,
        has_one_query: bool,
        seed: int,
        num_threads: int,
    ) -> None: ...
    @overload
    def __init__(self, classes: _IntArray, supports: _IntArray, queries: _IntArray) -> None: ...
    @property
    def classes(self) -> _IntArray: ...
    @property
    def supports(self) -> _IntArray: ...
    @property
    def queries(self) -> _IntArray: ...
    def score(
        self,
        similarity: npt.NDArray[Any],
        shares: npt.NDArray[np.float64],
        *,
        first_row: int,
        merge: str,
        weights: Sequence[float],
        neighbours: int,
        num_threads: int,
    ) -> None: ...
    def score_centroids(
        self, embeddings: _FloatArray, shares: npt.NDArray[np.float64], *, num_threads: int
    ) -> None: ...

class ExactOneShot:
    """One-shot tasks of all kinds that some clips allow."""

    def __init__(
        self,
        labels: _IntArray,
        *,
        sources: _IntArray | None,
        num_classes: int,
        ways: int,
        most_ways: int,
        confusion: bool,
    ) -> None: ...
    def score(
        self, similarity: npt.NDArray[Any], *, first_query: int, num_threads: int
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64] | None, npt.NDArray[np.float64]]: ...

def classifier_kind(losses: Sequence[_LossOptions]) -> str | None: ...
def fit(
    network: Siamese,
    *,
    train: _FloatArray,
    train_labels: _IntArray,
    num_train_classes: int,
    validation: _FloatArray,
    validation_labels: _IntArray,
    num_validation_classes: int,
    losses: Sequence[_LossOptions],
    sampler: _SamplerOptions,
    augment: Sequence[_AugmentOptions],
    optimizer: OptimizerOptions,
    epochs: int,
    steps_per_epoch: int,
    patience: int,
    validation_freq: int,
    validation_ways: int,
    checkpoint_every: int,
    precision: str,
    seed: int,
    num_threads: int,
    state: tuple[dict[str, Any], dict[str, npt.NDArray[Any]]] | None,
    on_step: Callable[[int, int, int, float], None],
    on_epoch: Callable[[dict[str, Any]], bool],
    on_checkpoint: Callable[[dict[str, Any], dict[str, npt.NDArray[Any]]], None] | None,
    feature_memory: str = "auto",
) -> int: ...
