"""From spectrograms to committed rows: embedding many at once, committing from time to time."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from siamaudio.errors import ParameterError
from siamaudio.search.collection import Addition, Collection
from siamaudio.search.embedders import Embedder
from siamaudio.search.recordings import Recording
from siamaudio.search.windows import Part

__all__ = ["EMBED_CLIPS", "Committer", "Embedding"]

EMBED_CLIPS = 256
"""Spectrograms that are embedded at once."""

_COMMIT_SECONDS = 10.0


class Committer:
    """Gathers additions, and commits them every so many recordings or seconds."""

    def __init__(self, collection: Collection, stale: dict[str, npt.NDArray[np.int64]], commit_every: int) -> None:
        self._collection = collection
        self._stale = stale
        self._commit_every = commit_every
        self._additions: list[Addition] = []
        self._last_commit = time.monotonic()
        self.num_recordings: int = 0
        self.num_items: int = 0

    def put(self, addition: Addition) -> None:
        """Add a recording; ParameterError where its embeddings are not those of the index."""
        dim = self._collection.manifest.dim
        if self._additions:
            dim = self._additions[0].vectors.shape[1]
        if dim is not None and addition.vectors.shape[1] != dim:
            raise ParameterError(
                "embeddings", f"embeddings of {addition.vectors.shape[1]} numbers", f"{dim} numbers, as the index has"
            )
        if not np.isfinite(addition.vectors).all():
            raise ParameterError(
                "embeddings", f"NaN or infinite numbers for {addition.recording.path}", "finite numbers"
            )
        self._additions.append(addition)
        if self.is_due():
            self.commit()

    def is_due(self, num_more: int = 0) -> bool:
        """Whether it is time to commit, with so many recordings more."""
        is_time = time.monotonic() - self._last_commit > _COMMIT_SECONDS
        return is_time or len(self._additions) + num_more >= self._commit_every

    def commit(self) -> None:
        """Commit what was put since the last time, and remove what it takes the place of."""
        if self._additions:
            paths = [addition.recording.path for addition in self._additions if addition.recording.is_file]
            stale = [self._stale.pop(path) for path in paths if path in self._stale]
            self._collection.commit(self._additions, np.concatenate(stale) if stale else None)
            self.num_recordings += len(self._additions)
            self.num_items += sum(len(addition.vectors) for addition in self._additions)
            self._additions = []
        self._last_commit = time.monotonic()


class Embedding:
    """Embeds the windows of recordings, many of them at once, and hands whole recordings on."""

    def __init__(self, embedder: Embedder, work: Committer, num_threads: int | None) -> None:
        self._embedder = embedder
        self._work = work
        self._num_threads = num_threads
        self._waiting: list[tuple[Recording, list[Part]]] = []  # spectrograms that are yet to be embedded
        self._num_waiting = 0

    def put(self, recording: Recording, parts: Iterator[Part]) -> None:
        """Take a recording; AudioError where it turns out to be damaged, and then nothing of it is taken."""
        taken: list[Part] = []
        embedded: list[Addition] = []
        num_taken = 0
        for part in parts:
            taken.append(part)
            num_taken += len(part.spectrograms)
            if num_taken >= EMBED_CLIPS:  # of one long recording
                embedded.append(self._embed(recording, taken))
                taken, num_taken = [], 0
        if not embedded:
            self._waiting.append((recording, taken))
            self._num_waiting += num_taken
            if self._num_waiting >= EMBED_CLIPS or self._work.is_due(len(self._waiting)):
                self.finish()
            return
        if taken:
            embedded.append(self._embed(recording, taken))
        self.finish()
        columns = zip(*(addition[1:] for addition in embedded), strict=True)
        self._work.put(Addition(recording, *(np.concatenate(column) for column in columns)))

    def finish(self) -> None:
        """Embed what is waiting."""
        waiting, self._waiting, self._num_waiting = self._waiting, [], 0
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for index, (_, parts) in enumerate(waiting):
            by_shape.setdefault(parts[0].spectrograms.shape[1:], []).append(index)
        vectors: dict[int, npt.NDArray[np.float32]] = {}
        for indices in by_shape.values():
            own = [part.spectrograms for index in indices for part in waiting[index][1]]
            sizes = [sum(len(part.spectrograms) for part in waiting[index][1]) for index in indices]
            embedded = self._vectors(np.concatenate(own))
            vectors.update(zip(indices, np.split(embedded, np.cumsum(sizes)[:-1]), strict=True))
        for index, (recording, parts) in enumerate(waiting):
            starts = np.concatenate([part.starts for part in parts])
            ends = np.concatenate([part.ends for part in parts])
            self._work.put(Addition(recording, starts, ends, vectors[index]))

    def _embed(self, recording: Recording, parts: list[Part]) -> Addition:
        starts = np.concatenate([part.starts for part in parts])
        ends = np.concatenate([part.ends for part in parts])
        return Addition(recording, starts, ends, self._vectors(np.concatenate([p.spectrograms for p in parts])))

    def _vectors(self, spectrograms: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.asarray(self._embedder.embed(spectrograms, num_threads=self._num_threads), dtype=np.float32)
