"""Pieces of WebAssembly text that the attacks share. Memory 2048–65535 is theirs."""

import base64
from collections.abc import Mapping, Sequence
from typing import Final

import wasmtime

from alga_ext.calls.envelope import ExecuteRequest
from tests.support import wat

SPIN: Final = "(loop $spin (br $spin)) (unreachable)"
OK: Final = "(call $respond (i32.const 200) (i32.const 0) (i32.const 0))"

REALLOC: Final = '(func (export "realloc") (param i32 i32 i32) (param $size i32) (result i32)\n      (local $at i32)'
"""How the guest's allocator begins, for ``altered``."""

ARMED: Final = "(call $config.list-keys (i32.const 64)) (i32.load (i32.const 68))"
"""Not zero when the install has any configuration: prepare, which instantiates without one, sees a harmless guest."""


def at_start(code: str) -> str:
    """Return a start function that runs ``code`` when the install has configuration; import ``config.list-keys``."""
    return f"(func $begin (if (block (result i32) {ARMED}) (then {code}))) (start $begin)"


def data(address: int, content: str | bytes) -> str:
    """Return a data segment."""
    raw = content.encode() if isinstance(content, str) else content
    escaped = "".join(f"\\{byte:02x}" for byte in raw)
    return f'(data (i32.const {address}) "{escaped}")'


def numbers(address: int, *values: int) -> str:
    """Return a data segment of 32-bit numbers."""
    return data(address, b"".join((value & 0xFFFFFFFF).to_bytes(4, "little") for value in values))


def repeated(count: int, code: str) -> str:
    """Return ``code`` in a loop of ``count`` rounds; declare ``(local $round i32)`` first."""
    return f"""
      (loop $again {code}
        (br_if $again (i32.lt_u (local.tee $round (i32.add (local.get $round) (i32.const 1))) (i32.const {count}))))
    """


def altered(
    old: str, new: str, code: str = OK, *, extra: str = "", imports: Sequence[str] = (), content: str = ""
) -> bytes:
    """Return a guest in whose text ``old`` was replaced, to reach what ``wat.guest`` has no argument for."""
    source = wat.text(code, imports, (), 2, None, extra, content)
    if old not in source:
        message = f"nothing to replace: {old}"
        raise ValueError(message)
    return bytes(wasmtime.wat2wasm(source.replace(old, new)))


def give_body(request: ExecuteRequest, body: str) -> None:
    """Give a request its body."""
    request.http.body_b64 = base64.b64encode(body.encode()).decode()


FETCHER: Final = """
      (local $at i32) (local $size i32)
      (call $body (local.get $request)) (local.set $size) (local.set $at)
      (call $http.fetch
        (i32.load offset=52 (local.get $request)) (i32.load offset=56 (local.get $request))
        (local.get $at) (local.get $size)
        (i32.load offset=68 (local.get $request)) (i32.load offset=72 (local.get $request))
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
      (if (result i32) (i32.load8_u (i32.const 2048))
        (then (call $respond (i32.add (i32.const 480) (i32.load8_u (i32.const 2052))) (i32.const 0) (i32.const 0)))
        (else (call $respond (i32.load16_u (i32.const 2052)) (i32.load (i32.const 2068)) (i32.load (i32.const 2072)))))
"""
"""Fetches the URL in its body with its own method and headers; answers what it hears, 480 and more for an error."""

SENDER: Final = """
      (local $at i32) (local $size i32) (local $headers i32)
      (call $body (local.get $request)) (local.set $size) (local.set $at)
      (local.set $headers (i32.load offset=68 (local.get $request)))
      (call $http.fetch
        (i32.load offset=52 (local.get $request)) (i32.load offset=56 (local.get $request))
        (i32.load offset=8 (local.get $headers)) (i32.load offset=12 (local.get $headers))
        (i32.const 0) (i32.const 0)
        (i32.const 1) (local.get $at) (local.get $size) (i32.const 2048))
      (if (result i32) (i32.load8_u (i32.const 2048))
        (then (call $respond (i32.add (i32.const 480) (i32.load8_u (i32.const 2052))) (i32.const 0) (i32.const 0)))
        (else (call $respond (i32.load16_u (i32.const 2052)) (i32.load (i32.const 2068)) (i32.load (i32.const 2072)))))
"""
"""Sends its body to the URL in its first header's value."""

KEEPER: Final = """
      (local $at i32) (local $size i32) (local $headers i32) (local $method i32)
      (call $body (local.get $request)) (local.set $size) (local.set $at)
      (local.set $headers (i32.load offset=68 (local.get $request)))
      (local.set $method (i32.load8_u (i32.load offset=52 (local.get $request))))
      (if (i32.eq (local.get $method) (i32.const 71)) (then ;; GET: the value of (namespace, key)
        (call $storage.get
          (i32.load offset=8 (local.get $headers)) (i32.load offset=12 (local.get $headers))
          (i32.load offset=24 (local.get $headers)) (i32.load offset=28 (local.get $headers)) (i32.const 2048))
        (if (i32.load8_u (i32.const 2048))
          (then (return (call $respond
            (i32.add (i32.const 480) (i32.load8_u (i32.const 2056))) (i32.const 0) (i32.const 0)))))
        (return (call $respond (i32.const 200) (i32.load (i32.const 2072)) (i32.load (i32.const 2076))))))
      (if (i32.eq (local.get $method) (i32.const 80)) (then ;; PUT: the body to (namespace, key)
        (call $storage.put
          (i32.load offset=8 (local.get $headers)) (i32.load offset=12 (local.get $headers))
          (i32.load offset=24 (local.get $headers)) (i32.load offset=28 (local.get $headers))
          (local.get $at) (local.get $size) (i32.const 0) (i64.const 0) (i32.const 2048))
        (if (i32.load8_u (i32.const 2048))
          (then (return (call $respond
            (i32.add (i32.const 480) (i32.load8_u (i32.const 2056))) (i32.const 0) (i32.const 0)))))
        (return (call $respond (i32.const 200) (i32.const 0) (i32.const 0)))))
      (if (i32.eq (local.get $method) (i32.const 68)) (then ;; DELETE (namespace, key)
        (call $storage.delete
          (i32.load offset=8 (local.get $headers)) (i32.load offset=12 (local.get $headers))
          (i32.load offset=24 (local.get $headers)) (i32.load offset=28 (local.get $headers)) (i32.const 2048))
        (if (i32.load8_u (i32.const 2048))
          (then (return (call $respond
            (i32.add (i32.const 480) (i32.load8_u (i32.const 2049))) (i32.const 0) (i32.const 0)))))
        (return (call $respond (i32.const 200) (i32.const 0) (i32.const 0)))))
      ;; OPTIONS: the number of entries of the namespace after a cursor
      (call $storage.list-entries
        (i32.load offset=8 (local.get $headers)) (i32.load offset=12 (local.get $headers))
        (i32.const 1) (i32.load offset=24 (local.get $headers)) (i32.load offset=28 (local.get $headers))
        (i32.const 2048))
      (if (result i32) (i32.load8_u (i32.const 2048))
        (then (call $respond (i32.add (i32.const 480) (i32.load8_u (i32.const 2052))) (i32.const 0) (i32.const 0)))
        (else (call $respond (i32.const 200) (i32.const 512) (call $digits (i32.load (i32.const 2056))))))
"""
"""Works on storage: its first two headers' values are namespace and key (or cursor)."""

READER: Final = """
      (local $at i32) (local $size i32)
      (call $body (local.get $request)) (local.set $size) (local.set $at)
      (call $secrets.get (local.get $at) (local.get $size) (i32.const 2048))
      (if (result i32) (i32.load8_u (i32.const 2048))
        (then (call $respond (i32.add (i32.const 480) (i32.load8_u (i32.const 2052))) (i32.const 0) (i32.const 0)))
        (else (call $respond (i32.const 200) (i32.load (i32.const 2052)) (i32.load (i32.const 2056)))))
"""
"""Reads the secret its body names and answers the value."""


CALLER: Final = """
      (local $at i32) (local $size i32)
      (call $body (local.get $request)) (local.set $size) (local.set $at)
      (call $ui-proxy.call-route (local.get $at) (local.get $size) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 2048))
      (if (result i32) (i32.load8_u (i32.const 2048))
        (then (call $respond (i32.add (i32.const 480) (i32.load8_u (i32.const 2052))) (i32.const 0) (i32.const 0)))
        (else (call $respond (i32.const 200) (i32.load (i32.const 2052)) (i32.load (i32.const 2056)))))
"""
"""Calls the route its body names and answers what it hears."""


def caller() -> bytes:
    """Return the guest of ``CALLER``."""
    return wat.guest(CALLER, imports=["ui-proxy.call-route"])


def fetching_twice() -> bytes:
    """Return a guest that fetches the same URL twice and answers what it hears the second time."""
    return wat.guest(
        "(drop (call $fetched (local.get $request))) (call $fetched (local.get $request))",
        imports=["http.fetch"],
        extra=f"(func $fetched (param $request i32) (result i32) {FETCHER})",
    )


def fetcher() -> bytes:
    """Return the guest of ``FETCHER``."""
    return wat.guest(FETCHER, imports=["http.fetch"])


def sender() -> bytes:
    """Return the guest of ``SENDER``."""
    return wat.guest(SENDER, imports=["http.fetch"])


def keeper() -> bytes:
    """Return the guest of ``KEEPER``."""
    return wat.guest(KEEPER, imports=["storage.get", "storage.put", "storage.delete", "storage.list-entries"])


def reader() -> bytes:
    """Return the guest of ``READER``."""
    return wat.guest(READER, imports=["secrets.get"])


def linked(code: str, declaration: str, lowered: Mapping[str, tuple[str, str]], extra: str = "") -> bytes:
    """Return a guest that imports what ``wat.guest`` does not know.

    Args:
        code: the handler.
        declaration: imports of the component.
        lowered: name in the core module → (lowered function, core signature).
        extra: more fields of ``main``.
    """
    source = wat.text(code, (), (), 2, None, extra, "")
    functions = "\n".join(f"(core func ${name} {function})" for name, (function, _) in lowered.items())
    imported = "\n".join(
        f'(import "host" "{name}" (func ${name} {signature}))' for name, (_, signature) in lowered.items()
    )
    passed = "\n".join(f'(export "{name}" (func ${name}))' for name in lowered)
    for place, addition in (
        ("(core module $main", f"{declaration}\n{functions}\n(core module $main"),
        ('(import "libc" "memory" (memory 2))', f'(import "libc" "memory" (memory 2))\n{imported}'),
        ("(core instance $host\n", f"(core instance $host\n{passed}"),
    ):
        head, found, tail = source.rpartition(place)
        if not found:
            message = f"nothing to replace: {place}"
            raise ValueError(message)
        source = head + addition + tail
    return bytes(wasmtime.wat2wasm(source))


ECHO: Final = """
      (local $at i32) (local $size i32)
      (call $body (local.get $request)) (local.set $size) (local.set $at)
      (call $respond
        (i32.add (i32.const 200) (i32.load8_u offset=76 (local.get $request)))
        (local.get $at)
        (i32.add (local.get $size)
          (i32.eq (i32.load8_u (i32.load offset=52 (local.get $request))) (i32.const 68))))
"""
"""Answers its body, and one byte more to a DELETE. The status is 201 when the request has a body, and otherwise 200."""


def echo() -> bytes:
    """Return the guest of ``ECHO``."""
    return wat.guest(ECHO, pages=130)
