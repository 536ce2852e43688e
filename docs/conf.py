"""How Sphinx builds the site: ``make docs``. Nothing in the built pages comes from another server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

from hso.version import VERSION

project, author = "HSO", "The HSO authors"
copyright = "2026, The HSO authors"
version = release = VERSION

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_static"]

myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True}
# Names that signatures keep as they are.
autodoc_type_aliases = {name: name for name in ("Array", "ArrayLike", "Images", "Integers", "Path")}
maximum_signature_line_length = 80
napoleon_google_docstring, napoleon_numpy_docstring, napoleon_use_ivar = True, False, True
# What code is that names no language: commands and what they print.
highlight_language = "text"

html_theme = "furo"
html_title = f"HSO {VERSION}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sphinx = False

# `make docs` lets `hso explore` write its page there, with precomputed schedules. Without it the site has no such page.
EXTRA = Path(__file__).parents[1] / "build" / "extra"
if (EXTRA / "explorer" / "index.html").is_file():
    html_extra_path = [str(EXTRA)]
else:
    exclude_patterns.append("explorer.md")
    suppress_warnings = ["toc.excluded", "toc.not_readable"]

# Pages that show a file of the repository.
SHOWN = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "index.md",
    "benchmarks/models/patches/README.md": "patches.md",
    "integrations/comfyui/README.md": "use/comfyui.md",
    "integrations/webui/README.md": "use/webui.md",
    "src/hso/models/digits/README.md": "digits.md",
}
OUTSIDE = re.compile(rf"\]\((?:\.\./)*({'|'.join(map(re.escape, SHOWN))})")


def lead_inside(app: Any, *place: Any) -> None:
    """Let links to a file of the repository lead to the page that shows it."""
    content = place[-1]
    text = OUTSIDE.sub(lambda found: f"](/{SHOWN[found[1]]}", content[0])
    content[0] = re.sub(r"\]\((?:\.\./)*docs/", "](/", text)


def visit_math(writer: Any, node: Any) -> None:
    """Write a formula as MathML, which browsers draw without a script."""
    block = node.tagname == "math_block"
    formula = convert(node.astext(), display="block" if block else "inline")
    writer.body.append(f'<div class="formula">{formula}</div>' if block else formula)
    # The text of the node is written already.
    raise SkipNode


def setup(app: Any) -> None:
    """Add what Sphinx does not have."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math, None))
    app.connect("source-read", lead_inside)
    app.connect("include-read", lead_inside)
