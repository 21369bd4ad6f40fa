"""The HTML report of a one-shot experiment: one file that needs nothing else."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from siamaudio.encoders import ConvEncoder, YamnetEncoder
from siamaudio.errors import ParameterError
from siamaudio.maps import Method, embedding_map
from siamaudio.page_sounds import load_sound
from siamaudio.pages import chart, data_uri, spectrogram, wav, write_template

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from siamaudio.evaluation import EvaluationResult
    from siamaudio.features import Features
    from siamaudio.log_mel import LogMel
    from siamaudio.network import SiameseNetwork
    from siamaudio.plotting import OneShotExample

__all__ = ["write_report"]

_LONGEST_SECONDS = 10.0  # of a sound in the page
_LARGE_SOUND_BYTES = 160_000  # above which it is resampled
_MOST_SOUND_BYTES = 8 << 20  # of all sounds; what comes after these is seen only
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
    map_method: Method = "pca",
    seed: int = 0,
    title: str = "One-shot recognition report",
) -> Path:
    """Write one HTML file that shows a result, example sounds to listen to, and how the network was made.

    The file needs nothing else, can be read in the light, in the dark and on paper, and is the same, byte for byte, for
    the same input.

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
        Example queries to show, each of another class; with fewer classes, one a class. They can be heard where the
        features' files are still there, up to 8 MB of sound in all.
    map_method : {"pca", "tsne", "umap"}
        How the clips' embeddings are placed in their map, as for `embedding_map`.
    seed : int >= 0
        Of the random choice of examples, and of the map.
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
    layers = net.summary()

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
        making=_making(net, layers.num_parameters),
        layers=layers.layers,
        front_end=_front_end_facts(features.front_end or net.front_end_),
        versions=_versions(),
        **_charts(net, result),
        embedding_map=_map(net, features, map_method, seed),
        similarity=_similarity(net),
        examples=_examples(net, features, result.ways, min(num_examples, len(features.class_names)), seed),
    )
    return path


def _similarity(net: SiameseNetwork) -> str:
    """Say what the network's similarities are."""
    if "calibration.mean" in net.weights():
        return "the cosine of the embeddings, centred and whitened"
    if net.head is not None:
        return "P(same class)"
    return "the cosine of the embeddings" if net.distance == "cosine" else "minus the Euclidean distance"


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

    def on_axes(name: str, words: str, draw: Callable[[Axes], object], size: tuple[float, float]) -> Markup:
        return chart(name, words, lambda figure: draw(figure.subplots()), size)

    history = net.history_
    accuracies = ", ".join(f"{name} {share:.1%}" for name, share in result.per_class.items())
    curve = ", ".join(f"{ways} classes {share:.1%}" for ways, share in result.ways_curve.items())
    return {
        "per_class": on_axes(
            "per-class",
            f"Accuracy of each class: {accuracies}",
            lambda ax: plotting.plot_per_class(result, ax=ax),
            _narrower(plotting.per_class_size(result)),
        ),
        "confusion": on_axes(
            "confusion",
            "Heat map: how often queries of each class are answered by each class",
            lambda ax: plotting.plot_confusion(result, ax=ax),
            plotting.confusion_size(result),
        ),
        "ways": on_axes(
            "ways",
            f"Accuracy against classes a task: {curve}",
            lambda ax: plotting.plot_ways(result, ax=ax),
            _narrower(plotting.ways_size()),
        )
        if len(result.ways_curve) > 1
        else None,
        "history": on_axes(
            "history",
            f"Training loss and validation accuracy over {len(history)} epochs",
            lambda ax: plotting.plot_history(history, ax=ax),
            _narrower(plotting.history_size()),
        )
        if len(history)
        else None,
    }


def _narrower(size: tuple[float, float]) -> tuple[float, float]:
    """Return a size at which words can still be read on a telephone."""
    return min(size[0], 5.0), size[1]


def _map(net: SiameseNetwork, features: Features, method: Method, seed: int) -> Markup:
    from siamaudio import plotting

    made = embedding_map(net.embed(features), features=features, method=method, seed=seed)
    return chart(
        "embedding-map",
        f"Map of the embeddings of {len(made)} clips: each is a point, near to those that the network finds alike",
        lambda figure: made.plot(ax=figure.subplots()),
        plotting.embedding_map_size(len(made.classes)),
    )


def _examples(net: SiameseNetwork, features: Features, ways: int, num_examples: int, seed: int) -> list[dict[str, Any]]:
    """Return queries with their supports, as the template shows them."""
    from siamaudio import plotting

    if num_examples == 0:
        return []
    examples = plotting.choose_examples(net, features, num_queries=num_examples, ways=ways, seed=seed)
    front_end = features.front_end or net.front_end_
    used = [index for example in examples for index in (example.query, *example.supports)]
    images = {index: _levels(features[index]) for index in used}
    # One scale for all, so that equal colours are equal levels; a few extreme cells shall not use it up.
    low, high = np.percentile(np.stack(list(images.values())), [1, 99.9]).tolist()
    sounds = _sounds(features, used)

    def clip(index: int) -> dict[str, Any]:
        name = features.class_names[features.labels[index]]
        file = os.path.basename(features.clips.paths[index])
        return {
            "class_name": name,
            "name": f"{name} ({file})" if file else name,
            "shown": spectrogram(images[index], front_end, (low, high)),
            **sounds[index],
        }

    return [
        {
            **_in_words(example, features),
            "clip": clip(example.query),
            "supports": [
                {
                    "clip": clip(index),
                    "similarity": similarity,
                    "share": min(1.0, max(0.0, similarity)),
                    "is_nearest": position == example.nearest,
                    "is_own": position == example.own,
                }
                for position, (index, similarity) in enumerate(zip(example.supports, example.similarities, strict=True))
            ],
        }
        for example in examples
    ]


def _levels(features: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    return features.mean(axis=0) if features.ndim == 3 else features


def _sounds(features: Features, indices: list[int]) -> dict[int, dict[str, Any]]:
    """Return what plays each clip, as long as there is room, or why nothing does."""
    sounds: dict[int, dict[str, Any]] = {}
    num_bytes = 0
    for index in indices:
        path = features.clips.paths[index]
        if index in sounds:
            continue
        sounds[index] = {"sound": None, "remark": None}
        if not os.path.isfile(path):
            continue
        if num_bytes >= _MOST_SOUND_BYTES:
            sounds[index]["remark"] = "left out: too much sound for a page"
            continue
        heard = load_sound(path, most_seconds=_LONGEST_SECONDS, large_bytes=_LARGE_SOUND_BYTES)
        sounds[index]["remark"] = heard.remark
        if heard.samples is not None:
            content = wav(heard.samples, heard.sr)
            num_bytes += len(content)
            sounds[index]["sound"] = data_uri(content, "audio/wav")
    return sounds


def _in_words(example: OneShotExample, features: Features) -> dict[str, Any]:
    nearest = example.supports[example.nearest]
    return {
        "query": features.class_names[features.labels[example.query]],
        "nearest": features.class_names[features.labels[nearest]],
        "similarity": f"{example.similarities[example.nearest]:.2f}",
        "is_right": example.is_right,
    }


def _versions() -> list[tuple[str, str]]:
    """Return what the page was made with, as (what, version)."""
    from siamaudio import __version__

    return [
        ("siamaudio", __version__),
        *((name, version(package)) for name, package in (("PyTorch", "torch"), ("NumPy", "numpy"))),
        ("matplotlib", version("matplotlib")),
    ]


def _making(net: SiameseNetwork, num_parameters: int) -> list[tuple[str, str]]:
    """How the network was made, as (what, value)."""
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
