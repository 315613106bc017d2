"""The capability that each host import needs, and the import's result when that capability is not granted.

These are pure values, used on both sides. The child answers a refused call itself, and tells the parent of it for
the log (``Refused``). The parent checks the calls that it gets again, because the child is untrusted.
"""

from typing import Any, Final, NamedTuple

NOT_GRANTED_TEXT: Final = "This extension has not been granted the capability that this call needs."


class Refusal(NamedTuple):
    """The capability an import needs, and its result without it. With ``traps``, the guest is ended instead."""

    capability: str
    answer: Any = None
    traps: bool = False


def _err(case: str) -> tuple[bool, str]:
    return (False, case)


_SCHEDULER = "cap:scheduler.manage"
_STORAGE = "cap:storage.kv"

REFUSALS: Final[dict[str, Refusal]] = {
    "context.get-context": Refusal("cap:context.read", traps=True),
    "logging.log-info": Refusal("cap:log.emit"),
    "logging.log-warn": Refusal("cap:log.emit"),
    "logging.log-error": Refusal("cap:log.emit"),
    "metrics.emit": Refusal("cap:metrics.emit"),
    "config.get": Refusal("cap:context.read"),
    "config.list-keys": Refusal("cap:context.read", []),
    "user.get-user": Refusal("cap:user.read", _err("not-allowed")),
    "user-v2.get-user": Refusal("cap:user.read", _err("not-allowed")),
    "secrets.get": Refusal("cap:secrets.get", _err("denied")),
    "secrets.list-keys": Refusal("cap:secrets.get", []),
    "http.fetch": Refusal("cap:http.fetch", _err("not-allowed")),
    "storage.get": Refusal(_STORAGE, _err("denied")),
    "storage.put": Refusal(_STORAGE, _err("denied")),
    "storage.delete": Refusal(_STORAGE, _err("denied")),
    "storage.list-entries": Refusal(_STORAGE, _err("denied")),
    "storage-v2.list-page": Refusal(_STORAGE, _err("denied")),
    "storage-v2.put-with": Refusal(_STORAGE, _err("denied")),
    "storage-v2.put-many": Refusal(_STORAGE, _err("denied")),
    "storage-v2.delete-if": Refusal(_STORAGE, _err("denied")),
    "ui-proxy.call-route": Refusal("cap:ui.proxy", _err("denied")),
    "scheduler.list-schedules": Refusal(_SCHEDULER, _err("denied")),
    "scheduler.get-schedule": Refusal(_SCHEDULER, _err("denied")),
    "scheduler.create-schedule": Refusal(_SCHEDULER, (False, None, NOT_GRANTED_TEXT, None)),
    "scheduler.update-schedule": Refusal(_SCHEDULER, (False, NOT_GRANTED_TEXT, None)),
    "scheduler.delete-schedule": Refusal(_SCHEDULER, (False, NOT_GRANTED_TEXT)),
    "scheduler.get-endpoints": Refusal(_SCHEDULER, _err("denied")),
    "invoicing.create-manual-invoice": Refusal(
        "cap:invoice.manual.create", (False, None, None, None, None, None, None, NOT_GRANTED_TEXT, None)
    ),
    "clients.list-clients": Refusal("cap:client.read", _err("not-allowed")),
    "clients.get-client": Refusal("cap:client.read", _err("not-allowed")),
    "services.list-services": Refusal("cap:service.read", _err("not-allowed")),
    "services.get-service": Refusal("cap:service.read", _err("not-allowed")),
}
"""All host imports (``interface.function``) of the world. A test compares them with ``world.IMPORTS``."""
