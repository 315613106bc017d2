"""Capability names, what is always granted, and which WIT interfaces belong to each.

Source: the guest contract's import table (docs/reference/capabilities.md).
"""

from collections.abc import Iterable
from typing import Final

ALWAYS_GRANTED: Final = frozenset({"cap:context.read", "cap:log.emit", "cap:user.read", "cap:metrics.emit"})
"""Granted to every install: they reveal and change nothing beyond the call itself."""

INTERFACES: Final[dict[str, frozenset[str]]] = {
    "cap:context.read": frozenset({"alga:extension/context", "alga:extension/config"}),
    "cap:log.emit": frozenset({"alga:extension/logging"}),
    "cap:user.read": frozenset({"alga:extension/user", "alga:extension/user-v2"}),
    "cap:metrics.emit": frozenset({"alga:extension/metrics"}),
    "cap:secrets.get": frozenset({"alga:extension/secrets"}),
    "cap:http.fetch": frozenset({"alga:extension/http"}),
    "cap:storage.kv": frozenset({"alga:extension/storage", "alga:extension/storage-v2"}),
    "cap:ui.proxy": frozenset({"alga:extension/ui-proxy"}),
    "cap:scheduler.manage": frozenset({"alga:extension/scheduler"}),
    "cap:invoice.manual.create": frozenset({"alga:extension/invoicing"}),
    "cap:client.read": frozenset({"alga:extension/clients"}),
    "cap:service.read": frozenset({"alga:extension/services"}),
}
"""Every capability, with the WIT interfaces it opens."""

KNOWN: Final = frozenset(INTERFACES)


def canonical(name: str) -> str:
    """Return the name with its ``cap:`` prefix; the name need not be known."""
    return name if name.startswith("cap:") else f"cap:{name}"


def unknown(names: Iterable[str]) -> list[str]:
    """Return those of ``names`` (canonical or not) that are no capability, sorted."""
    return sorted(name for name in names if canonical(name) not in KNOWN)


def imported(interfaces: Iterable[str]) -> frozenset[str]:
    """Return the capabilities whose interfaces are among ``interfaces`` (names without version)."""
    present = set(interfaces)
    return frozenset(capability for capability, opened in INTERFACES.items() if opened & present)
