"""Interface ``secrets``: the install's secrets. Capability cap:secrets.get.

A secret that is bound to hosts cannot be read here: ``http.fetch`` injects it into headers of requests to those hosts.
"""

from collections.abc import Callable
from typing import Any, Final

from functions.runner.imports.broker import Handler, Opened
from functions.runner.imports.call_context import CallContext
from functions.runner.imports.call_secrets import SecretBox

_INTERNAL: Final = (False, "internal")
_NAME_SHOWN: Final = 128
"""How many characters of a name that the guest gives are shown."""


class Secrets:
    """The imports of one call.

    Args:
        box: the call's secrets.
        note_refused: is told the import and the reason when a secret has no value for the guest.
    """

    def __init__(self, box: SecretBox, note_refused: Callable[[str, str], None]) -> None:
        self._box = box
        self._note_refused = note_refused

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by ``interface.function``."""
        return {
            "secrets.get": Handler(tuple[str], self.get, _INTERNAL),
            "secrets.list-keys": Handler(tuple[()], self._box.names, []),
        }

    def get(self, name: str) -> tuple[bool, Any]:
        """Answer ``secrets.get``. When there is no value, write the reason into the extension's log."""
        held = self._box.find(name)
        if held is None:
            is_denied = self._box.is_denied(name)
            return self._refused(name, *(("is not granted", "denied") if is_denied else ("is not set", "missing")))
        if held.hosts:
            return self._refused(name, "is bound to hosts; http.fetch puts it into its header", "denied")
        if self._box.is_expired(held):
            return self._refused(name, "has expired", "expired")
        return (True, self._box.value(held))

    def _refused(self, name: str, why: str, case: str) -> tuple[bool, Any]:
        self._note_refused("secrets.get", f"secret {name[:_NAME_SHOWN]} {why}")
        return (False, case)


def open_for(call: CallContext) -> Opened:
    """Open the imports for a call."""
    return Opened(Secrets(call.secrets, call.note_refused).handlers(), lambda: None)
