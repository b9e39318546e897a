"""The studio as a person meets it: its own process, and the system's Chromium before it."""

import os
import shutil
from pathlib import Path

import pytest
from tests.faces.page.serving import ROOT, WAIT, serve

import zscape

sync_api = pytest.importorskip("playwright.sync_api")

GOLDEN = ROOT / "tests" / "golden" / "0.1.0"
STATIC = ROOT / "src" / "zscape" / "studio" / "static" / "index.html"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
).split()
SIZE = {"width": 1440, "height": 900}


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """Pictures with labels, and the rows of an older release."""
    folder = tmp_path_factory.mktemp("studies")
    zscape.fit("digits", out=folder / "digits", latent=8, epochs=4, seed=0)
    shutil.copytree(GOLDEN / "table", folder / "rows")
    return folder


@pytest.fixture(scope="session")
def served(home, tmp_path_factory):
    """The studio of these studies."""
    if not CHROMIUM:
        pytest.skip("needs the system's Chromium")
    if not STATIC.exists():
        pytest.skip("needs the page: make web")
    yield from serve(home, tmp_path_factory.mktemp("token") / "token")


@pytest.fixture(scope="module")  # longer, and its event loop would run in others' tests
def chromium():
    """One browser for a module; its version stands in the report of a failure."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        print(f"Chromium {browser.version}")
        yield browser
        browser.close()


@pytest.fixture
def visit(served, chromium):
    """Opens pages, and holds afterwards that nothing was complained of or asked of others."""
    contexts, complaints, strangers = [], [], []

    def call(scheme="light", path="/", **options):
        context = chromium.new_context(viewport=SIZE, color_scheme=scheme, **options)
        context.set_default_timeout(WAIT)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        context.on(
            "request",
            lambda request: None if own(request.url, served) else strangers.append(request.url),
        )
        return served.open(page, path)

    call.complaints = complaints
    yield call
    for context in contexts:
        context.close()
    assert not strangers
    assert not complaints


def own(url, served):
    """Whether a request goes to the studio, or nowhere at all."""
    return url.startswith((served.url, served.url.replace("http", "ws"), "blob:", "data:"))


@pytest.fixture(scope="session")
def shots(tmp_path_factory):
    """Where screenshots are kept: the folder that ZSCAPE_SHOTS names, if any."""
    named = os.environ.get("ZSCAPE_SHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("shots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
