"""Animations: as many frames as went in, for ever, at their pace, and odd sizes in MP4."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from zscape.errors import DataError, SpecError
from zscape.modalities import extras
from zscape.space.animations import animation


def frames(count=7, high=31, wide=33):
    shape = (count, high, wide, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_all_frames_play_for_ever(suffix):
    made = Image.open(BytesIO(animation(frames(), suffix, fps=10)))
    assert made.n_frames == 7 and made.info["loop"] == 0
    assert made.size == (33 * 7, 31 * 7)
    made.seek(3)
    made.load()
    assert made.info["duration"] == 100


def test_webp_keeps_every_pixel():
    made = Image.open(BytesIO(animation(frames(), ".webp")))
    made.seek(6)
    assert np.array_equal(np.asarray(made.convert("RGB"))[::7, ::7], frames()[6])


def test_mp4_is_h264_that_browsers_play():
    av = pytest.importorskip("av")
    smooth = np.arange(301, dtype=np.uint8)[None, None, :, None].repeat(3, axis=3)
    tiles = smooth.repeat(9, axis=0).repeat(255, axis=1)
    with av.open(BytesIO(animation(tiles, ".mp4", fps=7.5))) as container:
        stream = container.streams.video[0]
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert stream.codec_context.name == "h264" and stream.codec_context.pix_fmt == "yuv420p"
        assert float(stream.average_rate) == 7.5
    assert len(shown) == 9 and shown[0].shape == (256, 302, 3)
    assert np.abs(shown[4][:255, :250].astype(int) - tiles[4][:, :250]).mean() < 4


@pytest.mark.parametrize(
    ("suffix", "fps", "words"),
    [(".avi", 12, "must end in .gif"), (".gif", 60, "got 60"), (".gif", 0, "got 0")],
)
def test_what_cannot_be_is_told(suffix, fps, words):
    with pytest.raises(SpecError, match=words):
        animation(frames(), suffix, fps=fps)


def test_mp4_says_what_to_install(monkeypatch):
    def missing(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(extras, "import_module", missing)
    with pytest.raises(DataError, match=r"zscape\[media\]"):
        animation(frames(), ".mp4")
