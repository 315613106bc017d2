"""Merkle tree hashes and proofs of the transparency log: RFC 6962 §2, with SHA-256; pure functions.

A node is the root of a complete subtree: node ``i`` of level ``l`` covers leaves ``i·2^l`` to ``(i+1)·2^l − 1``. Every
proof and every root can be computed from such nodes. So a log stores each node once, when its subtree is complete.
"""

import hashlib
from collections.abc import Callable, Sequence

NodeAt = Callable[[int, int], bytes]
"""Returns the hash of a complete subtree, given level and index."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a leaf: SHA-256 of ``0x00`` and the entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256 of ``0x01`` and both children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def completed(leaf_index: int, leaf: bytes, node_at: NodeAt) -> list[tuple[int, int, bytes]]:
    """Return the nodes that an appended leaf completes, as (level, index, hash), the leaf itself first."""
    nodes = [(0, leaf_index, leaf)]
    level, index, current = 0, leaf_index, leaf
    while index % 2 == 1:
        current = node_hash(node_at(level, index - 1), current)
        level, index = level + 1, index // 2
        nodes.append((level, index, current))
    return nodes


def root(size: int, node_at: NodeAt) -> bytes:
    """Return the root hash of the tree with ``size`` leaves; for the empty tree, the hash of the empty string."""
    return hashlib.sha256(b"").digest() if size == 0 else _subtree(0, size, node_at)


def inclusion_proof(leaf_index: int, size: int, node_at: NodeAt) -> list[bytes]:
    """Return the audit path of a leaf in the tree with ``size`` leaves (RFC 6962 §2.1.1).

    Raises:
        ValueError: the tree has no such leaf.
    """
    if not 0 <= leaf_index < size:
        message = f"leaf {leaf_index} is not in a tree of {size}"
        raise ValueError(message)
    path: list[bytes] = []
    first, last = 0, size
    while last - first > 1:
        middle = first + _split(last - first)
        if leaf_index < middle:
            path.append(_subtree(middle, last, node_at))
            last = middle
        else:
            path.append(_subtree(first, middle, node_at))
            first = middle
    return path[::-1]


def verify_inclusion(entry: bytes, leaf_index: int, size: int, proof: Sequence[bytes], expected_root: bytes) -> bool:
    """Tell whether the proof shows that ``entry`` is leaf ``leaf_index`` of the tree with that root.

    Source: RFC 9162 §2.1.3.2, which defines this check for the trees of RFC 6962.
    """
    if not 0 <= leaf_index < size:
        return False
    position, last = leaf_index, size - 1
    current = leaf_hash(entry)
    for sibling in proof:
        if last == 0:
            return False
        if position % 2 == 1 or position == last:
            current = node_hash(sibling, current)
            while position % 2 == 0:  # it ends: position equals last, which is not 0
                position, last = position // 2, last // 2
        else:
            current = node_hash(current, sibling)
        position, last = position // 2, last // 2
    return last == 0 and current == expected_root


def consistency_proof(old_size: int, size: int, node_at: NodeAt) -> list[bytes]:
    """Return the proof that the tree of ``size`` leaves extends the tree of ``old_size`` leaves (RFC 6962 §2.1.2).

    Raises:
        ValueError: ``old_size`` is not from 1 to ``size``.
    """
    if not 1 <= old_size <= size:
        message = f"a tree of {size} leaves cannot extend a tree of {old_size} leaves"
        raise ValueError(message)
    path: list[bytes] = []
    first, last, whole = 0, size, True
    while old_size != last:
        middle = first + _split(last - first)
        if old_size <= middle:
            path.append(_subtree(middle, last, node_at))
            last = middle
        else:
            path.append(_subtree(first, middle, node_at))
            first, whole = middle, False
    if not whole:
        path.append(_subtree(first, last, node_at))
    return path[::-1]


def verify_consistency(old_size: int, old_root: bytes, size: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Tell whether the proof shows that the larger tree begins with the leaves of the smaller (RFC 9162 §2.1.4.2)."""
    if not 1 <= old_size <= size:
        return False
    if old_size == size:
        return not proof and old_root == new_root
    hashes = list(proof)
    if old_size & (old_size - 1) == 0:
        hashes.insert(0, old_root)
    if not hashes:
        return False
    position, last = old_size - 1, size - 1
    while position % 2 == 1:
        position, last = position // 2, last // 2
    old, new = hashes[0], hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if position % 2 == 1 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while position % 2 == 0:  # it ends: position equals last, which is not 0
                position, last = position // 2, last // 2
        else:
            new = node_hash(new, sibling)
        position, last = position // 2, last // 2
    return last == 0 and old == old_root and new == new_root


def _split(width: int) -> int:
    """Return the largest power of two smaller than ``width``."""
    return int(1 << ((width - 1).bit_length() - 1))


def _subtree(first: int, last: int, node_at: NodeAt) -> bytes:
    """Return the hash over leaves ``first`` to ``last`` (exclusive).

    ``first`` is aligned to its complete subtrees, because every split is at a power of two.
    """
    width = last - first
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return node_at(level, first >> level)
    middle = first + _split(width)
    return node_hash(_subtree(first, middle, node_at), _subtree(middle, last, node_at))
