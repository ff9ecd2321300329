"""The restored video and the package of a subject, out of real evidence."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO

import av
import numpy as np
import pytest

from operators.pieces import canvases
from operators.seal import Identity
from operators.sign import SigningKey
from schemas.errors import BadSignature, DamagedEnvelope, MalformedRecord, NotForMe, UsageError
from schemas.regions import RegionSet
from streams.authority.package import pack_subject, unpack_package
from streams.authority.restored_video import compose, restored_video
from tests.support.authority import NAME, PLACES, VIDEO, Desk, add_subject, open_desk, record
from tests.support.scenes import FORMAT, chunk, regions
from tests.support.services import Postgres

AUTHORITY = SigningKey(b"a" * 32)
DROPPED = range(6, 9)
TWO = 2


def identify(signer: bytes) -> tuple[str, bytes]:
    return (f"authority-{NAME}" if signer == AUTHORITY.public else "authority-other"), signer


def dropped(found: RegionSet) -> RegionSet:
    """Track 2 loses its detection in some frames."""
    return replace(found, frames=tuple(
        tuple(replace(r, source="tracked") if r.track == TWO and n in DROPPED else r for r in frame)
        for n, frame in enumerate(found.frames)
    ))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, postgres_authority: Postgres) -> Iterator[Desk]:
    with postgres_authority.database() as database:
        desk = open_desk(tmp_path_factory.mktemp("desk"), database)
        chunks = [chunk(PLACES, seq, end=seq == 1, video=VIDEO) for seq in range(2)]
        desk.take(record(chunks, [dropped(regions(PLACES, seq)) for seq in range(2)], desk.epoch))
        add_subject(desk, 1)
        add_subject(desk, 2)
        yield desk
        desk.close()


def pictures(media: bytes) -> list[np.ndarray]:
    with av.open(BytesIO(media)) as file:
        return [frame.to_ndarray(format="gray") for frame in file.decode(video=0)]


def test_restored_video_has_one_blank_frame_for_each_region(desk: Desk) -> None:
    made = restored_video(desk.database, desk.reader, VIDEO)
    shown = pictures(made.media)
    assert len(shown) == len(made.pictures) == 2 * 2 * len(PLACES) and made.closed == 0
    assert shown[0].shape == (FORMAT.height, FORMAT.width)
    assert [one.image_id for one in made.pictures[:4]] == [f"{VIDEO}/{n}" for n in (0, 0, 1, 1)]
    # the first frame: each picture shows its own region, and black where the other one is
    for one, picture in zip(made.pictures[:2], shown[:2], strict=True):
        other = made.pictures[1 - one.picture]
        x1, y1, x2, y2 = map(int, one.box)
        assert picture[y1:y2, x1:x2].std() > 20
        x1, y1, x2, y2 = map(int, other.box)
        assert picture[y1:y2, x1:x2].max() < 40
    hows = {(one.track, one.how) for one in made.pictures}
    assert (1, "detected") in hows and (2, "camshift") in hows and (2, "unsure") not in hows
    assert all(one.subject == f"{VIDEO}/s{one.track}" for one in made.pictures if one.how != "track")


def test_restored_video_of_a_subject_shows_nobody_else(desk: Desk) -> None:
    made = restored_video(desk.database, desk.reader, VIDEO, [2])
    assert {one.track for one in made.pictures} == {2} and len(pictures(made.media)) == len(made.pictures)
    everyone = restored_video(desk.database, desk.reader, VIDEO)
    assert len(made.pictures) + made.closed == sum(one.track == TWO for one in everyone.pictures)
    with pytest.raises(UsageError, match="no evidence"):
        restored_video(desk.database, desk.reader, VIDEO[:-1] + "f")


def test_package_opens_for_its_recipient_alone(desk: Desk) -> None:
    mine, stranger = Identity.create(), Identity.create()
    made = pack_subject(desk.database, desk.reader, f"{VIDEO}/s2", mine.public, AUTHORITY)
    assert (made.chunks, made.frames, made.plate) == (2, 2 * len(PLACES), None) and made.withheld > 0
    opened = unpack_package(made.data, mine.private, identify)
    assert (opened.video_id, opened.authority) == (VIDEO, NAME)
    assert [one.chunk_seq for one in opened.chunks] == [0, 1]
    frames = [r.frame_no for one in opened.chunks for m in one.mappings for r in m.regions]
    assert frames == sorted(frames) and len(frames) == made.frames
    for one in opened.chunks:
        with desk.database.connection() as db:
            stored = desk.reader.chunk(db, VIDEO, one.chunk_seq, frozenset({2})).pieces
        assert one.pieces == stored and {piece.tracks for piece in one.pieces} == {(2,)}
        assert all(len(canvases(piece)) == len(piece.frames) for piece in one.pieces)
    alone = restored_video(desk.database, desk.reader, VIDEO, [2])
    assert compose(VIDEO, opened.chunks, {f"{VIDEO}/s1": [1], f"{VIDEO}/s2": [2]}) == alone
    with pytest.raises(NotForMe):
        unpack_package(made.data, stranger.private, identify)
    with pytest.raises(BadSignature):
        unpack_package(made.data, mine.private, lambda signer: ("authority-other", signer))
    with pytest.raises((BadSignature, DamagedEnvelope, MalformedRecord)):
        changed = bytearray(made.data)
        changed[len(changed) // 2] ^= 1
        unpack_package(bytes(changed), mine.private, identify)
    with pytest.raises(MalformedRecord):
        unpack_package(made.data[:-1], mine.private, identify)
    assert hashlib.sha256(made.data).digest() != hashlib.sha256(
        pack_subject(desk.database, desk.reader, f"{VIDEO}/s2", mine.public, AUTHORITY).data
    ).digest()


def test_package_tells_the_plate_of_the_library(desk: Desk) -> None:
    with desk.database.connection() as db:
        db.execute("INSERT INTO plates VALUES (%s, %s, 'cam', 0, 0, 'AB123', '{}', '{}', 1, 1, 0)",
                   (f"{VIDEO}/s1", VIDEO))
    made = pack_subject(desk.database, desk.reader, f"{VIDEO}/s1", Identity.create().public, AUTHORITY)
    assert made.plate == "AB123"
    with pytest.raises(UsageError, match="no subject"):
        pack_subject(desk.database, desk.reader, "nobody", Identity.create().public, AUTHORITY)
