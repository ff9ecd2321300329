"""One record of every type, as version 1 writes it. `python -m tests.golden.records` writes the files of new types."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from schemas import records as r
from schemas import state as s
from schemas.codec import encode, pack
from schemas.frames import CodedUnit, FrameChunk, VideoFormat
from schemas.regions import Region, RegionSet

FOLDER = Path(__file__).parent / "v1"
DIGEST = bytes(range(32))
FORMAT = VideoFormat(640, 360, Fraction(1, 90000), True, 1, 1, 1, Fraction(4, 3), 90)
ENVELOPE = r.Envelope(b"n" * 12, b"ciphertext and tag", (r.Wrap(b"i" * 16, b"e" * 32, b"w" * 48),))
SIGNED = r.Signed(b"body", b"signer", b"s" * 64)
REGION = Region(7, "face", (1.5, 2.0, 30.25, 40.0), 0.75, "detected", tuple(float(i) for i in range(10)))
COUNT = r.EvidenceCount("city-faces", 3, 2)
ZONE = r.Rectangle(0.5, 0.0, 1.0, 0.25)
CHUNK = FrameChunk("gate-1", "gate-1-1700000000000-0badcafe", 4, 100, 1_700_000_004_000, FORMAT, "h264",
                   (CodedUnit(-3600, b"\x00\x00\x01\x65idr"), CodedUnit(3600, b"\x00\x00\x01\x41p")),
                   7200, True, 2, b"a")
TOPIC_RECORDS: dict[str, Any] = {
    "raw_chunk": SIGNED,
    "regions": r.PlacedRegions(
        RegionSet("gate-1", CHUNK.video_id, 4, ((REGION,), ()), frozenset({1}), frozenset({0})),
        r.RawPlace("frames.raw.v1", 1, 12345, DIGEST)),
    "operator": r.OperatorRecord(SIGNED, b"moof"),
    "evidence": SIGNED,
    "upload_address": SIGNED,
    "readiness": SIGNED,
    "alarm": r.Alarm("masked-whole", "pipeline", "gate-1", 1_700_000_000_000, "2 frames masked whole"),
    "quarantined": r.Quarantined("MalformedRecord", "frames.raw.v1", 0, 17, ENVELOPE),
    "state": s.CameraState(
        CHUNK.video_id, 4, DIGEST, 9,
        (s.TrackState(7, "face", (1.0, 2.0), (0.5,), b"histogram", 0.75, 5, 1, (1.0, 2.0)),),
        (COUNT,), 102, 1_700_000_000_000, True, -3600, False, 1_700_000_004_000,
        (s.TrackAppearance(7, b"appearance", 4),), FORMAT, 18),
}
BODIES: dict[str, Any] = {
    "frame_chunk": CHUNK,
    "frame_chunk_live": replace(CHUNK, live=True),
    "frame_chunk_stills": replace(CHUNK, stills=True),
    "regions_late": RegionSet("gate-1", CHUNK.video_id, 4, ((REGION,), ()), effort=2),
    "raw_chunk_body": r.RawChunk("gate-1", CHUNK.video_id, 4, ENVELOPE),
    "associated_data": r.AssociatedData("t", "piece", "gate-1", CHUNK.video_id, 4, DIGEST, 1, ("face", "plate"),
                                        (b"i" * 16,), "2026-01-01.1"),
    "start": r.OperatorBody(start=r.VideoStart("gate-1", CHUNK.video_id, FORMAT, 1_700_000_000_000, -3600, DIGEST)),
    "chunk": r.OperatorBody(chunk=r.OperatorChunk(
        "gate-1", CHUNK.video_id, 4, 100, 1_700_000_004_000, (-3600, 3600), 7200, b"masks", "blur", (COUNT,), DIGEST, 4,
        DIGEST, False, 2)),
    "chunk_bare": r.OperatorBody(chunk=r.OperatorChunk(
        "gate-1", CHUNK.video_id, 4, 100, 1_700_000_004_000, (-3600, 3600), 7200, b"", "", (COUNT,), DIGEST, 4,
        DIGEST, True, 0, (r.BareZone(ZONE, DIGEST, 3),), 5)),
    "chunk_late": r.OperatorBody(chunk=r.OperatorChunk(
        "gate-1", CHUNK.video_id, 4, 100, 1_700_000_004_000, (-3600, 3600), 7200, b"masks", "veil", (COUNT,), DIGEST, 4,
        DIGEST, effort=2)),
    "zone_statement": r.ZoneStatement(("studio-*",), (ZONE,), "a wall of posters", 1_700_000_000_000,
                                      1_710_000_000_000),
    "approved_zones": r.ApprovedZones(b"statement", (r.Approval(DIGEST, b"s" * 64),)),
    "head": r.OperatorBody(head=r.VideoHead("gate-1", CHUNK.video_id, 4, DIGEST, 1_700_000_004_000)),
    "end": r.OperatorBody(end=r.VideoEnd("gate-1", CHUNK.video_id, 5, 102, DIGEST, (COUNT,))),
    "sealed_evidence": r.SealedEvidence("city-faces", "gate-1", CHUNK.video_id, 4, DIGEST, 2, "2026-01-01.1", "high",
                                        (r.SealedPart(0, "mapping", ("face",), ENVELOPE),), 5, 6, FORMAT),
    "state_view": s.CameraState(CHUNK.video_id, view=s.ViewState(b"\x03\xff\x00", DIGEST, 1_700_000_000_000)),
    "state_late": s.CameraState(CHUNK.video_id, effort=2, load=s.LoadState(2, 3, 1, 6, 59)),
    "end_lost": r.OperatorBody(end=r.VideoEnd("gate-1", CHUNK.video_id, 5, 102, DIGEST, (COUNT,), 25)),
    "state_lost": s.CameraState(CHUNK.video_id, frames=102, ended=False, reached=127, methods="face=veil"),
    "state_closed": s.CameraState(CHUNK.video_id, closed=("gate-1-1700000000000-0badcafd", "gate-1-1-00000001")),
    "state_whole": s.CameraState(CHUNK.video_id, effort=3, load=s.LoadState(3, 3, 1, 6, 0, 41_000)),
    "mapping_keyed": r.TrackMapping(7, "face", (r.MappedRegion(100, REGION.box, 0.75, "detected", (), (1, 2, 5, 7)),),
                                    DIGEST),
    "mapping": r.TrackMapping(7, "face", (r.MappedRegion(100, REGION.box, 0.75, "detected", REGION.landmarks),)),
    "piece": r.Piece((7, 8), ("face",), 32, 16, (r.PieceFrame(100, 2, 3, b"\xc0"),), (r.PieceUnit(0, b"coded"),),
                     DIGEST, DIGEST),
    "hidden_pictures": r.HiddenPictures(48, (r.HiddenTrack(7, "face", (0, 5), (r.PieceUnit(0, b"coded"),)),), 2),
    "upload_address_body": r.UploadAddress("city-faces", 3, "authority.city-faces.evidence.v1", ("face",),
                                           "2026-01-01.1", DIGEST, 1, 2),
    "readiness_body": r.Readiness("city-faces", b"nonce", True, "2026-01-01.1", 5),
    "recorded": r.RecordedRecord("alarms.v1", b"gate-1", b"value", 5),
}


def written() -> dict[str, bytes]:
    """File name to bytes, as this release writes them."""
    return {f"record_{kind}.bin": pack(kind, value) for kind, value in TOPIC_RECORDS.items()} | {
        f"body_{name}.bin": encode(value) for name, value in BODIES.items()
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, data in written().items():
        if not (FOLDER / name).exists():
            (FOLDER / name).write_bytes(data)
