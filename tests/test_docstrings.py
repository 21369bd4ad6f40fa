"""The examples in the docstrings and the README run, and say what they say."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
import shlex
from pathlib import Path

import matplotlib as mpl
import pytest

import siamaudio as sa
from siamaudio import cli

README = (Path(__file__).parents[1] / "README.md").read_text()
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(sa.__path__, "siamaudio.")
    if not module.name.endswith(("__main__", "_audio", "_core"))
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mpl, "rcParams", mpl.rcParams.copy())
    outcome = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert outcome.failed == 0


def test_public_functions_have_examples_and_parameters() -> None:
    """Whatever the package offers is described in numpydoc's sections."""
    for name in sa.__all__:
        thing = getattr(sa, name)
        if isinstance(thing, type) and issubclass(thing, Exception):
            continue
        if callable(thing) and inspect.signature(thing).parameters:
            assert "Parameters\n" in thing.__doc__ or "Attributes\n" in thing.__doc__, name


def test_readme_commands_exist() -> None:
    """Each command of the README is parsed as written: the command, its arguments, its options."""
    commands = [line.split("#")[0] for line in README.splitlines() if re.match(r"siamaudio \w", line)]
    assert len(commands) >= 4
    for command in commands:
        _, name, *arguments = shlex.split(command)
        cli.app.parse_args([name, *arguments], exit_on_error=False, print_error=False)


def test_readme_python_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's examples, with a small data set in the place of ESC-50."""
    code, *others = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    clips = sa.datasets.synthetic(12, 3)
    monkeypatch.setattr(sa.datasets, "esc50", lambda _: clips)
    monkeypatch.chdir(tmp_path)
    for name, source in zip(("knock1.wav", "monday.flac", "what.wav"), clips.paths, strict=False):
        Path(name).symlink_to(source)
    Path("recordings").mkdir()
    for number, source in enumerate(clips.paths[3:6]):
        (Path("recordings") / f"{number}.wav").symlink_to(source)
    replacements = {
        "sr=44100, n_fft=2048, hop_length=512, n_mels=128": "sr=16000, n_fft=1024, hop_length=512, n_mels=48",
        "split_classes(40, 5, 5, seed=1)": "split_classes(4, 3, 5, seed=1)",
        "epochs=40": "epochs=1",
    }
    for written, smaller in replacements.items():
        assert written in code
        code = code.replace(written, smaller)
    mpl.use("Agg")
    names: dict[str, object] = {}
    exec(code, names)
    # The blocks after it speak of the same network and features.
    names["result_a"] = names["result_b"] = names["result"]
    sa.interop.to_keras(names["net"], "old.h5")
    smaller_calls = {
        "shots=5": "shots=2",
        "splits=20": "splits=1, fit={'epochs': 1}",
        '"modern"': "net",
        "window_seconds=2, hop_seconds=1": "window_seconds=1, hop_seconds=0.5",
    }
    for other in others:
        for written, smaller in smaller_calls.items():
            other = other.replace(written, smaller)
        exec(other, dict(names))
    assert names["result"].ways == 5
    assert len(names["answer"].predictions) == 1
    assert Path("esc50.siam").exists()
