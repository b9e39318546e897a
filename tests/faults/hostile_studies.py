"""Study folders that somebody made to do harm: each is a small true study, changed in one place.

Most have a manifest that agrees with the change, as whoever writes a file can write its checksum.
"""

import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.faults.changes import (
    CODES,
    ITEMS,
    WEIGHTS,
    Change,
    asking,
    listing,
    rewritten,
    setting,
    written,
)
from tests.faults.hostile_states import states
from tests.faults.hostile_tensors import headers, tensors

ESCAPE = "\x1b]0;owned\x07"
DTYPES = ("nonsense", "object", "datetime64[ns]", "category", "S4", "Sparse[int]", "void", "int64")
SCRIPT = "<script>alert(1)</script>"


def hostile_studies(
    true: Path, folder: Path, *, names: Sequence[str] = ()
) -> Iterator[tuple[str, Path]]:
    """Name and folder of one hostile study after the other; each is removed before the next.

    Args:
        true: a study of a table.
        folder: where they are made.
        names: of the changes; none: all.
    """
    for name, change in changes().items():
        if names and name not in names:
            continue
        path = folder / "hostile"
        shutil.copytree(true, path)
        try:
            change(path)
            yield name, path
        finally:
            shutil.rmtree(path)


def changes() -> dict[str, Change]:
    """Every change by its name."""
    found: dict[str, Change] = {}
    for kind, cases in (
        ("manifest", _manifests()),
        ("spec", _specs()),
        ("spec text", _spec_texts()),
        ("header", headers()),
        ("tensors", tensors()),
        ("log", _logs()),
        ("folder", _folders()),
        ("state", states()),
    ):
        found |= {f"{kind}: {name}": change for name, change in cases.items()}
    return found


def commands(name: str) -> tuple[tuple[str, ...], ...]:
    """The words before the folder, for all that a person would do with a changed study."""
    going_on = ("train", "--resume")
    if name.startswith("state"):
        return (going_on,)
    return (("show",), ("report",), ("sample",), *([going_on] if name.startswith("spec") else []))


def _manifests() -> dict[str, Change]:
    texts: dict[str, bytes] = {
        "empty": b"",
        "a bracket": b"{",
        "a list": b"[]",
        "null": b"null",
        "a number": b"1",
        "text": b'"x"',
        "deep lists": b"[" * 200_000,
        "deep objects": b'{"a":' * 200_000,
        "not a number": b'{"format": NaN, "files": {}}',
        "endless": b'{"format": 1e999, "files": {}}',
        "long integer": b'{"format": ' + b"9" * 6000 + b', "files": {}}',
        "long version": b'{"format": ' + b"9" * 4000 + b', "files": {}}',
        "twice": b'{"format": 1, "files": {}, "files": {}}',
        "latin": b'{"format": 1, "files": {"\xff": {}}}',
        "utf-16": '{"format": 1, "files": {}}'.encode("utf-16"),
        "NUL": b'{"format": 1, "files": {}}\0',
        "nothing listed": b'{"format": 1, "files": {}}',
        "many entries": _many_entries(),
    }
    found: dict[str, Change] = {n: written("manifest.json", text) for n, text in texts.items()}
    for version in ("1", 1.0, True, -1, 2**63, None, [], {}):
        found[f"format {version!r}"] = listing(lambda m, v=version: m.update(format=v))
    for files in (None, [], 3, "x", [["a", "b"]], {"a": 1}, {"a": None}, {"a": {}}):
        found[f"files {files!r}"] = listing(lambda m, f=files: m.update(files=f))
    names = ("../x", "/etc/passwd", "a/../../b", "..\\x", "a\0b", ".", "..", "", "a//b", "x" * 5000)
    for name in (*names, "./study.toml", "pictures/../study.toml", "C:\\x", "~/x/.."):
        entry = {"size": 1, "sha256": "0" * 64}
        found[f"name {name:.20}"] = listing(lambda m, n=name, e=entry: m["files"].update({n: e}))
    for key, values in {
        "size": ("1", -1, 1.5, True, 2**62, None, [], 10**30),
        "sha256": (None, 3, "", "zz", [], "0" * 64, "0" * 10**6),
    }.items():
        for value in values:
            found[f"{key} {value!r:.20}"] = listing(
                lambda m, k=key, v=value: m["files"][WEIGHTS].update({k: v})
            )
    return found


def _many_entries() -> bytes:
    return json.dumps({"format": 1, "files": {str(i): 1 for i in range(10**5)}}).encode()


def _specs() -> dict[str, Change]:
    """One value of the spec taken away or changed."""
    found: dict[str, Change] = {}
    odd = (True, -1, 2**62, float("inf"), float("nan"), "x", "", [], {}, [[]], ESCAPE, "1" * 5000)
    for key in ("recipe", "options", "training", "modality", "data"):
        found[f"without {key}"] = asking(lambda a, k=key: a.pop(k))
        for value in odd:
            found[f"{key} = {value!r:.20}"] = asking(lambda a, k=key, v=value: a.update({k: v}))
    for name in ("os:system", "antigravity", "zscape.recipes:vae", "builtins:eval", "../x", SCRIPT):
        found[f"recipe {name}"] = asking(lambda a, n=name: a.update(recipe=n))
    sizes = (0, -1, 10**9, 2**62, 2.5, "2", True, [2])
    found |= {f"latent {v!r}": setting("options", latent=v) for v in sizes}
    networks = (
        "mlp:1000000000",
        "mlp:-1",
        "mlp:",
        "mlp:x",
        "conv",
        "conv:9",
        "residual:1",
        "",
        "a:b",
    )
    networks += ("mlp:100000,100000,100000", "mlp:" + ",".join(["8"] * 20_000), "mlp:0", "mlp:1e9")
    found |= {f"network {v:.25}": setting("options", network=v) for v in networks}
    found |= {f"likelihood {v!r}": setting("options", likelihood=v) for v in ("x", "", 3, SCRIPT)}
    found["an unknown option"] = setting("options", **{"__class__": "x"})
    for key in ("validation", "seed"):
        found[f"training without {key}"] = asking(lambda a, k=key: a["training"].pop(k))
        for value in (-1, 2**62, "x", float("nan"), 1e300, True, []):
            found[f"{key} {value!r}"] = setting("training", **{key: value})
    for value in (-1, 2**62, "x", 1.5, True, []):
        found[f"fold {value!r}"] = setting("training", fold=value)
    kinds = ("x", "", "Image", "__init__", 3)
    found |= {f"modality {v!r}": setting("modality", kind=v) for v in kinds}
    found["modality with more"] = setting("modality", other=1)
    for record in _modalities():
        found[f"modality {record!r:.160}"] = asking(lambda a, r=record: a.update(modality=r))
    for value in ([1], [[]], "x", [ESCAPE, SCRIPT], ["x" * 10**6], []):
        found[f"names {value!r:.20}"] = setting("data", label_names=value)
        found[f"notes {value!r:.20}"] = setting("data", notes=value)
    found |= {f"examples {v!r}": setting("data", num_examples=v) for v in (0, -1, 2**62, "x", 1.5)}
    for known in (3, "x", [], {"fields": 3}, *({"fields": [field]} for field in _fields())):
        found[f"known {known!r:.160}"] = asking(lambda a, k=known: a.update(known=k))
    found |= {f"source {v!r:.20}": setting("data", source=v) for v in (ESCAPE, SCRIPT, 3, [])}
    return found


def _fields() -> list[Any]:
    field = {"name": "a"}
    return [
        *(3, {}, {"names": ["x"]}, field | {"other": 1}, {"name": 3}),
        *(field | {"names": v} for v in ("x", [3], [[]], 3)),
        *(field | {"scale": v} for v in (0.0, -1.0, float("nan"), "x")),
        *(field | {"width": v} for v in (0, -1, 2, 10**12, "x", 1.5)),
        *(field | {"words": ["x"], "width": v} for v in (0, 25, 10**12)),
        field | {"words": ["x"], "names": ["y"]},
    ]


def _modalities() -> list[dict[str, Any]]:
    image = {"kind": "image", "channels": 1, "height": 8, "width": 8}
    array = {"kind": "array", "event": [4], "holds": "binary"}
    column = {"name": "a", "kind": "numeric"}
    return [
        *(image | {"channels": v} for v in (0, -1, 2, 10**9, 1.0, True, "1")),
        *(image | {"height": v} for v in (0, -8, 10**12, 1.5, "8", [8])),
        image | {"height": 10**5, "width": 10**5},
        *(array | {"event": v} for v in ([], [0], [-1], [10**12], [10**5, 10**5], ["x"], 3, [[4]])),
        *(array | {"holds": v} for v in ("x", "", 3)),
        *(array | {"dtype": v} for v in ("object", "x", "U8", "V8", "M8[s]", "f4,f4")),
        array | {"holds": "real", "mean": [0.0] * 9, "scale": [1.0] * 9},
        array | {"holds": "real", "mean": ["x"], "scale": [1.0]},
        *({"kind": "table", "described": v} for v in ([], 3, [3], [{}], [{"name": "a"}])),
        *({"kind": "table", "described": [column | {"kind": v}]} for v in ("x", 3, "dropped")),
        {"kind": "table", "described": [column | {"kind": "categorical", "classes": []}]},
        *({"kind": "table", "described": [column | {"dtype": v}]} for v in DTYPES),
        *({"kind": "table", "described": [column | {"dtype": v, "whole": True}]} for v in DTYPES),
        {"kind": "table", "described": [column | {"mean": "x"}]},
        {"kind": "table", "described": [column | {"scale": float("nan")}]},
        {"kind": "table", "described": [column | {"eval": "x"}]},
        {"kind": "table", "described": [column] * 2_000},
    ]


def _spec_texts() -> dict[str, Change]:
    texts: dict[str, bytes] = {
        "empty": b"",
        "binary": bytes(range(256)),
        "not UTF-8": b'recipe = "\xff"',
        "NUL": b'recipe = "a\0"',
        "mark": b'\xef\xbb\xbfrecipe = "vae"',
        "twice": b'recipe = "vae"\nrecipe = "vae"',
        "deep lists": b"a = " + b"[" * 100_000,
        "closed deep lists": b"a = " + b"[" * 20_000 + b"]" * 20_000,
        "deep tables": b"a = " + b"{b=" * 50_000,
        "dotted": b".".join([b"a"] * 20_000) + b" = 1",
        "long integer": b"a = " + b"9" * 10_000,
        "many comments": b"# x\n" * 200_000,
        "an endless line": b"# " + b"x" * 5_000_000,
        "no end of text": b'recipe = """' + b"x" * 100_000,
        "dates": b"recipe = 1979-05-27T07:32:00Z\noptions = 07:32:00",
    }
    return {name: rewritten("study.toml", text) for name, text in texts.items()}


def _logs() -> dict[str, Change]:
    texts = {
        "deep": b"[" * 100_000,
        "not JSON": b"x\n",
        "a list": b"[]\n",
        "null": b"null\n",
        "without keys": b"{}\n",
        "odd keys": b'{"step": "x", "epoch": [], "seconds": {}, "parts": 3}\n',
        "odd parts": b'{"step": 1, "epoch": 1, "seconds": 1, "parts": {"elbo": "x"}}\n',
        "empty lines": b"\n\n\n",
        "not UTF-8": b"\xff\n",
        "twice": b'{"step": 1, "step": 2}\n',
        "escapes": json.dumps({"step": ESCAPE, "epoch": 1, "parts": {}, "seconds": 1}).encode(),
        "many": b'{"step":1,"epoch":1,"share":0,"loss":0,"parts":{},"seconds":1}\n' * 20_000,
    }
    found = {name: rewritten("training.jsonl", text) for name, text in texts.items()}
    measures = ("", "[]", "{}", "null", "[" * 10**5, '{"sections": [3]}', '{"sections": {"a": 1}}')
    found |= {f"measures {t:.20}": rewritten("measures.json", t.encode()) for t in measures}
    return found


def _folders() -> dict[str, Change]:
    """Files that are something else, or somewhere else."""
    found: dict[str, Change] = {}
    for name in ("manifest.json", "study.toml", WEIGHTS, CODES, ITEMS, "training.jsonl"):
        found |= {
            f"{name} a pipe": _replaced(name, os.mkfifo),
            f"{name} a folder": _replaced(name, os.mkdir),
            f"{name} a socket": _replaced(name, _socket),
            f"{name} a link": _replaced(name, lambda p: p.symlink_to(_aside(p))),
            f"{name} a link nowhere": _replaced(name, lambda p: p.symlink_to("/nowhere/x")),
            f"{name} a link to itself": _replaced(name, lambda p: p.symlink_to(p.name)),
            f"{name} a device": _replaced(name, lambda p: p.symlink_to("/dev/zero")),
            f"{name} a hole of 50 GB": _replaced(name, _hole),
            f"{name} gone": _replaced(name, lambda p: None),
        }
    found["study.lock a pipe"] = _replaced("study.lock", os.mkfifo)
    found["study.lock a device"] = _replaced("study.lock", lambda p: p.symlink_to("/dev/zero"))
    found["only a lock, a link"] = _only_a_linked_lock
    found["weights of a 50 GB hole, listed"] = _listed_hole
    found["pictures a link"] = _linked_pictures
    return found


def _hole(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(50 * 2**30)


def _socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the path of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def _aside(path: Path) -> Path:
    """A true copy outside the folder, for a link to lead to."""
    return path.parent.parent / "aside" / path.name


def _listed_hole(study: Path) -> None:
    _hole(study / WEIGHTS)
    listing(lambda m: m["files"][WEIGHTS].update(size=50 * 2**30))(study)


def _linked_pictures(study: Path) -> None:
    shutil.rmtree(study / "pictures")
    (study / "pictures").symlink_to(study.parent)


def _only_a_linked_lock(study: Path) -> None:
    (study / "manifest.json").unlink()
    (study / "study.lock").unlink()
    (study / "study.lock").symlink_to("/etc/hostname")


def _replaced(name: str, make: Callable[[Path], object]) -> Change:
    def change(study: Path) -> None:
        content = (study / name).read_bytes()
        aside = _aside(study / name)
        aside.parent.mkdir(exist_ok=True)
        aside.write_bytes(content)
        (study / name).unlink()
        make(study / name)

    return change
