"""Resolving names, and waiting for names, servers and keys no longer than a call lasts."""

import socket
import threading
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")


def addresses_of(host: str, port: int) -> list[str]:
    """Return the addresses of a host, in the system's order of preference, each once.

    Raises:
        OSError: it cannot be resolved.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def within(timeout_s: float, work: Callable[[], Answer]) -> Answer:
    """Return what ``work`` returns, or raise what it raises, unless it takes longer.

    The work runs in a thread of its own, because the system's resolver, slow servers and key services know no
    deadline. One that is given up goes on by itself until its own socket's timeout ends it.

    Raises:
        TimeoutError: it took longer.
    """
    outcome: list[Answer] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            failure.append(error)

    thread = threading.Thread(target=run, name="within", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if outcome:
        return outcome[0]
    if failure:
        raise failure[0]
    message = "the work took longer than the call has left"
    raise TimeoutError(message)
