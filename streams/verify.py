"""Check the signed records of a video: signatures, media, chain, counters, end. Pure: no I/O, no clock.

Order of a video: its start, then chunks 0, 1, 2 ... with heads between them, then its end. Each chunk names the SHA-256
of the signed body before it (the first one the start's), so that one record taken out, changed or put elsewhere breaks
the chain behind it. Who a signer is says `Identify`: with a CA, `infra.tls.signer_identity`; in file mode a comparison
with the one known key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from operators.sign import check, check_media, digest
from schemas.codec import decode, unpack_as
from schemas.errors import (
    BadSignature,
    ChainBroken,
    DigestMismatch,
    MissingChunk,
    MissingEnd,
    MissingEvidence,
)
from schemas.records import (
    EvidenceCount,
    OperatorBody,
    OperatorChunk,
    OperatorRecord,
    SealedEvidence,
    VideoEnd,
    VideoHead,
    VideoStart,
)

PIPELINE = "pipeline"
RECORD_TYPE = "operator"
Identify = Callable[[bytes], tuple[str, bytes]]
"""Principal and Ed25519 public key (32 bytes) of a `Signed.signer`; raises BadSignature."""


@dataclass(frozen=True, slots=True)
class Checked:
    """An operator record whose signature (and media, if asked for) hold; `digest` is that of the signed body."""

    record: OperatorRecord
    body: OperatorBody
    digest: bytes

    @property
    def item(self) -> VideoStart | OperatorChunk | VideoHead | VideoEnd:
        """The one thing that the body holds."""
        body = self.body
        item = body.start or body.chunk or body.head or body.end
        if item is None:
            raise ChainBroken("an operator record without content")
        return item

    @property
    def where(self) -> str:
        """Video and kind of record, for messages."""
        item = self.item
        seq = f" {item.chunk_seq}" if isinstance(item, OperatorChunk | VideoHead) else ""
        return f"{item.video_id}: {type(item).__name__}{seq}"


def check_record(record: OperatorRecord, identify: Identify, *, media: bool = True) -> Checked:
    """Check one record by itself; `media=False` for records that were asked for without their media.

    Raises:
        BadSignature: the signature doesn't hold, or its signer isn't the pipeline.
        DigestMismatch: the media aren't those that were signed.
        MalformedRecord: the body doesn't parse.

    """
    principal, public_key = identify(record.signed.signer)
    if principal != PIPELINE:
        raise BadSignature(f"an operator record is signed by {principal!r}, not by the pipeline")
    signed_bytes = check(record.signed, RECORD_TYPE, public_key)
    checked = Checked(record, decode(OperatorBody, signed_bytes), digest(signed_bytes))
    if media:
        _check_media(checked)
    return checked


def _check_media(checked: Checked) -> None:
    item, media = checked.item, checked.record.media
    if isinstance(item, VideoStart | OperatorChunk):
        check_media(media, item.media_digest, checked.where)
        if isinstance(item, OperatorChunk) and len(media) != item.media_bytes:
            raise DigestMismatch(f"{checked.where}: {len(media)} bytes of media, {item.media_bytes} signed")
    elif media:
        raise DigestMismatch(f"{checked.where}: media beside a record that names none")


@dataclass(frozen=True, slots=True)
class Chain:
    """A video as far as it has been checked.

    `digest`: of the last chunk's body (before the first: the start's); None: not known, any is taken. `next_seq`: the
    chunk that must follow. `first`: the chunk where checking began. `covered`: chunks that a signed head vouches for.
    `evidence`: per authority the parts so far, and 1 + the last chunk with some.
    """

    start: VideoStart
    digest: bytes | None
    next_seq: int = 0
    first: int = 0
    frames: int = 0
    next_frame: int = 0
    covered: int = 0
    evidence: tuple[EvidenceCount, ...] = ()
    end: VideoEnd | None = None


def begin(start: Checked) -> Chain:
    """The chain of a video from its start record.

    Raises:
        ChainBroken: another record.

    """
    if not isinstance(start.item, VideoStart):
        raise ChainBroken(f"{start.where} where the start belongs")
    return Chain(start.item, start.digest)


def extend(chain: Chain, following: Checked) -> Chain:
    """The chain with the next record.

    Raises:
        MissingChunk: chunks between are missing.
        ChainBroken: it doesn't continue the chain, or its counters don't.

    """
    item = following.item
    if isinstance(item, VideoStart) or (item.camera_id, item.video_id) != (chain.start.camera_id, chain.start.video_id):
        raise ChainBroken(f"{following.where} in the chain of {chain.start.video_id}")
    if chain.end is not None:
        raise ChainBroken(f"{following.where} after the end of its video")
    if isinstance(item, OperatorChunk):
        return _with_chunk(chain, item, following)
    if isinstance(item, VideoHead):
        return _with_head(chain, item, following.where)
    return _with_end(chain, item, following.where)


def _with_chunk(chain: Chain, chunk: OperatorChunk, checked: Checked) -> Chain:
    where = checked.where
    if chunk.chunk_seq > chain.next_seq and not chunk.gaps:
        raise MissingChunk(f"{chunk.video_id}: chunk {chain.next_seq} is missing before {chunk.chunk_seq}")
    if chunk.chunk_seq < chain.next_seq:
        raise ChainBroken(f"{where} comes after chunk {chain.next_seq - 1}")
    if chain.digest is not None and chunk.previous_digest != chain.digest:
        raise ChainBroken(f"{where} doesn't continue the record before it")
    if not chunk.pts or (
        chain.digest is not None
        and not chain.next_frame <= chunk.first_frame <= chain.next_frame + chunk.gaps
    ):
        raise ChainBroken(f"{where} begins at frame {chunk.first_frame}, not {chain.next_frame}, or holds none")
    return replace(
        chain,
        digest=checked.digest,
        next_seq=chunk.chunk_seq + 1,
        frames=chain.frames + len(chunk.pts),
        next_frame=chunk.first_frame + len(chunk.pts),
        evidence=_counted(chain, chunk, where),
    )


def _counted(chain: Chain, chunk: OperatorChunk, where: str) -> tuple[EvidenceCount, ...]:
    counts = {count.authority: count for count in chain.evidence}
    if len({count.authority for count in chunk.evidence}) != len(chunk.evidence):
        raise ChainBroken(f"{where} counts the evidence of one authority twice")
    for count in chunk.evidence:
        known = counts.get(count.authority)
        fits = count.previous == known.previous if known else count.previous <= chain.first
        if not fits:
            raise ChainBroken(f"{where}: the evidence counter of {count.authority} doesn't continue")
        if count.parts:
            total = count.parts + (known.parts if known else 0)
            counts[count.authority] = EvidenceCount(count.authority, total, chunk.chunk_seq + 1)
    return tuple(counts.values())


def _with_head(chain: Chain, head: VideoHead, where: str) -> Chain:
    if head.chunk_seq >= chain.next_seq:
        raise MissingChunk(f"{head.video_id}: a head vouches for chunk {head.chunk_seq}, which is missing")
    if head.chunk_seq == chain.next_seq - 1 and head.digest != chain.digest:
        raise ChainBroken(f"{where} names another chunk than the one before it")
    return replace(chain, covered=max(chain.covered, head.chunk_seq + 1))


def _with_end(chain: Chain, end: VideoEnd, where: str) -> Chain:
    if end.chunks > chain.next_seq:
        missing = end.chunks - chain.next_seq
        raise MissingChunk(f"{end.video_id}: of {end.chunks} signed chunks the last {missing} are missing")
    if end.chunks < chain.next_seq or (chain.digest is not None and end.digest != chain.digest):
        raise ChainBroken(f"{where} closes another sequence of chunks")
    if chain.first == 0:
        signed = {(c.authority, c.parts, c.previous) for c in end.evidence if c.parts}
        if end.frames != chain.next_frame or signed != {(c.authority, c.parts, c.previous) for c in chain.evidence}:
            raise ChainBroken(f"{where}: its totals aren't those of its chunks")
    return replace(chain, covered=end.chunks, end=end)


def frames_lost(chunks: Sequence[Checked]) -> int:
    """Frames that were captured between the first and the last of these chunks and are in none, as they say."""
    return sum(made.body.chunk.gaps for made in chunks[1:] if made.body.chunk)


def check_chain(records: Sequence[Checked], *, first: int = 0, live: bool = False) -> Chain:
    """Check that records, each checked by itself, form one whole video.

    `first`: where the kept chunks begin, when retention has dropped earlier ones; their totals are then not checked.
    `live`: the video still grows, so its tail needs no head or end yet.

    Raises:
        ChainBroken, MissingChunk: see `extend`.
        MissingEnd: neither an end nor a head covers the last chunk.

    """
    if not records:
        raise MissingChunk("a video without any record")
    chain = begin(records[0])
    if first:
        chain = replace(chain, digest=None, next_seq=first, first=first)
    seqs = [record.body.chunk.chunk_seq for record in records if record.body.chunk]
    if seqs != sorted(seqs):
        raise ChainBroken(f"{chain.start.video_id}: chunks aren't in order")
    for record in records[1:]:
        chain = extend(chain, record)
    if not live and chain.end is None and chain.covered < max(chain.next_seq, 1):
        raise MissingEnd(f"{chain.start.video_id}: no end, and no head covers chunk {chain.next_seq - 1}")
    return chain


def verify_video(
    records: Iterable[OperatorRecord], identify: Identify, *, media: bool = True, first: int = 0, live: bool = False
) -> Chain:
    """Check the records of a video, in order: start, chunks, heads, end. See `check_record` and `check_chain`."""
    return check_chain([check_record(record, identify, media=media) for record in records], first=first, live=live)


def expected_evidence(records: Iterable[Checked], authority: str) -> dict[int, int]:
    """How many sealed parts an authority must have, by chunk; chunks without evidence for it don't appear."""
    return {
        record.body.chunk.chunk_seq: count.parts
        for record in records
        if record.body.chunk
        for count in record.body.chunk.evidence
        if count.authority == authority and count.parts
    }


def read_evidence(value: bytes, identify: Identify) -> tuple[SealedEvidence, bytes]:
    """A record of an evidence topic or file, checked, and the digest of its signed body.

    Raises:
        BadSignature: not signed by the pipeline.
        MalformedRecord, UnknownRecord: not evidence.

    """
    signed = unpack_as("evidence", value)
    principal, public = identify(signed.signer)
    if principal != PIPELINE:
        raise BadSignature(f"evidence is signed by {principal!r}, not by the pipeline")
    body = check(signed, "evidence", public)
    return decode(SealedEvidence, body), digest(body)


def check_evidence(expected: Mapping[int, int], got: Mapping[int, int], what: str = "evidence") -> None:
    """Compare the parts that are there, by chunk, with those that were signed for.

    Raises:
        MissingEvidence: a chunk has fewer parts than its counter promises.
        ChainBroken: a chunk has parts that no counter announces.

    """
    missing = sorted(seq for seq, parts in expected.items() if got.get(seq, 0) < parts)
    if missing:
        raise MissingEvidence(f"{what}: parts of {len(missing)} chunks are missing, the first of chunk {missing[0]}")
    extra = sorted(seq for seq, parts in got.items() if parts > expected.get(seq, 0))
    if extra:
        raise ChainBroken(f"{what}: parts that no counter announces, the first of chunk {extra[0]}")
