"""The predictor of a study: made once from its labels, kept in its folder, found there again."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from zscape.errors import StudyError
from zscape.measures.figure import Figure
from zscape.measures.prediction import Prediction, Predictor, fit_predictor, predict
from zscape.measures.prediction.calibration import calibration_error
from zscape.measures.prediction.student import student
from zscape.measures.prediction.views import seen
from zscape.modalities.labels import are_known, code_labels
from zscape.space.space import Space
from zscape.study.data import raw_like
from zscape.study.intake.sources import Raw
from zscape.study.storage.claims import MISFITS, no_larger_than, require_same_types
from zscape.study.storage.contents import from_json, from_safetensors
from zscape.study.storage.folder import has_file, read_file
from zscape.study.study import Study

NETWORK, ABOUT = "predictor.safetensors", "predictor.json"


def predictor_of(study: Study, *, keep: bool = True) -> Predictor:
    """The predictor of a study, from its folder or learned from its labels now.

    Args:
        study: trained on data of which some have labels.
        keep: whether one that was learned now is put into the folder.

    Raises:
        SpecError: the study has no labels, or of fewer than two classes.
        StudyError: the folder's predictor is damaged.
        StorageError: the folder cannot be written.
    """
    space = study.space()
    if has_file(study.path, NETWORK) and has_file(study.path, ABOUT):
        return _kept(study, space)
    made = fit_predictor(space)
    if keep:
        about = {
            "names": list(made.names),
            "temperature": made.temperature,
            "figures": [asdict(figure) for figure in made.figures],
            "notes": list(made.notes),
        }
        weights = {name: tensor.contiguous() for name, tensor in made.network.state_dict().items()}
        study.add({NETWORK: save(weights), ABOUT: json.dumps(about, indent=1).encode()})
    return made


def predicted(predictor: Predictor, data: Any, *, label: str = "") -> tuple[Raw, Prediction]:
    """Data as they came, and the probabilities of their classes.

    Args:
        predictor: of a study.
        data: a folder, a file or built-in data of the study's kind.
        label: the column of `data` that holds the class; it is not looked at to predict.

    Raises:
        DataError: data that cannot be used.
        ShapeError: things of another size.
    """
    raw = raw_like(predictor.space.modality, data, label=label)
    return raw, predict(predictor, raw.things)


def judged(space: Space, prediction: Prediction, raw: Raw) -> tuple[Figure, ...]:
    """Accuracy and calibration error where data have labels that the predictor knows.

    Args:
        space: that the predictor was learned from; what is of its own data is told.
        prediction: of `raw`.
        raw: data as they came.
    """
    if raw.labels is None or not are_known(raw.labels, raw.label_names).any():
        return ()
    ids, names = code_labels(raw.labels, len(prediction.probabilities), raw.label_names)
    places = [prediction.names.index(n) if n in prediction.names else -1 for n in names]
    ids = np.append(places, -1)[ids]
    shares = torch.from_numpy(prediction.probabilities[ids >= 0])
    truth = torch.from_numpy(ids[ids >= 0])
    if not len(truth):
        return ()
    right = (shares.argmax(1) == truth).double()
    error = float(right.std() / len(right) ** 0.5) if len(right) > 1 else None
    name = f"accuracy on {len(right):,} labelled"
    if own := int((_own(space, raw)[ids >= 0]).sum()):
        name += f" ({own:,} of the study's own data)"
    accuracy = Figure(name, float(right.mean()), "share", "estimate", error)
    return accuracy, calibration_error(shares, truth)


def _own(space: Space, raw: Raw) -> np.ndarray:
    """Which things the study keeps among its own, bool `[N]`."""
    kept = {item.tobytes() for item in space.items.numpy()}
    return np.array(
        [thing.tobytes() in kept for thing in space.modality.encode(raw.things).numpy()]
    )


def _kept(study: Study, space: Space) -> Predictor:
    about = from_json(read_file(study.path, ABOUT), ABOUT)
    try:
        names, scale = tuple(map(str, about["names"])), float(about["temperature"])
        content, shape = read_file(study.path, NETWORK), seen(space, space.items[:2]).shape[1:]
        weights = from_safetensors(content, NETWORK)
        # Fresh weights are overwritten: building must not disturb the caller's randomness.
        with torch.random.fork_rng(devices=[]), no_larger_than(len(content), ABOUT):
            network = student(tuple(shape), len(names))
        require_same_types(weights, network.state_dict(), NETWORK)
        network.load_state_dict(weights)
        if not all(tensor.isfinite().all() for tensor in weights.values()):
            raise ValueError("its weights are not finite")
        figures = tuple(_figure(**figure) for figure in about["figures"])
        notes = tuple(map(str, about["notes"]))
        if not 0 < scale < np.inf:
            raise ValueError(f"temperature {scale}")
    except MISFITS as error:
        raise StudyError(
            f"The predictor of {study.path.name!r} must be of this study, and is not "
            f"({' '.join(str(error).split())[:200]}). Remove {NETWORK} and {ABOUT} to make another."
        ) from error
    return Predictor(
        space, names, network.eval().requires_grad_(False), scale, figures, notes=notes
    )


def _figure(*, value: Any, error: Any, **words: Any) -> Figure:
    value, error = (None if number is None else float(number) for number in (value, error))
    return Figure(**{name: str(word) for name, word in words.items()}, value=value, error=error)
