import pytest

from zscape.errors import SpecError
from zscape.recipes import RECIPES, vae
from zscape.study.spec import find_recipe, options, our_recipe, settle
from zscape.study.training.beginning import begin


def test_the_signature_is_the_configuration():
    assert options(vae)["latent"].default == 16
    assert options(vae)["latent"].kind is int
    assert options(vae)["beta"].kind == float | str
    settled = settle(RECIPES["tc_vae"], {"beta": 2})
    assert settled == {"latent": 16, "beta": 2.0, "likelihood": "auto", "network": "auto"}
    assert type(settled["beta"]) is float


def test_a_union_takes_each_of_its_types():
    assert settle(vae, {"beta": "auto"})["beta"] == "auto"
    assert type(settle(vae, {"beta": 2})["beta"]) is float
    with pytest.raises(SpecError, match="beta must be a number or a word, got True"):
        settle(vae, {"beta": True})
    with pytest.raises(SpecError, match="beta must be a number or a word, got None"):
        settle(vae, {"beta": None})


@pytest.mark.parametrize("name", RECIPES)
def test_every_option_has_a_plain_type_and_a_default(name):
    for option in options(RECIPES[name]).values():
        assert option.kind in (int, float, str, bool, float | str)
        assert isinstance(option.default, option.kind)
        assert isinstance(option.default, bool) == (option.kind is bool)


def test_no_option_is_both_the_recipe_s_and_training_s():
    for recipe in RECIPES.values():
        assert not options(recipe).keys() & options(begin).keys()


def test_unknown_options_are_refused_with_the_near_ones():
    with pytest.raises(SpecError, match="Did you mean 'latent'"):
        settle(vae, {"latnet": 3})


@pytest.mark.parametrize(("name", "value"), [("latent", "16"), ("latent", 1.5), ("latent", True)])
def test_wrong_types_are_refused(name, value):
    with pytest.raises(SpecError, match="latent must be a whole number, got"):
        settle(vae, {name: value})


def test_recipes_are_found_by_name():
    assert find_recipe("vae") is vae
    assert find_recipe("zscape.recipes:tc_vae") is RECIPES["tc_vae"]
    with pytest.raises(SpecError, match="Did you mean 'tc_vae'"):
        find_recipe("tc-vae")
    with pytest.raises(SpecError, match=r"package\.module:function"):
        find_recipe("no.such:thing")


def test_a_file_may_name_only_our_recipes():
    with pytest.raises(SpecError, match="one of ours"):
        our_recipe("zscape.recipes:vae")
