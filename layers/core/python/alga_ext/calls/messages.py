"""The queue messages. Every message is a JSON object with a ``type``; unknown fields are ignored.

A message has at most 256 KiB. It names larger data by its key in the object store. It is ASCII, because SQS refuses a
message that contains U+FFFE or U+FFFF (``SendMessage`` in the Amazon SQS API reference).

Compatibility: consumers and producers are deployed separately. A new field needs a default. A field must not be renamed
or removed while a queue may still contain messages in the old form.
"""

import json
import re
from enum import StrEnum
from typing import Final

import msgspec

from alga_ext.calls.envelope import EgressTotals, MetricTotals, RefusedCall, Usage
from alga_ext.errors import PlatformError


class PrepareMessage(msgspec.Struct, kw_only=True, tag_field="type", tag="prepare", omit_defaults=True):
    """From registry to prepare: check a component and compile it.

    ``component_sha256`` is None for an extension that is only UI.
    """

    version_id: str
    content_hash: str
    component_sha256: str | None = None


class Reason(msgspec.Struct, kw_only=True):
    """One reason for a rejection: a code of ``alga_ext.errors.CODES`` and its detail for the publisher."""

    code: str
    detail: str


class Artifact(msgspec.Struct, kw_only=True):
    """A compiled component in the object store: its key, the SHA-256 of its bytes, and its target and engine."""

    key: str
    sha256: str
    size_bytes: int
    target: str
    wasmtime_version: str
    engine_config_hash: str


class PreparedMessage(msgspec.Struct, kw_only=True, tag_field="type", tag="prepared", omit_defaults=True):
    """From prepare to assets: what the component imports and exports, and either the artifact or the reasons.

    ``reasons`` say why the version is rejected; ``ok`` is false then.
    """

    version_id: str
    content_hash: str
    component_sha256: str | None = None
    ok: bool
    reasons: list[Reason] = []
    imports: list[str] = []
    exports: list[str] = []
    artifact: Artifact | None = None


class ExecutionAccepted(msgspec.Struct, kw_only=True, tag_field="type", tag="execution.accepted", omit_defaults=True):
    """From gateway to recorder, before the runner is invoked. ``at`` is RFC 3339 in UTC.

    ``path_template`` is the declared path of the endpoint (``/notes/:id``), None in messages of older gateways.
    """

    execution_id: str
    tenant_id: str
    install_id: str
    extension_id: str
    version_id: str
    content_hash: str
    request_id: str
    trace_id: str
    method: str
    path: str
    principal: str
    at: str
    path_template: str | None = None


class BreakerState(StrEnum):
    """The circuit breaker of an install, as a call found or left it."""

    CLOSED = "closed"
    OPEN = "open"
    """This call opened it: it was the last of several in a row that failed."""
    HALF_OPEN = "half_open"
    """This call was the probe: the only one that was let through after the breaker had been open."""


class ExecutionFinished(msgspec.Struct, kw_only=True, tag_field="type", tag="execution.finished", omit_defaults=True):
    """From gateway to recorder, before the gateway replies.

    It repeats the fields of ``ExecutionAccepted``, so that either message alone is enough for a record. ``attempts`` is
    how often the call was sent to the runner. ``metrics`` are the totals of those that the guest emitted.
    ``egress`` are its requests to other hosts, by destination.
    ``guest_error`` and ``guest_stack`` are what the guest itself reported.
    ``logs_b64z`` are the call's lines (``log_lines.unpack``). ``lost_headers`` are those of the guest's answer whose
    value the gateway did not pass on; they are names of ``answer_headers.TO_CALLER``. ``hops`` are those of the
    delivery that made the call (``algahops`` of its event), 0 for every other call.
    """

    execution_id: str
    tenant_id: str
    install_id: str
    extension_id: str
    version_id: str
    content_hash: str
    request_id: str
    trace_id: str
    method: str
    path: str
    principal: str
    accepted_at: str
    at: str
    status: int
    error_code: str | None = None
    usage: Usage = msgspec.field(default_factory=Usage)
    response_bytes: int = 0
    path_template: str | None = None
    attempts: int = 1
    breaker: BreakerState = BreakerState.CLOSED
    metrics: MetricTotals = []
    egress: EgressTotals = []
    guest_error: str | None = None
    guest_stack: str | None = None
    last_refusal: RefusedCall | None = None
    lost_headers: list[str] = []
    logs_b64z: str = ""
    hops: int = 0


class EventReceived(msgspec.Struct, kw_only=True, tag_field="type", tag="event.received"):
    """To fan-out: an event is stored, and its deliveries are to be made. ``event_key`` is that of its row."""

    tenant_id: str
    event_key: str


class DeliveryQueued(msgspec.Struct, kw_only=True, tag_field="type", tag="delivery.queued"):
    """To the dispatcher: a delivery has a slot and is to be tried."""

    tenant_id: str
    delivery_id: str


Message = PrepareMessage | PreparedMessage | ExecutionAccepted | ExecutionFinished | EventReceived | DeliveryQueued

MESSAGE_LIMIT_BYTES: Final = 256 * 1024
_NOT_ASCII: Final = re.compile("[^\x00-\x7f]+")
_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def encode_message(message: Message) -> bytes:
    """Return a message as JSON in ASCII."""
    body = _ENCODER.encode(message)
    if body.isascii():
        return body
    # Outside of strings, JSON is ASCII: what is escaped here is within one.
    return _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], body.decode()).encode()


def decode_message(body: str | bytes) -> Message:
    """Decode a message of any type.

    Raises:
        PlatformError: ``invalid_request`` when it is not a valid message of the platform. After repeated failures the
            queue moves it to its dead-letter queue.
    """
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise PlatformError("invalid_request", f"The queue message is not valid: {error}.", cause=error) from None
