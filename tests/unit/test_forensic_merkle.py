"""The Merkle tree against the reference values of RFC 6962's test data."""

from __future__ import annotations

import pytest

from operators.merkle import EMPTY_ROOT, inclusion_proof, leaf_hash, root, verify_inclusion
from schemas.errors import IntegrityError, UsageError

# Entries and roots of the Certificate Transparency reference implementation's tests.
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


@pytest.mark.parametrize(("size", "expected"), ROOTS.items())
def test_root_of_reference_entries_equals_reference(size: int, expected: str) -> None:
    assert root(LEAVES[:size]).hex() == expected


def test_root_of_nothing_is_hash_of_nothing() -> None:
    assert root([]) == EMPTY_ROOT


@pytest.mark.parametrize("size", range(1, 9))
def test_inclusion_proof_of_every_leaf_verifies_and_of_others_not(size: int) -> None:
    top = root(LEAVES[:size])
    for index in range(size):
        proof = inclusion_proof(index, LEAVES[:size])
        verify_inclusion(LEAVES[index], index, size, proof, top)
        for wrong in range(size):
            if wrong != index:
                with pytest.raises(IntegrityError):
                    verify_inclusion(LEAVES[wrong], index, size, proof, top)
        with pytest.raises(IntegrityError):
            verify_inclusion(LEAVES[index], index, size, (*proof, top), top)
        if proof:
            with pytest.raises(IntegrityError):
                verify_inclusion(LEAVES[index], index, size, proof[:-1], top)


def test_inclusion_proof_outside_refuses() -> None:
    with pytest.raises(UsageError):
        inclusion_proof(3, LEAVES[:3])
