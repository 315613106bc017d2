"""Who a request speaks for, as a value; ``alga_ext.edge.tokens`` makes it out of a verified token."""

from typing import NamedTuple


class Principal(NamedTuple):
    """A caller, as their token says."""

    subject: str
    tenant_id: str | None
    roles: frozenset[str]
    publishers: frozenset[str]
    user_type: str
    client_id: str | None
    client_name: str
    email: str
    name: str

    @property
    def is_platform_admin(self) -> bool:
        """Whether the caller runs the platform."""
        return "platform_admin" in self.roles
