"""The runtime API and the invoke endpoint: what Lambda promises of processes, tenants, failures and limits."""

import asyncio
import json
import os
import time
from collections.abc import Coroutine, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import boto3
import pytest
from botocore.config import Config

from tests.support.servers import Loop
from tools.local.function_processes import Functions, TenantRuleError, UnknownFunctionError
from tools.local.invoke_api import InvokeApi
from tools.local.lambda_types import FunctionSpec, Outcome

T = TypeVar("T")
SMALL = "tests.support.small_functions."
TIMEOUT_S = 1.0
SPECS = (
    FunctionSpec("echo", SMALL + "echo", 5, {"GIVEN": "value"}, private_folders={"FOLDER": "kept"}),
    FunctionSpec("tenant-echo", SMALL + "echo", 5, per_tenant=True),
    FunctionSpec("misbehave", SMALL + "misbehave", TIMEOUT_S),
    FunctionSpec("broken", "tests.support.broken_init.handler", 5),
)


class LocalFunctions:
    """The functions above, invoked and waited for from the test's thread."""

    def __init__(self, loop: Loop, folder: Path) -> None:
        self._loop = loop
        self.folder = folder
        self.functions = Functions(SPECS, folder / "logs", folder / "tmp")
        self.api = InvokeApi(self.functions)
        self.url = self.run(self._start())

    async def _start(self) -> str:
        self.functions.start()
        return await self.api.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._loop.run(coroutine)

    def invoke(self, name: str, event: Any = None, tenant_id: str | None = None) -> Outcome:
        return self.run(self.functions.invoke(name, json.dumps(event or {}).encode(), tenant_id))

    def answer(self, name: str, event: Any = None, tenant_id: str | None = None) -> Any:
        outcome = self.invoke(name, event, tenant_id)
        assert outcome.error is None, outcome.payload
        return json.loads(outcome.payload)

    def stop(self) -> None:
        self.run(self.api.close())
        self.run(self.functions.close())


@pytest.fixture(scope="module")
def house(server_loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalFunctions]:
    house = LocalFunctions(server_loop, tmp_path_factory.mktemp("house"))
    yield house
    house.stop()
    assert house.functions.pids() == []
    assert list((house.folder / "tmp").iterdir()) == []


@pytest.fixture
def aws(house: LocalFunctions) -> Iterator[Any]:
    client = boto3.session.Session().client(
        "lambda",
        endpoint_url=house.url,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="y",
        config=Config(retries={"total_max_attempts": 1}),
    )
    with closing(client):
        yield client


def test_a_process_serves_one_call_after_another(house: LocalFunctions) -> None:
    first, second = house.answer("echo", {"n": 1}), house.answer("echo", {"n": 2})

    assert second["pid"] == first["pid"]
    assert second["calls"] == first["calls"] + 1
    assert second["event"] == {"n": 2}
    assert 0 < second["remaining_ms"] <= 5000


def test_a_process_sees_its_own_environment_and_nothing_of_the_shell(house: LocalFunctions) -> None:
    os.environ["ALGA_TEST_SECRET"] = "of the shell"
    try:
        environment = house.answer("echo")["environment"]
    finally:
        del os.environ["ALGA_TEST_SECRET"]

    assert environment["GIVEN"] == "value"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "echo"
    assert environment["FOLDER"] == f"{environment['TMPDIR']}/kept"
    assert "ALGA_TEST_SECRET" not in environment


def test_tenants_never_share_a_process(house: LocalFunctions) -> None:
    acme, globex = house.answer("tenant-echo", tenant_id="acme"), house.answer("tenant-echo", tenant_id="globex")

    assert (acme["tenant_id"], globex["tenant_id"]) == ("acme", "globex")
    assert acme["pid"] != globex["pid"]
    assert house.answer("tenant-echo", tenant_id="acme")["pid"] == acme["pid"]


def test_a_tenant_is_needed_exactly_where_isolation_is_on(house: LocalFunctions) -> None:
    with pytest.raises(TenantRuleError):
        house.invoke("tenant-echo")
    with pytest.raises(TenantRuleError):
        house.invoke("echo", tenant_id="acme")
    with pytest.raises(UnknownFunctionError):
        house.invoke("nobody")


def test_an_exception_is_the_functions_error_and_the_process_lives(house: LocalFunctions) -> None:
    before = house.answer("misbehave")["pid"]

    outcome = house.invoke("misbehave", {"do": "raise"})

    assert outcome.error == "Unhandled"
    assert json.loads(outcome.payload)["errorType"] == "ValueError"
    assert house.answer("misbehave")["pid"] == before


@pytest.mark.parametrize(("how", "reason"), [("exit", "exit status 3"), ("crash", "signal 11")])
def test_a_process_that_ends_costs_one_call(house: LocalFunctions, how: str, reason: str) -> None:
    outcome = house.invoke("misbehave", {"do": how})

    error = json.loads(outcome.payload)
    assert (outcome.error, error["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert reason in error["errorMessage"]
    assert house.answer("misbehave")["pid"] > 0


def test_a_timeout_kills_the_process_and_what_it_started(house: LocalFunctions) -> None:
    child = house.answer("misbehave", {"do": "child"})["child"]
    started = time.monotonic()

    outcome = house.invoke("misbehave", {"do": "sleep", "seconds": 30})

    assert json.loads(outcome.payload)["errorType"] == "Sandbox.Timedout"
    assert time.monotonic() - started < TIMEOUT_S + 2
    assert gone(child)


def test_a_response_above_the_limit_is_an_error(house: LocalFunctions) -> None:
    outcome = house.invoke("misbehave", {"do": "large"})

    assert json.loads(outcome.payload)["errorType"] == "Function.ResponseSizeTooLarge"
    assert house.answer("misbehave")["pid"] > 0


def test_a_broken_initialisation_fails_the_call_and_is_tried_again(house: LocalFunctions) -> None:
    cold_starts = house.functions.cold_starts("broken")
    for _ in range(2):
        error = json.loads(house.invoke("broken").payload)
        assert (error["errorType"], error["errorMessage"]) == ("RuntimeError", "the configuration is missing")
    assert house.functions.cold_starts("broken") == cold_starts + 2


def test_calls_beyond_four_processes_wait_their_turn(house: LocalFunctions) -> None:
    event = json.dumps({"do": "sleep", "seconds": 0.2}).encode()

    async def many() -> list[Outcome]:
        return await asyncio.gather(*(house.functions.invoke("misbehave", event) for _ in range(10)))

    outcomes = house.run(many())

    assert [outcome.error for outcome in outcomes] == [None] * 10
    assert len(house.functions.pids("misbehave")) <= 4


def test_boto3_invokes_for_a_tenant(aws: Any) -> None:
    answer = aws.invoke(FunctionName="tenant-echo", Payload=b'{"n": 1}', TenantId="acme")

    assert answer["StatusCode"] == 200
    assert "FunctionError" not in answer
    assert json.loads(answer["Payload"].read())["tenant_id"] == "acme"


def test_boto3_sees_a_functions_error(aws: Any) -> None:
    answer = aws.invoke(FunctionName="misbehave", Payload=b'{"do": "raise"}')

    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert json.loads(answer["Payload"].read())["errorMessage"] == "on purpose"


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({"FunctionName": "tenant-echo"}, "InvalidParameterValueException"),
        ({"FunctionName": "echo", "TenantId": "acme"}, "InvalidParameterValueException"),
        ({"FunctionName": "nobody"}, "ResourceNotFoundException"),
        ({"FunctionName": "echo", "Payload": b'"' + b"x" * 6 * 1024 * 1024 + b'"'}, "RequestTooLargeException"),
    ],
)
def test_boto3_raises_what_lambda_raises(aws: Any, request_: dict[str, Any], error: str) -> None:
    with pytest.raises(getattr(aws.exceptions, error)):
        aws.invoke(**request_)


def test_an_event_is_accepted_and_run_later(aws: Any, tmp_path: Path) -> None:
    done = tmp_path / "done"
    payload = json.dumps({"do": "touch", "path": str(done)}).encode()

    assert aws.invoke(FunctionName="misbehave", InvocationType="Event", Payload=payload)["StatusCode"] == 202

    deadline = time.monotonic() + 5
    while not done.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert done.exists()


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if status == "Z":  # ended; its reaper has not looked yet
            return True
        time.sleep(0.02)
    return False
