"""The Merkle tree against the reference values of RFC 6962's test data."""

from __future__ import annotations

import pytest

from operators.merkle import (
    EMPTY_ROOT,
    completed,
    consistency_places,
    covering,
    inclusion_places,
    joined,
    leaf_hash,
    node_hash,
    proof,
    root,
    verify_consistency,
    verify_inclusion,
)
from schemas.errors import IntegrityError, UsageError

# Entries, roots and proofs of the Certificate Transparency reference implementation's tests.
ENTRIES = [
    b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43", bytes(range(0x50, 0x58)),
    bytes(range(0x60, 0x70)),
]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def _nodes(size: int) -> dict[tuple[int, int], bytes]:
    nodes: dict[tuple[int, int], bytes] = {}
    for index, leaf in enumerate(LEAVES[:size]):
        nodes |= completed(index, leaf, {place: nodes[place] for place in covering(0, index)})
    return nodes


@pytest.mark.parametrize(("size", "expected"), ROOTS.items())
def test_root_of_reference_entries_equals_reference(size: int, expected: str) -> None:
    nodes = _nodes(size)
    assert root(LEAVES[:size]).hex() == expected == joined([nodes[place] for place in covering(0, size)]).hex()


def test_root_of_nothing_is_hash_of_nothing() -> None:
    assert root([]) == EMPTY_ROOT == joined([])


def test_covering_of_seven_leaves_is_four_two_one() -> None:
    assert covering(0, 7) == ((2, 0), (1, 2), (0, 6)) and covering(4, 7) == ((1, 2), (0, 6)) and covering(3, 3) == ()
    assert sorted(completed(7, LEAVES[7], _nodes(7))) == [(0, 7), (1, 3), (2, 1), (3, 0)]


@pytest.mark.parametrize("size", range(1, 9))
def test_inclusion_proof_of_every_leaf_verifies_and_of_others_not(size: int) -> None:
    top = root(LEAVES[:size])
    for index in range(size):
        path = proof(inclusion_places(index, size), _nodes(size))
        verify_inclusion(LEAVES[index], index, size, path, top)
        for wrong in range(size):
            if wrong != index:
                with pytest.raises(IntegrityError):
                    verify_inclusion(LEAVES[wrong], index, size, path, top)
        with pytest.raises(IntegrityError):
            verify_inclusion(LEAVES[index], index, size, (*path, top), top)
        if path:
            with pytest.raises(IntegrityError):
                verify_inclusion(LEAVES[index], index, size, path[:-1], top)


def test_consistency_proof_of_six_and_eight_is_the_reference() -> None:
    path = proof(consistency_places(6, 8), _nodes(8))
    # of the reference implementation: nodes 4..5, 6..7, 0..3
    assert path == (
        node_hash(LEAVES[4], LEAVES[5]), node_hash(LEAVES[6], LEAVES[7]),
        bytes.fromhex("d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    )


@pytest.mark.parametrize("size", range(1, 9))
def test_consistency_proof_of_every_size_verifies_and_of_others_not(size: int) -> None:
    new, forged = root(LEAVES[:size]), root([LEAVES[7], *LEAVES[1:size]])
    for old in range(1, size + 1):
        path, before = proof(consistency_places(old, size), _nodes(size)), root(LEAVES[:old])
        verify_consistency(old, size, path, before, new)
        wrong = [(old, (*path, new), before, new), (old, path, root([LEAVES[7], *LEAVES[1:old]]), new)]
        wrong += [(old, path[1:], before, new)] if path else []
        wrong += [(old, path, before, forged)]
        wrong += [(old - 1, path, before, new)] if old > 1 else []
        for number, hashes, from_root, to_root in wrong:
            with pytest.raises(IntegrityError):
                verify_consistency(number, size, hashes, from_root, to_root)


@pytest.mark.parametrize(("make", "arguments"), [
    (inclusion_places, (3, 3)), (inclusion_places, (-1, 3)), (consistency_places, (0, 3)), (consistency_places, (4, 3)),
])
def test_proof_outside_refuses(make, arguments) -> None:
    with pytest.raises(UsageError):
        make(*arguments)
