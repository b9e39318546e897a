"""Chromium before the studio: a page logged in, a map dragged, a lasso drawn, a first paint.

Nothing here judges.
"""

import contextlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import zscape as zs
from benchmarks.figures import NotRunError, Settings
from benchmarks.studio_load import Server, cpu_seconds

STATIC = Path(zs.__file__).parent / "studio" / "static"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
).split()
SIZE = {"width": 1440, "height": 900}
WAIT = 120_000  # ms

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
        page.goto(f"http://127.0.0.1:{server.port}/login#{server.tokens[0]}")
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


@dataclass(frozen=True, slots=True)
class Panned:
    """How a map moved under the mouse.

    Attributes:
        fps: frames that the busiest of the browser's processes can draw in a second of its own
            time, 60 at most: what the map does where nobody else uses the machine.
        wall: frames drawn a second of the clock, beside whatever else ran.
        draw: milliseconds of the clock that drawing the points took, the median.
    """

    fps: float
    wall: float
    draw: float


def pan(page: Any, settings: Settings) -> Panned:
    """Drags the map in curves."""
    box = drawn(page)
    page.wait_for_timeout(1000)
    page.mouse.move(*across(box, 0.5, 0.5))
    page.mouse.down()
    page.mouse.move(*across(box, 0.52, 0.5))
    points = "document.querySelector('canvas.points').dataset"
    seconds = 1.0 if settings.quick else 8.0
    took = []
    spent, before, began = busy(), page.evaluate(f"Number({points}.frames)"), time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        page.mouse.move(*across(box, 0.5 + 0.2 * np.sin(3 * now), 0.5 + 0.1 * np.cos(2 * now)))
        if len(took) < now * 5:
            took.append(float(page.evaluate(f"{points}.took")))
    frames = page.evaluate(f"Number({points}.frames)") - before
    wall, after = time.monotonic() - began, busy()
    page.mouse.up()
    busiest = max(after[pid] - spent.get(pid, 0.0) for pid in after)
    return Panned(min(60.0, frames / busiest), frames / wall, statistics.median(took))


def busy() -> dict[int, float]:
    """CPU seconds of each process of the browser."""
    parents = {int(entry.name): parent(entry) for entry in Path("/proc").glob("[0-9]*")}
    found = {}
    for pid in parents:
        above = pid
        while above in parents and above != os.getpid():
            above = parents[above]
        words = Path(f"/proc/{pid}/cmdline")
        if above == os.getpid() and words.exists() and b"chrom" in words.read_bytes():
            found[pid] = cpu_seconds(pid)
    return found


def parent(entry: Path) -> int:
    """The process that began one; 0 where it has ended."""
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


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


def until_painted(home: Path, browser: Any) -> tuple[float, float]:
    """Milliseconds from the start of the command to the first paint, and of CPU until the link."""
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
        cpu = 1000 * cpu_seconds(process.pid)
        context = browser.new_context(viewport=SIZE)
        page = context.new_page()
        page.goto(link.group())
        page.wait_for_selector("nav button", timeout=WAIT)
        painted = page.evaluate(PAINTED)
        context.close()
        return float(painted) - 1000 * began, cpu
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()
