"""The command line: results on stdout, progress and complaints on stderr.

A file in TOML may hold options, a table a command; typed ones go before: ``siamaudio --config run.toml train``.

Exit status 0: done; 1: failed; 2: wrong use; 130: interrupted.
"""

from __future__ import annotations

import sys
import textwrap
import warnings
from pathlib import Path
from typing import Annotated, Any, NoReturn

import cyclopts
from cyclopts import Parameter

import siamaudio as sa
from siamaudio.cli import (
    classify,
    compare,
    demo,
    evaluate,
    evaluate_pairs,
    evaluate_splits,
    explain,
    features,
    index,
    info,
    leaks,
    search,
    train,
    tune,
)
from siamaudio.errors import ParameterError, SiamaudioError

__all__ = ["app", "main"]

app: cyclopts.App = cyclopts.App(
    name="siamaudio",
    help="One-shot audio recognition with siamese networks.",
    version=sa.__version__,
    help_format="plaintext",
)
app.register_install_completion_command(help="Complete commands and options in this shell from now on.")
for _module, _command in (
    (demo, demo.demo),
    (features, features.features),
    (train, train.train),
    (tune, tune.tune),
    (evaluate, evaluate.evaluate),
    (classify, classify.classify),
    (evaluate_pairs, evaluate_pairs.evaluate_pairs),
    (evaluate_splits, evaluate_splits.evaluate_splits),
    (compare, compare.compare),
    (leaks, leaks.leaks),
    (index, index.index),
    (search, search.search),
    (explain, explain.explain),
    (info, info.info),
):
    app.command(_command, help_epilogue="Examples:\n" + textwrap.indent(_module.EXAMPLES, "  "))


@app.meta.default
def _run(
    *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[Path | None, Parameter(help="Options of the command that are not typed, in TOML.")] = None,
) -> None:
    app.config = () if config is None else (cyclopts.config.Toml(config, must_exist=True),)
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
