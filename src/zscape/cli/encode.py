"""`zscape encode`: the codes of data of any size, as Parquet files."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from zscape.cli.output import say, tell
from zscape.cli.verbs import Folder, Json, Own, opened
from zscape.modalities.found import printable
from zscape.study.encoding import Encoded, encode_shards


def encode(
    study: Folder,
    data: Annotated[str, Parameter(help="a folder of shards, or whatever 'train' takes.")],
    /,
    *,
    out: Annotated[Path, Parameter(help="the folder of the codes; the same one to go on.")],
    strict: Annotated[
        bool, Parameter(help="refuse any picture that cannot be read.", negative="")
    ] = False,
    device: Annotated[str, Parameter(help="cpu or cuda.")] = "cpu",
    json: Json = False,
    recipe: Own = "",
) -> None:
    """Encode data into Parquet files of codes; started again, it goes on. torchrun shares it."""
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if device == "cuda":  # each process of a machine has its own
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    made = encode_shards(
        opened(study, recipe), data, out=out, rank=rank, world=world, strict=strict, device=device
    )
    shards = [_said(done) for done in made]
    if not json:
        print(out)
        return
    skipped = [{"path": path, "reason": why} for done in shards for path, why in done.skipped]
    record = {"verb": "encode", "study": str(study), "out": str(out), "rank": rank, "world": world}
    record |= {"shards": len(shards), "done_before": sum(done.before for done in shards)}
    say(record | {"rows": sum(done.rows for done in shards), "skipped": skipped})


def _said(done: Encoded) -> Encoded:
    what = "was done before" if done.before else "done"
    left = f", {len(done.skipped):,} left out" if done.skipped else ""
    tell(f"{printable(done.shard)}: {done.rows:,} codes{left}, {what}")
    return done
