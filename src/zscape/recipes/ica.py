"""The VAE whose units are turned into independent components in the midst of its training.

Options that all recipes share are told in `flat`.
"""

from zscape.modalities.modality import Modality
from zscape.model.model import Model
from zscape.objective.ica import ica_turn
from zscape.objective.objective import Objective, Reconstruction, Sum
from zscape.objective.rate import Rate
from zscape.recipes.build import at_least, flat


def ica_vae(
    data: Modality,
    *,
    latent: int = 10,
    beta: float = 0.3,
    final_beta: float = 0.5,
    steps: int = 3000,
    likelihood: str = "auto",
    network: str = "auto",
) -> tuple[Model, Objective]:
    """VAE whose informative units become independent components after `steps`: units separate.

    A Gaussian prior does not care how the code is turned, so a VAE's units are mixtures until
    some other principle unmixes them. Pictures get a coordinate decoder, which builds place in:
    without it places are not separated. Train on for about as many steps as before the turn;
    a run that ends before it is a plain VAE. It helps where factors vary independently and
    evenly; it does nothing for factors that need two units, such as angles.

    Args:
        data: of the things to be modelled.
        beta: what a nat of the rate costs before the turn; low, so that there is much to unmix.
        final_beta: what it costs after the turn.
        steps: of training before the turn.

    Source: Hyvarinen 1999, doi:10.1109/72.761722; Watters et al. 2019 (the decoder),
    arXiv:1901.07017.
    """
    first, last = at_least("beta", beta, 0), at_least("final_beta", final_beta, 0)
    turned = int(at_least("steps", steps, 0, start="3000"))
    word = "coordinate" if network == "auto" and len(data.shape) == 3 else network
    model = flat(data, latent, likelihood, word)

    def weight(step: int) -> float:
        return first if step < turned else last

    return model, Sum(Reconstruction(), Rate(weight), turns=(ica_turn(model, step=turned),))
