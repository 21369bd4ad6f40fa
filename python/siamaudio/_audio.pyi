import numpy as np
import numpy.typing as npt

_FloatArray = npt.NDArray[np.float32]

class LogMel:
    def __init__(
        self,
        *,
        sr: float,
        n_fft: int,
        hop_length: int,
        n_mels: int,
        fmin: float,
        fmax: float | None,
        ref: float,
        amin: float,
        top_db: float | None,
    ) -> None: ...
    def num_frames(self, num_samples: int) -> int: ...
    def transform(self, clips: _FloatArray, *, num_threads: int) -> _FloatArray: ...

def transform_files(
    log_mel: LogMel,
    paths: list[str],
    *,
    positions: npt.NDArray[np.int64],
    num_samples: int,
    crop: str,
    seed: int,
    num_threads: int,
) -> tuple[_FloatArray, npt.NDArray[np.int64], list[tuple[int, str, str]]]: ...
def read_audio(path: str, *, offset_seconds: float, duration_seconds: float, mono: bool) -> tuple[_FloatArray, int]: ...
def audio_info(path: str) -> tuple[int, int, int]: ...
def resample(signals: _FloatArray, *, orig_sr: float, target_sr: float) -> _FloatArray: ...
def libsndfile_version() -> str: ...
def libsoxr_version() -> str: ...
