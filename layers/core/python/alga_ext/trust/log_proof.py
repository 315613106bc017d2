"""Verify offline that the transparency log contains an entry.

A proof document is the registry's response at ``…/proof``: ``{leaf_index, entry, tree_size, proof[hex], head}``.
``head`` is the signed head (a DSSE envelope) of a tree of that size.
"""

import json
from typing import Annotated, Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alga_ext import strict_json
from alga_ext.errors import Fault, PlatformError
from alga_ext.ids import ContentHash
from alga_ext.strict_json import JsonError
from alga_ext.trust import merkle
from alga_ext.trust.signing import LOG_HEAD_PAYLOAD_TYPE, PublicKey, parse_envelope, verify_envelope

ORIGIN: Final = "alga.dev/extension-log"
PROOF_LIMIT_BYTES: Final = 1 << 20

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""A node of the tree in lower-case hex, the only accepted form, so that every changed character is detected."""


class _Proof(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    leaf_index: int
    entry: str
    tree_size: int
    proof: list[Hash] = Field(fail_fast=True)
    head: dict[str, Any]


class _Head(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    origin: str
    tree_size: int
    root_hash: Hash
    timestamp: str


class Proven(NamedTuple):
    """A proven entry: its index, its content, the size of the tree, and the timestamp in the signed head (RFC 3339)."""

    leaf_index: int
    entry: dict[str, Any]
    tree_size: int
    head_at: str


def verify_proof(document: bytes, log_key: PublicKey) -> Proven:
    """Verify a proof document with the log's key.

    1. It is a well-formed proof document of at most ``PROOF_LIMIT_BYTES``.
    2. Its head is a well-formed envelope that the log's key signed.
    3. The head belongs to this log, and head and proof name the same tree size.
    4. The entry's bytes and the audit path give the root hash in the head, and the entry is a JSON object.

    Raises:
        PlatformError: ``log_integrity``; the detail says which step failed. Its ``fault`` is ``log_proof`` (1),
            ``log_head`` (2, 3) or ``log_entry`` (4).
    """
    proof = _read_proof(document)  # (1)
    head = _read_head(proof.head, log_key)  # (2)
    if head.origin != ORIGIN or head.tree_size != proof.tree_size:  # (3)
        raise _refused(Fault.LOG_HEAD, "The log's head belongs to another log, or to a tree of another size.")
    path, root = [bytes.fromhex(node) for node in proof.proof], bytes.fromhex(head.root_hash)
    if not merkle.verify_inclusion(proof.entry.encode(), proof.leaf_index, proof.tree_size, path, root):  # (4)
        raise _refused(Fault.LOG_ENTRY, "The entry is not in the log: its audit path does not lead to the signed root.")
    try:
        entry = strict_json.parse(proof.entry.encode())
    except JsonError:
        entry = None
    if not isinstance(entry, dict):
        raise _refused(Fault.LOG_ENTRY, "The entry is in the log, but it is not a JSON object as the registry writes.")
    return Proven(proof.leaf_index, entry, proof.tree_size, head.timestamp)


def _read_proof(document: bytes) -> _Proof:
    if len(document) > PROOF_LIMIT_BYTES:
        raise _refused(Fault.LOG_PROOF, f"The proof is {len(document)} bytes; at most {PROOF_LIMIT_BYTES} are allowed.")
    try:
        return _Proof.model_validate(strict_json.parse(document))
    except (JsonError, ValidationError):
        raise _refused(
            Fault.LOG_PROOF, "The proof is not a valid proof document; fetch it from the registry again."
        ) from None


def _read_head(document: dict[str, Any], log_key: PublicKey) -> _Head:
    try:
        envelope = parse_envelope(json.dumps(document, separators=(",", ":")).encode())
    except PlatformError as error:
        raise _refused(Fault.LOG_HEAD, f"The log's head cannot be read: {error.detail}") from None
    if envelope.payload_type != LOG_HEAD_PAYLOAD_TYPE or not verify_envelope(envelope, log_key):
        raise _refused(Fault.LOG_HEAD, "The log's head is not signed by the given key.")
    try:
        return _Head.model_validate(strict_json.parse(envelope.payload))
    except (JsonError, ValidationError):
        raise _refused(Fault.LOG_HEAD, "The log's head is signed, but its content is not a valid head.") from None


def _refused(fault: Fault, why: str) -> PlatformError:
    return PlatformError("log_integrity", why, fault=fault)


def verify_publication_proof(document: bytes, log_key: PublicKey, content_hash: ContentHash) -> Proven:
    """Verify that a proof shows the publication of the bundle with this hash.

    Raises:
        PlatformError: ``log_integrity``; see ``verify_proof``.
    """
    proven = verify_proof(document, log_key)
    if proven.entry.get("kind") != "version.published" or proven.entry.get("content_hash") != content_hash:
        raise _refused(Fault.LOG_ENTRY, f"The proof is for another entry than the publication of {content_hash}.")
    return proven
