"""What the studio takes from folders: studies, the built page, rows for a file."""

import json

from starlette.testclient import TestClient
from tests.faces.studio.conftest import ORIGIN, TOKEN

from zscape.studio import studies, trainings
from zscape.studio.studies import card
from zscape.study import checkpoints, journal
from zscape.study import study as library
from zscape.study.storage import folder, lock


def test_the_words_of_study_files_are_the_library_s():
    assert (studies.SPEC, studies.MANIFEST) == (library.SPEC, folder.MANIFEST)
    assert (studies.LOCK, studies.LOG, studies.REPORT) == (lock.LOCK, journal.LOG, library.REPORT)
    assert (trainings.CHECKPOINTS, trainings.VALUES) == (
        checkpoints.CHECKPOINTS,
        checkpoints.VALUES,
    )
    assert trainings.AGAIN == checkpoints.AGAIN
    assert set(studies.TRAINED) == {library.CODES, library.ITEMS, library.WEIGHTS}


def test_links_are_not_followed(make, home, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "study.toml").write_text('recipe = "canary"\n')
    root = tmp_path / "root"
    root.mkdir()
    (root / "linked").symlink_to(secret, target_is_directory=True)
    (root / "half").mkdir()
    (root / "half" / "study.toml").symlink_to(secret / "study.toml")
    _, studio = make(root)
    told = [card(known) for known in studio.studies.all()]
    assert [one["state"] for one in told] == ["broken"] and "canary" not in json.dumps(told)


def test_the_page_is_what_was_built(make, tmp_path):

    static = tmp_path / "static"
    app, _ = make(static=static)
    script = TestClient(app, base_url=ORIGIN, headers={"Authorization": f"Bearer {TOKEN}"})
    assert "make web" in script.get("/").text
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text("<p>built</p>")
    (static / "assets" / "app-1a.js").write_text("1")
    (static / "assets" / "app.exe").write_text("1")
    assert script.get("/").text == "<p>built</p>"
    asset = script.get("/assets/app-1a.js")
    assert asset.headers["content-type"].startswith("text/javascript")
    assert "immutable" in asset.headers["cache-control"]
    for name in ("app.exe", "..%2findex.html", "%2e%2e/index.html", "none.js", ".hidden.js"):
        assert script.get(f"/assets/{name}").status_code == 404
