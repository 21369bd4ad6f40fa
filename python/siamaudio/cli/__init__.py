"""The command line: results on stdout, progress and complaints on stderr.

A file in TOML may hold options, a table a command; typed ones go before: ``siamaudio --config run.toml train``.

Exit status 0: done; 1: failed; 2: wrong use; 130: interrupted.
"""

from __future__ import annotations

import sys
import textwrap
import warnings
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, NoReturn

import cyclopts
from cyclopts import Group, Parameter

import siamaudio as sa
from siamaudio.cli import (
    calibrate,
    classify,
    compare,
    demo,
    download,
    embed,
    embedding_map,
    embedding_report,
    evaluate,
    evaluate_pairs,
    evaluate_retrieval,
    evaluate_splits,
    explain,
    export,
    features,
    import_keras,
    index,
    index_remove,
    info,
    leaks,
    linear_separability,
    plot,
    presets,
    search,
    split,
    synthetic,
    train,
    train_autoencoder,
    tune,
)
from siamaudio.cli._config import TomlConfig
from siamaudio.cli._shared import OPTIONS, RUNNING
from siamaudio.errors import ParameterError, SiamaudioError

__all__ = ["GROUPS", "app", "main"]

_EXIT_STATUS = "Exit status:\n  0 done, 1 failed, 2 wrong use, 130 interrupted\n"
_EXAMPLE_COLUMNS = 76
GROUPS: dict[str, tuple[ModuleType, ...]] = {
    "To begin with": (demo, info, presets),
    "Sounds and features": (synthetic, download, features, split, leaks, plot),
    "Networks": (train, train_autoencoder, tune, calibrate, import_keras, export),
    "Recognise, search, explain": (classify, index, index_remove, search, explain),
    "Measure": (evaluate, evaluate_pairs, evaluate_retrieval, evaluate_splits, compare),
    "Embeddings": (embed, embedding_map, embedding_report, linear_separability),
}
"""The modules of the commands, by what they are for."""


def _epilogue(module: ModuleType) -> str:
    files = getattr(module, "FILES", "")
    examples = "".join(f"{_continued(line)}\n" for line in module.EXAMPLES.splitlines())
    parts = [f"Examples:\n{examples}"]
    parts += [f"Files:\n{textwrap.indent(files, '  ')}"] if files else []
    parts += [_EXIT_STATUS, f"See also:\n  {module.SEE_ALSO}\n"]
    return "\n".join(parts)


def _continued(line: str) -> str:
    """Return an example as a shell takes it, on as many lines of a terminal as it needs."""
    return " \\\n".join(
        textwrap.wrap(line, _EXAMPLE_COLUMNS, initial_indent="  ", subsequent_indent="      ", break_on_hyphens=False)
    )


app: cyclopts.App = cyclopts.App(
    name="siamaudio",
    help="One-shot audio recognition with siamese networks.",
    help_epilogue=(
        "siamaudio COMMAND --help tells all of a command, with examples. Results go to stdout, progress and complaints "
        "to stderr.\n\nExamples:\n  siamaudio demo\n  siamaudio classify out/demo.siam --supports examples what.wav\n"
        f"\n{_EXIT_STATUS}"
    ),
    version=sa.__version__,
    help_format="plaintext",
    group_parameters=OPTIONS,
    group_commands=Group("Help", sort_key=104),
)
app.register_install_completion_command(help="Complete commands and options in this shell from now on.")
for _number, (_title, _modules) in enumerate(GROUPS.items()):
    _group = Group(_title, sort_key=_number)
    for _module in _modules:
        _name = _module.__name__.rpartition(".")[2]
        app.command(getattr(_module, _name), group=_group, help_epilogue=_epilogue(_module))


@app.meta.default
def _run(
    *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[
        Path | None, Parameter(group=RUNNING, help="A file *.toml of options that are not typed, a table a command.")
    ] = None,
) -> None:
    commands = (name for name in app if not name.startswith("-"))
    app.config = () if config is None else (TomlConfig(config, commands),)
    app(words, exit_on_error=False, print_error=False, result_action="return_value")


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    Parameters
    ----------
    arguments : list of str or None
        What was typed after ``siamaudio``; None: the process's own arguments.
    """
    warnings.showwarning = _print_warning
    app.config = ()  # of an earlier call
    try:
        app.meta(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except (cyclopts.CycloptsError, ParameterError) as error:
        _fail(error, 2)
    except (SiamaudioError, ImportError, OSError) as error:
        _fail(error, 1)
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    sys.exit(0)


def _fail(error: object, status: int) -> NoReturn:
    message = " ".join(str(error).split())
    print(f"siamaudio: {message}", file=sys.stderr)
    sys.exit(status)


def _print_warning(message: Warning | str, *_: Any) -> None:
    print(f"siamaudio: {message}", file=sys.stderr)
