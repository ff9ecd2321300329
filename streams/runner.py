"""Run a stage over the records of a source: decode, step, send, await, store, ack, quarantine. Knows no broker.

The order for one chunk is: step -> send the outputs and await their acknowledgement -> store the state -> done. A
partition is acked up to the first record that isn't done, never over it. So every state that a crash can leave is
one in which the same records come again and make the same bytes; what was stored as delivered is dropped.

A chunk is held until the next of its video arrives, to look ahead. It is flushed without look-ahead when the
partition has too much unacked behind it or when its camera is silent. Both depend on what lies in the source alone
(`tick` is told which partitions aren't read to their end), and the decision is stored before the chunk is sent: a
chunk that comes again is processed as it was the first time.

Each camera is a lane: its records in order, one step at a time, in the pool. Lanes run side by side. What waits is
bounded for each partition, so that one that is slow holds up no other (`crowded` says when to read no more of it).

Somebody waits for the chunks of a live camera. How late each was done goes into the state (`operators/effort.py`), and
with it what the next ones are worth; where that is nothing, a chunk is dropped: it goes to quarantine unseen.
Three outcomes: a poison record goes to quarantine, and so does one whose values can't be computed with; a transient
error is tried again, within a bound; anything else stops the runner with everything unacked.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from operators import effort
from schemas.codec import pack, unpack_as
from schemas.errors import (
    MalformedRecord,
    PlatformNotReady,
    PoisonError,
    SealframeError,
    TransientError,
    UnknownRecord,
)
from schemas.state import MAX_STATE_BYTES, CameraState, LoadState
from streams.clock import now_ms
from streams.lanes import Lane, Limits, Partition, Slot
from streams.stage import OVERLOAD, Arrival, Body, Due, Item, Output, Port, Stage

Result = TypeVar("Result")


@dataclass(slots=True)
class Counters:
    """Figures of a runner since its start; of what was processed, `eased` and `masked_whole` because it was late."""

    processed: int = 0
    eased: int = 0
    masked_whole: int = 0
    dropped: int = 0
    flushed: int = 0
    repeated: int = 0
    quarantined: int = 0
    retried: int = 0
    sent: int = 0
    sent_bytes: int = 0


class Runner(Generic[Body]):
    """Runs one stage. `gate` returns once processing is allowed; `sleep` waits between retries."""

    def __init__(
        self,
        stage: Stage[Body],
        port: Port,
        pool: Executor,
        limits: Limits | None = None,
        *,
        gate: Callable[[], Awaitable[None]] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._stage, self._port, self._pool = stage, port, pool
        self._limits, self._gate, self._sleep, self._clock = limits or Limits(), gate, sleep, clock
        self._partitions: dict[int, Partition[Body]] = {}
        self._moved = asyncio.Event()
        self.counters = Counters()
        self.late: dict[str, tuple[float, int]] = {}
        self.error: Exception | None = None
        self.stopped = asyncio.Event()

    async def submit(self, arrival: Arrival) -> None:
        """Take the next record of its partition; waits while too much is unacked. Takes none after a failure."""
        partition = self._partitions.setdefault(arrival.partition, Partition())
        while self._takes(arrival, partition) and (partition.full(self._limits) or partition.behind(self._limits, 2)):
            self._moved.clear()
            if partition.full(self._limits):
                self._flush_head(partition)
            await self._moved.wait()
        if not self._takes(arrival, partition):
            return
        slot: Slot[Body] = Slot(arrival)
        partition.slots.append(slot)
        partition.size += len(arrival.value)
        lane = partition.lanes.setdefault(arrival.key, Lane(arrival.key.decode(errors="replace")))
        self._queue(partition, lane, slot, flush=False)

    def crowded(self, number: int) -> bool:
        """So much of this partition waits or is unacked that no more of it should be read now."""
        partition = self._partitions.get(number)
        return partition is not None and (partition.behind(self._limits, 1) or partition.full(self._limits))

    def tick(self, now_ms: int, behind: Collection[int] = ()) -> None:
        """Flush what has been held for the idle time, but not in partitions `behind` the end of their source.

        The head of a full partition is flushed, too: where no more is read of it, nothing else would.
        """
        for number, partition in self._partitions.items():
            if partition.full(self._limits):
                self._flush_head(partition)
            for lane in partition.lanes.values():
                if lane.held is None or not lane.resting or number in behind:
                    lane.seen_ms = None
                elif lane.seen_ms is None:
                    lane.seen_ms = now_ms
                elif now_ms - lane.seen_ms >= self._limits.idle_ms:
                    self._queue(partition, lane, lane.held[0], flush=True)

    async def settle(self) -> None:
        """Wait until no lane works: all is done, held, or failed."""
        while self.error is None and not all(lane.resting for lane in self._lanes()):
            self._moved.clear()
            await self._moved.wait()

    async def revoke(self, partitions: Collection[int] | None = None) -> None:
        """Forget these partitions (all if None) as a crash would: what is unacked will come again."""
        gone = [self._partitions.pop(n) for n in list(self._partitions) if partitions is None or n in partitions]
        lanes = [lane for partition in gone for lane in partition.lanes.values()]
        self.late = {c: how for c, how in self.late.items() if c not in {lane.camera for lane in lanes}}
        tasks = [lane.task for lane in lanes if lane.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for lane in lanes:
            self._stage.forget(lane.camera)
        self._moved.set()

    def unacked(self) -> int:
        """Records taken and not acked."""
        return sum(len(partition.slots) for partition in self._partitions.values())

    def _lanes(self) -> list[Lane[Body]]:
        return [lane for partition in self._partitions.values() for lane in partition.lanes.values()]

    def _takes(self, arrival: Arrival, partition: Partition[Body]) -> bool:
        return self.error is None and self._partitions.get(arrival.partition) is partition

    def _flush_head(self, partition: Partition[Body]) -> None:
        head = partition.slots[0]
        lane = partition.lanes.get(head.arrival.key)
        if lane is not None and lane.resting and lane.held is not None and lane.held[0] is head:
            self._queue(partition, lane, head, flush=True)

    def _queue(self, partition: Partition[Body], lane: Lane[Body], slot: Slot[Body], *, flush: bool) -> None:
        lane.waiting.append((slot, flush))
        if lane.task is None:
            lane.task = asyncio.get_running_loop().create_task(self._drain(partition, lane))

    async def _drain(self, partition: Partition[Body], lane: Lane[Body]) -> None:
        try:
            while lane.waiting and self.error is None:
                slot, flush = lane.waiting.popleft()
                await (self._flush(partition, lane, slot) if flush else self._take(partition, lane, slot))
        except Exception as error:  # the one place where whatever went wrong stops the worker
            self.error = self.error or error
            self.stopped.set()
        finally:
            lane.task, lane.seen_ms = None, None
            if lane.held is None and not lane.waiting:
                partition.lanes = {key: kept for key, kept in partition.lanes.items() if kept is not lane}
            self._moved.set()

    async def _take(self, partition: Partition[Body], lane: Lane[Body], slot: Slot[Body]) -> None:
        try:
            state = await self._resume(lane, slot.arrival)
            if slot.arrival.offset < state.next_offset:
                self._repeated(partition, slot)
                return
            item, slot.item = await self._open(slot), None
        except PoisonError as error:
            await self._quarantine(slot.arrival, error)
            self._done(partition, slot)
            return
        last = (lane.held[1].video_id, lane.held[1].seq) if lane.held else (state.video_id, state.last_seq)
        if item.video_id == last[0] and item.seq <= last[1]:
            self._repeated(partition, slot)
            return
        if lane.held is not None:
            (before, held), lane.held = lane.held, None
            follows = held.video_id == item.video_id and held.seq + 1 == item.seq
            await self._process(partition, lane, before, held, item if follows else None, item.due)
            state = await self._load(lane)
        if item.end or state.flushed:
            await self._process(partition, lane, slot, item, None, item.due)
        else:
            lane.held = (slot, item)

    async def _open(self, slot: Slot[Body]) -> Item[Body]:
        if slot.item is None:
            slot.item = await self._work(self._stage.open, slot.arrival)
        return slot.item

    async def _expect(self, lane: Lane[Body], item: Item[Body], load: LoadState | None) -> None:
        """The chunk after the next, if it waits: what depends on no other may begin while this one is worked on."""
        slot = next((slot for slot, flush in lane.waiting if not flush), None)
        if slot is None:
            return
        try:
            later = await self._open(slot)
        except PoisonError:  # it goes to quarantine when its turn has come
            return
        if later.video_id == item.video_id:
            self._stage.expect(later, load.ahead if load else effort.FULL)

    async def _resume(self, lane: Lane[Body], arrival: Arrival) -> CameraState:
        """The camera's state; one that doesn't parse is put aside at a video's beginning, chunks before are poison."""
        try:
            return await self._load(lane)
        except MalformedRecord:
            if (await self._work(self._stage.open, arrival)).seq > 0:
                raise
            await self._store(lane, self._stage.initial(lane.camera))
            return await self._load(lane)

    async def _flush(self, partition: Partition[Body], lane: Lane[Body], slot: Slot[Body]) -> None:
        if lane.held is None or lane.held[0] is not slot:
            return
        (_, item), lane.held = lane.held, None
        await self._store(lane, replace(await self._load(lane), flushed=True))
        self.counters.flushed += 1
        await self._process(partition, lane, slot, item, None, None)

    async def _process(
        self, partition: Partition[Body], lane: Lane[Body], slot: Slot[Body], item: Item[Body],
        following: Item[Body] | None, ready: Due | None,
    ) -> None:
        """`ready`: the chunk that this one had to wait for; None where none came."""
        if self._gate is not None:
            await self._gate()
        before = await self._load(lane)
        if item.due is None and before.load is not None:
            before = replace(before, load=None)
        level = before.load.level if before.load else effort.FULL
        if level == effort.DROPPED and item.due and item.due.skippable:
            after, outputs = await self._dropped(slot.arrival, before, item)
        else:
            await self._expect(lane, item, before.load)
            after, outputs = await self._stepped(slot.arrival, before, item, following)
            self.counters.eased += effort.FULL < level < effort.WHOLE
            self.counters.masked_whole += level >= effort.WHOLE
        for output in outputs:
            await self._send(output)
        load = self._decided(lane, before, item, ready)
        await self._store(lane, replace(after, flushed=False, next_offset=slot.arrival.offset + 1, load=load))
        self._done(partition, slot)

    async def _stepped(
        self, arrival: Arrival, before: CameraState, item: Item[Body], following: Item[Body] | None
    ) -> tuple[CameraState, Sequence[Output]]:
        """The step; a poison record goes to quarantine, and the state learns no more than that it is missing."""
        try:
            done = await self._step(before, item, following)
        except PoisonError as error:
            await self._quarantine(arrival, error)
            return await self._work(self._stage.lose, before, item)
        self.counters.processed += 1
        return done

    async def _dropped(
        self, arrival: Arrival, before: CameraState, item: Item[Body]
    ) -> tuple[CameraState, Sequence[Output]]:
        self.counters.dropped += 1
        sealed = await self._work(self._stage.quarantine, arrival, f"{OVERLOAD}: dropped from a late camera's video")
        alarm = await self._work(self._stage.overload, item)
        after, outputs = await self._work(self._stage.lose, replace(before, tracks=(), cut=True), item)
        return after, (sealed, alarm, *outputs)

    def _decided(
        self, lane: Lane[Body], before: CameraState, item: Item[Body], ready: Due | None
    ) -> LoadState | None:
        """What the camera's next chunks are worth, from how late this one was done; its own silence doesn't count."""
        if item.due is None:
            self.late.pop(lane.camera, None)
            return None
        late_s = (self._clock() - ready.sent_ms) / 1000 if ready else 0.0
        decided = effort.decide(before.load, late_s, item.due.length_s)
        self.late[lane.camera] = late_s, decided.level
        return decided

    async def _step(
        self, state: CameraState, item: Item[Body], following: Item[Body] | None
    ) -> tuple[CameraState, Sequence[Output]]:
        """Step; when that fails with look-ahead, it may be the next chunk that is poison: once more without."""
        try:
            return await self._tried(state, item, following)
        except PoisonError:
            if following is None:
                raise
            return await self._tried(state, item, None)

    async def _tried(
        self, state: CameraState, item: Item[Body], following: Item[Body] | None
    ) -> tuple[CameraState, Sequence[Output]]:
        """The stage's step; values that it can't compute with are the record's fault, and must stop nobody else."""
        try:
            return await self._work(self._stage.step, state, item, following)
        except (ValueError, ArithmeticError, struct.error) as error:
            raise MalformedRecord(f"{type(error).__name__} in a step") from error

    async def _quarantine(self, arrival: Arrival, error: PoisonError) -> None:
        output = await self._work(self._stage.quarantine, arrival, f"{type(error).__name__}: {error}")
        await self._send(output)
        self.counters.quarantined += 1

    def _repeated(self, partition: Partition[Body], slot: Slot[Body]) -> None:
        self.counters.repeated += 1
        self._done(partition, slot)

    def _done(self, partition: Partition[Body], slot: Slot[Body]) -> None:
        slot.done = True
        last = None
        while partition.slots and partition.slots[0].done:
            last = partition.slots.popleft().arrival
            partition.size -= len(last.value)
        if last is not None:
            self._port.ack(last.partition, last.offset)
        self._moved.set()

    async def _load(self, lane: Lane[Body]) -> CameraState:
        data = await self._again(lambda: self._port.load(lane.camera))
        if data is None:
            return self._stage.initial(lane.camera)
        try:
            if lane.known is None or lane.known[0] != data:
                lane.known = data, unpack_as("state", data)
            return lane.known[1]
        except UnknownRecord as error:
            raise SealframeError(f"state of camera {lane.camera}: {error}; run the release that wrote it") from error
        except MalformedRecord as error:
            raise MalformedRecord(f"state of camera {lane.camera}: {error}") from error

    async def _store(self, lane: Lane[Body], state: CameraState) -> None:
        data = pack("state", state)
        if len(data) > MAX_STATE_BYTES:
            data = pack("state", replace(state, tracks=(), appearances=(), cut=True))  # a crowd: all are found anew
        if len(data) > MAX_STATE_BYTES:
            raise SealframeError(f"{lane.camera}: state of {len(data)} bytes is over {MAX_STATE_BYTES}")
        await self._again(lambda: self._port.store(lane.camera, data))

    async def _send(self, output: Output) -> None:
        await self._again(lambda: self._port.send(output))
        self.counters.sent += 1
        self.counters.sent_bytes += len(output.value)

    async def _work(self, call: Callable[..., Result], *arguments: object) -> Result:
        loop = asyncio.get_running_loop()
        return await self._again(lambda: loop.run_in_executor(self._pool, call, *arguments))

    async def _again(self, call: Callable[[], Awaitable[Result]]) -> Result:
        """As often as it may be; for a platform's new address without end, as the gate would."""
        attempt = 0
        while True:
            try:
                return await call()
            except TransientError as error:
                waits = isinstance(error, PlatformNotReady)
                if attempt == self._limits.retries and not waits:
                    raise
                self.counters.retried += 1
                await self._sleep(self._limits.backoff_s * 2**attempt)
                attempt = min(attempt + 1, self._limits.retries - waits)
