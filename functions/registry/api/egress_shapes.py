"""The request and response bodies about egress: the ledger, and lists that are tried."""

from functions.registry.api.shapes import Out


class EgressOut(Out):
    """Requests of an install to one destination.

    ``destination`` is ``host[:port]``, after ``http://`` when it is not https, as a grant names it. ``(other)`` are all
    destinations beyond those that are named. ``requests`` were not refused, whether the host answered or not; nothing
    was sent of those that were ``refused``.
    """

    install_id: str
    destination: str
    requests: int
    bytes_sent: int
    bytes_received: int
    refused: int
