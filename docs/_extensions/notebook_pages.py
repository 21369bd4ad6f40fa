"""The directive ``notebooks``: a page for each notebook of the repository, listed with the first lines of each.

A page has the notebook's text and code as they are, and the notebook to download; nothing is run.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
GENERATED = Path(__file__).parents[1] / "notebooks"


def cells(path: Path) -> list[tuple[str, str]]:
    """Return the kind and the text of each cell."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return [(cell["cell_type"], "".join(cell["source"])) for cell in content["cells"]]


def page(path: Path) -> str:
    """Return a notebook as MyST text."""
    (_, first), *others = cells(path)
    heading, _, rest = first.partition("\n")
    parts = [heading, f"Download: {{download}}`{path.name} <{path.name}>`", rest.strip()]
    for kind, text in others:
        if kind == "markdown":
            parts.append(text)
        else:
            # A magic is no Python: such a cell is shown as plain text.
            parts.append(f"````{'text' if text.startswith('%%') else 'python'}\n{text}\n````")
    return "\n\n".join(part for part in parts if part) + "\n"


def write_pages(app: Sphinx) -> None:
    """Write a page for each notebook, where it has changed."""
    GENERATED.mkdir(exist_ok=True)
    sources = sorted(NOTEBOOKS.glob("*.ipynb"))
    for stale in GENERATED.iterdir():
        if stale.stem not in {path.stem for path in sources}:
            stale.unlink()
    for path in sources:
        shutil.copyfile(path, GENERATED / path.name)
        written = GENERATED / f"{path.stem}.md"
        text = page(path)
        if not written.is_file() or written.read_text(encoding="utf-8") != text:
            written.write_text(text, encoding="utf-8")


class Notebooks(SphinxDirective):
    """A list of the notebooks, each with what it is about."""

    def run(self) -> list[nodes.Node]:
        items = nodes.bullet_list()
        names = []
        for path in sorted(NOTEBOOKS.glob("*.ipynb")):
            self.env.note_dependency(str(path))
            title, _, about = cells(path)[0][1].partition("\n")
            name = f"notebooks/{path.stem}"
            names.append(name)
            link = addnodes.pending_xref(
                "", refdomain="std", reftype="doc", reftarget=f"/{name}", refexplicit=True, refwarn=True
            )
            link += nodes.inline("", title.removeprefix("# "))
            paragraph = nodes.paragraph("", "", nodes.strong("", "", link), nodes.Text(": "))
            inline, _ = self.parse_inline(" ".join(about.strip().partition("\n\n")[0].split()))
            paragraph += inline
            items += nodes.list_item("", paragraph)
        toctree = addnodes.toctree(
            entries=[(None, name) for name in names],
            includefiles=names,
            parent=self.env.docname,
            maxdepth=1,
            glob=False,
            hidden=True,
            includehidden=False,
            numbered=0,
            titlesonly=True,
            caption=None,
        )
        return [items, nodes.compound("", toctree, classes=["toctree-wrapper"])]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive, and write the pages before any is read."""
    app.connect("builder-inited", write_pages)
    app.add_directive("notebooks", Notebooks)
    return {"parallel_read_safe": True}
