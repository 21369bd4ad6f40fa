"""The folder in which a training leaves checkpoints, so that it can go on where it was killed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy.typing as npt

from siamaudio import checkpoint
from siamaudio.errors import CheckpointError, ParameterError

__all__ = ["TrainingCheckpoint", "TrainingCheckpoints"]

_KEPT = 2  # so that there is a whole one, whatever becomes of the last
_NAME = re.compile(r"step-(\d{10})\.checkpoint")


class TrainingCheckpoint(NamedTuple):
    """Where a training stood."""

    path: Path
    manifest: dict[str, Any]
    """Options, data, progress and history, as JSON can hold them."""
    tensors: dict[str, npt.NDArray[Any]]
    """Weights and the state of optimizer and averages, by name."""


class TrainingCheckpoints:
    """A folder of checkpoints, of which the last two are kept.

    Each is one file, written beside, synced and renamed, with a checksum over all that it holds: a process that is
    killed at any moment leaves the checkpoints before it as they were.

    Parameters
    ----------
    folder : Path
        The folder; made when the first checkpoint is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def paths(self) -> list[Path]:
        """Return the checkpoints, the oldest first."""
        if self.folder.exists() and not self.folder.is_dir():
            raise ParameterError("checkpoint", f"the file {self.folder}", "a folder, or a new name")
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if _NAME.fullmatch(path.name))

    def write(self, step: int, manifest: Mapping[str, Any], tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        """Write the checkpoint of a step, then remove all but the last two.

        Parameters
        ----------
        step : int >= 0
            Steps done.
        manifest : mapping
            As JSON can hold it.
        tensors : mapping from name to np.ndarray

        Raises
        ------
        CheckpointError
            It cannot be written; the ones before are intact.
        """
        self._remove_old()  # what a process that was killed here has left
        checkpoint.write(self.folder / f"step-{step:010d}.checkpoint", {"kind": "training", **manifest}, tensors)
        self._remove_old()

    def _remove_old(self) -> None:
        for path in [*self.paths()[:-_KEPT], *self.folder.glob(".step-*.partial")]:
            path.unlink(missing_ok=True)

    def read(self, name: str | None = None) -> TrainingCheckpoint | None:
        """Read the last checkpoint, or a named one; None where there is none at all.

        Parameters
        ----------
        name : str or None
            File name of a checkpoint in the folder; None: the last one.

        Raises
        ------
        CheckpointError
            It is damaged, which names the one before if that is whole; or there is none of that name.
        """
        paths = self.paths()
        if name is None and not paths:
            return None
        path = paths[-1] if name is None else self.folder / name
        try:
            return _read(path)
        except CheckpointError as error:
            earlier = [other for other in paths if other.name < path.name and _is_whole(other)]
            if not earlier:
                raise
            raise CheckpointError(
                f"{error}; the one before it is whole: resume={earlier[-1].name!r} goes on from there"
            ) from error


def _read(path: Path) -> TrainingCheckpoint:
    manifest, tensors = checkpoint.read(path, "training")
    return TrainingCheckpoint(path, manifest, tensors)


def _is_whole(path: Path) -> bool:
    try:
        _read(path)
    except CheckpointError:
        return False
    return True
