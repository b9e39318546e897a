"""The studio in the documentation: python -m tests.faces.page.pictures STUDIES FOLDER."""

import re
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright
from tests.faces.page.conftest import CHROMIUM, FLAGS
from tests.faces.page.hands import LEFT, RIGHT, find_item, lasso, map_of, until, view
from tests.faces.page.serving import WAIT, serve

SIZE = {"width": 1280, "height": 800}
COLOURS = 255  # of a picture: what is on the page has few


def explore(page):
    """The map with an item open, the uncertainty of its code, and its card."""
    page.get_by_label("Legend: label").wait_for()
    page.mouse.click(*find_item(page, map_of(page)))
    page.get_by_role("heading", name=re.compile(r"^Picture \d")).wait_for()
    page.get_by_label("How sure the codes are").click()
    find_item(page, map_of(page))


def traverse(page):
    """The sliders, one of them pulled, with its filmstrip."""
    page.mouse.click(*find_item(page, map_of(page)))
    page.get_by_role("heading", name=re.compile(r"^Picture \d")).wait_for()
    view(page, "Traverse")
    slider = page.get_by_role("slider", name="unit").first
    slider.focus()
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    page.locator(".strip canvas").nth(8).wait_for()


def directions(page):
    """A direction between two lassos, with its evidence, in the dark."""
    for corners, end in ((LEFT, "A"), (RIGHT, "B")):
        lasso(page, map_of(page), corners)
        page.get_by_title(f"Make this selection end {end}").click()
    page.get_by_role("button", name="Direction A to B").click()
    card = page.get_by_test_id("direction").first
    card.get_by_role("textbox").fill("left to right")
    card.get_by_role("button", name="Keep", exact=True).click()
    page.get_by_test_id("direction").get_by_text("left to right").first.wait_for()
    page.locator(".strip canvas").nth(6).wait_for()


PICTURES = {
    "explore": (explore, "light"),
    "traverse": (traverse, "light"),
    "directions": (directions, "dark"),
}


def keep(page, path):
    """A screenshot in few colours, which is a fifth of the bytes."""
    until(page, "[...document.images].every(one => one.naturalWidth)", 60)
    page.wait_for_timeout(8000)  # sheets of thumbnails
    page.screenshot(path=path)
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def main(studies, folder):
    """Makes them."""
    with tempfile.TemporaryDirectory() as private, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for studio in serve(studies, Path(private) / "token"):
            for name, (show, scheme) in PICTURES.items():
                context = browser.new_context(viewport=SIZE, color_scheme=scheme)
                context.set_default_timeout(4 * WAIT)
                context.add_init_script("localStorage.setItem('zscape-hint', 'seen')")
                page = studio.open(context.new_page())
                map_of(page)
                page.get_by_text("model ready").wait_for()
                show(page)
                keep(page, folder / f"studio-{name}.png")
                context.close()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
