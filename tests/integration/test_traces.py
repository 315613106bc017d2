"""One call followed through the whole platform by its request id and its trace id."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

from tests.support.answering import AnsweringServer, Reply, answering
from tests.support.fetching_guest import install_fetching
from tests.support.site import Site
from tools.cli.client import Reply as Answer

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = f"00-{TRACE}-00f067aa0ba902b7-01"
FORM = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-0[01]")


class Followed(NamedTuple):
    """A call, and what it left."""

    site: Site
    answer: Answer
    guest: dict[str, Any]
    server: AnsweringServer
    record: dict[str, Any]

    @property
    def request_id(self) -> str:
        """The id that the caller was told."""
        return self.answer.headers["x-request-id"]

    def lines_of(self, function: str) -> list[dict[str, Any]]:
        """The lines of a function's log that name this request."""
        folder: Path = self.site.platform.options.state / "logs"
        found = [
            json.loads(line)
            for file in folder.glob(f"{function}*.log")
            for line in file.read_text().splitlines()
            if line.startswith("{")
        ]
        return [line for line in found if line.get("request_id") == self.request_id]


@pytest.fixture(scope="module")
def followed(site: Site) -> Iterator[Followed]:
    with answering(lambda _: Reply(200, b"found")) as server:
        install_id = install_fetching(site, [server.url])
        query = urlencode([("url", server.url), ("url", "https://refused.example/")])
        answer = site.call(install_id, f"/run?{query}", headers={"traceparent": CALLER})
        assert answer.status == 200, answer
        record = site.record(answer.headers["x-request-id"])
        yield Followed(site, answer, json.loads(answer.body), server, record)


def trace_of(value: str) -> str:
    match = FORM.fullmatch(value)
    assert match is not None, value
    return match[1]


def test_the_guest_sees_the_callers_trace_with_a_new_parent(followed: Followed) -> None:
    assert trace_of(followed.guest["traceparent"]) == TRACE
    assert followed.guest["traceparent"] != CALLER


def test_the_fetched_host_gets_the_same_trace_with_a_new_parent(followed: Followed) -> None:
    (asked,) = followed.server.asked
    assert trace_of(asked.headers["traceparent"]) == TRACE
    assert asked.headers["traceparent"] not in (CALLER, followed.guest["traceparent"])


def test_the_gateways_line_of_the_call_has_both_ids(followed: Followed) -> None:
    lines = followed.lines_of("gateway")
    assert len(lines) > 0
    assert {line["trace_id"] for line in lines} == {TRACE}


def test_the_runners_lines_have_both_ids(followed: Followed) -> None:
    lines = followed.lines_of("runner")
    assert {line["trace_id"] for line in lines} == {TRACE}
    assert "egress" in [line["message"] for line in lines]


def test_the_record_has_both_ids(followed: Followed) -> None:
    assert (followed.record["request_id"], followed.record["trace_id"]) == (followed.request_id, TRACE)


def test_the_kept_lines_lead_to_both_ids(followed: Followed) -> None:
    logs = followed.site.client("acme").json("GET", f"/executions/{followed.record['execution_id']}/logs")

    assert (logs["request_id"], logs["trace_id"]) == (followed.request_id, TRACE)
    assert [line["text"] for line in logs["lines"]] == [
        "the guest was here",
        "http.fetch refused: host refused.example is not granted",
    ]


def test_an_audit_row_has_the_ids_of_the_request_that_made_the_change(followed: Followed) -> None:
    admin, install_id = followed.site.client("acme"), str(followed.record["install_id"])
    changed = admin.request("POST", f"/api/registry/v1/installs/{install_id}/pin", None, {"traceparent": CALLER})
    assert changed.status == 200

    newest = admin.json("GET", "/audit?page_size=1")["items"][0]

    assert (newest["action"], newest["trace_id"]) == ("install.pin", TRACE)
    assert newest["request_id"] == changed.headers["x-request-id"]


def test_a_trace_that_is_not_valid_is_replaced_and_does_not_reach_the_audit_trail(followed: Followed) -> None:
    admin, install_id = followed.site.client("acme"), str(followed.record["install_id"])
    forged = {"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"}
    answer = followed.site.call(install_id, headers=forged)
    admin.request("POST", f"/api/registry/v1/installs/{install_id}/unpin", None, forged)

    trace = trace_of(json.loads(answer.body)["traceparent"])
    assert trace != "0" * 32
    assert followed.site.record(answer.headers["x-request-id"])["trace_id"] == trace
    assert admin.json("GET", "/audit?page_size=1")["items"][0]["trace_id"] is None


def test_a_refused_call_is_logged_by_the_gateway_with_both_ids(followed: Followed) -> None:
    refused = followed.site.call("no.such.extension", headers={"traceparent": CALLER})

    lines = followed._replace(answer=refused).lines_of("gateway")

    assert [(line["code"], line["trace_id"]) for line in lines] == [("not_installed", TRACE)]
