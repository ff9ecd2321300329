"""Merkle tree over a log: leaf hash, root, inclusion proof, as RFC 6962 section 2.1 defines them.

Pure functions over lists of leaf hashes (SHA-256, 32 bytes).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from schemas.errors import IntegrityError, UsageError

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """Hash of an entry as a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Root of the tree over these leaf hashes."""
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    while len(level) > 1:
        paired = [node_hash(a, b) for a, b in zip(level[::2], level[1::2], strict=False)]
        level = paired + level[len(paired) * 2 :]
    return level[0]


def inclusion_proof(index: int, leaves: Sequence[bytes]) -> tuple[bytes, ...]:
    """The audit path of a leaf, from the leaf up.

    Raises:
        UsageError: no such leaf.

    """
    if not 0 <= index < len(leaves):
        raise UsageError(f"leaf {index} of a log of {len(leaves)}")
    if len(leaves) == 1:
        return ()
    split = _split(len(leaves))
    if index < split:
        return (*inclusion_proof(index, leaves[:split]), root(leaves[split:]))
    return (*inclusion_proof(index - split, leaves[split:]), root(leaves[:split]))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> None:
    """Check that the leaf is the `index`-th of the tree of `size` leaves with this root (RFC 9162, 2.1.3.2).

    Raises:
        IntegrityError: it isn't.

    """
    node, last, value = index, size - 1, leaf
    fits = 0 <= index < size
    for sibling in proof:
        if last == 0:
            fits = False
            break
        if node % 2 or node == last:
            value = node_hash(sibling, value)
            while node % 2 == 0 and node:
                node, last = node >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        node, last = node >> 1, last >> 1
    if not fits or last or value != expected:
        raise IntegrityError(f"entry {index} isn't in the log of {size} entries with this root")


def _split(size: int) -> int:
    """Largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
