"""Die between any two steps, start again, compare: nothing lost, nothing sent in two versions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from streams.runner import Runner
from tests.support.memory import OUT, Cut, MemoryPort, arrivals, chunk, runner

RECORDS = [
    chunk("a", "a1", 0), chunk("b", "b1", 0), chunk("a", "a1", 1), chunk("b", "b1", 1), chunk("a", "a1", 2, end=True),
    chunk("a", "a2", 0), chunk("b", "b1", 2, poison="step"), chunk("b", "b1", 3), chunk("a", "a2", 1, poison="open"),
    chunk("b", "b1", 4, end=True), chunk("a", "a2", 2),
]
FLUSHED_AFTER = 3
IDLE_MS = 100


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


async def life(port: MemoryPort, pool: ThreadPoolExecutor, first: int, *, flush: bool) -> bool:
    """One life of a worker from a committed offset on; True if it reached the end."""
    worker = runner(port, pool, idle_ms=IDLE_MS)
    now_ms = 0
    for arrival in arrivals(RECORDS)[first:]:
        await worker.submit(arrival)
        await worker.settle()
        if flush and arrival.offset == FLUSHED_AFTER:
            # the source ended here for a while: idle flush of both cameras
            now_ms = await idle(worker, now_ms)
    await idle(worker, now_ms)
    if worker.error is not None:
        assert isinstance(worker.error, Cut)
    await worker.revoke()
    return worker.error is None


async def idle(worker: Runner, now_ms: int) -> int:  # type: ignore[type-arg]
    for now in (now_ms, now_ms + IDLE_MS):
        worker.tick(now)
        await worker.settle()
    return now_ms + IDLE_MS


def versions(port: MemoryPort) -> dict[bytes, set[bytes]]:
    found: dict[bytes, set[bytes]] = {}
    for output in port.of(OUT):
        part, name, digest = output.value.split(b" ", 2)
        found.setdefault(part + b" " + name, set()).add(digest)
    return found


@pytest.mark.parametrize("flush", [False, True])
@pytest.mark.parametrize("after", [False, True])
def test_worker_cut_at_any_call_delivers_the_same(pool: ThreadPoolExecutor, after: bool, flush: bool) -> None:
    whole = MemoryPort()
    asyncio.run(life(whole, pool, 0, flush=flush))
    assert whole.committed(0) == len(RECORDS)
    for call in range(1, whole.count + 1):
        port = MemoryPort(cut_at=call, after=after)
        assert not asyncio.run(life(port, pool, 0, flush=flush))
        first = port.committed(0)
        port.cut_at = None
        assert asyncio.run(life(port, pool, first, flush=flush))
        assert versions(port) == versions(whole), call
        assert all(len(digests) == 1 for digests in versions(port).values()), call
        assert port.committed(0) == len(RECORDS)
        assert port.table == whole.table


@pytest.mark.parametrize("lag", [1, 3, 11])
def test_commit_that_lags_behind_the_acks_changes_nothing(pool: ThreadPoolExecutor, lag: int) -> None:
    port = MemoryPort()
    asyncio.run(life(port, pool, 0, flush=False))
    once = list(port.of(OUT))
    asyncio.run(life(port, pool, len(RECORDS) - lag, flush=False))
    assert port.of(OUT) == once


@pytest.mark.parametrize("after", [False, True])
def test_flush_survives_a_death_although_the_next_chunk_came_meanwhile(pool: ThreadPoolExecutor, after: bool) -> None:
    """The chunk that was flushed comes again together with its next one: its bytes stay those of the flush."""
    records = arrivals([chunk("a", "v", 0), chunk("a", "v", 1, end=True)])

    async def flushed(port: MemoryPort) -> None:
        worker = runner(port, pool, idle_ms=IDLE_MS)
        await worker.submit(records[0])
        await worker.settle()
        await idle(worker, 0)

    async def again(port: MemoryPort) -> None:
        worker = runner(port, pool, idle_ms=IDLE_MS)
        for arrival in records[port.committed(0):]:
            await worker.submit(arrival)
        await worker.settle()

    whole = MemoryPort()
    asyncio.run(flushed(whole))
    for call in range(1, whole.count + 1):
        port = MemoryPort(cut_at=call, after=after)
        asyncio.run(flushed(port))
        port.cut_at = None
        asyncio.run(again(port))
        assert all(len(digests) == 1 for digests in versions(port).values()), call
        assert set(versions(port)) == {b"evidence v/0", b"operator v/0", b"evidence v/1", b"operator v/1"}
