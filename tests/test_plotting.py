from __future__ import annotations

import dataclasses
from typing import Any

import librosa
import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import siamaudio as sa
from siamaudio import plotting
from siamaudio.datasets import Clips

CLASSES = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen"]
FRONT_END = sa.LogMel(sr=16000, n_fft=512, hop_length=160, n_mels=16)


def make_features(class_names: list[str], *, front_end: sa.LogMel | None = None, seed: int = 0) -> sa.Features:
    rng = np.random.default_rng(seed)
    bases = rng.normal(size=(len(class_names), 16, 1))
    array = np.repeat(bases, 5, axis=0) + 0.5 * rng.normal(size=(5 * len(class_names), 16, 20))
    class_of_clip = [name for name in class_names for _ in range(5)]
    clips = Clips(paths=[f"{number}.wav" for number in range(len(array))], class_of_clip=class_of_clip)
    return sa.Features(array.astype(np.float32), clips=clips, front_end=front_end)


def make_result(class_names: list[str], *, baseline: float | None = 0.45) -> sa.EvaluationResult:
    confusion = np.random.default_rng(0).dirichlet(np.ones(len(class_names)), size=len(class_names))
    per_class = dict(zip(class_names, confusion.diagonal().tolist(), strict=True))
    return sa.EvaluationResult(
        accuracy=float(confusion.diagonal().mean()),
        per_class=per_class,
        confusion=confusion,
        classes=tuple(class_names),
        ways=5,
        shots=1,
        ways_curve={2: 0.75, 5: float(confusion.diagonal().mean())},
        baselines={"chance": 0.2} if baseline is None else {"raw spectrogram": baseline, "chance": 0.2},
        interval=sa.Interval(0.1, 0.3),
        per_class_intervals={name: sa.Interval(share / 2, (1 + share) / 2) for name, share in per_class.items()},
        num_clips=40,
        num_tasks=None,
        seed=None,
        source_disjoint=False,
        left_out=(),
        query_accuracy=np.full(40, 0.5),
        query_classes=np.arange(40) % len(class_names),
        protocol="made up",
        description="made up",
    )


def make_history(accuracies: list[float | None]) -> sa.History:
    return sa.History(
        {"epoch": epoch, "loss": 0.7 - 0.1 * epoch, "validation_accuracy": accuracy, "seconds": 1.0}
        for epoch, accuracy in enumerate(accuracies)
    )


@pytest.fixture(scope="module")
def net() -> sa.SiameseNetwork:
    encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=4),), dense=(sa.Dense(units=8),))
    train = make_features(["one", "two", "three"], front_end=FRONT_END, seed=1)
    return sa.SiameseNetwork(encoder).fit(train, epochs=2, num_threads=1, progress=False)


@pytest.fixture(scope="module")
def features() -> sa.Features:
    return make_features(CLASSES, front_end=FRONT_END)


@pytest.fixture
def ax() -> Axes:
    return Figure(layout="constrained").subplots()


def draw(ax: Axes) -> None:
    """Set every text and line for real: some mistakes only show then."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()


def tick_names(axis: Any) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


def legend_texts(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


# ---- History


def test_history_draws_loss_and_percent() -> None:
    drawn = plotting.plot_history(make_history([0.25, 0.75, 0.5]))
    draw(drawn)
    loss = drawn.lines[0]
    np.testing.assert_array_equal(loss.get_xdata(), [0, 1, 2])
    np.testing.assert_allclose(loss.get_ydata(), [0.7, 0.6, 0.5])
    right = next(other for other in drawn.figure.axes if other is not drawn)
    np.testing.assert_allclose(right.lines[0].get_ydata(), [25, 75, 50])
    assert right.lines[1].get_xydata().tolist() == [[1, 75]]
    assert right.get_ylabel() == "validation accuracy (%)"
    assert drawn.get_xlabel() == "epoch (counted from 0)"
    assert legend_texts(drawn) == ["training loss", "validation accuracy (right)", "best epoch: 1 (75.0%)"]


def test_history_marks_the_first_of_equally_good_epochs() -> None:
    assert "best epoch: 0 (50.0%)" in legend_texts(plotting.plot_history(make_history([0.5, 0.25, 0.5])))


@pytest.mark.parametrize("num_epochs", [1, 3])
def test_history_without_validation_has_one_axis(ax: Axes, num_epochs: int) -> None:
    assert plotting.plot_history(make_history([None] * num_epochs), ax=ax) is ax
    draw(ax)
    assert ax.figure.axes == [ax]
    assert legend_texts(ax) == ["training loss"]


def test_empty_history_is_refused() -> None:
    with pytest.raises(sa.ParameterError, match="history: got no epochs"):
        plotting.plot_history(sa.History())


def test_history_method_draws_into_given_axes(ax: Axes) -> None:
    assert make_history([0.5]).plot(ax=ax) is ax
    assert len(ax.lines) == 1


# ---- Result


def test_per_class_bars_are_the_accuracies_best_on_top(ax: Axes) -> None:
    result = make_result(CLASSES)
    assert plotting.plot_per_class(result, ax=ax) is ax
    draw(ax)
    bars = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    drawn = {name: bar.get_width() for name, bar in zip(tick_names(ax.yaxis), bars, strict=True)}
    assert drawn == pytest.approx({name: 100 * accuracy for name, accuracy in result.per_class.items()})
    assert [bar.get_width() for bar in bars] == sorted(drawn.values())
    assert [bar.get_y() for bar in bars] == sorted(bar.get_y() for bar in bars)
    numbers = {text.get_text() for text in ax.texts}
    assert numbers == {f"{100 * accuracy:.1f}" for accuracy in result.per_class.values()}
    assert ax.get_xlabel() == "5-way one-shot accuracy (%)"


def test_per_class_lines_are_mean_baseline_and_chance(ax: Axes) -> None:
    result = make_result(CLASSES)
    plotting.plot_per_class(result, ax=ax)
    at = [line.get_xdata()[0] for line in ax.lines]  # pyright: ignore[reportIndexIssue]
    assert at == pytest.approx([100 * result.accuracy, 45, 20])
    assert legend_texts(ax) == [f"mean {result.accuracy:.1%}", "raw spectrogram 45.0%", "chance 20.0%"]
    assert len({line.get_linestyle() for line in ax.lines}) == 3


def test_per_class_intervals_are_drawn_to_their_ends(ax: Axes) -> None:
    result = make_result(CLASSES)
    plotting.plot_per_class(result, ax=ax)
    (drawn,) = [collection for collection in ax.collections if isinstance(collection, LineCollection)]
    ends = np.array([segment[:, 0] for segment in drawn.get_segments()])
    ranked = np.array(sorted(result.per_class.values()))
    np.testing.assert_allclose(ends, np.stack([50 * ranked, 50 * (1 + ranked)], axis=1))


def test_ways(ax: Axes) -> None:
    result = make_result(CLASSES)
    assert plotting.plot_ways(result, ax=ax) is ax
    draw(ax)
    curve, guessing, marked = ax.lines
    np.testing.assert_array_equal(curve.get_xdata(), [2, 5])
    np.testing.assert_allclose(curve.get_ydata(), [75, 100 * result.accuracy])
    np.testing.assert_allclose(guessing.get_ydata(), [50, 20])
    np.testing.assert_allclose([*marked.get_xdata(), *marked.get_ydata()], [5, 100 * result.accuracy])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("classes a task", "one-shot accuracy (%)")
    assert legend_texts(ax) == ["made up", "guessing", f"5 ways: {result.accuracy:.1%}"]
    other = Figure().subplots()
    assert result.plot_ways(ax=other) is other


def test_shots_are_named(ax: Axes) -> None:
    plotting.plot_per_class(dataclasses.replace(make_result(CLASSES), shots=5), ax=ax)
    assert ax.get_xlabel() == "5-way 5-shot accuracy (%)"


def test_per_class_without_baseline(ax: Axes) -> None:
    plotting.plot_per_class(make_result(CLASSES, baseline=None), ax=ax)
    assert len(ax.lines) == 2
    assert not any("raw" in text for text in legend_texts(ax))


@pytest.mark.parametrize(("num_classes", "has_numbers"), [(2, True), (11, True), (12, True), (13, False), (70, False)])
def test_confusion(ax: Axes, num_classes: int, has_numbers: bool) -> None:
    result = make_result([f"class {number:02d}" for number in range(num_classes)])
    assert plotting.plot_confusion(result, ax=ax) is ax
    draw(ax)
    np.testing.assert_allclose(ax.images[0].get_array(), 100 * result.confusion)
    assert ax.images[0].get_clim() == (0, 100)
    cells = {text.get_position(): text.get_text() for text in ax.texts}
    expected = {(column, row): f"{100 * share:.0f}" for (row, column), share in np.ndenumerate(result.confusion)}
    assert cells == (expected if has_numbers else {})
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("answer", "query's class")
    assert tick_names(ax.xaxis) == tick_names(ax.yaxis)
    named = [int(position) for position in ax.get_yticks()]
    assert tick_names(ax.yaxis) == [result.classes[position] for position in named]
    assert len(named) == (num_classes if num_classes <= 60 else 35)
    assert any("%" in other.get_ylabel() for other in ax.figure.axes if other is not ax)


def test_confusion_numbers_stand_out_from_their_cells(ax: Axes) -> None:
    result = dataclasses.replace(make_result(["a", "b"]), confusion=np.array([[0.9, 0.1], [0.5, 0.5]]))
    plotting.plot_confusion(result, ax=ax)
    image = ax.images[0]
    for text in ax.texts:
        column, row = map(int, text.get_position())
        cell = np.array(image.cmap(image.norm(100 * result.confusion[row, column]))[:3])
        assert abs(np.array(mpl.colors.to_rgb(text.get_color())).mean() - cell.mean()) > 0.4


@pytest.mark.parametrize("plot", [plotting.plot_per_class, plotting.plot_confusion])
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("$x_1$ $", "$x_1$ $"),
        ("$\\notatexcommand$", "$\\notatexcommand$"),
        ('<b>&"x"', '<b>&"x"'),
        ("two\nlines\tand tab", "two lines and tab"),
        ("bad\udcffbyte\x07", "bad�byte�"),
        ("x" * 28, "x" * 28),
        ("start" + "x" * 40 + "end", "start" + "x" * 9 + "…" + "x" * 10 + "end"),
    ],
)
def test_any_class_name_can_be_drawn(ax: Axes, plot: Any, name: str, shown: str) -> None:
    plot(make_result([name, "other"]), ax=ax)
    draw(ax)
    assert shown in tick_names(ax.yaxis)
    assert len(shown) <= 28


def test_a_class_without_a_query_is_said_to_be_one(ax: Axes) -> None:
    made = make_result(["a", "b", "c"])
    nothing = {"a": 0.7, "b": float("nan"), "c": 0.2}
    confusion = np.array(made.confusion)
    confusion[1] = np.nan
    result = dataclasses.replace(made, per_class=nothing, confusion=confusion)
    plotting.plot_per_class(result, ax=ax)
    draw(ax)
    assert tick_names(ax.yaxis) == ["b", "c", "a"]  # from below
    assert {text.get_text() for text in ax.texts} == {"no query", "20.0", "70.0"}
    cells = plotting.plot_confusion(result, ax=Figure().subplots())
    assert [text.get_text() for text in cells.texts][3:6] == ["–"] * 3


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_words_and_lines_are_seen_in_the_readers_style(style: str) -> None:
    with plt.style.context(style):
        behind = np.array(to_rgb(mpl.rcParams["axes.facecolor"]))
        ax = plotting.plot_per_class(make_result(CLASSES), ax=Figure().subplots())
        for drawn in (*ax.lines[:1], *ax.texts):
            assert abs(np.array(to_rgb(drawn.get_color())) - behind).max() > 0.9
        for text in ax.texts:
            box = text.get_bbox_patch()
            assert box is not None
            np.testing.assert_array_equal(box.get_facecolor()[:3], behind)
        places = np.random.default_rng(0).random((14, 2))
        ax = plotting.plot_embedding_map(places, np.arange(14) // 2, CLASSES[:7], ax=Figure().subplots())
        colours = [np.array(points.get_edgecolor())[0, :3] for points in ax.collections if len(points.get_offsets())]
        assert len(colours) == 7
        assert min(abs(colour - behind).max() for colour in colours) > 0.3


def test_names_in_a_map_stand_beside_each_other() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(40), 4)
    places = rng.normal(size=(40, 2))[labels] + 0.05 * rng.normal(size=(160, 2))
    names = [f"class ${number}$" for number in range(40)]
    ax = plotting.plot_embedding_map(places, labels, names)
    draw(ax)
    boxes = [text.get_window_extent() for text in ax.texts]
    assert [text.get_text() for text in ax.texts] == names
    overlapping = sum(box.overlaps(other) for index, box in enumerate(boxes) for other in boxes[:index])
    assert overlapping <= 2  # where all places nearby are taken


@pytest.mark.parametrize("width", [3.0, 5.0, 9.0])
def test_legends_fit_their_figure(width: float) -> None:
    figure = Figure(figsize=(width, 3), layout="constrained")
    ax = plotting.plot_history(make_history([0.5, 0.6]), ax=figure.subplots())
    draw(ax)
    legend = ax.get_legend()
    assert legend is not None
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1


@pytest.mark.parametrize("name", ["$\\notatexcommand$", "$x_1$"])
def test_a_dollar_in_a_legend_begins_no_formula(name: str) -> None:
    ax = plotting.plot_embedding_map(np.eye(2), np.arange(2), [name, "b"])
    draw(ax)
    assert legend_texts(ax) == [name, "b"]
    legend = ax.get_legend()
    assert legend is not None
    assert not any(text.get_parse_math() for text in legend.get_texts())


def test_figures_can_be_given(net: sa.SiameseNetwork, features: sa.Features) -> None:
    figure = Figure(figsize=(8, 4))
    assert plotting.plot_pairs(net, features, num_queries=1, ways=2, figure=figure) is figure
    assert len(figure.axes) == 3 + 1
    assert plt.get_fignums() == []


def test_result_methods_draw_into_given_axes(ax: Axes) -> None:
    result = make_result(CLASSES)
    assert result.plot(ax=ax) is ax
    other = Figure().subplots()
    assert result.plot_confusion(ax=other) is other
    assert other.images


# ---- Spectrogram


def test_spectrogram_in_bands_and_frames(ax: Axes) -> None:
    spectrogram = np.arange(12.0).reshape(3, 4)
    assert plotting.plot_spectrogram(spectrogram, ax=ax) is ax
    draw(ax)
    image = ax.images[0]
    np.testing.assert_array_equal(image.get_array(), spectrogram)
    assert image.origin == "lower"
    assert list(image.get_extent()) == [-0.5, 3.5, -0.5, 2.5]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("frame", "band")
    assert [other.get_ylabel() for other in ax.figure.axes if other is not ax] == ["level (as given)"]


def test_spectrogram_in_seconds_and_hertz(ax: Axes) -> None:
    plotting.plot_spectrogram(np.zeros((16, 101)), front_end=FRONT_END, ax=ax)
    draw(ax)
    left, right, bottom, top = ax.images[0].get_extent()
    assert (left, right) == pytest.approx((-0.005, 1.005))  # frames every 10 ms, the last one at 1 s
    assert (bottom, top) == (-0.5, 15.5)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (s)", "frequency (Hz)")


@pytest.mark.parametrize(
    "front_end",
    [
        FRONT_END,
        sa.LogMel(),
        sa.LogMel(sr=8000, n_mels=40, fmin=300, fmax=3400),
        sa.LogMel(sr=44100, n_mels=13, fmin=2000, fmax=20000),
        sa.LogMel(sr=16000, n_fft=4096, n_mels=20, fmin=100, fmax=900),
        sa.LogMel(sr=16000, n_fft=8192, n_mels=4, fmin=1050, fmax=1400),
        sa.LogMel(sr=16000, n_fft=8192, n_mels=1),
    ],
    ids=str,
)
def test_frequency_ticks_stand_at_librosas_band_centres(ax: Axes, front_end: sa.LogMel) -> None:
    plotting.plot_spectrogram(np.zeros((front_end.n_mels, 4)), front_end=front_end, ax=ax)
    draw(ax)
    fmax = front_end.sr / 2 if front_end.fmax is None else front_end.fmax
    centres_hz = librosa.mel_frequencies(front_end.n_mels + 2, fmin=front_end.fmin, fmax=fmax)[1:-1]
    positions = ax.get_yticks()
    frequencies_hz = [float(text) for text in tick_names(ax.yaxis)]
    assert len(positions) >= min(2, front_end.n_mels)
    expected = np.interp(librosa.hz_to_mel(frequencies_hz), librosa.hz_to_mel(centres_hz), range(front_end.n_mels))
    np.testing.assert_allclose(positions, expected, atol=0.01)
    assert (np.diff(positions) >= front_end.n_mels / 8).all()


@pytest.mark.parametrize("shape", [(16,), (1, 16, 20), (0, 20), (16, 0)])
def test_spectrogram_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(sa.ParameterError, match=r"spectrogram: got shape .* \(bands, frames\)"):
        plotting.plot_spectrogram(np.zeros(shape))
    assert plt.get_fignums() == []


def test_spectrogram_of_another_front_end_is_refused() -> None:
    with pytest.raises(sa.ParameterError, match="spectrogram: got 15 bands; accepted: the 16"):
        plotting.plot_spectrogram(np.zeros((15, 20)), front_end=FRONT_END)


# ---- Pairs


@pytest.mark.parametrize(("num_queries", "ways"), [(1, 2), (4, 5), (8, 8)])
def test_examples_are_tasks(net: sa.SiameseNetwork, features: sa.Features, num_queries: int, ways: int) -> None:
    labels = features.labels
    for seed in range(20):
        examples = plotting.choose_examples(net, features, num_queries=num_queries, ways=ways, seed=seed)
        assert len({labels[example.query] for example in examples}) == len(examples) == num_queries
        for example in examples:
            assert example.query not in example.supports
            assert len({labels[index] for index in example.supports}) == len(example.supports) == ways
            assert labels[example.supports[example.own]] == labels[example.query]


def test_nearest_is_the_argmax_of_the_networks_similarity(net: sa.SiameseNetwork, features: sa.Features) -> None:
    embeddings = net.embed(features)
    similarity = net.similarity(embeddings, embeddings)
    examples = plotting.choose_examples(net, features, num_queries=8, ways=5, seed=0)
    for example in examples:
        expected = similarity[example.query, list(example.supports)]
        # Batches of another size may round otherwise.
        np.testing.assert_allclose(example.similarities, expected, atol=1e-5)
        assert example.nearest == expected.argmax()
        assert example.is_right == (
            features.labels[example.supports[expected.argmax()]] == features.labels[example.query]
        )
    assert len({example.own for example in examples}) > 1


def test_seed_decides_the_examples(net: sa.SiameseNetwork, features: sa.Features) -> None:
    first, again, other = (
        plotting.choose_examples(net, features, num_queries=4, ways=5, seed=seed) for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


def frames_of(ax: Axes) -> list[tuple[str, str]]:
    return [(to_hex(patch.get_edgecolor()).upper(), patch.get_linestyle()) for patch in ax.patches]


def assert_drawn(figure: Figure, examples: list[plotting.OneShotExample], features: sa.Features) -> None:
    """Check pictures, titles, similarities, frames and words of every example."""
    figure.draw_without_rendering()
    rows = np.array(figure.axes[:-1]).reshape(len(examples), -1)
    for example, row in zip(examples, rows, strict=True):
        assert row[0].get_title() == f"query\n{features.class_names[features.labels[example.query]]}"
        assert frames_of(row[0]) == []
        np.testing.assert_array_equal(row[0].images[0].get_array(), features.array[example.query])
        nearest = int(np.argmax(example.similarities))
        for position, (support, ax) in enumerate(zip(example.supports, row[1:], strict=True)):
            np.testing.assert_array_equal(ax.images[0].get_array(), features.array[support])
            assert ax.get_title() == features.class_names[features.labels[support]]
            is_own = features.labels[support] == features.labels[example.query]
            marked = {
                (True, True): ("nearest: right", [("#009E73", "-")]),
                (True, False): ("nearest: wrong", [("#D55E00", "-")]),
                (False, True): ("query's class", [("#0072B2", "--")]),
                (False, False): ("", []),
            }[position == nearest, bool(is_own)]
            similarity, words = ax.get_xlabel().split("\n")
            assert similarity == f"similarity {example.similarities[position]:.2f}"
            assert (words.strip(), frames_of(ax)) == marked


def test_examples_are_marked_by_frames_and_words(features: sa.Features) -> None:
    right = plotting.OneShotExample(query=0, supports=(1, 7, 12), similarities=(0.9, 0.2, 0.3), own=0)
    wrong = plotting.OneShotExample(query=5, supports=(2, 11, 9), similarities=(0.1, 0.8, 0.7), own=2)
    assert (right.is_right, wrong.is_right) == (True, False)
    figure = Figure()
    assert plotting.plot_examples([right, wrong], features, front_end=FRONT_END, figure=figure) is figure
    assert_drawn(figure, [right, wrong], features)


def test_pairs_draw_the_chosen_examples(net: sa.SiameseNetwork, features: sa.Features) -> None:
    examples = plotting.choose_examples(net, features, num_queries=8, ways=5, seed=7)
    assert_drawn(plotting.plot_pairs(net, features, num_queries=8, ways=5, seed=7), examples, features)


def test_pairs_have_units_and_one_scale(net: sa.SiameseNetwork, features: sa.Features) -> None:
    figure = plotting.plot_pairs(net, features)
    assert len(figure.axes) == 4 * 6 + 1
    assert figure.get_supxlabel() == "time (s)"
    assert {figure.axes[6 * row].get_ylabel() for row in range(4)} == {"frequency (Hz)"}
    assert figure.axes[-1].get_ylabel() == "level (dB)"
    assert len({ax.images[0].get_clim() for ax in figure.axes[:-1]}) == 1
    assert figure.axes[0].images[0].get_extent()[1] == pytest.approx(19.5 * 0.01)


def test_pairs_of_arrays_have_no_made_up_units(net: sa.SiameseNetwork) -> None:
    features = make_features(CLASSES)
    examples = plotting.choose_examples(net, features, num_queries=2, ways=2, seed=0)
    figure = plotting.plot_examples(examples, features, front_end=None, figure=Figure())
    figure.draw_without_rendering()
    assert figure.get_supxlabel() == "frame"
    assert figure.axes[0].get_ylabel() == "band"
    assert figure.axes[-1].get_ylabel() == "level (as given)"
    # The network knows what its input is made of.
    assert plotting.plot_pairs(net, features, num_queries=2, ways=2).get_supxlabel() == "time (s)"


def test_pairs_embed_once(net: sa.SiameseNetwork, features: sa.Features, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    embed = net.embed

    def counting(part: sa.Features) -> Any:
        sizes.append(len(part))
        return embed(part)

    monkeypatch.setattr(net, "embed", counting)
    plotting.choose_examples(net, features, num_queries=3, ways=4, seed=0)
    assert len(sizes) == 1
    assert sizes[0] <= 3 * 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_queries": 0}, "num_queries: got 0; accepted: 1 to 8, the number of classes"),
        ({"num_queries": 9}, "num_queries: got 9; accepted: 1 to 8, the number of classes"),
        ({"ways": 1}, "ways: got 1; accepted: 2 to 8, the number of classes"),
        ({"ways": 9}, "ways: got 9; accepted: 2 to 8, the number of classes"),
        ({"seed": -1}, "seed: got -1; accepted: 0 or more"),
    ],
)
def test_pairs_refuse(net: sa.SiameseNetwork, features: sa.Features, options: dict[str, int], message: str) -> None:
    with pytest.raises(sa.ParameterError) as caught:
        plotting.plot_pairs(net, features, **options)
    assert str(caught.value) == message
    assert plt.get_fignums() == []


def test_pairs_refuse_a_class_with_a_single_clip(net: sa.SiameseNetwork, features: sa.Features) -> None:
    with pytest.raises(sa.DatasetError, match="class 'ant' has a single clip"):
        plotting.plot_pairs(net, features[4:])


def test_pairs_refuse_an_untrained_network(features: sa.Features) -> None:
    with pytest.raises(sa.TrainingError, match="not trained"):
        plotting.plot_pairs(sa.SiameseNetwork(), features)


def test_plots_leave_pyplot_alone_where_axes_are_given(ax: Axes) -> None:
    plotting.plot_history(make_history([0.5]), ax=ax)
    plotting.plot_per_class(make_result(CLASSES), ax=Figure().subplots())
    plotting.plot_confusion(make_result(CLASSES), ax=Figure().subplots())
    plotting.plot_spectrogram(np.zeros((3, 4)), ax=Figure().subplots())
    assert plt.get_fignums() == []
