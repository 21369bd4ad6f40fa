"""Recognising recordings from one or a few examples a class."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from siamaudio.datasets.folder import audio_files, subfolders
from siamaudio.errors import AudioError, DatasetError, ParameterError
from siamaudio.log_mel import LogMel
from siamaudio.network import SiameseNetwork

if TYPE_CHECKING:
    import pandas as pd

    from siamaudio.search.embedders import Embedder

__all__ = ["ClassificationResult", "classify_oneshot", "supports_by_class"]

PathLike = str | os.PathLike[str]


@dataclasses.dataclass(frozen=True, eq=False)
class ClassificationResult:
    """The class of each query.

    Attributes
    ----------
    queries : tuple of str
        The recordings.
    classes : tuple of str
        The classes, as the supports name them.
    similarities : np.ndarray [shape=(queries, classes), dtype=float32]
        Mean similarity of the query and the supports of each class, as the network has it: P(same class), the cosine,
        or minus the distance.
    """

    queries: tuple[str, ...]
    classes: tuple[str, ...]
    similarities: npt.NDArray[np.float32]

    @property
    def predictions(self) -> tuple[str, ...]:
        """The most similar class of each query; of equally similar ones the first."""
        return tuple(self.classes[index] for index in self.similarities.argmax(axis=1))

    def to_dict(self) -> list[dict[str, Any]]:
        """Return one record a query as JSON can hold it: path, prediction, similarity of each class."""
        return [
            {
                "query": query,
                "prediction": prediction,
                "similarities": dict(zip(self.classes, map(float, row), strict=True)),
            }
            for query, prediction, row in zip(self.queries, self.predictions, self.similarities, strict=True)
        ]

    def to_frame(self) -> pd.DataFrame:
        """Return one row a query: prediction, then the similarity of each class."""
        import pandas as pd

        table = pd.DataFrame(self.similarities, index=pd.Index(self.queries, name="query"), columns=list(self.classes))
        table.insert(0, "prediction", list(self.predictions))
        return table

    def __repr__(self) -> str:
        return f"ClassificationResult({len(self.queries)} queries, {len(self.classes)} classes)"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.to_frame().to_html(float_format='{:.1%}'.format)}"


def classify_oneshot(
    net: SiameseNetwork | Embedder,
    supports: PathLike | Mapping[str, PathLike | Sequence[PathLike]],
    queries: PathLike | Sequence[PathLike],
    *,
    num_threads: int | None = None,
) -> ClassificationResult:
    """Tell which class each recording belongs to, from one or a few examples of each class.

    Parameters
    ----------
    net : SiameseNetwork or embedder
        A trained network that knows its front end (trained on features of audio files); or another model of
        `siamaudio.models`, whose embeddings are compared by their cosine.
    supports : path-like or mapping
        A folder with one subfolder of recordings a class, or with recordings named after their classes; or a mapping
        from class name to a recording or several.
    queries : path-like or sequence of path-like
        Recordings to classify.
    num_threads : int > 0 or None
        CPU threads; None: one a core.

    Returns
    -------
    ClassificationResult

    Raises
    ------
    AudioError
        A recording cannot be read.
    DatasetError
        The supports are missing, or show fewer than two classes.
    ParameterError
        The network does not know its front end, or there are no queries.

    Examples
    --------
    >>> import siamaudio as sa
    >>> clips = sa.datasets.synthetic(3, 4)
    >>> features = sa.LogMel(sr=16000, hop_length=1024, n_mels=32).transform(clips, cache=False, progress=False)
    >>> encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=4, kernel_size=3),), dense=(sa.Dense(units=8),))
    >>> net = sa.SiameseNetwork(encoder).fit(features, epochs=1, progress=False)
    >>> examples = dict(zip(clips.class_names, clips.paths[::4]))
    >>> sa.classify_oneshot(net, examples, clips.paths[1:3])
    ClassificationResult(2 queries, 3 classes)
    """
    if net.front_end_ is None:
        raise ParameterError("net", "a network trained on arrays", "a network trained on features of audio files")
    query_paths = [os.fspath(query) for query in ([queries] if isinstance(queries, (str, os.PathLike)) else queries)]
    if not query_paths:
        raise ParameterError("queries", "no recordings", "one or more recordings")
    by_class = supports_by_class(supports)

    support_paths = [path for paths in by_class.values() for path in paths]
    if isinstance(net, SiameseNetwork):
        spectrograms = _read(net.front_end_, support_paths + query_paths, num_threads)
        embeddings = net.embed(spectrograms, num_threads=num_threads)
        num_supports = len(support_paths)
        pairs = net.similarity(embeddings[num_supports:], embeddings[:num_supports], num_threads=num_threads)
    else:
        pairs = _cosines(net, query_paths, support_paths, num_threads)
    starts = np.cumsum([0, *(len(paths) for paths in by_class.values())])[:-1]
    counts = np.array([len(paths) for paths in by_class.values()], dtype=np.float32)
    return ClassificationResult(
        queries=tuple(query_paths),
        classes=tuple(by_class),
        similarities=(np.add.reduceat(pairs, starts, axis=1) / counts).astype(np.float32),
    )


def _cosines(
    net: Embedder, queries: list[str], supports: list[str], num_threads: int | None
) -> npt.NDArray[np.float32]:
    """Return the cosine of each query and each support, by way of an index, which knows how each model reads files."""
    from siamaudio.search import SearchIndex

    with SearchIndex(net, metric="cosine") as index:
        index.add(list(dict.fromkeys(supports)), num_threads=num_threads, progress=False)
        found = index.query(queries, k=len(index), num_threads=num_threads)
    by_path = [{hit.path: hit.similarity for hit in hits} for hits in found.hits]
    return np.array([[own[os.path.abspath(path)] for path in supports] for own in by_path], dtype=np.float32)


def _read(front_end: LogMel, paths: list[str], num_threads: int | None) -> npt.NDArray[np.float32]:
    spectrograms, _, failed = front_end.transform_files(paths, num_threads=num_threads)
    if failed:
        _, path, reason = failed[0]
        raise AudioError(path, reason)
    return spectrograms


def supports_by_class(supports: PathLike | Mapping[str, PathLike | Sequence[PathLike]]) -> dict[str, list[str]]:
    """Return the recordings of each class.

    Parameters
    ----------
    supports : path-like or mapping
        As of `classify_oneshot`.

    Raises
    ------
    DatasetError
        The supports are missing, or show fewer than two classes.
    """
    if isinstance(supports, Mapping):
        by_class = {
            name: [os.fspath(path) for path in ([paths] if isinstance(paths, (str, os.PathLike)) else paths)]
            for name, paths in supports.items()
        }
    else:
        by_class = _supports_in_folder(Path(supports))
    empty = [name for name, paths in by_class.items() if not paths]
    if empty:
        raise DatasetError(f"class {empty[0]!r} has no support; one or more recordings a class are needed")
    if len(by_class) < 2:
        raise DatasetError(f"the supports show {len(by_class)} class(es); two or more are needed")
    return by_class


def _supports_in_folder(folder: Path) -> dict[str, list[str]]:
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder; accepted: a folder of supports")
    by_class = {entry.name: [str(path) for path in audio_files(entry)] for entry in subfolders(folder)}
    for path in audio_files(folder):
        if path.parent == folder:
            by_class.setdefault(path.stem, []).append(str(path))
    by_class = {name: paths for name, paths in by_class.items() if paths}
    if not by_class:
        raise DatasetError(
            f"{folder} holds no supports; accepted: a subfolder of recordings a class, or recordings named by class"
        )
    return by_class
