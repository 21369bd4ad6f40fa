"""The exceptions that siamaudio raises.

A user's mistake is answered by one sentence that names what came and what is accepted; every class here derives from
`SiamaudioError`, so one ``except`` clause catches them all.
"""

from __future__ import annotations

__all__ = [
    "AudioError",
    "CheckpointError",
    "DatasetError",
    "ParameterError",
    "SiamaudioError",
    "StoreError",
    "TrainingError",
    "TuningError",
]


class SiamaudioError(Exception):
    """Base class of everything that siamaudio raises on purpose."""


class ParameterError(SiamaudioError, ValueError):
    """A parameter has a value that is not accepted.

    Parameters
    ----------
    parameter : str
        Name of the parameter, as the caller wrote it.
    received : object
        The value that came.
    accepted : str
        What would have been accepted, in words.
    """

    def __init__(self, parameter: str, received: object, accepted: str) -> None:
        super().__init__(parameter, received, accepted)
        self.parameter = parameter
        self.received = received
        self.accepted = accepted

    def __str__(self) -> str:
        received = self.received if isinstance(self.received, str) else repr(self.received)
        return f"{self.parameter}: got {received}; accepted: {self.accepted}"


class AudioError(SiamaudioError, OSError):
    """An audio file cannot be read.

    Parameters
    ----------
    path : str
        The file.
    reason : str
        Why it cannot be read.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class DatasetError(SiamaudioError, ValueError):
    """A folder or table does not hold a usable data set."""


class StoreError(SiamaudioError, OSError):
    """A feature store is missing, damaged, or not one of siamaudio's."""


class CheckpointError(SiamaudioError, OSError):
    """A saved network is missing, damaged, or of an unknown version."""


class TrainingError(SiamaudioError, RuntimeError):
    """Training cannot go on, for instance because the loss is no longer finite."""


class TuningError(SiamaudioError, RuntimeError):
    """A search for hyperparameters cannot go on: its storage is out of reach, damaged, or holds another study."""
