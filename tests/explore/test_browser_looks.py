"""The page in a browser, as it looks and sounds: themes, widths, the keyboard, images, and what axe-core finds."""

from __future__ import annotations

import functools
import http.server
import threading

import pytest

import hso
from hso.explore import static_export
from hso.explore.answers import Explorer

from .browsing import (
    AXE,
    DESKTOP,
    PHONE,
    expect,
    in_a_browser,
    moved,
    objective,
    serve,
    settle,
    times,
)
from .conftest import NOISE

pytestmark = in_a_browser


def test_the_theme_follows_the_system_and_can_be_turned(opened):
    def paper(page):
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    light, dark = opened(), opened(scheme="dark")
    assert paper(light) != paper(dark)
    assert dark.locator("#theme").get_attribute("aria-pressed") == "true"
    system = paper(dark)
    light.locator("#theme").click()
    assert paper(light) == system
    assert light.locator("#theme").get_attribute("aria-pressed") == "true"
    light.reload()
    settle(light)
    assert paper(light) == system


def test_the_page_does_not_scroll_sideways(opened, run):
    pages = serve(Explorer(run=run))
    page = opened("noise=sd2.1&nfe=20&solver=unipc&host=python", next(pages))
    page.locator("#part summary").click()
    for width in (320, 360, 768, 1280):
        page.set_viewport_size({"width": width, "height": 740})
        page.wait_for_timeout(50)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    next(pages, None)


def test_everything_can_be_reached_with_the_keyboard(opened):
    page = opened("noise=sd2.1&nfe=3&solver=ddim")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.getAttribute('aria-label')"))
    wanted = {
        "link",
        "theme",
        "noise",
        "config",
        "solver",
        "nfe",
        "fewer",
        "more",
        "calibrated",
        "host",
        "copy",
        "download",
    }
    assert wanted | {"text", "Node 1 of 3", "Node 2 of 3", "Node 3 of 3"} <= reached


def test_the_images_of_a_run_stand_side_by_side(opened, run):
    pages = serve(Explorer(run=run))
    page = opened("noise=sd2.1&nfe=5", next(pages))
    expect(page.locator("#run-title")).to_have_text("Images of mine")
    expect(page.locator(".contestant")).to_have_count(3)
    assert page.locator(".strip").nth(1).locator("canvas").count() == 4

    def shade(row, image):
        script = "c => [...c.getContext('2d').getImageData(0, 0, 1, 1).data]"
        return page.locator(".strip").nth(row).locator("canvas").nth(image).evaluate(script)

    assert shade(1, 2) == [52, 52, 52, 255]
    page.locator("#difference").check()
    expect(page.locator(".strip").nth(1).locator("canvas").first).to_have_attribute(
        "aria-label", "Image 1 of trailing, difference from the reference"
    )
    assert shade(1, 2) == [150, 150, 150, 255]
    next(pages, None)


@pytest.mark.skipif(not AXE.is_file(), reason="no axe-core: set HSO_AXE to its axe.min.js")
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_axe_finds_nothing(opened, calibration, run, viewport):
    pages = serve(Explorer(calibration=calibration, run=run))
    page = opened("noise=sd2.1&nfe=5&solver=unipc&calibrated=1&times=0.99,0.8,0.6,0.4,0.39", next(pages), viewport)
    expect(page.locator(".contestant")).to_have_count(3)
    page.locator("#part summary").click()
    page.locator("#compared details summary").click()
    page.locator("#nfe").fill("0")
    page.locator("#nfe").press("Enter")
    expect(page.locator("#error")).to_contain_text("nfe")
    # The policy of the page forbids scripts in it, so axe-core comes through the debugger.
    session = page.context.new_cdp_session(page)
    session.send("Runtime.evaluate", {"expression": AXE.read_text(encoding="utf-8")})
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(150)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        assert [(one["id"], one["nodes"][0]["html"], one["nodes"][0]["failureSummary"]) for one in found] == []
    next(pages, None)


def test_the_exported_page_needs_no_server(opened, tmp_path, monkeypatch):
    book = static_export.content(("sd2.1", "sd3"), (4, 5, 6))
    monkeypatch.setattr(static_export, "content", lambda: book)
    list(static_export.write(tmp_path))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        page = opened("", f"http://127.0.0.1:{server.server_port}/")
        best = hso.optimize(NOISE, 5, solver="unipc")
        assert times(page) == pytest.approx(best.schedule.times.tolist(), abs=1e-5)
        assert objective(page) == pytest.approx(best.objective, rel=1e-4)
        page.locator("#more").click()
        settle(page)
        assert len(times(page)) == 6
        page.locator("svg .node").nth(2).focus()
        page.keyboard.press("PageUp")
        moved(page)
        expect(page.locator("#objective-note")).to_contain_text("Run hso explore")
        page.locator("#more").click()
        expect(page.locator("#error")).to_contain_text("nfe: expected an integer from 4 to 6 on this page, got 7")
        page.locator("#fewer").click()
        settle(page)
        page.locator("#noise").select_option("sd3")
        settle(page)
        assert times(page)[0] == pytest.approx(
            hso.optimize(hso.NoiseSchedule.preset("sd3"), 6, solver="euler").schedule.times[0]
        )
        server.shutdown()
