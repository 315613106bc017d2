"""An accepted call leaves exactly one finished record, whatever token, path, header, body or answer it comes with.

From the event of API Gateway, with a token that is really signed, through the gateway, a queue and the recorder to the
row in PostgreSQL.
"""

import base64
import dataclasses
import itertools
import json
import os
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import boto3
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import event as seen
from hypothesis import strategies as st

from alga_ext.calls.limits import parse_defaults
from alga_ext.edge.batches import answer_whole_batch
from alga_ext.stores.database import Database
from alga_ext.trust.signing import LocalSigner
from functions.gateway.breaker import Breakers
from functions.gateway.gateway import Gateway
from functions.gateway.services import Services
from functions.registry.records.recording import Recorder
from tests.conftest import Databases
from tests.support.answering import AnsweringServer, Reply, answering
from tests.support.registry import AUDIENCE, ISSUER, RegistryWorld, manifest_of
from tests.support.tokens import base64url, part

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ENDPOINTS = [
    {"method": method, "path": path} for method in METHODS if method != "HEAD" for path in ("/", "/:a", "/:a/:b")
]
UI = {"type": "iframe", "entry": "ui/index.html", "hooks": {"clientPortalMenu": {"label": "Notes"}}}
FILES = {"ui/index.html": b"<p>", "dist/main.wasm": b"\0asm"}
MOST = {"burst": 100_000, "per_second": 10_000}
LIMITS = json.dumps({"tenant": {"user": MOST, "tenant": MOST}, "install": {"rate": MOST}})
BEFORE_ACCEPTANCE = {
    "invalid_request", "unauthenticated", "forbidden", "tenant_mismatch", "not_found", "method_not_allowed",
    "payload_too_large", "endpoint_not_found",
}  # fmt: skip
"""With which codes a call may be refused before it is accepted, when all that it depends on works."""
SQS_CHARACTERS = re.compile("[\x09\x0a\x0d\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")
"""What a message may contain (``SendMessage`` in the Amazon SQS API reference). The emulated queue takes more."""
SQS_LIMIT_BYTES = 256 * 1024


class Hostile(NamedTuple):
    """One call."""

    claims: Mapping[str, Any] = MappingProxyType({})
    method: str = "GET"
    path: str = "/a"
    query: str = ""
    headers: Mapping[str, str] = MappingProxyType({})
    body: str | bytes = ""
    answer: Reply = Reply(200, b'{"status":200}')


class Door:
    """Gateway, queue and recorder around an extension that tenant-a has installed."""

    def __init__(self, world: RegistryWorld, server: AnsweringServer, queue_url: str, services: Services) -> None:
        self._issuer = world.issuer
        self._server = server
        self._sqs = world.sqs
        self._queue_url = queue_url
        self._services = services
        self._records = Database(world.databases.registry)
        self._recorder = Recorder(self._records, parse_defaults(LIMITS))
        self._owner = Database(world.databases.owner)
        self._numbers = itertools.count()

    def call(self, call: Hostile) -> dict[str, Any]:
        self._server.answer = lambda _: call.answer
        body = base64.b64encode(call.body).decode() if isinstance(call.body, bytes) else call.body
        gateway = Gateway(dataclasses.replace(self._services, breakers=Breakers()))  # no call before it has failed
        return gateway.answer(
            {
                "version": "2.0",
                "rawPath": f"/api/ext/com.acme.notes{call.path}",
                "rawQueryString": call.query,
                "headers": {**call.headers, "authorization": f"Bearer {self._token(call.claims)}"},
                "requestContext": {"requestId": f"call-{next(self._numbers)}", "http": {"method": call.method}},
                "body": body,
                "isBase64Encoded": isinstance(call.body, bytes),
            }
        )

    def _token(self, claims: Mapping[str, Any]) -> str:
        now_s = int(time.time())
        always = {"iss": ISSUER, "aud": AUDIENCE, "tenant_id": "tenant-a", "roles": ["tenant_user"]}
        given = {**always, "iat": now_s, "exp": now_s + 600, "sub": "user-1", **claims}
        signing_input = f"{part({'alg': 'EdDSA', 'kid': self._issuer.key_id})}.{part(given)}"
        return f"{signing_input}.{base64url(self._issuer.raw.sign(signing_input.encode()))}"

    def messages(self) -> list[dict[str, Any]]:
        """Take all messages off the queue."""
        found: list[dict[str, Any]] = []
        while batch := self._sqs.receive_message(QueueUrl=self._queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                self._sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])
            found += batch
        return found

    def rows_of(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Record messages as the recorder does, and return all rows there are."""
        batch = {"Records": [{"messageId": message["MessageId"], "body": message["Body"]} for message in messages]}
        assert answer_whole_batch(batch, "recorder", self._recorder.record) == {"batchItemFailures": []}
        with self._records.tenant("tenant-a") as tx:
            return tx.rows("select state, request_id, status, principal, error_code from app.extension_execution_log")

    def forget(self) -> None:
        with self._owner.system() as tx:
            tx.execute("truncate app.extension_execution_log, app.extension_quota_usage, app.call_idempotency")

    def open_claims(self) -> int:
        """Return how many calls with an idempotency key have neither an answer nor an unknown outcome."""
        sql = "select from app.call_idempotency where status is null and deadline_at > clock_timestamp()"
        with self._owner.system() as tx:
            return len(tx.rows(sql))

    def close(self) -> None:
        self._records.close()
        self._owner.close()


@pytest.fixture
def door(databases: Databases, aws: str) -> Iterator[Door]:
    world = RegistryWorld(aws, f"bucket-{uuid.uuid4().hex[:12]}", databases)
    queue_url = boto3.client("sqs").create_queue(QueueName=f"executions-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    world.register()
    assert (
        world.send(
            world.signed(manifest_of(ui=UI, runtime="wasm-component@1", api={"endpoints": ENDPOINTS}), FILES)
        ).status
        == 202
    )
    assert world.prepare() == ["ready"]
    world.install()
    with answering(lambda _: Reply(500)) as server:
        services = Services.build(
            {
                **os.environ,
                **world.environment(),
                "RUNNER_BASE_URL": server.url,
                "EXECUTIONS_QUEUE_URL": queue_url,
                "EXECUTION_TOKEN_PRIVATE_KEY": LocalSigner.generate().private_pem,
                "DATABASE_URL": databases.gateway,
                "INSTALL_CACHE_MS": "60000",
                "DEFAULT_LIMITS": LIMITS,
            }
        )
        made = Door(world, server, queue_url, services)
        yield made
        made.close()
        services.database.close()
        world.close()


# Hostile, but well-formed: what a token, an event or an answer can carry as JSON.

NASTY = (
    "", "\0", "a\0b", "\n", "\r\n", "\x1b[2J", "\x7f", "\x80", "\u2028", "\u202e", "\ufffe", "\uffff", "\U0001ffff",
    "\ud800", "a\udfffb", "\udc00\ud800", "\U0001f600", "%00", "%", "%zz", "%ff", "%ed%a0%80", "a=%00&a=%ff&=&&;",
    "'; drop table x; --", "${jndi:x}", "../..", "a" * 255, "a" * 256, "a" * 3_000, "\uffff" * 255, "\U0001f600" * 255,
)  # fmt: skip
texts = st.sampled_from(NASTY) | st.text(st.characters(exclude_categories=()), max_size=20)
json_values = texts | st.none() | st.booleans() | st.integers() | st.floats() | st.lists(texts, max_size=2)
claims = st.dictionaries(
    st.sampled_from(["sub", "email", "name", "client_name", "user_type", "client_id", "publishers", "jti"]),
    texts | texts | json_values,
    max_size=2,
)
names = st.sampled_from(
    [
        "accept",
        "user-agent",
        "x-request-id",
        "traceparent",
        "idempotency-key",
        "origin",
        "content-type",
        "x-tenant-id",
    ]
)
paths = st.sampled_from(["", "/", "/a", "/a/b", "/a/b/c"]) | texts.map(lambda text: f"/{text}")
numbers = st.sampled_from(
    [0, -1, 1, 200, 404, 2**31, 2**40, 2**53 - 1, 2**53, 2**63 - 1, 2**63, 2**64, 10**30, -(2**63), 0.5, -0.5, 1e308]
)
usages = st.dictionaries(
    st.sampled_from(["duration_ms", "cpu_ms", "memory_peak_bytes", "fuel", "egress_bytes", "log_bytes"]),
    numbers,
    max_size=3,
) | st.fixed_dictionaries({"host_calls": st.dictionaries(texts, numbers, max_size=2)})
statuses = st.sampled_from([200, 204, 302, 404, 500, 599]) | st.integers(-1, 1_000) | numbers
codes = st.sampled_from(["guest_trapped", "guest_timeout", "runner_unavailable", "a" * 65, "a" * 70_000]) | texts
errors = st.fixed_dictionaries({"code": codes, "message": texts | st.just("a" * 300_000)})
envelopes = st.fixed_dictionaries(
    {"status": statuses},
    optional={
        "usage": usages,
        "error": errors,
        "headers": st.dictionaries(
            texts | st.sampled_from(["location", "x-ext-a", "cache-control"]), texts, max_size=2
        ),
        "body_b64": st.sampled_from(["", "YQ==", "YQ", "!", "AA=="]),
        "trace_id": texts,
    },
).map(lambda document: Reply(200, json.dumps(document).encode()))
replies = (
    st.just(Reply(200, b'{"status":200}'))
    | envelopes
    | st.sampled_from(
        [
            Reply(200, b""),
            Reply(200, b"\xff"),
            Reply(200, b"[" * 5_000),
            Reply(200, b'{"status":200,"usage":{"duration_ms":1e999}}'),
            Reply(200, b'{"status":200,"usage":{"cpu_ms":NaN}}'),
            Reply(401, b"{}"),
            Reply(503, b"{}"),
            Reply(body=None),
        ]
    )
)
bodies = texts | st.binary(max_size=50)
calls = st.builds(
    Hostile,
    claims,
    st.sampled_from([*METHODS, *METHODS, "TRACE", "\ud800"]),
    paths,
    texts,
    st.dictionaries(names, texts, max_size=3),
    bodies,
    replies,
)


def answer_of(**members: Any) -> Reply:
    return Reply(200, json.dumps({"status": 200, **members}).encode())


@settings(max_examples=200, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(calls)
@example(Hostile({"sub": "a\0b"}))
@example(Hostile({"sub": "\ud800"}))
@example(Hostile({"sub": "\ufffe\uffff"}))
@example(Hostile({"sub": "\U0001f600" * 255}))
@example(Hostile({"sub": "a" * 3_000}))
@example(Hostile({"sub": 5}))
@example(Hostile({"name": "\ud800", "email": "a\0", "client_name": "\udfff"}))
@example(Hostile({"name": "a" * 4_000}))
@example(Hostile(path="/%00\0"))
@example(Hostile(path="/\ud800"))
@example(Hostile(path="/" + "\uffff" * 3_000))
@example(Hostile(query="a=%00&b=%ff&\ud800=\0"))
@example(Hostile(headers={"user-agent": "\ud800\0\uffff", "traceparent": "00-" + "0" * 32}))
@example(Hostile(method="POST", body=b"\xff\0"))
@example(Hostile(method="POST", headers={"idempotency-key": "k"}))
@example(
    Hostile(
        method="POST",
        headers={"idempotency-key": '"k"'},
        answer=answer_of(status=502, error={"code": "guest_trapped", "message": "\0\ud800\uffff"}),
    )
)
@example(Hostile(answer=answer_of(status=0, error={"code": "guest_trapped", "message": "m"})))
@example(Hostile(answer=answer_of(status=10**30, error={"code": "guest_timeout", "message": "\0" * 300_000})))
@example(Hostile(answer=answer_of(error={"code": "\0", "message": "m"})))
@example(Hostile(answer=answer_of(error={"code": "a" * 300_000, "message": "m"})))
@example(Hostile(answer=answer_of(usage={"egress_bytes": 2**63})))
@example(Hostile(answer=answer_of(usage={"egress_bytes": -1, "duration_ms": -1})))
@example(Hostile(answer=answer_of(usage={"host_calls": {"a\0": 1}})))
@example(Hostile(answer=answer_of(headers={"x-ext-a": "\ud83d", "location": "\0"})))
def test_an_accepted_call_leaves_exactly_one_finished_record(door: Door, call: Hostile) -> None:
    answer = door.call(call)
    messages = door.messages()
    rows = door.rows_of(messages)
    assert door.open_claims() == 0
    door.forget()
    is_problem = answer["headers"].get("content-type") == "application/problem+json"
    code = json.loads(answer["body"])["code"] if is_problem else None
    seen(f"{answer['statusCode']} {code}")

    assert code not in ("internal", "policy_unavailable"), answer
    if code in BEFORE_ACCEPTANCE:
        assert (rows, messages) == ([], [])
        return
    (row,) = rows
    assert (row["state"], row["request_id"]) == ("finished", answer["headers"]["x-request-id"])
    assert row["status"] == answer["statusCode"]
    assert row["principal"] == call.claims.get("sub", "user-1")
    for message in messages:
        assert SQS_CHARACTERS.fullmatch(message["Body"])
        assert len(message["Body"].encode()) <= SQS_LIMIT_BYTES
