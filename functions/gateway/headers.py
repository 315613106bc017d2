"""Decide which headers pass the gateway, in each direction: pure rules. A header that is not listed does not pass."""

import re
from collections.abc import Collection, Mapping
from typing import Final

from alga_ext.bundles.declared_headers import request_header_fault
from alga_ext.calls.answer_headers import EXTENSION_PREFIX, TO_CALLER
from alga_ext.calls.traceparent import HEADER, trace_id_of

TO_GUEST: Final = frozenset({
    "accept", "accept-encoding", "accept-language", "access-control-request-headers", "access-control-request-method",
    "content-encoding", "content-type", "idempotency-key", "if-match", "if-modified-since", "if-none-match", "origin",
    "range", "traceparent", "user-agent", "x-request-id",
})  # fmt: skip
SINGLE: Final = frozenset({
    "content-disposition", "content-range", "content-type", "etag", "last-modified", "location", "retry-after",
})  # fmt: skip
"""Headers with one value only. When a guest sets one more than once, its first value passes."""
HEADERS_LIMIT_BYTES: Final = 8 * 1024

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]{1,128}\Z")
_LOCATION: Final = re.compile(r"/[\x21-\x5b\x5d-\x7e]*\Z")
_PATH_END: Final = re.compile("[?#]")
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_DIRECTIVE: Final = re.compile(rf'{_WORD}(?:=(?:{_WORD}|"(?:[^"\\]|\\.)*"))?')
_CACHE_CONTROL: Final = re.compile(rf"[ \t]*{_DIRECTIVE.pattern}[ \t]*(?:,[ \t]*{_DIRECTIVE.pattern}[ \t]*)*\Z")
_CACHE_CONTROL_LIMIT: Final = 512
_SHARED: Final = frozenset({"public", "s-maxage"})
"""Directives that let a shared cache keep an answer."""
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*\Z")


def to_guest(
    headers: Mapping[str, str],
    *,
    declared: Collection[str],
    tenant_id: str,
    extension_id: str,
    request_id: str,
    traceparent: str,
) -> dict[str, str]:
    """Return the guest's request headers: the listed headers of the caller, and those that the gateway sets.

    ``declared`` are the further names from the manifest's ``api.headers``.
    """
    allowed = TO_GUEST.union(name for name in declared if request_header_fault(name) is None)
    passed = {name: value for name, value in headers.items() if name in allowed}
    return passed | {
        "x-request-id": request_id,
        "traceparent": traceparent,
        "x-alga-tenant": tenant_id,
        "x-alga-extension": extension_id,
    }


def to_caller(headers: Mapping[str, str | list[str]], public_prefix: str, path: str) -> dict[str, str]:
    """Return the response headers for the caller: the listed ones of the guest's response headers.

    Args:
        headers: the guest's response headers. The values of a repeated header are a list. They are joined with ``, ``,
            except those of ``SINGLE``.
        public_prefix: ``/api/ext/{extension}``.
        path: the path of the request within the extension, percent-encoded. See ``own_location``.
    """
    passed: dict[str, str] = {}
    for raw_name, raw in headers.items():
        name = raw_name.lower()
        values = raw if isinstance(raw, list) else [raw]
        value = ", ".join(values[:1] if name in SINGLE else values)
        if not _NAME.match(name) or not _VALUE.match(value):
            continue
        if name not in TO_CALLER and not name.startswith(EXTENSION_PREFIX):
            continue
        if name == "location":
            location = own_location(value, public_prefix, path)
            if location is not None:
                passed[name] = location
            continue
        passed[name] = value
    passed["cache-control"] = private_cache_control(passed.get("cache-control", "no-store"))
    passed["vary"] = _varying_by_caller(passed.get("vary", ""))
    return passed


def private_cache_control(value: str) -> str:
    """Return a ``cache-control`` (RFC 9111) that no shared cache keeps: the URL is the same for all tenants.

    ``public`` and ``s-maxage`` are removed. ``private`` without field names is added, unless ``no-store`` is there.
    A value that is not a list of directives, or longer than ``_CACHE_CONTROL_LIMIT``, becomes ``no-store``.
    """
    if len(value) > _CACHE_CONTROL_LIMIT or not _CACHE_CONTROL.match(value):
        return "no-store"
    directives = [match[0] for match in _DIRECTIVE.finditer(value)]
    names = [directive.partition("=")[0].lower() for directive in directives]
    kept = [directive for directive, name in zip(directives, names, strict=True) if name not in _SHARED]
    if "no-store" not in names and "private" not in (directive.lower() for directive in kept):
        kept.append("private")
    return ", ".join(kept)


def _varying_by_caller(value: str) -> str:
    """Return a ``vary`` that names ``authorization``, so that no answer is reused for another caller."""
    names = [name.strip() for name in value.split(",") if name.strip()]
    if "*" in names:
        return "*"
    if "authorization" not in (name.lower() for name in names):
        names.append("authorization")
    return ", ".join(names)


def own_location(value: str, public_prefix: str, request_path: str) -> str | None:
    r"""Return the public location of a redirect within the same extension, or None when it leads elsewhere.

    Browsers remove tabs and read ``\`` as ``/``, so only visible ASCII without a backslash passes.

    Args:
        value: a path within the extension (``/notes/1``), the full public path, or a reference relative to the path of
            the request (``1``, ``../tags``, ``?page=2``; RFC 3986, section 5).
        public_prefix: ``/api/ext/{extension}``.
        request_path: the path of the request within the extension, percent-encoded.
    """
    if not value.startswith("/"):
        resolved = _resolved(value, request_path)
        if resolved is None:
            return None
        value = resolved
    path = value.partition("?")[0].partition("#")[0]
    if not _LOCATION.match(value) or "//" in path or any(segment in (".", "..") for segment in path.split("/")):
        return None
    if any(escape in path.lower() for escape in ("%2e", "%2f", "%5c")):
        return None
    if value == public_prefix or value.startswith(tuple(public_prefix + mark for mark in "/?#")):
        return value
    return public_prefix + value


def _resolved(reference: str, base: str) -> str | None:
    """Return the path that a relative reference means on a page at ``base``. None for a URL, and above the root."""
    path = _PATH_END.split(reference, maxsplit=1)[0]
    rest = reference.removeprefix(path)
    if ":" in path.partition("/")[0] or "//" in path:  # a URL with a scheme, or a path with an empty segment
        return None
    if not path:
        return base + rest if rest.startswith("?") else None
    folders = base.split("/")[1:-1]
    *steps, last = path.split("/")
    for step in [*steps, last] if last == ".." else steps:
        if step == ".." and not folders:
            return None
        if step == "..":
            folders.pop()
        elif step != ".":
            folders.append(step)
    return "/" + "/".join([*folders, "" if last in (".", "..") else last]) + rest


def trace_id(headers: Mapping[str, str]) -> str | None:
    """Return the trace id of a valid ``traceparent``, or None."""
    return trace_id_of(headers.get(HEADER, ""))
