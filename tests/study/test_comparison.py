import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

import zscape as zs
from zscape.errors import SpecError, StudyError
from zscape.measures.comparison import (
    Examined,
    Group,
    bound_values,
    differences,
    settings_that_differ,
)
from zscape.measures.figure import Figure, undefined
from zscape.measures.likelihood import elbo
from zscape.study.comparison import compare
from zscape.study.study import Study

pytestmark = pytest.mark.slow

SMALL = {"latent": 2, "network": "mlp:16", "epochs": 1}


def examined(value, *, seed=0, items="a", each=None, error=0.4, unit="nats"):
    values = {} if each is None else {"ELBO": np.array(each)}
    return Examined(seed, (Figure("ELBO", value, unit, "bound", error),), values, items, True)


def group(*members, name="g", data="d", **settings):
    return Group(name, ("s",), settings, data, members)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    data = zs.look("digits")
    data = replace(data, x=data.x[:200], labels=data.labels[:200])
    base = tmp_path_factory.mktemp("studies")
    for beta in (1.0, 4.0):
        for seed in (0, 1):
            zs.fit(data, out=base / f"beta-{beta:g}-{seed}", beta=beta, seed=seed, **SMALL)
    zs.fit(data, recipe="ae", out=base / "ae", **SMALL)
    other = replace(data, x=data.x[:150], labels=data.labels[:150], source="fewer digits")
    zs.fit(other, out=base / "other", **SMALL)
    return base


def studies(folder, *names):
    return [folder / name for name in names]


def test_values_of_examples_have_the_mean_that_elbo_tells(folder):
    space = zs.open(folder / "beta-1-0")
    x = space.modality.prepare(space.items)
    values = bound_values(space.model, x)
    for figure in elbo(space.model, x):
        assert values[figure.name].mean() == pytest.approx(figure.value, rel=1e-7)
        assert values[figure.name].shape == (len(x),)
    state = torch.get_rng_state()
    bound_values(space.model, x)
    assert torch.equal(state, torch.get_rng_state())


def test_seeds_are_paired_where_groups_share_them():
    first = group(examined(1.0, seed=0, items="a"), examined(5.0, seed=1, items="b"))
    other = group(examined(2.5, seed=1 - 1, items="a"), examined(5.5, seed=1, items="b"))
    [got] = differences(first, other)
    reference = stats.ttest_rel([2.5, 5.5], [1.0, 5.0]).confidence_interval(0.95)
    assert got.value == pytest.approx(1.0)
    assert (got.low, got.high) == pytest.approx((reference.low, reference.high))
    assert got.how == "paired, 2 seeds"


def test_other_seeds_are_compared_by_welch():
    first = group(*(examined(v, seed=n, items=str(n)) for n, v in enumerate([1.0, 2.0, 4.0])))
    other = group(*(examined(v, seed=9 + n, items=f"o{n}") for n, v in enumerate([6.0, 9.5])))
    [got] = differences(first, other)
    result = stats.ttest_ind([6.0, 9.5], [1.0, 2.0, 4.0], equal_var=False)
    reference = result.confidence_interval(0.95)
    assert (got.low, got.high) == pytest.approx((reference.low, reference.high))
    assert "Welch" in got.how


def test_one_seed_is_paired_over_shared_examples():
    a, b = [1.0, 2.0, 3.0, 9.0], [2.0, 2.5, 4.0, 9.0]
    first, other = group(examined(3.75, each=a)), group(examined(4.375, each=b))
    [got] = differences(first, other)
    reference = stats.ttest_rel(b, a).confidence_interval(0.95)
    assert (got.low, got.high) == pytest.approx((reference.low, reference.high))
    assert "4 examples, one seed" in got.how


def test_one_seed_on_other_examples_is_not_paired():
    first = group(examined(1.0, items="a", each=[1.0], error=0.3))
    other = group(examined(3.0, items="b", each=[3.0], error=0.4))
    [got] = differences(first, other)
    half = 1.959964 * math.hypot(0.3, 0.4)
    assert (got.value, got.low, got.high) == pytest.approx((2.0, 2 - half, 2 + half))
    assert "other examples" in got.how


def test_what_cannot_be_compared_says_why():
    first = group(examined(1.0))
    assert differences(first, group(examined(2.0), data="other"))[0].how == "other data"
    dense = group(examined(2.0, unit="nats (density)"))
    assert "unit" in differences(first, dense)[0].how
    point = Examined(0, (undefined("ELBO", "nats"),), {}, "a", True)
    assert differences(first, group(point))[0].how == "undefined"
    bare = group(examined(1.0, error=None))
    assert differences(bare, bare)[0].low is None


def test_settings_that_differ_name_what_a_group_has_not():
    found = settings_that_differ([group(beta=1.0, latent=2), group(latent=2, draws=5)])
    assert found == {"beta": (1.0, None), "draws": (None, 5)}


def test_studies_that_differ_by_their_seed_are_one_group(folder):
    names = ("beta-1-0", "beta-4-0", "beta-1-1", "beta-4-1")
    found = compare(studies(folder, *names))
    assert [len(g.members) for g in found.groups] == [2, 2]
    assert [g.name for g in found.groups] == ["vae beta 1", "vae beta 4"]
    assert found.settings == {"beta": (1.0, 4.0)}
    [[bound, *_]] = found.differences
    assert bound.how == "paired, 2 seeds"
    each = [
        zs.study.figures.figures(zs.open(folder / f"beta-4-{s}"))[0].value
        - zs.study.figures.figures(zs.open(folder / f"beta-1-{s}"))[0].value
        for s in (0, 1)
    ]
    assert bound.value == pytest.approx(sum(each) / 2)


def test_a_comparison_prints_and_becomes_json_and_a_page(folder):
    found = compare([*studies(folder, "beta-1-0", "beta-4-0"), Study.open(folder / "ae")])
    text = str(found)
    for said in ("vae", "ae", "undefined", "95 % interval", "settings that differ", "±"):
        assert said in text
    record = json.loads(json.dumps(found.to_json()))
    assert [g["seeds"] for g in record["groups"]] == [[0], [0], [0]]
    assert record["differences"][1]["figures"][0]["value"] is None
    page = found.page()
    assert "<script" not in page
    assert "Examples held out" in page
    assert "paired, 20 examples" in page


def test_other_data_is_told_and_shows_no_pictures(folder):
    found = compare(studies(folder, "beta-1-0", "other"))
    assert {difference.how for difference in found.differences[0]} == {"other data"}
    assert found.settings == {"data": ("digits", "fewer digits")}
    assert "Examples held out" not in found.page()


def test_a_sweep_s_folder_stands_for_its_studies(folder, tmp_path):
    from zscape.study.sweep import sweep

    data = replace(zs.look("digits"), x=zs.look("digits").x[:100], labels=None)
    sweep(data, over={"beta": [1, 4]}, seeds=1, out=tmp_path, **SMALL)
    assert len(compare([tmp_path]).groups) == 2


def test_mistakes(folder):
    with pytest.raises(SpecError, match="two studies or more"):
        compare(studies(folder, "ae"))
    with pytest.raises(SpecError, match="come once"):
        compare(studies(folder, "ae", "ae"))
    with pytest.raises(StudyError, match="must be a folder"):
        compare(studies(folder, "ae", "nothing"))
