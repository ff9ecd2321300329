"""Paint a chunk: every claimed block is overwritten, no other sample changes."""

from __future__ import annotations

from collections.abc import Mapping

from operators import pixels
from operators.cohere import WHOLE, Layout
from operators.desensitise.averages import SOLID
from operators.desensitise.policy import Policy
from schemas.frames import DecodedChunk, DesensitisedFrame

GREY = b"\x80\x80\x80"


def paint(
    decoded: DecodedChunk, layout: Layout, appearances: Mapping[int, bytes], policy: Policy
) -> tuple[tuple[DesensitisedFrame, ...], dict[int, bytes]]:
    """The desensitised pictures, and the appearance of every track painted.

    A track without an appearance gets one from its region in the first frame that shows it.
    """
    used: dict[int, bytes] = {}
    frames = []
    for frame, claims in zip(decoded.frames, layout, strict=True):
        mask = pixels.no_blocks(decoded.chunk.format)
        planes = pixels.copy(frame.planes) if claims else frame.planes
        for claim in claims:
            rect = claim.rect
            mask[rect.top : rect.bottom, rect.left : rect.right] = True
            if claim.track == WHOLE:
                SOLID.paint(planes, GREY)
                continue
            method = policy.method(claim.kind)
            if claim.track not in used:
                known = appearances.get(claim.track)
                used[claim.track] = known or method.prepare(pixels.view(frame.planes, rect))
            method.paint(pixels.view(planes, rect), used[claim.track])
        mask.flags.writeable = False
        frames.append(DesensitisedFrame(frame.frame_no, frame.pts, pixels.freeze(planes), mask))
    return tuple(frames), used
