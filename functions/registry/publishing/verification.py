"""Verify a published version again, from the stored signatures, before a tenant installs it."""

from datetime import datetime

from alga_ext.errors import Fault, PlatformError
from alga_ext.ids import ContentHash, sha256_hex
from alga_ext.stores import object_keys
from alga_ext.stores.database import Row
from alga_ext.stores.objects import ObjectStore
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.releases import accepted_release
from alga_ext.trust.statements import Release, read_statement
from functions.registry.publishing.publishers import PublisherKeys


def verify_version(version: Row, keys: PublisherKeys, objects: ObjectStore, trust: TrustBundle, now: datetime) -> None:
    """Verify the publisher's signature and the registry's release record of a version. ``keys`` are its publisher's.

    It reads from the object store, so it is called outside of transactions.

    1. The publisher signed it: see ``verify_publication``.
    2. The registry's release record exists, verifies now, and is about this bundle, key and component.

    When the publisher's key is revoked from an instant before the publication, the version is refused here. A
    revocation from a later instant does not affect it (withdraw the version to stop it). A release record whose signing
    key has expired or is revoked now does not verify, in the same way as at the runner.

    Raises:
        PlatformError: ``key_…``, ``signature_…``, ``bundle_hash_mismatch`` or ``manifest_mismatch`` (1);
            ``release_integrity`` (2).
    """
    key_id = verify_publication(version, keys, publisher_envelope(version, objects), trust)  # (1)
    _verify_record(version, sha256_hex(ContentHash(version["content_hash"])), key_id, objects, trust, now)  # (2)


def publisher_envelope(version: Row, objects: ObjectStore) -> bytes | None:
    """Return the publisher's signature of a version, or None when it is missing from the store."""
    hex_digits = sha256_hex(ContentHash(version["content_hash"]))
    return objects.get_optional(object_keys.publisher_signature(hex_digits, version["signing_key_id"]))


def verify_publication(version: Row, keys: PublisherKeys, envelope: bytes | None, trust: TrustBundle) -> str:
    """Verify the publisher's signature of a version and return the id of the key. ``keys`` are its publisher's.

    It reads nothing, so it may be called while the key is locked.

    1. The publisher's envelope exists, and it is signed by a key that was allowed to sign for this publisher at the
       instant of publication.
    2. The signed statement is about this bundle, publisher, name and version.

    Raises:
        PlatformError: ``key_…`` or ``signature_…`` (1), ``bundle_hash_mismatch`` or ``manifest_mismatch`` (2).
    """
    hex_digits = sha256_hex(ContentHash(version["content_hash"]))
    if envelope is None:
        raise PlatformError("signature_invalid", "The version's signature is missing from the store.")
    verified = trust.extended(*keys).verify(  # (1)
        envelope, use="publisher", publisher=version["publisher"], at=version["published_at"]
    )
    release = read_statement(verified.payload, Release, hex_digits)  # (2)
    if (release.publisher, release.name, release.version) != (
        version["publisher"],
        version["name"],
        version["version"],
    ):
        raise PlatformError("manifest_mismatch", "The stored signature is about another version.")
    return verified.key.key_id


def _verify_record(
    version: Row, hex_digits: str, key_id: str, objects: ObjectStore, trust: TrustBundle, now: datetime
) -> None:
    data = objects.get_optional(object_keys.release(hex_digits))
    if data is None:
        raise PlatformError(
            "release_integrity", "The version's release record is missing from the store.", fault=Fault.RELEASE_RECORD
        )
    record = accepted_release(data, hex_digits, trust, now)
    if (record.key_id, record.component_sha256) != (key_id, version["component_sha256"]):
        raise PlatformError(
            "release_integrity",
            "The version's release record names another key or component.",
            fault=Fault.RELEASE_RECORD,
        )
