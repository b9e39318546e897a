"""`zscape measure`: every figure of a study, each with its unit, kind and floor."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from zscape.cli.output import say, tell
from zscape.cli.verbs import Folder, Json, Own, Seed, opened
from zscape.errors import StorageError
from zscape.measures.measurement import DRAWS
from zscape.study.measuring import keep, measuring_study


def measure(
    study: Folder,
    data: Annotated[
        str, Parameter(help="things to measure on; none: the study's held-out examples.")
    ] = "",
    /,
    *,
    factors: Annotated[
        Path | None,
        Parameter(help="a table of known factors, a row for each thing in its order."),
    ] = None,
    label: Annotated[
        str, Parameter(help="the column of DATA that holds the class.", show_default=False)
    ] = "",
    draws: Annotated[
        int, Parameter(help="of the importance-weighted NLL, for each example.")
    ] = DRAWS,
    seed: Seed = 0,
    json: Json = False,
    recipe: Own = "",
) -> None:
    """Say how good a study is: likelihood, code, samples, interpolation, usefulness, factors."""
    trained = opened(study, recipe)
    tell("measuring")
    for report in measuring_study(
        trained, data, label=label, factors=factors, draws=draws, seed=seed
    ):
        tell(f"  {report.sections[-1].name}")
    if json:
        say({"verb": "measure", "study": str(study), "data": data or None, **report.to_json()})
    else:
        print(report)
    if data or factors is not None:
        return  # the study's own page is about its own data
    try:
        keep(trained, report)
    except StorageError:
        tell("The study cannot be written, so its report stays as it was.")
