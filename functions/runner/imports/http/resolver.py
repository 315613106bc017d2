"""Resolve host names."""

import os
import socket
from typing import Final

LOOKUP_TIMEOUT_S: Final = 5.0
"""How long a call waits for one lookup."""
_RESOLVER_OPTIONS: Final = "timeout:2 attempts:2"


def limit_lookups() -> None:
    """Make the system's resolver give up a name server that does not answer after two attempts of 2 seconds each.

    A lookup cannot be cancelled. Without this limit, one that the call gave up would occupy its thread for 10 seconds a
    name server. Sets ``RES_OPTIONS`` of this process. glibc reads it at the first lookup, so call this before.
    """
    os.putenv("RES_OPTIONS", _RESOLVER_OPTIONS)


def addresses_of(host: str, port: int) -> list[str]:
    """Return the addresses of a host in the system's order of preference, without duplicates.

    Raises:
        OSError: the host cannot be resolved.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
