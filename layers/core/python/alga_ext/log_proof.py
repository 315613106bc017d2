"""Checking, without a network, that something was written into the transparency log.

A proof document is what the registry answers at ``…/proof``: ``{leaf_index, entry, tree_size, proof[hex], head}``, with
``head`` the signed head (a DSSE envelope) of a tree of that size.
"""

import json
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from alga_ext import merkle
from alga_ext.errors import PlatformError
from alga_ext.ids import ContentHash
from alga_ext.signing import LOG_HEAD_PAYLOAD_TYPE, PublicKey, parse_envelope, verify_envelope

ORIGIN = "alga.dev/extension-log"


class _Proof(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    leaf_index: int
    entry: str
    tree_size: int
    proof: list[str]
    head: dict[str, Any]


class _Head(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    origin: str
    tree_size: int
    root_hash: str
    timestamp: str


class Proven(NamedTuple):
    """A proven entry: where it stands, what it says, and when the head that proves it was signed (RFC 3339)."""

    leaf_index: int
    entry: dict[str, Any]
    tree_size: int
    head_at: str


def verify_proof(document: bytes, log_key: PublicKey) -> Proven:
    """Check a proof document against the log's key.

    1. It has the form of one, and its head is a well-formed envelope.
    2. The head is signed by the log's key.
    3. Head and proof are about a tree of the same size of this log.
    4. The entry, hashed as it stands, leads by the audit path to the root that the head names.

    Raises:
        PlatformError: ``log_integrity``, saying which step failed.
    """
    try:
        proof = _Proof.model_validate_json(document)  # (1)
        envelope = parse_envelope(json.dumps(proof.head, separators=(",", ":")).encode())
        head = _Head.model_validate_json(envelope.payload)
        path = [bytes.fromhex(node) for node in proof.proof]
        root = bytes.fromhex(head.root_hash)
    except (ValidationError, ValueError, RecursionError):
        raise PlatformError("log_integrity", "The proof is not a document that the log answers with.") from None
    except PlatformError as error:
        raise PlatformError("log_integrity", f"The log's head cannot be read: {error.detail}") from None
    if envelope.payload_type != LOG_HEAD_PAYLOAD_TYPE or not verify_envelope(envelope, log_key):  # (2)
        raise PlatformError("log_integrity", "The log's head is not signed by the given key.")
    if head.origin != ORIGIN or head.tree_size != proof.tree_size:  # (3)
        raise PlatformError("log_integrity", "The log's head is about another log, or a tree of another size.")
    if not merkle.verify_inclusion(proof.entry.encode(), proof.leaf_index, proof.tree_size, path, root):  # (4)
        raise PlatformError(
            "log_integrity", "The entry is not in the log: its audit path does not lead to the signed root."
        )
    entry = json.loads(proof.entry)
    return Proven(proof.leaf_index, entry, proof.tree_size, head.timestamp)


def verify_publication(document: bytes, log_key: PublicKey, content_hash: ContentHash) -> Proven:
    """Check that a proof shows the publication of the bundle with this hash.

    Raises:
        PlatformError: ``log_integrity``.
    """
    proven = verify_proof(document, log_key)
    if proven.entry.get("kind") != "version.published" or proven.entry.get("content_hash") != content_hash:
        raise PlatformError(
            "log_integrity", f"The proof is about another entry than the publication of {content_hash}."
        )
    return proven
