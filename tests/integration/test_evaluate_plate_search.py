"""The suite of plate search on a small library: its figures, and what it asks."""

from __future__ import annotations

import random

import pytest

from operators.plate_text import edits_between, normalised
from schemas.errors import ConfigError
from streams.evaluate import plate_search
from tests.support import services


def test_suite_of_plate_search_finds_every_plate() -> None:
    try:
        figures = {figure.id: figure for figure in plate_search.evaluate(2_000, 30, 3, lambda _: None)}
    except ConfigError as error:
        services.unavailable(error)
    assert {f"plate_search_{name}_p95_ms" for name in ("exact", "prefix", "tolerant")} <= set(figures)
    for name in ("exact", "prefix", "tolerant"):
        assert figures[f"plate_search_{name}_found"].value == 1
        assert figures[f"plate_search_{name}_p95_ms"].n >= 30 and figures[f"plate_search_{name}_p95_ms"].value > 0


@pytest.mark.parametrize("text", ["AB012CD", "京A12345", "0AAA000"])
def test_queries_are_as_far_from_the_plate_as_they_say(text: str) -> None:
    rng = random.Random(4)
    for _ in range(50):
        twin, edited = plate_search._twin(text, rng), plate_search._edited(text, rng)
        begun = plate_search._with_prefix(text, rng)
        assert twin != text and edits_between(twin, text) == 0
        assert edits_between(edited, text) <= 1
        assert normalised(begun)[:2] == text[:2] and "*" in begun
