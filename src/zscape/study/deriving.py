"""A study made from another by changing its model and not training: refitted, pruned."""

import os
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from zscape import __version__
from zscape.errors import StudyError
from zscape.measures.gallery import gallery
from zscape.space.space import Space
from zscape.study.figures import report_page
from zscape.study.journal import LOG
from zscape.study.storage.folder import has_file, read_file, write_file
from zscape.study.study import PICTURES, REPORT, SKIPPED, Study


def derived_path(study: Study, out: Path | None, suffix: str) -> Path:
    """Where the new study goes: as asked, or beside the old one, `-refit`, `-refit-2`, and so on.

    Raises:
        StudyError: something is there.
    """
    here = study.path.resolve()
    if out is None:
        names = (f"{here.name}-{suffix}{f'-{n}' * (n > 1)}" for n in count(1))
        return next(path for path in map(here.with_name, names) if not path.exists())
    path = out
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise StudyError(
            f"A study that is made from another must go to a new or empty folder, and "
            f"{str(path)!r} is there. Choose another with --out."
        )
    return path


def derive(
    study: Study,
    space: Space,
    path: Path,
    changed: Mapping[str, Any],
    files: Mapping[str, bytes],
) -> Study:
    """A new study folder with the space; its log is that of the old study, which stays as it is.

    Args:
        study: the old study.
        space: made from its space.
        path: a new or empty folder.
        changed: what is asked otherwise than of the old study.
        files: further files of the folder.

    Raises:
        StudyError: the folder holds something.
        StorageError: the disk is full.
    """
    about = _moved(study.asked["data"], study.path, path)
    asked = {**study.asked, "zscape": __version__, "data": about, **changed}
    new = Study(path, asked, study.modality, study.recipe).create()
    assert new.lock is not None
    with new.lock:
        write_file(path / LOG, read_file(study.path, LOG, grows=True))
        new.save(space)
        made = {f"{PICTURES}/{verb}.png": image for verb, image in gallery(space).items()}
        if has_file(study.path, SKIPPED):
            made[SKIPPED] = read_file(study.path, SKIPPED)
        new.add(made | dict(files))
        new.add({REPORT: report_page(new, space).encode()})
    return new


def _moved(about: Mapping[str, Any], old: Path, new: Path) -> dict[str, Any]:
    """The record of the data, whose path is told from the folder of the study."""
    origin = dict(about.get("origin", {}))
    if "path" in origin:
        lies = os.path.realpath(old.resolve() / origin["path"])
        origin["path"] = os.path.relpath(lies, os.path.realpath(new))
    return {**about, "origin": origin} if origin else dict(about)
