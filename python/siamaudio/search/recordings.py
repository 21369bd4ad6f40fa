"""What is indexed: recordings, each known by where it lies and by what tells its present state from others."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Hashable
from typing import Any

__all__ = ["Recording", "file_stamp"]

Value = str | int | float | bool | None


@dataclasses.dataclass(frozen=True)
class Recording:
    """A sound in an index, whole or in windows.

    Attributes
    ----------
    path : str
        The file, absolute; or a name where there is no file.
    label : str or None
        Its class, where that is known.
    stamp : str
        Of a file its size and time of modification, of anything else a digest: what changes with the content.
    is_file : bool
        Whether another stamp of the same path means that the recording was changed, and not that it is another one.
    metadata : dict of str to str, int, float, bool or None
        Whatever else is known.
    """

    path: str
    label: str | None
    stamp: str
    is_file: bool
    metadata: dict[str, Value]

    @functools.cached_property
    def key(self) -> tuple[Hashable, ...]:
        """What two recordings have in common if, and only if, adding one after the other would add nothing."""
        return self.path, self.label, self.stamp, self.is_file, tuple(sorted(self.metadata.items()))

    def to_list(self) -> list[Any]:
        """Return the arguments of the constructor in their order, as JSON can hold them."""
        return [self.path, self.label, self.stamp, self.is_file, self.metadata]


def file_stamp(path: str) -> str:
    """Return the stamp of a file; OSError where there is none."""
    status = os.stat(path)
    return f"{status.st_size}:{status.st_mtime_ns}"
