"""A registry to tell stories with: publishers that sign, tenants that install, and the queue worked by hand."""

import base64
import dataclasses
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import boto3
import urllib3
from botocore.config import Config

from alga_ext.bundles import archive as bundle
from alga_ext.calls.messages import Message, PreparedMessage, PrepareMessage, decode_message, encode_message
from alga_ext.stores import object_keys
from alga_ext.stores.aws import CloudFrontDistribution, KmsSigner, S3ObjectStore
from alga_ext.stores.database import Database
from alga_ext.trust.signing import LocalSigner, PublicKey, Signer, sign_envelope
from alga_ext.trust.statements import Release, statement
from alga_ext.trust.withdrawn_list import verify_list
from functions.registry.api.registry import Registry
from functions.registry.evaluation.evaluator import Evaluator
from functions.registry.job_services import AssetsServices, SweeperServices
from functions.registry.publishing import finishing
from functions.registry.scheduling.services import TickerServices
from functions.registry.services import Services
from tests.conftest import Databases
from tests.support.documented import documented
from tests.support.keys import P256Signer
from tools.local.tokens import key_set, mint_token

ISSUER, AUDIENCE = "https://host.test", "alga-extensions"
REGION = "us-east-1"
UI_FILES = {"ui/index.html": b"<!doctype html><title>x</title>" + b"<p>hello</p>" * 40, "ui/app.js": b"export {}\n"}


@cache
def _client(service: str, endpoint_url: str) -> Any:
    """One client for all worlds: making one costs up to a quarter of a second."""
    return boto3.client(
        service,
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(s3={"addressing_style": "path"}),
    )


class Answer(NamedTuple):
    """What the registry answered."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def code(self) -> str:
        code: str = self.body["code"]
        return code


class Published(NamedTuple):
    """A signed bundle, ready to be sent."""

    archive: bytes
    content_hash: str
    signature: dict[str, Any]
    manifest: dict[str, Any]


class Context:
    """What Powertools reads of Lambda's context."""

    function_name = "registry"
    aws_request_id = "request"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:local:0:function:registry"


def manifest_of(name: str = "com.acme.notes", version: str = "1.0.0", **members: Any) -> dict[str, Any]:
    """A manifest of a small UI-only extension; members may add a runtime."""
    return {
        "name": name,
        "publisher": "acme",
        "version": version,
        "ui": {"type": "iframe", "entry": "ui/index.html"},
        **members,
    }


def make_archive(manifest: dict[str, Any], files: dict[str, bytes]) -> bytes:
    """Pack a bundle of a manifest and files."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "tree")
        for path, data in {"manifest.json": json.dumps(manifest).encode(), **files}.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        bundle.pack(root, Path(folder, "bundle.tar.zst"))
        return Path(folder, "bundle.tar.zst").read_bytes()


def _setting(signer: Signer) -> str:
    """Return how a function's environment names a signing key."""
    if isinstance(signer, KmsSigner):
        return f"kms:{signer._key_id}"
    assert isinstance(signer, LocalSigner)
    return signer.private_pem


_OPEN_DATABASES: list[Database] = []
_EVALUATOR = Evaluator(lambda: any(database.in_transaction for database in _OPEN_DATABASES))
"""Serves every registry of the test process, because starting its worker costs half a second."""


class RegistryWorld:
    """One registry with its keys, callers and stores."""

    def __init__(self, endpoint: str, bucket: str, databases: Databases) -> None:
        self.endpoint = endpoint
        self.databases = databases
        self.issuer = LocalSigner.generate()
        self.release: Signer = LocalSigner.generate()
        self.log: Signer = LocalSigner.generate()
        self.publisher_key: Signer = LocalSigner.generate()
        self.bucket = bucket
        self.client("s3").create_bucket(Bucket=bucket)
        self.sqs = self.client("sqs")
        self.prepare_url = self.sqs.create_queue(QueueName=bucket)["QueueUrl"]
        self.events_url = self.sqs.create_queue(QueueName=f"{bucket}-events")["QueueUrl"]
        self.deliveries_url = self.sqs.create_queue(QueueName=f"{bucket}-deliveries")["QueueUrl"]
        self.secrets_key_id = self.client("kms").create_key()["KeyMetadata"]["KeyId"]
        self._settings: dict[str, str] = {}
        self._services: Services | None = None

    @property
    def services(self) -> Services:
        """What this registry works with, built from its environment when it is first asked for."""
        if self._services is None:
            built = Services.build(self.environment())
            _OPEN_DATABASES.append(built.database)
            self._services = dataclasses.replace(built, evaluator=_EVALUATOR)
        return self._services

    def rewire(self, **settings: str) -> None:
        """Build the services again, with settings of the environment changed from now on."""
        self.close()
        self._settings |= settings

    @contextmanager
    def replaced(self, **parts: Any) -> Iterator[None]:
        """Put others in the place of some services, such as a store that fails, until the block ends."""
        before = self.services
        self._services = dataclasses.replace(before, **parts)
        try:
            yield
        finally:
            self._services = before

    def close(self) -> None:
        """Close what the services hold open."""
        if self._services is not None:
            self._services.database.close()
            _OPEN_DATABASES.remove(self._services.database)
            self._services = None

    def client(self, service: str) -> Any:
        return _client(service, self.endpoint)

    def environment(self) -> dict[str, str]:
        """Environment of the registry's handlers."""
        keys = {"release": self.release, "log": self.log}
        trust = [{"key_id": k.key_id, "public_key": k.public_pem, "use": use} for use, k in keys.items()]
        public = PublicKey.from_pem(self.issuer.public_pem).raw
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "DATABASE_URL": self.databases.registry,
            "BUNDLE_STORE_BASE": f"s3://{self.bucket}",
            "PREPARE_QUEUE_URL": self.prepare_url,
            "EVENTS_QUEUE_URL": self.events_url,
            "DELIVERIES_QUEUE_URL": self.deliveries_url,
            "SIGNING_TRUST_BUNDLE": json.dumps({"version": 1, "keys": trust}),
            "RELEASE_SIGNING_KEY": _setting(self.release),
            "LOG_SIGNING_KEY": _setting(self.log),
            "SECRETS_KEY_ID": self.secrets_key_id,
            "AUTH_JWKS": key_set({self.issuer.key_id: public}),
            "AUTH_ISSUER": ISSUER,
            "AUTH_AUDIENCE": AUDIENCE,
            "RUNNER_PUBLIC_BASE": "https://ui.test",
            **self._settings,
        }

    def kms_signer(self) -> KmsSigner:
        """Make an ECDSA P-256 key in the key management service."""
        key = self.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
        return KmsSigner(str(key["KeyMetadata"]["KeyId"]))

    def use_p256_keys(self) -> None:
        """Sign releases, the log and bundles with ECDSA P-256 from now on."""
        self.release, self.log, self.publisher_key = self.kms_signer(), self.kms_signer(), P256Signer()
        self.rewire()

    # Callers

    def token(self, **claims: Any) -> str:
        given = {"iss": ISSUER, "aud": AUDIENCE, "sub": "someone", **claims}
        return mint_token(self.issuer.raw, self.issuer.key_id, given, lifetime_s=600)

    @property
    def admin(self) -> str:
        return self.token(sub="platform", roles=["platform_admin"])

    @property
    def publisher(self) -> str:
        return self.token(sub="dev", roles=["publisher"], publishers=["acme"])

    def tenant_admin(self, tenant_id: str = "tenant-a") -> str:
        return self.token(sub=f"admin@{tenant_id}", roles=["tenant_admin"], tenant_id=tenant_id)

    def tenant_viewer(self, tenant_id: str = "tenant-a") -> str:
        return self.token(sub=f"viewer@{tenant_id}", roles=["tenant_viewer"], tenant_id=tenant_id)

    def call(self, method: str, path: str, token: str, body: Any = None, **more: Any) -> Answer:
        """Call the registry as API Gateway does; ``more`` as for ``event``."""
        answer = Registry(self.services).answer(self.event(method, path, token, body, **more), Context())
        text = answer.get("body")
        lower = {name.lower(): value for name, value in answer["headers"].items()}
        is_json = "json" in lower.get("content-type", "")
        found = Answer(answer["statusCode"], json.loads(text) if text and is_json else text or None, lower)
        if found.status >= 400:
            assert lower["content-type"] == "application/problem+json"
            assert {"type", "title", "status", "detail", "code", "request_id"} <= found.body.keys(), found.body
            assert (found.body["status"], found.body["request_id"]) == (found.status, lower["x-request-id"])
        return found

    def event(
        self,
        method: str,
        path: str,
        token: str,
        body: Any = None,
        *,
        query: str = "",
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Return what API Gateway hands to the registry's handler for a request."""
        raw = path if path.startswith("/api/") else f"/api/registry/v1{path}"
        return {
            "version": "2.0",
            "rawPath": raw,
            "rawQueryString": query,
            "queryStringParameters": dict(parse_qsl(query, keep_blank_values=True)) if query else None,
            "headers": {"content-type": "application/json", "authorization": f"Bearer {token}", **(headers or {})},
            "requestContext": {"http": {"method": method, "path": raw}, "stage": "$default", "requestId": "request-1"},
            "body": None if body is None else json.dumps(body),
            "isBase64Encoded": False,
        }

    # Publishing

    def register(self, publisher: str = "acme", key: Signer | None = None, **members: Any) -> None:
        """Register a publisher and a key of its."""
        made = self.call(
            "POST", "/publishers", self.admin, {"publisher": publisher, "display_name": publisher, **members}
        )
        assert made.status == 201, made
        self.add_key(publisher, key or self.publisher_key)

    def add_key(self, publisher: str, key: Signer) -> Answer:
        return self.call("POST", f"/publishers/{publisher}/keys", self.admin, {"public_key": key.public_pem})

    def signed(
        self, manifest: dict[str, Any], files: dict[str, bytes] | None = None, key: Signer | None = None
    ) -> Published:
        """Pack and sign a bundle."""
        return self.signed_archive(make_archive(manifest, UI_FILES if files is None else files), manifest, key)

    def signed_archive(self, archive: bytes, manifest: dict[str, Any], key: Signer | None = None) -> Published:
        """Sign an archive as the version that ``manifest`` names, whatever the archive holds."""
        content_hash = bundle.content_hash_of_bytes(archive)
        release = Release(publisher=manifest["publisher"], name=manifest["name"], version=manifest["version"])
        payload = statement(release, "bundle.tar.zst", content_hash.removeprefix("sha256:"))
        return Published(archive, content_hash, json.loads(sign_envelope(key or self.publisher_key, payload)), manifest)

    def send(self, published: Published, token: str | None = None, **headers: str) -> Answer:
        """Publish in one call."""
        body = {"bundle_b64": base64.b64encode(published.archive).decode(), "signature": published.signature}
        return self.call("POST", "/versions", token or self.publisher, body, headers=headers)

    def upload(self, published: Published) -> str:
        """Announce an archive, put it where it is staged, and return the id of the upload."""
        size_bytes = len(published.archive)
        declared = {"publisher": "acme", "content_hash": published.content_hash, "size_bytes": size_bytes}
        upload = self.call("POST", "/uploads", self.publisher, declared).body
        put = urllib3.PoolManager().request("PUT", upload["url"], body=published.archive, headers=upload["headers"])
        assert put.status == 200
        return str(upload["upload_id"])

    def prepare(self, message: PrepareMessage | None = None, **members: Any) -> list[str]:
        """Do the prepare function's part for every queued message, then run the assets handler; return the states."""
        states = []
        for queued in [message] if message else self.queued():
            prepared = PreparedMessage(
                version_id=queued.version_id,
                content_hash=queued.content_hash,
                component_sha256=queued.component_sha256,
                **{"ok": True, **members},
            )
            states.append(finishing.finish_prepared(prepared, self.assets()))
        return states

    def queued(self) -> list[PrepareMessage]:
        """Take every message off the prepare queue."""
        found = []
        while batch := self.sqs.receive_message(QueueUrl=self.prepare_url, MaxNumberOfMessages=10).get("Messages"):
            for item in batch:
                message = decode_message(item["Body"])
                assert isinstance(message, PrepareMessage)
                found.append(message)
                self.sqs.delete_message(QueueUrl=self.prepare_url, ReceiptHandle=item["ReceiptHandle"])
        return found

    def publish(
        self, manifest: dict[str, Any] | None = None, key: Signer | None = None, **members: Any
    ) -> dict[str, Any]:
        """Publish a version and bring it to ``ready``; return it as the registry shows it."""
        document = manifest or manifest_of(**members)
        sent = self.send(self.signed(document, key=key), self.admin)
        assert sent.status == 202, sent
        imports = [] if document.get("runtime") is None else document.pop("_imports", [])
        assert self.prepare(imports=imports) == ["ready"]
        version: dict[str, Any] = self.call("GET", f"/versions/{sent.body['version_id']}", self.admin).body
        return version

    def install(self, extension: str = "com.acme.notes", tenant_id: str = "tenant-a", **members: Any) -> dict[str, Any]:
        """Install for a tenant and return the install."""
        made = self.call("POST", "/installs", self.tenant_admin(tenant_id), {"extension": extension, **members})
        assert made.status == 201, made
        installed: dict[str, Any] = made.body
        return installed

    def assets(self) -> AssetsServices:
        """Return what the assets function of this registry works with."""
        given = self.services
        return AssetsServices(
            given.database,
            given.objects,
            given.trust,
            given.release_signer,
            given.evaluator,
            given.withdrawn_list_lifetime,
            given.now,
        )

    def sweeper(self) -> SweeperServices:
        """Return what the sweeper of this registry works with."""
        given, distribution = self.services, self._settings.get("UI_DISTRIBUTION_ID")
        return SweeperServices(
            given.database,
            given.objects,
            given.prepare_queue,
            given.trust,
            given.roots,
            given.key_max_ages,
            given.release_signer,
            given.log_signer,
            given.withdrawn_list_lifetime,
            given.uninstall_grace,
            timedelta(days=90),
            timedelta(days=14),
            timedelta(days=400),
            None if distribution is None else CloudFrontDistribution(distribution),
            given.now,
        )

    def ticker(self, now: datetime | None = None) -> TickerServices:
        """Return what the ticker of this registry works with, with a clock that stands still if given."""
        given = self.services
        clock = given.now if now is None else lambda: now
        return TickerServices(given.database, given.events_queue, given.deliveries_queue, clock)

    # Looking inside

    @property
    def objects(self) -> S3ObjectStore:
        return self.services.objects

    def withdrawn(self) -> frozenset[str]:
        """Return the bundles on the stored list of withdrawn versions, after verifying it; none without a list."""
        stored = self.objects.get_optional(object_keys.withdrawn_list())
        trust = self.services.trust.current()
        return verify_list(stored, trust, self.services.now()).hashes if stored is not None else frozenset()

    def overwrite(self, key: str, data: bytes) -> None:
        """Change a stored object, as an attacker with the bucket could."""
        self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=data)

    def rows(self, sql: str, **params: Any) -> list[dict[str, Any]]:
        """Read as the superuser, past row-level security."""
        database = Database(self.databases.owner)
        try:
            with database.system() as tx:
                return tx.rows(sql, **params)
        finally:
            database.close()


def sqs_event(*messages: Message | str) -> dict[str, Any]:
    """An SQS event; message n has the id ``mN``, and text stands for a body that is no message."""
    record = documented("sqs_batch")["Records"][0]
    bodies = [message if isinstance(message, str) else encode_message(message).decode() for message in messages]
    return {"Records": [{**record, "messageId": f"m{number}", "body": body} for number, body in enumerate(bodies)]}
