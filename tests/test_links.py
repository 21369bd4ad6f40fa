"""What the documents point to is there: files, anchors, names of the API, commands and their options. No network."""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import io
import json
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import siamaudio as sa
from siamaudio import cli

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/README.md")),
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if path.parent != ROOT / "docs" / "notebooks"),
    *sorted((ROOT / "notebooks").glob("*.ipynb")),
]
SOURCES = sorted((ROOT / "python").rglob("*.py"))
# Whoever adds a host has looked at it.
HOSTS = {
    "download.tensorflow.org",
    "fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    "flatbuffers.dev",
    "github.com",
    "optuna.org",
    "ossci-datasets.s3.amazonaws.com",
    "storage.googleapis.com",
}
# Their files are held against checksums, and they speak nothing else.
WITHOUT_TLS = {"download.tensorflow.org", "fashion-mnist.s3-website.eu-central-1.amazonaws.com", "localhost:19530"}

EACH = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def text_of(path: Path) -> str:
    """A document's Markdown; of a notebook its cells, those of code between fences."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    parts = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        is_python = cell["cell_type"] == "code" and not source.startswith("%%script ")
        parts.append(f"```python\n{source.removeprefix('%%time')}\n```" if is_python else source)
    return "\n\n".join(parts)


def blocks(text: str) -> list[tuple[str, str]]:
    """The language and content of each fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def prose(text: str) -> str:
    return re.sub(r"^(`{3,4}).*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(text_of(path)), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@EACH
def test_files_and_anchors_exist(path: Path) -> None:
    text = prose(text_of(path))
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "``", text)):
        parts = urlsplit(target)
        if parts.scheme:
            continue
        file = (path.parent / parts.path).resolve() if parts.path else path
        assert file.is_file() or (file.is_dir() and not parts.fragment), f"{target}: no such file"
        if parts.fragment:
            assert parts.fragment in anchors(file), f"{target}: no such heading; {sorted(anchors(file))}"


def test_addresses_are_well_formed_and_known() -> None:
    texts = "\n".join(path.read_text(encoding="utf-8") for path in [*DOCUMENTS, *SOURCES])
    addresses = re.findall(r"https?://[^\s)>\]\"'`]+[^\s)>\]\"'`.,;:]", texts)
    assert addresses
    for address in addresses:
        parts = urlsplit(address)
        assert parts.netloc in HOSTS | WITHOUT_TLS, f"{address}: a host that nobody has looked at"
        assert parts.scheme == "https" or parts.netloc in WITHOUT_TLS, f"{address}: not https"
        assert "//" not in parts.path, address


def test_files_and_targets_that_are_named_exist() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in [*DOCUMENTS, *SOURCES])
    folders = "docs|benchmarks|tests|tools|notebooks|cpp|python"
    for name in re.findall(rf"`((?:{folders})/[\w./-]+)`", text):
        place = ROOT / name  # or a file without its ending
        is_made = name.startswith("benchmarks/results")
        assert is_made or place.exists() or list(place.parent.glob(f"{place.name}.*")), f"{name}: no such file"
    for name in re.findall(r"`(\d\d_[a-z]\w+)`", text):
        assert (ROOT / "notebooks" / f"{name}.ipynb").is_file(), f"{name}: no such notebook"
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make ([a-z][\w-]*)", text):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), f"make {target}: no such target"


# ---- Python in the documents


def named(node: ast.expr) -> str | None:
    """`sa.losses.Triplet` of its syntax tree; None of anything else."""
    if isinstance(node, ast.Name):
        return node.id if node.id == "sa" else None
    if isinstance(node, ast.Attribute):
        above = named(node.value)
        return None if above is None else f"{above}.{node.attr}"
    return None


def found(name: str) -> Any:
    value: Any = sa
    for part in name.split(".")[1:]:
        value = getattr(value, part)
    return value


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        name = named(node.func) if isinstance(node, ast.Call) else None
        if name is not None:
            yield name, node


@EACH
def test_python_blocks_use_what_there_is(path: Path) -> None:
    """Every name after ``sa.`` exists, and every function called by it has the keyword arguments."""
    for language, code in blocks(text_of(path)):
        if language != "python":
            continue
        tree = ast.parse(code.replace("…", "..."))
        for node in ast.walk(tree):
            name = named(node) if isinstance(node, ast.Attribute) else None
            if name is not None:
                found(name)
        for name, call in calls(tree):
            parameters = inspect.signature(found(name)).parameters
            if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values()):
                continue
            for keyword in call.keywords:
                assert keyword.arg is None or keyword.arg in parameters, f"{name} has no argument {keyword.arg}"


# ---- The command line in the documents


def help_of(command: str) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        cli.main([command, "--help"])
    return printed.getvalue()


def test_commands_have_their_options() -> None:
    used: dict[str, set[str]] = {}
    for path in DOCUMENTS:
        text = text_of(path)
        lines = [line for language, code in blocks(text) if not language for line in code.splitlines()]
        lines += re.findall(r"`(siamaudio [^`\n]+)`", text)
        for line in lines:
            match = re.match(r"siamaudio ([a-z][\w-]*)(.*)", line)
            if match:
                options = re.findall(r"(?<=\s)--[a-z][\w-]*", match[2].partition(" #")[0])
                used.setdefault(match[1], set()).update(options)
    assert {"features", "train", "evaluate", "classify"} <= set(used)
    for command, options in used.items():
        text = help_of(command)
        assert options <= {*re.findall(r"--[a-z][\w-]*", text)}, command


# ---- The pages of the API


def test_every_public_name_is_on_an_api_page() -> None:
    listed = set(re.findall(r"^   (siamaudio\.[\w.]+)$", (ROOT / "docs/api/index.rst").read_text(), re.MULTILINE))
    assert listed >= {f"siamaudio.{name}" for name in sa.__all__}
    # A listed module's page has the functions and classes of its __all__.
    modules = {name for name in listed if isinstance(found(name), types.ModuleType)}
    assert all(importlib.import_module(name).__all__ for name in modules)
    for name in listed - modules:
        assert callable(found(name)), name
