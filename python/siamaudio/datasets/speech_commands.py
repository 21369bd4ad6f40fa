"""Speech Commands (P. Warden, "Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition", 2018)."""

from __future__ import annotations

import os
import re
from pathlib import Path

from siamaudio.datasets.clips import Clips
from siamaudio.datasets.folder import audio_files, existing_folder, subfolders
from siamaudio.errors import DatasetError

__all__ = ["has_speech_commands_names", "speech_commands"]

_FILE_STEM = re.compile(r"(?P<speaker>[0-9a-f]+)_nohash_(?P<take>\d+)")
_LISTS = {"validation_list.txt": 2, "testing_list.txt": 3}
_TRAINING_FOLD = 1
_ACCEPTED = "a folder a word with files SPEAKER_nohash_TAKE, such as yes/0a7c2a8d_nohash_0.wav"


def speech_commands(root: str | os.PathLike[str]) -> Clips:
    """List the clips of Speech Commands, or of a data set with its layout.

    Parameters
    ----------
    root : path-like
        One folder a word, with files SPEAKER_nohash_TAKE; folders whose names begin with ``_``, as
        ``_background_noise_``, are left out.

    Returns
    -------
    Clips
        Sorted by word, then by path. Sources are the speakers. Folds say the release's own parts: 1 training,
        2 ``validation_list.txt``, 3 ``testing_list.txt``; without these lists all folds are 0.

    Raises
    ------
    DatasetError
        If the folder has another layout, or a list names files that are missing.

    Examples
    --------
    >>> clips = speech_commands("speech_commands_v0.02")  # doctest: +SKIP
    >>> training = clips[clips.folds == 1]  # doctest: +SKIP
    """
    base = existing_folder(root)
    paths: list[Path] = []
    class_of_clip: list[str] = []
    speakers: list[str] = []
    for folder in _words(base):
        for file in audio_files(folder):
            stem = _FILE_STEM.fullmatch(file.stem)
            if stem is None:
                raise DatasetError(f"{file}: not named as in Speech Commands; accepted: {_ACCEPTED}")
            paths.append(file)
            class_of_clip.append(folder.name)
            speakers.append(stem["speaker"])
    if not paths:
        raise DatasetError(f"{base}: no Speech Commands found; accepted: {_ACCEPTED}")
    name = base.resolve().name
    folds = _folds(base, paths)
    return Clips(paths=paths, class_of_clip=class_of_clip, sources=speakers, folds=folds, name=name)


def has_speech_commands_names(base: Path) -> bool:
    """Tell whether every audio file below the subfolders of `base` is named as in Speech Commands."""
    is_empty = True
    for folder in _words(base):
        for file in audio_files(folder):
            if _FILE_STEM.fullmatch(file.stem) is None:
                return False
            is_empty = False
    return not is_empty


def _words(base: Path) -> list[Path]:
    return [folder for folder in subfolders(base) if not folder.name.startswith("_")]


def _folds(base: Path, paths: list[Path]) -> list[int] | None:
    lists = {name: fold for name, fold in _LISTS.items() if (base / name).is_file()}
    if not lists:
        return None
    # Without endings: recordings may have been converted.
    position_of = {path.relative_to(base).with_suffix("").as_posix(): position for position, path in enumerate(paths)}
    folds = [_TRAINING_FOLD] * len(paths)
    for name, fold in lists.items():
        try:
            lines = (base / name).read_text(encoding="utf-8").split("\n")
        except UnicodeDecodeError as error:
            raise DatasetError(f"{base / name}: not readable ({error}); accepted: a list of files in UTF-8") from error
        for line in filter(None, map(str.strip, lines)):
            position = position_of.get(Path(line).with_suffix("").as_posix())
            if position is None:
                raise DatasetError(
                    f"{base / name}: {line} is not in the folder; accepted: a list whose files all exist"
                )
            folds[position] = fold
    return folds
