"""Records and states to bytes and back; the only user of the generated Protobuf classes.

A dataclass and its message share name and field names, so one converter serves all; the few fields of another shape
(fractions, sets, nested tuples) are converted by type. Encoding is deterministic.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message

from schemas import records as r
from schemas import sealframe_pb2 as pb
from schemas import state as s
from schemas.errors import ChunkTooLarge, MalformedRecord, UnknownRecord
from schemas.frames import (
    MAX_CODE_POINT,
    MAX_CODED_BYTES,
    MAX_DECODED_BYTES,
    MAX_FRAMES,
    MAX_NAME,
    MAX_SHOWN,
    MAX_SIDE,
    MAX_TIME_MS,
    FrameChunk,
    VideoFormat,
)
from schemas.regions import RegionSet

VERSION = 1
T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """The value of a record on a topic: `kind` names the field of the oneof, `value` its dataclass."""

    kind: str
    value: Any


BODIES: dict[str, type] = {
    "raw_chunk": r.Signed,
    "regions": r.PlacedRegions,
    "operator": r.OperatorRecord,
    "evidence": r.Signed,
    "upload_address": r.Signed,
    "readiness": r.Signed,
    "alarm": r.Alarm,
    "quarantined": r.Quarantined,
    "state": s.CameraState,
}


def pack(kind: str, value: Any) -> bytes:
    """Bytes of a topic record."""
    record = pb.Record(version=VERSION)
    getattr(record, kind).CopyFrom(_to_message(value))
    return record.SerializeToString(deterministic=True)


def unpack(data: bytes) -> Record:
    """Parse a topic record.

    Raises:
        MalformedRecord: the bytes don't parse, or are inconsistent.
        UnknownRecord: a version or a type of another release.

    """
    record = _parse(pb.Record(), data)
    kind = record.WhichOneof("body")
    if record.version != VERSION or kind is None:
        raise UnknownRecord(f"record of version {record.version}, type {kind or 'unknown'}")
    return Record(kind, _checked(_from_message(BODIES[kind], getattr(record, kind))))


def unpack_as(kind: str, data: bytes) -> Any:
    """Parse a topic record that must be of this type."""
    record = unpack(data)
    if record.kind != kind:
        raise UnknownRecord(f"record of type {record.kind} where {kind} belongs")
    return record.value


def encode(value: Any) -> bytes:
    """Bytes of a body: what is signed or sealed."""
    return _to_message(value).SerializeToString(deterministic=True)


def decode(kind: type[T], data: bytes) -> T:
    """Parse a body of this type.

    Raises:
        MalformedRecord: the bytes don't parse, or are inconsistent.

    """
    return _checked(_from_message(kind, _parse(_message_of(kind)(), data)))


def _parse(message: Any, data: bytes) -> Any:
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise MalformedRecord(f"{type(message).__name__} of {len(data)} bytes doesn't parse") from error
    return message


def _message_of(kind: Any) -> type[Message]:
    names = {r.PlacedRegions: "RegionSet", r.PieceUnit: "CodedUnit"}
    return typing.cast(type[Message], getattr(pb, names.get(kind, kind.__name__)))


def _fields(kind: Any) -> tuple[tuple[str, Any], ...]:
    known: tuple[tuple[str, Any], ...] = _hints(kind)
    return known


@cache
def _hints(kind: Any) -> tuple[tuple[str, Any], ...]:
    hints = typing.get_type_hints(kind)
    return tuple((field.name, hints[field.name]) for field in dataclasses.fields(kind))


def _to_message(value: Any) -> Any:
    special = _WRITERS.get(type(value))
    if special:
        return special(value)
    message = _message_of(type(value))()
    for name, _ in _fields(type(value)):
        item = getattr(value, name)
        if isinstance(item, tuple):
            getattr(message, name).extend(_to_message(i) if dataclasses.is_dataclass(i) else i for i in item)
        elif isinstance(item, Fraction):
            getattr(message, name).CopyFrom(pb.Rational(num=item.numerator, den=item.denominator))
        elif dataclasses.is_dataclass(item):
            getattr(message, name).CopyFrom(_to_message(item))
        elif item is not None:
            setattr(message, name, item)
    return message


def _from_message(kind: Any, message: Any) -> Any:
    special = _READERS.get(kind)
    if special:
        return special(message)
    try:
        return kind(**{name: _read(hint, message, name) for name, hint in _fields(kind)})
    except (ValueError, ZeroDivisionError) as error:
        raise MalformedRecord(f"{kind.__name__} holds an impossible value") from error


def _read(hint: Any, message: Any, name: str) -> Any:
    value = getattr(message, name)
    origin = typing.get_origin(hint)
    if origin is tuple:
        item = typing.get_args(hint)[0]
        return tuple(_from_message(item, v) for v in value) if dataclasses.is_dataclass(item) else tuple(value)
    if origin in (types.UnionType, typing.Union):
        item = next(arg for arg in typing.get_args(hint) if arg is not type(None))
        return _from_message(item, value) if message.HasField(name) else None
    if hint is Fraction:
        return Fraction(value.num, value.den)
    return _from_message(hint, value) if dataclasses.is_dataclass(hint) else value


def _write_regions(regions: RegionSet) -> Any:
    return pb.RegionSet(
        camera_id=regions.camera_id, video_id=regions.video_id, chunk_seq=regions.chunk_seq,
        frames=[pb.FrameRegions(regions=[_to_message(region) for region in frame]) for frame in regions.frames],
        failed=sorted(regions.failed), cuts=sorted(regions.cuts), moved=regions.moved, effort=regions.effort,
    )


def _read_regions(message: Any) -> RegionSet:
    from schemas.regions import Region

    frames = tuple(tuple(_from_message(Region, region) for region in frame.regions) for frame in message.frames)
    if any(len(region.box) != 4 for frame in frames for region in frame):
        raise MalformedRecord("a region's box doesn't have four numbers")
    return RegionSet(message.camera_id, message.video_id, message.chunk_seq, frames,
                     frozenset(message.failed), frozenset(message.cuts), message.moved, message.effort)


def _write_placed(placed: r.PlacedRegions) -> Any:
    message = _write_regions(placed.regions)
    message.raw_topic, message.raw_partition = placed.raw.topic, placed.raw.partition
    message.raw_offset, message.raw_digest = placed.raw.offset, placed.raw.digest
    return message


def _read_placed(message: Any) -> r.PlacedRegions:
    place = r.RawPlace(message.raw_topic, message.raw_partition, message.raw_offset, message.raw_digest)
    return r.PlacedRegions(_read_regions(message), place)


def _check_chunk(chunk: FrameChunk) -> None:
    check_format(chunk.format)
    coded = sum(len(unit.data) for unit in chunk.units)
    if coded > MAX_CODED_BYTES or len(chunk.units) * chunk.format.frame_bytes > MAX_DECODED_BYTES:
        raise ChunkTooLarge(f"chunk of {coded} coded bytes and {len(chunk.units)} pictures is over the limit")
    pts = chunk.pts
    if not pts or len(set(pts)) != len(pts) or chunk.end_pts <= pts[-1]:
        raise MalformedRecord("a chunk's presentation times must be distinct and end after the last picture")
    if chunk.codec not in ("h264", "hevc") or not chunk.camera_id or not 0 < len(chunk.video_id) <= MAX_NAME:
        raise MalformedRecord("a chunk needs a camera, a video and a known codec")
    if chunk.first_frame + len(chunk.units) > MAX_FRAMES or chunk.gaps > MAX_FRAMES:
        raise MalformedRecord(f"frames are counted up to {MAX_FRAMES}")
    if not 0 <= chunk.capture_ms <= MAX_TIME_MS:
        raise MalformedRecord("captured in no year that there is")


def check_format(fmt: VideoFormat) -> None:
    """Refuse pictures that the system can't work in.

    Raises:
        MalformedRecord: an odd or zero side, a time base, aspect, rotation or colours that mean nothing.
        ChunkTooLarge: a side over the limit, or one picture over the decoded limit.

    """
    if fmt.width > MAX_SIDE or fmt.height > MAX_SIDE or fmt.frame_bytes > MAX_DECODED_BYTES:
        raise ChunkTooLarge(f"pictures of {fmt.width}x{fmt.height} are over the limit of {MAX_SIDE} a side")
    if fmt.width <= 0 or fmt.height <= 0 or fmt.width % 2 or fmt.height % 2:
        raise MalformedRecord(f"pictures of {fmt.width}x{fmt.height}: both sides must be even and above 0")
    if fmt.time_base <= 0 or fmt.sample_aspect <= 0 or fmt.rotation not in (0, 90, 180, 270):
        raise MalformedRecord("time base, aspect or rotation means nothing")
    if max(fmt.primaries, fmt.transfer, fmt.matrix) > MAX_CODE_POINT:
        raise MalformedRecord("colours by code points that there aren't")
    if not fmt.can_be_shown:
        raise MalformedRecord(f"shown more than {MAX_SHOWN} or less than one sample wide")


def _check_body(body: r.OperatorBody) -> None:
    if sum(item is not None for item in (body.start, body.chunk, body.head, body.end)) != 1:
        raise MalformedRecord("an operator body holds exactly one of start, chunk, head, end")


def _check_state(state: s.CameraState) -> None:
    if state.state_version != s.STATE_VERSION:
        raise UnknownRecord(f"camera state of version {state.state_version}")


_WRITERS: dict[type, Callable[[Any], Any]] = {RegionSet: _write_regions, r.PlacedRegions: _write_placed}
_READERS: dict[type, Callable[[Any], Any]] = {RegionSet: _read_regions, r.PlacedRegions: _read_placed}
_CHECKS: dict[type, Callable[[Any], None]] = {
    FrameChunk: _check_chunk, VideoFormat: check_format, r.OperatorBody: _check_body, s.CameraState: _check_state,
}


def _checked(value: T) -> T:
    check = _CHECKS.get(type(value))
    if check:
        check(value)
    return value
