"""Tables and logs on the page: they show, colour and name themselves as pictures do."""

import csv
import re
import shutil

import pytest
from tests.faces.page.conftest import CHROMIUM, GOLDEN, STATIC
from tests.faces.page.hands import at, lasso, map_of, selected, view
from tests.faces.page.serving import WAIT, serve

import zscape

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The studio of a table and of a log in which two sessions fail; of it also a collapsed one."""
    if not (CHROMIUM and STATIC.exists()):
        pytest.skip("needs the system's Chromium and the page: make web")
    home = tmp_path_factory.mktemp("studies")
    shutil.copytree(GOLDEN / "table", home / "table")
    lines = []
    for job in range(80):
        lines += [f"INFO job-{job} begins", f"INFO disk of job-{job} fails"][: 1 + (job in (7, 60))]
        lines += [f"INFO reading of job-{job} is slow"] * (job % 3) + [f"INFO job-{job} ends"]
    (home / "app.log").write_text("\n".join(lines))
    seen = zscape.look(home / "app.log", session=r"job-\d+")
    zscape.fit(seen, out=home / "log", latent=2, epochs=2, seed=0)
    zscape.fit(seen, out=home / "collapsed", latent=2, epochs=2, seed=0, beta=20.0)
    yield from serve(home, tmp_path_factory.mktemp("token") / "token")


@pytest.fixture
def page(visit):
    """The table's map."""
    page = visit()
    page.get_by_role("banner").get_by_label("Study").select_option(label="table")
    page.get_by_role("heading", name="table").wait_for()
    return page


def colour(page, name):
    """Colours the map by a column."""
    page.locator(".choices select").first.select_option(label=name)
    return page.get_by_label(f"Legend: {name}")


def point(page, box):
    """Moves the pointer until a card stands over an item."""
    for k in range(1200):
        page.mouse.move(*at(box, 0.1 + 0.8 * (k % 40) / 40, 0.1 + 0.8 * (k // 40) / 30))
        if page.get_by_test_id("hover-card").count():
            return page.get_by_test_id("hover-card")
    raise AssertionError("no item under the pointer")


def test_columns_colour_the_map_and_stay_in_the_address(page):
    map_of(page)
    legend = colour(page, "word")
    legend.get_by_role("button", name="ü").wait_for()
    counts = [int(count) for count in legend.locator("li .faint").all_inner_texts()]
    assert sum(counts) == 60
    assert re.search(r"c=column-\d", page.evaluate("location.hash"))
    page.reload()
    page.get_by_label("Legend: word").wait_for()
    colour(page, "real").locator(".ramp").wait_for()
    assert "without a value" in page.get_by_label("Legend: real").inner_text()


def test_a_row_shows_the_cells_that_tell_most(page):
    box = map_of(page)
    page.get_by_role("searchbox").fill("#3")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Row 3").wait_for()
    page.get_by_role("complementary").locator(".tiles .cells i").first.wait_for()
    page.get_by_role("button", name="Shelf", exact=True).click()
    page.locator("[aria-label=Shelf] .cells i").first.wait_for()
    page.keyboard.press("Escape")
    card = point(page, box)
    card.locator(".cells i").first.wait_for()
    lasso(page, box, [(0.02, 0.1), (0.98, 0.1), (0.98, 0.98), (0.02, 0.98)])
    page.get_by_role("heading", name="The selected rows").wait_for()
    page.get_by_role("button", name="The selected rows as a table").click()
    told = page.get_by_role("region", name="The selected rows, table").locator("tbody tr").first
    assert re.search(r"(real|count|truth|word) ", told.locator("td").first.inner_text())


def test_the_card_says_what_colours_the_map_once(page):
    box = map_of(page)
    told = point(page, box).locator(".cells i")
    told.first.wait_for()
    column = told.first.inner_text()
    colour(page, column)
    page.mouse.move(*at(box, 0.02, 0.98))
    page.get_by_test_id("hover-card").wait_for(state="detached")
    card = point(page, box)
    card.locator(".cells i").first.wait_for()
    card.locator("p", has_text=re.compile(f"^{column}$")).wait_for()
    assert column not in card.locator(".cells i").all_inner_texts()


def test_a_selection_is_a_file_by_one_click_or_key(page):
    box = map_of(page)
    lasso(page, box, [(0.02, 0.1), (0.98, 0.1), (0.98, 0.98), (0.02, 0.98)])
    number = selected(page)
    with page.expect_download(timeout=WAIT) as saved:
        page.get_by_label("save the selection as CSV").click()
    rows = list(csv.DictReader(saved.value.path().read_text(encoding="utf-8").splitlines()))
    assert len(rows) == number and {"item", "word", "real", "z0"} <= set(rows[0])
    with page.expect_request("**/jobs") as asked:
        page.keyboard.press("s")
    assert asked.value.post_data_json["kind"] == "export"


def test_no_view_of_a_log_speaks_of_pictures(visit):
    page = visit()
    page.get_by_role("banner").get_by_label("Study").select_option(label="log")
    page.get_by_role("heading", name="log", exact=True).wait_for()
    page.get_by_text("sessions shown").wait_for()
    for name, word in [
        ("Anomalies", "sessions score above"),
        ("Traverse", "standard deviations"),
        ("Health", "Figures"),
        ("Compare", "What was asked for differently"),
        ("Export", "The sessions, as a table"),
        ("Explore", "sessions from app.log"),
    ]:
        view(page, name)
        page.get_by_text(word).first.wait_for(timeout=90_000)
        words = page.get_by_role("main").inner_text().lower()
        words = words.replace("the map, as a picture", "").replace(" pixels", "")  # which it is
        assert not re.search(r"\b(picture|pixel|image|item)s?\b", words), name


def test_a_strange_session_says_why_and_how_sure(visit):
    page = visit()
    page.get_by_role("banner").get_by_label("Study").select_option(label="log")
    page.get_by_role("heading", name="log", exact=True).wait_for()
    view(page, "Anomalies")
    first = page.get_by_label("The strangest first").get_by_role("option").first
    first.get_by_text("fails").wait_for(timeout=90_000)
    assert re.search(r"p [~<]", first.inner_text())
    first.get_by_role("button").click()
    page.get_by_role("heading", name="Session").wait_for()
    page.get_by_text("as the model would have it").wait_for()


def log_of(visit, name="log"):
    """The map of a log."""
    page = visit()
    page.get_by_role("banner").get_by_label("Study").select_option(label=name)
    page.get_by_role("heading", name=name, exact=True).wait_for()
    page.get_by_text("sessions shown").wait_for()
    return page


def search(page, words):
    """Types into the search field, and enters."""
    page.get_by_role("searchbox").fill(words)
    page.keyboard.press("Enter")


def test_a_session_goes_by_its_id_everywhere(visit):
    page = log_of(visit)
    search(page, "job-60")
    page.get_by_role("heading", name="Session job-60").wait_for()
    page.get_by_role("complementary").get_by_text("#60", exact=True).wait_for()
    search(page, "JOB-7")
    page.get_by_text("11 sessions with 'JOB-7' in their names are selected").wait_for()
    search(page, "nobody")
    page.get_by_text("Type the number of a session, up to #79, a name, a label or a tag").wait_for()
    page.keyboard.press("Escape")
    assert re.search(r"^job-\d+\n", point(page, map_of(page)).inner_text())
    with page.expect_download(timeout=WAIT) as saved:
        page.get_by_label("save the selection as CSV").click()
    rows = list(csv.DictReader(saved.value.path().read_text(encoding="utf-8").splitlines()))
    assert {row["name"] for row in rows} == {"job-7", *(f"job-{n}" for n in range(70, 80))}
    view(page, "Anomalies")
    page.get_by_role("complementary").get_by_role("heading", name="Session job-").wait_for()
    first = page.get_by_label("The strangest first").get_by_role("option").first
    assert first.locator("strong").first.inner_text() in ("job-7", "job-60")


def test_sessions_of_one_place_are_counted_and_coloured_by_what_tells(visit):
    page = log_of(visit)
    page.get_by_text(re.compile(r"80 sessions on \d places")).wait_for()
    page.get_by_label("Legend: events").wait_for()
    counted = re.compile(r"and \d+ more just here")
    point(page, map_of(page)).get_by_text(counted).wait_for()


def test_what_a_collapsed_code_decodes_to_is_said_to_say_little(visit):
    page = log_of(visit, "collapsed")
    search(page, "job-60")
    page.get_by_role("complementary").get_by_test_id("collapsed").wait_for()
    view(page, "Traverse")
    page.get_by_text("Started from session job-60.").wait_for()
    page.get_by_test_id("collapsed").wait_for()
    page.get_by_role("button", name="Sample").click()
    page.get_by_text("Started from a sample").wait_for()
    page.get_by_role("button", name="Mean").click()
    page.get_by_test_id("collapsed").get_by_role("button", name="Health says why").click()
    page.get_by_role("heading", name="Health").wait_for()


def test_who_hurries_reads_nothing_of_views_that_are_gone(visit):
    page = visit()
    map_of(page)
    warnings = []
    page.on("console", lambda m: warnings.append(m.text) if "svelte" in m.text else None)
    names = ["log", "table"]
    for wait in (0, 60, 250):
        for k, name in enumerate(("Anomalies", "Health", "Traverse", "Compare", "Explore")):
            view(page, name)
            page.wait_for_timeout(wait)
            page.get_by_role("banner").get_by_label("Study").select_option(label=names[k % 2])
            page.wait_for_timeout(wait)
    page.wait_for_timeout(500)
    assert not warnings
    visit.complaints[:] = [one for one in visit.complaints if "429" not in one]  # it does hurry


def test_a_strange_row_has_one_expectation_for_a_cell_and_the_words_of_its_score(page):
    view(page, "Anomalies")
    page.get_by_role("combobox", name="by").select_option("reconstruction", timeout=90_000)
    aside = page.get_by_role("complementary", name="The row")
    led = aside.get_by_test_id("leading").filter(has_text="by reconstruction;")
    led.wait_for(timeout=90_000)
    words = aside.inner_text()
    assert "which that score does not measure" not in words
    blamed = re.findall(r"(\w+) is (.+?) where (.+?) is likely", words)
    assert blamed
    for column, came, expected in blamed:
        name = aside.locator("dt", has_text=re.compile(f"^{column}$"))
        cells = name.locator("xpath=following-sibling::dd")
        assert cells.first.inner_text() == came
        assert "differs" in cells.first.get_attribute("class")
        assert cells.nth(1).inner_text() == expected
    assert aside.locator(".differs").count() == len(blamed)
