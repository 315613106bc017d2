"""Guests that loop, sleep, hoard or trap: each gets its own answer in time, and the next call works."""

import json
import time

import pytest

from tests.support.site import Site
from tests.support.wat import guest

DEADLINE_MS = 1_000
GRACE_MS = 500
# What the whole way may cost besides the guest on a busy machine: two queue calls, the gateway, the runner.
WAY_S = 4.0

GUESTS = {
    "loop": guest("(loop $on (br $on)) (unreachable)"),
    "sleep": guest("(call $wasi.block (call $wasi.subscribe (i64.const 60000000000))) (unreachable)", wasi=["sleep"]),
    "hoard": guest("(loop $on (drop (call $alloc (i32.const 1048576))) (br $on)) (unreachable)"),
    "trap": guest("(unreachable)"),
}
RECORDED = {
    "loop": "guest_timeout",
    "sleep": "guest_timeout",
    "hoard": "guest_out_of_memory",
    "trap": "guest_trapped",
}
SEEN = {
    "loop": (504, "gateway_timeout"),
    "sleep": (504, "gateway_timeout"),
    "hoard": (502, "bad_gateway"),
    "trap": (502, "bad_gateway"),
}


@pytest.fixture(scope="module")
def installs(site: Site) -> dict[str, str]:
    return {
        name: site.install(component, limits={"timeout_ms": DEADLINE_MS, "memory_mb": 64})
        for name, component in GUESTS.items()
    }


@pytest.mark.parametrize("name", GUESTS)
def test_it_gets_its_own_code_in_time_and_the_next_call_works(
    site: Site, hello: str, installs: dict[str, str], name: str
) -> None:
    assert site.call(hello).status == 200  # a warm runner, so that the time below is the guest's

    started = time.monotonic()
    reply = site.call(installs[name])
    took_s = time.monotonic() - started

    assert (reply.status, json.loads(reply.body)["code"]) == SEEN[name]
    assert took_s < (DEADLINE_MS + GRACE_MS) / 1000 + WAY_S
    record = site.record(reply.headers["x-request-id"])
    assert record["error_code"] == RECORDED[name]
    assert record["duration_ms"] < DEADLINE_MS + GRACE_MS
    following = site.call(hello)
    assert (following.status, following.body) == (200, b"hello")
