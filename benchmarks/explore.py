"""The page of ``hso explore``: how soon it is there, how soon it follows a node, and how large its files are.

    python -m benchmarks.explore                     # what the server takes
    python -m benchmarks.explore --browser chromium  # in a browser too; takes Playwright
    python -m benchmarks.explore --calibration FILE  # with a calibration
    python -m benchmarks.explore --browser chromium --calibration FILE --picture docs/images/explore.png

Exits with 1 if a limit is missed: 1 s from the start of the command to the page, 100 ms for an update.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import math
import shutil
import statistics
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import psutil

from hso.explore import static_export
from hso.explore.server import page_files

# Limits in milliseconds by a word of what is measured.
LIMITS = {"import": math.inf, "start": 1000.0, "node": 100.0, "answer": 100.0}
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
Times = list[float]


@contextmanager
def exploring(more: list[str]) -> Iterator[tuple[str, float, int]]:
    """The command in a process of its own; its address, when it began, and its number."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "hso", "explore", "--no-browser", *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[0], began, process.pid
        finally:
            process.terminate()


def passed(began: float) -> float:
    """Milliseconds since then."""
    return 1000 * (time.perf_counter() - began)


def processor_time(number: int) -> float:
    """Milliseconds of processor time of a process so far; they do not grow with what else the machine does."""
    times = psutil.Process(number).cpu_times()
    return 1000 * (times.user + times.system)


def server(more: list[str], moves: int) -> dict[str, Times]:
    """Milliseconds from the start to the first view, and for each moved node."""
    with exploring(more) as (address, began, number):
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(address).netloc)

        def ask(question: str, content: object) -> Any:
            connection.request("POST", f"/api/{question}", json.dumps(content), {"Content-Type": "application/json"})
            return json.loads(connection.getresponse().read())

        first = ask("catalogue", {})["first"]
        view = ask("view", {"state": first})
        found: dict[str, Times] = {
            "server: start to the first schedule": [passed(began)],
            "server: processor time of that start": [processor_time(number)],
            "server: a moved node": [],
        }
        times, rng = np.array(view["schedule"]["t"]), np.random.default_rng(0)
        for _ in range(moves):
            moved = times.copy()
            moved[1:-1] += rng.uniform(-0.01, 0.01, len(times) - 2)
            start = time.perf_counter()
            ask("judge", {"state": {**first, "times": moved.tolist()}})
            found["server: a moved node"].append(passed(start))
        connection.close()
    return found


def browser(program: str, more: list[str], moves: int) -> dict[str, Times]:
    """Milliseconds from the start of the command to the page in a browser that runs, and for each moved node in it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        launched = started.chromium.launch(executable_path=shutil.which(program), args=ARGUMENTS)
        page = launched.new_page(viewport={"width": 1280, "height": 800})
        with exploring(more) as (address, began, _):
            page.goto(address)
            page.wait_for_selector("html[data-ready]")
            found = {"browser: start to the page": [passed(began)]}
            page.wait_for_selector("html:not([data-busy])")
            page.locator("svg .node").nth(2).focus()
            for move in range(moves):
                page.keyboard.press("ArrowRight" if move % 2 else "ArrowLeft")
                page.wait_for_timeout(30)
            page.wait_for_timeout(500)
            script = "performance.getEntriesByName('hso-update').map((entry) => entry.duration)"
            found["browser: from the key to the drawn answer"] = page.evaluate(script)
        launched.close()
    return found


def baseline() -> float:
    """Milliseconds of a process that imports NumPy and SciPy's optimizers: what a start costs on this machine now."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import numpy, scipy.optimize"], check=True)
    return passed(began)


def picture(program: str, more: list[str], file: str) -> None:
    """Write a picture of the page with a node that was moved."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started, exploring([*more, "--nfe", "6", "--solver", "unipc"]) as (address, *_):
        launched = started.chromium.launch(executable_path=shutil.which(program), args=ARGUMENTS)
        page = launched.new_page(viewport={"width": 1280, "height": 890})
        page.goto(address)
        page.wait_for_selector("html[data-ready]:not([data-busy])")
        page.locator("svg .node").nth(2).focus()
        for _ in range(4):
            page.keyboard.press("PageUp")
            page.wait_for_timeout(100)
        page.wait_for_timeout(1000)
        page.screenshot(path=file)
        launched.close()


def sizes() -> None:
    """Print how large the files are."""
    content = json.dumps(static_export.content(), separators=(",", ":")).encode()
    parts = {"the page": b"".join(page_files().values()), "schedules of the exported page": content}
    print("\n| files | kB | kB compressed |\n|---|---|---|")
    for name, data in parts.items():
        print(f"| {name} | {len(data) / 1000:.0f} | {len(gzip.compress(data)) / 1000:.0f} |")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--browser", help="the program of a Chromium")
    parser.add_argument("--calibration")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--moves", type=int, default=100)
    parser.add_argument("--no-sizes", dest="sizes", action="store_false", help="do not compute the exported page")
    parser.add_argument("--picture", metavar="FILE", help="write a picture of the page, and measure nothing")
    options = parser.parse_args()
    more = [] if options.calibration is None else ["--calibration", options.calibration]
    if options.picture:
        picture(options.browser, more, options.picture)
        return 0
    found: dict[str, Times] = {}
    for _ in range(options.runs):
        measured = {"import numpy, scipy.optimize": [baseline()], **server(more, options.moves)}
        if options.browser:
            measured |= browser(options.browser, more, options.moves)
        for name, times in measured.items():
            found.setdefault(name, []).extend(times)
    print("| what | times | median ms | slowest ms | limit ms |\n|---|---|---|---|---|")
    missed = 0
    for name, times in found.items():
        limit = next(value for word, value in LIMITS.items() if word in name)
        missed += statistics.median(times) > limit
        words = f"{limit:.0f}" if limit < math.inf else ""
        print(f"| {name} | {len(times)} | {statistics.median(times):.1f} | {max(times):.1f} | {words} |")
    if options.sizes:
        sizes()
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
