"""What the smoke check asks of new code, what it takes for a good answer, and how often it asks."""

import importlib
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from alga_ext.errors import PlatformError
from functions.gateway.smoke.checks import checks
from functions.gateway.smoke.running import ATTEMPTS, Failed, run, serve
from tests.support.answering import Reply, answering

FUNCTIONS = ("gateway", "registry", "uihost", "runner")  # and the sweeper, which has no healthz
STEPS = frozenset({"seccomp", "rlimits"})
PROBE = "sha256:" + "a" * 64


def http(status: int, document: Any = None) -> bytes:
    return json.dumps({"statusCode": status, "body": json.dumps(document or {}), "isBase64Encoded": False}).encode()


def healthy(*confined_by: str) -> bytes:
    return http(200, {"status": "ok", "checks": {"sandbox": {"ok": True, "confined_by": list(confined_by)}}})


def smoke(target: Callable[[str, bytes], bytes], probe: str = "", pauses: list[float] | None = None) -> list[str]:
    return run(checks(FUNCTIONS, lambda: "token", STEPS, probe), target, (pauses if pauses is not None else []).append)


def test_every_function_is_asked_for_its_health() -> None:
    passed = smoke(lambda *_: healthy(*STEPS))
    assert [line.partition(":")[0] for line in passed] == [f"{function} healthz" for function in FUNCTIONS]


def test_an_operator_is_told_how_the_sandbox_is_confined() -> None:
    assert "runner healthz: confined by landlock, rlimits, seccomp" in smoke(lambda *_: healthy(*STEPS, "landlock"))


def test_with_a_probe_a_program_is_loaded_and_a_page_is_fetched() -> None:
    passed = smoke(lambda *_: healthy(*STEPS), PROBE)
    assert {"runner warmup", "uihost page"} <= set(passed)


def test_only_the_runner_is_given_the_operator_token() -> None:
    with_token = {
        check.function
        for check in checks(FUNCTIONS, lambda: "token", STEPS, PROBE)
        if "authorization" in check.event["headers"]
    }
    assert with_token == {"runner"}


def test_each_operator_token_is_signed_just_before_it_is_used() -> None:
    happened: list[str] = []

    def sign() -> str:
        happened.append("signed")
        return "token"

    def target(name: str, _: bytes) -> bytes:
        happened.append(name)
        return healthy(*STEPS)

    run(checks(("gateway", "runner"), sign, STEPS, PROBE), target, lambda _: None)
    assert happened == ["gateway", "signed", "runner", "signed", "runner"]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_that_is_not_healthy_fails_the_check(function: str) -> None:
    with pytest.raises(Failed, match=f"{function} healthz: status 503"):
        smoke(lambda name, _: http(503) if name == function else healthy(*STEPS))


@pytest.mark.parametrize("missing", sorted(STEPS))
def test_a_sandbox_without_an_expected_step_fails_the_check(missing: str) -> None:
    with pytest.raises(Failed, match=f"not confined by {missing}"):
        smoke(lambda *_: healthy(*STEPS - {missing}))


def test_a_sandbox_with_further_steps_passes() -> None:
    assert smoke(lambda *_: healthy(*STEPS, "landlock"))


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"statusCode": 200}', b"null", b'{"statusCode": "x"}'])
def test_an_answer_that_is_not_an_http_response_with_health_fails_the_check(answer: bytes) -> None:
    with pytest.raises(Failed):
        smoke(lambda name, _: answer if name == "runner" else healthy(*STEPS))


def test_a_function_that_fails_its_first_invocation_after_a_long_idle_time_is_asked_again() -> None:
    asked: list[str] = []

    def waking(name: str, _: bytes) -> bytes:
        asked.append(name)
        if asked.count(name) == 1:
            raise PlatformError("runner_unavailable", "It is inactive.", cause="ResourceNotReadyException")
        return healthy(*STEPS)

    pauses: list[float] = []
    smoke(waking, pauses=pauses)
    assert (len(asked), len(pauses)) == (2 * len(FUNCTIONS), len(FUNCTIONS))


def test_a_function_that_stays_broken_is_asked_a_bounded_number_of_times() -> None:
    asked: list[str] = []

    def broken(name: str, _: bytes) -> bytes:
        asked.append(name)
        raise PlatformError("runner_unavailable", "It failed.")

    with pytest.raises(Failed, match="gateway healthz: It failed"):
        smoke(broken)
    assert asked == ["gateway"] * ATTEMPTS


HOOK = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "h-1"}


def _fail() -> list[str]:
    message = "runner healthz: status 503"
    raise Failed(message)


def test_a_deployment_whose_check_failed_is_told_so() -> None:
    told: list[tuple[str, str, str]] = []
    answer = serve(HOOK, _fail, lambda *report: told.append(report))
    assert (answer, told) == ({"failed": "runner healthz: status 503"}, [("d-1", "h-1", "Failed")])


def test_a_deployment_whose_check_passed_is_told_so() -> None:
    told: list[tuple[str, str, str]] = []
    answer = serve(HOOK, lambda: ["gateway healthz"], lambda *report: told.append(report))
    assert (answer, told) == ({"passed": ["gateway healthz"]}, [("d-1", "h-1", "Succeeded")])


def test_a_check_by_hand_reports_to_nobody_and_fails_as_an_error() -> None:
    with pytest.raises(Failed):
        serve({}, _fail, lambda *_: pytest.fail("nothing waits for a report"))


def _break() -> list[str]:
    message = "the key hunter2 is not valid"
    raise ValueError(message)


def test_a_deployment_is_told_that_the_check_itself_broke_without_the_text_of_the_error() -> None:
    told: list[tuple[str, str, str]] = []
    answer = serve(HOOK, _break, lambda *report: told.append(report))
    assert told == [("d-1", "h-1", "Failed")]
    assert "hunter2" not in str(answer)


def test_a_check_by_hand_that_breaks_fails_as_an_error() -> None:
    with pytest.raises(ValueError, match="hunter2"):
        serve({}, _break, lambda *_: pytest.fail("nothing waits for a report"))


def test_a_function_that_cannot_read_its_settings_tells_the_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMOKE_FUNCTIONS", raising=False)
    monkeypatch.delitem(sys.modules, "functions.gateway.smoke.handler", raising=False)
    with answering(lambda _: Reply(body=b"{}")) as server:
        given = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-central-1"}
        for name, value in {**given, "AWS_ENDPOINT_URL_CODEDEPLOY": server.url}.items():
            monkeypatch.setenv(name, value)
        importlib.import_module("functions.gateway.smoke.handler").handler(HOOK, None)
        told = json.loads(server.asked[0].body)
    assert told["status"] == "Failed"


def sweep(answer: bytes) -> list[str]:
    return run(checks(("sweeper",), lambda: "token", STEPS, ""), lambda *_: answer, lambda _: None)


def test_a_sweep_shows_that_the_database_takes_the_functions_login() -> None:
    assert sweep(b'{"withdrawn_listed": 0}') == ["sweeper sweep"]


@pytest.mark.parametrize("answer", [b"", b"null", b"[]"])
def test_a_sweep_that_does_not_answer_fails_the_check(answer: bytes) -> None:
    with pytest.raises(Failed, match="sweeper sweep"):
        sweep(answer)
