"""`zscape compress` and `zscape decompress`: files in few bytes by a study, and back."""

import lzma
import time
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from zscape.cli.output import say
from zscape.cli.verbs import Folder, Json, Own, opened
from zscape.errors import SpecError, ZscapeError
from zscape.modalities import Image, Table
from zscape.modalities.found import counted
from zscape.space.compression import CHAINS, Codec
from zscape.space.compression.bounds import bound_bits
from zscape.space.compression.things import plain
from zscape.space.space import Space
from zscape.study.archiving import Packed, pack, unpack
from zscape.study.intake.files import require_file
from zscape.study.storage.folder import write_file


def compress(
    study: Folder,
    /,
    *files: Annotated[Path, Parameter(help="pictures, .csv or .tsv tables, .npy arrays.")],
    out: Annotated[Path, Parameter(name=["-o", "--out"], help="the archive.")],
    chains: Annotated[
        int, Parameter(help="coded side by side; fewer are smaller, slower.")
    ] = CHAINS,
    json: Json = False,
    recipe: Own = "",
) -> None:
    """Compress files by what a study knows of such things; 'decompress' gives them back."""
    if not files:
        raise SpecError("compress must have files to compress, got none. Name some.")
    if chains < 1:
        raise SpecError(f"chains must be at least 1, got {chains}. {CHAINS} is usual.")
    space = opened(study, recipe).space()
    codec = Codec(space)
    begun = time.perf_counter()
    made = pack(codec, files, chains=chains)
    seconds = time.perf_counter() - begun
    write_file(out, made.content)
    record = _record(space, codec, made, seconds)
    record["raw"] = sum(path.stat().st_size for path in files)
    if json:
        say({"verb": "compress", "study": str(study), "out": str(out), **record})
        return
    for line in _lines(space, made, record):
        print(line)
    print(out)


def decompress(
    study: Folder,
    archive: Annotated[Path, Parameter(help="what 'compress' wrote.")],
    /,
    *,
    out: Annotated[
        Path | None,
        Parameter(name=["-o", "--out"], help="the folder of the files; none: ARCHIVE-files."),
    ] = None,
    json: Json = False,
    recipe: Own = "",
) -> None:
    """Give back the files of an archive, by the study that made it."""
    codec = Codec(opened(study, recipe).space())
    require_file(archive, "An archive")
    begun = time.perf_counter()
    files = unpack(codec, archive.read_bytes())
    seconds = time.perf_counter() - begun
    out = out or Path(f"{archive.stem}-files")
    there = [name for name in files if (out / name).exists()]
    if there:
        raise SpecError(
            f"{str(out)!r} must not have files of the archive yet, but has {there[0]!r}. "
            "Choose another folder with --out."
        )
    for name, content in files.items():
        write_file(out / Path(name).name, content)
    if json:
        say({"verb": "decompress", "study": str(study), "files": list(files), "seconds": seconds})
        return
    print(f"{counted(len(files), 'file')} in {seconds:.1f} s, in {out}")


def _record(space: Space, codec: Codec, made: Packed, seconds: float) -> dict[str, Any]:
    """Figures: bytes, bits per number and per thing, the gap to the bound, speed."""
    record: dict[str, Any] = {"bytes": len(made.content), "things": made.things}
    record |= {"numbers": made.numbers, "plain": made.plain, "by_model": made.model}
    record |= {"seconds": seconds, "bits_per_number": None, "bits_per_thing": None}
    record |= {"xz": None, "bound_bits": None, "gap_percent": None}
    if not made.things:
        return record
    record["bits_per_number"] = 8 * made.model / made.numbers
    record["bits_per_thing"] = 8 * made.model / made.things
    record["xz"] = sum(len(lzma.compress(plain(each)[1], preset=9)) for each in made.groups)
    bounds = [_bound(space, codec, each) for each in made.groups]
    if all(bounds):
        record["bound_bits"] = total = sum(b for b in bounds if b is not None)
        record["gap_percent"] = 100 * (8 * made.model / total - 1)
    return record


def _bound(space: Space, codec: Codec, things: Any) -> float | None:
    try:
        return bound_bits(space, codec, things)
    except (ZscapeError, ValueError):  # things that the study cannot encode at all
        return None


def _lines(space: Space, made: Packed, record: dict[str, Any]) -> list[str]:
    raw = record["raw"]
    lines = [f"{raw:,} bytes of files became {record['bytes']:,}: 1 / {raw / record['bytes']:.1f}"]
    if record["bytes"] >= raw:
        lines.append("the archive is no smaller than the files: it is not worth having")
    if not made.things:
        return [*lines, "the study makes none of them shorter than LZMA; kept byte by byte"]
    picture, table = isinstance(space.modality, Image), isinstance(space.modality, Table)
    thing, cell = ("picture", "pixel") if picture else ("row", "cell" if table else "number")
    lines += [
        f"{record['bits_per_number']:.4f} bits per {cell}, {record['bits_per_thing']:.1f} per "
        f"{thing} ({counted(made.things, thing)}); plain they are {made.plain:,} bytes, by xz "
        f"{record['xz']:,}",
    ]
    if record["gap_percent"] is not None:
        lines.append(f"{record['gap_percent']:+.2f} % beside the study's own ELBO (estimate)")
    if made.model >= record["xz"]:
        lines.append("xz makes them no larger: the study knows little of such things")
    speed = made.plain / 1e6 / max(record["seconds"], 1e-9)
    return [*lines, f"{record['seconds']:.1f} s, {speed:.2f} MB/s, checked by decoding"]
