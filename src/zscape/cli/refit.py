"""`zscape refit-prior`: a better prior for a trained study, in a study beside it."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from zscape.cli.output import say, tell
from zscape.cli.verbs import Folder, Json, Own, Seed, opened
from zscape.measures.priors import verdict
from zscape.space.candidates import Attempt, best
from zscape.space.refitting import SUITING, refitting
from zscape.space.slot import slot_words
from zscape.study.deriving import derived_path
from zscape.study.refitting import keep_refitted
from zscape.study.study import REPORT

SILENT = 10.0  # seconds between lines where no line is drawn over

Kind = Annotated[
    str,
    Parameter(
        help="mixture, diagonal, vamp, flow, diffusion, tokens; auto: the lowest rate; none: what "
        "suits the study."
    ),
]
By = Annotated[
    str,
    Parameter(help="the labels, by their name, or an attribute: components for each class."),
]
Components = Annotated[
    int, Parameter(help="of a mixture, by classes of each; 0: picked on held-out rate.")
]
SamplerSteps = Annotated[int, Parameter(help="of the sampler of a diffusion, 4 to 64.")]
Guidance = Annotated[
    float, Parameter(help="of a diffusion by classes: 0 not at all, 1 as learned.")
]
Updates = Annotated[
    int, Parameter(help="steps of what is fitted by gradients; 0: the usual number.")
]
New = Annotated[Path | None, Parameter(help="the new folder; none: STUDY-refit beside it.")]


def refit_prior(
    study: Folder,
    /,
    *,
    prior: Kind = SUITING,
    by: By = "",
    components: Components = 0,
    steps: SamplerSteps = 8,
    guidance: Guidance = 1.0,
    updates: Updates = 0,
    seed: Seed = 0,
    out: New = None,
    json: Json = False,
    recipe: Own = "",
) -> None:
    """Fit a better prior to the codes of a study, all else frozen, and keep it as a new study."""
    trained = opened(study, recipe)
    path, space = derived_path(trained, out, "refit"), trained.space()
    attempts = refitting(
        space,
        prior,
        by=by,
        components=components,
        steps=steps,
        guidance=guidance,
        updates=updates,
        seed=seed,
    )
    done = best(_told(attempts))
    tell(f"fitted a {slot_words(done.slot)}; drawing samples before and after ...")
    new, change = keep_refitted(trained, space, done, path, seed=seed)
    if json:
        record = {"verb": "refit-prior", "study": str(study), "new": str(new.path)}
        say(record | {"prior": done.slot.to_plain(), **change.to_json()})
        return
    print(change)
    print(f"\n{verdict(change)}")
    print(f"The new study is in {new.path}, its report in {new.path / REPORT}")


def _told(attempts: Iterator[Attempt]) -> Iterator[Attempt]:
    """The same attempts; what is fitted and how far it is are told on stderr."""
    console, told = Console(stderr=True), time.monotonic()
    for attempt in attempts:
        if attempt.prior is not None:
            tell(f"{attempt.words}: {attempt.nats:.3f} nats, -log p(z) on held-out codes")
        elif console.is_terminal:
            print(f"\r{attempt.share:4.0%}  {attempt.words} ", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - told > SILENT:
            tell(f"{attempt.share:4.0%}  {attempt.words}")
            told = time.monotonic()
        yield attempt
