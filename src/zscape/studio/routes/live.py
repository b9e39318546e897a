"""The live socket: codes up, pixels down, and of what waits only the newest."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, WebSocket

from zscape.studio.logins import Login
from zscape.studio.refusals import Refusal
from zscape.studio.routes.bodies import MOST_CODES, Where
from zscape.studio.security import LOGIN
from zscape.studio.studies import Known
from zscape.studio.studio import Studio
from zscape.studio.wire import ERROR, PICTURES, ROWS, UP, down
from zscape.studio.workers import Reply

PATIENCE = 10.0  # s that a client may take to read an answer
NO_STUDY = 4404

router = APIRouter()


@dataclass(eq=False, slots=True)
class Newest:
    """What was heard last and not yet worked on."""

    message: bytes | None = None
    where: Mapping[str, Any] = field(default_factory=dict)
    came: asyncio.Event = field(default_factory=asyncio.Event)


@router.websocket("/studies/{s}/live")
async def live(socket: WebSocket, s: str) -> None:
    """Decodes what comes, the newest first and only."""
    here: Studio = socket.app.state.studio
    login: Login = socket.scope[LOGIN]
    await socket.accept()
    try:
        known = here.studies.trained(s)
    except Refusal:
        await socket.close(NO_STUDY)
        return
    newest = Newest()
    listening = asyncio.create_task(_listen(socket, newest))
    talking = asyncio.create_task(_talk(socket, here, login, known, newest))
    both = {listening, talking}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)


async def _listen(socket: WebSocket, newest: Newest) -> None:
    while True:
        message = await socket.receive()
        if message["type"] != "websocket.receive":
            return
        if message.get("bytes") is not None:
            newest.message = message["bytes"]
            newest.came.set()
        else:
            try:
                newest.where = _conditions(message.get("text") or "")
            except Refusal as refusal:
                await _send(socket, _trouble(0, refusal))


async def _talk(
    socket: WebSocket, here: Studio, login: Login, known: Known, newest: Newest
) -> None:
    while True:
        await newest.came.wait()
        newest.came.clear()
        message, newest.message = newest.message, None
        if message is not None:
            await _send(socket, await _answered(here, login, known, message, newest.where))


async def _answered(
    here: Studio, login: Login, known: Known, message: bytes, where: Mapping[str, Any]
) -> bytes:
    seq = int.from_bytes(message[:4], "little") if len(message) >= UP.size else 0
    try:
        count = _count(message)
        record = {"call": "live", "study": known.record, "arguments": {"where": where}}
        reply = await here.decoder.ask(
            login.user,
            record,
            message[UP.size :],
            kin=f"{known.id} {known.content} {json.dumps(where, sort_keys=True)}",
            count=count,
        )
    except Refusal as refusal:
        return _trouble(seq, refusal)
    return _told(seq, reply)


def _count(message: bytes) -> int:
    """How many codes a message holds; their size is the model's to judge."""
    count = UP.unpack_from(message)[1] if len(message) >= UP.size else 0
    if not 1 <= count <= MOST_CODES or (len(message) - UP.size) % (4 * count):
        raise Refusal(
            422,
            "shape",
            f"A message must hold from 1 to {MOST_CODES} codes of float32 after 8 bytes, and does "
            "not. See docs/studio-api.md.",
        )
    return count


def _told(seq: int, reply: Reply) -> bytes:
    milliseconds = reply.record["milliseconds"]
    if "rows" in reply.record:
        rows = reply.record["rows"]
        shape = (len(rows["cells"]), 0, 0, 0)
        content = json.dumps(rows).encode()
        return down(seq, ROWS, content, shape=shape, milliseconds=milliseconds)
    n, high, wide, channels = reply.record["shape"]
    shape = (n, high, wide, channels)
    return down(seq, PICTURES, reply.payload, shape=shape, milliseconds=milliseconds)


def _trouble(seq: int, refusal: Refusal) -> bytes:
    record = {"id": refusal.name, "sentence": refusal.sentence}
    return down(seq, ERROR, json.dumps(record).encode())


def _conditions(text: str) -> Mapping[str, Any]:
    from pydantic import TypeAdapter, ValidationError

    try:
        told = json.loads(text)
        where: Mapping[str, Any] = TypeAdapter(Where).validate_python(told["where"], strict=True)
    except (ValueError, LookupError, TypeError, RecursionError, ValidationError) as error:
        raise Refusal(
            422, "invalid", 'Words on this socket must be {"where": {...}}, and are not.'
        ) from error
    return where


async def _send(socket: WebSocket, content: bytes) -> None:
    """Sends an answer; a client that does not read on for so long is let go."""
    async with asyncio.timeout(PATIENCE):
        await socket.send_bytes(content)
