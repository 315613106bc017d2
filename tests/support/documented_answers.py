"""Requests made from an OpenAPI document by Schemathesis, and what every answer to them must be."""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Err
from schemathesis.core.transport import Response
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from alga_ext.edge.http import PROBLEM_TYPE_BASE
from alga_ext.errors import CODES, PlatformError

FACTOR: Final = int(os.environ.get("CONTRACT_FUZZ", "1"))
"""How many times as many requests to make as in ``make test``; with more than one, they differ in every run."""
Case = schemathesis.Case[Any]
_CHECKS: Final = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
_MOSTLY: Final = st.sampled_from([True, True, True, False])
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}\Z")
_NOT_OF_AN_ANSWER: Final = frozenset(
    {"apigw-requestid", "connection", "content-length", "content-type", "date", "server"}
)
_BY_API_GATEWAY: Final = (413, 429, 503)


def operations(document: Mapping[str, Any]) -> Iterator[APIOperation[Any, Any, Any, Any]]:
    """Yield the operations of a document."""
    for found in schemathesis.openapi.from_dict(dict(document)).get_all_operations():
        if isinstance(found, Err):
            raise found.err()
        yield found.ok()


def ask_each(
    document: Mapping[str, Any],
    send: Callable[[Case], Response],
    *,
    examples: int,
    places: Mapping[str, st.SearchStrategy[str]],
    left_out: frozenset[str] = frozenset(),
) -> int:
    """Send valid and invalid requests to each operation, check the answers, and return how many were sent.

    Args:
        document: OpenAPI 3.1.
        send: sends one request.
        examples: how many for each operation, times ``FACTOR``.
        places: values of path parameters that exist, by name; otherwise they are made up.
        left_out: operation ids not to call.

    Raises:
        AssertionError: answers were not as documented; it lists each of them.
    """
    asked = [
        fault
        for operation in operations(document)
        if operation.definition.raw.get("operationId") not in left_out
        for fault in _ask(document, operation, send, examples * FACTOR, places)
    ]
    faults = [fault for fault in asked if fault is not None]
    assert faults == [], "\n\n".join(faults)
    return len(asked)


def _ask(
    document: Mapping[str, Any],
    operation: APIOperation[Any, Any, Any, Any],
    send: Callable[[Case], Response],
    examples: int,
    places: Mapping[str, st.SearchStrategy[str]],
) -> list[str | None]:
    """Send requests to one operation; return for each what was wrong with its answer, or None."""
    found: list[str | None] = []

    @settings(
        max_examples=examples,
        derandomize=FACTOR == 1,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def ask(data: st.DataObject) -> None:
        mode = data.draw(st.sampled_from(list(schemathesis.GenerationMode)))
        case = data.draw(operation.as_strategy(generation_mode=mode))
        for name in case.path_parameters:
            if name in places and data.draw(_MOSTLY):
                case.path_parameters[name] = data.draw(places[name])
        answer = send(case)
        found.append(_fault(case, answer, documented_headers(document, operation, answer.status_code)))

    ask()
    return found


def documented_headers(
    document: Mapping[str, Any], operation: APIOperation[Any, Any, Any, Any], status: int
) -> set[str]:
    """Return the names of the headers that an answer may have."""
    responses = operation.definition.raw["responses"]
    response = responses.get(str(status), responses.get("default", {}))
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    return set(response.get("headers", ()))


def _fault(case: Case, answer: Response, documented: set[str]) -> str | None:
    try:
        others = {name for name in answer.headers if not name.startswith("x-ext-")} - documented - _NOT_OF_AN_ANSWER
        assert others == set(), "headers that are not documented"
        case.validate_response(answer, checks=_CHECKS)
        check_answer(answer)
    except (FailureGroup, AssertionError) as failed:
        reasons = failed.exceptions if isinstance(failed, FailureGroup) else [failed]
        shown = "\n".join(f"{type(reason).__name__}: {reason}" for reason in reasons)
        return f"{case.as_curl_command()}\n{answer.status_code} {answer.content[:600]!r}\n{shown}"
    return None


def check_answer(answer: Response) -> None:
    """Assert what holds for every answer of the platform, whichever operation it is for."""
    headers = {name: values[0] for name, values in answer.headers.items()}
    assert answer.status_code < 500, "nothing that a client sends is a fault of the platform"
    by_api_gateway = answer.status_code in _BY_API_GATEWAY and headers["content-type"] == "application/json"
    if by_api_gateway:
        assert json.loads(answer.content).keys() == {"message"}
        return
    assert _REQUEST_ID.match(headers["x-request-id"])
    if answer.status_code < 400:
        return
    assert headers["content-type"] == "application/problem+json"
    assert headers["cache-control"] == "no-store"
    if answer.request.method != "HEAD":
        _check_problem(json.loads(answer.content), answer.status_code, headers)


def _check_problem(document: dict[str, Any], status: int, headers: dict[str, str]) -> None:
    code = document["code"]
    assert (status, document["status"]) == (PlatformError(code, "").status, status)
    assert (document["type"], document["title"]) == (f"{PROBLEM_TYPE_BASE}{code}", CODES[code].title)
    assert document["request_id"] == document["instance"] == headers["x-request-id"]
    assert document["detail"].endswith((".", "?"))
    assert ("retry-after" in headers) == (status in (429, 503))
    assert ("allow" in headers) == (status == 405)
    assert ("www-authenticate" in headers) == (status == 401)
