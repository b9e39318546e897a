"""`zscape predict`: calibrated probabilities of classes, from a study whose data have labels."""

import csv
import io
import json as json_text
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from zscape.cli.output import say, tell
from zscape.cli.verbs import Folder, Json, Own, opened
from zscape.errors import StorageError
from zscape.measures.figure import Figure, record_of
from zscape.measures.prediction import Prediction
from zscape.modalities.found import printable
from zscape.study.predicting import judged, predicted, predictor_of
from zscape.study.storage.folder import write_file


def predict(
    study: Folder,
    data: Annotated[str, Parameter(help="a folder, a file, or the name of built-in data.")],
    /,
    *,
    out: Annotated[
        Path | None, Parameter(help="a .csv file to be written.", show_default=False)
    ] = None,
    label: Annotated[
        str,
        Parameter(help="the column of DATA that holds the class, to judge by.", show_default=False),
    ] = "",
    json: Json = False,
    recipe: Own = "",
) -> None:
    """Say of which class things are, with calibrated probabilities, from a study's labels."""
    trained = opened(study, recipe)
    with _watched("its predictor: from the study, or learned from its labels in minutes"):
        try:
            predictor = predictor_of(trained)
        except StorageError:
            tell("The study cannot be written, so its predictor is made and not kept.")
            predictor = predictor_of(trained, keep=False)
    raw, found = predicted(predictor, data, label=label)
    figures = (*predictor.figures, *judged(predictor.space, found, raw))
    items = raw.names or tuple(str(n) for n in range(len(found.probabilities)))
    if out is not None:
        write_file(out, _table(found, items).encode())
    for line in predictor.notes:
        tell(f"  {printable(line)}")
    for figure in figures:
        tell(f"  {_words(figure)}")
    if json:
        record = {"verb": "predict", "study": str(study), "data": data, "names": list(found.names)}
        record |= {"items": list(items), "classes": found.classes}
        record |= {"probabilities": found.probabilities.round(6).tolist()}
        say(record | {"out": None if out is None else str(out)} | _told(figures))
    elif out is None:
        sys.stdout.write(_table(found, items))
    else:
        print(out)


def _watched(words: str) -> Progress:
    """Words and the seconds that pass, while a `with` lasts, on a terminal."""
    columns = SpinnerColumn(), TextColumn(words), TimeElapsedColumn()
    console = Console(stderr=True)
    watched = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    watched.add_task(words, total=None)
    return watched


def _table(found: Prediction, items: tuple[str, ...]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["item", "class", *(f"p({name})" for name in found.names)])
    for item, name, shares in zip(items, found.classes, found.probabilities, strict=True):
        writer.writerow([item, name, *(f"{share:.6f}" for share in shares)])
    return text.getvalue()


def _told(figures: tuple[Figure, ...]) -> dict[str, list[dict[str, object]]]:
    return {"figures": json_text.loads(json_text.dumps([record_of(f) for f in figures]))}


def _words(figure: Figure) -> str:
    name = printable(figure.name)
    if figure.value is None:
        return f"{name}: undefined (too few labels of some class)"
    error = "" if figure.error is None else f" +- {figure.error:.3f}"
    return f"{name}: {figure.value:.3f}{error} {printable(figure.unit)} ({printable(figure.kind)})"
