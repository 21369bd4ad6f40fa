"""The transcript of the documentation's first page is what the commands print."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import siamaudio as sa
from siamaudio import cli

PAGE = Path(__file__).parents[1] / "docs" / "getting-started.md"
CLASSES = ("crying_baby", "dog", "door_wood_knock", "rain", "siren")


def transcript() -> list[tuple[str, list[str]]]:
    """Return the commands of the page and the lines that each is said to print."""
    typed: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                typed.append((line[2:], []))
            else:
                typed[-1][1].append(line)
    return typed


def words_of(line: str) -> list[str]:
    """Return what does not depend on the machine: numbers, and the order of what is close, do."""
    without = re.sub(r"/\S+/", "", re.sub(r"[-+]?\d+(\.\d+)?(e-?\d+)?", "#", line))
    answer, _, ranked = without.partition("  (")
    return sorted(re.findall(r"[A-Za-z_./]+", ranked or answer))


def clear_answer(line: str) -> str:
    """Return the answer of a line such as "1.wav: dog  (dog 0.5, rain 0.1)"; "" where it is a close call."""
    answer, _, ranked = line.partition("  (")
    first, second = [float(number) for number in re.findall(r"-?\d\.\d{3}", ranked)][:2] or (0.0, 0.0)
    return answer if first - second > 0.1 else ""


def test_the_page_has_a_transcript_of_ten_commands_at_most() -> None:
    text = PAGE.read_text(encoding="utf-8")
    installation = re.search(r"```\n(apt-get.*?)```", text, re.DOTALL)
    assert installation is not None
    assert len(transcript()) + len(installation[1].splitlines()) < 10
    for command, printed in transcript():
        program, *words = shlex.split(command)
        assert program == "siamaudio"
        cli.app.parse_args(words, exit_on_error=False, print_error=False)
        assert printed


@pytest.mark.slow
def test_the_transcript_is_true(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its commands on the recordings that it tells of print what it shows."""
    soundfile = pytest.importorskip("soundfile")
    pytest.importorskip("skimage")
    with (shared_data / "esc50-fold4" / "meta" / "esc50.csv").open(newline="") as table:
        rows = sorted(csv.DictReader(table), key=lambda row: row["filename"])
    for folder in ("examples", "what"):
        (tmp_path / folder).mkdir()
    for number, name in enumerate(CLASSES, start=1):
        own = [row for row in rows if row["category"] == name]
        other = next(row for row in own if row["src_file"] != own[0]["src_file"])
        for row, place in ((own[0], f"examples/{name}.wav"), (other, f"what/{number}.wav")):
            source = shared_data / "esc50-fold4" / "audio" / row["filename"]
            samples, rate = soundfile.read(source.with_suffix(".flac"))
            soundfile.write(tmp_path / place, samples, rate)
    monkeypatch.chdir(tmp_path)
    for command, expected in transcript():
        with pytest.raises(SystemExit) as caught:
            cli.main(shlex.split(command)[1:])
        printed = capsys.readouterr()
        assert caught.value.code == 0, printed.err
        lines = printed.out.splitlines()
        assert [words_of(line) for line in lines] == [words_of(line) for line in expected], command
        for line, shown in zip(lines, expected, strict=True):
            assert line.startswith(clear_answer(shown))
    net = sa.SiameseNetwork.load("out/demo.siam")
    assert net.split_ is not None
    assert np.isfinite(net.embed(np.zeros((1, *net.input_shape_), np.float32))).all()
