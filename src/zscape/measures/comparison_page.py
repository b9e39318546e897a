"""The page of a comparison: figures, differences with intervals, settings, and what models make."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zscape.measures.comparison import Difference, Group
from zscape.measures.curves import Interval, interval_chart
from zscape.measures.figure import DENSITY
from zscape.measures.page import definitions, document, section, table, text, tiles
from zscape.measures.sweep_page import number, shown_items
from zscape.modalities.modality import Pictures, Rows
from zscape.space.space import Space, encode_stored

SHOWN = 14  # things in a row
MINUS = "\N{MINUS SIGN}"


def comparison_page(
    groups: Sequence[Group],
    differences: Sequence[Sequence[Difference]],
    settings: Mapping[str, Sequence[Any]],
    spaces: Sequence[Space],
) -> str:
    """One self-contained HTML page; it asks no network and runs no script.

    Args:
        groups: what is compared.
        differences: per further group, its figures minus those of the first.
        settings: those that differ, with their value per group.
        spaces: one per group.
    """
    studies = sum(len(group.members) for group in groups)
    title = "Comparison of " + " and ".join(group.name for group in groups[:2])
    title += f" and {len(groups) - 2} more" if len(groups) > 2 else ""
    many = "groups that differ by more than their seed" if len(groups) > 1 else "group"
    lead = f"{studies} studies in {len(groups)} {many}."
    body = [
        f'<h1>{text(title)}</h1>\n<p class="lead">{text(lead)}</p>\n',
        _figures_part(groups),
        _differences_part(groups, differences),
        _settings_part(groups, settings),
        _pictures_part(groups, spaces),
        "<footer>Written by zscape.</footer>",
    ]
    return document(title, "".join(body))


def _figures_part(groups: Sequence[Group]) -> str:
    figures = groups[0].figures
    columns = ("", "seeds", *(figure.name for figure in figures))
    cells = [
        (group.name, str(len(group.members)), *(number(figure) for figure in group.figures))
        for group in groups
    ]
    single = any(len(group.members) == 1 for group in groups)
    kept = all(member.held_out for group in groups for member in group.members)
    held = "held-out examples" if kept else "examples, training ones among them"
    said = f"Over {held}, in {figures[2].unit} per example; ± is a standard error over seeds"
    said += ", or over examples where there is one seed." if single else "."
    if figures[2].unit == DENSITY:
        said += " Values are continuous, so likelihoods are densities, which may exceed 1."
    rows = [
        Interval(
            group.name,
            group.figures[0].value,
            *_ends(group.figures[0].value, group.figures[0].error),
            strong=group is groups[0],
        )
        for group in groups
        if group.figures[0].value is not None
    ]
    chart = ""
    if rows and len({group.data for group in groups}) == 1:
        caption = "<b>ELBO</b>, nats per example, ± its standard error; the first group is orange"
        drawn = interval_chart(rows, zero=False, label="ELBO of each group")
        chart = f"<figure><figcaption>{caption}</figcaption>{drawn}</figure>"
    return section("In numbers", said, table(Rows(columns, tuple(cells))), chart)


def _ends(value: float, error: float | None) -> tuple[float | None, float | None]:
    return (None, None) if error is None else (value - error, value + error)


def _differences_part(groups: Sequence[Group], differences: Sequence[Sequence[Difference]]) -> str:
    if not differences:
        return ""
    cells, rows = [], []
    for group, each in zip(groups[1:], differences, strict=True):
        for difference in each:
            cells.append((group.name, difference.figure, *_told(difference), difference.how))
        value = each[0].value
        if value is not None:
            rows.append(Interval(group.name, value, each[0].low, each[0].high))
    lead = (
        f"Each group minus {groups[0].name}, with a 95 % interval: one that holds 0 tells no "
        "difference. Intervals over examples say nothing of what another seed would bring."
    )
    chart = ""
    if rows:
        drawn = interval_chart(rows, zero=True, label="differences of the ELBO")
        caption = f"<b>ELBO</b> minus that of {text(groups[0].name)}, nats: right is better"
        chart = f"<figure><figcaption>{caption}</figcaption>{drawn}</figure>"
    columns = ("", "figure", "difference", "95 % interval", "how")
    return section("Differences", lead, chart, table(Rows(columns, tuple(cells))))


def _told(difference: Difference) -> tuple[str, str]:
    if difference.value is None:
        return "none", ""
    ends = ""
    if difference.low is not None and difference.high is not None:
        ends = f"{difference.low:+.2f} to {difference.high:+.2f}"
    return f"{difference.value:+.2f}".replace("-", MINUS), ends.replace("-", MINUS)


def _settings_part(groups: Sequence[Group], settings: Mapping[str, Sequence[Any]]) -> str:
    cells = tuple((name, *map(_plain, each)) for name, each in settings.items())
    columns = ("", *(group.name for group in groups))
    folders = {group.name: ", ".join(group.studies) for group in groups}
    lead = "Recipe, options and training where they differ; all others are the same."
    if not settings:
        lead = "Recipe, options and training are the same."
    shown = table(Rows(columns, cells)) if settings else ""
    return section("Settings that differ", lead, shown, "<h3>Studies</h3>", definitions(folders))


def _plain(value: Any) -> str:
    if value is None:
        return "\N{EN DASH}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _pictures_part(groups: Sequence[Group], spaces: Sequence[Space]) -> str:
    stored = shown_items(spaces[0], SHOWN)
    before = _tiles(spaces[0], spaces[0].modality.prepare(stored))
    if before is None or len({group.data for group in groups}) > 1:
        return ""
    made, drawn = list[np.ndarray | None]([before]), list[np.ndarray | None]()
    for space in spaces:
        codes = encode_stored(space.model, space.modality, stored)
        made.append(_tiles(space, space.decode_tensor(codes)))
        drawn.append(_tiles(space, space.sample_tensor(len(stored), seed=0)))
    names = [f"<b>{text(_letter(n))}</b>" for n in range(len(groups))]
    key = ", ".join(f"{_letter(n)}: {group.name}" for n, group in enumerate(groups))
    parts = [
        "<h3>Examples held out of the first study, and what each makes of them</h3>",
        _rows(made, ["as it is", *names], len(stored), "reconstructions"),
        "<h3>Samples</h3>",
        _rows(drawn, names, len(stored), "samples"),
    ]
    return section("What they make", f"The first study of each group. {key}.", *parts)


def _letter(place: int) -> str:
    return chr(ord("A") + place) if place < 26 else str(place + 1)


def _tiles(space: Space, x: Any) -> np.ndarray | None:
    shown = space.modality.show(x)
    return shown.tiles if isinstance(shown, Pictures) else None


def _rows(rows: Sequence[np.ndarray | None], names: Sequence[str], columns: int, label: str) -> str:
    stacked = np.concatenate([row for row in rows if row is not None])
    return tiles(stacked, columns=columns, names=names, label=label)
