"""After the pages are built: every link between them, and every picture, leads somewhere.

Sphinx itself tells of references that it cannot resolve; what it takes for a finished address, as in a template of the
theme or in a link to an anchor, is looked at here.
"""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sphinx.application import Sphinx
from sphinx.errors import SphinxError


class Page(HTMLParser):
    """The anchors that a page has, and the addresses that it names."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.addresses: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag names."""
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            if value and (name == "src" or (name == "href" and tag in ("a", "link"))):
                self.addresses.append(value)


def broken_links(folder: Path) -> list[str]:
    """Return a line for each address within the pages of a folder that leads nowhere."""
    pages = {path.resolve(): Page(path) for path in sorted(folder.rglob("*.html"))}
    broken = []
    for path, page in pages.items():
        for address in page.addresses:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            fragment = unquote(parts.fragment)
            if not target.is_file():
                broken.append(f"{path.relative_to(folder.resolve())}: {address}: no such file")
            elif fragment and target in pages and fragment not in pages[target].anchors:
                broken.append(f"{path.relative_to(folder.resolve())}: {address}: no such anchor")
    return broken


def check(app: Sphinx, exception: Exception | None) -> None:
    """Fail the build where a link leads nowhere."""
    if exception is None and app.builder.name == "html":
        broken = broken_links(Path(app.outdir))
        if broken:
            raise SphinxError("\n".join([f"{len(broken)} broken links:", *broken]))


def setup(app: Sphinx) -> dict[str, bool]:
    """Look at the pages when they are there."""
    app.connect("build-finished", check)
    return {"parallel_read_safe": True}
