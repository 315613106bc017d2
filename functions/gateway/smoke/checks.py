"""The requests of the smoke check, and what a good answer to each of them is (pure)."""

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple


class Verdict(NamedTuple):
    """What is wrong with an answer, or None; and what a good one tells the operator, if anything."""

    wrong: str | None
    told: str = ""


Judge = Callable[[bytes], Verdict]
"""Takes a function's answer. Raises ``ValueError`` when it has not the form that the check expects."""

_SHOWN_BYTES: Final = 200


class Check(NamedTuple):
    """One request to the newest code of one function.

    Attributes:
        name: for the report.
        function: name in the topology.
        event: an API Gateway v2 event; for the sweeper, the empty event of a schedule.
        judge: judges the answer.
    """

    name: str
    function: str
    event: dict[str, Any]
    judge: Judge


def checks(
    functions: Iterable[str], sign: Callable[[], str], expected_confinement: frozenset[str], probe: str
) -> Iterator[Check]:
    """Return the checks of some functions.

    Args:
        functions: of the topology.
        sign: returns an operator token of the runner. It is called for each check that needs one, just before that
            check is made, because checks before it may take longer than a token lasts.
        expected_confinement: the confinement steps that the runner must report.
        probe: content hash of a published bundle, ``sha256:…``; with an empty text, no program is loaded and no page is
            fetched.
    """
    for function in functions:
        match function:
            case "runner":
                confined = _confined(expected_confinement)
                yield Check("runner healthz", function, _event("GET", "/healthz", _operator(sign())), confined)
                if probe:
                    body = json.dumps({"content_hash": probe})
                    yield Check("runner warmup", function, _event("POST", "/warmup", _operator(sign()), body), _is_200)
            case "uihost":
                yield Check("uihost healthz", function, _event("GET", "/healthz"), _is_200)
                if probe:
                    path = f"/ext-ui/{probe.removeprefix('sha256:')}/"
                    # CloudFront sets it on every request; this one does not pass CloudFront.
                    named = {"x-alga-ui-host": "smoke-check.invalid"}
                    yield Check("uihost page", function, _event("GET", path, named), _is_200)
            case "sweeper":
                # A sweep signs in to the database, which a health check does not, so as not to wake it; it reads and
                # writes the object store, and signs.
                yield Check("sweeper sweep", function, {}, _swept)
            case "registry":
                yield Check("registry healthz", function, _event("GET", "/api/registry/v1/healthz"), _is_200)
            case _:
                yield Check(f"{function} healthz", function, _event("GET", "/healthz"), _is_200)


def status_and_body(payload: bytes) -> tuple[int, bytes]:
    """Return status and body of an API Gateway v2 response.

    Raises:
        ValueError: it is not one.
    """
    try:
        answer = json.loads(payload)
        text = answer.get("body") or ""
        return int(answer["statusCode"]), base64.b64decode(text) if answer.get("isBase64Encoded") else text.encode()
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        message = "the answer is not an HTTP response"
        raise ValueError(message) from error


def _operator(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def _event(method: str, path: str, headers: Mapping[str, str] | None = None, body: str = "") -> dict[str, Any]:
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "x-request-id": "smoke-check", **(headers or {})},
        "requestContext": {"http": {"method": method, "path": path}, "requestId": "smoke-check"},
        "body": body,
        "isBase64Encoded": False,
    }


def _is_200(payload: bytes) -> Verdict:
    status, body = status_and_body(payload)
    return Verdict(None if status == 200 else f"status {status}: {body[:_SHOWN_BYTES].decode(errors='replace')}")


def _confined(expected: frozenset[str]) -> Judge:
    def judge(payload: bytes) -> Verdict:
        status, body = status_and_body(payload)
        if status != 200:
            return _is_200(payload)
        try:
            sandbox = json.loads(body)["checks"]["sandbox"]
            applied = set(sandbox["confined_by"])
        except (ValueError, KeyError, TypeError):
            return Verdict("healthz does not tell how the sandbox is confined")
        if missing := sorted(expected - applied):
            return Verdict(f"the sandbox is not confined by {', '.join(missing)}")
        return Verdict(None, f"confined by {', '.join(sorted(applied))}")

    return judge


def _swept(payload: bytes) -> Verdict:
    # An invocation that failed is no answer at all (LambdaFunction.invoke).
    return Verdict(None if isinstance(json.loads(payload), dict) else "the sweep did not answer with what it did")
