"""Measuring a study: on its own examples or on other data, with factors from a table."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zscape.errors import SpecError
from zscape.measures.measurement import DRAWS, measuring
from zscape.measures.sections import Report
from zscape.modalities.found import printable
from zscape.study.data import things_like
from zscape.study.figures import report_page
from zscape.study.intake.files import require_file
from zscape.study.intake.tables import TABLE_SUFFIXES, kind_of, load_table
from zscape.study.study import MEASURES, REPORT, Study


def measuring_study(
    study: Study,
    data: str = "",
    *,
    label: str = "",
    factors: Path | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Iterator[Report]:
    """Every measure of a study: its report as it grows, of which the last is whole.

    Args:
        study: a trained study.
        data: a folder, a file or built-in data of the study's kind; "": its held-out examples.
        label: the column of `data` that holds the class.
        factors: a .csv, .tsv, .jsonl or .parquet file with a row for each thing, in their order.
        draws: K of the importance-weighted NLL.
        seed: of all draws.

    Raises:
        SpecError: a label without data, factors that are no table, fewer than one draw.
        DataError: data or factors that cannot be used.
        ShapeError: things of another size, or not one row of factors a thing.
    """
    if label and not data:
        raise SpecError(
            f"--label names a column of DATA, got {label!r} and no DATA. The study knows its own."
        )
    table = None if factors is None else _table(factors)
    space = study.space()
    if not data:
        yield from measuring(space, factors=table, draws=draws, seed=seed)
        return
    things, labels = things_like(space.modality, data, label=label)
    yield from measuring(space, things, labels, table, draws=draws, seed=seed)


def keep(study: Study, report: Report) -> None:
    """Puts a report of the study's own examples into its folder and onto its page.

    Raises:
        StorageError: the folder cannot be written.
    """
    study.add({MEASURES: json.dumps(report.to_json(), indent=1).encode()})
    study.add({REPORT: report_page(study, study.space()).encode()})


def _table(path: Path) -> Any:
    require_file(path, "--factors")
    if kind_of(path) not in TABLE_SUFFIXES:
        raise SpecError(
            f"--factors must be a file of the kinds {', '.join(TABLE_SUFFIXES)}, got "
            f"{printable(str(path))!r}. A column is a factor, a row is a thing."
        )
    return load_table(path).things
