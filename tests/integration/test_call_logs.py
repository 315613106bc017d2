"""A call's log lines come with its answer: whatever became of the guest, bounded, and without secrets."""

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alga_ext.calls.envelope import ExecuteGrants, ExecuteResponse, SealedSecret
from alga_ext.calls.log_lines import LINES_LIMIT_BYTES, CallLog, KeptLine, unpack
from functions.runner.imports import secrets
from functions.runner.imports.http import fetch
from tests.support import wat
from tests.support.runner_fixture import EVERY_CAPABILITY, RunnerFixture, call
from tools.guests import build_component
from tools.guests.build import source_map_of

VALUE = 'canary-"4F9b\\1c7d2e&'
SEALED = [SealedSecret(name="API_KEY", sealed_b64=base64.b64encode(VALUE[::-1].encode()).decode(), version=1)]
GRANTED = ExecuteGrants(egress=["127.0.0.1", "other.example"], secrets={"API_KEY": []})

SOURCE = r"""
import { Router, json, text, http, secrets } from "@alga/extension-runtime";
const attempt = (ask) => { try { ask(); } catch { /* the platform says why */ } };
export const handler = new Router()
  .get("/quiet", () => json(1))
  .get("/lines", () => { console.log("one"); console.warn("two"); console.error("three"); return json(1); })
  .get("/many", () => { for (let n = 0; n < 1000; n++) console.log(String(n).padEnd(8192, "a")); return json(1); })
  .get("/odd", () => { console.log("a\0b\ud800c"); return json(1); })
  .get("/throw", () => { console.log("before"); throw new Error("late"); })
  .get("/slow", () => { console.log("waiting"); for (;;) {} })
  .get("/fetch", () => {
    attempt(() => http.fetch("https://127.0.0.1/"));
    attempt(() => http.fetch("https://api.example.com/"));
    attempt(() => http.fetch("https://other.example/", { headers: { "proxy-authorization": "x" } }));
    attempt(() => secrets.get("CLASSIFIER_KEY"));
    return json(1);
  })
  .get("/headers", () => text("x", { headers: { "set-cookie": "a=1", "x-powered-by": "me", "x-ext-a": "1" } }))
  .get("/secret", () => {
    const value = secrets.get("API_KEY");
    console.log("key " + value); console.error("as JSON " + JSON.stringify(value)); console.log("and " + btoa(value));
    throw new Error("refused with " + btoa(value));
  }).handler;
"""


class Reversing:
    """Opens a secret by reversing it."""

    def unseal(self, sealed: bytes, context: Mapping[str, str]) -> bytes:  # noqa: ARG002 - part of the port
        return sealed[::-1]


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunnerFixture]:
    providers = {
        "secrets": secrets.open_for,
        "http": fetch.provider(
            lambda host, _port: [host if host == "127.0.0.1" else "10.0.0.7"],
            (),
            lambda: pytest.fail("no connection is made"),
        ),
    }
    made = RunnerFixture(tmp_path_factory.mktemp("logs"), providers, unsealer=Reversing())
    yield made
    made.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source of an extension."""
    made = tmp_path_factory.mktemp("javascript")
    (made / "index.js").write_text(SOURCE)
    return made


@pytest.fixture(scope="module")
def program(runner: RunnerFixture, folder: Path) -> str:
    return runner.publish(build_component(folder).read_bytes())


def executed(runner: RunnerFixture, program: str, path: str, **members: Any) -> ExecuteResponse:
    request = call(program, path=path, grants=GRANTED, **members)
    return runner.execute(msgspec.structs.replace(request, secret_envelope=SEALED))


def lines_of(answer: ExecuteResponse) -> list[KeptLine]:
    log = unpack(answer.logs_b64z)
    assert log.dropped == 0
    return log.first


def told(answer: ExecuteResponse) -> list[tuple[str, str, str]]:
    return [(line.level, line.source, line.text) for line in lines_of(answer)]


def test_a_call_that_logs_nothing_has_no_lines(runner: RunnerFixture, program: str) -> None:
    answer = executed(runner, program, "/quiet")
    assert (answer.status, answer.logs_b64z, answer.refused) == (200, "", None)


def test_the_lines_of_a_call_come_with_level_source_and_time(runner: RunnerFixture, program: str) -> None:
    answer = executed(runner, program, "/lines")
    levels = [(level, text) for level, _, text in told(answer)]
    assert levels == [("info", "one"), ("warn", "two"), ("error", "three")]
    assert {source for _, source, _ in told(answer)} <= {"guest", "stdout", "stderr"}
    times = [line.at_ms for line in lines_of(answer)]
    assert times == sorted(times)


def test_a_sandbox_that_is_killed_in_the_middle_keeps_its_lines(runner: RunnerFixture) -> None:
    # A call that never leaves the guest and has fuel ends only because the parent kills the sandbox.
    program = runner.publish(
        wat.guest(
            """(call $logging.log-info (i32.const 2100) (i32.const 6))
               (call $logging.log-error (i32.const 2100) (i32.const 6))
               (call $wasi.write (call $wasi.stdout) (i32.const 2106) (i32.const 5) (i32.const 2048))
               (call $wasi.write (call $wasi.stdout) (i32.const 2100) (i32.const 3) (i32.const 2048))
               (call $wasi.write (call $wasi.stdout) (i32.const 2103) (i32.const 3) (i32.const 2048))
               (loop $for_ever (br $for_ever)) (unreachable)""",
            imports=["logging.log-info", "logging.log-error"],
            wasi=["streams"],
            data='(data (i32.const 2100) "before") (data (i32.const 2106) "line\\n")',
        )
    )
    answer = executed(runner, program, "/", timeout_ms=300)
    assert answer.error is not None
    assert answer.error.code == "guest_timeout"
    assert told(answer) == [
        ("info", "guest", "before"),
        ("error", "guest", "before"),
        ("info", "stdout", "line"),
        ("info", "stdout", "before"),  # no newline was written after it
    ]
    assert answer.usage.log_bytes == len("beforebeforelinebefore")


def test_a_call_that_takes_too_long_keeps_its_lines(runner: RunnerFixture, program: str) -> None:
    answer = executed(runner, program, "/slow", timeout_ms=400)
    assert answer.error is not None
    assert [text for _, _, text in told(answer)] == ["waiting"]


def test_of_a_thousand_lines_of_8_kib_the_beginning_and_the_end_are_kept(runner: RunnerFixture, program: str) -> None:
    log: CallLog = unpack(executed(runner, program, "/many").logs_b64z)
    assert log.count + log.dropped == 1_000
    assert log.text_bytes <= LINES_LIMIT_BYTES
    assert log.first[0].text.startswith("0a")
    assert log.last[-1].text.startswith("999a")


def test_nul_and_a_lone_surrogate_arrive_as_text(runner: RunnerFixture, program: str) -> None:
    ((_, _, text),) = told(executed(runner, program, "/odd"))
    assert text.startswith("a\0b")
    assert text.endswith("c")
    text.encode()


def test_a_failed_call_has_the_guests_error_and_its_lines(runner: RunnerFixture, program: str) -> None:
    answer = executed(runner, program, "/throw")
    assert answer.error is not None
    assert answer.error.guest is not None
    assert answer.error.guest.error == "late"
    assert "component.js:" in answer.error.guest.stack
    assert ("info", "before") in [(level, text) for level, _, text in told(answer)]


def test_a_stack_leads_to_the_sources_that_are_at_hand(runner: RunnerFixture, program: str, folder: Path) -> None:
    answer = executed(runner, program, "/throw")
    assert answer.error is not None
    assert answer.error.guest is not None
    found = source_map_of(folder)
    assert found is not None
    script, mapped = found

    stack = mapped.translate(answer.error.guest.stack, script, within=folder.resolve(), hidden=())

    line = next(number for number, text in enumerate(SOURCE.splitlines(), 1) if 'new Error("late")' in text)
    assert f"index.js:{line}:" in stack.splitlines()[0]


def test_each_refused_fetch_says_why_although_the_call_succeeds(runner: RunnerFixture, program: str) -> None:
    answer = executed(runner, program, "/fetch")
    assert (answer.status, answer.error) == (200, None)
    assert told(answer) == [
        ("warn", "platform", "http.fetch refused: 127.0.0.1 is a private address"),
        ("warn", "platform", "http.fetch refused: host api.example.com is not granted"),
        (
            "warn",
            "platform",
            "http.fetch: header proxy-authorization is not sent, because it belongs to the connection",
        ),
        ("warn", "platform", "http.fetch refused: 10.0.0.7 is a private address of other.example"),
        ("warn", "platform", "secrets.get refused: secret CLASSIFIER_KEY is not set"),
    ]
    assert answer.refused is not None
    assert (answer.refused.capability, answer.refused.reason) == ("cap:secrets.get", "secret CLASSIFIER_KEY is not set")


def test_a_capability_that_is_not_granted_says_so(runner: RunnerFixture, program: str) -> None:
    granted = tuple(name for name in EVERY_CAPABILITY if name != "cap:http.fetch")
    answer = executed(runner, program, "/fetch", providers=granted)
    assert "http.fetch refused: cap:http.fetch is not granted" in [text for _, _, text in told(answer)]


def test_headers_that_the_caller_does_not_get_are_named(runner: RunnerFixture, program: str) -> None:
    ((level, source, text),) = told(executed(runner, program, "/headers"))
    assert (level, source) == ("warn", "platform")
    assert text == "headers of the answer that the caller does not get: set-cookie, x-powered-by"


def test_a_secret_is_in_no_line_and_in_no_error_in_any_form(runner: RunnerFixture, program: str) -> None:
    answer = executed(runner, program, "/secret")
    held_back = "[withheld: the value of secret API_KEY in another form]"
    texts = [text for _, _, text in told(answer)]
    assert texts[:3] == ["key [secret API_KEY]", 'as JSON "[secret API_KEY]"', held_back]
    assert answer.error is not None
    assert answer.error.guest is not None
    everything = json.dumps([texts, msgspec.to_builtins(answer)])
    assert VALUE[7:11] not in everything
    assert base64.b64encode(VALUE.encode()).decode() not in everything
    assert answer.error.guest.error == held_back
