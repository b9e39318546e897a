"""What the studio answers is what the library says, byte for byte."""

import base64
import io
import json
import struct

import numpy as np
import pytest
import torch
from PIL import Image
from tests.faces.studio.conftest import API, SOCKET

import zscape as zs
from zscape.space.calibration import p_words
from zscape.space.maps import align, map_codes
from zscape.studio.wire import BINARY, DOWN, container, unpack
from zscape.studio.work.shelf import Shelf
from zscape.studio.work.verbs import live

DETAILS = {
    "shows", "picture", "kind", "columns", "latent", "levels", "items", "kept", "all_kept",
    "labels", "named", "asked", "notes", "conditions", "figures", "methods", "content", "path",
}  # fmt: skip


@pytest.fixture(scope="module")
def spaces(home):
    return {name: zs.open(home / name) for name in ("pictures", "table", "array")}


def binary(answer):
    assert answer.status_code in (200, 201), answer.text
    assert answer.headers["content-type"] == BINARY
    return unpack(answer.content)


def opened(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def test_a_container_holds_what_was_put_in():
    arrays = {
        "z": np.arange(6, dtype=np.float32).reshape(2, 3),
        "none": np.zeros((0, 3), np.uint8),
        "half": np.array([1.5], np.float16),
    }
    content = container({"words": "ä" * 50}, arrays)
    header, found = unpack(content)
    assert header == {"words": "ä" * 50}
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype and np.array_equal(found[name], array)
    told = json.loads(content[8 : 8 + struct.unpack("<I", content[4:8])[0]])["arrays"]
    assert all(record["offset"] % 8 == 0 for record in told)


def test_studies_are_told_without_their_paths(client, ids, home):
    answer = client.get(f"{API}/studies")
    cards = {card["name"]: card for card in answer.json()["studies"]}
    assert set(cards) == {"pictures", "table", "array", "begun"}
    assert cards["begun"]["state"] == "untrained" and cards["table"]["state"] == "trained"
    assert cards["table"]["num_examples"] == 60 and str(home) not in answer.text
    assert client.get(f"{API}/studies/{ids['begun']}").json()["details"] is None
    assert client.get(f"{API}/studies/{ids['begun']}/codes").status_code == 409
    assert client.get(f"{API}/studies/{'0' * 12}").status_code == 404


@pytest.mark.parametrize("name", ["pictures", "table", "array"])
def test_a_study_is_what_the_library_says(client, ids, spaces, name):
    space, path = spaces[name], f"{API}/studies/{ids[name]}"
    details = client.get(path).json()["details"]
    assert set(details) == DETAILS
    assert zs.open(details["path"]).codes.flat.equal(space.codes.flat)
    assert details["latent"] == space.codes.flat.shape[1] and details["items"] == len(space.codes)
    assert details["shows"] == ("pictures" if name == "pictures" else "rows")
    _, codes = binary(client.get(f"{path}/codes?dtype=f32"))
    assert np.array_equal(codes["z"], space.codes.flat.numpy())
    _, small = binary(client.get(f"{path}/codes?dtype=i8"))
    back = small["centre"] + small["step"] * small["z"]
    assert (np.abs(back - space.codes.flat.numpy()) <= small["step"] * 0.51).all()
    _, kept = binary(client.get(f"{path}/kept"))
    assert np.array_equal(kept["kept"], space.kept.numpy())
    log = client.get(f"{path}/log").json()
    assert log["next"] == len(log["records"]) > 0 and "parts" in log["records"][0]
    assert client.get(f"{path}/log?since={log['next']}").json()["records"] == []


def test_a_map_says_how_to_get_back(client, ids, spaces):
    space = spaces["pictures"]
    path = f"{API}/studies/{ids['pictures']}/projection"
    header, arrays = binary(client.get(path))
    low = np.array([header["x"][0], header["y"][0]])
    high = np.array([header["x"][1], header["y"][1]])
    points = low + arrays["xy"] / 65535 * (high - low)
    laid = map_codes(space)
    np.testing.assert_allclose(points, laid.points, atol=1e-4)
    assert header["explained"] == pytest.approx(laid.explained)
    plane = header["plane"]
    back = np.array(plane["origin"]) + points @ np.array(plane["axes"])
    again = map_codes(space, codes=space.codes.like(torch.from_numpy(back).float()))
    np.testing.assert_allclose(again.points, laid.points, atol=1e-3)
    header, arrays = binary(client.get(f"{path}?method=dims&dims=2,0"))
    assert header["x"] == pytest.approx(
        [space.codes.flat[:, 2].min().item(), space.codes.flat[:, 2].max().item()]
    )
    assert client.get(f"{path}?method=dims&dims=7,0").json()["error"]["id"] == "spec"
    assert client.get(f"{path}?method=umap").json()["error"]["id"] == "not_ready"


def test_maps_are_laid_onto_each_other():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(50, 2)).astype(np.float32)
    angle = np.deg2rad(70)
    turn = np.array([[np.cos(angle), np.sin(angle)], [np.sin(angle), -np.cos(angle)]])
    onto = (points @ turn * 3 + [5, -2]).astype(np.float32)
    found = align(points, onto)
    np.testing.assert_allclose(found.points, onto, atol=1e-4)
    np.testing.assert_allclose(points @ found.turn + found.shift, onto, atol=1e-4)
    assert found.left_over < 1e-9
    assert align(points, rng.normal(size=(50, 2)).astype(np.float32)).left_over > 0.5


def test_an_aligned_map_keeps_its_way_back(client, ids, spaces):
    path = f"{API}/studies/{ids['table']}/projection?align={ids['array']}"
    header, arrays = binary(client.get(path))
    assert 0 <= header["alignment_error"] <= 1
    low = np.array([header["x"][0], header["y"][0]])
    high = np.array([header["x"][1], header["y"][1]])
    points = low + arrays["xy"] / 65535 * (high - low)
    plane = header["plane"]
    back = np.array(plane["origin"]) + points @ np.array(plane["axes"])
    flat = spaces["table"].codes.flat.numpy()
    # The plane keeps what PCA keeps of the codes: what is lost is the third axis alone.
    lost = ((back - flat) ** 2).sum() / ((flat - flat.mean(0)) ** 2).sum()
    assert lost == pytest.approx(1 - header["explained"], abs=1e-3)


def test_columns_are_those_of_the_data(client, ids, spaces):
    path = f"{API}/studies/{ids['pictures']}/columns"
    columns = {column["id"]: column for column in client.get(path).json()["columns"]}
    assert columns["label"]["classes"] == list(spaces["pictures"].label_names)
    _, label = binary(client.get(f"{path}/label"))
    assert np.array_equal(label["values"], spaces["pictures"].labels)
    _, part = binary(client.get(f"{path}/part"))
    assert set(part["values"]) == {0, 1}
    assert client.get(f"{path}/score").json()["error"]["id"] == "not_ready"


def test_items_and_thumbnails(client, ids, spaces):
    space, path = spaces["pictures"], f"{API}/studies/{ids['pictures']}"
    x = space.modality.prepare(space.item(7))
    item = client.get(f"{path}/items/7").json()
    assert item["kept"] and item["z"] == pytest.approx(space.codes.flat[7].tolist())
    assert len(item["scale"]) == len(item["rate"]) == 3 and min(item["rate"]) >= 0
    tile = space.modality.show(x).tiles[0]
    assert np.array_equal(opened(client.get(f"{path}/items/7/original.png").content), tile)
    made = space.modality.show(space.decode_tensor(space.codes[7:8])).tiles[0]
    assert np.array_equal(opened(client.get(f"{path}/items/7/reconstruction.png").content), made)
    error = opened(client.get(f"{path}/items/7/error.png").content)[..., 0]
    expected = (x - space.decode_tensor(space.codes[7:8])).abs()[0, 0].numpy() * 255
    assert np.abs(error - expected).max() <= 0.5
    about = client.get(f"{path}/thumbs").json()
    assert about["sheets"] == 1 and about["per_sheet"] == 1024
    sheet = client.get(f"{path}/thumbs/32/0.webp")
    pixels = opened(sheet.content)
    assert pixels.shape == (64, 1024, 3)
    own = pixels[:32, 7 * 32 : 8 * 32].astype(float)
    enlarged = tile.repeat(4, axis=0).repeat(4, axis=1)
    assert np.abs(own - enlarged).mean() < 12  # WebP loses a little
    assert client.get(f"{path}/thumbs/48/0.webp").status_code == 404
    assert client.get(f"{path}/items/60").json()["error"]["id"] == "data"
    rows = client.get(f"{API}/studies/{ids['table']}/items/3").json()["rows"]
    assert len(rows["columns"]) == len(rows["original"]) == len(rows["reconstruction"])


def test_answers_are_not_sent_twice(client, ids):
    url = f"{API}/studies/{ids['pictures']}/codes"
    whole = client.get(url)
    tag = whole.headers["etag"]
    again = client.get(url, headers={"If-None-Match": tag})
    assert again.status_code == 304 and again.content == b""
    part = client.get(url, headers={"Range": "bytes=4-9"})
    assert part.status_code == 206 and part.content == whole.content[4:10]
    assert part.headers["content-range"] == f"bytes 4-9/{len(whole.content)}"
    assert client.get(url, headers={"Range": "bytes=-5"}).content == whole.content[-5:]
    assert client.get(url, headers={"Range": "bytes=99999999-"}).status_code == 416
    many = client.get(url, headers={"Range": "bytes=0-1,2-3"})
    assert many.status_code == 200 and many.content == whole.content
    version = client.get(f"{API}/studies/{ids['pictures']}").json()["details"]["content"]
    sheet = client.get(f"{API}/studies/{ids['pictures']}/thumbs/32/0.webp?v={version}")
    assert "immutable" in sheet.headers["cache-control"]


@pytest.mark.parametrize("name", ["pictures", "table"])
def test_decoding_is_the_library_s(client, ids, spaces, name):
    space, study = spaces[name], ids[name]
    codes = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    header, arrays = binary(
        client.post(f"{API}/studies/{study}/decode", json={"codes": codes.tolist()})
    )
    if name == "pictures":
        expected = space.decode(codes)
        assert np.array_equal(arrays["pixels"][..., 0], expected)
    else:
        shown = space.modality.show(space.decode_tensor(codes))
        assert header["rows"]["cells"] == [list(cells) for cells in shown.cells]
    with client.websocket_connect(f"{SOCKET}/studies/{study}/live") as socket:
        for seq, rows in ((1, codes[:1]), (2, codes)):
            socket.send_bytes(struct.pack("<IHH", seq, len(rows), 0) + rows.numpy().tobytes())
            answer = socket.receive_bytes()
            told = DOWN.unpack_from(answer)
            assert told[0] == seq and told[2] == len(rows)
            if name == "pictures":
                assert told[1] == 1 and told[3:6] == (8, 8, 1)
                assert answer[DOWN.size :] == space.decode(rows).tobytes()
            else:
                assert told[1] == 2
                assert json.loads(answer[DOWN.size :]) == {
                    "columns": header["rows"]["columns"],
                    "cells": header["rows"]["cells"][: len(rows)],
                }
        for message in (b"", b"abc", struct.pack("<IHHf", 9, 1, 0, 1.0),
                        struct.pack("<IHHfff", 9, 1, 0, float("nan"), 0, 0),
                        struct.pack("<IHH", 9, 0, 0)):  # fmt: skip
            socket.send_bytes(message)
            answer = socket.receive_bytes()
            assert DOWN.unpack_from(answer)[1] == 0
            assert json.loads(answer[DOWN.size :])["id"] in ("shape", "data")
        socket.send_text('{"where": {"label": "3"}}')
        socket.send_bytes(struct.pack("<IHHfff", 10, 1, 0, 0, 0, 0))
        assert b"conditions" in socket.receive_bytes()  # this recipe was told of none


def test_a_wrong_message_harms_no_other(home, spaces):
    opened = Shelf().open(str(home / "pictures"), "")
    codes = torch.randn(3, 3, generator=torch.Generator().manual_seed(2))
    first, second = codes[:1].numpy().tobytes(), codes[1:].numpy().tobytes()
    nan = np.full(3, np.nan, np.float32).tobytes()
    # Together the short and the long one are as long as two right ones.
    messages, counts = [first, first[:-4], first + b"abcd", nan, second], [1, 1, 1, 1, 2]
    payload = memoryview(b"".join(messages))
    made = live(opened, payload, counts, [len(m) for m in messages], None)
    ids = [part.get("error", {}).get("id") for part in made["parts"]]
    assert ids == [None, "shape", "shape", "data", None]
    expected = spaces["pictures"].decode(codes[:1]).tobytes()
    assert made["content"] == expected + spaces["pictures"].decode(codes[1:]).tobytes()


def test_verbs_are_the_library_s(client, ids, spaces):
    space, path = spaces["pictures"], f"{API}/studies/{ids['pictures']}"
    _, made = binary(client.post(f"{path}/sample", json={"n": 3, "seed": 5}))
    assert np.array_equal(made["pixels"][..., 0], space.sample(3, seed=5))
    decoded = space.decode(torch.from_numpy(made["z"].copy()))
    assert np.array_equal(decoded, made["pixels"][..., 0])
    near = client.post(f"{path}/neighbours", json={"item": 4, "k": 3}).json()["items"]
    far = (space.codes.flat - space.codes.flat[4]).norm(dim=1)
    order = [i for i in far.argsort().tolist() if i != 4][:3]
    assert [one["id"] for one in near] == order
    stops = [{"item": 1}, {"item": 2}]
    _, way = binary(client.post(f"{path}/path", json={"stops": stops, "steps": 4}))
    line = torch.lerp(space.codes.flat[1], space.codes.flat[2], torch.linspace(0, 1, 4)[:, None])
    np.testing.assert_allclose(way["z"], line.numpy(), atol=1e-6)
    mixed = {"content": {"item": 1}, "style": {"item": 2}, "units": [0]}
    _, found = binary(client.post(f"{path}/mix", json=mixed))
    expected = space.codes.flat[1].clone()
    expected[0] = space.codes.flat[2, 0]
    assert np.array_equal(found["z"][0], expected.numpy())
    _, drawn = binary(
        client.post(f"{path}/redraw", json={"item": 1, "below": 0, "n": 2, "seed": 3})
    )
    assert np.array_equal(drawn["pixels"][..., 0], zs.redraw(space, 1, below=0, n=2, seed=3))
    units = client.get(f"{path}/units").json()["units"]
    assert [u["rate"] for u in units] == sorted((u["rate"] for u in units), reverse=True)


def test_things_are_encoded(client, ids, spaces):
    space, path = spaces["pictures"], f"{API}/studies/{ids['pictures']}"
    png = client.get(f"{path}/items/7/original.png").content
    upload = {"Content-Type": "application/octet-stream"}
    _, arrays = binary(client.post(f"{path}/encode", content=png, headers=upload))
    np.testing.assert_allclose(arrays["z"][0], space.codes.flat[7].numpy(), atol=1e-6)
    row = {"real": 3.5, "count": 2, "truth": True, "word": "a"}
    header, arrays = binary(
        client.post(f"{API}/studies/{ids['table']}/encode", json={"rows": [row]})
    )
    expected = spaces["table"].encode([row]).flat.numpy()
    assert np.array_equal(arrays["z"], expected) and header["kind"] == "rows"
    wrong = client.post(f"{path}/encode", json={"rows": [row]})
    assert wrong.status_code == 422 and "pictures" in wrong.json()["error"]["sentence"]


def test_directions_come_from_two_selections(client, ids, spaces):
    space, path = spaces["pictures"], f"{API}/studies/{ids['pictures']}"
    groups = []
    for label in (0, 1):
        items = np.flatnonzero(space.labels == label).tolist()
        groups.append(client.post(f"{path}/selections", json={"items": items}).json())
    body = {"positive": {"selection": groups[0]["id"]}, "negative": {"selection": groups[1]["id"]}}
    answer = client.post(f"{path}/directions", json={**body, "name": "mine"})
    assert answer.status_code == 201
    told = answer.json()
    expected = zs.find_direction(
        space,
        np.flatnonzero(space.labels == 0).tolist(),
        np.flatnonzero(space.labels == 1).tolist(),
    )
    assert told["vector"] == pytest.approx(expected.vector.tolist())
    assert told["score"] == pytest.approx(expected.score) and told["measure"] == "AUC"
    listed = client.get(f"{path}/directions").json()
    assert [d["name"] for d in listed["found"]] == ["mine"] and "0" in listed["known"]
    edit = {"item": 3, "strengths": {"mine": 1.5}}
    header, arrays = binary(client.post(f"{path}/edit", json=edit))
    edited = zs.edit(space, 3, {"mine": 1.5}, directions={"mine": expected})
    assert np.array_equal(arrays["pixels"][..., 0], edited.things) and 0 <= header["beyond"] <= 1
    kept = client.post(f"{path}/directions/keep", json={"name": "mine", "to": "round"})
    assert kept.json() == {**told, "name": "round", "kept": True}
    client.post(f"{path}/directions", json={**body, "name": "again"})
    assert client.delete(f"{path}/directions?name=again").status_code == 204
    assert client.delete(f"{path}/directions?name=again").status_code == 404
    listed = client.get(f"{path}/directions").json()
    assert listed["found"] == [] and [one["name"] for one in listed["kept"]] == ["round"]
    for name, further in (("again", ""), ("round", "&kept=true")):
        client.post(f"{path}/directions", json={**body, "name": "again"})
        before = client.get(f"{path}/directions").json()
        assert client.delete(f"{path}/directions?name={name}{further}").status_code == 204
        assert client.get(f"{path}/directions").json() != before
        restore = f"{path}/directions/restore"
        assert client.post(restore, json={"name": name}).json()["kept"] == bool(further)
        assert client.get(f"{path}/directions").json() == before
        assert client.post(restore, json={"name": name}).status_code == 404
    assert client.delete(f"{path}/directions?name=again&kept=true").status_code == 422
    few = client.post(f"{path}/directions", json={"positive": {"items": [1, 2]}})
    assert few.status_code == 422 and "5 examples" in few.json()["error"]["sentence"]


def test_selections_are_ids_or_bits(client, ids):
    path = f"{API}/studies/{ids['table']}/selections"
    bits = np.zeros(64, bool)
    bits[[0, 7, 8, 59]] = True
    mask = base64.b64encode(np.packbits(bits, bitorder="little").tobytes()).decode()
    made = client.post(path, json={"name": "four", "mask": mask}).json()
    header, arrays = binary(client.get(f"{path}/{made['id']}"))
    assert header == {"id": made["id"], "name": "four", "count": 4}
    assert arrays["items"].tolist() == [0, 7, 8, 59]
    assert client.get(path).json()["selections"] == [made]
    assert client.post(path, json={"mask": "AAAA"}).status_code == 422
    assert client.post(path, json={"items": [60]}).status_code == 422
    assert client.post(path, json={}).status_code == 422
    assert client.get(f"{API}/studies/{ids['array']}/selections/{made['id']}").status_code == 404
    assert client.delete(f"{path}/{made['id']}").status_code == 204
    assert client.get(f"{path}/{made['id']}").status_code == 404


def test_notes_have_versions(client, ids, home):
    path = f"{API}/studies/{ids['array']}/notes"
    first = client.get(path).json()
    assert first["tags"] == {"version": 0, "value": None} and first["kept"]
    value = {"odd": [1, 2], "ü": "</script>"}
    assert client.put(f"{path}/tags", json={"version": 0, "value": value}).json() == {"version": 1}
    assert client.put(f"{path}/tags", json={"version": 0, "value": 1}).status_code == 409
    assert client.get(path).json()["tags"] == {"version": 1, "value": value}
    assert (home / "array" / "studio.json").is_file()
    assert len(zs.open(home / "array").codes) == 60  # its manifest is whole


def test_what_takes_seconds_tells_all_how_far_it_is(client, ids, monkeypatch):
    monkeypatch.setattr("zscape.studio.work.answering.OFTEN", 0.0)
    told = []
    events = client.studio.events
    monkeypatch.setattr(events, "tell", lambda kind, record, user=None: told.append((kind, record)))
    for call in ("health", "anomalies"):
        assert client.get(f"{API}/studies/{ids['table']}/{call}").status_code == 200
        doing = [record for kind, record in told if kind == "doing" and record["call"] == call]
        assert len(doing) > 1 and all(one["words"] for one in doing)
        assert {one["study"] for one in doing} == {ids["table"]}
        shares = [one["share"] for one in doing]
        assert shares == sorted(shares) and shares[0] < 1


def test_health_and_strange_items(client, ids, spaces):
    path = f"{API}/studies/{ids['array']}"
    health = client.get(f"{path}/health").json()
    assert {"healthy", "findings", "figures", "measured"} <= set(health)
    assert all(figure["kind"] for figure in health["figures"])
    strange = client.get(f"{path}/anomalies?limit=7").json()
    values = [item["value"] for item in strange["items"]]
    assert len(values) == 7 and values == sorted(values, reverse=True) and strange["next"] == 7
    normals = zs.score(spaces["array"]).normals
    for item in strange["items"]:
        assert item["p_words"] == p_words(item["p"], normals)  # as the command line prints it
    assert sum(strange["histogram"]["counts"]) == strange["total"] == 60
    named = [score["column"] for score in strange["scores"]]
    columns = [c["id"] for c in client.get(f"{path}/columns").json()["columns"]]
    assert set(named) <= set(columns)
    _, column = binary(client.get(f"{path}/columns/score"))
    assert column["values"].max() == pytest.approx(values[0], rel=1e-5)
    told = client.get(f"{path}/items/{strange['items'][0]['id']}/explanation").json()
    assert {"leading", "scores", "words", "blames", "units"} == set(told)
    scores, place = zs.score(spaces["array"], draws=8), strange["items"][0]["id"]
    led = scores.lead(place)
    assert (told["leading"]["name"], told["leading"]["p_words"]) == (led.name, led.p_words(place))
    combined = {name: part.combined for name, part in scores.parts.items()}
    assert {one["name"]: one["combined"] for one in told["scores"]} == combined


def test_two_studies_are_compared_without_paths(client, ids, home):
    answer = client.get(f"{API}/compare?a={ids['table']}&b={ids['array']}")
    assert answer.status_code == 200 and str(home) not in answer.text
    assert [g["studies"] for g in answer.json()["groups"]] == [["table"], ["array"]]
    assert answer.json()["same_items"] is False
