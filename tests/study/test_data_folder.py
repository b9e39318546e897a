"""`look` on folders of pictures: every kind of file that R8 lists, one fault each."""

import io
import os
import re
import socket
import struct
import subprocess
import sys
import zlib

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image as Pillow

from zscape.errors import DataError, SpecError
from zscape.study.data import look
from zscape.study.intake import scan
from zscape.study.intake.pictures import scan_folder
from zscape.study.intake.reader import Reader

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (16, 16), dtype=np.uint8)


def save(path, pixels=NOISE, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(pixels).save(path, **options)
    return path


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A hundred and twenty good pictures."""
    folder = tmp_path_factory.mktemp("good")
    for i in range(120):
        save(folder / f"{i:03}.png", np.roll(NOISE, i))
    return folder


@pytest.fixture
def mixed(good, tmp_path):
    """The good ones by links, and room for bad ones."""
    for path in good.iterdir():
        os.link(path, tmp_path / path.name)
    return tmp_path


def png(width, height, body=b""):
    """A PNG file with any header."""

    def chunk(name, content):
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def make_socket(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.close()


def damaged(path):
    whole = save(path).read_bytes()
    path.write_bytes(whole[:60] + b"\0" * 20 + whole[80:])


BAD = {
    "empty": (lambda p: p.write_bytes(b""), "an empty file"),
    "one byte": (lambda p: p.write_bytes(b"x"), "a file of 1 byte"),
    "truncated": (lambda p: p.write_bytes(save(p).read_bytes()[:-100]), "cut off"),
    "damaged": (damaged, "damaged"),
    "wrong extension": (lambda p: p.write_text("a,b\n1,2\n" * 9), "not a picture"),
    "one pixel": (lambda p: save(p, NOISE[:1, :1]), "1x1 pixels are too small"),
    "bomb": (lambda p: p.write_bytes(png(50_000, 50_000)), "50,000x50,000 pixels are more"),
    "no pixels": (lambda p: p.write_bytes(png(16, 16, zlib.compress(b""))), "cut off|damaged"),
    "pipe": (os.mkfifo, "a named pipe, not a file"),
    "socket": (make_socket, "a socket, not a file"),
    "device": (lambda p: os.symlink("/dev/zero", p), "a device, not a file"),
    "dangling link": (lambda p: os.symlink("nowhere.png", p), "a link that leads nowhere"),
    "cyclic link": (lambda p: os.symlink(p.name, p), "a link that leads back to itself"),
    "real pixels": (
        lambda p: Pillow.fromarray(np.full((9, 9), np.nan, np.float32)).save(p, format="TIFF"),
        "real pixels from",
    ),
}


def test_all_bad_kinds_are_listed_with_their_reasons(mixed):
    for kind, (make, _) in BAD.items():
        make(mixed / f"bad {kind}.png")
    found = scan_folder(mixed)
    assert found.paths == tuple(f"{i:03}.png" for i in range(120))
    reasons = dict(found.skipped)
    assert len(reasons) == len(BAD)
    for kind, (_, reason) in BAD.items():
        assert re.search(reason, reasons[f"bad {kind}.png"]), kind
    assert scan_folder(mixed).skipped == found.skipped
    with pytest.raises(DataError, match=r"At most 1% .* got 14 unreadable of 134. 'bad bomb.png'"):
        look(mixed)


@pytest.mark.parametrize("kind", ["empty", "truncated", "pipe"])
def test_one_in_a_hundred_is_left_out_and_said(kind, mixed):
    BAD[kind][0](mixed / "zz.png")
    data = look(mixed)
    assert len(data.x) == 120
    assert [path for path, _ in data.skipped] == ["zz.png"]
    assert data.notes[1].startswith("warning: 1 picture left out: 1 ")
    with pytest.raises(DataError, match=r"Every one of the pictures must be readable.*'zz.png'"):
        look(mixed, strict=True)


def test_small_folders_have_no_bad_pictures(tmp_path):
    for i in range(50):
        save(tmp_path / f"{i}.png")
    (tmp_path / "bad.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"1 unreadable of 51. 'bad.png': an empty file"):
        look(tmp_path)


def test_permission_and_depth_are_reasons(monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(scan.os, "stat", refuse)
    head, pixels = scan.answer({"path": "x.png"})
    assert head == {"reason": "no permission to read it"} and pixels == b""
    monkeypatch.undo()
    assert "damaged" in scan.answer({"path": "x/" * 3000 + "x.png"})[0]["reason"]


def as_16_bit(path):
    Pillow.fromarray(NOISE.astype(np.uint16) * 257).save(path)


def as_cmyk(path):
    Pillow.fromarray(NOISE).convert("RGB").convert("CMYK").save(path, format="TIFF")


def as_animation(path):
    frames = [Pillow.fromarray(NOISE), Pillow.fromarray(255 - NOISE)]
    frames[0].save(path, format="GIF", save_all=True, append_images=frames[1:])


def as_rotated(path):
    exif = Pillow.Exif()
    exif[0x0112] = 6
    turned = Pillow.fromarray(np.rot90(NOISE).copy())  # counter-clockwise; 6 says turn clockwise
    turned.save(path, exif=exif)


def as_palette(path):
    Pillow.fromarray(NOISE).convert("P").save(path)


def as_grey_alpha(path):
    opaque = np.full_like(NOISE, 255)
    Pillow.fromarray(np.stack([NOISE, opaque], -1), "LA").save(path)


def as_float(path):
    Pillow.fromarray((NOISE / 255).astype(np.float32)).save(path, format="TIFF")


def as_wrong_extension(path):
    Pillow.fromarray(NOISE).save(path, format="BMP")


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated")
@pytest.mark.parametrize(
    "make",
    [
        as_16_bit,
        as_cmyk,
        as_animation,
        as_rotated,
        as_palette,
        as_grey_alpha,
        as_float,
        as_wrong_extension,
    ],
)
def test_unusual_kinds_are_read_as_the_same_pixels(make, mixed):
    make(mixed / "zz.png")
    data = look(mixed)
    assert data.skipped == ()
    assert data.x.shape == (121, 1, 16, 16)
    last = data.x[-1, 0].numpy().astype(int)
    assert np.abs(last - NOISE).max() <= 1


def test_transparent_pictures_are_laid_on_white(tmp_path):
    clear = np.zeros((16, 16, 4), np.uint8)
    for i in range(3):
        clear[0, 0] = (255, 0, 0, 255)
        save(tmp_path / f"{i}.png", clear)
    x = look(tmp_path).x
    assert x[0, :, 0, 0].tolist() == [255, 0, 0]
    assert (x[0, :, 1:] == 255).all()


def test_labels_come_from_folders_and_names_from_files(tmp_path):
    labels = ["cat", "日本", "e\u0301", "é", "🙂", "שלום", "a b"]
    for label in labels:
        for i in range(2):
            save(tmp_path / label / f"ü{i}.png", np.roll(NOISE, hash(label) % 97 + i))
    (tmp_path / ".hidden").mkdir()
    save(tmp_path / ".hidden" / "x.png")
    data = look(tmp_path)
    assert data.label_names == tuple(sorted(labels))
    assert [data.label_names[k] for k in data.labels] == [n.split("/")[0] for n in data.names]
    assert set(data.names) == {f"{label}/ü{i}.png" for label in labels for i in range(2)}
    assert list(data.names) == sorted(data.names, key=str.encode)


def test_loose_pictures_leave_no_labels(tmp_path):
    save(tmp_path / "a" / "1.png")
    save(tmp_path / "b" / "1.png")
    save(tmp_path / "1.png")
    data = look(tmp_path)
    assert data.labels is None
    assert any("outside the sub-folders" in note for note in data.notes)


def test_names_that_are_not_utf8_are_read_and_can_be_printed(tmp_path):
    save(tmp_path / "a.png")
    for name in (b"caf\xe9.png", b"new\nline.png", b"\x1b[31m.png"):
        save(tmp_path / "a.png")
        os.link(os.fsencode(tmp_path / "a.png"), os.path.join(os.fsencode(tmp_path), name))
    (tmp_path / os.fsdecode(b"bad\xff.png")).write_bytes(b"")
    with pytest.raises(DataError) as refused:
        look(tmp_path)
    str(refused.value).encode("utf-8")
    assert r"bad\xff.png" in str(refused.value)
    os.remove(os.path.join(os.fsencode(tmp_path), b"bad\xff.png"))
    data = look(tmp_path)
    assert "caf\\xe9.png" in data.names
    "".join((*data.names, *data.notes)).encode("utf-8")


def test_an_ascii_locale_reads_the_same(tmp_path):
    save(tmp_path / "é" / "日本.png")
    save(tmp_path / "🙂" / "1.png")
    program = "import sys; from zscape.study.data import look; d = look(sys.argv[1])\n"
    program += "print(ascii((d.names, d.label_names, d.notes)))"
    env = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], env=env, capture_output=True, check=True
    )
    data = look(tmp_path)
    assert run.stdout.decode().strip() == ascii((data.names, data.label_names, data.notes))


def test_circles_of_folders_end(tmp_path):
    save(tmp_path / "a" / "1.png")
    save(tmp_path / "b" / "2.png")
    os.symlink(tmp_path, tmp_path / "a" / "up")
    os.symlink("self", tmp_path / "self")
    assert look(tmp_path).names == ("a/1.png", "b/2.png")


def test_sizes(tmp_path):
    for i in range(5):
        save(tmp_path / "same" / f"{i}.png", NOISE[:12, :10])
        save(tmp_path / "large" / f"{i}.png", np.tile(NOISE, (10, 15)))
        save(tmp_path / "many" / f"{i}.png", np.tile(NOISE, (2 + i, 3)))
    assert look(tmp_path / "same").x.shape[1:] == (1, 12, 10)
    assert look(tmp_path / "same", size=8).x.shape[1:] == (1, 8, 8)
    large = look(tmp_path / "large")
    assert large.x.shape[1:] == (1, 64, 64)
    assert (
        "came 160x240; each was cut to a square at its centre and brought to 64x64"
        in large.notes[1]
    )
    many = look(tmp_path / "many")
    assert many.x.shape[1:] == (1, 48, 48)
    assert "in 5 sizes, 32x48 to 96x48" in many.notes[1]
    assert look(tmp_path / "many", size=20).x.shape[1:] == (1, 20, 20)


def test_the_centre_is_kept(tmp_path):
    wide = np.zeros((16, 48), np.uint8)
    wide[:, 16:32] = 200
    for i in range(2):
        save(tmp_path / f"{i}.png", wide)
    assert (look(tmp_path, size=16).x == 200).all()


def test_grey_stored_in_colour_is_grey_and_mixed_is_colour(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "b.png", np.repeat(NOISE[..., None], 3, -1))
    data = look(tmp_path)
    assert data.x.shape == (2, 1, 16, 16)
    assert any("every pixel is grey" in note for note in data.notes)
    save(tmp_path / "c.png", np.stack([NOISE, NOISE, 255 - NOISE], -1))
    assert look(tmp_path).x.shape == (3, 3, 16, 16)


def test_folders_without_pictures_are_refused(tmp_path):
    with pytest.raises(DataError, match="must hold pictures, got none"):
        look(tmp_path)
    save(tmp_path / "a.png")
    with pytest.raises(DataError, match="at least 2 examples, got 1"):
        look(tmp_path)


def attributes(folder, name="attributes.csv", **columns):
    pd.DataFrame(columns).to_csv(folder / name, index=False)


@pytest.mark.parametrize("spell", ["{}.png", "{}", "./{}.png"])
def test_attributes_lie_beside_the_pictures(tmp_path, spell):
    for name in "abc":
        save(tmp_path / f"{name}.png")
    files = [spell.format(name) for name in "cabz"]
    attributes(
        tmp_path,
        file=files,
        age=[3, 1, None, 9],
        ok=[True, False, True, True],
        who=list("xyzw"),
        label=["u", "v", "u", "v"],
    )
    data = look(tmp_path)
    np.testing.assert_array_equal(data.attributes["age"], [1, np.nan, 3])
    np.testing.assert_array_equal(data.attributes["ok"], [0, 1, 1])
    assert [data.label_names[k] for k in data.labels] == ["v", "u", "u"]
    notes = "\n".join(data.notes)
    assert "2 attributes from attributes.csv: age, ok" in notes
    assert "1 text from attributes.csv: who" in notes
    assert data.texts["who"] == ("y", "z", "x")
    assert "1 row of attributes.csv name no picture" in notes
    assert [look(tmp_path, label="who").label_names] == [("x", "y", "z")]
    with pytest.raises(SpecError, match="Unknown column 'whom'"):
        look(tmp_path, label="whom")


def test_labels_from_a_file_give_way_to_folders_unless_named(tmp_path):
    save(tmp_path / "u" / "a.png")
    save(tmp_path / "v" / "b.png")
    attributes(tmp_path, name="labels.csv", path=["u/a.png", "v/b.png"], label=["p", "q"])
    assert look(tmp_path).label_names == ("u", "v")
    assert look(tmp_path, label="label").label_names == ("p", "q")


def test_attributes_must_name_each_picture_once(tmp_path):
    for name in "abc":
        save(tmp_path / f"{name}.png")
    attributes(tmp_path, file=["a.png", "b.png"], label=["u", "v"])
    assert look(tmp_path).labels.tolist() == [0, 1, -1]  # no row, no label
    attributes(tmp_path, file=["a.png", "b.png", "c.png"], label=["u", None, "v"])
    assert look(tmp_path).labels.tolist() == [0, -1, 1]
    attributes(tmp_path, file=["a.png", "b.png", "b.png"], age=[1, 2, 3])
    with pytest.raises(DataError, match=r"got several for 'b\.png'"):
        look(tmp_path)
    attributes(tmp_path, n=[1, 2, 3])
    assert any("names none of the pictures" in note for note in look(tmp_path).notes)


WORKER = """
import json, os, sys, time
for line in sys.stdin:
    path = json.loads(line)["path"]
    if "hang" in path: time.sleep(60)
    if "crash" in path: os.abort()
    if "half" in path: print('{"bytes": 100}', flush=True); os._exit(1)
    if "junk" in path: print('junk', flush=True); continue
    print(json.dumps({"height": 8, "width": 8, "grey": True}), flush=True)
"""


def test_a_decoder_that_hangs_or_crashes_costs_one_picture(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    with Reader(seconds=4.0, script=script) as reader:
        assert reader.measure("a").head["height"] == 8
        assert reader.measure("hang").reason == "it took longer than 4 s"
        assert reader.measure("b").reason == ""
        assert reader.measure("crash").reason == "its decoder crashed"
        assert reader.measure("half").reason == "its decoder crashed"
        assert reader.measure("junk").reason == "its decoder crashed"
        assert reader.measure("c").reason == ""


@pytest.mark.skipif(sys.platform != "linux", reason="address-space limits are Linux's")
def test_the_worker_stays_small_and_says_when_it_cannot(tmp_path):
    big = tmp_path / "big.png"
    Pillow.new("RGBA", (6000, 8000)).save(big, compress_level=1)
    program = (
        "import sys; sys.argv = ['scan']; import runpy\n"
        f"module = runpy.run_path({scan.__file__!r})\n"
        "module['limit_memory']()\n"
        "def show(reply): print(reply[0].get('reason', reply[0].get('bytes')))\n"
        f"show(module['answer'](dict(path={str(big)!r}, height=32, width=32, grey=True)))\n"
        "try: bytes(2**30)\n"
        "except MemoryError as error: print(module['why_not']('x', error))\n"
        "peak = next(x for x in open('/proc/self/status') if x.startswith('VmHWM'))\n"
        "print(int(peak.split()[1]) // 1024)\n"
        "print('torch' in sys.modules or 'zscape' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, check=True)
    outcome, refusal, megabytes, heavy = run.stdout.decode().split("\n")[:4]
    assert outcome in ("1024", "it needs too much memory")
    assert refusal == "it needs too much memory"
    assert int(megabytes) <= 512
    assert heavy == "False"


def test_no_worker_is_left_behind(good):
    with Reader() as reader:
        reader.measure(str(good / "000.png"))
        worker = reader._worker
    assert worker.poll() is not None


def test_reading_is_the_same_whatever_the_order_on_disk(tmp_path):
    for folder, order in (("a", range(12)), ("b", reversed(range(12)))):
        for i in order:
            save(tmp_path / folder / f"{i}.png", np.roll(NOISE, i))
    first, second = look(tmp_path / "a"), look(tmp_path / "b")
    assert first.names == second.names
    assert np.array_equal(first.x, second.x)


def test_jpeg_bytes_of_many_megapixels_are_read_at_a_fraction(tmp_path):
    content = io.BytesIO()
    Pillow.new("RGB", (4000, 3000), (200, 100, 50)).save(content, "JPEG")
    for i in range(2):
        (tmp_path / f"{i}.jpg").write_bytes(content.getvalue())
    x = look(tmp_path).x
    assert x.shape == (2, 3, 64, 64)
    assert (x[0].float().mean((1, 2)) - torch.tensor([200.0, 100.0, 50.0])).abs().max() <= 2
