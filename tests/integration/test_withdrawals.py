"""A withdrawn version stays withdrawn at every function, whatever is done to the object store."""

import base64
import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

import boto3
import pytest

from alga_ext.calls.envelope import EXECUTE_PATH, ExecuteContext, ExecuteHttp, ExecuteRequest, decode_response, encode
from alga_ext.calls.execution_token import sign_execution_token
from alga_ext.stores import object_keys
from alga_ext.stores.objects import bucket_and_prefix
from functions.uihost.services import Services
from functions.uihost.uihost import UiHost
from tests.support.site import Site
from tests.support.wat import guest

HELLO = guest("(call $respond (i32.const 200) (i32.const 0) (i32.const 5))", data='(data (i32.const 0) "hello")')


class _Store:
    """The platform's object store, as an attacker with write access to the bucket has it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._s3 = boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL"])
        bucket, prefix = bucket_and_prefix(environment["BUNDLE_STORE_BASE"])
        self._at = {"Bucket": bucket, "Key": prefix + object_keys.withdrawn_list()}

    def list(self) -> bytes:
        data: bytes = self._s3.get_object(**self._at)["Body"].read()
        return data

    def put_list(self, data: bytes) -> None:
        self._s3.put_object(**self._at, Body=data)

    def delete_list(self) -> None:
        self._s3.delete_object(**self._at)


@pytest.fixture
def environment(site: Site, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """The environment of the platform's UI host, which this process has too until the test ends."""
    found = site.platform.functions.specs["uihost"].environment
    for name, value in found.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    return found


def _page(host: UiHost, version: Mapping[str, Any]) -> int:
    path = f"/ext-ui/{version['content_hash']}/index.html"
    event = {"rawPath": path, "headers": {}, "requestContext": {"http": {"method": "GET"}}}
    return int(host.answer(event)["statusCode"])


def _sweep(site: Site) -> None:
    outcome = site.loop.run(site.platform.functions.invoke("sweeper", b"{}"))
    assert outcome.error is None, outcome.payload


def test_no_change_of_the_store_shows_a_withdrawn_page_again(site: Site, environment: Mapping[str, str]) -> None:
    store = _Store(environment)

    def started() -> UiHost:
        """A new process of the UI host: it has seen no list."""
        return UiHost(Services.build(environment))

    withdrawn, other = site.publish(None), site.publish(None)
    before = store.list()
    host = started()
    assert (_page(host, withdrawn), _page(host, other)) == (200, 200)

    path = f"/versions/{withdrawn['version_id']}/withdraw"
    assert site.client("publisher").json("POST", path, {"reason": "malware"})["state"] == "withdrawn"
    host = started()
    assert (_page(host, withdrawn), _page(host, other)) == (404, 200)

    store.delete_list()
    assert (_page(host, withdrawn), _page(host, other)) == (404, 200), "a process has its list until it expires"
    host = started()
    assert (_page(host, withdrawn), _page(host, other)) == (503, 503), "a new process has none"

    _sweep(site)
    host = started()
    assert (_page(host, withdrawn), _page(host, other)) == (404, 200)

    store.put_list(before)
    assert _page(host, withdrawn) == 404, "a process ignores an older list than it has seen"
    _sweep(site)
    assert (_page(started(), withdrawn), _page(started(), other)) == (404, 200), "the sweeper mends a rollback"


@pytest.mark.parametrize(("state", "code"), [("ready", None), ("withdrawn", "artifact_not_found")])
def test_the_deployed_runner_runs_by_the_state_in_the_token(site: Site, state: str, code: str | None) -> None:
    version = site.publish(HELLO)
    context = ExecuteContext(
        request_id="r",
        tenant_id="acme",
        extension_id=str(uuid.uuid4()),
        install_id=str(uuid.uuid4()),
        version_id=version["version_id"],
        content_hash=version["content_hash"],
    )
    request = ExecuteRequest(context=context, http=ExecuteHttp(method="GET", path="/run"))
    body = encode(request)
    signer = site.platform.keys.execution
    token = sign_execution_token(
        signer, request, body, version_state=state, token_id=str(uuid.uuid4()), now_s=int(time.time())
    )
    event = {
        "rawPath": EXECUTE_PATH,
        "headers": {"authorization": f"Bearer {token}"},
        "requestContext": {"http": {"method": "POST", "path": EXECUTE_PATH}},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }

    outcome = site.loop.run(site.platform.functions.invoke("runner", json.dumps(event).encode(), "acme"))
    answer = decode_response(json.loads(outcome.payload)["body"].encode())

    assert (answer.error.code if answer.error else None) == code
