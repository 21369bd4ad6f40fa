"""Every picture of the package beside one that was looked at and kept (tests/images).

A picture that changed on purpose is renewed by ``SIAMAUDIO_RENEW_IMAGES=1 python -m pytest tests/test_plot_images.py``:
look at what ``git diff`` lists before it is committed. matplotlib is pinned in the extra "test", as its releases, and
the FreeType in them, differ by a hair in how they draw; the tolerance is for hairs.
"""

from __future__ import annotations

import os
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.testing.compare import compare_images
from PIL import Image

import siamaudio as sa
from siamaudio import plotting, plotting_explanation, plotting_style
from siamaudio.datasets import Clips
from siamaudio.explanation import Explanation, Faithfulness
from siamaudio.explanation.inputs import Sound
from siamaudio.search.result import Hit, SearchResult

IMAGES = Path(__file__).with_name("images")
RENEW = bool(os.environ.get("SIAMAUDIO_RENEW_IMAGES"))
# Of root mean square, of levels from 0 to 255: ten times what is left of rounding, a third of the least real change
# that `test_a_changed_picture_is_seen` makes.
TOLERANCE = 0.4
STYLE = {"figure.dpi": 42, "savefig.dpi": 42, "font.family": "DejaVu Sans", "text.hinting": "no_hinting"}

FRONT_END = sa.LogMel(sr=16000, n_fft=512, hop_length=160, n_mels=24)
LONG = "a name far too long to stand beside a bar as it is"
NASTY = ["$x_1$ <b>&", LONG, "bad\udcffbyte", "two\nlines", "é ñ ü", "dog"]
MANY = [f"{kind} {number}" for kind in ("bird", "engine", "rain", "door", "a longer name") for number in range(10)]

Draw = Callable[[], Figure]
PICTURES: dict[str, Draw] = {}


def picture(draw: Callable[[], Any]) -> Callable[[], Any]:
    """Keep a function that draws into a new figure, and returns it or its axes, by its name."""

    def drawn() -> Figure:
        made = draw()
        return made if isinstance(made, Figure) else plotting_style.figure_of(made)

    PICTURES[draw.__name__] = drawn
    return draw


def random() -> np.random.Generator:
    return np.random.default_rng(7)


def sound(pitch: float, frames: int = 20) -> np.ndarray:
    """A spectrogram of a rising tone, of few levels, as its picture is kept here."""
    bands, times = np.mgrid[:24, :frames]
    tone = 60 * np.exp(-(((bands - pitch - 4 * times // frames) / 2) ** 2)) * (times < 0.8 * frames)
    return (15 * np.round(tone / 15) - 80).astype(np.float32)


def features(classes: list[str], clips_per_class: int = 3) -> sa.Features:
    names = [name for name in classes for _ in range(clips_per_class)]
    array = np.stack([sound(3 + 2 * (index // clips_per_class) + index % 3 / 2) for index in range(len(names))])
    clips = Clips(paths=[f"{index}.wav" for index in range(len(names))], class_of_clip=names)
    return sa.Features(array, clips=clips, front_end=FRONT_END)


def result(classes: list[str], *, missing: int | None = None) -> sa.EvaluationResult:
    """A made-up result; a class that is missing has no query."""
    number = len(classes)
    accuracies = np.linspace(0.95, 0.25, number)
    confusion = np.diag(accuracies)
    for row in range(number):
        confusion[row, (row + 1) % number] += (1 - accuracies[row]) * 0.7
        confusion[row, (row + number // 2) % number] += (1 - accuracies[row]) * 0.3
    if missing is not None:
        accuracies[missing], confusion[missing] = np.nan, np.nan
    per_class = dict(zip(classes, accuracies.tolist(), strict=True))
    return sa.EvaluationResult(
        accuracy=float(np.nanmean(accuracies)), per_class=per_class, confusion=confusion, classes=tuple(classes),
        ways=5, shots=1, ways_curve={2: 0.81, 3: 0.72, 4: 0.66, 5: float(np.nanmean(accuracies)), 6: 0.55},
        baselines={"raw spectrogram": 0.41, "chance": 0.2}, interval=sa.Interval(0.52, 0.68),
        per_class_intervals={name: sa.Interval(share - 0.12, share + 0.04) for name, share in per_class.items()},
        num_clips=40, num_tasks=None, seed=None, source_disjoint=False, left_out=(), query_accuracy=np.full(40, 0.5),
        query_classes=np.arange(40) % number, protocol="exact", description="made up",
    )  # fmt: skip


def history(**columns: list[float | None]) -> sa.History:
    epochs = len(columns["loss"])
    return sa.History(
        {"epoch": epoch, "seconds": 1.0, **{name: values[epoch] for name, values in columns.items()}}
        for epoch in range(epochs)
    )


# ---- Training and results


@picture
def history_with_accuracy() -> Axes:
    """Validated every other epoch."""
    accuracies = [0.4, None, 0.55, None, 0.7, None, 0.66, None]
    return history(loss=[0.7, 0.5, 0.42, 0.35, 0.3, 0.27, 0.25, 0.24], validation_accuracy=accuracies).plot()


@picture
def history_with_loss() -> Axes:
    return history(loss=[9.0, 5.0, 4.0, 3.5], validation_loss=[8.0, 5.5, 5.2, 5.6]).plot()


@picture
def per_class() -> Axes:
    return result(NASTY, missing=3).plot()


@picture
def per_class_of_50() -> Axes:
    return result(MANY).plot()


@picture
def per_class_of_one() -> Axes:
    return result(["only"]).plot()


@picture
def ways() -> Axes:
    return result(NASTY).plot_ways()


@picture
def confusion() -> Axes:
    return result(NASTY, missing=3).plot_confusion()


@picture
def confusion_of_50() -> Axes:
    return result(MANY).plot_confusion()


@picture
def comparison() -> Axes:
    labels = np.repeat(NASTY[-4:], 6)
    rng = random()
    centres = np.repeat(rng.standard_normal((4, 8)), 6, axis=0)
    old, new = (
        sa.evaluate_oneshot(embeddings=centres + noise * rng.standard_normal((24, 8)), labels=labels, ways=3)
        for noise in (2.5, 0.6)
    )
    return sa.compare(old, new, names=("old", "new")).plot()


def splits() -> sa.SplitsResult:
    names, results = NASTY[:4], []
    for split in range(4):
        shares = {name: 0.4 + 0.1 * ((index + split * split) % 5) for index, name in enumerate(names) if index != split}
        one = result(list(shares))
        results.append(
            sa.EvaluationResult(**{**vars(one), "per_class": shares, "accuracy": float(np.mean(list(shares.values())))})
        )
    mean = float(np.mean([one.accuracy for one in results]))
    per_class = {name: float(np.mean([one.per_class[name] for one in results if name in one.per_class]))
                 for name in names}  # fmt: skip
    return sa.SplitsResult(
        accuracy=mean, standard_deviation=0.05, standard_error=0.025, interval=sa.Interval(mean - 0.08, mean + 0.08),
        per_class=per_class, per_class_splits=dict.fromkeys(names, 3), baselines=results[0].baselines, splits=(),
        results=tuple(results), seconds=(1.0,) * 4, ways=3, source_disjoint=False, description="made up",
    )  # fmt: skip


@picture
def split_classes() -> Axes:
    return splits().plot()


@picture
def class_splits() -> Axes:
    return splits().plot_splits()


@picture
def leaks() -> Axes:
    made = sa.LeakReport.__new__(sa.LeakReport)
    accuracies = {"standard": 0.83, "source-disjoint": 0.61, "copy-disjoint": float("nan")}
    for name, value in (("accuracies", accuracies), ("ways", 5), ("compared_by", "the network")):
        object.__setattr__(made, name, value)
    return made.plot()


# ---- Pairs of clips, retrieval, search


def pairs() -> sa.PairResult:
    rng = random()
    same = rng.random(300) < 0.3
    return sa.evaluate_pairs(scores=rng.beta(1 + same, 2 - same), same=same)


@picture
def roc() -> Axes:
    return pairs().plot()


@picture
def det() -> Axes:
    return pairs().plot_det()


@picture
def calibration() -> Axes:
    return pairs().plot_calibration()


@picture
def retrieval() -> Axes:
    centres = np.repeat(np.random.default_rng(0).standard_normal((5, 6)), 8, axis=0)
    embeddings = centres + 0.9 * np.random.default_rng(1).standard_normal((40, 6))
    return sa.evaluate_retrieval(embeddings=embeddings, labels=np.repeat(MANY[:5], 8), k=(1, 2, 3, 5, 10)).plot()


@picture
def search_hits() -> Axes:
    hits = [
        Hit(path=f"/data/{name}.wav", label=label, similarity=similarity, start_seconds=start,
                      end_seconds=None, metadata={})
        for name, label, similarity, start in (
            ("a", "dog", 0.93, None), ("a recording with a name that is really long", "$cat$", 0.71, 2.5),
            ("b", None, 0.4, None), ("c", "rain", -0.12, 0.0))
    ]  # fmt: skip
    found = SearchResult(queries=("/data/query.wav",), hits=(tuple(hits),), metric="cosine", num_items=9)
    return found.plot()


# ---- Sounds


@picture
def spectrogram() -> Axes:
    return plotting.plot_spectrogram(sound(8, 40), front_end=FRONT_END)


@picture
def spectrogram_in_bands() -> Axes:
    return plotting.plot_spectrogram(sound(8, 40))


@picture
def pairs_grid() -> Figure:
    right = plotting.OneShotExample(query=0, supports=(1, 4, 7), similarities=(0.93, 0.31, 0.22), own=0)
    wrong = plotting.OneShotExample(query=3, supports=(10, 5, 1), similarities=(0.55, 0.48, 0.07), own=1)
    data = features(["cat", "dog", "x" * 40, "$e$"])
    figure = plt.figure(figsize=plotting.examples_size([right, wrong]))
    return plotting.plot_examples([right, wrong], data, front_end=FRONT_END, figure=figure)


@picture
def reconstructions() -> Figure:
    class Vae:
        input_shape_, front_end_ = (24, 20), FRONT_END

        def reconstruct(self, part: sa.Features) -> Any:
            return types.SimpleNamespace(mean=0.8 * part.array - 8, std=np.abs(part.array) / 20)

    return plotting.plot_reconstructions(Vae(), features(["cat", "dog"]), num_clips=3)  # pyright: ignore[reportArgumentType]


# ---- Embeddings


def scattered(num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = random()
    labels = np.repeat(np.arange(num_classes), 6)
    return 6 * rng.standard_normal((num_classes, 2))[labels] * [2, 1] + rng.standard_normal((len(labels), 2)), labels


@picture
def embedding_map() -> Axes:
    places, labels = scattered(6)
    return plotting.plot_embedding_map(places, labels, NASTY, title="PCA", explained=(0.61, 0.12))


@picture
def embedding_map_of_50() -> Axes:
    places, labels = scattered(50)
    return plotting.plot_embedding_map(places, labels, MANY, title="t-SNE")


@picture
def embedding_report() -> Figure:
    places, labels = scattered(4)
    report = sa.EmbeddingReport(
        results={}, maps={"PCA": places, "t-SNE": places[:, ::-1]}, explained=(0.5, 0.2), classes=tuple(NASTY[-4:]),
        labels=labels, is_test=np.arange(len(labels)) % 3 == 0, perplexity=5.0, seed=0,
    )  # fmt: skip
    return report.plot()


# ---- Explanations


def explanation() -> Explanation:
    bands, times = np.mgrid[:24, :20]
    segments = np.stack([(bands // 8) * 4 + times // 5] * 3)
    contributions = tuple(np.roll(np.linspace(-1, 2, 12), 4 * k).astype(np.float32) / 100 for k in range(3))
    values: dict[str, Any] = {
        "contributions": contributions, "segments": segments, "seed": 0, "front_end": FRONT_END,
        "maps": np.stack([own[labels] for own, labels in zip(contributions, segments, strict=True)]),
        "similarities": np.array([0.31, 0.87, 0.12], dtype=np.float32), "classes": ("cat", "dog", "x" * 40),
        "true_class": "cat", "method": types.SimpleNamespace(name="occlusion"), "segmentation": "given",
        "query": Sound(name="query.wav", spectrogram=sound(4)),
        "supports": tuple(Sound(name=f"{k}.wav", spectrogram=sound(4 + 5 * k)) for k in range(3)),
    }  # fmt: skip
    made = Explanation.__new__(Explanation)
    for name, value in values.items():
        object.__setattr__(made, name, value)
    return made


@picture
def explained() -> Figure:
    return explanation().plot()


@picture
def heat_map() -> Axes:
    return plotting_explanation.plot_heat_map(explanation(), 1)


@picture
def faithfulness() -> Axes:
    shares = np.tile(np.linspace(0, 1, 21), (6, 1))
    powers = np.array([[0.3], [0.8], [1.0], [1.2], [1.1], [0.9]])
    curves = Faithfulness(
        support=0, class_name="dog", shares=shares, deletion=0.9 * (1 - shares**powers), insertion=0.9 * shares**powers,
        seed=0,
    )  # fmt: skip
    return curves.plot()


# ---- Tuning


def tuning() -> Any:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    from siamaudio.tuning.results import TrialRecord, TuningResult, best_trial

    study = optuna.create_study(direction="maximize")
    spaces = {
        "lr": optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True),
        "units": optuna.distributions.IntDistribution(8, 64),
        "distance": optuna.distributions.CategoricalDistribution(["l1", "cosine", "euclidean"]),
        "an option with a long name": optuna.distributions.FloatDistribution(0, 1),
    }
    records = []
    for number in range(14):
        params = {
            "lr": 10 ** (-4 + 3 * ((number * 5) % 14) / 13), "units": 8 + (number * 11) % 57,
            "distance": ["l1", "cosine", "euclidean"][number % 3], "an option with a long name": (number * 3 % 14) / 14,
        }  # fmt: skip
        value = 0.4 + 0.35 * params["lr"] ** 0.25 + 0.1 * (params["distance"] == "cosine")
        state = "untrainable" if number == 4 else "pruned" if number % 5 == 2 else "complete"
        epochs = {"complete": 6, "pruned": 3, "untrainable": 0}[state]
        curve = {epoch: value * (1 - 0.5 / (epoch + 1)) for epoch in range(epochs)}
        study.add_trial(
            optuna.trial.create_trial(
                params=params, distributions=spaces, intermediate_values=curve,
                value=value if state == "complete" else None,
                state={"complete": optuna.trial.TrialState.COMPLETE, "pruned": optuna.trial.TrialState.PRUNED,
                       "untrainable": optuna.trial.TrialState.FAIL}[state])
        )  # fmt: skip
        shown = {"complete": value, "pruned": curve.get(2), "untrainable": None}[state]
        records.append(
            TrialRecord(trial=number, state=state, value=shown, params=params, network={}, seed=0, epochs=epochs,
                        seconds=1.0, reason=None)
        )  # fmt: skip
    trials, protocol = tuple(records), "best epoch's accuracy; made up"
    return TuningResult(
        best=best_trial(trials), trials=trials, protocol=protocol, study_name="s", storage="s", study=study
    )


@picture
def tuning_trials() -> Axes:
    return tuning().plot()


@picture
def tuning_curves() -> Axes:
    return tuning().plot("intermediate_values")


@picture
def tuning_importances() -> Axes:
    return tuning().plot("param_importances")


@picture
def tuning_parameters() -> Figure:
    return tuning().plot("slice")


# ---- Comparing


def save(figure: Figure, path: Path) -> None:
    """Write a figure in its own size, with 16 levels of each colour, which takes a third of the bytes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(path, metadata={"Software": None})
    levels = np.asarray(Image.open(path).convert("RGB")).astype(float)
    Image.fromarray((17 * np.round(levels / 17)).astype(np.uint8)).save(path, optimize=True)


def distance(name: str, folder: Path, draw: Draw | None = None) -> float:
    """Root mean square of the difference from the picture that was kept, 0 where compare_images finds none."""
    with plt.style.context(["default", STYLE]):
        save((draw or PICTURES[name])(), folder / f"{name}.png")
    found: Any = compare_images(str(IMAGES / f"{name}.png"), str(folder / f"{name}.png"), tol=0, in_decorator=True)
    return 0.0 if found is None else found["rms"]


def kept_names() -> set[str]:
    return {path.stem for path in IMAGES.glob("*.png")}


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_picture_is_as_it_was(name: str, tmp_path: Path) -> None:
    if RENEW:
        with plt.style.context(["default", STYLE]):
            save(PICTURES[name](), IMAGES / f"{name}.png")
        return
    style = dict(mpl.rcParams)
    assert distance(name, tmp_path) <= TOLERANCE
    assert dict(mpl.rcParams) == style


def test_kept_pictures_are_those_drawn_and_small() -> None:
    assert kept_names() == set(PICTURES)
    sizes = [path.stat().st_size for path in IMAGES.glob("*.png")]
    assert max(sizes) <= 24_000
    assert sum(sizes) <= 400_000


def other_colour(figure: Figure) -> None:
    """One line in another colour."""
    figure.axes[0].lines[0].set_color("#CC79A7")


def other_style(figure: Figure) -> None:
    """One line in another style."""
    figure.axes[0].lines[1].set_linestyle("-.")


def no_markers(figure: Figure) -> None:
    figure.axes[0].lines[0].set_marker("")


def no_intervals(figure: Figure) -> None:
    figure.axes[0].collections[0].remove()


def no_star(figure: Figure) -> None:
    figure.axes[0].lines[2].remove()


def flipped_axis(figure: Figure) -> None:
    figure.axes[0].invert_yaxis()


def no_unit(figure: Figure) -> None:
    """An axis without its last word."""
    ax = figure.axes[0]
    ax.set_xlabel(ax.get_xlabel().rsplit(" ", 1)[0])


def other_number(figure: Figure) -> None:
    """A single other digit."""
    text = figure.axes[0].texts[0]
    text.set_text(f"{text.get_text()[:-1]}4")


def other_frame(figure: Figure) -> None:
    figure.axes[6].patches[0].set_linestyle("-")


def other_map(figure: Figure) -> None:
    figure.axes[0].images[0].set_cmap("viridis")


def upside_down(figure: Figure) -> None:
    """A spectrogram whose lowest band is above, its ticks as they were."""
    image = figure.axes[0].images[0]
    image.set_data(np.asarray(image.get_array())[::-1])


CHANGES: list[tuple[str, Callable[[Figure], None]]] = [
    ("history_with_accuracy", other_colour),
    ("ways", other_colour),
    ("ways", other_style),
    ("ways", no_markers),
    ("ways", no_star),
    ("ways", flipped_axis),
    ("per_class", no_intervals),
    ("per_class", no_unit),
    ("per_class_of_one", other_number),
    ("per_class_of_50", no_intervals),
    ("retrieval", no_markers),
    ("confusion", other_map),
    ("confusion", flipped_axis),
    ("spectrogram", upside_down),
    ("spectrogram", no_unit),
    ("embedding_map", flipped_axis),
    ("roc", other_style),
    ("pairs_grid", other_frame),
]


@pytest.mark.parametrize(("name", "change"), CHANGES, ids=[f"{name}-{change.__name__}" for name, change in CHANGES])
def test_a_changed_picture_is_seen(name: str, change: Callable[[Figure], None], tmp_path: Path) -> None:
    def draw() -> Figure:
        figure = PICTURES[name]()
        change(figure)
        return figure

    found = distance(name, tmp_path, draw)
    print(f"RMS {name} {change.__name__}: {found:.2f}")
    assert found > 2 * TOLERANCE
