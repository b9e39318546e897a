"""What went wrong, as a page is told it: an id and a sentence, without any path."""

import sys
import traceback

from zscape.errors import BusyError, DataError, ShapeError, SpecError, ZscapeError
from zscape.modalities.found import printable
from zscape.studio.work.made import Missing

WORDS = {SpecError: "spec", ShapeError: "shape", DataError: "data", BusyError: "busy"}


def trouble(error: BaseException) -> dict[str, str]:
    """An error as an id and a sentence, without any path."""
    if isinstance(error, Missing):
        return {"id": error.name, "sentence": str(error)}
    if isinstance(error, ZscapeError):
        kinds = [word for kind, word in WORDS.items() if isinstance(error, kind)]
        return {"id": (kinds or ["study"])[0], "sentence": told_without_paths(str(error))}
    if isinstance(error, MemoryError) or "allocate memory" in str(error):
        sentence = "The memory must hold this, and does not. Ask for less at once."
        return {"id": "memory", "sentence": sentence}
    traceback.print_exception(error, file=sys.stderr)
    sentence = f"Something went wrong in the studio itself ({type(error).__name__}). "
    return {"id": "internal", "sentence": f"{sentence}Its terminal says more."}


def told_without_paths(sentence: str) -> str:
    """A sentence in one printable line, whose words that are paths keep their last part."""
    words = printable(" ".join(sentence.split())).split(" ")
    return " ".join(_short(word) if "/" in word.strip("'\"(),.") else word for word in words)


def _short(word: str) -> str:
    bare = word.strip("'\"(),.:;")
    if not bare.startswith(("/", "~", "./", "../")):
        return word
    return word.replace(bare, bare.rstrip("/").rpartition("/")[2])
