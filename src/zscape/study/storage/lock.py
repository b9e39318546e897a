"""The lock of a folder: one process at a time trains there; the kernel frees it at any death."""

import fcntl
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from zscape.errors import BusyError, StorageError

LOCK = "study.lock"
TRIES, PAUSE = 3, 0.01  # s


class Lock:
    """Holds a folder until it is released; also a context manager.

    Args:
        folder: that exists.

    Raises:
        BusyError: another process, or another lock of this one, holds it.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            _take(self._descriptor, fcntl.LOCK_EX, folder)
            os.ftruncate(self._descriptor, 0)
            holder = f"process {os.getpid()} on {socket.gethostname()}"
            os.write(self._descriptor, holder.encode())
        except BaseException:
            self.release()
            raise

    @property
    def held(self) -> bool:
        """Whether it is not released yet."""
        return self._descriptor >= 0

    def release(self) -> None:
        """Lets the folder go; once is enough."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.release()

    def __del__(self) -> None:
        self.release()


def refuse_busy(folder: Path) -> None:
    """Nothing, unless another process trains the study.

    Raises:
        BusyError: it does.
    """
    path = folder / LOCK
    if path.is_file() and not path.is_symlink():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            _take(descriptor, fcntl.LOCK_SH, folder)
        finally:
            os.close(descriptor)


def _take(descriptor: int, kind: int, folder: Path) -> None:
    try:
        for _ in range(TRIES):  # who only looks whether it is free holds it for an instant
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
                return
            time.sleep(PAUSE)
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(descriptor, 200).decode(errors="replace").strip()
        raise BusyError(
            f"The study {folder.name!r} must not be in use, but {holder or 'a process'} is "
            "training it. Wait for its end, or choose another folder."
        ) from error
    except OSError as error:
        raise StorageError(
            f"The folder {folder.name!r} must be on a disk with locks, but the system says: "
            f"{error.strerror}. Choose a local disk."
        ) from error
