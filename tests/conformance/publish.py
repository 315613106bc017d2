"""Publish a component to a runner of this repository, as prepare and the registry do: into its object store.

    python -m tests.conformance.publish component.wasm

prints the content hash. The environment is prepare's and the registry's: BUNDLE_STORE_BASE, SIGNING_TRUST_BUNDLE,
ARTIFACT_SIGNING_KEY, RELEASE_SIGNING_KEY (PEM or path), and AWS's own.
"""

import hashlib
import os
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

from alga_ext.calls.messages import PrepareMessage
from alga_ext.settings import read_material
from alga_ext.stores import object_keys
from alga_ext.stores.aws import S3ObjectStore
from alga_ext.trust.signing import LocalSigner, sign_envelope
from alga_ext.trust.statements import ReleaseRecord, statement
from alga_ext.trust.trust_source import TrustSource
from functions.runner import services
from functions.runner.preparing.compile_worker import Compiler
from functions.runner.preparing.preparation import Prepare

MIB = 1024 * 1024
NAME = "com.acme.conformance"


class _Nobody:
    """Takes the result of prepare, which is printed instead."""

    def send(self, body: bytes, group: str) -> None:
        """See ``Queue.send``."""


def publish(component: bytes) -> str:
    """Prepare a component, release it and return its content hash."""
    store = S3ObjectStore(os.environ["BUNDLE_STORE_BASE"])
    sha256 = hashlib.sha256(component).hexdigest()
    bundle = hashlib.sha256(b"bundle of " + component).hexdigest()
    store.put_new(object_keys.component(sha256), component, "application/wasm")
    prepare = Prepare(
        store=store,
        queue=_Nobody(),
        trust=TrustSource(os.environ["SIGNING_TRUST_BUNDLE"]).current,
        signer=_signer("ARTIFACT_SIGNING_KEY"),
        engine=services.engine(),
        compiler=Compiler(240, 3_072 * MIB),
        max_component_bytes=64 * MIB,
        now=services.now,
    )
    message = PrepareMessage(version_id=str(uuid.uuid4()), content_hash=f"sha256:{bundle}", component_sha256=sha256)
    prepared = prepare.handle(message)
    if not prepared.ok:
        sys.exit(str(prepared.reasons))
    record = ReleaseRecord(
        publisher="acme",
        name=NAME,
        version="1.0.0",
        key_id="sha256:" + "0" * 64,
        published_at=datetime(2026, 1, 1, tzinfo=UTC).isoformat(),
        component_sha256=sha256,
    )
    signed = sign_envelope(_signer("RELEASE_SIGNING_KEY"), statement(record, NAME, bundle))
    if store.get_optional(object_keys.release(bundle)) is None:
        store.put_new(object_keys.release(bundle), signed, "application/json")
    return prepared.content_hash


def _signer(variable: str) -> LocalSigner:
    return LocalSigner.from_pem(read_material(os.environ[variable]))


if __name__ == "__main__":
    print(publish(Path(sys.argv[1]).read_bytes()))
