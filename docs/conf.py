"""How Sphinx makes the documentation: `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path

import siamaudio

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "siamaudio"
author = "The siamaudio developers"
copyright = "the siamaudio developers"
version = release = siamaudio.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "command_pages",
    "notebook_pages",
    "check_links",
    "math_ml",
]
exclude_patterns = ["_build", "_extensions", "_templates"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3

autosummary_generate = True
autosummary_ignore_module_all = False  # a module's page has what its __all__ names, wherever that was written
autosummary_context = {"top_level": siamaudio.__all__}
templates_path = ["_templates"]
autodoc_typehints = "none"  # numpydoc's sections have them, with shapes and units
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

html_theme = "furo"
html_title = f"siamaudio {release}"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_math_renderer = "mathml"
html_copy_source = False
pygments_dark_style = "github-dark"  # furo's own underlines names of modules like links
# Names in backticks that are no object of ours are words, not broken links.
default_role = "code"
nitpicky = False
