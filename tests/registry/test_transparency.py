"""The transparency log: complete, provable, and refused when a byte of it is changed."""

import base64
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alga_ext.errors import PlatformError
from alga_ext.ids import ContentHash
from alga_ext.trust import merkle
from alga_ext.trust.log_proof import verify_proof, verify_publication_proof
from alga_ext.trust.signing import PublicKey
from alga_ext.trust.trust_document import parse_trust_bundle
from tests.support.registry import RegistryWorld, manifest_of


def head_of(world: RegistryWorld, head: dict[str, object]) -> dict[str, object]:
    """Verify a head's signature and return what it says."""
    trust = parse_trust_bundle(world.environment()["SIGNING_TRUST_BUNDLE"])
    data = json.dumps(head, separators=(",", ":")).encode()
    signed = trust.verify(data, use="log", publisher="", at=world.services.now())
    said: dict[str, object] = json.loads(signed.payload)
    return said


def test_every_change_to_what_may_run_is_an_entry(world: RegistryWorld) -> None:
    world.register(name_prefixes=["com.acme."])
    version = world.publish()
    world.call("POST", f"/versions/{version['version_id']}/yank", world.publisher, {"reason": "r"})
    world.call("POST", f"/versions/{version['version_id']}/withdraw", world.publisher, {"reason": "r"})
    world.call("POST", f"/publishers/acme/keys/{world.publisher_key.key_id}/revoke", world.publisher, {"reason": "r"})

    entries = world.call("GET", "/log/entries", world.publisher, query="page_size=100").body["items"]

    assert [entry["kind"] for entry in entries] == [
        "publisher.created",
        "publisher.prefix_added",
        "publisher.key_added",
        "version.published",
        "version.yanked",
        "version.withdrawn",
        "publisher.key_revoked",
    ]


def test_each_entry_is_proven_against_the_signed_head(world: RegistryWorld) -> None:
    world.register()
    for minor in range(4):
        world.publish(version=f"1.{minor}.0")

    for index in range(6):
        proof = world.call("GET", f"/log/entries/{index}/proof", world.publisher).body
        head = head_of(world, proof["head"])
        path = [bytes.fromhex(node) for node in proof["proof"]]
        root = bytes.fromhex(str(head["root_hash"]))
        assert merkle.verify_inclusion(proof["entry"].encode(), index, proof["tree_size"], path, root)


def test_the_log_is_proven_to_have_only_grown(world: RegistryWorld) -> None:
    world.register()
    old = head_of(world, world.call("GET", "/log/head", world.publisher).body)
    world.publish()
    answer = world.call("GET", "/log/consistency", world.publisher, query=f"old_size={old['tree_size']}").body
    new = head_of(world, answer["head"])

    path = [bytes.fromhex(node) for node in answer["proof"]]

    roots = bytes.fromhex(str(old["root_hash"])), bytes.fromhex(str(new["root_hash"]))
    assert merkle.verify_consistency(int(str(old["tree_size"])), roots[0], answer["tree_size"], roots[1], path)


def test_the_signed_head_is_kept_in_the_store(world: RegistryWorld) -> None:
    world.register()

    head = world.call("GET", "/log/head", world.publisher).body

    assert json.loads(world.objects.get("log/heads/000000000002.dsse.json")) == head


def test_a_refused_publication_leaves_no_entry(world: RegistryWorld) -> None:
    world.register()
    world.publish()
    before = world.call("GET", "/log/head", world.publisher).body
    world.send(world.signed(manifest_of(title="again")))

    assert world.call("GET", "/log/head", world.publisher).body == before


def test_a_head_is_of_the_size_that_its_proof_is_for(world: RegistryWorld) -> None:
    from functions.registry.records import transparency
    from functions.registry.records.audit import Actor

    world.register()
    with world.services.database.system() as tx:
        size = transparency.lock(tx)
        transparency.append(tx, transparency.Entry("test", "acme", {}), Actor("a", "r"), world.services.now())
        head = transparency.publish_head(tx, world.services.log_signer, world.objects, world.services.now(), size)

    assert head_of(world, head)["tree_size"] == size


def test_an_entry_that_does_not_exist_is_not_found(world: RegistryWorld) -> None:
    refused = world.call("GET", "/log/entries/7/proof", world.publisher)

    assert (refused.status, refused.code) == (404, "log_entry_not_found")


def test_a_changed_entry_fails_its_proof(world: RegistryWorld) -> None:
    world.register()
    world.publish()
    proof = world.call("GET", "/log/entries/1/proof", world.publisher).body
    head = json.loads(base64.b64decode(proof["head"]["payload"]))
    path = [bytes.fromhex(node) for node in proof["proof"]]

    for position in range(len(proof["entry"])):
        changed = bytearray(proof["entry"].encode())
        changed[position] ^= 1
        root = bytes.fromhex(head["root_hash"])
        assert not merkle.verify_inclusion(bytes(changed), 1, proof["tree_size"], path, root)


def test_a_publication_is_proven_offline(world: RegistryWorld) -> None:
    world.register()
    version = world.publish()
    document = json.dumps(world.call("GET", f"/versions/{version['version_id']}/proof", world.publisher).body).encode()
    log_key = PublicKey.from_pem(world.log.public_pem)

    proven = verify_publication_proof(document, log_key, ContentHash(version["content_hash"]))

    assert proven.entry["version"] == "1.0.0"


def test_a_proof_of_another_bundle_is_refused(world: RegistryWorld) -> None:
    world.register()
    version, other = world.publish(), world.publish(version="2.0.0")
    document = json.dumps(world.call("GET", f"/versions/{version['version_id']}/proof", world.publisher).body).encode()

    with pytest.raises(PlatformError, match="log_integrity"):
        verify_publication_proof(document, PublicKey.from_pem(world.log.public_pem), ContentHash(other["content_hash"]))


def test_a_proof_by_another_key_is_refused(world: RegistryWorld) -> None:
    world.register()
    version = world.publish()
    document = json.dumps(world.call("GET", f"/versions/{version['version_id']}/proof", world.publisher).body).encode()

    with pytest.raises(PlatformError, match="log_integrity"):
        verify_proof(document, PublicKey.from_pem(world.release.public_pem))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(min_value=0, max_value=10**9), by=st.integers(min_value=1, max_value=255))
def test_a_flipped_byte_of_a_proof_is_refused(proof_document: tuple[bytes, PublicKey], at: int, by: int) -> None:
    document, log_key = proof_document
    changed = bytearray(document)
    changed[at % len(changed)] ^= by

    with pytest.raises(PlatformError, match="log_integrity"):
        verify_proof(bytes(changed), log_key)


@pytest.fixture
def proof_document(world: RegistryWorld) -> tuple[bytes, PublicKey]:
    world.register()
    version = world.publish()
    answer = world.call("GET", f"/versions/{version['version_id']}/proof", world.publisher).body
    return json.dumps(answer, separators=(",", ":")).encode(), PublicKey.from_pem(world.log.public_pem)
