"""The studio under attack: requests made by its own description, and names that lead elsewhere."""

import contextlib
import itertools
import os
import shutil
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.testclient import TestClient
from tests.faces.studio.conftest import API, GOLDEN, ORIGIN, PORT, TOKEN, Near

from benchmarks.figures import Figure, Settings, machine
from zscape.studio import jobs
from zscape.studio.logins import Logins
from zscape.studio.security import place
from zscape.studio.server import make_app
from zscape.studio.studies import Studies
from zscape.studio.studio import Studio, make_studio

CASES, STRINGS = 10_000, 400
CANARY = "canary-4711-of-a-file-outside"


@contextlib.contextmanager
def attacked() -> Iterator[tuple[Any, Studio]]:
    """The whole application in this process, with a canary beside what it serves."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("secret.txt", "home/secret.txt", "home-2/study.toml", "home/run-10/secret"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(f'{CANARY}\nrecipe = "{CANARY}"\n')
        for name in ("pictures", "table"):
            shutil.copytree(GOLDEN / name, root / "home" / name)
        (root / "home" / "linked").symlink_to(root / "home-2", target_is_directory=True)
        static = root / "static"
        (static / "assets").mkdir(parents=True)
        (static / "index.html").write_text("<p>page</p>")
        (static / "assets" / "linked.js").symlink_to(root / "secret.txt")
        studio = make_studio(Studies([root / "home"]), Logins(TOKEN), static)
        for worker in (studio.decoder, studio.reader, studio.judge):
            worker.__class__ = Near
        before = jobs.open_pipe
        jobs.open_pipe = _no_process  # a job fails at once: what is attacked is the server
        os.environ["ZSCAPE_CANARY_HOME"] = str(root)
        try:
            yield make_app(studio, place(PORT)), studio
        finally:
            jobs.open_pipe = before


async def _no_process(role: str) -> Any:
    raise OSError(role)


def schemathesis_cases(settings: Settings) -> Iterator[Figure]:
    """Server errors among requests that schemathesis makes of the OpenAPI document."""
    cases = 200 if settings.quick else CASES
    with attacked() as (app, studio):
        statuses, operations = _fuzzed(app, studio, cases, settings.seed)
    errors = sum(count for status, count in statuses.items() if status >= 500)
    told = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    protocol = (
        f"{sum(statuses.values())} requests that schemathesis made of the OpenAPI document, valid "
        f"and not, over its {operations} operations in process, half of them with ids that there "
        f"are, library calls in this process, jobs that fail at once ({told}); {machine()}"
    )
    yield Figure("schemathesis_server_errors", errors, "count", "measured", protocol)


def _fuzzed(app: Any, studio: Studio, cases: int, seed: int) -> tuple[Counter[int], int]:
    import schemathesis
    from hypothesis import HealthCheck, given
    from hypothesis import seed as seeded
    from hypothesis import settings as bounded

    client = TestClient(app, base_url=ORIGIN, raise_server_exceptions=False)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    document = client.get(f"{API}/openapi.json", headers=headers).json()
    schema = schemathesis.openapi.from_dict(document)
    found = [result.ok() for result in schema.get_all_operations()]
    statuses: Counter[int] = Counter()
    ids = itertools.cycle([known.id for known in studio.studies.all() if known.content])
    flip = itertools.cycle([True, False])
    each = -(-cases * 4 // len(found) // 3)  # those without a parameter have few cases
    for operation in found:
        if operation.path.endswith("/events"):  # it never ends
            continue

        @seeded(seed)
        @bounded(
            max_examples=each,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def attack(case: Any) -> None:
            parameters = case.path_parameters or {}
            if "s" in parameters and next(flip):
                parameters["s"] = next(ids)
            with contextlib.suppress(UnicodeError, ValueError):  # what no client can send
                statuses[_sent(client, case, headers)] += 1

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            attack()
    return statuses, len(found)


def _sent(client: TestClient, case: Any, headers: dict[str, str]) -> int:
    arguments = case.as_transport_kwargs(base_url=ORIGIN)
    arguments["headers"] = {**dict(arguments.get("headers") or {}), **headers}
    known = {k: v for k, v in arguments.items() if k in _TAKEN and v is not None}
    if "data" in known:
        known["content"] = known.pop("data")
    return client.request(**known).status_code


_TAKEN = ("method", "url", "headers", "params", "json", "data", "cookies")


def traversal(settings: Settings) -> Iterator[Figure]:
    """Answers that show a file outside, among names that lead there."""
    strings = attack_strings()[: 20 if settings.quick else STRINGS]
    with attacked() as (app, studio):
        client = TestClient(
            app,
            base_url=ORIGIN,
            headers={"Authorization": f"Bearer {TOKEN}"},
            raise_server_exceptions=False,
        )
        study = next(known.id for known in studio.studies.all() if known.content)
        leaks, asked, errors = 0, 0, 0
        for text in strings:
            for answer in _asked_everywhere(client, study, text):
                asked += 1
                leaks += CANARY.encode() in answer.content or b"root:x:0" in answer.content
                errors += answer.status_code >= 500
    protocol = (
        f"{len(strings)} strings (..; encoded once, twice and wrongly; absolute, drive, NUL, "
        f"backslash, links, siblings, file: addresses) in every parameter of path, query and body, "
        f"{asked} requests, a canary outside and behind links: how often it was answered "
        f"({errors} server errors); {machine()}"
    )
    yield Figure("traversal_leaks", leaks, "count", "measured", protocol)


def attack_strings() -> list[str]:
    """400 names that would lead to a canary, were they made into paths."""
    root = os.environ.get("ZSCAPE_CANARY_HOME", "/tmp")
    targets = ["secret.txt", "home-2/study.toml", "etc/passwd", "linked.js", "run-10/secret"]
    ups = ["../", "..\\", "....//", "..;/", "%2e%2e/", "%2e%2e%2f", "..%2f", "..%5c"]
    ups += ["%252e%252e%252f", "..%252f", "..%c0%af", "%c0%ae%c0%ae/", "..%u2215", ".../", "./../"]
    found = [up * depth + target for target in targets for up in ups for depth in (1, 3, 6)]
    found += [f"/{target}" for target in targets] + [f"{root}/{target}" for target in targets]
    found += [f"file://{root}/{target}" for target in targets]
    found += [f"C:\\{target}" for target in targets] + [f"\\\\host\\{target}" for target in targets]
    found += [f"pictures/../{up * 2}{t}" for up in ups[:6] for t in targets]
    found += [f"{up}{t}\0.png" for up in ups[:6] for t in targets]
    found += [f"{up}{t}%00.webp" for up in ups[:6] for t in targets]
    found += [f"pictures{up}{t}" for up in ups for t in targets]
    return list(dict.fromkeys(found))


def _asked_everywhere(client: TestClient, study: str, text: str) -> Iterator[Any]:
    raw, coded = text.replace("\0", "%00"), quote(text, safe="")
    one = f"{API}/studies/{study}"
    for name in (raw, coded):
        for path in (
            f"/{name}",
            f"/assets/{name}",
            f"{API}/studies/{name}",
            f"{API}/studies/{name}/report.html",
            f"{one}/{name}",
            f"{one}/columns/{name}",
            f"{one}/thumbs/32/{name}.webp",
            f"{one}/items/{name}/original.png",
            f"{one}/selections/{name}",
            f"{API}/jobs/{name}/result",
        ):
            yield client.get(path)
    for query in (f"align={coded}", f"dims={coded}", f"method={coded}"):
        yield client.get(f"{one}/projection?{query}")
    yield client.get(f"{API}/compare?a={study}&b={coded}")
    yield client.get(f"{one}/anomalies?score={coded}")
    bodies: list[tuple[str, Any]] = [
        (f"{API}/jobs", {"kind": "train", "name": text[:60], "data": text}),
        (f"{API}/jobs", {"kind": "train", "data": {"study": text}}),
        (f"{API}/jobs", {"kind": "refit", "study": study, "name": text[:60]}),
        (f"{one}/directions", {"positive": {"name": text}}),
        (f"{one}/edit", {"item": 1, "strengths": {text: 1.0}}),
        (f"{one}/redraw", {"item": 1, "levels": [text]}),
        (f"{one}/encode", {"rows": [{text: text}]}),
    ]
    for path, body in bodies:
        yield client.post(path, json=body)


PARTS = {"schemathesis": schemathesis_cases, "traversal": traversal}
