"""All measures of disentanglement by known factors in one call."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zscape.measures.disentanglement.factors import labelled
from zscape.measures.disentanglement.importance import Dci, dci, sap
from zscape.measures.disentanglement.information import (
    InfoMec,
    infomec,
    information,
    mig,
    modularity,
)
from zscape.measures.disentanglement.votes import beta_vae_score, factor_vae_score
from zscape.measures.figure import Figure

MOST = 10_000  # rows that are measured, as in published figures


@dataclass(frozen=True, slots=True)
class Scores:
    """Eleven figures of how a code's units go with known factors.

    `information` `[F, D]` is the share of each factor's entropy that each unit tells, by bins;
    `names` are the factors'.
    """

    names: tuple[str, ...]
    information: np.ndarray
    mig: Figure
    modularity: Figure
    sap: Figure
    factor_vae: Figure
    beta_vae: Figure
    dci: Dci
    infomec: InfoMec

    @property
    def figures(self) -> tuple[Figure, ...]:
        """All figures, in the order in which they are to be read."""
        return (
            self.mig,
            self.dci.disentanglement,
            self.dci.completeness,
            self.dci.informativeness,
            self.infomec.infom,
            self.infomec.infoe,
            self.infomec.infoc,
            self.factor_vae,
            self.beta_vae,
            self.sap,
            self.modularity,
        )


def disentanglement(
    codes: np.ndarray,
    factors: np.ndarray,
    names: Sequence[str] = (),
    *,
    most: int = MOST,
    seed: int = 0,
) -> Scores:
    """Every score of a code by known factors, on any labelled table; seconds for 10,000 rows.

    No score is better than the others: read MIG and DCI for "one unit per factor", InfoE for
    "what is there at all", the votes for "does a unit keep still".

    Args:
        codes: `[N, D]`, usually posterior means.
        factors: `[N, F]`: classes, or reals, which are binned (see `labelled`).
        names: of the factors.
        most: rows that are measured, drawn at random where there are more.
        seed: of that draw, and of the measures.

    Raises:
        ShapeError: codes and factors that do not belong together.
        DataError: a factor with missing values, one that is constant, or one that hardly repeats.
    """
    table = labelled(codes, factors, names)
    codes, factors = table.codes, table.classes
    if len(codes) > most:
        rows = np.random.default_rng(seed).choice(len(codes), most, replace=False)
        codes, factors = codes[rows], factors[rows]
    return Scores(
        names=table.names,
        information=information(codes, factors),
        mig=mig(codes, factors),
        modularity=modularity(codes, factors),
        sap=sap(codes, factors, seed=seed),
        factor_vae=factor_vae_score(codes, factors, seed=seed),
        beta_vae=beta_vae_score(codes, factors, seed=seed),
        dci=dci(codes, factors, seed=seed),
        infomec=infomec(codes, factors),
    )
