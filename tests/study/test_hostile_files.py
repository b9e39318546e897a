"""`look` on files made to crash, to hang or to fill the memory of who reads them."""

import gzip
import io
import json
import os
import resource
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zscape.errors import DataError
from zscape.study.data import look
from zscape.study.intake import parquet, quarantine, room

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {"a": RNG.normal(size=300), "b": RNG.integers(0, 9, 300), "c": ["x", "y"] * 150}
)


def refused(path, message, content=None):
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        look(path)
    assert "\n" not in str(caught.value)


def whole_parquet(**options):
    file = io.BytesIO()
    FRAME.to_parquet(file, **options)
    return file.getvalue()


def string_bomb(path, number=10**6, length=10**5):
    """Few bytes that are one long text a million times over."""
    words = pa.DictionaryArray.from_arrays(pa.array(np.zeros(number, np.int32)), ["x" * length])
    pq.write_table(pa.table({"a": words, "b": np.arange(number)}), path, store_schema=False)
    return path


def npy(shape, dtype="<f8", body=b""):
    """An array file with any header."""
    head = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + body


def zipped(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def test_a_parquet_bomb_kills_neither_parent_nor_worker_silently(tmp_path):
    path = string_bomb(tmp_path / "bomb.parquet")
    assert path.stat().st_size < 10**7
    refused(path, "needs too much memory|at most .* MB of them")


def test_columns_of_nothing_and_of_truths_count_what_they_take(tmp_path, monkeypatch):
    number = 10**6
    monkeypatch.setattr(room, "MOST_BYTES", 10**7)
    pq.write_table(pa.table({"a": pa.nulls(number), "b": [True] * number}), tmp_path / "t.parquet")
    refused(tmp_path / "t.parquet", "more than 9 MB of cells. Split it")


@pytest.mark.parametrize("kind", ["list", "struct"])
def test_nested_columns_are_refused_by_name(tmp_path, kind):
    cells = [[1.0, 2.0]] * 20 if kind == "list" else [{"u": 1}] * 20
    pq.write_table(pa.table({"deep": cells, "flat": range(20)}), tmp_path / "t.parquet")
    refused(tmp_path / "t.parquet", f"the column 'deep' holds {kind}")


def test_text_that_is_no_utf8_is_refused(tmp_path):
    cells = pa.array([b"ok", b"\xff\xfe"] * 20).view(pa.string())
    pq.write_table(pa.table({"a": cells}), tmp_path / "t.parquet")
    refused(tmp_path / "t.parquet", "UTF8|UTF-8")


def test_pandas_metadata_that_lies_is_refused_or_ignored(tmp_path):
    table = pa.Table.from_pandas(FRAME)
    for metadata in (b"{", b"[]", json.dumps({"index_columns": [{"kind": "x"}]}).encode()):
        pq.write_table(table.replace_schema_metadata({b"pandas": metadata}), tmp_path / "t.parquet")
        try:
            look(tmp_path / "t.parquet")
        except DataError as error:
            assert "that pandas can hold" in str(error)


def test_categories_and_missing_cells_come_through_the_worker(tmp_path):
    frame = FRAME.assign(
        d=pd.Categorical(["lo", "hi", None] * 100, categories=["lo", "hi"], ordered=True),
        e=pd.array([True, None, False] * 100, dtype="boolean"),
    )
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=70)
    assert look(tmp_path / "t.parquet").notes == look(frame).notes


def test_flipped_bytes_and_cuts_are_read_or_refused(tmp_path):
    whole = whole_parquet(row_group_size=100)
    for seed in range(24):
        rng = np.random.default_rng(seed)
        content = bytearray(whole)
        if seed % 4 == 0:
            content = content[: rng.integers(1, len(content))]
        else:
            # The footer, where sizes and offsets stand, is hit as often as the pages.
            low = 0 if seed % 4 == 1 else len(content) - 1500
            for place in rng.integers(low, len(content), 3):
                content[place] ^= 1 << rng.integers(8)
        path = tmp_path / "t.parquet"
        path.write_bytes(content)
        try:
            look(path)
        except DataError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("kind", ["hang", "crash", "half", "loud"])
def test_a_worker_that_does_not_answer_costs_one_file(tmp_path, monkeypatch, kind):
    path = tmp_path / "t.parquet"
    path.write_bytes(whole_parquet())
    acts = {
        "hang": "signal.alarm(1); time.sleep(60)",
        "crash": "os.kill(os.getpid(), signal.SIGSEGV)",
        "half": "sys.stdout.buffer.write(b'\\xff\\xff\\xff\\xff\\x10'); os._exit(0)",
        "loud": "sys.stderr.write('x' * 10**6 + '\\n'); os._exit(1)",
    }
    program = f"import os, signal, sys, time; {acts[kind]}"
    monkeypatch.setattr(quarantine, "PROGRAM", program)
    refused(path, "longer than 10 s" if kind == "hang" else "crashed")


def test_a_reader_that_stops_early_leaves_no_worker_behind(tmp_path):
    path = tmp_path / "t.parquet"
    path.write_bytes(whole_parquet())
    for close in (lambda batches: batches.close(), lambda batches: None):
        with parquet.decoder([path]) as file:
            batches = file.contents()
            next(batches)
            close(batches)
    children = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "args="], capture_output=True, text=True
    ).stdout
    assert parquet.READER not in children


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (npy((10**12,)), "declares 8,000,000,000,000 bytes of numbers and holds 0"),
        (npy((10**9, 10**9), body=b"\0" * 99), "declares .* and holds 99"),
        (npy((-1, 4), body=b"\0" * 99), "declares"),
        (npy((4, 2), dtype="|O", body=b"\x80\x04."), "pickled objects"),
        (npy((4, 2), dtype=[("a", "<f8")], body=b"\0" * 64), "records"),
        (npy((True, 4)), "declares"),
        (npy(()), "declares"),
        (b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535, "failed"),
        (b"\x93NUMPY\x01\x00\x20\x27" + b"-" * 10015 + b"1", "failed"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "failed"),
        (b"\x93NUMPY\x09\x09\x10\x00", "failed"),
        (zipped({"x.npy": npy((10**12,))}), "declares 8,000,000,000,000"),
        (zipped({"x.npy": npy((10, 2)) + b"\0" * 80}), "declares 160 bytes .* and holds 80"),
        (zipped({"x.txt": b"hello"}), "got nothing"),
        (zipped({"inner.zip": zipped({"x.npy": npy((2, 2)) + b"\0" * 32})}), "got nothing"),
    ],
)
def test_arrays_whose_header_lies_are_refused(tmp_path, content, reason):
    refused(tmp_path / "x.npy", reason, content)


def test_an_archive_that_declares_less_than_it_holds_is_read_no_further(tmp_path):
    whole = zipped({"x.npy": npy((1000, 2), body=b"\0" * 16_000)})
    lying = whole.replace(struct.pack("<I", 16_128), struct.pack("<I", 256))
    assert lying != whole
    refused(tmp_path / "x.npz", "Bad CRC-32", lying)


def test_archives_and_texts_that_unpack_to_bombs_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "BOMB_BYTES", 2**20)
    zeros = npy((2**18,), body=b"\0" * 2**21)
    refused(tmp_path / "x.npz", "at most 200 times its size", zipped({"x.npy": zeros}))
    text = gzip.compress(b"a,b\n" + b"0,0\n" * 2**19)
    refused(tmp_path / "t.csv.gz", "at most 200 times its size", text)
    refused(tmp_path / "t.jsonl.gz", "at most 200 times", gzip.compress(b'{"a":0}\n' * 2**18))


def test_the_parent_stays_small_whatever_it_is_given(tmp_path):
    string_bomb(tmp_path / "1.parquet")
    with gzip.open(tmp_path / "2.csv.gz", "wb", compresslevel=1) as file:
        for _ in range(600):
            file.write(b"0," * 2**19)
    (tmp_path / "3.npz").write_bytes(zipped({"x.npy": npy((10**12,))}))
    pq.write_table(pa.table({"a": pa.nulls(10**8)}), tmp_path / "4.parquet")
    (tmp_path / "5.npy").write_bytes(npy((2 * 10**8,)))
    program = (
        "import resource, sys, zscape\n"
        "from zscape.study.intake import room\n"
        "room.MOST_BYTES = 2**28\n"
        "for path in sys.argv[1:]:\n"
        "    try: zscape.look(path); print('read', path)\n"
        "    except zscape.errors.DataError as error: pass\n"
        # Not ru_maxrss, which begins with what the process took that started this one.
        "with open('/proc/self/status') as lines:\n"
        "    after = int(next(l for l in lines if l.startswith('VmHWM')).split()[1])\n"
        "children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n"
        "print(after // 1024, children // 1024)"
    )
    paths = sorted(map(str, tmp_path.iterdir()))
    done = subprocess.run(
        [sys.executable, "-c", program, *paths], capture_output=True, text=True, check=True
    )
    after, children = map(int, done.stdout.split())
    assert after < 900, "MB that the parent took, torch and pandas among them"
    assert children < 640, "MB that a worker took"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 * 2**20


SMALL = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def damage(draw, whole):
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(content) - 1))
        action = draw(st.sampled_from(["flip", "cut", "insert", "repeat"]))
        if action == "flip":
            content[place] = draw(st.integers(0, 255))
        elif action == "cut":
            del content[place : place + draw(st.integers(1, 64))]
        elif action == "insert":
            content[place:place] = draw(st.binary(max_size=16))
        else:
            content[place:place] = content[:place]
        content = content or bytearray(b"x")
    return bytes(content)


def array_file(name):
    file = io.BytesIO()
    numbers = RNG.normal(size=(30, 3)).astype("f4")
    np.save(file, numbers) if name == "t.npy" else np.savez_compressed(file, x=numbers)
    return file.getvalue()


WHOLE = {
    "t.csv": FRAME[:30].to_csv(index=False).encode(),
    "t.tsv": FRAME[:30].to_csv(index=False, sep="\t").encode(),
    "t.jsonl": FRAME[:30].to_json(orient="records", lines=True).encode(),
    "t.csv.gz": gzip.compress(FRAME[:30].to_csv(index=False).encode()),
    "t.npy": array_file("t.npy"),
    "t.npz": array_file("t.npz"),
}


@pytest.mark.parametrize("name", WHOLE)
@SMALL
@given(data=st.data())
def test_any_damage_to_a_file_is_read_or_refused_in_a_sentence(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(damage(data.draw, WHOLE[name]))
    try:
        look(path)
    except DataError as error:
        assert "\n" not in str(error)
