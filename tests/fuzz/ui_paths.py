"""Fuzz the reading of paths at UI host, gateway and publish, and what a guest's answer may put into a response."""

import sys
from urllib.parse import unquote

import atheris

with atheris.instrument_imports(include=["functions.uihost", "functions.gateway", "alga_ext.bundles"]):
    from alga_ext.bundles.endpoint_paths import normal_path
    from functions.gateway.headers import to_caller
    from functions.gateway.routing import find_endpoint, parse_path
    from functions.uihost import negotiation
    from functions.uihost.paths import parse

from tests.fuzz.harness import fuzz, refused_or_read

ENDPOINTS = [{"method": "GET", "path": path} for path in ("/", "/a", "/a/:b", "/:a/b", "/a/b/c")]
PREFIX = "/api/ext/acme.notes"


def one_input(data: bytes) -> None:
    text = data[1:].decode("utf-8", "surrogateescape")
    kind = data[:1]
    if kind == b"\0":
        refused_or_read(lambda: check_path(f"/ext-ui/x/{'ab' * 32}/{text}"))
        refused_or_read(lambda: check_path(text))
        refused_or_read(lambda: check_path(f"/ext-ui/{'ab' * 32}/a", text))
    elif kind == b"\1":
        check_headers(text)
    elif kind == b"\2":
        check_answer(text)
    elif kind == b"\4":
        check_declared(text)
    else:
        target = parse_path(f"/api/ext/{text}")
        if target is not None:
            find_endpoint(ENDPOINTS, "GET", target.path)


def check_path(raw: str, extension: str = "") -> None:
    read = parse(raw, extension)
    path = f"{read.extension_id or 'x'}/{read.path}"
    if "//" in path or "\\" in path or any(part.startswith(".") for part in path.split("/")):
        message = f"read {path!r}"
        raise AssertionError(message)


def check_headers(text: str) -> None:
    if negotiation.choose_encoding(text, {"identity", ".br"}) not in ("identity", ".br"):
        message = "chose a form that is not there"
        raise AssertionError(message)
    negotiation.etag_matches(text, '"a"')
    try:
        span = negotiation.byte_range(text, 100)
    except ValueError:
        return
    if span is not None and not 0 <= span[0] <= span[1] < 100:
        message = f"read the range {span}"
        raise AssertionError(message)


def check_declared(path: str) -> None:
    """Check that a declared path is refused, or is its own normal form and found by a request for it."""
    try:
        normal = normal_path(path, parameters=False)
    except ValueError:
        return
    endpoints = [{"method": "GET", "path": normal}]
    if normal_path(normal, parameters=False) != normal or find_endpoint(endpoints, "GET", unquote(path)) is None:
        message = f"{path!r} became {normal!r}"
        raise AssertionError(message)


def check_answer(text: str) -> None:
    name, _, value = text.partition(":")
    for passed, given in to_caller({name: value, "location": value, "x-ext-a": [value, name]}, PREFIX, "/a/b").items():
        if not passed.isascii() or any(mark in passed + given for mark in "\r\n\0"):
            message = f"passed {passed!r}: {given!r}"
            raise AssertionError(message)
        leads_up = any(part in (".", "..") for part in given.partition("?")[0].partition("#")[0].split("/"))
        if passed == "location" and (not given.startswith(PREFIX) or leads_up):
            message = f"led to {given!r}"
            raise AssertionError(message)


def seeds() -> list[bytes]:
    return [
        b"\0a/b%20c.js", b"\0%2e%2e/x", b"\1br;q=0.5, gzip", b"\1bytes=0-5", b"\1bytes=-7", b'\1W/"a", *',
        b"\2location:/notes/1", b"\2x-ext-b:1\r\n", b"\3x/a/b",
        b"\2location:../p/x?page=2", b"\4/a%20b/%c3%a4:x",
    ]  # fmt: skip


if __name__ == "__main__":
    fuzz("ui_paths", one_input, seeds(), sys.argv[1:])
