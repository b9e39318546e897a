"""Studies side by side: those that differ by their seed alone are one group."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from zscape.errors import SpecError
from zscape.measures.comparison import (
    Difference,
    Examined,
    Group,
    differences,
    examine,
    settings_that_differ,
)
from zscape.measures.comparison_page import comparison_page
from zscape.measures.figure import Figure
from zscape.measures.sweep_page import number
from zscape.recipes import Recipe
from zscape.space.space import Space
from zscape.study.plan import RECORD
from zscape.study.storage.folder import MANIFEST
from zscape.study.study import Study

MOST_IN_A_NAME = 3  # settings that name a group, beyond which its first folder does


@dataclass(frozen=True, slots=True)
class Comparison:
    """Studies side by side; printable.

    Attributes:
        groups: one per configuration, in the order in which its first study was given.
        differences: per further group, every figure minus that of the first group.
        settings: those that differ, with their value per group.
        spaces: of the first study of each group.
    """

    groups: tuple[Group, ...]
    differences: tuple[tuple[Difference, ...], ...]
    settings: Mapping[str, tuple[Any, ...]]
    spaces: tuple[Space, ...]

    def __str__(self) -> str:
        """The figures of every group, the differences to the first, and the settings that differ.

        All in nats per example but for the active units.
        """
        names = [figure.name for figure in self.groups[0].figures]
        kinds = [figure.kind for figure in self.groups[0].figures]
        rows: list[tuple[str, ...]] = [("", "seeds", *names), ("", "", *kinds)]
        for group in self.groups:
            figures = (number(figure) for figure in group.figures)
            rows.append((group.name, str(len(group.members)), *figures))
        lines = [*_aligned(rows), _errors_words(self.groups), "", "studies"]
        lines += _aligned([(group.name, ", ".join(group.studies)) for group in self.groups])
        if len({group.data for group in self.groups}) > 1:
            lines += ["", "These studies are of different data: their figures do not compare."]
        for group, each in zip(self.groups[1:], self.differences, strict=True):
            lines += ["", f"{group.name} minus {self.groups[0].name}, with 95 % interval"]
            lines += _aligned([("", *_told(difference)) for difference in each])
        if self.settings:
            lines += ["", "settings that differ"]
            told = [(n, *(_plain(v) for v in each)) for n, each in self.settings.items()]
            lines += _aligned([("", *(group.name for group in self.groups)), *told])
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Plain values: groups with their figures, differences, settings that differ."""
        groups = [
            {
                "name": group.name,
                "studies": list(group.studies),
                "seeds": [member.seed for member in group.members],
                "figures": [asdict(figure) for figure in group.figures],
            }
            for group in self.groups
        ]
        further = [
            {"group": group.name, "figures": [asdict(difference) for difference in each]}
            for group, each in zip(self.groups[1:], self.differences, strict=True)
        ]
        settings = {name: list(each) for name, each in self.settings.items()}
        return {"groups": groups, "differences": further, "settings": settings}

    def page(self) -> str:
        """The same as one self-contained HTML page, with pictures of what each group makes."""
        return comparison_page(self.groups, self.differences, self.settings, self.spaces)


def compare(studies: Sequence[str | Path | Study], *, recipe: Recipe | None = None) -> Comparison:
    """Studies side by side on their held-out examples: figures, differences, settings.

    Studies of the same recipe, options, training and data but for the seed are one group. The
    differences are to the first group; each says how its interval was had.

    Args:
        studies: two or more; the folder of a sweep stands for its studies.
        recipe: the recipe, where it is not one of ours.

    Raises:
        SpecError: fewer than two studies, or one twice.
        StudyError: a folder that is no study, or is damaged.
    """
    opened = [study for given in studies for study in _opened(given, recipe)]
    if len(opened) < 2:
        raise SpecError(
            f"A comparison must have two studies or more, got {len(opened)}. Name another."
        )
    sets: dict[str, list[Study]] = {}
    for study in opened:
        sets.setdefault(_identity(study), []).append(study)
    for members in sets.values():
        _refuse_twice(members)
    every = [_settings(members[0]) for members in sets.values()]
    names = _names(list(sets.values()), every)
    groups, spaces = list[Group](), list[Space]()
    for name, settings, members in zip(names, every, sets.values(), strict=True):
        space, group = _group(name, settings, members)
        groups.append(group)
        spaces.append(space)
    apart = tuple(differences(groups[0], group) for group in groups[1:])
    return Comparison(tuple(groups), apart, settings_that_differ(groups), tuple(spaces))


def _opened(given: str | Path | Study, recipe: Recipe | None) -> list[Study]:
    if isinstance(given, Study):
        return [given]
    folder = Path(given)
    if (folder / RECORD).is_file():
        inside = sorted(path.parent for path in folder.glob(f"*/{MANIFEST}"))
        return [Study.open(path, recipe=recipe) for path in inside]
    return [Study.open(folder, recipe=recipe)]


def _identity(study: Study) -> str:
    """What is the same for studies that differ by their seed alone."""
    return json.dumps([_settings(study), _data(study)], sort_keys=True, default=str)


def _settings(study: Study) -> dict[str, Any]:
    asked = study.asked
    source = asked["data"].get("source", "")
    settings = {"recipe": asked["recipe"], "data": source, **asked["options"]}
    settings |= asked.get("training", {})
    return {name: value for name, value in settings.items() if name != "seed"}


def _data(study: Study) -> str:
    """A digest of what the study is about, as far as its record tells."""
    about = {"data": study.asked["data"], "modality": study.asked["modality"]}
    return sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()


def _seed(study: Study) -> int:
    return int(study.asked.get("training", {}).get("seed", 0))


def _refuse_twice(members: Sequence[Study]) -> None:
    seeds: dict[int, Study] = {}
    for study in members:
        before = seeds.setdefault(_seed(study), study)
        if before is not study:
            raise SpecError(
                f"Each study must come once, got {str(before.path)!r} and {str(study.path)!r}, "
                "which are alike down to the seed. Leave one out."
            )


def _group(name: str, settings: Mapping[str, Any], members: Sequence[Study]) -> tuple[Space, Group]:
    """The first space and the group; one space is held at a time beside it."""
    first, examined = members[0].space(), list[Examined]()
    for study in members:
        space = first if study is members[0] else study.space()
        examined.append(examine(space, seed=_seed(study)))
    paths = tuple(str(study.path) for study in members)
    return first, Group(name, paths, settings, _data(members[0]), tuple(examined))


def _names(sets: Sequence[Sequence[Study]], settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """What sets each group apart where that is short, else the name of its first folder."""
    keys = [
        key
        for key in dict.fromkeys(name for each in settings for name in each)
        if key != "recipe" and any(each.get(key) != settings[0].get(key) for each in settings)
    ]
    names = []
    for members, each in zip(sets, settings, strict=True):
        told = [f"{key} {_plain(each[key])}" for key in keys if key in each]
        short = len(told) <= MOST_IN_A_NAME
        names.append(" ".join([str(each["recipe"]), *told]) if short else members[0].path.name)
    if len(set(names)) < len(names):
        return [str(members[0].path) for members in sets]
    return names


def _told(difference: Difference) -> tuple[str, str, str, str]:
    if difference.value is None:
        return difference.figure, "none", "", difference.how
    value = f"{difference.value:+.2f}"
    ends = ""
    if difference.low is not None and difference.high is not None:
        ends = f"[{difference.low:+.2f}, {difference.high:+.2f}]"
    return difference.figure, value, ends, difference.how


def _errors_words(groups: Sequence[Group]) -> str:
    figure: Figure = groups[0].figures[2]
    over = "seeds" if all(len(group.members) > 1 for group in groups) else "seeds, or over examples"
    kept = [member.held_out for group in groups for member in group.members]
    held = "held-out examples" if all(kept) else "examples, training ones among them"
    one = "" if over == "seeds" else " where there is one seed"
    return f"over {held}, in {figure.unit} per example; ± standard error over {over}{one}"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    pairs = [zip(row, widths, strict=True) for row in rows]
    return ["  ".join(cell.ljust(width) for cell, width in row).rstrip() for row in pairs]


def _plain(value: Any) -> str:
    if value is None:
        return "\N{EN DASH}"
    return f"{value:g}" if isinstance(value, float) else str(value)
