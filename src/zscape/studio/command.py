"""`zscape studio`: the words that a person types."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from zscape.errors import DataError

Studies = Annotated[
    tuple[Path, ...],
    Parameter(help="studies, or folders of studies; none: the current folder."),
]
Port = Annotated[int, Parameter(help="to listen at; 0: 8765, or the next that is free.")]
Host = Annotated[
    str, Parameter(help="to listen at; one that others reach needs --token and --allow-host.")
]
Token = Annotated[
    Path | None,
    Parameter(help="a file (mode 0600) with a token on a line for each user, made if not there."),
]
Rotate = Annotated[bool, Parameter(help="write new tokens into that file.", negative="")]
Allow = Annotated[
    tuple[str, ...], Parameter(help="a further name by which it may be called, as NAME:PORT.")
]
Proxy = Annotated[
    tuple[str, ...],
    Parameter(help="a network, as 127.0.0.1 or 10.0.0.0/8, whose X-Forwarded- words are heard."),
]
Browser = Annotated[bool, Parameter(help="open a browser.")]


def studio(
    studies: Studies = (),
    /,
    *,
    port: Port = 0,
    host: Host = "127.0.0.1",
    token: Token = None,
    rotate: Rotate = False,
    allow_host: Allow = (),
    behind_proxy: Proxy = (),
    browser: Browser = True,
) -> None:
    """See and steer latent spaces in the browser, on this computer alone."""
    try:
        from zscape.studio.server import Asked, serve
    except ImportError as error:
        raise DataError(
            f"The studio needs its packages, and {error.name!r} is not installed. Install them "
            "with: pip install 'zscape[studio]'"
        ) from error
    asked = Asked(host, port, token, rotate, allow_host, behind_proxy, browser)
    serve(studies or (Path.cwd(),), asked)
