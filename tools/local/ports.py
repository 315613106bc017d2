"""Ports for processes that must be told theirs before they start, and keep it over a restart."""

import random
import socket

# Below the range from which kernels take ports of outgoing connections (32768 and up on Linux): otherwise, while a
# service is stopped, a client's own connection could take its port, or even connect to itself.
FIRST, LAST = 20_000, 29_999
ATTEMPTS = 200


def free_port() -> int:
    """A port of loopback that nothing listens on now. Raises OSError when none is found."""
    for _ in range(ATTEMPTS):
        port = random.randint(FIRST, LAST)  # noqa: S311 - a choice, not a secret
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    message = f"no free port between {FIRST} and {LAST}"
    raise OSError(message)


def listening(port: int) -> bool:
    """Whether something accepts connections on a loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
