"""The verbs: what is made while somebody waits, and what a person says of a study."""

import tempfile
from array import array
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.responses import Response

from zscape.studio.logins import User
from zscape.studio.refusals import Refusal, answer
from zscape.studio.routes.bodies import (
    Decode,
    Edit,
    FindDirection,
    Group,
    KeepDirection,
    LongId,
    Mix,
    Neighbours,
    NewSelection,
    Note,
    Places,
    Redraw,
    RestoreDirection,
    Rows,
    Sample,
    StudyId,
    Way,
)
from zscape.studio.selections import from_mask
from zscape.studio.studies import Known
from zscape.studio.studio import Asker, Here, Studio
from zscape.studio.wire import BINARY, container

# What a picture's bytes begin with: its name is not asked, and would not be believed.
BEGINNINGS = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"RIFF": ".webp", b"GIF8": ".gif"}

router = APIRouter(prefix="/studies/{s}")


@router.post("/encode")
async def encode(s: StudyId, request: Request, login: Asker, here: Here) -> Response:
    """The codes of a picture that is sent, or of rows."""
    known = here.studies.trained(s)
    if request.headers.get("content-type", "").startswith("application/octet-stream"):
        made = await _encoded_picture(request, login, here, known)
    else:
        try:
            rows = Rows.model_validate(await request.json()).rows
        except (ValidationError, RecursionError) as error:
            errors = error.errors() if isinstance(error, ValidationError) else []
            raise RequestValidationError(errors) from error
        except ValueError as error:
            raise Refusal(400, "bad_request", "A body must be JSON, and is not.") from error
        made = await here.ask(here.reader, login, known, "encode_rows", {"rows": rows})
    return _response(made)


@router.post("/decode")
async def decode(s: StudyId, body: Decode, login: Asker, here: Here) -> Response:
    """What codes stand for."""
    known = here.studies.trained(s)
    asked = {"codes": body.codes, "where": body.where}
    return _response(await here.ask(here.decoder, login, known, "decode", asked))


@router.post("/sample")
async def sample(s: StudyId, body: Sample, login: Asker, here: Here) -> Response:
    """New things."""
    known = here.studies.trained(s)
    return _response(await here.ask(here.decoder, login, known, "sample", body.model_dump()))


@router.post("/neighbours")
async def neighbours(s: StudyId, body: Neighbours, login: Asker, here: Here) -> Response:
    """What is near."""
    known = here.studies.trained(s)
    asked = {"place": body.record(), "k": body.k}
    return _response(await here.ask(here.reader, login, known, "neighbours", asked))


@router.post("/telling")
async def telling(s: StudyId, body: Places, login: Asker, here: Here) -> Response:
    """The few cells of things that tell most of them."""
    known = here.studies.trained(s)
    asked = {"places": [place.record() for place in body.places]}
    return _response(await here.ask(here.reader, login, known, "telling", asked))


@router.post("/path")
async def path(s: StudyId, body: Way, login: Asker, here: Here) -> Response:
    """The codes on a way."""
    known = here.studies.trained(s)
    asked = {**body.model_dump(), "stops": [stop.record() for stop in body.stops]}
    worker = here.judge if body.method == "geodesic" else here.decoder  # which takes seconds
    return _response(await here.ask(worker, login, known, "path", asked))


@router.post("/edit")
async def edit(s: StudyId, body: Edit, login: Asker, here: Here) -> Response:
    """A thing moved along directions."""
    known = here.studies.trained(s)
    asked = {
        "place": body.record(),
        "strengths": body.strengths,
        "keep_details": body.keep_details,
        "user": login.user.id,
    }
    # Directions that were found live in the reader.
    return _response(await here.ask(here.reader, login, known, "edit", asked))


@router.post("/mix")
async def mix(s: StudyId, body: Mix, login: Asker, here: Here) -> Response:
    """Content of one, style of another."""
    known = here.studies.trained(s)
    asked: dict[str, Any] = {"content": body.content.record(), "style": body.style.record()}
    asked |= {"levels": body.levels, "units": body.units}
    return _response(await here.ask(here.decoder, login, known, "mix", asked))


@router.post("/redraw")
async def redraw(s: StudyId, body: Redraw, login: Asker, here: Here) -> Response:
    """Things like one, of which some levels are drawn anew."""
    known = here.studies.trained(s)
    asked = {"place": body.record(), "below": body.below, "levels": body.levels}
    asked |= {"n": body.n, "seed": body.seed}
    return _response(await here.ask(here.decoder, login, known, "redraw", asked))


@router.get("/directions")
async def directions(s: StudyId, login: Asker, here: Here) -> Response:
    """The directions of a study."""
    known, asked = here.studies.trained(s), {"user": login.user.id}
    return _response(await here.ask(here.reader, login, known, "directions", asked))


@router.get("/directions/unsupervised")
async def unsupervised(
    s: StudyId,
    login: Asker,
    here: Here,
    method: Literal["pca", "ica", "units"] = "pca",
    number: Annotated[int, Query(ge=1, le=64)] = 8,
) -> Response:
    """Directions that no label taught."""
    known = here.studies.trained(s)
    asked = {"method": method, "number": number, "user": login.user.id}
    return _response(await here.ask(here.reader, login, known, "unsupervised", asked))


@router.post("/directions", status_code=201)
async def find_direction(s: StudyId, body: FindDirection, login: Asker, here: Here) -> Response:
    """The direction of a property."""
    known = here.studies.trained(s)
    positive = _group(here, login.user, known, body.positive)
    negative = None if body.negative is None else _group(here, login.user, known, body.negative)
    asked: dict[str, Any] = {"positive": positive, "negative": negative, "user": login.user.id}
    asked |= {"name": body.name, "apart_from": body.apart_from, "keep": body.keep}
    return _response(await here.ask(here.reader, login, known, "find_direction", asked), status=201)


@router.post("/directions/keep")
async def keep_direction(s: StudyId, body: KeepDirection, login: Asker, here: Here) -> Response:
    """Writes a direction that was found into the study."""
    known, asked = here.studies.trained(s), {**body.model_dump(), "user": login.user.id}
    return _response(await here.ask(here.reader, login, known, "keep_direction", asked))


@router.delete("/directions", status_code=204)
async def drop_direction(
    s: StudyId,
    name: Annotated[str, Query(max_length=200)],
    login: Asker,
    here: Here,
    kept: bool = False,
) -> Response:
    """Lets a direction go that was found, or takes a kept one out of the study."""
    known, asked = here.studies.trained(s), {"name": name, "kept": kept, "user": login.user.id}
    await here.ask(here.reader, login, known, "drop_direction", asked)
    return Response(status_code=204)


@router.post("/directions/restore")
async def restore_direction(
    s: StudyId, body: RestoreDirection, login: Asker, here: Here
) -> Response:
    """Brings a direction back that was let go."""
    known, asked = here.studies.trained(s), {**body.model_dump(), "user": login.user.id}
    return _response(await here.ask(here.reader, login, known, "restore_direction", asked))


@router.get("/notes")
async def notes(s: StudyId, login: Asker, here: Here) -> Response:
    """What a person said of a study."""
    return _response(await here.ask(here.reader, login, here.studies.trained(s), "notes"))


@router.put("/notes/{kind}")
async def keep_note(
    s: StudyId,
    kind: Literal["tags", "paths", "names", "shelf"],
    body: Note,
    login: Asker,
    here: Here,
) -> Response:
    """A note in place of the one before."""
    known = here.studies.trained(s)
    asked = {"kind": kind, "version": body.version, "value": body.value}
    return _response(await here.ask(here.reader, login, known, "keep_note", asked))


@router.post("/selections", status_code=201)
async def select(
    s: StudyId, body: NewSelection, request: Request, login: Asker, here: Here
) -> Response:
    """Remembers items."""
    known = here.studies.trained(s)
    count = await here.count(request, known)
    if (body.items is None) == (body.mask is None):
        raise Refusal(422, "invalid", "A selection must be either items or a mask.")
    if body.mask is not None:
        items = from_mask(body.mask, count)
    else:
        items = array("I", sorted(set(body.items or ())))
    if len(items) and items[-1] >= count:
        raise Refusal(422, "invalid", f"Items must be from 0 to {count - 1}, got {items[-1]}.")
    made = here.selections.add(login.user, known.id, body.name, items)
    return answer(made.record(), status=201)


@router.get("/selections")
async def selections(s: StudyId, login: Asker, here: Here) -> Response:
    """All selections of who asks."""
    found = here.selections.all(login.user, here.studies.one(s).id)
    return answer({"selections": [one.record() for one in found]})


@router.get("/selections/{key}")
async def selection(s: StudyId, key: LongId, login: Asker, here: Here) -> Response:
    """The items of one."""
    import numpy as np  # here alone, and a third of the time until the page is there

    found = here.selections.one(login.user, here.studies.one(s).id, key)
    content = container(found.record(), {"items": np.array(found.items, np.uint32)})
    return Response(content, media_type=BINARY)


@router.delete("/selections/{key}", status_code=204)
async def drop_selection(s: StudyId, key: LongId, login: Asker, here: Here) -> Response:
    """Forgets one."""
    here.selections.drop(login.user, here.studies.one(s).id, key)
    return Response(status_code=204)


async def _encoded_picture(
    request: Request, login: Asker, here: Studio, known: Known
) -> tuple[bytes, str]:
    """The code of a picture, by a file of ours outside of what is served, gone when it was read."""
    chunks = request.stream()
    first = await anext(chunks, b"")
    suffix = next((end for begin, end in BEGINNINGS.items() if first.startswith(begin)), None)
    if suffix is None:
        raise Refusal(
            422, "data", "A picture must be PNG, JPEG, WebP or GIF, and this is none. Convert it."
        )
    with tempfile.TemporaryDirectory(prefix="zscape-upload-") as folder:
        path = Path(folder) / f"picture{suffix}"
        with path.open("wb") as file:
            file.write(first)
            async for chunk in chunks:
                file.write(chunk)
        return await here.ask(here.reader, login, known, "encode_picture", {"path": str(path)})


def _group(here: Studio, user: User, known: Known, group: Group) -> dict[str, Any]:
    """A group as a worker is told of it."""
    if group.selection is not None:
        return {"items": here.selections.one(user, known.id, group.selection).items.tolist()}
    return {"items": group.items, "name": group.name}


def _response(made: tuple[bytes, str], *, status: int = 200) -> Response:
    content, media = made
    return Response(content, status, media_type=media)
