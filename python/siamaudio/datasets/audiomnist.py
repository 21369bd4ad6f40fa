"""AudioMNIST (S. Becker et al., "AudioMNIST: Exploring Explainable AI for audio analysis", 2018): spoken digits."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from siamaudio.datasets.clips import Clips
from siamaudio.datasets.folder import audio_files, existing_folder, subfolders
from siamaudio.errors import DatasetError, ParameterError

__all__ = ["audiomnist", "has_audiomnist_names"]

_FILE_STEM = re.compile(r"(?P<digit>\d)_(?P<speaker>[A-Za-z0-9]+)_(?P<take>\d+)")
_ACCEPTED = "a folder a speaker (in the release: below data/) with files DIGIT_SPEAKER_TAKE, such as 04/7_04_12.wav"


def audiomnist(root: str | os.PathLike[str], *, classes: Literal["speaker", "digit"] = "speaker") -> Clips:
    """List the clips of AudioMNIST, or of a part of it.

    Parameters
    ----------
    root : path-like
        A checkout of the release, or its ``data`` folder: one folder a speaker, with files DIGIT_SPEAKER_TAKE in any
        format.
    classes : {"speaker", "digit"}
        What there is to be recognised: the speaker, as in Fedele et al. 2022, or the digit.

    Returns
    -------
    Clips
        Sorted by class, then by path. Where digits are the classes, the speaker is the source, so that
        source-disjoint evaluation meets other voices only; where speakers are, each take is its own. Folds are 0.

    Raises
    ------
    DatasetError
        If the folder has another layout.
    ParameterError
        If `classes` is something else.

    Examples
    --------
    >>> clips = audiomnist("AudioMNIST", classes="digit")  # doctest: +SKIP
    """
    if classes not in ("speaker", "digit"):
        raise ParameterError("classes", classes, "'speaker' or 'digit'")
    base = existing_folder(root)
    speakers = _speakers(base)
    rows = []
    for folder in speakers:
        for file in audio_files(folder):
            stem = _FILE_STEM.fullmatch(file.stem)
            if stem is None or stem["speaker"] != folder.name:
                raise DatasetError(f"{file}: not named as in AudioMNIST; accepted: {_ACCEPTED}")
            is_digit = classes == "digit"
            rows.append((stem[classes], file, f"speaker {folder.name}" if is_digit else str(file)))
    if not rows:
        raise DatasetError(f"{base}: no AudioMNIST found; accepted: {_ACCEPTED}")
    rows.sort(key=lambda row: (row[0], row[1].parts))
    return Clips(
        paths=[file for _, file, _ in rows],
        class_of_clip=[class_name for class_name, _, _ in rows],
        sources=[source for _, _, source in rows],
        name=base.resolve().name,
    )


def has_audiomnist_names(base: Path) -> bool:
    """Tell whether every audio file below the subfolders of `base` is named as in AudioMNIST."""
    is_empty = True
    for folder in _speakers(base):
        for file in audio_files(folder):
            stem = _FILE_STEM.fullmatch(file.stem)
            if stem is None or stem["speaker"] != folder.name:
                return False
            is_empty = False
    return not is_empty


def _speakers(base: Path) -> list[Path]:
    inner = base / "data"
    return subfolders(inner if inner.is_dir() else base)
