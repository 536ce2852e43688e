"""The blocks of code in the project's pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "integrations").glob("*/README.md"),
    )
)
# What is called in an indented block; other indented blocks are formulas, or what something prints.
PROGRAMS = ("hso ", "make ", "pip ", "python ", "accelerate ", "mflux-generate ")
NOT_RUN = re.compile(r"<!-- not run: (.+?) -->\s*$")
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$|((?:^ {4}\S[^\n]*\n)+)", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A block of code: its language ("python", "console", or another), its text, and the reason not to run it."""

    language: str
    text: str
    reason: str


def blocks(page: str) -> Iterator[Block]:
    """The blocks of a page, from the top."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        before = NOT_RUN.search(text[: found.start()])
        reason = before[1] if before else ""
        if found[3] is None:
            yield Block(found[1], found[2], reason)
        elif found[3].strip().startswith(PROGRAMS):
            yield Block("console", found[3], reason)


def commands(page: str) -> Iterator[tuple[str, str]]:
    """The commands of a page's blocks, each with the reason not to run it."""
    for block in blocks(page):
        if block.language == "console":
            joined = block.text.replace("\\\n", " ")
            yield from ((line.strip(), block.reason) for line in joined.splitlines() if line.strip())


def mentioned(page: str) -> list[str]:
    """The commands in a page's running text that measure something."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [" ".join(found.split()) for found in re.findall(r"`(python (?:-m )?(?:benchmarks|scripts)[^`]*)`", text)]
