"""`look` on files of rows and of arrays."""

import gzip
import json
import os

import numpy as np
import pandas as pd
import pytest

from zscape.errors import DataError, SpecError
from zscape.study.data import look

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "alter": RNG.integers(18, 90, 30),
        "größe": np.where(RNG.random(30) < 0.2, np.nan, RNG.normal(170, 10, 30)),
        "città": RNG.choice(["Köln", "日本", "שלום", "🙂"], 30),
        "art": RNG.choice(["a", "b"], 30),
    }
)


def write(path, frame=FRAME, **options):
    name = path.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        frame.to_parquet(path)
    elif name.endswith(".jsonl"):
        frame.to_json(path, orient="records", lines=True, force_ascii=False)
    else:
        frame.to_csv(path, index=False, sep="\t" if ".tsv" in name else ",", **options)
    return path


@pytest.mark.parametrize(
    "name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet", "t.csv.gz", "t.jsonl.gz", "T.CSV"]
)
def test_every_kind_of_file_says_the_same(tmp_path, name):
    data = look(write(tmp_path / name), label="art")
    wanted = look(FRAME, label="art")
    assert data.notes == wanted.notes
    assert data.x.nan_to_num(-7).allclose(wanted.x.nan_to_num(-7), atol=1e-5)
    assert data.label_names == ("a", "b")
    assert data.source == name


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-mark"])
def test_encodings_round_trip(tmp_path, encoding):
    path = tmp_path / "t.csv"
    if encoding == "utf-16-le-mark":
        path.write_bytes(b"\xff\xfe" + FRAME.to_csv(index=False).encode("utf-16-le"))
    else:
        path.write_text(FRAME.to_csv(index=False), encoding=encoding)
    data = look(path)
    assert [c.name for c in data.modality.described] == list(FRAME.columns)
    back = data.modality.decode(data.x)
    assert back["città"].tolist() == FRAME["città"].tolist()


def refused(path, message, content=None, error=DataError):
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=message):
        look(path)


def test_undecodable_bytes_are_refused_by_line_and_byte(tmp_path):
    content = "a,b\n1,x\n2,größe\n".encode("cp1252")
    refused(tmp_path / "t.csv", r"byte 0xf6 in line 3 \(byte 12\).*Save it again as UTF-8", content)
    refused(tmp_path / "t.csv", "in line 2", b"\xff\xfea\x00\n\x00\x00\xd8")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "got nothing"),
        (b"a,b\n", "at least 2 examples, got none"),
        (b"a,b\n1.5,2\n", "at least 2 examples, got 1"),
        (b"a,b\n1,2\n1,2,3\n", "2 cells in every row, as in its first; got 3 in line 3"),
        (b"a,b\n1,2\n1\n1,4\n", "got 1 in line 3"),
        (b"a,b\n1,2,3\n1,2,3\n", "got 3 in line 2"),
        (b"a,b\n1,2\n\x001,4\n", "NUL character in line 3"),
        (b"a,a\n1,2\n3,4\n", "'a' more than once"),
        (b"a;b\n1,5;2\n2,5;3\n9,5;4\n", "Column 'a' holds 3 cells with a comma in a number"),
        (b"a,b\n1,2\n2,1e999\n3,4\n", "Column 'b' holds 1 cell that is infinite.*row 2"),
        (b"a,b\n1,2\n2,oops\n3,4\n", "Column 'b' holds 1 cell that is text among numbers.*row 2"),
        (b"born,b\n2001-02-03,2\n2001-02-04,3\n", "Column 'born' holds dates"),
    ],
)
def test_bad_csv_is_refused_by_name_and_line(tmp_path, content, message):
    refused(tmp_path / "t.csv", message, content)


def test_quoted_cells_may_hold_anything(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('k,n\n"a,b",1.5\n"c\nd",2.5\n"a,b",3.5\n\n', encoding="utf-8")
    data = look(path)
    assert data.modality.described[0].classes == ("a,b", "c\nd")


def test_a_column_of_row_numbers_without_a_name_is_left_out(tmp_path):
    path = tmp_path / "t.csv"
    FRAME.to_csv(path)
    data = look(path)
    assert [c.name for c in data.modality.described] == list(FRAME.columns)
    assert any("no name" in note for note in data.notes)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1.5}\n{"a": \n', "line 2 cannot be read"),
        (b'{"a": 1.5}\n[1]\n', "got list in line 2"),
        (b'{"a": 1.5}\n' + b'{"a":' * 100_000, "line 2 cannot be read"),
        (b'{"a": [1]}\n{"a": [2]}\n', "Column 'a' must hold numbers"),
        (b'{"a": 1.5}\n{"a": Infinity}\n', "Column 'a' holds 1 cell that is infinite"),
        (b"", "at least 2 examples, got none"),
    ],
)
def test_bad_json_lines_are_refused_by_line(tmp_path, content, message):
    refused(tmp_path / "t.jsonl", message, content)


def test_missing_keys_of_json_lines_are_missing_cells(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text(
        "\n".join(json.dumps(row) for row in ({"a": 1.5}, {"a": 2.5, "b": 1.0}, {"b": 3.5}))
    )
    assert look(path).x.isnan().sum() == 2


def test_damaged_files_are_refused(tmp_path):
    whole = write(tmp_path / "t.parquet").read_bytes()
    refused(tmp_path / "t.parquet", "must be a Parquet file", whole[: len(whole) // 2])
    refused(tmp_path / "t.parquet", "must be a Parquet file", b"")
    packed = gzip.compress(b"a,b\n1,2\n3,4\n")
    refused(tmp_path / "t.csv.gz", "reading it failed", packed[:-6])
    refused(tmp_path / "t.csv.gz", "reading it failed", b"a,b\n1,2\n")


def test_large_tables_are_refused_before_they_are_read(tmp_path, monkeypatch):
    from zscape.study.intake import room, tables

    path = write(tmp_path / "t.parquet")
    monkeypatch.setattr(tables, "MOST_CELLS", 100)
    refused(path, "at most 100 cells")
    monkeypatch.setattr(room, "MOST_BYTES", 100)
    refused(tmp_path / "bomb.csv.gz", "at most", gzip.compress(b"a\n" + b"0\n" * 10_000))


def test_array_files(tmp_path):
    pictures = RNG.integers(0, 256, (20, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "x.npy", pictures)
    assert np.array_equal(look(str(tmp_path / "x.npy")).x[:, 0], pictures)
    np.savez(
        tmp_path / "x.npz",
        meta=np.zeros((3, 2)),
        images=pictures,
        labels=np.arange(20)[:, None] % 4,
        angle=np.linspace(0, 1, 20),
        words=np.array(["a"] * 20),
    )
    data = look(tmp_path / "x.npz")
    assert np.array_equal(data.x[:, 0], pictures)
    assert data.label_names == ("0", "1", "2", "3")
    assert list(data.attributes) == ["angle"]
    assert "left alone: 2 arrays (meta, words)" in data.notes


def test_bad_array_files_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    refused(tmp_path / "x.npy", "without pickled objects")
    np.save(tmp_path / "x.npy", np.zeros((9, 9)))
    whole = (tmp_path / "x.npy").read_bytes()
    for content in (b"", whole[:20], whole[:-9], b"junk"):
        refused(tmp_path / "x.npy", "reading it failed", content)
    np.savez(tmp_path / "x.npz", y=np.arange(3))
    refused(tmp_path / "x.npz", r"must hold an array \[N, ...\] of examples, got y \(3,\)")
    whole = (tmp_path / "x.npz").read_bytes()
    refused(tmp_path / "x.npz", "reading it failed", whole[:-30])


def test_other_paths_are_refused(tmp_path):
    refused(tmp_path / "x.docx", "file of the kinds", b"x")
    refused(tmp_path / "x.png", "must lie in a folder", b"x")
    os.mkfifo(tmp_path / "pipe.csv")
    refused(tmp_path / "pipe.csv", "must be a folder or a file, got neither")
    os.symlink(tmp_path / "gone.csv", tmp_path / "link.csv")
    refused(tmp_path / "link.csv", "got neither")
    refused(tmp_path / "caf\udce9.csv", r"caf\\xe9.csv")


def test_size_is_refused_for_tables(tmp_path):
    with pytest.raises(SpecError, match="size is for pictures"):
        look(write(tmp_path / "t.csv"), size=8)
