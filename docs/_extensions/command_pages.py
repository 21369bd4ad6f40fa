"""The directive ``command-help``: what ``siamaudio COMMAND --help`` prints, and of no command a list of all."""

from __future__ import annotations

import contextlib
import io

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from siamaudio import cli


def help_text(command: str) -> str:
    """Return the help of a command as it is printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        cli.main([command, "--help"])
    return printed.getvalue()


def commands() -> list[str]:
    """Return the names of all commands."""
    return [name for name in cli.app if not name.startswith("-")]


class CommandHelp(SphinxDirective):
    """Help of one command, or a section for each."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        if self.arguments:
            return [self.block(self.arguments[0])]
        sections: list[nodes.Node] = []
        for name in commands():
            section = nodes.section(ids=[nodes.make_id(name)], names=[name])
            section += [nodes.title("", f"siamaudio {name}"), self.block(name)]
            sections.append(section)
        return sections

    @staticmethod
    def block(name: str) -> nodes.literal_block:
        text = help_text(name)
        return nodes.literal_block(text, text, language="text")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True}
