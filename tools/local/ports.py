"""Ports for processes that need a port before they start, and keep it across restarts."""

import random
import socket

# Below the range that kernels use for outgoing connections (32768 and up on Linux). Otherwise, while a service is
# stopped, a client's connection could get the service's port, or even connect to itself.
FIRST, LAST = 20_000, 29_999
ATTEMPTS = 200


def free_port() -> int:
    """Return a loopback port that nothing listens on now. Raises OSError when none is found."""
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
    """Tell whether something accepts connections on a loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
