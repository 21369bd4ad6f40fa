"""siamaudio index: recordings into an index."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import cyclopts
import pytest

import siamaudio as sa
from siamaudio.cli.index import EXAMPLES, index


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, trained: sa.SiameseNetwork) -> Path:
    path = tmp_path_factory.mktemp("cli") / "net.siam"
    trained.save(path)
    return path


def run(*arguments: object) -> None:
    app = cyclopts.App()
    app.command(index)
    app(["index", *map(str, arguments)], exit_on_error=False, print_error=False, result_action="return_value")


def test_an_index_is_made_and_added_to(
    model: Path, unseen: sa.Features, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    for number, path in enumerate(unseen.clips.paths[:4]):
        shutil.copy(path, recordings / f"{number}.wav")
    out = tmp_path / "s.db"
    run(recordings, "-o", out, "--model", model, "--window-seconds", 1, "--hop-seconds", 0.25, "--dtype", "int8")
    assert capsys.readouterr().out == f"{out}: 4 recordings added as 12 items, 0 were there already; 12 items in all\n"
    opened = sa.SearchIndex.open(out)
    assert (opened.window_seconds, opened.hop_seconds, opened.dtype, len(opened)) == (1.0, 0.25, "int8", 12)
    (recordings / "4.wav").write_text("no sound")
    shutil.copy(unseen.clips.paths[5], recordings / "5.wav")
    with pytest.raises(sa.AudioError, match=r"4\.wav: is not an audio file"):
        run(recordings, "-o", out)
    with pytest.warns(UserWarning, match=r"left out .*4\.wav"):
        run(recordings, "-o", out, "--on-error", "skip", "--json")
    values = json.loads(capsys.readouterr().out)
    assert (values["items"], values["added"], values["present"]) == (15, 1, 4)
    assert [Path(skip["path"]).name for skip in values["skipped"]] == ["4.wav"]


def test_wrong_use_is_named(model: Path, unseen: sa.Features, tmp_path: Path) -> None:
    data = unseen.clips.paths[0]
    out = tmp_path / "s.db"
    cases: list[tuple[tuple[Any, ...], type[Exception], str]] = [
        ((data, "-o", out), sa.ParameterError, "--model: got none; accepted: a network"),
        ((data, "-o", out, "--model", tmp_path / "no.siam"), sa.CheckpointError, "no such file"),
        (
            (data, "-o", out, "--model", tmp_path / "no.txt"),
            sa.ParameterError,
            r"model: got .*no\.txt; accepted: \*\.si",
        ),
        (
            (data, "-o", out, "--model", model, "--window-seconds", 9),
            sa.ParameterError,
            "window_seconds: got 9.0; accepted: at m",
        ),
        ((data, "-o", out, "--model", model, "--set", "backend.uri=x"), sa.ParameterError, "one with --backend"),
        ((tmp_path / "none", "-o", out, "--model", model), sa.AudioError, "no such file"),
    ]
    for arguments, error, message in cases:
        with pytest.raises(error, match=message):
            run(*arguments)


def test_examples_are_commands() -> None:
    app = cyclopts.App()
    app.command(index)
    for line in EXAMPLES.splitlines():
        app.parse_args(shlex.split(line)[1:], exit_on_error=False, print_error=False)
