"""The studio's page in the system's Chromium, headless and without a GPU: what a hand waits for.

Browser, server and model share the cores of one machine.
"""

import contextlib
import os
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import zscape as zs
from benchmarks.data import mnist
from benchmarks.figures import Figure, NotRunError, Settings, machine
from benchmarks.studio_browser import (
    HOVER,
    SLIDE,
    STATIC,
    Panned,
    across,
    browsed,
    chromium,
    drawn,
    lasso,
    pan,
    until_painted,
)
from benchmarks.studio_load import Server, served

VIEWS = ("Explore", "Traverse", "Anomalies", "Health", "Train", "Compare", "Export")


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
        panned = pan(page, settings)
        points = points_of(page)
    yield figure(
        "map_70k_first_draw_ms",
        statistics.median(firsts),
        "ms",
        f"from the request of the page to the first drawing of its map of {points:,} points "
        f"(1440x900), logged in, server up, median of {len(firsts)} "
        f"({min(firsts):.0f} to {max(firsts):.0f}); {where()}",
    )
    yield figure("pan_70k_fps", panned.fps, "fps", pan_words(points, panned))


def map_1m(settings: Settings) -> Iterator[Figure]:
    """A million points: how smoothly they pan, and how soon a lasso is counted."""
    with studied("million", quick=settings.quick) as server, browsed(server) as page:
        panned = pan(page, settings)
        points = points_of(page)
        took = [lasso(page) for _ in range(2 if settings.quick else 9)]
    yield figure("pan_1m_fps", panned.fps, "fps", pan_words(points, panned))
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
        clock = [wall for wall, _ in took]
        own = statistics.median(cpu for _, cpu in took)
    yield figure(
        "first_paint_ms",
        statistics.median(clock),
        "ms",
        f"from the start of the process `zscape studio` to the first contentful paint of the page "
        f"(the browser waits already, and logs in by the link), by the clock beside all else "
        f"that ran, median of {len(clock)} ({min(clock):.0f} to {max(clock):.0f}); "
        f"the server's own CPU time until it prints the link {own:.0f} ms; {where()}",
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


def points_of(page: Any) -> int:
    """How many points the map says it shows."""
    return int(page.locator(".badge").inner_text().split(" of ")[-1].split()[0].replace(",", ""))


def figure(name: str, value: float, unit: str, protocol: str) -> Figure:
    """A measured figure."""
    return Figure(name, value, unit, "measured", protocol)


def pan_words(points: int, panned: Panned) -> str:
    """How panning was measured."""
    return (
        f"frames of the map of {points:,} points (1440x900, no GPU) that the busiest process of "
        f"the browser draws in a second of its CPU time while the mouse drags the map, 60 at most; "
        f"by the clock {panned.wall:.1f} fps beside all else that ran, {panned.draw:.1f} ms for "
        f"the points of a frame; {where()}"
    )


def quantile(values: list[float], share: float) -> float:
    """The value at a share of the sorted ones."""
    return float(np.quantile(values, share))


def where() -> str:
    """The machine and how busy it was."""
    return f"Chromium headless, load {os.getloadavg()[0]:.1f}; {machine()}"
