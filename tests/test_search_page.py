"""The HTML page of a search: one file with players and spectrograms, in a browser too."""

from __future__ import annotations

import base64
import io
import re
import shutil
import wave
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt

import siamaudio as sa
from pages import Page, faults, set_width, severe_messages

NASTY = "</script><script>fail()</script>"


@pytest.fixture(scope="module")
def result(trained: sa.SiameseNetwork, unseen: sa.Features, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Hits of two queries: of windows, of a file that is gone by now, of a long one, of none."""
    import soundfile

    folder = tmp_path_factory.mktemp("page")
    for number, path in enumerate(unseen.clips.paths[:3]):
        (folder / NASTY.replace("/", "|")).mkdir(exist_ok=True)
        shutil.copy(path, folder / NASTY.replace("/", "|") / f"{number}.wav")
    rng = np.random.default_rng(0)
    soundfile.write(folder / "long.flac", 0.1 * rng.normal(size=44100 * 40), 44100)
    index = sa.SearchIndex(trained)
    index.add(folder, progress=False)
    index.add(embeddings=index.embeddings()[:1], metadata={"path": ["no file"], "start_seconds": [3.0], "n": [5]})
    (folder / NASTY.replace("/", "|") / "2.wav").unlink()
    return index.query([unseen.clips.paths[0], unseen.clips.paths[9]], k=5)


@pytest.fixture(scope="module")
def page_file(result: sa.SearchResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return result.write_html(tmp_path_factory.mktemp("page") / "new" / "found.html", title="Found & <b>")


@pytest.fixture(scope="module")
def page(page_file: Path) -> Page:
    return Page(page_file.read_bytes().decode("utf-8"))


def test_page_is_whole_by_itself(page: Page, page_file: Path) -> None:
    assert page.open == []
    ids = {attributes.get("id") for _, attributes in page.tags}
    for tag, attributes in page.tags:
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, attributes)
        assert attributes.get("aria-labelledby") in {None, *ids}
    assert len(page.named("script")) == 1
    assert not page.named("b")
    assert "<title>Found &amp; &lt;b&gt;</title>" in page_file.read_text()
    assert not re.search(r"https?://", page_file.read_text())


def test_every_hit_is_shown(page: Page, result: sa.SearchResult) -> None:
    assert page.text.count(NASTY.replace("/", "|")) >= 4
    assert "2 queries among 5 items; similarity is the cosine" in page.text
    assert page.text.count("no file to play") == 2 * 2  # the one that is gone, and the one that never was
    for hits in result.hits:
        for hit in hits:
            assert f"{hit.similarity:.3f}" in page.text
    assert "n 5" in page.text
    widths = [float(width) for width in re.findall(r"width: ([\d.]+)%", str(page.tags))]
    assert widths == pytest.approx([100 * max(0, hit.similarity) for hits in result.hits for hit in hits], abs=0.06)


def test_sounds_are_those_of_the_hits(page: Page, unseen: sa.Features) -> None:
    sounds = [attributes["src"] or "" for attributes in page.named("audio")]
    assert len(sounds) == 2 * 4
    with wave.open(io.BytesIO(base64.b64decode(sounds[0].split(",")[1]))) as file:
        assert (file.getframerate(), file.getnchannels()) == (16000, 1)
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2") / 32767
    np.testing.assert_allclose(samples, np.clip(sa.load(unseen.clips.paths[0])[0], -1, 1), atol=1e-4)
    lengths = []
    for sound in sounds:
        with wave.open(io.BytesIO(base64.b64decode(sound.split(",")[1]))) as file:
            lengths.append(file.getnframes() / file.getframerate())
    assert sorted({round(length, 2) for length in lengths}) == [1.5]
    assert len(page.named("img")) == 8
    assert all(image["alt"] for image in page.named("img"))


def test_long_recordings_are_cut_and_resampled(unseen: sa.Features, tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "long.flac", 0.1 * np.random.default_rng(0).normal(size=44100 * 40), 44100)
    index = sa.SearchIndex(None, metric="euclidean")
    index.add(embeddings=np.eye(2), metadata={"path": [str(tmp_path / "long.flac")] * 2, "end_seconds": [40.0, 8.0]})
    found = index.query(embeddings=[1.0, 0.0]).write_html(tmp_path / "found.html")
    page = Page(found.read_text())
    assert "the first 30 s" in page.text
    assert "similarity is minus the Euclidean distance" in page.text
    shapes = []
    for attributes in page.named("audio"):
        with wave.open(io.BytesIO(base64.b64decode((attributes["src"] or "").split(",")[1]))) as file:
            shapes.append((file.getframerate(), round(file.getnframes() / file.getframerate(), 2)))
    assert shapes == [(16000, 30.0), (16000, 8.0)]
    assert re.findall(r"width: ([\d.]+)%", str(page.tags)) == ["100.0", "10.0"]


def test_same_input_gives_the_same_bytes(result: sa.SearchResult, page_file: Path, tmp_path: Path) -> None:
    with plt.style.context("dark_background"):
        again = result.write_html(str(tmp_path / "again.html"), title="Found & <b>")
    assert again.read_bytes() == page_file.read_bytes()
    assert plt.get_fignums() == []


def test_nothing_found_is_said(trained: sa.SiameseNetwork, unseen: sa.Features, tmp_path: Path) -> None:
    index = sa.SearchIndex(trained)
    index.add(unseen.clips, progress=False)
    found = index.query(unseen.clips.paths[0], where=lambda rows: rows.path == "none")
    assert "Nothing passed the filter." in Page(found.write_html(tmp_path / "a.html").read_text()).text


@pytest.mark.slow
def test_page_in_a_browser(browser: Any, page_file: Path) -> None:
    for width in (400, 1280):
        set_width(browser, width)
        browser.get(page_file.as_uri())
        assert browser.execute_script("return window.innerWidth") == width
        assert faults(browser) == []
        images = "return [...document.images].map((image) => image.naturalWidth * image.getBoundingClientRect().width)"
        assert all(browser.execute_script(images))
        play = """const audio = document.querySelector("audio"), done = arguments[0];
                  audio.addEventListener("loadedmetadata", () => done(audio.duration));
                  audio.preload = "auto"; audio.load();"""
        assert browser.execute_async_script(play) == 1.5
    assert severe_messages(browser) == []
