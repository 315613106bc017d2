"""What this process holds: child processes, descriptors, threads. Compared before and after a hostile call."""

import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple

SETTLING_S: Final = 3.0
"""How long threads and connections that were given up may take to end."""


class Footprint(NamedTuple):
    """Without the pool's own sandboxes and the socket of each: a spare may have been started in between."""

    children: frozenset[int]
    descriptors: tuple[str, ...]
    threads: tuple[str, ...]


def footprint(sandboxes: Iterable[int]) -> Footprint:
    """Return what this process holds now.

    Args:
        sandboxes: process ids of the pool's children.
    """
    known = set(sandboxes)
    children = set(child_processes())
    descriptors = sorted(open_descriptors())
    for _ in children & known:
        descriptors.remove("socket")
    return Footprint(
        frozenset(children - known),
        tuple(descriptors),
        tuple(sorted(thread.name.split(" ")[0] for thread in threading.enumerate())),
    )


def child_processes() -> list[int]:
    """Return the process ids of this process's children, those that were not reaped included."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "stat").read_text()
            except OSError:
                continue
            if int(status.rpartition(")")[2].split()[1]) == os.getpid():
                found.append(int(entry.name))
    return found


def open_descriptors(process: int | str = "self") -> list[str]:
    """Return what each descriptor of a process is, without numbers: ``socket``, ``pipe``, a file's path.

    Raises:
        PermissionError: it is another, undumpable process, and this one is not root's.
    """
    found = []
    for name in os.listdir(f"/proc/{process}/fd"):  # noqa: PTH208 - names, not paths
        try:
            target = os.readlink(f"/proc/{process}/fd/{name}")  # noqa: PTH115 - the same
        except OSError:
            continue  # the descriptor of the listing itself
        found.append(target.partition(":[")[0])
    return found


def settled(before: Footprint, sandboxes: Callable[[], Iterable[int]]) -> Footprint:
    """Return the footprint as soon as it is ``before`` again, or as it is when that took too long."""
    until = time.monotonic() + SETTLING_S
    while True:
        after = footprint(sandboxes())
        if after == before or time.monotonic() > until:
            return after
        time.sleep(0.01)
