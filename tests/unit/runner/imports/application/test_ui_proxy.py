"""ui-proxy: routes, statuses, headers, and a real host application on loopback."""

import base64
import gzip
import hashlib
import http.server
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import jwt
import pytest

from alga_ext.calls.envelope import ExecuteGrants, ExecuteTrigger, ExecuteUser, SealedSecret
from alga_ext.trust.signing import LocalSigner
from functions.runner.imports.application import ui_proxy
from functions.runner.imports.application.address import Address
from functions.runner.imports.application.client import Application as Reached
from functions.runner.imports.call_context import CallContext
from tests.support.runner_fixture import EVERY_CAPABILITY, call
from tests.support.secret_forms import FORMS

trickling = pytest.mark.parametrize("route", ["/api/trickle-head", "/api/trickle-body"])
EXTENSION = "22222222-2222-4222-8222-222222222222"
API_KEY = "key/of+the?install"
TOKEN = "static-token-8Zk4Wq1t"


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("/api/tickets", "/api/tickets"),
        ("api/tickets/1", "/api/tickets/1"),
        ("/tickets", f"/{EXTENSION}/tickets"),
        ("//tickets///1", f"/{EXTENSION}/tickets/1"),
        ("/api/tickets?open=1&x=ä", "/api/tickets?open=1&x=%C3%A4"),
        ("/api/a b", "/api/a%20b"),
        ("/api/x?", "/api/x"),
        (" /api/x ", "/api/x"),
        ("/api/caf%c3%a9?q=%c3%a9", "/api/caf%C3%A9?q=%C3%A9"),
        ("/api/100%?q=100%", "/api/100%25?q=100%25"),
        ("/api/a;b=1", "/api/a;b=1"),
    ],
)
def test_a_route_lies_below_the_application_or_the_extension(route: str, expected: str) -> None:
    assert ui_proxy.route_below(route, EXTENSION) == expected


@pytest.mark.parametrize(
    "route",
    [
        "",
        "   ",
        "/api/../admin",
        "/..",
        "/./x",
        "/api/%2e%2e/admin",
        "/api/%2E./admin",
        "/api/..;/admin",
        "/api/..;x=1/admin",
        "/api/%2e%2e%3b/admin",
        "/api/a%2fb",
        "/api/a%5cb",
        "/api/a%00",
        "/api\\..\\admin",
        "/api/x#y",
        "/api/x\r\nhost: evil",
        "/" + "a" * 3_000,
    ],
)
def test_a_route_that_could_lead_elsewhere_is_refused(route: str) -> None:
    assert ui_proxy.route_below(route, EXTENSION) is None


@pytest.mark.parametrize(
    ("status", "case"),
    [
        (301, "internal"),
        (400, "bad-request"),
        (401, "denied"),
        (403, "denied"),
        (404, "route-not-found"),
        (409, "bad-request"),
        (422, "bad-request"),
        (429, "denied"),
        (500, "internal"),
        (503, "internal"),
    ],
)
def test_each_status_has_its_case(status: int, case: str) -> None:
    assert ui_proxy.refusal_of(status) == case


class Handler(http.server.BaseHTTPRequestHandler):
    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.seen.append((self.command, self.path, dict(self.headers.items()), body))  # type: ignore[attr-defined]
        status = int(self.path.rpartition("/")[2]) if self.path.startswith("/api/status/") else 200
        if self.path.startswith("/api/trickle"):
            self._trickle()
            return
        answer = b"y" * (ui_proxy.BODY_LIMIT_BYTES + 1) if self.path == "/api/large" else b'{"ok":true}'
        if self.path == "/api/told":
            answer = self.server.told  # type: ignore[attr-defined]
        self.send_response(status)
        if self.path.startswith("/api/told"):
            for name, value in self.server.told_headers.items():  # type: ignore[attr-defined]
                self.send_header(name, value)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _trickle(self) -> None:
        """Answer a byte at a time until the other side has gone, which is noted."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n")
        if self.path == "/api/trickle-body":
            self.wfile.write(b"\r\n")
        try:
            for _ in range(1_000):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.02)
        except OSError:
            self.server.left.set()  # type: ignore[attr-defined]

    do_GET = do_POST = _answer  # noqa: N815 - the library's names

    def log_message(self, *_: Any) -> None:
        return


class _Opener:
    """Opens secrets that are not sealed."""

    def unseal(self, sealed: bytes, context: Mapping[str, str]) -> bytes:  # noqa: ARG002 - part of the port
        return sealed


class Application:
    """A host application on loopback, and the import that calls it."""

    def __init__(self) -> None:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.seen: list[Any] = []
        self._server.seen = self.seen  # type: ignore[attr-defined]
        self.left = threading.Event()
        self._server.left = self.left  # type: ignore[attr-defined]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.said: list[str] = []
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.signer = LocalSigner.generate()

    def call_route(
        self,
        route: str,
        payload: bytes | None = None,
        user: ExecuteUser | None = None,
        *,
        timeout_s: float = 5,
        api_key: str | None = None,
        hosts: tuple[str, ...] = (),
        granted: bool = True,
        header: str = "x-api-key",
        expires_at_s: int | None = None,
        trigger: ExecuteTrigger | None = None,
    ) -> Any:
        secrets = {"api_key": list(hosts)} if granted else {}
        grants = ExecuteGrants(secrets=secrets, secret_headers={"api_key": header})
        request = call("sha256:" + "0" * 64, user=user, grants=grants)
        request.context.trigger = trigger
        if api_key is not None:
            sealed = base64.b64encode(api_key.encode()).decode()
            request.secret_envelope = [
                SealedSecret(name="api_key", sealed_b64=sealed, version=1, expires_at_s=expires_at_s)
            ]
        deadline_ns = time.monotonic_ns() + int(timeout_s * 1e9)
        made = CallContext(request, frozenset(EVERY_CAPABILITY), deadline_ns, _Opener(), time.time)
        made.explain = self.said.append
        application = Reached(Address.of(self.base_url), TOKEN, self.signer, time.time)
        opened = ui_proxy.provider(application)(made)
        try:
            return opened.handlers["ui-proxy.call-route"].answer(route, payload)
        finally:
            opened.close()

    def tell(self, answer: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Set the answer of ``/api/told``."""
        self._server.told, self._server.told_headers = answer, headers or {}  # type: ignore[attr-defined]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def application() -> Iterator[Application]:
    made = Application()
    yield made
    made.close()


def test_without_a_payload_it_is_a_get(application: Application) -> None:
    assert application.call_route("/api/tickets") == (True, b'{"ok":true}')
    assert application.seen[0][:2] == ("GET", "/api/tickets")


def test_with_a_payload_it_is_a_post_of_json(application: Application) -> None:
    application.call_route("/api/tickets", b'{"a":1}')
    command, _, headers, body = application.seen[0]
    assert (command, headers["content-type"], body) == ("POST", "application/json", b'{"a":1}')


def test_the_application_hears_whose_call_it_is(application: Application) -> None:
    user = ExecuteUser(user_id="u-1", user_email="a@b.test", user_name="Zoë", user_type="internal")
    application.call_route("/api/tickets", None, user)
    headers = application.seen[0][2]
    wanted = {
        "x-alga-tenant": "acme", "x-alga-extension": EXTENSION, "x-user-id": "u-1", "x-user-email": "a@b.test",
        "x-user-type": "internal", "x-user-name": "Zo%C3%AB",
        "x-ext-install-id": "11111111-1111-4111-8111-111111111111",
        "x-ext-version-id": "33333333-3333-4333-8333-333333333333",
    }  # fmt: skip
    assert {name: headers.get(name) for name in wanted} == wanted


def test_the_application_knows_the_runner_by_its_static_token(application: Application) -> None:
    application.call_route("/api/tickets")
    assert application.seen[0][2]["x-runner-auth"] == TOKEN


def test_the_statement_is_signed_for_this_one_request(application: Application) -> None:
    application.call_route("/api/tickets?x=1", b"{}")
    token = application.seen[0][2]["x-alga-call-token"]
    claims = jwt.decode(token, application.signer.raw.public_key(), algorithms=["EdDSA"], audience="alga-host")
    assert (claims["method"], claims["route"], claims["tenant"], claims["body"]) == (
        "POST",
        "/api/tickets?x=1",
        "acme",
        hashlib.sha256(b"{}").hexdigest(),
    )


@pytest.mark.parametrize(
    ("trigger", "hops"),
    [
        (None, 0),
        (ExecuteTrigger(type="schedule", id="d-1", name="nightly"), 1),
        (ExecuteTrigger(type="event", id="d-1", name="ticket.created", hops=8), 9),
    ],
)
def test_the_statement_says_how_many_hops_an_event_has_that_the_call_causes(
    application: Application, trigger: ExecuteTrigger | None, hops: int
) -> None:
    """Otherwise the application would have to believe the extension, which may want to go on without end."""
    application.call_route("/api/tickets", trigger=trigger)
    token = application.seen[0][2]["x-alga-call-token"]
    claims = jwt.decode(token, application.signer.raw.public_key(), algorithms=["EdDSA"], audience="alga-host")
    assert claims["hops"] == hops


def test_the_statement_names_the_key_that_signed_it(application: Application) -> None:
    application.call_route("/api/tickets")
    header = jwt.get_unverified_header(application.seen[0][2]["x-alga-call-token"])
    assert header == {"alg": "EdDSA", "kid": application.signer.key_id, "typ": "JWT"}


def test_a_granted_api_key_is_sent(application: Application) -> None:
    assert application.call_route("/api/x", api_key="key-of-the-install")[0]
    assert application.seen[0][2]["x-api-key"] == "key-of-the-install"


def test_an_api_key_that_is_bound_to_the_application_is_sent(application: Application) -> None:
    application.call_route("/api/x", api_key="k-123", hosts=(application.base_url,))
    assert application.seen[0][2]["x-api-key"] == "k-123"


def test_an_api_key_that_is_bound_to_another_header_is_not_sent(application: Application) -> None:
    application.call_route("/api/x", api_key="k-123", hosts=(application.base_url,), header="authorization")
    assert "x-api-key" not in application.seen[0][2]


@pytest.mark.parametrize(
    "given",
    [
        {"granted": False},
        {"hosts": ("other.example",)},
        {"hosts": ("http://127.0.0.1",)},
        {"expires_at_s": 1},
        {"api_key": "split\r\nx-alga-tenant: globex"},
        {"api_key": "ünï"},
    ],
    ids=["not granted", "bound elsewhere", "bound to another port", "expired", "two lines", "not ASCII"],
)
def test_an_api_key_that_may_not_or_cannot_be_sent_is_not(application: Application, given: dict[str, Any]) -> None:
    assert application.call_route("/api/x", **{"api_key": "k-123", **given})[0]
    headers = application.seen[0][2]
    assert ("x-api-key" in headers, headers["x-alga-tenant"]) == (False, "acme")


@pytest.mark.parametrize("form", FORMS)
def test_an_api_key_does_not_come_back_in_any_form(application: Application, form: str) -> None:
    application.tell(b'{"sent": "' + FORMS[form](API_KEY) + b'"}')
    assert application.call_route("/api/told", api_key=API_KEY) == (False, "internal")
    assert application.said == [
        "ui-proxy.call-route failed: the host application sent the value of secret api_key back"
    ]


def test_an_answer_without_the_api_key_is_not_refused(application: Application) -> None:
    application.tell(API_KEY[:-1].encode())
    assert application.call_route("/api/told", api_key=API_KEY) == (True, API_KEY[:-1].encode())


def test_a_compressed_answer_is_refused_when_it_may_contain_the_api_key(application: Application) -> None:
    application.tell(gzip.compress(b"{}"), {"content-encoding": "gzip"})
    assert application.call_route("/api/told", api_key=API_KEY) == (False, "internal")
    assert "compressed its response" in application.said[0]
    assert application.call_route("/api/told") == (True, b"{}")


def test_an_api_key_that_does_not_fit_into_a_header_is_told_once(application: Application) -> None:
    application.tell(b"{}")
    assert application.call_route("/api/told", api_key="schlüssel-der-installation") == (True, b"{}")
    assert application.said == ["the secret api_key is not sent to the host application: it does not fit into a header"]


def test_an_api_key_that_is_not_sent_is_not_looked_for(application: Application) -> None:
    application.tell(API_KEY.encode())
    assert application.call_route("/api/told", api_key=API_KEY, hosts=("other.example",)) == (True, API_KEY.encode())


def test_a_header_cannot_be_split_by_a_users_name(application: Application) -> None:
    application.call_route("/api/x", None, ExecuteUser(user_id="a\r\nx-alga-tenant: globex", user_name="n\r\nb: c"))
    headers = application.seen[0][2]
    assert (headers["x-alga-tenant"], "x-user-id" in headers, "b" in headers) == ("acme", False, False)


def test_a_refusal_of_the_application_has_its_case(application: Application) -> None:
    assert application.call_route("/api/status/404") == (False, "route-not-found")


def test_an_answer_over_the_limit_is_internal(application: Application) -> None:
    assert application.call_route("/api/large") == (False, "internal")


def test_an_application_that_is_not_there_is_internal(application: Application) -> None:
    application.close()
    assert application.call_route("/api/x") == (False, "internal")


@trickling
def test_an_application_that_trickles_ends_with_the_call(application: Application, route: str) -> None:
    started = time.monotonic()
    assert application.call_route(route, timeout_s=0.3) == (False, "internal")
    assert time.monotonic() - started < 5


@trickling
def test_the_connection_to_an_application_that_trickles_is_cut_with_the_call(
    application: Application, route: str
) -> None:
    application.call_route(route, timeout_s=0.3)
    assert application.left.wait(5)


@trickling
def test_no_thread_reads_on_from_an_application_that_trickles(application: Application, route: str) -> None:
    application.call_route(route, timeout_s=0.3)
    until = time.monotonic() + 5
    while [thread for thread in threading.enumerate() if thread.name == "within"] and time.monotonic() < until:
        time.sleep(0.01)
    assert [thread.name for thread in threading.enumerate() if thread.name == "within"] == []


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("https://host.test", Address("https", "host.test", 443, "")),
        ("http://host.test:8080/", Address("http", "host.test", 8080, "")),
        ("http://[::1]:8080/base/", Address("http", "::1", 8080, "/base")),
    ],
)
def test_a_base_url_is_taken_apart(base_url: str, expected: Address) -> None:
    assert Address.of(base_url) == expected


def test_without_an_application_no_route_is_known_and_the_call_says_why() -> None:
    request = call("sha256:" + "0" * 64)
    made = CallContext(request, frozenset(), time.monotonic_ns(), None, time.time)
    said: list[str] = []
    made.explain = said.append
    opened = ui_proxy.provider(None)(made)
    for _ in range(3):
        assert opened.handlers["ui-proxy.call-route"].answer("/api/x", None) == (False, "route-not-found")
    assert (made.missing, said) == (
        ["routes of a host application"],
        ["this platform offers no routes of a host application"],
    )
