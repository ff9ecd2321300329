"""Edge mode: camera and operators in one process, outputs to Kafka; raw pictures never leave it.

The same runner and step as the worker's, with the camera as source. The state lives as long as the process: a camera
starts a new video each time it is called, so after a crash there is nothing to come back to. Where the process is told
to stop, or the camera fails, what was read is finished first, and its video closed by a signed end. A live chunk is
late as of its capture: nothing else shows that reading has to wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from threading import Event, Thread

from infra.kafka import Producer
from schemas.codec import decode, encode, unpack_as
from schemas.errors import SealframeError
from schemas.frames import FrameChunk
from schemas.state import CameraState
from streams.clock import steady_ms
from streams.lanes import Limits
from streams.runner import Counters, Runner
from streams.stage import CAMERA, Arrival, Item, Output
from streams.topology import ChunkStage, Protection, item_of

POLL_S = 0.02
IN_HAND = 2
TICK_S = 0.5


class EdgeStage(ChunkStage):
    """The whole stage over chunks that never were on a topic; what can't be processed is quarantined all the same."""

    def open(self, arrival: Arrival) -> Item[FrameChunk]:
        """The chunk as the camera gave it; raises PoisonError if it is over a limit."""
        return item_of(decode(FrameChunk, arrival.value), arrival)


@dataclass
class EdgePort:
    """States in memory, records to a producer."""

    producer: Producer
    _states: dict[str, bytes] = field(default_factory=dict)

    async def load(self, camera_id: str) -> bytes | None:
        """What this process knows."""
        return self._states.get(camera_id)

    async def store(self, camera_id: str, state: bytes) -> None:
        """Keep it."""
        self._states[camera_id] = state

    def states(self) -> dict[str, CameraState]:
        """Of all cameras, as they are now."""
        return {camera: unpack_as("state", data) for camera, data in self._states.items()}

    async def send(self, output: Output) -> None:
        """Produce and await the acknowledgement."""
        sent = self.producer.send(output.topic, output.key, output.value)
        while not sent.done():
            self.producer.poll(0)
            await asyncio.sleep(0 if sent.done() else POLL_S)
        sent.result()

    def ack(self, partition: int, offset: int) -> None:
        """There is nobody to tell."""


async def run_edge(
    chunks: Iterable[FrameChunk],
    protection: Protection,
    producer: Producer,
    pool: Executor,
    gate: Callable[[], Awaitable[None]] | None = None,
    *,
    limits: Limits | None = None,
    report: Callable[[Counters], None] = lambda _: None,
    stop: Event | None = None,
) -> Counters:
    """Protect and send all chunks of a source, until it ends or `stop` is set, and close what is left open.

    Reading waits while `IN_HAND` chunks are in hand.

    Raises:
        SealframeError: what stopped it.

    """
    if gate is not None:
        await gate()
    bounds = limits or Limits(unacked_records=IN_HAND + 1)
    port, stop = EdgePort(producer), stop or Event()
    runner: Runner[FrameChunk] = Runner(EdgeStage(protection), port, pool, bounds, gate=gate)
    source, failed = enumerate(chunks), None
    while runner.error is None:
        try:
            taken = await _next(source, runner, stop)
        except SealframeError as error:
            failed, taken = error, None
        if taken is None:
            break
        offset, chunk = taken
        captured_ms = chunk.capture_ms + chunk.length_ms
        await runner.submit(Arrival(CAMERA, 0, offset, chunk.camera_id.encode(), encode(chunk), captured_ms))
        report(runner.counters)
    await runner.settle()
    now_ms = steady_ms()
    runner.tick(now_ms)
    runner.tick(now_ms + bounds.idle_ms)
    await runner.settle()
    if isinstance(runner.error, SealframeError):
        raise runner.error
    if runner.error is not None:
        raise SealframeError(f"edge stopped: {type(runner.error).__name__}") from runner.error
    for camera_id, state in port.states().items():
        for output in protection.close(state, camera_id)[1]:
            await port.send(output)
    if failed is not None:
        raise failed
    return runner.counters


async def _next(
    source: Iterator[tuple[int, FrameChunk]], runner: Runner[FrameChunk], stop: Event
) -> tuple[int, FrameChunk] | None:
    """The next chunk; meanwhile what a silent camera left held is flushed after the idle time."""
    reading: Future[tuple[int, FrameChunk] | None] = Future()
    # A thread that nobody waits for: a silent camera must not hold up the end of a process that has failed.
    reader = Thread(target=_read, args=(source, reading), daemon=True, name="camera")
    reader.start()
    taken = asyncio.wrap_future(reading)
    while not taken.done() and runner.error is None and not stop.is_set():
        await asyncio.wait({taken}, timeout=TICK_S)
        if not reader.is_alive() and not reading.done():
            raise SealframeError("reading the camera ended by a fault: see above")
        runner.tick(steady_ms())
    return await taken if runner.error is None and not stop.is_set() else None


def _read(source: Iterator[tuple[int, FrameChunk]], into: Future[tuple[int, FrameChunk] | None]) -> None:
    try:
        into.set_result(next(source, None))
    except SealframeError as error:
        into.set_exception(error)
