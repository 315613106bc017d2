"""The address of the host application (pure)."""

from typing import NamedTuple, Self
from urllib.parse import urlsplit

from alga_ext.calls.egress_rules import DEFAULT_PORTS


class Address(NamedTuple):
    """Where the host application is: scheme, host (IPv6 without brackets), port, and the path before its routes."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def of(cls, base_url: str) -> Self:
        """Return the address of a base URL, as ``alga_ext.settings.HttpUrl`` accepts it."""
        parts = urlsplit(base_url.rstrip("/"))
        return cls(parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme], parts.path)
