"""Every option of a command has the name and the default that it has in Python, and none is missing."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import docstring_parser
import pytest

import siamaudio as sa
from siamaudio import cli
from siamaudio.demo import run_demo
from siamaudio.evaluation import papers

# Options of the command line alone, everywhere.
EVERYWHERE = {"json", "out", "dry_run", "device", "num_threads", "settings", "report"}
# Arguments that only a program can give: arrays, functions, and whether a progress bar is shown.
OF_PROGRAMS = {"self", "progress", "callbacks", "embeddings", "similarity", "labels", "sources", "scores", "same"}
UNSET = inspect.Parameter.empty


class Pair(NamedTuple):
    """A command and what it does in Python.

    Attributes
    ----------
    functions : tuple of callable
        Whose arguments it has.
    renamed : dict
        Option to argument, where the names differ.
    only_command, only_python : set of str
        Options, and arguments, that the other has not.
    by_default : set of str
        Options for which None, not given, stands for the function's own default, or for a preset's.
    """

    functions: tuple[Callable[..., Any], ...]
    renamed: dict[str, str] = {}  # noqa: RUF012
    only_command: set[str] = set()  # noqa: RUF012
    only_python: set[str] = set()  # noqa: RUF012
    by_default: set[str] = set()  # noqa: RUF012


NETWORK = {"preset", "network"}
PROTOCOL = {"ways", "shots", "queries", "tasks", "scorer", "neighbours", "stratified", "interval", "seed", "curve_ways"}
PAIRS = {
    "calibrate": Pair((sa.SiameseNetwork.calibrate,), only_command={"net"}, by_default={"shifts"}),
    "classify": Pair((sa.classify_oneshot,), {"model": "net"}, by_default={"supports"}),
    "compare": Pair((sa.compare,), {"features": "sources"}, only_python={"names"}),
    "demo": Pair((run_demo,), only_python={"epochs"}),
    "download": Pair((sa.datasets.download,), only_command={"class_map"}),
    "embed": Pair((sa.SiameseNetwork.embed,), only_command={"net"}),
    "embedding-map": Pair(
        (sa.embedding_map, sa.EmbeddingMap.write_html), only_command={"net", "classes"}, only_python={"path", "paths"}
    ),
    "embedding-report": Pair((sa.embedding_report,)),
    "evaluate": Pair(
        (sa.evaluate_oneshot, sa.evaluate_fewshot, papers.honka2019, papers.fedele2022, papers.metaaudio,
         sa.write_report),
        {"model": "net"},
        only_command={"protocol", "classes"},
        only_python={"base", "metric", "path", "result"},
        by_default=PROTOCOL,
    ),
    "evaluate-pairs": Pair((sa.evaluate_pairs,), {"model": "net"}, only_command={"classes"}, only_python={"metric"}),
    "evaluate-retrieval": Pair((sa.evaluate_retrieval,), only_command={"classes"}, only_python={"folds"}),
    "evaluate-splits": Pair(
        (sa.evaluate_splits, sa.SiameseNetwork.fit),
        only_command=NETWORK,
        only_python={"make_network", "fit", "folder", "validation", "warm_start", "checkpoint", "checkpoint_every",
                     "resume"},
    ),
    "explain": Pair(
        (sa.explain,), {"model": "net"}, only_command={"top", "wav", "faithfulness"}, only_python={"classes"}
    ),
    "export": Pair((sa.interop.export_onnx, sa.interop.to_keras), only_python={"path"}),
    "features": Pair(
        (sa.LogMel.transform, sa.datasets.folder, sa.datasets.table),
        {"data": "clips", "root": "root"},
        only_command={"front_end", "log_mel", "layout", "classes"},
        only_python={"path", "cache"},
        by_default={"root"},
    ),
    "import-keras": Pair((sa.interop.load_keras,), only_command={"features"}),
    "index": Pair(
        (sa.SearchIndex, sa.SearchIndex.add),
        {"model": "embedder", "data": "clips"},
        only_python={"path", "metadata"},
        by_default={"model"},
    ),
    "index-remove": Pair((sa.SearchIndex.remove,), only_command={"index", "compact"}, by_default={"where"}),
    "info": Pair((), only_command={"paths"}),
    "leaks": Pair((sa.leak_report,), {"model": "net"}),
    "linear-separability": Pair(
        (sa.evaluation.linear_separability,), only_command={"net", "features", "classes", "own_folds"}
    ),
    "plot": Pair((), only_command={"source", "front_end", "title"}),
    "presets": Pair((), only_command={"name"}),
    "search": Pair(
        (sa.SearchIndex.query,),
        {"queries": "sounds"},
        only_command={"index"},
        only_python={"embeddings", "sr"},
        by_default={"where"},
    ),
    "split": Pair(
        (sa.split_folds, sa.split_sources, sa.split_clips),
        {"features": "clips"},
        only_command={"by"},
        only_python={"num_train", "num_validation", "num_test"},
        by_default={"validation", "test"},
    ),
    "synthetic": Pair(
        (sa.datasets.synthetic,), only_python={"root"}
    ),
    "train": Pair(
        (sa.SiameseNetwork.fit,),
        only_command={*NETWORK, "split", "calibrate", "resume_from"},
        only_python={"validation"},
        by_default={"warm_start"},
    ),
    "train-autoencoder": Pair(
        (sa.VariationalAutoencoder, sa.VariationalAutoencoder.fit),
        only_command={"preset", "split", "resume_from"},
        only_python={"validation"},
        by_default={"latent_dim", "filters", "likelihood", "min_variance", "beta", "warmup_epochs", "batch_size",
                    "optimizer", "augment", "corrupt", "warm_start"},
    ),
    "tune": Pair(
        (sa.tune,), only_command={"split"}, only_python={"validation", "objective"}, by_default={"storage"}
    ),
}  # fmt: skip
COMMANDS = [name for name in cli.app if not name.startswith("-")]


def options_of(command: str) -> dict[str, inspect.Parameter]:
    function = cli.app[command].default_command
    return dict(inspect.signature(function).parameters)


def arguments_of(functions: tuple[Callable[..., Any], ...]) -> dict[str, list[Any]]:
    """Return the arguments of functions with the defaults that each of them has."""
    found: dict[str, list[Any]] = {}
    for function in functions:
        for name, parameter in inspect.signature(function).parameters.items():
            found.setdefault(name, []).append(parameter.default)
    return found


def comparable(value: Any) -> Any:
    """A command's list is a tuple in Python, and several recordings or none are no default at all."""
    return tuple(value) if isinstance(value, list) else str(value) if isinstance(value, Path) else value


def test_every_command_is_compared() -> None:
    assert set(PAIRS) == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_names_and_defaults_are_those_of_python(command: str) -> None:
    pair = PAIRS[command]
    options, arguments = options_of(command), arguments_of(pair.functions)
    assert pair.only_command <= set(options)
    assert pair.only_python <= set(arguments)
    taken = {name: pair.renamed.get(name, name) for name in options if name not in pair.only_command}
    unknown = {name for name, own in taken.items() if own not in arguments and name not in EVERYWHERE}
    assert not unknown, f"options that Python does not have: {unknown}"
    missing = set(arguments) - set(taken.values()) - pair.only_python - OF_PROGRAMS
    assert not missing, f"arguments that the command does not have: {missing}"
    for name, own in taken.items():
        if own not in arguments or UNSET in arguments[own]:
            continue  # of the command line alone, or without a default in Python
        default = comparable(options[name].default)
        if name in pair.by_default:
            assert default in (None, ()), f"--{name} has a default of its own"
        elif default is not UNSET and options[name].kind is not inspect.Parameter.VAR_POSITIONAL:
            assert default in map(comparable, arguments[own]), f"--{name}: {default!r}, in Python {arguments[own]}"


def test_nothing_that_python_does_is_left_out() -> None:
    """Each function, and each class that does something, is behind a command, or is for programs."""
    for_programs = {
        "load", "resample", "patches",  # arrays in, arrays out
        "Features", "STFT", "Spectrogram", "MFCC", "History",
        "ConvBlock", "ConvEncoder", "Dense", "YamnetEncoder",  # in TOML, or by --set
    }  # fmt: skip
    elsewhere = {
        "info": "info", "load_split": "split", "save_split": "split", "write_report": "evaluate", "LogMel": "features",
        "SearchIndex": "index", "SiameseNetwork": "train", "VariationalAutoencoder": "train-autoencoder",
        "front_end_presets": "presets", "network_presets": "presets", "embedding_map": "embedding-map", "demo": "demo",
    }  # fmt: skip
    behind = {function.__qualname__.split(".")[0] for pair in PAIRS.values() for function in pair.functions}
    for name in sa.__all__:
        value = getattr(sa, name)
        is_result = inspect.isclass(value) and (hasattr(value, "to_dict") or name in ("Interval", "AudioInfo"))
        is_error = inspect.isclass(value) and issubclass(value, Exception)
        if inspect.ismodule(value) or is_error or name.startswith("__") or name in for_programs:
            continue
        assert is_result or name in behind or elsewhere.get(name) in COMMANDS, name


def test_every_option_is_described() -> None:
    for command in COMMANDS:
        function = cli.app[command].default_command
        described = docstring_parser.parse(function.__doc__ or "", docstring_parser.DocstringStyle.NUMPYDOC)
        documented = {param.arg_name for param in described.params if param.description}
        for argument in cli.app[command].assemble_argument_collection():
            root = argument.field_info.name
            assert argument.parameter.help or root in documented or not argument.show, f"{command}: {argument.name}"
        assert documented <= set(options_of(command)), command


def test_lines_of_the_help_are_short() -> None:
    for command in COMMANDS:
        for line in (cli.app[command].help_epilogue or "").splitlines():
            assert len(line) <= 80, f"{command}: {line}"


def test_what_see_also_names_is_there() -> None:
    for command in COMMANDS:
        see_also = (cli.app[command].help_epilogue or "").partition("See also:\n")[2]
        names = {words.split()[0] for words in see_also.split(",")}
        assert names <= {*COMMANDS}
        assert names
        assert command not in names


def test_sources_are_here() -> None:
    """A command is a file of its name."""
    folder = Path(cli.__file__).parent
    assert {path.stem for path in folder.glob("[a-z]*.py")} == {name.replace("-", "_") for name in COMMANDS}
