"""A study whose prior was refitted, as a new study beside the one it was made from."""

import json
from dataclasses import replace
from pathlib import Path

from zscape.measures.priors import prior_change, prior_sheet
from zscape.measures.sections import Report
from zscape.space.candidates import Attempt
from zscape.space.pictures import png
from zscape.space.slot import with_prior
from zscape.space.space import Space
from zscape.study.deriving import derive
from zscape.study.study import PRIOR, PRIOR_AFTER, PRIOR_BEFORE, Study


def keep_refitted(
    study: Study, space: Space, attempt: Attempt, path: Path, *, seed: int = 0
) -> tuple[Study, Report]:
    """A new study folder with the fitted prior in its slot, and what that changed.

    Weights but the prior, codes, items and log are those of the old study, which stays as it is.

    Args:
        study: the old study.
        space: its space.
        attempt: a fitted candidate, as of `refitting`.
        path: a new or empty folder.
        seed: of the refitting, so that rates are told over items that it has not seen.

    Raises:
        StudyError: the folder holds something.
        StorageError: the disk is full.
    """
    assert attempt.prior is not None, "not fitted yet"
    after = replace(space, model=with_prior(space.model, attempt.slot, attempt.prior))
    change = prior_change(space, after, seed=seed)
    files = {PRIOR_BEFORE: png(prior_sheet(space)), PRIOR_AFTER: png(prior_sheet(after))}
    files[PRIOR] = json.dumps(change.to_json(), indent=1).encode()
    return derive(study, after, path, {"prior": attempt.slot.to_plain()}, files), change
