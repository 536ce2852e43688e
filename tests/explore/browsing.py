"""What the tests in a browser share.

It takes Playwright and a Chromium of this system (``HSO_CHROMIUM``, or ``chromium`` on the path). axe-core is read from
``HSO_AXE``, the path of its ``axe.min.js``, or from ``node_modules``.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hso.explore.answers import Explorer
from hso.explore.server import Page

try:
    from playwright import sync_api as playwright
except ImportError:
    playwright = None
CHROMIUM = os.environ.get("HSO_CHROMIUM") or shutil.which("chromium")
AXE = Path(os.environ.get("HSO_AXE") or "node_modules/axe-core/axe.min.js")
in_a_browser = pytest.mark.skipif(
    playwright is None or CHROMIUM is None,
    reason="no Playwright, or no Chromium: set HSO_CHROMIUM, or install chromium",
)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1280, "height": 800}
expect = getattr(playwright, "expect", None)


def serve(explorer: Explorer) -> Iterator[str]:
    with Page(explorer) as page:
        threading.Thread(target=page.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield page.address
        page.shutdown()


def elsewhere(url, where):
    return not url.startswith((where, "data:", "blob:"))


def settle(page):
    """Wait until everything is drawn."""
    page.wait_for_selector("html[data-ready]:not([data-busy])")


def times(page):
    """t of the nodes, as the table has them."""
    column = page.locator("#nodes tbody tr td:nth-child(2)")
    return [float(text) for text in column.all_inner_texts()]


def objective(page):
    return float(page.locator("#objective").inner_text())


def error(page):
    return page.locator("#error").inner_text()


def until(page, expression):
    """Wait until an expression holds. The page's policy forbids Playwright's own way, which makes a script of a text."""
    end = time.monotonic() + 10
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(20)


def moved(page):
    """Wait until the last move is answered and announced."""
    until(page, "performance.getEntriesByName('hso-update').length > 0")
    until(page, "document.getElementById('status').textContent.startsWith('J ')")


def drag(page, index, by):
    box = page.locator("svg .node .dot").nth(index).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by / 2, y, steps=3)
    page.mouse.move(x + by, y, steps=3)
    page.mouse.up()
