"""Decide what a tenant allows an extension to do: pure rules over what the manifest asks for and what the admin names.

Only what the manifest asks for can be granted, and only what the admin names is granted. The exceptions are the four
capabilities that every extension has.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from alga_ext.bundles.declared_headers import DEFAULT_SECRET_HEADER
from alga_ext.bundles.egress_hosts import check_egress
from alga_ext.bundles.manifest import CALL_TIMEOUT_LIMIT_MS, Manifest
from alga_ext.calls import capabilities, configured_hosts
from alga_ext.errors import PlatformError
from functions.registry.installing.grant_set import LIMIT_NAMES, GrantSet, canonical, requested

_LARGEST_LIMITS: Final = {"timeout_ms": CALL_TIMEOUT_LIMIT_MS, "memory_mb": 4_096}
_LISTS: Final = ("capabilities", "egress", "secrets", "secret_headers", "limits")
_ENTRIES_LIMIT: Final = 200
"""Largest number of entries in one list that an admin names; a manifest asks for fewer."""


def decide(manifest: Manifest, named: Mapping[str, Any]) -> GrantSet:
    """Return the grant set that an admin named, after checking it against what the manifest asks for.

    Args:
        manifest: the manifest of the version to be installed.
        named: ``{capabilities[], egress[], secrets{name: hosts[]}, secret_headers{name: header}, limits{}}``. An absent
            member grants nothing. For absent limits the platform's limits apply, and a secret that is bound to hosts
            goes into ``authorization``.

    Raises:
        PlatformError: ``grants_invalid`` when the manifest does not ask for something that is named, when an egress
            host is wider than asked for, when a secret is bound to other hosts or named with another header, when a
            required secret is left out, or when a limit is above what is asked for.
    """
    asked = requested(manifest)
    faults = _list_size_faults(named)
    if faults:
        raise _invalid(faults)
    granted = {capabilities.canonical(name) for name in named.get("capabilities", ())}
    faults += [
        f"capability {name} is not asked for by the manifest" for name in sorted(granted - set(asked.capabilities))
    ]
    egress = [_egress(host, faults) for host in named.get("egress", ())]
    faults += [
        f"egress {host} is not within what the manifest asks for ({', '.join(asked.egress) or 'nothing'})"
        for host in egress
        if not any(covers(wide, host) for wide in asked.egress)
    ]
    asked_secrets = dict(asked.secrets)
    secrets: dict[str, list[str]] = {}
    for name, hosts in dict(named.get("secrets", {})).items():
        if name not in asked_secrets:
            faults.append(f"secret {name} is not asked for by the manifest")
            continue
        secrets[name] = [_egress(host, faults) for host in hosts]
        if asked_secrets[name] and not secrets[name]:
            secrets[name] = list(asked_secrets[name])  # a secret that is only injected must not become readable
        faults += [
            f"secret {name} cannot be bound to {host}: the manifest asks for {', '.join(asked_secrets[name])}"
            for host in secrets[name]
            if asked_secrets[name] and not any(covers(wide, host) for wide in asked_secrets[name])
        ]
    headers = {name: str(header).lower() for name, header in dict(named.get("secret_headers", {})).items()}
    faults += _header_faults(headers, secrets, dict(asked.secret_headers))
    required = {secret.name for secret in manifest.secrets if secret.required}
    faults += [f"secret {name} is required; add it to the grants" for name in sorted(required - set(secrets))]
    limits = {name: int(value) for name, value in dict(named.get("limits", {})).items()}
    faults += _limit_faults(limits, dict(asked.limits))
    if faults:
        raise _invalid(faults)
    return canonical(granted, egress, secrets, limits, headers)


def with_hosts(granted: GrantSet, config: Mapping[str, Any]) -> GrantSet:
    """Return a grant set with each ``config:KEY`` pinned to the host that a configuration names now.

    Args:
        granted: what is granted.
        config: the install's configuration, with its defaults.

    Raises:
        PlatformError: ``grants_invalid`` when a value names no public host over https.
    """
    faults: list[str] = []

    def pinned(rules: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted({_pinned(rule, config, faults) for rule in rules}))

    found = granted._replace(
        egress=pinned(granted.egress), secrets=tuple((name, pinned(hosts)) for name, hosts in granted.secrets)
    )
    if faults:
        raise _invalid(list(dict.fromkeys(faults)))
    return found


def changed_hosts(granted: GrantSet, config: Mapping[str, Any]) -> dict[str, dict[str, str | None]]:
    """Return the pinned hosts that a configuration no longer names: key → ``from`` and ``to``."""
    rules = [*granted.egress, *(host for _, hosts in granted.secrets for host in hosts)]
    return configured_hosts.changes(rules, config)


def _pinned(rule: str, config: Mapping[str, Any], faults: list[str]) -> str:
    try:
        return configured_hosts.pinned(rule, config)
    except ValueError as error:
        faults.append(str(error))
        return rule


def covers(wide: str, narrow: str) -> bool:
    """Tell whether the egress rule ``wide`` allows every host that ``narrow`` allows (both canonical).

    ``config:KEY`` covers its pinned forms.
    """
    if wide == configured_hosts.unpinned(narrow):
        return True
    wide_scheme, wide_host, wide_port = _parts(wide)
    scheme, host, port = _parts(narrow)
    if (wide_scheme, wide_port) != (scheme, port):
        return False
    return wide_host.startswith("*.") and host.endswith(wide_host[1:]) and host != wide_host[1:]


def _list_size_faults(named: Mapping[str, Any]) -> list[str]:
    lists = [(name, named.get(name, ())) for name in _LISTS]
    lists += [(f"secrets.{name[:64]}", hosts) for name, hosts in dict(named.get("secrets", {})).items()]
    return [f"{name} has more than {_ENTRIES_LIMIT} entries" for name, given in lists if len(given) > _ENTRIES_LIMIT]


def _header_faults(
    headers: Mapping[str, str], secrets: Mapping[str, Sequence[str]], asked: Mapping[str, str]
) -> Iterator[str]:
    """Yield what is wrong with the headers that an admin names. Each must be the one that the manifest asks for."""
    for name in sorted({*headers, *(name for name, hosts in secrets.items() if hosts)}):
        header = asked.get(name, DEFAULT_SECRET_HEADER)
        if name not in secrets:
            yield f"secret_headers names {name[:64]}, which is not granted under secrets"
        elif headers.get(name, DEFAULT_SECRET_HEADER) != header:
            yield (
                f"secret {name} is put into header {header}, as the manifest asks; "
                f'to grant that, add "{name}": "{header}" to secret_headers'
            )


def _limit_faults(limits: Mapping[str, int], asked: Mapping[str, int]) -> Iterator[str]:
    for name, value in sorted(limits.items()):
        largest = asked.get(name, _LARGEST_LIMITS.get(name, 0))
        if name not in _LARGEST_LIMITS:
            yield f"limit {name[:64]} does not exist; limits are {', '.join(LIMIT_NAMES)}"
        elif not 1 <= value <= largest:
            yield f"limit {name} must be from 1 to {largest}"


def _invalid(faults: Sequence[str]) -> PlatformError:
    return PlatformError("grants_invalid", f"The grants cannot be given: {'; '.join(faults[:10])}.")


def _parts(rule: str) -> tuple[str, str, str]:
    scheme, _, rest = rule.rpartition("://")
    host, _, port = rest.partition(":")
    return scheme or "https", host, port


def _egress(host: str, faults: list[str]) -> str:
    if configured_hosts.key_of(host) is not None:
        return configured_hosts.unpinned(host)  # an admin grants the value that is configured, and names no other host
    try:
        return check_egress(host)
    except ValueError as error:
        faults.append(str(error))
        return host


def carried_over(current: GrantSet, manifest: Manifest) -> GrantSet:
    """Return the grants for another version of the code: those of the current grants that its manifest asks for."""
    asked = requested(manifest)
    asked_secrets = dict(asked.secrets)
    secrets: dict[str, tuple[str, ...]] = {}
    for name, hosts in current.secrets:
        wide = asked_secrets.get(name)
        if wide is None:
            continue
        if not hosts:
            secrets[name] = wide  # it was readable by the code itself; any binding grants less
        elif kept := tuple(host for host in hosts if not wide or any(covers(rule, host) for rule in wide)):
            secrets[name] = kept  # without a remaining host it would become readable, so it is dropped
    # A secret that stays bound keeps its header. One that the code could read before gets what the manifest asks for.
    bound = {name for name, hosts in current.secrets if hosts}
    headers = {name: header for name, header in asked.secret_headers if name not in bound}
    largest = {**_LARGEST_LIMITS, **dict(asked.limits)}
    return canonical(
        set(current.capabilities) & set(asked.capabilities),
        [host for host in current.egress if any(covers(wide, host) for wide in asked.egress)],
        secrets,
        {name: min(value, largest[name]) for name, value in current.limits if name in largest},
        headers | dict(current.secret_headers),
    )


def difference(before: Manifest, after: Manifest) -> dict[str, Any]:
    """Return what ``after`` asks for beyond ``before``. Empty members are left out, so no difference gives ``{}``.

    Members: ``capabilities`` (name → purpose), ``egress``, ``secrets`` (name → hosts), ``limits`` (name → from, to) and
    ``secret_headers`` (name → header), which has each secret that goes into another header than before, or that is new
    and does not go into ``authorization``.
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
        "secret_headers": _other_headers(old, new),
        "limits": {
            name: {"from": old_limits.get(name), "to": value}
            for name, value in new.limits
            if value > old_limits.get(name, 0)
        },
    }
    return {name: value for name, value in found.items() if value}


def _other_headers(old: GrantSet, new: GrantSet) -> dict[str, str]:
    """Return the header of each bound secret that ``new`` puts into another header than ``old``."""
    before, after = dict(old.secret_headers), dict(new.secret_headers)
    was_readable = {name for name, hosts in old.secrets if not hosts}
    headers = {name: after.get(name, DEFAULT_SECRET_HEADER) for name, hosts in new.secrets if hosts}
    return {
        name: header
        for name, header in headers.items()
        if name not in was_readable and header != before.get(name, DEFAULT_SECRET_HEADER)
    }


def _widened(old: tuple[str, ...], new: tuple[str, ...]) -> bool:
    """Tell whether a secret's binding became wider: to more hosts, or from injected to readable."""
    if not old:
        return False  # it was readable by the extension itself, which is the widest binding
    return not new or any(not any(covers(wide, host) for wide in old) for host in new)
