"""The caller of a request; ``alga_ext.edge.tokens`` builds this value from a verified token."""

from typing import NamedTuple


class Principal(NamedTuple):
    """A caller, as named by their token."""

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
    def is_client_user(self) -> bool:
        """Whether the caller is a user of the client portal, and not of the host application itself."""
        return self.client_id is not None or self.user_type != "internal"

    @property
    def is_platform_admin(self) -> bool:
        """Whether the caller has the role ``platform_admin``: they operate the platform."""
        return "platform_admin" in self.roles
