"""WASI as guests find it: nothing of the machine, and refusals where the network would be."""

from typing import Any

import pytest

from alga_ext.calls.envelope import ExecuteResponse
from tests.conformance.envelopes import body_of, code_of, envelope, json_of
from tests.conformance.guest import Guest
from tests.conformance.port import Line, RunnerPort
from tests.support import wat

LIST_LENGTH = """
(call ${function} (i32.const 0))
(call $respond (i32.const 200) (i32.const 512) (call $digits (i32.load offset=4 (i32.const 0))))
"""


def run(runner: RunnerPort, code: str, parts: list[str], **given: Any) -> ExecuteResponse:
    """Publish a component that uses parts of WASI and call it."""
    more = {name: given.pop(name) for name in ("data",) if name in given}
    return runner.execute(envelope(runner.publish(wat.guest(code, wasi=parts, **more)), **given))


@pytest.mark.parametrize(
    ("function", "part"),
    [("wasi.environment", "environment"), ("wasi.arguments", "environment"), ("wasi.directories", "preopens")],
)
def test_environment_arguments_and_directories_are_empty(runner: RunnerPort, function: str, part: str) -> None:
    response = run(runner, LIST_LENGTH.format(function=function), [part])
    assert (response.error, body_of(response)) == (None, b"0")


@pytest.mark.parametrize("guest", ["cpython"], indirect=True)
def test_a_language_finds_no_environment_arguments_or_input(guest: Guest) -> None:
    found = json_of(guest.run(method="GET", path="/environment"))
    assert (found["environment"], found["stdin"]) == ({}, "")
    assert [argument for argument in found["arguments"] if argument] == []


@pytest.mark.parametrize(
    ("function", "part", "name"),
    [("wasi.fields", "outgoing-http", "wasi:http"), ("wasi.network", "sockets", "wasi:sockets")],
)
def test_a_call_into_the_network_traps_and_names_what_to_use(
    runner: RunnerPort, function: str, part: str, name: str
) -> None:
    response = run(runner, f"(drop (call ${function}))\n(unreachable)", [part])
    assert (code_of(response), response.status) == ("guest_trapped", 502)
    assert response.error is not None
    assert name in response.error.message
    assert "alga:extension/http" in response.error.message


@pytest.mark.parametrize("part", ["outgoing-http", "sockets"])
def test_a_component_that_only_imports_the_network_runs(runner: RunnerPort, part: str) -> None:
    response = run(runner, "(call $respond (i32.const 204) (i32.const 0) (i32.const 0))", [part])
    assert (response.error, response.status) == (None, 204)


@pytest.mark.parametrize("guest", ["cpython"], indirect=True)
@pytest.mark.parametrize("query", ["", "host=127.0.0.1&port=22", "host=169.254.169.254", "host=example.com&port=443"])
def test_a_socket_of_a_language_traps_and_names_what_to_use(guest: Guest, query: str) -> None:
    response = guest.run(method="GET", path="/network", query=query)
    assert (code_of(response), response.status) == ("guest_trapped", 502)
    assert response.error is not None
    assert "alga:extension/http" in response.error.message


@pytest.mark.parametrize(("stream", "level"), [("stdout", "info"), ("stderr", "error")])
def test_output_becomes_log_lines(runner: RunnerPort, stream: str, level: str) -> None:
    code = f"""
    (call $wasi.write (call $wasi.{stream}) (i32.const 0) (i32.const 8) (i32.const 16))
    (call $respond (i32.const 204) (i32.const 0) (i32.const 0))"""
    request_id = f"conformance-wasi-{stream}"
    response = run(runner, code, ["streams"], data='(data (i32.const 0) "one\\ntwo\\n")', request_id=request_id)
    said = runner.said(request_id)
    assert (response.error, response.status) == (None, 204)
    assert said is None or said.lines == [Line(level, stream, "one"), Line(level, stream, "two")]
