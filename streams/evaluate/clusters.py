"""B-cubed precision and recall of a clustering (Bagga and Baldwin, 1998): averages over items, not over clusters.

Precision of an item: the share of its cluster that is of its own class. Recall: the share of its class that it holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

from schemas.errors import UsageError


def b_cubed(pairs: Sequence[tuple[Hashable, Hashable]]) -> tuple[float, float]:
    """Precision and recall of items given as (cluster, class).

    Raises:
        UsageError: no items.

    """
    if not pairs:
        raise UsageError("nothing to compare: no item has both a cluster and a class")
    both, clusters, classes = Counter(pairs), Counter(c for c, _ in pairs), Counter(c for _, c in pairs)
    precision = sum(n * n / clusters[cluster] for (cluster, _), n in both.items())
    recall = sum(n * n / classes[label] for (_, label), n in both.items())
    return precision / len(pairs), recall / len(pairs)
