"""What travels on the queues. Every message is JSON with a ``type``; unknown fields are ignored.

Compatibility: consumers are deployed apart from producers. Fields may be added with a default, never renamed
or removed while a queue can still hold the old form.
"""

from typing import Final

import msgspec

from alga_ext.calls.envelope import Usage
from alga_ext.errors import PlatformError

MESSAGE_LIMIT_BYTES: Final = 256 * 1024
"""An SQS batch entry; larger things are referred to by their object key."""


class PrepareMessage(msgspec.Struct, kw_only=True, tag_field="type", tag="prepare", omit_defaults=True):
    """Registry to prepare: look at a component and compile it. ``component_sha256`` is None for UI only."""

    version_id: str
    content_hash: str
    component_sha256: str | None = None


class Reason(msgspec.Struct, kw_only=True):
    """One reason for a rejection: a code of ``alga_ext.errors.CODES`` and what the publisher can do."""

    code: str
    detail: str


class Artifact(msgspec.Struct, kw_only=True):
    """A compiled component in the object store: its key, the sha256 of its bytes, and what it was made for."""

    key: str
    sha256: str
    size_bytes: int
    target: str
    wasmtime_version: str
    engine_config_hash: str


class PreparedMessage(msgspec.Struct, kw_only=True, tag_field="type", tag="prepared", omit_defaults=True):
    """Prepare to assets: what the component imports and exports, and the artifact or the reasons against it."""

    version_id: str
    content_hash: str
    component_sha256: str | None = None
    ok: bool
    reasons: list[Reason] = []
    imports: list[str] = []
    exports: list[str] = []
    artifact: Artifact | None = None


class ExecutionAccepted(msgspec.Struct, kw_only=True, tag_field="type", tag="execution.accepted", omit_defaults=True):
    """Gateway to recorder, before the runner is invoked. ``at`` is RFC 3339 UTC."""

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


class ExecutionFinished(msgspec.Struct, kw_only=True, tag_field="type", tag="execution.finished", omit_defaults=True):
    """Gateway to recorder, before the reply. It repeats who and what, so that either message alone makes a record."""

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


Message = PrepareMessage | PreparedMessage | ExecutionAccepted | ExecutionFinished

_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def encode_message(message: Message) -> bytes:
    """Return the JSON bytes of a message."""
    return _ENCODER.encode(message)


def decode_message(body: str | bytes) -> Message:
    """Read any message.

    Raises:
        PlatformError: ``invalid_request`` when it is none of ours; a queue drops such a record to its dead letters.
    """
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise PlatformError("invalid_request", f"The queue message is not valid: {error}.") from None
