"""The arrows between folders and modules point downwards (the design's rule; nothing else keeps it)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]

# ---- C++: a folder may include itself and the folders named here

CPP_LAYERS: dict[str, set[str]] = {
    "base": set(),
    "simd": {"base"},
    "audio": {"base", "simd"},
    "kernels": {"base", "simd"},
    "model": {"base", "simd", "kernels"},
    "score": {"base", "simd", "model"},
    "train": {"base", "model", "score"},
    "bindings": {"base", "simd", "audio", "kernels", "model", "score", "train"},
}

# Headers of a library: which folders may include it, and which files besides (for their version strings).
CPP_LIBRARIES: list[tuple[str, set[str], set[str]]] = [
    (r"Python\.h|pybind11/.*", {"bindings"}, set()),
    (r"sndfile\.hh?", {"audio"}, {"bindings/bind_audio_file.cpp"}),
    (r"soxr\.h", {"audio"}, {"bindings/bind_resample.cpp"}),
    (r"(kissfft/)?kiss_?fft.*", {"audio"}, set()),
    (r"(ATen|c10|torch|caffe2)/.*", {"model", "score", "train", "bindings"}, set()),
]

INCLUDE = re.compile(r'^\s*#\s*include\s*(?P<open>[<"])(?P<header>[^>"]+)[>"]', re.MULTILINE)


def cpp_violations(root: Path) -> list[str]:
    """Includes in `root` (cpp/) that point upwards, or at a library that the folder must not know."""
    found = []
    for file in sorted(path for path in root.rglob("*") if path.suffix in {".h", ".hpp", ".cpp", ".cc"}):
        name = file.relative_to(root).as_posix()
        layer = name.split("/")[0]
        if layer not in CPP_LAYERS:
            found.append(f"{name}: is in a folder of no known layer")
            continue
        for match in INCLUDE.finditer(file.read_text(encoding="utf-8")):
            header = match["header"]
            for pattern, layers, files in CPP_LIBRARIES:
                if re.fullmatch(pattern, header) and layer not in layers and name not in files:
                    found.append(f"{name}: includes {header}")
            target = header.split("/")[0]
            if match["open"] == '"' and target != layer and target not in CPP_LAYERS[layer]:
                found.append(f"{name}: includes {header}")
    return found


# ---- Python: what is imported when a module is

CORE = "_core"
ENGINE = "_engine"
MODULES_OF_TORCH = "interop.torch"  # holds torch modules, and is itself imported on first use alone

# These, and all that they import, must do without torch.
WITHOUT_ENGINE = (
    "errors",
    "files",
    "splits",
    "clip_splits",
    "archives",
    "datasets",
    "audio",
    "log_mel",
    "features",
    "store",
    "extraction",
)


def is_type_checking(test: ast.expr) -> bool:
    """Whether a condition is TYPE_CHECKING or typing.TYPE_CHECKING."""
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def statements(node: ast.AST, *, inside_functions: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports of a module; those in functions only where asked for, those for type checkers never."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            if inside_functions:
                yield from statements(child, inside_functions=True)
        elif isinstance(child, ast.If) and is_type_checking(child.test):
            for branch in child.orelse:
                yield from statements(ast.Module([branch], []), inside_functions=inside_functions)
        else:
            yield from statements(child, inside_functions=inside_functions)


def ancestors(module: str) -> set[str]:
    """The packages around a module: a and a.b for a.b.c."""
    parts = module.split(".")
    return {".".join(parts[:i]) for i in range(1, len(parts))}


class Package:
    """The modules of a package by name within it ("" is the package's own), and what they import."""

    def __init__(self, root: Path):
        self.name = root.name
        self.trees: dict[str, ast.Module] = {}
        self.packages: set[str] = set()
        for file in sorted(root.rglob("*.py")):
            parts = list(file.relative_to(root).with_suffix("").parts)
            if parts[-1] == "__init__":
                parts.pop()
                self.packages.add(".".join(parts))
            self.trees[".".join(parts)] = ast.parse(file.read_text(encoding="utf-8"), str(file))

    def imported(self, module: str, *, inside_functions: bool = False) -> set[str]:
        """Full names that a module imports; of `from a import b` a.b, and a where a.b is no module with a file."""
        names = set()
        for statement in statements(self.trees[module], inside_functions=inside_functions):
            if isinstance(statement, ast.Import):
                names |= {alias.name for alias in statement.names}
                continue
            base = statement.module or ""
            if statement.level:
                parts = [self.name, *(module.split(".") if module else [])]
                drop = statement.level - (module in self.packages)
                base = ".".join([*parts[: len(parts) - drop], *([base] if base else [])])
            for alias in statement.names:
                full = f"{base}.{alias.name}"
                names |= {full} if full.removeprefix(f"{self.name}.") in self.trees else {full, base}
        return names

    def inner(self, names: set[str]) -> set[str]:
        """Those of full names that are of this package, named within it."""
        return {name.removeprefix(f"{self.name}.") for name in names if name.startswith(f"{self.name}.")}

    def arrows(self) -> dict[str, set[str]]:
        """Which modules of the package each of them imports when it is imported, parent packages included.

        The package's own __init__ is left out: it loads its submodules on first use.
        """
        graph = {}
        for module in self.trees:
            targets = self.inner(self.imported(module)) & set(self.trees)
            # Importing a.b imports a first; a module within a is only reached while that is under way.
            targets |= {parent for target in targets for parent in ancestors(target)} - ancestors(module)
            graph[module] = targets - {module}
        return graph


def find_cycle(graph: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a ring, or nothing."""
    finished: set[str] = set()
    path: list[str] = []

    def visit(module: str) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in finished:
            return []
        path.append(module)
        for target in sorted(graph[module]):
            if cycle := visit(target):
                return cycle
        path.pop()
        finished.add(module)
        return []

    for module in sorted(graph):
        if cycle := visit(module):
            return cycle
    return []


def way_to(graph: dict[str, set[str]], start: str, goal: str) -> list[str]:
    """The modules on a way from `start` to `goal` along the arrows, or nothing."""
    ways = {start: [start]}
    queue = [start]
    for module in queue:
        for target in sorted(graph[module]):
            if target not in ways:
                ways[target] = [*ways[module], target]
                queue.append(target)
    return ways.get(goal, [])


def python_violations(root: Path) -> list[str]:
    """Imports in the package at `root` that break the rules above."""
    package = Package(root)
    graph = package.arrows()
    found = []
    if cycle := find_cycle(graph):
        found.append("import each other in a ring: " + " -> ".join(cycle))
    for module in package.trees:
        everywhere = package.imported(module, inside_functions=True)
        if module != ENGINE and CORE in package.inner(everywhere):
            found.append(f"{module}: imports {CORE}, which only {ENGINE} may")
        if module != MODULES_OF_TORCH and any(name.split(".")[0] == "torch" for name in package.imported(module)):
            found.append(f"{module}: imports torch at module level")
        if MODULES_OF_TORCH in graph[module]:
            found.append(f"{module}: imports {MODULES_OF_TORCH}, and with it torch, at module level")
        if module.split(".")[0] in WITHOUT_ENGINE:
            way = way_to(graph, module, ENGINE)
            if way:
                found.append(f"{module}: must do without torch, but reaches {ENGINE}: " + " -> ".join(way))
    return found


# ---- The repository keeps the rules


def test_cpp_includes_point_downwards():
    assert cpp_violations(REPOSITORY / "cpp") == []


def test_every_cpp_layer_is_there():
    folders = {path.parent.name for path in (REPOSITORY / "cpp").glob("*/*.h")}
    assert folders == set(CPP_LAYERS)


def test_python_imports_point_downwards():
    assert python_violations(REPOSITORY / "python" / "siamaudio") == []


@pytest.mark.parametrize("module", WITHOUT_ENGINE)
def test_every_module_without_the_engine_is_there(module: str):
    assert module in Package(REPOSITORY / "python" / "siamaudio").trees


# ---- and would be caught not keeping them


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("file", "include"),
    [
        ("base/a.h", '"model/b.h"'),
        ("audio/a.cpp", '"model/b.h"'),
        ("model/a.cpp", '"score/b.h"'),
        ("model/a.cpp", '"audio/b.h"'),
        ("score/a.cpp", '"train/b.h"'),
        ("train/a.h", '"bindings/b.h"'),
        ("train/a.h", '"audio/b.h"'),
        ("audio/a.h", "<ATen/core/Tensor.h>"),
        ("audio/a.h", "<c10/core/Device.h>"),
        ("audio/a.h", "<torch/torch.h>"),
        ("base/a.h", "<torch/torch.h>"),
        ("train/a.h", "<pybind11/pybind11.h>"),
        ("model/a.cpp", "<Python.h>"),
        ("model/a.cpp", "<sndfile.h>"),
        ("bindings/bind_log_mel.cpp", "<sndfile.h>"),
        ("bindings/bind_audio_file.cpp", "<soxr.h>"),
        ("bindings/a.cpp", "<kissfft.hh>"),
        ("another/a.cpp", "<vector>"),
    ],
)
def test_an_include_upwards_is_found(tmp_path: Path, file: str, include: str):
    root = write(tmp_path / "cpp", {file: f"// a comment\n#include <vector>\n#include {include}\n"})
    assert len(cpp_violations(root)) == 1


@pytest.mark.parametrize(
    ("file", "include"),
    [
        ("base/a.h", '"base/b.h"'),
        ("audio/a.h", "<kissfft.hh>"),
        ("train/a.h", '"score/b.h"'),
        ("model/a.h", "<ATen/core/Tensor.h>"),
        ("bindings/bind_resample.cpp", "<soxr.h>"),
        ("bindings/bind_audio_file.cpp", "<sndfile.h>"),
        ("bindings/a.h", "<pybind11/numpy.h>"),
        ("base/a.h", '<vector> // not "model/b.h"'),
    ],
)
def test_an_include_downwards_is_none(tmp_path: Path, file: str, include: str):
    assert cpp_violations(write(tmp_path / "cpp", {file: f"#include {include}\n"})) == []


SOUND = {
    "__init__.py": "import lazy_loader\n",
    "_engine.py": "def core():\n    import torch\n    from siamaudio import _core\n    return _core\n",
    "errors.py": "",
    "splits.py": "from .errors import Error\n",
    "datasets/__init__.py": (
        "from siamaudio.datasets.clips import Clips\nfrom siamaudio.datasets.folder import folder\n"
    ),
    "datasets/clips.py": "from siamaudio.errors import Error\nfrom ..splits import split\n",
    "datasets/folder.py": "from siamaudio.datasets.clips import Clips\n",
    "features.py": (
        "import typing\nfrom siamaudio.datasets import Clips\n"
        "if typing.TYPE_CHECKING:\n    import torch\n    from siamaudio.network import Network\n"
        "def fit():\n    from siamaudio.network import Network\n"
    ),
    "interop/__init__.py": "import lazy_loader\n",
    "interop/torch.py": "import torch\n",
    "network.py": "from siamaudio._engine import core\nfrom siamaudio.features import Features\n",
}


def test_a_sound_package_passes(tmp_path: Path):
    assert python_violations(write(tmp_path / "siamaudio", SOUND)) == []


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("errors.py", "from siamaudio.splits import split", "ring: errors -> splits -> errors"),
        ("errors.py", "from . import splits", "ring"),
        ("datasets/clips.py", "from siamaudio.datasets import folder", "ring: datasets.clips -> datasets.folder"),
        ("datasets/clips.py", "from siamaudio.datasets import Clip", "ring: datasets -> datasets.clips -> datasets"),
        ("errors.py", "import siamaudio.splits", "ring"),
        ("errors.py", "class Error:\n    from siamaudio.splits import split", "ring"),
        ("errors.py", "from siamaudio.datasets.clips import Clips", "ring"),
        ("datasets/clips.py", "from siamaudio.datasets.folder import folder", "ring"),
        ("datasets/clips.py", "from siamaudio.features import Features", "ring"),
        ("network.py", "from siamaudio import _core", "network: imports _core"),
        ("network.py", "def fit():\n    from siamaudio._core import Siamese", "network: imports _core"),
        ("network.py", "import siamaudio._core", "network: imports _core"),
        ("network.py", "import torch.nn", "network: imports torch"),
        ("network.py", "from siamaudio.interop.torch import Siamese", "network: imports interop.torch"),
        ("_engine.py", "try:\n    from torch import nn\nexcept ImportError:\n    pass", "_engine: imports torch"),
        ("splits.py", "from siamaudio._engine import core", "splits: must do without torch"),
        ("datasets/folder.py", "from .. import _engine", "datasets: must do without torch"),
        ("splits.py", "from siamaudio import _engine", "features -> datasets -> datasets.clips -> splits -> _engine"),
    ],
)
def test_an_import_upwards_is_found(tmp_path: Path, file: str, line: str, message: str):
    files = {**SOUND, file: SOUND[file] + line + "\n"}
    assert message in "\n".join(python_violations(write(tmp_path / "siamaudio", files)))
