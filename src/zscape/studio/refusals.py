"""What the studio refuses: an id for programs, a sentence for people, never a path."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

Json = Mapping[str, Any]


class Refusal(Exception):
    """A request that is not served.

    Args:
        status: of the answer.
        name: a word for programs.
        sentence: what must hold; what came; what to do.
        headers: that the answer has as well.
        field: of a form, that it is about; empty where it is about none.
        faults: of a form with several, each `field` and `sentence`, of which it tells the first.
    """

    def __init__(
        self,
        status: int,
        name: str,
        sentence: str,
        headers: Mapping[str, str] | None = None,
        *,
        field: str = "",
        faults: Sequence[Json] = (),
    ) -> None:
        super().__init__(sentence)
        self.status, self.name, self.sentence = status, name, sentence
        self.faults = list(faults) or ([{"field": field, "sentence": sentence}] if field else [])
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The answer that says so."""
        error: dict[str, Any] = {"id": self.name, "sentence": self.sentence}
        if self.faults:
            error |= {"field": self.faults[0]["field"], "faults": self.faults}
        return answer({"error": error}, status=self.status, headers=self.headers)


def answer(
    record: Json, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Plain values as a JSON answer; what is not finite was refused before."""
    # ASCII, so that half a surrogate in a name of the data cannot break the answer.
    content = json.dumps(record, allow_nan=False, separators=(",", ":")).encode()
    return Response(content, status, headers, media_type="application/json")


def not_found(what: str) -> Refusal:
    """The refusal of something that is not there."""
    return Refusal(404, "not_found", f"{what} must be there, and is not. Reload the page.")


def too_many(seconds: int = 1) -> Refusal:
    """The refusal of one person's excess."""
    return Refusal(
        429,
        "too_many",
        "At most 8 requests of one user may wait, and more came. Try again in a second.",
        {"Retry-After": str(seconds)},
    )


def overload(seconds: int = 1) -> Refusal:
    """The refusal of everybody's excess."""
    return Refusal(
        503,
        "overload",
        "At most 32 requests may wait for the model, and more came. Try again in a second.",
        {"Retry-After": str(seconds)},
    )
