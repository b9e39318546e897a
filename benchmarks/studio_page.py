"""The studio's page in the system's Chromium, headless and without a GPU: what a hand waits for.

Browser, server and model share the cores of one machine.
"""

import contextlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import zscape as zs
from benchmarks.data import mnist
from benchmarks.figures import Figure, NotRunError, Settings, machine
from benchmarks.studio_load import Server, served

STATIC = Path(zs.__file__).parent / "studio" / "static"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
).split()
SIZE = {"width": 1440, "height": 900}
WAIT = 120_000  # ms
VIEWS = ("Explore", "Traverse", "Anomalies", "Health", "Train", "Compare", "Export")

# Says when the map was first drawn, in ms since the page was asked for.
FIRST_DRAW = """new MutationObserver((_, watch) => {
  if (!document.querySelector("canvas.points[data-took]")) return;
  window.firstDraw = performance.now();
  watch.disconnect();
}).observe(document, { subtree: true, childList: true, attributeFilter: ["data-took"] })"""

PAINTED = """performance.timeOrigin
  + performance.getEntriesByName("first-contentful-paint")[0].startTime"""

# Moves a slider and waits for the frame in which the decoded picture is another one.
SLIDE = """async value => {
  const canvas = document.querySelector("[data-testid=decoded] canvas");
  const slider = document.querySelector(".unit input[type=range]");
  const read = () => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
    .data.join();
  const before = read(), began = performance.now();
  slider.value = value;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  return await new Promise(done => {
    const look = () => {
      const took = performance.now() - began;
      if (read() !== before) done(took);
      else if (took > 5000) done(-1);
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
}"""

# From the end of the gesture to the count that the page shows.
LASSO = """() => {
  window.lassoTook = null;
  let ended = 0;
  addEventListener("pointerup", () => (ended = performance.now()), { capture: true, once: true });
  const look = () => {
    const said = document.querySelector("[data-testid=selected]");
    if (ended && said) window.lassoTook = performance.now() - ended;
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""

# From a move of the pointer to the card of another item.
HOVER = """async ([x, y]) => {
  const card = () => document.querySelector("[data-testid=hover-card]")?.textContent ?? "";
  const map = document.querySelector("canvas.over");
  const before = card(), began = performance.now();
  map.dispatchEvent(new PointerEvent("pointermove", { clientX: x, clientY: y, bubbles: true }));
  await new Promise(requestAnimationFrame);
  return card() && card() !== before ? performance.now() - began : null;
}"""


def slider(settings: Settings) -> Iterator[Figure]:
    """From a slider to the picture it makes, by the WebSocket; and the hover card."""
    moves = 10 if settings.quick else 100
    with studied("demo") as server, browsed(server) as page:
        page.goto(page.url.split("#")[0] + "#/traverse?i=7")
        page.reload()
        page.locator("[data-testid=decoded] canvas").wait_for()
        page.locator(".unit input").first.wait_for()
        page.wait_for_timeout(2000)
        values = [2 * np.sin(k) for k in range(moves)]
        took = [page.evaluate(SLIDE, value) for value in values]
        page.get_by_role("navigation").get_by_role("button", name="Explore").click()
        box = drawn(page)
        places = [across(box, 0.3 + 0.4 * k / 300, 0.3 + 0.3 * (k % 7) / 7) for k in range(300)]
        hovers = [found for found in (page.evaluate(HOVER, p) for p in places) if found]
    if min(took) < 0:
        raise NotRunError("a move of the slider must change the picture within 5 s, and did not")
    protocol = (
        f"from the input event of a unit's slider to the animation frame in which the decoded "
        f"picture is another, the demo's network (mnist5k, 28x28, 8 units), {{}} of {len(took)} "
        f"moves, p95 {quantile(took, 0.95):.1f} ms; {where()}"
    )
    yield figure("slider_to_pixel_ms_p50", statistics.median(took), "ms", protocol.format("median"))
    yield figure(
        "hover_card_ms_p50",
        statistics.median(hovers),
        "ms",
        f"from a move of the pointer to the end of the frame with the card of another item, "
        f"median of {len(hovers)}, p95 {quantile(hovers, 0.95):.1f} ms, no request; {where()}",
    )


def map_70k(settings: Settings) -> Iterator[Figure]:
    """The map of 70,000 pictures: until it is first drawn, and how smoothly it pans."""
    with studied("large", quick=settings.quick) as server, browsed(server) as page:
        firsts = []
        for _ in range(2 if settings.quick else 7):
            page.reload()
            drawn(page)
            firsts.append(page.evaluate("window.firstDraw"))
        fps, frame = pan(page, settings)
        points = points_of(page)
    yield figure(
        "map_70k_first_draw_ms",
        statistics.median(firsts),
        "ms",
        f"from the request of the page to the first drawing of its map of {points:,} points "
        f"(1440x900), logged in, server up, median of {len(firsts)} "
        f"({min(firsts):.0f} to {max(firsts):.0f}); {where()}",
    )
    yield figure("pan_70k_fps", fps, "fps", pan_words(points, frame))


def map_1m(settings: Settings) -> Iterator[Figure]:
    """A million points: how smoothly they pan, and how soon a lasso is counted."""
    with studied("million", quick=settings.quick) as server, browsed(server) as page:
        fps, frame = pan(page, settings)
        points = points_of(page)
        took = [lasso(page) for _ in range(2 if settings.quick else 9)]
    yield figure("pan_1m_fps", fps, "fps", pan_words(points, frame))
    yield figure(
        "lasso_1m_ms",
        statistics.median(took),
        "ms",
        f"from the end of a lasso over about half of {points:,} points to the frame in which the "
        f"page shows their count, median of {len(took)} ({min(took):.0f} to {max(took):.0f}); "
        f"{where()}",
    )


def first_paint(settings: Settings) -> Iterator[Figure]:
    """From `zscape studio` to the first paint of its page, and what the page weighs."""
    took = []
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        home = Path(folder) / "home"
        zs.fit("digits", out=home / "digits", latent=8, epochs=1, seed=0)
        for _ in range(1 if settings.quick else 7):
            took.append(until_painted(home, browser))
    yield figure(
        "first_paint_ms",
        statistics.median(took),
        "ms",
        f"from the start of the process `zscape studio` to the first contentful paint of the page "
        f"(the browser waits already, and logs in by the link), median of {len(took)} "
        f"({min(took):.0f} to {max(took):.0f}); {where()}",
    )
    files = [path for path in STATIC.rglob("*") if path.is_file()]
    yield Figure(
        "front_end_kb",
        sum(path.stat().st_size for path in files) / 1000,
        "kB",
        "exact",
        f"bytes / 1000 of the {len(files)} files of the page as the wheel holds them, uncompressed",
    )


def outside(settings: Settings) -> Iterator[Figure]:
    """Requests of the page to anything but the studio, over all of its views."""
    asked: list[str] = []
    with studied("demo", quick=settings.quick) as server, browsed(server, asked) as page:
        for name in VIEWS:
            page.get_by_role("navigation").get_by_role("button", name=name).click()
            page.wait_for_timeout(500 if settings.quick else 5000)
    own = (f"http://127.0.0.1:{server.port}/", f"ws://127.0.0.1:{server.port}/", "blob:", "data:")
    strangers = [url for url in asked if not url.startswith(own)]
    yield Figure(
        "outside_requests",
        len(strangers),
        "count",
        "exact",
        f"requests and WebSockets of the page to another origin than the studio's, of {len(asked)} "
        f"in all, over its {len(VIEWS)} views",
    )


PARTS = {
    "page_slider": slider,
    "page_70k": map_70k,
    "page_1m": map_1m,
    "page_first_paint": first_paint,
    "page_outside": outside,
}


@contextlib.contextmanager
def studied(name: str, *, quick: bool = False) -> Iterator[Server]:
    """A studio of one study: the demo's network, 70,000 pictures, or a million rows."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        if name == "demo":
            zs.fit("mnist5k", out=home / name, latent=8, epochs=2, seed=0)
        elif name == "large":
            parts = [mnist("train"), mnist("test")]
            pictures, labels = (np.concatenate(both) for both in zip(*parts, strict=True))
            few = slice(0, 7_000 if quick else 70_000)
            zs.fit(pictures[few], labels=labels[few], out=home / name, latent=8, epochs=1, seed=0)
        else:
            rows, kinds = million(20_000 if quick else 1_000_000)
            zs.fit(rows, labels=kinds, out=home / name, latent=4, epochs=1, batch_size=4096, seed=0)
        with served(home) as server:
            yield server


def million(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of 8 numbers in ten heaps, and which heap each is of."""
    draw = np.random.default_rng(0)
    kinds = draw.integers(0, 10, count)
    middles = draw.normal(0, 3, (10, 8))
    return (middles[kinds] + draw.normal(0, 1, (count, 8))).astype(np.float32), kinds


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """The system's browser."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        raise NotRunError("this figure needs Chromium; install it from the system's packages")
    if not STATIC.exists():
        raise NotRunError("this figure needs the page; build it with: make web")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise NotRunError("this figure needs playwright: pip install playwright") from error
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@contextlib.contextmanager
def browsed(server: Server, asked: list[str] | None = None) -> Iterator[Any]:
    """A page that is logged in and has drawn its map."""
    with chromium() as browser:
        context = browser.new_context(viewport=SIZE)
        context.set_default_timeout(WAIT)
        context.add_init_script(FIRST_DRAW)
        page = context.new_page()
        if asked is not None:
            context.on("request", lambda request: asked.append(request.url))
            page.on("websocket", lambda line: asked.append(line.url))
        page.goto(f"http://127.0.0.1:{server.port}/login#{server.token}")
        drawn(page)
        page.locator(".legend").wait_for()
        yield page


def drawn(page: Any) -> dict[str, float]:
    """The box of the map, once it is drawn."""
    page.wait_for_selector("canvas.points[data-took]")
    return page.locator("canvas.over").first.bounding_box()


def across(box: dict[str, float], x: float, y: float) -> list[float]:
    """A place by its shares of a box."""
    return [box["x"] + x * box["width"], box["y"] + y * box["height"]]


def pan(page: Any, settings: Settings) -> tuple[float, float]:
    """Frames a second of the points while the mouse drags them, and ms that one takes to draw."""
    box = drawn(page)
    page.wait_for_timeout(1000)
    page.mouse.move(*across(box, 0.5, 0.5))
    page.mouse.down()
    page.mouse.move(*across(box, 0.52, 0.5))
    frames = "Number(document.querySelector('canvas.points').dataset.frames)"
    seconds = 1.0 if settings.quick else 6.0
    took = []
    before, began = page.evaluate(frames), time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        page.mouse.move(*across(box, 0.5 + 0.2 * np.sin(3 * now), 0.5 + 0.1 * np.cos(2 * now)))
        if len(took) < now * 5:
            took.append(
                float(page.evaluate("document.querySelector('canvas.points').dataset.took"))
            )
    drawn_now, ended = page.evaluate(frames), time.monotonic()
    page.mouse.up()
    return (drawn_now - before) / (ended - began), statistics.median(took)


def lasso(page: Any) -> float:
    """Milliseconds from the end of a lasso over the middle to its count."""
    page.keyboard.press("Escape")
    page.locator("[data-testid=selected]").wait_for(state="detached")
    page.keyboard.press("0")
    page.keyboard.press("l")
    box = drawn(page)
    corners = [(0.3, 0.2), (0.6, 0.15), (0.7, 0.5), (0.6, 0.8), (0.4, 0.7), (0.3, 0.3)]
    page.mouse.move(*across(box, *corners[0]))
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*across(box, *corner), steps=5)
    page.wait_for_timeout(300)
    page.evaluate(LASSO)
    page.mouse.up()
    page.locator("[data-testid=selected]").wait_for()
    page.wait_for_timeout(200)
    return float(page.evaluate("window.lassoTook"))


def points_of(page: Any) -> int:
    """How many points the map says it shows."""
    return int(page.locator(".badge").inner_text().split(" of ")[-1].split()[0].replace(",", ""))


def until_painted(home: Path, browser: Any) -> float:
    """Milliseconds from the start of the command to the first paint of its page."""
    words = ["studio", str(home), "--no-browser", "--token", str(home.parent / "token")]
    began = time.time()
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "zscape", *words], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        said = next(line for line in process.stdout if "/login#" in line)
        link = re.search(r"http\S+", said)
        assert link is not None
        context = browser.new_context(viewport=SIZE)
        page = context.new_page()
        page.goto(link.group())
        page.wait_for_selector("nav button", timeout=WAIT)
        painted = page.evaluate(PAINTED)
        context.close()
        return float(painted) - 1000 * began
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def figure(name: str, value: float, unit: str, protocol: str) -> Figure:
    """A measured figure."""
    return Figure(name, value, unit, "measured", protocol)


def pan_words(points: int, frame: float) -> str:
    """How panning was measured."""
    return (
        f"frames of the map of {points:,} points (1440x900, no GPU) drawn a second while the mouse "
        f"drags it, screen at 60 Hz; a frame takes {frame:.1f} ms to draw; {where()}"
    )


def quantile(values: list[float], share: float) -> float:
    """The value at a share of the sorted ones."""
    return float(np.quantile(values, share))


def where() -> str:
    """The machine and how busy it was."""
    return f"Chromium headless, load {os.getloadavg()[0]:.1f}; {machine()}"
