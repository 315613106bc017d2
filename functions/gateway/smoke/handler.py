"""The smoke check's Lambda entry point. Trigger: CodeDeploy, before a new version gets traffic; or Invoke by hand.

It is part of the gateway's folder because only the gateway has the key that signs operator tokens.
"""

import json
import time
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from alga_ext.calls.operator_token import sign_operator_token
from alga_ext.settings import environment, read_material
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import Deployments
from alga_ext.stores.refreshed import Refreshed
from alga_ext.trust.signing import LocalSigner
from functions.gateway.settings import SmokeSettings
from functions.gateway.smoke.checks import checks
from functions.gateway.smoke.running import run, serve, target_of


class _Services(NamedTuple):
    """The settings, the key that signs operator tokens, and the deployed name of each function."""

    settings: SmokeSettings
    signer: LocalSigner
    functions: Mapping[str, str]


def _build(environ: Mapping[str, str], _: _Services | None) -> _Services:
    settings = SmokeSettings.read(environ)
    signer = settings.build("execution_token_private_key", lambda key: LocalSigner.from_pem(read_material(key)))
    return _Services(settings, signer, settings.build("smoke_functions", json.loads))


_API: Final = AwsApi(environment())


@cache
def _services() -> Refreshed[_Services]:
    """Read at the first use: a failure while the module is loaded could not be told to CodeDeploy."""
    return Refreshed("smoke", environment(), _build)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Check the newest code of each function.

    Args:
        event: CodeDeploy's, with ``DeploymentId`` and ``LifecycleEventHookExecutionId``, to which the result is then
            reported; or any other.
        context: of Lambda.

    Returns:
        ``{"passed": [names of checks]}``, or ``{"failed": reason}`` after it was reported.

    Raises:
        Failed: a check failed, and CodeDeploy does not wait for the result.
        SettingsError: the settings cannot be read, and CodeDeploy does not wait for the result.
    """
    return serve(event, _run_all, Deployments(_API).report)


def _run_all() -> list[str]:
    settings, signer, functions = _services().current()
    expected = frozenset(filter(None, settings.expected_confinement.split(",")))
    wanted = checks(
        functions,
        lambda: sign_operator_token(signer, now_s=int(time.time())),
        expected,
        settings.probe_content_hash,
    )
    target = target_of(functions, _API, isolated=settings.runner_isolation == "per_tenant")
    return run(wanted, target, time.sleep)
