"""Every view in light and dark: what stands there, nothing to complain of, a picture kept."""

import re

import pytest
from tests.faces.page.hands import LEFT, RIGHT, find_item, lasso, map_of, selected, view

pytestmark = pytest.mark.slow


@pytest.fixture(params=["light", "dark"])
def scheme(request):
    return request.param


def keep(page, shots, name, scheme):
    page.wait_for_timeout(400)
    page.screenshot(path=shots / f"{name}-{scheme}.png")


def test_explore(visit, shots, scheme):
    page = visit(scheme)
    box = map_of(page)
    page.get_by_label("Legend: label").wait_for()
    assert "% of variance" in page.locator(".badge").inner_text()
    page.mouse.click(*find_item(page, box))
    page.get_by_role("heading", name=re.compile(r"^Picture \d")).wait_for()
    page.get_by_alt_text("reconstruction of picture").wait_for()
    keep(page, shots, "explore", scheme)
    lasso(page, box, LEFT)
    assert selected(page) > 100
    keep(page, shots, "selection", scheme)


def test_pictures_on_the_map(visit, shots, scheme):
    page = visit(scheme)
    map_of(page)
    page.keyboard.press("t")
    keep(page, shots, "pictures", scheme)
    assert page.get_by_label("Pictures on the map (T)").get_attribute("aria-pressed") == "true"


def test_traverse(visit, shots, scheme):
    page = visit(scheme)
    box = map_of(page)
    lasso(page, box, LEFT)
    page.get_by_title("Make this selection end A").click()
    lasso(page, box, RIGHT)
    page.get_by_title("Make this selection end B").click()
    page.get_by_role("button", name="Direction A to B").click()
    found = page.get_by_test_id("direction").filter(has_text="from A to B").first
    assert "AUC" in found.inner_text()
    page.locator(".strip canvas").nth(6).wait_for()
    keep(page, shots, "directions", scheme)
    for tab in ("Mix", "Path", "Units"):
        page.get_by_role("tab", name=tab).click()
        page.get_by_test_id("decoded").locator("canvas").wait_for()
        if tab == "Units":
            page.get_by_role("slider", name="unit").first.focus()
        page.locator(".strip canvas").nth(5).wait_for()
        keep(page, shots, tab.lower(), scheme)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("Anomalies", "pictures score above"),
        ("Health", "Figures"),
        ("Train", "Begin training"),
        ("Compare", "What was asked for differently"),
        ("Export", "as Python"),
    ],
)
def test_other_views(visit, shots, scheme, name, word):
    page = visit(scheme)
    map_of(page)
    view(page, name)
    page.get_by_text(word).first.wait_for(timeout=90_000)
    if name == "Compare":
        page.get_by_role("row", name="ELBO").wait_for()
        page.get_by_role("columnheader", name="difference").wait_for()
        page.get_by_role("region", name="Samples of digits", exact=True).wait_for()
        assert page.get_by_role("region", name="Samples of").count() == 2
    keep(page, shots, name.lower(), scheme)


def test_rows_stand_where_pictures_would(visit, shots, scheme):
    page = visit(scheme)
    map_of(page)
    page.get_by_label("Study").select_option(label="rows")
    page.get_by_role("heading", name="rows").wait_for()
    page.get_by_role("searchbox").fill("#3")
    page.keyboard.press("Enter")
    page.get_by_text("as the model would have it").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Traverse", exact=True).last.click()
    page.get_by_role("slider", name="unit").first.focus()
    page.locator(".strip td").first.wait_for()
    keep(page, shots, "rows", scheme)
