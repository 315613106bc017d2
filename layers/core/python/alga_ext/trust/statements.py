"""The statements that the platform's signatures cover: in-toto statements about bundles, releases and artifacts.

Each is an in-toto Statement v1 (https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md) with one
subject, in a DSSE envelope. Every member is checked, and unknown members are refused.
"""

import json
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar

import msgspec

from alga_ext import json_shape, strict_json
from alga_ext.errors import PlatformError
from alga_ext.json_shape import ShapeError
from alga_ext.strict_json import JsonError

RELEASE: Final = "https://alga.dev/extension/release/v1"
RELEASE_RECORD: Final = "https://alga.dev/extension/release-record/v1"
ARTIFACT: Final = "https://alga.dev/extension/artifact/v1"

Sha256Hex = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Release(_Part, frozen=True, kw_only=True):
    """A publisher's statement: this bundle is this version of this extension."""

    predicate_type: ClassVar[str] = RELEASE

    publisher: str
    name: str
    version: str


class ReleaseRecord(_Part, frozen=True, kw_only=True):
    """The registry's statement: it accepted this bundle, and these are the hashes of its component and UI index."""

    predicate_type: ClassVar[str] = RELEASE_RECORD

    publisher: str
    name: str
    version: str
    key_id: str
    published_at: str
    """RFC 3339. The publisher's key must not be revoked at this instant."""
    component_sha256: Sha256Hex | None = None
    ui_index_sha256: Sha256Hex | None = None


class ArtifactRecord(_Part, frozen=True, kw_only=True):
    """The platform's statement: it compiled this native code from that component, for that engine and target."""

    predicate_type: ClassVar[str] = ARTIFACT

    component_sha256: Sha256Hex
    wasmtime_version: str
    engine_config_hash: str
    target: str


class _Digest(_Part, frozen=True, kw_only=True):
    sha256: str


class _Subject(_Part, frozen=True, kw_only=True):
    name: str
    digest: _Digest


class _Statement(_Part, frozen=True, kw_only=True):
    kind: Literal["https://in-toto.io/Statement/v1"] = msgspec.field(name="_type")
    subject: Annotated[list[_Subject], msgspec.Meta(min_length=1, max_length=1)]
    predicate_type: str = msgspec.field(name="predicateType")
    predicate: dict[str, Any]


Predicate = TypeVar("Predicate", Release, ReleaseRecord, ArtifactRecord)


def statement(predicate: Release | ReleaseRecord | ArtifactRecord, subject_name: str, subject_sha256: str) -> bytes:
    """Return the JSON bytes of a statement about one subject; the signature covers these bytes."""
    document = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": subject_name, "digest": {"sha256": subject_sha256}}],
        "predicateType": predicate.predicate_type,
        "predicate": msgspec.structs.asdict(predicate),
    }
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def read_statement(payload: bytes, kind: type[Predicate], subject_sha256: str) -> Predicate:
    """Return the predicate of a verified statement, which must be about ``subject_sha256``.

    Raises:
        PlatformError: ``signature_malformed`` when it is not a valid statement of this kind; ``bundle_hash_mismatch``
            when it is about other bytes.
    """
    wanted = kind.predicate_type
    try:
        claimed = json_shape.convert(strict_json.parse(payload), _Statement)
    except (JsonError, ShapeError):
        claimed = None
    if claimed is None or claimed.predicate_type != wanted:
        raise PlatformError("signature_malformed", f"The signed payload is not an in-toto statement of type {wanted}.")
    (subject,) = claimed.subject
    digest = subject.digest.sha256
    if digest != subject_sha256:
        raise PlatformError(
            "bundle_hash_mismatch",
            f"The signature is for sha256:{digest[:64]}, but the hash of the bytes is sha256:{subject_sha256}.",
        )
    try:
        return json_shape.convert(claimed.predicate, kind)
    except ShapeError as error:
        raise PlatformError("signature_malformed", f"The signed predicate is not valid {error}.") from None
