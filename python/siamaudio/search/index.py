"""`SearchIndex`: the sounds most like this one."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import warnings
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from siamaudio.datasets import Clips
from siamaudio.errors import AudioError, ParameterError, StoreError
from siamaudio.features import Features, Skipped
from siamaudio.files import told_as_store_error
from siamaudio.search import embedders, filters, listing
from siamaudio.search.adding import EMBED_CLIPS, Committer, Embedding
from siamaudio.search.collection import Addition, Collection, Table, is_folder_of_index
from siamaudio.search.embedders import Embedder
from siamaudio.search.engines import Engine, make_engine
from siamaudio.search.filters import Labels, Where
from siamaudio.search.listing import PathLike, Sounds
from siamaudio.search.manifest import MANIFEST, IndexOptions, Manifest
from siamaudio.search.options import Backend, Exact, registry
from siamaudio.search.recordings import Recording
from siamaudio.search.result import Hit, SearchResult
from siamaudio.search.vectors import DTYPES, METRICS, Dtype, Metric
from siamaudio.search.windows import Part, WindowReader

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Added", "SearchIndex"]

BackendName = Literal["exact", "faiss-hnsw", "faiss-ivfpq", "milvus"]

_DEFAULT_HITS = 10


@dataclasses.dataclass(frozen=True)
class Added:
    """What `SearchIndex.add` did.

    Attributes
    ----------
    num_added : int
        Recordings that were not there, or only in another state.
    num_present : int
        Recordings that were there already.
    num_items : int
        Items that the added recordings are in the index: windows, or one each.
    skipped : tuple of Skipped
        Recordings that could not be read.
    """

    num_added: int
    num_present: int
    num_items: int
    skipped: tuple[Skipped, ...] = ()


class SearchIndex:
    """Sounds by their embeddings, in memory or in a folder, to be asked for those most like a given one.

    What is added is embedded once and kept: a recording that is there already is not read again, one whose file has
    changed is replaced. In a folder, additions are committed from time to time; whatever ends the process, what was
    committed is there when the index is opened again, and adding the same again adds what is missing.

    Parameters
    ----------
    embedder : Embedder or None
        What makes embeddings of sounds: a trained `SiameseNetwork`, a model of `siamaudio.models`, or any object with
        ``embed``, ``fingerprint`` and ``front_end_``. None: embeddings come from elsewhere.
    path : path-like or None
        The folder; an index that lies there is opened, and goes on. None: in memory.
    backend : {"exact", "faiss-hnsw", "faiss-ivfpq", "milvus"}, option of `siamaudio.search`, or None
        How to search. All find the same items; approximate ones may miss some, in return for time or memory. None: as
        the index is searched already, a new one exactly.
    metric : {"cosine", "euclidean", "inner_product"} or None
        What similarity is; None: the index's, of a new one the network's own where that is the Euclidean distance, or
        else the cosine.
    dtype : {"float32", "float16", "int8"} or None
        What embeddings are kept in, in memory and on the disk; None: the index's, of a new one float32.
    window_seconds : float > 0 or None
        Divide recordings into windows of this length, each an item, so that a hit tells where in a recording. None: as
        the index does; in a new one each recording is one item, its beginning as long as the embedder's clips.
    hop_seconds : float > 0 or None
        From the beginning of a window to that of the next; None: half a window.

    Raises
    ------
    ParameterError
        An option is not accepted, or not the one that the index was made with.
    StoreError
        The folder holds something else, is damaged, or was made with another embedder.
    ImportError
        The backend needs a package that is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> index = sa.SearchIndex(None)
    >>> index.add(embeddings=np.eye(3), metadata={"path": ["a.wav", "b.wav", "c.wav"], "label": ["dog", "cat", "dog"]})
    Added(num_added=3, num_present=0, num_items=3, skipped=())
    >>> index.query(embeddings=[0.9, 0.1, 0.0], k=2).to_frame()["path"].tolist()
    ['a.wav', 'b.wav']
    >>> index.query(embeddings=[0.0, 1.0, 0.5], k=1, label="dog").hits[0][0].path
    'c.wav'
    """

    def __init__(
        self,
        embedder: Embedder | None,
        path: PathLike | None = None,
        *,
        backend: BackendName | Backend | None = None,
        metric: Metric | None = None,
        dtype: Dtype | None = None,
        window_seconds: float | None = None,
        hop_seconds: float | None = None,
    ) -> None:
        chosen = None if backend is None else registry.parse(backend)
        options = _checked_options(embedder, metric, dtype, window_seconds, hop_seconds)
        folder = None if path is None else Path(path)
        self.embedder = embedder
        self._engine: Engine | None = None
        if folder is not None and (folder / MANIFEST).is_file():
            self._collection = Collection.open(folder)
            self._check_embedder()
            _check_same(self._collection.manifest.options, options, given=(metric, dtype, window_seconds, hop_seconds))
        else:
            self._collection = _created(embedder, folder, options, Exact() if chosen is None else chosen)
        kept = registry.from_dict(self._collection.manifest.backend)
        self._backend: Backend = kept if chosen is None else chosen
        self._reader = _reader(embedder, self._collection.manifest.options)
        self._make_engine()

    @classmethod
    def open(
        cls, path: PathLike, embedder: Embedder | None = None, *, backend: BackendName | Backend | None = None
    ) -> Self:
        """Open an index that lies in a folder.

        Parameters
        ----------
        path : path-like
            The folder.
        embedder : Embedder or None
            What the index was made with; None: the copy that lies in the folder.
        backend : str, option of `siamaudio.search`, or None
            How to search; None: as the index is searched already.

        Returns
        -------
        SearchIndex

        Raises
        ------
        StoreError
            There is no index, it is damaged, or it was made with another embedder.
        CheckpointError
            The copy of the embedder is damaged.
        """
        folder = Path(path)
        described = Manifest.read(folder).options.embedder
        if embedder is None and described is not None:
            embedder = embedders.load(folder, described)
        return cls(embedder, folder, backend=backend)

    # ---- What is in it

    def __len__(self) -> int:
        return self._collection.table.num_alive

    @property
    def path(self) -> Path | None:
        """The folder, None in memory."""
        return self._collection.folder

    @property
    def metric(self) -> Metric:
        """What similarity is."""
        return self._collection.manifest.options.metric

    @property
    def dtype(self) -> Dtype:
        """What embeddings are kept in."""
        return self._collection.manifest.options.dtype

    @property
    def backend(self) -> Backend:
        """How it is searched."""
        return self._backend

    @property
    def dim(self) -> int | None:
        """Numbers of an embedding, None before there is one."""
        return self._collection.manifest.dim

    @property
    def window_seconds(self) -> float | None:
        """Length of a window, None where recordings are items as a whole."""
        return self._collection.manifest.options.window_seconds

    @property
    def hop_seconds(self) -> float | None:
        """Seconds from the beginning of a window to that of the next."""
        return self._collection.manifest.options.hop_seconds

    def to_frame(self) -> pd.DataFrame:
        """Return one row an item: path, label, start_seconds, end_seconds, then other metadata."""
        table = self._collection.table
        return filters.as_frame(table, np.flatnonzero(table.is_alive))

    def embeddings(self) -> npt.NDArray[np.float32]:
        """Return the embeddings of all items, in the order of `to_frame` [shape=(items, dim), dtype=float32]."""
        return self._collection.vectors(np.flatnonzero(self._collection.table.is_alive))

    def __repr__(self) -> str:
        where = "in memory" if self.path is None else str(self.path)
        return f"SearchIndex({where}: {len(self)} items, {self.metric}, {self.dtype}, {self._backend!r})"

    # ---- Changing it

    def add(
        self,
        clips: Sounds | None = None,
        *,
        embeddings: npt.ArrayLike | None = None,
        metadata: listing.Metadata | None = None,
        on_error: Literal["fail", "skip"] = "fail",
        commit_every: int = 256,
        num_threads: int | None = None,
        progress: bool = True,
    ) -> Added:
        """Add recordings; those that are there already cost next to nothing.

        Parameters
        ----------
        clips : path-like, sequence of path-like, Clips, Features or None
            A folder, a table ``*.csv`` or ``*.parquet`` (see `siamaudio.datasets.table`), one audio file or several, a
            data set, or features by the embedder's front end. Of a folder that is no known data set every audio file
            is taken, labelled by the subfolder that it lies in. Features are added as they are, windows or not.
        embeddings : array-like or None [shape=(items, dim)]
            In the place of `clips`.
        metadata : mapping from str to sequence, pandas.DataFrame or None
            Columns with one value a clip, in the order of `clips`: text, numbers, truth values or None. With
            `embeddings`, the columns path, label, start_seconds and end_seconds have their usual meaning.
        on_error : {"fail", "skip"}
            What to do with a recording that cannot be read: raise AudioError, or leave it out and warn.
        commit_every : int > 0
            Recordings from one commit to the next; ten seconds without one also end with a commit.
        num_threads : int > 0 or None
            CPU threads; None: one a core.
        progress : bool
            Show a progress bar on stderr.

        Returns
        -------
        Added

        Raises
        ------
        AudioError
            A recording cannot be read and `on_error` is "fail". What was committed before stays.
        DatasetError
            A folder has no recordings.
        ParameterError
            Embeddings have another size than those of the index or are not finite, or arguments do not go together.
        StoreError
            The folder cannot be written, another process is writing, or the embedder was trained further; what was
            committed before stays.

        Examples
        --------
        >>> import siamaudio as sa
        >>> front_end = sa.LogMel(sr=16000, n_fft=512, hop_length=256, n_mels=16, duration=1.0)
        >>> clips = sa.datasets.synthetic(2, 4)
        >>> encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=4),), dense=(sa.Dense(units=8),))
        >>> net = sa.SiameseNetwork(encoder)
        >>> net = net.fit(front_end.transform(clips, progress=False), epochs=1, progress=False)
        >>> index = sa.SearchIndex(net)
        >>> index.add(clips, progress=False)
        Added(num_added=8, num_present=0, num_items=8, skipped=())
        >>> index.add(clips, progress=False).num_present
        8
        """
        if (clips is None) == (embeddings is None):
            raise ParameterError("add", "neither" if clips is None else "both", "clips, or embeddings")
        if on_error not in ("fail", "skip"):
            raise ParameterError("on_error", on_error, "'fail' or 'skip'")
        if commit_every < 1:
            raise ParameterError("commit_every", commit_every, "1 or more")
        columns = listing.columns_of(metadata)
        if embeddings is not None:
            vectors = _matrix(embeddings, "embeddings")
            recordings, starts, ends = listing.of_embeddings(vectors, columns)
            with self._writing():
                wanted, present, stale = self._sorted_out(recordings)
                work = Committer(self._collection, stale, commit_every)
                for index in wanted:
                    one = slice(index, index + 1)
                    work.put(Addition(recordings[index], starts[one], ends[one], vectors[one]))
                return self._finished(work, present, ())
        if isinstance(clips, Features):
            return self._add_features(clips, columns, commit_every, num_threads, progress)
        if isinstance(clips, Clips):
            return self._add_files(listing.of_clips(clips, columns), on_error, commit_every, num_threads, progress)
        assert clips is not None
        return self._add_files(listing.of_paths(clips, columns), on_error, commit_every, num_threads, progress)

    def remove(
        self,
        paths: PathLike | Sequence[PathLike] | None = None,
        *,
        label: Labels | None = None,
        where: Where | None = None,
        dry_run: bool = False,
    ) -> int:
        """Remove items; what is given of paths, label and where must all hold of them.

        Parameters
        ----------
        paths : path-like, sequence of path-like, or None
            Recordings, all windows of each.
        label : str, sequence of str, or None
            Classes.
        where : mapping, callable or None
            As for `query`.
        dry_run : bool
            Remove nothing, only count.

        Returns
        -------
        int
            Items that were removed, or would be. Their space is given back by `compact`.

        Raises
        ------
        ParameterError
            Nothing is given, or a path or a label is not in the index.
        StoreError
            As for `add`.
        """
        if paths is None and label is None and where is None:
            raise ParameterError("remove", "nothing", "paths, label or where")

        def choose(table: Table) -> npt.NDArray[np.bool_]:
            wanted = None
            if paths is not None:
                given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
                known = {recording.path for recording in table.recordings}
                wanted = [_known_path(os.fspath(path), known) for path in given]
            return filters.chosen_rows(table, paths=wanted, label=label, where=where)

        if dry_run:
            return int(choose(self._collection.table).sum())
        with self._writing() as collection:
            chosen = choose(collection.table)
            if chosen.any():
                collection.commit(removed_ids=collection.table.ids[chosen])
                self._save_engine()
            return int(chosen.sum())

    def compact(self) -> None:
        """Give back the space of items that were removed, and make approximate structures anew.

        Raises
        ------
        StoreError
            As for `add`.
        """
        with self._writing() as collection:
            collection.compact()
            self._save_engine()

    def close(self) -> None:
        """Let go of a backend's files and connections; the index is not to be used any more."""
        if self._engine is not None:
            self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- Searching

    def query(
        self,
        sounds: PathLike | Sequence[PathLike] | npt.ArrayLike | Features | None = None,
        *,
        embeddings: npt.ArrayLike | None = None,
        sr: float | None = None,
        k: int | None = None,
        label: Labels | None = None,
        where: Where | None = None,
        num_threads: int | None = None,
    ) -> SearchResult:
        """Find the items most like a sound, or like each of several.

        A recording is embedded as those of the index are. Where it has several windows, an item counts by the window
        that it is most similar to.

        Parameters
        ----------
        sounds : path-like, sequence of path-like, array-like, Features or None
            Audio files; samples of one mono signal (with `sr`); one spectrogram (bands, frames) or several
            (clips, bands, frames) by the embedder's front end; features.
        embeddings : array-like or None [shape=(dim,) or (queries, dim)]
            In the place of `sounds`.
        sr : float > 0 or None
            Sample rate of samples, in Hz.
        k : int > 0 or None
            Items to find for each query; None: ten, or all where there are fewer. With a filter that fewer items pass,
            these are found.
        label : str, sequence of str, or None
            Only items of these classes.
        where : mapping, callable or None
            Only items whose columns have these values, ``{"fold": 4, "source": ["a", "b"]}`` (of a list: any of them);
            or a callable that gets the table of `to_frame` and returns a truth value a row.
        num_threads : int > 0 or None
            CPU threads; None: one a core.

        Returns
        -------
        SearchResult

        Raises
        ------
        AudioError
            A recording cannot be read.
        ParameterError
            `k` is larger than the index, embeddings have another size or are not finite, there is no such label or
            column, or arguments do not go together.
        """
        if (sounds is None) == (embeddings is None):
            raise ParameterError("query", "neither" if sounds is None else "both", "sounds, or embeddings")
        if k is not None and not 1 <= k <= len(self):
            accepted = f"1 to {len(self)}, the items of the index" if len(self) else "nothing: the index is empty"
            raise ParameterError("k", k, accepted)
        if embeddings is not None:
            vectors = _matrix(np.atleast_2d(np.asarray(embeddings)), "embeddings")
            names: list[str | None] = [None] * len(vectors)
            query_of_vector = np.arange(len(vectors))
        else:
            names, query_of_vector, vectors = self._embedded_queries(sounds, sr, num_threads)
        if self.dim is not None and vectors.shape[1] != self.dim:
            raise ParameterError(
                "query", f"embeddings of {vectors.shape[1]} numbers", f"{self.dim} numbers each, as those of the index"
            )
        allowed = filters.chosen_rows(self._collection.table, label=label, where=where)
        count = min(_DEFAULT_HITS if k is None else k, int(allowed.sum()))
        hits: tuple[tuple[Hit, ...], ...] = ((),) * len(names)
        if count:
            assert self._engine is not None
            self._engine.update(self._collection)
            rows, similarities = self._engine.search(self._collection, vectors, count, allowed, num_threads=num_threads)
            hits = tuple(
                self._hits(rows[query_of_vector == query], similarities[query_of_vector == query], count)
                for query in range(len(names))
            )
        return SearchResult(
            queries=tuple(f"query {index}" if name is None else name for index, name in enumerate(names)),
            hits=hits,
            metric=self.metric,
            num_items=len(self),
            front_end=None if self.embedder is None else self.embedder.front_end_,
        )

    # ---- Inside: opening

    def _check_embedder(self) -> None:
        """Raise StoreError where the index was made with another embedder, or with this one in another state."""
        described = self._collection.manifest.options.embedder
        if described is None and self.embedder is None:
            return
        where = "the index" if self.path is None else self.path
        if self.embedder is None:
            raise StoreError(f"{where} holds embeddings by {_shown(described)}, and none was given")
        fingerprint = self.embedder.fingerprint()
        if described is None or described["fingerprint"] != fingerprint:
            own = _shown({"kind": type(self.embedder).__name__, "fingerprint": fingerprint})
            kept = "from elsewhere" if described is None else f"by {_shown(described)}"
            raise StoreError(f"{where} holds embeddings {kept}, and the embedder is {own}")

    def _make_engine(self) -> None:
        """Make the engine, and let it keep what it makes unless another is writing at the moment."""
        self._engine = make_engine(self._backend, self._collection)
        self._engine.update(self._collection)
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(Collection.locked(self.path))
            except StoreError:
                return  # another is writing, and will do it; or nobody may write there
            if self._collection.is_current():
                self._engine.save(self._collection)

    def _save_engine(self) -> None:
        assert self._engine is not None
        self._engine.update(self._collection)
        self._engine.save(self._collection)

    @contextlib.contextmanager
    def _writing(self) -> Generator[Collection]:
        """Be the only writer, of the collection as it is now."""
        with Collection.locked(self.path):
            if not self._collection.is_current():
                assert self.path is not None
                self._collection = Collection.open(self.path)
                self._check_embedder()
                self.close()
                self._engine = make_engine(self._backend, self._collection)
            self._collection.remove_orphans()
            kept = {**registry.to_dict(self._backend)}
            kept.pop("token", None)
            if kept != self._collection.manifest.backend:
                self._collection.set_backend(kept)
            yield self._collection

    # ---- Inside: adding

    def _sorted_out(self, recordings: Sequence[Recording]) -> tuple[list[int], int, dict[str, npt.NDArray[np.int64]]]:
        """Return what to add, how many are there, and by path which rows make room for what is to be added."""
        table = self._collection.table
        wanted, stale = [], {}
        for index, recording in enumerate(recordings):
            if recording.key not in table.complete:
                wanted.append(index)
                older = [each for each in table.by_path.get(recording.path, ()) if table.recordings[each].is_file]
                if recording.is_file and older:
                    stale[recording.path] = np.concatenate([table.ids_of(each) for each in older])
        return wanted, len(recordings) - len(wanted), stale

    def _add_files(
        self,
        recordings: list[Recording],
        on_error: str,
        commit_every: int,
        num_threads: int | None,
        progress: bool,
    ) -> Added:
        reader = self._needed_reader()
        self._check_embedder()
        with self._writing():
            wanted, present, stale = self._sorted_out(recordings)
            work = Committer(self._collection, stale, commit_every)
            skipped: list[Skipped] = []
            embedding = Embedding(self._needed_embedder(), work, num_threads)
            paths = [recordings[index].path for index in wanted]
            with _progress_bar(len(recordings), present, progress) as bar:
                for number, parts in reader.of_files(paths, num_threads=num_threads):
                    recording = recordings[wanted[number]]
                    try:
                        if isinstance(parts, AudioError):
                            raise parts
                        embedding.put(recording, parts)
                    except AudioError as error:
                        if on_error == "fail":
                            raise AudioError(error.path, error.reason) from None
                        skipped.append(Skipped(error.path, error.reason))
                        warnings.warn(f"left out {skipped[-1]}", stacklevel=3)
                    if bar is not None:
                        bar.update()
                embedding.finish()
            return self._finished(work, present, tuple(skipped))

    def _add_features(
        self,
        features: Features,
        columns: dict[str, Any],
        commit_every: int,
        num_threads: int | None,
        progress: bool,
    ) -> Added:
        embedder = self._needed_embedder()
        self._check_embedder()
        recordings, ends = listing.of_features(features, columns)
        with self._writing():
            wanted, present, stale = self._sorted_out(recordings)
            work = Committer(self._collection, stale, commit_every)
            with _progress_bar(len(recordings), present, progress) as bar:
                for first in range(0, len(wanted), EMBED_CLIPS):
                    chosen = wanted[first : first + EMBED_CLIPS]
                    vectors = embedder.embed(features[chosen], num_threads=num_threads)
                    for index, vector in zip(chosen, vectors, strict=True):
                        start = np.zeros(1) if np.isfinite(ends[index]) else np.full(1, np.nan)
                        work.put(Addition(recordings[index], start, np.array([ends[index]]), vector[None]))
                    if bar is not None:
                        bar.update(len(chosen))
            return self._finished(work, present, ())

    def _finished(self, work: Committer, num_present: int, skipped: tuple[Skipped, ...]) -> Added:
        work.commit()
        self._save_engine()
        return Added(work.num_recordings, num_present, work.num_items, skipped)

    # ---- Inside: asking

    def _embedded_queries(
        self, sounds: Any, sr: float | None, num_threads: int | None
    ) -> tuple[list[str | None], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Return the queries' names, and embeddings with the query that each is of."""
        embedder = self._needed_embedder()
        if isinstance(sounds, Features):
            vectors = embedder.embed(sounds, num_threads=num_threads)
            return list(sounds.clips.paths), np.arange(len(sounds)), _matrix(vectors, "query")
        names = _paths(sounds)
        if names is not None:
            parts = [(index, part) for index, own in self._needed_reader().of_files(names, num_threads=num_threads)
                     for part in _raised(own)]  # fmt: skip
            return list(names), *self._embedded_parts(parts, num_threads)
        try:
            array = np.asarray(sounds, dtype=np.float32)
        except (TypeError, ValueError):
            received = f"an object of type {type(sounds).__name__}"
            raise ParameterError("query", received, "paths, samples, spectrograms or features") from None
        if array.ndim == 1:
            if sr is None:
                raise ParameterError("sr", None, "the sample rate of the samples; or give `embeddings=`, if it is one")
            parts = [(0, part) for part in self._needed_reader().of_signal(array, sr)]
            return [None], *self._embedded_parts(parts, num_threads)
        if array.ndim not in (2, 3, 4):
            raise ParameterError(
                "query", f"shape {array.shape}", "(samples,), (bands, frames) or (clips, bands, frames)"
            )
        spectrograms = array[None] if array.ndim == 2 else array
        vectors = embedder.embed(spectrograms, num_threads=num_threads)
        return [None] * len(vectors), np.arange(len(vectors)), _matrix(vectors, "query")

    def _embedded_parts(
        self, parts: Sequence[tuple[int, Part]], num_threads: int | None
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        embedder = self._needed_embedder()
        vectors = [embedder.embed(part.spectrograms, num_threads=num_threads) for _, part in parts]
        queries = np.repeat([query for query, _ in parts], [len(own) for own in vectors])
        return queries, _matrix(np.concatenate(vectors), "query")

    def _hits(self, rows: npt.NDArray[np.int64], similarities: npt.NDArray[np.float32], count: int) -> tuple[Hit, ...]:
        """Return the best hits of a query that may have several embeddings."""
        order = np.lexsort((rows.ravel(), -similarities.ravel()))
        first = np.sort(np.unique(rows.ravel()[order], return_index=True)[1])[:count]
        table = self._collection.table
        hits = []
        chosen = order[first]
        for row, similarity in zip(rows.ravel()[chosen].tolist(), similarities.ravel()[chosen].tolist(), strict=True):
            recording = table.recordings[table.recording_of_row[row]]
            start, end = float(table.starts[row]), float(table.ends[row])
            hits.append(
                Hit(
                    path=recording.path,
                    label=recording.label,
                    similarity=similarity,
                    start_seconds=None if np.isnan(start) else start,
                    end_seconds=None if np.isnan(end) else end,
                    metadata=recording.metadata,
                )
            )
        return tuple(hits)

    def _needed_embedder(self) -> Embedder:
        if self.embedder is None:
            raise ParameterError("embedder", None, "one, to embed sounds; or give embeddings")
        return self.embedder

    def _needed_reader(self) -> WindowReader:
        self._needed_embedder()
        if self._reader is None:
            raise ParameterError(
                "embedder",
                "one that does not know its front end",
                "one trained on features of audio files; or give features",
            )
        return self._reader


def _checked_options(
    embedder: Embedder | None,
    metric: Metric | None,
    dtype: Dtype | None,
    window_seconds: float | None,
    hop_seconds: float | None,
) -> IndexOptions:
    """Return the options of a new index."""
    if metric is not None and metric not in METRICS:
        raise ParameterError("metric", metric, ", ".join(map(repr, METRICS)))
    if dtype is not None and dtype not in DTYPES:
        raise ParameterError("dtype", dtype, ", ".join(map(repr, DTYPES)))
    for name, value in (("window_seconds", window_seconds), ("hop_seconds", hop_seconds)):
        if value is not None and not 0 < value < float("inf"):
            raise ParameterError(name, value, "above 0 seconds, or None")
    if hop_seconds is not None and window_seconds is None:
        raise ParameterError("hop_seconds", hop_seconds, "None without window_seconds")
    if window_seconds is not None and hop_seconds is None:
        hop_seconds = window_seconds / 2
    return IndexOptions(
        metric=embedders.default_metric(embedder) if metric is None else metric,
        dtype="float32" if dtype is None else dtype,
        window_seconds=window_seconds,
        hop_seconds=hop_seconds,
        embedder=None,
    )


def _check_same(kept: IndexOptions, asked: IndexOptions, *, given: tuple[Any, ...]) -> None:
    """Raise ParameterError where an option was given that is not the one that the index was made with."""
    for name, value in zip(("metric", "dtype", "window_seconds", "hop_seconds"), given, strict=True):
        if value is not None and getattr(asked, name) != getattr(kept, name):
            raise ParameterError(name, value, f"{getattr(kept, name)}, which the index was made with, or None")


def _reader(embedder: Embedder | None, options: IndexOptions) -> WindowReader | None:
    """Return what makes spectrograms of recordings, None where it is not known how."""
    if embedder is None or embedder.front_end_ is None:
        return None
    padded_length = functools.partial(embedders.padded_length, embedder)
    return WindowReader(embedder.front_end_, padded_length, options.window_seconds, options.hop_seconds)


def _created(embedder: Embedder | None, folder: Path | None, options: IndexOptions, backend: Backend) -> Collection:
    _reader(embedder, options)  # says what is wrong with the windows
    described = {**registry.to_dict(backend)}
    described.pop("token", None)  # a secret is not written down
    if folder is None:
        return Collection.create(None, dataclasses.replace(options, embedder=embedders.keep(embedder, None)), described)
    with told_as_store_error(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not is_folder_of_index(folder):
            raise StoreError(f"{folder} exists and is no search index; nothing was written: choose another path")
    with Collection.locked(folder):
        if (folder / MANIFEST).is_file():
            raise StoreError(f"{folder} was made by another process just now: open it")
        kept = embedders.keep(embedder, folder)
        return Collection.create(folder, dataclasses.replace(options, embedder=kept), described)


def _matrix(given: npt.ArrayLike, name: str) -> npt.NDArray[np.float32]:
    """Return embeddings as the core takes them; ParameterError where they are none."""
    try:
        vectors = np.ascontiguousarray(given, dtype=np.float32)
    except (TypeError, ValueError):
        raise ParameterError(name, f"an object of type {type(given).__name__}", "numbers, shape (items, dim)") from None
    if vectors.ndim != 2 or not vectors.shape[1]:
        raise ParameterError(name, f"shape {vectors.shape}", "(items, dim)")
    if not np.isfinite(vectors).all():
        row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise ParameterError(name, f"NaN or infinite numbers in row {row}", "finite numbers")
    return vectors


def _paths(sounds: Any) -> list[str] | None:
    """Return paths as a list of text, None for anything else."""
    if isinstance(sounds, str | os.PathLike):
        return [os.fspath(sounds)]
    if isinstance(sounds, list | tuple) and sounds and all(isinstance(each, str | os.PathLike) for each in sounds):
        return [os.fspath(each) for each in sounds]
    return None


def _known_path(path: str, known: set[str]) -> str:
    return path if path in known else os.path.abspath(path)


def _raised(parts: Iterator[Part] | AudioError) -> Iterator[Part]:
    if isinstance(parts, AudioError):
        raise parts
    return parts


def _shown(described: dict[str, Any] | None) -> str:
    return "nothing" if described is None else f"{described['kind']} {described['fingerprint'][:12]}"


def _progress_bar(total: int, initial: int, is_shown: bool) -> contextlib.AbstractContextManager[tqdm[Any] | None]:
    if not is_shown:
        return contextlib.nullcontext()
    return tqdm(total=total, initial=initial, desc="index", unit="clip")
