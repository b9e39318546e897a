"""What a browser called, where a proxy stands before the studio: rule T17.

Only a proxy that a person named is heard: anybody can send `X-Forwarded-Host`.
"""

import re
from collections.abc import MutableMapping, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from zscape.errors import SpecError
from zscape.studio.refusals import Refusal

Network = IPv4Network | IPv6Network

SECURE = {"http": "https", "ws": "wss"}
# One word each: a list tells of several proxies, of which only the last is one that was named.
WORDS = {
    b"x-forwarded-proto": re.compile(r"https?"),
    b"x-forwarded-host": re.compile(r"([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?"),
    b"x-forwarded-prefix": re.compile(r"(?=.{0,200}$)(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?"),
}


def networks(asked: Sequence[str]) -> tuple[Network, ...]:
    """The networks that a person named, as `10.0.0.0/8` or `127.0.0.1`.

    Raises:
        SpecError: one is no network, or all addresses there are.
    """
    found = []
    for words in asked:
        try:
            network = ip_network(words)
        except ValueError as error:
            raise _no_network(words) from error
        if network.prefixlen == 0:
            raise _no_network(words)
        found.append(network)
    return tuple(found)


def hear_proxy(scope: MutableMapping[str, Any], proxies: Sequence[Network]) -> None:
    """Writes into a scope what the browser called, if a proxy of ours tells of it.

    The proxy takes its prefix from the path, names it in `X-Forwarded-Prefix`, and it is put into
    `root_path`; scheme and `Host` become those that the browser used. The path stays as it is.

    Args:
        scope: of a request or a WebSocket, by HTTP.
        proxies: that are heard.

    Raises:
        Refusal: a proxy of ours said something else than one scheme, one host, one prefix.
    """
    if not _is_of(scope.get("client"), proxies):
        return
    said = {name: _word(scope["headers"], name) for name in WORDS}
    if said[b"x-forwarded-proto"] == "https":
        scope["scheme"] = SECURE.get(scope["scheme"], scope["scheme"])
    host = said[b"x-forwarded-host"].encode()
    if host:
        told = [(name, host if name == b"host" else value) for name, value in scope["headers"]]
        scope["headers"] = told
    scope["root_path"] = said[b"x-forwarded-prefix"].rstrip("/")


def _is_of(client: tuple[str, int] | None, proxies: Sequence[Network]) -> bool:
    if client is None or not proxies:
        return False
    try:
        address = ip_address(client[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    return any(address in network for network in proxies)


def _word(headers: Sequence[tuple[bytes, bytes]], wanted: bytes) -> str:
    said = [value.decode("latin-1") for name, value in headers if name == wanted]
    if len(said) > 1 or not all(WORDS[wanted].fullmatch(word) for word in said):
        raise Refusal(
            400,
            "proxy",
            f"{wanted.decode().title()} must be said once, short and well-formed, and is not. "
            "The proxy must set it itself; see docs/studio.md.",
        )
    return said[0] if said else ""


def _no_network(words: str) -> SpecError:
    return SpecError(
        f"--behind-proxy must be the network of the proxy alone, got {words!r}. Name it as "
        "127.0.0.1 or 10.0.0.0/8."
    )
