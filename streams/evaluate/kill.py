"""`sealframe eval kill`: the worker killed again and again under load; then every chunk is looked for, once.

Cameras push clips in loops and in real time while the worker gets SIGKILL at random moments. Afterwards each video's
records must form one signed chain in one version, with exactly the evidence that its chunks count.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from infra.camera import open_source
from infra.tls import signer_identity
from operators.codec import decode as decode_pictures
from operators.codec import encode
from operators.sign import check
from schemas.codec import decode, unpack_as
from schemas.errors import IntegrityError, ServiceUnavailable
from schemas.frames import FrameChunk
from schemas.records import OperatorRecord, SealedEvidence
from schemas.topics import OPERATOR_VIDEO, evidence_topic
from streams.evaluate.report import Figure
from streams.push import Pushed, push
from streams.stack import Stack, signing_key
from streams.verify import Checked, check_chain, check_evidence, check_record, expected_evidence

CAMERAS = 4
FRAMES = 8
PROGRESS_SECONDS = 90.0
SETTLE_SECONDS = 300.0
Tell = Callable[[str], None]


@dataclass
class Delivered:
    """What a platform's topic holds of one video: first versions in order, and how many records came in another."""

    records: dict[bytes, OperatorRecord] = field(default_factory=dict)
    repeated: int = 0


def evaluate(stack: Stack, clips: Sequence[Path], kills: int, seed: int = 1, tell: Tell = lambda _: None
             ) -> list[Figure]:
    """Run the stack (it must be up), kill its worker so many times, and count what isn't right afterwards.

    Raises:
        ServiceUnavailable: the worker made no progress between two kills, or didn't catch up in the end.

    """
    cameras = [f"kill-{seed}-{number}-{os.getpid()}" for number in range(CAMERAS)]
    for camera in cameras:
        stack.enrol_camera(camera)
    halt = threading.Event()
    # enough to differ from run to run, not a secret
    moments = random.Random(seed)  # noqa: S311
    with ThreadPoolExecutor(CAMERAS) as pool:
        pushes = [
            pool.submit(_push, stack, clips[number % len(clips)], camera, halt) for number, camera in enumerate(cameras)
        ]
        try:
            for number in range(kills):
                _await_progress(stack, cameras)
                time.sleep(moments.uniform(0, 1.5))
                _kill(stack)
                tell(f"kill {number + 1} of {kills}")
                stack.up()
        finally:
            halt.set()
        pushed = [one.result() for one in pushes]
    _await_end(stack, pushed)
    return _figures(stack, pushed, kills)


def _push(stack: Stack, clip: Path, camera: str, halt: threading.Event) -> Pushed:
    chunks = open_source(str(clip), encode=encode, camera_id=camera, loop=True, realtime=True)
    principal = f"camera-{camera}"
    with stack.access(principal).producer() as producer:
        public = stack.pipeline_identity().public
        return push(_until(_short(chunks), halt), camera, producer, public, signing_key(stack.tls, principal))


def _short(chunks: Iterator[FrameChunk]) -> Iterator[FrameChunk]:
    """The same frames in chunks of `FRAMES`, so that at most moments one is held and another on its way."""
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
                end=chunk.end and not rest, gaps=0 if first else chunk.gaps,
            )
            seq += 1


def _until(chunks: Iterator[FrameChunk], halt: threading.Event) -> Iterator[FrameChunk]:
    """Chunks up to the end of the video that runs when `halt` is set."""
    for chunk in chunks:
        yield chunk
        if chunk.end and halt.is_set():
            return


def _kill(stack: Stack) -> None:
    pid = stack.status()["worker"]
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
        while stack.status()["worker"] is not None:
            time.sleep(0.05)


def _operator(stack: Stack, cameras: Sequence[str]) -> dict[str, Delivered]:
    """Records by video."""
    keys = {camera.encode() for camera in cameras}
    found: dict[str, Delivered] = {}
    with stack.access("operator").consumer("operator.eval") as consumer:
        messages = consumer.read_all(OPERATOR_VIDEO, seconds=120.0)
    for record in (unpack_as("operator", message.value) for message in messages if message.key in keys):
        video = check_record(record, _identify(stack)).item.video_id
        mine = found.setdefault(video, Delivered())
        mine.repeated += record.signed.body in mine.records
        mine.records.setdefault(record.signed.body, record)
    return found


def _await_progress(stack: Stack, cameras: Sequence[str]) -> None:
    before = sum(len(one.records) for one in _operator(stack, cameras).values())
    _wait(lambda: sum(len(one.records) for one in _operator(stack, cameras).values()) > before, PROGRESS_SECONDS)


def _await_end(stack: Stack, pushed: Sequence[Pushed]) -> None:
    videos = {video for one in pushed for video in one.videos}
    cameras = [one.camera_id for one in pushed]

    def ended() -> bool:
        found = _operator(stack, cameras)
        return all(video in found and _checked(stack, found[video])[-1].body.end for video in videos)

    _wait(ended, SETTLE_SECONDS)


def _wait(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ServiceUnavailable(f"the worker made no progress for {seconds:.0f} s; see its log")
        time.sleep(0.5)


def _figures(stack: Stack, pushed: Sequence[Pushed], kills: int) -> list[Figure]:
    found = _operator(stack, [one.camera_id for one in pushed])
    chunks = sum(one.chunks for one in pushed)
    lost, versions, broken = chunks, 0, 0
    counted: dict[str, dict[str, dict[int, int]]] = {name: {} for name in stack.settings.authorities}
    for video, delivered in found.items():
        checked = _checked(stack, delivered)
        seqs = [one.body.chunk.chunk_seq for one in checked if one.body.chunk]
        lost -= len(set(seqs))
        versions += len(seqs) - len(set(seqs))
        try:
            check_chain(checked)
        except IntegrityError:
            broken += 1
        for name in counted:
            counted[name][video] = expected_evidence(checked, name)
    missing = sum(_evidence_faults(stack, name, wanted) for name, wanted in counted.items())
    repeated = sum(one.repeated for one in found.values())
    return [
        Figure("kills", kills, "", ">=", None, kills, f"SIGKILL of the worker under {len(pushed)} cameras"),
        Figure("chunks_lost", lost, "", "==", 0, chunks),
        Figure("chunks_in_two_versions", versions, "", "==", 0, chunks),
        Figure("videos_with_broken_chain", broken, "", "==", 0, len(found)),
        Figure("videos_with_wrong_evidence", missing, "", "==", 0, len(found)),
        Figure("records_repeated", repeated, "", "<=", None, chunks, "equal bytes, dropped by the sinks"),
    ]


def _evidence_faults(stack: Stack, authority: str, wanted: dict[str, dict[int, int]]) -> int:
    principal, got = f"authority-{authority}", {video: dict[int, int]() for video in wanted}
    with stack.access(principal).consumer(f"{principal}.eval") as consumer:
        messages = consumer.read_all(evidence_topic(authority), seconds=120.0)
    for message in messages:
        signed = unpack_as("evidence", message.value)
        evidence = decode(SealedEvidence, check(signed, "evidence", _identify(stack)(signed.signer)[1]))
        if evidence.video_id in got:
            got[evidence.video_id][evidence.chunk_seq] = len(evidence.parts)
    faults = 0
    for video, expected in wanted.items():
        try:
            check_evidence(expected, got[video])
        except IntegrityError:
            faults += 1
    return faults


def _checked(stack: Stack, delivered: Delivered) -> list[Checked]:
    return [check_record(record, _identify(stack)) for record in delivered.records.values()]


def _identify(stack: Stack) -> Callable[[bytes], tuple[str, bytes]]:
    return lambda der: signer_identity(der, stack.tls / "ca.pem")
