"""Ten thousand calls, good and hostile mixed, to one runner in a process of its own; prints what it measured as JSON.

Run by ``test_soak``: ``python -m tests.security.soak calls folder``.
"""

import contextlib
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

from alga_ext.execute import ExecuteRequest, ExecuteResponse
from functions.runner.host import egress, http_fetch
from tests.runnerkit.house import House, body_of, call
from tests.runnerkit.tls import Authority
from tests.runnerkit.wat import guest
from tests.security.footprint import open_descriptors
from tests.security.guests import answers, endless, hungry, liars, loud, spells, strangers
from tests.security.servers import ACCOMPLICE_ADDRESS, Server

WARM_UP: Final = 1_000
SLEEPS_EVERY: Final = 250
"""A sleeping guest costs its deadline and a new sandbox; one call in so many is one."""

_CONFIG: Final = {"a": "b" * 100}
_GOOD: Final = guest(
    f"""(local $round i32)
        {spells.repeated(3, "(call $config.get (i32.const 2100) (i32.const 1) (i32.const 2048))")}
        (call $logging.log-info (i32.const 2100) (i32.const 1)) {spells.OK}""",
    imports=["config.get", "logging.log-info"],
    data=spells.data(2100, "a"),
)
_ECHO: Final = guest(
    """(local $at i32) (local $size i32) (call $body (local.get $request)) (local.set $size) (local.set $at)
       (call $respond (i32.const 200) (local.get $at) (local.get $size))"""
)


class Kind:
    """One kind of call: how to make it, and what must come of it every time."""

    def __init__(self, component: bytes, code: str | None, host_calls: dict[str, int], **given: Any) -> None:
        self.component = component
        self.code = code
        self.host_calls = host_calls
        self.given = given


def kinds() -> dict[str, Kind]:
    """Return all kinds; the first three are good."""

    def hostile(table: dict[str, Any], name: str, host_calls: dict[str, int] | None = None, **given: Any) -> Kind:
        attack = table[name]
        return Kind(attack.component(), attack.code, host_calls or {}, **{**attack.call, **given})

    return {
        "good": Kind(_GOOD, None, {"config.get": 3, "logging.log-info": 1}, config=_CONFIG),
        "echo": Kind(_ECHO, None, {}, body=b"x" * 2_000),
        "fetch": Kind(spells.fetcher(), None, {"http.fetch": 1}),
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
    calls, folder = int(sys.argv[1]), Path(sys.argv[2])
    logging.disable(logging.CRITICAL)
    server = Server(ACCOMPLICE_ADDRESS)
    grant = f"http://{ACCOMPLICE_ADDRESS}:{server.port}"
    opened = egress.parse_networks(f"{ACCOMPLICE_ADDRESS}/32")
    authority = Authority(folder / "authority")
    fetching = http_fetch.provider(lambda host, _port: [host], opened, authority.client_context)
    house = House(folder / "artifacts", {"http": fetching})
    try:
        print(json.dumps(soak(house, server, grant, calls)))
    finally:
        house.close()
        server.close()


def soak(house: House, server: Server, grant: str, calls: int) -> dict[str, Any]:
    """Make ``calls`` calls; return wrong outcomes, totals, memory and descriptors early and late."""
    known = kinds()
    hashes = {name: house.publish(kind.component) for name, kind in known.items()}
    prepare = _preparing(known, hashes, grant)
    wrong: list[str] = []
    told: Counter[str] = Counter()
    expected: Counter[str] = Counter()
    fuel: dict[str, set[int | None]] = {}
    egress_bytes = 0
    early: dict[str, Any] = {}
    started = time.monotonic()
    for number in range(calls):
        name = pick(number, list(known))
        response = house.execute(prepare(name))
        if fault := _fault(known[name], name, response):
            wrong.append(f"{number} {name}: {fault}")
        told.update(response.usage.host_calls)
        expected.update(known[name].host_calls)
        egress_bytes += response.usage.egress_bytes
        if known[name].code is None:
            fuel.setdefault(name, set()).add(response.usage.fuel)
        server.heard.clear()
        if number + 1 == WARM_UP:
            early = _measured(house)
    return {
        "calls": calls,
        "seconds": round(time.monotonic() - started, 1),
        "wrong": wrong[:20],
        "told": dict(told),
        "expected": dict(expected),
        "fuel_differs": sorted(name for name, values in fuel.items() if len(values) > 1),
        "egress_bytes": egress_bytes,
        "connections": server.connections,
        "early": early,
        "late": _measured(house),
        "kills": house.pool.kills,
    }


def pick(number: int, names: list[str]) -> str:
    """Return the kind of a call: a sleep now and then, two good ones for each hostile one, all in turn."""
    if number % SLEEPS_EVERY == SLEEPS_EVERY - 1:
        return "sleep"
    good, bad = names[:3], names[3:-1]
    return bad[number // 3 % len(bad)] if number % 3 == 2 else good[number // 3 % len(good)]


def _preparing(known: dict[str, Kind], hashes: dict[str, str], grant: str) -> Callable[[str], ExecuteRequest]:
    def request(name: str) -> ExecuteRequest:
        made = call(hashes[name], **known[name].given)
        if name == "fetch":
            spells.give_body(made, f"{grant}/x")
            made.grants.egress = [grant]
        return made

    return request


def _fault(kind: Kind, name: str, response: ExecuteResponse) -> str | None:
    code = response.error.code if response.error else None
    if code != kind.code:
        return f"{code} instead of {kind.code}"
    body = body_of(response)
    if name == "echo" and body != kind.given["body"]:
        return "another body"
    if name == "fetch" and body != b"hello":
        return f"status {response.status}"
    return None


def _measured(house: House) -> dict[str, Any]:
    """Return memory (kB, proportional share) of the runner and of its sandbox, and the runner's descriptors."""
    with contextlib.suppress(OSError):
        house.execute(call(house.publish(_ECHO), body=b"x"))
    house.pool.health()
    child = house.pool.process_ids()[0]
    return {"runner": _kilobytes(os.getpid()), "sandbox": _kilobytes(child), "descriptors": len(open_descriptors())}


def _kilobytes(process_id: int) -> int:
    match = re.search(r"^VmRSS:\s*(\d+)", Path(f"/proc/{process_id}/status").read_text(), re.MULTILINE)
    return int(match[1]) if match else 0


if __name__ == "__main__":
    main()
