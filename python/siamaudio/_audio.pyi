import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

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
    def transform(self, clips: FloatArray, *, num_threads: int) -> FloatArray: ...
    def transform_files(
        self, paths: list[str], *, num_samples: int, num_threads: int
    ) -> tuple[FloatArray, list[tuple[int, str, str]]]: ...

def read_audio(path: str, *, offset_seconds: float, duration_seconds: float, mono: bool) -> tuple[FloatArray, int]: ...
def audio_info(path: str) -> tuple[int, int, int]: ...
def resample(signals: FloatArray, *, orig_sr: float, target_sr: float) -> FloatArray: ...
def libsndfile_version() -> str: ...
def libsoxr_version() -> str: ...
