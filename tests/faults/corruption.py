"""Damage to every file of a study, and whether reading all that the study offers tells of it.

A damage is silent when nothing is said and the content is not what it was.
"""

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zscape.errors import ZscapeError
from zscape.study.checkpoints import last_checkpoint
from zscape.study.journal import written_log
from zscape.study.storage.folder import MANIFEST, read_file
from zscape.study.study import Study

NUM_CUTS, NUM_FLIPS = 20, 200


@dataclass(frozen=True, slots=True)
class Damage:
    """One damage of one file, and what was wrong with how it was told; nothing, if all is well."""

    file: str
    kind: str
    told: bool
    wrong: str


def damages(
    study: Path, other: Path, *, cuts: int = NUM_CUTS, flips: int = NUM_FLIPS, seed: int = 0
) -> Iterator[Damage]:
    """Damages every file of a study in turn, each mended before the next.

    Args:
        study: finished, with its checkpoints.
        other: another study with files of the same names.
        cuts: places at which a file is cut off.
        flips: bits that are turned, one at a time.
        seed: of the bits and places.
    """
    expected = offered(study)
    for path in sorted(path for path in study.rglob("*") if path.is_file()):
        name = str(path.relative_to(study))
        content = path.read_bytes()
        twin = _twin(study, other, path)
        for kind, harm in _harms(content, twin, cuts, flips, random.Random(seed)):
            harm(path)
            try:
                yield _judged(study, name, kind, expected)
            finally:
                _mend(path, content)
    assert offered(study) == expected


def offered(study: Path) -> str:
    """The sha256 of all that a study offers: its space, log, report, figures, files and state.

    Raises:
        ZscapeError: something is damaged, and said to be.
    """
    opened = Study.open(study)
    space = opened.space()
    digest = hashlib.sha256(json.dumps(opened.asked, default=str).encode())
    for tensor in (*space.model.state_dict().values(), *space.codes.tensors.values()):
        digest.update(tensor.numpy().tobytes())
    for tensor in (space.items, space.kept, space.held_out):
        digest.update(tensor.numpy().tobytes())
    digest.update(repr(None if space.labels is None else space.labels.tolist()).encode())
    digest.update(repr((space.label_names, sorted(space.attributes), opened.log())).encode())
    digest.update(opened.report() or b"")
    digest.update(repr(opened.measures()).encode())
    for name in json.loads((study / MANIFEST).read_bytes())["files"]:
        digest.update(name.encode() + read_file(study, name))
    _take_state(study, digest)
    return digest.hexdigest()


def _take_state(study: Path, digest: Any) -> None:
    start = last_checkpoint(study)
    if start is None:
        return
    if start.notes:
        raise ZscapeError(start.notes[0])
    if hashlib.sha256(written_log(study, start)).hexdigest() != start.log_sha256:
        raise ZscapeError("the log is not as it was written")
    for name, tensor in sorted(start.state.tensors.items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    digest.update(json.dumps(start.state.plain, sort_keys=True).encode())


def _judged(study: Path, name: str, kind: str, expected: str) -> Damage:
    try:
        found = offered(study)
    except ZscapeError as error:
        # A flip in a checksum looks like damage of the file that it is of.
        named = Path(name).name in str(error) or "checkpoint" in str(error) or name == MANIFEST
        return Damage(name, kind, True, "" if named else f"the file is not named: {error}")
    except FileNotFoundError as error:  # the benchmark's own look into the manifest
        return Damage(name, kind, True, "" if MANIFEST in str(error) else repr(error))
    except Exception as error:
        return Damage(name, kind, True, f"{type(error).__name__}: {error}")
    return Damage(name, kind, False, "" if found == expected else "silent")


def _harms(
    content: bytes, twin: bytes, cuts: int, flips: int, places: random.Random
) -> Iterator[tuple[str, Callable[[Path], object]]]:
    for number in range(cuts):
        end = len(content) * number // cuts
        yield f"cut at {end}", lambda path, end=end: path.write_bytes(content[:end])
    yield "emptied", lambda path: path.write_bytes(b"")
    for _ in range(flips if content else 0):
        place, bit = places.randrange(len(content)), places.randrange(8)
        flipped = bytearray(content)
        flipped[place] ^= 1 << bit
        yield f"bit {bit} of byte {place}", lambda path, new=bytes(flipped): path.write_bytes(new)
    yield "one byte longer", lambda path: path.write_bytes(content + b"\n")
    yield "another's", lambda path: path.write_bytes(twin)
    yield "removed", lambda path: path.unlink()
    yield "a folder", _become(os.mkdir)
    yield "a pipe", _become(os.mkfifo)
    yield "a link", lambda path: _link(path, content)


def _become(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def harm(path: Path) -> None:
        path.unlink()
        make(path)

    return harm


def _link(path: Path, content: bytes) -> None:
    aside = path.with_name(f"{path.name}.aside")
    aside.write_bytes(content)
    path.unlink()
    path.symlink_to(aside.name)


def _mend(path: Path, content: bytes) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.with_name(f"{path.name}.aside").unlink(missing_ok=True)
    path.write_bytes(content)


def _twin(study: Path, other: Path, path: Path) -> bytes:
    """The file of the same name and place in another study, or of the same name anywhere in it."""
    same = other / path.relative_to(study)
    found = [same] if same.is_file() else sorted(other.rglob(path.name))
    return found[0].read_bytes() if found else b"\0"
