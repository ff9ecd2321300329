"""A live camera that is late: less is spent, nothing twice in two ways, nobody else waits. The clock is given."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from operators.effort import COARSE, DROPPED, FULL, WHOLE
from schemas.codec import unpack_as
from streams.lanes import Limits
from streams.runner import Runner
from tests.support.memory import ALARMS, OUT, QUARANTINE, Cut, DigestStage, MemoryPort, arrivals, chunk, no_wait

SENT = 1_000_000
GONE_SOON_S = 640.0
"""So late the source will soon remove it."""
LIVE = [chunk("a", "v", seq, end=seq == 9, sent=SENT) for seq in range(10)]


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


def at(late_s: float, stage: DigestStage, port: MemoryPort, pool: ThreadPoolExecutor, **limits: int) -> Runner:  # type: ignore[type-arg]
    """A runner in whose eyes everything comes so late."""
    bounds = Limits(idle_ms=100, **limits)
    return Runner(stage, port, pool, bounds, sleep=no_wait, clock=lambda: SENT + round(late_s * 1000))


async def feed(worker: Runner, records: list[tuple[bytes, bytes]], first: int = 0) -> None:  # type: ignore[type-arg]
    for arrival in arrivals(records)[first:]:
        await worker.submit(arrival)
        await worker.settle()


def test_late_camera_gets_less_step_by_step_and_drops_last(pool: ThreadPoolExecutor) -> None:
    stage, port = DigestStage(), MemoryPort()
    worker = at(GONE_SOON_S, stage, port, pool)
    asyncio.run(feed(worker, LIVE))
    assert stage.stepped == [("v", 0, 1), ("v", 1, 2), ("v", 2, 3), ("v", 3, 4), ("v", 9, None)]
    assert stage.levels == [FULL, FULL, COARSE, WHOLE, DROPPED]
    assert [output.value for output in port.of(ALARMS)] == [f"v/{seq}".encode() for seq in range(4, 9)]
    assert len(port.of(QUARANTINE)) == 5 and port.committed(0) == 10
    counted = worker.counters
    assert (counted.processed, counted.eased, counted.masked_whole, counted.dropped) == (5, 1, 2, 5)
    assert worker.late == {"a": (GONE_SOON_S, DROPPED)}


def test_dropped_chunk_ends_all_tracks(pool: ThreadPoolExecutor) -> None:
    port = MemoryPort()
    asyncio.run(feed(at(GONE_SOON_S, DigestStage(), port, pool), LIVE[:7]))
    state = unpack_as("state", port.table["a"])
    assert (state.last_seq, state.next_offset, state.tracks, state.cut) == (3, 6, (), True)


@pytest.mark.parametrize(("step_s", "fate"), [(0.5, WHOLE), (1.5, DROPPED)])
def test_backlog_of_an_outage_is_worked_off_if_that_can_be_and_dropped_if_not(
    pool: ThreadPoolExecutor, step_s: float, fate: int
) -> None:
    """A minute without a worker, then a chunk of a second each takes so long."""
    stage, port, now = DigestStage(), MemoryPort(), [SENT + 60_000]
    records = [chunk("a", "v", seq, end=seq == 149, sent=SENT + 1000 * seq) for seq in range(150)]

    async def work() -> None:
        worker = Runner(stage, port, pool, Limits(), sleep=no_wait, clock=lambda: now[0])
        for seq, arrival in enumerate(arrivals(records)):
            now[0] = max(now[0] + round(1000 * step_s), SENT + 1000 * seq)
            await worker.submit(arrival)
            await worker.settle()
        assert max(stage.levels) == fate
        assert (worker.counters.dropped > 0) == (fate == DROPPED)

    asyncio.run(work())
    if fate == WHOLE:
        assert [seq for _, seq, _ in stage.stepped] == list(range(150))
        assert stage.levels[-1] < WHOLE and not port.of(QUARANTINE)


def test_camera_in_time_and_one_that_nobody_waits_for_get_everything(pool: ThreadPoolExecutor) -> None:
    stage, port = DigestStage(), MemoryPort()
    asyncio.run(feed(at(0.9, stage, port, pool), LIVE))
    file = [chunk("b", "w", seq, end=seq == 5) for seq in range(6)]
    asyncio.run(feed(at(1e6, stage, port, pool), file))
    assert set(stage.levels) == {FULL} and len(stage.levels) == 16
    assert unpack_as("state", port.table["b"]).load is None


def test_camera_that_falls_silent_is_not_late(pool: ThreadPoolExecutor) -> None:
    stage, port = DigestStage(), MemoryPort()
    records = [chunk("a", "v", seq, sent=SENT + 9000 * seq) for seq in range(6)]

    async def work() -> None:
        for seq, arrival in enumerate(arrivals(records)):
            worker = at(9.0 * seq, stage, port, pool)
            await worker.submit(arrivals(records)[seq - 1]) if seq else None
            await worker.submit(arrival)
            await worker.settle()
        for now_ms in (0, 100):
            worker.tick(now_ms)
            await worker.settle()

    asyncio.run(work())
    assert stage.levels == [FULL] * 6
    load = unpack_as("state", port.table["a"]).load
    assert load is not None and (load.level, load.ahead) == (FULL, FULL)


def test_file_of_a_camera_that_was_late_gets_everything(pool: ThreadPoolExecutor) -> None:
    stage, port = DigestStage(), MemoryPort()
    records = [*LIVE[:6], *(chunk("a", "w", seq, end=seq == 2) for seq in range(3))]
    worker = at(13.0, stage, port, pool)
    asyncio.run(feed(worker, records))
    assert stage.levels == [FULL, FULL, COARSE, WHOLE, WHOLE, WHOLE, FULL, FULL, FULL]
    assert worker.late == {}


@pytest.mark.parametrize("after", [False, True])
def test_worker_cut_at_any_call_sends_no_second_version_though_the_clock_says_another_thing(
    pool: ThreadPoolExecutor, after: bool
) -> None:
    whole = MemoryPort()
    asyncio.run(feed(at(GONE_SOON_S, DigestStage(), whole, pool), LIVE))
    for call in range(1, whole.count + 1):
        port = MemoryPort(cut_at=call, after=after)
        first = at(GONE_SOON_S, DigestStage(), port, pool)
        asyncio.run(feed(first, LIVE))
        assert isinstance(first.error, Cut)
        port.cut_at = None
        asyncio.run(feed(at(0.0, DigestStage(), port, pool), LIVE, port.committed(0)))
        digests: dict[bytes, set[bytes]] = {}
        for output in port.of(OUT):
            part, name, digest = output.value.split(b" ", 2)
            digests.setdefault(part + name, set()).add(digest)
        assert all(len(found) == 1 for found in digests.values()), call
        done = {output.value for output in port.of(ALARMS)} | {name.removeprefix(b"operator") for name in digests}
        assert {f"v/{seq}".encode() for seq in range(10)} <= done, call
        assert port.committed(0) == 10


def test_partition_that_is_crowded_holds_up_no_other(pool: ThreadPoolExecutor) -> None:
    stage, port = DigestStage(), MemoryPort()
    slow = [chunk("a", "v", seq, end=seq == 5) for seq in range(6)]
    quick = arrivals([chunk("b", "w", 0), chunk("b", "w", 1, end=True)], partition=1)

    async def work() -> None:
        gates = {b"a": asyncio.Event(), b"b": asyncio.Event()}
        port.load = _held(port, gates)  # type: ignore[method-assign]
        worker = at(0.0, stage, port, pool, waiting_bytes=2 * len(slow[0][1]))
        for arrival in arrivals(slow)[:3]:
            await worker.submit(arrival)
        await asyncio.sleep(0)
        assert worker.crowded(0) and not worker.crowded(1)
        gates[b"b"].set()
        for arrival in quick:
            await asyncio.wait_for(worker.submit(arrival), 5)
        while len(stage.stepped) < 2:
            await asyncio.sleep(0.01)
        assert stage.stepped == [("w", 0, 1), ("w", 1, None)]
        gates[b"a"].set()
        for arrival in arrivals(slow)[3:]:
            await worker.submit(arrival)
        await worker.settle()
        assert not worker.crowded(0)

    asyncio.run(asyncio.wait_for(work(), 20))
    assert [seq for video, seq, _ in stage.stepped if video == "v"] == list(range(6))


def _held(port: MemoryPort, gates: dict[bytes, asyncio.Event]):  # type: ignore[no-untyped-def]
    load = port.load

    async def held(camera_id: str) -> bytes | None:
        await gates[camera_id.encode()].wait()
        return await load(camera_id)

    return held


def test_head_of_a_full_partition_is_flushed_though_no_more_is_read(pool: ThreadPoolExecutor) -> None:
    stage, port = DigestStage(), MemoryPort()
    records = [chunk("a", "v", 0), *(chunk("b", "w", seq) for seq in range(3))]

    async def work() -> None:
        worker = at(0.0, stage, port, pool, unacked_records=4)
        for arrival in arrivals(records):
            await worker.submit(arrival)
            await worker.settle()
        assert worker.crowded(0) and port.acked == {}
        worker.tick(0, {0})
        await worker.settle()
        assert not worker.crowded(0)

    asyncio.run(work())
    assert ("v", 0, None) in stage.stepped and port.acked == {0: [2]}
