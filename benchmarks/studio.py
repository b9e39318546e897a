"""The studio: its server under load and under attack."""

from benchmarks import studio_attacks, studio_server

PARTS = {**studio_server.PARTS, **studio_attacks.PARTS}
