"""The egress ledger of one call: requests and bytes for each destination (pure)."""

import re
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from alga_ext.calls.egress_totals import DESTINATION_PATTERN, NAMED_LIMIT, NAMED_REFUSED_LIMIT, OTHER
from alga_ext.calls.envelope import EgressTotal

_DESTINATION: Final = re.compile(DESTINATION_PATTERN)


class Destination(NamedTuple):
    """Requests to one destination, the bytes of headers and bodies sent and received, and requests that were refused.

    ``requests`` are those that were not refused, whether the host answered or not.
    """

    requests: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    refused: int = 0


class Ledger:
    """Counts requests and bytes for each destination (``Target.shown``). The guest cannot see it."""

    def __init__(self) -> None:
        self.destinations: dict[str, Destination] = {}

    def add(
        self, destination: str, *, requests: int = 0, bytes_sent: int = 0, bytes_received: int = 0, refused: int = 0
    ) -> None:
        """Add to the counts of a destination. A negative number corrects what was counted too early."""
        before = self.destinations.get(destination, Destination())
        self.destinations[destination] = Destination(
            before.requests + requests,
            before.bytes_sent + bytes_sent,
            before.bytes_received + bytes_received,
            before.refused + refused,
        )

    def requests(self) -> int:
        """Return the number of requests to all destinations, without those that were refused."""
        return sum(entry.requests for entry in self.destinations.values())

    def total_bytes(self) -> int:
        """Return the bytes sent to and received from all destinations."""
        return sum(entry.bytes_sent + entry.bytes_received for entry in self.destinations.values())

    def totals(self, shown: Callable[[list[str]], list[str]]) -> list[EgressTotal]:
        """Return the totals of the busiest destinations, and the sum of all others under ``OTHER``; by name.

        Args:
            shown: returns names without the secrets that the guest put into them. A name that it changes is not shown,
                and counts under ``OTHER``.
        """
        if not self.destinations:  # most calls
            return []
        names = list(self.destinations)
        safe = [name for name, kept in zip(names, shown(names), strict=True) if name == kept]
        named = _busiest(self.destinations, safe)
        found = {name: self.destinations[name] for name in named}
        if rest := [entry for name, entry in self.destinations.items() if name not in found]:
            found[OTHER] = Destination(*map(sum, zip(*rest, strict=True)))
        return [EgressTotal(destination=name, **entry._asdict()) for name, entry in sorted(found.items()) if any(entry)]


def _busiest(destinations: dict[str, Destination], names: Iterable[str]) -> set[str]:
    """Return the names of the destinations with the most requests, and of some that had refused requests only."""
    known = [name for name in names if _DESTINATION.match(name)]
    requested = sorted(
        (name for name in known if destinations[name].requests), key=lambda name: (-destinations[name].requests, name)
    )
    refused = sorted(
        (name for name in known if not destinations[name].requests),
        key=lambda name: (-destinations[name].refused, name),
    )
    return {*requested[:NAMED_LIMIT], *refused[:NAMED_REFUSED_LIMIT]}
