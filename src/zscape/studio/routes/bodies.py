"""What bodies and addresses may say, within bounds: finite numbers, lists that end, short words."""

import json
import math
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

MOST_CODES = 256
MOST_ITEMS = 65_536
NOTE_BYTES, DEEPEST = 256 * 2**10, 64


def require_plain(value: Any) -> Any:
    """A value of JSON that is finite, not nested without end, and not too long.

    Raises:
        ValueError: it is not.
    """
    waiting = [(value, 1)]
    while waiting:
        part, depth = waiting.pop()
        if depth > DEEPEST:
            raise ValueError(f"must be nested at most {DEEPEST} deep")
        if isinstance(part, float) and not math.isfinite(part):
            raise ValueError("must be finite")
        if isinstance(part, dict | list):
            inner = part.values() if isinstance(part, dict) else part
            waiting += [(each, depth + 1) for each in inner]
    if len(json.dumps(value)) > NOTE_BYTES:
        raise ValueError(f"must have at most {NOTE_BYTES:,} bytes")
    return value


Finite = Annotated[float, Field(allow_inf_nan=False, ge=-1e9, le=1e9)]
Index = Annotated[int, Field(ge=0, lt=2**31)]
Code = Annotated[list[Finite], Field(min_length=1, max_length=65_536)]
Word = Annotated[str, Field(max_length=200)]
Words = Annotated[list[Word], Field(max_length=64)]
Where = Annotated[dict[Word, Word | Finite], Field(max_length=64)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Plain = Annotated[Any, AfterValidator(require_plain)]

StudyId = Annotated[str, Path(pattern="^[0-9a-f]{12}$")]
LongId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
ItemId = Annotated[int, Path(ge=0, lt=2**31)]
Other = Annotated[str, Query(pattern="^[0-9a-f]{12}$")]


class Body(BaseModel):
    """What a body says; numbers are numbers and not words, and nothing further is said."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Place(Body):
    """An item or a code."""

    item: Index | None = None
    code: Code | None = None

    @model_validator(mode="after")
    def _one(self) -> "Place":
        if (self.item is None) == (self.code is None):
            raise ValueError("must be either an item or a code")
        return self

    def record(self) -> dict[str, Any]:
        """As a worker is told of it."""
        return {"item": self.item, "code": self.code}


class Group(Body):
    """Items, by a selection, one by one, or all that have something."""

    selection: Word | None = None
    items: Annotated[list[Index], Field(max_length=MOST_ITEMS)] | None = None
    name: Word | None = None

    @model_validator(mode="after")
    def _one(self) -> "Group":
        if [self.selection, self.items, self.name].count(None) != 2:
            raise ValueError("must be one of selection, items and name")
        return self


class Token(Body):
    """What logs in."""

    token: Annotated[str, Field(max_length=4096)]


class Rows(Body):
    """Rows of a table."""

    rows: Annotated[
        list[Annotated[dict[Word, Word | Finite | bool | None], Field(max_length=10_000)]],
        Field(min_length=1, max_length=1000),
    ]


class Decode(Body):
    """Codes to decode."""

    codes: Annotated[list[Code], Field(min_length=1, max_length=MOST_CODES)]
    where: Where = {}


class Sample(Body):
    """How many new things, and which."""

    n: Annotated[int, Field(ge=1, le=MOST_CODES)] = 16
    seed: Seed | None = None
    levels: Annotated[int, Field(ge=1, le=1000)] | None = None
    where: Where = {}


class Neighbours(Place):
    """What is near."""

    k: Annotated[int, Field(ge=1, le=200)] = 12


class Places(Body):
    """Items and codes."""

    places: Annotated[list[Place], Field(min_length=1, max_length=64)]


class Way(Body):
    """A path."""

    stops: Annotated[list[Place], Field(min_length=2, max_length=32)]
    steps: Annotated[int, Field(ge=2, le=200)] = 9
    method: Word = "linear"
    closed: bool = False


class Edit(Place):
    """A thing moved along directions."""

    strengths: Annotated[dict[Word, Finite], Field(min_length=1, max_length=32)]
    keep_details: bool = True


class Mix(Body):
    """Content of one, style of another."""

    content: Place
    style: Place
    levels: Words | None = None
    units: Annotated[list[Index], Field(max_length=65_536)] | None = None


class Redraw(Place):
    """Levels to draw anew."""

    below: Annotated[int, Field(ge=0, le=1000)] | None = None
    levels: Words = []
    n: Annotated[int, Field(ge=1, le=64)] = 8
    seed: Seed | None = None


class FindDirection(Body):
    """A property, by examples or by name."""

    positive: Group
    negative: Group | None = None
    name: Annotated[str, Field(max_length=60)] = ""
    apart_from: Words = []
    keep: bool = False


class KeepDirection(Body):
    """A direction that was found, and the name to keep it under; empty: its own."""

    name: Word
    to: Annotated[str, Field(max_length=60)] = ""


class RestoreDirection(Body):
    """A direction that was let go."""

    name: Word


class NewSelection(Body):
    """Items to remember."""

    name: Word = ""
    items: Annotated[list[Index], Field(max_length=MOST_ITEMS)] | None = None
    mask: Annotated[str, Field(max_length=2**21)] | None = None


class Note(Body):
    """A note in place of that of a version."""

    version: Annotated[int, Field(ge=0, lt=2**53)]
    value: Plain


class OfStudy(Body):
    """The data of a study."""

    study: Annotated[str, Field(pattern="^[0-9a-f]{12}$")]


class NewJob(Body):
    """Work that takes long."""

    kind: Literal["train", "project", "refit", "measure", "export"]
    study: Annotated[str, Field(pattern="^[0-9a-f]{12}$")] | None = None
    name: Annotated[str, Field(max_length=60)] = ""
    data: Word | OfStudy | None = None
    recipe: Word = "vae"
    options: Annotated[dict[Word, Word | int | Finite | bool], Field(max_length=64)] = {}
    epochs: Annotated[int, Field(ge=1, le=100_000)] | None = None
    method: Literal["umap"] = "umap"
    prior: Word = "auto"
    what: Literal["animation", "items"] = "items"
    codes: Annotated[list[Code], Field(min_length=1, max_length=1000)] | None = None
    format: Literal["gif", "webp", "mp4", "png"] = "gif"
    fps: Annotated[int, Field(ge=1, le=50)] = 12
    selection: Word | None = None
