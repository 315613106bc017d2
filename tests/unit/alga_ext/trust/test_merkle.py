"""The transparency log's tree, against RFC 6962's own definitions written out slowly."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.trust import merkle

Tree = tuple[list[bytes], dict[tuple[int, int], bytes]]


def grown(entries: list[bytes]) -> Tree:
    """A log as the registry keeps it: only the nodes that became complete, in the order of appending."""
    nodes: dict[tuple[int, int], bytes] = {}
    for index, entry in enumerate(entries):
        for level, node_index, node in merkle.completed(index, merkle.leaf_hash(entry), lambda le, at: nodes[le, at]):
            assert (level, node_index) not in nodes
            nodes[level, node_index] = node
    return entries, nodes


def slow_root(entries: list[bytes]) -> bytes:
    """MTH of RFC 6962 §2.1, as it is written there."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\0" + entries[0]).digest()
    split = 1
    while split * 2 < len(entries):
        split *= 2
    return hashlib.sha256(b"\1" + slow_root(entries[:split]) + slow_root(entries[split:])).digest()


def slow_path(index: int, entries: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962 §2.1.1, as it is written there."""
    if len(entries) == 1:
        return []
    split = 1
    while split * 2 < len(entries):
        split *= 2
    if index < split:
        return [*slow_path(index, entries[:split]), slow_root(entries[split:])]
    return [*slow_path(index - split, entries[split:]), slow_root(entries[:split])]


entries_lists = st.lists(st.binary(max_size=4), min_size=1, max_size=40)


def test_the_empty_tree_has_the_root_of_nothing() -> None:
    assert merkle.root(0, lambda *_: b"") == hashlib.sha256(b"").digest()


@given(entries_lists)
def test_the_root_is_that_of_the_rfc(entries: list[bytes]) -> None:
    _, nodes = grown(entries)

    assert merkle.root(len(entries), lambda level, at: nodes[level, at]) == slow_root(entries)


@given(entries_lists, st.data())
def test_an_inclusion_proof_is_that_of_the_rfc_and_verifies(entries: list[bytes], data: st.DataObject) -> None:
    _, nodes = grown(entries)
    index = data.draw(st.integers(0, len(entries) - 1))

    proof = merkle.inclusion_proof(index, len(entries), lambda level, at: nodes[level, at])

    assert proof == slow_path(index, entries)
    assert merkle.verify_inclusion(entries[index], index, len(entries), proof, slow_root(entries))


@given(entries_lists, st.data())
def test_an_earlier_tree_of_the_same_log_still_proves_its_entries(entries: list[bytes], data: st.DataObject) -> None:
    _, nodes = grown(entries)
    size = data.draw(st.integers(1, len(entries)))
    index = data.draw(st.integers(0, size - 1))

    proof = merkle.inclusion_proof(index, size, lambda level, at: nodes[level, at])

    assert merkle.verify_inclusion(entries[index], index, size, proof, slow_root(entries[:size]))


@given(entries_lists, st.data())
def test_a_changed_inclusion_proof_does_not_verify(entries: list[bytes], data: st.DataObject) -> None:
    root = slow_root(entries)
    index = data.draw(st.integers(0, len(entries) - 1))
    proof = slow_path(index, entries)
    wrong_entry = entries[index] + b"!"

    assert not merkle.verify_inclusion(wrong_entry, index, len(entries), proof, root)
    assert not merkle.verify_inclusion(entries[index], index, len(entries), [*proof, root], root)
    assert not merkle.verify_inclusion(entries[index], index, len(entries), proof, root[::-1] + b"!")
    assert not merkle.verify_inclusion(entries[index], -1, len(entries), proof, root)
    assert not merkle.verify_inclusion(entries[index], len(entries), len(entries), proof, root)
    if proof:
        position = data.draw(st.integers(0, len(proof) - 1))
        flipped = bytes([proof[position][0] ^ 1]) + proof[position][1:]
        assert not merkle.verify_inclusion(
            entries[index], index, len(entries), [*proof[:position], flipped, *proof[position + 1 :]], root
        )
        assert not merkle.verify_inclusion(entries[index], index, len(entries), proof[:-1], root)


@given(entries_lists, st.data())
def test_a_log_that_grew_proves_it(entries: list[bytes], data: st.DataObject) -> None:
    _, nodes = grown(entries)
    old = data.draw(st.integers(1, len(entries)))

    proof = merkle.consistency_proof(old, len(entries), lambda level, at: nodes[level, at])

    assert merkle.verify_consistency(old, slow_root(entries[:old]), len(entries), slow_root(entries), proof)


@given(st.lists(st.binary(max_size=4), min_size=2, max_size=40), st.data())
def test_a_log_whose_past_was_changed_cannot_prove_that_it_grew(entries: list[bytes], data: st.DataObject) -> None:
    old = data.draw(st.integers(1, len(entries) - 1))
    position = data.draw(st.integers(0, old - 1))
    rewritten = [*entries[:position], entries[position] + b"!", *entries[position + 1 :]]
    _, nodes = grown(rewritten)

    proof = merkle.consistency_proof(old, len(entries), lambda level, at: nodes[level, at])

    assert not merkle.verify_consistency(old, slow_root(entries[:old]), len(entries), slow_root(rewritten), proof)


@given(entries_lists)
def test_consistency_with_an_impossible_size_does_not_verify(entries: list[bytes]) -> None:
    size, root = len(entries), slow_root(entries)

    assert not merkle.verify_consistency(0, root, size, root, [])
    assert not merkle.verify_consistency(size + 1, root, size, root, [])
    assert not merkle.verify_consistency(size, root, size, root, [root])
    assert not merkle.verify_consistency(size, root[::-1] + b"!", size, root, [])
    assert merkle.verify_consistency(size, root, size, root, [])


@pytest.mark.parametrize(("index", "size"), [(-1, 1), (1, 1), (0, 0)])
def test_an_entry_that_is_not_in_the_tree_has_no_proof(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="not in a tree"):
        merkle.inclusion_proof(index, size, lambda *_: b"")


@pytest.mark.parametrize(("old", "size"), [(0, 1), (2, 1)])
def test_sizes_out_of_order_have_no_proof(old: int, size: int) -> None:
    with pytest.raises(ValueError, match="cannot extend"):
        merkle.consistency_proof(old, size, lambda *_: b"")


def test_a_leaf_is_not_mistaken_for_a_node() -> None:
    left, right = merkle.leaf_hash(b"a"), merkle.leaf_hash(b"b")

    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)


@pytest.mark.parametrize("proof", [[], [b"a" * 32] * 9], ids=["too short", "too long"])
def test_a_consistency_proof_of_another_length_does_not_verify(proof: list[bytes]) -> None:
    entries = [bytes([number]) for number in range(5)]

    assert not merkle.verify_consistency(3, slow_root(entries[:3]), 5, slow_root(entries), proof)


# Every tree of up to 26 leaves: three complete subtrees, and the smallest trees whose right edge is climbed two ways.

ENTRIES, NODES = grown([bytes([number]) for number in range(26)])
ROOTS = [slow_root(ENTRIES[:size]) for size in range(27)]
SIZES = range(1, 27)


def node_at(level: int, index: int) -> bytes:
    return NODES[level, index]


def tampered(proof: list[bytes]) -> list[list[bytes]]:
    """Proofs that differ from a right one in one place, or in length."""
    other = b"o" * 32
    replaced = [[*proof[:at], other, *proof[at + 1 :]] for at in range(len(proof))]
    shorter = [[*proof[:at], *proof[at + 1 :]] for at in range(len(proof))]
    return [*replaced, *shorter, [*proof, other], [other, *proof]]


@pytest.mark.parametrize("size", [0, *SIZES])
def test_each_small_tree_has_the_root_of_the_rfc(size: int) -> None:
    assert merkle.root(size, node_at) == ROOTS[size]


@pytest.mark.parametrize("size", SIZES)
def test_each_leaf_of_a_small_tree_is_proved_and_nothing_else(size: int) -> None:
    root = ROOTS[size]
    for index, entry in enumerate(ENTRIES[:size]):
        proof = merkle.inclusion_proof(index, size, node_at)

        assert proof == slow_path(index, ENTRIES[:size])
        assert merkle.verify_inclusion(entry, index, size, proof, root)
        assert not any(merkle.verify_inclusion(entry, index, size, wrong, root) for wrong in tampered(proof))
        assert not any(merkle.verify_inclusion(entry, at, size, proof, root) for at in range(-1, 27) if at != index)
        assert not merkle.verify_inclusion(b"other", index, size, proof, root)
        assert not merkle.verify_inclusion(entry, index, size, proof, b"o" * 32)
        assert not merkle.verify_inclusion(entry, index, 2 * size, proof, root)


@pytest.mark.parametrize("size", SIZES)
def test_each_small_tree_extends_every_smaller_one_and_no_other(size: int) -> None:
    new = ROOTS[size]
    for old_size in range(1, size):
        old = ROOTS[old_size]
        proof = merkle.consistency_proof(old_size, size, node_at)

        assert merkle.verify_consistency(old_size, old, size, new, proof)
        assert not any(merkle.verify_consistency(old_size, old, size, new, wrong) for wrong in tampered(proof))
        assert not any(merkle.verify_consistency(at, old, size, new, proof) for at in range(28) if at != old_size)
        assert not merkle.verify_consistency(old_size, b"o" * 32, size, new, proof)
        assert not merkle.verify_consistency(old_size, old, size, b"o" * 32, proof)
        assert not merkle.verify_consistency(old_size, old, 2 * size, new, proof)


@pytest.mark.parametrize("size", SIZES)
def test_a_tree_extends_itself_without_a_proof(size: int) -> None:
    root = ROOTS[size]

    assert merkle.consistency_proof(size, size, node_at) == []
    assert merkle.verify_consistency(size, root, size, root, [])
    assert not merkle.verify_consistency(size, root, size, root, [root])
    assert not merkle.verify_consistency(size, b"o" * 32, size, root, [])
