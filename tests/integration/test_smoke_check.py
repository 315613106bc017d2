"""The smoke check as a deployment runs it, against the whole local platform."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from alga_ext.calls.operator_token import sign_operator_token
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import Deployments
from alga_ext.trust.signing import LocalSigner
from functions.gateway.smoke.checks import checks
from functions.gateway.smoke.running import PROBE_TENANT, run
from tests.support.answering import Reply, answering
from tests.support.site import CLAIMS, Site
from tests.support.wat import guest

ALGA_EXT = str(Path(sys.executable).with_name("alga-ext"))
AWS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-central-1"}


def test_the_platforms_own_functions_pass_the_check(site: Site) -> None:
    outcome = site.loop.run(site.platform.functions.invoke("smoke", b"{}"))
    passed = json.loads(outcome.payload)["passed"]
    assert passed[:3] == ["gateway healthz", "registry healthz", "uihost healthz"]
    assert "seccomp" in passed[3].removeprefix("runner healthz: confined by ")
    assert passed[4:] == ["sweeper sweep"]


def test_a_published_probe_is_loaded_and_its_page_is_served(site: Site) -> None:
    probe = str(site.publish(guest("(call $respond (i32.const 200) (i32.const 0) (i32.const 0))"))["content_hash"])
    token = sign_operator_token(LocalSigner.from_pem(site.platform.keys.execution.private_pem), now_s=int(time.time()))

    def invoke(name: str, payload: bytes) -> bytes:
        tenant = PROBE_TENANT if name == "runner" else None
        return site.loop.run(site.platform.functions.invoke(name, payload, tenant)).payload

    wanted = checks(("uihost", "runner"), lambda: token, frozenset(), probe)
    passed = run(wanted, invoke, lambda _: None)
    names = [line.partition(":")[0] for line in passed]
    assert names == ["uihost healthz", "uihost page", "runner healthz", "runner warmup"]


@pytest.mark.parametrize("status", ["Succeeded", "Failed"])
def test_codedeploy_is_told_the_result_of_its_hook(status: str) -> None:
    with answering(lambda _: Reply(body=b'{"lifecycleEventHookExecutionId": "h-1"}')) as server:
        api = AwsApi({**AWS, "AWS_ENDPOINT_URL_CODEDEPLOY": server.url})
        Deployments(api).report("d-1", "h-1", status)
        (asked,) = server.asked
    told: dict[str, Any] = json.loads(asked.body)
    assert (asked.headers["x-amz-target"], told) == (
        "CodeDeploy_20141006.PutLifecycleEventHookExecutionStatus",
        {"deploymentId": "d-1", "lifecycleEventHookExecutionId": "h-1", "status": status},
    )


# By hand, over HTTP


def by_hand(site: Site, extension: str, role: str = "acme", path: str = "/run") -> subprocess.CompletedProcess[str]:
    token = site.platform.keys.token(CLAIMS[role])
    environment = {**os.environ, "ALGA_URL": site.api, "ALGA_TOKEN": token}
    command = [ALGA_EXT, "smoke", extension, "--path", path]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_platform_that_serves_calls_and_pages_passes(site: Site, hello: str) -> None:
    done = by_hand(site, hello)
    assert (done.returncode, done.stdout) == (0, "the platform serves calls and pages\n"), done.stderr


def test_an_endpoint_that_fails_is_told_with_its_request_id(site: Site, hello: str) -> None:
    done = by_hand(site, hello, path="/absent")
    assert done.returncode == 1
    assert "404: endpoint_not_found" in done.stderr
    assert "request id " in done.stderr


def test_a_tenant_without_the_extension_is_told_so(site: Site, hello: str) -> None:
    done = by_hand(site, hello, role="globex")
    assert done.returncode == 1
    assert "not_installed" in done.stderr
