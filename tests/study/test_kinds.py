"""Data of another kind than a study's are refused by a sentence that names both kinds."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Pillow

from zscape.errors import DataError
from zscape.modalities.array import Array
from zscape.modalities.image import Image
from zscape.modalities.logs import Logs
from zscape.modalities.table import find_table
from zscape.study.data import raw_like

FRAME = pd.DataFrame({"a": [1.5, 2.0, 4.0], "b": ["x", "y", "x"], "c": [1, 5, 9], "d": [3, 5, 8]})
KINDS = {
    "pictures, 8x8, grey": Image(1, 8, 8),
    "a table with the columns a, b, c and 1 more": find_table(FRAME).modality,
    "a log": Logs(("e",)),
    "arrays of shape 3": Array((3,), "real"),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    FRAME.to_csv(folder / "rows.csv", index=False)
    np.save(folder / "pictures.npy", np.zeros((3, 8, 8), np.uint8))
    Pillow.new("L", (10, 8)).save(folder / "one.png")
    (folder / "app.log").write_text("began\nended\n" * 30)
    return folder


@pytest.mark.parametrize(
    ("of", "name", "holds"),
    [
        ("pictures, 8x8, grey", "rows.csv", "a table"),
        ("pictures, 8x8, grey", "app.log", "a log"),
        ("a table with the columns a, b, c and 1 more", "pictures.npy", "pictures"),
        ("a table with the columns a, b, c and 1 more", "one.png", "a picture"),
        ("a table with the columns a, b, c and 1 more", "app.log", "a log"),
        ("a log", "one.png", "a picture"),
        ("arrays of shape 3", "app.log", "a log"),
    ],
)
def test_another_kind_is_refused(of, name, holds, files):
    with pytest.raises(DataError) as raised:
        raw_like(KINDS[of], str(files / name))
    told = f"This study is of {of}; {name} holds {holds}. Give things of that kind, or take another"
    assert str(raised.value).startswith(told)


def test_a_single_picture_is_taken_by_a_study_of_pictures(files):
    image = KINDS["pictures, 8x8, grey"]
    raw = raw_like(image, str(files / "one.png"))
    assert raw.names == ("one.png",) and image.encode(raw.things).shape == (1, 1, 8, 8)
    with pytest.raises(DataError, match=r"Pictures must come as an array, .* got a DataFrame"):
        image.encode(FRAME)
