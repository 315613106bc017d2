"""What a process has imported when it has given its first answer, or, if that needs a database, when it has started.

A cold start pays for every import. The test is a list and no time, so that it finds a change on any machine.
"""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alga_ext.calls.envelope import EXECUTE_PATH, encode
from alga_ext.trust.signing import LocalSigner, Signer
from tests.support import wat
from tests.support.object_server import ObjectServer
from tests.support.places import ROOT
from tests.support.published_ui import HEX, LISTING, RELEASE, list_withdrawn, published
from tests.support.runner_fixture import RunnerFixture, call

NEVER = {"pydantic", "aws_lambda_powertools", "boto3", "botocore", "urllib3", "asyncio", "concurrent", "jsonschema"}
"""What no function that serves calls, pages or records may import before its first answer."""
KEYS = {"cryptography", "jwt"}
DATABASE = {"pg8000", "scramp", "asn1crypto", "dateutil"}
NEVER_BEFORE = {
    "runner": {*NEVER, *DATABASE, "jwt", "cronsim", "wasmtime"},
    "uihost": {*NEVER, *DATABASE, "jwt", "wasmtime"},
    "gateway": {*NEVER, "wasmtime"},
    "recorder": {*NEVER, *KEYS, "http", "wasmtime"},
}
PROGRAM = """
import json, sys
from {module} import handler
event = json.load(sys.stdin)
answer = handler(event, None) if event else None
print(json.dumps([answer, sorted({{name.partition(".")[0] for name in sys.modules}})]), flush=True)
"""
AWS = {"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
NO_DATABASE = "postgresql://role:unused@127.0.0.1:1/unused"


def first_answer(module: str, environment: dict[str, str], event: dict[str, Any]) -> tuple[Any, set[str]]:
    """Start a function, and return its answer to one event and the top-level names of what it has imported."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(module=module)],
        input=json.dumps(event),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT / 'layers/core/python'}", **AWS, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    answer, imported = json.loads(ended.stdout.splitlines()[-1])
    return answer, set(imported)


def trust_bundle(*keys: tuple[Signer, str]) -> str:
    entries = [{"key_id": key.key_id, "public_key": key.public_pem, "use": use} for key, use in keys]
    return json.dumps({"version": 1, "keys": entries})


def request(method: str, path: str, body: bytes = b"", **headers: str) -> dict[str, Any]:
    return {
        "rawPath": path,
        "headers": headers,
        "requestContext": {"http": {"method": method, "path": path}},
        "body": body.decode(),
        "isBase64Encoded": False,
    }


def test_the_runner_imports_nothing_it_does_not_need_before_its_first_answer(tmp_path: Path) -> None:
    house = RunnerFixture(tmp_path / "house")
    try:
        envelope = call(house.publish(wat.guest("(call $respond (i32.const 200) (call $body (local.get $request)))")))
        body = encode(envelope)
        with ObjectServer("bucket", house.store.objects) as server:
            environment = {
                "AWS_ENDPOINT_URL": server.url,
                "DATABASE_URL": NO_DATABASE,
                "BUNDLE_STORE_BASE": "s3://bucket",
                "SIGNING_TRUST_BUNDLE": trust_bundle((house.release_key, "release"), (house.artifact_key, "artifact")),
                "EXECUTION_TOKEN_PUBLIC_KEY": house.gateway_key.public_pem,
                "SECRETS_KEY_ID": "key",
                "ARTIFACT_FOLDER": str(tmp_path / "artifacts"),
            }
            event = request("POST", EXECUTE_PATH, body, authorization=f"Bearer {house.token(envelope, body)}")
            answer, imported = first_answer("functions.runner.handler", environment, event)
    finally:
        house.close()

    assert (answer["statusCode"], json.loads(answer["body"])["status"]) == (200, 200)
    assert imported & NEVER_BEFORE["runner"] == set()


def test_the_ui_host_imports_nothing_it_does_not_need_before_its_first_page() -> None:
    objects = published()
    list_withdrawn(objects, at=datetime.now(UTC) - timedelta(seconds=1))
    with ObjectServer("bucket", objects.objects) as server:
        environment = {
            "AWS_ENDPOINT_URL": server.url,
            "BUNDLE_STORE_BASE": "s3://bucket",
            "SIGNING_TRUST_BUNDLE": trust_bundle((RELEASE, "release"), (LISTING, "release")),
            "RUNNER_PUBLIC_BASE": "https://ui.example",
            "FRAME_ANCESTORS": "https://host.example",
        }
        event = request("GET", f"/ext-ui/{HEX}/index.html")
        answer, imported = first_answer("functions.uihost.handler", environment, event)

    assert answer["statusCode"] == 200, answer
    assert imported & NEVER_BEFORE["uihost"] == set()


def test_the_gateway_imports_nothing_it_does_not_need_before_its_first_answer() -> None:
    environment = {
        "DATABASE_URL": NO_DATABASE,
        "RUNNER_BASE_URL": "lambda://runner",
        "EXECUTIONS_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/1/executions",
        "EXECUTION_TOKEN_PRIVATE_KEY": LocalSigner.generate().private_pem,
        "AUTH_JWKS_URL": "https://host.example/keys",
        "AUTH_ISSUER": "https://host.example",
        "AUTH_AUDIENCE": "alga",
    }
    answer, imported = first_answer("functions.gateway.handler", environment, request("GET", "/api/ext/a.b/c"))

    assert answer["statusCode"] == 401
    assert imported & NEVER_BEFORE["gateway"] == set()


def test_the_recorder_imports_nothing_it_does_not_need_at_its_start() -> None:
    _, imported = first_answer("functions.registry.recorder", {"DATABASE_URL": NO_DATABASE}, {})

    assert imported & NEVER_BEFORE["recorder"] == set()


@pytest.mark.parametrize("name", sorted(set().union(*NEVER_BEFORE.values()) - {"asyncio", "concurrent", "http"}))
def test_a_package_that_is_looked_for_is_one_that_is_installed(name: str) -> None:
    __import__(name)
