"""Figures of one thing under its name, to stand beside the same figures of other things."""

from dataclasses import dataclass

from zscape.measures.figure import Figure


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a comparison.

    Attributes:
        name: of what was measured, such as "samples" or "real against real".
        figures: the same names in the same order in every row of a comparison.
    """

    name: str
    figures: tuple[Figure, ...]

    def __getitem__(self, name: str) -> Figure:
        """The figure of that name; what follows it in brackets may be left out."""
        return next(f for f in self.figures if f.name == name or f.name.startswith(f"{name} ("))
