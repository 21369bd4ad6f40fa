"""siamaudio plot: a picture of a recording, a result or a training."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import TYPE_CHECKING, Any

import siamaudio as sa
from siamaudio.cli._shared import DryRun, Json, Out, check_output, print_json, print_plan
from siamaudio.errors import DatasetError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["EXAMPLES", "FILES", "SEE_ALSO", "plot"]

EXAMPLES = """\
siamaudio plot query.wav -o query.png
siamaudio plot result.json -o accuracy.pdf
siamaudio plot net.siam -o training.svg
"""
FILES = """\
result.json  what --json of evaluate, evaluate-pairs, evaluate-retrieval,
             evaluate-splits, embedding-report, compare or leaks printed
"""
SEE_ALSO = "evaluate --report, embedding-map"

# What tells the kinds of results apart, most telling first: a key that the others lack.
_RESULTS = (
    ("map_at_k", "RetrievalResult"),
    ("equal_error_rate", "PairResult"),
    ("standard_deviation", "SplitsResult"),
    ("near_duplicates", "LeakReport"),
    ("mcnemar", "Comparison"),
    ("maps", "EmbeddingReport"),
    ("ways_curve", "EvaluationResult"),
)


def plot(
    source: Path,
    /,
    *,
    out: Out,
    front_end: str | None = None,
    title: str | None = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Draw a recording's spectrogram, a result, or how a network was trained.

    Parameters
    ----------
    source
        A recording, a file *.json of a result, or a network *.siam.
    out
        The picture, a file *.png, *.svg or *.pdf.
    front_end
        For a recording: a published front end, such as modern; by default LogMel at the recording's own rate.
    title
        Heading.
    """
    check_output(out, (".png", ".svg", ".pdf"))
    figure, what = _drawn(source, front_end)
    if dry_run:
        print_plan(out, what, json)
        return
    if title is not None:
        figure.suptitle(title)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=150, bbox_inches="tight")
    if json:
        print_json({"path": str(out), "content": what})
        return
    print(f"{out}: {what}")


def _drawn(source: Path, front_end: str | None) -> tuple[Figure, str]:
    if source.suffix == ".siam":
        network = sa.SiameseNetwork.load(source)
        if not len(network.history_):
            raise DatasetError(f"{source} was not trained by `siamaudio train`: it has no history to draw")
        return _figure_of(network.history_.plot()), f"the training of {source}"
    if source.suffix == ".json":
        result = _read_result(source)
        return _figure_of(result.plot()), f"the result {source}"
    samples, sr = sa.load(str(source), sr=None)
    made = sa.LogMel(sr=sr) if front_end is None else sa.LogMel.preset(front_end)
    heard = samples if made.sr == sr else sa.resample(samples, orig_sr=sr, target_sr=made.sr)
    return _figure_of(sa.plotting.plot_spectrogram(made(heard), front_end=made)), f"the spectrogram of {source}"


def _figure_of(drawn: Any) -> Figure:
    return drawn if hasattr(drawn, "savefig") else drawn.figure


def _read_result(path: Path) -> Any:
    try:
        values = json_text.loads(path.read_bytes())
        if isinstance(values, dict):
            values.pop("report", None)
            for key, name in _RESULTS:
                if key in values:
                    return getattr(sa, name).from_json(json_text.dumps(values))
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{path} is no result that --json printed ({error})") from error
    raise DatasetError(f"{path} is no result that --json printed")
