"""What a search found."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamaudio.log_mel import LogMel
from siamaudio.search.recordings import Value
from siamaudio.search.vectors import Metric

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["Hit", "SearchResult"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hit:
    """An item that was found.

    Attributes
    ----------
    path : str
        Its recording.
    label : str or None
        Its class, where that is known.
    similarity : float
        Of it and the query, as the index's metric has it: cosine, inner product, or minus the Euclidean distance.
    start_seconds, end_seconds : float or None
        Where in the recording it is.
    metadata : dict
        Whatever else the index knows.
    """

    path: str
    label: str | None
    similarity: float
    start_seconds: float | None
    end_seconds: float | None
    metadata: dict[str, Value]

    def to_dict(self) -> dict[str, Any]:
        """Return the hit as JSON can hold it."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class SearchResult:
    """The most similar items of one query or several.

    Attributes
    ----------
    queries : tuple of str
        What was searched for: paths, or names where there are none.
    hits : tuple of tuple of Hit
        Of each query, the most similar first; of equally similar ones the one that was added first.
    metric : {"cosine", "euclidean", "inner_product"}
        What similarity is.
    num_items : int
        That were searched, filters apart.
    front_end : LogMel or None
        What spectrograms are drawn with.
    """

    queries: tuple[str, ...]
    hits: tuple[tuple[Hit, ...], ...]
    metric: Metric
    num_items: int
    front_end: LogMel | None = None

    def __len__(self) -> int:
        return len(self.queries)

    def __iter__(self) -> Iterator[tuple[Hit, ...]]:
        return iter(self.hits)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a hit: path, label, similarity, start_seconds, end_seconds, then other metadata.

        Where there are several queries, a first column "query" names them.
        """
        import pandas as pd

        found = [(query, hit) for query, hits in zip(self.queries, self.hits, strict=True) for hit in hits]
        names = list(dict.fromkeys(name for _, hit in found for name in hit.metadata))
        columns: dict[str, Any] = {
            # Of objects, not pandas's strings: a file name may be no valid UTF-8.
            "query": pd.Series([query for query, _ in found], dtype=object),
            "path": pd.Series([hit.path for _, hit in found], dtype=object),
            "label": pd.Series([hit.label for _, hit in found], dtype=object),
            "similarity": pd.Series([hit.similarity for _, hit in found], dtype="float64"),
            "start_seconds": pd.Series([hit.start_seconds for _, hit in found], dtype="float64"),
            "end_seconds": pd.Series([hit.end_seconds for _, hit in found], dtype="float64"),
            **{name: [hit.metadata.get(name) for _, hit in found] for name in names},
        }
        if len(self.queries) == 1:
            columns.pop("query")
        return pd.DataFrame(columns)

    def to_dict(self) -> dict[str, Any]:
        """Return everything that was found as strict JSON can hold it."""
        return {
            "metric": self.metric,
            "num_items": self.num_items,
            "results": [
                {"query": query, "hits": [hit.to_dict() for hit in hits]}
                for query, hits in zip(self.queries, self.hits, strict=True)
            ],
        }

    def to_json(self) -> str:
        """Return `to_dict` as JSON."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def plot(self, query: int = 0, *, ax: Axes | None = None) -> Axes:
        """Draw how similar the hits of a query are, a bar each.

        Parameters
        ----------
        query : int
            Which query.
        ax : matplotlib.axes.Axes or None
            Where to draw; None: new axes.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from siamaudio import plotting

        return plotting.plot_search(self, query, ax=ax)

    def write_html(self, path: str | os.PathLike[str], *, title: str = "Search by example") -> Path:
        """Write one HTML file with queries and hits to look at and to listen to; it needs nothing else.

        Parameters
        ----------
        path : path-like
            The file, usually ``*.html``; one that is there is replaced.
        title : str
            Heading.

        Returns
        -------
        pathlib.Path
            The file.
        """
        from siamaudio.search.page import write_page

        return write_page(Path(path), self, title=title)

    def __repr__(self) -> str:
        first = ""
        if len(self.queries) == 1 and self.hits[0]:
            best = self.hits[0][0]
            first = f"; nearest: {best.label or os.path.basename(best.path)} {best.similarity:.3f}"
        queries = self.queries[0] if len(self.queries) == 1 else f"{len(self.queries)} queries"
        return f"SearchResult({queries}: {sum(map(len, self.hits))} hits among {self.num_items} items{first})"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(repr(self))}</p>{self.to_frame().to_html(float_format='{:.3f}'.format)}"
