"""Data as large as one likes, rendered on the spot into shards: rows, and pictures."""

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

ROW_GROUP = 131_072
FACTORS = 4  # hidden numbers that the columns are made of


def rows(number: int, columns: int, *, seed: int) -> dict[str, np.ndarray]:
    """A table of noisy functions of four hidden numbers: mostly real columns, some of other kinds.

    From six columns on, one is a category, one counts and one is true or false.
    """
    rng = np.random.default_rng(seed)
    hidden = rng.standard_normal((number, FACTORS), dtype=np.float32)
    others = 3 if columns >= 6 else 0
    mixing = np.random.default_rng(0).standard_normal((FACTORS, columns - others)).astype("f4")
    noise = rng.standard_normal((number, columns - others), dtype=np.float32)
    real = np.tanh(hidden @ mixing) + 0.3 * noise
    table = {f"real_{c}": np.ascontiguousarray(real[:, c]) for c in range(columns - others)}
    if others:
        table["kind"] = np.array(list("abcd"))[np.digitize(hidden[:, 0], [-0.7, 0, 0.7])]
        table["count"] = rng.poisson(np.exp(0.5 * hidden[:, 1]))
        table["truth"] = hidden[:, 2] > 0.4
    return table


def write_rows(folder: Path, number: int, *, columns: int = 20, shards: int = 20) -> Path:
    """A folder of Parquet shards, part-00000.parquet and on."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    folder.mkdir(parents=True)
    for shard, own in enumerate(np.array_split(np.arange(number), min(shards, number))):
        table = pa.table(rows(len(own), columns, seed=shard + 1))
        parquet.write_table(table, folder / f"part-{shard:05}.parquet", row_group_size=ROW_GROUP)
    return folder


def write_pictures(folder: Path, number: int, *, side: int = 64, shards: int = 10) -> Path:
    """A folder of WebDataset shards of JPEG pictures: soft coloured blobs."""
    folder.mkdir(parents=True)
    grid = np.linspace(-1, 1, side, dtype=np.float32)
    for shard, own in enumerate(np.array_split(np.arange(number), shards)):
        rng = np.random.default_rng(shard + 1)
        with tarfile.open(folder / f"shard-{shard:05}.tar", "w") as tar:
            for row in own:
                x, y = rng.uniform(-0.7, 0.7, 2)
                blob = np.exp(-((grid - x) ** 2)[None, :] * 8 - ((grid - y) ** 2)[:, None] * 8)
                pixels = (blob[..., None] * rng.uniform(80, 255, 3)).astype(np.uint8)
                file = io.BytesIO()
                Image.fromarray(pixels).save(file, "JPEG", quality=90)
                for name, content in (
                    (f"{row:07}.jpg", file.getvalue()),
                    (f"{row:07}.cls", b"%d" % (x > 0)),
                ):
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    return folder


def reading_seconds(folder: Path) -> float:
    """The floor of streaming: CPU seconds of reading all shards by pyarrow and doing nothing."""
    import time

    import pyarrow.parquet as parquet

    begin = time.process_time()
    for path in sorted(folder.glob("*.parquet")):
        with parquet.ParquetFile(path, pre_buffer=False) as file:
            for _ in file.iter_batches(8192, use_threads=False):
                pass
    return time.process_time() - begin
