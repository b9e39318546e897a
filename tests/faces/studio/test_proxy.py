"""Behind a proxy: one that was named is heard, no other is, and below a prefix all works."""

import json
import struct

import httpx
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from tests.faces.proxy import free_socket, proxying
from tests.faces.studio.conftest import API, ORIGIN, PORT, TOKEN, serving
from websockets.sync.client import connect as dial

from zscape.cli import main
from zscape.studio.forwarded import hear_proxy, networks
from zscape.studio.wire import DOWN

NAME, PREFIX = "studio.example.org", "/deep/prefix"
SAID = {
    "X-Forwarded-Host": NAME,
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Prefix": PREFIX,
}
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def behind(make):
    """A client of a studio that hears 10.0.0.0/8, from an address."""
    app, _ = make(allowed=(NAME,), proxies=("10.0.0.0/8", "::1"))

    def call(address="10.1.2.3"):
        return TestClient(app, base_url=ORIGIN, client=(address, 50_000))

    return call


def log_in(client, origin, headers):
    told = {**headers, "Origin": origin}
    return client.post(f"{API}/login", json={"token": TOKEN}, headers=told)


@pytest.mark.parametrize("address", ["10.1.2.3", "10.255.0.1", "::1", "::ffff:10.0.0.1"])
def test_a_named_proxy_says_what_the_browser_called(behind, address):
    client = behind(address)
    answer = log_in(client, f"https://{NAME}", SAID)
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"]
    assert "Secure" in cookie and f"Path={PREFIX};" in cookie and "SameSite=strict" in cookie
    policy = answer.headers["content-security-policy"]
    assert f"connect-src 'self' wss://{NAME};" in policy
    told = {**SAID, "Cookie": cookie.partition(";")[0], "Origin": f"https://{NAME}"}
    assert client.get(f"{API}/about", headers=told).status_code == 200
    described = client.get(f"{API}/openapi.json", headers=told).json()
    assert described["servers"] == [{"url": PREFIX}]
    out = client.post(f"{API}/logout", headers=told)
    assert out.status_code == 204 and f"Path={PREFIX};" in out.headers["set-cookie"]
    study = client.get(f"{API}/studies", headers={**SAID, **BEARER}).json()["studies"][0]["id"]
    path = f"ws://127.0.0.1:{PORT}{API}/studies/{study}/live"
    for origin, heard in ((f"https://{NAME}", True), (f"http://{NAME}", False), (ORIGIN, False)):
        told = {**SAID, **BEARER, "Origin": origin}
        if heard:
            with client.websocket_connect(path, headers=told) as socket:
                socket.send_text("no JSON")
                assert b"must be" in socket.receive_bytes()
        else:
            with pytest.raises(WebSocketDisconnect), client.websocket_connect(path, headers=told):
                pass


@pytest.mark.parametrize(
    "address", ["11.0.0.1", "127.0.0.1", "::2", "testclient", "::ffff:9.0.0.1"]
)
def test_nobody_else_is_heard(behind, address):
    client = behind(address)
    assert log_in(client, f"https://{NAME}", SAID).status_code == 403
    answer = log_in(client, ORIGIN, SAID)  # as if nothing had been said
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 204 and "Secure" not in cookie and "Path=/;" in cookie
    assert f"ws://127.0.0.1:{PORT};" in answer.headers["content-security-policy"]
    evil = {**SAID, **BEARER, "X-Forwarded-Host": "a, b", "X-Forwarded-Proto": "gopher"}
    assert client.get(f"{API}/about", headers=evil).status_code == 200
    assert client.get(f"{API}/about", headers={**SAID, "Host": "evil.com"}).status_code == 400


def test_without_a_named_proxy_none_is_heard(make):
    app, _ = make(allowed=(NAME,))
    client = TestClient(app, base_url=ORIGIN, client=("127.0.0.1", 1))
    assert log_in(client, f"https://{NAME}", SAID).status_code == 403
    assert "Path=/;" in log_in(client, ORIGIN, SAID).headers["set-cookie"]


@pytest.mark.parametrize(
    ("name", "values"),
    {
        "X-Forwarded-Host": [
            f"{NAME}, evil.com", f"evil.com,{NAME}", "evil.com", f"{NAME}.evil.com", f"{NAME}.",
            f"{NAME}:1", f"{NAME}/x", f"a@{NAME}", f" {NAME}\t{NAME}", "", "a" * 300, f"{NAME}\xa0",
        ],
        "X-Forwarded-Proto": ["https, http", "https,https", "HTTPS", "ftp", "", "javascript"],
        "X-Forwarded-Prefix": [
            "//evil.com", "/a, /b", "/a,/b", "deep", "/../up", "/a/../b", "/a/./b", "/a//b",
            "/a b", "/a;b", "/a?b", "/a#b", "/%2e%2e", "/a\\b", "/a" * 150, "/ü", "http://evil.com",
        ],
    }.items(),
)  # fmt: skip
def test_a_named_proxy_says_one_thing(behind, name, values):
    client = behind()
    assert client.get(f"{API}/about", headers={**SAID, **BEARER}).status_code == 200
    for value in values:
        told = {**SAID, **BEARER, name: value.encode("latin-1")}
        answer = client.get(f"{API}/about", headers=told)
        assert answer.status_code == 400, value
        assert answer.json()["error"]["id"] in ("proxy", "host")
    twice = [*{**SAID, **BEARER}.items(), (name, SAID[name])]
    assert client.get(f"{API}/about", headers=twice).status_code == 400


def test_a_proxy_does_not_lend_its_name_to_another_host(behind):
    """A page of another name that reaches this computer may say what it likes beside `Host`."""
    answer = behind().get("/login", headers={**SAID, "Host": f"evil.com:{PORT}"})
    assert answer.status_code == 400


def test_a_prefix_is_written_as_starlette_reads_it():
    scope = {
        "type": "http", "scheme": "http", "path": "/x", "client": ("10.0.0.1", 1),
        "headers": [(b"host", b"a"), (b"x-forwarded-prefix", b"/deep/prefix/")],
    }  # fmt: skip
    hear_proxy(scope, networks(["10.0.0.1"]))
    assert scope["root_path"] == PREFIX and scope["headers"][0] == (b"host", b"a")
    scope["headers"][1] = (b"x-forwarded-prefix", b"/")
    hear_proxy(scope, networks(["10.0.0.1"]))
    assert scope["root_path"] == "" and scope["scheme"] == "http"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--behind-proxy", "10.0.0.0/8"], "--allow-host NAME and --token FILE"),
        (["--behind-proxy", "10.0.0.0/8", "--allow-host", NAME], "--token FILE"),
        (["--behind-proxy", "10.0.0.1/8", "--allow-host", NAME, "--token", "t"], "10.0.0.1/8"),
        (["--behind-proxy", "0.0.0.0/0", "--allow-host", NAME, "--token", "t"], "0.0.0.0/0"),
        (["--behind-proxy", "proxy.lan", "--allow-host", NAME, "--token", "t"], "proxy.lan"),
    ],
)
def test_a_proxy_is_named_with_all_it_needs(words, why, tmp_path, capsys):
    assert main(["studio", str(tmp_path), *words]) == 64
    assert why in capsys.readouterr().err


def test_all_works_below_a_prefix(make):
    """Login, page, API, events and the live socket, by a real proxy over real sockets."""
    app, studio = make()
    front = free_socket()
    name = f"127.0.0.1:{front.getsockname()[1]}"
    placed = {"allowed": (name,), "proxies": networks(["127.0.0.1"])}
    with serving(app, studio, **placed) as port, proxying(front, PREFIX, port) as url:
        origin = url.removesuffix(PREFIX)
        with httpx.Client(headers={"Origin": origin}, timeout=30) as browser:
            page = browser.get(f"{url}/login")
            assert page.status_code == 200 and 'src="login.js"' in page.text
            script = browser.get(f"{url}/login.js").text
            assert "fetch('api/v1/login'" in script and "replace('./')" in script
            assert browser.get(f"{origin}{API}/about").status_code == 404
            token = {"token": TOKEN}
            assert browser.post(f"{url}{API}/login", json=token).status_code == 204
            assert [cookie.path for cookie in browser.cookies.jar] == [PREFIX]
            assert browser.get(f"{url}/").status_code == 200
            cards = browser.get(f"{url}{API}/studies").json()["studies"]
            study = next(card["id"] for card in cards if card["name"] == "pictures")
            _follow_events(browser, url, studio)
            cookie = "; ".join(f"{c.name}={c.value}" for c in browser.cookies.jar)
            live = f"ws{url.removeprefix('http')}{API}/studies/{study}/live"
            with dial(live, origin=origin, additional_headers={"Cookie": cookie}) as socket:
                socket.send(struct.pack("<IHHfff", 7, 1, 0, 0, 0, 0))
                assert DOWN.unpack_from(socket.recv())[:3] == (7, 1, 1)
            assert browser.post(f"{url}{API}/logout").status_code == 204
            assert not list(browser.cookies.jar)


def _follow_events(browser, url, studio):
    studio.events.tell("study", {"id": "seen"})
    with browser.stream("GET", f"{url}{API}/events?since=0") as stream:
        assert stream.headers["x-accel-buffering"] == "no"
        line = next(line for line in stream.iter_lines() if line.startswith("data: "))
        assert json.loads(line[6:]) == {"id": "seen"}
