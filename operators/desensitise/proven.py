"""Which methods protect, as attacks on their shipped output found; a policy refuses the others unless one insists.

By `sealframe eval attack` and `sealframe eval attack-structure` on 200 people (`FIGURES.md`): a method is broken where
who learned from masked faces of other people names the right one in more than 1.5 % of searches (upper bound at 95 %;
chance is 0.5 %) by what the method paints. What a mask's size says is not its doing. A method that wasn't attacked
doesn't protect: unsure means refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

UNTRIED = "no attack was run on it"
BROKEN: Mapping[str, str] = MappingProxyType({
    "mosaic": "it shows finer averages than `blur`, which names people",
    "blur": "its averages name the right one of 200 people in 8 % of pictures",
    "silhouette": "a head's outline, and what shows beside it, name the right one of 200 people in 4 % of pictures",
    "scale2": "it shows more than `scale8`",
    "scale4": "it shows more than `scale8`",
    "scale8": "it shows finer averages than `blur`, in every frame anew",
})
"""Methods that an attack broke, and how."""
HOLDS = frozenset({"veil", "solid", "scramble", "replace"})
"""Methods that no attack broke, or can break."""


def weakness(methods: Iterable[str]) -> str:
    """The first of these methods that doesn't protect, and why; empty where all do."""
    for name in sorted(set(methods) - HOLDS):
        return f"method {name!r} doesn't protect: {BROKEN.get(name, UNTRIED)}"
    return ""
