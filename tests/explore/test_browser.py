"""The page in a real browser: every control, the nodes, export, links, images, and what axe-core finds.

It takes Playwright and a Chromium of this system (``HSO_CHROMIUM``, or ``chromium`` on the path). axe-core is read from
``HSO_AXE``, the path of its ``axe.min.js``, or from ``node_modules``.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import hso
from hso.explore import static_export
from hso.explore.answers import Explorer
from hso.explore.server import Page
from hso.hosts.text import from_text
from hso.noise import presets

from .conftest import NOISE

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = os.environ.get("HSO_CHROMIUM") or shutil.which("chromium")
AXE = Path(os.environ.get("HSO_AXE") or "node_modules/axe-core/axe.min.js")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: set HSO_CHROMIUM, or install chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1280, "height": 800}


def expect(locator):
    return playwright.expect(locator)


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def address(calibration, tmp_path_factory) -> Iterator[str]:
    """A page with a calibration."""
    yield from serve(Explorer(calibration=calibration))


def serve(explorer: Explorer) -> Iterator[str]:
    with Page(explorer) as page:
        threading.Thread(target=page.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield page.address
        page.shutdown()


@pytest.fixture
def opened(browser, address):
    """Opens the page with a fragment; a script error or a request to elsewhere fails the test."""
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


def test_it_begins_with_a_schedule_and_its_rivals(opened):
    page = opened("")
    expect(page.locator("#model")).to_have_text("Stable Diffusion 2.1")
    best = hso.optimize(NOISE, 5, solver=presets()["sd2.1"].solver)
    assert times(page) == pytest.approx(best.schedule.times.tolist(), abs=1e-5)
    assert objective(page) == pytest.approx(best.objective, rel=1e-4)
    rows = page.locator("#compared tbody th").all_inner_texts()
    assert [text.strip() for text in rows][:2] == ["HSO", "Host's default"]
    assert page.locator("svg .node").count() == 5


def test_every_control_changes_the_question(opened):
    page = opened()
    page.locator("#nfe").fill("8")
    page.locator("#nfe").press("Enter")
    settle(page)
    assert len(times(page)) == 8
    page.locator("#more").click()
    settle(page)
    assert len(times(page)) == 9
    page.locator("#fewer").click()
    settle(page)
    page.locator("#solver").select_option("ddim")
    settle(page)
    assert times(page) == pytest.approx(hso.optimize(NOISE, 8, solver="ddim").schedule.times.tolist(), abs=1e-5)
    page.locator("#noise").select_option("wan2.2")
    settle(page)
    page.locator("#part summary").click()
    page.locator("#start").fill("0.8")
    page.locator("#start").press("Enter")
    settle(page)
    page.locator("#per_expert").fill("3")
    page.locator("#per_expert").press("Enter")
    settle(page)
    page.locator("#boundary").fill("0.5")
    page.locator("#boundary").press("Enter")
    settle(page)
    noise = hso.NoiseSchedule.preset("wan2.2")
    constraints = hso.Constraints(start=0.8, boundary=hso.Boundary(0.5, 3))
    expected = hso.optimize(noise, 8, solver="ddim", constraints=constraints).schedule.times.tolist()
    assert times(page) == pytest.approx(expected, abs=1e-5)
    assert error(page) == ""


def test_the_calibration_decides_and_predicts_the_bands(opened, calibration):
    page = opened()
    assert page.locator("#bands .bar").count() == 0
    page.locator("#calibrated").check()
    settle(page)
    expected = hso.optimize(NOISE, 5, solver="unipc", calibration=calibration)
    assert times(page) == pytest.approx(expected.schedule.times.tolist(), abs=1e-5)
    assert page.locator("#bands .bar").count() == len(calibration.bands.sizes)
    before = page.locator("#bands .value").all_inner_texts()
    page.locator("svg .node").nth(2).focus()
    page.keyboard.press("PageUp")
    moved(page)
    assert page.locator("#bands .value").all_inner_texts() != before
    page.locator("#noise").select_option("sd3")
    settle(page)
    assert error(page).startswith("calibration: expected a calibration made for sd3")


def test_arrow_keys_move_a_node_and_everything_follows_at_once(opened):
    page = opened()
    before, least = times(page), objective(page)
    page.locator("svg .node").nth(2).focus()
    for key in ("ArrowRight", "Shift+ArrowRight", "ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
    moved(page)
    after = times(page)
    assert before[2] - after[2] == pytest.approx(0.011, abs=2e-5)
    assert after[:2] + after[3:] == before[:2] + before[3:]
    assert objective(page) > least
    expect(page.locator("#objective-note")).to_contain_text("above the schedule that was found")
    expect(page.locator("#readout")).to_contain_text(f"Node 3 · t {after[2]:.4f}")
    expect(page.locator("#status")).to_contain_text("J ")
    page.locator("#reset").click()
    settle(page)
    assert times(page) == before


def test_a_node_stays_between_its_neighbours(opened):
    page = opened()
    node = page.locator("svg .node").nth(2)
    node.focus()
    page.keyboard.press("Home")
    moved(page)
    found = times(page)
    assert found[1] - found[2] == pytest.approx(0.001, abs=1e-4)
    expect(page.locator("#spacing-note")).to_contain_text("not kept")
    page.keyboard.press("End")
    page.wait_for_timeout(300)
    found = times(page)
    assert found[2] - found[3] == pytest.approx(0.001, abs=1e-4)


def drag(page, index, by):
    box = page.locator("svg .node .dot").nth(index).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by / 2, y, steps=3)
    page.mouse.move(x + by, y, steps=3)
    page.mouse.up()


def test_the_mouse_drags_a_node_to_where_it_is(opened):
    page = opened()
    start = times(page)
    for axis in ("t", "lambda", "sigma"):
        page.locator(f'input[value="{axis}"]').check(force=True)
        before, was = page.locator("svg .node .dot").nth(3).bounding_box(), times(page)[3]
        drag(page, 3, -25)
        moved(page)
        until(page, f"Number(document.querySelectorAll('#nodes tbody tr')[3].cells[1].textContent) > {was} + 0.005")
        page.wait_for_timeout(100)
        after = page.locator("svg .node .dot").nth(3).bounding_box()
        assert after["x"] - before["x"] == pytest.approx(-25, abs=1.5)
    assert [t for i, t in enumerate(times(page)) if i != 3] == [t for i, t in enumerate(start) if i != 3]


def test_a_finger_drags_a_node(browser, address):
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(f"{address}#noise=sd2.1&nfe=5&solver=unipc")
    settle(page)
    before = times(page)
    node = page.locator("svg .node .halo").nth(2)
    node.scroll_into_view_if_needed()
    box = node.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch = context.new_cdp_session(page)
    for kind, points in (("touchStart", [x]), ("touchMove", [x + 6]), ("touchMove", [x + 12]), ("touchEnd", [])):
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": at, "y": y} for at in points]})
    moved(page)
    assert times(page)[2] < before[2] - 0.02
    context.close()


def test_the_first_node_of_a_part_is_fixed(opened):
    page = opened("noise=sd2.1&nfe=4&solver=ddim&start=0.6")
    before = times(page)
    node = page.locator("svg .node").nth(0)
    assert node.get_attribute("aria-disabled") == "true"
    node.focus()
    page.keyboard.press("ArrowRight")
    drag(page, 0, 40)
    page.wait_for_timeout(100)
    assert times(page) == before


def test_a_link_restores_the_state(opened):
    page = opened("noise=sd2.1&nfe=5&solver=ddim&axis=lambda")
    page.locator("svg .node").nth(1).focus()
    page.keyboard.press("PageDown")
    moved(page)
    page.locator('[data-rival="edm"]').uncheck()
    page.locator("#host").select_option("comfyui")
    page.wait_for_timeout(600)
    link = page.evaluate("location.hash").removeprefix("#")
    again = opened(link)
    assert times(again) == times(page)
    assert objective(again) == objective(page)
    assert again.locator("#text").inner_text() == page.locator("#text").inner_text()
    assert again.locator("#solver").input_value() == "ddim"
    assert again.locator('input[name="axis"]:checked').get_attribute("value") == "lambda"
    assert not again.locator('[data-rival="edm"]').is_checked()
    assert "moved by you" in again.locator("#compared tbody tr").first.inner_text()


def test_another_link_in_the_same_page_is_followed(opened):
    page = opened()
    page.evaluate("location.hash = 'noise=sd3&nfe=7&solver=euler'")
    expect(page.locator("#model")).to_have_text("Stable Diffusion 3 Medium")
    settle(page)
    assert len(times(page)) == 7


def test_copy_link_puts_the_address_on_the_clipboard(opened):
    page = opened()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#link").click()
    expect(page.locator("#status")).to_have_text("The link is copied.")
    assert page.evaluate("navigator.clipboard.readText()") == page.url


def test_every_host_can_be_chosen_copied_and_downloaded(opened):
    page = opened("noise=sd2.1&nfe=5&solver=ddim")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    best = hso.optimize(NOISE, 5, solver="ddim").schedule
    for host in ("diffusers-timesteps", "comfyui", "a1111", "k-diffusion"):
        page.locator("#host").select_option(host)
        until(page, f"location.hash.includes('{host}') && !document.documentElement.dataset.busy")
        page.locator("#copy").click()
        expect(page.locator("#status")).to_have_text("The text is copied.")
        text = page.evaluate("navigator.clipboard.readText()")
        assert text == page.locator("#text").inner_text()
        assert from_text(text, host, NOISE).times == pytest.approx(best.times, abs=6e-4)
    page.locator("#host").select_option("diffusers:DDIM")
    expect(page.locator("#text")).to_contain_text("attach the schedule")
    assert page.locator("#copy").is_disabled()
    page.locator("#host").select_option("schedule file")
    expect(page.locator("#text")).to_contain_text('"lambdas"')
    with page.expect_download() as download:
        page.locator("#download").click()
    assert download.value.suggested_filename == "sd2.1-ddim-5.json"
    assert hso.SamplingSchedule.load(download.value.path()) == best


def test_a_configuration_can_be_opened_and_is_in_the_link(opened, tmp_path):
    page, file = opened(), tmp_path / "scheduler_config.json"
    file.write_text(json.dumps({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 5.0}))
    page.locator("#config").set_input_files(str(file))
    expect(page.locator("#model")).to_have_text("opened file")
    settle(page)
    expected = hso.optimize(hso.NoiseSchedule.from_config(json.loads(file.read_text())), 5, solver="unipc").schedule
    assert times(page) == pytest.approx(expected.times.tolist(), abs=1e-5)
    again = opened(page.evaluate("location.hash").removeprefix("#"))
    assert times(again) == times(page)
    file.write_text("not JSON")
    page.locator("#config").set_input_files(str(file))
    expect(page.locator("#error")).to_contain_text("expected a scheduler configuration in JSON")


BAD_LINKS = {
    "noise=sd2.1&nfe=0": "nfe: expected an integer from 1 to 1000, got 0",
    "noise=sd2.1&nfe=many": "nfe: expected an integer from 1 to 1000, got 'many'",
    "noise=sd2.2&nfe=5": "did you mean 'sd2.1'?",
    "noise=<img src=x onerror=alert(1)>&nfe=5": "noise: expected one of",
    "noise=sd2.1&nfe=2&solver=unipc&times=0.5,0.6": "lambdas: expected strictly increasing values",
    "noise=sd2.1&nfe=2&times=a,b": "times: expected a number in [0, 1], got 'a'",
    "noise=sd2.1&nfe=5&start=2": "start: expected a number in [0, 1], got 2",
}


def test_a_bad_link_is_one_plain_line(opened):
    page = opened(next(iter(BAD_LINKS)))
    for fragment, message in BAD_LINKS.items():
        page.evaluate("fragment => { location.hash = fragment; }", fragment)
        expect(page.locator("#error")).to_contain_text(message)
        assert page.locator("#error img").count() == 0
        assert page.locator("#error").get_attribute("role") == "alert"


def test_a_bad_number_of_calls_keeps_the_picture_and_can_be_put_right(opened):
    page = opened()
    before = times(page)
    for typed in ("0", "-3", "2.5", "x", ""):
        page.locator("#nfe").fill(typed)
        page.locator("#nfe").press("Enter")
        expect(page.locator("#error")).to_contain_text("nfe: expected an integer from 1 to 1000")
        assert times(page) == before
    page.locator("#nfe").fill("6")
    page.locator("#nfe").press("Enter")
    settle(page)
    assert error(page) == ""
    assert len(times(page)) == 6


def test_a_server_that_has_ended_is_said_in_one_line(opened):
    page = opened()
    page.route("**/api/**", lambda route: route.abort("connectionrefused"))
    page.locator("#more").click()
    expect(page.locator("#error")).to_contain_text("hso explore has ended")


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


def test_a_screen_reader_is_told_what_a_node_is(opened):
    page = opened("noise=sd2.1&nfe=3&solver=ddim")
    node = page.get_by_role("slider", name="Node 2 of 3")
    before = float(node.get_attribute("aria-valuenow"))
    assert float(node.get_attribute("aria-valuemin")) < before < float(node.get_attribute("aria-valuemax"))
    assert node.get_attribute("aria-valuetext").startswith("t 0.")
    node.focus()
    page.keyboard.press("ArrowRight")
    moved(page)
    assert float(node.get_attribute("aria-valuenow")) > before


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
