"""The studio as a person starts it: real processes, a real job, and a clean end."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from tests.faces.studio.conftest import API

from zscape.studio.wire import unpack

pytestmark = pytest.mark.slow


@pytest.fixture
def started(home, tmp_path):
    """A studio in a process of its own: its link, and the process."""
    served = shutil.copytree(home, tmp_path / "served")
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    words = ["studio", str(served), "--no-browser", "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "zscape", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=tmp_path,
    )
    lines = []
    while not lines or "Ctrl-C" not in lines[-1]:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        lines.append(line)
    yield process, "".join(lines), tmp_path
    process.kill()
    process.stdout.close()
    process.stderr.close()
    process.wait()


@pytest.fixture
def opened():
    """Enters what is to be closed in the end."""
    with contextlib.ExitStack() as stack:
        yield stack.enter_context


def children(pid):
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                stat = (entry / "stat").read_text()
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == pid:
                found.append((int(entry.name), words))
    return found


def until(check, seconds=240):
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.1)
    return found


def test_a_studio_from_start_to_end(started, opened):
    process, said, state = started
    link = re.search(r"http://\S+/login#\S+", said)[0]
    base, code = link.split("/login#")
    assert "only programs of this computer" in said and "ssh -L" in said
    browser = opened(httpx.Client(base_url=base, headers={"Origin": base}, timeout=60))
    assert browser.get("/login").status_code == 200
    maps = Path(f"/proc/{process.pid}/maps").read_text()
    assert "libtorch" not in maps  # so that the page is there before torch is
    assert browser.post(f"{API}/login", json={"token": code}).status_code == 204
    again = process.stdout.readline()
    assert "/login#" in again and code not in again  # the next link
    token = next(state.glob("zscape/*.token"))
    assert token.stat().st_mode & 0o777 == 0o600

    until(lambda: browser.get(f"{API}/about").json()["ready"])
    cards = {c["name"]: c for c in browser.get(f"{API}/studies").json()["studies"]}
    study = f"{API}/studies/{cards['pictures']['id']}"
    answer = browser.post(f"{study}/decode", json={"codes": [[0.0, 0.0, 0.0]]})
    assert unpack(answer.content)[1]["pixels"].shape == (1, 8, 8, 1)

    body = {"kind": "train", "name": "made here", "data": "digits", "recipe": "vae"}
    body["options"] = {"latent": 2, "epochs": 50, "network": "mlp:8", "patience": 0}
    job = browser.post(f"{API}/jobs", json=body).json()
    until(lambda: browser.get(f"{API}/jobs/{job['id']}").json()["share"] > 0)
    browser.delete(f"{API}/jobs/{job['id']}")
    ended = until(lambda: _over(browser.get(f"{API}/jobs/{job['id']}").json()))
    assert ended["state"] in ("stopped", "done") and ended["stopping"]
    assert (ended["name"], ended["recipe"]) == ("made-here", "vae")
    assert 1 <= ended["epoch"] <= ended["epochs"] == 50
    made = {c["name"]: c for c in browser.get(f"{API}/studies").json()["studies"]}["made-here"]
    assert made["state"] == "trained"  # what was trained so far was kept
    assert made["ending"]["epochs"] == 50
    until(lambda: browser.get(f"{API}/jobs/{job['id']}").json()["ending"] == made["ending"])
    other = browser.post(f"{API}/jobs", json={**body, "name": "b", "data": "/etc/passwd"})
    assert other.status_code == 422 and other.json()["error"]["id"] == "spec"

    workers = children(process.pid)
    secrets = [code, token.read_text().strip()]
    assert len(workers) >= 2
    for _, words in workers:
        assert not any(secret.encode() in word for word in words for secret in secrets)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert "stopped by Ctrl-C" in process.stderr.read()
    assert not [pid for pid, _ in workers if Path(f"/proc/{pid}").exists()]
    assert not token.exists()


def test_a_worker_whose_studio_is_gone_says_nothing():
    ours, its = socket.socketpair()
    ours.close()
    words = [sys.executable, "-P", "-m", "zscape.studio.work", "reader", str(its.fileno())]
    with its:
        done = subprocess.run(words, pass_fds=[its.fileno()], capture_output=True, timeout=240)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def _over(job):
    return job if job["state"] in ("done", "stopped", "failed") else None
