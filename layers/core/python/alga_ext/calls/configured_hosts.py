"""Hosts that a tenant's admin configures: ``config:KEY`` in egress rules and in the hosts of secrets (pure).

A manifest may ask for ``config:KEY``: the host in that value of the install's configuration. A grant pins the host
that the value has at that moment, as ``config:KEY=host[:port]``. While the value names another host, the rule allows
nothing.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

PREFIX: Final = "config:"
LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
"""The pattern of one label of a host name, in lower case."""
HOST_LIMIT_CHARS: Final = 253

_KEY = re.compile(r"config:([A-Za-z_][A-Za-z0-9_.-]{0,63})\Z")
_PINNED = re.compile(r"config:([A-Za-z_][A-Za-z0-9_.-]{0,63})(?:=(.*))?\Z", re.DOTALL)
_URL = re.compile(r"(?:https://)?([A-Za-z0-9.-]+)(?::([0-9]{1,5}))?(?:[/?#].*)?\Z", re.ASCII | re.IGNORECASE)
_NAME = re.compile(rf"{LABEL}(?:\.{LABEL})*\Z")
_NUMERIC = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)\Z")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")
_PRIVATE_ENDINGS: Final = (
    "localhost", "local", "localdomain", "internal", "intranet", "private", "corp", "home", "lan", "home.arpa",
)  # fmt: skip
"""Endings of names that mean something only inside a network (RFC 6761, RFC 8375, ICANN's list of collisions)."""


def key_of(rule: str) -> str | None:
    """Return the key of ``config:KEY`` or of its pinned form; None for any other rule."""
    match = _PINNED.match(rule)
    return match[1] if match else None


def check_request(rule: str) -> str:
    """Return a rule ``config:KEY`` as a manifest may write it.

    Raises:
        ValueError: the key is not a plain name.
    """
    if not _KEY.match(rule):
        message = (
            f"{rule[:100]!r} is not a configured host; write config:KEY with a name from the configuration's schema"
        )
        raise ValueError(message)
    return rule


def unpinned(rule: str) -> str:
    """Return ``config:KEY`` for its pinned form, and any other rule as it is."""
    key = key_of(rule)
    return rule if key is None else f"{PREFIX}{key}"


def pinned(rule: str, config: Mapping[str, Any]) -> str:
    """Return a rule with the host that the configuration names now. A rule whose value is absent stays without one.

    Raises:
        ValueError: the value names no public host over https; the message has the key and not the value.
    """
    key = key_of(rule)
    if key is None or key not in config:
        return unpinned(rule)
    try:
        return f"{PREFIX}{key}={host_of(config[key])}"
    except ValueError as error:
        message = f"configuration {key} cannot be granted as a host: {error}"
        raise ValueError(message) from None


def effective(rule: str, config: Mapping[str, Any]) -> str:
    """Return the rule that holds: the pinned host while the configuration still names it.

    Otherwise the rule is returned as it is. It matches no host then, so it allows nothing; and a secret that is bound
    to it stays bound.
    """
    match = _PINNED.match(rule)
    if match is None or match[2] is None or now_of(match[1], config) != match[2]:
        return rule
    return match[2]


def changes(rules: Iterable[str], config: Mapping[str, Any]) -> dict[str, dict[str, str | None]]:
    """Return key → ``from`` and ``to`` for each rule whose pinned host is not the one that the configuration names.

    ``from`` is None for a rule without a pinned host. A value that names no host that can be granted is left out.
    """
    found: dict[str, dict[str, str | None]] = {}
    for rule in rules:
        match = _PINNED.match(rule)
        if match is not None and (now := now_of(match[1], config)) is not None and now != match[2]:
            found[match[1]] = {"from": match[2], "to": now}
    return found


def now_of(key: str, config: Mapping[str, Any]) -> str | None:
    """Return the host that a configuration names under a key; None for no value, and for one that cannot be granted."""
    try:
        return host_of(config[key]) if key in config else None
    except ValueError:
        return None


def host_of(value: Any) -> str:
    """Return the canonical ``host[:port]`` of an https URL or of ``host[:port]``.

    Raises:
        ValueError: the value is something else, or its host is an address or a private name. The message does not
            contain the value.
    """
    if not isinstance(value, str):
        raise ValueError("it is not text")
    if "://" in value and not value.lower().startswith("https://"):
        raise ValueError("only https is allowed")
    match = None if _FORBIDDEN.search(value) else _URL.match(value)
    if match is None:
        raise ValueError("it is neither an https URL nor host[:port], or it has a user name, a password or an address")
    host, port = match[1].lower(), int(match[2] or 443)
    labels = host.split(".")
    if len(host) > HOST_LIMIT_CHARS or not _NAME.match(host):
        raise ValueError("its host is not a name")
    if _NUMERIC.match(labels[-1]):
        raise ValueError("its host is an address; only names are allowed")
    if len(labels) == 1 or any(host == ending or host.endswith(f".{ending}") for ending in _PRIVATE_ENDINGS):
        raise ValueError("its host is a private name")
    if not 1 <= port <= 65_535:
        raise ValueError("its port is not from 1 to 65535")
    return host if port == 443 else f"{host}:{port}"
