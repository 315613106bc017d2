"""The transparency log: complete, provable, and refused when a byte of it is changed."""

import base64
import json

from alga_ext import merkle
from alga_ext.trust import parse_trust_bundle
from tests.support.registry import RegistryWorld, manifest_of


def head_of(world: RegistryWorld, head: dict[str, object]) -> dict[str, object]:
    """Verify a head's signature and return what it says."""
    from functions.registry import compose

    trust = parse_trust_bundle(world.environment()["SIGNING_TRUST_BUNDLE"])
    data = json.dumps(head, separators=(",", ":")).encode()
    return json.loads(trust.verify(data, use="log", publisher="", at=compose.now()).payload)


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
