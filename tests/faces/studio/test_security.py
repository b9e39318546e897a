"""The threat model, rule by rule: what is not allowed is refused, on every route there is."""

import itertools
import json
import logging

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from tests.faces.studio.conftest import API, ID, ORIGIN, PORT, SOCKET, TOKEN, log_in, routes

from zscape.cli import main
from zscape.errors import SpecError
from zscape.studio.logins import WRONG, Logins, tokens_of
from zscape.studio.security import PUBLIC, SOCKETS, place

CHANGING = ("POST", "PUT", "PATCH", "DELETE")


def test_every_route_but_four_needs_a_login(guarded):
    found = routes(guarded)
    assert len(found) > 45
    open_ones = set()
    for method, path in found:
        answer = guarded.request(method, path, headers={"Origin": ORIGIN})
        if answer.status_code not in (401, 403):
            open_ones.add(("GET" if method == "HEAD" else method, path))
    assert open_ones == PUBLIC


def test_a_websocket_needs_login_origin_and_host(guarded):
    path = f"{SOCKET}/studies/{ID}/live"
    right = {"Authorization": f"Bearer {TOKEN}"}
    wrong = [
        {},
        {"Origin": ORIGIN},
        {**right, "Origin": "http://evil.com"},
        {**right, "Origin": "null"},
        {**right, "Host": "evil.com"},
        {"Authorization": "Bearer wrong"},
    ]
    for headers in wrong:
        with pytest.raises(WebSocketDisconnect), guarded.websocket_connect(path, headers=headers):
            pass
    log_in(guarded)
    with pytest.raises(WebSocketDisconnect), guarded.websocket_connect(path):
        pass  # a cookie without an own origin
    for headers in (right, {"Origin": ORIGIN}):
        with guarded.websocket_connect(path, headers=headers) as socket:
            assert socket.receive()["code"] == 4404  # accepted, and there is no such study


@pytest.mark.parametrize(
    "host",
    [
        "evil.com",
        "127.0.0.1.evil.com",
        f"127.0.0.1.evil.com:{PORT}",
        f"localhost.:{PORT}",
        f"0x7f000001:{PORT}",
        f"127.1:{PORT}",
        "127.0.0.1:1",
        "127.0.0.1",
        f"2130706433:{PORT}",
        "",
        f"127.0.0.1:{PORT}@evil.com",
    ],
)
def test_no_other_host_reaches_anything(guarded, host):
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    forwarded = {"X-Forwarded-Host": f"127.0.0.1:{PORT}", "Forwarded": f"host=127.0.0.1:{PORT}"}
    for path in ("/", "/login", f"{API}/about"):
        answer = guarded.get(path, headers={**bearer, **forwarded, "Host": host})
        assert answer.status_code == 400
        assert answer.json()["error"]["id"] == "host"


def test_two_hosts_are_refused(guarded):
    headers = [("Host", f"127.0.0.1:{PORT}"), ("Host", "evil.com")]
    assert guarded.get("/login", headers=headers).status_code == 400


def test_an_allowed_host_is_one_as_it_is_written():
    where = place(80, ("Box.lan", "other:99"))
    assert {"box.lan", "box.lan:80", "other:99", "localhost:80"} <= where.hosts
    assert "other" not in where.hosts and "other:80" not in where.hosts


def test_side_effects_from_elsewhere_are_refused(guarded):
    """Every method, five origins, every login, four kinds of body: none passes."""
    log_in(guarded)
    cookie = guarded.cookies.get(f"zscape-{PORT}")
    guarded.cookies.clear()
    origins = ["http://evil.com", "null", f"http://localhost:{PORT}", f"{ORIGIN}.evil.com", None]
    logins = [{"Cookie": f"zscape-{PORT}={cookie}"}, {"Authorization": f"Bearer {TOKEN}"}, {}]
    kinds = ["application/json", "text/plain", "application/x-www-form-urlencoded", ""]
    passed = []
    for method, origin, login, kind in itertools.product(CHANGING, origins, logins, kinds):
        headers = {**login, **({"Origin": origin} if origin else {}), "Content-Type": kind}
        if origin is None:
            headers["Sec-Fetch-Site"] = "cross-site"  # as a browser says
        answer = guarded.request(
            method, f"{API}/studies/{ID}/selections", content=b"{}", headers=headers
        )
        if answer.status_code not in (401, 403, 405, 415):
            passed.append((method, origin, login, kind, answer.status_code))
    assert passed == []


def test_a_body_says_its_kind(client):
    path = f"{API}/studies/{ID}/selections"
    for kind in ("text/plain", "multipart/form-data; boundary=x", "application/xml", ""):
        answer = client.post(path, content=b"{}", headers={"Content-Type": kind})
        assert answer.status_code == 415
    packed = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert client.post(path, content=b"{}", headers=packed).status_code == 415


def test_reading_changes_nothing(client, ids):
    before = client.get(f"{API}/studies").content
    for method, path in routes(client):
        if method == "GET" and "events" not in path and "compare" not in path:
            client.get(path)
    assert client.get(f"{API}/studies").content == before
    assert client.get(f"{API}/jobs").json() == {"jobs": []}


def test_nothing_is_shared_with_other_origins(guarded):
    log_in(guarded)
    for origin in ("http://evil.com", "null", ORIGIN):
        answer = guarded.get(f"{API}/about", headers={"Origin": origin})
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.status_code == (200 if origin == ORIGIN else 403)
    assert guarded.options(f"{API}/about").status_code == 405


def test_a_link_serves_once_and_gives_a_strict_cookie(make):
    app, studio = make()
    browser = TestClient(app, base_url=ORIGIN)
    code = studio.logins.link_code()
    cookie = log_in(browser, code).headers["set-cookie"]
    assert f"zscape-{PORT}=" in cookie and "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert "Domain" not in cookie and TOKEN not in cookie
    assert browser.get(f"{API}/about").status_code == 200
    again = TestClient(app, base_url=ORIGIN)
    answer = again.post(f"{API}/login", json={"token": code}, headers={"Origin": ORIGIN})
    assert answer.status_code == 401


def test_a_logout_ends_the_login_and_its_sockets(make):
    app, studio = make()
    browser = TestClient(app, base_url=ORIGIN, headers={"Origin": ORIGIN})
    log_in(browser)
    login = next(iter(studio.logins._open.values()))
    study = studio.studies.all()[0].id
    with browser.websocket_connect(f"{SOCKET}/studies/{study}/live") as socket:
        assert browser.post(f"{API}/logout").status_code == 204
        assert login.ended.is_set()
        assert socket.receive()["code"] == 1008
    assert browser.get(f"{API}/about").status_code == 401


def test_wrong_tokens_are_soon_not_heard(make):
    app, _ = make()
    browser = TestClient(app, base_url=ORIGIN)
    answers = [
        browser.post(f"{API}/login", json={"token": f"wrong {n}"}, headers={"Origin": ORIGIN})
        for n in range(WRONG + 1)
    ]
    assert [a.status_code for a in answers] == [401] * WRONG + [429]
    assert browser.get(f"{API}/about", headers={"Authorization": "Bearer x"}).status_code == 429
    log_in(browser)  # the owner is not kept out by who guesses


def test_a_token_has_256_bits_and_a_file_of_its_owner(tmp_path):
    file = tmp_path / "deep" / "token"
    (token,) = tokens_of(file)
    assert len(token) >= 43 and file.stat().st_mode & 0o777 == 0o600
    assert tokens_of(file) == [token]
    assert tokens_of(file, rotate=True) != [token]
    file.chmod(0o640)
    with pytest.raises(SpecError, match="mode 0600"):
        tokens_of(file)


def test_a_file_holds_a_token_for_each_user(tmp_path):
    file = tmp_path / "tokens"
    one, other = "a" * 32, "b" * 32
    file.touch(mode=0o600)
    file.write_text(f"# Zoë\n{one}\n\n  {other}\n", encoding="utf-8")
    assert tokens_of(file) == [one, other]
    fresh = tokens_of(file, rotate=True)
    assert len(set(fresh) | {one, other}) == 4 and "# Zoë" in file.read_text(encoding="utf-8")
    for words, why in (("abc", "at least 32 letters"), ("# nobody", "at least 32 letters"),
                       (f"{one}\nab c{one}", "without spaces"), ("ü" * 40, "at least 32"),
                       (f"{one}\n{one}", "one user's alone")):  # fmt: skip
        file.write_text(words, encoding="utf-8")
        with pytest.raises(SpecError, match=why):
            tokens_of(file)
    file.write_text("# nobody", encoding="utf-8")
    assert len(tokens_of(file, rotate=True)) == 1


def test_codes_and_cookies_do_not_repeat():
    logins = Logins(TOKEN)
    codes = [logins.link_code() for _ in range(50)]
    keys = [logins.trade(code)[0].key for code in codes]
    assert len(set(codes)) == len(set(keys)) == 50 and all(len(key) >= 43 for key in keys)


def test_a_wide_address_needs_a_token_and_a_name(capsys, tmp_path):
    for further in ([], ["--token", str(tmp_path / "t")], ["--allow-host", "box"]):
        words = ["studio", str(tmp_path), "--host", "0.0.0.0", *further]
        assert main(words) == 64
        assert "--allow-host NAME" in capsys.readouterr().err


def test_the_21st_socket_is_refused(make):
    app, studio = make()
    study = studio.studies.all()[0].id
    studio.logins.first.sockets = SOCKETS
    browser = TestClient(app, base_url=ORIGIN, headers={"Authorization": f"Bearer {TOKEN}"})
    with (
        pytest.raises(WebSocketDisconnect),
        browser.websocket_connect(f"{SOCKET}/studies/{study}/live"),
    ):
        pass


def test_the_token_is_in_no_log(client, caplog, capfd):
    with caplog.at_level(logging.DEBUG):
        client.get(f"{API}/about")
        client.get(f"{API}/nothing?token={TOKEN[:5]}")
    out, err = capfd.readouterr()
    assert TOKEN not in caplog.text + out + err


def test_every_answer_has_the_safe_headers(client, guarded):
    answers = [guarded.get("/login"), guarded.get("/"), client.get("/"), client.get(f"{API}/x")]
    answers += [client.get(f"{API}/about", headers={"Host": "evil"}), client.put("/")]
    answers += [client.post(f"{API}/jobs", json={}), client.get(f"{API}/openapi.json")]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy and "*" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers


def test_a_browser_without_a_login_is_led_to_it_and_a_script_is_told(guarded):
    led = guarded.get("/", headers={"Accept": "text/html"}, follow_redirects=False)
    assert (led.status_code, led.headers["location"]) == (303, "login")
    assert guarded.get("/").status_code == 401
    assert guarded.get(f"{API}/about", headers={"Accept": "text/html"}).status_code == 401
    page = guarded.get("/login").text
    assert 'href="login.css"' in page and "<style" not in page
    assert guarded.get("/login.css").headers["content-type"].startswith("text/css")


def test_no_page_of_ours_has_an_inline_script(client):
    for path in ("/login", "/"):
        page = client.get(path).text
        assert "<script>" not in page and "onload" not in page and "style=" not in page
    assert "innerHTML" not in client.get("/login.js").text


def test_bodies_end(client, ids):
    big = b'{"name": "' + b"a" * (2 * 2**20) + b'"}'
    path = f"{API}/studies/{ids['pictures']}/selections"
    kind = {"Content-Type": "application/json"}
    assert client.post(path, content=big, headers=kind).status_code == 413
    assert client.post(path, content=iter([big]), headers=kind).status_code == 413  # chunked
    lying = client.post(path, content=b"{}", headers={**kind, "Content-Length": str(10**12)})
    assert lying.status_code == 413
    upload = {"Content-Type": "application/octet-stream"}
    encode = f"{API}/studies/{ids['pictures']}/encode"
    pieces = (b"\x89PNG" * 2**18 for _ in range(40))
    assert client.post(encode, content=pieces, headers=upload).status_code == 413
    deep = b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert client.post(path, content=deep, headers=kind).status_code in (400, 422)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", '"1e5"', "true"])
def test_only_finite_numbers_are_numbers(client, ids, value):
    study = f"{API}/studies/{ids['pictures']}"
    kind = {"Content-Type": "application/json"}
    bodies = {
        "decode": f'{{"codes": [[{value}, 0, 0]]}}',
        "sample": f'{{"n": {value}}}',
        "neighbours": f'{{"item": {value}}}',
        "edit": f'{{"item": 1, "strengths": {{"0": {value}}}}}',
    }
    for verb, body in bodies.items():
        answer = client.post(f"{study}/{verb}", content=body, headers=kind)
        assert answer.status_code == 422, (verb, answer.text)
        assert answer.json()["error"]["id"] == "invalid"
    note = f'{{"version": 0, "value": {{"a": [{value}]}}}}'
    answer = client.put(f"{study}/notes/tags", content=note, headers=kind)
    assert (answer.status_code == 422) == (value not in ('"1e5"', "true"))


@pytest.mark.parametrize("number", [10**9, -1, 10**400])
def test_costly_numbers_are_refused(client, ids, number):
    study = f"{API}/studies/{ids['pictures']}"
    kind = {"Content-Type": "application/json"}
    for verb, field in (("sample", "n"), ("neighbours", "k"), ("redraw", "n"), ("path", "steps")):
        place = {"item": 1} if verb != "path" else {"stops": [{"item": 1}, {"item": 2}]}
        body = json.dumps({**place, field: 0}).replace(f'"{field}": 0', f'"{field}": {number}')
        answer = client.post(f"{study}/{verb}", content=body, headers=kind)
        assert answer.status_code in (400, 422), (verb, answer.text)
    for path in (f"items/{number}", f"anomalies?limit={number}", f"thumbs/{number}/0.webp"):
        assert client.get(f"{study}/{path}").status_code in (404, 422)


def test_deep_notes_are_refused(client, ids):
    value: object = 1
    for _ in range(70):
        value = [value]
    note = {"version": 0, "value": value}
    answer = client.put(f"{API}/studies/{ids['pictures']}/notes/tags", json=note)
    assert answer.status_code == 422


def test_errors_are_an_id_and_a_sentence_without_paths(client, ids, home):
    study = f"{API}/studies/{ids['table']}"
    provoked = [
        client.post(f"{study}/decode", json={"codes": [[1.0]]}),
        client.post(f"{study}/encode", json={"rows": [{"x": 1}]}),
        client.post(f"{study}/edit", json={"item": 1, "strengths": {"<b>": 1}}),
        client.get(f"{study}/columns/nothing"),
        client.get(f"{study}/items/99999"),
        client.get(f"{API}/studies/{ids['begun']}/codes"),
        client.post(f"{API}/jobs", json={"kind": "train", "name": "../x", "data": "digits"}),
        client.get(f"{study}/anomalies?score=zzz"),
    ]
    for answer in provoked:
        assert 400 <= answer.status_code < 500, answer.text
        assert set(answer.json()["error"]) - {"field", "faults"} == {"id", "sentence"}
        assert str(home) not in answer.text and "Traceback" not in answer.text


def test_what_fails_inside_is_told_by_its_kind_alone(make, monkeypatch, capsys):
    app, studio = make()
    monkeypatch.setattr(studio.studies, "all", lambda: 1 / 0)
    script = TestClient(app, base_url=ORIGIN, raise_server_exceptions=False)
    answer = script.get(f"{API}/studies", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 500 and answer.json()["error"]["id"] == "internal"
    assert "division" not in answer.text and "Traceback" not in answer.text
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_uploads_leave_nothing(client, ids, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    encode = f"{API}/studies/{ids['pictures']}/encode"
    upload = {"Content-Type": "application/octet-stream"}
    for content in (b"", b"text", b"\x89PNG\r\n\x1a\n" + b"\0" * 100, b"8BPS" * 9, b"%!PS-Adobe"):
        answer = client.post(encode, content=content, headers=upload)
        assert answer.status_code in (415, 422), answer.text
    assert list(tmp_path.iterdir()) == []
