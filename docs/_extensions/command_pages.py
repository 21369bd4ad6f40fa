"""The directive ``command-help``: what ``siamaudio COMMAND --help`` prints, or the help of all commands in groups."""

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


def commands() -> dict[str, list[str]]:
    """Return the names of all commands by what they are for."""
    return {
        title: [module.__name__.rpartition(".")[2].replace("_", "-") for module in modules]
        for title, modules in cli.GROUPS.items()
    }


class CommandHelp(SphinxDirective):
    """Help of one command, or of all, by what they are for."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        if self.arguments:
            return [self.block(self.arguments[0])]
        sections: list[nodes.Node] = []
        for title, names in commands().items():
            group = nodes.section(ids=[nodes.make_id(f"commands {title}")], names=[title])
            group += nodes.title("", title)
            for name in names:
                section = nodes.section(ids=[nodes.make_id(name)], names=[name])
                section += [nodes.title("", f"siamaudio {name}"), self.block(name)]
                group += section
            sections.append(group)
        return sections

    @staticmethod
    def block(name: str) -> nodes.literal_block:
        text = help_text(name)
        return nodes.literal_block(text, text, language="text")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True}
