"""The order of sends, stores and acks, event by event."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from schemas import sealframe_pb2 as pb
from schemas.codec import unpack_as
from schemas.errors import AccessDenied, PlatformNotReady, SealframeError, ServiceUnavailable
from streams.lanes import Limits
from streams.runner import Runner
from streams.stage import Arrival, Item, Output
from tests.support.memory import OUT, QUARANTINE, DigestStage, MemoryPort, arrivals, chunk, runner


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


def run(work: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


async def feed(worker: Runner, records: list[tuple[bytes, bytes]]) -> None:  # type: ignore[type-arg]
    for arrival in arrivals(records):
        await worker.submit(arrival)
        await worker.settle()


def test_chunk_without_a_next_one_is_held_and_not_acked(pool: ThreadPoolExecutor) -> None:
    port, stage = MemoryPort(), DigestStage()
    run(feed(runner(port, pool, stage), [chunk("a", "v", 0)]))
    assert (stage.stepped, port.sent, port.acked) == ([], [], {})


def test_step_sends_then_stores_then_acks(pool: ThreadPoolExecutor) -> None:
    port, stage = MemoryPort(), DigestStage()
    run(feed(runner(port, pool, stage), [chunk("a", "v", 0), chunk("a", "v", 1, end=True)]))
    assert stage.stepped == [("v", 0, 1), ("v", 1, None)]
    assert [call for call in port.calls if call != "load"] == ["send", "send", "store", "ack"] * 2
    assert port.acked == {0: [0, 1]}


def test_chunk_after_the_next_is_expected_if_it_waits_and_opened_once(pool: ThreadPoolExecutor) -> None:
    port, opened = MemoryPort(), []

    class Watched(DigestStage):
        def open(self, arrival: Arrival) -> Item[dict[str, object]]:
            opened.append(arrival.offset)
            return super().open(arrival)

    stage = Watched()

    async def work() -> None:
        worker = runner(port, pool, stage)
        poison = chunk("a", "v", 3, poison="open")
        records = [chunk("a", "v", 0), chunk("a", "v", 1), chunk("a", "v", 2), poison, chunk("a", "w", 0, end=True)]
        for arrival in arrivals(records):
            await worker.submit(arrival)
        await worker.settle()

    run(work())
    assert stage.expected == [(2, 0)]
    assert stage.stepped == [("v", 0, 1), ("v", 1, 2), ("v", 2, None), ("w", 0, None)]
    assert sorted(opened) == [0, 1, 2, 3, 3, 4]


def test_new_video_closes_the_held_chunk_without_look_ahead(pool: ThreadPoolExecutor) -> None:
    port, stage = MemoryPort(), DigestStage()
    run(feed(runner(port, pool, stage), [chunk("a", "v", 0), chunk("a", "w", 0, end=True)]))
    assert stage.stepped == [("v", 0, None), ("w", 0, None)]


def test_missing_chunk_is_not_looked_ahead_over(pool: ThreadPoolExecutor) -> None:
    port, stage = MemoryPort(), DigestStage()
    run(feed(runner(port, pool, stage), [chunk("a", "v", 0), chunk("a", "v", 2, end=True)]))
    assert stage.stepped == [("v", 0, None), ("v", 2, None)]


def test_other_cameras_behind_a_held_chunk_are_finished_and_kept_unacked(pool: ThreadPoolExecutor) -> None:
    port = MemoryPort()
    records = [chunk("a", "v", 0), chunk("b", "w", 0), chunk("b", "w", 1, end=True), chunk("a", "v", 1, end=True)]

    async def work() -> None:
        worker = runner(port, pool)
        for arrival in arrivals(records[:3]):
            await worker.submit(arrival)
            await worker.settle()
        assert len(port.of(OUT)) == 4
        assert (port.acked, worker.unacked()) == ({}, 3)
        await worker.submit(arrivals(records)[3])
        await worker.settle()
        assert port.acked == {0: [2, 3]}

    run(work())


def test_silent_camera_is_flushed_after_the_idle_time(pool: ThreadPoolExecutor) -> None:
    port, stage = MemoryPort(), DigestStage()

    async def work() -> None:
        worker = runner(port, pool, stage)
        await worker.submit(arrivals([chunk("a", "v", 0)])[0])
        await worker.settle()
        for now_ms, behind, stepped in ((1000, (), 0), (1099, (), 0), (1150, (0,), 0), (1200, (), 0), (1300, (), 1)):
            worker.tick(now_ms, behind)
            await worker.settle()
            assert len(stage.stepped) == stepped, now_ms
        assert port.acked == {0: [0]}
        assert not unpack_as("state", port.table["a"]).flushed

    run(work())


def test_flush_is_stored_before_the_chunk_is_sent(pool: ThreadPoolExecutor) -> None:
    port = MemoryPort(cut_at=4, after=True)  # load, load, store, load

    async def work() -> None:
        worker = runner(port, pool)
        await worker.submit(arrivals([chunk("a", "v", 0)])[0])
        await worker.settle()
        worker.tick(0)
        worker.tick(100)
        await worker.settle()

    run(work())
    assert unpack_as("state", port.table["a"]).flushed
    assert port.sent == []


def test_full_partition_flushes_its_head_only(pool: ThreadPoolExecutor) -> None:
    port, stage = MemoryPort(), DigestStage()
    records = [chunk("a", "v", 0), *(chunk("b", "w", seq) for seq in range(6))]
    run(feed(runner(port, pool, stage, unacked_records=4), records))
    assert ("v", 0, None) in stage.stepped
    assert [step for step in stage.stepped if step[0] == "w"] == [("w", seq, seq + 1) for seq in range(5)]
    assert port.acked[0][-1] == 5


def test_bytes_bound_a_partition_too(pool: ThreadPoolExecutor) -> None:
    port, stage = MemoryPort(), DigestStage()
    run(feed(runner(port, pool, stage, unacked_bytes=10), [chunk("a", "v", 0), chunk("a", "v", 1)]))
    assert stage.stepped == [("v", 0, None)]


def test_chunks_that_nobody_works_on_stay_in_the_source(pool: ThreadPoolExecutor) -> None:
    port, gate = MemoryPort(), asyncio.Event()
    records = [chunk("a", "v", seq, end=seq == 5) for seq in range(6)]

    async def work() -> None:
        worker = Runner(DigestStage(), port, pool, Limits(waiting_bytes=2 * len(records[1][1])), gate=gate.wait)
        feeding = asyncio.create_task(feed_all(worker, records))
        await asyncio.sleep(0.3)
        assert not feeding.done() and worker.unacked() < 6
        gate.set()
        await feeding
        await worker.settle()
        assert port.acked == {0: list(range(6))}

    run(work())


async def feed_all(worker: Runner, records: list[tuple[bytes, bytes]]) -> None:  # type: ignore[type-arg]
    for arrival in arrivals(records):
        await worker.submit(arrival)


@pytest.mark.parametrize("poison", ["open", "step", "number"])
def test_poison_record_is_quarantined_and_acked_in_order(pool: ThreadPoolExecutor, poison: str) -> None:
    port, stage = MemoryPort(), DigestStage()
    records = [chunk("a", "v", 0), chunk("a", "v", 1, poison=poison), chunk("a", "v", 2), chunk("a", "v", 3, end=True)]
    run(feed(runner(port, pool, stage), records))
    assert [output.value.split()[0] for output in port.of(QUARANTINE)] == [b"0/1"]
    assert [seq for _, seq, _ in stage.stepped] == [0, 2, 3]
    assert port.committed(0) == 4
    told = [output.value.split(b" ")[1] for output in port.of(OUT) if output.value.startswith(b"lost")]
    assert told == ([] if poison == "open" else [b"v/1"])


def test_repeated_chunk_is_dropped_also_of_an_earlier_video(pool: ThreadPoolExecutor) -> None:
    port, stage = MemoryPort(), DigestStage()
    records = [chunk("a", "v", 0, end=True), chunk("a", "w", 0, end=True)]
    run(feed(runner(port, pool, stage), records))
    run(feed(runner(port, pool, stage), records))
    assert stage.stepped == [("v", 0, None), ("w", 0, None)]
    assert port.acked == {0: [0, 1, 0, 1]}


def test_repeated_chunk_behind_the_held_one_is_dropped(pool: ThreadPoolExecutor) -> None:
    port, stage = MemoryPort(), DigestStage()
    run(feed(runner(port, pool, stage), [chunk("a", "v", 0), chunk("a", "v", 0), chunk("a", "v", 1, end=True)]))
    assert stage.stepped == [("v", 0, 1), ("v", 1, None)]
    assert port.committed(0) == 3


def test_camera_whose_state_does_not_parse_begins_again_with_its_next_video(pool: ThreadPoolExecutor) -> None:
    port, stage = MemoryPort(), DigestStage()
    port.table["a"] = b"value"
    records = [chunk("a", "v", 1), chunk("b", "w", 0, end=True), chunk("a", "x", 0, end=True)]
    run(feed(runner(port, pool, stage), records))
    assert stage.stepped == [("w", 0, None), ("x", 0, None)]
    assert len(port.of(QUARANTINE)) == 1
    assert port.acked == {0: [0, 1, 2]}


def test_state_of_another_release_stops_the_worker(pool: ThreadPoolExecutor) -> None:
    port = MemoryPort()
    port.table["a"] = pb.Record(version=99).SerializeToString()
    worker = runner(port, pool)
    run(feed(worker, [chunk("a", "v", 0, end=True)]))
    assert isinstance(worker.error, SealframeError)
    assert "run the release that wrote it" in str(worker.error)
    assert port.acked == {}


@dataclass
class Failing(MemoryPort):
    """Sends fail a few times first."""

    failures: int = 0
    error: type[Exception] = ServiceUnavailable

    async def send(self, output: Output) -> None:
        if self.failures:
            self.failures -= 1
            raise self.error("broker out of reach")
        await super().send(output)


def test_transient_error_is_tried_again(pool: ThreadPoolExecutor) -> None:
    port = Failing(failures=2)
    run(feed(runner(port, pool, retries=2), [chunk("a", "v", 0, end=True)]))
    assert (len(port.of(OUT)), port.acked) == (2, {0: [0]})


def test_platform_that_is_not_ready_is_waited_for(pool: ThreadPoolExecutor) -> None:
    port = Failing(failures=9, error=PlatformNotReady)
    run(feed(runner(port, pool, retries=2), [chunk("a", "v", 0, end=True)]))
    assert (len(port.of(OUT)), port.acked) == (2, {0: [0]})


@pytest.mark.parametrize(("failures", "error"), [(3, ServiceUnavailable), (1, AccessDenied), (1, ZeroDivisionError)])
def test_other_error_stops_the_runner_unacked(
    pool: ThreadPoolExecutor, failures: int, error: type[Exception]
) -> None:
    port = Failing(failures=failures, error=error)

    async def work() -> None:
        worker = runner(port, pool, retries=2)
        await feed(worker, [chunk("a", "v", 0, end=True), chunk("b", "w", 0, end=True)])
        assert isinstance(worker.error, error)
        assert worker.stopped.is_set()

    run(work())
    assert (port.sent, port.acked) == ([], {})


def test_revoked_partition_leaves_nothing_behind(pool: ThreadPoolExecutor) -> None:
    port, stage = MemoryPort(), DigestStage()

    async def work() -> None:
        worker = runner(port, pool, stage)
        first, second = arrivals([chunk("a", "v", 0), chunk("a", "v", 1, end=True)])
        await worker.submit(first)
        await worker.settle()
        await worker.revoke({0})
        assert (worker.unacked(), stage.forgotten) == (0, ["a"])
        await worker.submit(first)
        await worker.submit(second)
        await worker.settle()

    run(work())
    assert stage.stepped == [("v", 0, 1), ("v", 1, None)]
    assert port.acked == {0: [0, 1]}


def test_closed_gate_holds_everything_back(pool: ThreadPoolExecutor) -> None:
    port, stage = MemoryPort(), DigestStage()

    async def work() -> None:
        opened = asyncio.Event()

        async def gate() -> None:
            await opened.wait()

        worker: Runner = Runner(stage, port, pool, gate=gate)  # type: ignore[type-arg]
        for arrival in arrivals([chunk("a", "v", 0, end=True), chunk("b", "w", 0, end=True)]):
            await worker.submit(arrival)
        await asyncio.sleep(0.05)
        assert (stage.stepped, port.sent, port.acked) == ([], [], {})
        opened.set()
        await worker.settle()
        assert len(stage.stepped) == 2

    run(work())
