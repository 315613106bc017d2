"""The headers of an extension's answer that reach its caller (pure). Names are in lower case."""

from collections.abc import Iterable
from typing import Final

TO_CALLER: Final = frozenset({
    "accept-ranges", "allow", "cache-control", "content-disposition", "content-encoding", "content-language",
    "content-range", "content-type", "etag", "last-modified", "link", "location", "retry-after", "vary",
})  # fmt: skip
EXTENSION_PREFIX: Final = "x-ext-"
"""Headers that begin with it are the extension's own, and pass too."""

_EXPECTED: Final = TO_CALLER | {"content-length"}


def not_passed(names: Iterable[str]) -> list[str]:
    """Return those of a guest's header names that never reach the caller, in the order given.

    ``content-length`` is left out: frameworks add it by themselves, and the gateway sends its own.
    """
    return [name for name in names if name not in _EXPECTED and not name.startswith(EXTENSION_PREFIX)]
