"""From the files of a data set to its features, by way of the feature store.

Clips are decoded, resampled and transformed over threads in C++, a batch at a time, while the batch before is written.
Two batches of at most 64 MiB, and for each thread the samples of one clip, are all that is held, however large the
data set is; without a store the spectrograms come on top.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import statistics
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from siamaudio import store
from siamaudio._frontend import audio_core
from siamaudio.blocks import BlockLayout
from siamaudio.datasets import Clips
from siamaudio.errors import AudioError, DatasetError, ParameterError
from siamaudio.features import Features, Skipped
from siamaudio.lazy_array import converted
from siamaudio.log_mel import LogMel

__all__ = ["extract", "longest_duration"]

_BATCH_BYTES = 64 << 20  # of spectrograms computed at once: enough clips to keep many threads busy to the end
_MAX_LENGTH_RATIO = 10  # of the longest clip to the median, before a duration has to be chosen

Crop = Literal["start", "center", "random"]
Failed = list[tuple[int, str, str]]  # position in the data set, path, reason


def extract(
    front_end: LogMel,
    clips: Clips,
    *,
    path: str | os.PathLike[str] | None,
    cache: bool,
    crop: Crop,
    seed: int,
    dtype: str,
    on_error: str,
    num_threads: int | None,
    progress: bool,
) -> Features:
    """Do the work of `LogMel.transform`, which describes the parameters."""
    if on_error not in ("fail", "skip"):
        raise ParameterError("on_error", on_error, "'fail' or 'skip'")
    if crop not in ("start", "center", "random"):
        raise ParameterError("crop", crop, "'start', 'center' or 'random'")
    if dtype not in ("float32", "float16"):
        raise ParameterError("dtype", dtype, "'float32' or 'float16'")
    if not 0 <= seed < 2**64:
        raise ParameterError("seed", seed, "0 to 2^64 - 1")
    if len(clips) == 0:
        raise DatasetError("the data set is empty: at least one clip is needed")
    options = {"crop": crop, "seed": seed if crop == "random" else None, "dtype": dtype}
    work = _Work(front_end, clips, crop, seed, on_error, num_threads, progress)
    if path is None and not cache:
        return _extract_to_memory(work.with_duration(), dtype)

    fingerprint = store.fingerprint(clips, {**options, "front_end": front_end.to_dict()})
    target = store.cache_path(fingerprint) if path is None else Path(path)
    kept = store.read_if_current(target, fingerprint, on_error=on_error)
    if kept is not None:
        return kept
    store.check_writable(target)

    def tell() -> None:
        if progress:
            print(f"waiting for another process, which is making {target}", file=sys.stderr)

    with store.making(target, on_wait=tell):
        kept = store.read_if_current(target, fingerprint, on_error=on_error)
        if kept is None:
            _extract_to_store(work.with_duration(), target, fingerprint, options)
    return store.read(target) if kept is None else kept


def plan(front_end: LogMel, clips: Clips, *, on_error: str = "fail") -> tuple[LogMel, tuple[int, int, int]]:
    """Return what `extract` would make without making it: the front end with its duration, and the array's shape.

    Parameters
    ----------
    front_end : LogMel
        With a duration, or that of the longest clip is found from the files' headers.
    clips : Clips
        What it would be made of.
    on_error : {"fail", "skip"}
        What to do with a file that is none.

    Raises
    ------
    AudioError
        A file cannot be read.
    """
    work = _Work(front_end, clips, "start", 0, on_error, None, False).with_duration()
    num_clips, num_bands, num_frames = work.layout("float32").shape
    return work.front_end, (num_clips, num_bands, num_frames)


def _extract_to_store(work: _Work, target: Path, fingerprint: str, options: dict[str, Any]) -> None:
    unfinished = store.UnfinishedStore(target, fingerprint, work.layout(options["dtype"]))
    work.run(unfinished, unfinished.layout, unfinished.missing)
    if unfinished.num_readable == 0:
        unfinished.discard()
        raise _nothing_readable(work.clips)
    unfinished.finish(work.clips, work.front_end, options)


def _extract_to_memory(work: _Work, dtype: str) -> Features:
    layout = work.layout(dtype)
    memory = _Memory(layout)
    work.run(memory, layout, list(range(layout.num_blocks)))
    failed = [position for position, _, _ in memory.failed]
    if len(failed) == len(work.clips):
        raise _nothing_readable(work.clips)
    kept = np.delete(np.arange(len(work.clips)), failed)
    return Features(
        memory.array[kept] if failed else memory.array,
        clips=work.clips[kept] if failed else work.clips,
        front_end=work.front_end,
        skipped=[Skipped(path, reason) for _, path, reason in memory.failed],
        lengths=memory.lengths[kept],
    )


class _Target(Protocol):
    """Where finished blocks go."""

    def write(self, block: int, values: npt.NDArray[Any], lengths: list[int], failed: Failed) -> None: ...


class _Memory:
    """Finished blocks in one array."""

    def __init__(self, layout: BlockLayout) -> None:
        self._layout = layout
        self.array = np.empty(layout.shape, dtype=layout.dtype)
        self.lengths = np.zeros(layout.shape[0], dtype=np.int64)
        self.failed: Failed = []

    def write(self, block: int, values: npt.NDArray[Any], lengths: list[int], failed: Failed) -> None:
        clips = self._layout.clips_of(block)
        self.array[clips.start : clips.stop] = values
        self.lengths[clips.start : clips.stop] = lengths
        self.failed += failed


@dataclasses.dataclass(frozen=True)
class _Work:
    """What is to be made of which clips, and how."""

    front_end: LogMel
    clips: Clips
    crop: Crop
    seed: int
    on_error: str
    num_threads: int | None
    progress: bool

    def with_duration(self) -> _Work:
        """Return the work with the front end's duration filled in."""
        if self.front_end.duration is not None:
            return self
        duration = longest_duration(self.clips, self.on_error)
        return dataclasses.replace(self, front_end=dataclasses.replace(self.front_end, duration=duration))

    def layout(self, dtype: str) -> BlockLayout:
        """Return the layout of the array."""
        num_frames = self.front_end.num_frames(self.front_end.num_samples or 0)
        return BlockLayout.of((len(self.clips), self.front_end.n_mels, num_frames), dtype)

    def run(self, target: _Target, layout: BlockLayout, blocks: Sequence[int]) -> None:
        """Make some blocks."""
        num_left = sum(len(layout.clips_of(block)) for block in blocks)
        with _progress_bar(len(self.clips), num_left, self.progress) as bar, _BackgroundWriter(target) as writer:
            for batch in _batches(layout, blocks):
                writer.put(self._make(layout, batch))
                if bar is not None:
                    bar.update(sum(len(layout.clips_of(block)) for block in batch))

    def _make(self, layout: BlockLayout, batch: Sequence[int]) -> list[tuple[int, npt.NDArray[Any], list[int], Failed]]:
        """Return the arguments of `_Target.write` for each block."""
        positions = [position for block in batch for position in layout.clips_of(block)]
        values, lengths, failed = self.front_end.transform_files(
            [self.clips.paths[position] for position in positions],
            positions=positions,
            crop=self.crop,
            seed=self.seed,
            num_threads=self.num_threads,
        )
        if failed and self.on_error == "fail":
            _, path, reason = failed[0]
            raise AudioError(path, reason)
        values[[index for index, _, _ in failed]] = 0
        values = converted(values, np.dtype(layout.dtype))
        made = []
        start = 0
        for block in batch:
            stop = start + len(layout.clips_of(block))
            failed_here = [(positions[i], path, reason) for i, path, reason in failed if start <= i < stop]
            made.append((block, values[start:stop], lengths[start:stop].tolist(), failed_here))
            start = stop
        return made


def _progress_bar(total: int, num_left: int, is_shown: bool) -> contextlib.AbstractContextManager[tqdm[Any] | None]:
    """Return a bar, or nothing where none is asked for: a disabled one too takes a lock that tqdm shares with forks.

    A fork that is killed while it has that lock would leave this process waiting for ever.
    """
    if not is_shown:
        return contextlib.nullcontext()
    return tqdm(total=total, initial=total - num_left, desc="log-mel", unit="clip")


def _batches(layout: BlockLayout, blocks: Sequence[int]) -> Iterator[Sequence[int]]:
    """Divide blocks into batches of limited size."""
    clip_bytes = layout.shape[1] * layout.shape[2] * np.dtype(np.float32).itemsize
    step = max(1, _BATCH_BYTES // (layout.block_clips * clip_bytes))
    for start in range(0, len(blocks), step):
        yield blocks[start : start + step]


class _BackgroundWriter:
    """Writes a batch on a thread of its own while the caller makes the next; its errors come out of the next call."""

    def __init__(self, target: _Target) -> None:
        self._target = target
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="siamaudio-writer")
        self._stop = threading.Event()
        self._pending: Future[None] | None = None

    def put(self, batch: list[tuple[int, npt.NDArray[Any], list[int], Failed]]) -> None:
        """Have a batch written, after the one before."""
        self._wait()
        self._pending = self._executor.submit(self._write, batch)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        try:
            if error is None:
                self._wait()
        finally:
            self._stop.set()  # after an error, Ctrl-C among them, no further block is begun
            self._executor.shutdown()

    def _wait(self) -> None:
        if self._pending is not None:
            self._pending.result()

    def _write(self, batch: list[tuple[int, npt.NDArray[Any], list[int], Failed]]) -> None:
        for block in batch:
            if self._stop.is_set():
                return
            self._target.write(*block)


def longest_duration(clips: Clips, on_error: str = "fail") -> float:
    """Return the seconds of the longest clip, by the files' headers.

    Parameters
    ----------
    clips : Clips
        The data set.
    on_error : {"fail", "skip"}
        What to do with a clip that cannot be read: raise AudioError, or leave it out.

    Raises
    ------
    AudioError
        A clip cannot be read and `on_error` is "fail".
    DatasetError
        None can be read.
    ParameterError
        The longest clip is so much longer than the others that a length has to be chosen.
    """
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
        raise _nothing_readable(clips)
    longest, middle = max(durations), statistics.median(durations)
    if longest > _MAX_LENGTH_RATIO * middle:
        raise ParameterError(
            "duration",
            f"None for clips of {middle:.1f} s in the middle and up to {longest:.1f} s",
            "a length in seconds to cut or pad every clip to",
        )
    return longest


def _nothing_readable(clips: Clips) -> DatasetError:
    return DatasetError(f"none of the {len(clips)} clips can be read; the first is {clips.paths[0]}")
