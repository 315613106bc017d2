"""The set of permissions that a manifest asks for or an admin grants, in one canonical form with one hash (pure)."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from alga_ext.bundles.declared_headers import DEFAULT_SECRET_HEADER
from alga_ext.bundles.manifest import Manifest
from alga_ext.calls import capabilities

LIMIT_NAMES: Final = ("timeout_ms", "memory_mb")


class GrantSet(NamedTuple):
    """A canonical grant set: sorted and without duplicates, so that equal sets are equal values.

    ``secret_headers`` holds the header of each secret that is bound to hosts, if it is not ``authorization``.
    """

    capabilities: tuple[str, ...]
    egress: tuple[str, ...]
    secrets: tuple[tuple[str, tuple[str, ...]], ...]
    limits: tuple[tuple[str, int], ...]
    secret_headers: tuple[tuple[str, str], ...]

    def secrets_document(self) -> dict[str, list[str]]:
        """Return secrets as name → hosts."""
        return {name: list(hosts) for name, hosts in self.secrets}

    def document(self) -> dict[str, Any]:
        """Return the whole set as JSON values."""
        headers = {"secret_headers": dict(self.secret_headers)} if self.secret_headers else {}
        return {
            "capabilities": list(self.capabilities),
            "egress": list(self.egress),
            "secrets": self.secrets_document(),
            "limits": dict(self.limits),
            **headers,
        }

    @property
    def hash(self) -> str:
        """The grant hash: hex SHA-256 of the set as compact JSON with sorted members."""
        return hashlib.sha256(json.dumps(self.document(), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def canonical(
    granted: Iterable[str],
    egress: Iterable[str],
    secrets: Mapping[str, Iterable[str]],
    limits: Mapping[str, int],
    secret_headers: Mapping[str, str],
) -> GrantSet:
    """Build the canonical form of a grant set."""
    bound = {name for name, hosts in secrets.items() if hosts}
    return GrantSet(
        tuple(sorted({capabilities.canonical(name) for name in granted} | capabilities.ALWAYS_GRANTED)),
        tuple(sorted(set(egress))),
        tuple(sorted((name, tuple(sorted(set(hosts)))) for name, hosts in secrets.items())),
        tuple(sorted(limits.items())),
        tuple(
            sorted(
                (name, header)
                for name, header in secret_headers.items()
                if name in bound and header != DEFAULT_SECRET_HEADER
            )
        ),
    )


def requested(manifest: Manifest) -> GrantSet:
    """Return everything a manifest asks for."""
    limits = {name: value for name in LIMIT_NAMES if (value := getattr(manifest.limits, name)) is not None}
    return canonical(
        [capability.name for capability in manifest.capabilities],
        manifest.egress,
        {secret.name: secret.hosts for secret in manifest.secrets},
        limits,
        {secret.name: secret.header for secret in manifest.secrets},
    )


def stored(row: Mapping[str, Any]) -> GrantSet:
    """Build the grant set of an install's row."""
    return canonical(
        row["granted_capabilities"],
        row["granted_egress"],
        row["granted_secrets"],
        row["granted_limits"],
        row["granted_secret_headers"],
    )
