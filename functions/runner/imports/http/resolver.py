"""Resolve host names."""

import socket


def addresses_of(host: str, port: int) -> list[str]:
    """Return the addresses of a host in the system's order of preference, without duplicates.

    Raises:
        OSError: the host cannot be resolved.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
