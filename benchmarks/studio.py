"""The studio: its server under load and under attack, and its page in a browser."""

from benchmarks import studio_attacks, studio_page, studio_server

PARTS = {**studio_server.PARTS, **studio_attacks.PARTS, **studio_page.PARTS}
