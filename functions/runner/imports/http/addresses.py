"""The addresses that a fetch may connect to: looked up once in a call, and checked."""

from collections.abc import Callable, Sequence
from typing import Final

from alga_ext.calls.egress_rules import Target
from functions.runner.imports.call_context import CallContext
from functions.runner.imports.deadline import LOOKUPS
from functions.runner.imports.http import egress
from functions.runner.imports.http.egress import Network
from functions.runner.imports.http.refused import INVALID_URL, NOT_ALLOWED, TRANSPORT, Refused
from functions.runner.imports.http.resolver import LOOKUP_TIMEOUT_S
from functions.runner.imports.http.unreachable import Unreachable

ADDRESSES_LIMIT: Final = 4
"""How many addresses of a name are tried."""


class Addresses:
    """The addresses of the hosts of one call.

    Args:
        call: the call.
        resolve: returns the addresses of a host and port, or raises ``OSError``.
        opened: private networks that the operator opened.
        dead: addresses that accepted no connection a short time ago.
    """

    def __init__(
        self,
        call: CallContext,
        resolve: Callable[[str, int], list[str]],
        opened: Sequence[Network],
        dead: Unreachable,
    ) -> None:
        self._call = call
        self._resolve = resolve
        self._opened = opened
        self._dead = dead
        self._found: dict[tuple[str, int], list[str]] = {}

    def of(self, target: Target) -> list[str]:
        """Return the addresses of a target in the order in which to try them, at most ``ADDRESSES_LIMIT``.

        Raises:
            Refused: the name has no address, or one of its addresses is not public.
        """
        key = (target.host, target.port)
        if key not in self._found:
            self._found[key] = self._checked(target, self._lookup(target))
        return self._dead.last(self._found[key], target.port)[:ADDRESSES_LIMIT]

    def add_dead(self, address: str, port: int) -> None:
        """Remember that an address accepted no connection."""
        self._dead.add(address, port)

    def _lookup(self, target: Target) -> list[str]:
        timeout_s = min(LOOKUP_TIMEOUT_S, self._call.left_s())
        try:
            return LOOKUPS.within(self._call.install_id, timeout_s, lambda: self._resolve(target.host, target.port))
        except UnicodeError:
            raise Refused(INVALID_URL, "the host of the URL is not a valid name") from None
        except TimeoutError:
            raise Refused(TRANSPORT, f"the name server for {target.host} did not answer in time") from None
        except OSError:
            return []

    def _checked(self, target: Target, addresses: list[str]) -> list[str]:
        if not addresses:
            raise Refused(TRANSPORT, f"the name {target.host} has no address")
        if refused := egress.refused_addresses(addresses, self._opened):
            reason = f"{refused[0]} is a private address"
            raise Refused(NOT_ALLOWED, reason if target.host in refused else f"{reason} of {target.host}")
        return addresses
