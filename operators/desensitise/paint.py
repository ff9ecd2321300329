"""Paint a chunk: every claimed block is overwritten, no other sample changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from operators import pixels
from operators.cohere import WHOLE, Claim, Layout
from operators.desensitise.averages import SOLID
from operators.desensitise.policy import Policy
from operators.pixels import Mask
from schemas.frames import DecodedChunk, DesensitisedFrame, RawFrame, VideoFormat

GREY = b"\x80\x80\x80"


def appearances(
    decoded: DecodedChunk, layout: Layout, known: Mapping[int, bytes], policy: Policy
) -> dict[int, bytes]:
    """The appearance of every track in the layout: a known one, or one made of the first region that shows it."""
    used: dict[int, bytes] = {}
    for frame, claims in zip(decoded.frames, layout, strict=True):
        for claim in claims:
            if claim.track != WHOLE and claim.track not in used:
                made = known.get(claim.track)
                used[claim.track] = made or policy.method(claim.kind).prepare(pixels.view(frame.planes, claim.rect))
    return used


def masks(layout: Layout, format: VideoFormat) -> list[Mask]:
    """The blocks that are painted in each frame."""
    return [_mask(claims, format) for claims in layout]


def paint(
    frames: Iterable[RawFrame], layout: Layout, format: VideoFormat, used: Mapping[int, bytes], policy: Policy
) -> Iterator[DesensitisedFrame]:
    """The desensitised pictures one by one: no more of them are held than the reader keeps."""
    for frame, claims in zip(frames, layout, strict=True):
        yield _painted(frame, claims, format, used, policy)


def _painted(
    frame: RawFrame, claims: Sequence[Claim], format: VideoFormat, used: Mapping[int, bytes], policy: Policy
) -> DesensitisedFrame:
    planes = pixels.copy(frame.planes) if claims else frame.planes
    for claim in claims:
        if claim.track == WHOLE:
            SOLID.paint(planes, GREY)
        else:
            policy.method(claim.kind).paint(pixels.view(planes, claim.rect), used[claim.track])
    return DesensitisedFrame(frame.frame_no, frame.pts, pixels.freeze(planes), _mask(claims, format))


def _mask(claims: Sequence[Claim], format: VideoFormat) -> Mask:
    mask = pixels.no_blocks(format)
    for claim in claims:
        mask[claim.rect.top : claim.rect.bottom, claim.rect.left : claim.rect.right] = True
    mask.flags.writeable = False
    return mask
