"""File mode, the way back: a desensitised video, its sealed evidence and an identity give the original."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from infra.atomic import AtomicFile
from infra.framing import EVIDENCE, read_framed
from operators.codec import decode_units, encode
from operators.fragment import fragment, init_segment, parse_fragment
from operators.masks import unpack_masks
from operators.restore import restore_frames
from operators.seal import Identity, evidence_aad, unseal
from operators.sign import check
from operators.unscramble import coarse_frames
from schemas.codec import decode, unpack
from schemas.errors import ChainBroken, DigestMismatch, MalformedRecord, MissingEvidence, UnknownRecord
from schemas.frames import Planes, VideoFormat
from schemas.records import OperatorChunk, OperatorRecord, Piece, SealedEvidence, Signed, TrackMapping
from schemas.regions import Region, RegionSet
from streams.account import Account
from streams.anonymize import TOPIC
from streams.verify import Checked, check_chain, check_evidence, check_record, expected_evidence

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A read evidence file: operator records in order, and the signed evidence of each chunk and authority."""

    records: tuple[OperatorRecord, ...]
    sealed: tuple[SealedEvidence, ...]
    signer: bytes


@dataclass(frozen=True, slots=True)
class RestoredChunk:
    """A chunk's restored pictures."""

    chunk: OperatorChunk
    frames: list[Planes]
    pieces: int
    regions: RegionSet


def read_evidence(path: Path) -> Evidence:
    """Read and check an evidence file: every signature is by the one key that signed the first record.

    Raises:
        IntegrityError: a signature or a digest doesn't hold.
        MalformedRecord, UnknownRecord, MissingEvidence: not an evidence file, or an empty one.

    """
    records, sealed, signer = [], [], b""
    with path.open("rb") as file:
        for data in read_framed(file, EVIDENCE):
            record = unpack(data)
            signed: Signed = record.value.signed if record.kind == "operator" else record.value
            signer = signer or signed.signer
            if signed.signer != signer:
                raise ChainBroken(f"{path.name}: records of two signers")
            if record.kind == "operator":
                records.append(record.value)
            elif record.kind == "evidence":
                sealed.append(decode(SealedEvidence, check(signed, "evidence", signer)))
            else:
                raise UnknownRecord(f"{path.name}: a {record.kind} record in an evidence file")
    if not records:
        raise MissingEvidence(f"{path.name}: there is no record of a video in it")
    return Evidence(tuple(records), tuple(sealed), signer)


def verify(video: Path, evidence: Path) -> tuple[list[Checked], dict[int, list[SealedEvidence]]]:
    """Check a video against its evidence file: every signature, digest, link and counter; nothing is opened.

    Returns the operator records with their media, and the sealed evidence by chunk.

    Raises:
        IntegrityError: anything was changed, swapped, dropped or cut.

    """
    found = read_evidence(evidence)
    records = _with_media(found, video.read_bytes())
    check_chain(records)
    return records, _by_chunk(found, records)


def restored_chunks(
    video: Path, evidence: Path, identity: Identity, *, coarse: bool = False
) -> Iterator[RestoredChunk]:
    """The restored pictures of each chunk, after everything signed has been checked.

    `coarse`: by the keys of scrambled tracks alone, as if the pieces were gone.

    Raises:
        IntegrityError: anything was changed, swapped, dropped or cut.
        NotForMe: the evidence is sealed for somebody else.

    """
    records, by_chunk = verify(video, evidence)
    start = records[0].body.start
    if start is None:
        raise ChainBroken(f"{evidence.name} doesn't begin with a start")
    for record in records:
        if record.body.chunk:
            parts = [
                part for sealed in by_chunk.get(record.body.chunk.chunk_seq, ())
                for part in _open(sealed, record, identity)
            ]
            yield _restored(record, start.format, start.origin_pts, parts, coarse)


def restore_file(
    video: Path, evidence: Path, identity: Identity, out: Path, *, lossless: bool = True,
    progress: Progress | None = None, account: Account | None = None, coarse: bool = False,
) -> int:
    """Write the restored video; the number of frames. Nothing is written unless all of it can be restored.

    `account` takes in what the masks rested on, as the evidence says it; `coarse`: see `restored_chunks`.
    """
    start = read_evidence(evidence).records[0]
    head = check_record(start, lambda signer: ("pipeline", signer), media=False).body.start
    if head is None:
        raise ChainBroken(f"{evidence.name} doesn't begin with a start")
    frames = 0
    with AtomicFile(out, secret=True) as whole:
        if whole.file is None:
            return 0
        whole.file.write(init_segment(head.format))
        for restored in restored_chunks(video, evidence, identity, coarse=coarse):
            chunk = restored.chunk
            units = encode(restored.frames, chunk.pts, head.format, crf=12, preset="veryfast", lossless=lossless)
            media = fragment(units, chunk.end_pts, chunk.chunk_seq + 1, head.format, head.origin_pts)
            whole.file.write(media)
            frames += len(restored.frames)
            if account:
                account.add((*chunk.pts, chunk.end_pts), head.format.time_base, restored.regions)
                account.leave_bare(chunk, head.format)
            if progress:
                progress(frames)
    return frames


def _with_media(found: Evidence, data: bytes) -> list[Checked]:
    """Every operator record with its stretch of the video file, checked."""
    identify = lambda signer: ("pipeline", found.signer)  # noqa: E731
    bare = [check_record(record, identify, media=False) for record in found.records]
    sizes = [record.body.chunk.media_bytes if record.body.chunk else 0 for record in bare]
    head = len(data) - sum(sizes)
    if head <= 0 or not bare or bare[0].body.start is None:
        raise DigestMismatch("the video is shorter than what was signed, or the evidence has no start")
    checked, at = [], 0
    for record, size in zip(bare, sizes, strict=True):
        size = head if record.body.start else size
        whole = replace(record.record, media=data[at : at + size])
        checked.append(check_record(whole, identify))
        at += size
    return checked


def _by_chunk(found: Evidence, records: Sequence[Checked]) -> dict[int, list[SealedEvidence]]:
    by_chunk: dict[int, list[SealedEvidence]] = {}
    for sealed in found.sealed:
        by_chunk.setdefault(sealed.chunk_seq, []).append(sealed)
    for name in {c.authority for r in records if r.body.chunk for c in r.body.chunk.evidence}:
        got: dict[int, int] = {}
        for sealed in found.sealed:
            if sealed.authority == name:
                got[sealed.chunk_seq] = got.get(sealed.chunk_seq, 0) + len(sealed.parts)
        check_evidence(expected_evidence(records, name), got)
    if {s.video_id for s in found.sealed} - {r.item.video_id for r in records}:
        raise MissingEvidence("the evidence is of another video")
    return by_chunk


def _open(sealed: SealedEvidence, record: Checked, identity: Identity) -> Iterator[Piece | TrackMapping]:
    if sealed.operator_digest != record.digest:
        raise DigestMismatch(f"{record.where}: the evidence belongs to another run of the pipeline")
    for part in sealed.parts:
        plaintext = unseal(part.sealed, [identity], evidence_aad(sealed, part, TOPIC))
        yield decode(Piece, plaintext) if part.type == "piece" else decode(TrackMapping, plaintext)


def _restored(
    record: Checked, format: VideoFormat, origin: int, parts: Sequence[Piece | TrackMapping], coarse: bool
) -> RestoredChunk:
    chunk = record.body.chunk
    if chunk is None:
        raise ChainBroken(f"{record.where} is not a chunk")
    units, _ = parse_fragment(record.record.media, format, origin)
    frames = decode_units(units, "h264", format.width, format.height)
    pieces = [part for part in parts if isinstance(part, Piece)]
    mappings = [part for part in parts if isinstance(part, TrackMapping)]
    regions = _regions(chunk, format, mappings)
    if coarse:
        return RestoredChunk(chunk, coarse_frames(chunk, format, frames, mappings), 0, regions)
    return RestoredChunk(chunk, restore_frames(chunk, format, frames, pieces), len(pieces), regions)


def _regions(chunk: OperatorChunk, format: VideoFormat, mappings: Sequence[TrackMapping]) -> RegionSet:
    """What the masks rested on. Masked where no track is: whole, or a zone."""
    frames: list[list[Region]] = [[] for _ in chunk.pts]
    for one in mappings:
        for at in one.regions:
            if not 0 <= at.frame_no - chunk.first_frame < len(frames) or len(at.box) != 4:
                raise MalformedRecord(f"{chunk.video_id} chunk {chunk.chunk_seq}: a region outside the chunk")
            region = Region(one.track, one.kind, at.box, at.score, at.source, at.landmarks)  # type: ignore[arg-type]
            frames[at.frame_no - chunk.first_frame].append(region)
    masks = unpack_masks(chunk.masks, len(frames), format)
    failed = {i for i, mask in enumerate(masks) if mask.all() and not frames[i]}
    for i, mask in enumerate(masks):
        if mask.any() and not frames[i] and i not in failed:
            frames[i].append(Region(0, "frame", (0, 0, format.width, format.height), 1, "zone"))
    return RegionSet(
        chunk.camera_id, chunk.video_id, chunk.chunk_seq, tuple(map(tuple, frames)), frozenset(failed)
    )
