"""Components in WebAssembly text: the world's imports are declared from its own description, a test writes the code.

A guest is two core modules: ``libc`` with the memory and a bump allocator, and ``main`` with the test's code, which
imports the memory as ``libc.memory``, ``$alloc`` and each wanted host import under its own name (``$storage.get``).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

import wasmtime

from functions.runner.sandbox.protocol.shapes import (
    Enum,
    Function,
    ListOf,
    Option,
    Primitive,
    Record,
    Result,
    TupleOf,
    Type,
    Variant,
)
from functions.runner.sandbox.protocol.world import EXECUTE_REQUEST, EXECUTE_RESPONSE, IMPORTS

WASI: Final = {
    "sleep": """
  (import "wasi:io/poll@0.2.3" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.3" (instance $clock
    (alias outer 1 $pollable (type $outer-pollable))
    (export "pollable" (type $clock-pollable (eq $outer-pollable)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $clock-pollable))))))
  ;; lowered
  (core func $wasi.subscribe (canon lower (func $clock "subscribe-duration")))
  (core func $wasi.block (canon lower (func $poll "[method]pollable.block")))
""",
    "streams": """
  (import "wasi:io/error@0.2.3" (instance $ioerror (export "error" (type (sub resource)))))
  (alias export $ioerror "error" (type $error))
  (import "wasi:io/streams@0.2.3" (instance $streams
    (export "output-stream" (type $out (sub resource)))
    (alias outer 1 $error (type $outer-error))
    (export "error" (type $stream-error' (eq $outer-error)))
    (type $stream-error (variant (case "last-operation-failed" (own $stream-error')) (case "closed")))
    (export "stream-error" (type $stream-error2 (eq $stream-error)))
    (export "[method]output-stream.blocking-write-and-flush"
      (func (param "self" (borrow $out)) (param "contents" (list u8)) (result (result (error $stream-error2)))))))
  (alias export $streams "output-stream" (type $output-stream))
  (import "wasi:cli/stderr@0.2.3" (instance $stderr
    (alias outer 1 $output-stream (type $outer-out))
    (export "output-stream" (type $stderr-out (eq $outer-out)))
    (export "get-stderr" (func (result (own $stderr-out))))))
  (import "wasi:cli/stdout@0.2.3" (instance $stdout
    (alias outer 1 $output-stream (type $outer-out))
    (export "output-stream" (type $stdout-out (eq $outer-out)))
    (export "get-stdout" (func (result (own $stdout-out))))))
  ;; lowered
  (core func $wasi.stderr (canon lower (func $stderr "get-stderr")))
  (core func $wasi.stdout (canon lower (func $stdout "get-stdout")))
  (core func $wasi.write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush")
    (memory $memory) (realloc $realloc)))
""",
    "exit": """
  (import "wasi:cli/exit@0.2.3" (instance $exit (export "exit" (func (param "status" (result))))))
  ;; lowered
  (core func $wasi.exit (canon lower (func $exit "exit")))
""",
    "environment": """
  (import "wasi:cli/environment@0.2.3" (instance $env
    (export "get-environment" (func (result (list (tuple string string)))))
    (export "get-arguments" (func (result (list string))))))
  ;; lowered
  (core func $wasi.environment (canon lower (func $env "get-environment") (memory $memory) (realloc $realloc)))
  (core func $wasi.arguments (canon lower (func $env "get-arguments") (memory $memory) (realloc $realloc)))
""",
    "preopens": """
  (import "wasi:filesystem/types@0.2.3" (instance $fs (export "descriptor" (type (sub resource)))))
  (alias export $fs "descriptor" (type $descriptor))
  (import "wasi:filesystem/preopens@0.2.3" (instance $preopens
    (alias outer 1 $descriptor (type $outer-descriptor))
    (export "descriptor" (type $pre-descriptor (eq $outer-descriptor)))
    (export "get-directories" (func (result (list (tuple (own $pre-descriptor) string)))))))
  ;; lowered
  (core func $wasi.directories (canon lower (func $preopens "get-directories") (memory $memory) (realloc $realloc)))
""",
    "sockets": """
  (import "wasi:sockets/network@0.2.3" (instance $network (export "network" (type (sub resource)))))
  (alias export $network "network" (type $network))
  (import "wasi:sockets/instance-network@0.2.3" (instance $instance-network
    (alias outer 1 $network (type $outer-network))
    (export "network" (type $inner-network (eq $outer-network)))
    (export "instance-network" (func (result (own $inner-network))))))
  ;; lowered
  (core func $wasi.network (canon lower (func $instance-network "instance-network")))
""",
    "outgoing-http": """
  (import "wasi:http/types@0.2.3" (instance $wasi-http
    (export "fields" (type $fields (sub resource)))
    (export "[constructor]fields" (func (result (own $fields))))))
  ;; lowered
  (core func $wasi.fields (canon lower (func $wasi-http "[constructor]fields")))
""",
}
"""Parts of WASI a guest may use: declarations and lowered functions."""

_WASI_CORE: Final = {
    "sleep": {"wasi.subscribe": "(param i64) (result i32)", "wasi.block": "(param i32)"},
    "streams": {
        "wasi.stderr": "(result i32)",
        "wasi.stdout": "(result i32)",
        "wasi.write": "(param i32 i32 i32 i32)",
    },
    "exit": {"wasi.exit": "(param i32)"},
    "environment": {"wasi.environment": "(param i32)", "wasi.arguments": "(param i32)"},
    "preopens": {"wasi.directories": "(param i32)"},
    "sockets": {"wasi.network": "(result i32)"},
    "outgoing-http": {"wasi.fields": "(result i32)"},
}

_RESPONSE_AREA: Final = 1024

HELPERS: Final = f"""
    ;; Answer a status with no headers and the bytes at $at as body; the result is the response's address.
    (func $respond (param $status i32) (param $at i32) (param $size i32) (result i32)
      (i32.store16 (i32.const {_RESPONSE_AREA}) (local.get $status))
      (i32.store (i32.const {_RESPONSE_AREA + 4}) (i32.const 0))
      (i32.store (i32.const {_RESPONSE_AREA + 8}) (i32.const 0))
      (i32.store (i32.const {_RESPONSE_AREA + 12}) (i32.const 1))
      (i32.store (i32.const {_RESPONSE_AREA + 16}) (local.get $at))
      (i32.store (i32.const {_RESPONSE_AREA + 20}) (local.get $size))
      (i32.const {_RESPONSE_AREA}))
    ;; Give the response headers: $count pairs of (address, size) at $at.
    (func $headers (param $at i32) (param $count i32)
      (i32.store (i32.const {_RESPONSE_AREA + 4}) (local.get $at))
      (i32.store (i32.const {_RESPONSE_AREA + 8}) (local.get $count)))
    ;; The request's body: address and size, 0 and 0 when it has none.
    (func $body (param $request i32) (result i32 i32)
      (if (result i32 i32) (i32.load8_u offset=76 (local.get $request))
        (then (i32.load offset=80 (local.get $request)) (i32.load offset=84 (local.get $request)))
        (else (i32.const 0) (i32.const 0))))
    ;; Print a number as text at 512 and return its size.
    (func $digits (param $number i32) (result i32)
      (local $size i32) (local $rest i32)
      (local.set $rest (local.get $number))
      (loop $count
        (local.set $size (i32.add (local.get $size) (i32.const 1)))
        (br_if $count (local.tee $rest (i32.div_u (local.get $rest) (i32.const 10)))))
      (local.set $rest (local.get $size))
      (loop $write
        (local.set $rest (i32.sub (local.get $rest) (i32.const 1)))
        (i32.store8 (i32.add (i32.const 512) (local.get $rest))
          (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10))))
        (local.set $number (i32.div_u (local.get $number) (i32.const 10)))
        (br_if $write (local.get $rest)))
      (local.get $size))
"""
"""Functions every guest has. Memory: 0–511 is the test's, 512–1023 numbers, 1024–2047 the response, heap from 65536."""


Layout = Literal["imports first", "imports late", "own instance first"]
"""Where a component has its imports: before all else, as toolchains have them; after its core modules; or after an
instance of its own, which cannot be given the adapter for bodies (see functions.runner.sandbox.compiler.packing)."""


def guest(
    code: str,
    *,
    imports: Sequence[str] = (),
    wasi: Sequence[str] = (),
    pages: int = 2,
    max_pages: int | None = None,
    extra: str = "",
    data: str = "",
    layout: Layout = "imports first",
) -> bytes:
    """Return a component whose handler is ``code``.

    Args:
        code: the body of ``(func $handler (param $request i32) (result i32) …)`` in ``main``.
        imports: host imports, ``interface.function``.
        wasi: parts of WASI, keys of ``WASI``.
        pages: initial pages of the memory, 64 KiB each.
        max_pages: its own maximum, if any.
        extra: more fields of ``main``: functions, globals, tables.
        data: data segments of ``main``.
        layout: where its imports are.
    """
    return bytes(wasmtime.wat2wasm(text(code, imports, wasi, pages, max_pages, extra, data, layout)))


def text(
    code: str,
    imports: Sequence[str],
    wasi: Sequence[str],
    pages: int,
    max_pages: int | None,
    extra: str,
    data: str,
    layout: Layout = "imports first",
) -> str:
    """Return the text of ``guest``."""
    core_imports = {name: _core_signature(_function(name)) for name in imports}
    for part in wasi:
        core_imports.update(_WASI_CORE[part])
    core_declared = "\n".join(
        f'    (import "host" "{name}" (func ${name} {signature}))' for name, signature in core_imports.items()
    )
    passed = "\n".join(f'      (export "{name}" (func ${name}))' for name in core_imports)
    interfaces = _interfaces(imports)
    parts = [WASI[part].partition("  ;; lowered\n") for part in wasi]
    declarations = [_named_types(), *(declared for declared, _ in interfaces), *(part[0] for part in parts)]
    definitions = [_libc(pages, max_pages)]
    lowered = [*(low for _, low in interfaces), *(part[2] for part in parts)]
    match layout:
        case "imports first":
            head = [*declarations, *definitions]
        case "imports late":
            head = [*definitions, *declarations]
        case "own instance first":
            head = ["(component $own) (instance (instantiate $own))", *declarations, *definitions]
    return f"""(component
{"".join(head)}
{"".join(lowered)}
  (core module $main
    (import "libc" "memory" (memory {pages}))
    (import "libc" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
{core_declared}
    (func $alloc (param $size i32) (result i32)
      (call $realloc (i32.const 0) (i32.const 0) (i32.const 8) (local.get $size)))
{HELPERS}
{extra}
{data}
    (func $handler (export "handler") (param $request i32) (result i32)
{code})
  )
  (core instance $host
{passed})
  (core instance $program (instantiate $main
    (with "libc" (instance $libc)) (with "host" (instance $host))))
  (func $handler (param "request" $execute-request) (result $execute-response)
    (canon lift (core func $program "handler") (memory $memory) (realloc $realloc)))
  (export "handler" (func $handler))
)"""


def _libc(pages: int, max_pages: int | None) -> str:
    return f"""
  (core module $libc-module
    (memory (export "memory") {pages} {max_pages or ""})
    (global $top (mut i32) (i32.const 65536))
    (func (export "realloc") (param i32 i32 i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (global.set $top (i32.add (local.get $at) (local.get $size)))
      (if (i32.gt_u (global.get $top) (i32.mul (memory.size) (i32.const 65536)))
        (then (if (i32.eq (i32.const -1) (memory.grow (i32.add (i32.const 1)
            (i32.div_u (i32.sub (global.get $top) (i32.mul (memory.size) (i32.const 65536))) (i32.const 65536)))))
          (then (unreachable)))))
      (local.get $at)))
  (core instance $libc (instantiate $libc-module))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))"""


def _named_types() -> str:
    """Declare the request and response, each type named by an import, as the component model wants it."""
    writer = _Types("alga:extension/types")
    request, response = writer.reference(EXECUTE_REQUEST), writer.reference(EXECUTE_RESPONSE)
    return f"""
  (import "alga:extension/types" (instance $types
{writer.text()}))
  (alias export $types "{writer.name_of(request)}" (type $execute-request'))
  (alias export $types "{writer.name_of(response)}" (type $execute-response'))
  (import "execute-request" (type $execute-request (eq $execute-request')))
  (import "execute-response" (type $execute-response (eq $execute-response')))"""


def _interfaces(imports: Iterable[str]) -> list[tuple[str, str]]:
    wanted: dict[str, list[str]] = {}
    for name in imports:
        interface, _, function = name.partition(".")
        wanted.setdefault(interface, []).append(function)
    return [_interface(interface, functions) for interface, functions in wanted.items()]


def _interface(interface: str, functions: list[str]) -> tuple[str, str]:
    """Return the declaration of an imported interface, and its lowered functions."""
    lowered = "\n".join(
        f'  (core func ${interface}.{f} (canon lower (func ${interface} "{f}") (memory $memory) (realloc $realloc)))'
        for f in functions
    )
    return declaration(interface, {name: IMPORTS[interface][name] for name in functions}), f"{lowered}\n"


def declaration(interface: str, functions: Mapping[str, Function]) -> str:
    """Return the import of an interface with these functions."""
    writer = _Types(interface)
    exports = []
    for name, function in functions.items():
        params = " ".join(f'(param "p{i}" {writer.reference(kind)})' for i, kind in enumerate(function.params))
        result = f"(result {writer.reference(function.result)})" if function.result else ""
        exports.append(f'    (export "{name}" (func {params} {result}))')
    body = "\n".join(exports)
    return f'  (import "alga:extension/{interface}" (instance ${interface}\n{writer.text()}\n{body}))\n'


class _Types:
    """Writes type declarations inside an instance type; records, enums and variants get names."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._lines: list[str] = []
        self._known: dict[Type, str] = {}

    def text(self) -> str:
        return "\n".join(self._lines)

    def name_of(self, reference: str) -> str:
        return reference.removeprefix("$")

    def reference(self, kind: Type) -> str:
        match kind:
            case Primitive(name):
                return name
            case ListOf(element):
                return f"(list {self.reference(element)})"
            case Option(payload):
                return f"(option {self.reference(payload)})"
            case TupleOf(elements):
                return f"(tuple {' '.join(self.reference(element) for element in elements)})"
            case Result(ok, err):
                shown_ok = self.reference(ok) if ok else ""
                shown_err = f"(error {self.reference(err)})" if err else ""
                return f"(result {shown_ok} {shown_err})"
            case _:
                return self._named(kind)

    def _named(self, kind: Record | Enum | Variant) -> str:
        if kind not in self._known:
            match kind:
                case Record(fields):
                    parts = " ".join(f'(field "{name}" {self.reference(field)})' for name, field in fields)
                    body = f"(record {parts})"
                case Enum(cases):
                    names = " ".join(f'"{case}"' for case in cases)
                    body = f"(enum {names})"
                case Variant(cases):
                    shown = [f'(case "{n}" {self.reference(p)})' if p else f'(case "{n}")' for n, p in cases]
                    body = f"(variant {' '.join(shown)})"
            name = f"t{len(self._known)}"
            self._lines.append(f"    (type ${name}-type {body})")
            self._lines.append(f'    (export "{name}" (type ${name} (eq ${name}-type)))')
            self._known[kind] = f"${name}"
        return self._known[kind]


def _function(name: str) -> Function:
    interface, _, function = name.partition(".")
    return IMPORTS[interface][function]


def _core_signature(function: Function) -> str:
    params = [core for kind in function.params for core in _flat(kind)]
    if len(params) > 16:
        params = ["i32"]
    results = _flat(function.result) if function.result else []
    if len(results) > 1:
        params, results = [*params, "i32"], []
    shown = f"(param {' '.join(params)})" if params else ""
    return f"{shown} (result {results[0]})" if results else shown


def _flat(kind: Type) -> list[str]:
    match kind:
        case Primitive("u64"):
            return ["i64"]
        case Primitive("f64"):
            return ["f64"]
        case Primitive("string") | ListOf(_):
            return ["i32", "i32"]
        case Primitive(_) | Enum(_):
            return ["i32"]
        case Option(payload):
            return ["i32", *_flat(payload)]
        case Record(fields):
            return [core for _, field in fields for core in _flat(field)]
        case TupleOf(elements):
            return [core for element in elements for core in _flat(element)]
        case Result(ok, err):
            return ["i32", *_joined([_flat(part) if part else [] for part in (ok, err)])]
        case Variant(cases):
            return ["i32", *_joined([_flat(payload) if payload else [] for _, payload in cases])]


def _joined(alternatives: list[list[str]]) -> list[str]:
    longest = max(len(alternative) for alternative in alternatives)
    joined = []
    for place in range(longest):
        kinds = {alternative[place] for alternative in alternatives if len(alternative) > place}
        if len(kinds) == 1:
            joined.append(kinds.pop())
        elif kinds <= {"i32", "f32"}:
            joined.append("i32")
        else:
            joined.append("i64")
    return joined
