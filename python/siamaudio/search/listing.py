"""What `SearchIndex.add` is given, as recordings."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import math
import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from siamaudio.datasets import Clips, from_path
from siamaudio.datasets.folder import audio_files
from siamaudio.errors import DatasetError, ParameterError
from siamaudio.features import Features
from siamaudio.search.recordings import Recording, Value, file_stamp

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Metadata", "PathLike", "Sounds", "columns_of", "of_clips", "of_embeddings", "of_features", "of_paths"]

PathLike = str | os.PathLike[str]
if TYPE_CHECKING:
    Metadata = Mapping[str, Sequence[Any]] | pd.DataFrame
else:
    Metadata = Mapping
Sounds = PathLike | Iterable[PathLike] | Clips | Features

_RESERVED = ("path", "label", "start_seconds", "end_seconds", "similarity", "query")


def of_paths(given: PathLike | Iterable[PathLike], columns: Mapping[str, Sequence[Value]]) -> list[Recording]:
    """List the recordings of a folder, a table, a file, or several files.

    Of a folder that is no known data set, every audio file at any depth is taken; its label is the name of the
    subfolder of `given` that it lies in, if it lies in one.
    """
    if not isinstance(given, str | os.PathLike):
        return _files([os.fspath(path) for path in given], None, columns)
    path = Path(given)
    if path.is_dir():
        files = audio_files(path)
        if not files:
            raise DatasetError(f"{path}: no audio files found; accepted: a folder of recordings")
        known = _known_data_set(path, len(files))
        if known is not None:
            return of_clips(known, columns)
        labels = [file.relative_to(path).parts[0] if file.parent != path else None for file in files]
        return _files([str(file) for file in files], labels, columns)
    if path.suffix.lower() in (".csv", ".parquet"):
        return of_clips(from_path(path), columns)
    return _files([str(path)], None, columns)


def of_clips(clips: Clips, columns: Mapping[str, Sequence[Value]]) -> list[Recording]:
    """List the recordings of a data set, with their sources and folds where it tells them."""
    labels = [clips.class_names[label] for label in clips.labels]
    return _files(list(clips.paths), labels, {**_own_columns(clips), **columns})


def of_features(features: Features, columns: Mapping[str, Sequence[Value]]) -> tuple[list[Recording], list[float]]:
    """List what features were made of, and how long each clip is in seconds, NaN where that is not known."""
    clips = features.clips
    known = {**_own_columns(clips), **columns}
    _check_lengths(known, len(clips))
    _check_names(columns, _RESERVED)
    ends = np.full(len(clips), math.nan)
    if features.front_end is not None:
        ends = features.lengths * features.front_end.hop_length / features.front_end.sr
        ends = np.minimum(ends, features.front_end.duration or math.inf)
    stamps = [
        hashlib.sha256(spectrogram.tobytes()).hexdigest()
        for block in features.iter_blocks()
        for spectrogram in block.array
    ]
    recordings = []
    for index, path in enumerate(clips.paths):
        is_file = os.path.isfile(path)
        recordings.append(
            Recording(
                path=os.path.abspath(path) if is_file else path,
                label=clips.class_names[clips.labels[index]],
                stamp=stamps[index],
                is_file=is_file,
                metadata={name: values[index] for name, values in known.items()},
            )
        )
    return _numbered(recordings), ends.tolist()


def of_embeddings(
    vectors: npt.NDArray[np.float32], columns: Mapping[str, Sequence[Value]]
) -> tuple[list[Recording], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """List embeddings with what is known about them: paths and labels among the columns, and starts and ends."""
    num = len(vectors)
    _check_lengths(columns, num)
    _check_names(columns, ("similarity", "query"))
    extra = {name: values for name, values in columns.items() if name not in _RESERVED}
    paths = columns.get("path", [f"item {index}" for index in range(num)])
    labels = columns.get("label", [None] * num)
    times = []
    for name in ("start_seconds", "end_seconds"):
        given = columns.get(name, [None] * num)
        times.append(np.array([math.nan if value is None else value for value in given], dtype=np.float64))
    recordings = []
    for index, vector in enumerate(vectors):
        digest = hashlib.sha256(vector.tobytes() + np.array([column[index] for column in times]).tobytes())
        recordings.append(
            Recording(
                path=str(paths[index]),
                label=None if labels[index] is None else str(labels[index]),
                stamp=digest.hexdigest(),
                is_file=False,
                metadata={name: values[index] for name, values in extra.items()},
            )
        )
    return _numbered(recordings), times[0], times[1]


def columns_of(metadata: Any) -> dict[str, list[Value]]:
    """Return what a caller knows about items as columns of plain values; ParameterError for others."""
    if metadata is None:
        return {}
    columns = {}
    for name in metadata:
        values = [_plain(str(name), value) for value in list(metadata[name])]
        columns[str(name)] = values
    return columns


# ---- Inside


def _known_data_set(path: Path, num_files: int) -> Clips | None:
    """Return the clips of a folder in the layout of a data set; None for others, and where files would be left out."""
    try:
        clips = from_path(path)
    except DatasetError:
        return None
    return clips if len(clips) == num_files else None


def _files(
    paths: Sequence[str], labels: Sequence[str | None] | None, columns: Mapping[str, Sequence[Value]]
) -> list[Recording]:
    _check_lengths(columns, len(paths))
    _check_names(columns, _RESERVED)
    recordings = []
    for index, path in enumerate(paths):
        try:
            stamp = file_stamp(path)
        except OSError:
            stamp = ""  # reading it will tell
        recordings.append(
            Recording(
                path=os.path.abspath(path),
                label=None if labels is None else labels[index],
                stamp=stamp,
                is_file=True,
                metadata={name: values[index] for name, values in columns.items()},
            )
        )
    return list({recording.path: recording for recording in recordings}.values())


def _own_columns(clips: Clips) -> dict[str, list[Value]]:
    columns: dict[str, list[Value]] = {}
    if clips.sources != clips.paths:
        columns["source"] = list(clips.sources)
    if clips.folds.any():
        columns["fold"] = clips.folds.tolist()
    return columns


def _numbered(recordings: list[Recording]) -> list[Recording]:
    """Tell apart items that are equal in all: the same ones again have the same numbers again."""
    seen: collections.Counter[Hashable] = collections.Counter()
    numbered = []
    for recording in recordings:
        seen[recording.key] += 1
        count = seen[recording.key]
        if count > 1:
            recording = dataclasses.replace(recording, stamp=f"{recording.stamp}#{count}")
        numbered.append(recording)
    return numbered


def _check_lengths(columns: Mapping[str, Sequence[Value]], num: int) -> None:
    for name, values in columns.items():
        if len(values) != num:
            raise ParameterError("metadata", f"{len(values)} values of {name!r}", f"one for each of the {num} items")


def _check_names(columns: Mapping[str, Sequence[Value]], refused: Sequence[str]) -> None:
    for name in columns:
        if name in refused:
            raise ParameterError("metadata", f"a column {name!r}", f"columns named otherwise than {', '.join(refused)}")


def _plain(name: str, value: Any) -> Value:
    if isinstance(value, np.generic):
        value = value.item()
    if value is not None and not isinstance(value, str | int | float | bool):
        value = str(value)
    return None if isinstance(value, float) and math.isnan(value) else value
