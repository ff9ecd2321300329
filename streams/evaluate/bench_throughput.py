"""`sealframe bench throughput`: recorded video over the whole stack, as fast as it is taken, against file mode.

One 720p clip, in chunks of 1 s. File mode does it first, in this process, while the stack is up and has nothing to do;
then one camera pushes it, then four at once push the same. The clock runs from the first push until both platforms have
all of it stored: the operating platform every video's end, the authority every part. The worker's memory is sampled all
the while; what a further camera takes is the difference of the highest values, divided.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from infra.camera import open_source
from infra.postgres import Database
from operators.codec import encode
from schemas.errors import ServiceUnavailable
from streams.demo.run import Demo, Filmed, Shot
from streams.evaluate import bench
from streams.evaluate.report import Figure
from streams.evaluate.stage import worker_mib
from streams.stack import Stack

STREAMS = 4
KAFKA, A_CAMERA_MIB = 0.7, 120.0
WARM_FRAMES = 50
ARRIVAL_SECONDS = 900.0
EVERY_SECONDS, POLL_SECONDS = 0.1, 0.05
Tell = Callable[[str], None]


def evaluate(stack: Stack, clip: Path, folder: Path, frames: int, tell: Tell = lambda _: None) -> list[Figure]:
    """Figures of a clip scaled to 720p, there and back until it has so many frames; `folder` takes what is written.

    Raises:
        ServiceUnavailable: a video didn't arrive.

    """
    warm, path = folder / "warm.mp4", folder / "clip.mp4"
    bench.scaled(clip, warm, *bench.SIZES["720p"], WARM_FRAMES)
    bench.scaled(clip, path, *bench.SIZES["720p"], frames)
    run = Demo(stack.settings, stack, folder, tell)
    try:
        _pushed(stack, run, [Shot("camera-warm", warm, None)])
        tell("file mode")
        file_fps = frames / bench.timed(_in_file_mode, stack, path, folder)
        fps, mib = {}, {}
        for count in (1, STREAMS):
            tell(f"{count} camera(s)")
            shots = [Shot(f"camera-{count}-{number}", path, None) for number in range(count)]
            with peak_memory(stack) as samples:
                fps[count] = count * frames / bench.timed(_pushed, stack, run, shots)
            mib[count] = max(samples)
    finally:
        run.close()
    return figures(file_fps, fps, mib, frames)


def figures(file_fps: float, fps: dict[int, float], mib: dict[int, float], frames: int) -> list[Figure]:
    """Ratios of this run: frames a second and the worker's memory in MiB at most, by the number of cameras."""
    further = (mib[STREAMS] - mib[1]) / (STREAMS - 1)
    return [
        Figure("kafka_ratio", fps[1] / file_fps, "", ">=", KAFKA, frames,
               f"{fps[1]:.1f} frames/s from push to both stores, {file_fps:.1f} in file mode"),
        Figure("streams_ratio", fps[STREAMS] / fps[1], "", ">=", 1.0, STREAMS * frames,
               f"{STREAMS} cameras at once {fps[STREAMS]:.1f} frames/s in all, one {fps[1]:.1f}"),
        Figure("memory_a_camera_mib", further, "MiB", "<=", A_CAMERA_MIB, STREAMS,
               f"the worker's memory at most: {mib[1]:.0f} MiB with one camera, {mib[STREAMS]:.0f} with {STREAMS}"),
    ]


def _in_file_mode(stack: Stack, path: Path, folder: Path) -> None:
    source = open_source(str(path), encode=encode, camera_id="bench", chunk_ms=stack.settings.chunk_ms)
    bench.run([*source], folder, stack.settings.preset, evidence=True)


def _pushed(stack: Stack, run: Demo, shots: Sequence[Shot]) -> None:
    """Push all at once; back when both platforms have stored everything."""
    with ThreadPoolExecutor(len(shots)) as pool:
        filmed = list(pool.map(run.push, shots))
    _ended(stack, filmed)
    for one in filmed:
        run.arrived(one, ARRIVAL_SECONDS)


def _ended(stack: Stack, filmed: Sequence[Filmed]) -> None:
    """Wait until the operating platform has the end of each video, asking its database alone."""
    wanted, deadline = [one.video_id for one in filmed], time.monotonic() + ARRIVAL_SECONDS
    with Database(stack.databases["operator"].app()) as database:
        while time.monotonic() < deadline:
            with database.connection() as db:
                ended = db.execute(
                    "SELECT video_id FROM videos WHERE video_id = ANY(%s) AND end_digest IS NOT NULL", (wanted,)
                ).fetchall()
            if len(ended) == len(wanted):
                return
            time.sleep(POLL_SECONDS)
    raise ServiceUnavailable(f"a video had no end after {ARRIVAL_SECONDS:.0f} s; see the logs in {stack.home / 'run'}")


@contextmanager
def peak_memory(stack: Stack) -> Iterator[list[float]]:
    """The worker's resident memory, MiB, sampled until the end of the block; at least one value."""
    used, over = worker_mib(stack), threading.Event()
    samples: list[float] = []

    def sample() -> None:
        while True:
            samples.append(used())
            if over.wait(EVERY_SECONDS):
                return

    with ThreadPoolExecutor(1) as pool:
        task = pool.submit(sample)
        try:
            yield samples
        finally:
            over.set()
            task.result()
