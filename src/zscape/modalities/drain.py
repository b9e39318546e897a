"""Templates of log lines: what is always said, and where something varies.

Which lines form a session, and what a model sees of one, stand in `logs`.
"""

import re
from collections.abc import Iterable, Sequence

from zscape.modalities.found import listed, quote

GAP = "<*>"  # what varies, in a template
SIMILARITY = 0.7
DEPTH = 2  # words at the beginning that lines of one template share
REMEMBERED = 100_000  # lines, of which what they are is known without looking

_DIGITS = re.compile(r"[0-9]+")
# Masks read a line whose runs of digits are one 0 each, so that lines that differ in numbers alone
# are looked at once. No part can match what the part before it could, so none takes long.
_MASKS = re.compile(
    r"""
    \w+://\S+                                                    # an address
    | [A-Za-z]:\\[^\s,;]+                                        # a path
    | (?<![\w.)\]])/[\w.@%+~$\#*-][^\s,;\])}"'>]*                # a path
    | \b0[xX][0a-fA-F]+                                          # a hexadecimal number
    | \b[a-fA-F]*0[0a-fA-F]*(?:-[0a-fA-F]+)*\b(?![.:]\d)         # likewise, or an id of such
    | \b(?:[\w-]{1,63}\.){1,6}(?:com|org|net|edu|gov|io|local|[a-z][a-z])(?::0)?\b(?!\.)  # a host
    | (?<![A-Za-z])[-+]?0(?:[.,:/-]0)*(?:[KMGTkmgt]?[Bb]\b|ms\b|s\b|sec\b)?  # number, time, address
    """,
    re.VERBOSE,
)


class Drain:
    """Templates of lines, found one line after the other in one pass.

    A line is masked (numbers, addresses, paths, hexadecimal ids), cut into words and led by its
    number of words and its first two words to the templates like it; it joins the one with which
    it shares the most words, if that is a share of at least 0.7, whose other words become gaps,
    or else begins one. Lines that are alike once their digits are masked are looked at once. Digits
    that are part of a word are gaps too, as in `user<*>`.

    Differs from the paper in its masks, in that gaps count as shared words, and in the share.

    Args:
        templates: known from before, with `<*>` for each gap.
        learns: whether lines that are like no template begin one; else they are event -1, and
            templates stay as they are.

    Source: He et al. 2017, section III, doi:10.1109/ICWS.2017.13.
    """

    def __init__(self, templates: Iterable[str] = (), *, learns: bool = True) -> None:
        self.learns = learns
        self._templates: list[list[str]] = []
        self._leaves: dict[tuple[object, ...], list[int]] = {}
        self._known: dict[str, int] = {}
        for template in templates:
            self._begin(template.replace("0", GAP).split())  # older studies wrote user0

    def __len__(self) -> int:
        """How many templates there are."""
        return len(self._templates)

    def __repr__(self) -> str:
        """How many templates, and the first of them."""
        return f"Drain({len(self):,} templates: {listed([quote(t) for t in self.templates], 3)})"

    @property
    def templates(self) -> tuple[str, ...]:
        """What is always said by each event's lines, with `<*>` where something varies."""
        return tuple(" ".join(words) for words in self._templates)

    def event_of(self, line: str) -> int:
        """The number of the template that a line is of; -1 where it is like none."""
        seen = _DIGITS.sub("0", line)
        event = self._known.get(seen)
        if event is None:
            event = self._look(_masked(seen).split())
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[seen] = event
        return event

    def parameters_of(self, line: str) -> tuple[str, ...]:
        """The words of a line that stand in the gaps of its template; none where it has none."""
        event = self.event_of(line)
        if event < 0:
            return ()
        pairs = zip(line.split(), self._templates[event], strict=False)
        return tuple(word for word, said in pairs if word != said)

    def _look(self, words: list[str]) -> int:
        best, shared = -1, SIMILARITY * len(words)
        for event in self._leaves.get(_leaf(words), ()):
            same = sum(map(str.__eq__, self._templates[event], words))
            if same >= shared and (best < 0 or same > shared):
                best, shared = event, same
        if best >= 0 and self.learns:
            pairs = zip(self._templates[best], words, strict=True)
            self._templates[best] = [a if a == b else GAP for a, b in pairs]
        return self._begin(words) if best < 0 and self.learns else best

    def _begin(self, words: list[str]) -> int:
        event = len(self._templates)
        self._templates.append(words)
        self._leaves.setdefault(_leaf(words), []).append(event)
        return event


def masked(line: str) -> str:
    """A line with `<*>` for its numbers, addresses, paths and ids, and single spaces."""
    return " ".join(_masked(_DIGITS.sub("0", line)).split())


def _masked(seen: str) -> str:
    """A line whose runs of digits are one 0 each, with gaps for these and all that varies."""
    return _MASKS.sub(GAP, seen).replace("0", GAP)


def _leaf(words: Sequence[str]) -> tuple[object, ...]:
    first = (GAP if GAP in word else word for word in words[:DEPTH])
    return (len(words), *first)
