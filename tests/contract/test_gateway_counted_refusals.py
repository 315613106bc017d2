"""Calls that are refused before they are accepted: one log line each, which counts them by code, and no record."""

import logging
from collections.abc import Iterator

import pytest

from alga_ext.calls.envelope import encode
from alga_ext.errors import CODES
from tests.conftest import Databases, fresh_databases
from tests.support.answering import Reply
from tests.support.call_door import error
from tests.support.gateway_front import Front, gateway_front, give_installs

METRIC = "CallsRefused"


@pytest.fixture(scope="module")
def shared(postgres_server: str, template_database: str) -> Iterator[Databases]:
    with fresh_databases(postgres_server, template_database) as made:
        give_installs(made, "tenant-a")
        yield made


@pytest.fixture
def front(shared: Databases, aws: str) -> Iterator[Front]:
    with gateway_front(shared.gateway) as made:
        yield made


def counted(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The codes of the lines that count a refusal."""
    return [str(vars(line)["code"]) for line in caplog.records if METRIC in vars(line)]


@pytest.mark.parametrize(
    ("code", "call"),
    [
        ("not_found", {"path": "/api/other"}),
        ("method_not_allowed", {"method": "TRACE"}),
        ("payload_too_large", {"headers": {"x-large": "x" * 9_000}}),
        ("unauthenticated", {"iss": "another"}),
        ("tenant_mismatch", {"headers": {"x-tenant-id": "tenant-b"}}),
        ("not_installed", {"tenant_id": "tenant-b"}),
        ("endpoint_not_found", {"method": "DELETE"}),
        ("forbidden", {"roles": []}),
        ("invalid_request", {"method": "POST", "headers": {"idempotency-key": "a b"}}),
    ],
)
def test_a_refused_call_is_counted_by_its_code_in_its_one_log_line_and_not_recorded(
    front: Front, caplog: pytest.LogCaptureFixture, code: str, call: dict[str, object]
) -> None:
    assert front.call(**call).code == code  # type: ignore[arg-type]

    assert counted(caplog) == [code]
    assert [vars(line)["request_id"] for line in caplog.records if line.levelno >= logging.WARNING] == ["r-1"]
    assert (front.door.server.asked, front.door.records()) == ([], [])


def test_the_metric_has_a_total_and_the_code_as_its_only_dimension(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    front.call(roles=[])

    (line,) = [vars(line) for line in caplog.records if METRIC in vars(line)]
    assert line["_aws"]["CloudWatchMetrics"] == [
        {
            "Namespace": "AlgaExtensions/Platform",
            "Dimensions": [dimensions],
            "Metrics": [{"Name": METRIC, "Unit": "Count"}],
        }
        for dimensions in ([], ["code"])
    ]
    assert (line[METRIC], line["code"] in CODES) == (1, True)


def test_a_call_that_the_breaker_refuses_is_counted(front: Front, caplog: pytest.LogCaptureFixture) -> None:
    front.door.runner_answers(error("guest_timeout", 504))
    for _ in range(5):
        assert front.call().code == "gateway_timeout"
    assert counted(caplog) == []
    assert front.call().code == "runner_unavailable"
    assert counted(caplog) == ["runner_unavailable"]


@pytest.mark.parametrize(
    "reply", [Reply(200, encode(error("guest_trapped"))), Reply(200, b"no answer"), Reply(body=None)]
)
def test_an_accepted_call_that_fails_is_recorded_and_not_counted(
    front: Front, caplog: pytest.LogCaptureFixture, reply: Reply
) -> None:
    front.door.runner_answers(reply)

    assert front.call("POST").status >= 500
    assert len(front.door.records()) == 2
    assert counted(caplog) == []


def test_the_answer_of_an_earlier_call_that_failed_is_not_counted(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    front.door.runner_answers(error("guest_trapped"))
    first, again = (front.call("POST", headers={"idempotency-key": "failed"}) for _ in range(2))

    assert (first.code, again.headers["idempotency-replayed"]) == ("bad_gateway", "true")
    assert counted(caplog) == []


def test_a_request_for_the_health_is_no_call(front: Front, caplog: pytest.LogCaptureFixture) -> None:
    assert front.call(path="/healthz", iss="another").code == "unauthenticated"
    assert counted(caplog) == []
