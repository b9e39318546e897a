"""Rows in Parquet shards: one pass that finds what the columns hold, and reading them again."""

import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.errors import DataError, unknown
from zscape.modalities.columns import quoted
from zscape.modalities.extras import optional
from zscape.modalities.found import Found, counted, listed, place, printable
from zscape.modalities.table import Table, find_table
from zscape.study.intake.facts import NUMBER, Facts, family_of
from zscape.study.intake.parquet import DamagedError, decoder
from zscape.study.intake.policy import require_few_bad, skipped_words
from zscape.study.intake.rows import GROUPS
from zscape.study.intake.shards import MOST_SAMPLED, Chunk, Shards, Survey, require_same, stamp
from zscape.study.intake.sources import FEWEST_EXAMPLES, Raw, too_few
from zscape.study.intake.tables import require_different

MOST_PIECES = 256  # of a sample, before they are joined


class RowShards(Shards):
    """Rows of Parquet files; a chunk is a row group.

    Args:
        modality: fitted to all rows.
        files: sorted.
        chunks: their row groups.
    """

    modality: Table

    def __init__(self, modality: Table, files: tuple[Path, ...], chunks: tuple[Chunk, ...]) -> None:
        self.modality = modality
        self.files = files
        self.chunks = chunks
        self.dtype = torch.float32
        self._stamps = [stamp(path) for path in files]

    def read(self, chunk: Chunk, *, size: int) -> Iterator[Tensor]:
        """The rows of a row group as stored; every one of them was read before, in a worker."""
        parquet = optional("pyarrow.parquet", "data")
        path = self.files[chunk.shard]
        require_same(path, self._stamps[chunk.shard])
        names = [column.name for column in self.modality.modelled]
        with parquet.ParquetFile(path, pre_buffer=False) as file:
            batches = file.iter_batches(size, [chunk.number], columns=names, use_threads=False)
            for batch in _of_size(batches, size):
                yield self.modality.encode(frame_of(batch))


class _Pass:
    """What is gathered on the way: facts of every column, and every 2**k-th row."""

    def __init__(self) -> None:
        self.facts: dict[str, Facts] = {}
        self.chunks: list[Chunk] = []
        self.rows = 0
        self.stride = 1
        self.sampled: list[tuple[np.ndarray, Any]] = []

    def shard(self, index: int, path: Path, batches: Iterator[Any]) -> None:
        """Takes in one shard, whose batches come in their order.

        Raises:
            DataError: its columns are not those of the first, or hold infinite numbers.
        """
        first = next(batches)
        groups: list[int] = _groups(first.schema)
        self._require_columns(first.schema, path)
        wrong: dict[str, tuple[int, int]] = {}
        start = self.rows
        for batch in batches:
            self._batch(batch, wrong, self.rows - start)
        _refuse_infinite(path, wrong)
        if self.rows - start != sum(groups):
            raise DamagedError(
                printable(path.name), f"it declares {sum(groups):,} rows and holds others"
            )
        for number, rows in enumerate(groups):
            self.chunks += [Chunk(index, number, start, rows)] if rows else []
            start += rows

    def forget(self, facts: dict[str, Facts], rows: int, chunks: int) -> None:
        """Goes back to what was known before a shard."""
        self.facts, self.rows = facts, rows
        del self.chunks[chunks:]
        self._keep(lambda numbers: numbers < rows)

    def _batch(self, batch: Any, wrong: dict[str, tuple[int, int]], before: int) -> None:
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            cells = self.facts[name].add(_plain(column))
            if cells.any():
                first, number = before + int(np.argmax(cells)), int(cells.sum())
                known = wrong.get(name, (first, 0))
                wrong[name] = (known[0], known[1] + number)
        self._sample(batch)
        self.rows += len(batch)

    def _sample(self, batch: Any) -> None:
        pa = optional("pyarrow", "data")
        chosen = np.arange(-self.rows % self.stride, len(batch), self.stride)
        if len(chosen):
            columns = [_plain(column).take(pa.array(chosen)) for column in batch.columns]
            kept = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
            self.sampled.append((chosen + self.rows, kept))
        while sum(len(rows) for rows, _ in self.sampled) > MOST_SAMPLED:
            self.stride *= 2
            self._keep(lambda numbers: numbers % self.stride == 0)
        if len(self.sampled) > MOST_PIECES:  # each has a price of its own
            numbers = np.concatenate([numbers for numbers, _ in self.sampled])
            table = _table([kept for _, kept in self.sampled]).combine_chunks()
            self.sampled = [(numbers, table.to_batches()[0])]

    def _keep(self, chosen: Callable[[np.ndarray], np.ndarray]) -> None:
        pa = optional("pyarrow", "data")
        self.sampled = [
            (numbers[keep], kept.filter(pa.array(keep)))
            for numbers, kept in self.sampled
            if (keep := chosen(numbers)).any()
        ]

    def _require_columns(self, schema: Any, path: Path) -> None:
        require_different(schema.names, printable(path.name))
        families = {field.name: family_of(_plain_type(field.type)) for field in schema}
        if not self.facts:
            self.facts = {name: Facts(name, family) for name, family in families.items()}
        wanted = {name: facts.family for name, facts in self.facts.items()}
        if families == wanted:
            return
        odd = [quoted(name) for name in families.keys() ^ wanted.keys()] or [
            f"{quoted(name)} of {families[name]}, not {wanted[name]}"
            for name in wanted
            if families[name] != wanted[name]
        ]
        raise DataError(
            f"All shards must have the columns of the first, but {printable(path.name)} differs "
            f"in {listed(sorted(odd))}. Write it again, or move it elsewhere."
        )


def survey_rows(files: list[Path], *, source: str, strict: bool = False, label: str = "") -> Survey:
    """Reads all rows once, in a worker, and finds what their columns hold; memory is bounded.

    Up to 1 % of the shards may be damaged if at least 100 can be read; they are listed.

    Args:
        files: the shards, sorted.
        source: a word for where they lie.
        strict: refuse any damaged shard.
        label: the column that holds the class; it is not modelled.

    Raises:
        DataError: damaged shards, cells that cannot be used, or columns that differ.
    """
    seen, good, skipped = _Pass(), list[Path](), list[tuple[str, str]]()
    with decoder(files) as opened:
        for path in files:
            before = deepcopy(seen.facts), seen.rows, len(seen.chunks)
            try:
                seen.shard(len(good), path, opened.contents())
                good.append(path)
            except DamagedError as error:
                seen.forget(*before)
                skipped.append((printable(path.name), error.reason))
    require_few_bad(len(good), skipped, things="shards", strict=strict)
    if label and seen.facts and label not in seen.facts:
        raise unknown("column", label, list(seen.facts))
    if seen.rows < FEWEST_EXAMPLES:
        raise too_few(seen.rows, source)
    frame = _table([kept for _, kept in seen.sampled]).to_pandas()
    labels = frame.pop(label).tolist() if label else None
    if label:
        seen.facts.pop(label)
    found = _found(frame, seen)
    table = found.modality
    assert isinstance(table, Table)
    rows = torch.from_numpy(np.concatenate([rows for rows, _ in seen.sampled]))
    shards = RowShards(table, tuple(good), tuple(seen.chunks)) if seen.stride > 1 else None
    words = [f"warning: {skipped_words(skipped, thing='shard')}"] if skipped else []
    raw = Raw(frame, source, labels, notes=tuple(words), skipped=tuple(skipped))
    return Survey(found, raw, rows, shards)


def frame_of(batch: Any) -> Any:
    """An Arrow batch as a DataFrame, categories as the texts or numbers they stand for."""
    pa = optional("pyarrow", "data")
    columns = [_plain(column) for column in batch.columns]
    return pa.Table.from_arrays(columns, names=batch.schema.names).to_pandas()


def _found(frame: Any, seen: _Pass) -> Found:
    """What the columns hold, judged on a sample and on the rare cells of all rows."""
    pd = optional("pandas", "data")
    number = len(frame)
    facts = seen.facts
    if seen.stride > 1:
        rare = {name: facts[name].witnesses() for name in facts}
        depth = max(map(len, rare.values()), default=0)
        # Columns with fewer rare cells are filled up with what the sample has.
        filled = {n: _filled(rare[n], frame[n], depth) for n in facts}
        series = {n: pd.Series(filled[n], dtype=_kind(filled[n], frame[n])) for n in facts}
        frame = pd.concat([frame, pd.DataFrame(series)], ignore_index=True)
    try:
        found = find_table(frame)
    except DataError as error:
        if seen.stride == 1:
            raise
        raise DataError(
            f"In every {seen.stride}th of {seen.rows:,} rows, and in rare cells of all: {error}"
        ) from error
    table = found.modality
    assert isinstance(table, Table)
    described = tuple(
        replace(column, mean=facts[str(column.name)].mean, scale=facts[str(column.name)].scale)
        if column.kind == "numeric" and facts[str(column.name)].family == NUMBER
        else column
        for column in table.described
    )
    table = replace(table, described=described, num_examples=seen.rows)
    notes = tuple(_with_missing(n, facts) for n in found.notes) if seen.stride > 1 else found.notes
    headline = found.headline.replace(counted(len(frame), "row"), counted(seen.rows, "row"), 1)
    return Found(table, table.encode(frame[:number]), headline, notes)


def _filled(cells: list[Any], column: Any, depth: int) -> list[Any]:
    return [*cells, *column.iloc[: depth - len(cells)].tolist()] if depth > len(cells) else cells


def _kind(cells: list[Any], column: Any) -> Any:
    """The dtype of the column, or the one that it would have if it had these gaps."""
    kind = column.dtype.kind
    if None not in cells or kind not in "iub":
        return column.dtype
    return "object" if kind == "b" else "float64"


def _with_missing(note: str, facts: dict[str, Facts]) -> str:
    """A note with the missing cells of all rows instead of those of the sample."""
    name = max((n for n in facts if printable(n) + ":" in note), key=len, default=None)
    bare = re.sub(r", [\d,]+ missing$", "", note)
    if name is None or not facts[name].missing:
        return bare
    return f"{bare}, {counted(facts[name].missing, 'missing', 'missing')}"


def _refuse_infinite(path: Path, wrong: dict[str, tuple[int, int]]) -> None:
    for name, (first, number) in wrong.items():
        what = "that is" if number == 1 else "that are"
        raise DataError(
            f"{printable(path.name)}: column {quoted(name)} holds {counted(number, 'cell')} {what} "
            f"infinite or too large for single precision, first in {place(first)}. Numbers must "
            "be finite. Leave these rows out, or empty the cells to mark them missing."
        )


def _table(batches: list[Any]) -> Any:
    """Batches of shards as one table, their columns of the widest type among them."""
    pa = optional("pyarrow", "data")
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    return pa.concat_tables(tables, promote_options="permissive")


def _groups(schema: Any) -> list[int]:
    return list(json.loads(schema.metadata[GROUPS]))


def _plain(column: Any) -> Any:
    types = optional("pyarrow", "data").types
    return column.dictionary_decode() if types.is_dictionary(column.type) else column


def _plain_type(kind: Any) -> Any:
    types = optional("pyarrow", "data").types
    return kind.value_type if types.is_dictionary(kind) else kind


def _of_size(batches: Iterator[Any], size: int) -> Iterator[Any]:
    """The same rows in batches of `size` but for the last: a reader may break them elsewhere."""
    pa = optional("pyarrow", "data")
    held: list[Any] = []
    count = 0
    for batch in batches:
        while count + len(batch) >= size:
            cut = size - count
            yield _joined(pa, [*held, batch.slice(0, cut)])
            batch, held, count = batch.slice(cut), [], 0
        if len(batch):
            held.append(batch)
            count += len(batch)
    if held:
        yield _joined(pa, held)


def _joined(pa: Any, batches: list[Any]) -> Any:
    return batches[0] if len(batches) == 1 else pa.Table.from_batches(batches).combine_chunks()
