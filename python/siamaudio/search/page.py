"""The HTML page of a search: queries and hits to look at and to listen to, in one file that needs nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from siamaudio.audio import load, resample
from siamaudio.errors import AudioError
from siamaudio.log_mel import LogMel
from siamaudio.pages import data_uri, drawn, wav, write_template
from siamaudio.search.result import Hit, SearchResult

__all__ = ["write_page"]

_LONGEST_SECONDS = 30.0  # of a sound in the page
_LARGE_SOUND_BYTES = 400_000  # above which it is resampled
_SMALLER_SR = 16000
_PICTURE_SIZE = (4.4, 2.0)  # inches
_METRICS = {"cosine": "the cosine", "euclidean": "minus the Euclidean distance", "inner_product": "the inner product"}


def write_page(path: Path, result: SearchResult, *, title: str) -> Path:
    """Do the work of `SearchResult.write_html`, which describes the parameters."""
    front_end = result.front_end or LogMel(sr=_SMALLER_SR, n_fft=1024, hop_length=256, n_mels=64)
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
    if not os.path.isfile(path):
        return {"picture": None, "sound": None, "remark": "no file to play"}
    offset = start or 0.0
    duration = _LONGEST_SECONDS if end is None else min(end - offset, _LONGEST_SECONDS)
    try:
        y, sr = load(path, offset=offset, duration=duration)
    except AudioError as error:
        return {"picture": None, "sound": None, "remark": error.reason}
    if not len(y) or not np.isfinite(y).all():
        return {"picture": None, "sound": None, "remark": "nothing to play"}
    picture = _picture(front_end, resample(y, orig_sr=sr, target_sr=front_end.sr))
    if 2 * len(y) > _LARGE_SOUND_BYTES and sr > _SMALLER_SR:
        y, sr = resample(y, orig_sr=sr, target_sr=_SMALLER_SR), _SMALLER_SR
    is_cut = len(y) >= _LONGEST_SECONDS * sr
    remark = f"the first {_LONGEST_SECONDS:g} s" if is_cut else None
    return {"picture": picture, "sound": data_uri(wav(y, sr), "audio/wav"), "remark": remark}


def _picture(front_end: LogMel, y: np.ndarray) -> str | None:
    from siamaudio import plotting

    if front_end.num_frames(len(y)) == 0:
        return None
    spectrogram = front_end(y)
    png = drawn(
        lambda figure: plotting.plot_spectrogram(spectrogram, front_end=front_end, ax=figure.subplots()),
        _PICTURE_SIZE,
        "png",
        {"Software": None},
    )
    return data_uri(png, "image/png")


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
