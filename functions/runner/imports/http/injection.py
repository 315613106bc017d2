"""Headers of a request, with secrets put in where the tenant's grant allows it.

A secret is put only into the header that its grant names, only as the header's whole value, and only for hosts that it
is bound to. A server that returns some other request header therefore cannot return a secret.
"""

import base64
import re
from collections.abc import Callable
from typing import Final, NamedTuple

import urllib3
from urllib3.util import SKIP_HEADER

from alga_ext.calls.connection_headers import CONNECTION_HEADERS
from alga_ext.calls.egress_rules import Target, host_matches
from functions.runner.imports.call_secrets import Held, SecretBox
from functions.runner.imports.http.echoes import Echoes
from functions.runner.imports.http.refused import NOT_ALLOWED, Refused

_AGENT: Final = "alga-ext"
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}\Z")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*\Z")
_PLACEHOLDER = re.compile(r"\{\{\s*secret:", re.IGNORECASE)
_NAMED = r"\{\{\s*secret:([^{}|\s]{1,256})\s*"
_TEMPLATE = re.compile(rf"(Bearer )?{_NAMED}\}}\}}\Z")
_BASIC_TEMPLATE = re.compile(rf"(Basic ){_NAMED}\|\s*base64\s*\}}\}}\Z")
_NAME_SHOWN: Final = 128
_WRITTEN_ANEW: Final = frozenset({"connection", "content-length", "host"})
"""Headers that clients add by themselves. The platform sends its own in their place, so nobody misses them."""
_FORMS: Final = "'{{secret:NAME}}', 'Bearer {{secret:NAME}}' or 'Basic {{secret:NAME|base64}}'"

Pair = tuple[str, str]


class Template(NamedTuple):
    """A header value that is a placeholder for a secret: the text before it, the secret's name, and its encoding."""

    prefix: str
    name: str
    is_base64: bool

    def filled(self, value: str) -> str:
        """Return the header value with the secret's value."""
        return self.prefix + (base64.b64encode(value.encode()).decode() if self.is_base64 else value)


def has_placeholder(text: str) -> bool:
    """Tell whether a text contains the beginning of a placeholder for a secret."""
    return _PLACEHOLDER.search(text) is not None


def template_of(value: str) -> Template | None:
    """Return the template that a header value is, or None when it is not exactly one template."""
    for pattern, is_base64 in ((_TEMPLATE, False), (_BASIC_TEMPLATE, True)):
        if match := pattern.match(value):
            return Template(match[1] or "", match[2], is_base64)
    return None


class Injector:
    """Makes the headers of one call's requests.

    Args:
        secrets: the call's secrets.
        may_use_secrets: whether the call has the capability cap:secrets.get.
        explain: is told which headers are not sent, each name once a call.
    """

    def __init__(self, secrets: SecretBox, may_use_secrets: bool, explain: Callable[[str], None]) -> None:
        self._secrets = secrets
        self._may_use_secrets = may_use_secrets
        self._explain = explain
        self._dropped: set[str] = set()

    def headers(self, target: Target, headers: list[Pair]) -> urllib3.HTTPHeaderDict:
        """Return the headers to send: without those of the connection, and with secrets in place of their placeholders.

        Raises:
            Refused: a header is not valid, or a secret may not be put there.
            PlatformError: ``secret_unavailable``.
        """
        connection = {
            name.strip().lower()
            for header, value in headers
            if header.lower() == "connection"
            for name in value.split(",")
        }
        sent = urllib3.HTTPHeaderDict({"host": target.host_header})
        for name, value in headers:
            if name.lower() in CONNECTION_HEADERS or name.lower() in connection:
                self._note_dropped(name.lower())
                continue
            if not _NAME.match(name):
                raise Refused(NOT_ALLOWED, "a header has a name that is not valid in HTTP")
            filled = self._filled(target, name.lower(), value) if has_placeholder(value) else value
            # SKIP_HEADER is a command to urllib3, so a guest must not send it as a value.
            if not _VALUE.match(filled) or filled == SKIP_HEADER:
                raise Refused(NOT_ALLOWED, f"the value of header {name} is not valid in HTTP")
            sent.add(name, filled)
        sent.setdefault("user-agent", _AGENT)
        sent.setdefault("accept-encoding", SKIP_HEADER)
        return sent

    def _note_dropped(self, name: str) -> None:
        if name not in self._dropped and name not in _WRITTEN_ANEW:
            self._dropped.add(name)
            self._explain(f"http.fetch: header {name[:_NAME_SHOWN]} is not sent, because it belongs to the connection")

    def echoes(self, target: Target) -> Echoes:
        """Return a search for the secrets that no response of this target may bring back.

        These are the secrets that may be injected for this target, in this call or another one, and those that this
        call has injected for any target.

        Raises:
            PlatformError: ``secret_unavailable``.
        """
        watched: dict[str, str] = {}
        for name in self._secrets.names() if self._may_use_secrets else []:
            held = self._secrets.find(name)
            if held is None or not held.hosts or self._secrets.is_expired(held):
                continue
            if host_matches(target, held.hosts) or self._secrets.is_unsealed(name):
                watched[name] = self._secrets.value(held)
        return Echoes(watched)

    def _filled(self, target: Target, header: str, value: str) -> str:
        template = template_of(value)
        if template is None:
            raise Refused(NOT_ALLOWED, f"a secret must be the whole value of header {header}: {_FORMS}")
        held = self._held(template.name)
        fault = self._fault(target, header, held)
        if fault is not None:
            raise Refused(NOT_ALLOWED, f"secret {template.name} {fault}")
        return template.filled(self._secrets.value(held))

    def _held(self, name: str) -> Held:
        if not self._may_use_secrets:
            raise Refused(NOT_ALLOWED, f"secret {name} cannot be used without the capability cap:secrets.get")
        held = self._secrets.find(name)
        if held is None:
            raise Refused(
                NOT_ALLOWED, f"secret {name} is {'not granted' if self._secrets.is_denied(name) else 'not set'}"
            )
        return held

    def _fault(self, target: Target, header: str, held: Held) -> str | None:
        """Return why a secret must not be put into a header of a request, or None."""
        if not held.hosts:
            return "is not bound to hosts; read it with secrets.get"
        if not host_matches(target, held.hosts):
            return f"is bound to {', '.join(held.hosts)}, not to {target.shown}"
        if header != held.header:
            return f"may be put into header {held.header} only, not into {header}"
        if self._secrets.is_expired(held):
            return "has expired"
        return None
