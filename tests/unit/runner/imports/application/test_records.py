"""Clients, services and invoices: the requests that are sent, and what becomes of a real application's answers."""

import base64
import gzip
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jsonschema
import jwt
import pytest

from alga_ext.calls.envelope import ExecuteGrants, ExecuteUser, SealedSecret
from alga_ext.trust.signing import LocalSigner
from functions.runner.imports.application import records
from functions.runner.imports.application.address import Address
from functions.runner.imports.application.client import Application
from functions.runner.imports.call_context import CallContext
from tests.support.fake_application import CLIENT, FORBIDDEN_USER, INSTALL, TOKEN, FakeApplication
from tests.support.places import ROOT
from tests.support.runner_fixture import EVERY_CAPABILITY, call

SCHEMA = json.loads((ROOT / "docs/reference/host-api.schema.json").read_text(encoding="utf-8"))
SIGNER = LocalSigner.generate()
ITEM = ("s-1", 2.0, "Work", 99.5, None, None, None, None)
FULL_ITEM = ("s-2", 1.0, "Off", 10.0, True, "percentage", "item-1", "s-1")
EVERY_CALL: list[tuple[str, Any]] = [
    ("clients.list-clients", (None, None, None, None)),
    ("clients.get-client", "c-1"),
    ("services.list-services", (None, None, None, None, None, None)),
    ("services.get-service", "s-1"),
    ("invoicing.create-manual-invoice", ("c-1", [ITEM], None, None, None)),
]
each_call = pytest.mark.parametrize(("function", "argument"), EVERY_CALL, ids=[name for name, _ in EVERY_CALL])


class _Opener:
    """Opens secrets that are not sealed."""

    def unseal(self, sealed: bytes, context: Mapping[str, str]) -> bytes:  # noqa: ARG002 - part of the port
        return sealed


def ask(
    url: str,
    function: str,
    argument: Any,
    user: ExecuteUser | None = None,
    *,
    timeout_s: float = 5,
    api_key: str | None = None,
    without: str = "",
) -> Any:
    """Answer one host call with the application at a URL."""
    application = Application(Address.of(url), TOKEN, SIGNER, time.time)
    request = call("sha256:" + "0" * 64, user=user, grants=ExecuteGrants(secrets={"api_key": []}))
    if api_key is not None:
        sealed = base64.b64encode(api_key.encode()).decode()
        request.secret_envelope = [SealedSecret(name="api_key", sealed_b64=sealed, version=1)]
    deadline_ns = time.monotonic_ns() + int(timeout_s * 1e9)
    made = CallContext(request, frozenset(EVERY_CAPABILITY) - {without}, deadline_ns, _Opener(), time.time)
    opened = records.provider(application)(made)
    try:
        return opened.handlers[function].answer(argument)
    finally:
        opened.close()


def case_of(outcome: Any) -> Any:
    """Return the error case of a result, or the first word of an invoice record's error."""
    return outcome[1] if len(outcome) == 2 else outcome[7].partition(":")[0]


def is_failure(outcome: Any) -> bool:
    return outcome[0] is False


@pytest.fixture
def fake() -> Iterator[FakeApplication]:
    made = FakeApplication()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("function", "argument", "expected"),
    [
        (
            "clients.list-clients",
            (None, None, None, None),
            {"operation": "list", "input": {"page": 1, "pageSize": 25}},
        ),
        (
            "clients.list-clients",
            ("ü", True, 2, 10),
            {"operation": "list", "input": {"page": 2, "pageSize": 10, "search": "ü", "includeInactive": True}},
        ),
        ("clients.get-client", "c-1", {"operation": "get", "input": {"clientId": "c-1"}}),
        (
            "services.list-services",
            ("s", "product", False, "usage", 3, 7),
            {
                "operation": "list",
                "input": {
                    "page": 3,
                    "pageSize": 7,
                    "search": "s",
                    "itemKind": "product",
                    "isActive": False,
                    "billingMethod": "usage",
                },
            },
        ),
        ("services.get-service", "s-1", {"operation": "get", "input": {"serviceId": "s-1"}}),
        (
            "invoicing.create-manual-invoice",
            ("c-1", [ITEM, FULL_ITEM], "2026-01-31", "2026-02-28", "PO 1"),
            {
                "operation": "createManualInvoice",
                "clientId": "c-1",
                "items": [
                    {"serviceId": "s-1", "quantity": 2.0, "description": "Work", "rate": 99.5},
                    {
                        "serviceId": "s-2",
                        "quantity": 1.0,
                        "description": "Off",
                        "rate": 10.0,
                        "isDiscount": True,
                        "discountType": "percentage",
                        "appliesToItemId": "item-1",
                        "appliesToServiceId": "s-1",
                    },
                ],
                "invoiceDate": "2026-01-31",
                "dueDate": "2026-02-28",
                "poNumber": "PO 1",
            },
        ),
    ],
)
def test_a_request_has_exactly_the_documented_members(
    fake: FakeApplication, function: str, argument: Any, expected: Any
) -> None:
    ask(fake.url, function, argument)
    assert fake.asked[0].body == expected


@each_call
def test_a_request_fits_its_schema(fake: FakeApplication, function: str, argument: Any) -> None:
    ask(fake.url, function, argument, ExecuteUser(user_id="u-1"))
    names = {
        "clients.list-clients": "ClientsListRequest",
        "clients.get-client": "ClientGetRequest",
        "services.list-services": "ServicesListRequest",
        "services.get-service": "ServiceGetRequest",
        "invoicing.create-manual-invoice": "CreateManualInvoiceRequest",
    }
    jsonschema.validate(fake.asked[0].body, {**SCHEMA, "$ref": f"#/$defs/{names[function]}"})


@each_call
def test_a_request_names_its_user_and_proves_its_sender(fake: FakeApplication, function: str, argument: Any) -> None:
    ask(fake.url, function, argument, ExecuteUser(user_id="u-1", user_type="client"))
    asked = fake.asked[0]
    assert asked.body["user"] == {"userId": "u-1", "userType": "client"}
    assert asked.headers["content-type"] == "application/json"
    claims = jwt.decode(
        asked.headers["x-alga-call-token"], SIGNER.raw.public_key(), algorithms=["EdDSA"], audience="alga-host"
    )
    assert (claims["method"], claims["route"], claims["install"], claims["user"]) == (
        "POST",
        asked.path,
        INSTALL,
        "u-1",
    )


@each_call
def test_a_call_without_a_user_names_none(fake: FakeApplication, function: str, argument: Any) -> None:
    ask(fake.url, function, argument)
    assert "user" not in fake.asked[0].body


@pytest.mark.parametrize("snake_case", [False, True])
def test_records_are_returned_whichever_way_their_names_are_written(snake_case: bool) -> None:
    fake = FakeApplication(snake_case=snake_case)
    former = ("c-2", "Gone", None, True, None, None, None, None)
    product = ("s-2", "Router", "product", "fixed", None, None, 0.0, "", True, None)
    service = ("s-1", "Support", "service", "hourly", "t-1", "Labour", 99.95, "hour", True, "SUP-1")
    try:
        page = ([tuple(CLIENT.values()), former], 2, 1, 25)
        assert ask(fake.url, "clients.list-clients", (None, True, None, None)) == (True, page)
        assert ask(fake.url, "clients.get-client", "c-1") == (True, tuple(CLIENT.values()))
        assert ask(fake.url, "clients.get-client", "none") == (True, None)
        assert ask(fake.url, "services.get-service", "s-2") == (True, product)
        assert ask(fake.url, "services.get-service", "s-1") == (True, service)
        created = ask(fake.url, "invoicing.create-manual-invoice", ("c-1", [ITEM], None, None, None))
        assert created == (True, "i-1", "2026-0001", "draft", 199.0, 0.0, 199.0, None, None)
    finally:
        fake.close()


def test_an_invoice_that_is_not_created_says_why(fake: FakeApplication) -> None:
    outcome = ask(fake.url, "invoicing.create-manual-invoice", ("c-9", [ITEM], None, None, None))
    assert outcome == (False, *[None] * 6, "no such client", '{"clientId":"unknown"}')


def test_a_bad_request_passes_on_what_the_application_says_about_an_invoice(fake: FakeApplication) -> None:
    outcome = ask(fake.url, "invoicing.create-manual-invoice", ("c-1", [], None, None, None))
    assert outcome == (False, *[None] * 6, "bad request: items", None)


@each_call
def test_a_user_who_may_not_is_not_allowed(fake: FakeApplication, function: str, argument: Any) -> None:
    outcome = ask(fake.url, function, argument, ExecuteUser(user_id=FORBIDDEN_USER))
    assert (is_failure(outcome), case_of(outcome)) == (True, "not-allowed")


def test_a_page_that_does_not_exist_is_invalid_input(fake: FakeApplication) -> None:
    assert ask(fake.url, "clients.list-clients", (None, None, 0, 25)) == (False, "invalid-input")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [1, 3])
def test_a_number_that_json_cannot_write_is_invalid_input(fake: FakeApplication, number: float, place: int) -> None:
    item = tuple(number if index == place else value for index, value in enumerate(ITEM))
    outcome = ask(fake.url, "invoicing.create-manual-invoice", ("c-1", [item], None, None, None))
    assert (case_of(outcome), fake.asked) == ("invalid-input", [])


def test_a_request_over_one_mebibyte_is_invalid_input_and_not_sent(fake: FakeApplication) -> None:
    assert ask(fake.url, "clients.get-client", "c" * 1_048_576) == (False, "invalid-input")
    assert fake.asked == []


# --- an application that is broken or hostile ---


class Broken:
    """An application that answers the same to everything."""

    def __init__(self, status: int, body: bytes, *, headers: dict[str, str] | None = None, pause_s: float = 0) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                time.sleep(pause_s)
                self.send_response(status)
                for name, value in {"content-length": str(len(body)), **(headers or {})}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def broken() -> Iterator[Callable[..., Broken]]:
    made: list[Broken] = []

    def make(*args: Any, **given: Any) -> Broken:
        made.append(Broken(*args, **given))
        return made[-1]

    yield make
    for application in made:
        application.close()


@each_call
@pytest.mark.parametrize(
    ("status", "case"),
    [
        (401, "not-allowed"),
        (403, "not-allowed"),
        (400, "invalid-input"),
        (302, "internal"),
        (404, "internal"),
        (409, "internal"),
        (429, "internal"),
        (500, "internal"),
        (501, "internal"),
        (503, "internal"),
    ],
)
def test_each_status_has_its_case(
    broken: Callable[..., Broken], function: str, argument: Any, status: int, case: str
) -> None:
    outcome = ask(broken(status, b"<html>stack trace</html>").url, function, argument)
    assert (is_failure(outcome), case_of(outcome)) == (True, case)
    assert "stack" not in str(outcome)


@each_call
@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"<html>", b"{}", b'{"items": 1}', b"[" * 100_000, b"\xff\xfe", b" " * 1_048_577],
    ids=["empty", "null", "list", "html", "object", "wrong", "deep", "not UTF-8", "large"],
)
def test_an_answer_that_cannot_be_used_is_internal(
    broken: Callable[..., Broken], function: str, argument: Any, body: bytes
) -> None:
    outcome = ask(broken(200, body).url, function, argument)
    assert (is_failure(outcome), case_of(outcome)) == (True, "internal")


@each_call
def test_an_application_that_is_not_there_is_internal(
    broken: Callable[..., Broken], function: str, argument: Any
) -> None:
    application = broken(200, b"{}")
    application.close()
    outcome = ask(application.url, function, argument)
    assert (is_failure(outcome), case_of(outcome)) == (True, "internal")


@each_call
def test_an_application_that_takes_too_long_is_internal(
    broken: Callable[..., Broken], function: str, argument: Any
) -> None:
    outcome = ask(broken(200, b"{}", pause_s=30).url, function, argument, timeout_s=0.2)
    assert (is_failure(outcome), case_of(outcome)) == (True, "internal")


def test_a_compressed_answer_that_grows_over_the_limit_is_internal(broken: Callable[..., Broken]) -> None:
    body = gzip.compress(b'{"item": null, "x": "' + b"x" * (16 << 20) + b'"}')
    application = broken(200, body, headers={"content-encoding": "gzip"})
    assert ask(application.url, "clients.get-client", "c-1") == (False, "internal")


@each_call
@pytest.mark.parametrize("status", [200, 400])
def test_no_record_contains_the_api_key(
    broken: Callable[..., Broken], function: str, argument: Any, status: int
) -> None:
    secret = "key-of-the-install"
    invoice = {"success": False, "error": f"the key was {secret}"}
    answer = {"clients": {"item": CLIENT | {"clientName": secret}}, "invoicing": invoice}
    body = json.dumps(answer.get(function.partition(".")[0], secret)).encode()
    outcome = ask(broken(status, body).url, function, argument, api_key=secret)
    assert (is_failure(outcome), case_of(outcome), secret in str(outcome)) == (True, "internal", False)


def test_the_api_key_is_not_looked_for_when_the_extension_cannot_send_it(broken: Callable[..., Broken]) -> None:
    secret = "key-of-the-install"
    application = broken(200, json.dumps({"item": CLIENT | {"clientName": secret}}).encode())
    outcome = ask(application.url, "clients.get-client", "c-1", api_key=secret, without="cap:ui.proxy")
    assert (outcome[0], secret in str(outcome)) == (True, True)


@each_call
def test_neither_token_is_logged_when_a_call_fails(
    broken: Callable[..., Broken], caplog: pytest.LogCaptureFixture, function: str, argument: Any
) -> None:
    with caplog.at_level("DEBUG"):
        outcome = ask(broken(500, TOKEN.encode()).url, function, argument)
    logged = "".join(str(record.__dict__) for record in caplog.records)
    assert "the host application did not serve a request" in logged
    assert (TOKEN in logged, TOKEN in str(outcome), "eyJ" in logged) == (False, False, False)


def test_without_an_application_every_call_fails_and_says_so() -> None:
    made = CallContext(call("sha256:" + "0" * 64), frozenset(), time.monotonic_ns(), None, time.time)
    said: list[str] = []
    made.explain = said.append
    opened = records.provider(None)(made)
    outcomes = {name: opened.handlers[name].answer(argument) for name, argument in EVERY_CALL}
    invoice = outcomes.pop("invoicing.create-manual-invoice")
    assert set(outcomes.values()) == {(False, "not-allowed")}
    assert (invoice[0], invoice[7]) == (False, "not-allowed: this platform offers no invoice service.")
    assert said == [
        "this platform offers no client service",
        "this platform offers no catalogue of services",
        "this platform offers no invoice service",
    ]
