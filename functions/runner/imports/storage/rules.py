"""Rules for stored entries (pure; docs/reference/limits.md, storage)."""

import re
from typing import Final

NAMESPACE_CHARACTERS: Final = 128
KEY_CHARACTERS: Final = 256
VALUE_BYTES: Final = 64 * 1024
BATCH_ITEMS: Final = 20
BATCH_BYTES: Final = 512 * 1024
NAMESPACES: Final = 32
KEYS_PER_NAMESPACE: Final = 5_120
INSTALL_BYTES: Final = 256 * 1024 * 1024
TTL_SECONDS: Final = range(60, 30 * 86_400 + 1)
PAGE_DEFAULT: Final = 25
PAGE_LIMIT: Final = 100
PAGE_BYTES: Final = 2 * 1024 * 1024
"""Size limit of the values in one page of ``list-page``. A page that would exceed it ends earlier."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def namespace_fits(namespace: str) -> bool:
    """Tell whether a namespace has 1–128 characters and no control characters."""
    return 1 <= len(namespace) <= NAMESPACE_CHARACTERS and not _CONTROL.search(namespace)


def key_fits(key: str) -> bool:
    """Tell whether a key has 1–256 characters, no control characters, and not only slashes."""
    return len(key) <= KEY_CHARACTERS and not _CONTROL.search(key) and key.strip("/") != ""


def place_fits(namespace: str, key: str) -> bool:
    """Tell whether a namespace and a key are valid."""
    return namespace_fits(namespace) and key_fits(key)


def value_fits(value: bytes) -> bool:
    """Tell whether a value is at most 64 KiB."""
    return len(value) <= VALUE_BYTES


def within_quota(namespaces: int, keys: int, install_bytes: int) -> bool:
    """Tell whether an install is within its quota, counted after the write. ``keys`` are those of one namespace."""
    return namespaces <= NAMESPACES and keys <= KEYS_PER_NAMESPACE and install_bytes <= INSTALL_BYTES
