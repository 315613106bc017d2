"""The secrets of one call: unsealed at first use, scrubbed from what is logged, forgotten with the call."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol

from alga_ext.calls.envelope import ExecuteRequest, SealedSecret
from alga_ext.errors import PlatformError
from alga_ext.stores.sealing import secret_context
from functions.runner.imports.deadline import within

_SCRUB_LEAST_CHARACTERS: Final = 4
"""Shorter values occur in ordinary text; hiding them would hide everything."""
_SCRUB_LEAST_LINE_CHARACTERS: Final = 8
"""The same for one of several lines."""


class Unsealer(Protocol):
    """Opens sealed secrets."""

    def unseal(self, sealed: bytes, context: Mapping[str, str]) -> bytes:
        """Return the plain value, or raise ``secret_unavailable``."""
        ...


class Held(NamedTuple):
    """A secret that the tenant granted and that the envelope carries."""

    sealed: SealedSecret
    hosts: tuple[str, ...]


class SecretBox:
    """The secrets of one call.

    Args:
        request: the envelope that carries them.
        unsealer: opens them; None when this platform has no unsealing key.
        now_s: epoch seconds.
        left_s: seconds that the call has left.
    """

    def __init__(
        self,
        request: ExecuteRequest,
        unsealer: Unsealer | None,
        now_s: Callable[[], float],
        left_s: Callable[[], float],
    ) -> None:
        granted = request.grants.secrets
        envelope = request.secret_envelope or []
        self._held = {s.name: Held(s, tuple(granted[s.name])) for s in envelope if s.name in granted}
        self._denied = {s.name for s in envelope} - set(self._held)
        self._context = request.context
        self._unsealer = unsealer
        self._now_s = now_s
        self._left_s = left_s
        self._values: dict[str, str] = {}
        self._spellings: list[tuple[str, str]] = []

    def names(self) -> list[str]:
        """Return the names of all granted secrets, sorted; those for injection only too."""
        return sorted(self._held)

    def find(self, name: str) -> Held | None:
        """Return a granted secret, or None."""
        return self._held.get(name)

    def is_denied(self, name: str) -> bool:
        """Tell whether the install has the secret but the tenant did not grant it."""
        return name in self._denied

    def is_expired(self, held: Held) -> bool:
        """Tell whether a secret is past its maximum age."""
        expires = held.sealed.expires_at_s
        return expires is not None and expires <= self._now_s()

    def value(self, held: Held) -> str:
        """Return a secret's value, unsealing it at first use.

        Raises:
            PlatformError: ``secret_unavailable``.
            TimeoutError: the key service took longer than the call has left.
        """
        name = held.sealed.name
        if name not in self._values:
            value = self._values[name] = self._unseal(held.sealed)
            self._spellings += [(spelling, f"[secret {name}]") for spelling in _spellings(value)]
            # The longest first: one secret may begin with another, whose mark would leave its tail.
            self._spellings.sort(key=lambda entry: len(entry[0]), reverse=True)
        return self._values[name]

    def scrub(self, text: str) -> str:
        """Return ``text`` without any value unsealed in this call, be it plain, inside JSON, or one line of it."""
        for spelling, mark in self._spellings:
            if spelling in text:
                text = text.replace(spelling, mark)
        return text

    def scrub_cut(self, text: str) -> str:
        """Return the scrubbed beginning of a text that was cut, without the beginning of a value at its end."""
        text = self.scrub(text)
        for spelling, mark in self._spellings:
            longest = min(len(spelling) - 1, len(text))
            for length in range(longest, _SCRUB_LEAST_CHARACTERS - 1, -1):
                if text.endswith(spelling[:length]):
                    return text[:-length] + mark
        return text

    def scrub_any_case(self, text: str) -> str:
        """Return ``text`` scrubbed, whatever became of the letters' case: host and header names are lower-cased."""
        for spelling, mark in self._spellings:
            text = mark.join(re.split(re.escape(spelling), text, flags=re.IGNORECASE))
        return text

    def clear(self) -> None:
        """Forget all values."""
        self._values.clear()
        self._spellings.clear()

    def _unseal(self, sealed: SealedSecret) -> str:
        unsealer = self._unsealer
        if unsealer is None:
            raise PlatformError("secret_unavailable", "The sealed secret cannot be opened.", why="no unsealing key")
        context = secret_context(self._context.tenant_id, self._context.install_id, sealed.name)
        try:
            data = base64.b64decode(sealed.sealed_b64, validate=True)
            return within(self._left_s(), lambda: unsealer.unseal(data, context)).decode()
        except (binascii.Error, ValueError):
            raise PlatformError("secret_unavailable", "The sealed secret cannot be opened.", why="not text") from None


def _spellings(value: str) -> list[str]:
    """Return how a value may stand in a log line: whole, escaped as JSON writes it, or line by line as streams do."""
    lines = value.splitlines()
    least = _SCRUB_LEAST_CHARACTERS if len(lines) < 2 else _SCRUB_LEAST_LINE_CHARACTERS
    found = [value, *(line for line in lines if len(line) >= least)]
    escaped = [json.dumps(text, ensure_ascii=ascii_only)[1:-1] for text in found for ascii_only in (True, False)]
    return [text for text in dict.fromkeys([*found, *escaped]) if len(text) >= _SCRUB_LEAST_CHARACTERS]
