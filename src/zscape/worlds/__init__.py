"""Worlds: rendered pictures whose factors of variation are known. They know no models."""

from zscape.worlds.sprites import sprites
from zscape.worlds.world import World, unpack

__all__ = ["World", "sprites", "unpack"]
