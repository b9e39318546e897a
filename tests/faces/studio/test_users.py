"""Two users of one studio: what one makes is not there for the other, on every route there is."""

import asyncio
import shutil

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from tests.faces.studio.conftest import (
    API,
    FILLING,
    GOLDEN,
    LONG,
    ORIGIN,
    OTHER,
    SOCKET,
    TOKEN,
    log_in,
    routes,
)

from zscape.space.directions import unsupervised_directions
from zscape.studio.events import Events
from zscape.studio.jobs import Job, Snapshot
from zscape.studio.logins import Login, User
from zscape.studio.refusals import overload
from zscape.studio.security import SOCKETS
from zscape.studio.work.shelf import Shelf
from zscape.studio.workers import SHARE

TOKENS = {"one": TOKEN, "two": OTHER}
OWNED = {name for name, value in FILLING.items() if value == LONG}  # ids of what a user makes


@pytest.fixture
def users(make):
    """The studio, and a script of each user, by its name."""
    app, studio = make()
    return studio, {
        name: TestClient(app, base_url=ORIGIN, headers={"Authorization": f"Bearer {token}"})
        for name, token in TOKENS.items()
    }


def pictures_of(studio):
    return next(known.id for known in studio.studies.all() if known.path.name == "pictures")


def make_all(studio, client, name):
    """A selection, a direction, and a job with all that it can have; what fills the routes."""
    study = pictures_of(studio)
    path, mine = f"{API}/studies/{study}", f"made by {name}"
    selection = client.post(f"{path}/selections", json={"name": mine, "items": [1, 2]}).json()
    group = {"positive": {"items": list(range(6))}, "name": mine}
    assert client.post(f"{path}/directions", json=group).status_code == 201
    job = Job(studio.logins.by_token(TOKENS[name]).user.id, "train", study, {}, state="done")
    job.words, job.result = mine, (mine.encode(), "text/csv", "items.csv")
    pictures = dict.fromkeys(("samples", "reconstructions"), mine.encode())
    job.snapshots[1] = Snapshot(1, 1, pictures)
    studio.jobs._all[job.id] = job
    return {**FILLING, "s": study, "key": selection["id"], "j": job.id}


def owned(client, filling):
    """The routes that take an id of what a user makes; what takes it away comes last."""
    ids = [filling[name] for name in OWNED]
    found = [(m, path) for m, path in routes(client, filling) if any(id in path for id in ids)]
    return sorted(found, key=lambda asked: asked[0] == "DELETE")


def test_no_route_reaches_what_another_made(users):
    """Two users, every route that takes an id, the ids of the other: as if they were not there."""
    studio, clients = users
    made = {name: make_all(studio, client, name) for name, client in clients.items()}
    asked = 0
    for client, foreign in ((clients["one"], made["two"]), (clients["two"], made["one"])):
        for method, path in owned(client, foreign):
            answer = client.request(method, path)
            assert answer.status_code == 404, (method, path)
            assert "of that id must be there" in answer.json()["error"]["sentence"]
            asked += 1
    assert asked >= 14
    for name, client in clients.items():  # which are there for their own user
        for method, path in owned(client, made[name]):
            assert client.request(method, path).status_code in (200, 202, 204), (method, path)


def test_no_body_reaches_what_another_made(users):
    studio, clients = users
    made = make_all(studio, clients["one"], "one")
    study = made["s"]
    bodies = {
        f"{API}/jobs": {"kind": "export", "study": study, "selection": made["key"]},
        f"{API}/studies/{study}/directions": {"positive": {"selection": made["key"]}},
    }
    for path, body in bodies.items():
        assert clients["two"].post(path, json=body).status_code == 404
    edit = {"item": 1, "strengths": {"made by one": 1.0}}
    assert clients["one"].post(f"{API}/studies/{study}/edit", json=edit).status_code == 200
    refused = clients["two"].post(f"{API}/studies/{study}/edit", json=edit)
    assert refused.status_code == 422 and "made by one" in refused.json()["error"]["sentence"]


def test_nothing_that_is_listed_tells_of_another(users, monkeypatch):
    async def busy(*_, **__):  # the judge: slow, and asked of nothing but a study
        raise overload()

    studio, clients = users
    monkeypatch.setattr(studio.judge, "ask", busy)
    made = make_all(studio, clients["one"], "one")
    hidden = ["made by one", made["key"], made["j"]]
    told = {"one": "", "two": ""}
    for name, client in clients.items():
        for method, path in routes(client, {**FILLING, "s": made["s"]}):
            if method == "GET" and not path.endswith(("/events", "/compare")):
                told[name] += client.get(path).text
    assert all(word in told["one"] and word not in told["two"] for word in hidden)


def test_events_go_to_whom_they_concern(users):
    studio, _ = users
    logins = [studio.logins.by_token(token) for token in TOKENS.values()]
    job = Job(logins[0].user.id, "train", None, {})
    about = {"record": {"step": 1}, "share": 0.5, "words": "", "step": 1, "epoch": 1, "first": 0}
    about["rows"] = None
    for said in ("share", "progress", "snapshot"):
        studio.jobs._heard(job, {"say": said, **about}, b"")
    studio.events.tell("study", {"id": "everybody's"})

    async def heard(login):
        found = []
        async for lines in studio.events.follow(login, 0):
            found += [line[7:] for line in lines.splitlines() if line.startswith("event: ")]
            if "study" in found:
                return found

    assert asyncio.run(heard(logins[0])) == ["job", "progress", "snapshot", "study"]
    assert asyncio.run(heard(logins[1])) == ["study"]


def test_a_stream_of_events_ends_with_its_login():
    async def followed():
        events, login = Events(), Login("one", User())
        stream = events.follow(login, None)
        await anext(stream)
        waiting = asyncio.create_task(anext(stream, "over"))
        await asyncio.sleep(0)
        login.ended.set()
        events.stir()
        async with asyncio.timeout(5):
            return await waiting

    assert asyncio.run(followed()) == "over"


def test_a_logout_stirs_the_streams(make, monkeypatch):
    app, studio = make()
    stirred = []
    monkeypatch.setattr(studio.events, "stir", lambda: stirred.append(True))
    browser = TestClient(app, base_url=ORIGIN, headers={"Origin": ORIGIN})
    log_in(browser, OTHER)
    assert browser.post(f"{API}/logout").status_code == 204 and stirred


def test_a_token_and_a_link_say_who_asks(make):
    app, studio = make()
    found = []
    for token in (TOKEN, OTHER, studio.logins.link_code()):
        log_in(TestClient(app, base_url=ORIGIN), token)
        found.append(list(studio.logins._open.values())[-1].user)
    assert found[0] is found[2] is studio.logins.first is not found[1]
    assert len({user.id for user in found}) == 2 and all(len(user.id) == 32 for user in found)


def test_shares_are_of_a_user_whatever_logs_in(users):
    """8 that wait and 20 sockets, of all browsers and scripts of one user together."""
    studio, clients = users
    study = pictures_of(studio)
    log_in(clients["one"])
    studio.logins.first.waiting, studio.logins.first.sockets = SHARE, SOCKETS
    browser = TestClient(clients["one"].app, base_url=ORIGIN, cookies=clients["one"].cookies)
    body, path = {"codes": [[0.0, 0.0, 0.0]]}, f"{API}/studies/{study}/decode"
    for client in (clients["one"], browser):
        answer = client.post(path, json=body, headers={"Origin": ORIGIN})
        assert answer.status_code == 429
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect(f"{SOCKET}/studies/{study}/live", headers={"Origin": ORIGIN}),
        ):
            pass
    assert clients["two"].post(path, json=body).status_code == 200


def test_one_user_does_not_push_out_what_another_made(users, monkeypatch):
    monkeypatch.setattr("zscape.studio.selections.MOST", 2)
    studio, clients = users
    path = f"{API}/studies/{pictures_of(studio)}/selections"
    for name, count in (("one", 1), ("two", 4)):
        for _ in range(count):
            clients[name].post(path, json={"items": [1]})
    kept = [len(client.get(path).json()["selections"]) for client in clients.values()]
    assert kept == [1, 2]


def test_what_a_user_found_outlasts_a_study_that_is_closed_for_others(tmp_path):
    shelf, golden = Shelf(), GOLDEN / "array"
    first = shelf.open(str(golden), "now")
    first.directions["a user"]["mine"] = unsupervised_directions(first.space, number=1)[0]
    for name in "bcd":  # more than stay open
        shelf.open(str(shutil.copytree(golden, tmp_path / name)), "now")
    again = shelf.open(str(golden), "now")
    assert again is not first and list(again.directions["a user"]) == ["mine"]
    assert not shelf.open(str(golden), "trained anew").directions["a user"]
    assert not shelf.open(str(golden), "now").directions["a user"]  # it was let go
