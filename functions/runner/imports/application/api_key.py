"""The install's secret ``api_key``, which the host application gets as ``x-api-key`` if the tenant granted it."""

from typing import Final

from alga_ext.calls.egress_rules import Target, host_matches
from functions.runner.imports.application.address import Address
from functions.runner.imports.call_context import CallContext

API_KEY: Final = "api_key"
API_KEY_HEADER: Final = "x-api-key"


def api_key_for(call: CallContext, address: Address) -> str | None:
    """Return the value of the secret, or None when it may not or cannot be sent to the application.

    It must be granted and not expired. When it is bound to hosts, the application must be one of them, and its header
    must be ``x-api-key``.

    Raises:
        PlatformError: ``secret_unavailable`` when the secret cannot be opened.
    """
    held = call.secrets.find(API_KEY)
    if held is None or call.secrets.is_expired(held):
        return None
    target = Target(address.scheme, address.host, address.port, "/")
    if held.hosts and (held.header != API_KEY_HEADER or not host_matches(target, held.hosts)):
        return None
    value = call.secrets.value(held)
    if not is_plain(value):
        call.explain("the secret api_key is not sent to the host application: it does not fit into a header")
        return None
    return value


def is_plain(value: str) -> bool:
    """Tell whether a text fits into a header: printable ASCII only."""
    return all(0x20 <= ord(c) < 0x7F for c in value)
