"""Worlds: rendered pictures whose factors of variation are known. They know no models."""

from zscape.worlds.figures import draw_figures, figures
from zscape.worlds.lines import closest_lines, draw_lines, line_scores, lines
from zscape.worlds.sprites import sprites
from zscape.worlds.world import World, unpack

__all__ = [
    "World",
    "closest_lines",
    "draw_figures",
    "draw_lines",
    "figures",
    "line_scores",
    "lines",
    "sprites",
    "unpack",
]
