"""The migrations as a custom resource of CloudFormation: what a request asks for, and how it is answered.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html. A stack that is rolled back repeats the
request of the older template, with fewer migrations than the database has. That request succeeds and changes nothing.
"""

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import urllib3

from alga_ext.errors import PlatformError
from alga_ext.telemetry import logger

PHYSICAL_ID: Final = "schema"
"""Equal for every request, so that CloudFormation never replaces and then deletes the resource."""
_REASON_CHARACTERS: Final = 1_000  # the whole answer may have 4 KiB
_TIMEOUT: Final = urllib3.Timeout(connect=5.0, read=10.0)
_POOL: Final = urllib3.PoolManager(retries=urllib3.Retry(3, backoff_factor=0.5, allowed_methods=["PUT"]))

Migrate = Callable[[], list[str]]
"""Applies the migrations and returns the names of those that it applied."""


def is_request(event: Mapping[str, Any]) -> bool:
    """Tell whether an event comes from CloudFormation."""
    return "RequestType" in event and "ResponseURL" in event


def serve(event: Mapping[str, Any], applied: Callable[[], Collection[str]], migrate: Migrate) -> dict[str, Any]:
    """Do what CloudFormation asks, and answer it. It waits for this answer, so a failure is answered too.

    Args:
        event: CloudFormation's request. ``ResourceProperties.Migrations`` has the names of the template's migrations.
        applied: returns the names of the migrations that the database has.
        migrate: see ``Migrate``.

    Returns:
        ``{"applied": [names]}``.

    Raises:
        Exception: the migration failed, after CloudFormation was told.
        urllib3.exceptions.HTTPError: the answer could not be sent.
    """
    try:
        done = _migrate(event, applied, migrate)
    except Exception as error:
        _answer(event, "FAILED", _reason(error))
        raise
    _answer(event, "SUCCESS", "")
    return {"applied": done}


def _migrate(event: Mapping[str, Any], applied: Callable[[], Collection[str]], migrate: Migrate) -> list[str]:
    if event["RequestType"] == "Delete":
        return []  # the database is a resource of its own, with its own rules
    asked = event["ResourceProperties"]["Migrations"]
    if set(asked) < set(applied()):
        logger("migrate").info("the database has more migrations than this template, so nothing is changed")
        return []
    return migrate()


def _reason(error: Exception) -> str:
    """Return what an operator may read in the events of the stack: no value of a setting or of a row."""
    if isinstance(error, PlatformError):
        cause = error.context.get("message") or ""
        return f"{error.code}: {error.detail} {cause}"[:_REASON_CHARACTERS]
    return f"{type(error).__name__}; see the log of the migrate function"


def _answer(event: Mapping[str, Any], status: str, reason: str) -> None:
    body = json.dumps({
        "Status": status,
        "Reason": reason or "See the log of the migrate function",
        "PhysicalResourceId": PHYSICAL_ID,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
    })  # fmt: skip
    # The URL is signed for an empty content type.
    _POOL.request("PUT", event["ResponseURL"], body=body.encode(), headers={"content-type": ""}, timeout=_TIMEOUT)
