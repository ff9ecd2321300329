"""`sealframe eval kill`: a service killed again and again under load; then every chunk is looked for, once.

Cameras push clips in loops and in real time while worker, operating platform or authority gets SIGKILL at random
moments. Afterwards each video's records must form one signed chain in one version, with exactly the evidence that its
chunks count, and both stores must hold exactly that.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from infra import process
from infra.camera import open_source
from operators.codec import decode as decode_pictures
from operators.codec import encode
from schemas.errors import ServiceUnavailable
from schemas.frames import FrameChunk
from streams.evaluate import delivered, stores
from streams.evaluate.delivered import Delivered
from streams.evaluate.report import Figure
from streams.push import PATIENCE_MS, Pushed, push
from streams.stack import Stack, signing_key

SERVICES = ("worker", "operator", "authority")
CAMERAS = 4
FRAMES = 8
PROGRESS_SECONDS = 90.0
LOG_LINES = 60
Tell = Callable[[str], None]


def evaluate(
    stack: Stack, clips: Sequence[Path], kills: int, seed: int = 1, service: str = "worker",
    tell: Tell = lambda _: None,
) -> list[Figure]:
    """Run the stack (it must be up), kill one service so many times, and count what isn't right afterwards.

    `service`: one of `SERVICES`; of several authorities the first.

    Raises:
        ServiceUnavailable: the service made no progress between two kills.

    """
    victim = f"authority-{next(iter(stack.settings.authorities))}" if service == "authority" else service
    began = time.monotonic()
    cameras = [f"kill-{seed}-{number}-{os.getpid()}" for number in range(CAMERAS)]
    for camera in cameras:
        stack.enrol(f"camera-{camera}")
    halt, watch = threading.Event(), _Watch(stack, tell)
    with ThreadPoolExecutor(CAMERAS) as pool:
        pushes = [
            pool.submit(_push, stack, clips[number % len(clips)], camera, halt) for number, camera in enumerate(cameras)
        ]
        try:
            _kill_again(watch, victim, kills, seed)
        finally:
            halt.set()
        pushed = [one.result() for one in pushes]
    tell("waiting for the rest")
    found = _settled(watch, pushed)
    watch.look()
    seconds, chunks = time.monotonic() - began, sum(one.chunks for one in pushed)
    tell("comparing")
    return [
        Figure("kills", kills, "", ">=", None, kills, f"SIGKILL of the {service} under {CAMERAS} cameras"),
        Figure("services_ended_unasked", watch.ended, "", "==", 0, len(stack.status()), "and started again"),
        *delivered.figures(stack, found, chunks),
        *stores.figures(stack, found, chunks),
        Figure("kill_seconds", seconds, "s", "<=", None, kills, "pushing, killing, catching up; without comparing"),
    ]


@dataclass
class _Watch:
    """Counts services that ended unasked, tells the end of their logs, and starts them again."""

    stack: Stack
    tell: Tell
    ended: int = 0

    def look(self) -> None:
        """Look at all services."""
        down = [name for name, pid in self.stack.status().items() if pid is None]
        for name in down:
            self.tell(f"{name} had ended; the end of its log:\n{process.tail(self.stack.log(name), LOG_LINES)}")
        if down:
            self.ended += len(down)
            self.stack.up()


def _kill_again(watch: _Watch, victim: str, kills: int, seed: int) -> None:
    stack = watch.stack
    # enough to differ from run to run, not a secret
    moments = random.Random(seed)  # noqa: S311
    for number in range(kills):
        _await_progress(watch, victim)
        time.sleep(moments.uniform(0, 1.5))
        watch.look()
        _kill(stack, victim)
        watch.tell(f"kill {number + 1} of {kills}")
        stack.up()


def _await_progress(watch: _Watch, victim: str) -> None:
    before, deadline = _done(watch.stack, victim), time.monotonic() + PROGRESS_SECONDS
    while _done(watch.stack, victim) <= before:
        watch.look()
        if time.monotonic() > deadline:
            raise ServiceUnavailable(
                f"{victim} made no progress for {PROGRESS_SECONDS:.0f} s; the end of its log:\n"
                f"{process.tail(watch.stack.log(victim), LOG_LINES)}"
            )
        time.sleep(0.5)


def _done(stack: Stack, victim: str) -> int:
    """Grows while the service does its work; that of the worker is what the operating platform stores."""
    return stores.counts(stack)["operator" if victim == "worker" else victim]


def _push(stack: Stack, clip: Path, camera: str, halt: threading.Event) -> Pushed:
    chunks = open_source(str(clip), encode=encode, camera_id=camera, loop=True, realtime=True)
    principal = f"camera-{camera}"
    with stack.access(principal).producer(timeout_ms=PATIENCE_MS) as producer:
        public = stack.pipeline_recipient()
        return push(_until(_short(chunks), halt), camera, producer, public, signing_key(stack.tls, principal))


def _short(chunks: Iterator[FrameChunk]) -> Iterator[FrameChunk]:
    """The same frames in chunks of `FRAMES`, so that at most moments one is held and another on its way.

    Not as live ones: what a late camera loses on purpose isn't what is asked here.
    """
    video, seq = "", 0
    for chunk in chunks:
        video, seq = chunk.video_id, seq if chunk.video_id == video else 0
        frames = decode_pictures(chunk).frames
        for first in range(0, len(frames), FRAMES):
            part, rest = frames[first : first + FRAMES], frames[first + FRAMES :]
            units = encode(
                [frame.planes for frame in part], [frame.pts for frame in part], chunk.format, crf=23,
                preset="ultrafast",
            )
            after_ms = round((part[0].pts - frames[0].pts) * chunk.format.time_base * 1000)
            yield replace(
                chunk, chunk_seq=seq, first_frame=chunk.first_frame + first, capture_ms=chunk.capture_ms + after_ms,
                codec="h264", units=units, end_pts=rest[0].pts if rest else chunk.end_pts, audio=b"",
                end=chunk.end and not rest, gaps=0 if first else chunk.gaps, live=False,
            )
            seq += 1


def _until(chunks: Iterator[FrameChunk], halt: threading.Event) -> Iterator[FrameChunk]:
    """Chunks up to the end of the video that runs when `halt` is set."""
    for chunk in chunks:
        yield chunk
        if chunk.end and halt.is_set():
            return


def _kill(stack: Stack, victim: str) -> None:
    pid = stack.status()[victim]
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
        while stack.status()[victim] is not None:
            time.sleep(0.05)


def _settled(watch: _Watch, pushed: Sequence[Pushed]) -> dict[str, Delivered]:
    """What the topics hold once everything has come, or nothing more does: what isn't there then counts as lost."""
    stack, cameras = watch.stack, [one.camera_id for one in pushed]
    chunks, videos = sum(one.chunks for one in pushed), sum(len(one.videos) for one in pushed)
    reached, since = -1, time.monotonic()
    while stores.counts(stack)["operator"] < chunks + videos and time.monotonic() - since < PROGRESS_SECONDS:
        watch.look()
        if delivered.grown(stack) > reached:
            reached, since = delivered.grown(stack), time.monotonic()
        time.sleep(1.0)
    found = delivered.read(stack, cameras)
    expected, deadline = stores.expected_counts(stack, found), time.monotonic() + PROGRESS_SECONDS
    while (stores.counts(stack) != expected or stores.unread(stack)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return found
