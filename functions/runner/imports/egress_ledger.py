"""The egress ledger of one call: requests and bytes for each destination."""

from typing import NamedTuple


class Destination(NamedTuple):
    """Requests to one destination (``host:port``), and the bytes of headers and bodies sent and received."""

    requests: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0


class Ledger:
    """Counts requests and bytes. The guest cannot see it."""

    def __init__(self) -> None:
        self.destinations: dict[str, Destination] = {}

    def add(self, destination: str, *, requests: int = 0, bytes_sent: int = 0, bytes_received: int = 0) -> None:
        """Add to the counts of a destination. A negative number corrects what was counted too early."""
        before = self.destinations.get(destination, Destination())
        self.destinations[destination] = Destination(
            before.requests + requests, before.bytes_sent + bytes_sent, before.bytes_received + bytes_received
        )

    def requests(self) -> int:
        """Return the number of requests to all destinations."""
        return sum(entry.requests for entry in self.destinations.values())

    def total_bytes(self) -> int:
        """Return the bytes sent to and received from all destinations."""
        return sum(entry.bytes_sent + entry.bytes_received for entry in self.destinations.values())
