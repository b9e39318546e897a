"""A study that was pruned, as a new study beside the one it was made from."""

from pathlib import Path

from zscape.errors import SpecError
from zscape.space.pruning import Pruned
from zscape.study.deriving import derive
from zscape.study.spec import options
from zscape.study.study import Study


def keep_pruned(study: Study, pruned: Pruned, path: Path) -> Study:
    """A new study folder of the smaller model, which is that of the recipe with fewer units.

    Args:
        study: the old study, which stays as it is.
        pruned: its space with fewer units.
        path: a new or empty folder.

    Raises:
        SpecError: a recipe without the option `latent`.
        StudyError: the folder holds something.
        StorageError: the disk is full.
    """
    if "latent" not in options(study.recipe):
        raise SpecError(
            f"A study that is pruned must be of a recipe with the option latent, and "
            f"{study.asked['recipe']!r} has none. In Python, zscape.prune gives the space alone."
        )
    told = {
        "units": list(pruned.units),
        "share": pruned.share,
        "elbo_before": pruned.before,
        "elbo_change": pruned.change,
        "error": pruned.error,
        "updates": pruned.updates,
    }
    chosen = {**study.asked["options"], "latent": len(pruned.units)}
    return derive(study, pruned.space, path, {"options": chosen, "pruned": told}, {})
