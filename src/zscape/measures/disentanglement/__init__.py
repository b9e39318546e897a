"""How a code's units go with known factors of variation, and whether runs agree without any."""

from zscape.measures.disentanglement.agreement import Udr, udr
from zscape.measures.disentanglement.factors import Labelled, labelled
from zscape.measures.disentanglement.importance import Dci, dci, sap
from zscape.measures.disentanglement.information import (
    InfoMec,
    infomec,
    information,
    mig,
    modularity,
)
from zscape.measures.disentanglement.scores import Scores, disentanglement
from zscape.measures.disentanglement.votes import beta_vae_score, factor_vae_score, rows_sharing

__all__ = [
    "Dci",
    "InfoMec",
    "Labelled",
    "Scores",
    "Udr",
    "beta_vae_score",
    "dci",
    "disentanglement",
    "factor_vae_score",
    "infomec",
    "information",
    "labelled",
    "mig",
    "modularity",
    "rows_sharing",
    "sap",
    "udr",
]
