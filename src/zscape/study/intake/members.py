"""Lists the pictures in tar files in a process of its own, as shards of WebDataset hold them.

Members whose names agree up to the first dot of the last part belong together: a picture, its
class (.cls) and its attributes (.json). Each picture is a JSON line on stdout, each file ends in
the line `null`; the reason of a failure goes to stderr.
"""

import json
import sys
import tarfile
from collections.abc import Iterator
from typing import Any

from zscape.study.intake.scan import answer_once, beat, limit_memory, require_file, rest, why_not

BESIDE = (".cls", ".json")
AT_ONCE = 1000  # pictures that are listed in at most 10 s


def main() -> None:
    """Answers the one request in the last argument."""
    request = json.loads(sys.argv[-1])
    limit_memory()
    answer_once(lambda: list_all(request["paths"], tuple(request["suffixes"])))


def list_all(paths: list[str], suffixes: tuple[str, ...]) -> None:
    """Lists one file after the other; a failure ends it."""
    for path in paths:
        beat()
        try:
            for number, found in enumerate(pictures(path, suffixes)):
                if number % AT_ONCE == 0:
                    rest()  # the other end may take its time
                    sys.stdout.flush()
                    beat()
                print(json.dumps(found))
        except BrokenPipeError:
            raise
        except Exception as error:  # a header may be anything
            raise ValueError(why_not(path, error)) from error
        rest()
        print("null", flush=True)


def pictures(path: str, suffixes: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The pictures of a tar file that is not packed, in its order, with what belongs to them."""
    require_file(path)
    group: dict[str, Any] = {}
    with tarfile.open(path, "r:") as tar:
        while (member := tar.next()) is not None:
            tar.members = []  # type: ignore[attr-defined]  # it would keep all of them
            if not member.isreg() or member.issparse():
                continue
            folder, slash, last = member.name.rpartition("/")
            stem, _, rest_of_name = last.partition(".")
            key = folder + slash + stem
            if key != group.get("key"):
                yield from _whole(group)
                group = {"key": key}
            suffix = f".{rest_of_name.rpartition('.')[2].lower()}"
            where = [member.offset_data, member.size]
            if suffix in suffixes and "part" not in group and stem:
                group |= {"name": member.name, "part": where}
            elif suffix in BESIDE:
                group[suffix] = where
        _require_end(path, tar.offset)
    yield from _whole(group)


def _whole(group: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "part" in group:
        yield group


def _require_end(path: str, offset: int) -> None:
    """Refuses a file that does not end where its list of members does: tarfile stops silently."""
    with open(path, "rb") as file:
        file.seek(offset)
        if file.read(tarfile.BLOCKSIZE).strip(b"\0"):
            raise ValueError(f"cut off or damaged at byte {offset:,}")
