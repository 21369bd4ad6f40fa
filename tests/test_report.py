from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt

import siamaudio as sa
from pages import Page, set_width, severe_messages
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
    assert f"{result.accuracy:.1%} this network {raw:.1%} nearest raw spectrogram 25.0% guessing" in page.text
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
    # Both charts of classes name them, too.
    svgs = re.findall(r"<svg.*?</svg>", report.read_text("utf-8"), re.DOTALL)
    assert [NASTY in Page(svg).text for svg in svgs] == [True, True, False, False]
    assert ["bad�byte" in Page(svg).text for svg in svgs] == [True, True, False, False]


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
    assert len(page.named("svg")) == 4
    assert all(svg["role"] == "img" for svg in page.named("svg"))
    assert len(page.named("title")) == 1 + 4
    (image,) = page.named("img")
    assert image["alt"]
    assert len(page.named("figure")) == len(page.named("figcaption")) == 5


def test_examples_are_a_png_and_a_list(page: Page, net: sa.SiameseNetwork, features: sa.Features) -> None:
    from siamaudio.plotting import choose_examples

    source = page.named("img")[0]["src"] or ""
    head, data = source.split(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(data, validate=True).startswith(b"\x89PNG")
    examples = choose_examples(net, features, num_queries=4, ways=4, seed=0)
    for example in examples:
        query, nearest = (
            features.class_names[features.labels[index]].replace("\udcff", "?")
            for index in (example.query, example.supports[example.nearest])
        )
        assert (
            f"A query of {query}: nearest is {nearest}, similarity {max(example.similarities):.2f}, "
            f"{'right' if query == nearest else 'wrong'}."
        ) in page.text


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
    assert len(page.named("svg")) == 3


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


SIZES = """
const sizeOf = (element) => { const box = element.getBoundingClientRect(); return [box.width, box.height]; };
return {
  window: window.innerWidth,
  page: [document.documentElement.scrollWidth, document.documentElement.clientWidth],
  images: [...document.images].map((image) => [image.naturalWidth, image.naturalHeight, ...sizeOf(image)]),
  charts: [...document.querySelectorAll("svg")].map((svg) => [svg.viewBox.baseVal.width, svg.viewBox.baseVal.height,
                                                              ...sizeOf(svg)]),
};
"""


@pytest.mark.slow
def test_report_in_a_browser(browser: Any, report: Path) -> None:
    for width in (400, 1280):
        set_width(browser, width)
        browser.get(report.as_uri())
        assert browser.title == "One-shot recognition report"
        found = browser.execute_script(SIZES)
        assert found["window"] == width
        assert found["page"][0] <= found["page"][1]
        assert (len(found["images"]), len(found["charts"])) == (1, 4)
        for own_width, own_height, shown_width, shown_height in found["images"] + found["charts"]:
            assert shown_width > 300
            assert shown_width / shown_height == pytest.approx(own_width / own_height, rel=0.02)
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
