"""What a first look at raw things found, and the words it is told in; no modality of its own."""

from dataclasses import dataclass

from torch import Tensor

from zscape.modalities.modality import Modality


@dataclass(frozen=True, slots=True)
class Found:
    """A modality fitted to raw things, the things as it stores them, and what was seen.

    `headline` is the first line a person reads; `notes` are the further ones.
    """

    modality: Modality
    x: Tensor
    headline: str
    notes: tuple[str, ...]


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun, such as `5,000 pictures` or `1 row`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def number_words(value: float) -> str:
    """A number of data as people read it: four digits, and `45,050` where it has more."""
    return f"{value:,.0f}" if 9999.5 <= abs(value) < 1e15 else f"{value:.4g}"


def percent(part: float, whole: float) -> str:
    """A share in whole percent, such as `81 %`; `under 1 %` and `over 99 %` near the ends."""
    share = 100 * part / max(whole, 1)
    if 0 < share < 1:
        return "under 1 %"
    if 99 < share < 100:
        return "over 99 %"
    return f"{share:.0f} %"


def place(index: int) -> str:
    """Where a row stands: counted from 1, with the index from 0 that Python uses."""
    return f"row {index + 1:,} (index {index})"


def listed(names: list[str], most: int = 5) -> str:
    """Names in one line, the rest counted: `'a', 'b' and 7 more`."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def printable(text: str) -> str:
    r"""Text that any terminal and any UTF-8 file takes: what cannot be shown is escaped.

    Undecodable bytes of a file name, line breaks and direction marks become `\xe9`, `\n`, `\u202e`.
    """
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def quote(text: str, most: int = 80) -> str:
    """Printable text in quotation marks, cut where it is long."""
    shown = printable(text)
    return f"'{shown if len(shown) <= most else shown[: most - 3] + '...'}'"


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape: the byte itself says more than the stand-in
        return f"\\x{code - 0xDC00:02x}"
    return ascii(character)[1:-1]
