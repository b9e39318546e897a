"""Classes told from few labels: neighbours spread them, a network learns what neighbours agree on.

Source of the parts: Calder et al. 2020 (Poisson learning); Lee 2013 (pseudo-labels); Guo et al.
2017 (temperature).
"""

from zscape.measures.prediction.predictor import (
    Prediction,
    Predictor,
    fit_predictor,
    predict,
)

__all__ = ["Prediction", "Predictor", "fit_predictor", "predict"]
