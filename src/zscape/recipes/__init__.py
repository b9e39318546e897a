"""The zoo: every named model is a function, and its signature is its configuration."""

from collections.abc import Callable

from zscape.model.model import Model
from zscape.objective.objective import Objective
from zscape.recipes.adversarial import aae, factor_vae, vae_gan
from zscape.recipes.conditional import conditional_vae
from zscape.recipes.discrete import fsq_vae, rvq_vae, vq_vae
from zscape.recipes.filling import fill_vae
from zscape.recipes.flat import (
    ae,
    annealed_vae,
    beta_vae,
    capacity_vae,
    cyclical_vae,
    dip_vae,
    free_bits_vae,
    info_vae,
    iwae,
    tc_vae,
    vae,
    wae,
)
from zscape.recipes.ica import ica_vae
from zscape.recipes.ladder import ladder_vae
from zscape.recipes.pixels import pixel_vae
from zscape.recipes.priors import flow_vae, mixture_vae, vamp_vae
from zscape.recipes.semi import m2_vae, shift_vae
from zscape.recipes.split import split_vae

__all__ = [
    "RECIPES",
    "Recipe",
    "aae",
    "ae",
    "annealed_vae",
    "beta_vae",
    "capacity_vae",
    "conditional_vae",
    "cyclical_vae",
    "dip_vae",
    "factor_vae",
    "fill_vae",
    "flow_vae",
    "free_bits_vae",
    "fsq_vae",
    "ica_vae",
    "info_vae",
    "iwae",
    "ladder_vae",
    "m2_vae",
    "mixture_vae",
    "pixel_vae",
    "rvq_vae",
    "shift_vae",
    "split_vae",
    "tc_vae",
    "vae",
    "vae_gan",
    "vamp_vae",
    "vq_vae",
    "wae",
]

Recipe = Callable[..., tuple[Model, Objective]]

RECIPES: dict[str, Recipe] = {
    recipe.__name__: recipe
    for recipe in (
        ae,
        vae,
        beta_vae,
        annealed_vae,
        cyclical_vae,
        capacity_vae,
        free_bits_vae,
        tc_vae,
        dip_vae,
        info_vae,
        wae,
        iwae,
        flow_vae,
        vamp_vae,
        mixture_vae,
        ica_vae,
        pixel_vae,
        ladder_vae,
        vq_vae,
        rvq_vae,
        fsq_vae,
        factor_vae,
        aae,
        vae_gan,
        m2_vae,
        conditional_vae,
        fill_vae,
        shift_vae,
        split_vae,
    )
}
