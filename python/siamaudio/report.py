"""The HTML report of a one-shot experiment: one file that needs nothing else."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from siamaudio.encoders import ConvEncoder, YamnetEncoder
from siamaudio.errors import ParameterError
from siamaudio.pages import data_uri, drawn, write_template

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from siamaudio.evaluation import EvaluationResult
    from siamaudio.features import Features
    from siamaudio.log_mel import LogMel
    from siamaudio.network import SiameseNetwork
    from siamaudio.plotting import OneShotExample

__all__ = ["write_report"]

_ACTIVATIONS = {"relu": "ReLU", "leaky_relu": "leaky ReLU", "elu": "ELU", "gelu": "GELU"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Row:
    """A line of the table of classes."""

    name: str
    num_clips: int
    accuracy: float
    mistaken_for: str
    mistaken_share: float


def write_report(
    path: str | os.PathLike[str],
    net: SiameseNetwork,
    features: Features,
    result: EvaluationResult,
    *,
    num_examples: int = 4,
    seed: int = 0,
    title: str = "One-shot recognition report",
) -> Path:
    """Write one HTML file that shows a result, example sounds and how the network was made.

    The file asks nothing of the network and is the same, byte for byte, for the same input.

    Parameters
    ----------
    path : path-like
        The file, usually ``*.html``; one that is there is replaced.
    net : SiameseNetwork
        The trained network.
    features : Features
        The clips that it was evaluated on.
    result : EvaluationResult
        What `evaluate_oneshot` returned for `net` and `features`.
    num_examples : int >= 0
        Example queries to show, each of another class; with fewer classes, one a class.
    seed : int >= 0
        Of the random choice of examples.
    title : str
        Heading.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ParameterError
        The result is of other clips than `features`, or an option is out of its range.
    TrainingError
        The network is not trained.

    Examples
    --------
    >>> import numpy as np
    >>> import siamaudio as sa
    >>> rng = np.random.default_rng(0)
    >>> classes = np.repeat(["a", "b", "c", "d"], 4)
    >>> features = sa.Features.from_arrays(rng.normal(size=(16, 12, 12)) + np.arange(16)[:, None, None] // 4, classes)
    >>> train, _, test = features.split_classes(2, 0, 2, seed=0)
    >>> encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=4),), dense=(sa.Dense(units=8),))
    >>> net = sa.SiameseNetwork(encoder).fit(train, epochs=2, progress=False)
    >>> result = sa.evaluate_oneshot(net, test, ways=2)
    >>> sa.write_report("report.html", net, test, result).name
    'report.html'
    """
    if result.classes != features.class_names or result.num_clips != len(features):
        raise ParameterError(
            "result",
            f"a result of {result.num_clips} clips of {len(result.classes)} classes",
            f"a result of the given features, {len(features)} clips of {len(features.class_names)} classes",
        )
    if num_examples < 0:
        raise ParameterError("num_examples", num_examples, "0 or more")
    num_parameters = net.num_parameters()

    path = Path(path)
    write_template(
        path,
        "report.html.j2",
        title=title,
        result=result,
        data_set=features.clips.name,
        rows=_rows(features, result),
        seen=[name for name in features.class_names if name in {*net.train_classes_, *net.validation_classes_}],
        split=net.split_,
        making=_making(net, num_parameters),
        front_end=_front_end_facts(features.front_end or net.front_end_),
        **_charts(net, result),
        **_examples(net, features, result.ways, min(num_examples, len(features.class_names)), seed),
    )
    return path


def _rows(features: Features, result: EvaluationResult) -> list[_Row]:
    """One row a class, the best first."""
    counts = np.bincount(features.labels, minlength=len(features.class_names))
    rows = [
        _Row(
            name=str(name),
            num_clips=int(num_clips),
            accuracy=line.accuracy,
            mistaken_for=line.mistaken_for,
            mistaken_share=line.mistaken_share,
        )
        for num_clips, (name, line) in zip(counts, result.to_frame().iterrows(), strict=True)
    ]
    return sorted(rows, key=lambda row: -row.accuracy)


def _charts(net: SiameseNetwork, result: EvaluationResult) -> dict[str, Markup | None]:
    from siamaudio import plotting

    history = net.history_
    accuracies = ", ".join(f"{name} {share:.1%}" for name, share in result.per_class.items())
    return {
        "per_class": _chart(
            "per-class",
            f"Accuracy of each class: {accuracies}",
            plotting.per_class_size(result),
            lambda ax: plotting.plot_per_class(result, ax=ax),
        ),
        "confusion": _chart(
            "confusion",
            "Heat map: how often queries of each class are answered by each class",
            plotting.confusion_size(result),
            lambda ax: plotting.plot_confusion(result, ax=ax),
        ),
        "ways": _chart(
            "ways",
            "Accuracy against classes a task: "
            + ", ".join(f"{ways} classes {share:.1%}" for ways, share in result.ways_curve.items()),
            plotting.ways_size(),
            lambda ax: plotting.plot_ways(result, ax=ax),
        )
        if len(result.ways_curve) > 1
        else None,
        "history": _chart(
            "history",
            f"Training loss and validation accuracy over {len(history)} epochs",
            plotting.history_size(),
            lambda ax: plotting.plot_history(history, ax=ax),
        )
        if len(history)
        else None,
    }


def _examples(net: SiameseNetwork, features: Features, ways: int, num_examples: int, seed: int) -> dict[str, Any]:
    from siamaudio import plotting

    if num_examples == 0:
        return {"examples": [], "examples_png": None}
    front_end = features.front_end or net.front_end_
    examples = plotting.choose_examples(net, features, num_queries=num_examples, ways=ways, seed=seed)

    def draw(figure: Figure) -> None:
        plotting.plot_examples(examples, features, front_end=front_end, figure=figure)

    png = drawn(draw, plotting.examples_size(examples), "png", {"Software": None})
    return {
        "examples": [_in_words(example, features) for example in examples],
        "examples_png": data_uri(png, "image/png"),
    }


def _in_words(example: OneShotExample, features: Features) -> dict[str, Any]:
    nearest = example.supports[example.nearest]
    return {
        "query": features.class_names[features.labels[example.query]],
        "nearest": features.class_names[features.labels[nearest]],
        "similarity": f"{example.similarities[example.nearest]:.2f}",
        "is_right": example.is_right,
    }


def _chart(name: str, words: str, size: tuple[float, float], draw: Callable[[Axes], object]) -> Markup:
    """SVG to stand in HTML, with `words` for those who do not see it."""
    metadata = dict.fromkeys(["Creator", "Date", "Format", "Type"])
    svg = drawn(lambda figure: draw(figure.subplots()), size, "svg", metadata).decode("utf-8")
    svg = svg[svg.index("<svg") :]
    # Ids are of the whole page, and matplotlib names the parts of each figure alike; text holds no raw < or >.
    svg = re.sub(r"<[^<>]+>", lambda tag: re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", tag[0]), svg)
    # The page's style sheet sizes the figure; its inner style sheet would be the page's too.
    svg = re.sub(r'^<svg[^>]*?(viewBox="[^"]*")[^>]*>', rf'<svg role="img" aria-labelledby="{name}-title" \1>', svg)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    head, rest = svg.split(">", 1)
    return Markup(head) + Markup(f' style="width: {size[0]:g}in">') + _title(name, words) + Markup(rest)


def _title(name: str, words: str) -> Markup:
    return Markup('<title id="{}-title">{}</title>').format(name, words)


def _making(net: SiameseNetwork, num_parameters: int) -> list[tuple[str, str]]:
    """How the network was made, as (what, value)."""
    from siamaudio import __version__

    encoder, history = net.encoder, net.history_
    *_, bands, frames = net.input_shape_
    normalised = isinstance(encoder, ConvEncoder) and encoder.input_batch_norm
    facts = [("input", f"spectrogram of {bands} bands × {frames} frames{_if(normalised, 'batch norm')}")]
    return [
        *facts,
        *_encoder_facts(encoder),
        ("distance", net.distance),
        ("head", "none" if net.head is None else net.head),
        ("loss", ", ".join(map(_described, net.losses()))),
        ("sampler", _described(net.sampler)),
        ("optimizer", _described(net.optimizer)),
        *([("augmentation", ", ".join(map(_described, net.augment)))] if net.augment else []),
        ("parameters", f"{num_parameters:,}"),
        ("epochs", str(len(history))),
        ("weights kept", f"of epoch {net.best_epoch_}, counted from 0" if len(history) else "those it began with"),
        ("training time", f"{sum(history['seconds']):.1f} s"),
        ("made with", f"siamaudio {__version__}"),
    ]


def _encoder_facts(encoder: ConvEncoder | YamnetEncoder) -> list[tuple[str, str]]:
    facts = _body_facts(encoder) if isinstance(encoder, ConvEncoder) else [("body", _yamnet_fact(encoder))]
    for number, layer in enumerate(encoder.dense, start=1):
        facts.append(
            (
                "embedding" if number == len(encoder.dense) else f"dense layer {number}",
                f"{layer.units} numbers{_if(layer.batch_norm, 'batch norm')}"
                f"{_if(layer.activation != 'linear', _ACTIVATIONS.get(layer.activation, layer.activation))}"
                f"{_if(layer.dropout > 0, f'dropout {layer.dropout:g}')}",
            )
        )
    return [*facts, *([("embedding length", "1")] if encoder.l2_normalize else [])]


def _yamnet_fact(encoder: YamnetEncoder) -> str:
    return f"YAMNet, {'trained further' if encoder.trainable else 'as it was'}, mean over patches"


def _body_facts(encoder: ConvEncoder) -> list[tuple[str, str]]:
    facts = [
        (
            f"block {number}",
            f"{block.filters} filters of {_sides(block.kernel_size)}"
            f"{_if(block.stride != (1, 1), f'stride {_sides(block.stride)}')}"
            f"{_if(block.padding == 'same', 'same size')}"
            f"{_if(block.batch_norm, 'batch norm')}"
            f"{_if(block.activation != 'linear', _ACTIVATIONS.get(block.activation, block.activation))}"
            f"{_if(block.pooling != 'none', f'{block.pooling} pooling {_sides(block.pool_size)}')}"
            f"{_if(block.dropout > 0, f'dropout {block.dropout:g}')}",
        )
        for number, block in enumerate(encoder.blocks, start=1)
    ]
    if encoder.pooling != "flatten":
        facts.append(("pooling", encoder.pooling.replace("_", " ")))
    return facts


def _sides(sides: int | tuple[int, int]) -> str:
    height, width = sides if isinstance(sides, tuple) else (sides, sides)
    return f"{height} × {width}"


def _described(option: Any) -> str:
    """Name an option and its fields, without those that are None: "adam (lr 0.001, schedule cosine (warmup 0.1))"."""
    if isinstance(option, str):
        return option
    values = {field.name: getattr(option, field.name) for field in dataclasses.fields(option)}
    words = [
        f"{name} {_described(value) if dataclasses.is_dataclass(value) else value}"
        for name, value in values.items()
        if value is not None
    ]
    return f"{option.name} ({', '.join(words)})" if words else option.name


def _front_end_facts(front_end: LogMel | None) -> list[tuple[str, str]]:
    if front_end is None:
        return []
    highest = front_end.sr / 2 if front_end.fmax is None else front_end.fmax
    return [
        ("sample rate", f"{front_end.sr:g} Hz"),
        ("frame", _frame_fact(front_end)),
        ("bands", f"{front_end.n_mels} mel bands from {front_end.fmin:g} to {highest:g} Hz"),
        ("level", _level_fact(front_end)),
        ("clip length", "as it comes" if front_end.duration is None else f"{front_end.duration:g} s"),
    ]


def _frame_fact(front_end: LogMel) -> str:
    shorter = front_end.win_length is not None and front_end.win_length < front_end.n_fft
    samples = f"{front_end.win_length} samples in {front_end.n_fft}" if shorter else f"{front_end.n_fft} samples"
    return f"{samples}, one every {front_end.hop_length}"


def _level_fact(front_end: LogMel) -> str:
    kind = "magnitude" if front_end.power == 1 else "power"
    match front_end.log:
        case None:
            return kind
        case "ln":
            return f"natural logarithm of the {kind}, those below {front_end.amin:g} raised to it"
        case "ln_offset":
            return f"natural logarithm of the {kind} plus {front_end.log_offset:g}"
        case "ln_nonzero":
            return f"natural logarithm of the {kind} where it is not 0"
        case "db":
            pass
    zero = "a clip's largest power" if front_end.ref == "max" else f"a power of {front_end.ref:g}"
    top = "" if front_end.top_db is None else f", at most {front_end.top_db:g} dB below a clip's loudest"
    return f"dB, 0 dB is {zero}, powers below {front_end.amin:g} raised to it{top}"


def _if(condition: bool, words: str) -> str:
    return f", {words}" if condition else ""
