"""Rows in shards: what a pass over them finds, and the batches that are streamed from them."""

import os
from contextlib import closing

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import zscape
from zscape.errors import DataError, SpecError, StudyError
from zscape.study.data import look
from zscape.study.intake import row_shards
from zscape.study.intake.shards import shard_files
from zscape.study.training import streaming
from zscape.study.training.split import split
from zscape.study.training.streaming import Stream

ROWS, SHARDS = 3000, 3


def table(seed=0, rows=ROWS):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "number": np.arange(rows) + 0.25,
            "x": rng.normal(5, 2, rows).astype("f4"),
            "kind": rng.choice(["a", "b", "c"], rows),
            "count": rng.poisson(2, rows),
            "flag": rng.random(rows) < 0.3,
            "level": pd.Categorical(rng.choice(["lo", "hi"], rows)),
        }
    )


def write(folder, frame, *, shards=SHARDS, group=300):
    folder.mkdir(exist_ok=True)
    for i, part in enumerate(np.array_split(np.arange(len(frame)), shards)):
        frame.iloc[part].to_parquet(
            folder / f"part-{i:03}.parquet", row_group_size=group, index=False
        )
    return folder


@pytest.fixture
def few(monkeypatch):
    """A sample of at most 400 rows, and small windows."""
    monkeypatch.setattr(row_shards, "MOST_SAMPLED", 400)
    monkeypatch.setattr(streaming, "WINDOW", 512)
    monkeypatch.setattr(streaming, "OPEN", 4)


def numbers(batches, data):
    """The row numbers that batches hold, by the first column."""
    column = data.modality.modelled[0]
    parts = [batch.x[:, 0].double() * column.scale + column.mean for batch in batches]
    return [part.floor().long() for part in parts]


def test_small_shards_are_read_like_one_file(tmp_path):
    frame = table().drop(columns="level")
    data = look(write(tmp_path / "s", frame), label="kind")
    wanted = look(frame, label="kind")
    assert data.shards is None
    assert data.notes == wanted.notes
    assert torch.allclose(data.x, wanted.x, atol=1e-4)
    assert np.array_equal(data.labels, wanted.labels)


def test_large_shards_are_known_by_all_rows_and_kept_by_a_sample(tmp_path, few):
    frame = table()
    frame.loc[2777, "kind"] = "rare"
    frame.loc[1501, "count"] = 47
    frame.loc[[5, 2999], "x"] = np.nan
    data = look(write(tmp_path / "s", frame))
    whole = look(frame.astype({"level": "str"}))
    assert len(data.shards) == data.modality.num_examples == ROWS
    assert data.rows.tolist() == list(range(0, ROWS, 8))
    assert len(data.x) == len(data.rows)
    assert data.notes[0] == whole.notes[0]
    assert data.notes[2:5] == whole.notes[1:4]
    assert data.notes[6:] == whole.notes[5:]
    for ours, theirs in zip(data.modality.described, whole.modality.described, strict=True):
        assert ours.classes == theirs.classes
        assert ours.kind == theirs.kind
        assert ours.mean == pytest.approx(theirs.mean, rel=1e-6)
        assert ours.scale == pytest.approx(theirs.scale, rel=1e-6)
    assert torch.allclose(data.x, whole.x[data.rows], atol=1e-4, equal_nan=True)


def test_every_epoch_has_every_row_once_and_its_own_order(tmp_path, few):
    data = look(write(tmp_path / "s", table()))
    feed = Stream(data.shards, size=7, seed=3)
    first, again, second = (numbers(feed.of(epoch), data) for epoch in (1, 1, 2))
    assert len(feed) == len(first) == ROWS // 7
    assert [len(batch) for batch in first] == [7] * len(feed)
    for batches in (first, second):
        seen = torch.cat(batches)
        assert len(seen.unique()) == len(seen)
    assert torch.equal(torch.cat(first), torch.cat(again))
    assert not torch.equal(torch.cat(first), torch.cat(second))
    other = numbers(Stream(data.shards, size=7, seed=4).of(1), data)
    assert not torch.equal(torch.cat(first), torch.cat(other))


def test_batches_hold_the_rows_as_one_table_would(tmp_path, few):
    frame = table()
    data = look(write(tmp_path / "s", frame))
    whole = data.modality.encode(frame)
    for batch, rows in zip(
        Stream(data.shards, size=100).of(1),
        numbers(Stream(data.shards, size=100).of(1), data),
        strict=True,
    ):
        assert torch.equal(batch.x, whole[rows])


@pytest.mark.parametrize("start", [0, 1, 40, 73, 150, 427, 428])
def test_an_epoch_can_begin_at_any_batch(tmp_path, few, start):
    data = look(write(tmp_path / "s", table()))
    feed = Stream(data.shards, size=7, seed=1)
    whole = list(feed.of(2))
    rest = list(feed.of(2, start=start))
    assert len(rest) == len(whole) - start
    assert all(torch.equal(a.x, b.x) for a, b in zip(rest, whole[start:], strict=True))


def test_beginning_late_reads_only_what_is_left(tmp_path, few, monkeypatch):
    data = look(write(tmp_path / "s", table()))
    read = []
    before = row_shards.RowShards.read
    monkeypatch.setattr(
        row_shards.RowShards,
        "read",
        lambda self, chunk, size: read.append(chunk.start) or before(self, chunk, size=size),
    )
    feed = Stream(data.shards, size=10)
    list(feed.of(1, start=len(feed) - 1))
    assert len(read) <= 4
    assert len(data.shards.chunks) == 12


def test_neighbours_of_a_sorted_table_do_not_stay_together(tmp_path, few):
    data = look(write(tmp_path / "s", table()))
    for batch in numbers(Stream(data.shards, size=50).of(1), data):
        assert batch.float().std() > 150  # neighbours would have 14


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_every_batch(tmp_path, few, world):
    data = look(write(tmp_path / "s", table()))
    whole = list(Stream(data.shards, size=50, seed=2).of(1))
    parts = [
        list(Stream(data.shards, size=50, seed=2, rank=rank, world=world).of(1))
        for rank in range(world)
    ]
    for number, batch in enumerate(whole):
        for rank in range(world):
            assert torch.equal(parts[rank][number].x, batch.x[rank::world])


def test_held_out_rows_never_train(tmp_path, few):
    data = look(write(tmp_path / "s", table()))
    _, measuring = split(len(data.x), share=0.2, seed=0)
    without = data.rows[measuring].tolist()
    seen = torch.cat(numbers(Stream(data.shards, without=without, size=1).of(1), data))
    assert sorted([*seen.tolist(), *without]) == list(range(ROWS))


def test_a_study_of_streamed_rows_trains_and_opens(tmp_path, few):
    data = look(write(tmp_path / "s", table()), label="kind")
    study = zscape.prepare(
        data, recipe="vae", out=tmp_path / "study", epochs=1, batch_size=100, seed=1, latent=2
    )
    records = list(zscape.train(study))
    assert (
        records[-1].step
        == (ROWS - len(split(375, share=0.1, seed=1, labels=data.labels)[1])) // 100
    )
    space = zscape.open(tmp_path / "study")
    assert len(space.codes) == 375
    assert space.label_names == ("a", "b", "c")
    assert int(space.held_out.sum()) == 38


def test_a_streamed_run_goes_on_exactly(tmp_path, few):
    folder = write(tmp_path / "s", table())
    settings = {"epochs": 2, "batch_size": 64, "latent": 2, "seed": 1, "patience": 0}
    whole = zscape.prepare(look(folder), out=tmp_path / "whole", **settings)
    list(zscape.train(whole))
    broken = zscape.prepare(look(folder), out=tmp_path / "broken", **settings)
    with closing(zscape.train(broken, checkpoint_seconds=0)) as records:
        record = next(records)
    assert record.step < whole.log()[-1]["step"]
    again = zscape.resume(tmp_path / "broken")
    assert again.data.shards is not None
    list(zscape.train(again))
    for name in ("weights.safetensors", "codes.safetensors"):
        first, second = ((tmp_path / f / name).read_bytes() for f in ("whole", "broken"))
        assert first == second
    table(1).to_parquet(folder / "part-000.parquet", row_group_size=300)
    with pytest.raises(StudyError, match="not the same"):
        zscape.resume(tmp_path / "broken", folder, epochs=3)


def test_shards_that_changed_are_refused(tmp_path, few):
    folder = write(tmp_path / "s", table())
    data = look(folder)
    table(1, 900).to_parquet(folder / "part-001.parquet")
    with pytest.raises(DataError, match=r"'part-001.parquet' must stay as it was"):
        list(Stream(data.shards, size=10).of(1))
    (folder / "part-001.parquet").unlink()
    with pytest.raises(DataError, match="No such file"):
        list(Stream(data.shards, size=10).of(1))


def test_infinite_cells_are_named_with_shard_column_count_and_row(tmp_path, few):
    frame = table()
    frame.loc[[1100, 1200, 1300], "x"] = np.inf
    with pytest.raises(DataError, match=r"part-001.parquet: column 'x' holds 3 cells .*row 101 "):
        look(write(tmp_path / "s", frame))


def test_columns_must_be_those_of_the_first_shard(tmp_path):
    folder = write(tmp_path / "s", table())
    table().rename(columns={"x": "y"}).to_parquet(folder / "part-009.parquet")
    with pytest.raises(DataError, match=r"part-009.parquet differs in 'x', 'y'"):
        look(folder)
    table().astype({"x": "str"}).to_parquet(folder / "part-009.parquet")
    with pytest.raises(DataError, match=r"differs in 'x' of text, not numbers"):
        look(folder)


def test_one_damaged_shard_in_a_hundred_is_left_out_and_said(tmp_path, few):
    folder = write(tmp_path / "s", table(rows=1000), shards=100)
    whole = (folder / "part-005.parquet").read_bytes()
    (folder / "part-005x.parquet").write_bytes(whole[: len(whole) // 2])
    data = look(folder)
    assert [name for name, _ in data.skipped] == ["part-005x.parquet"]
    assert len(data.shards) == 1000
    assert "warning: 1 shard left out" in data.notes[2]
    with pytest.raises(DataError, match=r"Every one of the shards must be readable"):
        look(folder, strict=True)
    (folder / "part-006x.parquet").write_bytes(b"")
    with pytest.raises(DataError, match=r"got 2 unreadable of 102"):
        look(folder)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda p: p.write_bytes(b"P"), "a file of 1 byte"),
        (lambda p: p.write_text("a,b\n1,2\n" * 99), "Parquet magic bytes"),
        (os.mkfifo, "a named pipe, not a file"),
        (lambda p: os.symlink("/dev/zero", p), "a device, not a file"),
        (lambda p: os.symlink("nowhere.parquet", p), "a link that leads nowhere"),
        (lambda p: os.symlink(p.name, p), "a link that leads back to itself"),
        (os.mkdir, "a folder"),
    ],
    ids=["one byte", "a table of text", "pipe", "device", "dangling", "cyclic", "folder"],
)
def test_what_is_no_shard_is_named_with_its_reason(tmp_path, make, reason):
    folder = write(tmp_path / "s", table())
    make(folder / "part-001x.parquet")
    with pytest.raises(DataError, match=f"1 unreadable of 4. 'part-001x.parquet': .*{reason}"):
        look(folder)


def test_pieces_of_the_sample_are_joined(tmp_path, few, monkeypatch):
    monkeypatch.setattr(row_shards, "MOST_PIECES", 3)
    frame = table(rows=1000).drop(columns="level")
    folder = write(tmp_path / "s", frame, shards=100)
    whole = (folder / "part-050.parquet").read_bytes()
    (folder / "part-050x.parquet").write_bytes(whole[:-200] + b"x" * 100 + whole[-100:])
    data = look(folder)
    assert [name for name, _ in data.skipped] == ["part-050x.parquet"]
    wanted = data.modality.encode(frame)[data.rows]
    assert torch.equal(data.x, wanted)
    assert data.rows.tolist() == list(range(0, 1000, 4))


def test_labels_of_shards(tmp_path, few):
    frame = table()
    folder = write(tmp_path / "s", frame)
    with pytest.raises(SpecError, match="Unknown column"):
        look(folder, label="nothing")
    with pytest.raises(SpecError, match="Name the column with label"):
        look(folder, labels=[1, 2])
    frame.loc[2001, "kind"] = None
    data = look(write(tmp_path / "t", frame), label="kind")
    assert (data.labels < 0).sum() == (2001 in data.rows.tolist())


def test_folders_without_rows_or_of_two_kinds(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"")
    (tmp_path / "a.tar").write_bytes(b"")
    with pytest.raises(DataError, match="of one kind"):
        shard_files(tmp_path)
    folder = tmp_path / "none"
    folder.mkdir()
    pq.write_table(pa.table({"x": pa.array([], pa.float64())}), folder / "part-0.parquet")
    with pytest.raises(DataError, match="at least 2 examples"):
        look(folder)
