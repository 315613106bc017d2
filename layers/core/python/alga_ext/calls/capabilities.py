"""Capability names, the WIT interfaces of each, and the capabilities that every install has.

Source: the table of imports in the guest contract (docs/reference/capabilities.md).
"""

from collections.abc import Iterable
from typing import Final

ALWAYS_GRANTED: Final = frozenset({"cap:context.read", "cap:log.emit", "cap:user.read", "cap:metrics.emit"})
"""Granted to every install, because they read and change nothing outside the call itself."""

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
"""Every capability, with the WIT interfaces that it gives access to."""

KNOWN: Final = frozenset(INTERFACES)


def canonical(name: str) -> str:
    """Return the name with its ``cap:`` prefix; it may be an unknown name."""
    return name if name.startswith("cap:") else f"cap:{name}"


def unknown(names: Iterable[str]) -> list[str]:
    """Return those of ``names`` that are not capabilities, sorted; a name may omit the ``cap:`` prefix."""
    return sorted(name for name in names if canonical(name) not in KNOWN)


def imported(interfaces: Iterable[str]) -> frozenset[str]:
    """Return the capabilities that have at least one of their interfaces in ``interfaces`` (names without version)."""
    present = set(interfaces)
    return frozenset(capability for capability, opened in INTERFACES.items() if opened & present)
