"""`zscape export`: encoder and decoder for programs that know no zscape, and how exact they are."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from zscape.cli.conditions import asked_of
from zscape.cli.output import say
from zscape.cli.verbs import Folder, Json, Own, opened
from zscape.study.exporting import export as exported


def export(
    study: Folder,
    /,
    *,
    out: Annotated[
        Path | None,
        Parameter(
            name=["-o", "--out"],
            help="a folder, or NAME.onnx for NAME-encoder.onnx; none: STUDY-onnx, STUDY-torch.",
        ),
    ] = None,
    format: Annotated[str, Parameter(help="onnx, or torch: .py files that need torch alone.")] = (
        "onnx"
    ),
    where: Annotated[
        str, Parameter(help="what is known of all things, as smile=1,age=40, of a study told so.")
    ] = "",
    json: Json = False,
    recipe: Own = "",
) -> None:
    """Write the encoder and the decoder for other programs, checked on real examples."""
    space = opened(study, recipe).space()
    asked = asked_of(space, where, "")
    here = study.resolve()
    done = exported(space, out or Path(f"{here.name}-{format}"), format=format, where=asked)
    if json:
        record: dict[str, Any] = {"verb": "export", "study": str(study), "format": format}
        record |= {"files": [str(path) for path in done.files], "where": asked}
        record |= {"differences": dict(done.differences), "spreads": dict(done.spreads)}
        say(record | {"examples": done.examples})
        return
    for half, largest in done.differences.items():
        print(
            f"{half}: largest difference {largest:.2g} on {done.examples} examples, where values "
            f"spread by {done.spreads[half]:.2g} (measured)"
        )
    for path in done.files:
        print(path)
