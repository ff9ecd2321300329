"""A video as the pipeline sends it: signed start, chunks with evidence counters, heads, end; real fragments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from operators.fragment import fragment, init_segment
from operators.sign import SigningKey, digest, sign
from schemas.codec import encode
from schemas.frames import CodedUnit, VideoFormat
from schemas.records import (
    EvidenceCount,
    OperatorBody,
    OperatorChunk,
    OperatorRecord,
    VideoEnd,
    VideoHead,
    VideoStart,
)
from tests.support.clips import FORMAT, chunk

CAPTURE_MS = 1_700_000_000_000
FRAMES = 5
SEED = bytes(range(32))


@dataclass(frozen=True, slots=True)
class Video:
    """Records in order, and how to find them."""

    records: tuple[OperatorRecord, ...]
    video_id: str
    camera_id: str

    def without(self, *indices: int) -> tuple[OperatorRecord, ...]:
        """The records but these."""
        drop = {index % len(self.records) for index in indices}
        return tuple(record for index, record in enumerate(self.records) if index not in drop)


@cache
def _units(seed: int, first: int, format: VideoFormat) -> tuple[CodedUnit, ...]:
    return chunk(FRAMES, format, range(first, first + FRAMES), seed=seed).units


def signing_key(signer: bytes = b"") -> SigningKey:
    """The pipeline's key in tests; `signer` is its certificate, else the raw key."""
    return SigningKey(SEED, signer)


def identify(signer: bytes) -> tuple[str, bytes]:
    """Takes raw keys: that of `signing_key` is the pipeline's, any other a stranger's."""
    return ("pipeline" if signer == signing_key().public else "camera-x"), signer


def signed(body: OperatorBody, media: bytes = b"", key: SigningKey | None = None) -> OperatorRecord:
    """An operator record."""
    return OperatorRecord(sign(encode(body), "operator", key or signing_key()), media)


def video(
    chunks: int = 4,
    *,
    key: SigningKey | None = None,
    camera: str = "cam-1",
    video_id: str = "",
    evidence: Mapping[int, Sequence[tuple[str, int]]] | None = None,
    heads: Sequence[int] = (),
    end: bool = True,
    seed: int = 0,
    format: VideoFormat = FORMAT,
) -> Video:
    """A video of `chunks` chunks of five frames; `evidence`: chunk -> (authority, parts)."""
    video_id = video_id or f"{camera}-{CAPTURE_MS}-0000000{seed}"
    key = key or signing_key()
    init = init_segment(format)
    start = signed(OperatorBody(start=VideoStart(camera, video_id, format, CAPTURE_MS, 0, digest(init))), init, key)
    records, last = [start], digest(start.signed.body)
    totals: dict[str, EvidenceCount] = {}
    for seq in range(chunks):
        first = seq * FRAMES
        media = fragment(_units(seed + seq, first, format), first + FRAMES, seq + 1, format)
        counts = []
        for authority, parts in (evidence or {}).get(seq, ()):
            known = totals.get(authority, EvidenceCount(authority, 0, 0))
            counts.append(EvidenceCount(authority, parts, known.previous))
            totals[authority] = EvidenceCount(authority, known.parts + parts, seq + 1)
        made = OperatorChunk(
            camera, video_id, seq, first, CAPTURE_MS + 200 * seq, tuple(range(first, first + FRAMES)), first + FRAMES,
            b"", "solid", tuple(counts), digest(media), len(media), last,
        )
        records.append(signed(OperatorBody(chunk=made), media, key))
        last = digest(records[-1].signed.body)
        if seq in heads:
            head = VideoHead(camera, video_id, seq, last, CAPTURE_MS + 200 * seq)
            records.append(signed(OperatorBody(head=head), b"", key))
    if end:
        done = VideoEnd(camera, video_id, chunks, chunks * FRAMES, last, tuple(totals.values()))
        records.append(signed(OperatorBody(end=done), b"", key))
    return Video(tuple(records), video_id, camera)


def rewritten(record: OperatorRecord, *, media: bytes | None = None, key: SigningKey | None = None, **fields: object
              ) -> OperatorRecord:
    """The record with other fields of its content, signed again."""
    from schemas.codec import decode

    body = decode(OperatorBody, record.signed.body)
    name = next(name for name in ("start", "chunk", "head", "end") if getattr(body, name))
    changed = replace(body, **{name: replace(getattr(body, name), **fields)})
    return signed(changed, record.media if media is None else media, key)
