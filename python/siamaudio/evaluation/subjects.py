"""What an evaluation is given, checked and brought into one form: clips with classes, and how alike they are."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from siamaudio._engine import core
from siamaudio.errors import DatasetError, ParameterError
from siamaudio.features import Features
from siamaudio.network import SiameseNetwork

__all__ = ["Metric", "Subject", "as_subject"]

Metric = Literal["cosine", "euclidean"]
FloatMatrix = npt.NDArray[np.floating[Any]]

_BLOCK_BYTES = 64 << 20  # of a block of similarities


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Subject:
    """The clips that take part in an evaluation, and how alike they are.

    Attributes
    ----------
    classes : tuple of str
        Names of the classes that take part.
    labels : np.ndarray [shape=(clips,), dtype=int64]
        Class of each clip that takes part, as an index into `classes`.
    sources : np.ndarray or None [shape=(clips,), dtype=int64]
        Equal numbers for clips of one source; None: not known.
    left_out : tuple of str
        Classes that were given but have too few clips, or sources.
    positions : np.ndarray [shape=(clips,), dtype=int64]
        Where these clips stand among those that were given.
    num_given : int
        Clips that were given.
    compared_by : str
        In words.
    embeddings : np.ndarray or None [shape=(clips, dim), dtype=float32]
        None where only similarities are known.
    features : Features or None
        Of these clips, where spectrograms are known.
    """

    classes: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    sources: npt.NDArray[np.int64] | None
    left_out: tuple[str, ...]
    positions: npt.NDArray[np.int64]
    num_given: int
    compared_by: str
    embeddings: npt.NDArray[np.float32] | None
    features: Features | None
    _rows: Callable[[slice], FloatMatrix]

    def similarity(self, queries: slice = slice(None)) -> FloatMatrix:
        """Return how similar all clips are to some of them [shape=(queries, clips)]; float64 only where given so."""
        return self._rows(queries)

    def blocks(self) -> Iterator[tuple[int, FloatMatrix]]:
        """Go through the similarities in blocks of rows, each with its first row: never all are in memory at once."""
        num_clips = len(self.labels)
        num_rows = max(1, _BLOCK_BYTES // (4 * num_clips))
        for start in range(0, num_clips, num_rows):
            yield start, self.similarity(slice(start, start + num_rows))

    def raw_spectrograms(self) -> Subject | None:
        """Return the same clips compared by their spectrograms alone; None where these are not known."""
        if self.features is None:
            return None
        return dataclasses.replace(
            self,
            compared_by="cosine similarity of the raw spectrograms",
            embeddings=None,
            _rows=_by_metric(_centred(np.asarray(self.features, dtype=np.float32)), "cosine"),
        )

    def spread(self, values: npt.NDArray[Any], missing: float) -> npt.NDArray[Any]:
        """Return values of the clips that take part as values of all that were given."""
        everywhere = np.full(self.num_given, missing, dtype=values.dtype)
        everywhere[self.positions] = values
        return everywhere


def as_subject(
    net: SiameseNetwork | None,
    features: Features | None,
    *,
    similarity: npt.ArrayLike | None = None,
    embeddings: npt.ArrayLike | None = None,
    labels: Sequence[str] | npt.ArrayLike | None = None,
    sources: Sequence[str] | npt.ArrayLike | None = None,
    metric: Metric = "cosine",
    source_disjoint: bool = False,
    clips_per_class: int = 2,
    allow_trained_classes: bool = False,
    num_threads: int | None = None,
) -> Subject:
    """Check what was given to an evaluation: a network and features, or similarities, or embeddings, and labels.

    Parameters
    ----------
    net, features, similarity, embeddings, labels, sources, metric, allow_trained_classes, num_threads
        As the caller of an evaluation gave them; see `evaluate_oneshot`.
    source_disjoint : bool
        Whether two clips of a class must come from different sources.
    clips_per_class : int
        Clips that a class needs to take part; those with fewer are left out, with a warning. Where the evaluation is
        source-disjoint, sources.

    Raises
    ------
    ParameterError
        Arguments do not belong together or have wrong shapes, fewer than two classes have enough clips, or sources are
        needed but not known.
    DatasetError
        A class was trained on.
    """
    given = {"net": net, "similarity": similarity, "embeddings": embeddings}
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        raise ParameterError(
            "evaluation", " and ".join(named) or "nothing to evaluate", "exactly one of net, similarity, embeddings"
        )
    if net is not None:
        if features is None or labels is not None:
            raise ParameterError("features", "none, or labels beside a network", "a network together with features")
        check_unseen(net, features, allow_trained_classes)
        names, codes = features.class_names, features.labels
        sources = features.sources if sources is None else sources
    else:
        if features is not None:
            raise ParameterError("features", f"features beside {named[0]}", "features together with a network")
        if labels is None:
            raise ParameterError("labels", None, f"the class of each clip, beside {named[0]}")
        names, codes = _encoded("labels", labels)
    num_given = len(codes)
    origins = _checked_sources(sources, num_given, source_disjoint)
    matrix = None if similarity is None else _checked_similarity(similarity, num_given)
    vectors = None if embeddings is None else _checked_embeddings(embeddings, num_given)
    kept, left_out = _large_enough(names, codes, origins if source_disjoint else None, clips_per_class)
    positions = np.flatnonzero(kept[codes])
    everyone = len(positions) == num_given

    if net is not None and features is not None:
        features = features if everyone else features[positions]
        vectors = net.embed(features, num_threads=num_threads)
        rows, compared_by = _by_network(net, vectors, num_threads), "the network"
    elif matrix is not None:
        matrix = matrix if everyone else np.ascontiguousarray(matrix[np.ix_(positions, positions)])
        rows, compared_by = matrix.__getitem__, "the given similarities"
    else:
        assert vectors is not None  # one of three was given
        vectors = vectors if everyone else vectors[positions]
        rows, compared_by = _by_metric(vectors, metric), f"{metric} similarity of the embeddings"
    return Subject(
        classes=tuple(name for name, is_kept in zip(names, kept, strict=True) if is_kept),
        labels=(np.cumsum(kept) - 1)[codes[positions]],
        sources=None if origins is None else origins[positions],
        left_out=left_out,
        positions=positions,
        num_given=num_given,
        compared_by=compared_by,
        embeddings=vectors,
        features=features,
        _rows=rows,
    )


def check_ways(ways: int, subject: Subject) -> None:
    """Raise a ParameterError unless there are as many classes as a task needs."""
    num_classes = len(subject.classes)
    if not 2 <= ways <= num_classes:
        without = f" without {', '.join(map(repr, subject.left_out))}" if subject.left_out else ""
        raise ParameterError("ways", ways, f"2 to {num_classes}, the number of classes{without}")


def source_policy(source_disjoint: bool) -> str:
    """Say which queries and supports meet."""
    return "query and supports are of different sources" if source_disjoint else "query and support may share a source"


def check_unseen(net: SiameseNetwork, features: Features, allow_trained_classes: bool) -> None:
    """Raise a DatasetError if the network was trained on one of the classes and that is not allowed."""
    seen = sorted(set(net.train_classes_) & set(features.class_names))
    if seen and not allow_trained_classes:
        raise DatasetError(
            f"the network was trained on {len(seen)} of these classes ({seen[0]!r} is one): evaluate on others, "
            "or allow trained classes explicitly"
        )


def _by_network(
    net: SiameseNetwork, vectors: npt.NDArray[np.float32], num_threads: int | None
) -> Callable[[slice], FloatMatrix]:
    return lambda queries: net.similarity(vectors[queries], vectors, num_threads=num_threads)


def _by_metric(vectors: npt.NDArray[np.float32], metric: Metric) -> Callable[[slice], FloatMatrix]:
    return lambda queries: core.metric_similarity(vectors[queries], vectors, metric=metric)


def _centred(spectrograms: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Each clip as one vector, less its own mean, so that loudness alone makes nothing similar."""
    vectors = spectrograms.reshape(len(spectrograms), -1)
    return vectors - vectors.mean(axis=1, keepdims=True)


def _encoded(argument: str, values: Sequence[str] | npt.ArrayLike) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    array = np.asarray(values)
    if array.ndim != 1:
        raise ParameterError(argument, f"shape {array.shape}", "(clips,)")
    names, codes = np.unique(array, return_inverse=True)
    return tuple(str(name) for name in names), codes.astype(np.int64)


def _checked_sources(
    sources: Sequence[str] | npt.ArrayLike | None, num_clips: int, are_needed: bool
) -> npt.NDArray[np.int64] | None:
    if sources is None:
        if are_needed:
            raise ParameterError(
                "sources",
                None,
                "what each clip was cut from, for a source-disjoint evaluation; or source_disjoint=False",
            )
        return None
    _, codes = _encoded("sources", sources)
    if len(codes) != num_clips:
        raise ParameterError("sources", f"{len(codes)} for {num_clips} clips", "one for each clip")
    return codes


def _checked_similarity(similarity: npt.ArrayLike, num_clips: int) -> FloatMatrix:
    matrix = _real_matrix("similarity", similarity)
    if matrix.shape != (num_clips, num_clips):
        raise ParameterError("similarity", f"shape {matrix.shape}", f"({num_clips}, {num_clips}), as there are labels")
    rows, columns = np.nonzero(np.isnan(matrix))
    wrong = np.flatnonzero(rows != columns)
    if len(wrong):
        raise ParameterError("similarity", f"NaN for clips {rows[wrong[0]]} and {columns[wrong[0]]}", "numbers")
    return matrix


def _checked_embeddings(embeddings: npt.ArrayLike, num_clips: int) -> npt.NDArray[np.float32]:
    vectors = _real_matrix("embeddings", embeddings).astype(np.float32, copy=False)
    if len(vectors) != num_clips:
        raise ParameterError("embeddings", f"shape {vectors.shape}", f"({num_clips}, dim), as there are labels")
    wrong = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(wrong):
        raise ParameterError("embeddings", f"NaN or infinity for clip {wrong[0]}", "finite numbers")
    return vectors


def _real_matrix(argument: str, values: npt.ArrayLike) -> FloatMatrix:
    try:
        matrix = np.asarray(values)
    except ValueError:
        raise ParameterError(argument, "rows of unequal length", "a matrix of real numbers") from None
    if matrix.dtype.kind not in "biuf":
        raise ParameterError(argument, f"an array of {matrix.dtype}", "real numbers")
    if matrix.ndim != 2:
        raise ParameterError(argument, f"shape {matrix.shape}", "a matrix")
    return matrix if matrix.dtype == np.float32 else matrix.astype(np.float64)


def _large_enough(
    names: tuple[str, ...], codes: npt.NDArray[np.int64], origins: npt.NDArray[np.int64] | None, wanted: int
) -> tuple[npt.NDArray[np.bool_], tuple[str, ...]]:
    """Which classes have so many clips, or sources, and the names of those that have not."""
    if origins is None:
        counts = np.bincount(codes, minlength=len(names))
    else:
        counts = np.bincount(np.unique(np.stack([codes, origins]), axis=1)[0], minlength=len(names))
    kept = counts >= wanted
    left_out = tuple(name for name, is_kept in zip(names, kept, strict=True) if not is_kept)
    what = "clips" if origins is None else "sources"
    if kept.sum() < 2:
        few = f" ({left_out[0]!r} has {counts[~kept][0]})" if left_out else ""
        raise ParameterError(
            "labels",
            f"{int(kept.sum())} classes of {wanted} or more {what}{few}",
            f"two or more classes of {wanted} or more {what} each",
        )
    if left_out:
        shown = ", ".join(map(repr, left_out[:5])) + (", …" if len(left_out) > 5 else "")
        warnings.warn(
            f"{len(left_out)} of {len(names)} classes left out, with fewer than {wanted} {what}: {shown}", stacklevel=4
        )
    return kept, left_out
