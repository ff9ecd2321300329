"""Restoration with a real authority: what comes back, what doesn't, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from infra.postgres import Database
from operators.codec import decode_units
from operators.fragment import fragment, parse_fragment
from operators.pieces import block_mask, canvases
from operators.sign import SigningKey
from schemas.errors import (
    BadSignature,
    ChainBroken,
    DigestMismatch,
    IntegrityError,
    MissingChunk,
    MissingEnd,
    UsageError,
)
from schemas.frames import BLOCK
from schemas.records import OperatorRecord
from streams.forensic.gate import Ground
from streams.forensic.restorations import Restoration, Wish
from tests.support.authority import KEY, NOW_MS, VIDEO, Desk, Recording, record
from tests.support.operator_video import rewritten
from tests.support.restoring import restored
from tests.support.scenes import FACE, FORMAT, chunk, crossing, picture, regions

PLACES = crossing()
EVERYONE = Wish(everyone=True)
CHUNKS = [chunk(PLACES, seq, end=seq == 1, video=VIDEO) for seq in range(2)]


@pytest.fixture
def desk(empty_desk: Desk) -> Desk:
    return empty_desk


@pytest.fixture
def recording(desk: Desk) -> Recording:
    made = record(CHUNKS, [regions(PLACES, seq) for seq in range(2)], desk.epoch)
    desk.take(made)
    for track in (1, 2):
        add_subject(desk.database, track)
    return made


def add_subject(database: Database, track: int) -> None:
    with database.connection() as db:
        db.execute("INSERT INTO subjects VALUES (%s, %s, 'cam', 'face', %s, %s, %s, %s)",
                   (f"{VIDEO}/s{track}", VIDEO, [track], track, NOW_MS, NOW_MS))


def said(job: Restoration) -> Mapping[str, Any]:
    """What its manifest says."""
    assert job.manifest, job.error
    return dict(job.manifest["body"])


def luma(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="yuv420p")[: FORMAT.height, : FORMAT.width].copy()
                for frame in container.decode(video=0)]


def public(recording: Recording) -> list[np.ndarray]:
    frames = []
    for seq in range(2):
        units, _ = parse_fragment(recording.chunk(VIDEO, seq).media, FORMAT, 0)
        frames += [planes.y for planes in decode_units(units, "h264", FORMAT.width, FORMAT.height)]
    return frames


def face(place: tuple[int, int]) -> tuple[slice, slice]:
    return np.s_[place[1] : place[1] + FACE, place[0] : place[0] + FACE]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(float(((a.astype(float) - b) ** 2).mean()), 1e-9)))


def test_restore_one_subject_shows_it_and_nobody_else(desk: Desk, recording: Recording, tmp_path: Path) -> None:
    done = restored(desk, recording, f"{VIDEO}/s1", tmp_path / "out.mp4", Wish(with_gaps=True))
    assert (done.frames, said(done)["withheld"]) == (20, 6)  # per chunk: its mapping, its piece, the shared piece
    shown, hidden = luma(tmp_path / "out.mp4"), public(recording)
    for index in range(20):
        places = PLACES[index % 10]
        original = picture(places).y
        apart = abs(places[0][0] - places[1][0]) > 2 * FACE + 16
        if apart:
            # 36 dB against the picture, for the chunk itself was coded at crf 12
            assert psnr(shown[index][face(places[0])], original[face(places[0])]) > 34
            assert np.array_equal(shown[index][face(places[1])], hidden[index][face(places[1])])


def test_restore_pieces_equal_sealed_samples_exactly(desk: Desk, recording: Recording, tmp_path: Path) -> None:
    restored(desk, recording, f"{VIDEO}/s1", tmp_path / "out.mp4", EVERYONE)
    shown, compared = luma(tmp_path / "out.mp4"), 0
    for seq in range(2):
        with desk.database.connection() as db:
            pieces = desk.reader.chunk(db, VIDEO, seq).pieces
        for piece in pieces:
            for place, canvas in zip(piece.frames, canvases(piece), strict=True):
                for row, column in np.argwhere(block_mask(place, piece)):
                    y, x = (place.row + row) * BLOCK, (place.column + column) * BLOCK
                    there = shown[place.frame_no][y : y + BLOCK, x : x + BLOCK]
                    sealed = canvas.y[row * BLOCK : (row + 1) * BLOCK, column * BLOCK : (column + 1) * BLOCK]
                    assert np.array_equal(there, sealed[: there.shape[0]])
                    compared += there.size
    assert compared > 20 * FACE * FACE


def test_restore_all_leaves_no_gap_and_is_logged_before(desk: Desk, recording: Recording, tmp_path: Path) -> None:
    done = restored(desk, recording, f"{VIDEO}/s1", tmp_path / "out.mp4", EVERYONE)
    assert not done.gaps and said(done)["replaced"] == 20 and said(done)["withheld"] == 0
    entry = desk.log.get(done.entry)
    assert entry.content["actor"] == "inspector" and entry.content["detail"]["everyone"] is True
    assert sorted(path.name for path in tmp_path.iterdir()) == ["desk", "out.mp4"]
    desk.log.verify()


def test_restore_tells_how_many_frames_were_lost_meanwhile(desk: Desk, tmp_path: Path) -> None:
    made = record([CHUNKS[0], replace(CHUNKS[1], gaps=3)], [regions(PLACES, seq) for seq in range(2)], desk.epoch)
    desk.take(made)
    add_subject(desk.database, 1)
    done = restored(desk, made, f"{VIDEO}/s1", tmp_path / "out.mp4", EVERYONE)
    assert not done.gaps and (said(done)["frames"], said(done)["lost"]) == (20, 3)
    assert [e.content["detail"]["lost"] for e in desk.log.last(9) if e.content["action"] == "restored"] == [3]


def test_restore_shared_blocks_list_gaps_and_write_nothing(desk: Desk, tmp_path: Path) -> None:
    over = [[(64, 32), (64, 32)]] * 10
    made = record([chunk(over, 0, end=True, video=VIDEO)], [regions(over, 0)], desk.epoch)
    desk.take(made)
    add_subject(desk.database, 1)
    done = restored(desk, made, f"{VIDEO}/s1", tmp_path / "out.mp4")
    assert done.state == "gaps" and not (tmp_path / "out.mp4").exists()
    assert [(gap.first_frame, gap.last_frame) for gap in done.gaps] == [(0, 9)]
    assert "shared" in done.gaps[0].reason
    assert desk.log.last(1)[0].content["detail"]["written"] is False


def test_restore_with_missing_evidence_lists_the_chunk(desk: Desk, tmp_path: Path) -> None:
    chunks = [chunk(PLACES, seq, end=seq == 2, video=VIDEO) for seq in range(3)]
    made = record(chunks, [regions(PLACES, seq) for seq in range(3)], desk.epoch)
    for index in (0, 2):
        desk.sink.take(made.evidence[index], NOW_MS)
    add_subject(desk.database, 1)
    done = restored(desk, made, f"{VIDEO}/s1", tmp_path / "out.mp4", EVERYONE)
    assert [(gap.first_frame, gap.last_frame) for gap in done.gaps] == [(10, 19)]
    assert done.gaps[0].reason.startswith("MissingEvidence") and done.state == "gaps"
    again = restored(desk, made, f"{VIDEO}/s1", tmp_path / "out.mp4", replace(EVERYONE, with_gaps=True))
    assert len(luma(tmp_path / "out.mp4")) == 30 and again.gaps == done.gaps


def test_restore_erased_subject_of_a_database_copy_opens_nothing(
    desk: Desk, recording: Recording, tmp_path: Path
) -> None:
    desk.keys.destroy_tracks(VIDEO, [1])
    done = restored(desk, recording, f"{VIDEO}/s1", tmp_path / "out.mp4")
    assert desk.log.last(1)[0].content["detail"]["replaced"] == 0
    assert len(done.gaps) == 2 and not (tmp_path / "out.mp4").exists()
    other = restored(desk, recording, f"{VIDEO}/s2", tmp_path / "two.mp4", Wish(with_gaps=True))
    assert said(other)["replaced"] > 10


def _bare(recording: Recording, key: SigningKey) -> OperatorRecord:
    """Chunk 0 with the original's pictures, right boxes, signed again."""
    media = fragment(CHUNKS[0].units, CHUNKS[0].end_pts, 1, FORMAT)
    from operators.sign import digest

    old = recording.chunk(VIDEO, 0)
    return rewritten(old, media=media, key=key, media_digest=digest(media), media_bytes=len(media))


@pytest.mark.parametrize(("case", "error"), [
    ("dropped chunk", MissingChunk), ("dropped end", MissingEnd), ("dropped tail", MissingEnd),
    ("swapped chunks", ChainBroken),
    ("changed media", DigestMismatch), ("self-signed", BadSignature), ("bare, pipeline's key", ChainBroken),
    ("changed body", BadSignature), ("other video", ChainBroken),
])
def test_restore_from_a_tampered_video_is_refused(
    desk: Desk, recording: Recording, tmp_path: Path, case: str, error: type[IntegrityError]
) -> None:
    bad = Recording(list(recording.operator))
    start, first, second, _end = range(4)
    if case == "dropped chunk":
        del bad.operator[second]
    elif case == "dropped end":
        del bad.operator[-1]
    elif case == "dropped tail":
        del bad.operator[second:]
    elif case == "swapped chunks":
        bad.operator[first], bad.operator[second] = bad.operator[second], bad.operator[first]
    elif case == "changed media":
        media = bad.operator[first].media
        bad.operator[first] = replace(bad.operator[first], media=media[:-1] + bytes([media[-1] ^ 1]))
    elif case == "self-signed":
        bad.operator[first] = _bare(recording, SigningKey(b"x" * 32))
    elif case == "bare, pipeline's key":
        bad.operator[first] = _bare(recording, KEY)
    elif case == "changed body":
        signed = bad.operator[first].signed
        bad.operator[first] = replace(bad.operator[first], signed=replace(signed, body=signed.body + b"\x10\x01"))
    elif case == "other video":
        other = [replace(made, video_id=VIDEO[:-1] + "b") for made in CHUNKS]
        bad = record(other, [replace(regions(PLACES, seq), video_id=VIDEO[:-1] + "b") for seq in range(2)], desk.epoch)
    done = restored(desk, bad, f"{VIDEO}/s1", tmp_path / "out.mp4", EVERYONE)
    assert done.state == "failed" and done.error.startswith(f"{error.__name__}: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["desk"]
    assert desk.log.last(1)[0].content["action"] == "restore-failed"


def test_restore_from_a_bare_video_in_a_valid_chain_replaces_nothing(desk: Desk, tmp_path: Path) -> None:
    """The pipeline's own key and a chain that holds: only the look into the fetched picture is left."""
    made = record(CHUNKS[:1], [regions(PLACES, 0)], desk.epoch)
    bare = Recording([made.operator[0], _bare(made, KEY)])
    from operators.sign import digest
    from schemas.codec import decode, encode, pack, unpack_as
    from schemas.records import SealedEvidence

    # evidence that names the bare chunk: its parts are bound to the true one and don't open
    signed = unpack_as("evidence", made.evidence[0])
    evidence = replace(decode(SealedEvidence, signed.body), operator_digest=digest(bare.operator[1].signed.body))
    from operators.sign import sign

    taken = desk.sink.take(pack("evidence", sign(encode(evidence), "evidence", KEY)), NOW_MS)
    assert taken.unopened == len(evidence.parts)


def test_restore_needs_a_ground_and_a_known_subject(desk: Desk, recording: Recording, tmp_path: Path) -> None:
    for ground in (("", "c", "p"), ("a", " ", "p"), ("a", "c", ""), ("a", "c", "x" * 201)):
        with pytest.raises(UsageError):
            Ground(*ground)
    with pytest.raises(UsageError, match="no subject"):
        restored(desk, recording, f"{VIDEO}/s9", tmp_path / "out.mp4")
    assert desk.log.last(1)[0].content["detail"]["error"] == "UsageError"
