"""The authority's sink, erasure and epochs on a real Postgres."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infra.framing import EVIDENCE, read_framed
from infra.keys import restore as restore_keys
from infra.postgres import Database
from operators.seal import Identity
from operators.sign import SigningKey, check, sign
from schemas.codec import decode, encode, pack, unpack_as
from schemas.errors import AccessDenied, BadSignature, ConfigError, DigestMismatch, MalformedRecord, UnknownRecord
from schemas.records import Piece, SealedEvidence, UploadAddress
from schemas.topics import DAY_MS
from streams.authority import store
from streams.authority.epochs import Epochs
from streams.authority.erase import erase_subject, erased_tracks
from streams.authority.opening import OpenedPart
from streams.authority.reading import EvidenceReader
from streams.authority.sink import EvidenceSink
from streams.authority.unread import Write
from streams.forensic.proofs import check_inclusion
from tests.support.authority import (
    KEY,
    NAME,
    NOW_MS,
    PLACES,
    POLICY,
    VIDEO,
    Desk,
    add_subject,
    clock,
    identify,
    identify_at,
    open_desk,
    record,
    recorded,
)
from tests.support.scenes import chunk, regions
from tests.support.services import Postgres


@pytest.fixture
def database(postgres_authority: Postgres) -> Iterator[Database]:
    with postgres_authority.database() as opened:
        yield opened


@pytest.fixture
def desk(tmp_path: Path, database: Database) -> Iterator[Desk]:
    opened = open_desk(tmp_path / "desk", database)
    yield opened
    opened.close()


def opened(desk: Desk, seq: int = 0) -> list[Piece]:
    with desk.database.connection() as db:
        return list(desk.reader.chunk(db, VIDEO, seq).pieces)


def edited(value: bytes, **fields: object) -> bytes:
    signed = unpack_as("evidence", value)
    evidence = replace(decode(SealedEvidence, check(signed, "evidence", KEY.public)), **fields)
    return pack("evidence", sign(encode(evidence), "evidence", KEY))


def test_sink_takes_evidence_once_and_keeps_it_as_received(desk: Desk) -> None:
    recording = recorded(desk.epoch)
    assert [taken.outcome for taken in desk.take(recording)] == ["stored", "stored"]
    assert [taken.outcome for taken in desk.take(recording)] == ["repeated", "repeated"]
    with store.evidence_path(desk.home / "evidence", VIDEO).open("rb") as file:
        assert list(read_framed(file, EVIDENCE)) == recording.evidence
    with desk.database.connection() as db:
        spans = store.track_spans(db, VIDEO)
        assert {track: kind for track, (kind, _) in spans.items()} == {1: "face", 2: "face"}
        assert spans[1][1] == [(0, 9), (10, 19)]


def test_sink_reads_back_by_track_keys_after_the_epoch_is_gone(desk: Desk) -> None:
    desk.take(recorded(desk.epoch))
    assert desk.keys.destroy_identity("day")
    pieces = opened(desk, 1)
    assert {piece.tracks for piece in pieces} == {(1,), (2,), (1, 2)}
    with desk.database.connection() as db:
        one = desk.reader.chunk(db, VIDEO, 1, frozenset({1}))
    assert {piece.tracks for piece in one.pieces} == {(1,)}
    assert {mapping.track for mapping in one.mappings} == {1}
    assert set(one.withheld) == {(2,), (1, 2)}


def test_sink_evidence_sealed_once_more_after_a_kill_is_a_repetition(desk: Desk) -> None:
    first, again = recorded(desk.epoch), recorded(desk.epoch)
    assert first.evidence[0] != again.evidence[0]
    desk.take(first)
    assert [taken.outcome for taken in desk.take(again)] == ["repeated", "repeated"]
    with desk.database.connection() as db:
        assert db.execute("SELECT count(*) FROM conflicts").fetchone() == (0,)
        assert db.execute("SELECT count(*), count(DISTINCT chunk_seq) FROM evidence").fetchone() == (2, 2)
    with store.evidence_path(desk.home / "evidence", VIDEO).open("rb") as file:
        assert list(read_framed(file, EVIDENCE)) == first.evidence


def test_sink_second_version_is_counted_and_first_wins(desk: Desk) -> None:
    first, second = recorded(desk.epoch), recorded(desk.epoch, policy=replace(POLICY, crf=40))
    desk.take(first)
    assert [taken.outcome for taken in desk.take(second)] == ["conflict", "conflict"]
    with desk.database.connection() as db:
        assert db.execute("SELECT count(*) FROM conflicts").fetchone() == (2,)
    with store.evidence_path(desk.home / "evidence", VIDEO).open("rb") as file:
        assert list(read_framed(file, EVIDENCE)) == first.evidence


def test_sink_refuses_another_camera_under_the_name_of_a_known_video(desk: Desk) -> None:
    first, second = recorded(desk.epoch).evidence
    desk.sink.take(first, NOW_MS)
    with pytest.raises(MalformedRecord, match="another camera's"):
        desk.sink.take(edited(second, camera_id="thief"), NOW_MS)
    assert desk.sink.take(second, NOW_MS).outcome == "stored"


def test_sink_dropped_evidence_shows_as_a_gap_until_it_comes(desk: Desk) -> None:
    recording = recorded(desk.epoch, 3)
    desk.sink.take(recording.evidence[0], NOW_MS)
    assert desk.sink.take(recording.evidence[2], NOW_MS).missing == (store.Gap(VIDEO, 2, 1),)
    assert desk.sink.take(recording.evidence[1], NOW_MS).missing == ()


def test_sink_after_a_kill_cuts_the_file_back(desk: Desk) -> None:
    recording = recorded(desk.epoch)
    desk.sink.take(recording.evidence[0], NOW_MS)
    path = store.evidence_path(desk.home / "evidence", VIDEO)
    with path.open("ab") as file:
        file.write(recording.evidence[1][:100])
    desk.sink.take(recording.evidence[1], NOW_MS)
    with path.open("rb") as file:
        assert list(read_framed(file, EVIDENCE)) == recording.evidence


def test_sink_refuses_what_is_not_for_it(desk: Desk) -> None:
    good = recorded(desk.epoch, 1).evidence[0]
    with pytest.raises(BadSignature, match="not by the pipeline"):
        desk.sink.take(recorded(desk.epoch, 1, SigningKey(b"x" * 32)).evidence[0], NOW_MS)
    with pytest.raises(BadSignature):
        signed = unpack_as("evidence", good)
        desk.sink.take(pack("evidence", replace(signed, body=signed.body[:-1] + b"\0")), NOW_MS)
    with pytest.raises(MalformedRecord, match="other-authority"):
        desk.sink.take(edited(good, authority="other-authority"), NOW_MS)
    with pytest.raises(MalformedRecord, match="video id"):
        desk.sink.take(edited(good, video_id="../../etc/passwd"), NOW_MS)
    with pytest.raises((MalformedRecord, UnknownRecord)):
        desk.sink.take(good[:-1], NOW_MS)
    desk.sink.refuse(0, 7, NOW_MS, BadSignature("no"))
    with desk.database.connection() as db:
        assert db.execute("SELECT topic_offset, reason FROM refusals").fetchall() == [(7, "BadSignature")]
        assert db.execute("SELECT count(*) FROM evidence").fetchone() == (0,)


@pytest.mark.parametrize(
    ("case", "state"), [("swapped", "damaged"), ("flipped", "damaged"), ("other key", "not-for-me")]
)
def test_sink_part_that_does_not_open_is_kept_and_named(desk: Desk, case: str, state: str) -> None:
    stranger = Identity.create().public
    good = recorded(stranger if case == "other key" else desk.epoch, 1).evidence[0]
    parts = list(decode(SealedEvidence, unpack_as("evidence", good).body).parts)
    if case == "swapped":
        parts[0], parts[1] = replace(parts[0], sealed=parts[1].sealed), replace(parts[1], sealed=parts[0].sealed)
    if case == "flipped":
        text = parts[0].sealed.ciphertext
        parts[:2] = [replace(p, sealed=replace(p.sealed, ciphertext=text[:-1] + bytes([text[-1] ^ 1])))
                     for p in parts[:2]]
    taken = desk.sink.take(edited(good, parts=tuple(parts)), NOW_MS)
    assert (taken.outcome, taken.unopened) == ("stored", len(parts) if case == "other key" else 2)
    with desk.database.connection() as db:
        closed = db.execute("SELECT DISTINCT state FROM parts WHERE wrapped IS NULL").fetchall()
    assert closed == [(state,)]


def test_sink_folder_takes_one_process_only(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="another process"):
        EvidenceSink(NAME, desk.database, desk.keys, desk.home / "evidence", identify)


def test_reading_changed_file_is_a_digest_mismatch(desk: Desk) -> None:
    desk.take(recorded(desk.epoch, 1))
    path = store.evidence_path(desk.home / "evidence", VIDEO)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with desk.database.connection() as db, pytest.raises((DigestMismatch, MalformedRecord)):
        desk.reader.chunk(db, VIDEO, 0)
    path.write_bytes(data[:-10])
    with desk.database.connection() as db, pytest.raises(DigestMismatch):
        desk.reader.chunk(db, VIDEO, 0)


def test_erase_closes_copies_and_leaves_the_neighbour(desk: Desk, tmp_path: Path) -> None:
    recording = recorded(desk.epoch, 1)
    desk.take(recording)
    desk.keys.destroy_identity("day")
    subject = add_subject(desk, 1)
    before = {piece.tracks: piece for piece in opened(desk)}
    backup = tmp_path / "backup"
    desk.keys.backup(backup)
    shutil.copytree(desk.home / "evidence", tmp_path / "copy")
    with desk.database.connection() as db:
        rows = db.execute("SELECT * FROM parts").fetchall()

    erased = erase_subject(desk.database, desk.keys, desk.log, clock, subject, actor="a", case="c", purpose="request")
    assert (erased.tracks, erased.keys, erased.days) == ((1,), 1, ())

    # the live system
    assert {piece.tracks for piece in opened(desk)} == {(2,)}
    # copies of database rows and file, with the live key store
    with desk.database.connection() as db:
        db.execute("DELETE FROM parts")
        for row in rows:
            db.execute("INSERT INTO parts VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", row)
    copies = EvidenceReader(NAME, desk.keys, tmp_path / "copy")
    with desk.database.connection() as db:
        found = copies.chunk(db, VIDEO, 0)
        alone = copies.chunk(db, VIDEO, 0, frozenset({2}))
        known = erased_tracks(db)
    assert {piece.tracks for piece in found.pieces} == {(2,)}
    assert set(found.closed) == {("erased", (1,)), ("erased", (1, 2))}
    assert [piece for piece in alone.pieces] == [before[(2,)]]
    # a key store restored from a backup leaves the erased track out
    with restore_keys(backup, tmp_path / "elsewhere", desk.home / "secret", known) as keys:
        reader = EvidenceReader(NAME, keys, tmp_path / "copy")
        with desk.database.connection() as db:
            assert {piece.tracks for piece in reader.chunk(db, VIDEO, 0).pieces} == {(2,)}
    done, begun = desk.log.last()
    assert (begun.content["action"], done.content["action"], done.seq) == ("erase", "erased", erased.entry)
    detail = done.content["detail"]
    assert (detail["keys"], detail["parts"], begun.content["detail"]["digest"]) == (1, erased.parts, erased.digest)
    # whoever has a copy of the file can compute which parts are closed
    assert erased.digest == closed_parts(tmp_path / "copy" / f"{VIDEO}.evidence", 1, rows)
    proof = desk.log.prove(erased.entry)
    check_inclusion(proof, identify_at)
    assert b"erased" in proof.entry


def test_erase_while_evidence_is_looked_at_leaves_none_of_its_places(desk: Desk) -> None:
    class Erases:
        """A look at the second chunk, which takes so long that track 1 is erased meanwhile."""

        def look(self, evidence: SealedEvidence, parts: tuple[OpenedPart, ...]) -> Write:
            if evidence.chunk_seq == 1:
                erase_subject(desk.database, desk.keys, desk.log, clock, add_subject(desk, 1), actor="a", case="c",
                              purpose="p")
            return lambda db: None

    desk.sink.close()
    desk.sink = EvidenceSink(NAME, desk.database, desk.keys, desk.home / "evidence", identify, Erases())
    desk.take(recorded(desk.epoch, 3))
    with desk.database.connection() as db:
        assert db.execute("SELECT track FROM erasures").fetchall() == [(1,)]
        assert db.execute("SELECT count(*) FROM spans WHERE track = 1 AND chunk_seq > 0").fetchone() == (0,)
        states = db.execute("SELECT DISTINCT state, wrapped IS NULL FROM parts WHERE 1 = ANY(tracks)").fetchall()
    assert states == [("erased", True)]


def test_erase_names_the_days_whose_keys_would_still_open_a_copy(desk: Desk) -> None:
    desk.take(recorded(desk.epoch, 1))
    subject = add_subject(desk, 1)
    erased = erase_subject(desk.database, desk.keys, desk.log, clock, subject, actor="a", case="c", purpose="request")
    assert erased.days == ("day",)
    assert [entry.content["detail"]["days"] for entry in desk.log.last()] == [["day"], ["day"]]


def closed_parts(path: Path, track: int, rows: list[tuple[object, ...]]) -> str:
    """The digest of FORMATS.md, section 8, from a copy of the file; which tracks claim a part, the old rows say."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        for value in read_framed(file, EVIDENCE):
            body = unpack_as("evidence", value).body
            seq = decode(SealedEvidence, body).chunk_seq
            for part in sorted(row[2] for row in rows if row[1] == seq and track in row[4]):
                state.update(f"{seq} {part} {hashlib.sha256(body).hexdigest()}\n".encode())
    return state.hexdigest()


def test_erase_late_evidence_of_the_same_track_stays_closed(desk: Desk) -> None:
    recording = recorded(desk.epoch, 2)
    desk.sink.take(recording.evidence[0], NOW_MS)
    erase_subject(desk.database, desk.keys, desk.log, clock, add_subject(desk, 1), actor="a", case="c", purpose="p")
    desk.sink.take(recording.evidence[1], NOW_MS)
    assert {piece.tracks for piece in opened(desk, 1)} == {(2,)}


def test_epochs_publish_one_signed_address_a_day(desk: Desk) -> None:
    epochs = Epochs(NAME, ["face"], desk.keys, KEY)
    day = NOW_MS // DAY_MS
    with desk.database.connection() as db:
        (first,) = epochs.due(db, day * DAY_MS + 1000)
        assert epochs.due(db, day * DAY_MS + 5000) == ()
        (second,) = epochs.due(db, (day + 1) * DAY_MS - 1000)
        assert epochs.current(db, (day + 1) * DAY_MS) == (first, second)
    one, two = (decode(UploadAddress, check(s, "upload_address", KEY.public)) for s in (first, second))
    assert (one.version, two.version) == (1, 2) and one.public_key != two.public_key
    assert one.topic == f"authority.{NAME}.evidence.v1" and one.kinds == ("face",)
    assert two.not_before_ms < one.expires_ms < two.expires_ms


def test_epochs_close_destroys_the_key_once_evidence_is_in(desk: Desk) -> None:
    epochs = Epochs(NAME, ["face"], desk.keys, KEY, retention_ms=3 * DAY_MS)
    day = NOW_MS // DAY_MS
    with desk.database.connection() as db:
        (signed,) = epochs.due(db, day * DAY_MS)
    address = decode(UploadAddress, signed.body)
    made = [chunk(PLACES, seq, end=seq == 2, video=VIDEO) for seq in range(3)]
    recording = record(made, [regions(PLACES, seq) for seq in range(3)], address.public_key, address.epoch)
    for index in (0, 2):
        desk.sink.take(recording.evidence[index], NOW_MS)
    after = address.expires_ms + DAY_MS
    with desk.database.connection() as db:
        assert epochs.close(db, address.expires_ms, caught_up=True) == ()
        assert epochs.close(db, after, caught_up=False) == ()
        assert epochs.close(db, after, caught_up=True) == ()  # chunk 1 is missing
    desk.sink.take(recording.evidence[1], NOW_MS)
    with desk.database.connection() as db:
        assert epochs.close(db, after, caught_up=True) == (address.epoch,)
        assert epochs.close(db, after, caught_up=True) == ()
        assert [state.open for state in epochs.states(db)] == [False]
    late = record([replace(made[0], video_id=VIDEO[:-1] + "b", end=True)],
                  [replace(regions(PLACES), video_id=VIDEO[:-1] + "b")], address.public_key, address.epoch)
    assert desk.sink.take(late.evidence[0], NOW_MS).unopened > 0


def test_epochs_close_after_retention_whatever_is_missing(desk: Desk) -> None:
    epochs = Epochs(NAME, ["face"], desk.keys, KEY, retention_ms=2 * DAY_MS)
    with desk.database.connection() as db:
        (signed,) = epochs.due(db, NOW_MS)
        address = decode(UploadAddress, signed.body)
        assert epochs.close(db, address.expires_ms + 2 * DAY_MS, caught_up=False) == ()
        assert epochs.close(db, address.expires_ms + 2 * DAY_MS + 1, caught_up=False) == (address.epoch,)


def test_log_refuses_change_and_deletion(desk: Desk) -> None:
    desk.log.append("search-face", "a", "c", "p", {})
    for statement in ("UPDATE access_log SET time_ms = 0", "DELETE FROM access_log"):
        with pytest.raises(AccessDenied), desk.database.connection() as db:
            db.execute(statement)


def test_folder_whose_disk_isnt_mounted_is_refused(desk: Desk, database: Database, tmp_path: Path) -> None:
    for number in range(3):
        assert [one.outcome for one in desk.take(recorded(desk.epoch, 1, video=f"{VIDEO[:-1]}{number}"))] == ["stored"]
    with database.connection() as db:
        store.check_folder(db, desk.home / "evidence")
        with pytest.raises(ConfigError, match="is its disk mounted"):
            store.check_folder(db, tmp_path / "empty")
