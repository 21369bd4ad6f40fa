"""Maps of embeddings: places by scikit-learn, and a page to look around in."""

from __future__ import annotations

import base64
import io
import json
import re
import sys
import types
import wave
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt

import siamaudio as sa
from pages import Page, faults, set_scheme, set_width, severe_messages
from siamaudio.datasets import Clips

NASTY = "</script><b>'\"&"


@pytest.fixture(scope="module")
def space() -> tuple[Any, list[str]]:
    rng = np.random.default_rng(0)
    centres = 3 * rng.normal(size=(4, 6))
    return np.repeat(centres, 10, axis=0) + rng.normal(size=(40, 6)), np.repeat(["x", NASTY, "é", "z"], 10).tolist()


@pytest.fixture(scope="module")
def sounding(trained: sa.SiameseNetwork, synthetic_features: sa.Features) -> sa.EmbeddingMap:
    """Of features of files."""
    chosen = synthetic_features[:24]
    return sa.embedding_map(trained.embed(chosen), features=chosen, method="pca")


def data_of(path: Path) -> dict[str, Any]:
    text = re.findall(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(), re.DOTALL)
    return json.loads(text[0])


def test_places_are_scikit_learns(space: tuple[Any, list[str]]) -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    manifold = pytest.importorskip("sklearn.manifold")
    vectors, labels = space
    made = sa.embedding_map(vectors, labels, method="pca")
    oracle = decomposition.PCA(n_components=2, svd_solver="full").fit(vectors)
    np.testing.assert_allclose(made.coordinates, oracle.transform(vectors))
    np.testing.assert_allclose(made.explained, oracle.explained_variance_ratio_)
    made = sa.embedding_map(vectors, labels, perplexity=5, seed=3)
    oracle = manifold.TSNE(n_components=2, perplexity=5, init="pca", random_state=3)
    np.testing.assert_array_equal(made.coordinates, oracle.fit_transform(vectors))
    assert made.classes == tuple(sorted(set(labels)))
    assert made.to_frame().label.tolist() == labels
    assert repr(made) == "EmbeddingMap(t-SNE of 40 clips, 4 classes)"
    assert sa.embedding_map(np.ones((3, 2)), ["a", "b", "b"]).coordinates.tolist() == [[0, 0]] * 3


def test_umap_is_asked_as_it_wants_to_be(space: tuple[Any, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """With a module in the place of umap-learn, which is large: the first two numbers of each embedding."""
    asked: dict[str, Any] = {}

    class UMAP:
        def __init__(self, **options: Any) -> None:
            asked.update(options)

        def fit_transform(self, vectors: Any) -> Any:
            return vectors[:, :2].astype(np.float32)

    module = types.ModuleType("umap")
    module.UMAP = UMAP  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "umap", module)
    vectors, labels = space
    made = sa.embedding_map(vectors[:9], labels[:9], method="umap", seed=4)
    np.testing.assert_allclose(made.coordinates, vectors[:9, :2], rtol=1e-6)
    assert asked == {"n_components": 2, "n_neighbors": 8, "random_state": 4, "n_jobs": 1}
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ImportError, match=r'UMAP of embeddings needs umap: `pip install "siamaudio\[umap\]"`'):
        sa.embedding_map(vectors, labels, method="umap")


@pytest.mark.slow  # umap-learn compiles itself
def test_umap_keeps_neighbours(space: tuple[Any, list[str]]) -> None:
    pytest.importorskip("umap", reason="umap-learn is absent: a map by UMAP itself is not tried")
    made = sa.embedding_map(*space, method="umap")
    gram = made.coordinates @ made.coordinates.T
    distances = np.diag(gram)[:, None] + np.diag(gram) - 2 * gram
    np.fill_diagonal(distances, np.inf)
    labels = np.array(space[1])
    assert np.mean(labels[distances.argmin(axis=1)] == labels) > 0.8
    assert (sa.embedding_map(*space, method="umap").coordinates == made.coordinates).all()


def test_figure(space: tuple[Any, list[str]]) -> None:
    made = sa.embedding_map(*space, method="pca")
    ax = made.plot()
    drawn = np.concatenate([points.get_offsets() for points in ax.collections])
    assert sorted(map(tuple, drawn.tolist())) == sorted(map(tuple, made.coordinates.tolist()))
    looks = {
        (points.get_edgecolor()[0].tobytes(), points.get_paths()[0].vertices.tobytes())
        for points in ax.collections
        if len(points.get_offsets())
    }
    assert len(looks) == 4
    assert len({look[1] for look in looks}) == 4  # not by colour alone
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(made.classes)
    assert ax.get_title() == "PCA"
    ax.get_figure().canvas.draw()
    _, (own, other) = plt.subplots(1, 2)
    assert made.plot(ax=other) is other
    assert not own.collections


def test_page_without_files(space: tuple[Any, list[str]], tmp_path: Path) -> None:
    made = sa.embedding_map(*space, method="pca")
    path = made.write_html(tmp_path / "new" / "map.html", title="A & <b>")
    page = Page(path.read_text())
    assert page.open == []
    assert not page.named("b")
    assert "A & <b>" in page.text
    assert "PCA of 40 clips of 4 classes; the axes explain" in page.text
    assert "hear" not in page.text
    data = data_of(path)
    assert (data["sheet"], data["sounds"]) == (None, None)
    assert [data["classes"][label] for label in data["labels"]] == space[1]
    places = np.array(data["places"])
    assert np.abs(places).max() <= 0.5
    # The places are those of the figure, moved and scaled alike along both axes.
    scaled = np.linalg.lstsq(np.column_stack([made.coordinates[:, 0], np.ones(40)]), places[:, 0], rcond=None)[0]
    np.testing.assert_allclose(
        places[:, 1] - places[0, 1], scaled[0] * (made.coordinates[:, 1] - made.coordinates[0, 1]), atol=2e-5
    )
    assert path.read_bytes() == made.write_html(tmp_path / "again.html", title="A & <b>").read_bytes()


def test_page_holds_pictures_and_sounds(sounding: sa.EmbeddingMap, tmp_path: Path) -> None:
    from PIL import Image

    path = sounding.write_html(tmp_path / "map.html")
    data = data_of(path)
    assert len(data["sounds"]) == 24
    with wave.open(io.BytesIO(base64.b64decode(data["sounds"][5].split(",")[1]))) as file:
        assert (file.getframerate(), file.getnframes()) == (8000, 12000)
        samples = np.frombuffer(file.readframes(12000), dtype="<i2") / 32767
    np.testing.assert_allclose(samples, np.clip(sa.load(sounding.paths[5], sr=8000)[0], -1, 1), atol=1e-4)
    sheet = Image.open(io.BytesIO(base64.b64decode(data["sheet"].split(",")[1])))
    size = data["thumbnail"]
    assert sheet.size == (24 * size["width"], size["height"])
    # Dark is low: the thumbnail follows the spectrogram, its lowest band below.
    levels = np.asarray(sheet.convert("P"), dtype=float)
    palette = np.asarray(sheet.convert("RGB"), dtype=float).sum(axis=-1)
    spectrogram = sounding.features[5].astype(float)
    shown = palette[:, 5 * size["width"] : 6 * size["width"]][::-1]
    rows = np.array([part.mean() for part in np.array_split(shown, 16)])
    bands = np.array([part.mean() for part in np.array_split(spectrogram, 16)])
    assert np.corrcoef(rows, bands)[0, 1] > 0.95
    assert levels.shape == sheet.size[::-1]
    assert "https://" not in path.read_text()
    silent = data_of(sounding.write_html(tmp_path / "b.html", sounds=False, thumbnails=False))
    assert (silent["sheet"], silent["sounds"]) == (None, None)


def test_many_sounds_are_linked_to(sounding: sa.EmbeddingMap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siamaudio.maps._MOST_SOUND_BYTES", 1000)
    path = sounding.write_html(tmp_path / "map.html", thumbnails=False)
    assert data_of(path)["sounds"][3] == Path(sounding.paths[3]).as_uri()
    assert "must still be where they were" in Page(path.read_text()).text


def test_files_that_cannot_be_read_are_silent(unseen: sa.Features, tmp_path: Path) -> None:
    (tmp_path / "b.wav").write_text("no sound")
    paths = [unseen.clips.paths[0], tmp_path / "b.wav", tmp_path / "gone.wav"]
    made = sa.embedding_map(np.eye(3), ["a", "b", "b"], paths=paths, method="pca")
    data = data_of(made.write_html(tmp_path / "map.html"))
    assert [sound is None for sound in data["sounds"]] == [False, True, True]
    assert data["names"][1:] == ["b.wav", "gone.wav"]


def test_features_of_several_channels(tmp_path: Path) -> None:
    array = np.random.default_rng(0).random((4, 2, 3, 5)).astype(np.float32)
    features = sa.Features(
        array, clips=Clips(paths=list("abcd"), class_of_clip=["u", "u", "v", "v"]), lengths=[5, 2, 0, 1]
    )
    made = sa.embedding_map(np.eye(4), features=features, method="pca")
    assert made.paths is None
    assert data_of(made.write_html(tmp_path / "map.html"))["sheet"].startswith("data:image/png")


def test_bad_input_is_named(space: tuple[Any, list[str]], synthetic_features: sa.Features) -> None:
    vectors, labels = space
    for call, message in (
        (lambda: sa.embedding_map(vectors), "labels: got None; accepted: a class for each clip, or features"),
        (lambda: sa.embedding_map(vectors, labels[1:]), "labels: got 39 of them; accepted: one for each of the 40"),
        (lambda: sa.embedding_map(vectors, features=synthetic_features), "labels: got 96 of them"),
        (lambda: sa.embedding_map(vectors, labels, paths=["a"]), "paths: got 1 of them"),
        (lambda: sa.embedding_map(vectors[0], labels), r"embeddings: got shape \(6,\)"),
        (lambda: sa.embedding_map(vectors[:1], labels[:1]), r"embeddings: got shape \(1, 6\)"),
        (lambda: sa.embedding_map(vectors * np.nan, labels), "embeddings: got NaN"),
        (lambda: sa.embedding_map(vectors, labels, method="mds"), "method: got mds; accepted: 'tsne', 'pca', 'umap'"),
        (lambda: sa.embedding_map(vectors, labels, perplexity=0), "perplexity: got 0"),
    ):  # fmt: skip
        with pytest.raises(sa.ParameterError, match=message):
            call()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_in_a_browser(browser: Any, sounding: sa.EmbeddingMap, tmp_path: Path, scheme: str) -> None:
    path = sounding.write_html(tmp_path / "map.html")
    set_scheme(browser, scheme)
    for width in (400, 1280):
        set_width(browser, width)
        browser.get(path.as_uri())
        assert faults(browser) == []
        colours = """
            const {data} = paint.getImageData(0, 0, canvas.width, canvas.height), seen = new Set();
            for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) seen.add(`${data.slice(i, i + 3)}`);
            return seen.size"""
        assert browser.execute_script(colours) > 3
        # Pointing at a clip shows it, though not where its class is hidden.
        point = """
            const [x, y] = placeOf(arguments[0]), box = canvas.getBoundingClientRect();
            const place = {clientX: box.left + x, clientY: box.top + y, pointerId: 1, bubbles: true};
            canvas.dispatchEvent(new PointerEvent("pointermove", place));
            const words = (id) => document.getElementById(id).textContent;
            return [card.hidden, words("name"), words("class"), thumbnail.offsetWidth]"""
        hidden, name, shown_class, wide = browser.execute_script(point, 7)
        assert not hidden
        places = np.array(data_of(path)["places"])
        assert name in {sounding.names[i] for i in np.flatnonzero((np.abs(places - places[7]) < 0.02).all(axis=1))}
        assert shown_class in sounding.classes
        assert wide == 144
        count = "return document.querySelectorAll('#legend button[aria-pressed=true]').length"
        assert browser.execute_script(count) == len(sounding.classes)
        browser.execute_script("document.getElementById('none').click()")
        assert browser.execute_script(count) == 0
        assert browser.execute_script(colours) <= 1
        assert browser.execute_script(point, 7)[0]
        browser.execute_script("document.querySelector('#legend button').click()")
        assert browser.execute_script(count) == 1
        # The wheel zooms at what is pointed at; "Show all" brings everything back.
        zoom = """
            const [x, y] = placeOf(3), box = canvas.getBoundingClientRect();
            const turn = {clientX: box.left + x, clientY: box.top + y, deltaY: -400, cancelable: true};
            canvas.dispatchEvent(new WheelEvent("wheel", turn));
            const [now_x, now_y] = placeOf(3);
            return [view.zoom, Math.hypot(now_x - x, now_y - y)]"""
        zoomed, moved = browser.execute_script(zoom)
        assert zoomed == pytest.approx(np.e, rel=1e-3)
        assert moved < 2  # a mouse stands on whole pixels
        browser.execute_script("document.getElementById('reset').click()")
        assert browser.execute_script("return view.zoom") == 1
        assert browser.execute_script(count) == len(sounding.classes)
        heard = """
            const done = arguments[0];
            player.addEventListener("loadedmetadata", () => done(player.duration), {once: true});
            chosen = 2; play();"""
        assert browser.execute_async_script(heard) == pytest.approx(1.5)
    assert severe_messages(browser) == []
