"""A calibration that costs nothing, and the folder of a small comparison."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hso
from hso.comparison.runs.plan import ComparisonPlan, Entry, save_plan
from hso.comparison.runs.settings import ComparisonSettings
from hso.comparison.runs.store import RunFolder
from hso.comparison.statistics.blocks import Block
from hso.comparison.subjects import SubjectSettings
from hso.explore.answers import Explorer
from hso.models.gaussian import GaussianModel
from hso.noise import NoiseSchedule
from hso.rules import rule_schedule
from hso.solvers import DDIM

NOISE = NoiseSchedule.preset("sd2.1")
IMAGES = range(0, 4)


@pytest.fixture(scope="session")
def calibration() -> hso.Calibration:
    """A calibration of Gaussian data on Stable Diffusion's noise schedule."""
    noisiest = NOISE.lambda_(NOISE.t_range[1])
    scale = np.hypot(np.exp(NOISE.log_alpha(noisiest)), np.exp(NOISE.log_sigma(noisiest)))
    x = scale * np.random.default_rng(0).standard_normal((24, 16))
    return hso.calibrate(GaussianModel.power_law(4).x0, NOISE, x, "sample", points=24)


def pictures(shade: int, colours: int = 0) -> np.ndarray:
    """Four images of 3 x 2 pixels; image k has the value ``shade`` + k everywhere."""
    shape = (4, 3, 2, colours) if colours else (4, 3, 2)
    return np.full(shape, shade, dtype=np.uint8) + np.arange(4, dtype=np.uint8).reshape(-1, *[1] * (len(shape) - 1))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run with a reference and two contestants, as a comparison writes it."""
    folder = tmp_path / "mine"
    settings = ComparisonSettings(SubjectSettings("digits"), ("ddim",), (4,), ("trailing", "hso"), samples=10, batch=4)
    entries = [
        Entry(DDIM(), ("reference",), rule_schedule("uniform_lambda", NOISE, 12)),
        Entry(DDIM(), ("trailing",), rule_schedule("trailing", NOISE, 4)),
        Entry(DDIM(), ("hso",), hso.optimize(NOISE, 4, solver="ddim").schedule),
    ]
    store = RunFolder(folder, settings.common())
    save_plan(ComparisonPlan(entries[0], entries[1:], []), settings, store)
    block = Block(0, 4, np.zeros(2), np.zeros((2, 2)), 0.0)
    for place, entry in enumerate(entries):
        store.write(entry.key, IMAGES, [block], np.zeros((4, 2)), pictures(50 * place))
    return folder


@pytest.fixture(scope="module")
def browser():
    """A browser; without one the test is skipped."""
    from . import browsing

    if browsing.playwright is None or browsing.CHROMIUM is None:
        pytest.skip("no Playwright or no Chromium")
    with browsing.playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=browsing.CHROMIUM, args=browsing.ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def address(calibration):
    """The address of a page with a calibration."""
    from .browsing import serve

    yield from serve(Explorer(calibration=calibration))


@pytest.fixture
def opened(browser, address):
    """Opens the page with a fragment; a script error or a request to elsewhere fails the test."""
    from .browsing import DESKTOP, elsewhere, settle

    contexts, problems = [], []

    def open_page(fragment="noise=sd2.1&nfe=5&solver=unipc", where=address, viewport=DESKTOP, scheme="light"):
        context = browser.new_context(viewport=viewport, color_scheme=scheme, accept_downloads=True)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: problems.append(request.url) if elsewhere(request.url, where) else None)
        page.goto(f"{where}#{fragment}" if fragment else where)
        settle(page)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []
