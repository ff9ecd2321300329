"""`sealframe eval latency`: from the moment `push` takes a chunk to seal and send it, to its arrival at a consumer.

The consumer is the operating platform's principal with a group of its own, on the broker. A chunk is held until the
next one of its video is there, so at real time one chunk length lies in every figure; sealing, signing, detection,
encoding and two ways through the broker make up the rest. One clock, that of this machine, times both ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from infra.camera import open_source
from operators.codec import encode
from schemas.codec import decode, unpack_as
from schemas.errors import ServiceUnavailable
from schemas.frames import FrameChunk
from schemas.records import OperatorBody, OperatorChunk
from schemas.topics import OPERATOR_VIDEO
from streams.evaluate.report import Figure
from streams.evaluate.stage import Meter
from streams.push import PATIENCE_MS, Pushed, push
from streams.stack import Stack, signing_key

GROUP = "operator.latency"
WARM_UP_SECONDS = 60.0
SETTLE_SECONDS = 120.0
SLACK_SECONDS = 0.5
Place = tuple[str, int]


@dataclass(slots=True)
class Timed:
    """When each chunk (video, number) was sent and seen, in seconds of the monotonic clock.

    `chunks`: what came of each; `lost`: those that a later one has passed, so that they are gaps in their video.
    """

    sent: dict[Place, float] = field(default_factory=dict)
    seen: dict[Place, float] = field(default_factory=dict)
    pushed: list[Pushed] = field(default_factory=list)
    chunks: dict[Place, OperatorChunk] = field(default_factory=dict)
    lost: set[Place] = field(default_factory=set)

    def see(self, chunk: OperatorChunk, now: float) -> None:
        """A chunk arrived; those of its video that were sent before it and didn't won't any more."""
        place = chunk.video_id, chunk.chunk_seq
        self.seen.setdefault(place, now)
        self.chunks.setdefault(place, chunk)
        before = [(chunk.video_id, seq) for seq in range(chunk.chunk_seq)] if chunk.gaps else []
        self.lost.update(one for one in before if one in self.sent and one not in self.seen)

    @property
    def seconds(self) -> list[float]:
        """Latency of each chunk that was seen."""
        return [self.seen[place] - at for place, at in self.sent.items() if place in self.seen]

    @property
    def waiting(self) -> int:
        """Chunks sent, neither seen nor lost."""
        return sum(place not in self.seen and place not in self.lost for place in list(self.sent))


class Watch:
    """Notes in a thread of its own when chunks arrive; a context."""

    def __init__(self, stack: Stack, timed: Timed) -> None:
        self._stack, self._timed = stack, timed
        self._ready, self._halt = threading.Event(), threading.Event()
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self) -> Watch:
        self._task = self._pool.submit(self._run)
        if not self._ready.wait(WARM_UP_SECONDS):
            raise ServiceUnavailable("the broker gave the watching consumer no partition")
        return self

    def __exit__(self, *_: object) -> None:
        self._halt.set()
        self._task.result()
        self._pool.shutdown()

    def settle(self, seconds: float = SETTLE_SECONDS) -> None:
        """Wait until everything that was sent has been seen; whatever hasn't by then stays counted as waiting."""
        deadline = time.monotonic() + seconds
        while self._timed.waiting and time.monotonic() < deadline and not self._task.done():
            time.sleep(0.1)

    def _run(self) -> None:
        with self._stack.access("operator").consumer(GROUP) as consumer:
            consumer.assign(
                (OPERATOR_VIDEO, number, consumer.bounds(OPERATOR_VIDEO, number)[1])
                for number in consumer.partitions(OPERATOR_VIDEO)
            )
            self._ready.set()
            while not self._halt.is_set():
                message = consumer.poll(0.2)
                if message is None:
                    continue
                now = time.monotonic()
                chunk = decode(OperatorBody, unpack_as("operator", message.value).signed.body).chunk
                if chunk is not None:
                    self._timed.see(chunk, now)


def film(
    stack: Stack, clips: Mapping[str, Path], seconds: float,
    beside: Callable[[Timed, threading.Event], None] | None = None,
) -> Timed:
    """Push each camera's clip in a loop at real time, to the end of the turn that runs after `seconds`.

    `beside` runs in a thread of its own until its event is set. Returns once all has arrived or has had its time.
    """
    timed, over = Timed(), threading.Event()
    for camera in clips:
        stack.enrol(f"camera-{camera}")
    end = time.monotonic() + seconds
    with Watch(stack, timed) as watch, ThreadPoolExecutor(len(clips) + 1) as pool:
        other = pool.submit(beside, timed, over) if beside else None
        try:
            pushes = [pool.submit(_push, stack, camera, clip, end, timed) for camera, clip in clips.items()]
            timed.pushed = [one.result() for one in pushes]
        finally:
            over.set()
        watch.settle()
        if other is not None:
            other.result()
    return timed


def evaluate(stack: Stack, clips: Mapping[str, Path], seconds: float) -> list[Figure]:
    """Latency of every chunk; chunks of 1 s unless the settings say another length."""
    meter = Meter(stack)
    timed = film(stack, clips, seconds)
    return [*figures(timed, stack.settings.chunk_ms / 1000, len(clips)), *meter.figures()]


def figures(timed: Timed, chunk: float, cameras: int) -> list[Figure]:
    """Share and spread; a chunk that never came makes the target miss."""
    seconds, n = timed.seconds, len(timed.sent)
    never = [float("inf")] * (timed.waiting + len(timed.lost))
    p50, p95 = (float(np.percentile(np.array([*seconds, *never]), share, method="higher")) for share in (50, 95))
    note = f"{cameras} camera(s) at real time, chunks of {chunk:g} s; push sends to consumer sees"
    return [
        Figure("latency_chunks_lost", len(never), "chunks", "==", 0, n),
        Figure("latency_p50_s", p50, "s", "<=", None, n),
        Figure("latency_p95_s", p95, "s", "<=", 2 * chunk + SLACK_SECONDS, n, note),
        Figure("latency_max_s", max([*seconds, *never]), "s", "<=", None, n, "the first chunk warms the worker up"),
    ]


def _push(stack: Stack, camera: str, clip: Path, end: float, timed: Timed) -> Pushed:
    principal = f"camera-{camera}"
    source = open_source(
        str(clip), encode=encode, camera_id=camera, chunk_ms=stack.settings.chunk_ms, loop=True, realtime=True
    )
    with stack.access(principal).producer(timeout_ms=PATIENCE_MS) as producer:
        return push(_noted(source, end, timed), camera, producer, stack.pipeline_recipient(),
                    signing_key(stack.tls, principal))


def _noted(chunks: Iterator[FrameChunk], end: float, timed: Timed) -> Iterator[FrameChunk]:
    """Chunks, each with its time, up to the end of a video after `end`."""
    for chunk in chunks:
        timed.sent[chunk.video_id, chunk.chunk_seq] = time.monotonic()
        yield chunk
        if chunk.end and time.monotonic() > end:
            return
