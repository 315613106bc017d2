"""A secret goes to the hosts it is bound to and nowhere else: not into logs, metrics, or the platform's own lines."""

import contextlib
import io
from typing import Final

import pytest

from alga_ext.calls.envelope import DeclaredMetric, ExecuteRequest, ExecuteResponse
from tests.security.guests import wat_snippets
from tests.security.logbook import Logbook, kept_lines
from tests.security.world import World
from tests.support.runner_fixture import body_of, call
from tests.support.wat import guest

PLAIN: Final = "kept-4f9b1c7d2e"
MIXED_CASE: Final = "Kept-4F9B1c7D2E"
QUOTED: Final = 'kept"4f9b\\1c7d2e'
ACCENTED: Final = "geheim-übermäßig"
LINES: Final = "-----BEGIN KEY-----\nMC4CAQAwBQYDK2Vw\nBCIEIHcHbQpzGKV9\n-----END KEY-----"

_READ: Final = """
      (local $at i32) (local $size i32) (local $rest i32) (local $more i32)
      (call $secrets.get (i32.const 2100) (i32.const 5) (i32.const 2048))
      (local.set $at (i32.load (i32.const 2052))) (local.set $size (i32.load (i32.const 2056)))
"""
_WAYS: Final = {
    "log-info": ("(call $logging.log-info (local.get $at) (local.get $size))", ["logging.log-info"], []),
    "log-error": ("(call $logging.log-error (local.get $at) (local.get $size))", ["logging.log-error"], []),
    "stderr": (
        "(call $wasi.write (call $wasi.stderr) (local.get $at) (local.get $size) (i32.const 2048))", [], ["streams"],
    ),
    "stdout": (
        "(call $wasi.write (call $wasi.stdout) (local.get $at) (local.get $size) (i32.const 2048))", [], ["streams"],
    ),
    "the name of a host": (
        """(memory.copy (i32.const 4103) (local.get $at) (local.get $size))
           (call $body (local.get $request)) (local.set $more) (local.set $rest)
           (memory.copy (i32.add (i32.const 4103) (local.get $size)) (local.get $rest) (local.get $more))
           (call $http.fetch (i32.const 2110) (i32.const 3)
             (i32.const 4096) (i32.add (i32.const 7) (i32.add (local.get $size) (local.get $more)))
             (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 3072))""",
        ["http.fetch"],
        [],
    ),
    "the name of a header": (
        """(drop (call $respond (i32.const 200) (i32.const 0) (i32.const 0)))
           (i32.store (i32.const 3072) (local.get $at)) (i32.store (i32.const 3076) (local.get $size))
           (i32.store (i32.const 3080) (i32.const 2120)) (i32.store (i32.const 3084) (i32.const 1))
           (call $headers (i32.const 3072) (i32.const 1)) (return (i32.const 1024))""",
        [],
        [],
    ),
}  # fmt: skip


def spilling(way: str) -> bytes:
    """Return a guest that reads the secret ``token`` and has it logged or told, then traps."""
    code, imports, wasi = _WAYS[way]
    return guest(
        f"{_READ} {code} (unreachable)",
        imports=["secrets.get", *imports],
        wasi=wasi,
        data=wat_snippets.data(2100, "token")
        + wat_snippets.data(2110, "GET")
        + wat_snippets.data(2120, "\n")
        + wat_snippets.data(4096, "http://"),
    )


def told(world: World, request: ExecuteRequest, value: str) -> str:
    """Make a call that holds ``value`` as the secret ``token``; return what was logged and the platform's own words."""
    log, printed, response = told_and_answered(world, request, value)
    return "\n".join([log, printed, response.error.message if response.error else ""])


def told_and_answered(world: World, request: ExecuteRequest, value: str) -> tuple[str, str, ExecuteResponse]:
    request.secret_envelope = [world.secret("token", value)]
    printed = io.StringIO()
    with Logbook() as log, contextlib.redirect_stdout(printed):
        response = world.house.execute(request)
    lines = [*log.lines, *(line.text for line in kept_lines(response))]
    return "\n".join(lines), printed.getvalue(), response


def reading(world: World, component: bytes) -> ExecuteRequest:
    request = call(world.published(component))
    request.metrics = [DeclaredMetric(name="token", unit="Count")]
    request.grants.secrets = {"token": []}
    request.grants.egress = [world.granted("*.example.com")]
    wat_snippets.give_body(request, f".example.com:{world.accomplice.port}/x")
    return request


def injecting(world: World, component: bytes, path: str) -> ExecuteRequest:
    request = call(world.published(component), headers={"authorization": "Bearer {{secret:token}}"})
    wat_snippets.give_body(request, f"{world.granted()}/{path}")
    request.grants.egress = [world.granted()]
    request.grants.secrets = {"token": [world.granted()]}
    return request


@pytest.mark.parametrize("value", [PLAIN, MIXED_CASE, QUOTED, ACCENTED, LINES, f"{PLAIN}\n"])
@pytest.mark.parametrize("way", _WAYS)
def test_a_secret_that_a_guest_logs_is_taken_out(world: World, way: str, value: str) -> None:
    log = told(world, reading(world, spilling(way)), value)
    spellings = {value, value.replace("\\", "\\\\").replace('"', '\\"'), *value.split("\n")} - {""}
    assert [spelling for spelling in spellings if spelling.lower() in log.lower()] == []


# No line has the name of a host that was asked. The ledger counts such a one under "(other)".
@pytest.mark.parametrize("way", [way for way in _WAYS if way != "the name of a host"])
def test_what_was_taken_out_is_marked(world: World, way: str) -> None:
    assert "[secret token]" in told(world, reading(world, spilling(way)), PLAIN)


def test_a_secret_reaches_the_host_it_is_bound_to(world: World) -> None:
    heard = len(world.accomplice.heard)
    told(world, injecting(world, wat_snippets.fetcher(), "x"), PLAIN)
    assert b"authorization: Bearer kept-4f9b1c7d2e\r\n" in world.accomplice.heard[heard]


def test_a_secret_that_a_server_sends_back_is_taken_out_of_what_the_guest_logs(world: World) -> None:
    logging_fetcher = guest(
        f"""(call $fetched (local.get $request)) drop
            (call $logging.log-info (i32.load (i32.const 2068)) (i32.load (i32.const 2072))) {wat_snippets.OK}""",
        imports=["http.fetch", "logging.log-info"],
        extra=f"(func $fetched (param $request i32) (result i32) {wat_snippets.FETCHER})",
    )
    assert PLAIN not in told(world, injecting(world, logging_fetcher, "echo"), PLAIN)


def test_a_malformed_answer_does_not_have_the_url_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    told(world, injecting(world, wat_snippets.fetcher(), "nameless-header/secret-path"), PLAIN)
    assert "secret-path" not in caplog.text


def test_a_guest_reads_what_it_may_read(world: World) -> None:
    request = call(world.published(wat_snippets.reader()), body=b"token")
    request.grants.secrets = {"token": []}
    assert body_of(told_and_answered(world, request, PLAIN)[2]) == PLAIN.encode()


def test_the_egress_that_is_logged_names_no_path(world: World) -> None:
    assert "/secret-path" not in told(world, injecting(world, wat_snippets.fetcher(), "secret-path"), PLAIN)


def test_a_secret_of_one_call_is_unknown_to_the_next(world: World) -> None:
    told(world, reading(world, spilling("log-info")), PLAIN)
    request = call(world.published(wat_snippets.reader()), body=b"token")
    request.grants.secrets = {"token": []}
    assert world.house.execute(request).status == 480
