"""What stands round the views: trainings, the coming and going of the server, narrow windows."""

import json
import re

import pytest
from tests.faces.page.hands import LEFT, RIGHT, lasso, map_of, selected, until, view
from tests.faces.page.serving import serve

pytestmark = pytest.mark.slow


def field(page, name):
    return page.locator("label", has_text=name).first.locator("input")


def test_training_from_the_form_is_seen_to_its_end(visit, served):
    page = visit()
    page.on("dialog", lambda dialog: dialog.accept())
    map_of(page)
    page.get_by_role("button", name="Train another like it").click()
    page.get_by_text("As digits was trained").wait_for()
    assert [field(page, name).input_value() for name in ("latent", "epochs")] == ["8", "4"]
    page.get_by_label("Name").fill("second")
    field(page, "epochs").fill("4000")
    view(page, "Explore")
    view(page, "Train")
    assert page.get_by_label("Name").input_value() == "second"
    assert field(page, "epochs").input_value() == "4000"
    begin = page.get_by_role("button", name="Begin training")
    before = begin.bounding_box()
    field(page, "batch_size").focus()
    help = page.locator("label", has_text="batch_size").locator(".help")
    assert help.evaluate("one => one.scrollWidth <= one.clientWidth")  # nothing of it is cut
    assert begin.bounding_box() == before  # what moved as a field is left would miss its click
    field(page, "latent").fill("many")
    begin.click()
    page.get_by_role("alert").get_by_text("latent must be a whole number, got 'many'").wait_for()
    until(page, "document.activeElement.ariaInvalid === 'true'")
    assert field(page, "latent").input_value() == "many"
    assert "422" in visit.complaints.pop()  # the browser's own word of it
    field(page, "epochs").fill("0")
    begin.click()
    page.get_by_role("alert").get_by_text("epochs must be at least 1, got 0").wait_for()
    assert page.get_by_role("alert").count() == 2  # both at once, each beside its field
    assert "422" in visit.complaints.pop()
    field(page, "epochs").fill("4000")
    field(page, "latent").fill("2")
    assert page.get_by_role("alert").count() == 0
    page.get_by_label("Name").fill("digits")
    assert "this one will be digits-2" in page.get_by_test_id("renamed").inner_text()
    page.get_by_label("Name").fill("second")
    assert page.get_by_test_id("renamed").count() == 0
    begin.click()
    assert page.get_by_label("Name").input_value() == "second"
    page.get_by_text("ELBO, held out").wait_for(timeout=120_000)
    until(page, "document.querySelector('form input').value === ''")
    row = page.locator(".jobs button", has_text="second")
    row.get_by_text("running, epoch").wait_for()
    assert re.match(r"second\s*vae\s*\d+:\d+.*\s*running, epoch \d+ of 4000", row.inner_text())
    stop = page.get_by_role("button", name="Stop", exact=True)
    stop.click()
    page.get_by_role("button", name="Go on").wait_for(timeout=120_000)
    assert stop.count() == 0
    assert re.search(r"Stopped by hand in epoch \d+ of 4000; .* nats\.", row.inner_text())
    assert "Training of second" in page.get_by_role("heading", level=1).all_inner_texts()
    assert page.get_by_text("The other views show digits.").count() == 1
    page.locator(".jobs button", has_text="digits").click()
    page.get_by_test_id("ended").get_by_text("Ran all its 4 epochs").wait_for()
    assert page.get_by_role("button", name="Go on").count() == 0
    row.click()
    page.get_by_role("button", name="Open its map").click(timeout=120_000)
    page.get_by_text("2 units", exact=False).first.wait_for()
    asked = json.loads(page.evaluate("JSON.stringify(location.hash)"))
    assert asked.startswith("#/explore?study=")


def test_who_types_before_the_study_is_there_goes_on_typing(visit):
    page, held = visit(), []
    page.route(re.compile(r"/studies/\w+$"), lambda route: held.append(route))
    page.goto(page.url.split("#")[0] + "#/train")
    page.reload()
    page.get_by_label("Name").focus()
    page.keyboard.type("ho")
    until(page, "document.querySelector('form input').value === 'ho'")
    for route in held:
        route.continue_()
    page.get_by_text("1,797 pictures").wait_for()
    page.keyboard.type("ld")
    assert page.get_by_label("Name").input_value() == "hold"


def test_a_training_that_ran_all_its_epochs_is_trained_further(visit):
    page = visit(path="/#/train")
    page.get_by_label("Name").press_sequentially("digits")
    page.get_by_test_id("renamed").get_by_text("this one will be digits-2").wait_for()
    page.get_by_label("Name").fill("short")
    field(page, "epochs").fill("1")
    field(page, "latent").fill("2")
    page.evaluate("""() => {
        window.seen = new Set();
        new MutationObserver(() => {
            for (const job of document.querySelectorAll("footer .job")) seen.add(job.innerText);
        }).observe(document.querySelector("footer"), {
            ...{ subtree: true, childList: true, characterData: true },
        });
    }""")
    page.get_by_role("button", name="Begin training").click()
    ended = page.get_by_test_id("ended")
    ended.get_by_text("Ran its one epoch").wait_for(timeout=120_000)
    assert "memory: about" in page.get_by_test_id("note").inner_text().lower()
    told = page.evaluate("[...window.seen]")
    assert any(words.startswith("train short 100 %") for words in told)
    assert max(map(len, told)) < 60
    assert page.locator("footer .job").count() == 0
    more, further = page.get_by_label("more epoch"), page.get_by_role("button", name="further")
    assert more.input_value() == "1"
    more.fill("0")
    assert page.get_by_role("alert").inner_text() == (
        "More epochs must be a whole number from 1 to 99,999, got 0. 1 is as many again."
    )
    assert further.is_disabled()
    more.fill("2")
    further.click()
    ended.get_by_text("Ran all its 3 epochs").wait_for(timeout=120_000)
    until(page, "document.querySelector('.page input[type=number]')?.value === '3'")


def test_a_training_that_ends_is_read_from_its_log(visit):
    page = visit()
    page.add_init_script("""
        const listen = EventSource.prototype.addEventListener;
        EventSource.prototype.addEventListener = function (name, act) {
            if (name !== "progress") listen.call(this, name, act);
        };
    """)  # none of its records is heard
    page.goto(page.url.split("#")[0] + "#/train")
    page.reload()
    page.get_by_label("Name").fill("unheard")
    field(page, "epochs").fill("1")
    field(page, "latent").fill("2")
    page.get_by_role("button", name="Begin training").click()
    region = page.get_by_role("region", name="Training", exact=True)
    looking = "looking whether it fits into memory"
    region.get_by_role("heading", name=looking).wait_for(timeout=120_000)
    assert region.inner_text().lower().count(looking) == 1
    page.get_by_test_id("ended").get_by_text("Ran its one epoch").wait_for(timeout=120_000)
    page.get_by_text("Log, 1 line", exact=True).wait_for()
    page.get_by_label("more epoch").fill("2")
    page.get_by_role("button", name="further").click()
    page.get_by_test_id("ended").get_by_text("Ran all its 3 epochs").wait_for(timeout=120_000)
    page.get_by_text("Log, 3 lines").wait_for()


def test_a_remedy_of_health_fills_the_form(visit):
    page = visit(path="/#/health")
    remedy = page.locator(".remedy").filter(has=page.get_by_role("button")).first
    remedy.wait_for(timeout=90_000)
    option, value = remedy.locator("code").inner_text().split(" = ")
    remedy.get_by_role("button", name="Train with it").click()
    said = f"As digits was trained, but for {option} = {value}, which Health proposes"
    page.get_by_test_id("like").get_by_text(said).wait_for()
    assert page.get_by_label("Data").locator("option:checked").inner_text() == "those of digits"
    assert field(page, "latent").input_value() == "8"
    marked = page.locator(".field").filter(has_text="from Health")
    assert marked.locator("b").inner_text() == option and marked.is_visible()
    assert marked.locator("input, select").input_value() == value
    marked.locator("input, select").fill("7")
    assert page.get_by_text("from Health").count() == 0


def test_what_was_searched_for_is_of_its_study(visit):
    page = visit()
    map_of(page)
    search = page.get_by_role("searchbox")
    search.fill("#76")
    search.press("Enter")
    page.get_by_role("status").get_by_text("Picture 76.").wait_for()
    page.get_by_label("Study").select_option(label="rows")
    page.get_by_role("heading", name="rows").wait_for()
    assert search.input_value() == ""
    assert page.get_by_text("Picture 76.").count() == 0


def test_a_server_that_is_gone_is_said_and_the_map_stays(chromium, home, tmp_path):
    context = chromium.new_context()
    page = context.new_page()
    for own in serve(home, tmp_path / "token"):
        own.open(page)
        map_of(page)
        page.get_by_label("Legend: label").wait_for()
        own.process.terminate()
        own.process.wait(20)
        banner = page.get_by_role("alert")
        banner.get_by_text("does not answer").wait_for(timeout=30_000)
        box = map_of(page)
        said = banner.bounding_box()
        assert said["y"] + said["height"] <= box["y"]  # it pushes the map down and covers nothing
        lasso(page, box, LEFT)
        assert selected(page) > 0
        port = own.url.rpartition(":")[2]
    for again in serve(home, tmp_path / "token", "--port", port):
        banner.get_by_text("started anew").wait_for(timeout=30_000)
        again.open(context.new_page())  # a login of this browser is one of all its tabs
        banner.wait_for(state="detached", timeout=30_000)
        status = page.get_by_role("status")
        status.get_by_text("The studio was restarted.").wait_for()
        until(page, "location.hash.includes('sel=')")  # what is marked was stored anew
        assert selected(page) > 0
        page.evaluate("sessionStorage.setItem('zscape-start', '\"another\"')")
        page.evaluate("""() => {
            const gone = location.hash.replace(/sel=[^&]*/, "sel=" + "0".repeat(32));
            history.replaceState(null, "", gone);
        }""")  # and the page does not hear of it before it is gone
        page.reload()
        status.get_by_text("restarted; your selection was let go").wait_for()
        until(page, "!location.hash.includes('sel=')")
    context.close()


def test_who_has_no_login_is_led_to_it_and_comes_back(chromium, served):
    context = chromium.new_context(color_scheme="dark")
    page = context.new_page()
    violations = []
    page.on("console", lambda m: violations.append(m.text) if "Security Policy" in m.text else None)
    page.goto(f"{served.url}/#/health?study=x")
    page.get_by_text("Open the link that").wait_for()
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    assert page.evaluate(ground) == "rgb(16, 19, 23)"
    page.get_by_label("Token").fill("x" * 40)
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("must be one of this studio's").wait_for()
    page.get_by_label("Token").fill(served.token)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{served.url}/#/health?study=x")
    context.close()
    assert not violations


OUTSIDE = """() => [...document.querySelectorAll("button, select, input, summary, a, canvas")]
  .filter(one => one.checkVisibility({ visibilityProperty: true }))
  .filter(one => !one.closest(".tabs, .unseen"))
  .map(one => [one.ariaLabel || one.textContent.trim(), one.getBoundingClientRect()])
  .filter(([, { left, right }]) => left < -1 || right > innerWidth + 1)
  .map(([name, { left, right }]) => `${name}: ${left} to ${right}`)"""
PILED = """() => {
  const boxes = [".legend", ".bar", ".badge", "[data-testid=under]", "footer", ".shell > header"]
    .flatMap(one => [...document.querySelectorAll(one)])
    .map(one => [one.className, one.getBoundingClientRect()]);
  return boxes.flatMap(([a, p], k) => boxes.slice(k + 1)
    .filter(([, q]) => p.left < q.right && q.left < p.right && p.top < q.bottom && q.top < p.bottom)
    .map(([b]) => `${a} and ${b}`));
}"""


def test_a_narrow_page_cuts_nothing_off_and_piles_nothing_up(visit):
    page = visit()
    page.set_viewport_size({"width": 700, "height": 900})
    page.reload()
    box = map_of(page)
    page.get_by_label("Legend: label").wait_for()
    lasso(page, box, LEFT)
    page.keyboard.press("v")
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.15 * box["height"])
    page.get_by_test_id("under").wait_for()
    page.keyboard.press("a")
    page.get_by_text("A is the mean of").wait_for()  # in the status line
    assert page.evaluate(PILED) == []
    for name in ("Explore", "Traverse", "Anomalies", "Health", "Train", "Compare", "Export"):
        view(page, name)
        page.wait_for_timeout(500)
        assert page.evaluate(OUTSIDE) == [], name
    view(page, "Anomalies")
    item = page.get_by_role("complementary", name="The picture")
    page.locator(".one button").nth(2).click(timeout=90_000)
    item.get_by_role("button", name="close the picture").click()
    assert not item.is_visible()


def test_ends_outlast_a_reload_and_make_a_direction(visit):
    page = visit()
    box = map_of(page)
    lasso(page, box, LEFT)
    page.get_by_title("Make this selection end A").click()
    lasso(page, box, RIGHT)
    page.get_by_title("Make this selection end B").click()
    until(page, "location.hash.includes('&b=z')")
    assert len(page.evaluate("location.hash")) <= 300
    page.reload()
    page.get_by_label("Selection").wait_for()
    page.keyboard.press("Escape")  # the selection is gone, and the way to the direction is not
    page.get_by_role("button", name="Direction A to B").click()
    found = page.get_by_test_id("direction").filter(has_text="from A to B").first
    found.get_by_test_id("leaks").wait_for()
    assert re.search(r"also moves: \d .\d\.\d\d", found.inner_text())
    page.get_by_role("button", name="Clear A and B").click()
    until(page, "!location.hash.includes('&b=')")
    page.keyboard.press("Control+z")
    page.get_by_role("button", name="Clear A and B").wait_for()


def test_a_direction_stays_until_it_is_kept_or_let_go(visit):
    page = visit()
    box = map_of(page)
    for first, second in ((LEFT, RIGHT), (RIGHT, LEFT)):
        for corners, end in ((first, "A"), (second, "B")):
            lasso(page, box, corners)
            page.get_by_title(f"Make this selection end {end}").click()
        page.get_by_role("button", name="Direction A to B").click()
        page.get_by_test_id("direction").get_by_text("held out").first.wait_for()
        page.wait_for_timeout(300)
        view(page, "Explore")
        box = map_of(page)
    view(page, "Traverse")
    unnamed = page.get_by_test_id("direction").filter(has=page.get_by_placeholder("unnamed"))
    unnamed.nth(1).wait_for()
    before = unnamed.count()
    evidence = unnamed.first.get_by_text("AUC").inner_text()
    unnamed.first.get_by_placeholder("unnamed").fill("leftwards")
    unnamed.first.get_by_role("button", name="Keep", exact=True).click()
    page.get_by_text("Kept as 'leftwards'").wait_for()
    kept = page.get_by_test_id("direction").filter(has_text="leftwards")
    assert kept.count() == 1 and unnamed.count() == before - 1
    assert kept.get_by_text("AUC").inner_text() == evidence
    unnamed.first.get_by_role("button", name="Let go").click()
    until(page, f"document.querySelectorAll('[placeholder=unnamed]').length == {before - 2}")
    page.reload()
    kept.get_by_text("kept", exact=True).wait_for()
    assert unnamed.count() == before - 2
