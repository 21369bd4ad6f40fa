"""siamaudio compare: whether one result is better than another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import siamaudio as sa
from siamaudio.cli._shared import Json, print_json
from siamaudio.errors import DatasetError

__all__ = ["EXAMPLES", "SEE_ALSO", "compare"]

EXAMPLES = """\
siamaudio compare modern.json honka.json --features esc50.zarr
siamaudio compare modern.json honka.json --exchange classes --json
"""
SEE_ALSO = "evaluate, evaluate-splits, plot"


def compare(
    first: Path,
    second: Path,
    /,
    *,
    features: Path | None = None,
    exchange: Literal["clips", "classes"] = "clips",
    correction: Literal["holm", "bh", "none"] = "holm",
    permutations: int = 10_000,
    seed: int = 0,
    json: Json = False,
) -> None:
    """Test whether one result is better than another on the same clips.

    Parameters
    ----------
    first
        What `siamaudio evaluate --json` printed.
    second
        The same, of the other network.
    features
        The feature store of both, which tells which clips are of one recording.
    exchange
        What is exchanged in the permutation test: clips, which tells about these classes, or whole classes, which
        tells about others.
    correction
        Of p-values of single classes: holm, bh (Benjamini and Hochberg) or none.
    permutations
        How many, where there are more than can all be tried.
    seed
        Of the random permutations.
    """
    result, other = _read_result(first), _read_result(second)
    sources = None
    if features is not None:
        sources = sa.Features.load(features).select_classes([*result.classes, *result.left_out])
    found = sa.compare(
        result,
        other,
        sources=sources,
        exchange=exchange,
        correction=correction,
        permutations=permutations,
        seed=seed,
        names=(first.stem, second.stem) if first.stem != second.stem else (str(first), str(second)),
    )
    if json:
        print_json(found.to_dict())
        return
    print(found)
    for name, own in found.per_class.items():
        print(f"  {name:<24} {100 * own.difference:+6.1f} points, corrected p = {own.corrected_p_value:.3g}")


def _read_result(path: Path) -> sa.EvaluationResult:
    """Read what `evaluate --json` printed."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError:
        raise DatasetError(f"{path} is no result of `siamaudio evaluate --json`") from None
    try:
        values = json.loads(text)
        values.pop("report", None)
        return sa.EvaluationResult.from_json(json.dumps(values))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise DatasetError(f"{path} is no result of `siamaudio evaluate --json`") from None
