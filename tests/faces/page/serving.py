"""A studio in its own process, and how a page logs in to it."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
WAIT = 30_000  # milliseconds: a busy machine is slow, and no test waits longer than it must


@dataclass(frozen=True)
class Served:
    """A studio under way: where, the login of scripts, its process, and its studies."""

    url: str
    token: str
    process: subprocess.Popen
    home: Path

    def open(self, page, path="/"):
        """Logs in as the link does, and goes to a view."""
        page.goto(f"{self.url}/login#{self.token}")
        page.wait_for_url(re.compile(r".*/(#.*)?$"), timeout=WAIT)
        if path != "/":
            page.goto(self.url + path)
            page.reload()
        return page


def serve(home, token, *further):
    """Starts a studio with further words, gives it, and ends it."""
    words = [sys.executable, "-u", "-m", "zscape", "studio", home, "--no-browser", "--token", token]
    words += further
    process = subprocess.Popen(
        [str(word) for word in words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
    )
    try:
        link = next(
            found for line in process.stdout if (found := re.search(r"http\S+/login", line))
        )
        url = link.group().removesuffix("/login")
        yield Served(url, token.read_text().strip(), process, home)
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()
