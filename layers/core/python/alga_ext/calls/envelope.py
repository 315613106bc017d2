"""The execute envelope: the request from the gateway to the runner and its response (``POST /v1/execute``).

Every call reads an envelope, so msgspec is used: it decodes and validates one in microseconds. Unknown fields are
ignored, so that either side can be deployed first. docs/reference/execute.md defines field names and codes.
"""

from typing import Annotated, Final, Literal

import msgspec

from alga_ext.calls import egress_totals, metrics
from alga_ext.errors import PlatformError

EXECUTE_PATH: Final = "/v1/execute"
CONFIG_LIMIT_BYTES: Final = 64 * 1024

# What an answer is recorded with has limits, so that every answer that can be decoded can be recorded.
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
_Bytes = Annotated[int, msgspec.Meta(ge=0, le=2**40)]  # so that the sum of eight million calls fits into 64 bits
_Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
_MetricValue = Annotated[float, msgspec.Meta(ge=-metrics.VALUE_LIMIT, le=metrics.VALUE_LIMIT)]
_MetricSum = Annotated[
    float,
    msgspec.Meta(
        ge=-metrics.VALUE_LIMIT * metrics.EMITTED_LIMIT * 1.01, le=metrics.VALUE_LIMIT * metrics.EMITTED_LIMIT * 1.01
    ),
]
_ImportName = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9._-]{1,64}\Z")]
_ErrorCode = Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9_]{0,63}\Z")]


class ExecuteTrigger(msgspec.Struct, kw_only=True):
    """Why a call is made that no user makes: a delivery of an event, or of a run of a schedule.

    ``id`` is the delivery's. ``name`` is the event's topic, or the schedule's name or id. ``due_at`` (RFC 3339) and
    ``missed`` (how many earlier runs this one stands for) are those of a schedule. ``hops`` is how many events and runs
    caused one another before this one. ``try_number`` is 1 for the first try; in JSON it is ``try``.
    """

    type: Literal["event", "schedule"]
    id: str
    name: str
    due_at: str | None = None
    missed: int = 0
    hops: int = 0
    try_number: int = msgspec.field(default=1, name="try")


class ExecuteContext(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the call belongs to. ``content_hash`` is the bundle's (``sha256:…``); ``config`` is the install's.

    ``trigger`` is None for the call of a user.
    """

    request_id: str
    tenant_id: str
    extension_id: str
    install_id: str
    version_id: str
    content_hash: str
    config: dict[str, str] = {}
    trigger: ExecuteTrigger | None = None


class ExecuteHttp(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The HTTP request for the guest. ``path`` starts with ``/``; ``raw_query`` has no ``?``; the body is base64."""

    method: str
    path: str
    raw_query: str = ""
    query: dict[str, str | list[str]] = {}
    headers: dict[str, str | list[str]] = {}
    body_b64: str | None = None


class ExecuteLimits(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Requested limits; the runner lowers each to its maximum. None means the runner's default, never unlimited."""

    timeout_ms: int | None = None
    memory_mb: int | None = None
    fuel: int | None = None


class ExecuteGrants(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the tenant granted: egress hosts, secrets with the hosts that each may be sent to, and the grant hash.

    ``secret_headers`` names, for a secret that is bound to hosts, the only header it may be put into. The header of a
    secret that is not listed is ``authorization``.
    """

    egress: list[str] = []
    secrets: dict[str, list[str]] = {}
    secret_headers: dict[str, str] = {}
    hash: str = ""


class ExecuteUser(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The user on whose behalf the call is made. A call with a trigger has none."""

    user_id: str
    user_email: str = ""
    user_name: str = ""
    user_type: str = "internal"
    client_name: str = ""
    client_id: str | None = None
    additional_fields: dict[str, str] = {}


class SealedSecret(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One sealed secret as it is stored; ``Sealer.unseal`` decrypts it. Expiry is in epoch seconds."""

    name: str
    sealed_b64: str
    version: int
    expires_at_s: int | None = None


class DeclaredMetric(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A metric that the manifest declares, with its unit (one of ``metrics.UNITS``)."""

    name: str
    unit: str = "None"


class ExecuteRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One call. ``providers`` are the granted capability names; only ``metrics`` may be emitted."""

    context: ExecuteContext
    http: ExecuteHttp
    limits: ExecuteLimits = msgspec.field(default_factory=ExecuteLimits)
    providers: list[str] = []
    grants: ExecuteGrants = msgspec.field(default_factory=ExecuteGrants)
    secret_envelope: list[SealedSecret] | None = None
    metrics: list[DeclaredMetric] = []
    user: ExecuteUser | None = None


class Usage(msgspec.Struct, kw_only=True, omit_defaults=False):
    """What the call used: wall and CPU milliseconds, peak resident bytes, fuel when metered, egress, host calls.

    ``log_bytes`` are those of the guest's log lines that were written, in UTF-8.
    """

    duration_ms: _Milliseconds = 0.0
    cpu_ms: _Milliseconds = 0.0
    memory_peak_bytes: _Count = 0
    fuel: _Count | None = None
    egress_bytes: _Bytes = 0
    host_calls: Annotated[dict[_ImportName, _Count], msgspec.Meta(max_length=256)] = {}
    log_bytes: _Bytes = 0


class MetricTotal(msgspec.Struct, kw_only=True):
    """The values of one declared metric that a call emitted, added up. ``unit`` is one of ``metrics.UNITS``."""

    name: Annotated[str, msgspec.Meta(pattern=metrics.NAME_PATTERN.replace("$", r"\Z"))]
    unit: metrics.Unit
    count: Annotated[int, msgspec.Meta(ge=1, le=metrics.EMITTED_LIMIT)]
    sum: _MetricSum
    min: _MetricValue
    max: _MetricValue


MetricTotals = Annotated[list[MetricTotal], msgspec.Meta(max_length=metrics.DECLARED_LIMIT)]
"""One total for each name at most."""


class EgressTotal(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Requests of a call to one destination (``egress_totals.DESTINATION_PATTERN``), and the bytes of each direction.

    ``refused`` requests are not among ``requests``: nothing of them was sent.
    """

    destination: Annotated[str, msgspec.Meta(pattern=egress_totals.DESTINATION_PATTERN)]
    requests: _Count = 0
    bytes_sent: _Bytes = 0
    bytes_received: _Bytes = 0
    refused: _Count = 0


EgressTotals = Annotated[list[EgressTotal], msgspec.Meta(max_length=egress_totals.TOTALS_LIMIT)]
"""One total for each destination at most."""


class GuestReport(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the guest itself said before it failed: its exception, the stack of it, and the end of its error output."""

    error: str = ""
    stack: str = ""
    stderr: str = ""


class RefusedCall(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The last host call that the platform refused or that failed: the capability it needs, and the reason."""

    capability: str
    reason: str


class ExecuteError(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Why the response comes from the platform and not from the guest.

    ``guest`` explains it to the extension's developer. It is for the record of the call, not for the caller.
    """

    code: _ErrorCode
    message: str
    guest: GuestReport | None = None


class ExecuteResponse(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The runner's response. When ``error`` is set, ``status`` is the platform's and not the guest's.

    ``program_fetched`` says that the runner did not have the program and read it from the object store for this call.
    ``metrics`` are those that the guest emitted, ``egress`` what it requested from other hosts.
    ``refused`` and ``logs_b64z`` (packed by ``log_lines``; empty without lines) are for the record of the call.
    """

    status: int
    headers: dict[str, str | list[str]] = {}
    body_b64: str | None = None
    error: ExecuteError | None = None
    usage: Usage = msgspec.field(default_factory=Usage)
    trace_id: str = ""
    program_fetched: bool = False
    metrics: MetricTotals = []
    egress: EgressTotals = []
    refused: RefusedCall | None = None
    logs_b64z: str = ""


_ENCODER = msgspec.json.Encoder()
_REQUEST = msgspec.json.Decoder(ExecuteRequest)
_RESPONSE = msgspec.json.Decoder(ExecuteResponse)


def encode(document: ExecuteRequest | ExecuteResponse) -> bytes:
    """Return the JSON bytes of an envelope; the execution token is bound to exactly these bytes."""
    return _ENCODER.encode(document)


def decode_request(body: bytes) -> ExecuteRequest:
    """Decode a request.

    Raises:
        PlatformError: ``invalid_request`` when a field is wrong, with its name in the detail, or when the configuration
            is over ``CONFIG_LIMIT_BYTES``.
    """
    try:
        request = _REQUEST.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PlatformError("invalid_request", f"The execute envelope is not valid: {error}.") from None
    size = len(_ENCODER.encode(request.context.config))
    if size > CONFIG_LIMIT_BYTES:
        raise PlatformError(
            "invalid_request", f"context.config is {size} bytes as JSON; at most {CONFIG_LIMIT_BYTES} are allowed."
        )
    return request


def decode_response(body: bytes) -> ExecuteResponse:
    """Decode a runner's response.

    Raises:
        PlatformError: ``bad_gateway`` when it is not a valid envelope.
    """
    try:
        return _RESPONSE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PlatformError("bad_gateway", "The runner's response was not a valid envelope.", cause=error) from None
