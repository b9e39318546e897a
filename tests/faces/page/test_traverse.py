"""Traverse: what was done is taken back there, and the address brings it back."""

import re

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
    first = page.get_by_test_id("direction").filter(has_text="pca1")
    slider = first.get_by_role("slider")
    slider.press("Shift+ArrowRight")
    strength = first.locator("output").inner_text()
    first.get_by_role("button", name="Let go").click()
    first.wait_for(state="detached")
    page.get_by_role("tab", name="Units").click()
    page.keyboard.press("Control+z")
    page.get_by_role("tab", name="Directions").click()
    first.locator("output", has_text=strength).wait_for()
    assert strength.startswith("+0.50")
    first.get_by_role("button", name="Keep").click()
    first.get_by_role("button", name="Remove").click()
    first.wait_for(state="detached")
    page.keyboard.press("Control+z")
    first.get_by_text("kept", exact=True).wait_for()
    first.get_by_role("button", name="Remove").click()
    first.wait_for(state="detached")


def test_the_address_brings_back_sliders_and_strengths(visit):
    page = visit(path="/#/traverse?i=7")
    page.get_by_role("slider", name="unit").first.press("Shift+ArrowRight")
    page.get_by_role("tab", name="Directions").click()
    page.get_by_role("button", name="Main directions").click()
    card = page.get_by_test_id("direction").filter(has_text="pca1")
    card.get_by_role("slider").press("Shift+ArrowRight")
    page.get_by_role("tab", name="Units").click()
    there = sliders(page)
    until(page, "location.hash.includes('u=') && location.hash.includes('d=0.5:')")
    page.reload()
    started(page, "picture 7")
    page.get_by_text("pca1 +0.50").wait_for()
    assert sliders(page) == there
    page.get_by_role("slider", name="unit").first.press("Shift+ArrowRight")
    moved = sliders(page)
    page.get_by_role("button", name="Sample").click()
    started(page, "a sample")
    view(page, "Explore")
    map_of(page)
    view(page, "Traverse")
    started(page, "a sample")
    page.go_back()
    page.go_back()
    started(page, "a sample")
    page.keyboard.press("Control+z")
    until(page, f"document.querySelector('.unit output').textContent === '{moved[0]}'")
    assert sliders(page) == moved


def test_back_is_not_written_over_by_what_was_moved_last(visit):
    page = visit()
    page.add_init_script("""
        const listen = EventTarget.prototype.addEventListener;
        EventTarget.prototype.addEventListener = function (name, act) {
            const late = (event) => setTimeout(() => (act(event), (window.heard = true)), 600);
            listen.call(this, name, name === "hashchange" ? late : act);
        };
    """)  # a busy page hears late of the address
    page.reload()
    map_of(page)
    view(page, "Traverse")
    slider = page.get_by_role("slider", name="unit").first
    slider.evaluate("one => one.addEventListener('keyup', () => history.back(), { once: true })")
    slider.press("ArrowRight")
    until(page, "window.heard")
    assert "#/explore" in page.url
    page.get_by_role("button", name="Names of groups").wait_for()


def test_back_returns_to_the_former_study_as_it_was(visit):
    page = visit()
    map_of(page)
    page.get_by_label("Legend: label").wait_for()
    page.locator(".choices select").first.select_option("z0")
    page.get_by_label("Study").select_option(label="rows")  # at once: nothing is written late
    page.get_by_label("Legend").wait_for()
    until(page, "location.hash.includes('&c=')")
    page.go_back()
    page.get_by_label("Legend: unit 0").wait_for()
    assert page.get_by_label("Study").locator("option:checked").inner_text() == "digits"
    page.go_forward()
    page.get_by_role("heading", name="rows").wait_for()
    page.get_by_label("Study").select_option(label="digits")
    page.get_by_label("Legend: label").wait_for()
    until(page, "location.hash.includes('c=label')")
    view(page, "Export")
    page.evaluate("location.hash = location.hash.replace('export', 'explore').replace('c=', 'x=')")
    page.get_by_label("Legend: label").wait_for()
    until(page, "location.hash.includes('c=label')")
    page.evaluate("location.hash = '#/explore'")  # of no study: the one that is open
    until(page, "location.hash.includes('study=') && location.hash.includes('c=label')")


def test_the_address_brings_back_what_anomalies_show(visit):
    page = visit(path="/#/anomalies")
    beyond = page.get_by_test_id("beyond")
    beyond.wait_for(timeout=90_000)
    page.get_by_role("slider", name="threshold").fill("0")
    page.locator(".list .one button").nth(3).click()
    until(page, "location.hash.includes('above=') && location.hash.includes('row=')")
    title = f"Picture {re.search('row=([0-9]+)', page.url).group(1)}"
    page.get_by_role("heading", name=title).wait_for()
    words = beyond.inner_text()
    page.reload()
    page.get_by_role("heading", name=title).wait_for()
    assert beyond.inner_text() == words


def test_what_is_known_to_be_strange_outlasts_a_reload_and_the_back_button(visit):
    page = visit(path="/#/anomalies")
    known, judged = page.get_by_label("Known to be strange"), page.get_by_test_id("judged")
    known.wait_for(timeout=90_000)
    known.select_option("label:7")
    words = judged.inner_text()
    until(page, "location.hash.includes('strange=label:7')")
    page.reload()
    judged.get_by_text(words.split(";")[0]).wait_for()
    assert known.input_value() == "label:7"
    view(page, "Export")
    page.get_by_role("heading", name="Export").wait_for()
    page.go_back()
    judged.wait_for()
    assert judged.inner_text() == words and known.input_value() == "label:7"


def test_the_way_of_a_path_and_the_open_frames_outlast_a_reload_and_the_back_button(visit):
    page = visit(path="/#/traverse?with=directions&a=3&b=12")
    page.get_by_role("button", name="Main directions").click()
    until(page, "location.hash.includes('strip=pca1')")  # of what was found the first is open
    second = page.get_by_test_id("direction").filter(has_text="pca2")
    second.get_by_role("slider").focus()
    second.locator(".strip canvas").nth(6).wait_for()
    until(page, "location.hash.includes('strip=pca2')")
    page.reload()
    second.locator(".strip canvas").nth(6).wait_for()
    assert page.locator(".strip").count() == 1
    page.get_by_role("tab", name="Path").click()
    page.get_by_role("combobox", name="way").select_option("geodesic")
    page.get_by_label("frames a leg").fill("4")
    until(page, "location.hash.endsWith('&frames=4')")
    assert "way=geodesic" in page.url and "strip=" not in page.url
    page.reload()
    until(page, "document.querySelectorAll('.strip button').length === 4")
    assert page.get_by_role("combobox", name="way").input_value() == "geodesic"
    page.get_by_role("tab", name="Units").click()
    page.go_back()
    until(page, "document.querySelectorAll('.strip button').length === 4")
    assert page.get_by_role("combobox", name="way").input_value() == "geodesic"
    page.go_back()
    second.locator(".strip canvas").nth(6).wait_for()


def test_a_name_that_is_typed_stays_with_its_direction_which_goes_for_good(visit):
    page = visit(path="/#/traverse?with=directions")
    find = page.get_by_role("button", name="Main directions")
    first, second = (page.get_by_test_id("direction").filter(has_text=f"pca{k}") for k in (1, 2))
    find.click()
    first.wait_for()
    find.click()  # what is let go now must not come back with the answer
    first.get_by_role("textbox").fill("mine")
    first.get_by_role("button", name="Let go").click()
    first.wait_for(state="detached")
    assert second.get_by_role("textbox").input_value() == ""
    find.wait_for()
    assert not first.count()


def test_the_table_of_the_map_is_seen_whole(visit):
    page = visit(path="/#/explore?proj=dims=0,1")
    map_of(page)
    page.get_by_label("upright unit").wait_for()
    page.get_by_role("button", name="as a table").click()
    table = page.get_by_role("region", name="table").bounding_box()
    field = page.get_by_role("region", name="Map", exact=True).bounding_box()
    assert table["x"] + table["width"] <= field["x"] + field["width"]
    assert table["width"] == 320


def test_a_path_says_plainly_what_it_cannot_be_and_only_while_it_is_so(visit):
    page = visit(path="/#/traverse?with=path&a=3&b=12")
    page.locator(".strip canvas").nth(8).wait_for()
    frames = page.get_by_label("frames a leg")
    frames.fill("1")
    said = page.get_by_role("alert")
    assert said.inner_text() == (
        "Frames a leg must be a whole number from 2 to 200, got 1. 9 is usual."
    )
    frames.fill("4")
    said.wait_for(state="detached")
    until(page, "document.querySelectorAll('.strip button').length === 4")


def test_a_reader_of_the_screen_hears_things_once(visit):
    page = visit()
    box = map_of(page)
    lasso(page, box, LEFT)
    said = f"{selected(page):,} selected"
    page.get_by_role("application").focus()
    page.keyboard.press("Shift+ArrowRight")
    page.get_by_test_id("hover-card").wait_for()
    heard = page.locator("body").aria_snapshot()
    assert heard.count(said) == 1
    spoken = page.locator(".map [aria-live]").inner_text()
    item = re.search(r"Picture (\d+)", spoken).group(1)
    assert len(re.findall(rf"\b{item}\b", heard.split("toolbar")[0])) == 1
    page.keyboard.press("Enter")
    page.get_by_role("table", name=f"Code of picture {item}").wait_for()
    row = page.get_by_role("table", name="Code of picture").get_by_role("row").first.aria_snapshot()
    assert row.count("cell") == 3
    view(page, "Traverse")
    page.get_by_role("slider", name="unit").first.wait_for()
    assert page.get_by_role("main").aria_snapshot().count("status") == 0


def test_the_start_has_a_tick_on_every_slider(visit):
    page = visit()
    map_of(page)
    page.get_by_role("searchbox").fill("#20")
    page.keyboard.press("Enter")
    page.get_by_role("complementary").get_by_role("button", name="Traverse").click()
    started(page, "picture 20")
    first = page.locator(".unit").first
    tick, track = first.locator(".own").bounding_box(), first.locator(".slider").bounding_box()
    value = float(first.get_by_role("slider").input_value())
    middle = track["x"] + track["width"] / 2
    place = middle + value / 6 * (track["width"] - 16)  # the handle is 16 wide, the scale 6
    assert abs(value) > 0.1
    assert abs(tick["x"] + tick["width"] / 2 - place) < 1.5
    assert tick["height"] > 18  # longer than the handle and its rim, which stand on it
    first.get_by_role("slider").press("Shift+ArrowRight")
    assert first.locator(".own").bounding_box() == tick
