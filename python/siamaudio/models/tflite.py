"""The constants of a TensorFlow Lite file, without TensorFlow.

Such a file is a flatbuffer (https://flatbuffers.dev/internals): tables, whose fields are found by a table of offsets
before or behind them, and vectors, a length with its items after it. Only what constants need is read, and every
position that the file names is checked, since a damaged file may name any.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from siamaudio.errors import CheckpointError

__all__ = ["is_tflite", "read_constants"]

_IDENTIFIER = b"TFL3"
_MOST_TENSORS = 1_000_000

# Numbers of fields, as in tensorflow/lite/schema/schema.fbs
_MODEL_SUBGRAPHS, _MODEL_BUFFERS = 2, 4
_SUBGRAPH_TENSORS = 0
_TENSOR_SHAPE, _TENSOR_TYPE, _TENSOR_BUFFER, _TENSOR_NAME, _TENSOR_QUANTIZATION = range(5)
_QUANTIZATION_SCALE, _QUANTIZATION_ZERO_POINT, _QUANTIZATION_AXIS = 2, 3, 6
_BUFFER_DATA = 0
_TYPES = {0: np.dtype("<f4"), 1: np.dtype("<f2"), 9: np.dtype("i1")}  # those that weights have


class _DamagedError(Exception):
    """The file names a place that it does not have."""


def is_tflite(path: Path) -> bool:
    """Tell whether a file says that it is a model of TensorFlow Lite."""
    with path.open("rb") as file:
        return file.read(8)[4:] == _IDENTIFIER


def read_constants(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Read all constants that are floating-point numbers or 8-bit integers with a scale.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict from name to np.ndarray
        In the file's shapes, integers turned into ``scale * (value - zero_point)``.

    Raises
    ------
    CheckpointError
        The file is missing, damaged, or something else.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    content = path.read_bytes()
    if content[4:8] != _IDENTIFIER:
        raise CheckpointError(f"{path} is no file of TensorFlow Lite")
    try:
        return _constants(content)
    except (_DamagedError, struct.error, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} is damaged, or cut short ({error})") from None


# ---- The file's tables


def _constants(content: bytes) -> dict[str, npt.NDArray[np.float32]]:
    model = _Table(content, _Reader(content).offset(0))
    buffers = model.tables(_MODEL_BUFFERS)
    constants = {}
    for subgraph in model.tables(_MODEL_SUBGRAPHS):
        for tensor in subgraph.tables(_SUBGRAPH_TENSORS):
            index = tensor.number(_TENSOR_BUFFER, "<I")
            dtype = _TYPES.get(tensor.number(_TENSOR_TYPE, "<b"))
            if index >= len(buffers):
                raise _DamagedError(f"it names buffer {index} of {len(buffers)}")
            data = buffers[index].bytes(_BUFFER_DATA)
            if data and dtype is not None:
                values = _values(tensor, data, dtype)
                if values is not None:
                    constants[tensor.bytes(_TENSOR_NAME).decode()] = values
    return constants


def _values(tensor: _Table, data: bytes, dtype: np.dtype) -> npt.NDArray[np.float32] | None:
    shape = tuple(tensor.vector(_TENSOR_SHAPE, "<i4"))
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if min(shape, default=1) < 0 or size != len(data):
        raise _DamagedError(f"a tensor of shape {shape} has {len(data)} bytes")
    values = np.frombuffer(data, dtype).reshape(shape).astype(np.float32)
    if dtype.kind == "f":
        return values
    quantization = tensor.table(_TENSOR_QUANTIZATION)
    scale = quantization.vector(_QUANTIZATION_SCALE, "<f4") if quantization else np.empty(0)
    if quantization is None or len(scale) == 0:
        return None  # integers that mean integers
    zero_point = quantization.vector(_QUANTIZATION_ZERO_POINT, "<i8").astype(np.float32)
    axis = quantization.number(_QUANTIZATION_AXIS, "<i")
    if len(scale) > 1:
        if not 0 <= axis < len(shape) or len(scale) != shape[axis] or len(zero_point) not in (0, len(scale)):
            raise _DamagedError(f"a tensor of shape {shape} has {len(scale)} scales along axis {axis}")
        along = [1] * len(shape)
        along[axis] = len(scale)
        scale, zero_point = scale.reshape(along), zero_point.reshape(along) if len(zero_point) else zero_point
    return scale * (values - zero_point) if zero_point.size else scale * values


class _Reader:
    """Numbers at positions that are checked."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, layout: str, position: int) -> int:
        if position < 0:
            raise _DamagedError(f"it names position {position}")
        return struct.unpack_from(layout, self._content, position)[0]

    def offset(self, position: int) -> int:
        """Return the position that an offset at `position` leads to."""
        return position + self.read("<I", position)

    def slice(self, start: int, size: int) -> bytes:
        if start < 0 or size < 0 or start + size > len(self._content):
            raise _DamagedError(f"it names {size} bytes at {start}, and has {len(self._content)}")
        return self._content[start : start + size]


class _Table(_Reader):
    """One table of the flatbuffer."""

    def __init__(self, content: bytes, position: int) -> None:
        super().__init__(content)
        self._position = position
        self._fields = position - self.read("<i", position)
        self._fields_size = self.read("<H", self._fields)

    def _field(self, number: int) -> int | None:
        """Return where a field is; None where the table leaves it at its default."""
        entry = 4 + 2 * number
        if entry + 2 > self._fields_size:
            return None
        offset = self.read("<H", self._fields + entry)
        return self._position + offset if offset else None

    def number(self, field: int, layout: str) -> int:
        place = self._field(field)
        return 0 if place is None else self.read(layout, place)

    def table(self, field: int) -> _Table | None:
        place = self._field(field)
        return None if place is None else _Table(self._content, self.offset(place))

    def bytes(self, field: int) -> bytes:
        return self.vector(field, "u1").tobytes()

    def vector(self, field: int, dtype: str) -> npt.NDArray[Any]:
        place = self._field(field)
        if place is None:
            return np.empty(0, dtype)
        start = self.offset(place)
        size = self.read("<I", start) * np.dtype(dtype).itemsize
        return np.frombuffer(self.slice(start + 4, size), dtype)

    def tables(self, field: int) -> list[_Table]:
        place = self._field(field)
        if place is None:
            return []
        start = self.offset(place)
        count = self.read("<I", start)
        if count > _MOST_TENSORS:
            raise _DamagedError(f"it claims {count} tables")
        return [_Table(self._content, self.offset(start + 4 + 4 * index)) for index in range(count)]
