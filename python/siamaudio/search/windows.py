"""Spectrograms of recordings, whole or window by window, a part in memory at a time."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from siamaudio.audio import info, load, resample
from siamaudio.errors import AudioError, ParameterError
from siamaudio.log_mel import LogMel

__all__ = ["Part", "WindowReader"]

_BLOCK_SECONDS = 60.0  # of a recording that is in memory at a time
_MARGIN_SECONDS = 1  # read around a block, so that a resampled block has the values of the resampled whole
_BATCH_FILES = 32  # that are read at a time


class Part(NamedTuple):
    """Some windows of one recording.

    Attributes
    ----------
    spectrograms : np.ndarray [shape=(n, bands, frames), dtype=float32]
    starts, ends : np.ndarray [shape=(n,), dtype=float64]
        Seconds from the beginning of the recording.
    """

    spectrograms: npt.NDArray[np.float32]
    starts: npt.NDArray[np.float64]
    ends: npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class WindowReader:
    """Makes spectrograms of recordings as an index has them.

    Windows begin every hop; the last one ends where the recording ends. A recording that is shorter than a window is
    one item, and silence follows it. Without windows, a recording is one item: its beginning, as long as the front end
    says, or all of it.

    Parameters
    ----------
    front_end : LogMel
        What makes the spectrograms.
    padded_length : callable
        Of samples; returns to how many a window is padded.
    window_seconds, hop_seconds : float > 0 or None
        Both None: no windows.

    Raises
    ------
    ParameterError
        Windows are longer than the front end's clips, or further apart than they are long.
    """

    front_end: LogMel
    padded_length: Callable[[int], int]
    window_seconds: float | None
    hop_seconds: float | None

    def __post_init__(self) -> None:
        if self.window_seconds is None:
            return
        if self._window > (self.front_end.num_samples or self._window):
            accepted = f"at most {self.front_end.duration:g}, the clip length of the embedder"
            raise ParameterError("window_seconds", self.window_seconds, accepted)
        if self._hop > self._window:
            raise ParameterError("hop_seconds", self.hop_seconds, f"at most window_seconds, {self.window_seconds:g}")

    @property
    def _window(self) -> int:
        return max(1, round((self.window_seconds or 0) * self.front_end.sr))

    @property
    def _hop(self) -> int:
        return max(1, round((self.hop_seconds or 0) * self.front_end.sr))

    def of_files(
        self, paths: Sequence[str], *, num_threads: int | None
    ) -> Iterator[tuple[int, Iterator[Part] | AudioError]]:
        """Read files, several at a time.

        Parameters
        ----------
        paths : sequence of str
            Audio files.
        num_threads : int > 0 or None
            CPU threads; None: one a core.

        Yields
        ------
        index : int
            Of the file in `paths`, rising.
        parts : iterator of Part, or AudioError
            Its windows; or why it cannot be read, which the iterator of a damaged file may also raise.
        """
        with ThreadPoolExecutor(num_threads or os.cpu_count()) as pool:
            for first in range(0, len(paths), _BATCH_FILES):
                batch = paths[first : first + _BATCH_FILES]
                if self.window_seconds is None and self.front_end.duration is not None:
                    read = self._whole_files(batch, num_threads)
                else:
                    read = pool.map(self._begun, batch)
                yield from enumerate(read, start=first)

    def of_signal(self, y: npt.ArrayLike, sr: float) -> list[Part]:
        """Make the windows of a signal.

        Parameters
        ----------
        y : array-like [shape=(samples,)]
            Mono.
        sr : float > 0
            Its sample rate in Hz.
        """
        signal = resample(y, orig_sr=sr, target_sr=self.front_end.sr)
        if not len(signal):
            raise ParameterError("query", "no samples", "a sound")
        if self.window_seconds is None:
            length = self.front_end.num_samples or len(signal)
            return [self._part(signal[None, :length], np.zeros(1, dtype=np.int64), len(signal))]
        starts = _window_starts(len(signal), self._window, self._hop)
        windows = _cut(signal, starts, self._window)
        return [self._part(windows, starts, len(signal))]

    def _whole_files(self, paths: Sequence[str], num_threads: int | None) -> Iterator[Iterator[Part] | AudioError]:
        spectrograms, _, failed = self.front_end.transform_files(paths, num_threads=num_threads)
        reasons = {index: AudioError(path, reason) for index, path, reason in failed}
        for index, path in enumerate(paths):
            if index in reasons:
                yield reasons[index]
            else:
                end = min(info(path).duration, self.front_end.duration or 0)
                yield iter([Part(spectrograms[index][None], np.zeros(1), np.array([end]))])

    def _begun(self, path: str) -> Iterator[Part] | AudioError:
        """Return the windows of a file, the first of which are made now, and the others when they are asked for."""
        try:
            parts = self._whole_file(path) if self.window_seconds is None else self._windows(path)
            first = next(parts)
        except AudioError as error:
            return error
        return _chained(first, parts)

    def _whole_file(self, path: str) -> Iterator[Part]:
        most = round(_BLOCK_SECONDS * self.front_end.sr)
        y = self._samples(path, 0, most + 1)
        if not len(y):
            raise AudioError(path, "holds no samples")
        if len(y) <= most:
            yield self._part(y[None], np.zeros(1, dtype=np.int64), len(y))
        else:  # without padding, which would make little difference
            spectrogram = self.front_end.transform_file(path, num_threads=1)
            yield Part(spectrogram[None], np.zeros(1), np.array([info(path).duration]))

    def _windows(self, path: str) -> Iterator[Part]:
        window, hop = self._window, self._hop
        count = max(1, int((_BLOCK_SECONDS * self.front_end.sr - window) // hop) + 1)
        position = 0
        while True:
            asked = (count - 1) * hop + window
            block = self._samples(path, position, asked)
            if len(block) < asked:
                break
            yield self._part(_cut(block, np.arange(count) * hop, window), position + np.arange(count) * hop, None)
            position += count * hop
        total = position + len(block)
        if total == 0:
            raise AudioError(path, "holds no samples")
        starts = _window_starts(total, window, hop)
        inside = starts[starts >= position]
        if len(inside):
            yield self._part(_cut(block, inside - position, window), inside, total)
        elif starts[-1] % hop:  # the last window ends with the recording, and begins before the block
            yield self._part(self._samples(path, int(starts[-1]), window)[None], starts[-1:], total)

    def _samples(self, path: str, start: int, count: int) -> npt.NDArray[np.float32]:
        """Read samples at the front end's rate; fewer where the recording ends.

        Whole seconds are an even number of samples at any rate: what is cut off a block read from there is exact.
        """
        sr = self.front_end.sr
        base = max(0, int(start // sr) - _MARGIN_SECONDS)
        lead = start - round(base * sr)
        y, _ = load(path, sr=sr, offset=base, duration=(lead + count) / sr + _MARGIN_SECONDS)
        if not np.isfinite(y).all():
            raise AudioError(path, "holds values that are not finite")
        return y[lead : lead + count]

    def _part(self, windows: npt.NDArray[np.float32], starts: npt.NDArray[np.int64], total: int | None) -> Part:
        length = windows.shape[1]
        ends = starts + length
        if total is not None:
            ends = np.minimum(ends, total)
        windows = np.pad(windows, ((0, 0), (0, self.padded_length(length) - length)))
        sr = self.front_end.sr
        return Part(self.front_end(windows), starts / sr, ends / sr)


def _window_starts(num_samples: int, window: int, hop: int) -> npt.NDArray[np.int64]:
    """Return where windows begin: every hop, and so that the last one ends with the signal."""
    if num_samples <= window:
        return np.zeros(1, dtype=np.int64)
    starts = np.arange(0, num_samples - window + 1, hop, dtype=np.int64)
    last = num_samples - window
    return starts if starts[-1] == last else np.append(starts, last)


def _cut(signal: npt.NDArray[np.float32], starts: npt.NDArray[np.int64], window: int) -> npt.NDArray[np.float32]:
    """Return the windows of a signal, silence after its end."""
    if len(signal) < window:
        signal = np.pad(signal, (0, window - len(signal)))
    return np.lib.stride_tricks.sliding_window_view(signal, window)[starts]


def _chained(first: Part, others: Iterator[Part]) -> Iterator[Part]:
    yield first
    yield from others
