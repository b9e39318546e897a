"""A process of the studio's own, and the messages that go to and fro."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zscape.studio.wire import FRAME, frame

GRACE = 2.0  # s in which a process that is not needed any more may end by itself


@dataclass(frozen=True, slots=True)
class Pipe:
    """A process and the two ends of what is said to it.

    Attributes:
        process: it.
        reader: what it says.
        writer: what it is told.
    """

    process: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def tell(self, record: Mapping[str, Any], payload: bytes = b"") -> None:
        """Sends it a message."""
        self.writer.write(frame(record, payload))
        await self.writer.drain()

    async def hear(self) -> tuple[dict[str, Any], memoryview]:
        """The next message from it.

        Raises:
            EOFError: it ended.
        """
        text, payload = FRAME.unpack(await self.reader.readexactly(FRAME.size))
        content = memoryview(await self.reader.readexactly(text + payload))
        return json.loads(bytes(content[:text])), content[text:]

    def interrupt(self) -> None:
        """Tells it to stop as Ctrl-C would."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGINT)

    async def close(self, grace: float = GRACE) -> None:
        """Lets it go: its socket ends, and so does it."""
        self.writer.close()
        try:
            async with asyncio.timeout(grace):
                await self.process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()


async def open_pipe(role: str) -> Pipe:
    """Starts a process of that role; it hears no Ctrl-C of the terminal.

    Args:
        role: a word, for the list of processes.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        # -P: a file named torch.py in the folder that one stands in is no part of the program.
        words = ("-P", "-m", "zscape.studio.work", role, str(theirs.fileno()))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
    reader, writer = await asyncio.open_connection(sock=ours, limit=2**20)
    return Pipe(process, reader, writer)
