"""B-cubed by hand."""

from __future__ import annotations

import pytest

from schemas.errors import UsageError
from streams.evaluate.clusters import b_cubed


@pytest.mark.parametrize(
    ("pairs", "precision", "recall"),
    [
        ([(1, "a")], 1, 1),
        ([(1, "a"), (2, "a")], 1, 0.5),
        ([(1, "a"), (1, "b")], 0.5, 1),
        # cluster 1: a a b, cluster 2: b; precision (2/3 + 2/3 + 1/3 + 1) / 4, recall (1 + 1 + 1/2 + 1/2) / 4
        ([(1, "a"), (1, "a"), (1, "b"), (2, "b")], 2 / 3, 0.75),
    ],
)
def test_b_cubed(pairs: list[tuple[int, str]], precision: float, recall: float) -> None:
    assert b_cubed(pairs) == pytest.approx((precision, recall))


def test_b_cubed_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError):
        b_cubed([])
