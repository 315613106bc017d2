"""What an extension's developer reads when a call fails on a development platform, and that nobody else reads it."""

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alga_ext.calls.envelope import ExecuteGrants, ExecuteRequest, ExecuteResponse, SealedSecret, encode
from functions.runner.guest_errors import ASYNC_PYTHON
from functions.runner.imports import secrets
from functions.runner.imports.application import records, ui_proxy
from functions.runner.imports.http import fetch
from tests.support import wat
from tests.support.runner_fixture import EVERY_CAPABILITY, RunnerFixture, body_of, call
from tools.guests import build_component

VALUE = 'sk-"live"\x07-7f3a91c2'
GRANTED = ExecuteGrants(egress=["127.0.0.1", "other.example"], secrets={"API_KEY": []})
SEALED = [SealedSecret(name="API_KEY", sealed_b64=base64.b64encode(VALUE[::-1].encode()).decode(), version=1)]

JAVASCRIPT = r"""
import { Router, json, http, secrets, storage, clients } from "@alga/extension-runtime";
function total(orders) { throw new TypeError("the list of orders is empty:\n\"none\""); }
export const handler = new Router()
  .get("/throw", () => { console.log("ordinary"); console.error("about to count"); return json(total([])); })
  .get("/text", () => { throw "only a text"; })
  .get("/value", () => { throw { code: 5 }; })
  .get("/promise", () => Promise.resolve(json(1)))
  .get("/secret", () => json(secrets.get("CLASSIFIER_KEY")))
  .get("/fetch", () => json(http.fetch("https://other.example/").status))
  .get("/private", () => json(http.fetch("https://127.0.0.1/").status))
  .get("/client", () => json(clients.getClient("c-1")))
  .get("/last", () => {
    for (const ask of [() => http.fetch("https://127.0.0.1/"), () => storage.get("n", "k"), () => secrets.get("A"),
                       () => storage.get("n", "k")]) {
      try { ask(); } catch { /* the last one counts */ }
    }
    throw new Error("gave up");
  })
  .get("/answers", () => {
    try { secrets.get("CLASSIFIER_KEY"); } catch { return json({ mine: true }, { status: 500 }); }
  })
  .get("/leak", () => {
    const value = secrets.get("API_KEY");
    console.error("\x1b[31mred\x00 \u202e key " + value);
    throw new Error("refused with " + value);
  })
  .get("/loud", () => { console.error("ä".repeat(3000)); console.error("the end"); throw new Error("€".repeat(2000)); })
  .get("/slow", () => { console.error("waiting"); for (;;) {} }).handler;
"""
PYTHON = """
import sys
from wit_world.imports import secrets
from wit_world.imports.types import ExecuteResponse

def total(orders):
    raise ValueError("the list of orders is empty")

class WitWorld:
    def handler(self, request):
        if request.http.url == "/secret":
            secrets.get("CLASSIFIER_KEY")
        print("about to count", file=sys.stderr)
        total([])
"""
ASYNC = """
from wit_world.imports.types import ExecuteResponse

class WitWorld:
    async def handler(self, request):
        return ExecuteResponse(200, [], b"")
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
        "clients": records.provider(None),
        "ui-proxy": ui_proxy.provider(None),
    }
    made = RunnerFixture(tmp_path_factory.mktemp("explained"), providers, unsealer=Reversing())
    yield made
    made.close()


def built(runner: RunnerFixture, folder: Path, name: str, source: str, engine: str = "") -> str:
    (folder / name).write_text(source)
    if engine:
        (folder / "build.toml").write_text(f'[server]\nengine = "{engine}"\n')
    return runner.publish(build_component(folder).read_bytes())


@pytest.fixture(scope="module")
def javascript(runner: RunnerFixture, tmp_path_factory: pytest.TempPathFactory) -> str:
    return built(runner, tmp_path_factory.mktemp("javascript"), "index.js", JAVASCRIPT)


@pytest.fixture(scope="module")
def python(runner: RunnerFixture, tmp_path_factory: pytest.TempPathFactory) -> str:
    return built(runner, tmp_path_factory.mktemp("python"), "app.py", PYTHON)


def executed(runner: RunnerFixture, program: str, path: str, **members: Any) -> ExecuteResponse:
    return runner.execute(request_of(program, path, **members))


def request_of(program: str, path: str, **members: Any) -> ExecuteRequest:
    request = call(program, path=path, grants=GRANTED, **members)
    return msgspec.structs.replace(request, secret_envelope=SEALED)


def explained(answer: ExecuteResponse) -> dict[str, Any]:
    """The members of an answer that explain its error."""
    assert answer.error is not None, body_of(answer)
    found = {"guest": answer.error.guest, "refused": answer.refused}
    return {name: msgspec.to_builtins(part) for name, part in found.items() if part is not None}


def refused(answer: ExecuteResponse) -> tuple[str, str]:
    found = explained(answer)["refused"]
    return found["capability"], found["reason"]


def test_a_javascript_error_is_told_with_its_stack_and_what_the_console_said(
    runner: RunnerFixture, javascript: str
) -> None:
    found = explained(executed(runner, javascript, "/throw"))
    assert found.keys() == {"guest"}
    assert found["guest"]["error"] == 'the list of orders is empty:\n"none"'
    assert "at total (" in found["guest"]["stack"].splitlines()[0]
    assert found["guest"]["stderr"] == "about to count"


@pytest.mark.parametrize(
    ("path", "error"), [("/text", "only a text"), ("/value", "The handler threw a value that is not an Error.")]
)
def test_a_thrown_value_that_is_no_error_is_told(runner: RunnerFixture, javascript: str, path: str, error: str) -> None:
    assert explained(executed(runner, javascript, path)) == {"guest": {"error": error}}


def test_a_python_exception_is_told_with_its_traceback(runner: RunnerFixture, python: str) -> None:
    found = explained(executed(runner, python, "/"))["guest"]
    assert found["error"] == "ValueError: the list of orders is empty"
    assert found["stack"].splitlines()[-1].endswith('app.py", line 7, in total')
    assert found["stderr"] == "about to count"


def test_an_async_handler_is_told_in_words(runner: RunnerFixture, javascript: str, tmp_path: Path) -> None:
    promise = explained(executed(runner, javascript, "/promise"))["guest"]["error"]
    assert promise.startswith("The handler returned a promise, but the engine")
    coroutine = explained(executed(runner, built(runner, tmp_path, "app.py", ASYNC), "/"))
    assert coroutine == {"guest": {"error": ASYNC_PYTHON}}


@pytest.mark.slow
def test_the_large_javascript_engine_tells_its_errors_too(runner: RunnerFixture, tmp_path: Path) -> None:
    source = 'export const handler = () => { console.error("before"); throw new Error("late"); };'
    found = explained(executed(runner, built(runner, tmp_path, "index.js", source, "starlingmonkey"), "/"))["guest"]
    assert (found["error"], found["stderr"]) == ("late", "before")
    assert found["stack"].strip().startswith("handler@guest.js")


def test_a_missing_secret_is_named(runner: RunnerFixture, javascript: str, python: str) -> None:
    for program in (javascript, python):
        answer = executed(runner, program, "/secret")
        assert refused(answer) == ("cap:secrets.get", "secret CLASSIFIER_KEY is not set")
        assert "missing" in explained(answer)["guest"]["error"].lower()


@pytest.mark.parametrize(
    ("path", "without", "expected"),
    [
        ("/fetch", "cap:http.fetch", ("cap:http.fetch", "cap:http.fetch is not granted")),
        ("/secret", "cap:secrets.get", ("cap:secrets.get", "cap:secrets.get is not granted")),
        ("/private", "", ("cap:http.fetch", "127.0.0.1 is a private address")),
        ("/fetch", "", ("cap:http.fetch", "10.0.0.7 is a private address of other.example")),
        ("/client", "", ("cap:client.read", "this platform offers no client service")),
    ],
)
def test_the_refused_capability_is_told_with_the_reason(
    runner: RunnerFixture, javascript: str, path: str, without: str, expected: tuple[str, str]
) -> None:
    granted = tuple(name for name in EVERY_CAPABILITY if name != without)
    assert refused(executed(runner, javascript, path, providers=granted)) == expected


def test_the_last_refusal_counts_whichever_side_refused(runner: RunnerFixture, javascript: str) -> None:
    granted = ("cap:log.emit", "cap:http.fetch", "cap:secrets.get")
    answer = executed(runner, javascript, "/last", providers=granted)
    assert refused(answer) == ("cap:storage.kv", "cap:storage.kv is not granted")


def test_a_guest_that_traps_without_a_word_still_has_its_refusal(runner: RunnerFixture) -> None:
    program = runner.publish(
        wat.guest(
            "(call $clients.get-client (i32.const 2100) (i32.const 1) (i32.const 4096)) unreachable",
            imports=["clients.get-client"],
            data='(data (i32.const 2100) "c")',
        )
    )
    found = explained(executed(runner, program, "/", providers=("cap:log.emit",)))
    assert found == {"refused": {"capability": "cap:client.read", "reason": "cap:client.read is not granted"}}


def test_an_answer_of_the_guest_stays_as_it_is(runner: RunnerFixture, javascript: str) -> None:
    answer = executed(runner, javascript, "/answers")
    assert (answer.status, answer.error, body_of(answer)) == (500, None, b'{"mine":true}')


def test_a_call_that_takes_too_long_tells_what_was_said_before(runner: RunnerFixture, javascript: str) -> None:
    answer = executed(runner, javascript, "/slow", timeout_ms=400)
    assert answer.error is not None
    assert (answer.error.code, explained(answer)) == ("guest_timeout", {"guest": {"stderr": "waiting"}})


def test_secrets_and_control_characters_do_not_come_through(runner: RunnerFixture, javascript: str) -> None:
    answer = executed(runner, javascript, "/leak")
    found = explained(answer)["guest"]
    assert found["error"] == "refused with [secret API_KEY]"
    assert found["stderr"] == "\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER} \N{REPLACEMENT CHARACTER} " + (
        "key [secret API_KEY]"
    )
    assert b"7f3a91c2" not in encode(answer)


def test_what_is_told_is_bounded_and_keeps_the_end_of_the_output(runner: RunnerFixture, javascript: str) -> None:
    found = explained(executed(runner, javascript, "/loud"))["guest"]
    assert len(found["stderr"].encode()) <= 2_048
    assert found["stderr"].startswith("…ä")
    assert found["stderr"].endswith("ä\nthe end")
    assert len(found["error"].encode()) <= 1_024
    assert found["error"].endswith("€…")
