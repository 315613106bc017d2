"""A whole runner in one process, called through its door only: publish a component, execute it, read the answer."""

import base64
import dataclasses
import hashlib
import json
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from wasmtime.component import Component

from alga_ext.calls.envelope import (
    EXECUTE_PATH,
    ExecuteContext,
    ExecuteGrants,
    ExecuteHttp,
    ExecuteLimits,
    ExecuteRequest,
    ExecuteResponse,
    ExecuteUser,
    decode_response,
    encode,
)
from alga_ext.calls.execution_token import sign_execution_token
from alga_ext.calls.messages import PreparedMessage, PrepareMessage
from alga_ext.calls.operator_token import sign_operator_token
from alga_ext.calls.signed_token import TokenKeys
from alga_ext.stores import object_keys
from alga_ext.stores.database import Database
from alga_ext.stores.objects import ObjectStore
from alga_ext.trust.policy import TrustBundle, TrustedKey
from alga_ext.trust.signing import LocalSigner, PublicKey, sign_envelope
from alga_ext.trust.statements import ArtifactRecord, ReleaseRecord, statement
from functions.runner.artifacts import ArtifactCache
from functions.runner.imports.broker import Provider
from functions.runner.imports.call_secrets import Unsealer
from functions.runner.limits import Maxima
from functions.runner.preparing.compile_worker import Compiler
from functions.runner.preparing.preparation import Prepare
from functions.runner.provenance import Engine
from functions.runner.runner import Runner
from functions.runner.sandbox.compiler.packing import pack
from functions.runner.sandbox.protocol.abi import make_engine
from functions.runner.sandbox.protocol.engine import TARGET, engine_config_hash, wasmtime_version
from functions.runner.sandbox.protocol.messages import Configure
from functions.runner.sandboxes.pool import Pool
from functions.runner.services import Services
from functions.runner.settings import RunnerSettings
from tests.support.bodies import body_of_answer
from tests.support.memory_store import MemoryObjectStore

MIB = 1024 * 1024
EVERY_CAPABILITY = (
    "cap:context.read", "cap:log.emit", "cap:user.read", "cap:metrics.emit", "cap:secrets.get", "cap:http.fetch",
    "cap:storage.kv", "cap:ui.proxy", "cap:scheduler.manage", "cap:invoice.manual.create", "cap:client.read",
    "cap:service.read",
)  # fmt: skip
TENANT = "acme"
INSTALL = "11111111-1111-4111-8111-111111111111"
MAXIMA = Maxima(
    default_timeout_ms=5_000,
    timeout_ms=10_000,
    default_memory_mb=128,
    memory_mb=256,
    fuel=1_000_000_000_000,
    response_bytes=4 * MIB,
)

NO_DATABASE = "postgresql://nobody@127.0.0.1:1/none"
"""Of a house whose guests need none; nobody listens there."""


SETTINGS = {
    "DATABASE_URL": NO_DATABASE,
    "BUNDLE_STORE_BASE": "s3://none",
    "SIGNING_TRUST_BUNDLE": "unused",
    "EXECUTION_TOKEN_PUBLIC_KEY": "unused",
}


class Outbox:
    """A queue that keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, body: bytes, group: str) -> None:  # noqa: ARG002 - part of the port
        self.sent.append(body)


class Places(NamedTuple):
    """Keys of an artifact in the object store."""

    code: str
    record: str


class _Trust:
    """The trust bundle that a fixture has now."""

    def __init__(self, fixture: "RunnerFixture") -> None:
        self._fixture = fixture

    def current(self) -> TrustBundle:
        return self._fixture.trust


class RunnerFixture:
    """A runner with its own keys, store and folder. Close it: it has processes."""

    def __init__(
        self,
        folder: Path,
        providers: Mapping[str, Provider] | None = None,
        maxima: Maxima = MAXIMA,
        *,
        unsealer: Unsealer | None = None,
        database: Database | None = None,
        artifact_budget_bytes: int = 384 * MIB,
        data_limit_bytes: int = 512 * MIB,
        sandboxes: int = 4,
        store: ObjectStore | None = None,
    ) -> None:
        self.store: Any = store or MemoryObjectStore()
        self.gateway_key = LocalSigner.generate()
        self.release_key = LocalSigner.generate()
        self.artifact_key = LocalSigner.generate()
        self.trust = TrustBundle(
            [
                TrustedKey(key_id=self.release_key.key_id, public_key=self.release_key.public_pem, use="release"),
                TrustedKey(key_id=self.artifact_key.key_id, public_key=self.artifact_key.public_pem, use="artifact"),
            ]
        )
        self.engine = Engine(wasmtime_version(), engine_config_hash(), TARGET)
        self.outbox = Outbox()
        self.prepare = Prepare(
            store=self.store,
            queue=self.outbox,
            trust=lambda: self.trust,
            signer=self.artifact_key,
            engine=self.engine,
            compiler=Compiler(240, 3_072 * MIB),
            max_component_bytes=64 * MIB,
            now=lambda: datetime.now(UTC),
        )
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.artifacts = ArtifactCache(
            store=self.store,
            trust=lambda: self.trust,
            engine=self.engine,
            folder=folder,
            budget_bytes=artifact_budget_bytes,
            now=lambda: datetime.now(UTC),
            monotonic_s=time.monotonic,
        )
        self.pool = Pool(Configure(data_limit_bytes, [str(folder)]), sandboxes)
        self.database = database or Database(NO_DATABASE)
        self.services = Services(
            settings=RunnerSettings.read(SETTINGS),
            pool=self.pool,
            trust=_Trust(self),
            artifacts=self.artifacts,
            store=self.store,
            database=lambda: self.database,
            providers=providers or {},
            unsealer=unsealer,
            maxima=maxima,
            gateway_keys=TokenKeys([PublicKey.from_pem(self.gateway_key.public_pem)]),
            keys=(),
            now_s=time.time,
        )
        self.runner = Runner(self.services)

    def replace(self, **parts: Any) -> None:
        """Put others in the place of some services, such as a store that fails."""
        self.services = dataclasses.replace(self.services, **parts)
        self.runner = Runner(self.services)

    def close(self) -> None:
        self.pool.close()

    def prepared(self, component: bytes) -> PreparedMessage:
        """Have prepare look at a component; return what it says."""
        component_sha256 = hashlib.sha256(component).hexdigest()
        self.store.objects[object_keys.component(component_sha256)] = component
        message = PrepareMessage(
            version_id=str(uuid.uuid4()),
            content_hash=_content_hash(component),
            component_sha256=component_sha256,
        )
        return self.prepare.handle(message)

    def places(self, component_sha256: str) -> Places:
        """Return where the artifact of a prepared component lies."""
        record = object_keys.artifact_record(component_sha256, self.engine, self.artifact_key.key_id)
        folder = record.rpartition("/")[0]
        (code,) = (key for key in self.store.objects if key.startswith(folder) and key.endswith(".cwasm"))
        return Places(code, record)

    def publish(self, component: bytes) -> str:
        """Prepare a component and release it; return its content hash."""
        prepared = self.prepared(component)
        assert prepared.ok, prepared.reasons
        assert prepared.component_sha256 is not None
        self._release(prepared.content_hash, prepared.component_sha256)
        return prepared.content_hash

    def publish_untried(self, component: bytes) -> str:
        """Compile, sign and release a component as ``publish`` does, but without trying it before.

        It stands for whatever prepare might let through.
        """
        component_sha256 = hashlib.sha256(component).hexdigest()
        code = bytes(Component(make_engine(), pack(component) or component).serialize())
        code_sha256 = hashlib.sha256(code).hexdigest()
        place = object_keys.code(component_sha256, self.engine, code_sha256)
        record = ArtifactRecord(
            component_sha256=component_sha256,
            wasmtime_version=self.engine.wasmtime_version,
            engine_config_hash=self.engine.config_hash,
            target=self.engine.target,
        )
        signed = sign_envelope(self.artifact_key, statement(record, place, code_sha256))
        self.store.objects[place] = code
        self.store.objects[object_keys.artifact_record(component_sha256, self.engine, self.artifact_key.key_id)] = (
            signed
        )
        content_hash = _content_hash(component)
        self._release(content_hash, component_sha256)
        return content_hash

    def _release(self, content_hash: str, component_sha256: str) -> None:
        bundle = content_hash.removeprefix("sha256:")
        record = ReleaseRecord(
            publisher="acme",
            name="com.acme.test",
            version="1.0.0",
            key_id="sha256:" + "0" * 64,
            published_at=datetime.now(UTC).isoformat(),
            component_sha256=component_sha256,
        )
        signed = sign_envelope(self.release_key, statement(record, "com.acme.test", bundle))
        self.store.objects[object_keys.release(bundle)] = signed

    def execute(self, request: ExecuteRequest) -> ExecuteResponse:
        """Call ``POST /v1/execute``; the envelope must be accepted."""
        answer = self.answer(request)
        assert answer["statusCode"] == 200, answer["body"]
        return decode_response(body_of_answer(answer))

    def answer(
        self,
        request: ExecuteRequest,
        *,
        token: str | None = None,
        body: bytes | None = None,
        version_state: str = "ready",
    ) -> dict[str, Any]:
        """Call ``POST /v1/execute``; return the Lambda answer, whatever it is."""
        body = encode(request) if body is None else body
        token = self.token(request, body, version_state) if token is None else token
        return self.post(EXECUTE_PATH, body, {"authorization": f"Bearer {token}"})

    def health(self) -> tuple[int, dict[str, Any]]:
        """Ask ``GET /healthz`` as an operator, with checks made now; return the status and the document."""
        self.runner = Runner(self.services)
        answer = self.send("GET", "/healthz", headers=self.operator())
        return answer["statusCode"], json.loads(answer["body"])

    def operator(self) -> dict[str, str]:
        """Return the headers of an operator's request."""
        return {"authorization": f"Bearer {sign_operator_token(self.gateway_key, now_s=int(time.time()))}"}

    def token(self, request: ExecuteRequest, body: bytes, version_state: str = "ready") -> str:
        """Sign an execution token as the gateway does."""
        return sign_execution_token(
            self.gateway_key,
            request,
            body,
            version_state=version_state,
            token_id=str(uuid.uuid4()),
            now_s=int(time.time()),
        )

    def post(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> dict[str, Any]:
        """Send a POST as API Gateway would."""
        return self.send("POST", path, body, headers)

    def send(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> dict[str, Any]:
        """Send any request as API Gateway would."""
        return self.runner.answer(
            {
                "version": "2.0",
                "rawPath": path,
                "headers": headers or {},
                "requestContext": {"http": {"method": method, "path": path}, "requestId": str(uuid.uuid4())},
                "body": base64.b64encode(body).decode(),
                "isBase64Encoded": True,
            }
        )


def _content_hash(component: bytes) -> str:
    return "sha256:" + hashlib.sha256(b"bundle of " + component).hexdigest()


def call(
    content_hash: str,
    *,
    method: str = "GET",
    path: str = "/",
    query: str = "",
    headers: dict[str, str | list[str]] | None = None,
    body: bytes | None = None,
    providers: tuple[str, ...] = EVERY_CAPABILITY,
    timeout_ms: int | None = None,
    memory_mb: int | None = None,
    fuel: int | None = None,
    config: dict[str, str] | None = None,
    user: ExecuteUser | None = None,
    grants: ExecuteGrants | None = None,
    tenant_id: str = TENANT,
    install_id: str = INSTALL,
) -> ExecuteRequest:
    """Return an envelope for a call."""
    return ExecuteRequest(
        context=ExecuteContext(
            request_id=str(uuid.uuid4()),
            tenant_id=tenant_id,
            extension_id="22222222-2222-4222-8222-222222222222",
            install_id=install_id,
            version_id="33333333-3333-4333-8333-333333333333",
            content_hash=content_hash,
            config=config or {},
        ),
        http=ExecuteHttp(
            method=method,
            path=path,
            raw_query=query,
            headers=headers or {},
            body_b64=base64.b64encode(body).decode() if body is not None else None,
        ),
        limits=ExecuteLimits(timeout_ms=timeout_ms, memory_mb=memory_mb, fuel=fuel),
        providers=list(providers),
        user=user,
        grants=grants or ExecuteGrants(),
    )


def body_of(response: ExecuteResponse) -> bytes:
    """Return a response's body."""
    return base64.b64decode(response.body_b64) if response.body_b64 else b""


def json_of(response: ExecuteResponse) -> Any:
    """Return a response's body as JSON."""
    return json.loads(body_of(response))


def code_of(response: ExecuteResponse) -> str | None:
    """Return the platform's error code, or None when the guest answered."""
    return response.error.code if response.error else None
