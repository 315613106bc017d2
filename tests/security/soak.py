"""Ten thousand calls, good and hostile mixed, to one runner in a process of its own; prints what it measured as JSON.

Every host import is served, by a real database and real servers. In nine tenths of the calls, each kind is served by
one and the same sandbox. The memory of these is compared between the first tenth of the calls and the last; guests that
cost their sandbox come only after that, and the runner is measured once more at the end.

Run by ``test_soak``: ``python -m tests.security.soak calls folder owner-url runner-url``.
"""

import json
import logging
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from alga_ext.calls.envelope import ExecuteRequest, ExecuteResponse
from tests.security.footprint import open_descriptors
from tests.security.guests import answers, endless, hungry, liars, loud, strangers, wat_snippets
from tests.security.servers import PLAIN
from tests.security.world import World
from tests.support.runner_fixture import body_of, call
from tests.support.wat import guest

SLEEPS_EVERY: Final = 25
"""Of the last calls: a sleeping guest costs its deadline and its sandbox."""

_CONFIG: Final = {"a": "b" * 100}
_SECRET: Final = "the-value-of-a-secret"
_ENTRY: Final = b"y" * 1_000
_PLACE: Final = {"a": "soak", "b": "entry"}


def _good() -> bytes:
    asked = wat_snippets.repeated(3, "(call $config.get (i32.const 2100) (i32.const 1) (i32.const 2048))")
    code = f"(local $round i32) {asked} (call $logging.log-info (i32.const 2100) (i32.const 1)) {wat_snippets.OK}"
    return guest(code, imports=["config.get", "logging.log-info"], data=wat_snippets.data(2100, "a"))


def _echo() -> bytes:
    return guest(
        """(local $at i32) (local $size i32) (call $body (local.get $request)) (local.set $size) (local.set $at)
           (call $respond (i32.const 200) (local.get $at) (local.get $size))"""
    )


def _planner() -> bytes:
    """List schedules and answer how many there are."""
    return guest(
        """(call $scheduler.list-schedules (i32.const 2048))
           (if (i32.load8_u (i32.const 2048)) (then (unreachable)))
           (call $respond (i32.const 200) (i32.const 512) (call $digits (i32.load (i32.const 2056))))""",
        imports=["scheduler.list-schedules"],
    )


class Kind:
    """One kind of call: how to make it, and what must come of it every time."""

    def __init__(
        self, component: bytes, code: str | None, host_calls: dict[str, int], body: bytes | None = None, **given: Any
    ) -> None:
        self.component = component
        self.code = code
        self.host_calls = host_calls
        self.body = body
        self.given = given


ANSWERED_BYTES: Final = len(PLAIN)
"""What counts as egress of the accomplice's answer: all of it."""

GOOD: Final = ("good", "echo", "fetch", "inject", "put", "get", "secret", "plan", "route")


def kinds() -> dict[str, Kind]:
    """Return all kinds, first the good ones in the order of ``GOOD``."""

    def hostile(table: dict[str, Any], name: str, host_calls: dict[str, int] | None = None, **given: Any) -> Kind:
        attack = table[name]
        return Kind(attack.component(), attack.code, host_calls or {}, **{"body": None, **attack.call, **given})

    def sending(component: bytes, host_call: str, answer: bytes, **given: Any) -> Kind:
        return Kind(component, None, {host_call: 1}, answer, **given)

    return {
        "good": Kind(_good(), None, {"config.get": 3, "logging.log-info": 1}, config=_CONFIG),
        "echo": Kind(_echo(), None, {}, b"x" * 2_000),
        "fetch": sending(wat_snippets.fetcher(), "http.fetch", b"hello"),
        "inject": sending(
            wat_snippets.fetcher(), "http.fetch", b"hello", headers={"authorization": "Bearer {{secret:bound}}"}
        ),
        "put": sending(wat_snippets.keeper(), "storage.put", b"", headers=_PLACE, method="PUT"),
        "get": sending(wat_snippets.keeper(), "storage.get", _ENTRY, headers=_PLACE),
        "secret": sending(wat_snippets.reader(), "secrets.get", _SECRET.encode()),
        "plan": sending(_planner(), "scheduler.list-schedules", b"0"),
        "route": sending(wat_snippets.caller(), "ui-proxy.call-route", b"hello"),
        "trap": hostile(liars.ATTACKS, "an allocator that traps"),
        "lie": hostile(liars.ATTACKS, "a text beyond its memory"),
        "deep": hostile(hungry.ATTACKS, "deep recursion"),
        "bomb": hostile(hungry.ATTACKS, "a memory bomb"),
        "grow": hostile(hungry.ATTACKS, "one grow of four gigabytes"),
        "split": hostile(answers.ATTACKS, "a header value with a line's end"),
        "status": hostile(answers.ATTACKS, "status 99"),
        "headers": hostile(answers.ATTACKS, "one header more than allowed"),
        "leave": hostile(strangers.ATTACKS, "leaving with success"),
        "socket": hostile(strangers.ATTACKS, "the network of wasi:sockets"),
        "forge": hostile(loud.ATTACKS, "a log line that forges another", {"logging.log-info": 1}),
        "loop": hostile(endless.ATTACKS, "an infinite loop", timeout_ms=20),
        "fuel": hostile(endless.ATTACKS, "more work than its fuel", fuel=100_000),
        "sleep": hostile(endless.ATTACKS, "a sleep of an hour", timeout_ms=20),
    }


def main() -> None:
    """Make the calls and print the measurements."""
    calls, folder, owner_url, runner_url = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    world = World(owner_url, runner_url, Path(folder), sandboxes=len(kinds()) + 1)
    try:
        print(json.dumps(soak(world, int(calls))))
    finally:
        world.close()


def soak(world: World, calls: int) -> dict[str, Any]:
    """Make ``calls`` calls; return wrong outcomes, totals, and what was held early, late and at the end.

    ``early`` is after a tenth of the calls, ``late`` after nine tenths, ``end`` after all.
    """
    known = kinds()
    prepare = _preparing(world, known)
    house = world.house
    wrong: list[str] = []
    told: Counter[str] = Counter()
    made: Counter[str] = Counter()
    fuel: dict[str, set[int | None]] = {}
    egress: Counter[str] = Counter()
    held: dict[str, dict[str, Any]] = {}
    points = {calls // 10: "early", calls * 9 // 10: "late", calls: "end"}
    started = time.monotonic()
    house.execute(prepare("put"))  # so that there is something to get
    for number in range(calls):
        name = pick(number, list(known), may_sleep=number >= calls * 9 // 10)
        response = house.execute(prepare(name))
        if fault := _fault(known[name], response):
            wrong.append(f"{number} {name}: {fault}")
        told.update(response.usage.host_calls)
        made[name] += 1
        egress["told"] += response.usage.egress_bytes
        egress["expected"] += sum(_sent_bytes(heard) + ANSWERED_BYTES for heard in world.accomplice.heard)
        if name in GOOD:
            fuel.setdefault(name, set()).add(response.usage.fuel)
        world.accomplice.heard.clear()
        world.application.heard.clear()
        if point := points.get(number + 1):
            held[point] = _held(world)
    expected: Counter[str] = Counter()
    for name, times in made.items():
        expected.update({imported: each * times for imported, each in known[name].host_calls.items()})
    return {
        "calls": calls,
        "seconds": round(time.monotonic() - started, 1),
        "wrong": wrong[:20],
        "made": dict(made),
        "told": dict(told),
        "expected": dict(expected),
        "fuel_differs": sorted(name for name, values in fuel.items() if len(values) > 1),
        "egress": dict(egress),
        "connections": {
            "http.fetch": world.accomplice.connections,
            "ui-proxy.call-route": world.application.connections,
            "stranger": world.stranger.connections,
        },
        "kills": house.pool.kills,
        **held,
    }


def pick(number: int, names: list[str], *, may_sleep: bool) -> str:
    """Return the kind of a call: two good ones for each hostile one, all in turn, and a sleep now and then."""
    if may_sleep and number % SLEEPS_EVERY == SLEEPS_EVERY - 1:
        return "sleep"
    bad = names[len(GOOD) : -1]
    turn, place = divmod(number, 3)
    return bad[turn % len(bad)] if place == 2 else GOOD[(2 * turn + place) % len(GOOD)]


def _preparing(world: World, known: dict[str, Kind]) -> Callable[[str], ExecuteRequest]:
    hashes = {name: world.published(kind.component) for name, kind in known.items()}
    grant = world.granted()
    secrets = [world.secret("readable", _SECRET), world.secret("bound", _SECRET)]
    bodies = {"echo": b"x" * 2_000, "put": _ENTRY, "secret": b"readable", "route": b"/api"}

    def request(name: str) -> ExecuteRequest:
        made = call(hashes[name], **{"body": bodies.get(name), **known[name].given})
        if name in ("fetch", "inject"):
            wat_snippets.give_body(made, f"{grant}/x")
            made.grants.egress = [grant]
        if name in ("secret", "inject"):
            made.grants.secrets = {"readable": [], "bound": [grant]}
            made.secret_envelope = secrets
        return made

    return request


def _fault(kind: Kind, response: ExecuteResponse) -> str | None:
    code = response.error.code if response.error else None
    if code != kind.code:
        return f"{code} instead of {kind.code}"
    if kind.body is not None and body_of(response) != kind.body:
        return f"another body with status {response.status}"
    return None


def _sent_bytes(request: bytes) -> int:
    """Return the bytes of the headers' lines and of the body of a request as a server heard it."""
    head, _, body = request.partition(b"\r\n\r\n")
    return len(head.partition(b"\r\n")[2]) + 2 + len(body)


def _held(world: World) -> dict[str, Any]:
    """Return memory (kB, resident) and descriptors of the runner and of the sandboxes at work, and which they are.

    Each kind of call has a sandbox of its own. A sandbox is undumpable: who is not root cannot see its descriptors, and
    gets None.
    """
    sandboxes = sorted(world.house.pool.process_ids()[:-1])  # the last one is the spare
    try:
        sandbox_descriptors: list[list[str]] | None = [sorted(open_descriptors(sandbox)) for sandbox in sandboxes]
    except PermissionError:
        sandbox_descriptors = None
    return {
        "runner_kb": _kilobytes(os.getpid()),
        "runner_descriptors": sorted(open_descriptors()),
        "sandboxes": sandboxes,
        "sandbox_kb": sum(map(_kilobytes, sandboxes)),
        "sandbox_descriptors": sandbox_descriptors,
    }


def _kilobytes(process_id: int) -> int:
    match = re.search(r"^VmRSS:\s*(\d+)", Path(f"/proc/{process_id}/status").read_text(), re.MULTILINE)
    return int(match[1]) if match else 0


if __name__ == "__main__":
    main()
