"""Formulas as MathML, which browsers draw by themselves: no script, no network."""

from __future__ import annotations

import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.errors import SphinxError
from sphinx.writers.html5 import HTML5Translator


def converted(node: nodes.Element, *, as_block: bool) -> str:
    """Return a formula's MathML; a formula that cannot be read ends the build."""
    text = node.astext().strip()
    try:
        written = tex2mathml(text, as_block=as_block)
    except MathError as error:
        raise SphinxError(f"{node.source}: {error} in {text}") from error
    # As an operator a function's name stands off from its argument.
    return re.sub(r"<mi>(ln|log|cos|exp)</mi>", r'<mo lspace="0.17em" rspace="0.17em">\1</mo>', written)


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    """Write a formula in a line."""
    self.body.append(converted(node, as_block=False))
    raise nodes.SkipNode


def visit_block(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula on lines of its own, which scrolls where the window is narrower."""
    self.body.append(f'<div class="formula">{converted(node, as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the way to draw formulas."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True}
