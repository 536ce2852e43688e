"""The controls of the page in a browser: questions, export, links, and what is said of errors."""

from __future__ import annotations

import json

import pytest

import hso
from hso.hosts.text import from_text
from hso.noise import presets

from .browsing import (
    error,
    expect,
    in_a_browser,
    moved,
    objective,
    settle,
    times,
    until,
)
from .conftest import NOISE

pytestmark = in_a_browser


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
