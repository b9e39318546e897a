"""The page behind a proxy, below a prefix: it asks for nothing outside of it."""

import dataclasses
from contextlib import closing

import pytest
from tests.faces.page.hands import map_of
from tests.faces.page.serving import serve
from tests.faces.proxy import free_socket, proxying

pytestmark = pytest.mark.slow


def test_the_page_works_below_a_prefix(served, home, chromium, tmp_path):
    front = free_socket()
    name = f"127.0.0.1:{front.getsockname()[1]}"
    further = ("--behind-proxy", "127.0.0.1", "--allow-host", name)
    with closing(serve(home, tmp_path / "token", *further)) as serving:
        behind = next(serving)
        port = int(behind.url.rpartition(":")[2])
        with proxying(front, "/deep/prefix", port) as url, closing(chromium.new_page()) as page:
            asked, sockets, complaints = [], [], []
            page.on("request", lambda request: asked.append(request.url))
            page.on("websocket", lambda socket: sockets.append(socket.url))
            page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
            dataclasses.replace(behind, url=url).open(page)
            map_of(page)
            page.goto(f"{url}/#/traverse?i=1")
            page.get_by_role("slider").first.focus()
            page.keyboard.press("ArrowRight")
            page.get_by_test_id("decoded").first.wait_for()
            assert any("/api/v1/events" in address for address in asked)
            assert sockets and all(s.startswith(url.replace("http", "ws")) for s in sockets)
            assert all(a.startswith((f"{url}/", "blob:", "data:")) for a in asked)
            assert complaints == []
