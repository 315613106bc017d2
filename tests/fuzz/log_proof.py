"""Fuzz proofs of the transparency log: whole documents, entries and paths under an honest head, and signed heads."""

import json
import sys

import atheris

with atheris.instrument_imports(include=["alga_ext"]):
    from alga_ext.ids import ContentHash
    from alga_ext.trust import merkle
    from alga_ext.trust.log_proof import ORIGIN, verify_proof, verify_publication_proof
    from alga_ext.trust.signing import LOG_HEAD_PAYLOAD_TYPE, LocalSigner, PublicKey, sign_envelope

from tests.fuzz.harness import fuzz, refused_or_read

SIGNER = LocalSigner.generate()
KEY = PublicKey.from_pem(SIGNER.public_pem)
HASH = ContentHash("sha256:" + "ab" * 32)
ENTRY = json.dumps({"content_hash": HASH, "kind": "version.published"})
SIBLING = merkle.leaf_hash(b"the entry before")
HEAD = json.dumps(
    {
        "origin": ORIGIN,
        "tree_size": 2,
        "root_hash": merkle.node_hash(SIBLING, merkle.leaf_hash(ENTRY.encode())).hex(),
        "timestamp": "2026-06-01T12:00:00Z",
    }
).encode()
ENVELOPE = json.loads(sign_envelope(SIGNER, HEAD, LOG_HEAD_PAYLOAD_TYPE))
DOCUMENT = {"leaf_index": 1, "entry": ENTRY, "tree_size": 2, "proof": [SIBLING.hex()], "head": ENVELOPE}


def one_input(data: bytes) -> None:
    kind, rest = data[:1], data[1:]
    if kind == b"\0":
        refused_or_read(lambda: check(rest))
    elif kind == b"\1":
        entry = rest.decode("utf-8", "replace")
        refused_or_read(lambda: check(json.dumps({**DOCUMENT, "entry": entry}).encode()))
    elif kind == b"\2":
        # A log of this one entry, whatever it is, with a head that the log signed.
        root = merkle.leaf_hash(rest.decode("utf-8", "replace").encode()).hex()
        refused_or_read(lambda: signed(rest.decode("utf-8", "replace"), root))
    elif len(rest) < 40_000:
        head = json.loads(sign_envelope(SIGNER, rest, LOG_HEAD_PAYLOAD_TYPE))
        refused_or_read(lambda: verify_proof(json.dumps({**DOCUMENT, "head": head}).encode(), KEY))


def check(document: bytes) -> None:
    """Only the entry that is in the tree of the signed head is ever proven."""
    proven = verify_proof(document, KEY)
    if (proven.leaf_index, proven.entry) != (1, json.loads(ENTRY)):
        message = f"an entry that is not in the log was proven: {proven}"
        raise AssertionError(message)


def signed(entry: str, root: str) -> None:
    """An entry that really is in the log is an object, whatever was logged."""
    said = json.dumps({"origin": ORIGIN, "tree_size": 1, "root_hash": root, "timestamp": ""}).encode()
    head = json.loads(sign_envelope(SIGNER, said, LOG_HEAD_PAYLOAD_TYPE))
    document = {"leaf_index": 0, "entry": entry, "tree_size": 1, "proof": [], "head": head}
    verify_publication_proof(json.dumps(document).encode(), KEY, HASH)


def seeds() -> list[bytes]:
    return [b"\0" + json.dumps(DOCUMENT).encode(), b"\1" + ENTRY.encode(), b"\2" + ENTRY.encode(), b"\3" + HEAD]


if __name__ == "__main__":
    words = [*DOCUMENT, "origin", "root_hash", "timestamp", ORIGIN, "kind", "version.published", "content_hash"]
    fuzz("log_proof", one_input, seeds(), sys.argv[1:], words)
