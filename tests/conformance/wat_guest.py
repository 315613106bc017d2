"""The guest in WebAssembly text: the routes of the others, without a language's runtime in between.

It understands no JSON. Arguments come as an image of linear memory, which it lays at ``IMAGE``; the answer to a call is
its whole memory, and the host's result in it is read here, by the rules of the canonical ABI. So this guest also shows
that the runner keeps those rules to the letter.
"""

import struct
from collections.abc import Sequence
from typing import Any, Final

from alga_ext.calls.envelope import ExecuteResponse
from functions.runner.sandbox.protocol.shapes import TupleOf
from functions.runner.sandbox.protocol.world import EXECUTE_REQUEST, EXECUTE_RESPONSE, IMPORTS
from tests.conformance import canonical
from tests.conformance.envelopes import body_of
from tests.conformance.guest import Guest, Header, Seen, function_of, seen_of
from tests.conformance.port import RunnerPort
from tests.support.wat import Layout, guest

IMAGE: Final = 16 * 1024 * 1024
RESULT: Final = 2_048
HEAD_BYTES: Final = 16
"""An image starts with the function's index and how often to call it; core values follow, 8 bytes each."""

FUNCTIONS: Final = [f"{interface}.{name}" for interface, functions in IMPORTS.items() for name in functions]

ROUTES: Final = """
    (if (i32.eq (local.get $route) (i32.const {call})) (then
      (call $lay-image (local.get $request))
      (local.set $left (i32.load offset=4 (i32.const {IMAGE})))
      (loop $again
        (call $dispatch (i32.load (i32.const {IMAGE})))
        (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
      (return (call $everything))))
    (if (i32.eq (local.get $route) (i32.const {requ})) (then
      (i32.store (i32.const {RESULT}) (local.get $request))
      (return (call $everything))))
    (if (i32.eq (local.get $route) (i32.const {echo})) (then
      (call $body (local.get $request))
      (local.set $size)
      (local.set $at)
      (return (call $respond (i32.const 200) (local.get $at) (local.get $size)))))
    (if (i32.eq (local.get $route) (i32.const {resp})) (then
      (call $lay-image (local.get $request))
      (return (i32.const {IMAGE}))))
    (if (i32.eq (local.get $route) (i32.const {stat})) (then
      (local.set $at (call $respond (call $number (local.get $request)) (i32.const 0) (i32.const 0)))
      (i32.store offset=12 (local.get $at) (i32.const 0))
      (return (local.get $at))))
    (if (i32.eq (local.get $route) (i32.const {byte})) (then
      (local.set $size (call $number (local.get $request)))
      (local.set $at (call $filled (local.get $size)))
      (return (call $respond (i32.const 200) (local.get $at) (local.get $size)))))
    (if (i32.eq (local.get $route) (i32.const {coun})) (then
      (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
      (return (call $respond (i32.const 200) (i32.const 512) (call $digits (global.get $calls))))))
    (if (i32.eq (local.get $route) (i32.const {thro})) (then (unreachable)))
    (if (i32.eq (local.get $route) (i32.const {spin})) (then (loop $on (br $on))))
    (if (i32.eq (local.get $route) (i32.const {recu})) (then
      (return (call $respond (i32.const 200) (i32.const 0) (call $depth)))))
    (if (i32.eq (local.get $route) (i32.const {allo})) (then
      (local.set $left (call $number (local.get $request)))
      (loop $more
        (drop (call $filled (i32.const 1048576)))
        (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
      (return (call $respond (i32.const 200) (i32.const 0) (i32.const 0)))))
    (call $respond (i32.const 404) (i32.const 0) (i32.const 0))"""

TOOLS: Final = """
    (global $calls (mut i32) (i32.const 0))
    ;; Lay the request's body at the image's place.
    (func $lay-image (param $request i32)
      (local $at i32) (local $size i32) (local $pages i32)
      (call $body (local.get $request))
      (local.set $size)
      (local.set $at)
      (local.set $pages
        (i32.add (i32.const {pages}) (i32.shr_u (local.get $size) (i32.const 16))))
      (if (i32.gt_u (local.get $pages) (memory.size)) (then
        (if (i32.eq (i32.const -1) (memory.grow (i32.sub (local.get $pages) (memory.size)))) (then (unreachable)))))
      (memory.copy (i32.const {IMAGE}) (local.get $at) (local.get $size)))
    ;; Answer the memory up to where it is used.
    (func $everything (result i32)
      (call $respond (i32.const 200) (i32.const 0) (call $alloc (i32.const 0))))
    (func $filled (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (call $alloc (local.get $size)))
      (memory.fill (local.get $at) (i32.const 97) (local.get $size))
      (local.get $at))
    (func $depth (result i32) (i32.add (i32.const 1) (call $depth)))
    ;; The digits the url ends with, as a number; 0 without any.
    (func $number (param $request i32) (result i32)
      (local $at i32) (local $left i32) (local $digit i32) (local $place i32) (local $number i32)
      (local.set $at (i32.load offset=60 (local.get $request)))
      (local.set $left (i32.load offset=64 (local.get $request)))
      (local.set $place (i32.const 1))
      (block $end
        (loop $next
          (br_if $end (i32.eqz (local.get $left)))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (local.set $digit
            (i32.sub (i32.load8_u (i32.add (local.get $at) (local.get $left))) (i32.const 48)))
          (br_if $end (i32.gt_u (local.get $digit) (i32.const 9)))
          (local.set $number
            (i32.add (local.get $number) (i32.mul (local.get $digit) (local.get $place))))
          (local.set $place (i32.mul (local.get $place) (i32.const 10)))
          (br $next)))
      (local.get $number))
"""


class WatGuest(Guest):
    """The guest below, with every import of the world.

    Args:
        layout: where its imports are; a runner that looks into components may treat them differently.
    """

    def __init__(self, name: str, runner: RunnerPort, *, layout: Layout = "imports first") -> None:
        super().__init__(name, runner, component(FUNCTIONS, layout=layout))

    def ask(self, function: str, *arguments: Any, times: int = 1, **given: Any) -> ExecuteResponse:
        """See ``Guest.ask``."""
        return self.run(path="/call", body=image_of(function, arguments, times), **given)

    def outcome(self, function: str, response: ExecuteResponse) -> Any:
        """See ``Guest.outcome``."""
        return outcome_of(function, body_of(response))

    def receive(self, *, below: str = "", **given: Any) -> Seen:
        """See ``Guest.receive``."""
        response = self.run(path=f"/request{below}", **given)
        assert response.error is None, response.error
        memory = body_of(response)
        (at,) = struct.unpack_from("<I", memory, RESULT)
        return seen_of(canonical.load(memory, EXECUTE_REQUEST, at))

    def respond(self, status: int, headers: Sequence[Header] = (), body: bytes | None = None) -> ExecuteResponse:
        """See ``Guest.respond``."""
        pairs = [{"name": name, "value": value} for name, value in headers]
        memory = canonical.Memory(IMAGE)
        at = memory.take(canonical.size(EXECUTE_RESPONSE), 8)
        canonical.store(memory, EXECUTE_RESPONSE, {"status": status, "headers": pairs, "body": body}, at)
        return self.run(path="/respond", body=bytes(memory.data))

    def count(self) -> int:
        """See ``Guest.count``."""
        return int(body_of(self.run(method="GET", path="/count")))


def component(functions: Sequence[str], *, layout: Layout = "imports first") -> bytes:
    """Return the component that can call these imports."""
    names = {name[:4]: int.from_bytes(name[:4].encode(), "little") for name in (
        "call", "request", "echo", "respond", "status", "bytes", "count", "throw", "spin", "recurse", "alloc",
    )}  # fmt: skip
    places = {"IMAGE": IMAGE, "RESULT": RESULT, "pages": IMAGE // 65_536 + 1}
    code = f"""
    (local $route i32) (local $at i32) (local $size i32) (local $left i32)
    (if (i32.gt_u (i32.load offset=64 (local.get $request)) (i32.const 4)) (then
      (local.set $route (i32.load offset=1 align=1 (i32.load offset=60 (local.get $request))))))
{ROUTES.format(**names, **places)}"""
    dispatch = "\n".join(_call(name) for name in functions)
    extra = f"{TOOLS.format(**places)}\n    (func $dispatch (param $index i32)\n{dispatch}\n      (unreachable))"
    return guest(code, imports=functions, extra=extra, layout=layout)


def image_of(function: str, arguments: Sequence[Any], times: int) -> bytes:
    """Return the image of memory with the arguments of a call."""
    kinds = function_of(function).params
    assert len(arguments) == len(kinds), function
    cores = _cores(function)
    memory = canonical.Memory(IMAGE)
    head = memory.take(HEAD_BYTES + 8 * len(cores), 8)
    if _is_spilled(function):
        together = TupleOf(kinds)
        at = memory.take(canonical.size(together), canonical.alignment(together))
        canonical.store(memory, together, arguments, at)
        values: list[int | float] = [at]
    else:
        values = [
            core
            for kind, argument in zip(kinds, arguments, strict=True)
            for core in canonical.lower(memory, kind, argument)
        ]
    memory.write(head, struct.pack("<II", FUNCTIONS.index(function), times))
    for place, (core, value) in enumerate(zip(cores, values, strict=True)):
        memory.write(head + HEAD_BYTES + 8 * place, struct.pack({"i32": "<I", "i64": "<Q", "f64": "<d"}[core], value))
    return bytes(memory.data)


def outcome_of(function: str, memory: bytes) -> Any:
    """Read the outcome of a call from the guest's memory."""
    return canonical.load(memory, function_of(function).result, RESULT)


def _call(function: str) -> str:
    """Return the text that calls one import with the image's core values and keeps the result at ``RESULT``."""
    loads = [
        f"({core}.load (i32.const {IMAGE + HEAD_BYTES + 8 * place}))" for place, core in enumerate(_cores(function))
    ]
    result = function_of(function).result
    if result is not None:
        assert len(canonical.flat(result)) > 1, function  # so that it comes through memory
        loads.append(f"(i32.const {RESULT})")
    index = FUNCTIONS.index(function)
    return f"""      (if (i32.eq (local.get $index) (i32.const {index})) (then
        (call ${function} {" ".join(loads)}) (return)))"""


def _cores(function: str) -> list[str]:
    if _is_spilled(function):
        return ["i32"]
    return [core for kind in function_of(function).params for core in canonical.flat(kind)]


def _is_spilled(function: str) -> bool:
    params = function_of(function).params
    return sum(len(canonical.flat(kind)) for kind in params) > canonical.FLAT_PARAMETERS_LIMIT
