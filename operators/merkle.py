"""Merkle tree over a log: leaf hash, root, inclusion and consistency proofs (RFC 6962, 2.1; RFC 9162, 2.1).

Pure functions over hashes (SHA-256, 32 bytes). A *place* is (level, index) of a complete subtree of 2**level leaves.
Who keeps the hash of every complete subtree appends and proves by reading as many as the tree has levels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from schemas.errors import IntegrityError, UsageError

EMPTY_ROOT = hashlib.sha256(b"").digest()
Place = tuple[int, int]


def leaf_hash(entry: bytes) -> bytes:
    """Hash of an entry as a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves: Iterable[bytes]) -> bytes:
    """Root of the tree over these leaf hashes."""
    peaks = Peaks()
    for leaf in leaves:
        peaks.append(leaf)
    return peaks.root()


class Peaks:
    """A tree that grows leaf by leaf, as the hashes of its largest complete subtrees, left to right."""

    def __init__(self) -> None:
        self.size = 0
        self._hashes: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Add a leaf at the right."""
        value, below = leaf, self.size
        while below & 1:
            value, below = node_hash(self._hashes.pop(), value), below >> 1
        self._hashes.append(value)
        self.size += 1

    def root(self) -> bytes:
        """Root of the tree as it is."""
        return joined(self._hashes)


def joined(subtrees: Sequence[bytes]) -> bytes:
    """Root over complete subtrees that lie beside each other, largest first."""
    if not subtrees:
        return EMPTY_ROOT
    value = subtrees[-1]
    for left in reversed(subtrees[:-1]):
        value = node_hash(left, value)
    return value


def covering(first: int, last: int) -> tuple[Place, ...]:
    """The largest complete subtrees that cover the leaves from `first` up to but not `last`, left to right."""
    places = []
    while first < last:
        level = (last - first).bit_length() - 1
        places.append((level, first >> level))
        first += 1 << level
    return tuple(places)


def completed(index: int, leaf: bytes, known: Mapping[Place, bytes]) -> dict[Place, bytes]:
    """The subtrees that the leaf `index` completes, itself first; `known` holds `covering(0, index)`."""
    place, value = (0, index), leaf
    made = {place: value}
    while place[1] % 2:
        level, at = place
        value, place = node_hash(known[level, at - 1], value), (level + 1, at // 2)
        made[place] = value
    return made


def inclusion_places(index: int, size: int) -> tuple[tuple[Place, ...], ...]:
    """What an inclusion proof is made of, from the leaf up: each of its hashes is `joined` over these places.

    Raises:
        UsageError: no such leaf.

    """
    if not 0 <= index < size:
        raise UsageError(f"leaf {index} of a log of {size}")
    first, last, found = 0, size, []
    while last - first > 1:
        middle = first + _split(last - first)
        if index < middle:
            found.append(covering(middle, last))
            last = middle
        else:
            found.append(covering(first, middle))
            first = middle
    return tuple(reversed(found))


def consistency_places(old: int, size: int) -> tuple[tuple[Place, ...], ...]:
    """What a proof is made of that the tree of `size` leaves begins as that of `old` did; as `inclusion_places`.

    Raises:
        UsageError: there was nothing, or `old` is the larger one.

    """
    if not 0 < old <= size:
        raise UsageError(f"a log of {size} entries can't be compared with one of {old}")
    first, last, found, whole = 0, size, [], True
    while old < last:
        middle = first + _split(last - first)
        if old <= middle:
            found.append(covering(middle, last))
            last = middle
        else:
            found.append(covering(first, middle))
            first, whole = middle, False
    if not whole:
        found.append(covering(first, last))
    return tuple(reversed(found))


def proof(places: Sequence[Sequence[Place]], known: Mapping[Place, bytes]) -> tuple[bytes, ...]:
    """The hashes of a proof from those of complete subtrees."""
    return tuple(joined([known[place] for place in group]) for group in places)


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


def verify_consistency(old: int, size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check that the tree of `size` leaves begins as that of `old` leaves did (RFC 9162, 2.1.4.2).

    Raises:
        IntegrityError: it doesn't, or the proof isn't one.

    """
    if old == size:
        fits = not proof and old_root == new_root
    elif old <= 0 or old > size or not proof:
        fits = False
    else:
        fits = _leads(old, size, [old_root, *proof] if old & (old - 1) == 0 else list(proof), old_root, new_root)
    if not fits:
        raise IntegrityError(f"the log of {size} entries doesn't begin as the one of {old} entries did")


def _leads(old: int, size: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    node, last = old - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    before = after = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


def _split(size: int) -> int:
    """Largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
