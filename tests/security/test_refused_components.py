"""Components that are none, or not for this world: prepare says why and keeps nothing of them."""

import random
from collections.abc import Callable
from typing import Final

import pytest
import wasmtime

from alga_ext.calls.messages import Reason
from tests.security.attacks import GREETING
from tests.security.footprint import child_processes
from tests.security.guests import wat_snippets
from tests.security.world import World
from tests.support import wat
from tests.support.runner_fixture import MIB, call


def core(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(text))


def importing(declaration: str) -> bytes:
    """Return a guest that also imports what is declared."""
    source = wat.text(wat_snippets.OK, (), (), 2, None, "", "")
    return core(source.replace("(component\n", f"(component\n{declaration}\n", 1))


def _many(count: int) -> str:
    return "".join(f"(core module $m{i}) (core instance (instantiate $m{i}))" for i in range(count))


INVALID: Final = {
    "nothing": b"",
    "four bytes": b"\0asm",
    "text": b"(component)",
    "a guest in the text format": wat.text(wat_snippets.OK, (), (), 2, None, "", "").encode(),
    "zeros": bytes(4_096),
    "an ELF program": b"\x7fELF" + bytes(60),
    "a module and no component": core('(module (func (export "handler")))'),
    "half a component": GREETING[: len(GREETING) // 2],
    "a component with a tail": GREETING + b"tail",
    "more than the largest component": bytes(64 * MIB + 1),
    "a trap in its start function": wat.guest(wat_snippets.OK, extra="(func $begin unreachable) (start $begin)"),
    "a loop in its start function": wat.guest(
        wat_snippets.OK, extra="(func $begin (loop $on (br $on))) (start $begin)"
    ),
    "a memory of four gigabytes": wat.guest(wat_snippets.OK, pages=65_536),
    "more memories than allowed": wat.guest(wat_snippets.OK, extra="(memory 1)" * 12),
    "more instances than allowed": importing(_many(120)),
    "a table of a billion": wat.guest(wat_snippets.OK, extra="(table 1000000000 funcref)"),
    "a section that does not exist": b"\0asm\x0d\0\1\0\xff",
}
MISFITS: Final = {
    "no handler": core("(component)"),
    "a handler of another type": core(
        """(component (core module $m (func (export "handler"))) (core instance $i (instantiate $m))
           (func $handler (canon lift (core func $i "handler"))) (export "handler" (func $handler)))"""
    ),
    "an instance for a handler": core('(component (instance $i) (export "handler" (instance $i)))'),
    "an interface of the platform that does not exist": importing(
        '(import "alga:extension/shell" (instance (export "sh" (func (param "command" string)))))'
    ),
    "a function that does not exist": importing(
        '(import "alga:extension/secrets" (instance (export "get-all" (func (result (list string))))))'
    ),
    "a function of another type": importing(
        '(import "alga:extension/secrets" (instance (export "get" (func (param "p0" u64) (result string)))))'
    ),
    "somebody else's interface": importing('(import "evil:host/exec" (instance (export "run" (func))))'),
    "a bare function": importing('(import "system" (func (param "command" string)))'),
    "a module to be given": importing('(import "libc" (core module (export "f" (func))))'),
    "WASI of another version": importing('(import "wasi:cli/environment@0.3.0" (instance))'),
    "a part of WASI that is not linked": importing('(import "wasi:nn/graph@0.2.0" (instance))'),
}


Reasons = Callable[[str], list[Reason]]


@pytest.fixture(scope="module")
def reasons(world: World) -> Reasons:
    """Why a component is refused; each is prepared once."""
    known: dict[str, list[Reason]] = {}

    def of(what: str) -> list[Reason]:
        if what not in known:
            known[what] = world.house.prepared({**INVALID, **MISFITS}[what]).reasons
        return known[what]

    return of


@pytest.mark.parametrize("what", INVALID)
def test_what_is_no_component_is_refused(reasons: Reasons, what: str) -> None:
    assert [reason.code for reason in reasons(what)] == ["component_invalid"]


@pytest.mark.parametrize("what", MISFITS)
def test_what_does_not_fit_the_world_is_refused(reasons: Reasons, what: str) -> None:
    assert {reason.code for reason in reasons(what)} == {"component_world_mismatch"}


@pytest.mark.parametrize("what", [*INVALID, *MISFITS])
def test_the_reason_shows_nothing_of_the_machine(reasons: Reasons, what: str) -> None:
    details = [reason.detail for reason in reasons(what)]
    assert [d for d in details if any(mark in d for mark in ("/usr", "/tmp", "/root", "/home", ".py", "0x7f"))] == []


def test_nothing_of_a_refused_component_is_stored(world: World) -> None:
    before = {key for key in world.house.store.objects if key.startswith("cwasm/")}
    world.house.prepared(MISFITS["somebody else's interface"])
    assert {key for key in world.house.store.objects if key.startswith("cwasm/")} == before


def test_no_compiler_is_left(world: World) -> None:
    before = set(child_processes())
    world.house.prepared(INVALID["half a component"])
    assert set(child_processes()) - before == set()


@pytest.mark.parametrize("seed", range(6))
def test_a_component_with_a_changed_byte_harms_nobody(world: World, seed: int) -> None:
    chance = random.Random(seed)
    place = chance.randrange(8, len(GREETING))
    changed = bytearray(GREETING)
    changed[place] ^= 1 << chance.randrange(8)
    if world.house.prepared(bytes(changed)).ok:
        world.house.execute(call(world.house.publish(bytes(changed)), timeout_ms=500))
    assert world.house.execute(call(world.published(GREETING))).status == 200
