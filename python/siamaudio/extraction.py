"""From the files of a data set to its features, by way of the feature store."""

from __future__ import annotations

import dataclasses
import os
import statistics
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from siamaudio import store
from siamaudio._frontend import audio_core
from siamaudio.datasets import Clips
from siamaudio.errors import AudioError, DatasetError, ParameterError
from siamaudio.features import Features, Skipped
from siamaudio.log_mel import LogMel

__all__ = ["extract"]

_BLOCK_CLIPS = 32  # between two moves of the progress bar
_MAX_LENGTH_RATIO = 10  # of the longest clip to the median, before a duration has to be chosen


def extract(
    front_end: LogMel,
    clips: Clips,
    *,
    path: str | os.PathLike[str] | None,
    cache: bool,
    on_error: str,
    num_threads: int | None,
    progress: bool,
) -> Features:
    """Do the work of `LogMel.transform`, which describes the parameters."""
    if on_error not in ("fail", "skip"):
        raise ParameterError("on_error", on_error, "'fail' or 'skip'")
    if len(clips) == 0:
        raise DatasetError("the data set is empty: at least one clip is needed")
    fingerprint = store.fingerprint(clips, front_end.to_dict(), on_error)
    target = Path(path) if path is not None else store.cache_path(fingerprint) if cache else None
    if target is not None:
        kept = store.read_if_current(target, fingerprint)
        if kept is not None:
            return kept
        store.check_writable(target)

    front_end = dataclasses.replace(front_end, duration=front_end.duration or _longest_duration(clips, on_error))
    spectrograms, skipped = _transform(front_end, clips, on_error, num_threads, progress)
    unreadable = {skip.path for skip in skipped}
    kept_clips = clips[np.array([path not in unreadable for path in clips.paths])]
    features = Features(spectrograms, clips=kept_clips, front_end=front_end, skipped=skipped)
    if target is not None:
        store.write(target, features, fingerprint=fingerprint)
    return features


def _longest_duration(clips: Clips, on_error: str) -> float:
    """Seconds of the longest clip, by the files' headers."""
    durations: list[float] = []
    for path in clips.paths:
        try:
            num_frames, sr, _ = audio_core.audio_info(path)
        except AudioError:
            if on_error == "fail":
                raise
            continue
        durations.append(num_frames / sr)
    if not any(durations):
        raise DatasetError(f"none of the {len(clips)} clips can be read; the first is {clips.paths[0]}")
    longest, middle = max(durations), statistics.median(durations)
    if longest > _MAX_LENGTH_RATIO * middle:
        raise ParameterError(
            "duration",
            f"None for clips of {middle:.1f} s in the middle and up to {longest:.1f} s",
            "a length in seconds to cut or pad every clip to",
        )
    return longest


def _transform(
    front_end: LogMel, clips: Clips, on_error: str, num_threads: int | None, progress: bool
) -> tuple[npt.NDArray[np.float32], list[Skipped]]:
    """Spectrograms of the clips that can be read, block by block so that the progress bar moves."""
    num_frames = front_end.num_frames(front_end.num_samples or 0)
    spectrograms = np.empty((len(clips), front_end.n_mels, num_frames), dtype=np.float32)
    skipped: list[Skipped] = []
    num_kept = 0
    with tqdm(total=len(clips), desc="log-mel", unit="clip", disable=not progress) as bar:
        for start in range(0, len(clips), _BLOCK_CLIPS):
            paths = list(clips.paths[start : start + _BLOCK_CLIPS])
            block, failed = front_end.transform_files(paths, num_threads=num_threads)
            if failed and on_error == "fail":
                _, path, reason = failed[0]
                raise AudioError(path, reason)
            skipped.extend(Skipped(path, reason) for _, path, reason in failed)
            good = np.delete(block, [index for index, _, _ in failed], axis=0)
            spectrograms[num_kept : num_kept + len(good)] = good
            num_kept += len(good)
            bar.update(len(paths))
    if num_kept == 0:
        raise DatasetError(f"none of the {len(clips)} clips can be read; the first: {skipped[0]}")
    return spectrograms[:num_kept], skipped
