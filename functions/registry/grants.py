"""What a tenant allows an extension to do: pure rules over what is asked and what the admin names.

Nothing is granted that was not asked for, and nothing that was asked for is granted by itself, apart from the four
capabilities that every extension has.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from alga_ext import capabilities
from alga_ext.errors import PlatformError
from alga_ext.manifest import Manifest, check_egress

LIMIT_NAMES: Final = ("timeout_ms", "memory_mb")


class GrantSet(NamedTuple):
    """A canonical grant set: sorted and without duplicates, so that equal sets are equal values."""

    capabilities: tuple[str, ...]
    egress: tuple[str, ...]
    secrets: tuple[tuple[str, tuple[str, ...]], ...]
    limits: tuple[tuple[str, int], ...]

    def secrets_document(self) -> dict[str, list[str]]:
        """Return secrets as name → hosts."""
        return {name: list(hosts) for name, hosts in self.secrets}

    @property
    def hash(self) -> str:
        """The grant hash: hex SHA-256 of the set as compact JSON with sorted members."""
        document = {
            "capabilities": self.capabilities,
            "egress": self.egress,
            "secrets": self.secrets_document(),
            "limits": dict(self.limits),
        }
        return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def canonical(
    granted: Iterable[str], egress: Iterable[str], secrets: Mapping[str, Iterable[str]], limits: Mapping[str, int]
) -> GrantSet:
    """Make the canonical form of a grant set."""
    return GrantSet(
        tuple(sorted({capabilities.canonical(name) for name in granted} | capabilities.ALWAYS_GRANTED)),
        tuple(sorted(set(egress))),
        tuple(sorted((name, tuple(sorted(set(hosts)))) for name, hosts in secrets.items())),
        tuple(sorted(limits.items())),
    )


def requested(manifest: Manifest) -> GrantSet:
    """Return everything a manifest asks for."""
    limits = {name: value for name in LIMIT_NAMES if (value := getattr(manifest.limits, name)) is not None}
    return canonical(
        [capability.name for capability in manifest.capabilities],
        manifest.egress,
        {secret.name: secret.hosts for secret in manifest.secrets},
        limits,
    )


def decide(manifest: Manifest, named: Mapping[str, Any]) -> GrantSet:
    """Return the grant set an admin named, checked against what the manifest asks for.

    Args:
        manifest: of the version to be installed.
        named: ``{capabilities[], egress[], secrets{name: hosts[]}, limits{}}``; an absent member grants nothing,
            absent limits leave the platform's.

    Raises:
        PlatformError: ``grants_invalid`` when something is granted that was not asked for, an egress host is wider
            than asked, a secret is bound to other hosts, or a required secret is left out.
    """
    asked = requested(manifest)
    faults: list[str] = []
    granted = {capabilities.canonical(name) for name in named.get("capabilities", ())}
    faults += [f"capability {name} is not asked for" for name in sorted(granted - set(asked.capabilities))]
    egress = [_egress(host, faults) for host in named.get("egress", ())]
    faults += [
        f"egress {host} is not within what is asked for ({', '.join(asked.egress) or 'nothing'})"
        for host in egress
        if not any(covers(wide, host) for wide in asked.egress)
    ]
    asked_secrets = dict(asked.secrets)
    secrets: dict[str, list[str]] = {}
    for name, hosts in dict(named.get("secrets", {})).items():
        if name not in asked_secrets:
            faults.append(f"secret {name} is not asked for")
            continue
        secrets[name] = [_egress(host, faults) for host in hosts]
        if asked_secrets[name] and not secrets[name]:
            secrets[name] = list(asked_secrets[name])  # injection-only stays injection-only
        faults += [
            f"secret {name} cannot be bound to {host}: asked for were {', '.join(asked_secrets[name])}"
            for host in secrets[name]
            if asked_secrets[name] and not any(covers(wide, host) for wide in asked_secrets[name])
        ]
    if faults:
        raise PlatformError("grants_invalid", f"The grants cannot be given: {'; '.join(faults[:10])}.")
    limits = {name: int(value) for name, value in dict(named.get("limits", {})).items()}
    return canonical(granted, egress, secrets, limits)


def covers(wide: str, narrow: str) -> bool:
    """Tell whether the egress rule ``wide`` allows every host that ``narrow`` allows (both canonical)."""
    if wide == narrow:
        return True
    wide_scheme, wide_host, wide_port = _parts(wide)
    scheme, host, port = _parts(narrow)
    if (wide_scheme, wide_port) != (scheme, port):
        return False
    return wide_host.startswith("*.") and host.endswith(wide_host[1:]) and host != wide_host[1:]


def _parts(rule: str) -> tuple[str, str, str]:
    scheme, _, rest = rule.rpartition("://")
    host, _, port = rest.partition(":")
    return scheme or "https", host, port


def _egress(host: str, faults: list[str]) -> str:
    try:
        return check_egress(host)
    except ValueError as error:
        faults.append(str(error))
        return host


def carried_over(current: GrantSet, manifest: Manifest) -> GrantSet:
    """Return what of the current grants another version's code runs under: that part of them it asks for."""
    asked = requested(manifest)
    asked_secrets = dict(asked.secrets)
    secrets = {
        name: [host for host in hosts if not asked_secrets[name] or any(covers(w, host) for w in asked_secrets[name])]
        for name, hosts in current.secrets
        # A secret that was readable is not carried over to code that asks for an injected one, nor the reverse.
        if name in asked_secrets and bool(asked_secrets[name]) == bool(hosts)
    }
    return canonical(
        set(current.capabilities) & set(asked.capabilities),
        [host for host in current.egress if any(covers(wide, host) for wide in asked.egress)],
        secrets,
        dict(current.limits),
    )


def difference(before: Manifest, after: Manifest) -> dict[str, Any]:
    """Return what ``after`` asks for beyond ``before``, as members with something in them; empty when nothing.

    Members: ``capabilities`` (name → purpose), ``egress``, ``secrets`` (name → hosts), ``limits`` (name → from, to).
    """
    old, new = requested(before), requested(after)
    purposes = {capability.name: capability.purpose for capability in after.capabilities}
    old_secrets, old_limits = dict(old.secrets), dict(old.limits)
    found: dict[str, Any] = {
        "capabilities": {name: purposes.get(name, "") for name in new.capabilities if name not in old.capabilities},
        "egress": [host for host in new.egress if not any(covers(wide, host) for wide in old.egress)],
        "secrets": {
            name: list(hosts)
            for name, hosts in new.secrets
            if name not in old_secrets or _widened(old_secrets[name], hosts)
        },
        "limits": {
            name: {"from": old_limits.get(name), "to": value}
            for name, value in new.limits
            if value > old_limits.get(name, 0)
        },
    }
    return {name: value for name, value in found.items() if value}


def stored(row: Mapping[str, Any]) -> GrantSet:
    """Make the grant set of an install's row."""
    return canonical(row["granted_capabilities"], row["granted_egress"], row["granted_secrets"], row["granted_limits"])


def _widened(old: tuple[str, ...], new: tuple[str, ...]) -> bool:
    """Tell whether a secret's binding grew: to more hosts, or from injected to readable."""
    if not old:
        return False  # it was readable by the extension itself, which is the widest
    return not new or any(not any(covers(wide, host) for wide in old) for host in new)
