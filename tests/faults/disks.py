"""Disks that are really full: a small file system in memory, or a limit on the size of files."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.lives import train
from tests.faults.trials import Trial, Ward, lost

SIZE = 2 * 2**20  # bytes of the small disk; a small study takes 0.3 MB
FREE = (0, 4, 8, 16, 24, 32, 48, 64, 96, 128, 160, 192, 224, 256)  # kB left to a training


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Whether a small file system could be mounted on a folder, for the time of a `with`."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    mounted = shutil.which("mount") is not None
    mounted = mounted and subprocess.run(mount, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


def filled_disks(ward: Ward, disk: Path, free: tuple[int, ...] = FREE) -> Iterator[Trial]:
    """Trainings on a disk with ever more room, which is cleared when they have failed."""
    for room in free:
        filler, study = disk / "filler", disk / "study"
        shutil.rmtree(study, ignore_errors=True)
        _fill(filler, leave=room * 1024)
        ended = train(ward.runner, ward.data, study)
        filler.unlink()
        name = f"{room} kB free"
        if ended.code not in (0, 74) or ended.traceback:
            yield Trial(name, True, f"{ended.code} {ended.err[-300:]}")
            continue
        yield Trial(name, ended.code == 74, lost(study) or ward.after(study))


def limited_files(ward: Ward, sizes: tuple[int, ...]) -> Iterator[Trial]:
    """Trainings none of whose files may be larger than so many bytes."""
    for size in sizes:
        study = ward.folder / "limited"
        shutil.rmtree(study, ignore_errors=True)
        ended = train(ward.runner, ward.data, study, largest=size)
        said = "" if ended.code in (0, 74) and not ended.traceback else ended.err[-300:]
        yield Trial(f"{size} bytes", ended.code == 74, said or lost(study) or ward.after(study))


def _fill(filler: Path, *, leave: int) -> None:
    size = shutil.disk_usage(filler.parent).free - leave
    filler.write_bytes(bytes(max(size, 0)))
