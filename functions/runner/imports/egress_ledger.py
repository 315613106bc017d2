"""The egress ledger of one call: requests and bytes by destination."""

from typing import NamedTuple


class Destination(NamedTuple):
    """What one destination (``host:port``) was sent, headers and bodies, and what it gave back."""

    requests: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0


class Ledger:
    """Adds up; the guest cannot see it."""

    def __init__(self) -> None:
        self.destinations: dict[str, Destination] = {}

    def add(self, destination: str, *, requests: int = 0, bytes_sent: int = 0, bytes_received: int = 0) -> None:
        """Count against a destination; a negative number takes back what was counted too early."""
        before = self.destinations.get(destination, Destination())
        self.destinations[destination] = Destination(
            before.requests + requests, before.bytes_sent + bytes_sent, before.bytes_received + bytes_received
        )

    def requests(self) -> int:
        """Return the number of requests to all destinations."""
        return sum(entry.requests for entry in self.destinations.values())

    def total_bytes(self) -> int:
        """Return the bytes in both directions to all destinations."""
        return sum(entry.bytes_sent + entry.bytes_received for entry in self.destinations.values())
