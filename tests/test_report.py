from __future__ import annotations

import base64
import io
import re
import wave
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

mpl.use("Agg")

import matplotlib.pyplot as plt

import siamaudio as sa
from pages import Page, faults, set_scheme, set_width, severe_messages
from siamaudio.datasets import Clips
from siamaudio.splits import ClassSplit

NASTY = '<b>&"x"'
TEST_CLASSES = (NASTY, "$x_1$", "bad\udcffbyte", "</script><script>fail()</script>", "犬 🐶", "x" * 80)
FRONT_END = sa.LogMel(sr=16000, n_fft=512, hop_length=160, n_mels=16)


def make_features(
    class_names: tuple[str, ...], *, name: str = "", front_end: sa.LogMel | None = FRONT_END
) -> sa.Features:
    rng = np.random.default_rng(len(class_names))
    bases = np.repeat(rng.normal(size=(len(class_names), 16, 1)), 4, axis=0)
    array = bases + 0.5 * rng.normal(size=(4 * len(class_names), 16, 20))
    clips = Clips(
        paths=[f"{number}.wav" for number in range(len(array))],
        class_of_clip=[class_name for class_name in class_names for _ in range(4)],
        name=name,
    )
    return sa.Features(array.astype(np.float32), clips=clips, front_end=front_end)


@pytest.fixture(scope="module")
def net() -> sa.SiameseNetwork:
    encoder = sa.ConvEncoder(blocks=(sa.ConvBlock(filters=4),), dense=(sa.Dense(units=8),))
    train, validation = make_features(("one", "two", "three")), make_features(("four", "five", "six", "seven", "eight"))
    net = sa.SiameseNetwork(encoder).fit(train, validation=validation, epochs=2, num_threads=1, progress=False)
    net.split_ = ClassSplit(
        train=train.class_names, validation=validation.class_names, test=tuple(sorted(TEST_CLASSES)), seed=123
    )
    return net


@pytest.fixture(scope="module")
def features() -> sa.Features:
    return make_features(TEST_CLASSES, name="A & <B>")


@pytest.fixture(scope="module")
def result(net: sa.SiameseNetwork, features: sa.Features) -> sa.EvaluationResult:
    return sa.evaluate_oneshot(net, features, ways=4, num_threads=1)


@pytest.fixture(scope="module")
def report(
    net: sa.SiameseNetwork, features: sa.Features, result: sa.EvaluationResult, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return sa.write_report(tmp_path_factory.mktemp("report") / "new" / "report.html", net, features, result)


@pytest.fixture(scope="module")
def sounding(trained: sa.SiameseNetwork, unseen: sa.Features, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of clips whose files are there."""
    result = sa.evaluate_oneshot(trained, unseen, ways=2, num_threads=1)
    return sa.write_report(tmp_path_factory.mktemp("report") / "report.html", trained, unseen, result)


@pytest.fixture(scope="module")
def page(report: Path) -> Page:
    return Page(report.read_bytes().decode("utf-8"))  # raises where it is no valid UTF-8


def test_report_is_well_formed(page: Page) -> None:
    assert page.open == []
    assert page.named("html") == [{"lang": "en"}]
    assert {"charset": "utf-8"} in page.named("meta")
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) > 50
    assert len(set(ids)) == len(ids)


def test_references_stay_within_the_page(page: Page, report: Path) -> None:
    ids = {attributes.get("id") for _, attributes in page.tags}
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "srcset", "data", "action"):
            reference = attributes.get(name) or ""
            assert reference.startswith(("#", "data:")) or not reference, (tag, reference)
            assert not reference.startswith("#") or reference[1:] in ids, reference
        labelled = attributes.get("aria-labelledby")
        assert labelled is None or labelled in ids
        assert tag != "script" or not attributes
    html = report.read_text("utf-8")
    painted = re.findall(r"url\(([^)]*)\)", re.sub(r">[^<]*<", "><", html))
    assert painted
    assert all(reference.lstrip("#") in ids and reference.startswith("#") for reference in painted)
    assert "@import" not in html
    # Names of XML name spaces are no requests.
    assert set(re.findall(r'([\w:-]{1,20})=["\']https?://', html)) <= {"xmlns", "xmlns:xlink"}


def test_headline_tells_the_figures(page: Page, result: sa.EvaluationResult) -> None:
    raw = result.baselines["raw spectrogram"]
    low, high = result.interval.low, result.interval.high
    assert (
        f"{result.accuracy:.1%} this network {low:.1%} to {high:.1%}, 95% confidence "
        f"{raw:.1%} nearest raw spectrogram 25.0% guessing"
    ) in page.text
    assert f"the network names the query's class in {result.accuracy:.1%} of the tasks" in page.text
    assert f"is right in {raw:.1%}, guessing in 25.0%." in page.text
    assert result.description in page.text
    assert "A & <B>: 24 clips of 6 classes, 4 classes a task" in page.text
    assert "saw" not in page.text


def test_table_lists_every_class_best_first(report: Path, result: sa.EvaluationResult) -> None:
    html = report.read_text("utf-8")
    body = html[html.index("<tbody>") : html.index("</tbody>")]
    rows = [Page(row).text for row in re.findall(r"<tr>.*?</tr>", body, re.DOTALL)]
    table = result.to_frame().sort_values("accuracy", ascending=False, kind="stable")
    expected = []
    for name, line in table.iterrows():
        mistake = f"{line.mistaken_for} ({line.mistaken_share:.1%})" if line.mistaken_share > 0 else "never mistaken"
        expected.append(f"{name} 4 {line.accuracy:.1%} {mistake}".replace("\udcff", "?"))
    assert rows == expected


def test_class_names_are_text_wherever_they_stand(page: Page, report: Path) -> None:
    assert not page.named("b")
    assert len(page.named("script")) == 1
    for name in TEST_CLASSES:
        assert name.replace("\udcff", "?") in page.text
    assert [tag["data-key"] for tag in page.named("th") if tag.get("data-key") == NASTY] == [NASTY]
    # The charts of classes name them, too: bars, confusion, map.
    svgs = re.findall(r"<svg.*?</svg>", report.read_text("utf-8"), re.DOTALL)
    assert [NASTY in Page(svg).text for svg in svgs] == [True, True, True, False, False]
    assert ["bad�byte" in Page(svg).text for svg in svgs] == [True, True, True, False, False]


def test_split_and_making_are_told(page: Page, net: sa.SiameseNetwork) -> None:
    for words in (
        "Classes drawn at random, seed 123.",
        "training (3) one, three, two validation (5) eight, five, four, seven, six test (6)",
        "spectrogram of 16 bands × 20 frames, batch norm",
        "4 filters of 5 × 5, batch norm, ReLU, max pooling 2 × 2, dropout 0.25",
        "8 numbers, batch norm, sigmoid, dropout 0.25",
        "loss bce (weight 1.0)",
        "sampler balanced (batch_size 40, clips_per_class 4, negative_ratio 1.0)",
        f"parameters {net.num_parameters():,}",
        "epochs 2",
        f"of epoch {net.best_epoch_}, counted from 0",
        f"siamaudio {sa.__version__}",
        "sample rate 16000 Hz frame 512 samples, one every 160 bands 16 mel bands from 0 to 8000 Hz",
    ):
        assert words in page.text


def test_figures_have_words(page: Page) -> None:
    assert len(page.named("svg")) == 5
    assert all(svg["role"] == "img" for svg in page.named("svg"))
    assert len(page.named("title")) == 1 + 5
    assert all((image["alt"] or "").startswith("Spectrogram of ") for image in page.named("img"))
    assert len(page.named("figure")) == len(page.named("figcaption")) == 5
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert max(np.diff(levels)) == 1  # no level is left out


def test_examples_are_pictures_and_words(page: Page, net: sa.SiameseNetwork, features: sa.Features) -> None:
    from siamaudio.plotting import choose_examples

    examples = choose_examples(net, features, num_queries=4, ways=4, seed=0)
    shown = [index for example in examples for index in (example.query, *example.supports)]
    assert len(page.named("img")) == len(shown) == 4 * 5
    low, high = np.percentile(features.array[np.unique(shown)], [1, 99.9])
    for image, index in zip(page.named("img"), shown, strict=True):
        head, data = (image["src"] or "").split(",")
        assert head == "data:image/png;base64"
        picture = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
        # A pixel a value, the lowest band below; levels are the indices of a palette that grows lighter.
        shares = np.clip((features.array[index] - low) / (high - low), 0, 1)
        np.testing.assert_allclose(np.asarray(picture)[::-1], 255 * shares, atol=4)
        assert (np.diff(np.array(picture.getpalette()).reshape(-1, 3)[::32].sum(axis=1)) > 0).all()
        name = features.class_names[features.labels[index]].replace("\udcff", "?")
        assert image["alt"] == f"Spectrogram of {name} ({index}.wav)"
    roles = [attributes.get("class") for attributes in page.named("li")][3:]
    expected: list[str | None] = []
    for example in examples:
        query, nearest = (
            features.class_names[features.labels[index]].replace("\udcff", "?")
            for index in (example.query, example.supports[example.nearest])
        )
        assert (
            f"A query of {query}: nearest is {nearest}, similarity {max(example.similarities):.2f}, "
            f"{'right' if query == nearest else 'wrong'}."
        ) in page.text
        own = {(True, True): "nearest own", (True, False): "nearest", (False, True): " own", (False, False): None}
        expected.append("query")
        expected += [own[position == example.nearest, position == example.own] for position in range(4)]
    assert roles == expected
    assert not page.named("audio")  # the files are not there
    assert "5 kHz" in page.text
    assert "0.08 0.16 s" in page.text


def test_clips_can_be_heard(sounding: Path, unseen: sa.Features) -> None:
    page = Page(sounding.read_text("utf-8"))
    sounds = {}
    for attributes in page.named("audio"):
        with wave.open(io.BytesIO(base64.b64decode((attributes["src"] or "").split(",")[1]))) as file:
            assert (file.getframerate(), file.getnchannels()) == (16000, 1)
            sounds[attributes["aria-label"]] = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2") / 32767
    assert len(page.named("audio")) == len(page.named("img")) == 2 * 3
    assert len(sounds) > 2
    for label, samples in sounds.items():
        name = re.findall(r"Play .*\((.*)\)", label or "")[0]
        (path,) = [path for path in unseen.clips.paths if Path(path).name == name and (label or "").split()[1] in path]
        np.testing.assert_allclose(samples, np.clip(sa.load(path)[0], -1, 1), atol=1e-4)


def test_long_sounds_are_cut_and_too_many_left_out(
    trained: sa.SiameseNetwork, unseen: sa.Features, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import soundfile

    rng = np.random.default_rng(0)
    paths = [str(tmp_path / f"{number}.flac") for number in range(len(unseen))]
    for path in paths:
        soundfile.write(path, 0.1 * rng.normal(size=44100 * 12), 44100)
    names = [unseen.class_names[label] for label in unseen.labels]
    long = sa.Features(unseen.array, clips=Clips(paths=paths, class_of_clip=names), front_end=unseen.front_end)
    result = sa.evaluate_oneshot(trained, long, ways=2, num_threads=1)
    monkeypatch.setattr("siamaudio.report._MOST_SOUND_BYTES", 500_000)
    page = Page(sa.write_report(tmp_path / "report.html", trained, long, result, num_examples=2).read_text("utf-8"))
    different = {attributes["src"] for attributes in page.named("audio")}
    assert len(different) == 2  # 320 kB each, ten seconds at 16 kHz: with the second there is too much
    for source in different:
        with wave.open(io.BytesIO(base64.b64decode((source or "").split(",")[1]))) as file:
            assert (file.getframerate(), file.getnframes()) == (16000, 160000)
    assert page.text.count("the first 10 s") == len(page.named("audio"))
    assert page.text.count("left out: too much sound for a page") == 6 - len(page.named("audio"))


def test_map_is_that_of_the_embeddings(
    page: Page, net: sa.SiameseNetwork, features: sa.Features, result: sa.EvaluationResult, tmp_path: Path
) -> None:
    first, _ = sa.embedding_map(net.embed(features), features=features, method="pca").explained or (0, 0)
    assert f"1st component ({first:.0%} of the variance)" in page.text
    with pytest.raises(sa.ParameterError, match="method: got mds"):
        sa.write_report(tmp_path / "r.html", net, features, result, map_method="mds")  # pyright: ignore[reportArgumentType]


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb or #rgb, as WCAG 2 defines it."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    shares = np.array([int(digits[place : place + 2], 16) for place in (0, 2, 4)]) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_words_and_lines_stand_out_in_light_dark_and_print(report: Path) -> None:
    html = report.read_text("utf-8")
    schemes = re.findall(r":root \{([^}]*--page[^}]*)\}", html)
    assert len(schemes) == 3
    series = {colour for colour in re.findall(r"(?:stroke|fill): (#[0-9a-f]{6})", html) if colour != "#ffffff"}
    assert {"#0072b2", "#d55e00", "#009e73"} <= series
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): (#\w+);", scheme))

        def contrast(first: str, second: str) -> float:
            low, high = sorted(luminance(colour) for colour in (first, second))
            return (high + 0.05) / (low + 0.05)

        for words in ("ink", "soft", "accent", "warn"):
            for behind in ("page", "card"):
                assert contrast(colours[words], colours[behind]) >= 4.5, (words, behind, scheme)
        # Lines of charts; the sky of bars has numbers beside it.
        for line in ("#0072b2", "#d55e00", "#009e73"):
            assert contrast(line, colours["card"]) >= 3.0, (line, scheme)


def test_same_input_gives_the_same_bytes(
    report: Path, net: sa.SiameseNetwork, features: sa.Features, result: sa.EvaluationResult, tmp_path: Path
) -> None:
    with plt.style.context(["dark_background", {"font.size": 20, "svg.fonttype": "path"}]):
        again = sa.write_report(str(tmp_path / "again.html"), net, features, result)
    assert again == tmp_path / "again.html"
    assert again.read_bytes() == report.read_bytes()
    other = sa.write_report(tmp_path / "other.html", net, features, result, seed=1)
    assert other.read_bytes() != report.read_bytes()
    assert plt.get_fignums() == []


def test_title_is_the_callers(
    net: sa.SiameseNetwork, features: sa.Features, result: sa.EvaluationResult, tmp_path: Path
):
    path = tmp_path / "report.html"
    path.write_text("older")
    sa.write_report(path, net, features, result, title="Dogs & <cats>", num_examples=0)
    html = path.read_text("utf-8")
    assert "<title>Dogs &amp; &lt;cats&gt;</title>" in html
    assert "<h1>Dogs &amp; &lt;cats&gt;</h1>" in html
    assert not Page(html).named("img")
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_parts_that_are_not_known_are_left_out(tmp_path: Path) -> None:
    features = make_features(("a", "b", "c"), front_end=None)
    encoder = sa.ConvEncoder(blocks=(), dense=(sa.Dense(units=4, dropout=0, batch_norm=False),))
    net = sa.SiameseNetwork(encoder).fit(make_features(("d", "e"), front_end=None), epochs=1, progress=False)
    net.history_ = sa.History()
    result = sa.evaluate_oneshot(similarity=np.eye(12), labels=np.repeat(["a", "b", "c"], 4), ways=2)
    page = Page(sa.write_report(tmp_path / "report.html", net, features, result).read_text("utf-8"))
    assert "No raw spectrograms were compared; guessing in 50.0%." in page.text
    assert "A query of" in page.text
    for words in ("Class split", "Front end", "raw spectrogram is", "Training", "None"):
        assert words not in page.text
    assert len(page.named("svg")) == 4


@pytest.mark.parametrize(
    ("options", "is_calibrated", "words"),
    [
        ({}, False, "P(same class)"),
        ({"distance": "cosine", "head": None, "loss": sa.losses.Contrastive()}, False, "the cosine of the embeddings."),
        (
            {"distance": "euclidean", "head": None, "loss": sa.losses.Contrastive()},
            False,
            "minus the Euclidean distance",
        ),
        ({}, True, "the cosine of the embeddings, centred and whitened"),
    ],
)
def test_similarity_is_named(options: dict[str, Any], is_calibrated: bool, words: str, tmp_path: Path) -> None:
    features = make_features(("a", "b", "c"))
    encoder = sa.ConvEncoder(blocks=(), dense=(sa.Dense(units=4, dropout=0, batch_norm=False),))
    train = make_features(("d", "e"))
    net = sa.SiameseNetwork(encoder, **options).fit(train, epochs=1, progress=False)
    if is_calibrated:
        net.calibrate(train)
    result = sa.evaluate_oneshot(net, features, ways=2)
    page = Page(sa.write_report(tmp_path / "report.html", net, features, result).read_text("utf-8"))
    assert f"Similarity is {words}" in " ".join(page.text.split())


def test_an_interval_that_cannot_be_told_is_not(net: sa.SiameseNetwork, tmp_path: Path) -> None:
    features = make_features(("a", "b"))
    clips = Clips(paths=features.clips.paths, class_of_clip=[*"aaaabbbb"], sources=["one"] * 4 + [*"wxyz"])
    alike = sa.Features(features.array, clips=clips, front_end=FRONT_END)
    result = sa.evaluate_oneshot(net, alike, ways=2)
    assert np.isnan(result.interval.low)
    page = Page(sa.write_report(tmp_path / "report.html", net, alike, result).read_text("utf-8"))
    assert "this network no interval" in page.text
    assert "There is too little in some class to tell an interval of the accuracy" in page.text
    assert "nan" not in page.text


def test_classes_that_never_fail_are_mistaken_for_none(net: sa.SiameseNetwork, tmp_path: Path) -> None:
    features = make_features(("a", "b"))
    same = features.labels[:, None] == features.labels
    result = sa.evaluate_oneshot(similarity=same, labels=np.repeat(["a", "b"], 4), ways=2)
    page = Page(sa.write_report(tmp_path / "report.html", net, features, result).read_text("utf-8"))
    assert page.text.count("never mistaken") == 2


def test_trained_classes_are_warned_about(net: sa.SiameseNetwork, tmp_path: Path) -> None:
    features = make_features(("one", "four", "new"))
    result = sa.evaluate_oneshot(net, features, ways=2, allow_trained_classes=True)
    page = Page(sa.write_report(tmp_path / "report.html", net, features, result).read_text("utf-8"))
    assert "The network saw 2 of these classes while it was made (four, one): the figures do not tell" in page.text


def test_misuse_is_refused(
    net: sa.SiameseNetwork, features: sa.Features, result: sa.EvaluationResult, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    with pytest.raises(sa.ParameterError, match=r"result: got a result of 24 clips of 6 classes; .* 23 clips of 6"):
        sa.write_report(path, net, features[1:], result)
    with pytest.raises(sa.ParameterError, match="result: got"):
        sa.write_report(path, net, make_features(("a", "b", "c", "d", "e", "f")), result)
    with pytest.raises(sa.ParameterError, match="num_examples: got -1; accepted: 0 or more"):
        sa.write_report(path, net, features, result, num_examples=-1)
    with pytest.raises(sa.TrainingError, match="not trained"):
        sa.write_report(path, sa.SiameseNetwork(), features, result)
    assert not path.exists()


# ---- In a browser


@pytest.mark.slow
def test_report_in_a_browser(browser: Any, report: Path, sounding: Path) -> None:
    for path, scheme in ((report, "light"), (sounding, "light"), (sounding, "dark")):
        set_scheme(browser, scheme)
        for width in (400, 1280):
            set_width(browser, width)
            browser.get(path.as_uri())
            assert browser.title == "One-shot recognition report"
            assert browser.execute_script("return window.innerWidth") == width
            assert faults(browser) == [], (path.name, scheme, width)
            images = "return [...document.images].map((image) => image.naturalWidth * image.clientWidth)"
            assert all(browser.execute_script(images))
    background = "return getComputedStyle(document.body).backgroundColor"
    assert browser.execute_script(background) == "rgb(20, 24, 30)"
    # Charts are drawn in the page's colours.
    ink = "return getComputedStyle(document.querySelector('svg text')).fill"
    assert browser.execute_script(ink) == "rgb(230, 234, 240)"
    assert severe_messages(browser) == []


@pytest.mark.slow
def test_faults_of_a_page_are_seen(browser: Any, report: Path) -> None:
    """Or the test above would find none whatever the page."""
    set_width(browser, 400)
    for change, message in (
        ("document.querySelector('h1').style.width = '500px'", "the page is"),
        ("document.querySelector('.clips li').style.marginRight = '-60px'", "overlaps"),
        ("document.querySelector('.clips img').style.width = '400px'", "leaves its card"),
        ("document.querySelector('svg text').setAttribute('transform', 'translate(-600 0)')", "is cut off"),
        ("document.querySelectorAll('svg text').forEach((word) => word.setAttribute('transform', 'translate(99 99)'))",
         '" overlaps "'),
    ):  # fmt: skip
        browser.get(report.as_uri())
        browser.execute_script(change)
        assert any(re.search(message, fault) for fault in faults(browser)), change


@pytest.mark.slow
def test_report_can_be_heard_and_printed(browser: Any, sounding: Path) -> None:
    browser.get(sounding.as_uri())
    play = """
        const [first, second] = document.querySelectorAll("audio"), done = arguments[0];
        second.addEventListener("loadedmetadata", () => {
          let paused = false;
          first.pause = () => { paused = true; };
          second.dispatchEvent(new Event("play"));
          done([second.duration, paused]);
        });
        second.preload = "auto"; second.load();"""
    assert browser.execute_async_script(play) == [1.5, True]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    set_width(browser, 720)
    assert faults(browser) == []
    assert browser.execute_script("return document.querySelector('audio').offsetParent") is None
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert severe_messages(browser) == []


@pytest.mark.slow
def test_table_sorts_in_a_browser(browser: Any, report: Path, result: sa.EvaluationResult) -> None:
    def column(number: int) -> list[str]:
        rows = 'document.querySelectorAll("#per-class tbody tr")'
        return browser.execute_script(f"return [...{rows}].map((row) => row.cells[{number}].innerText)")

    def click(number: int) -> str:
        browser.execute_script(f'document.querySelectorAll("#per-class thead button")[{number}].click()')
        head = f'document.querySelectorAll("#per-class thead th")[{number}]'
        return browser.execute_script(f'return {head}.getAttribute("aria-sort")')

    browser.get(report.as_uri())
    accuracies = [f"{share:.1%}" for share in sorted(result.per_class.values())]
    assert column(2) == accuracies[::-1]
    assert click(2) == "ascending"
    assert column(2) == accuracies
    assert click(0) == "descending"
    descending = column(0)
    assert sorted(descending) == sorted(name.replace("\udcff", "?") for name in TEST_CLASSES)
    assert descending.index("x" * 80) < descending.index("bad?byte")
    assert click(0) == "ascending"
    assert column(0) == descending[::-1]
    assert severe_messages(browser) == []


def test_an_optimizer_is_described_by_what_it_has(tmp_path: Path) -> None:
    features = make_features(("a", "b", "c"), front_end=None)
    encoder = sa.ConvEncoder(blocks=(), dense=(sa.Dense(units=4, dropout=0.0, batch_norm=False),))
    optimizer = sa.optimizers.SGD(momentum=0.9, clip_norm=5.0, schedule=sa.schedules.Cosine(warmup=0.2))
    net = sa.SiameseNetwork(encoder, optimizer=optimizer)
    net.fit(make_features(("d", "e"), front_end=None), epochs=1, progress=False)
    result = sa.evaluate_oneshot(net, features, ways=2)
    page = Page(sa.write_report(tmp_path / "report.html", net, features, result).read_text("utf-8"))
    assert (
        "sgd (clip_norm 5.0, schedule cosine (warmup 0.2, final 0.0), lr 0.01, momentum 0.9, nesterov False)"
        in page.text
    )
