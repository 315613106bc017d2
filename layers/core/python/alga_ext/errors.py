"""The platform's error class and the tables that define every error code.

A ``PlatformError`` carries a ``code`` from ``CODES``. A code has a ``Kind``. The kind alone decides the HTTP status
and whether a queue may deliver the message again (``KINDS``). Adapters turn the exceptions of their library into a
``PlatformError``, so that no exception of pg8000, botocore, wasmtime or cryptography leaves the module that uses it.

Every code has a heading in docs/reference/errors.md; a test compares the two.
"""

from enum import StrEnum, auto
from typing import Final, NamedTuple

from alga_ext.platform_metrics import Metric


class Kind(StrEnum):
    """Class of an error; it decides how programs react to it (see ``KINDS``)."""

    INVALID = auto()
    UNAUTHENTICATED = auto()
    DENIED = auto()
    NOT_FOUND = auto()
    METHOD = auto()
    CONFLICT = auto()
    PRECONDITION = auto()
    TOO_LARGE = auto()
    EXHAUSTED = auto()
    INTERNAL = auto()
    GUEST_FAULT = auto()
    UNAVAILABLE = auto()
    TIMEOUT = auto()


class Meaning(NamedTuple):
    """What a kind means for callers: the HTTP status, and whether the same request may succeed later."""

    status: int
    retryable: bool


KINDS: Final[dict[Kind, Meaning]] = {
    Kind.INVALID: Meaning(400, retryable=False),
    Kind.UNAUTHENTICATED: Meaning(401, retryable=False),
    Kind.DENIED: Meaning(403, retryable=False),
    Kind.NOT_FOUND: Meaning(404, retryable=False),
    Kind.METHOD: Meaning(405, retryable=False),
    Kind.CONFLICT: Meaning(409, retryable=False),
    Kind.PRECONDITION: Meaning(412, retryable=False),
    Kind.TOO_LARGE: Meaning(413, retryable=False),
    Kind.EXHAUSTED: Meaning(429, retryable=True),
    Kind.INTERNAL: Meaning(500, retryable=True),
    Kind.GUEST_FAULT: Meaning(502, retryable=False),
    Kind.UNAVAILABLE: Meaning(503, retryable=True),
    Kind.TIMEOUT: Meaning(504, retryable=False),
}


class Code(NamedTuple):
    """One stable error code: its kind and its constant title (RFC 9457 ``title``)."""

    kind: Kind
    title: str


CODES: Final[dict[str, Code]] = {
    # Any API
    "invalid_request": Code(Kind.INVALID, "The request is not valid"),
    "unauthenticated": Code(Kind.UNAUTHENTICATED, "No valid credentials were given"),
    "unauthorized": Code(Kind.UNAUTHENTICATED, "The execution token does not allow this call"),
    "forbidden": Code(Kind.DENIED, "The caller may not do this"),
    "tenant_mismatch": Code(Kind.DENIED, "The request names another tenant than its token"),
    "not_found": Code(Kind.NOT_FOUND, "No resource has this path"),
    "method_not_allowed": Code(Kind.METHOD, "This path does not allow that method"),
    "conflict": Code(Kind.CONFLICT, "The request conflicts with the current state"),
    "precondition_failed": Code(Kind.PRECONDITION, "The resource has changed since it was read"),
    "idempotency_conflict": Code(Kind.CONFLICT, "The idempotency key was used for another request"),
    "idempotency_in_progress": Code(Kind.CONFLICT, "The first call with this idempotency key is still running"),
    "idempotency_outcome_unknown": Code(
        Kind.CONFLICT, "The answer of the first call with this idempotency key cannot be given"
    ),
    "payload_too_large": Code(Kind.TOO_LARGE, "The body is larger than allowed"),
    "rate_limited": Code(Kind.EXHAUSTED, "Too many requests"),
    "quota_exceeded": Code(Kind.EXHAUSTED, "The quota is used up"),
    "internal": Code(Kind.INTERNAL, "Something went wrong on our side"),
    "extensions_disabled": Code(Kind.UNAVAILABLE, "Extensions are switched off"),
    # Gateway
    "not_installed": Code(Kind.NOT_FOUND, "The extension is not installed for this tenant"),
    "endpoint_not_found": Code(Kind.NOT_FOUND, "The extension declares no such endpoint"),
    "ambiguous_extension": Code(Kind.CONFLICT, "The name fits more than one installed extension"),
    "bad_gateway": Code(Kind.GUEST_FAULT, "The extension did not give a valid response"),
    "gateway_timeout": Code(Kind.TIMEOUT, "The extension did not respond in time"),
    "policy_unavailable": Code(Kind.UNAVAILABLE, "Data needed to decide this request cannot be read at the moment"),
    "runner_unavailable": Code(Kind.UNAVAILABLE, "Extensions cannot be run at the moment"),
    "runner_throttled": Code(Kind.UNAVAILABLE, "Too many calls of extensions run at the moment"),
    # Runner
    "unknown_capabilities": Code(Kind.INVALID, "A provider name is not a known capability"),
    "guest_timeout": Code(Kind.TIMEOUT, "The extension ran longer than its time limit"),
    "guest_out_of_memory": Code(Kind.GUEST_FAULT, "The extension needed more memory than its limit"),
    "guest_out_of_fuel": Code(Kind.GUEST_FAULT, "The extension used all of its fuel"),
    "guest_trapped": Code(Kind.GUEST_FAULT, "The extension trapped"),
    "guest_invalid_response": Code(Kind.GUEST_FAULT, "The extension's response is not a valid HTTP response"),
    "response_too_large": Code(Kind.GUEST_FAULT, "The extension's response is larger than allowed"),
    "artifact_not_found": Code(Kind.GUEST_FAULT, "The extension's program is missing"),
    "artifact_integrity": Code(Kind.GUEST_FAULT, "The extension's program is not the one that was published"),
    "secret_unavailable": Code(Kind.GUEST_FAULT, "The extension's secrets cannot be decrypted"),
    # Stores
    "database_unavailable": Code(Kind.UNAVAILABLE, "The database cannot be reached"),
    "object_store_unavailable": Code(Kind.UNAVAILABLE, "The object store cannot be reached"),
    "queue_unavailable": Code(Kind.UNAVAILABLE, "The queue cannot be reached"),
    "cdn_unavailable": Code(Kind.UNAVAILABLE, "The content delivery network cannot be reached"),
    "object_not_found": Code(Kind.NOT_FOUND, "The object does not exist"),
    "object_conflict": Code(Kind.CONFLICT, "The object exists with different content"),
    # Bundle
    "bundle_invalid": Code(Kind.INVALID, "The bundle is not a well-formed archive"),
    "bundle_misread": Code(Kind.INVALID, "Browsers would misread a file of the bundle"),
    "bundle_unsafe": Code(Kind.INVALID, "The bundle contains something that is not allowed"),
    "bundle_too_large": Code(Kind.TOO_LARGE, "The bundle is larger than allowed"),
    "bundle_hash_mismatch": Code(Kind.INVALID, "The bundle's bytes do not have the declared hash"),
    "bundle_incomplete": Code(Kind.INVALID, "The bundle lacks a file that its manifest names"),
    "manifest_invalid": Code(Kind.INVALID, "The manifest is not valid"),
    "manifest_mismatch": Code(Kind.INVALID, "The manifest in the bundle is not the declared one"),
    # Signatures
    "key_invalid": Code(Kind.INVALID, "The key cannot be read"),
    "trust_bundle_invalid": Code(Kind.INTERNAL, "The trust bundle cannot be read"),
    "signature_invalid": Code(Kind.DENIED, "The signature does not match"),
    "signature_malformed": Code(Kind.INVALID, "The signature envelope is not well-formed"),
    "key_unknown": Code(Kind.DENIED, "The signing key is not known"),
    "key_not_allowed": Code(Kind.DENIED, "The signing key may not sign for this publisher"),
    "key_expired": Code(Kind.DENIED, "The signing key is outside its validity period"),
    "key_revoked": Code(Kind.DENIED, "The signing key is revoked"),
    "signer_unavailable": Code(Kind.UNAVAILABLE, "The platform's signing key cannot be reached"),
    "release_integrity": Code(Kind.GUEST_FAULT, "The registry's release record does not verify"),
    "ui_integrity": Code(Kind.GUEST_FAULT, "A UI file is not the one that was published"),
    "log_integrity": Code(Kind.GUEST_FAULT, "The transparency log does not verify"),
    # Registry
    "upload_not_found": Code(Kind.NOT_FOUND, "The upload does not exist or has expired"),
    "publisher_not_found": Code(Kind.NOT_FOUND, "The publisher does not exist"),
    "publisher_exists": Code(Kind.CONFLICT, "The publisher already exists"),
    "key_exists": Code(Kind.CONFLICT, "The key is already registered"),
    "extension_not_found": Code(Kind.NOT_FOUND, "The extension does not exist"),
    "extension_name_taken": Code(Kind.CONFLICT, "The extension's name belongs to another publisher"),
    "version_not_found": Code(Kind.NOT_FOUND, "The version does not exist"),
    "version_exists": Code(Kind.CONFLICT, "The version already exists"),
    "too_many_versions": Code(Kind.DENIED, "The publisher has as many versions as it may have"),
    "version_not_ready": Code(Kind.CONFLICT, "The version cannot be installed"),
    "version_state": Code(Kind.CONFLICT, "The version's state does not allow this"),
    "extension_name_not_allowed": Code(Kind.DENIED, "The publisher may not use this name"),
    "prefix_taken": Code(Kind.CONFLICT, "The name prefix belongs to another publisher"),
    "execution_not_found": Code(Kind.NOT_FOUND, "There is no record of this call"),
    "logs_not_found": Code(Kind.NOT_FOUND, "There are no log lines of this call"),
    "log_entry_not_found": Code(Kind.NOT_FOUND, "The transparency log has no such entry"),
    "install_pinned": Code(Kind.CONFLICT, "The install is pinned to its version"),
    "request_not_found": Code(Kind.NOT_FOUND, "No request is waiting for a decision"),
    "secret_not_declared": Code(Kind.INVALID, "The extension declares no such secret"),
    "egress_trial_not_found": Code(Kind.NOT_FOUND, "No list of hosts is tried on this install"),
    "secret_not_found": Code(Kind.NOT_FOUND, "The secret has no value"),
    "schedule_not_found": Code(Kind.NOT_FOUND, "The schedule does not exist"),
    "install_not_found": Code(Kind.NOT_FOUND, "The install does not exist"),
    "delivery_not_found": Code(Kind.NOT_FOUND, "The delivery does not exist"),
    "delivery_state": Code(Kind.CONFLICT, "The delivery's state does not allow this"),
    "already_installed": Code(Kind.CONFLICT, "The extension is already installed"),
    "tenant_being_erased": Code(Kind.CONFLICT, "The tenant's data is being erased"),
    "erasure_not_found": Code(Kind.NOT_FOUND, "No erasure of the tenant was requested"),
    "export_running": Code(Kind.CONFLICT, "An export of the tenant is running"),
    "limit_too_high": Code(Kind.INVALID, "A limit is higher than the platform allows"),
    "grants_invalid": Code(Kind.INVALID, "The grants do not match what the extension asks for"),
    "config_invalid": Code(Kind.INVALID, "The configuration does not match the extension's schema"),
    "migration_conflict": Code(Kind.CONFLICT, "The database does not match the migrations"),
    # Events
    "event_invalid": Code(Kind.INVALID, "The event is not a CloudEvent that can be taken"),
    "event_data_invalid": Code(Kind.INVALID, "The event's data does not fit the schema of its topic"),
    "topic_unknown": Code(Kind.INVALID, "The event's topic is not registered"),
    "too_many_hops": Code(Kind.INVALID, "Too many events in a row have caused each other"),
    "topic_not_found": Code(Kind.NOT_FOUND, "The topic is not registered"),
    "topic_schema_invalid": Code(Kind.INVALID, "The topic's schema cannot be used"),
    # Prepare
    "component_invalid": Code(Kind.INVALID, "The component cannot be used"),
    "component_world_mismatch": Code(Kind.INVALID, "The component does not match the world alga:extension/runner"),
    "preparation_failed": Code(Kind.INVALID, "The version could not be prepared"),
    "capability_not_imported": Code(Kind.INVALID, "A declared capability is not imported by the component"),
    # UI host
    "ui_path_invalid": Code(Kind.INVALID, "The path or hash is not valid"),
    "ui_not_found": Code(Kind.NOT_FOUND, "There is no such file"),
}


RETRY_AFTER_S: Final[dict[str, int]] = {
    "extensions_disabled": 60,  # until the operator acts
    "object_store_unavailable": 5,
    "policy_unavailable": 5,
    "queue_unavailable": 5,
    "signer_unavailable": 5,
}
"""After how many seconds a request that was refused with this code may be repeated. With any other code, after one."""


class Fault(StrEnum):
    """Which signed or hashed object did not verify: the ``fault`` in the context of every ``…_integrity`` error.

    The code tells the caller who is affected, whichever object was changed. The fault tells the operator where to look.
    """

    RELEASE_RECORD = "release_record"
    PUBLISHER_KEY = "publisher_key"
    ARTIFACT_RECORD = "artifact_record"
    ARTIFACT_ENGINE = "artifact_engine"
    ARTIFACT_BYTES = "artifact_bytes"
    ARTIFACT_FILE = "artifact_file"
    COMPONENT_BYTES = "component_bytes"
    UI_INDEX = "ui_index"
    UI_FILE = "ui_file"
    LOG_NODE = "log_node"
    LOG_PROOF = "log_proof"
    LOG_HEAD = "log_head"
    LOG_ENTRY = "log_entry"
    LOG_COPY = "log_copy"


class Progress(StrEnum):
    """How far a failed call of the runner came: the ``progress`` in the context of its error.

    Without one, the runner may have run the call, or has.
    """

    NOT_SENT = "not_sent"
    """There was no connection, so it was not sent."""
    REFUSED = "refused"
    """Lambda has refused to run it, or it is too large to be sent."""
    NO_ANSWER = "no_answer"
    """It was sent, and the connection ended before any answer. It may have run."""


class PlatformError(Exception):
    """An expected failure, with a stable code.

    Args:
        code: A key of ``CODES``. Any other value is a programming mistake and raises ``KeyError``.
        detail: One sentence that a tenant may read: what was wrong, the limit and the actual value, how to fix it. It
            may quote the request, so it is not logged, unless the code is of the kind ``UNAVAILABLE``.
        context: Values for the logs only; never part of a response, and without a tenant's text.

    Attributes:
        members: further members of the problem document (RFC 9457, extension members). They are not logged.
        headers: further headers of the answer.
        is_recorded: whether the call that failed is in the execution records.
        metric: the metric that counts this error by its code (see ``telemetry.log_failure``); None for no metric.
    """

    def __init__(self, code: str, detail: str, **context: object) -> None:
        self.kind, self.title = CODES[code]
        self.code = code
        self.detail = detail
        self.context = context
        self.members: dict[str, object] = {}
        self.headers: dict[str, str] = {}
        self.is_recorded = False
        self.metric: Metric | None = None
        super().__init__(f"{code}: {detail}")

    @property
    def status(self) -> int:
        """HTTP status of this error."""
        return KINDS[self.kind].status

    @property
    def retry_after_s(self) -> int:
        """After how many seconds the request may be repeated: ``retry_after_s`` of the context, or else the code's."""
        given = self.context.get("retry_after_s")
        return given if isinstance(given, int) else RETRY_AFTER_S.get(self.code, 1)

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later without a change; queues deliver such messages again."""
        return KINDS[self.kind].retryable
