"""`python -m zscape.studio.work ROLE DESCRIPTOR`: answers calls that come by a socket.

The studio starts it; it ends when the socket does.
"""

import contextlib
import os
import signal
import socket
import sys

os.environ["OMP_NUM_THREADS"] = "1"  # two threads make a small decoder slower on two cores


def main() -> None:
    """Serves one role until the studio is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the studio's, which then ends us
    role, descriptor = sys.argv[1], int(sys.argv[2])
    # The studio may go at any moment, and whoever it leaves has nobody to tell anything.
    with socket.socket(fileno=descriptor) as connection, contextlib.suppress(ConnectionError):
        if role == "job":
            from zscape.studio.work.jobs import work

            signal.signal(signal.SIGINT, signal.default_int_handler)
            with contextlib.suppress(KeyboardInterrupt):
                work(connection)
        else:
            from zscape.studio.work.answering import serve

            serve(connection)


if __name__ == "__main__":
    main()
