"""A trust bundle in the object store reaches functions that run: a revocation, without a restart."""

import base64
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alga_ext.calls.envelope import EXECUTE_PATH, ExecuteContext, ExecuteHttp, ExecuteRequest, decode_response, encode
from alga_ext.calls.execution_token import sign_execution_token
from alga_ext.stores.signed_trust_source import REFRESH_S
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.signed_trust import sign_trust
from alga_ext.trust.signing import LocalSigner
from alga_ext.trust.trust_document import VersionedTrust, parse_trust_bundle
from functions.runner.runner import Runner
from functions.runner.services import Services as RunnerServices
from functions.uihost.services import Services as UiHostServices
from functions.uihost.uihost import UiHost
from tests.support.clock import Clock
from tests.support.keys import revoked
from tests.support.site import Site
from tests.support.wat import guest
from tools.local.cloud import aws_client

HELLO = guest("(call $respond (i32.const 200) (i32.const 0) (i32.const 5))", data='(data (i32.const 0) "hello")')
STARTED = datetime(2020, 1, 1, tzinfo=UTC)


class Deployment:
    """A runner and a UI host of the platform in this process, with a trust bundle in a bucket of its own."""

    def __init__(self, site: Site, folder: Path) -> None:
        self._site = site
        self._root = LocalSigner.generate()
        self._bucket = f"trust-{uuid.uuid4().hex[:12]}"
        self.clock = Clock()
        with closing(self._s3()) as s3:
            s3.create_bucket(Bucket=self._bucket)
        self.trust = parse_trust_bundle(site.platform.keys.trust_bundle)
        self.put(1, self.trust)
        trust = {"SIGNING_TRUST_BUNDLE": f"s3://{self._bucket}/trust.json", "TRUST_ROOT_KEYS": self._root.public_pem}
        self._runner_services = RunnerServices.build(
            {**self._environment("runner"), **trust, "ARTIFACT_FOLDER": str(folder)}, monotonic_s=self.clock
        )
        self._runner = Runner(self._runner_services)
        self._ui_host = UiHost(UiHostServices.build({**self._environment("uihost"), **trust}, self.clock))

    def close(self) -> None:
        self._runner_services.pool.close()

    def put(self, version: int, trust: TrustBundle) -> None:
        """Sign a trust bundle and store it as an operator does."""
        expires_at = datetime.now(UTC) + timedelta(days=1)
        self._store(sign_trust(VersionedTrust(version, expires_at, trust), [self._root]))

    def put_unsigned(self, document: str) -> None:
        self._store(document.encode())

    def call(self, version: Mapping[str, Any]) -> str | None:
        """Call the extension; give the error code, or None when it answered."""
        context = ExecuteContext(
            request_id="r",
            tenant_id="acme",
            extension_id=str(uuid.uuid4()),
            install_id=str(uuid.uuid4()),
            version_id=version["version_id"],
            content_hash=version["content_hash"],
        )
        request = ExecuteRequest(context=context, http=ExecuteHttp(method="GET", path="/run"))
        body, token_id = encode(request), str(uuid.uuid4())
        signer, now_s = self._site.platform.keys.execution, int(time.time())
        token = sign_execution_token(signer, request, body, version_state="ready", token_id=token_id, now_s=now_s)
        event = {
            "rawPath": EXECUTE_PATH,
            "headers": {"authorization": f"Bearer {token}"},
            "requestContext": {"http": {"method": "POST", "path": EXECUTE_PATH}},
            "body": base64.b64encode(body).decode(),
            "isBase64Encoded": True,
        }
        answer = self._runner.answer(event)
        if answer["statusCode"] != 200:
            return str(json.loads(answer["body"])["code"])
        response = decode_response(answer["body"].encode())
        return response.error.code if response.error else None

    def page(self, version: Mapping[str, Any]) -> str | None:
        """Ask for the extension's page; give the error code, or None when it is shown."""
        path = f"/ext-ui/{version['content_hash']}/index.html"
        answer = self._ui_host.answer({"rawPath": path, "headers": {}, "requestContext": {"http": {"method": "GET"}}})
        return None if answer["statusCode"] == 200 else str(json.loads(answer["body"])["code"])

    def _environment(self, function: str) -> dict[str, str]:
        return dict(self._site.platform.functions.specs[function].environment)

    def _s3(self) -> Any:
        return aws_client("s3", self._site.platform.cloud.endpoint_url)

    def _store(self, data: bytes) -> None:
        with closing(self._s3()) as s3:
            s3.put_object(Bucket=self._bucket, Key="trust.json", Body=data)


@pytest.fixture
def deployment(site: Site, tmp_path: Path) -> Iterator[Deployment]:
    made = Deployment(site, tmp_path / "artifacts")
    yield made
    made.close()


def test_a_revocation_in_the_object_store_reaches_runner_and_ui_host_without_a_restart(
    site: Site, deployment: Deployment
) -> None:
    version = site.publish(HELLO)

    def seen() -> tuple[str | None, str | None]:
        return deployment.call(version), deployment.page(version)

    assert seen() == (None, None)

    deployment.put(2, TrustBundle(deployment.trust.keys, [revoked(site.signer, STARTED)]))
    deployment.clock.now_s += REFRESH_S - 0.001
    assert seen() == (None, None), "the bundle is not read again before its time"
    deployment.clock.now_s += 0.001
    assert seen() == ("artifact_integrity", "release_integrity")

    deployment.put(1, deployment.trust)
    deployment.clock.now_s += REFRESH_S
    assert seen() == ("artifact_integrity", "release_integrity"), "an older bundle does not undo it"

    deployment.put_unsigned(site.platform.keys.trust_bundle)
    deployment.clock.now_s += REFRESH_S
    assert seen() == ("artifact_integrity", "release_integrity"), "an unsigned bundle does not undo it"

    deployment.put(3, deployment.trust)
    deployment.clock.now_s += REFRESH_S
    assert seen() == (None, None), "a newer bundle does"


def test_without_a_signed_bundle_nothing_runs_and_nothing_is_shown(site: Site, deployment: Deployment) -> None:
    version = site.publish(HELLO)
    deployment.put_unsigned(site.platform.keys.trust_bundle)

    assert (deployment.call(version), deployment.page(version)) == ("runner_unavailable", "policy_unavailable")
