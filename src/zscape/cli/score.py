"""`zscape score`: how strange things are, which are flagged, and what is to blame."""

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from cyclopts import Parameter
from torch import Tensor

from zscape.cli.follow import follow_input
from zscape.cli.output import Result, done, leave, tell
from zscape.cli.verbs import FINEST, Folder, Json, Own, Seed, named, opened
from zscape.errors import SpecError
from zscape.modalities.found import printable
from zscape.modalities.logs import Logs
from zscape.modalities.modality import Pictures, Rows
from zscape.space.calibration import p_words, require_threshold
from zscape.space.explanations import (
    WORTH_TELLING,
    Explanation,
    Unseen,
    explanations,
    reason_of,
    stored_of,
)
from zscape.space.pictures import captioned, grid, heat_tiles
from zscape.space.scores import Scores, scoring
from zscape.space.space import Space, encode_stored
from zscape.space.tables import table_picture
from zscape.study.data import raw_like
from zscape.study.following import IDLE
from zscape.study.intake.sources import Raw
from zscape.study.storage.folder import write_file

MOST_REASONS = 1_000  # flagged things that are told why, the strangest first
LONGEST_REASON = 72  # characters of a sentence in the picture
SHOWN = 10  # strangest things in the picture


Data = Annotated[
    str,
    Parameter(
        help="a folder, a file, built-in data, or - for lines that come; none: its own.",
        allow_leading_hyphen=True,
    ),
]
Threshold = Annotated[str, Parameter(help="share of normals that may be flagged, as 1% or 0.01.")]
Parts = Annotated[
    tuple[str, ...],
    Parameter(help="a score to have and to combine, again for more; none: the usual ones."),
]
Also = Annotated[
    tuple[Path, ...],
    Parameter(help="a study of the same data with another --fold held out; again for more."),
]
Table = Annotated[
    Path | None,
    Parameter(help="a .csv file: a row for each thing with its scores and the reason."),
]
Idle = Annotated[int, Parameter(help="with -: lines that pass by a session before it is over.")]
Why = Mapping[int, Explanation]  # by the place of a thing


def score(
    study: Folder,
    data: Data = "",
    /,
    *,
    threshold: Threshold = "1%",
    parts: Parts = (),
    also: Also = (),
    out: Table = None,
    idle: Idle = IDLE,
    seed: Seed = 0,
    json: Json = False,
    recipe: Own = "",
) -> None:
    """Say how strange things are and why; what is flagged is decided from normals alone."""
    share = _share(threshold)
    _require_used(data, also, out)
    spaces = [opened(folder, recipe).space() for folder in (study, *also)]
    space = spaces[0]
    if data == "-":
        follow_input(space, threshold=share, parts=parts, idle=idle, out=out, json=json)
        return
    raw = raw_like(space.modality, data) if data else None
    things = None if raw is None else raw.things
    stored, unseen = (space.items, {}) if raw is None else _stored(space, raw)
    asked = {"parts": parts, "threshold": share, "seed": seed}
    scores = done(scoring(spaces, things, **asked))  # type: ignore[arg-type]
    own = map(space.name, space.kept.tolist())
    items = tuple(own) if raw is None else raw.names or tuple(map(str, range(len(scores))))
    why = _explained(space, stored, scores, unseen)
    if out is not None:
        write_file(out, _table(scores, items, why).encode())
    for note in scores.notes:
        tell(f"  {note}")
    record: dict[str, Any] = {"verb": "score", "data": data or None, "threshold": share}
    record |= {"out": None if out is None else str(out)} | _record(scores, items, why)
    words = named("score", data or "own", threshold.replace("%", "percent"))
    shown = _picture(space, stored, scores, items, why)
    lines = _lines(scores, items, why, out)
    leave(Result(words, shown, record, lines=lines), study, out=None, json=json)


def _require_used(data: str, also: tuple[Path, ...], out: Path | None) -> None:
    if out is not None and out.suffix.lower() != ".csv":
        raise SpecError(f"--out must end in .csv here, got {printable(out.name)!r}. Rename it.")
    if also and data == "-":
        raise SpecError("--also must come with a file, got it with lines that come. Leave it out.")


def _stored(space: Space, raw: Raw) -> tuple[Tensor, Unseen]:
    """Things as they are stored, and what of them training never saw: cells, or a line of a log."""
    stored, unseen = stored_of(space, raw.things)
    lines = raw.texts.get("unseen line", ())
    return stored, unseen or {n: [("line", line)] for n, line in enumerate(lines) if line}


def _share(words: str) -> float:
    try:
        number = float(words.removesuffix("%"))
    except ValueError:
        raise SpecError(f"--threshold must be a share, as 1% or 0.01, got {words!r}.") from None
    return require_threshold(number / 100 if words.endswith("%") else number)


def _strangest(scores: Scores, number: int) -> list[int]:
    found: list[int] = scores.surprise.argsort(descending=True, stable=True)[:number].tolist()
    return found


def _explained(
    space: Space, stored: Tensor, scores: Scores, unseen: Unseen
) -> dict[int, Explanation]:
    """Explanations of the things that are flagged or shown, by their places."""
    flagged = min(int(scores.flagged.sum()), MOST_REASONS)
    places = _strangest(scores, max(flagged, SHOWN))
    new = {k: unseen[n] for k, n in enumerate(places) if n in unseen}
    return dict(zip(places, explanations(space, stored[places], new), strict=True))


def _reason(scores: Scores, place: int, why: Why) -> str:
    """Why a thing is flagged, in words; nothing for those that are not."""
    if not scores.flagged[place]:
        return ""
    led = scores.lead(place)
    return reason_of(led.name, led.p_words(place), why.get(place))


def _p(scores: Scores, place: int) -> str:
    return p_words(float(scores.p[place]), scores.normals)


def _table(scores: Scores, items: tuple[str, ...], why: Why) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["item", "flagged", "p", *scores.parts, "reason"])
    values = torch.stack([part.values for part in scores.parts.values()], dim=1)
    for n, (item, p, row) in enumerate(zip(items, scores.p.tolist(), values.tolist(), strict=True)):
        told = [item, str(bool(scores.flagged[n])).lower(), f"{p:.6g}"]
        writer.writerow([*told, *(f"{value:.6g}" for value in row), _reason(scores, n, why)])
    return text.getvalue()


def _record(scores: Scores, items: tuple[str, ...], why: Why) -> dict[str, Any]:
    return {
        "number": len(scores),
        "flagged": [items[n] for n in _strangest(scores, int(scores.flagged.sum()))],
        "normals": scores.normals,
        "false_alarms": scores.false_alarms,
        "notes": list(scores.notes),
        "items": list(items),
        "p": scores.p.tolist(),
        "leading": list(scores.leading),
        "scores": {
            name: {"unit": part.unit, "kind": part.kind, "combined": part.combined}
            | {"values": part.values.tolist(), "p": part.p.tolist()}
            for name, part in scores.parts.items()
        },
        "reasons": {items[n]: _reason(scores, n, why) for n in why if scores.flagged[n]},
    }


def _lines(scores: Scores, items: tuple[str, ...], why: Why, out: Path | None) -> tuple[str, ...]:
    count, alarms = int(scores.flagged.sum()), scores.false_alarms
    share = f"{alarms / scores.normals:.1%}"
    lines = [
        f"{count:,} of {len(scores):,} flagged at {100 * scores.threshold:g}%: as strange are "
        f"{alarms:,} of {scores.normals:,} normals ({share}, estimate)"
    ]
    for n in _strangest(scores, min(count, SHOWN)):
        reason = printable(_reason(scores, n, why))
        lines.append(f"  {printable(items[n])}  p {_p(scores, n)}  {reason}")
    if count > SHOWN:
        lines.append(f"  and {count - SHOWN:,} more" + ("" if out else ", all of them with --out"))
    return (*lines, *([str(out)] if out else []))


def _picture(
    space: Space,
    stored: Tensor,
    scores: Scores,
    items: tuple[str, ...],
    why: Why,
) -> Any:
    """The strangest things above what the study makes of them and where it differs, or as rows."""
    places = _strangest(scores, SHOWN)
    x = space.modality.prepare(stored[places])
    shown = space.modality.show(x)
    if isinstance(shown, Rows):
        rows = _blamed(places, scores, items, why)
        if not isinstance(space.modality, Logs):
            return lambda width: table_picture(rows)
        said = " ".join(cell for row in rows.cells for cell in row)
        told = replace(rows, legend=space.modality.named(said))
        return lambda width: table_picture(told, longest=LONGEST_REASON)
    made = space.decode_tensor(encode_stored(space.model, space.modality, stored[places]))
    after = space.modality.show(made)
    assert isinstance(after, Pictures)
    heats = np.stack([np.asarray(why[n].heat) for n in places])
    tiles = np.concatenate([shown.tiles, after.tiles, heat_tiles(heats)])
    marks = ("as it is", "as made", "nats above usual")
    columns = len(places)

    def draw(width: int) -> np.ndarray:
        if width < FINEST:
            return grid(tiles, columns=columns, width=width)
        return captioned(tiles, marks, columns=columns, width=width)

    return draw


def _blamed(places: list[int], scores: Scores, items: tuple[str, ...], why: Why) -> Rows:
    """A line for each cell that is blamed, the strangest things first."""
    cells = []
    for n in places:
        head = (items[n], _p(scores, n), "yes" if scores.flagged[n] else "")
        blames = [b for b in why[n].blames if b.nats >= WORTH_TELLING] or list(why[n].blames[:1])
        for blame in blames:
            cell = (blame.name, blame.came, blame.expected, f"{blame.nats:.1f}")
            if math.isinf(blame.nats):
                cell = (blame.name, blame.came, "never seen", "")
            cells.append((*head, *cell))
            head = ("", "", "")
        if not blames:
            cells.append((*head, "", "", "", ""))
    heads = ("item", "p", "flagged", "column", "is", "likely", "nats")
    if any(cell[5] for cell in cells):
        return Rows(heads, tuple(cells))
    told = tuple((*cell[:4], cell[6]) for cell in cells)  # sentences that say it all
    return Rows((*heads[:3], "why", "nats"), told)
