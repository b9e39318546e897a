"""`zscape prune`: the same study with fewer units, and what that cost."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from zscape.cli.output import done, say
from zscape.cli.verbs import Folder, Json, Own, Seed, opened
from zscape.errors import SpecError
from zscape.space.pruning import Pruned, pruning
from zscape.study.deriving import derived_path
from zscape.study.pruning import keep_pruned


def prune(
    study: Folder,
    /,
    *,
    keep: Annotated[
        str, Parameter(help="the share of the rate that the units that stay carry.")
    ] = "99%",
    updates: Annotated[
        int,
        Parameter(help="steps that the smaller network is trained further, 2000 say; 0: none."),
    ] = 0,
    seed: Seed = 0,
    out: Annotated[
        Path | None, Parameter(help="the new folder; none: STUDY-pruned beside it.")
    ] = None,
    json: Json = False,
    recipe: Own = "",
) -> None:
    """Leave out the units that say the least; a smaller network, as a new study."""
    trained = opened(study, recipe)
    path = derived_path(trained, out, "pruned")
    stages = pruning(trained.space(), _share(keep), updates=updates, seed=seed)
    pruned = done(stages)
    new = keep_pruned(trained, pruned, path)
    if json:
        record = {"verb": "prune", "study": str(study), "new": str(new.path)}
        say(record | {"keep": keep, **new.asked["pruned"], "weights": list(pruned.weights)})
        return
    for line in _lines(pruned):
        print(line)
    print(f"\nThe new study is in {new.path}")


def _share(word: str) -> float:
    """The number that '99%' or '0.99' says."""
    try:
        number = float(word.removesuffix("%"))
    except ValueError as error:
        raise SpecError(f"--keep must be a share as '99%' or 0.99, got {word!r}.") from error
    return number / 100 if word.endswith("%") else number


def _lines(pruned: Pruned) -> list[str]:
    before, after = pruned.weights
    units = ", ".join(map(str, pruned.units))
    return [
        f"{len(pruned.units)} units carry {pruned.share:.2%} of the rate (exact): {units}",
        f"ELBO {pruned.before:.2f} nats per example before (bound), changed by "
        f"{pruned.change:+.3f} +- {pruned.error:.3f} (estimate, same examples)",
        f"weights: {before:,} before, {after:,} now",
    ]
