"""The zoo: every named model is a function, and its signature is its configuration."""

from collections.abc import Callable

from zscape.model.model import Model
from zscape.objective.objective import Objective
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
from zscape.recipes.pixels import pixel_vae
from zscape.recipes.priors import flow_vae, mixture_vae, vamp_vae
from zscape.recipes.semi import m2_vae, shift_vae

__all__ = [
    "RECIPES",
    "Recipe",
    "ae",
    "annealed_vae",
    "beta_vae",
    "capacity_vae",
    "cyclical_vae",
    "dip_vae",
    "flow_vae",
    "free_bits_vae",
    "ica_vae",
    "info_vae",
    "iwae",
    "m2_vae",
    "mixture_vae",
    "pixel_vae",
    "shift_vae",
    "tc_vae",
    "vae",
    "vamp_vae",
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
        m2_vae,
        shift_vae,
    )
}
