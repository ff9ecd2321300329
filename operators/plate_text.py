"""Plate texts as they are searched: one way of writing them, patterns with wildcards, likeness of two texts.

Signs that look alike (O and 0, I and 1, B and 8, S and 5) are *twins*: folded, they are one sign. Two texts are alike
if their folded forms are at most two edits apart: a sign put in, left out or taken for another.

Texts that are alike are found without comparing all: two texts that are at most n edits apart become equal if at most
n signs of each are left out (Garbe's symmetric deletion). `keys` are numbers of all that a text becomes so.
"""

from __future__ import annotations

import math
import re
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from operators.plates import ALPHABET
from schemas.errors import UsageError

ONE, ANY = "?", "*"
MAX_TYPED, MAX_TEXT = 64, 12
"""How many signs may be typed, and how many a plate has at most: longer readings are none of a plate."""
MIN_PLAIN = 2
EDITS = 2
TWINS = ("O0", "I1", "B8", "S5")
SLIP = 0.01
"""How often who asks is wrong about a sign, or the plate was dirty just there."""
TWIN, OTHER, EXTRA, MISSING = 0.5, 0.35 / 35, 0.05, 0.005
"""Of a wrong sign's probability: its twin's share, that of each other sign, of one read too many; and a sign's
probability of not being read at all."""
_FOLD = str.maketrans({twin[0]: twin[1] for twin in TWINS})
_SHARED = str.maketrans("АВЕІКМНОРСТУХΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEIKMHOPCTYXABEZHIKMNOPTYX")
"""Cyrillic and Greek capitals as their plates have them: those that are Latin ones too (Vienna convention, annex 2)."""
_GAPS = re.compile(r"[\s\-‐‑‒–—―−.·・•]+")


@dataclass(frozen=True, slots=True)
class Difference:
    """One sign that was asked for and another that was read, "" for none; `at` counts the asked signs from 1.

    A sign read too many stands after the asked sign `at`. `twin`: the two look alike.
    """

    at: int
    asked: str
    read: str
    twin: bool = False


@dataclass(frozen=True, slots=True)
class Likeness:
    """How a text that was read differs from the one asked for: `edits` without twins, and how probable all that is."""

    edits: int
    probability: float
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text with wildcards, as SQL's LIKE has it; `head` and `tail` are its plain signs at both ends."""

    like: str
    head: str
    tail: str


def normalised(typed: str, wildcards: bool = True) -> str:
    """A typed text as the library writes it: capitals, no spaces, hyphens and dots; runs of `*` are one.

    Cyrillic and Greek capitals that look like Latin ones are these, and letters lose the accents that no plate has.

    Raises:
        UsageError: a sign that no plate has, too long, or less than two plain signs.

    """
    if len(typed) > MAX_TYPED:
        raise UsageError(f"a plate's text is typed in {MAX_TYPED} signs at most")
    text = _GAPS.sub("", unicodedata.normalize("NFKC", typed).upper())
    text = "".join(sign if sign in ALPHABET else _latin(sign) for sign in re.sub(r"\*+", ANY, text))
    allowed = ALPHABET + (ONE + ANY if wildcards else "")
    if any(sign not in allowed for sign in text):
        raise UsageError("a plate's text has letters, digits, Chinese provinces and Hangul, ? for one sign, * for any")
    plain = len(text) - text.count(ONE) - text.count(ANY)
    if plain < MIN_PLAIN:
        raise UsageError(f"at least {MIN_PLAIN} signs that aren't wildcards are needed")
    if len(text) - text.count(ANY) > MAX_TEXT:
        raise UsageError(f"a plate has {MAX_TEXT} signs at most")
    return text


def _latin(sign: str) -> str:
    """The Latin capital that a sign shows, accents aside; a sign that shows none stays."""
    base = unicodedata.normalize("NFD", sign)[0].translate(_SHARED)
    return base if "A" <= base <= "Z" else sign


def has_wildcards(text: str) -> bool:
    """The text is a pattern."""
    return ONE in text or ANY in text


def pattern(text: str) -> Pattern:
    """A normalised text with wildcards for the database."""
    like = text.replace(ONE, "_").replace(ANY, "%")
    ends = re.split(r"[?*]", text)
    return Pattern(like, ends[0], ends[-1])


def fold(text: str) -> str:
    """The text with each pair of twins as one sign."""
    return text.translate(_FOLD)


def edits_allowed(text: str) -> int:
    """How many edits a text of this length can have and still be told from others: 2 from five signs on."""
    return min(EDITS, (len(text) - 1) // 2)


def keys(text: str, edits: int = EDITS) -> list[int]:
    """Numbers (signed, 32 bits) of all that the folded text becomes with up to so many signs left out, sorted.

    Different ones may share a number, one pair in four milliards: `likeness` tells.
    """
    folded = fold(text)
    left = {
        "".join(folded[at] for at in kept)
        for out in range(min(edits, len(folded) - 1) + 1)
        for kept in combinations(range(len(folded)), len(folded) - out)
    }
    return sorted(zlib.crc32(one.encode()) - 2**31 for one in left)


def edits_between(asked: str, read: str) -> int:
    """Edit distance of the folded texts (Levenshtein)."""
    one, other = fold(asked), fold(read)
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(before + (a != b), row[j] + 1, row[j - 1] + 1)
    return row[-1]


def likeness(asked: str, read: str, characters: Sequence[float]) -> Likeness:
    """How `asked` becomes `read` in the most probable way, given how sure the reader is of each sign read.

    A sign is right if who asks and the reader are; a sure reader's difference is less probable than a doubtful one's.
    """
    right = [(1 - SLIP) * min(1.0, max(0.0, sure)) for sure in characters]
    if asked == read:
        return Likeness(0, math.prod(right))
    rows, columns = len(asked) + 1, len(read) + 1
    cost = [[math.inf] * columns for _ in range(rows)]
    came: list[list[tuple[int, int]]] = [[(0, 0)] * columns for _ in range(rows)]
    cost[0][0] = 0.0
    for i in range(rows):
        for j in range(columns):
            steps = []
            if i and j:
                steps.append((i - 1, j - 1, _pair(asked[i - 1], read[j - 1], right[j - 1])))
            if i:
                steps.append((i - 1, j, MISSING))
            if j:
                steps.append((i, j - 1, (1 - right[j - 1]) * EXTRA))
            for a, b, share in steps:
                if (known := cost[a][b] - math.log(share + 1e-9)) < cost[i][j]:
                    cost[i][j], came[i][j] = known, (a, b)
    return Likeness(edits_between(asked, read), math.exp(-cost[-1][-1]), _differences(asked, read, came))


def _pair(asked: str, read: str, right: float) -> float:
    """Probability that a sign asked for is read as another."""
    if asked == read:
        return right
    return (1 - right) * (TWIN if fold(asked) == fold(read) else OTHER)


def _differences(asked: str, read: str, came: Sequence[Sequence[tuple[int, int]]]) -> tuple[Difference, ...]:
    found, i, j = [], len(asked), len(read)
    while i or j:
        a, b = came[i][j]
        wanted, seen = asked[a:i], read[b:j]
        if wanted != seen:
            found.append(Difference(i, wanted, seen, bool(wanted and seen and fold(wanted) == fold(seen))))
        i, j = a, b
    return tuple(reversed(found))
