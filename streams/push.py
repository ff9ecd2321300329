"""Push chunks of one camera to the broker: sealed to the pipeline, signed by the camera, in order, none twice.

The producer is idempotent and places keys by `murmur2_random`. So many chunks are on their way at most; reading waits
while the broker is slow. `rate` > 0 slows down to that many times real time.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace

from infra.kafka import Message, Producer
from operators.sign import SigningKey
from schemas.errors import ConfigError, UsageError
from schemas.frames import FrameChunk
from schemas.topics import RAW
from streams.intake import seal_raw

IN_FLIGHT = 16
PATIENCE_MS = 120_000
"""How long a camera waits for the broker before it gives up: restarts and overload are shorter."""
FLUSH_SECONDS = PATIENCE_MS / 1000


@dataclass(frozen=True, slots=True)
class Pushed:
    """Totals: chunks and frames acknowledged, their coded and sealed bytes, and the videos they are of."""

    camera_id: str
    chunks: int = 0
    frames: int = 0
    coded_bytes: int = 0
    sealed_bytes: int = 0
    videos: tuple[str, ...] = ()
    seconds: float = 0.0

    def plus(self, chunk: FrameChunk, sealed_bytes: int) -> Pushed:
        """With one more chunk."""
        videos = self.videos if chunk.video_id in self.videos[-1:] else (*self.videos, chunk.video_id)
        return replace(
            self, chunks=self.chunks + 1, frames=self.frames + len(chunk.units), videos=videos,
            coded_bytes=self.coded_bytes + sum(len(unit.data) for unit in chunk.units),
            sealed_bytes=self.sealed_bytes + sealed_bytes,
        )


def push(
    chunks: Iterable[FrameChunk],
    camera_id: str,
    producer: Producer,
    pipeline: bytes,
    signer: SigningKey,
    *,
    in_flight: int = IN_FLIGHT,
    report: Callable[[Pushed], None] = lambda _: None,
) -> Pushed:
    """Send all chunks and wait until they are acknowledged; `report` is told the totals after each.

    `pipeline`: public key (X25519) that chunks are sealed to; `signer`: the camera's signing key and certificate.

    Raises:
        AccessDenied: the camera may not write.
        ServiceUnavailable: the broker stayed out of reach.
        ChunkTooLarge: a sealed chunk is over 8 MiB.
        UsageError: a chunk of another camera.

    """
    began = time.monotonic()
    totals = Pushed(camera_id)
    waiting: deque[Future[Message]] = deque()
    for chunk in chunks:
        if chunk.camera_id != camera_id:
            raise UsageError(f"chunk of camera {chunk.camera_id} in a push of camera {camera_id}")
        record = seal_raw(chunk, pipeline, signer)
        waiting.append(producer.send(RAW, camera_id.encode(), record))
        while waiting and (len(waiting) >= in_flight or waiting[0].done()):
            acknowledged(waiting.popleft(), producer)
        totals = replace(totals.plus(chunk, len(record)), seconds=time.monotonic() - began)
        report(totals)
    producer.flush(FLUSH_SECONDS)
    return replace(totals, seconds=time.monotonic() - began)


def while_valid(chunks: Iterable[FrameChunk], why_not: Callable[[], str]) -> Iterator[FrameChunk]:
    """Give chunks until there is a reason not to: what is signed later is refused, and nobody would tell the camera.

    Raises:
        ConfigError: the reason.

    """
    for chunk in chunks:
        if reason := why_not():
            raise ConfigError(reason)
        yield chunk


def paced(
    chunks: Iterable[FrameChunk],
    rate: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[FrameChunk]:
    """Give each chunk when its last frame would have been taken, at `rate` times real time.

    Raises:
        UsageError: the rate isn't above 0.

    """
    if rate <= 0:
        raise UsageError("rate must be above 0")
    due = clock()
    for chunk in chunks:
        due = max(due, clock() - 1.0) + float((chunk.end_pts - chunk.pts[0]) * chunk.format.time_base) / rate
        sleep(max(0.0, due - clock()))
        yield chunk


def acknowledged(sent: Future[Message], producer: Producer) -> None:
    """Wait until a record is acknowledged; raises what prevented it."""
    while not sent.done():
        producer.poll(0.1)
    sent.result()
