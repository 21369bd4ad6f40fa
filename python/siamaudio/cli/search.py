"""siamaudio search: the sounds of an index that are most like a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

import siamaudio as sa
from siamaudio.cli._shared import DryRun, Json, NumThreads, Report, check_output, print_json, print_plan
from siamaudio.errors import ParameterError

__all__ = ["EXAMPLES", "SEE_ALSO", "conditions", "search"]

EXAMPLES = """\
siamaudio search sounds.db query.wav -k 5
siamaudio search sounds.db query.wav --label dog --where fold=4 --json
siamaudio search sounds.db query.wav --report found.html
"""
SEE_ALSO = "index, index-remove, evaluate-retrieval, explain"


def search(
    index: Path,
    /,
    *queries: Path,
    k: Annotated[int | None, Parameter(name=["-k", "--k"])] = None,
    label: Annotated[list[str] | None, Parameter(negative="")] = None,
    where: Annotated[list[str], Parameter(negative="", allow_leading_hyphen=True)] = [],  # noqa: B006 - never changed
    report: Report = None,
    num_threads: NumThreads = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Find the recordings, or the places in recordings, that are most like others.

    Parameters
    ----------
    index
        An index that `siamaudio index` wrote.
    queries
        Recordings to look for.
    k
        How many to find; by default ten, or all where there are fewer.
    label
        Only items of this class; several times: of any of these.
    where
        Only items of which this holds, as in fold=4; of one name several times: any of these values.
    """
    if report is not None:
        check_output(report, option="--report")
    if not queries:
        raise ParameterError("queries", "no recordings", "one or more recordings")
    with sa.SearchIndex.open(index) as opened:
        found = conditions(where, opened)
        if dry_run:
            content = f"what is most like {len(queries)} recordings, of {len(opened)} items"
            print_plan(report or index, content, json, items=len(opened))
            return
        result = opened.query(
            [str(query) for query in queries], k=k, label=label, where=found or None, num_threads=num_threads
        )
    if report is not None:
        result.write_html(report)
    if json:
        print_json({**result.to_dict(), **({} if report is None else {"report": str(report)})})
        return
    for query, hits in zip(result.queries, result.hits, strict=True):
        print(query if hits else f"{query}: nothing passed the filter")
        for hit in hits:
            place = "" if hit.start_seconds is None else f"  {hit.start_seconds:.2f}-{hit.end_seconds:.2f} s"
            print(f"  {hit.similarity:7.3f}  {hit.label or '-':<20} {hit.path}{place}")
    if report is not None:
        print(f"report: {report}")


def conditions(settings: list[str], index: sa.SearchIndex) -> dict[str, list[object]]:
    """Return the conditions as `SearchIndex.query` takes them: text stands for whatever value of the index reads so."""
    wanted: dict[str, list[object]] = {}
    table = index.to_frame() if settings else None
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise ParameterError("--where", setting, "a name and a value, as in fold=4")
        values: list[object] = wanted.setdefault(name, [])
        if table is not None and name in table:
            values += [value for value in table[name].drop_duplicates().tolist() if _text(value) == text]
    return wanted


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a column with gaps holds its whole numbers as floating-point ones
    return str(value)
