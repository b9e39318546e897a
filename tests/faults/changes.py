"""Small changes of a study folder, after which its manifest agrees with it or does not."""

import hashlib
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tomli_w
from safetensors.torch import load, save

WEIGHTS, CODES, ITEMS = "weights.safetensors", "codes.safetensors", "items.safetensors"
Change = Callable[[Path], None]


def rewrite(study: Path, name: str, content: bytes) -> None:
    """Writes a file and lists it as it is."""
    (study / name).write_bytes(content)
    manifest = json.loads((study / "manifest.json").read_text())
    digest = hashlib.sha256(content).hexdigest()
    manifest["files"][name] = {"size": len(content), "sha256": digest}
    (study / "manifest.json").write_text(json.dumps(manifest))


def written(name: str, content: bytes) -> Change:
    return lambda study: (study / name).write_bytes(content) and None


def rewritten(name: str, content: bytes) -> Change:
    return lambda study: rewrite(study, name, content)


def listing(edit: Callable[[dict[str, Any]], object]) -> Change:
    def change(study: Path) -> None:
        manifest = json.loads((study / "manifest.json").read_text())
        edit(manifest)
        (study / "manifest.json").write_text(json.dumps(manifest))

    return change


def asking(edit: Callable[[dict[str, Any]], object]) -> Change:
    def change(study: Path) -> None:
        asked = tomllib.loads((study / "study.toml").read_text())
        edit(asked)
        rewrite(study, "study.toml", tomli_w.dumps(asked).encode())

    return change


def setting(part: str, **values: Any) -> Change:
    return asking(lambda asked: asked[part].update(values))


def changed(file: str, edit: Callable[[dict[str, Any]], object]) -> Change:
    def change(study: Path) -> None:
        tensors = load((study / file).read_bytes())
        edit(tensors)
        rewrite(study, file, save(tensors))

    return change
