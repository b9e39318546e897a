"""Traverse: what was done is taken back there, and the address brings it back."""

import pytest
from tests.faces.page.hands import LEFT, lasso, map_of, selected, until, view

pytestmark = pytest.mark.slow


def sliders(page):
    """What the sliders of units say."""
    return page.locator(".unit output").all_inner_texts()


def started(page, words):
    """Waits until the code is said to have started there."""
    page.get_by_text(f"Started from {words}").wait_for()


def test_undo_takes_back_what_was_done_in_traverse(visit):
    page = visit()
    box = map_of(page)
    lasso(page, box, LEFT)
    count = selected(page)
    view(page, "Traverse")
    slider = page.get_by_role("slider", name="unit").first
    slider.wait_for()
    mean = sliders(page)
    handle = slider.bounding_box()
    page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + 14)
    page.mouse.down()
    for to in (0.6, 0.7, 0.8):
        page.mouse.move(handle["x"] + to * handle["width"], handle["y"] + 14)
    page.mouse.up()
    dragged = sliders(page)
    slider.press("Shift+ArrowRight")
    pressed = sliders(page)
    page.get_by_role("button", name="Sample").click()
    started(page, "a sample")
    page.get_by_role("button", name="Mean", exact=True).click()
    started(page, "the mean")
    page.keyboard.press("Control+z")
    started(page, "a sample")
    page.keyboard.press("Control+z")
    started(page, "the mean")
    assert sliders(page) == pressed != dragged
    page.keyboard.press("Control+z")
    assert sliders(page) == dragged != mean
    page.keyboard.press("Control+z")
    assert sliders(page) == mean
    page.keyboard.press("Control+z")
    page.get_by_text("Nothing to take back here.").wait_for()
    page.keyboard.press("Control+y")
    assert sliders(page) == dragged
    view(page, "Explore")
    assert selected(page) == count
    page.keyboard.press("Control+z")
    page.get_by_test_id("selected").wait_for(state="detached")


def test_a_direction_that_is_let_go_or_removed_comes_back(visit):
    page = visit(path="/#/traverse?with=directions")
    page.get_by_role("button", name="Main directions").click()
    name = page.get_by_test_id("direction").first.locator("strong").inner_text()
    first = page.get_by_test_id("direction").filter(has_text=name)
    slider = first.get_by_role("slider")
    slider.press("Shift+ArrowRight")
    strength = first.locator("output").inner_text()
    first.get_by_role("button", name="Let go").click()
    until(page, "document.querySelectorAll('[data-testid=direction]').length === 7")
    page.get_by_role("tab", name="Units").click()
    page.keyboard.press("Control+z")
    page.get_by_role("tab", name="Directions").click()
    until(page, "document.querySelectorAll('[data-testid=direction]').length === 8")
    first.locator("output", has_text=strength).wait_for()
    assert strength == "+0.50 σ"
    first.get_by_role("button", name="Keep").click()
    first.get_by_role("button", name="Remove").click()
    until(page, "document.querySelectorAll('[data-testid=direction]').length === 7")
    page.keyboard.press("Control+z")
    first.get_by_text("kept", exact=True).wait_for()
    first.get_by_role("button", name="Remove").click()
    until(page, "document.querySelectorAll('[data-testid=direction]').length === 7")
