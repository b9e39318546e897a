"""A small reverse proxy, as a person might put before the studio: it strips a prefix."""

import asyncio
import contextlib
import socket
import threading

NOT_OURS = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@contextlib.contextmanager
def proxying(listening, prefix, port):
    """Passes what comes at a socket below a prefix on to a port of this computer."""
    host = f"127.0.0.1:{listening.getsockname()[1]}"
    loop = asyncio.new_event_loop()

    async def passed(reader, writer):
        ways = [writer]
        try:
            await pass_on(reader, writer, ways)
        finally:
            for way in ways:
                way.close()

    async def pass_on(reader, writer, ways):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, version = head[0].split(" ")
        if not target.startswith(prefix + "/"):
            writer.write(NOT_OURS)
            return
        upgrade = any(line.lower().startswith("upgrade:") for line in head)
        told = [f"{method} {target.removeprefix(prefix)} {version}", f"Host: 127.0.0.1:{port}"]
        told += [f"X-Forwarded-Host: {host}", "X-Forwarded-Proto: http"]
        told += [f"X-Forwarded-Prefix: {prefix}"]
        told += [] if upgrade else ["Connection: close"]
        cut = ("host:", "x-forwarded-", *(() if upgrade else ("connection:",)))
        told += [line for line in head[1:] if not line.lower().startswith(cut)]
        there, out = await asyncio.open_connection("127.0.0.1", port)
        ways.append(out)
        out.write("\r\n".join(told).encode("latin-1"))
        both = [asyncio.create_task(way) for way in (copy(reader, out), copy(there, writer))]
        _, left = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def copy(reader, writer):
        with contextlib.suppress(ConnectionError):
            while content := await reader.read(65536):
                writer.write(content)
                await writer.drain()

    async def ended():
        server.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(0)  # so that closed connections are seen off

    thread = threading.Thread(target=loop.run_forever)  # the browser has a loop in this one
    thread.start()
    starting = asyncio.start_server(passed, sock=listening)
    server = asyncio.run_coroutine_threadsafe(starting, loop).result(10)
    try:
        yield f"http://{host}{prefix}"
    finally:
        asyncio.run_coroutine_threadsafe(ended(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def free_socket():
    """A socket that listens at a port that was free."""
    return socket.create_server(("127.0.0.1", 0))
