"""The regions of one subject in one video as one package, in the order of frames, sealed for who asked for it.

Format: `schemas/FORMATS.md`, section 6. Only what the subject's tracks alone claim goes in. Who packs must have logged
it; the access log then says for which key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO

from infra.framing import PACKAGE, framed, read_framed
from infra.postgres import Database
from operators.seal import Identity, OpenPart, evidence_aad, key_id, seal_evidence, unseal
from operators.sign import SigningKey, check, sign
from schemas.codec import decode, encode, pack, unpack_as
from schemas.errors import BadSignature, UsageError
from schemas.records import Piece, SealedEvidence, TrackMapping
from streams.authority import store
from streams.authority.opening import content_of
from streams.authority.reading import EvidenceReader, OpenedChunk
from streams.verify import Identify

TOPIC = "package"
RECORD_TYPE = "package"


@dataclass(frozen=True, slots=True)
class Package:
    """A package: what it is about, the plate's number where the library has one, and the file's bytes.

    `frames`: in how many the subject is; `withheld`: parts that it shares with others, which aren't in it.
    """

    subject_id: str
    video_id: str
    tracks: tuple[int, ...]
    plate: str | None
    chunks: int
    frames: int
    withheld: int
    recipient: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What a package holds: the subject's mappings and pieces, chunk after chunk."""

    video_id: str
    authority: str
    chunks: tuple[OpenedChunk, ...]


def pack_subject(
    database: Database, reader: EvidenceReader, subject_id: str, recipient: bytes, signer: SigningKey
) -> Package:
    """Everything that shows this subject alone, sealed for a public key (X25519, 32 bytes), signed by the authority.

    Raises:
        UsageError: no such subject, or nothing of it opens any more.
        IntegrityError: the evidence isn't what was taken in.

    """
    with database.connection() as db:
        row = db.execute(
            "SELECT s.video_id, s.tracks, p.text FROM subjects s LEFT JOIN plates p USING (subject_id)"
            " WHERE subject_id = %s", (subject_id,),
        ).fetchone()
        if row is None:
            raise UsageError(f"there is no subject {subject_id}")
        video_id, tracks = row[0], tuple(row[1])
        seqs = sorted(store.chunk_spans(db, video_id, tracks))
    parts = [PACKAGE]
    frames: set[int] = set()
    withheld = 0
    for seq in seqs:
        with database.connection() as db:
            place = store.places(db, video_id, seq, seq)[seq]
            opened = reader.chunk(db, video_id, seq, frozenset(tracks))
        if not opened.mappings and not opened.pieces:
            continue
        received = reader.record(video_id, place)
        draft = replace(received, parts=(), epoch="", previous=len(parts) - 1)
        sealed = seal_evidence(draft, _open_parts(opened.mappings, opened.pieces), [recipient], TOPIC)
        parts.append(framed(pack("evidence", sign(encode(sealed), RECORD_TYPE, signer))))
        frames |= {region.frame_no for mapping in opened.mappings for region in mapping.regions}
        withheld += sum(any(track in tracks for track in one) for one in opened.withheld)
    if len(parts) == 1:
        raise UsageError(f"nothing of {subject_id} opens any more")
    return Package(subject_id, video_id, tracks, row[2], len(parts) - 1, len(frames), withheld,
                   key_id(recipient).hex(), b"".join(parts))


def unpack_package(data: bytes, identity: bytes, identify: Identify) -> Unpacked:
    """Open a package with one's private key; `identify` says whose a signer certificate is.

    Raises:
        BadSignature: not signed by an authority for its own evidence.
        NotForMe: sealed for somebody else.
        DamagedEnvelope, MalformedRecord: changed, or cut.
        UsageError: no package, or an empty one.

    """
    found: list[tuple[SealedEvidence, OpenedChunk]] = []
    for value in read_framed(BytesIO(data), PACKAGE):
        signed = unpack_as("evidence", value)
        principal, public = identify(signed.signer)
        evidence = decode(SealedEvidence, check(signed, RECORD_TYPE, public))
        if principal != f"authority-{evidence.authority}" or evidence.previous != len(found):
            raise BadSignature("a package is signed by its authority, chunk after chunk")
        found.append((evidence, _opened(evidence, identity)))
    if not found or len({evidence.video_id for evidence, _ in found}) != 1:
        raise UsageError("a package holds chunks of one video")
    first = found[0][0]
    return Unpacked(first.video_id, first.authority, tuple(opened for _, opened in found))


def _opened(evidence: SealedEvidence, identity: bytes) -> OpenedChunk:
    contents = [
        content_of(part, unseal(part.sealed, [Identity(identity)], evidence_aad(evidence, part, TOPIC)))
        for part in evidence.parts
    ]
    return OpenedChunk(
        evidence.chunk_seq, evidence.operator_digest, len(contents),
        tuple(c for c in contents if isinstance(c, TrackMapping)), tuple(c for c in contents if isinstance(c, Piece)),
        format=evidence.format, capture_ms=evidence.capture_ms,
    )


def _open_parts(mappings: Sequence[TrackMapping], pieces: Sequence[Piece]) -> list[OpenPart]:
    return [
        *(OpenPart("mapping", (mapping.kind,), encode(mapping)) for mapping in mappings),
        *(OpenPart("piece", piece.kinds, encode(piece)) for piece in pieces),
    ]
