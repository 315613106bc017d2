"""The smoke check as a deployment runs it, against the whole local platform."""

import json
from typing import Any

import pytest

from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import Deployments
from tests.support.answering import Reply, answering
from tests.support.site import Site

AWS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-central-1"}


def test_the_platforms_own_functions_pass_the_check(site: Site) -> None:
    outcome = site.loop.run(site.platform.functions.invoke("smoke", b"{}"))
    assert (outcome.error, json.loads(outcome.payload)) == (
        None,
        {"passed": ["gateway healthz", "registry healthz", "uihost healthz", "runner healthz"]},
    )


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
