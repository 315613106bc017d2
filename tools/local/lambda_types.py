"""Types and limits of the Lambda service: function specifications, outcomes, payload sizes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

PAYLOAD_BYTES_MAX = 6 * 1024 * 1024  # synchronous invocation, each way
ASYNC_PAYLOAD_BYTES_MAX = 1024 * 1024
INIT_TIMEOUT_S = 30.0  # Lambda allows 10; a busy machine that also compiles and tests needs more
PROCESSES_MAX = 4
ACCOUNT_ID = "000000000000"


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A deployed function: its handler, time limit, environment and memory.

    `per_tenant` is Lambda's tenant isolation mode: every invocation names a tenant, and a process serves only one.
    `private_folders` are variables whose value is a folder below /tmp. In Lambda, /tmp is private to a process; here
    each process gets its own /tmp, and the value is the folder's name below it.
    """

    name: str
    handler: str
    timeout_s: float
    environment: Mapping[str, str] = field(default_factory=dict)
    memory_mb: int = 1769
    per_tenant: bool = False
    processes_max: int = PROCESSES_MAX
    private_folders: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of an invocation: the function's payload, or an error object when `error` is set.

    `error` is the value of Lambda's X-Amz-Function-Error header.
    """

    payload: bytes
    error: str | None = None


def failure(request_id: str, error_type: str, message: str) -> Outcome:
    """Return an outcome in the shape of Lambda's errors of the environment (not of the handler)."""
    document = {"errorType": error_type, "errorMessage": f"RequestId: {request_id} Error: {message}"}
    return Outcome(msgspec.json.encode(document), "Unhandled")
