import dataclasses
import json
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zscape.errors import DataError, ShapeError
from zscape.modalities.table import Table, find_table

RNG = np.random.default_rng(0)
N = 60


def kinds(**columns):
    found = find_table(pd.DataFrame(columns))
    return {c.name: c.kind for c in found.modality.described}


def refused(message, **columns):
    with pytest.raises(DataError, match=message):
        find_table(pd.DataFrame({"fine": RNG.normal(size=N), **columns}))


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (RNG.normal(size=N), "numeric"),
        (RNG.integers(18, 90, N), "numeric"),
        (RNG.integers(1990, 2020, N), "numeric"),
        (RNG.integers(-3, 3, N), "numeric"),
        (RNG.poisson(1, N), "count"),
        (RNG.poisson(1, N).astype(float), "count"),
        (np.minimum(RNG.geometric(0.05, N) - 1, 900), "count"),
        (RNG.integers(0, 2, N), "boolean"),
        (RNG.random(N) < 0.5, "boolean"),
        (pd.array([True, None] * (N // 2) + [False] * 0, dtype="boolean"), "constant"),
        (pd.array([True, False, None] * (N // 3), dtype="boolean"), "boolean"),
        ([True, False, None] * (N // 3), "boolean"),
        (["a", "b", "c"] * (N // 3), "categorical"),
        (pd.Categorical(["a", "b"] * (N // 2)), "categorical"),
        (pd.Categorical([3, 1, 2] * (N // 3)), "categorical"),
        (["10115", "80331", "01067"] * (N // 3), "categorical"),
        ([Decimal("1.5"), Decimal("2.25"), None] * (N // 3), "numeric"),
        (pd.array([1, 5, None] * (N // 3), dtype="Int64"), "numeric"),
        (["x"] * N, "constant"),
        ([7] * N, "constant"),
        ([7.5, np.nan] * (N // 2), "constant"),
        ([np.nan] * N, "dropped"),
        ([None] * N, "dropped"),
        ([f"person {i}" for i in range(N)], "dropped"),
    ],
)
def test_kind_of_a_column(cells, kind):
    assert kinds(it=cells, other=RNG.normal(size=N))["it"] == kind


def test_free_text_is_dropped_even_where_it_repeats():
    found = find_table(
        pd.DataFrame({"n": RNG.normal(size=1800), "t": [f"t{i}" for i in range(600)] * 3})
    )
    assert found.notes[1] == (
        "warning: t: 600 different texts, like an identifier, so it is dropped"
    )


def test_each_column_is_explained_in_one_line():
    found = find_table(
        pd.DataFrame(
            {
                "age": [20.5, np.nan, 31.0] * 20,
                "city": ["a", "b", "c"] * 20,
                "visits": [0, 1, 7] * 20,
                "unit": "kg",
                "empty": np.nan,
                "name": [f"p{i}" for i in range(60)],
                "row": range(60),
            }
        )
    )
    assert found.headline == "60 rows, 7 columns (4 modelled)"
    age, city, visits, unit, empty, name, row = found.notes
    assert age == "age: numeric (Gaussian), 20.5 to 31, 20 missing"
    assert city == "city: 3 categories (categorical)"
    assert "because whole numbers from 0 to 7" in visits
    assert "always 'kg'" in unit
    assert "dropped" in empty
    assert name.startswith("warning: name: every text is different")
    assert row.startswith("warning: row: numeric") and "row number" in row


def test_columns_property_names_words_and_classes():
    table = find_table(
        pd.DataFrame({"n": RNG.normal(size=N), "k": ["a", "b", "c"] * 20, "b": [0, 1] * 30, "c": 1})
    ).modality
    assert table.columns == (("gaussian", 1), ("categorical", 3), ("bernoulli", 1))
    assert table.shape == (3,)


def test_missing_cells_are_nan_in_every_kind_and_come_back_missing():
    frame = pd.DataFrame(
        {
            "n": [1.5, None, 2.5] * 20,
            "k": ["a", None, "b"] * 20,
            "b": pd.array([True, None, False] * 20, dtype="boolean"),
            "c": pd.array([0, None, 5] * 20, dtype="Int64"),
            "cat": pd.Categorical(["x", None, "y"] * 20),
        }
    )
    found = find_table(frame)
    assert found.x[1].isnan().all()
    assert not found.x[0].isnan().any()
    back = found.modality.decode(found.x)
    pd.testing.assert_frame_equal(back, frame, check_exact=False)


@pytest.mark.parametrize("row", [0, 30, N - 1])
@pytest.mark.parametrize("bad", [np.inf, -np.inf, 1e39])
def test_infinite_cells_are_refused_by_name(row, bad):
    cells = RNG.normal(size=N)
    cells[row] = bad
    refused(
        rf"Column 'x' holds 1 cell that is infinite .* in row {row + 1} \(index {row}\)", x=cells
    )


@pytest.mark.parametrize("row", [0, 30, N - 1])
@pytest.mark.parametrize("bad", ["1,5", "oops", ""])
def test_text_among_numbers_is_refused_by_name(row, bad):
    numbers = RNG.normal(size=N).tolist()
    for cells in (numbers, [str(number) for number in numbers]):
        mixed = [*cells[:row], bad, *cells[row + 1 :]]
        refused(rf"Column 'x' holds 1 cell .* in row {row + 1} \(index {row}\)", x=mixed)


def test_numbers_written_as_text_are_refused_by_name():
    refused("60 cells with a comma", x=[f"{i},5" for i in range(N)])
    refused("60 cells that are numbers written as text", x=[f"{i}.5" for i in range(N)])
    refused("with a comma", x=["1,5", "2,5"] * 30)


@pytest.mark.parametrize(
    "born",
    [
        pd.date_range("2000-01-01", periods=N),
        pd.to_timedelta(range(N), unit="D"),
        pd.period_range("2000-01", periods=N, freq="M"),
        [date(2000, 1, 1)] * N,
        ["2001-02-03"] * N,
        [f"{1 + i % 28}.3.2001" for i in range(N)],
        ["2001-02-03T10:00:00Z", None] * (N // 2),
        ["10:30"] * N,
        pd.Categorical(pd.date_range("2000-01-01", periods=N)),
    ],
)
def test_dates_are_refused_by_name(born):
    refused("Column 'born' holds dates or times .* does not model dates yet. Drop it", born=born)


@pytest.mark.parametrize("cells", [[[1]] * N, [{}] * N, [b"x"] * N, [1j] * N, ["a", True] * 30])
def test_other_cells_are_refused_by_name(cells):
    refused("Column 'x'", x=cells)


def test_duplicate_and_odd_names_are_refused():
    with pytest.raises(DataError, match="Column names must differ, got 'a' more than once"):
        find_table(pd.DataFrame(RNG.normal(size=(9, 3)), columns=["a", "b", "a"]))
    with pytest.raises(DataError, match="text or whole numbers"):
        find_table(pd.DataFrame(RNG.normal(size=(9, 1)), columns=[1.5]))


def test_nothing_to_model_is_refused():
    with pytest.raises(DataError, match="at least one column that varies"):
        find_table(pd.DataFrame({"a": [1] * 9, "b": [None] * 9}))


def test_unseen_categories_are_refused_with_the_known_ones():
    table = find_table(pd.DataFrame({"k": ["a", "b"] * 9})).modality
    with pytest.raises(DataError, match=r"Column 'k' holds 1 cell .* 'z' in row 2 .*'a', 'b'"):
        table.encode(pd.DataFrame({"k": ["a", "z"]}))


def test_cells_that_training_ruled_out_are_refused():
    table = find_table(
        pd.DataFrame({"b": [0, 1] * 9, "c": [0, 1, 5] * 6, "k": 3, "n": RNG.normal(size=18)})
    ).modality
    good = {"b": 1, "c": 4, "k": 3, "n": 0.5}
    assert table.encode(good).shape == (1, 3)
    for name, bad in (("b", 2), ("c", -1), ("c", 0.5), ("k", 4), ("n", np.inf), ("n", "x")):
        with pytest.raises(DataError, match=f"Column '{name}' holds 1 cell"):
            table.encode({**good, name: bad})
    with pytest.raises(ShapeError, match="'n'"):
        table.encode({"b": 1, "c": 4})
    with pytest.raises(DataError, match="DataFrame"):
        table.encode(3)


def test_rows_may_come_in_any_form_and_order():
    frame = pd.DataFrame({"n": RNG.normal(size=6), "k": ["a", "b"] * 3})
    table = find_table(frame).modality
    wanted = table.encode(frame)
    for way in (
        frame[["k", "n"]].assign(more=1),
        frame.to_dict("records"),
        frame.to_dict("list"),
    ):
        assert torch.equal(table.encode(way), wanted)
    assert torch.equal(table.encode(frame.iloc[2]), wanted[2:3])


def test_decode_makes_legal_cells_of_anything():
    frame = pd.DataFrame(
        {"c": [0, 1, 5] * 6, "k": ["a", "b", "c"] * 6, "u": np.uint8([1, 200, 90] * 6)}
    )
    table = find_table(frame).modality
    back = table.decode(torch.randn(50, 3) * 1000)
    assert (back["c"] >= 0).all()
    assert set(back["k"]) <= {"a", "b", "c"}
    assert back.dtypes.equals(frame.dtypes)


def test_constant_columns_come_back_whatever_the_model_says():
    frame = pd.DataFrame({"n": RNG.normal(size=9), "k": "ü", "z": 0.1, "i": 10**12})
    back = find_table(frame).modality.decode(torch.randn(5, 1))
    assert back[["k", "z", "i"]].equals(frame[["k", "z", "i"]].head(5))


def test_a_million_rows_are_looked_at_in_seconds(benchmark_rows=200_000):
    import time

    frame = pd.DataFrame(
        {
            "n": RNG.normal(size=benchmark_rows),
            "k": RNG.choice(["a", "b", "c"], benchmark_rows),
            "x": np.append(RNG.normal(size=benchmark_rows - 1), np.inf),
        }
    )
    start = time.process_time()
    with pytest.raises(DataError, match="row 200,000"):
        find_table(frame)
    assert time.process_time() - start < 2.0


NAMES = st.text(min_size=1, max_size=8) | st.integers(0, 10**6)
CELLS = {
    "float64": st.floats(-1e6, 1e6, allow_subnormal=False),
    "int64": st.integers(-(10**6), 10**6),
    "bool": st.booleans(),
    "str": st.sampled_from(["a", "ß", "日本", "🙂", "x\ny", "ab'c\"", " ", "\u202eabc"]),
}


@st.composite
def frames(draw):
    rows = draw(st.integers(2, 12))
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique_by=str))
    columns = {}
    for name in names:
        dtype = draw(st.sampled_from(sorted(CELLS)))
        cells = draw(st.lists(CELLS[dtype], min_size=rows, max_size=rows))
        columns[name] = pd.Series(cells, dtype=dtype)
        if dtype in ("float64", "str"):
            lost = draw(st.lists(st.booleans(), min_size=rows, max_size=rows))
            columns[name] = columns[name].mask(pd.Series(lost))
    return pd.DataFrame(columns)


@given(frames())
@settings(max_examples=60, deadline=None)
def test_tables_come_back_or_are_refused(frame):
    try:
        found = find_table(frame)
    except DataError:
        return
    table = Table(**json.loads(json.dumps(dataclasses.asdict(found.modality))))
    assert table == found.modality
    back = table.decode(table.prepare(table.encode(frame)))
    kept = [c.name for c in table.described if c.kind != "dropped"]
    assert list(back.columns) == kept
    for column in table.described:
        if column.kind == "dropped":
            continue
        was, came = frame[column.name], back[column.name]
        if column.kind == "constant":  # a missing cell comes back filled
            was = was.fillna(came)
        atol = max(1e-6, 1e-5 * column.scale)
        pd.testing.assert_series_equal(came, was, check_exact=False, rtol=1e-5, atol=atol)
