"""What is known beside things, as columns of a context."""

import numpy as np
import pytest
import torch

from zscape.errors import DataError, SpecError
from zscape.modalities.conditions import Field, find_conditions

ATTRIBUTES = {"smile": np.array([0, 1, np.nan, 1]), "age": np.array([20.0, 30.0, 40.0, np.nan])}


def found():
    return find_conditions(np.array([1, 0, -1, 1]), ("cat", "dog"), ATTRIBUTES)


def test_labels_and_attributes_become_columns_with_nan_where_nothing_is_known():
    known, context = found()
    assert [field.name for field in known.fields] == ["label", "smile", "age"]
    assert [field.names for field in known.fields] == [("cat", "dog"), ("0", "1"), ()]
    scale = float(np.std([20, 30, 40]))
    wanted = [[1, 0, -10 / scale], [0, 1, 0], [torch.nan, torch.nan, 10 / scale]]
    wanted.append([1, 1, torch.nan])
    torch.testing.assert_close(context, torch.tensor(wanted), equal_nan=True)


def test_what_is_asked_becomes_rows_like_those_of_the_data():
    known, context = found()
    rows = known.context(2, {"label": "dog", "smile": 0, "age": "20"})
    torch.testing.assert_close(rows, context[:1].expand(2, -1))
    assert known.context(1, {"smile": 1.0}).isnan().tolist() == [[True, False, True]]


def test_fields_can_be_chosen():
    known, _ = found()
    assert [field.name for field in known.chosen(["age", "label"]).fields] == ["age", "label"]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"lable": "dog"}, "Unknown condition 'lable'. Did you mean 'label'"),
        ({"label": "bird"}, "Unknown label 'bird'"),
        ({"smile": 2}, "Unknown smile '2'"),
        ({"age": "old"}, "age must be a number, got 'old'"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(where, said):
    with pytest.raises(SpecError, match=said):
        found()[0].context(1, where)


def test_nothing_known_is_no_context():
    known, context = find_conditions(None, (), {})
    assert len(known) == 0 and context is None


def test_two_things_of_one_name_are_refused():
    with pytest.raises(DataError, match="'label' twice"):
        find_conditions(np.array([0]), ("a",), {"label": np.array([1.0])})


def test_classes_are_asked_for_as_they_are_written():
    field = Field("label", ("01", "1", "1.0"))
    assert [field.encode(value) for value in ("01", "1", "1.0", 1)] == [0, 1, 2, 1]
