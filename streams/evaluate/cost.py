"""`sealframe eval cost`: what finding and following costs, against searching every frame with the same network.

CPU time of the process, of the same frames, both ways on one thread, one after the other for each chunk. Ours:
scene cuts, examination of every 5th frame, tracking both ways, masks. Plain: the network on each frame, nothing else.
Decoding is the same for both and in neither.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from operators.codec import decode
from operators.cohere import lay_out
from operators.desensitise.policy import Policy
from operators.detect import Finder
from operators.pipeline import Pipeline
from operators.sign import SigningKey
from schemas.frames import DecodedChunk, FrameChunk
from streams.evaluate.files import first_chunks
from streams.evaluate.report import Figure

SHARE = 1 / 3
_KEY = SigningKey(bytes(32))
Tell = Callable[[str], None]


@dataclass(slots=True)
class Spent:
    """CPU seconds for so many frames: all of ours, and one search in each."""

    frames: int = 0
    ours: float = 0.0
    plain: float = 0.0

    def add(self, other: Spent) -> None:
        """Take in another clip's."""
        self.frames += other.frames
        self.ours += other.ours
        self.plain += other.plain


def evaluate(
    clips: Iterable[Path], frames: int, finder: Finder, policy: Policy, tell: Tell = lambda _: None
) -> list[Figure]:
    """The first so many frames (whole chunks) of every clip."""
    total, worst = Spent(), 0.0
    for path in clips:
        one = spent(first_chunks(path, frames), finder, policy)
        if one.frames:
            share = one.ours / max(one.plain, 1e-9)
            worst = max(worst, share)
            tell(f"{path.name}: {one.frames} frames, {share:.2f}")
            total.add(one)
    return figures(total, worst)


def spent(chunks: Sequence[FrameChunk], finder: Finder, policy: Policy) -> Spent:
    """CPU seconds of both ways over the chunks of one camera."""
    out, clock = Spent(), time.process_time
    pipeline = Pipeline(policy, finder, _KEY, at_once=1)
    state = pipeline.initial("cost")
    for chunk, following in zip(chunks, [*chunks[1:], None], strict=True):
        began = clock()
        decode(chunk)
        decoded = clock()
        state, regions = pipeline.locate(replace(state, video_id=chunk.video_id), chunk, following)
        lay_out(regions, chunk.format, policy)
        done = clock()
        out.frames += _search(pipeline.examiner.take(chunk), finder, policy)
        out.plain += clock() - done
        out.ours += (done - decoded) - (decoded - began)  # `locate` decodes each chunk once, into memory like this
    return out


def _search(decoded: DecodedChunk, finder: Finder, policy: Policy) -> int:
    """Search every frame; how many there were. The pictures are let go, so that all decoding finds the same memory."""
    for frame in decoded.frames:
        finder.detect_planes(frame.planes, decoded.chunk.format, policy.detection_side)
    return len(decoded.frames)


def figures(total: Spent, worst: float) -> list[Figure]:
    """The share with its target, and where the time goes."""
    frames = max(total.frames, 1)
    return [
        Figure("cost_share", total.ours / max(total.plain, 1e-9), "", "<=", SHARE, total.frames,
               "CPU time of finding, following and laying out, against one search in every frame"),
        Figure("cost_share_worst_clip", worst, "", "<=", None, total.frames),
        Figure("cost_ms_a_frame", 1000 * total.ours / frames, "ms", "<=", None, total.frames),
        Figure("search_ms", 1000 * total.plain / frames, "ms", "<=", None, total.frames, "one frame, both looks"),
    ]
