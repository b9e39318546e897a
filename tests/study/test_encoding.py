"""`zscape encode`: every row once, whatever happens."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image as Pillow
from tests.study import test_picture_shards as tars

import zscape
from zscape.cli import main
from zscape.errors import DataError, ShapeError, SpecError, StudyError
from zscape.space.space import encode_stored
from zscape.study import encoding, units
from zscape.study.encoding import encode_shards

pytestmark = pytest.mark.slow

ROWS = 1000


def table(seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "x": rng.normal(size=ROWS),
            "y": rng.normal(3, 2, ROWS),
            "kind": rng.choice(["a", "b"], ROWS),
        }
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("studies") / "rows"
    zscape.fit(table(), epochs=1, latent=3, out=path)
    return zscape.Study.open(path)


@pytest.fixture
def shards(tmp_path):
    folder = tmp_path / "shards"
    folder.mkdir()
    for i, rows in enumerate(np.array_split(np.arange(ROWS), 6)):
        table().iloc[rows].assign(more=1).to_parquet(
            folder / f"part-{i}.parquet", row_group_size=50
        )
    return folder


def read(folder):
    return pd.read_parquet(folder).sort_values(["shard", "row"], ignore_index=True)


def require_all(folder, study):
    """Every row is there once, and is the code of its row."""
    codes = read(folder)
    assert len(codes) == ROWS
    assert not codes.duplicated(["shard", "row"]).any()
    space = study.space()
    wanted = encode_stored(space.model, space.modality, space.modality.encode(table())).flat
    got = torch.from_numpy(codes[["z_0", "z_1", "z_2"]].to_numpy().copy())
    assert torch.allclose(got, wanted, atol=1e-5)


def test_shards_are_encoded_row_by_row(tmp_path, study, shards, monkeypatch):
    monkeypatch.setattr(encoding, "PART_ROWS", 100)
    done = list(encode_shards(study, shards, out=tmp_path / "codes"))
    assert [d.shard for d in done] == [f"part-{i}.parquet" for i in range(6)]
    assert sum(d.rows for d in done) == ROWS
    assert not any(d.before for d in done)
    require_all(tmp_path / "codes", study)
    again = list(encode_shards(study, shards, out=tmp_path / "codes"))
    assert all(d.before for d in again)
    assert [d.rows for d in again] == [d.rows for d in done]


@pytest.mark.parametrize("world", [2, 4])
def test_processes_share_the_shards(tmp_path, study, shards, world):
    names = []
    for rank in range(world):
        made = encode_shards(study, shards, out=tmp_path / "codes", rank=rank, world=world)
        names += [done.shard for done in made]
    assert sorted(names) == [f"part-{i}.parquet" for i in range(6)]
    require_all(tmp_path / "codes", study)
    with pytest.raises(SpecError, match="rank must be from 0 to 1"):
        list(encode_shards(study, shards, out=tmp_path / "codes", rank=2, world=2))


def test_a_shard_that_was_broken_off_is_done_anew(tmp_path, study, shards, monkeypatch):
    out = tmp_path / "codes"
    monkeypatch.setattr(encoding, "PART_ROWS", 50)
    list(encode_shards(study, shards, out=out))
    next(out.glob("_part-2*.done")).unlink()
    (out / ".part-2_parquet-xx.00000.parquet.1.tmp").write_bytes(b"half")
    monkeypatch.setattr(encoding, "PART_ROWS", 100)  # fewer parts than before
    done = list(encode_shards(study, shards, out=out))
    assert [d.shard for d in done if not d.before] == ["part-2.parquet"]
    require_all(out, study)


def test_a_shard_that_changed_is_done_anew(tmp_path, study, shards):
    out = tmp_path / "codes"
    list(encode_shards(study, shards, out=out))
    table(5).iloc[:10].to_parquet(shards / "part-3.parquet")
    done = list(encode_shards(study, shards, out=out))
    assert [(d.shard, d.rows) for d in done if not d.before] == [("part-3.parquet", 10)]
    assert (read(out)["shard"] == "part-3.parquet").sum() == 10


def test_codes_of_two_studies_do_not_mix(tmp_path, study, shards):
    out = tmp_path / "codes"
    list(encode_shards(study, shards, out=out))
    other = tmp_path / "other"
    zscape.fit(table(), epochs=1, latent=3, seed=1, out=other)
    with pytest.raises(StudyError, match=r"holds others\. Choose another --out"):
        list(encode_shards(zscape.Study.open(other), shards, out=out))


KILLED = """
import os, signal, sys
from zscape.study import encoding
from zscape.study.storage import folder
import zscape
encoding.PART_ROWS = 50
left = int(sys.argv[4])
def reach(name, before=folder.reach):
    global left
    before(name)
    if name.startswith("file."):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
folder.reach = reach
study = zscape.Study.open(sys.argv[1])
for done in zscape.encode_shards(study, sys.argv[2], out=sys.argv[3]):
    pass
"""


@pytest.mark.slow
def test_killed_at_many_moments_of_writing_no_row_is_missing_or_double(tmp_path, study, shards):
    out = tmp_path / "codes"
    killed = 0
    for left in (2, 16, 31, 22, 10_000):
        command = [sys.executable, "-c", KILLED, str(study.path), str(shards), str(out), str(left)]
        code = subprocess.run(command).returncode
        killed += code == -signal.SIGKILL
        assert code in (0, -signal.SIGKILL)
    assert killed >= 3
    require_all(out, study)


@pytest.mark.slow
def test_killed_at_random_and_shared_by_two_no_row_is_missing_or_double(tmp_path, study, shards):
    out = tmp_path / "codes"
    words = [
        sys.executable,
        "-m",
        "zscape",
        "encode",
        str(study.path),
        str(shards),
        "--out",
        str(out),
    ]
    for seconds in (2.5, 3.0, 60.0):
        ranks = [
            subprocess.Popen(
                words,
                env={**os.environ, "RANK": str(rank), "WORLD_SIZE": "2"},
                stderr=subprocess.PIPE,
            )
            for rank in range(2)
        ]
        end = time.monotonic() + seconds
        while any(r.poll() is None for r in ranks) and time.monotonic() < end:
            time.sleep(0.05)
        for process in ranks:
            process.kill()
            process.communicate()
    assert [process.returncode for process in ranks] == [0, 0]
    require_all(out, study)


def test_the_command_says_what_it_did(tmp_path, study, shards, capsys):
    words = ["encode", str(study.path), str(shards), "--out", str(tmp_path / "codes"), "--json"]
    assert main(words) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["rows"], said["shards"], said["done_before"]) == (ROWS, 6, 0)
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["done_before"] == 6


def test_ranks_come_from_torchrun(tmp_path, study, shards, monkeypatch, capsys):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["encode", str(study.path), str(shards), "--out", str(tmp_path / "codes")]) == 0
    assert "part-0" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "frame"])
def test_other_data_is_encoded_too(tmp_path, study, name, monkeypatch):
    monkeypatch.setattr(units, "ROWS_A_UNIT", 300)
    frame = table()
    if name == "t.csv":
        frame.to_csv(tmp_path / name, index=False)
    elif name == "t.parquet":
        frame.to_parquet(tmp_path / name)
    data = frame if name == "frame" else tmp_path / name
    list(encode_shards(study, data, out=tmp_path / "codes"))
    require_all(tmp_path / "codes", study)


def test_rows_that_the_study_does_not_know_are_refused(tmp_path, study, shards):
    table().assign(kind="c").to_parquet(shards / "part-1.parquet")
    with pytest.raises(DataError, match=r"part-1.parquet: Column 'kind' .* did not see"):
        list(encode_shards(study, shards, out=tmp_path / "codes"))
    table()[["x", "kind"]].to_parquet(shards / "part-1.parquet")
    with pytest.raises(ShapeError, match="none named 'y'"):
        list(encode_shards(study, shards, out=tmp_path / "codes"))
    table()[["x"]].rename(columns={"x": "other"}).to_parquet(shards / "part-1.parquet")
    with pytest.raises(DataError, match="and has none"):
        list(encode_shards(study, shards, out=tmp_path / "codes"))
    (shards / "part-1.parquet").write_bytes(b"junk" * 99)
    with pytest.raises(DataError, match="must be a Parquet file"):
        list(encode_shards(study, shards, out=tmp_path / "codes"))


def test_pictures_are_encoded_by_name(tmp_path):
    zscape.fit(tars.PICTURES, epochs=1, latent=2, out=tmp_path / "study")
    study = zscape.Study.open(tmp_path / "study")
    folder = tars.write(tmp_path / "s", shards=2)
    done = list(encode_shards(study, folder, out=tmp_path / "codes"))
    assert [d.rows for d in done] == [120, 120]
    codes = pd.read_parquet(tmp_path / "codes").set_index("key")
    assert codes.loc["shard-000.tar/00007.png", "row"] == 7
    loose = tmp_path / "loose"
    loose.mkdir()
    for i in range(120):
        Pillow.fromarray(tars.PICTURES[i]).save(loose / f"{i:05}.png")
    (loose / "bad.png").write_bytes(b"")
    (one,) = encode_shards(study, loose, out=tmp_path / "more")
    assert one.rows == 120
    assert one.skipped == (("bad.png", "an empty file"),)
    more = pd.read_parquet(tmp_path / "more").set_index("key")
    assert np.allclose(more.loc["00007.png", "z_0"], codes.loc["shard-000.tar/00007.png", "z_0"])
    with pytest.raises(DataError, match="Every one of the pictures must be readable"):
        list(encode_shards(study, loose, out=tmp_path / "strict", strict=True))
