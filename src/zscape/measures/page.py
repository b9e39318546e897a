"""The words of an HTML page: text, sections, tiles, tables; nothing from data enters unescaped.

A page asks nothing of any network and runs no script.
"""

import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from zscape.modalities.found import printable
from zscape.modalities.modality import Pictures, Rows
from zscape.space.pictures import TILE, fit_tiles, png
from zscape.space.tables import is_number

WIDTH = 912  # pixels of the column of text
GAP = 3
NAMES = 108  # pixels left for names beside tiles
MOST_COLUMNS = 24  # of a table
LONGEST = 2000  # characters of any one text from data

POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'"
)

STYLE = """
:root { color-scheme: light dark; --ground: #fbfbfa; --card: #ffffff; --ink: #23272e;
  --faint: #656c78; --line: #e0e3e7; --accent: #2a6db0; --second: #c4570f; --weak: #c3c8cf; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #15171b; --card: #1b1e23; --ink: #e4e7eb; --faint: #98a0ac; --line: #30353d;
    --accent: #6cabe8; --second: #f0944a; --weak: #4a515c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); overflow-wrap: anywhere;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans",
  sans-serif; }
main { max-width: 960px; margin: 0 auto; padding: 48px 24px 64px; }
h1 { font-size: 30px; line-height: 1.2; font-weight: 650; letter-spacing: -0.01em;
  margin: 0 0 6px; }
h2 { font-size: 20px; font-weight: 650; margin: 0 0 2px; }
h3 { font-size: 14px; font-weight: 600; margin: 18px 0 6px; }
section { margin-top: 44px; padding-top: 22px; border-top: 1px solid var(--line); }
p { margin: 0 0 14px; max-width: 68ch; }
p.lead, figcaption, .faint { color: var(--faint); }
p.warning { border-left: 3px solid var(--second); padding-left: 12px; }
ul { margin: 0; padding-left: 20px; }
ul.many { columns: 2 320px; column-gap: 32px; font-size: 15px; }
figure { margin: 0; }
figcaption { font-size: 14px; margin-bottom: 6px; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(165px, 1fr)); gap: 12px;
  margin: 16px 0; }
.figure { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 12px 14px; }
.figure b { display: block; font-size: 24px; font-weight: 600; line-height: 1.3;
  font-variant-numeric: tabular-nums; }
.figure b small { font-size: 13px; white-space: nowrap; font-weight: 400; color: var(--faint); }
.figure .name { font-size: 14px; }
.figure .faint { font-size: 13px; display: block; }
.sum { font-size: 17px; font-variant-numeric: tabular-nums; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(270px, 100%), 1fr));
  gap: 20px; align-items: start; }
.columns.wide { grid-template-columns: repeat(auto-fit, minmax(min(360px, 100%), 1fr)); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 3px 18px; margin: 0;
  font-size: 15px; }
dt { color: var(--faint); } dd { margin: 0; font-variant-numeric: tabular-nums; }
.tiles { display: grid; gap: 3px; justify-content: start; align-items: center; }
.tiles img { display: block; width: 100%; height: auto; image-rendering: pixelated; }
.tiles .name { font-size: 13px; color: var(--faint); text-align: right; padding-right: 10px;
  font-variant-numeric: tabular-nums; white-space: nowrap; line-height: 1.3; }
.tiles .name b { color: var(--ink); font-weight: 600; }
.tiles .top { font-size: 12px; color: var(--faint); text-align: center; }
.block { margin-bottom: 14px; }
.scroll { overflow-x: auto; margin-bottom: 14px; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 12px 4px 0; text-align: left; border-bottom: 1px solid var(--line);
  white-space: nowrap; max-width: 260px; overflow: hidden; text-overflow: ellipsis; }
td.whole { white-space: normal; max-width: 380px; }
th { color: var(--faint); font-weight: 500; } td.number, th.number { text-align: right; }
tr.second td, tr.second th { border-bottom-width: 2px; color: var(--accent); }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg svg { overflow: hidden; }
svg text { font-size: 11px; fill: var(--faint); font-variant-numeric: tabular-nums; }
svg .rule { stroke: var(--line); stroke-width: 1; }
svg polyline { fill: none; stroke-width: 1.6; stroke-linejoin: round; stroke: var(--accent); }
svg .validation { stroke: var(--second); }
svg .strong { fill: var(--accent); } svg .weak { fill: var(--weak); }
.train { color: var(--accent); } span.validation { color: var(--second); }
figcaption b { color: var(--ink); font-weight: 600; }
.map img { display: block; width: 100%; height: auto; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin-top: 10px; font-size: 14px; }
.dot { display: inline-block; width: 11px; height: 11px; border-radius: 50%; margin-right: 7px; }
footer { margin-top: 48px; padding-top: 14px; border-top: 1px solid var(--line); font-size: 13px;
  color: var(--faint); }
"""


def text(value: object) -> str:
    """Anything as escaped text in one line, cut where it is very long."""
    words = printable(str(value))
    return escape(words if len(words) <= LONGEST else words[:LONGEST] + "…")


def document(title: str, body: str) -> str:
    """A whole page; `title` is escaped here, `body` is HTML."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="referrer" content="no-referrer"><title>{text(title)}</title>'
        f"<style>{STYLE}</style></head>\n<body><main>{body}</main></body></html>\n"
    )


def section(title: str, lead: str, *parts: str) -> str:
    """A section: its title, one sentence that says what to see in it (both escaped), and HTML."""
    return (
        f"<section><h2>{text(title)}</h2>\n"
        f'<p class="lead">{text(lead)}</p>\n{"".join(parts)}</section>\n'
    )


def definitions(values: Mapping[str, object]) -> str:
    """Names and values, one line each."""
    lines = (f"<dt>{text(name)}</dt><dd>{text(_plain(v))}</dd>" for name, v in values.items())
    return f"<dl>{''.join(lines)}</dl>"


def things(shown: Pictures | Rows, *, columns: int, label: str, width: int = WIDTH) -> str:
    """What a modality shows: tiles, `columns` of them side by side, or a table."""
    if isinstance(shown, Rows):
        return table(shown)
    return tiles(shown.tiles, columns=columns, label=label, width=width)


def tiles(
    pictures: np.ndarray,
    *,
    columns: int,
    label: str,
    names: Sequence[str] = (),
    heads: Sequence[str] = (),
    width: int = WIDTH,
) -> str:
    """Pictures in rows, each pixel a whole number of the page's.

    Args:
        pictures: `[N, H, W, 3]` uint8.
        columns: side by side.
        label: what they show, for those who do not see it.
        names: HTML at the left of each row; none: no such column.
        heads: text above each column; none: no such row.
        width: pixels that a row may take.
    """
    side = NAMES + GAP if names else 0
    small, wide = _sized(pictures, columns, width - side)
    lead = f"{NAMES}px " if names else ""
    cells = [f'<span class="top">{text(head)}</span>' for head in heads]
    cells = (['<span class="name"></span>'] if names and heads else []) + cells
    for n, tile in enumerate(small):
        if names and n % columns == 0:
            cells.append(f'<span class="name">{names[n // columns]}</span>')
        cells.append(f'<img alt="" src="{_source(tile)}">')
    layout = f"grid-template-columns: {lead}repeat({columns}, minmax(0, {wide}px))"
    return (
        f'<div class="block tiles" role="img" aria-label="{text(label)}" style="{layout}">'
        f"{''.join(cells)}</div>"
    )


def table(rows: Rows, *, names: Sequence[str] = (), paired: bool = False) -> str:
    """Rows as a table, at most 24 columns of it.

    Args:
        rows: what a modality shows.
        names: a word at the left of each row.
        paired: whether every second row belongs to the one above it.
    """
    shown = range(min(len(rows.columns), MOST_COLUMNS))
    right = [all(is_number(row[c]) for row in rows.cells) for c in shown]
    css = ['class="number"' if at_right else "" for at_right in right]
    heads = [f"<th {css[c]}>{text(rows.columns[c])}</th>" for c in shown]
    lead = "<th></th>" if names else ""
    lines = []
    for n, row in enumerate(rows.cells):
        name = f"<th>{text(names[n])}</th>" if names else ""
        cells = "".join(f"<td {css[c]}>{text(row[c])}</td>" for c in shown)
        second = ' class="second"' if paired and n % 2 else ""
        lines.append(f"<tr{second}>{name}{cells}</tr>")
    left = len(rows.columns) - len(shown)
    more = f'<p class="faint">and {left:,} further columns</p>' if left else ""
    return (
        f'<div class="scroll"><table><thead><tr>{lead}{"".join(heads)}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>{more}"
    )


def two_faced(light: np.ndarray, dark: np.ndarray, *, label: str, size: int) -> str:
    """One picture with a face for light pages and one for dark ones."""
    return (
        '<picture class="map">'
        f'<source media="(prefers-color-scheme: dark)" srcset="{_source(dark)}">'
        f'<img alt="{text(label)}" style="max-width: {size}px" src="{_source(light)}"></picture>'
    )


def sheets(contents: Mapping[str, bytes]) -> str:
    """PNG files side by side, each under its name."""
    parts = (
        f"<div><h3>{text(name)}</h3>"
        f'<img alt="{text(name)}" style="max-width: 100%" '
        f'src="data:image/png;base64,{b64encode(content).decode()}"></div>'
        for name, content in contents.items()
    )
    return f'<div class="columns wide">{"".join(parts)}</div>'


def _sized(pictures: np.ndarray, columns: int, width: int) -> tuple[np.ndarray, int]:
    """Tiles no larger than they will be shown, and the pixels that each is wide on the page."""
    room = max((width - GAP * (columns - 1)) // columns, 1)
    wide = pictures.shape[2]
    if wide > room:
        return fit_tiles(pictures, columns=columns, gap=GAP, width=width), room
    factor = max(1, min(round(TILE / max(pictures.shape[1:3])), math.floor(room / wide)))
    return pictures, wide * factor


def _source(array: np.ndarray) -> str:
    return f"data:image/png;base64,{b64encode(png(array)).decode()}"


def _plain(value: object) -> object:
    return f"{value:g}" if isinstance(value, float) else value
