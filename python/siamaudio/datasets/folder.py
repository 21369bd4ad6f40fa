"""A folder with one subfolder a class."""

from __future__ import annotations

import os
import re
from pathlib import Path

from siamaudio.datasets.clips import Clips
from siamaudio.errors import DatasetError, ParameterError

__all__ = ["AUDIO_EXTENSIONS", "audio_files", "existing_folder", "folder", "missing_files", "subfolders"]

# The formats that libsndfile reads; compared without regard to case.
AUDIO_EXTENSIONS = (
    ".aif",
    ".aiff",
    ".au",
    ".caf",
    ".flac",
    ".mp3",
    ".oga",
    ".ogg",
    ".opus",
    ".rf64",
    ".snd",
    ".wav",
)

_ACCEPTED_LAYOUT = "a folder with one subfolder a class, each holding audio files"


def folder(root: str | os.PathLike[str], *, pattern: str | None = None) -> Clips:
    r"""List the audio files of a folder that has one subfolder a class.

    Parameters
    ----------
    root : path-like
        The folder. Each of its subfolders is a class and every audio file below it, at any depth, a clip of that
        class; subfolders without audio files, files beside the subfolders, and hidden files and folders are left out.
        Links to folders count as subfolders of `root`, but are not followed further down.
    pattern : str, optional
        Regular expression that the whole file name without extension must match, with a group named ``source``
        (what the clip was cut from), a group named ``fold`` (an integer), or both.

    Returns
    -------
    Clips
        Sorted by class, then by path. Without a ``source`` group each file is its own source; without a ``fold``
        group all folds are 0.

    Raises
    ------
    DatasetError
        If there is no such folder, if it has no audio files in subfolders, or if a file name does not match `pattern`.
    ParameterError
        If `pattern` is not a regular expression or has neither group.

    Examples
    --------
    >>> speakers = folder("AudioMNIST/data")  # doctest: +SKIP
    >>> takes = folder("birds", pattern=r"(?P<source>XC\d+)_.*")  # doctest: +SKIP
    """
    expression = None if pattern is None else _compiled(pattern)
    base = existing_folder(root)
    paths: list[Path] = []
    class_of_clip: list[str] = []
    for class_folder in subfolders(base):
        files = audio_files(class_folder)
        paths += files
        class_of_clip += [class_folder.name] * len(files)
    if not paths:
        raise DatasetError(_why_empty(base))
    sources = folds = None
    if expression is not None:
        sources, folds = _sources_and_folds(base, paths, expression)
    return Clips(paths=paths, class_of_clip=class_of_clip, sources=sources, folds=folds, name=base.resolve().name)


def existing_folder(root: str | os.PathLike[str]) -> Path:
    """Return `root` as a path.

    Raises
    ------
    DatasetError
        If there is nothing at `root`, or something that is not a folder.
    """
    base = Path(root)
    if not base.exists():
        raise DatasetError(f"{base}: no such folder; accepted: {_ACCEPTED_LAYOUT}")
    if not base.is_dir():
        raise DatasetError(f"{base}: not a folder; accepted: {_ACCEPTED_LAYOUT}")
    return base


def subfolders(base: Path) -> list[Path]:
    """Return the subfolders of `base` that are not hidden, sorted by name."""
    return sorted((entry for entry in base.iterdir() if entry.is_dir() and not _hidden(entry.name)), key=_by_name)


def audio_files(base: Path) -> list[Path]:
    """Return the audio files below `base` at any depth, hidden ones left out, sorted by their path's parts."""
    found: list[Path] = []
    for parent, folders, names in os.walk(base, onerror=_unreadable):
        folders[:] = [name for name in folders if not _hidden(name)]  # os.walk goes on into what is left here
        found += [Path(parent, name) for name in names if _is_audio(name)]
    return sorted(found, key=lambda path: path.parts)


def missing_files(paths: list[Path], listed_in: Path, *, hint: str = "") -> DatasetError | None:
    """Return an error that names the first file that is not there and how many there are, or None."""
    missing = [path for path in paths if not path.is_file()]
    if not missing:
        return None
    return DatasetError(
        f"{listed_in}: {len(missing)} of the {len(paths)} files it names are missing, the first being "
        f"{missing[0]}; accepted: a table whose files all exist{hint}"
    )


def _compiled(pattern: str) -> re.Pattern[str]:
    accepted = "a regular expression with a group (?P<source>...) or (?P<fold>...)"
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ParameterError("pattern", f"{pattern!r} ({error})", accepted) from error
    if not {"source", "fold"} & set(expression.groupindex):
        raise ParameterError("pattern", pattern, accepted)
    return expression


def _sources_and_folds(base: Path, paths: list[Path], expression: re.Pattern[str]) -> tuple[list[str], list[int]]:
    sources: list[str] = []
    folds: list[int] = []
    for path in paths:
        match = expression.fullmatch(path.stem)
        if match is None:
            raise DatasetError(
                f"{path}: the name {path.stem!r} does not match; accepted: names that fit {expression.pattern!r}"
            )
        groups = match.groupdict()
        # A group that is absent, or optional and not used by this name, says nothing about the clip.
        sources.append(groups.get("source") or str(path))
        fold = groups.get("fold") or "0"
        try:
            folds.append(int(fold))
        except ValueError:
            raise DatasetError(f"{path}: the fold is {fold!r}; accepted: an integer") from None
    return sources, folds


def _why_empty(base: Path) -> str:
    extensions = " ".join(AUDIO_EXTENSIONS)
    loose = [entry for entry in base.iterdir() if entry.is_file() and _is_audio(entry.name)]
    if loose:
        return (
            f"{base}: {len(loose)} audio files lie directly in the folder, which leaves their class unknown; "
            f"accepted: {_ACCEPTED_LAYOUT}, or a CSV table with the columns path and class"
        )
    return f"{base}: no audio files found; accepted: {_ACCEPTED_LAYOUT} ({extensions})"


def _unreadable(error: OSError) -> None:
    # Left to itself, os.walk passes over folders that it may not read, and the clips in them would go unnoticed.
    raise DatasetError(f"{error.filename}: not readable ({error.strerror}); accepted: folders that can be listed")


def _is_audio(name: str) -> bool:
    return not _hidden(name) and os.path.splitext(name)[1].lower() in AUDIO_EXTENSIONS


def _hidden(name: str) -> bool:
    return name.startswith(".")


def _by_name(path: Path) -> str:
    return path.name
