from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

_FloatArray = npt.NDArray[np.float32]

class Spectrogram:
    def __init__(
        self,
        *,
        sr: float,
        n_fft: int,
        hop_length: int,
        window: npt.NDArray[np.floating[Any]],
        placement: str,
        pad_mode: str,
        gain: float,
        remove_dc: bool,
        preemphasis: float,
        kind: str,
        n_mels: int | None,
        fmin: float,
        fmax: float | None,
        mel_scale: str,
        area_norm: bool,
        linear_in_mel: bool,
        log: str,
        amin: float,
        ref: float | None,
        top_db: float | None,
        log_offset: float,
    ) -> None: ...
    @property
    def isa(self) -> str: ...
    def num_frames(self, num_samples: int) -> int: ...
    def transform(self, clips: _FloatArray, *, num_threads: int) -> _FloatArray: ...

def mel_filterbank(
    *,
    sr: float,
    n_fft: int,
    n_mels: int,
    fmin: float,
    fmax: float | None,
    mel_scale: str,
    area_norm: bool,
    linear_in_mel: bool,
) -> _FloatArray: ...
def isa() -> str: ...
def usable_isas() -> list[str]: ...
def transform_files(
    spectrogram: Spectrogram,
    paths: Sequence[bytes],
    *,
    positions: npt.NDArray[np.int64],
    num_samples: int,
    crop: str,
    seed: int,
    num_threads: int,
) -> tuple[_FloatArray, npt.NDArray[np.int64], list[tuple[int, str]]]: ...
def transform_file(
    spectrogram: Spectrogram, path: bytes, *, offset_seconds: float, duration_seconds: float, num_threads: int
) -> _FloatArray: ...
def read_audio(
    source: Any, *, offset_seconds: float, duration_seconds: float, mono: bool, sample_rate: float
) -> tuple[_FloatArray, int]: ...
def audio_info(source: Any) -> tuple[int, int, int]: ...
def resample(signals: _FloatArray, *, orig_sr: float, target_sr: float) -> _FloatArray: ...
def libsndfile_version() -> str: ...
def libsoxr_version() -> str: ...
