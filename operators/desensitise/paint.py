"""Paint a chunk: every claimed block is overwritten, no other sample changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from operators import pixels
from operators.cohere import WHOLE, Claim, Layout
from operators.desensitise.base import Spot, appearance_key
from operators.desensitise.fixed import SOLID
from operators.desensitise.policy import Policy
from operators.pixels import Mask, meet
from schemas.frames import BLOCK, DecodedChunk, DesensitisedFrame, FrameChunk, Planes, RawFrame, VideoFormat


def appearance_keys(layout: Layout, chunk: FrameChunk, policy: Policy, secret: bytes) -> dict[int, bytes]:
    """The key of every track in the layout that a keyed method hides."""
    claims = {claim.track: claim for frame in layout for claim in frame if claim.track != WHOLE}
    return {
        track: appearance_key(secret, chunk.video_id, chunk.chunk_seq, track)
        for track, claim in claims.items() if policy.method(claim.kind).keyed
    }


def appearances(
    decoded: DecodedChunk, layout: Layout, known: Mapping[int, bytes], policy: Policy,
    keys: Mapping[int, bytes] = MappingProxyType({}),
) -> dict[int, bytes]:
    """The appearance of every track in the layout: a known one that lasts, or one of the first region that shows it.

    A method whose appearances last a frame gets an empty one here. A keyed one, which can be read back, is made where
    no other track reaches into the region, else of nothing.
    """
    used: dict[int, bytes] = {}
    for frame, claims in zip(decoded.frames, layout, strict=True):
        for claim in claims:
            method = policy.method(claim.kind)
            if claim.track == WHOLE or claim.track in used or (method.keyed and not _alone(claim, claims)):
                continue
            if method.lasts == "track" and claim.track in known:
                used[claim.track] = known[claim.track]
            elif method.lasts == "frame":
                used[claim.track] = b""
            else:
                shown = spot(frame.planes, claim, decoded.chunk.format)
                used[claim.track] = method.prepare(shown, keys.get(claim.track, b""))
    for claim in (claim for claims in layout for claim in claims):
        if claim.track != WHOLE and claim.track not in used:
            nothing = Spot(pixels.blank(BLOCK, BLOCK, 128))
            used[claim.track] = policy.method(claim.kind).prepare(nothing, keys[claim.track])
    return used


def _alone(claim: Claim, claims: Sequence[Claim]) -> bool:
    return not any(other is not claim and meet(other.rect, claim.rect) for other in claims)


def masks(layout: Layout, format: VideoFormat) -> list[Mask]:
    """The blocks that are painted in each frame."""
    return [_mask(claims, format) for claims in layout]


def paint(
    frames: Iterable[RawFrame], layout: Layout, format: VideoFormat, used: Mapping[int, bytes], policy: Policy,
    passing: bool = False,
) -> Iterator[DesensitisedFrame]:
    """The desensitised pictures one by one: no more of them are held than the reader keeps.

    `passing`: each lies in the memory of the one before, for a reader that keeps none.
    """
    canvas = pixels.blank(format.width, format.height) if passing else None
    for frame, claims in zip(frames, layout, strict=True):
        yield _painted(frame, claims, format, used, policy, canvas)


def spot(planes: Planes, claim: Claim, format: VideoFormat) -> Spot:
    """What a method sees of a claim."""
    rect = claim.rect
    return Spot(pixels.view(planes, rect), rect.left * BLOCK, rect.top * BLOCK, claim.found, format.full_range)


def _painted(
    frame: RawFrame, claims: Sequence[Claim], format: VideoFormat, used: Mapping[int, bytes], policy: Policy,
    canvas: Planes | None,
) -> DesensitisedFrame:
    planes = pixels.copy(frame.planes, canvas) if claims else frame.planes
    for claim in claims:
        place = spot(planes, claim, format)
        if claim.track == WHOLE:
            SOLID.paint(place, SOLID.shown)
            continue
        method = policy.method(claim.kind)
        shown = used[claim.track]
        if method.lasts == "frame":
            shown = method.prepare(spot(frame.planes, claim, format), b"")
        method.paint(place, shown)
    return DesensitisedFrame(frame.frame_no, frame.pts, pixels.freeze(planes), _mask(claims, format))


def _mask(claims: Sequence[Claim], format: VideoFormat) -> Mask:
    mask = pixels.rects_mask((claim.rect for claim in claims), format)
    mask.flags.writeable = False
    return mask
