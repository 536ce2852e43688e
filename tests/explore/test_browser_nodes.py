"""Nodes are moved with the mouse, a finger and the keyboard, and everything follows at once."""

from __future__ import annotations

import pytest

from .browsing import (
    PHONE,
    drag,
    expect,
    in_a_browser,
    moved,
    objective,
    settle,
    times,
    until,
)

pytestmark = in_a_browser


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
    expect(page.locator("#spacing-note")).to_contain_text("Least distance in t 0.00100")
    page.keyboard.press("End")
    page.wait_for_timeout(300)
    found = times(page)
    assert found[2] - found[3] == pytest.approx(0.001, abs=1e-4)


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
