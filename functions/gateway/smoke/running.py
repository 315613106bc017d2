"""Run the smoke check's requests, with retries: a function that nobody called for long fails its next invocation."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from alga_ext.errors import PlatformError
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import LambdaFunction
from alga_ext.telemetry import log_failure, logger
from functions.gateway.smoke.checks import Check, Verdict

PROBE_TENANT: Final = "alga-smoke-check"
"""The tenant of the check's own environment of the runner."""
ATTEMPTS: Final = 3
PAUSE_S: Final = 5.0
_INVOCATION_TIMEOUT_S: Final = 30.0
_SWEEP_TIMEOUT_S: Final = 65.0
"""A sweep that wakes the database takes up to a minute."""

Target = Callable[[str, bytes], bytes]
"""Invokes a function of the topology with a payload and returns its answer, or raises ``PlatformError``."""


Report = Callable[[str, str, str], None]
"""Takes a deployment's id, the id of its hook's execution, and ``Succeeded`` or ``Failed``."""


class Failed(Exception):
    """A check failed in each attempt. The text names the check and what was wrong."""


def run(checks: Iterable[Check], target: Target, pause: Callable[[float], None]) -> list[str]:
    """Run the checks; return their names, each with what its answer told.

    Raises:
        Failed: a check failed in each of ``ATTEMPTS`` attempts; the checks after it were not run.
    """
    passed = []
    for check in checks:
        for attempt in range(1, ATTEMPTS + 1):
            wrong, told = _verdict(check, target)
            if wrong is None:
                passed.append(f"{check.name}: {told}" if told else check.name)
                break
            if attempt == ATTEMPTS:
                message = f"{check.name}: {wrong}"
                raise Failed(message)
            pause(PAUSE_S)
    return passed


def serve(event: Mapping[str, Any], run_all: Callable[[], list[str]], report: Report) -> dict[str, Any]:
    """Run the checks, and tell CodeDeploy the result if it waits for one.

    Returns:
        ``{"passed": [names of checks]}``, or ``{"failed": reason}``.

    Raises:
        Exception: what ``run_all`` raised, when CodeDeploy does not wait for the result.
        PlatformError: CodeDeploy did not take the result.
    """
    hook = (event["DeploymentId"], event["LifecycleEventHookExecutionId"]) if "DeploymentId" in event else None
    try:
        passed = run_all()
    except Failed as failed:
        if hook is None:
            raise
        reason = str(failed)
        logger("smoke").error("the smoke check failed", extra={"reason": reason})
    except Exception as error:  # whatever it is, CodeDeploy would wait for an hour
        if hook is None:
            raise
        log_failure("smoke", error, hook[1])
        reason = f"{type(error).__name__}; see the log of the smoke function"
    else:
        if hook is not None:
            report(*hook, "Succeeded")
        return {"passed": passed}
    report(*hook, "Failed")
    return {"failed": reason}


def target_of(functions: Mapping[str, str], api: AwsApi, *, isolated: bool) -> Target:
    """Return a target that invokes Lambda functions.

    Args:
        functions: name in the topology → deployed name.
        api: signs the requests.
        isolated: whether the runner has tenant isolation mode.
    """
    made = {name: LambdaFunction(deployed, api) for name, deployed in functions.items()}

    def invoke(name: str, payload: bytes) -> bytes:
        timeout_s = _SWEEP_TIMEOUT_S if name == "sweeper" else _INVOCATION_TIMEOUT_S
        return made[name].invoke(payload, PROBE_TENANT if name == "runner" and isolated else None, timeout_s)

    return invoke


def _verdict(check: Check, target: Target) -> Verdict:
    try:
        return check.judge(target(check.function, json.dumps(check.event).encode()))
    except PlatformError as error:
        return Verdict(f"{error.detail} ({error.context.get('cause', '')})")
    except ValueError as error:
        return Verdict(str(error))
