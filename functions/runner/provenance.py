"""Whether an artifact may be loaded, decided from signed records: bytes and values in, a verdict out.

Native code is a takeover when it is not ours, so nothing is loaded that this module has not accepted.
"""

from datetime import datetime
from typing import NamedTuple

from alga_ext import strict_json
from alga_ext.errors import Fault, PlatformError
from alga_ext.strict_json import JsonError
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.releases import REGISTRY, accepted_release
from alga_ext.trust.statements import ArtifactRecord, read_statement


class Engine(NamedTuple):
    """The engine an artifact must have been made for."""

    wasmtime_version: str
    config_hash: str
    target: str


def accepted_component(record: bytes, bundle_sha256: str, trust: TrustBundle, now: datetime) -> str:
    """Return the sha256 of the component that the registry accepted as part of a bundle.

    1. The release record may be believed (``alga_ext.trust.releases``).
    2. The bundle has a component.

    Raises:
        PlatformError: ``artifact_integrity`` (1); ``artifact_not_found`` (2).
    """
    try:
        release = accepted_release(record, bundle_sha256, trust, now)  # (1)
    except PlatformError as error:
        raise PlatformError("artifact_integrity", error.detail, **error.context) from error
    if release.component_sha256 is None:  # (2)
        raise PlatformError("artifact_not_found", "This version of the extension has no server part.")
    return release.component_sha256


def accepted_code(record: bytes, component_sha256: str, engine: Engine, trust: TrustBundle, now: datetime) -> str:
    """Return the sha256 that the compiled component's bytes must have.

    1. The artifact record is signed by a key the platform uses for artifacts, valid and not revoked now.
    2. It says: made from this component, for this engine.

    Raises:
        PlatformError: ``artifact_integrity``.
    """
    try:
        verified = trust.verify(record, use="artifact", publisher=REGISTRY, at=now)  # (1)
        sha256 = _subject(verified.payload)
        made = read_statement(verified.payload, ArtifactRecord, sha256)
    except PlatformError as error:
        raise PlatformError(
            "artifact_integrity",
            "The artifact record cannot be verified.",
            fault=Fault.ARTIFACT_RECORD,
            cause=error.code,
            why=error.detail,
        ) from error
    found = (made.component_sha256, made.wasmtime_version, made.engine_config_hash, made.target)
    if found != (component_sha256, *engine):  # (2)
        raise PlatformError(
            "artifact_integrity",
            "The compiled program is for another component or engine.",
            fault=Fault.ARTIFACT_ENGINE,
        )
    return sha256


def _subject(payload: bytes) -> str:
    """Return the sha256 a verified statement is about; the statement's own reader checks the rest."""
    try:
        digest = strict_json.parse(payload)["subject"][0]["digest"]["sha256"]
    except (JsonError, KeyError, IndexError, TypeError):
        digest = None
    if not isinstance(digest, str):
        raise PlatformError("signature_malformed", "The artifact record names no digest.")
    return digest
