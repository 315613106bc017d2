"""Turn a published component into signed native code: the work of prepare for one message.

Every step can be repeated, also by several workers at the same time: code is stored under its own hash, and of the
records that a key signed about a component the first one counts. The record is written last, so its presence means that
all earlier steps are done.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from alga_ext.calls.messages import Artifact, PreparedMessage, PrepareMessage, Reason, encode_message
from alga_ext.errors import Fault, PlatformError
from alga_ext.platform_metrics import PRECOMPILE_RESULTS
from alga_ext.stores import object_keys
from alga_ext.stores.objects import ObjectStore
from alga_ext.stores.work_folders import job_folder
from alga_ext.telemetry import emit
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.signing import Signer, sign_envelope
from alga_ext.trust.statements import ArtifactRecord, statement
from functions.runner.preparing.compile_worker import Compiler, Description, reasons_of
from functions.runner.provenance import Engine, accepted_code

CODE_LIMIT_BYTES: Final = 256 * 1024 * 1024
"""Native code over this size is rejected. It fits the runner's default ``ARTIFACT_BUDGET_MB``."""

_GROUP = "prepared"


class Queue(Protocol):
    """The queue for results."""

    def send(self, body: bytes, group: str) -> None:
        """Send one message.

        Raises:
            PlatformError: ``queue_unavailable``.
        """
        ...


def compile_component(
    compiler: Compiler, component: Path, code: Path, max_code_bytes: int = CODE_LIMIT_BYTES
) -> Description:
    """Compile ``component`` into the new file ``code`` and describe it. With reasons, ``code`` is of no use.

    Raises:
        PlatformError: ``runner_unavailable`` when the compiler cannot be confined on this machine.
    """
    description = compiler.compile(component, code)
    size = code.stat().st_size
    if not description.reasons and size > max_code_bytes:
        text = (
            f"The compiled component has {size} bytes; at most {max_code_bytes} are allowed. Make the component "
            "smaller."
        )
        return Description([("component_invalid", text)], [], [])
    return description


class Prepare:
    """Prepares components: compiles, checks, signs and stores them.

    Args:
        store: contains the components, and receives the artifacts.
        queue: receives the ``PreparedMessage``.
        trust: returns the current trust bundle.
        signer: signs with the platform's artifact key.
        engine: the engine that artifacts are made for.
        compiler: runs the compile worker.
        max_component_bytes: larger components are rejected.
        now: returns the present time.
    """

    def __init__(
        self,
        *,
        store: ObjectStore,
        queue: Queue,
        trust: Callable[[], TrustBundle],
        signer: Signer,
        engine: Engine,
        compiler: Compiler,
        max_component_bytes: int,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._queue = queue
        self._trust = trust
        self._signer = signer
        self._engine = engine
        self._compiler = compiler
        self._max_component_bytes = max_component_bytes
        self._max_code_bytes = CODE_LIMIT_BYTES
        self._now = now

    def handle(self, message: PrepareMessage) -> PreparedMessage:
        """Prepare one version and send the result. A version without a component needs no compilation and is accepted.

        The metric ``PrecompileResults`` counts the attempt.

        Raises:
            PlatformError: the store or the queue is unavailable, or a stored file does not have its hash. The message
                must be delivered again.
        """
        counted = "failed"
        try:
            result = self._result(message, *self._prepared(message))
            self._queue.send(encode_message(result), _GROUP)
            counted = "ok" if result.ok else "rejected"
        finally:
            emit("prepare", {PRECOMPILE_RESULTS: 1}, result=counted)
        return result

    def _prepared(self, message: PrepareMessage) -> tuple[Description, Artifact | None]:
        """Return the component's description, and its artifact if the component can be used.

        1. If an artifact exists with a valid record of this signer's key, describe it instead of compiling again.
        2. Fetch the component, and check its size and that it has the hash in its name.
        3. Compile it, check it against the WIT world, in a worker without credentials, and check the size of the code.
        4. Store the code, then its signed artifact record.
        """
        sha256 = message.component_sha256
        if sha256 is None:
            return Description([], [], []), None
        with job_folder("prepare") as folder:
            code = folder / "code.cwasm"
            existing = self._existing(sha256, code)  # (1)
            if existing is not None:
                return self._compiler.inspect(code), existing
            component = folder / "component.wasm"
            refused = self._fetched(sha256, component)  # (2)
            if refused is not None:
                return refused, None
            description = compile_component(self._compiler, component, code, self._max_code_bytes)  # (3)
            if description.reasons:
                return description, None
            return description, self._stored(sha256, code)  # (4)

    def _existing(self, component_sha256: str, code: Path) -> Artifact | None:
        """Fetch the code that an artifact record of this signer's key names; None when the record or code is missing.

        Raises:
            PlatformError: ``artifact_integrity`` when the record cannot be verified, or the code has another hash.
        """
        record = self._store.get_optional(
            object_keys.artifact_record(component_sha256, self._engine, self._signer.key_id)
        )
        if record is None:
            return None
        sha256 = accepted_code(record, component_sha256, self._engine, self._trust(), self._now())
        key = object_keys.code(component_sha256, self._engine, sha256)
        try:
            stored = self._store.download(key, code)
        except PlatformError as error:
            if error.code == "object_not_found":
                return None
            raise
        if stored.sha256 != sha256:
            raise PlatformError(
                "artifact_integrity",
                "The compiled program in the object store does not have the hash in its artifact record.",
                fault=Fault.ARTIFACT_BYTES,
                key=key,
            )
        return self._artifact(key, sha256, stored.size_bytes)

    def _fetched(self, sha256: str, component: Path) -> Description | None:
        key = object_keys.component(sha256)
        size = self._store.size(key)
        if size is not None and size > self._max_component_bytes:
            text = f"The component has {size} bytes; at most {self._max_component_bytes} are allowed."
            return Description([("component_invalid", text)], [], [])
        if self._store.download(key, component).sha256 != sha256:
            raise PlatformError(
                "artifact_integrity",
                "The component in the object store does not have the hash in its name.",
                fault=Fault.COMPONENT_BYTES,
                key=key,
            )
        return None

    def _stored(self, component_sha256: str, code: Path) -> Artifact:
        """Store the code, then its artifact record. If another worker's record was first, return its artifact."""
        with code.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        key = object_keys.code(component_sha256, self._engine, sha256)
        self._store.put_new_file(key, code, "application/octet-stream")
        record = ArtifactRecord(
            component_sha256=component_sha256,
            wasmtime_version=self._engine.wasmtime_version,
            engine_config_hash=self._engine.config_hash,
            target=self._engine.target,
        )
        signed = sign_envelope(self._signer, statement(record, key, sha256))
        place = object_keys.artifact_record(component_sha256, self._engine, self._signer.key_id)
        try:
            self._store.put_new(place, signed, "application/json")
        except PlatformError as error:
            if error.code != "object_conflict":
                raise
            existing = self._existing(component_sha256, code.with_name("first.cwasm"))
            if existing is None:
                raise
            return existing
        return self._artifact(key, sha256, code.stat().st_size)

    def _artifact(self, key: str, sha256: str, size_bytes: int) -> Artifact:
        return Artifact(
            key=key,
            sha256=sha256,
            size_bytes=size_bytes,
            target=self._engine.target,
            wasmtime_version=self._engine.wasmtime_version,
            engine_config_hash=self._engine.config_hash,
        )

    @staticmethod
    def _result(message: PrepareMessage, description: Description, artifact: Artifact | None) -> PreparedMessage:
        reasons: list[Reason] = reasons_of(description)
        return PreparedMessage(
            version_id=message.version_id,
            content_hash=message.content_hash,
            component_sha256=message.component_sha256,
            ok=not reasons,
            reasons=reasons,
            imports=description.imports,
            exports=description.exports,
            artifact=artifact,
        )
