"""Texts as they are searched: one way of writing, patterns, folded twins, keys of deletion, likeness."""

from __future__ import annotations

import random

import pytest

from operators.plate_text import (
    Difference,
    edits_allowed,
    edits_between,
    fold,
    has_wildcards,
    keys,
    likeness,
    normalised,
    pattern,
)
from schemas.errors import UsageError


@pytest.mark.parametrize(("typed", "text"), [
    ("ab-12 cd", "AB12CD"), (" ab?12** ", "AB?12*"), ("京a·12345", "京A12345"), ("A\u0308B 12", "ÄB12"),
    ("１２ａｂ", "12AB"), ("12가 3456", "12가3456"), ("M.AB—12", "MAB12"), ("*AB", "*AB"),
    ("а123вс77", "A123BC77"), ("АІ 4567 ХР", "AI4567XP"), ("ΙΥΧ-1234", "IYX1234"), ("İÇ å 99", "ICA99"),
])
def test_normalised_text_is_written_as_in_the_library(typed: str, text: str) -> None:
    assert normalised(typed) == text


@pytest.mark.parametrize("typed", [
    "", "*", "??????", "A*", "*" * 64, "x" * 65, "A" * 13, "'; DROP TABLE plates; --", "AB%12", "AB_12%", "AB\\12",
    "AB\x0012", "AB\n;12", "𝕬𝕭(12)", "ABC12\u202e!", "ЖДИ123", "ΩΣ123", "똠AB12",
])
def test_normalised_text_refuses_what_is_no_plate(typed: str) -> None:
    with pytest.raises(UsageError):
        normalised(typed)


def test_normalised_text_without_wildcards_refuses_them() -> None:
    with pytest.raises(UsageError):
        normalised("AB?12", wildcards=False)


@pytest.mark.parametrize(("text", "like", "head", "tail"), [
    ("AB?12*", "AB_12%", "AB", ""), ("*1234", "%1234", "", "1234"), ("AB12", "AB12", "AB12", "AB12"),
    ("?B*12", "_B%12", "", "12"),
])
def test_pattern_is_that_of_like(text: str, like: str, head: str, tail: str) -> None:
    made = pattern(text)
    assert (made.like, made.head, made.tail) == (like, head, tail)
    assert has_wildcards(text) == (text != "AB12")


def test_fold_makes_twins_one_sign() -> None:
    assert fold("OIBS0185") == "01850185" and fold("京Q2ZD") == "京Q2ZD"


@pytest.mark.parametrize(("text", "count"), [("AB", 0), ("ABC", 1), ("ABCD", 1), ("ABC12", 2), ("ABCDE12345", 2)])
def test_edits_allowed_grow_with_the_text(text: str, count: int) -> None:
    assert edits_allowed(text) == count


@pytest.mark.parametrize(("asked", "read", "edits"), [
    ("AB12CD", "AB12CD", 0), ("AB120D", "AB12OD", 0), ("AB12CD", "AB12C", 1), ("AB12CD", "XAB12CD", 1),
    ("AB12CD", "AB21CD", 2), ("AB12CD", "B12CDE", 2), ("AB12CD", "XY12CD", 2), ("AB12CD", "XYZ2CD", 3),
])
def test_edits_between_texts_count_twins_as_one_sign(asked: str, read: str, edits: int) -> None:
    assert edits_between(asked, read) == edits_between(read, asked) == edits


def test_keys_of_texts_that_are_alike_meet() -> None:
    """Every two texts at most two edits apart, changed at random 3,000 times, share a key."""
    rng, signs = random.Random(5), "ABCO01I8B5S"
    for _ in range(3000):
        text = "".join(rng.choice(signs) for _ in range(rng.randrange(5, 11)))
        other = list(text)
        for _ in range(rng.randrange(3)):
            at = rng.randrange(len(other))
            other[at : at + rng.randrange(2)] = [rng.choice(signs)] * rng.randrange(2)
        assert edits_between(text, "".join(other)) <= 2
        assert set(keys(text)) & set(keys("".join(other))), (text, other)


def test_keys_are_few_and_of_32_bits() -> None:
    made = keys("AB12CDE")
    assert len(made) == 1 + 7 + 21 and made == sorted(made)
    assert all(-(2**31) <= key < 2**31 for key in made)
    assert len(keys("AB12CDE", 1)) == 8 and set(keys("AB12CDE", 0)) < set(keys("AB12CDE", 1)) < set(made)


def test_likeness_names_the_differences() -> None:
    sure = [0.9] * 6
    assert likeness("AB12CD", "AB12CD", sure).differences == ()
    assert likeness("AB12CD", "A812CD", sure).differences == (Difference(2, "B", "8", True),)
    assert likeness("AB12CD", "AX12CD", sure).differences == (Difference(2, "B", "X"),)
    assert likeness("AB12CD", "AB12C", sure[:5]).differences == (Difference(6, "D", ""),)
    assert likeness("AB12CD", "AB12CDE", [*sure, 0.3]).differences == (Difference(6, "", "E"),)


def test_likeness_follows_the_readers_doubt() -> None:
    """A difference where the reader doubts is more probable than one where it is sure; a twin more than another."""
    doubtful, sure = [0.9, 0.5, 0.9, 0.9, 0.9, 0.9], [0.9, 0.99, 0.9, 0.9, 0.9, 0.9]
    same = likeness("AB12CD", "AB12CD", sure).probability
    twin = likeness("AB12CD", "A812CD", doubtful).probability
    assert same > twin > likeness("AB12CD", "AX12CD", doubtful).probability
    assert twin > likeness("AB12CD", "A812CD", sure).probability
    assert same == pytest.approx(0.9**5 * 0.99 * 0.99**6)
