"""`zscape doctor`: what is wrong with a study, and what to change; `--fix` changes it."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from zscape.cli.output import say, tell
from zscape.cli.verbs import Folder, Json, Own, opened
from zscape.errors import SpecError
from zscape.study.doctoring import diagnose_study, fix
from zscape.study.storage.folder import fresh_folder
from zscape.study.study import Study


def doctor(
    study: Folder,
    /,
    *,
    fix: Annotated[
        bool, Parameter(help="retrain into a new folder with what it proposes.", negative="")
    ] = False,
    out: Annotated[
        Path | None, Parameter(help="the new folder; none: one beside the study.")
    ] = None,
    data: Annotated[
        str, Parameter(help="what it was trained on, if it did not keep it.", show_default=False)
    ] = "",
    label: Annotated[
        str, Parameter(help="the column of these data that holds the class.", show_default=False)
    ] = "",
    json: Json = False,
    recipe: Own = "",
) -> None:
    """Say what is wrong with a study, why, and the one flag to change; findings are no error."""
    trained = opened(study, recipe)
    if not fix and (out is not None or data or label):
        raise SpecError(
            "--out, --data and --label must come with --fix, got them alone. Add --fix."
        )
    if fix:
        _fix(trained, out=out, data=data, label=label, json=json)
        return
    diagnosis = diagnose_study(trained)
    if json:
        say({"verb": "doctor", "study": str(study), **diagnosis.to_json()})
    else:
        print(diagnosis)


def _fix(study: Study, *, out: Path | None, data: str, label: str, json: bool) -> None:
    def folder(number: int) -> Path:
        if out is None:
            return fresh_folder(study.path.resolve().parent, f"{study.path.resolve().name}-fixed")
        return out if number == 1 else out.with_name(f"{out.name}-{number}")

    if not json:
        tell(str(diagnose_study(study)))
    cure = fix(study, folder=folder, data=data or None, label=label, lines=True)
    if json:
        say({"verb": "doctor", "study": str(study.path), **cure.to_json()})
    else:
        print(cure)
