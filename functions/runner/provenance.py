"""Decide from signed records which compiled program may be loaded (pure: takes bytes and values, does no I/O).

Native code that the platform did not compile could take over the process. So only programs that this module accepts
are loaded.
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

    1. Verify the release record (``alga_ext.trust.releases``).
    2. Check that the bundle has a component.

    Raises:
        PlatformError: ``artifact_integrity`` (1); ``artifact_not_found`` (2).
    """
    try:
        release = accepted_release(record, bundle_sha256, trust, now)  # (1)
    except PlatformError as error:
        raise PlatformError("artifact_integrity", error.detail, **error.context) from error
    if release.component_sha256 is None:  # (2)
        raise PlatformError(
            "artifact_not_found", "This version of the extension has no server component, so it cannot be called."
        )
    return release.component_sha256


def accepted_code(record: bytes, component_sha256: str, engine: Engine, trust: TrustBundle, now: datetime) -> str:
    """Return the sha256 that the compiled component's bytes must have.

    1. Check that the artifact record is signed by a platform key for artifacts that is valid and not revoked now.
    2. Check that the record names this component and this engine.

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
            "The compiled program was made from another component or for another engine.",
            fault=Fault.ARTIFACT_ENGINE,
        )
    return sha256


def _subject(payload: bytes) -> str:
    """Return the sha256 of the subject of a verified in-toto statement. ``read_statement`` checks the rest of it."""
    try:
        digest = strict_json.parse(payload)["subject"][0]["digest"]["sha256"]
    except (JsonError, KeyError, IndexError, TypeError):
        digest = None
    if not isinstance(digest, str):
        raise PlatformError("signature_malformed", "The artifact record has no sha256 digest of its subject.")
    return digest
