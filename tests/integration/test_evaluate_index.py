"""`sealframe bench index` on a real database, with few tracks."""

from __future__ import annotations

import pytest

from schemas.errors import UsageError
from streams.evaluate import bench_index


def test_bench_index_times_chunks_beside_few_and_many_tracks() -> None:
    found = {figure.id: figure for figure in bench_index.evaluate(300, lambda line: None)}
    assert set(found) == {"index_chunk_ms", "index_chunk_p95_ms", "index_chunk_few_ms", "index_all_ms"}
    assert 0 < found["index_chunk_ms"].value <= found["index_chunk_p95_ms"].value < 60_000
    # people come back: 330 tracks are far fewer subjects
    assert "beside 300 tracks of 1" in found["index_chunk_ms"].note


def test_bench_index_wants_enough_tracks() -> None:
    with pytest.raises(UsageError, match="at least 300"):
        bench_index.evaluate(100, lambda line: None)
