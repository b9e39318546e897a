"""Jobs: begun, followed, stopped, and what they made."""

import json
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter
from starlette.responses import Response

from zscape.studio.jobs import Job, Snapshot
from zscape.studio.logins import User
from zscape.studio.refusals import Refusal, answer, not_found
from zscape.studio.routes.bodies import ItemId, LongId, NewJob, OfStudy
from zscape.studio.studies import card, study_id
from zscape.studio.studio import Asker, Here, Studio

router = APIRouter(prefix="/jobs")


@router.post("", status_code=202)
async def begin(body: NewJob, login: Asker, here: Here) -> Response:
    """Begins a job."""
    study, arguments = _planned(here, login.user, body)
    if body.kind == "train" and body.study is None:
        await _require_sound(here, login.user, arguments)
    if study is not None and body.kind in ("train", "measure") and here.jobs.is_busy(study):
        raise Refusal(
            409,
            "busy",
            "A study must not be trained already to be written, and it is. Wait for its end.",
        )
    record: dict[str, Any] = {"kind": body.kind, "arguments": arguments}
    if body.study is None:
        name, recipe = Path(arguments["folder"]).name, body.recipe
    else:
        known = here.studies.one(body.study)
        record["study"] = known.record
        name, recipe = known.path.name, card(known)["recipe"]
    job = here.jobs.begin(Job(login.user.id, body.kind, study, record, name, recipe))
    return answer(job.plain(), status=202)


@router.get("")
async def jobs(login: Asker, here: Here) -> Response:
    """All jobs of who asks, the newest first."""
    return answer({"jobs": [job.plain() for job in here.jobs.all(login.user)]})


@router.get("/{j}")
async def job(j: LongId, login: Asker, here: Here) -> Response:
    """One job."""
    return answer(here.jobs.one(login.user, j).plain())


@router.delete("/{j}", status_code=202)
async def stop(j: LongId, login: Asker, here: Here) -> Response:
    """Stops a job."""
    found = here.jobs.one(login.user, j)
    here.jobs.stop(found)
    return answer(found.plain(), status=202)


@router.get("/{j}/result")
async def result(j: LongId, login: Asker, here: Here) -> Response:
    """What a job made, to be saved."""
    found = here.jobs.one(login.user, j).result
    if found is None:
        raise not_found("A result of that job")
    content, media, name = found
    headers = {"Content-Disposition": f"attachment; filename={name}"}
    return Response(content, headers=headers, media_type=media)


@router.get("/{j}/snapshots")
async def snapshots(j: LongId, login: Asker, here: Here) -> Response:
    """What a training run made as it went on."""
    found = here.jobs.one(login.user, j).snapshots.values()
    told = [{"step": s.step, "epoch": s.epoch, "shows": _shows(s)} for s in found]
    return answer({"snapshots": told})


@router.get("/{j}/snapshots/{step}")
async def snapshot_rows(j: LongId, step: ItemId, login: Asker, here: Here) -> Response:
    """One of them as rows; none where it is pictures."""
    found = _snapshot(here, login.user, j, step)
    told = {"step": found.step, "epoch": found.epoch, "shows": _shows(found)}
    return answer({**told, "rows": found.rows})


@router.get("/{j}/snapshots/{step}/{what}.png")
async def snapshot(
    j: LongId,
    step: ItemId,
    what: Literal["samples", "reconstructions"],
    login: Asker,
    here: Here,
) -> Response:
    """One of them as a picture."""
    found = _snapshot(here, login.user, j, step).pictures
    if what not in found:
        raise not_found("A picture of things that show themselves as rows")
    return Response(found[what], media_type="image/png")


def _snapshot(here: Studio, user: User, key: str, step: int) -> Snapshot:
    found: Snapshot | None = here.jobs.one(user, key).snapshots.get(step)
    if found is None:
        raise not_found("A snapshot of that step")
    return found


def _shows(snapshot: Snapshot) -> str:
    return "pictures" if snapshot.rows is None else "rows"


async def _require_sound(here: Studio, user: User, arguments: dict[str, Any]) -> None:
    """Refuses a training that cannot be, before there is a job of it.

    Raises:
        Refusal: options that are unknown, or values that they cannot have, all of them.
    """
    told = {name: arguments[name] for name in ("recipe", "options", "data")}
    reply = await here.reader.ask(user, {"call": "check", "arguments": told})
    faults = json.loads(bytes(reply.payload))["faults"]
    if faults:
        raise Refusal(422, "spec", faults[0]["sentence"], faults=faults)


def _planned(here: Studio, user: User, body: NewJob) -> tuple[str | None, dict[str, Any]]:
    """The study that a job is about or makes, and what its process is told."""
    if body.kind == "train" and body.study is None:
        if body.data is None:
            raise Refusal(
                422,
                "invalid",
                "A new study must have data: a built-in name or a study.",
                field="data",
            )
        folder = here.studies.fresh(body.name or "study")
        data: dict[str, Any] = {"name": body.data}
        if isinstance(body.data, OfStudy):
            data = {"study": here.studies.one(body.data.study).record}
        planned = {"data": data, "recipe": body.recipe, "options": body.options}
        return study_id(folder), {"folder": str(folder), **planned}
    if body.study is None:
        raise Refusal(422, "invalid", "A job of this kind must name its study.")
    known = here.studies.one(body.study)
    if body.kind == "train":
        return known.id, {"epochs": body.epochs}
    here.studies.trained(body.study)
    if body.kind == "refit":
        folder = here.studies.fresh(body.name or f"{known.path.name}-refit")
        return known.id, {"folder": str(folder), "prior": body.prior}
    if body.kind == "export" and body.what == "animation":
        if body.codes is None:
            raise Refusal(422, "invalid", "An animation must have codes.")
        return known.id, {"codes": body.codes, "format": body.format, "fps": body.fps}
    if body.kind == "export":
        items = None
        if body.selection is not None:
            items = here.selections.one(user, known.id, body.selection).items.tolist()
        return known.id, {"items": items}
    return known.id, {}
