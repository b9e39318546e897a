"""Pictures in tar shards as WebDataset writes them."""

import io
import json
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

import zscape
from zscape.errors import DataError, SpecError
from zscape.model.batch import joined
from zscape.study.data import look
from zscape.study.intake import picture_shards
from zscape.study.training.streaming import Stream

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (240, 8, 8, 3), dtype=np.uint8)


def encoded(pixels, kind="PNG"):
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, kind)
    return file.getvalue()


def add(tar, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def write(folder, pictures=PICTURES, *, shards=3, beside=True):
    folder.mkdir(exist_ok=True)
    for i, rows in enumerate(np.array_split(np.arange(len(pictures)), shards)):
        with tarfile.open(folder / f"shard-{i:03}.tar", "w") as tar:
            for row in rows:
                add(tar, f"{row:05}.png", encoded(pictures[row]))
                if beside:
                    add(tar, f"{row:05}.cls", str(row % 3).encode())
                    add(tar, f"{row:05}.json", json.dumps({"row": int(row), "a": "x"}).encode())
    return folder


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(picture_shards, "MOST_SAMPLED", 50)
    monkeypatch.setattr(picture_shards, "BLOCK", 16)


def test_few_pictures_are_held_with_classes_and_attributes(tmp_path):
    data = look(write(tmp_path / "s"))
    assert data.shards is None
    assert np.array_equal(data.x.permute(0, 2, 3, 1).numpy(), PICTURES)
    assert data.label_names == ("0", "1", "2")
    assert data.labels.tolist() == [row % 3 for row in range(240)]
    assert data.attributes["row"].tolist() == list(range(240))
    assert list(data.attributes) == ["row"]
    assert data.notes[0] == "240 pictures, 8x8, colour, 3 labels (80 of each)"


def test_many_pictures_are_streamed(tmp_path, few):
    data = look(write(tmp_path / "s"))
    assert data.shards.shape == (240, 3, 8, 8)
    assert data.shards.dtype == torch.uint8
    assert data.modality.num_examples == 240
    assert data.rows.tolist() == list(range(0, 240, 8))
    assert data.notes[0].startswith("240 pictures, 8x8, colour")
    whole = torch.from_numpy(PICTURES).permute(0, 3, 1, 2).float() / 255
    seen = joined(list(Stream(data.shards, size=16, without=[3, 77]).of(1))).x
    assert len(seen) == 238 // 16 * 16
    found = [int((whole == x).flatten(1).all(1).nonzero()) for x in seen]
    assert len(set(found)) == len(found)
    assert not {3, 77} & set(found)
    late = joined(list(Stream(data.shards, size=16, without=[3, 77]).of(1, start=9))).x
    assert torch.equal(seen[9 * 16 :], late)


def test_grey_and_black_and_white_are_judged_by_all_pictures(tmp_path, few):
    grey = np.repeat(PICTURES[..., :1], 3, axis=-1)
    data = look(write(tmp_path / "grey", grey))
    assert data.modality.channels == 1
    assert "the pictures are stored in colour but every pixel is grey" in data.notes
    stored = next(data.shards.read(data.shards.chunks[0], size=4))
    assert np.array_equal(stored[:, 0], grey[:4, ..., 0])
    ink = np.where(PICTURES[..., 0] > 128, 255, 0).astype(np.uint8)
    assert look(write(tmp_path / "ink", ink)).modality.two_valued
    ink[101, 0, 0] = 77  # not one of the sample
    assert not look(write(tmp_path / "ink2", ink)).modality.two_valued


def test_pictures_of_many_sizes_are_brought_to_one(tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    with tarfile.open(folder / "a.tar", "w") as tar:
        for i in range(30):
            pixels = RNG.integers(0, 256, (20 + i, 30), dtype=np.uint8)
            add(tar, f"x/{i}.jpg", encoded(pixels, "JPEG"))
    assert look(folder).modality.shape == (1, 24, 24)
    assert look(folder, size=16).modality.shape == (1, 16, 16)


def test_other_members_are_left_alone(tmp_path):
    folder = write(tmp_path / "s")
    with tarfile.open(folder / "shard-000.tar", "a") as tar:
        link = tarfile.TarInfo("99999.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        hard = tarfile.TarInfo("99998.png")
        hard.type, hard.linkname = tarfile.LNKTYPE, "00000.png"
        tar.addfile(hard)
        add(tar, "readme.txt", b"hello")
        add(tar, ".png", encoded(PICTURES[0]))
        add(tar, "deep.json", b"[" * 50_000)
    assert len(look(folder).x) == 240


def test_one_bad_picture_in_a_hundred_is_left_out_and_said(tmp_path, few):
    folder = write(tmp_path / "s")
    with tarfile.open(folder / "shard-001.tar", "a") as tar:
        add(tar, "bad.png", encoded(PICTURES[0])[:-40])
        add(tar, "worse\n.png", b"junk junk")
    data = look(folder)
    assert dict(data.skipped) == {
        "shard-001.tar/bad.png": "cut off: the file ends too early",
        "shard-001.tar/worse\\n.png": "not a picture, or of a kind that is not read",
    }
    assert len(data.shards) == 240
    assert any(note.startswith("warning: 2 pictures left out") for note in data.notes)
    with pytest.raises(DataError, match="Every one of the pictures must be readable"):
        look(folder, strict=True)
    with tarfile.open(folder / "shard-001.tar", "a") as tar:
        add(tar, "third.png", b"")
    with pytest.raises(DataError, match="got 3 unreadable of 243"):
        look(folder)


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[:5000],
        lambda whole: whole[: len(whole) // 2 + 77],
        lambda whole: b"",
        lambda whole: b"x" * 3000,
        lambda whole: whole[:124] + b"77777777777\0" + whole[136:],
        lambda whole: whole[:512] + b"\xff" * 2000 + whole[2512:],
    ],
)
def test_damaged_tars_are_refused_in_a_sentence(tmp_path, damage):
    folder = write(tmp_path / "s")
    path = folder / "shard-001.tar"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(
        DataError, match=r"unreadable of|shard-001.tar must be a tar file"
    ) as caught:
        look(folder)
    assert "\n" not in str(caught.value)


def test_packed_tars_and_wrong_words_are_refused(tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    with tarfile.open(folder / "a.tar", "w:gz") as tar:
        add(tar, "1.png", encoded(PICTURES[0]))
    with pytest.raises(DataError, match=r"must be a tar file"):
        look(folder)
    with pytest.raises(SpecError, match=r"Write .cls files"):
        look(write(tmp_path / "t"), label="kind")


def test_a_study_of_streamed_pictures_trains(tmp_path, few):
    space = zscape.fit(
        look(write(tmp_path / "s")), epochs=2, latent=2, batch_size=16, out=tmp_path / "study"
    )
    assert len(space.codes) == 30
