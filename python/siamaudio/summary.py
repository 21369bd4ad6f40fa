"""The layers of a network as a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Layer", "Summary"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer.

    Attributes
    ----------
    name : str
        Its path, as its weights are named.
    kind : str
        What it does, such as "conv".
    output_shape : tuple of int
        For one clip: (channels, height, width) or (units,).
    num_parameters : int
        Numbers that training changes.
    flops : int
        Floating-point operations for one clip, two for each multiplication by a weight.
    path : str
        How this machine computes it: "winograd" or "fused" by kernels of our own, "plain" by LibTorch, with the reason
        where a kernel might have served; empty where there is one way only.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    num_parameters: int
    flops: int
    path: str


@dataclasses.dataclass(frozen=True)
class Summary:
    """All layers of a network; `print` shows them as a table, and so does a notebook.

    Attributes
    ----------
    layers : tuple of Layer
        In the order of the data.
    """

    layers: tuple[Layer, ...]

    @classmethod
    def of(cls, layers: Sequence[Mapping[str, Any]]) -> Self:
        """Make a summary of layers as the core describes them."""
        return cls(tuple(Layer(**{**layer, "output_shape": tuple(layer["output_shape"])}) for layer in layers))

    @property
    def num_parameters(self) -> int:
        """Numbers that training changes."""
        return sum(layer.num_parameters for layer in self.layers)

    @property
    def flops(self) -> int:
        """Floating-point operations to embed one clip and compare it with another."""
        return sum(layer.flops for layer in self.layers)

    def to_frame(self) -> pd.DataFrame:
        """Return the layers as a table."""
        import pandas as pd

        return pd.DataFrame([dataclasses.asdict(layer) for layer in self.layers])

    def __repr__(self) -> str:
        rows = [("layer", "kind", "output", "parameters", "MFLOP", "computed")]
        rows += [
            (
                layer.name,
                layer.kind,
                " x ".join(map(str, layer.output_shape)),
                f"{layer.num_parameters:,}",
                f"{layer.flops / 1e6:,.1f}",
                layer.path,
            )
            for layer in self.layers
        ]
        rows.append(("total", "", "", f"{self.num_parameters:,}", f"{self.flops / 1e6:,.1f}", ""))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = [
            "  ".join(
                cell.rjust(width) if column in (3, 4) else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        rule = "-" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])
