"""The HTML page of a search: queries and hits to look at and to listen to, in one file that needs nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from siamaudio.audio import resample
from siamaudio.log_mel import LogMel
from siamaudio.page_sounds import load_sound
from siamaudio.pages import data_uri, spectrogram, wav, write_template
from siamaudio.search.result import Hit, SearchResult

__all__ = ["write_page"]

_LONGEST_SECONDS = 30.0  # of a sound in the page
_FRONT_END = LogMel(sr=16000, n_fft=1024, hop_length=256, n_mels=64)  # of pictures, where the index has none
_METRICS = {"cosine": "the cosine", "euclidean": "minus the Euclidean distance", "inner_product": "the inner product"}


def write_page(path: Path, result: SearchResult, *, title: str) -> Path:
    """Do the work of `SearchResult.write_html`, which describes the parameters."""
    front_end = result.front_end or _FRONT_END
    common = _common_folder([hit.path for hits in result.hits for hit in hits])
    # A recording may be a hit of several queries.
    shown: dict[tuple[str, float | None, float | None], dict[str, Any]] = {}

    def sound(path: str, start: float | None, end: float | None) -> dict[str, Any]:
        key = (path, start, end)
        if key not in shown:
            shown[key] = _sound(front_end, *key)
        return shown[key]

    queries = []
    for query, hits in zip(result.queries, result.hits, strict=True):
        similarities = [hit.similarity for hit in hits]
        queries.append(
            {
                "name": os.path.basename(query),
                "place": os.path.dirname(query),
                **sound(query, None, None),
                "hits": [
                    {
                        "name": os.path.basename(hit.path),
                        "heading": hit.label or os.path.basename(hit.path),
                        "place": _place(hit, common),
                        "similarity": hit.similarity,
                        "share": _share(hit.similarity, similarities, result.metric),
                        "metadata": [(name, value) for name, value in hit.metadata.items() if value is not None],
                        **sound(hit.path, hit.start_seconds, hit.end_seconds),
                    }
                    for hit in hits
                ],
            }
        )
    write_template(
        path,
        "search.html.j2",
        title=title,
        queries=queries,
        num_items=result.num_items,
        folder=common,
        metric=_METRICS[result.metric],
    )
    return path


def _sound(front_end: LogMel, path: str, start: float | None, end: float | None) -> dict[str, Any]:
    """Return picture and sound of a part of a recording, or a remark why there are none."""
    nothing = {"shown": None, "sound": None}
    if not os.path.isfile(path):
        return {**nothing, "remark": "no file to play"}
    offset = start or 0.0
    heard = load_sound(
        path, offset=offset, duration=None if end is None else end - offset, most_seconds=_LONGEST_SECONDS
    )
    if heard.samples is None:
        return {**nothing, "remark": heard.remark}
    y = resample(heard.samples, orig_sr=heard.sr, target_sr=front_end.sr)
    return {
        "shown": spectrogram(front_end(y), front_end) if front_end.num_frames(len(y)) else None,
        "sound": data_uri(wav(heard.samples, heard.sr), "audio/wav"),
        "remark": heard.remark,
    }


def _common_folder(paths: list[str]) -> str:
    """Return the folder that all files lie in, at whatever depth; "" where there is none."""
    folders = {os.path.dirname(path) for path in paths}
    try:
        return os.path.commonpath(folders)
    except ValueError:
        return ""


def _place(hit: Hit, common: str) -> str:
    """Return where a hit is, in words: its file below the folder of all, and the seconds in it."""
    words = os.path.relpath(hit.path, common) if common else hit.path
    if hit.start_seconds is None or hit.end_seconds is None:
        return words
    times = f"{hit.start_seconds:.2f} to {hit.end_seconds:.2f} s"
    return f"{words}, {times}" if words else times


def _share(similarity: float, all_of_query: list[float], metric: str) -> float:
    """Return how long a bar is: a cosine's own share of 1; otherwise from a tenth for the worst to 1 for the best."""
    if metric == "cosine":
        return min(1.0, max(0.0, similarity))
    worst, best = min(all_of_query), max(all_of_query)
    return 1.0 if best == worst else 0.1 + 0.9 * (similarity - worst) / (best - worst)
