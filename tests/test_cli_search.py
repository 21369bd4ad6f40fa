"""siamaudio search: what is most like a recording."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import cyclopts
import numpy as np
import pytest

import siamaudio as sa
from siamaudio.cli.search import EXAMPLES, search


@pytest.fixture(scope="module")
def sounds(
    tmp_path_factory: pytest.TempPathFactory, trained: sa.SiameseNetwork, synthetic_features: sa.Features
) -> Path:
    path = tmp_path_factory.mktemp("cli") / "sounds.db"
    clips = synthetic_features.clips
    sa.SearchIndex(trained, path).add(clips, metadata={"take": np.arange(96) % 4}, progress=False)
    return path


def run(*arguments: object) -> None:
    app = cyclopts.App()
    app.command(search)
    app(["search", *map(str, arguments)], exit_on_error=False, print_error=False, result_action="return_value")


def test_hits_are_printed(sounds: Path, unseen: sa.Features, capsys: pytest.CaptureFixture[str]) -> None:
    query = unseen.clips.paths[0]
    expected = sa.SearchIndex.open(sounds).query(query, k=4)
    run(sounds, query, "-k", 4, "--json")
    assert json.loads(capsys.readouterr().out) == expected.to_dict()
    run(sounds, query, query, "-k", 4)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:5] == lines[5:]
    assert lines[0] == query
    for line, hit in zip(lines[1:5], expected.hits[0], strict=True):
        assert line.split() == [f"{hit.similarity:.3f}", hit.label, hit.path, "0.00-1.50", "s"]
    run(sounds, query)
    assert len(capsys.readouterr().out.splitlines()) == 11


def test_filters(sounds: Path, unseen: sa.Features, capsys: pytest.CaptureFixture[str]) -> None:
    query, (name, other) = unseen.clips.paths[0], unseen.class_names
    opened = sa.SearchIndex.open(sounds)
    for arguments, filters in (
        (("--label", name), {"label": name}),
        (("--label", name, "--label", other), {"label": [name, other]}),
        (("--where", "take=3", "--where", "take=1"), {"where": {"take": [1, 3]}}),
        (("--where", f"label={name}", "--where", "take=0"), {"where": {"take": 0, "label": name}}),
    ):
        run(sounds, query, *arguments, "--json")
        assert json.loads(capsys.readouterr().out) == opened.query(query, **filters).to_dict()
    run(sounds, query, "--where", "take=9")
    assert capsys.readouterr().out == f"{query}: nothing passed the filter\n"
    for arguments, message in (
        (("--where", "take"), "--where: got take; accepted: a name and a value, as in fold=4"),
        (("--where", "colour=1"), "where: got colour; accepted: end_seconds, label, path, source, start_seconds, take"),
        (("--label", "doog"), "label: got doog"),
        (("-k", 97), "k: got 97; accepted: 1 to 96"),
    ):
        with pytest.raises(sa.ParameterError, match=message):
            run(sounds, query, *arguments)
    with pytest.raises(sa.ParameterError, match="queries: got no recordings"):
        run(sounds)
    with pytest.raises(sa.StoreError, match="no such index"):
        run(sounds.with_name("none.db"), query)


def test_page(sounds: Path, unseen: sa.Features, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    query = unseen.clips.paths[0]
    run(sounds, query, "-k", 1, "--report", tmp_path / "found.html")
    assert capsys.readouterr().out.endswith(f"report: {tmp_path / 'found.html'}\n")
    assert "Search by example" in (tmp_path / "found.html").read_text()


def test_examples_are_commands() -> None:
    app = cyclopts.App()
    app.command(search)
    for line in EXAMPLES.splitlines():
        app.parse_args(shlex.split(line)[1:], exit_on_error=False, print_error=False)
