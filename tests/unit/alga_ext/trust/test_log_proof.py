"""A proof of the transparency log has one form; everything else is refused in our words."""

import json
from typing import Any

import pytest

from alga_ext.errors import PlatformError
from alga_ext.ids import ContentHash
from alga_ext.trust import merkle
from alga_ext.trust.log_proof import ORIGIN, PROOF_LIMIT_BYTES, verify_proof, verify_publication_proof
from alga_ext.trust.signing import LOG_HEAD_PAYLOAD_TYPE, LocalSigner, PublicKey, Signer, sign_envelope
from tests.support.keys import P256Signer

LOG = LocalSigner.generate()
P256 = P256Signer()
HASH = ContentHash("sha256:" + "ab" * 32)
ENTRY = json.dumps({"content_hash": HASH, "kind": "version.published"})
OTHER = merkle.leaf_hash(b"the entry before")


def proof(entry: str = ENTRY, signer: Signer = LOG, head: dict[str, Any] | None = None, **members: Any) -> bytes:
    """The proof of the second of two entries, some of whose members are others."""
    root = merkle.node_hash(OTHER, merkle.leaf_hash(entry.encode())).hex()
    said = {"origin": ORIGIN, "tree_size": 2, "root_hash": root, "timestamp": "2026-06-01T12:00:00Z", **(head or {})}
    envelope = json.loads(sign_envelope(signer, json.dumps(said).encode(), LOG_HEAD_PAYLOAD_TYPE))
    document = {"leaf_index": 1, "entry": entry, "tree_size": 2, "proof": [OTHER.hex()], "head": envelope}
    return json.dumps({**document, **members}).encode()


def fault(document: bytes, signer: Signer = LOG) -> str:
    with pytest.raises(PlatformError) as refusal:
        verify_proof(document, PublicKey.from_pem(signer.public_pem))
    assert refusal.value.code == "log_integrity"
    return str(refusal.value.context["fault"])


@pytest.mark.parametrize("signer", [LOG, P256], ids=["Ed25519", "ECDSA P-256"])
def test_a_proof_of_a_publication_holds(signer: Signer) -> None:
    proven = verify_publication_proof(proof(signer=signer), PublicKey.from_pem(signer.public_pem), HASH)

    assert (proven.leaf_index, proven.tree_size, proven.head_at) == (1, 2, "2026-06-01T12:00:00Z")


@pytest.mark.parametrize(
    "node",
    [
        OTHER.hex().upper(), OTHER.hex()[:-1] + "A", OTHER.hex()[2:], OTHER.hex() + "00", " " + OTHER.hex()[1:],
        OTHER.hex() + "\n", "0x" + OTHER.hex()[2:], OTHER.hex()[:32] + " " + OTHER.hex()[32:], "", "é" * 64, 7, None,
    ],
)  # fmt: skip
def test_a_node_in_any_other_spelling_than_64_small_hex_digits_is_refused(node: object) -> None:
    assert fault(proof(proof=[node])) == "log_proof"


def test_a_root_in_capitals_is_refused_although_it_is_signed() -> None:
    root = merkle.node_hash(OTHER, merkle.leaf_hash(ENTRY.encode())).hex()

    assert fault(proof(head={"root_hash": root.upper()})) == "log_head"


@pytest.mark.parametrize(
    "members",
    [
        {"leaf_index": "1"}, {"leaf_index": 1.0}, {"leaf_index": True}, {"tree_size": "2"}, {"entry": 1},
        {"entry": "\0"}, {"proof": OTHER.hex()}, {"proof": None}, {"head": []}, {"extra": 1}, {"leaf_index": 2**70},
    ],
    ids=str,
)  # fmt: skip
def test_a_member_of_another_type_is_refused(members: dict[str, Any]) -> None:
    assert fault(json.dumps({**json.loads(proof()), **members}).encode()) == "log_proof"


def test_a_member_given_twice_is_refused() -> None:
    assert fault(proof().replace(b'{"leaf_index": 1', b'{"leaf_index": 0, "leaf_index": 1')) == "log_proof"


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"head":' * 50_000])
def test_what_is_no_proof_is_refused(text: bytes) -> None:
    assert fault(text) == "log_proof"


def test_a_document_of_one_mebibyte_is_read_and_one_byte_more_is_refused() -> None:
    whole = proof().ljust(1_048_576)

    assert PROOF_LIMIT_BYTES == 1_048_576
    assert verify_proof(whole, PublicKey.from_pem(LOG.public_pem)).leaf_index == 1
    assert fault(whole + b" ") == "log_proof"


@pytest.mark.parametrize("member", ["leaf_index", "entry", "tree_size", "proof", "head"])
def test_a_proof_without_one_of_its_members_is_refused(member: str) -> None:
    document = json.loads(proof())
    del document[member]

    assert fault(json.dumps(document).encode()) == "log_proof"


@pytest.mark.parametrize("member", ["origin", "tree_size", "root_hash", "timestamp"])
def test_a_signed_head_without_one_of_its_members_is_refused(member: str) -> None:
    head = {"origin": ORIGIN, "tree_size": 2, "root_hash": "00" * 32, "timestamp": "2026-06-01T12:00:00Z"}
    del head[member]
    envelope = json.loads(sign_envelope(LOG, json.dumps(head).encode(), LOG_HEAD_PAYLOAD_TYPE))

    assert fault(proof_with_head(envelope)) == "log_head"


def proof_with_head(envelope: dict[str, Any]) -> bytes:
    return json.dumps({**json.loads(proof()), "head": envelope}).encode()


def test_a_head_that_the_logs_key_signed_as_another_type_is_refused() -> None:
    head = {"origin": ORIGIN, "tree_size": 2, "timestamp": "2026-06-01T12:00:00Z",
            "root_hash": merkle.node_hash(OTHER, merkle.leaf_hash(ENTRY.encode())).hex()}  # fmt: skip

    assert fault(proof_with_head(json.loads(sign_envelope(LOG, json.dumps(head).encode())))) == "log_head"


@pytest.mark.parametrize(
    "members", [{"payload": "AAAA"}, {"signatures": []}, {"extra": 1}, {"payloadType": "x"}], ids=str
)
def test_a_head_that_is_not_the_signed_envelope_is_refused(members: dict[str, Any]) -> None:
    document = json.loads(proof())

    assert fault(json.dumps({**document, "head": {**document["head"], **members}}).encode()) == "log_head"


def test_a_head_by_another_key_is_refused() -> None:
    assert fault(proof(signer=P256)) == "log_head"


@pytest.mark.parametrize(
    "head",
    [{"origin": "another.log"}, {"tree_size": 3}, {"tree_size": "2"}, {"root_hash": "00"}, {"extra": 1}],
    ids=str,
)
def test_a_signed_head_about_something_else_is_refused(head: dict[str, Any]) -> None:
    assert fault(proof(head=head)) == "log_head"


@pytest.mark.parametrize(
    "members",
    [{"leaf_index": 0}, {"leaf_index": -1}, {"leaf_index": 2}, {"proof": []}, {"proof": [OTHER.hex()] * 2}],
    ids=str,
)
def test_an_entry_that_does_not_lead_to_the_root_is_refused(members: dict[str, Any]) -> None:
    assert fault(proof(**members)) == "log_entry"


@pytest.mark.parametrize("entry", ["", "x", "[]", "1", '{"a":1,"a":2}', "[" * 1_000])
def test_an_entry_that_is_no_object_is_refused_although_it_is_in_the_log(entry: str) -> None:
    assert fault(proof(entry)) == "log_entry"


PUBLICATION = {"content_hash": HASH, "kind": "version.published"}


@pytest.mark.parametrize(
    "entry",
    [
        {**PUBLICATION, "content_hash": "sha256:" + "cd" * 32}, {**PUBLICATION, "content_hash": HASH + "0"},
        {**PUBLICATION, "content_hash": HASH[7:]}, {**PUBLICATION, "content_hash": None},
        {"kind": "version.published"}, {"content_hash": HASH}, {**PUBLICATION, "kind": None},
        *({**PUBLICATION, "kind": kind} for kind in (
            "version.withdrawn", "version.yanked", "version.unyanked", "version.published2", "xversion.published", ""
        )),
    ],
    ids=str,
)  # fmt: skip
def test_a_proof_of_another_entry_is_no_proof_of_the_publication(entry: dict[str, Any]) -> None:
    document = proof(json.dumps(entry))

    assert verify_proof(document, PublicKey.from_pem(LOG.public_pem)).entry == entry
    with pytest.raises(PlatformError) as refusal:
        verify_publication_proof(document, PublicKey.from_pem(LOG.public_pem), HASH)
    assert (refusal.value.code, refusal.value.context["fault"]) == ("log_integrity", "log_entry")
