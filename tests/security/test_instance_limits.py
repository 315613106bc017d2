"""How many tables, memories and instances a guest may have: to the limit it runs, beyond it is refused twice.

Prepare refuses such a component when it tries it. The sandbox refuses it by itself, should one ever get past prepare;
here it is compiled and signed without being tried.
"""

from collections.abc import Iterator
from typing import Final

import pytest
import wasmtime

from functions.runner.sandbox.child import guest as sandbox
from tests.security.attacks import GREETING
from tests.support import wat
from tests.support.runner_fixture import RunnerFixture, body_of, call, code_of

_HELLO: Final = "(call $respond (i32.const 200) (i32.const 256) (i32.const 5))"
_DATA: Final = '(data (i32.const 256) "hello")'
MEMORIES_OF_OURS: Final = 2
"""The guest's first, and that of the adapter around it."""
INSTANCES_OF_OURS: Final = 5
"""``libc`` and ``main`` of the guest, the same two of the adapter, and the engine's own between the two."""


def with_tables(count: int) -> bytes:
    return wat.guest(_HELLO, data=_DATA, extra="(table 1 funcref)" * count)


def with_memories(count: int) -> bytes:
    return wat.guest(_HELLO, data=_DATA, extra="(memory 1)" * (count - MEMORIES_OF_OURS))


def with_instances(count: int) -> bytes:
    source = wat.text(_HELLO, (), (), 2, None, "", _DATA)
    more = "".join("(core instance (instantiate $more))" for _ in range(count - INSTANCES_OF_OURS))
    changed = source.replace("(core module $libc", f"(core module $more) {more} (core module $libc", 1)
    return bytes(wasmtime.wat2wasm(changed))


KINDS: Final = {
    "tables": (with_tables, sandbox.TABLES_LIMIT),
    "memories": (with_memories, sandbox.MEMORIES_LIMIT),
    "instances": (with_instances, sandbox.INSTANCES_LIMIT),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunnerFixture]:
    made = RunnerFixture(tmp_path_factory.mktemp("house"))
    yield made
    made.close()


def test_the_limits_are_the_documented_ones() -> None:
    assert {kind: limit for kind, (_, limit) in KINDS.items()} == {"tables": 20, "memories": 10, "instances": 100}


@every_kind
def test_a_guest_at_the_limit_runs(house: RunnerFixture, kind: str) -> None:
    build, limit = KINDS[kind]
    assert body_of(house.execute(call(house.publish(build(limit))))) == b"hello"


@every_kind
def test_a_guest_beyond_the_limit_is_not_published(house: RunnerFixture, kind: str) -> None:
    build, limit = KINDS[kind]
    assert [reason.code for reason in house.prepared(build(limit + 1)).reasons] == ["component_invalid"]


@every_kind
def test_a_guest_beyond_the_limit_that_got_past_prepare_traps(house: RunnerFixture, kind: str) -> None:
    build, limit = KINDS[kind]
    assert code_of(house.execute(call(house.publish_untried(build(limit + 1))))) == "guest_trapped"


@every_kind
def test_a_guest_at_the_limit_runs_without_being_tried_before(house: RunnerFixture, kind: str) -> None:
    build, limit = KINDS[kind]
    assert body_of(house.execute(call(house.publish_untried(build(limit))))) == b"hello"


@every_kind
def test_the_sandbox_survives_it(house: RunnerFixture, kind: str) -> None:
    build, limit = KINDS[kind]
    beyond = house.publish_untried(build(limit + 1))
    house.execute(call(beyond))
    sandbox = house.pool.process_ids()[0]
    house.execute(call(beyond))

    assert house.pool.process_ids()[0] == sandbox
    assert body_of(house.execute(call(house.publish(GREETING)))) == b"hello"
