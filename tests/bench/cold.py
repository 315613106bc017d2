"""Cold starts: from the start of a process to the runner's first answer, the artifact in an object store server.

Each start is a process of its own that imports the real handler with the real environment, as Lambda's runtime client
does, and answers one event. The clock stops when the answer is read: Lambda's process does not end after it. Bytecode
is there, as it is in the shipped image.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from alga_ext.calls.envelope import EXECUTE_PATH, encode
from alga_ext.stores.aws import S3ObjectStore
from tests.support.places import ROOT
from tests.support.runner_fixture import RunnerFixture, call
from tests.support.servers import Loop, start_moto

STARTS = 5

_PROGRAM = """
import contextlib, json, sys
from functions.runner.handler import handler
event = json.load(sys.stdin)
with contextlib.redirect_stdout(sys.stderr):  # its metrics are not taken for an answer
    answer = handler(event, None)
print(json.dumps(answer), flush=True)
"""


class ColdStart(NamedTuple):
    """Milliseconds of several cold starts with one guest."""

    guest: str
    p50_ms: float
    best_ms: float
    worst_ms: float


def cold_starts(guests: Mapping[str, Callable[[], bytes]]) -> Iterator[ColdStart]:
    """Measure ``STARTS`` cold starts with each guest."""
    loop = Loop()
    with tempfile.TemporaryDirectory(prefix="bench-cold-") as name:
        folder = Path(name)
        moto = start_moto(loop, folder)
        house = RunnerFixture(folder / "house")
        try:
            environment = _environment(house, moto.url, folder)
            os.environ.update({k: v for k, v in environment.items() if k.startswith("AWS_")})
            _make_bucket(moto.url)
            store = S3ObjectStore("s3://bench")
            for guest, build in guests.items():
                content_hash = house.publish(build())
                for key, data in house.store.objects.items():
                    store.put_new(key, data, "application/octet-stream")
                taken = [_start(house, content_hash, environment, folder) for _ in range(STARTS + 1)][1:]
                ordered = sorted(taken)
                yield ColdStart(guest, *(round(ms, 1) for ms in (ordered[len(ordered) // 2], ordered[0], ordered[-1])))
        finally:
            house.close()
            loop.run(moto.stop())
            loop.close()


def _start(house: RunnerFixture, content_hash: str, environment: dict[str, str], folder: Path) -> float:
    request = call(content_hash, path="/count")
    body = encode(request)
    event = {
        "rawPath": EXECUTE_PATH,
        "headers": {"authorization": f"Bearer {house.token(request, body)}"},
        "requestContext": {"http": {"method": "POST", "path": EXECUTE_PATH}},
        "body": body.decode(),
        "isBase64Encoded": False,
    }
    artifacts = folder / f"artifacts-{time.monotonic_ns()}"
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**environment, "ARTIFACT_FOLDER": str(artifacts)},
        cwd=ROOT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(event).encode())
        process.stdin.close()
        line = process.stdout.readline()
        taken = (time.perf_counter() - started) * 1_000
    answer: dict[str, Any] = json.loads(line) if line else {"statusCode": None, "body": "{}"}
    if answer["statusCode"] != 200 or json.loads(answer["body"]).get("error"):
        message = f"the runner did not answer: {answer['body'][:500]}"
        raise RuntimeError(message)
    return taken


def _environment(house: RunnerFixture, url: str, folder: Path) -> dict[str, str]:
    trust = {
        "version": 1,
        "keys": [
            {"key_id": key.key_id, "public_key": key.public_pem, "use": use}
            for key, use in ((house.release_key, "release"), (house.artifact_key, "artifact"))
        ],
    }
    return {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'layers/core/python'}",
        "HOME": str(folder),
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": hashlib.sha256(b"bench").hexdigest(),
        "AWS_ENDPOINT_URL": url,
        "DATABASE_URL": "postgresql://fn_runner:unused@127.0.0.1:1/unused",
        "BUNDLE_STORE_BASE": "s3://bench",
        "SIGNING_TRUST_BUNDLE": json.dumps(trust),
        "EXECUTION_TOKEN_PUBLIC_KEY": house.gateway_key.public_pem,
        "LOG_LEVEL": "CRITICAL",
    }


def _make_bucket(url: str) -> None:
    import urllib3

    answer = urllib3.request("PUT", f"{url}/bench")
    if answer.status >= 300:
        message = f"the bucket could not be made: {answer.status}"
        raise RuntimeError(message)
