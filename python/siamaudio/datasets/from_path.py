"""Recognising a data set by its path."""

from __future__ import annotations

import os
from pathlib import Path

from siamaudio.datasets.audiomnist import audiomnist, has_audiomnist_names
from siamaudio.datasets.clips import Clips
from siamaudio.datasets.esc50 import esc50, has_meta_table, has_original_names
from siamaudio.datasets.folder import folder
from siamaudio.datasets.speech_commands import has_speech_commands_names, speech_commands
from siamaudio.datasets.table import table
from siamaudio.errors import DatasetError

__all__ = ["from_path"]


def from_path(path: str | os.PathLike[str]) -> Clips:
    """List the clips of a data set whose layout is recognised by itself.

    Parameters
    ----------
    path : path-like
        A CSV or Parquet table (see `table`), a folder in one of ESC-50's layouts (see `esc50`), AudioMNIST with its
        speakers as classes (see `audiomnist`), Speech Commands (see `speech_commands`), or a folder with one subfolder
        a class (see `folder`).

    Returns
    -------
    Clips

    Raises
    ------
    DatasetError
        If the path is none of these, or the data set is damaged.

    Examples
    --------
    >>> clips = from_path("ESC-50")  # doctest: +SKIP
    """
    chosen = Path(path)
    if chosen.is_dir():
        if has_meta_table(chosen) or has_original_names(chosen):
            return esc50(chosen)
        if has_audiomnist_names(chosen):
            return audiomnist(chosen)
        return speech_commands(chosen) if has_speech_commands_names(chosen) else folder(chosen)
    if chosen.is_file() and chosen.suffix.lower() in (".csv", ".parquet"):
        return table(chosen)
    problem = "neither a folder nor a .csv or .parquet file" if chosen.exists() else "no such file or folder"
    raise DatasetError(
        f"{chosen}: {problem}; accepted: a folder with one subfolder a class, an ESC-50 checkout (meta/esc50.csv "
        "and audio/), or a .csv or .parquet table with the columns path and class"
    )
