"""ESC-50 and ESC-10 (K. J. Piczak, "ESC: Dataset for Environmental Sound Classification", ACM Multimedia 2015)."""

from __future__ import annotations

import os
import re
from pathlib import Path

from siamaudio.datasets.clips import Clips
from siamaudio.datasets.folder import audio_files, existing_folder, missing_files, subfolders
from siamaudio.datasets.table import read_rows, whole_number
from siamaudio.errors import DatasetError

__all__ = ["esc50", "has_meta_table", "has_original_names"]

_META_TABLE = Path("meta", "esc50.csv")
_COLUMNS = ("filename", "fold", "category", "src_file")
_CLASS_FOLDER = re.compile(r"\d{3} - (?P<class_name>.+)")
_FILE_STEM = re.compile(r"(?P<fold>\d+)-(?P<source>\d+)-(?P<take>[A-Z]+)")
_ACCEPTED = (
    "a checkout of ESC-50 (meta/esc50.csv and audio/) or the original release "
    "(folders such as '001 - Dog bark' with files such as '1-17150-A.ogg')"
)


def esc50(root: str | os.PathLike[str], *, esc10: bool = False) -> Clips:
    """List the clips of ESC-50 or ESC-10.

    Parameters
    ----------
    root : path-like
        Either a checkout of the present release (``meta/esc50.csv`` and ``audio/``; parts of it such as a single
        fold will do) or the original release: one folder a class, named as ``001 - Dog bark``, with files named
        FOLD-SOURCE-TAKE, as ``1-17150-A.ogg``.
    esc10 : bool
        Only the clips of ESC-10, which the present release marks in a column of its table; the original release of
        ESC-10 is a folder of its own.

    Returns
    -------
    Clips
        In the table's order, or sorted by class and path. Sources are the numbers of the Freesound recordings that
        the clips were cut from; folds are ESC-50's, 1 to 5.

    Raises
    ------
    DatasetError
        If the folder has neither layout, if files that the table names are missing, or if nothing says which clips
        are ESC-10's.

    Examples
    --------
    >>> clips = esc50("ESC-50")  # doctest: +SKIP
    >>> clips  # doctest: +SKIP
    Clips('ESC-50': 2000 clips, 50 classes)
    """
    base = existing_folder(root)
    if has_meta_table(base):
        return _from_meta_table(base, esc10=esc10)
    if esc10:
        raise DatasetError(
            f"{base}: no {_META_TABLE} that marks ESC-10's clips; accepted: the present release of ESC-50"
        )
    return _from_original_names(base)


def has_meta_table(base: Path) -> bool:
    """Tell whether the folder `base` is laid out as the present release."""
    return (base / _META_TABLE).is_file()


def has_original_names(base: Path) -> bool:
    """Tell whether every audio file below the subfolders of `base` is named as in the original release."""
    named = [(class_folder, file) for class_folder in subfolders(base) for file in audio_files(class_folder)]
    return bool(named) and all(_fits(class_folder, file) for class_folder, file in named)


def _from_meta_table(base: Path, *, esc10: bool) -> Clips:
    csv_path = base / _META_TABLE
    columns, rows = read_rows(csv_path)
    needed = (*_COLUMNS, "esc10") if esc10 else _COLUMNS
    absent = [column for column in needed if column not in columns]
    if absent:
        raise DatasetError(
            f"{csv_path}: no column {', '.join(map(repr, absent))} among {', '.join(columns)}; "
            f"accepted: ESC-50's own table with at least {', '.join(needed)}"
        )
    if esc10:
        rows = [row for row in rows if row.cells["esc10"].lower() == "true"]
    paths = [base / "audio" / row.cells["filename"] for row in rows]
    error = missing_files(paths, csv_path)
    if error is not None:
        raise error
    return Clips(
        paths=paths,
        class_of_clip=[row.cells["category"] for row in rows],
        sources=[row.cells["src_file"] for row in rows],
        folds=[whole_number(csv_path, row, "fold") for row in rows],
        name=base.resolve().name,
    )


def _from_original_names(base: Path) -> Clips:
    paths: list[Path] = []
    class_of_clip: list[str] = []
    sources: list[str] = []
    folds: list[int] = []
    for class_folder in subfolders(base):
        class_name = _CLASS_FOLDER.fullmatch(class_folder.name)
        for file in audio_files(class_folder):
            stem = _FILE_STEM.fullmatch(file.stem)
            if class_name is None or stem is None:
                raise DatasetError(f"{file}: not named as in ESC-50; accepted: {_ACCEPTED}")
            paths.append(file)
            class_of_clip.append(class_name["class_name"])
            sources.append(stem["source"])
            folds.append(int(stem["fold"]))
    if not paths:
        raise DatasetError(f"{base}: no ESC-50 found; accepted: {_ACCEPTED}")
    return Clips(paths=paths, class_of_clip=class_of_clip, sources=sources, folds=folds, name=base.resolve().name)


def _fits(class_folder: Path, file: Path) -> bool:
    return bool(_CLASS_FOLDER.fullmatch(class_folder.name) and _FILE_STEM.fullmatch(file.stem))
