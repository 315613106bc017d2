"""Interface ``secrets``: the install's secrets. Capability cap:secrets.get.

A secret that is bound to hosts cannot be read here: ``http.fetch`` injects it into headers of requests to those hosts.
"""

from typing import Any, Final

from functions.runner.imports.broker import Handler, Opened
from functions.runner.imports.call_context import CallContext
from functions.runner.imports.call_secrets import SecretBox

_INTERNAL: Final = (False, "internal")


class Secrets:
    """The imports of one call."""

    def __init__(self, box: SecretBox) -> None:
        self._box = box

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by ``interface.function``."""
        return {
            "secrets.get": Handler(tuple[str], self.get, _INTERNAL),
            "secrets.list-keys": Handler(tuple[()], self._box.names, []),
        }

    def get(self, name: str) -> tuple[bool, Any]:
        """Answer ``secrets.get``."""
        held = self._box.find(name)
        if held is None:
            return (False, "denied" if self._box.is_denied(name) else "missing")
        if held.hosts:
            return (False, "denied")
        if self._box.is_expired(held):
            return (False, "expired")
        return (True, self._box.value(held))


def open_for(call: CallContext) -> Opened:
    """Open the imports for a call."""
    return Opened(Secrets(call.secrets).handlers(), lambda: None)
