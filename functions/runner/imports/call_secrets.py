"""The secrets of one call: unsealed at first use, removed from log texts, and deleted when the call ends."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol

from alga_ext.bundles.declared_headers import DEFAULT_SECRET_HEADER
from alga_ext.calls.envelope import ExecuteRequest, SealedSecret
from alga_ext.errors import PlatformError
from functions.runner.imports.deadline import KEYS

_SCRUB_LEAST_CHARACTERS: Final = 4
"""Shorter values are not scrubbed: they occur in ordinary text, so scrubbing them would make logs unreadable."""
_SCRUB_LEAST_LINE_CHARACTERS: Final = 8
"""The same limit for a single line of a value that has several lines."""


class Unsealer(Protocol):
    """Opens sealed secrets."""

    def unseal(self, sealed: bytes, context: Mapping[str, str]) -> bytes:
        """Return the plaintext.

        Raises:
            PlatformError: ``secret_unavailable``.
        """
        ...


class Held(NamedTuple):
    """A secret that the tenant granted and that is in the envelope.

    ``hosts`` are the hosts it is bound to, if any, and ``header`` is the only header that it may be put into.
    """

    sealed: SealedSecret
    hosts: tuple[str, ...]
    header: str


class SecretBox:
    """The secrets of one call.

    Args:
        request: the envelope with the sealed secrets.
        unsealer: opens them. None when this platform has no unsealing key.
        now_s: returns the time in epoch seconds.
        left_s: returns the seconds until the call's deadline.
    """

    def __init__(
        self,
        request: ExecuteRequest,
        unsealer: Unsealer | None,
        now_s: Callable[[], float],
        left_s: Callable[[], float],
    ) -> None:
        granted = request.grants.secrets
        headers = request.grants.secret_headers
        envelope = request.secret_envelope or []
        self._held = {
            s.name: Held(s, tuple(granted[s.name]), headers.get(s.name, DEFAULT_SECRET_HEADER).lower())
            for s in envelope
            if s.name in granted
        }
        self._denied = {s.name for s in envelope} - set(self._held)
        self._context = request.context
        self._unsealer = unsealer
        self._now_s = now_s
        self._left_s = left_s
        self._values: dict[str, str] = {}
        self._spellings: list[tuple[str, str]] = []

    def names(self) -> list[str]:
        """Return the names of all granted secrets, sorted, including those that can only be injected into headers."""
        return sorted(self._held)

    def find(self, name: str) -> Held | None:
        """Return a granted secret, or None."""
        return self._held.get(name)

    def is_denied(self, name: str) -> bool:
        """Tell whether the install has the secret but the tenant did not grant it."""
        return name in self._denied

    def is_expired(self, held: Held) -> bool:
        """Tell whether a secret has expired."""
        expires = held.sealed.expires_at_s
        return expires is not None and expires <= self._now_s()

    def is_unsealed(self, name: str) -> bool:
        """Tell whether this call has used the secret."""
        return name in self._values

    def used(self) -> Mapping[str, str]:
        """Return the values that this call has used, by name."""
        return self._values

    def value(self, held: Held) -> str:
        """Return a secret's value, unsealing it at first use.

        Raises:
            PlatformError: ``secret_unavailable``.
            TimeoutError: the key service did not answer before the call's deadline.
        """
        name = held.sealed.name
        if name not in self._values:
            value = self._values[name] = self._unseal(held.sealed)
            self._spellings += [(spelling, f"[secret {name}]") for spelling in _spellings(value)]
            # The longest first. If one secret begins with another, replacing the shorter one first would leave the
            # rest of the longer one in the text.
            self._spellings.sort(key=lambda entry: len(entry[0]), reverse=True)
        return self._values[name]

    def scrub(self, text: str) -> str:
        """Return ``text`` without the values unsealed in this call: as they are, as JSON writes them, or line by line.

        Each occurrence is replaced by a mark with the secret's name.
        """
        for spelling, mark in self._spellings:
            if spelling in text:
                text = text.replace(spelling, mark)
        return text

    def scrub_cut(self, text: str) -> str:
        """Return a truncated text, scrubbed. The beginning of a secret at its end is removed too."""
        text = self.scrub(text)
        for spelling, mark in self._spellings:
            longest = min(len(spelling) - 1, len(text))
            for length in range(longest, _SCRUB_LEAST_CHARACTERS - 1, -1):
                if text.endswith(spelling[:length]):
                    return text[:-length] + mark
        return text

    def scrub_any_case(self, text: str) -> str:
        """Return ``text`` scrubbed in any mix of upper and lower case: host and header names are lower-cased."""
        for spelling, mark in self._spellings:
            text = mark.join(re.split(re.escape(spelling), text, flags=re.IGNORECASE))
        return text

    def clear(self) -> None:
        """Delete all values."""
        self._values.clear()
        self._spellings.clear()

    def _unseal(self, sealed: SealedSecret) -> str:
        unsealer = self._unsealer
        if unsealer is None:
            raise PlatformError("secret_unavailable", "The sealed secret cannot be opened.", why="no unsealing key")
        from alga_ext.stores.sealing import secret_context  # loads ciphers, which a call without secrets does not need

        context = secret_context(self._context.tenant_id, self._context.install_id, sealed.name)
        try:
            data = base64.b64decode(sealed.sealed_b64, validate=True)
            opened = KEYS.within(self._context.install_id, self._left_s(), lambda: unsealer.unseal(data, context))
            return opened.decode()
        except (binascii.Error, ValueError):
            raise PlatformError("secret_unavailable", "The sealed secret cannot be opened.", why="not text") from None


def _spellings(value: str) -> list[str]:
    """Return the forms in which a value may occur in a log: whole, line by line as streams write it, JSON-escaped."""
    lines = value.splitlines()
    least = _SCRUB_LEAST_CHARACTERS if len(lines) < 2 else _SCRUB_LEAST_LINE_CHARACTERS
    found = [value, *(line for line in lines if len(line) >= least)]
    escaped = [json.dumps(text, ensure_ascii=ascii_only)[1:-1] for text in found for ascii_only in (True, False)]
    return [text for text in dict.fromkeys([*found, *escaped]) if len(text) >= _SCRUB_LEAST_CHARACTERS]
