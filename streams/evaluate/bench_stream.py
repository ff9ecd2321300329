"""`sealframe bench stream`: so many live 720p cameras over the whole stack, and what the worker does to keep up.

Generated clips run in loops at real time, each turn a new video. A chunk counts from the moment `push` takes it to its
arrival at a consumer of the operator's topic, as in `eval latency`; what never came, or came as a gap, as endless. What
was spent on each chunk stands in its record. What leaks is counted in all that arrived, from the records' masks against
the truth of the clip, as `eval leak` counts: a face of 20 px height and more, a quarter in view, a tenth of that bare.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import numpy as np

from infra.postgres import connect
from operators.effort import COARSE, LEVELS, SPARSE, WHOLE
from operators.masks import unpack_masks
from schemas.frames import VideoFormat
from schemas.records import OperatorChunk
from streams.demo.compose import Face, Truth
from streams.evaluate.latency import SLACK_SECONDS, Timed, film
from streams.evaluate.leak import LEAK, MAX_LEAK, MIN_HEIGHT, MIN_VISIBLE, bare_share
from streams.evaluate.report import Figure
from streams.evaluate.stage import Clip, Meter
from streams.evaluate.stores import unread
from streams.stack import Stack

POLL_SECONDS, READ_SECONDS = 0.2, 900.0
CROWD, CROWDED = 3, 0.5
"""A clip is worth measuring with so many faces in this share of its frames."""


def evaluate(stack: Stack, clips: Mapping[str, Clip], minutes: float, preset: str) -> list[Figure]:
    """Film each camera's clip for so many minutes; `preset` names the figures."""
    meter, began = Meter(stack), time.monotonic()
    timed = film(stack, {camera: clip.path for camera, clip in clips.items()}, minutes * 60)
    seconds, spent = time.monotonic() - began, meter.figures(f"stream_{preset}_")
    behind = _behind(stack, timed, preset)
    truths = {camera: clip.truth for camera, clip in clips.items()}
    found = figures(timed, truths, seconds, stack.settings.chunk_ms / 1000, preset)
    return [*found, *behind, *spent]


def _behind(stack: Stack, timed: Timed, preset: str) -> list[Figure]:
    """How long the authorities take to store what is still on its way, and then to read what waits."""
    began, wanted = time.monotonic(), Counter[str]()
    for chunk in timed.chunks.values():
        wanted.update({count.authority: count.parts for count in chunk.evidence})
    stored = _until(lambda: all(_stored(stack, name) >= wanted[name] for name in stack.settings.authorities), began)
    left = unread(stack)
    read = _until(lambda: not unread(stack), began)
    return [
        Figure(f"stream_{preset}_behind_s", stored, "s", "<=", None, len(timed.chunks),
               "until the authorities had stored all evidence, from the last chunk's arrival on"),
        Figure(f"stream_{preset}_unread_s", read, "s", "<=", None, len(timed.chunks),
               f"until it was indexed, too; {left} chunks weren't when all was stored"),
    ]


def _until(holds: Callable[[], bool], began: float) -> float:
    """Seconds from then until it holds; endless where it doesn't in time."""
    while not holds():
        if time.monotonic() - began > READ_SECONDS:
            return float("inf")
        time.sleep(POLL_SECONDS)
    return time.monotonic() - began


def _stored(stack: Stack, name: str) -> int:
    with connect(stack.databases[f"authority-{name}"].app()) as db:
        row = db.execute("SELECT coalesce(sum(parts), 0) FROM evidence").fetchone()
    return int(row[0]) if row else 0


def figures(
    timed: Timed, truths: Mapping[str, Truth], seconds: float, chunk: float, preset: str
) -> list[Figure]:
    """Latency, what was spent, what was lost, and what leaks; `truths` by camera, `chunk` in seconds."""
    name, n = f"stream_{preset}", len(timed.sent)
    never = [float("inf")] * (timed.waiting + len(timed.lost))
    p50, p95 = (float(np.percentile([*timed.seconds, *never], at, method="higher")) for at in (50, 95))
    levels, arrived = Counter(one.effort for one in timed.chunks.values()), len(timed.chunks)
    frames = sum(len(one.pts) for one in timed.chunks.values())
    leaking, faces = leaks(list(timed.chunks.values()), truths)
    shares = [crowded(truth) for truth in truths.values()]
    return [
        Figure(f"{name}_latency_p50_s", p50, "s", "<=", None, n, f"{len(truths)} cameras at real time"),
        Figure(f"{name}_latency_p95_s", p95, "s", "<=", 2 * chunk + SLACK_SECONDS, n),
        Figure(f"{name}_chunks_dropped", len(timed.lost), "chunks", "==", 0, n, "gaps in the video"),
        Figure(f"{name}_chunks_unseen", timed.waiting, "chunks", "==", 0, n, "not there when all had its time"),
        *(
            Figure(f"{name}_{LEVELS[level]}", levels[level] / max(arrived, 1), "", "<=", target, arrived,
                   f"{levels[level]} chunks")
            for level, target in ((SPARSE, None), (COARSE, None), (WHOLE, 0.0))
        ),
        Figure(f"{name}_frames_per_second", frames / seconds, "frames/s", n=frames,
               note=f"delivered in {seconds:.0f} s"),
        Figure(f"{name}_leak_rate", leaking / max(faces, 1), "", "<=", MAX_LEAK, faces, f"{leaking} face-frames"),
        Figure(f"{name}_crowded_share", min(shares), "", ">=", CROWDED, len(shares),
               f"of a clip's frames {CROWD} faces or more are in view"),
    ]  # fmt: skip


def leaks(chunks: Sequence[OperatorChunk], truths: Mapping[str, Truth]) -> tuple[int, int]:
    """Face-frames that leak, and all of them; frame numbers of a video are those of the clip."""
    leaking = faces = 0
    for chunk in chunks:
        truth = truths[chunk.camera_id]
        video = VideoFormat(truth.width, truth.height, Fraction(1, truth.fps))
        masks = unpack_masks(chunk.masks, len(chunk.pts), video)
        for number, mask in enumerate(masks, chunk.first_frame):
            shares = [bare_share(face, mask) for face in truth.frames[number] if counts(face)]
            faces, leaking = faces + len(shares), leaking + sum(share > LEAK for share in shares)
    return leaking, faces


def crowded(truth: Truth) -> float:
    """Share of the frames in which there are enough faces."""
    return float(np.mean([sum(map(counts, faces)) >= CROWD for faces in truth.frames]))


def counts(face: Face) -> bool:
    """Large and visible enough."""
    return face.box[3] - face.box[1] >= MIN_HEIGHT and face.visible >= MIN_VISIBLE
