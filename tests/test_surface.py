"""What a user sees of the package, as a whole: its names, help pages, docstrings, defaults and reprs."""

from __future__ import annotations

import collections
import dataclasses
import inspect
import pydoc
import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import siamaudio as sa

MODULES: dict[str, ModuleType] = {name: getattr(sa, name) for name in sa.__all__ if inspect.ismodule(getattr(sa, name))}
OPTION_MODULES = [sa.augment, sa.losses, sa.optimizers, sa.samplers, sa.schedules]


def public_objects() -> Iterator[tuple[str, Any]]:
    """Classes and functions that a user reaches, once each, under the shortest name."""
    seen: set[int] = set()
    for module in (sa, *MODULES.values()):
        for name in module.__all__:
            thing = getattr(module, name)
            is_ours = inspect.isclass(thing) or inspect.isfunction(thing)
            if is_ours and thing.__module__.startswith("siamaudio") and id(thing) not in seen:
                seen.add(id(thing))
                yield f"{module.__name__}.{name}", thing


def methods(cls: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties that a class defines itself, as they are in its namespace."""
    for name, raw in vars(cls).items():
        if not name.startswith("_") and isinstance(raw, (classmethod, staticmethod, property, type(methods))):
            yield name, raw


def is_error(thing: Any) -> bool:
    return inspect.isclass(thing) and issubclass(thing, Exception)


def is_result(thing: Any) -> bool:
    """Whether users get its instances from functions: then its attributes are described."""
    return inspect.isclass(thing) and "Attributes\n" in (thing.__doc__ or "")


OBJECTS = dict(public_objects())
FUNCTIONS = {name: thing for name, thing in OBJECTS.items() if inspect.isfunction(thing)}
FUNCTIONS |= {
    f"{name}.{method}": getattr(raw, "__func__", raw)
    for name, cls in OBJECTS.items()
    if inspect.isclass(cls)
    for method, raw in methods(cls)
    if not isinstance(raw, property)
}


# ---- Names


@pytest.mark.parametrize("module", OPTION_MODULES, ids=lambda module: module.__name__)
def test_completion_shows_what_is_public(module: ModuleType) -> None:
    assert dir(module) == sorted(module.__all__)


def test_everything_public_is_the_packages_own() -> None:
    foreign = [
        f"{module.__name__}.{name}"
        for module in (sa, *MODULES.values())
        for name in module.__all__
        if not inspect.ismodule(getattr(module, name))
        and not getattr(getattr(module, name), "__module__", "siamaudio").startswith(("siamaudio", "types"))
    ]
    assert not foreign


# ---- Help


@pytest.mark.parametrize("module", [sa, *MODULES.values()], ids=lambda module: module.__name__)
def test_help_is_a_page(module: ModuleType) -> None:
    """As ``help()`` shows it: what the module is for comes first, then what it offers, an entry each."""
    page = pydoc.render_doc(module, renderer=pydoc.plaintext)
    description = page.split("DESCRIPTION\n")[1].split("\nPACKAGE CONTENTS")[0].split("\nCLASSES")[0]
    assert len(description.splitlines()) > 1
    for name in module.__all__:
        assert re.search(rf"\b{name}\b", page), name


@pytest.mark.parametrize("name", ["siamaudio", *(name for name in MODULES if name != "plotting")])
def test_docstring_of_a_module_names_all_it_offers(name: str) -> None:
    module = MODULES.get(name, sa)
    named = set(re.findall(r"(?<!`)`(\w+)(?:\.\w+)*`(?!`)", module.__doc__ or ""))
    assert not [name for name in module.__all__ if name not in named]
    unknown = [name for name in named if not hasattr(module, name) and name not in {"siamaudio", *sa.__all__}]
    assert not unknown


# ---- Docstrings

# numpydoc's checks, but for those of a taste that is not the house's: extended summaries, See Also, where quotes stand,
# several parameters of one meaning on a line of their own ("clip_norm, schedule: as in `SGD`"), results whose type says
# all.
CHECKS = {
    "GL03", "GL05", "GL06", "GL07", "GL08", "GL10", "SS01", "SS03", "SS04", "SS05", "SS06",
    "PR01", "PR02", "PR05", "PR07", "PR10", "RT01", "YD01",
}  # fmt: skip


def needs_no_returns(function: Callable[..., Any]) -> bool:
    """Where the summary says it, there being no parameters, or the annotation: itself, or the axes drawn into."""
    signature = inspect.signature(function)
    return not set(signature.parameters) - {"self", "cls"} or signature.return_annotation in {"Self", "Axes", "Figure"}


def complaints(name: str, thing: Any) -> list[str]:
    from numpydoc.validate import validate

    found = {code: message for code, message in validate(name)["errors"] if code in CHECKS}
    if is_result(thing):
        found.pop("PR01", None)
    function = thing.fget if isinstance(thing, property) else getattr(thing, "__func__", thing)
    if inspect.isclass(thing) or isinstance(thing, property) or needs_no_returns(function):
        found.pop("RT01", None)
    return [f"{name}: {code} {message}" for code, message in found.items()]


def test_docstrings_are_numpydoc() -> None:
    found: list[str] = []
    for name, thing in OBJECTS.items():
        if name.startswith("siamaudio.plotting."):
            continue
        found += complaints(name, thing)
        if inspect.isclass(thing):
            for method, raw in methods(thing):
                found += complaints(f"{name}.{method}", raw)
    assert not found, "\n".join(found)


def test_what_a_user_calls_has_an_example() -> None:
    """Functions, and classes that users make: their own, or that of their module of options."""
    modules_with_examples = tuple(f"siamaudio.{name}." for name, module in MODULES.items() if ">>>" in module.__doc__)
    without = [
        name
        for name, thing in OBJECTS.items()
        if not is_error(thing)
        and not is_result(thing)
        and not name.startswith(("siamaudio.plotting.", *modules_with_examples))
        and ">>>" not in (thing.__doc__ or "")
    ]
    assert not without


# ---- Defaults

# Arguments of functions and methods that have one name and several defaults, as they mean several things.
SEVERAL_DEFAULTS = {
    "classes": "those of a data set's columns, or of supports",
    "classifiers": "those of a paper, or linear ones",
    "device": "training takes the best, what is loaded stays on the CPU until it is asked for",
    "dtype": "of a store float32; else None: as it is",
    "duration": "of clips that are made, or None: the whole",
    "epochs": "a siamese network's and an autoencoder's; of a search None: those of its space",
    "folds": "how many, or None: known ones",
    "k": "ranks to score at, or hits to return",
    "length": "of a signal, or of a patch",
    "method": "of a map, or of an explanation",
    "neighbours": "one, or None: all numbers that the paper tries",
    "num_classes": "of synthetic sounds, or of a classifier",
    "num_clips": "in a picture, or in a block",
    "num_test": "all that are left, or as the papers do over splits",
    "num_validation": "none, or as the papers do over splits",
    "part": "of a network, of an explanation, of a data set",
    "patience": "an autoencoder's loss goes on falling: it never stops of itself",
    "seed": "None only where a choice of the user's own takes its place",
    "sounds": "to look for, or whether to embed them",
    "sr": "of sounds that are made; else None: the file's own",
    "tasks": "the papers' own",
    "test": "parts are given by names, by folds, or by shares",
    "title": "of each page its own",
    "trees": "the paper's: all, or the most",
    "validation": "parts are given by names, by folds, or by shares",
    "vectors": "None: the model's own",
}


def test_one_name_has_one_default() -> None:
    defaults: dict[str, set[str]] = collections.defaultdict(set)
    for function in FUNCTIONS.values():
        for parameter in inspect.signature(function).parameters.values():
            if parameter.default is not parameter.empty:
                defaults[parameter.name].add(repr(parameter.default))
    several = {name for name, values in defaults.items() if len(values) > 1}
    assert several == set(SEVERAL_DEFAULTS)


COMMON_LAST = ["device", "precision", "seed", "num_threads", "callbacks", "progress"]


def test_common_arguments_stand_in_one_order() -> None:
    out_of_order = []
    for name, function in FUNCTIONS.items():
        own = [each for each in inspect.signature(function).parameters if each in COMMON_LAST]
        if own != sorted(own, key=COMMON_LAST.index):
            out_of_order.append(name)
    assert not out_of_order


@pytest.mark.parametrize("name", ["seed", "num_threads", "progress", "device", "ax", "figure"])
def test_nobody_has_to_count_positions(name: str) -> None:
    """``fit(x, 0, 2)`` would be a riddle; a function of the seed alone would not."""
    positional = [
        function
        for function, thing in FUNCTIONS.items()
        if name in inspect.signature(thing).parameters
        and inspect.signature(thing).parameters[name].kind is not inspect.Parameter.KEYWORD_ONLY
    ]
    assert not positional


# ---- Reprs


@pytest.mark.parametrize(
    "option",
    [
        sa.LogMel(), sa.LogMel(sr=16000, n_mels=40, log=None), sa.STFT(n_fft=512), sa.Spectrogram(log="db"),
        sa.MFCC(n_mfcc=13, log_mel=sa.LogMel(sr=8000)), sa.Dense(units=3), sa.YamnetEncoder(), sa.ConvEncoder(),
        sa.ConvBlock(kernel_size=(3, 5)), sa.ConvEncoder(blocks=(sa.ConvBlock(filters=8, kernel_size=3),), dense=()),
    ],
    ids=repr,
)  # fmt: skip
def test_options_are_made_again_by_their_repr(option: Any) -> None:
    names = {name: thing for name, thing in vars(sa).items() if inspect.isclass(thing)}
    assert eval(repr(option), names) == option
    assert len(repr(option)) < 120


def test_every_option_has_a_short_repr() -> None:
    options = [cls() for module in OPTION_MODULES for cls in module.registry.classes]
    options += [sa.search.Exact(), sa.search.FaissHNSW(), sa.search.FaissIVFPQ(), sa.search.Milvus()]
    options += [module.registry for module in OPTION_MODULES]
    for option in options:
        assert len(repr(option)) < 250
        assert " object at " not in repr(option)


def test_results_are_a_line(trained: sa.SiameseNetwork, unseen: sa.Features, rng: np.random.Generator) -> None:
    """Never their arrays."""
    result = sa.evaluate_oneshot(trained, unseen, ways=2)
    pairs = sa.evaluate_pairs(trained, unseen)
    comparison = sa.compare(result, result, permutations=100)
    explanation = sa.explain(
        trained, unseen.array[0], unseen.array[8:10], classes=["a", "b"], method="sinex", segmentation="grid",
        replacement="mean", progress=False,
    )  # fmt: skip
    index = sa.SearchIndex(None)
    added = index.add(embeddings=np.eye(3), metadata={"path": list("abc"), "label": list("xyz")})
    found = index.query(embeddings=np.eye(3)[0])
    autoencoder = sa.VariationalAutoencoder(latent_dim=2, filters=(4,)).build(unseen.shape[1:])
    interval = dataclasses.replace(result.interval, kind="in words " * 20)
    one_line = [
        unseen, trained, trained.history_, result, interval, pairs, pairs.operating_points[0], pairs.calibration,
        sa.evaluate_retrieval(trained, unseen), comparison, next(iter(comparison.per_class.values())),
        comparison.mcnemar, sa.leak_report(unseen, ways=2, progress=False),
        sa.embedding_map(rng.random((9, 4)), list("aaabbbccc"), method="pca"),
        explanation, explanation.query, explanation.faithfulness(num_orders=2, steps=3, progress=False),
        sa.explanation.agreement(explanation, explanation), index, added, found, found.hits[0][0], autoencoder,
        autoencoder.generate(np.zeros((1, 2), np.float32)), sa.samplers.HonkaPairs().plan([0, 0, 1, 1])[0],
        sa.datasets.synthetic(2, 2), sa.datasets.synthetic(2, 2)[0],
    ]  # fmt: skip
    for thing in one_line:
        shown = repr(thing)
        assert len(shown) < 250, shown
        assert "\n" not in shown
        assert "array(" not in shown
        assert " object at " not in shown
        assert shown.startswith(type(thing).__name__)


def test_tables_show_in_notebooks() -> None:
    """What has a table shows it."""
    shown = {"_repr_html_", "__getitem__"}  # a list of items, too, says enough by its repr
    silent = [
        name
        for name, thing in OBJECTS.items()
        if inspect.isclass(thing) and "to_frame" in vars(thing) and not shown & set(vars(thing))
    ]
    assert silent == ["siamaudio.EmbeddingMap", "siamaudio.SearchIndex"]  # a picture, and no result
