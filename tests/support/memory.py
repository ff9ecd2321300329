"""A source, a table and sinks in memory, which can be cut off at any step; and a small stage to run on them."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from schemas.errors import MalformedRecord, UndecodableChunk
from schemas.state import CameraState
from streams.lanes import Limits
from streams.runner import Runner
from streams.stage import Arrival, Due, Item, Output

TOPIC = "source"
OUT = "out"
QUARANTINE = "quarantine"
ALARMS = "alarms"


class Cut(Exception):
    """The process dies here."""


@dataclass
class MemoryPort:
    """Table, sinks and commits outlive a `Cut`, as they outlive a worker.

    `cut_at`: number of the call to die in; `after`: it takes effect first, but its answer is never seen.
    """

    table: dict[str, bytes] = field(default_factory=dict)
    sent: list[Output] = field(default_factory=list)
    acked: dict[int, list[int]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    cut_at: int | None = None
    after: bool = False
    count: int = 0

    async def load(self, camera_id: str) -> bytes | None:
        self._step("load", lambda: None)
        return self.table.get(camera_id)

    async def store(self, camera_id: str, state: bytes) -> None:
        await asyncio.sleep(0)
        self._step("store", lambda: self.table.update({camera_id: state}))

    async def send(self, output: Output) -> None:
        await asyncio.sleep(0)
        self._step("send", lambda: self.sent.append(output))

    def ack(self, partition: int, offset: int) -> None:
        self._step("ack", lambda: self.acked.setdefault(partition, []).append(offset))

    def committed(self, partition: int) -> int:
        """Where a restarted worker reads on."""
        offsets = self.acked.get(partition, [])
        return offsets[-1] + 1 if offsets else 0

    def of(self, topic: str) -> list[Output]:
        """What was sent to a topic, in order."""
        return [output for output in self.sent if output.topic == topic]

    def _step(self, name: str, effect: Callable[[], None]) -> None:
        self.count += 1
        dies = self.count == self.cut_at
        if not dies or self.after:
            self.calls.append(name)
            effect()
        if dies:
            raise Cut(name)


class DigestStage:
    """Outputs say what was seen of a chunk, of the next one, and of all before it, and at which levels of effort.

    A record whose `poison` is "open" or "step" can't be processed; with "number" nothing can be computed.
    """

    def __init__(self) -> None:
        self.stepped: list[tuple[str, int, int | None]] = []
        self.levels: list[int] = []
        self.expected: list[tuple[int, int]] = []
        self.forgotten: list[str] = []

    def open(self, arrival: Arrival) -> Item[dict[str, object]]:
        body = json.loads(arrival.value)
        if body.get("poison") == "open":
            raise MalformedRecord(f"{arrival.topic}/{arrival.partition} at {arrival.offset}")
        end, seq = body.get("end", False), body["seq"]
        due = Due(body["sent"], body.get("length", 1.0), skippable=not end) if "sent" in body else None
        return Item(body["video"], seq, end, body | {"camera": arrival.key.decode()}, due)

    def initial(self, camera_id: str) -> CameraState:
        return CameraState()

    def expect(self, item: Item[dict[str, object]], level: int) -> None:
        self.expected.append((item.seq, level))

    def forget(self, camera_id: str) -> None:
        self.forgotten.append(camera_id)

    def step(
        self, state: CameraState, item: Item[dict[str, object]], following: Item[dict[str, object]] | None
    ) -> tuple[CameraState, Sequence[Output]]:
        if item.body.get("poison") == "step" or (following and following.body.get("poison") == "step"):
            raise UndecodableChunk(f"{item.video_id} chunk {item.seq}")
        if item.body.get("poison") == "number":
            raise OverflowError("more than fits")
        self.stepped.append((item.video_id, item.seq, following.seq if following else None))
        self.levels.append(state.load.level if state.load else 0)
        spent = [state.load.level, state.load.ahead] if state.load else []
        seen = json.dumps([item.body, following.body if following else None, *spent], sort_keys=True).encode()
        digest = hashlib.sha256(state.last_digest + seen).digest()
        key = str(item.body["camera"]).encode()
        name = f"{item.video_id}/{item.seq}".encode()
        outputs = [Output(OUT, key, part + b" " + name + b" " + digest) for part in (b"evidence", b"operator")]
        return replace(state, video_id=item.video_id, last_seq=item.seq, last_digest=digest, ended=item.end), outputs

    def lose(
        self, state: CameraState, item: Item[dict[str, object]]
    ) -> tuple[CameraState, Sequence[Output]]:
        told = f"lost {item.video_id}/{item.seq} ".encode() + state.last_digest
        return replace(state, reached=item.seq), [Output(OUT, str(item.body["camera"]).encode(), told)]

    def overload(self, item: Item[dict[str, object]]) -> Output:
        return Output(ALARMS, str(item.body["camera"]).encode(), f"{item.video_id}/{item.seq}".encode())

    def quarantine(self, arrival: Arrival, reason: str) -> Output:
        return Output(QUARANTINE, arrival.key, f"{arrival.partition}/{arrival.offset} {reason}".encode())


def chunk(
    camera: str, video: str, seq: int, *, end: bool = False, poison: str = "", sent: int | None = None
) -> tuple[bytes, bytes]:
    """Key and value of a record for `DigestStage`; `sent`: live, and in its source since then (ms)."""
    body: dict[str, object] = {"video": video, "seq": seq, "end": end} | ({"poison": poison} if poison else {})
    return camera.encode(), json.dumps(body | ({} if sent is None else {"sent": sent})).encode()


def arrivals(records: Sequence[tuple[bytes, bytes]], partition: int = 0) -> list[Arrival]:
    """Records as they lie in a partition."""
    return [Arrival(TOPIC, partition, offset, key, value) for offset, (key, value) in enumerate(records)]


async def no_wait(seconds: float) -> None:
    """Instead of sleeping."""
    await asyncio.sleep(0)


def runner(port: MemoryPort, pool: ThreadPoolExecutor, stage: DigestStage | None = None, **limits: int) -> Runner:  # type: ignore[type-arg]
    """A runner over memory, with small bounds."""
    return Runner(stage or DigestStage(), port, pool, Limits(**({"idle_ms": 100} | limits)), sleep=no_wait)
