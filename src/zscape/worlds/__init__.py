"""Worlds: rendered pictures whose factors of variation are known. They know no models."""

from zscape.worlds.lines import closest_lines, draw_lines, line_scores, lines
from zscape.worlds.sprites import sprites
from zscape.worlds.world import World, unpack

__all__ = ["World", "closest_lines", "draw_lines", "line_scores", "lines", "sprites", "unpack"]
