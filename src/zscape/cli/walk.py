"""`zscape interpolate` and `walk`: ways through two things and more, as a strip or a film."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from zscape.cli.output import leave, say
from zscape.cli.verbs import Folder, Item, Json, Own, named, opened, result_of
from zscape.errors import SpecError
from zscape.measures.figure import Figure, record_of
from zscape.measures.smoothness import way_figures
from zscape.modalities.found import printable
from zscape.modalities.modality import Pictures
from zscape.space.animations import WRITERS, animation
from zscape.space.paths import Way, way
from zscape.space.space import Space
from zscape.study.items import item
from zscape.study.storage.folder import write_file

Pace = tuple[float | None, float | None]  # seconds in all, frames a second

IN_STRIP, IN_FILM = 9, 25  # things from one item to the next, where no number is asked
FPS = 12.0

Steps = Annotated[
    int | None, Parameter(help="things from one item to the next; none: 9, of an animation 25.")
]
Method = Annotated[
    str,
    Parameter(help="linear, spherical, or geodesic: through data, even as the decoder sees it."),
]
Classes = Annotated[
    tuple[str, ...],
    Parameter(name="--through", help="a class that a geodesic may lead through; again for more."),
]
Details = Annotated[
    bool, Parameter(help="carry what the codes do not hold of the items.", negative="")
]
Film = Annotated[
    Path | None,
    Parameter(help="a .png strip, or a .gif, .webp or .mp4 animation; none: into the study."),
]
Seconds = Annotated[
    float | None, Parameter(help="how long an animation lasts; none: as --fps has it.")
]
Fps = Annotated[float | None, Parameter(help="frames a second of an animation; none: 12.")]


def interpolate(
    study: Folder,
    a: Item,
    b: Item,
    /,
    *,
    steps: Steps = None,
    method: Method = "linear",
    through: Classes = (),
    details: Details = False,
    out: Film = None,
    seconds: Seconds = None,
    fps: Fps = None,
    json: Json = False,
    recipe: Own = "",
) -> None:
    """Go from one thing to another through the space."""
    pace = seconds, fps
    asked: dict[str, Any] = {"steps": _steps(steps, out, pace), "method": method}
    asked["classes"] = through or None
    space = opened(study, recipe).space()
    found = way(space, [item(space, a), item(space, b)], **asked, keep_details=details)
    record: dict[str, Any] = {"verb": "interpolate", "ends": [a, b], "method": method}
    name = named("interpolate", a, b, method, *through, *["details"] * details, f"{found.steps}")
    _leave(space, found, name, record, study, out=out, pace=pace, json=json)


def walk_(
    study: Folder,
    /,
    *items: Item,
    closed: Annotated[
        bool, Parameter(help="back to the first, so that it plays without a jump.", negative="")
    ] = False,
    steps: Steps = None,
    method: Method = "linear",
    through: Classes = (),
    details: Details = False,
    out: Film = None,
    seconds: Seconds = None,
    fps: Fps = None,
    json: Json = False,
    recipe: Own = "",
) -> None:
    """Go through several things, a row of the strip from each to the next."""
    pace = seconds, fps
    asked: dict[str, Any] = {"steps": _steps(steps, out, pace), "method": method}
    asked["classes"] = through or None
    space = opened(study, recipe).space()
    stops = [item(space, name) for name in items]
    found = way(space, stops, **asked, closed=closed, keep_details=details)
    record: dict[str, Any] = {"verb": "walk", "items": list(items), "closed": closed}
    words = [*through, *["closed"] * closed, *["details"] * details]
    name = named("walk", *items, method, *words, f"{found.steps}")
    _leave(space, found, name, record | {"method": method}, study, out=out, pace=pace, json=json)


def _steps(steps: int | None, out: Path | None, pace: Pace) -> int:
    """How many things lead from one item to the next, in a file that can be."""
    moves = _suffix(out) in WRITERS
    if out is not None and not moves and _suffix(out) != ".png":
        raise SpecError(
            f"--out must end in .png, {', '.join(WRITERS)}, got {printable(out.name)!r}. Rename it."
        )
    if pace != (None, None) and not moves:
        raise SpecError(
            "--seconds and --fps must come with an animation, got a strip. "
            "Give --out a .gif, .webp or .mp4 file."
        )
    if None not in pace:
        raise SpecError("Either --seconds or --fps must be given, got both. Leave one of them out.")
    return (IN_FILM if moves else IN_STRIP) if steps is None else steps


def _leave(
    space: Space,
    found: Way,
    name: str,
    record: dict[str, Any],
    study: Path,
    *,
    out: Path | None,
    pace: Pace,
    json: bool,
) -> None:
    """Prints how even and long a way is, and leaves it as an animation or a strip."""
    figures = way_figures(space, found)
    record = record | {"codes": found.codes.flat.tolist()}
    record["figures"] = [record_of(figure) for figure in figures]
    if _suffix(out) in WRITERS:
        assert out is not None
        write_file(out, _film(space, found, out, pace))
        if json:
            say({**record, "study": str(study), "animation": str(out)})
        else:
            print(_line(figures), out, sep="\n")
        return
    legs = found.legs()
    places = [
        f"{n + step / (found.steps - 1):.2f}"
        for n in range(len(legs))
        for step in range(found.steps)
    ]
    x = found.x[legs.flatten()]
    result = result_of(space, name, x, record, columns=found.steps, heads=("way", places))
    leave(replace(result, lines=(_line(figures),)), study, out=out, json=json)


def _film(space: Space, found: Way, out: Path, pace: Pace) -> bytes:
    shown, (seconds, fps) = space.modality.show(found.x), pace
    if not isinstance(shown, Pictures):
        raise SpecError(
            f"--out must end in .png for rows, which do not move, got {printable(out.name)!r}. "
            "Rename it."
        )
    if seconds is not None:
        fps = len(shown.tiles) / seconds if seconds > 0 else 0.0
    return animation(shown.tiles, _suffix(out), fps=FPS if fps is None else fps)


def _suffix(out: Path | None) -> str:
    return "" if out is None else out.suffix.lower()


def _line(figures: tuple[Figure, ...]) -> str:
    """`evenness 1.08, length 0.93, energy 0.87 (exact; ...)`."""
    if any(figure.value is None for figure in figures):
        return "undefined: nothing changes on this way, or on the straight one"
    told = ", ".join(f"{figure.name} {figure.value:.2f}" for figure in figures)
    return (
        f"{told} (exact ratios: largest over mean step, and over the straight way; "
        "in what the codes stand for)"
    )
