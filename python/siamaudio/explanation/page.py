"""The HTML page of an explanation: one file that needs nothing else, to see and to hear."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamaudio.errors import ParameterError
from siamaudio.explanation.resynthesis import audio_uri
from siamaudio.inverse import mel_weights
from siamaudio.pages import chart, data_uri, drawn, write_template

if TYPE_CHECKING:
    from markupsafe import Markup

    from siamaudio.explanation.faithfulness import Faithfulness
    from siamaudio.explanation.results import Explanation

__all__ = ["picture_uri", "write_page"]


def write_page(
    path: str | os.PathLike[str],
    explanation: Explanation,
    *,
    title: str,
    top: int,
    faithfulness: Faithfulness | None = None,
) -> Path:
    """Do the work of `Explanation.write_html`, which describes the parameters.

    Parameters
    ----------
    faithfulness : Faithfulness or None
        Curves to show, too.
    """
    from siamaudio import __version__

    if top < 1:
        raise ParameterError("top", top, "1 or more")
    front_end = explanation.front_end
    samples = explanation.query.samples
    path = Path(path)
    write_template(
        path,
        "explanation.html.j2",
        title=title,
        explanation=explanation,
        picture=picture_uri(explanation),
        query_sound=None if samples is None or front_end is None else audio_uri(samples, front_end.sr),
        supports=[_support(explanation, number, top) for number in range(len(explanation.classes))],
        top=top,
        options=_options(explanation),
        faithfulness=faithfulness,
        curves=None if faithfulness is None else _curves(faithfulness),
        version=__version__,
    )
    return path


def picture_uri(explanation: Explanation) -> str:
    """Return the picture of an explanation as a page can hold it.

    Parameters
    ----------
    explanation : Explanation
        What to draw.
    """
    from siamaudio import plotting_explanation as plotting

    size = plotting.explanation_size(explanation)
    png = drawn(lambda figure: plotting.plot_explanation(explanation, figure=figure), size, "png")
    return data_uri(png, "image/png")


def _curves(faithfulness: Faithfulness) -> Markup:
    from siamaudio import plotting_explanation as plotting

    return chart(
        "curves",
        "Similarity against the share of pixels taken away or put back",
        lambda figure: plotting.plot_faithfulness(faithfulness, ax=figure.subplots()),
        plotting.faithfulness_size(),
    )


def _support(explanation: Explanation, number: int, top: int) -> dict[str, Any]:
    clip, front_end = explanation.supports[number], explanation.front_end
    rows = [row for row in explanation.to_frame().to_dict("records") if row["support"] == number and row["rank"] <= top]
    sounds = []
    if clip.samples is not None and front_end is not None:
        chosen = explanation.top_segments(number, top=top)
        kept, rest = (explanation.resynthesise(number, segments=chosen, part=part) for part in ("segments", "rest"))
        sounds = [
            ("the whole support", audio_uri(clip.samples, front_end.sr)),
            (f"its top {len(chosen)} segments alone", audio_uri(kept.samples, kept.sr)),
            ("what is left without them", audio_uri(rest.samples, rest.sr)),
        ]
    return {
        "name": clip.name,
        "class_name": explanation.classes[number],
        "similarity": f"{explanation.similarities[number]:.3f}",
        "is_nearest": number == explanation.predicted,
        "is_own": explanation.classes[number] == explanation.true_class,
        "sounds": sounds,
        "segments": [_segment(explanation, row) for row in sorted(rows, key=lambda row: row["rank"])],
    }


def _segment(explanation: Explanation, row: dict[Any, Any]) -> dict[str, str]:
    """Where a segment lies and what it contributes, in words."""
    front_end = explanation.front_end
    place, height = f"frame {row['frame']:.0f}", f"band {row['band']:.0f}"
    if front_end is not None:
        place = f"{row['frame'] * front_end.hop_length / front_end.sr:.2f} s"
        middle = mel_weights(front_end)[round(row["band"])].argmax()
        height = f"{middle * front_end.sr / front_end.n_fft:.0f} Hz"
    share = row["pixels"] / explanation.segments[0].size
    return {
        "rank": str(row["rank"]),
        "place": place,
        "height": height,
        "share": f"{share:.1%}",
        "contribution": f"{row['contribution']:+.3g}",
        "whole": f"{row['contribution'] * row['pixels']:+.3f}",
    }


def _options(explanation: Explanation) -> list[tuple[str, str]]:
    def described(option: Any) -> str:
        if isinstance(option, str):
            return option
        values = ", ".join(f"{key} {value}" for key, value in dataclasses.asdict(option).items())
        return f"{option.name} ({values})" if values else option.name

    replacement: str = explanation.replacement
    if explanation.silence is not None:
        levels = sorted({f"{level:.1f}" for level in explanation.silence})
        replacement += f" ({', '.join(levels)})"
    return [
        ("method", described(explanation.method)),
        ("segmentation", described(explanation.segmentation)),
        ("segments of each support", ", ".join(str(len(own)) for own in explanation.contributions)),
        ("replacement", replacement),
        ("seed", str(explanation.seed)),
    ]
