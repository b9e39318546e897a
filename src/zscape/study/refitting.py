"""A study whose prior was refitted, as a new study beside the one it was made from."""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from zscape import __version__
from zscape.errors import StudyError
from zscape.measures.gallery import gallery
from zscape.measures.priors import prior_change, prior_sheet
from zscape.measures.sections import Report
from zscape.space.candidates import Attempt
from zscape.space.pictures import png
from zscape.space.slot import with_prior
from zscape.space.space import Space
from zscape.study.figures import report_page
from zscape.study.journal import LOG
from zscape.study.storage.folder import has_file, read_file, write_file
from zscape.study.study import (
    PICTURES,
    PRIOR,
    PRIOR_AFTER,
    PRIOR_BEFORE,
    REPORT,
    SKIPPED,
    Study,
)


def refitted_path(study: Study, out: Path | None) -> Path:
    """Where the new study goes: as asked, or beside the old one under its name with `-refit`.

    Raises:
        StudyError: something is there.
    """
    here = study.path.resolve()
    path = here.with_name(f"{here.name}-refit") if out is None else out
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise StudyError(
            f"A refitted study must go to a new or empty folder, and {str(path)!r} is there. "
            "Choose another with --out."
        )
    return path


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
    asked = {**study.asked, "zscape": __version__, "prior": attempt.slot.to_plain()}
    asked["data"] = _moved(study.asked["data"], study.path, path)
    new = Study(path, asked, study.modality, study.recipe).create()
    assert new.lock is not None
    with new.lock:
        write_file(path / LOG, read_file(study.path, LOG, grows=True))
        new.save(after)
        pictures = {f"{PICTURES}/{verb}.png": image for verb, image in gallery(after).items()}
        pictures |= {PRIOR_BEFORE: png(prior_sheet(space)), PRIOR_AFTER: png(prior_sheet(after))}
        if has_file(study.path, SKIPPED):
            pictures[SKIPPED] = read_file(study.path, SKIPPED)
        new.add(pictures | {PRIOR: json.dumps(change.to_json(), indent=1).encode()})
        new.add({REPORT: report_page(new, after).encode()})
    return new, change


def _moved(about: Mapping[str, Any], old: Path, new: Path) -> dict[str, Any]:
    """The record of the data, whose path is told from the folder of the study."""
    origin = dict(about.get("origin", {}))
    if "path" in origin:
        lies = os.path.realpath(old.resolve() / origin["path"])
        origin["path"] = os.path.relpath(lies, os.path.realpath(new))
    return {**about, "origin": origin} if origin else dict(about)
