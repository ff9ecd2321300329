"""Small sealed pictures of what a video hides, inside the desensitised video itself; and out of any copy of it.

`hide` finds and paints as file mode does, takes groups of `GROUP` frames, seals 64x64 pictures of each group's
regions, and hides them in the group's pictures (`operators/hiding`). Each group is read back from its coded pictures
before it is written: what can't be revealed is not given out. `reveal` needs nothing of the file but its pictures: any
copy with all its frames, in order.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from infra.atomic import AtomicFile
from operators.codec import decode, decode_units, encode
from operators.cohere import lay_out
from operators.desensitise.carry import carrying
from operators.desensitise.paint import appearance_keys, appearances, paint
from operators.fragment import fragment, init_segment
from operators.hiding.carrier import CARRIERS, Carrier
from operators.hiding.faces import small_pictures
from operators.hiding.payload import capacity
from operators.hiding.recover import Passage, recover
from operators.pipeline import Pipeline
from operators.seal import Opener, seal, unseal
from schemas.codec import decode as decode_record
from schemas.codec import encode as encode_record
from schemas.errors import DamagedEnvelope, NotForMe, SourceError, UsageError
from schemas.frames import CodedUnit, DesensitisedFrame, FrameChunk, Planes, RawFrame, VideoFormat
from schemas.records import AssociatedData, Envelope, HiddenPictures
from schemas.regions import Region

GROUP = 48
TOPIC, TYPE = "hidden", "pictures"
_COMES_BACK = 2**28
_BREAKS = "the source changes its format, or its time runs back: split it there"
Progress = Callable[[int], None]


@dataclass(slots=True)
class HideTotals:
    """What was written: groups, regions of frames with and without a picture, bytes."""

    frames: int = 0
    groups: int = 0
    hidden: int = 0
    left_out: int = 0
    room: int = 0
    payload_bytes: int = 0
    public_bytes: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A frame before and after it is painted, and what was found in it."""

    raw: RawFrame
    shown: DesensitisedFrame
    regions: tuple[Region, ...]


@dataclass(slots=True)
class Revealed:
    """What came out of a group: its pictures (None: nothing is hidden there, or it is lost), and what was undone."""

    first_frame: int
    pictures: HiddenPictures | None = None
    passage: Passage | None = None
    why: str = field(default="")


def aad(group: int) -> AssociatedData:
    """What the pictures of a group are bound to."""
    return AssociatedData(TOPIC, TYPE, "", "", group)


def hide(
    chunks: Iterator[FrameChunk], pipeline: Pipeline, recipient: bytes, out: Path, carrier: Carrier, crf: float,
    progress: Progress | None = None,
) -> HideTotals:
    """Write the desensitised video with sealed pictures of its regions in it.

    Raises:
        UsageError: at this CRF what is hidden doesn't come back.
        SealframeError: the source or the disk refuses.

    """
    totals = HideTotals()
    with AtomicFile(out) as whole:
        for group, (format, origin, end_pts, frames) in enumerate(_groups(pipeline, chunks)):
            units = _coded(group, format, frames, recipient, carrier, crf, pipeline.policy.preset, totals)
            media = fragment(units, end_pts, group + 1, format, origin)
            if whole.file:
                whole.file.write((init_segment(format) if not group else b"") + media)
            totals.public_bytes += len(media)
            totals.groups, totals.frames = group + 1, totals.frames + len(frames)
            if progress:
                progress(totals.frames)
    return totals


def reveal(
    chunks: Iterator[FrameChunk], opener: Opener, carrier: Carrier, size: tuple[int, int] | None = None
) -> Iterator[Revealed]:
    """What is hidden in each group of a copy; `size`: of the original, where the copy has another.

    Raises:
        NotForMe: sealed for somebody else.
        SourceError: its format changes, or its time runs back; groups before that have come.

    """
    waiting: list[Planes] = []
    count, video = 0, ""
    format: VideoFormat | None = None
    for chunk in chunks:
        if format is None:
            format, video = chunk.format, chunk.video_id
        if (chunk.format, chunk.video_id) != (format, video):
            raise SourceError(_BREAKS)
        for frame in decode(chunk).frames:
            waiting.append(_sized(frame.planes, size))
            if len(waiting) == GROUP:
                yield _opened(count, waiting, format, opener, carrier)
                waiting, count = [], count + 1
    if waiting and format:
        yield _opened(count, waiting, format, opener, carrier)


def best_carrier(name: str) -> Carrier:
    """The carrier of this name.

    Raises:
        UsageError: no such carrier.

    """
    if name not in CARRIERS:
        raise UsageError(f"no carrier {name!r}; there are {', '.join(CARRIERS)}")
    return CARRIERS[name]


def seen_frames(pipeline: Pipeline, chunks: Iterator[FrameChunk]) -> Iterator[tuple[FrameChunk, list[Seen]]]:
    """The frames of each chunk as they are, as they are shown, and what was found, looking one chunk ahead."""
    secret, known = secrets.token_bytes(32), dict[int, bytes]()
    current, following = next(chunks, None), next(chunks, None)
    if current is None:
        raise SourceError("the source holds no picture")
    state = pipeline.initial(current.camera_id)
    while current is not None:
        located, regions = pipeline.locate(state, current, following)
        state = replace(located, video_id=current.video_id)
        decoded, policy = pipeline.examiner.take(current), pipeline.policy.at(current.camera_id)
        layout = lay_out(regions, current.format, policy)
        used = appearances(decoded, layout, known, policy, appearance_keys(layout, current, policy, secret))
        known |= used
        shown = paint(decoded.frames, layout, current.format, used, policy)
        yield current, [Seen(*one) for one in zip(decoded.frames, shown, regions.frames, strict=True)]
        current, following = following, next(chunks, None)


def _groups(
    pipeline: Pipeline, chunks: Iterator[FrameChunk]
) -> Iterator[tuple[VideoFormat, int, int, list[Seen]]]:
    """Format, first pts of the video, end and frames of every group."""
    waiting: list[Seen] = []
    origin, format, video, end = 0, None, "", 0
    for chunk, frames in seen_frames(pipeline, chunks):
        if format is None:
            origin, format, video = chunk.pts[0], chunk.format, chunk.video_id
        if chunk.video_id != video:
            raise SourceError(_BREAKS)
        waiting, end = waiting + frames, chunk.end_pts
        # A group ends where the following frame begins, so the last frame of a chunk waits for the next one.
        while len(waiting) > GROUP:
            yield format, origin, waiting[GROUP].raw.pts, waiting[:GROUP]
            waiting = waiting[GROUP:]
    if waiting and format:
        yield format, origin, end, waiting


def _coded(
    group: int, format: VideoFormat, frames: list[Seen], recipient: bytes, carrier: Carrier, crf: float, preset: str,
    totals: HideTotals,
) -> tuple[CodedUnit, ...]:
    room = capacity(format.width, format.height, len(frames), carrier)
    payload = sealed_pictures(group, frames, recipient, room, totals)
    pictures = carrying([frame.shown for frame in frames], format, payload, carrier)
    times = [frame.raw.pts for frame in frames]
    units = encode((one.planes for one in pictures), times, format, crf=crf, preset=preset)
    if payload:
        back = decode_units(units, "h264", format.width, format.height, _COMES_BACK, _COMES_BACK)
        _check(group, back, format, carrier, payload, crf)
    totals.room += room
    totals.payload_bytes += len(payload)
    return units


def _check(
    group: int, back: list[Planes], format: VideoFormat, carrier: Carrier, payload: bytes, crf: float
) -> None:
    try:
        whole = recover(back, format, carrier)[0] == payload
    except DamagedEnvelope:
        whole = False
    if not whole:
        raise UsageError(f"group {group}: at CRF {crf:g} what is hidden doesn't come back; take a lower --crf, or "
                         "--carrier sturdy, which holds less")


def sealed_pictures(group: int, frames: list[Seen], recipient: bytes, room: int, totals: HideTotals) -> bytes:
    """The envelope of a group's small pictures, encoded; nothing where nothing was found or none fits."""
    found = [frame.regions for frame in frames]
    over = len(encode_record(seal(b"", [recipient], aad(group)))) + 8
    if not any(found):
        return b""
    plain = small_pictures([frame.raw.planes for frame in frames], found, room - over)
    if not plain:
        totals.left_out += sum(map(len, found))
        return b""
    kept = sum(len(track.frames) for track in decode_record(HiddenPictures, plain).tracks)
    totals.hidden += kept
    totals.left_out += sum(map(len, found)) - kept
    return encode_record(seal(plain, [recipient], aad(group)))


def _opened(group: int, frames: list[Planes], format: VideoFormat, opener: Opener, carrier: Carrier) -> Revealed:
    out = Revealed(group * GROUP)
    try:
        payload, out.passage = recover(frames, format, carrier)
        if payload:
            plain = unseal(decode_record(Envelope, payload), [opener], aad(group))
            out.pictures = decode_record(HiddenPictures, plain)
        else:
            out.why = "nothing is hidden here"
    except NotForMe:
        raise
    except DamagedEnvelope as error:
        out.why = str(error)
    return out


def _sized(planes: Planes, size: tuple[int, int] | None) -> Planes:
    if size is None or (planes.y.shape[1], planes.y.shape[0]) == size:
        return planes
    width, height = size
    sizes = ((width, height), (width // 2, height // 2), (width // 2, height // 2))
    return Planes(*(
        np.asarray(cv2.resize(plane, to, interpolation=cv2.INTER_CUBIC), np.uint8)
        for plane, to in zip(planes.all(), sizes, strict=True)
    ))

