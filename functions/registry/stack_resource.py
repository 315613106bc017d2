"""A function as a custom resource of CloudFormation: recognise its requests, and answer them.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import urllib3

from alga_ext.errors import PlatformError
from alga_ext.settings import SettingsError
from alga_ext.telemetry import log_failure

_REASON_CHARACTERS: Final = 1_000  # the whole answer may have 4 KiB
_TIMEOUT: Final = urllib3.Timeout(connect=5.0, read=10.0)
_POOL: Final = urllib3.PoolManager(retries=urllib3.Retry(3, backoff_factor=0.5, allowed_methods=["PUT"]))


def is_request(event: Mapping[str, Any]) -> bool:
    """Tell whether an event comes from CloudFormation."""
    return "RequestType" in event and "ResponseURL" in event


def serve(event: Mapping[str, Any], physical_id: str, act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do what CloudFormation asks, and answer it. It waits for this answer, so a failure is answered too.

    Args:
        event: CloudFormation's request.
        physical_id: of the resource, equal for every request, so that CloudFormation never replaces it.
        act: does the work.

    Returns:
        What ``act`` returns. For a resource that is deleted, nothing is done: the database has its own rules. When
        ``act`` fails, ``{"failed": reason}``: CloudFormation knows it, and if the invocation failed too, Lambda would
        repeat it a minute later, while the stack is rolled back.

    Raises:
        urllib3.exceptions.HTTPError: the answer could not be sent.
    """
    try:
        done = {} if event["RequestType"] == "Delete" else act()
    except Exception as error:  # noqa: BLE001 - whatever it is, CloudFormation waits for an answer
        log_failure("stack-resource", error, event["RequestId"])
        reason = _reason(error)
        _answer(event, physical_id, "FAILED", reason)
        return {"failed": reason}
    _answer(event, physical_id, "SUCCESS", "")
    return done


def _reason(error: Exception) -> str:
    """Return what an operator may read in the events of the stack: no value of a setting or of a row."""
    if isinstance(error, PlatformError):
        cause = error.context.get("message") or ""
        return f"{error.code}: {error.detail} {cause}"[:_REASON_CHARACTERS]
    if isinstance(error, SettingsError):
        return str(error)[:_REASON_CHARACTERS]  # it never contains a value
    return f"{type(error).__name__}; see the log of the function"


def _answer(event: Mapping[str, Any], physical_id: str, status: str, reason: str) -> None:
    body = json.dumps({
        "Status": status,
        "Reason": reason or "See the log of the function",
        "PhysicalResourceId": physical_id,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
    })  # fmt: skip
    # The URL is signed for an empty content type.
    _POOL.request("PUT", event["ResponseURL"], body=body.encode(), headers={"content-type": ""}, timeout=_TIMEOUT)
