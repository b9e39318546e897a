"""What can be read of the studio and its studies."""

import json
from importlib.util import find_spec
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from zscape import __version__
from zscape.studio.answers import AGAIN, FOR_EVER
from zscape.studio.refusals import Refusal, answer, not_found
from zscape.studio.routes.bodies import MOST_CODES, ItemId, Other, StudyId
from zscape.studio.security import UPLOAD_BYTES
from zscape.studio.studies import Known, card, log_of, report_of
from zscape.studio.studio import Asker, Here, Studio
from zscape.studio.workers import QUEUE, SHARE

router = APIRouter(prefix="/studies")
about_router = APIRouter()


@about_router.get("/about")
async def about(here: Here) -> Response:
    """Version, limits, and whether the model process is up."""
    return answer(
        {
            "version": __version__,
            "start": here.id,
            "ready": here.decoder.ready.is_set(),
            "capabilities": {"umap": find_spec("umap") is not None, "train": True},
            "limits": {
                "decode": MOST_CODES,
                "upload_bytes": UPLOAD_BYTES,
                "queue": QUEUE,
                "share": SHARE,
            },
            "worker": {"state": here.decoder.state, "last_ms": here.decoder.milliseconds},
        }
    )


@about_router.get("/events")
async def events(
    request: Request, login: Asker, here: Here, since: Annotated[int | None, Query(ge=0)] = None
) -> Response:
    """What happens, as it happens."""
    last = request.headers.get("last-event-id", "")
    place = int(last[:18]) if last[:18].isdecimal() else since
    at_once = {"X-Accel-Buffering": "no"}  # a proxy that gathers answers must not gather these
    stream = here.events.follow(login, place)
    return StreamingResponse(stream, headers=at_once, media_type="text/event-stream")


@about_router.get("/recipes")
async def recipes(login: Asker, here: Here) -> Response:
    """Recipes and options, for a form."""
    reply = await here.reader.ask(login.user, {"call": "recipes"})
    return Response(bytes(reply.payload), media_type="application/json")


@router.get("")
def studies(here: Here) -> Response:
    """All studies."""
    return answer({"studies": [_card(here, known) for known in here.studies.all()]})


@router.get("/{s}")
async def study(s: StudyId, request: Request, here: Here) -> Response:
    """One study."""
    known = here.studies.one(s)
    details = None
    if known.content:
        kept = await here.kept(request, known, "details")
        found = here.figures(request, known)
        details = {**json.loads(kept.content), "figures": found, "content": known.content}
        details["path"] = str(known.path)  # for what is copied as Python, to run from anywhere
    return answer({"card": _card(here, known), "details": details})


@router.get("/{s}/checkpoints")
def checkpoints(s: StudyId, here: Here) -> Response:
    """At present the last one."""
    known = here.studies.one(s)
    last = log_of(known)[-1:]
    found = [{"id": "last", "step": r.get("step"), "epoch": r.get("epoch")} for r in last]
    return answer({"checkpoints": found})


@router.get("/{s}/log")
def log(s: StudyId, here: Here, since: Annotated[int, Query(ge=0, lt=2**31)] = 0) -> Response:
    """The training log."""
    records = log_of(here.studies.one(s))
    return answer({"records": records[since:], "next": max(len(records), since)})


@router.get("/{s}/report.html")
def report(s: StudyId, here: Here) -> Response:
    """The report, of which a browser is to run nothing."""
    content = report_of(here.studies.one(s))
    headers = {
        "Content-Security-Policy": "sandbox; default-src 'none'; img-src data:; "
        "style-src 'unsafe-inline'; frame-ancestors 'none'",
        "Content-Disposition": "attachment; filename=report.html",
    }
    return Response(content, headers=headers, media_type="text/html; charset=utf-8")


@router.get("/{s}/names")
async def names(s: StudyId, request: Request, here: Here) -> Response:
    """What items are called."""
    return await here.read(request, here.studies.trained(s), "names")


@router.get("/{s}/codes")
async def codes(
    s: StudyId, request: Request, here: Here, dtype: Literal["f32", "f16", "i8"] = "f16"
) -> Response:
    """All codes."""
    return await here.read(request, here.studies.trained(s), "codes", {"dtype": dtype})


@router.get("/{s}/projection")
async def projection(
    s: StudyId,
    request: Request,
    here: Here,
    method: Literal["pca", "umap", "dims"] = "pca",
    dims: Annotated[str, Query(pattern=r"^\d{1,6},\d{1,6}$")] = "0,1",
    align: Other | None = None,
) -> Response:
    """A map of the codes."""
    known = here.studies.trained(s)
    laid = here.maps.get((known.id, known.content), b"") if method == "umap" else b""
    pair = [int(part) for part in dims.split(",")] if method == "dims" else []
    asked: dict[str, Any] = {"method": method, "dims": pair}
    if align is not None:
        asked["other"] = here.studies.trained(align).record
    return await here.read(request, known, "projection", asked, payload=laid)


@router.get("/{s}/columns")
async def columns(s: StudyId, request: Request, here: Here) -> Response:
    """Which columns there are; scores once anomalies were asked for."""
    known = here.studies.trained(s)
    kept = await here.kept(request, known, "columns")
    found = json.loads(kept.content)
    return answer({**found, "columns": [*found["columns"], *_score_columns(here, known)]})


@router.get("/{s}/columns/{c}")
async def column(s: StudyId, c: str, request: Request, here: Here) -> Response:
    """One column."""
    known = here.studies.trained(s)
    if not c.startswith("score"):
        return await here.read(request, known, "column", {"wanted": c[:100]})
    if c not in [found["id"] for found in _score_columns(here, known)]:
        raise Refusal(404, "not_ready", "Scores must be asked for by /anomalies first.")
    return await here.read(request, known, "score_column", {"wanted": c}, worker=here.judge)


@router.get("/{s}/kept")
async def kept_items(s: StudyId, request: Request, here: Here) -> Response:
    """Which items the study holds."""
    return await here.read(request, here.studies.trained(s), "kept")


@router.get("/{s}/thumbs")
async def thumbs(s: StudyId, request: Request, here: Here) -> Response:
    """How thumbnails are laid out."""
    return await here.read(request, here.studies.trained(s), "sheets")


@router.get("/{s}/thumbs/{size}/{sheet}.webp")
async def thumb_sheet(
    s: StudyId, size: ItemId, sheet: ItemId, request: Request, here: Here, v: str = ""
) -> Response:
    """One sheet of thumbnails."""
    known = here.studies.trained(s)
    cache = FOR_EVER if v == known.content else AGAIN
    return await here.read(request, known, "sheet", {"size": size, "number": sheet}, cache=cache)


@router.get("/{s}/items/{i}")
async def item(s: StudyId, i: ItemId, request: Request, here: Here) -> Response:
    """One item."""
    return await here.read(request, here.studies.trained(s), "item", {"index": i})


@router.get("/{s}/scales")
async def scales(
    s: StudyId,
    request: Request,
    here: Here,
    items: Annotated[str, Query(pattern=r"^\d{1,9}(,\d{1,9}){0,63}$")],
) -> Response:
    """How sure the codes of some items are."""
    numbers = [int(part) for part in items.split(",")]
    return await here.read(request, here.studies.trained(s), "scales", {"numbers": numbers})


@router.get("/{s}/items/{i}/{what}.png")
async def item_picture(
    s: StudyId,
    i: ItemId,
    what: Literal["original", "reconstruction", "error"],
    request: Request,
    here: Here,
) -> Response:
    """One item as a picture."""
    known = here.studies.trained(s)
    return await here.read(request, known, "item_picture", {"index": i, "what": what})


@router.get("/{s}/units")
async def units(s: StudyId, request: Request, here: Here) -> Response:
    """The units of the code."""
    return await here.read(request, here.studies.trained(s), "units")


@router.get("/{s}/health")
async def health(s: StudyId, request: Request, here: Here) -> Response:
    """What the doctor says."""
    return await here.read(request, here.studies.trained(s), "health", worker=here.judge)


@router.get("/{s}/anomalies")
async def anomalies(
    s: StudyId,
    request: Request,
    here: Here,
    score: Annotated[str, Query(max_length=100)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[int, Query(ge=0, lt=2**31)] = 0,
) -> Response:
    """The strangest items."""
    known = here.studies.trained(s)
    asked = {"name": score, "limit": limit, "start": cursor}
    kept = await here.kept(request, known, "anomalies", asked, worker=here.judge)
    here.scored.setdefault((known.id, known.content), json.loads(kept.content)["scores"])
    return Response(kept.content, media_type=kept.media)


@router.get("/{s}/items/{i}/explanation")
async def explanation(s: StudyId, i: ItemId, request: Request, here: Here) -> Response:
    """What makes an item strange."""
    known = here.studies.trained(s)
    return await here.read(request, known, "explain", {"index": i}, worker=here.judge)


@about_router.get("/compare")
async def compare(a: Other, b: Other, request: Request, here: Here) -> Response:
    """Two studies side by side."""
    one, other = here.studies.trained(a), here.studies.trained(b)
    if one.id == other.id:
        raise not_found("A second study")
    return await here.read(request, one, "compare", {"other": other.record}, worker=here.judge)


def _card(here: Studio, known: Known) -> dict[str, Any]:
    told = card(known)
    return {**told, "state": "training"} if here.jobs.is_busy(known.id) else told


def _score_columns(here: Studio, known: Known) -> list[dict[str, Any]]:
    return [
        {
            "id": score["column"],
            "name": score["name"],
            "kind": "number",
            "unit": score["unit"],
            "classes": None,
            "group": "score",
        }
        for score in here.scored.get((known.id, known.content), ())
    ]
