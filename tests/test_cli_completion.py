"""What bash completes, asked of bash itself."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from siamaudio import cli

BASH = shutil.which("bash")
COMMANDS = [name for name in cli.app if not name.startswith("-")]


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("SHELL", "/bin/bash")
        with pytest.raises(SystemExit) as caught:
            cli.main(["--install-completion", "--shell", "bash"])
        assert caught.value.code == 0
    (found,) = [path for path in home.rglob("siamaudio") if path.is_file()]
    return found


def completed(script: Path, *words: str) -> list[str]:
    """Return what bash offers where the last word is being typed."""
    if BASH is None:
        pytest.skip("bash is absent")
    typed = " ".join(map(shlex.quote, words))
    line = f"COMP_WORDS=(siamaudio {typed}); COMP_CWORD={len(words)}; COMP_LINE=x; COMP_POINT=1"
    run = f"""
        shopt -s extglob
        source {shlex.quote(str(script))}
        function_name=$(complete -p siamaudio | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
        {line}
        COMPREPLY=()
        "$function_name" siamaudio {shlex.quote(words[-1])} {shlex.quote(words[-2] if len(words) > 1 else "siamaudio")}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run([BASH, "--norc", "-c", run], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def test_commands(script: Path) -> None:
    assert set(completed(script, "")) >= set(COMMANDS)
    assert set(completed(script, "eval")) == {name for name in COMMANDS if name.startswith("eval")}


@pytest.mark.parametrize("command", COMMANDS)
def test_options_of_every_command(script: Path, command: str) -> None:
    names = {
        name
        for argument in cli.app[command].assemble_argument_collection()
        if argument.show
        for name in argument.names
        if name.startswith("--")
    }
    assert set(completed(script, command, "--")) >= names


def test_choices_of_an_option(script: Path) -> None:
    assert set(completed(script, "evaluate", "--protocol", "")) >= {"exact", "sampled", "metaaudio"}
    assert completed(script, "explain", "--method", "occ") == ["occlusion"]


def test_files_where_a_file_is_wanted(script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "network-of-mine.siam").touch()
    assert "network-of-mine.siam" in completed(script, "classify", "network-of")
