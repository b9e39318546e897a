"""What the page promises: the library's pixels, the keyboard, undo, the address, plain errors."""

import re
from importlib.util import find_spec

import numpy as np
import pytest
from tests.faces.page.hands import LEFT, RIGHT, find_item, lasso, map_of, selected, until, view

import zscape

pytestmark = pytest.mark.slow

SMALL = """() => [...document.querySelectorAll("button, select, input, summary")]
  .filter(one => one.offsetParent && one.type !== "checkbox")
  .map(one => [one.ariaLabel || one.textContent.trim(), one.getBoundingClientRect()])
  .filter(([, { width, height }]) => width < 27.5 || height < 27.5)
  .map(([name, { width, height }]) => `${name}: ${width} x ${height}`)"""
HALF = 0.005  # the page has codes as half floats
PIXELS = """canvas => Array.from(
  canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data)"""


def test_the_slider_shows_what_the_library_decodes(visit, served):
    page = visit()
    map_of(page)
    page.goto(f"{page.url.split('#')[0]}#/traverse?i=7")
    sent = []
    page.on("websocket", lambda s: s.on("framesent", lambda frame: sent.append(frame)))
    page.reload()
    slider = page.get_by_role("slider", name="unit").first
    unit = int(slider.get_attribute("aria-label").removeprefix("unit "))
    slider.focus()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Backspace")
    space = zscape.open(served.home / "digits")
    codes = space.codes.flat.numpy()
    expected = codes[7].copy()
    expected[unit] = codes[:, unit].mean()
    asked, shown, decoded = expected, None, space.decode(expected[None])
    for _ in range(300):  # what goes out last waits for the model, which may still be loading
        frames = [frame for frame in sent if len(frame) == 8 + 4 * 8]
        if frames and page.get_by_test_id("decoded").locator("canvas").count():
            asked = np.frombuffer(frames[-1], "<f4", 8, 8).copy()
            decoded = np.asarray(space.decode(asked[None]))[0].reshape(8, 8)
            drawn = page.get_by_test_id("decoded").locator("canvas").evaluate(PIXELS)
            shown = np.array(drawn, np.uint8).reshape(8, 8, 4)[..., 0]
            if np.allclose(asked, expected, atol=HALF) and np.array_equal(shown, decoded):
                break
        page.wait_for_timeout(100)
    np.testing.assert_allclose(asked, expected, atol=HALF)
    np.testing.assert_array_equal(shown, decoded)


def test_the_hover_card_asks_nothing_and_follows_the_point(visit):
    page = visit()
    box = map_of(page)
    x, y = find_item(page, box)
    page.wait_for_timeout(1500)
    asked = []
    page.context.on("request", lambda request: asked.append(request.url))
    page.mouse.move(*[box["x"] + 5, box["y"] + box["height"] / 2])
    page.mouse.move(x, y)
    card = page.get_by_test_id("hover-card")
    before = card.bounding_box()
    assert before["y"] + before["height"] <= y + 1
    for _ in range(6):
        page.mouse.wheel(0, -100)
    page.wait_for_timeout(200)
    if card.count():  # the item under the pointer stays there, and its card above it
        after = card.bounding_box()
        assert after["y"] + after["height"] <= y + 13
    assert not [url for url in asked if "/api/" in url]


def test_uncertainty_and_a_table_of_the_map_on_demand(visit):
    page = visit()
    box = map_of(page)
    drawn = "document.querySelector('canvas.over').dataset.ellipses"
    page.mouse.click(*find_item(page, box))
    page.get_by_role("heading", name=re.compile(r"^Picture \d")).wait_for()
    until(page, f"{drawn} === '0'")
    page.keyboard.press("u")
    until(page, f"{drawn} === '1'")
    page.keyboard.press("u")
    until(page, f"{drawn} === '0'")
    lasso(page, box, LEFT)
    page.get_by_role("button", name="The selected pictures as a table").click()
    table = page.get_by_role("region", name="The selected pictures, table")
    assert table.get_by_role("row").count() == 1 + min(selected(page), 200)


def test_a_threshold_is_judged_by_what_is_known(visit):
    page = visit()
    map_of(page)
    view(page, "Anomalies")
    page.get_by_label("Known to be strange").select_option(label="label 8", timeout=90_000)
    said = page.get_by_test_id("judged")
    said.wait_for()
    page.get_by_role("slider", name="threshold").fill("0")
    until(page, "document.querySelector('[data-testid=judged]').innerText.includes('recall 100')")
    assert "of 174" in said.inner_text()  # all eights that there are
    page.get_by_text("nats beyond the usual").first.wait_for(timeout=90_000)
    led = page.get_by_test_id("leading").inner_text()
    by = "(neighbours|error)"
    assert re.match(rf"Its? [a-z ]+: p \S+, by {by}; by {by} p \S+\.$", led)
    page.get_by_text("which that score does not measure").wait_for()


def test_a_narrow_page_has_the_inspector_as_a_drawer(visit):
    page = visit()
    page.set_viewport_size({"width": 800, "height": 900})
    page.reload()
    box = map_of(page)
    assert box["width"] > 700
    tools = page.locator(".above").bounding_box()
    opens = page.get_by_role("button", name="open the inspector").bounding_box()
    assert tools["x"] + tools["width"] < opens["x"]
    drawer = page.get_by_role("complementary", name="Inspector")
    assert drawer.count() == 0
    page.mouse.click(*find_item(page, box))
    page.get_by_role("heading", name=re.compile(r"^Picture \d")).wait_for()
    assert map_of(page)["width"] == box["width"]
    page.get_by_role("button", name="close the picture").click()
    page.get_by_role("button", name="close the inspector").click()
    assert drawer.count() == 0
    page.get_by_role("searchbox").fill("#20")
    page.keyboard.press("Enter")
    drawer.get_by_role("heading", name="Picture 20").wait_for()


def test_every_target_is_large_enough(visit):
    page = visit()
    map_of(page)
    page.get_by_label("Legend: label").wait_for()
    for name in ("Explore", "Traverse", "Anomalies", "Health", "Train", "Compare", "Export"):
        view(page, name)
        page.wait_for_timeout(500)
        assert page.evaluate(SMALL) == [], name


def test_a_selection_is_added_to_taken_from_undone_and_cleared(visit):
    page = visit()
    box = map_of(page)
    lasso(page, box, LEFT)
    left = selected(page)
    page.keyboard.down("Control")
    lasso(page, box, RIGHT)
    page.keyboard.up("Control")
    both = selected(page)
    page.keyboard.down("Alt")
    lasso(page, box, LEFT)
    page.keyboard.up("Alt")
    right = selected(page)
    assert (both, right) == (left + right, both - left)
    page.keyboard.press("Control+z")
    assert selected(page) == both
    page.keyboard.press("Control+y")
    assert selected(page) == right
    page.keyboard.press("Escape")
    assert page.get_by_test_id("selected").count() == 0


def test_the_map_by_keyboard_alone(visit):
    page = visit()
    map_of(page)
    page.get_by_role("application").focus()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    spoken = page.locator(".map [aria-live]").inner_text()
    assert re.fullmatch(r"Picture \d+, label \d\.", spoken)
    page.keyboard.press("Enter")
    number = re.search(r"\d+", spoken).group()
    page.get_by_role("heading", name=f"Picture {number}").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("heading", name=f"Picture {number}").wait_for(state="detached")
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").wait_for()
    page.keyboard.press("Escape")


def test_the_legend_hides_shows_and_looks_at_one_alone(visit):
    page = visit()
    map_of(page)
    three = page.get_by_label("Legend: label").get_by_role("button", name=re.compile("^3"))
    badge = page.locator(".badge")
    three.click()
    until(page, "document.querySelector('.badge').textContent.includes('1,614')")
    three.click()
    until(page, "document.querySelector('.badge').textContent.includes('1,797 of')")
    three.click(modifiers=["Alt"])
    until(page, "document.querySelector('.badge').textContent.includes(' 183 of')")
    assert "hide=" in page.url
    assert "183 of 1,797" in badge.inner_text()


def test_a_map_that_is_not_there_says_what_to_install(visit):
    page = visit()
    map_of(page)
    umap = page.locator(".choices option").filter(has_text="UMAP")
    if find_spec("umap"):
        assert umap.is_enabled() and umap.inner_text() == "UMAP"
    else:
        assert umap.is_disabled() and "pip install 'zscape[maps]'" in umap.inner_text()


def test_the_address_brings_back_the_view(visit):
    page = visit()
    box = map_of(page)
    page.mouse.move(box["x"] + 300, box["y"] + 300)
    page.mouse.wheel(0, -300)
    page.wait_for_timeout(500)
    page.locator(".choices select").first.select_option("z0")
    page.get_by_label("Legend: unit 0").wait_for()
    lasso(page, box, LEFT)
    count = selected(page)
    until(page, "location.hash.includes('sel=')")
    assert len(page.evaluate("location.hash")) <= 300
    page.reload()
    page.get_by_label("Legend: unit 0").wait_for()
    assert selected(page) == count
    view(page, "Export")
    page.get_by_role("heading", name="Export").wait_for()
    page.go_back()
    page.get_by_label("Legend: unit 0").wait_for()


def test_what_others_wrote_is_text(visit, served):
    payload = "<img src=x onerror=window.hit=1><script>window.hit=1</script>"
    page = visit()
    box = map_of(page)
    dialogs = []
    page.on("dialog", lambda dialog: dialogs.append(dialog))
    lasso(page, box, LEFT)
    page.get_by_label("tag the selection").fill(payload)
    page.keyboard.press("Enter")
    page.get_by_text("pictures have the tag").wait_for()
    page.mouse.click(*find_item(page, box))
    view(page, "Traverse")
    page.get_by_label("name of unit").first.fill(payload)
    page.keyboard.press("Enter")
    view(page, "Explore")
    map_of(page)
    page.wait_for_timeout(500)
    assert not dialogs
    assert page.evaluate("window.hit") is None
    assert page.locator("img[src=x]").count() == 0


def test_a_mix_and_a_path_begin_when_asked_and_undo_brings_back(visit):
    page = visit(path="/#/traverse?a=3&b=12")
    row = page.get_by_role("slider", name="unit").first
    row.focus()
    page.keyboard.press("Shift+ArrowRight")
    edited = page.locator("output").first.inner_text()
    for tab in ("Mix", "Path"):
        page.get_by_role("tab", name=tab).click()
        page.locator(".strip canvas").nth(5).wait_for()
    assert page.get_by_text("Started from the mean of all codes.").count() == 1
    page.get_by_role("tab", name="Units").click()
    assert page.locator("output").first.inner_text() == edited != ""
    page.get_by_role("tab", name="Mix").click()
    page.get_by_role("button", name="All from B").click()
    page.get_by_text("Started from the mix of A and B.").wait_for()
    page.keyboard.press("Control+z")
    page.get_by_text("Started from the mean of all codes.").wait_for()
    page.get_by_role("tab", name="Path").click()
    page.get_by_label("frame", exact=True).fill("5")
    page.get_by_role("tab", name="Units").click()
    assert page.locator("output").first.inner_text() != edited
    page.keyboard.press("Control+z")
    assert page.locator("output").first.inner_text() == edited


def test_path_of_keyframes_plays_and_is_kept(visit):
    page = visit()
    box = map_of(page)
    page.mouse.click(*find_item(page, box))
    page.get_by_role("heading", name=re.compile(r"^Picture \d")).wait_for()
    page.keyboard.press("a")
    lasso(page, box, RIGHT)
    page.get_by_title("Make this selection end B").click()
    view(page, "Traverse")
    page.get_by_role("tab", name="Path").click()
    page.locator(".strip canvas").nth(8).wait_for()
    page.get_by_role("button", name="play").click()
    until(page, "document.querySelector('input[aria-label=frame]').value > 1")
    page.get_by_role("button", name="pause").click()
    page.get_by_label("name of the path").fill("there")
    page.get_by_role("button", name="Keep it").click()
    page.get_by_text("Kept as 'there'").wait_for()
    page.get_by_role("button", name="This code").click()
    until(page, "document.querySelectorAll('[aria-label=\"take it out\"]').length === 3")
    page.reload()
    until(page, "document.querySelectorAll('[aria-label=\"take it out\"]').length === 3")


def test_what_is_copied_as_python_runs_from_anywhere(visit, tmp_path, monkeypatch):
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    monkeypatch.chdir(tmp_path)

    def run(button):
        button.click()
        until(page, "document.body.textContent.includes('Copied as Python')")
        names = {}
        exec(page.evaluate("navigator.clipboard.readText()"), names)
        return names

    box = map_of(page)
    page.mouse.click(*find_item(page, box))
    page.get_by_role("heading", name=re.compile(r"^Picture \d")).wait_for()
    copy = page.get_by_role("button", name="copy as Python").first
    assert np.asarray(run(copy)["seen"]).shape[0] == 1
    page.keyboard.press("a")
    lasso(page, box, RIGHT)
    bar = page.get_by_role("toolbar", name="Selection")
    count = selected(page)
    assert len(run(bar.get_by_role("button", name="copy as Python"))["codes"]) == count
    page.get_by_title("Make this selection end B").click()
    view(page, "Traverse")
    page.get_by_role("tab", name="Path").click()
    page.locator(".strip canvas").nth(8).wait_for()
    assert len(run(copy)["frames"]) == 9
    page.get_by_role("tab", name="Directions").click()
    page.get_by_role("button", name="Main directions").click()
    page.get_by_test_id("direction").first.wait_for()
    assert len(run(copy)["seen"]) == 1
    first = page.get_by_test_id("direction").first
    copy = first.get_by_role("button", name="copy as Python")
    first.get_by_role("slider").press("Shift+ArrowRight")
    made = run(copy)
    item = int(re.search(r"Started from \w+ (\d+)", page.locator(".stage").inner_text()).group(1))
    its = np.asarray(made["space"].codes[item : item + 1])
    assert np.allclose(made["code"], its + 0.5 * made["vector"], atol=1e-3)
    page.get_by_role("tab", name="Units").click()
    page.get_by_role("slider", name="unit").first.press("Shift+ArrowRight")
    page.get_by_role("tab", name="Directions").click()
    moved = run(copy)["code"] - made["code"]
    assert (np.abs(moved) > 0.01).sum() == 1  # of the slider that was set
