"""Guests that do not end by themselves."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Final

from alga_ext.calls.envelope import ExecuteRequest
from alga_ext.stores.database import Database
from tests.security.attacks import Attack
from tests.security.guests import wat_snippets
from tests.security.guests.wat_snippets import SPIN, altered, at_start, data
from tests.security.world import SLOW_SECRET, World
from tests.support.runner_fixture import TENANT
from tests.support.wat import guest

_LIMITED: Final = {"timeout_ms": 300}
_ARMED: Final = {**_LIMITED, "config": {"armed": "yes"}}
_SLEEP: Final = "(call $wasi.block (call $wasi.subscribe (i64.const 3600000000000)))"
_LIFT: Final = '(canon lift (core func $program "handler") (memory $memory) (realloc $realloc)))'
_AFTERWARDS: Final = (
    '(canon lift (core func $program "handler") (memory $memory) (realloc $realloc) '
    '(post-return (core func $program "after"))))'
)
_FETCH_FOR_EVER: Final = """
      (local $at i32) (local $size i32)
      (call $body (local.get $request)) (local.set $size) (local.set $at)
      (loop $on
        (call $http.fetch (i32.const 2100) (i32.const 3) (local.get $at) (local.get $size) (i32.const 0) (i32.const 0)
          (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))
        (br $on))
      (unreachable)
"""


def _endless_fetches() -> bytes:
    return guest(_FETCH_FOR_EVER, imports=["http.fetch"], data=data(2100, "GET"))


def _endless(path: str, host: str = "api.example.com") -> Attack:
    """A guest that fetches without end from a server that plays along."""

    def meet(world: World, request: ExecuteRequest) -> None:
        wat_snippets.give_body(request, f"{world.granted(host)}/{path}")
        request.grants.egress = [world.granted(host)]

    return Attack(_endless_fetches, "guest_timeout", call={"timeout_ms": 400}, meet=meet)


def _unsealing(world: World, request: ExecuteRequest) -> None:
    request.secret_envelope = [world.secret(SLOW_SECRET, "value")]
    request.grants.secrets = {SLOW_SECRET: []}


def _injecting(world: World, request: ExecuteRequest) -> None:
    request.secret_envelope = [world.secret(SLOW_SECRET, "value")]
    request.grants.secrets = {SLOW_SECRET: [world.granted()]}
    request.grants.egress = [world.granted()]
    wat_snippets.give_body(request, f"{world.granted()}/x")


@contextlib.contextmanager
def _locked_row(world: World) -> Iterator[None]:
    """Hold a row's lock in another session as long as the block lasts."""
    locked, over = threading.Event(), threading.Event()

    def hold() -> None:
        database = Database(world.owner_url)
        with database.tenant(TENANT) as tx:
            tx.rows("select 1 from app.extension_storage_entry where key = 'locked' for update")
            locked.set()
            over.wait(10)
        database.close()

    thread = threading.Thread(target=hold)
    thread.start()
    locked.wait(5)
    try:
        yield
    finally:
        over.set()
        thread.join()


_PUT_FOR_EVER: Final = """
      (loop $on
        (call $storage.put (i32.const 2100) (i32.const 5) (i32.const 2110) (i32.const 6)
          (i32.const 2110) (i32.const 6) (i32.const 0) (i64.const 0) (i32.const 2048))
        (br $on))
      (unreachable)
"""
_ROUTE_FOR_EVER: Final = """
      (loop $on
        (call $ui-proxy.call-route (i32.const 2100) (i32.const 11) (i32.const 0) (i32.const 0) (i32.const 0)
          (i32.const 2048))
        (br $on))
      (unreachable)
"""
_READ_FOR_EVER: Final = """
      (loop $on
        (call $secrets.get (i32.const 2100) (i32.const 4) (i32.const 2048))
        (br $on))
      (unreachable)
"""

ATTACKS: Final[dict[str, Attack]] = {
    "an infinite loop": Attack(lambda: guest(SPIN), "guest_timeout", call=_LIMITED),
    "an infinite loop under the default limit that asks for a day": Attack(
        lambda: guest(SPIN), "guest_timeout", call={"timeout_ms": 300, "memory_mb": 1_000_000, "fuel": 1 << 60}
    ),
    "two functions that call each other in tail position": Attack(
        lambda: guest(
            "(return_call $a (i32.const 0))",
            extra="""(func $a (param i32) (result i32) (return_call $b (local.get 0)))
                     (func $b (param i32) (result i32) (return_call $a (local.get 0)))""",
        ),
        "guest_timeout",
        call=_LIMITED,
    ),
    "filling its memory without end": Attack(
        lambda: guest(
            "(loop $on (memory.fill (i32.const 65536) (i32.const 1) (i32.const 1048576)) (br $on)) (unreachable)",
            pages=32,
        ),
        "guest_timeout",
        call=_LIMITED,
    ),
    "a loop while it is instantiated": Attack(
        lambda: guest(wat_snippets.OK, imports=["config.list-keys"], extra=at_start("(loop $on (br $on))")),
        "guest_timeout",
        call=_ARMED,
    ),
    "a sleep while it is instantiated": Attack(
        lambda: guest(wat_snippets.OK, imports=["config.list-keys"], wasi=["sleep"], extra=at_start(_SLEEP)),
        "guest_timeout",
        call=_ARMED,
    ),
    "a loop where its arguments are put": Attack(
        lambda: altered(wat_snippets.REALLOC, f"{wat_snippets.REALLOC} (loop $on (br $on))"),
        "guest_timeout",
        call=_LIMITED,
    ),
    "a loop after its answer": Attack(
        lambda: altered(_LIFT, _AFTERWARDS, extra='(func (export "after") (param i32) (loop $on (br $on)))'),
        "guest_timeout",
        call=_LIMITED,
    ),
    "a sleep of an hour": Attack(
        lambda: guest(f"{_SLEEP} (unreachable)", wasi=["sleep"]), "guest_timeout", call=_LIMITED
    ),
    "short sleeps without end": Attack(
        lambda: guest(
            "(loop $on (call $wasi.block (call $wasi.subscribe (i64.const 1000000))) (br $on)) (unreachable)",
            wasi=["sleep"],
        ),
        "guest_timeout",
        call=_LIMITED,
    ),
    "imports answered in the sandbox without end": Attack(
        lambda: guest(
            "(loop $on (call $user.get-user (i32.const 2048)) (br $on)) (unreachable)", imports=["user.get-user"]
        ),
        "guest_timeout",
        call=_LIMITED,
    ),
    "waiting for a locked row": Attack(
        lambda: guest(_PUT_FOR_EVER, imports=["storage.put"], data=data(2100, "notes") + data(2110, "locked")),
        "guest_timeout",
        call={"timeout_ms": 400},
        during=_locked_row,
    ),
    "waiting for a host application that never answers": Attack(
        lambda: guest(_ROUTE_FOR_EVER, imports=["ui-proxy.call-route"], data=data(2100, "/api/silent")),
        "guest_timeout",
        call={"timeout_ms": 400},
    ),
    "waiting for a server that never answers": _endless("silent"),
    "waiting for a server that drips its status line": _endless("drip-status"),
    "waiting for a server that drips its headers": _endless("drip-headers"),
    "waiting for a server that drips its body": _endless("drip-body"),
    "waiting for a server that drips chunks": _endless("drip-chunks"),
    "waiting for a server that drips trailers": _endless("drip-trailers"),
    "waiting for a server that says continue without end": _endless("drip-continue"),
    "waiting for a name server that never answers": _endless("", "slow.example.com"),
    "waiting for a key service that never answers": Attack(
        lambda: guest(_READ_FOR_EVER, imports=["secrets.get"], data=data(2100, SLOW_SECRET)),
        "guest_timeout",
        call=_LIMITED,
        meet=_unsealing,
    ),
    "waiting for the key of a header's secret": Attack(
        wat_snippets.fetcher,
        "guest_timeout",
        call={**_LIMITED, "headers": {"authorization": f"Bearer {{{{secret:{SLOW_SECRET}}}}}"}},
        meet=_injecting,
    ),
    "more work than its fuel": Attack(
        lambda: guest(SPIN), "guest_out_of_fuel", call={"timeout_ms": 5_000, "fuel": 1_000_000}
    ),
}
