"""Guests that want more memory, tables, instances or stack than they get."""

from typing import Final

from tests.security.attacks import Attack
from tests.security.guests import wat_snippets
from tests.security.guests.wat_snippets import at_start, data
from tests.security.world import kept_entry
from tests.support.wat import guest

_ARMED: Final = {"config": {"armed": "yes"}}
_SMALL: Final = {"memory_mb": 32}
_BOMB: Final = "(loop $on (drop (call $alloc (i32.const 1048576))) (br $on)) (unreachable)"
_GROW_AND_FILL: Final = """
      (local $before i32)
      (loop $on
        (local.set $before (memory.grow (i32.const 16)))
        (if (i32.eq (local.get $before) (i32.const -1)) (then (unreachable)))
        (memory.fill (i32.shl (local.get $before) (i32.const 16)) (i32.const 255) (i32.const 1048576))
        (br $on))
      (unreachable)
"""
_DEEP: Final = (
    "(func $deep (param i64 i64 i64 i64) (call $deep (local.get 3) (local.get 2) (local.get 1) (local.get 0)))"
)
_GO_DEEP: Final = "(call $deep (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4))"


_ASKING_DEEPER: Final = """
    (func $deeper (param i64 i64) (call $config.list-keys (i32.const 2048)) (call $deeper (local.get 1) (local.get 0)))
"""
_CALLING_DEEPER: Final = """
    (global $left (mut i32) (i32.const 900))
    (func $deeper (param i64 i64)
      (if (global.get $left) (then
        (global.set $left (i32.sub (global.get $left) (i32.const 1)))
        (call $secrets.list-keys (i32.const 2048))))
      (call $deeper (local.get 1) (local.get 0)))
"""
_ALLOCATING_DEEPER: Final = """(func $realloc (export "realloc") (param i32 i32 i32) (param $size i32) (result i32)
      (local $at i32)
      (if (i32.eq (local.get $size) (i32.const 7777)) (then
        (local.set $at (call $realloc (local.get 0) (local.get 1) (local.get 2) (local.get $size)))
        (return (i32.add (i32.const 1) (local.get $at)))))"""


_RANDOM: Final = """
  (import "wasi:random/random@0.2.3" (instance $random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))"""


def _random(count: int) -> bytes:
    return wat_snippets.linked(
        f"(call $random (i64.const {count}) (i32.const 2048)) (unreachable)",
        _RANDOM,
        {
            "random": (
                '(canon lower (func $random "get-random-bytes") (memory $memory) (realloc $realloc))',
                "(param i64 i32)",
            )
        },
    )


def _together(count: int, pages: int, afterwards: str) -> bytes:
    """Grow memories of its own to some pages each, touch what was got, and go on."""
    memories = "".join(f"(memory $m{i} 1)" for i in range(count))
    grow = "".join(f"(drop (memory.grow $m{i} (i32.const {pages - 1})))" for i in range(count))
    touch = "".join(
        f"(memory.fill $m{i} (i32.const 0) (i32.const 1) (i32.shl (memory.size $m{i}) (i32.const 16)))"
        for i in range(count)
    )
    return guest(f"{grow} {touch} {afterwards}", extra=memories)


def _many_memories() -> bytes:
    """Grow eight memories of its own, each to the limit, and stay."""
    memories = "".join(f"(memory $m{i} 1)" for i in range(8))
    grow = "".join(
        f"(drop (memory.grow $m{i} (i32.const 500)))"
        f"(memory.fill $m{i} (i32.const 0) (i32.const 1) (i32.const 32000000))"
        for i in range(8)
    )
    return guest(f"{grow} (unreachable)", extra=memories)


ATTACKS: Final[dict[str, Attack]] = {
    "a memory bomb": Attack(lambda: guest(_BOMB), "guest_out_of_memory", call=_SMALL),
    "a memory bomb that touches every page": Attack(lambda: guest(_GROW_AND_FILL), "guest_out_of_memory", call=_SMALL),
    "a memory bomb that asks for more than the platform's limit": Attack(
        lambda: guest(_BOMB), "guest_out_of_memory", call={"memory_mb": 1_000_000}
    ),
    "a memory bomb while it is instantiated": Attack(
        lambda: guest(
            wat_snippets.OK,
            imports=["config.list-keys"],
            extra=at_start("(loop $on (drop (call $alloc (i32.const 1048576))) (br $on))"),
        ),
        "guest_out_of_memory",
        call={**_SMALL, **_ARMED},
    ),
    "one grow of four gigabytes": Attack(
        lambda: guest(
            "(if (i32.eq (memory.grow (i32.const 65534)) (i32.const -1)) (then (unreachable))) (unreachable)"
        ),
        "guest_trapped",
        call=_SMALL,
    ),
    "a memory that begins larger than its limit": Attack(
        lambda: guest(wat_snippets.OK, pages=1_024), "guest_out_of_memory", call=_SMALL
    ),
    "many memories that each stay within the limit": Attack(_many_memories, "guest_out_of_memory", call=_SMALL),
    "memories that are over the limit only together, and a loop": Attack(
        lambda: _together(3, 256, wat_snippets.SPIN), "guest_out_of_memory", call={**_SMALL, "timeout_ms": 3_000}
    ),
    "memories that are over the limit only together, and an answer at once": Attack(
        lambda: _together(3, 256, wat_snippets.OK), "guest_out_of_memory", call=_SMALL
    ),
    "two memories of which one alone is nearly at the limit": Attack(
        lambda: _together(2, 300, wat_snippets.OK), "guest_out_of_memory", call=_SMALL
    ),
    "memories that are over the limit only together while they are instantiated": Attack(
        lambda: guest(
            wat_snippets.OK,
            imports=["config.list-keys"],
            extra="(memory $m0 1) (memory $m1 1)"
            + at_start(
                "(drop (memory.grow $m0 (i32.const 300))) (drop (memory.grow $m1 (i32.const 300)))(loop $on (br $on))"
            ),
        ),
        "guest_out_of_memory",
        call={**_SMALL, **_ARMED, "timeout_ms": 3_000},
    ),
    "memories that are within the limit together": Attack(
        lambda: _together(3, 128, wat_snippets.OK), None, call=_SMALL
    ),
    "a table bomb": Attack(
        lambda: guest(
            """(loop $on
                 (if (i32.eq (table.grow $t (ref.null func) (i32.const 10000)) (i32.const -1)) (then (unreachable)))
                 (br $on)) (unreachable)""",
            extra="(table $t 0 funcref)",
        ),
        "guest_trapped",
    ),
    "one grow of a table by four billion": Attack(
        lambda: guest(
            """(if (i32.eq (table.grow $t (ref.null func) (i32.const -2)) (i32.const -1)) (then (unreachable)))
               (unreachable)""",
            extra="(table $t 0 funcref)",
        ),
        "guest_trapped",
    ),
    "a table that begins larger than its limit": Attack(
        lambda: guest(wat_snippets.OK, extra="(table $t 900000 funcref)"), "guest_trapped"
    ),
    "deep recursion": Attack(lambda: guest(f"{_GO_DEEP} (unreachable)", extra=_DEEP), "guest_trapped"),
    "deep recursion while it is instantiated": Attack(
        lambda: guest(wat_snippets.OK, imports=["config.list-keys"], extra=f"{_DEEP} {at_start(_GO_DEEP)}"),
        "guest_trapped",
        call=_ARMED,
    ),
    "deep recursion with a host call at every step": Attack(
        lambda: guest(
            "(call $deeper (i64.const 1) (i64.const 2)) (unreachable)",
            imports=["config.list-keys"],
            extra=_ASKING_DEEPER,
        ),
        "guest_trapped",
    ),
    "deep recursion with calls that leave the sandbox": Attack(
        lambda: guest(
            "(call $deeper (i64.const 1) (i64.const 2)) (unreachable)",
            imports=["secrets.list-keys"],
            extra=_CALLING_DEEPER,
        ),
        "guest_trapped",
    ),
    "deep recursion where a host call's answer is put": Attack(
        lambda: wat_snippets.altered(
            wat_snippets.REALLOC,
            _ALLOCATING_DEEPER,
            "(call $config.get (i32.const 2100) (i32.const 1) (i32.const 2048)) (unreachable)",
            imports=["config.get"],
            content=data(2100, "a"),
        ),
        "guest_trapped",
        call={"config": {"a": "b" * 7_777}},
    ),
    "deep recursion where an answer from outside the sandbox is put": Attack(
        lambda: wat_snippets.altered(
            wat_snippets.REALLOC,
            _ALLOCATING_DEEPER,
            "(call $storage.get (i32.const 2100) (i32.const 5) (i32.const 2110) (i32.const 6) (i32.const 2048)) "
            "(unreachable)",
            imports=["storage.get"],
            content=data(2100, "notes") + data(2110, "answer"),
        ),
        "guest_trapped",
        during=lambda world: kept_entry(world, "answer", "b" * 7_777),
    ),
    "reading memory that is not there": Attack(lambda: guest("(i32.load (i32.const 0x7fffffff))"), "guest_trapped"),
    "jumping to a function that is not there": Attack(
        lambda: guest("(call_indirect $t (result i32) (i32.const 7))", extra="(table $t 1 funcref)"),
        "guest_trapped",
    ),
    "dividing by zero": Attack(lambda: guest("(i32.div_u (i32.const 1) (i32.const 0))"), "guest_trapped"),
    "asking for a terabyte of random bytes": Attack(lambda: _random(1 << 40), "guest_trapped"),
    "a value of the whole memory handed to the host": Attack(
        lambda: guest(
            """(drop (call $alloc (i32.const 100000000)))
               (call $ui-proxy.call-route (i32.const 2100) (i32.const 4) (i32.const 1) (i32.const 65536)
                 (i32.const 100000000) (i32.const 2048)) (unreachable)""",
            imports=["ui-proxy.call-route"],
            data=data(2100, "/api"),
        ),
        "guest_trapped",
        call={"memory_mb": 128},
    ),
    "a text of the whole memory handed to the host": Attack(
        lambda: guest(
            """(drop (call $alloc (i32.const 100000000)))
               (call $logging.log-info (i32.const 65536) (i32.const 100000000)) (unreachable)""",
            imports=["logging.log-info"],
        ),
        "guest_trapped",
        call={"memory_mb": 128},
    ),
    "millions of headers handed to the host": Attack(
        lambda: guest(
            """(drop (call $alloc (i32.const 100000000)))
               (call $http.fetch (i32.const 2100) (i32.const 3) (i32.const 2100) (i32.const 3)
                 (i32.const 65536) (i32.const 6000000) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
               (unreachable)""",
            imports=["http.fetch"],
            data=data(2100, "GET"),
        ),
        "guest_trapped",
        call={"memory_mb": 128},
    ),
    "millions of dimensions handed to the host": Attack(
        lambda: guest(
            """(drop (call $alloc (i32.const 100000000)))
               (call $metrics.emit (i32.const 2100) (i32.const 3) (f64.const 1) (i32.const 2100) (i32.const 3)
                 (i32.const 65536) (i32.const 6000000))
               (unreachable)""",
            imports=["metrics.emit"],
            data=data(2100, "GET"),
        ),
        "guest_trapped",
        call={"memory_mb": 128},
    ),
    "a body of the whole memory": Attack(
        lambda: guest(
            """(drop (call $alloc (i32.const 100000000)))
               (call $respond (i32.const 200) (i32.const 65536) (i32.const 100000000))""",
        ),
        "response_too_large",
        call={"memory_mb": 128},
    ),
}
