"""The tenants' door as a whole: real database with its row-level security, real queue, a real server as the runner."""

import base64
import itertools
import json
import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import boto3
import jwt
import pytest

from alga_ext.calls.envelope import ExecuteResponse, decode_request, encode
from alga_ext.stores.database import Database
from alga_ext.trust.signing import LocalSigner
from functions.gateway.gateway import Gateway
from functions.gateway.services import Services
from tests.conftest import Databases
from tests.support.answering import AnsweringServer, Asked, Reply, answering
from tests.support.bodies import MIB, PAYLOAD_LIMIT_BYTES, UNITS, body, body_of_answer, largest_payload
from tests.support.documented import documented
from tests.support.gateway import UNLIMITED
from tests.support.registry import RegistryWorld, manifest_of

ENDPOINTS = [
    {"method": "GET", "path": "/notes"},
    {"method": "POST", "path": "/notes"},
    {"method": "GET", "path": "/notes/:id"},
    {"method": "OPTIONS", "path": "/notes"},
    {"method": "GET", "path": "/a%20b"},
]


SECRETS = [{"name": "KEY", "hosts": ["a.example"], "header": "x-api-key"}]
METRIC = {"name": "orders", "unit": "Count"}


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        assert self.headers["content-type"] == "application/problem+json"
        return str(json.loads(self.body)["code"])


class Door:
    """The gateway's handler, with a registry beside it and an extension installed for tenant-a."""

    def __init__(self, world: RegistryWorld, server: AnsweringServer, environment: dict[str, str]) -> None:
        self.world = world
        self._environment = {**os.environ, **environment}
        self.services = Services.build(self._environment)
        self._gateway = Gateway(self.services)
        self.server = server
        manifest = manifest_of(
            runtime="wasm-component@1", api={"endpoints": ENDPOINTS}, secrets=SECRETS, metrics=[METRIC]
        )
        world.register()
        published = world.signed(manifest, {"ui/index.html": b"<p>", "dist/main.wasm": b"\0asm"})
        sent = world.send(published)
        assert sent.status == 202, sent
        assert world.prepare() == ["ready"]
        self.version_id = sent.body["version_id"]
        self.install = world.install()

    def rewire(self, **settings: str) -> None:
        """Build the gateway again, with settings of its environment changed."""
        self.services.database.close()
        self.services = Services.build({**self._environment, **settings})
        self._gateway = Gateway(self.services)

    def token(self, tenant_id: str | None = "tenant-a", roles: tuple[str, ...] = ("tenant_user",)) -> str:
        return self.world.token(roles=list(roles), **({"tenant_id": tenant_id} if tenant_id else {}))

    def call(
        self, path: str = "acme.com.acme.notes/notes", method: str = "GET", token: str | None = None, **headers: str
    ) -> Answer:
        answer = self.answer(path, method, token, **headers)
        assert answer["headers"]["x-request-id"] == "r-1"
        return Answer(answer["statusCode"], answer["headers"], body_of_answer(answer))

    def answer(
        self, path: str = "acme.com.acme.notes/notes", method: str = "GET", token: str | None = None, **headers: str
    ) -> dict[str, Any]:
        """Return the gateway's answer as Lambda gets it."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if token != "":
            given["authorization"] = f"Bearer {token or self.token()}"
        event = {
            "rawPath": path if path.startswith("/") else f"/api/ext/{path}",
            "headers": given,
            "requestContext": {"requestId": "r-1", "http": {"method": method}},
        }
        return self._gateway.answer(event)

    def answer_documented(self, name: str) -> dict[str, Any]:
        """Answer an event that AWS documents, sent by a user of tenant-a."""
        return self._gateway.answer(documented(name, self.token()))

    def client_token(self, **claims: str) -> str:
        """A token of a user of tenant-a's client portal, without any role."""
        return self.world.token(**({"tenant_id": "tenant-a", "user_type": "client"} | claims))

    def publish_and_install(self, manifest: dict[str, Any]) -> str:
        """Publish another extension, install it for tenant-a, and return the install's id."""
        published = self.world.signed(manifest, {"ui/index.html": b"<p>", "dist/main.wasm": b"\0asm"})
        assert self.world.send(published, self.world.admin).status == 202
        assert self.world.prepare() == ["ready"]
        return str(self.world.install(manifest["name"])["install_id"])

    def token_state(self) -> str:
        """The version's state in the execution token of the last call, as any JWT library reads it."""
        token = self.server.asked[-1].headers["authorization"].removeprefix("Bearer ")
        return str(jwt.decode(token, options={"verify_signature": False})["state"])

    def manage(self, method: str, path: str, body: Any = None) -> None:
        done = self.world.call(method, f"/installs/{self.install['install_id']}{path}", self.world.tenant_admin(), body)
        assert done.status in (200, 204), done


def _answering(response: ExecuteResponse) -> Callable[[Asked], Reply]:
    reply = Reply(200, encode(response))
    return lambda _: reply


_hello = _answering(ExecuteResponse(status=200, body_b64=base64.b64encode(b"hello").decode()))


@pytest.fixture
def door(databases: Databases, aws: str) -> Iterator[Door]:
    world = RegistryWorld(aws, f"bucket-{uuid.uuid4().hex[:12]}", databases)
    queue_url = boto3.client("sqs").create_queue(QueueName=f"executions-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    with answering(_hello) as server:
        environment = {
            **world.environment(),
            "RUNNER_BASE_URL": server.url,
            "EXECUTIONS_QUEUE_URL": queue_url,
            "EXECUTION_TOKEN_PRIVATE_KEY": LocalSigner.generate().private_pem,
            "INSTALL_CACHE_MS": "0",
            "DEFAULT_LIMITS": UNLIMITED,
            "DATABASE_URL": databases.gateway,
        }
        made = Door(world, server, environment)
        yield made
        made.services.database.close()
        world.close()


def test_the_door(door: Door) -> None:
    """One world for all cases that change nothing: making one costs seconds."""
    install_id, extension_id = door.install["install_id"], door.install["extension_id"]

    # An extension is called by its id, its install's id, its publisher and name, or its name alone.
    for reference in (install_id, extension_id, "acme.com.acme.notes", "com.acme.notes"):
        assert (door.call(f"{reference}/notes").status, door.call(f"{reference}/notes/5").body) == (200, b"hello")
    asked = decode_request(door.server.asked[-1].body)
    assert (asked.context.tenant_id, asked.context.install_id, asked.http.path) == ("tenant-a", install_id, "/notes/5")

    # HEAD is GET without a body.
    assert door.call(method="HEAD")[::2] == (200, b"")

    # A path is found in any of its forms: API Gateway decodes it, the manifest wrote it encoded.
    assert door.call("com.acme.notes/a b").status == 200
    assert decode_request(door.server.asked[-1].body).http.path == "/a%20b"

    # Each refusal ends the request, in the order of the contract.
    calls = len(door.server.asked)
    stranger = door.token("tenant-b")
    viewer = door.token(roles=("tenant_viewer",))
    refusals = [
        (door.call("/api/other"), 404, "not_found"),
        (door.call("acme.com.acme.notes/../x"), 404, "not_found"),
        (door.call(method="TRACE"), 405, "method_not_allowed"),
        (door.call("no.such/nothing", token=""), 401, "unauthenticated"),
        (door.call("no.such/nothing", token="x.y.z"), 401, "unauthenticated"),
        (door.call("no.such/nothing", token=door.token(None)), 403, "forbidden"),
        (door.call("no.such/nothing", x_alga_tenant="tenant-b"), 403, "tenant_mismatch"),
        (door.call("no.such/nothing"), 404, "not_installed"),
        (door.call("acme.com.acme.notes/nothing", token=stranger), 404, "not_installed"),
        (door.call(f"{install_id}/notes", token=stranger), 404, "not_installed"),
        (door.call(f"{extension_id}/notes", token=stranger), 404, "not_installed"),
        (door.call("acme.com.acme.notes/nothing", token=viewer), 404, "endpoint_not_found"),
        (door.call("acme.com.acme.notes//notes"), 404, "endpoint_not_found"),
        (door.call("acme.com.acme.notes/notes/"), 404, "endpoint_not_found"),
        (door.call(method="DELETE", token=viewer), 404, "endpoint_not_found"),
        (door.call(method="POST", token=viewer), 403, "forbidden"),
        (door.call(method="OPTIONS", token=viewer), 403, "forbidden"),
        (door.call(token=door.token(roles=())), 403, "forbidden"),
        (door.call(x_large="x" * 9_000), 413, "payload_too_large"),
    ]
    for answer, status, code in refusals:
        assert (answer.status, answer.code) == (status, code)
        assert answer.headers["cache-control"] == "no-store"
    assert len(door.server.asked) == calls

    # A reference that no extension can have is just not installed, whatever it holds.
    for reference in (
        "a\0b.c",
        "acme.com.acme.notes\0",
        "' or 1=1 --",
        "a" * 2_000,
        "ü.ü",
        "acme",
        ".",
        "%00",
        install_id.upper(),
        "other.com.acme.notes",
        "\ud800",
    ):
        assert door.call(f"{reference}/notes").status == 404, reference

    # Switched off, nothing is looked at.
    door.rewire(EXTENSIONS_ENABLED="false")
    assert door.call(token="").code == "extensions_disabled"


def test_documented_events_are_answered(door: Door) -> None:
    """One world for all of them; making one costs seconds."""
    for name, method, sent in (
        ("http_api_json", "POST", '{"title":"Zoë","text":"line 1\\nline 2"}'.encode()),
        ("http_api_form", "POST", b"title=Zo%C3%AB&text=line+1"),
        ("http_api_cookies", "GET", None),
    ):
        answer = door.answer_documented(name)
        assert (answer["statusCode"], body_of_answer(answer)) == (200, b"hello"), name
        assert answer["headers"]["x-request-id"] == documented(name)["requestContext"]["requestId"]
        http = decode_request(door.server.asked[-1].body).http
        assert (http.method, http.path) == (method, "/notes")
        assert (None if http.body_b64 is None else base64.b64decode(http.body_b64)) == sent, name
        assert "cookie" not in http.headers
        assert b"s3cr3t" not in door.server.asked[-1].body
    assert http.raw_query == "tag=a&tag=b&page=2"

    calls = len(door.server.asked)
    unmatched = door.answer_documented("http_api_default")
    assert (unmatched["statusCode"], json.loads(unmatched["body"])["code"]) == (404, "not_found")
    assert unmatched["headers"]["x-request-id"] == documented("http_api_default")["requestContext"]["requestId"]
    assert len(door.server.asked) == calls


def test_a_name_that_fits_two_installs_is_ambiguous(door: Door) -> None:
    door.world.register("com", LocalSigner.generate())
    assert door.call("com.acme.notes/notes").status == 200, "by its bare name"
    signer = LocalSigner.generate()
    door.world.add_key("com", signer)
    door.world.publisher_key = signer
    other = manifest_of("acme.notes", publisher="com", runtime="wasm-component@1", api={"endpoints": ENDPOINTS})
    install_id = door.publish_and_install(other)

    answer = door.call("com.acme.notes/notes")
    assert (answer.status, answer.code) == (409, "ambiguous_extension")
    assert door.call(f"{install_id}/notes").status == 200
    assert door.call("acme.com.acme.notes/notes").status == 200

    door.manage("POST", "/disable")
    assert door.call("com.acme.notes/notes").status == 200, "only one is active now"


def test_users_of_the_client_portal_reach_what_is_there_for_them(door: Door) -> None:
    assert door.call(token=door.client_token()).code == "forbidden"
    hook = {"type": "iframe", "entry": "ui/index.html", "hooks": {"clientPortalMenu": {"label": "Notes"}}}
    old = manifest_of("com.acme.old", runtime="wasm-component@1", api={"endpoints": ENDPOINTS}, ui=hook)
    door.publish_and_install(old)
    audiences = [
        {"method": "GET", "path": "/internal"},
        {"method": "POST", "path": "/client", "audience": "client"},
        {"method": "GET", "path": "/any", "audience": "any"},
    ]
    door.publish_and_install(
        manifest_of("com.acme.new", runtime="wasm-component@1", api={"endpoints": audiences}, ui=hook)
    )
    for token in (door.client_token(), door.client_token(user_type="internal", client_id="c-1")):
        assert door.call("com.acme.old/notes", "POST", token).status == 200
        assert door.call("com.acme.new/any", token=token).status == 200
        assert door.call("com.acme.new/client", "POST", token).status == 200
        assert door.call("com.acme.new/internal", token=token).code == "forbidden"
    assert door.call("com.acme.new/client", "POST").code == "forbidden"
    assert door.call("com.acme.new/internal").status == 200


def test_the_headers_that_the_manifest_names_reach_the_guest(door: Door) -> None:
    api = {"endpoints": ENDPOINTS, "headers": ["X-Hub-Signature"]}
    door.publish_and_install(manifest_of("com.acme.hub", runtime="wasm-component@1", api=api))
    door.call("com.acme.hub/notes", x_hub_signature="sha256=1", x_other="2", cookie="3")

    passed = decode_request(door.server.asked[-1].body).http.headers
    assert passed["x-hub-signature"] == "sha256=1"
    assert not {"x-other", "cookie", "authorization"} & passed.keys()


def test_a_guests_bytes_reach_the_caller_or_are_too_many(door: Door) -> None:
    """All kinds and sizes in one world; making one costs seconds."""
    limit = 4 * MIB
    for kind, size in itertools.product(UNITS, (0, 1, MIB, limit, limit + 1)):
        sent = body(kind, size)
        encoded = base64.b64encode(sent).decode()
        headers: dict[str, str | list[str]] = {"x-ext-a": "\xff" * 30_000, "content-encoding": "gzip"}
        door.server.answer = _answering(ExecuteResponse(status=200, headers=headers, body_b64=encoded))
        answer = door.answer()

        assert largest_payload(answer) <= PAYLOAD_LIMIT_BYTES
        if size <= limit:
            assert (answer["statusCode"], body_of_answer(answer) == sent) == (200, True)
            assert answer["headers"]["content-encoding"] == "gzip"
        else:
            assert (answer["statusCode"], json.loads(body_of_answer(answer))["code"]) == (502, "bad_gateway")


def test_an_install_answers_only_while_it_is_active(door: Door) -> None:
    assert door.call().status == 200

    door.manage("POST", "/disable")
    assert door.call().code == "not_installed"
    door.manage("POST", "/enable")
    assert door.call().status == 200

    yanked = door.world.call("POST", f"/versions/{door.version_id}/yank", door.world.publisher, {"reason": "a mistake"})
    assert yanked.status == 200
    assert door.call().status == 200, "a yanked version runs on where it is installed"
    assert door.token_state() == "yanked"
    withdrawn = door.world.call("POST", f"/versions/{door.version_id}/withdraw", door.world.admin, {"reason": "harm"})
    assert withdrawn.status == 200
    assert door.call().code == "not_installed"


def test_an_install_that_another_request_has_locked_is_disabled_at_once(door: Door) -> None:
    locked = Database(door.world.databases.registry)
    with locked.tenant("tenant-a") as tx:
        tx.execute("update app.tenant_extension_install set revision = revision + 1")
        tx.execute("select from app.tenant_extension_install for no key update")
        door.manage("POST", "/disable")

        assert door.call().code == "not_installed"
        assert door.call(door.install["install_id"] + "/notes").code == "not_installed"
    locked.close()
    assert door.call().code == "not_installed"


def test_the_runner_is_told_the_headers_of_secrets_and_the_declared_metrics(door: Door) -> None:
    door.manage("PUT", "/grants", {"secrets": {"KEY": []}, "secret_headers": {"KEY": "x-api-key"}})
    door.call()

    asked = decode_request(door.server.asked[-1].body)
    assert (asked.grants.secrets, asked.grants.secret_headers) == ({"KEY": ["a.example"]}, {"KEY": "x-api-key"})
    assert [(metric.name, metric.unit) for metric in asked.metrics] == [("orders", "Count")]


def test_an_uninstalled_extension_does_not_answer(door: Door) -> None:
    door.manage("DELETE", "")

    assert door.call().code == "not_installed"


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (429, "TooManyRequestsException", (503, "runner_throttled", "2")),
        (502, "ResourceNotReadyException", (503, "runner_unavailable", "10")),
    ],
)
def test_a_runner_that_cannot_be_invoked_now_tells_the_caller_when(
    door: Door, status: int, kind: str, expected: tuple[int, str, str]
) -> None:
    door.rewire(RUNNER_BASE_URL="lambda://runner", AWS_ENDPOINT_URL_LAMBDA=door.server.url)
    door.server.answer = lambda _: Reply(status, b"{}", {"x-amzn-errortype": kind})

    answer = door.call()
    assert (answer.status, answer.code, answer.headers["retry-after"]) == expected


def _kept(headers: dict[str, str]) -> dict[str, str]:
    """Headers without those that every answer has anew."""
    return {name: value for name, value in headers.items() if not name.startswith("ratelimit")}


def test_a_repeated_call_with_a_key_is_answered_like_the_first(door: Door) -> None:
    first = door.call(method="POST", idempotency_key="k")
    again = door.call(method="POST", idempotency_key='"k"', x_idempotency_key="k")

    assert (first.status, again.status, again.body) == (200, 200, b"hello")
    assert _kept(again.headers) == {**_kept(first.headers), "idempotency-replayed": "true"}
    assert decode_request(door.server.asked[-1].body).http.headers["idempotency-key"] == "k", "the guest gets it too"
    assert len(door.server.asked) == 1

    # The key is looked at after everything that may refuse the call, and a wrong one runs nothing.
    viewer = door.token(roles=("tenant_viewer",))
    assert door.call(method="POST", token=viewer, idempotency_key="a b").code == "forbidden"
    assert door.call(method="POST", token=viewer, idempotency_key="k").code == "forbidden"
    wrong = door.call(method="POST", idempotency_key="a b")
    assert (wrong.status, wrong.code) == (400, "invalid_request")
    assert door.call(method="POST", idempotency_key="k", content_type="text/plain").code == "idempotency_conflict"
    assert len(door.server.asked) == 1

    # An error is given again as the caller saw it, with the repetition's own request id.
    large = base64.b64encode(bytes(4 * MIB + 1)).decode()
    door.server.answer = _answering(ExecuteResponse(status=200, body_b64=large))
    first, again = (door.call(method="POST", idempotency_key="large") for _ in range(2))
    assert (first.status, first.code) == (502, "bad_gateway")
    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers == {**first.headers, "idempotency-replayed": "true"}
    assert len(door.server.asked) == 2


def test_what_cannot_be_read_is_never_allowed(door: Door) -> None:
    door.rewire(DATABASE_URL="postgresql://fn_gateway@127.0.0.1:1/gone")
    answer = door.call()

    assert (answer.status, answer.code) == (503, "policy_unavailable")
    assert answer.headers["retry-after"] == "15"
    assert door.server.asked == []


def test_a_resolved_install_is_used_for_its_time(door: Door) -> None:
    door.rewire(INSTALL_CACHE_MS="60000")
    assert door.call().status == 200
    door.manage("POST", "/disable")

    assert door.call().status == 200
    assert door.call(door.install["install_id"] + "/notes").code == "not_installed"
    assert door.call(token=door.token("tenant-b")).code == "not_installed"


def test_health_names_its_parts_to_platform_admins_only(door: Door) -> None:
    everyone = door.call("/healthz", token="")
    user = door.call("/healthz")
    admin = door.call("/healthz", token=door.world.admin)

    assert (everyone.status, json.loads(everyone.body)) == (200, {"status": "ok"})
    assert json.loads(user.body) == {"status": "ok"}
    assert list(json.loads(admin.body)["checks"]) == ["database", "key_set"]


def test_health_opens_no_connection_to_a_database(door: Door) -> None:
    door.rewire(DATABASE_URL="postgresql://fn_gateway@127.0.0.1:1/gone")

    assert json.loads(door.call("/healthz", token=door.world.admin).body)["checks"]["database"] == {
        "ok": True,
        "connected": False,
    }


def test_without_a_key_set_health_is_unavailable(door: Door) -> None:
    door.rewire(AUTH_JWKS="", AUTH_JWKS_URL="http://127.0.0.1:1/keys")

    assert door.call("/healthz", token="").status == 503


def test_a_token_that_does_not_verify_is_refused_by_health(door: Door) -> None:
    assert door.call("/healthz", token="nonsense").code == "unauthenticated"


def test_a_call_beyond_a_quota_is_refused_before_it_is_recorded_or_run(door: Door) -> None:
    door.manage("PUT", "/limits", {"quotas": {"day": {"calls": {"hard": 0}}}})
    recorded, run = door.world.sqs.get_queue_attributes, len(door.server.asked)
    queue = {"QueueUrl": door.services.settings.executions_queue_url, "AttributeNames": ["ApproximateNumberOfMessages"]}
    before = recorded(**queue)["Attributes"]
    answer = door.call()

    assert (answer.status, answer.code) == (429, "quota_exceeded")
    assert json.loads(answer.body)["violated-policies"] == ["install-day-calls"]
    assert 1 <= int(answer.headers["retry-after"]) <= 86_400
    assert (recorded(**queue)["Attributes"], len(door.server.asked)) == (before, run)


def test_the_role_is_checked_before_the_quotas(door: Door) -> None:
    door.manage("PUT", "/limits", {"quotas": {"day": {"calls": {"hard": 0}}}})
    assert door.call(token=door.token(roles=())).code == "forbidden"
