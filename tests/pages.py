"""Looking at HTML pages: their tags and words, and how a browser shows them."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any


class Page(HTMLParser):
    """Tags with their attributes, ids, and the text of the page outside of scripts and style sheets."""

    VOID = frozenset({"meta", "link", "img", "br", "input"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, "tags are not closed in order"

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["script"], ["style"]):
            self.words.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def set_width(browser: Any, width: int) -> None:
    """Make the window so wide."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def set_scheme(browser: Any, scheme: str) -> None:
    """Let the reader prefer "light" or "dark"."""
    preference = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", preference)


FAULTS = """
const found = [], shown = (element) => element.textContent.trim().slice(0, 30) || element.outerHTML.slice(0, 60);
const page = document.documentElement;
if (page.scrollWidth > page.clientWidth) found.push(`the page is ${page.scrollWidth} px wide`);
const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1.5
                    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1.5;
const apart = (elements) => {
  const boxes = elements.map((element) => element.getBoundingClientRect());
  boxes.forEach((box, i) => boxes.slice(0, i).forEach((other, j) => {
    if (over(box, other)) found.push(`"${shown(elements[i])}" overlaps "${shown(elements[j])}"`);
  }));
};
// Words of a chart stand within it, and beside each other.
document.querySelectorAll("svg[role=img]").forEach((svg) => {
  const own = svg.getBoundingClientRect(), words = [...svg.querySelectorAll("text")];
  words.forEach((word) => {
    const box = word.getBoundingClientRect();
    if (box.left < own.left - 1 || box.right > own.right + 1 || box.top < own.top - 1 || box.bottom > own.bottom + 1)
      found.push(`"${shown(word)}" is cut off`);
  });
  apart(words);
});
// What is in a card stands one below the other, within the card; so do the cards and the sections.
const parents = "main, .clips, .hits, .clips > li, .hits > li, .beside, .numbers, .spectrogram";
document.querySelectorAll(parents).forEach((parent) => {
  const children = [...parent.children].filter((child) => child.offsetParent !== null);
  apart(children);
  if (parent.matches("li")) parent.querySelectorAll("*").forEach((child) => {
    const own = parent.getBoundingClientRect(), box = child.getBoundingClientRect();
    if (child.getClientRects().length && (box.left < own.left || box.right > own.right || box.bottom > own.bottom))
      found.push(`"${shown(child)}" leaves its card`);
  });
});
// Words that are wider than what holds them are cut, or run into their neighbours.
document.querySelectorAll("h1, h2, h3, p, dd, dt, td, .numbers li").forEach((element) => {
  const own = element.clientWidth;
  if (own && element.scrollWidth > own + 1) found.push(`"${shown(element)}" is too wide`);
});
return found;
"""


def faults(browser: Any) -> list[str]:
    """What overlaps, is cut off or makes the page scroll sideways, in words."""
    return browser.execute_script(FAULTS)


def severe_messages(browser: Any) -> list[Any]:
    """What the browser's console complains about."""
    return [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
