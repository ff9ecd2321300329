"""The store on a real database: what is kept, what is refused, what a torn write leaves."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from dataclasses import replace

import pytest

from infra.files import LOST, AppendFile
from operators.codec import decode_units
from operators.fragment import parse_fragment
from operators.sign import digest
from schemas.codec import unpack_as
from schemas.errors import ChainBroken, ConfigError, DigestMismatch, MalformedRecord, MissingChunk, ServiceUnavailable
from schemas.frames import MAX_CODED_BYTES
from streams.operating.index import Index
from streams.operating.pages import state_of
from streams.operating.store import Store
from streams.verify import check_record, verify_video
from tests.support.clips import FORMAT
from tests.support.operating import RECEIVED_MS, store_all
from tests.support.operator_video import identify, rewritten, video
from tests.support.planes import equal


@pytest.fixture
def store(operator_database, tmp_path):
    opened = Store(operator_database, tmp_path / "video")
    yield opened
    opened.close()


@pytest.fixture
def index(operator_database, store):
    return Index(operator_database, store.folder)


def _put(store, *records):
    with store.batch() as batch:
        outcomes = [batch.put(check_record(record, identify), RECEIVED_MS) for record in records]
    return outcomes, batch.findings


def _file(store, made):
    return (store.folder / f"{made.video_id}.mp4").read_bytes()


def _media(records):
    return b"".join(record.media for record in records)


def test_file_is_init_and_fragments_byte_for_byte(store, index):
    made = video(4, heads=[1, 3])
    assert store_all(store, made) == []
    assert _file(store, made) == _media(made.records)
    found = index.video(made.video_id)
    assert (found.chunks, found.frames, found.ended, found.fault) == (4, 20, True, "")
    assert found.bytes == len(_media(made.records)) and found.seconds == 20 / 25
    assert [place.at for place in index.places(found)] == [
        len(_media(made.records[:1])) + sum(len(r.media) for r in made.records[1:] if r.media)
        - sum(len(r.media) for r in [x for x in made.records[1:] if x.media][seq:]) for seq in range(4)
    ]


def test_every_digest_can_be_recomputed_from_the_file(store, index):
    made = video(3)
    store_all(store, made)
    data, found = _file(store, made), index.video(made.video_id)
    for place in index.places(found):
        record = index.chunk(found, place.seq)
        body = check_record(record, identify).body.chunk
        assert body is not None and digest(data[place.at : place.at + place.bytes]) == body.media_digest


def test_records_come_back_as_they_were_signed(store, index):
    made = video(4, heads=[1, 3])
    store_all(store, made)
    found = index.video(made.video_id)
    records = [unpack_as("operator", data) for data in index.records(found)]
    assert records == [replace(record, media=b"") for record in made.records]
    assert verify_video(records, identify, media=False).frames == 20
    part = [unpack_as("operator", data) for data in index.records(found, 1, 2)]
    assert len(part) == 4 and verify_video(part, identify, media=False, first=1, live=True).next_seq == 3
    assert index.start(found) == made.records[0]


def test_replay_of_the_same_records_changes_nothing(store, index):
    made = video(3, heads=[2])
    store_all(store, made)
    before = _file(store, made)
    outcomes, findings = _put(store, *made.records)
    assert outcomes == ["repeated"] * 6 and findings == []
    assert _file(store, made) == before and index.video(made.video_id).conflicts == 0


@pytest.mark.parametrize("at", [0, 1, 3, 4])
def test_second_version_is_counted_and_never_shown(store, index, at):
    made = video(3)
    store_all(store, made)
    other = rewritten(made.records[at], **({"method": "blur"} if 0 < at < 4 else {"camera_id": "cam-1", **(
        {"capture_ms": 5} if at == 0 else {"frames": 14})}))
    outcomes, findings = _put(store, other, other)
    assert outcomes == ["conflict"] * 2 and [finding.kind for finding in findings] == ["replayed-version"]
    found = index.video(made.video_id)
    assert found.conflicts == 1 and found.fault == ""
    assert [unpack_as("operator", data).signed for data in index.records(found)] == [r.signed for r in made.records]


def test_record_out_of_chain_is_refused_and_the_rest_goes_on(store, index):
    made, other = video(4), video(4, camera="cam-2")
    strange = rewritten(made.records[2], method="blur", previous_digest=bytes(32))
    with store.batch() as batch:
        for record in (*made.records[:2], *other.records):
            batch.put(check_record(record, identify), RECEIVED_MS)
        with pytest.raises(ChainBroken):
            batch.put(check_record(strange, identify), RECEIVED_MS)
        batch.refuse(0, 7, RECEIVED_MS, ChainBroken("x"))
        for record in made.records[2:]:
            batch.put(check_record(record, identify), RECEIVED_MS)
    for one in (made, other):
        assert _file(store, one) == _media(one.records) and index.video(one.video_id).fault == ""


@pytest.mark.parametrize(
    "records",
    [
        lambda made: (made.records[1],),
        lambda made: (*made.records[:2], rewritten(made.records[2], camera_id="cam-9")),
        lambda made: (*made.records[:2], rewritten(made.records[2], first_frame=2)),
        lambda made: (*made.records, rewritten(video(5).records[5])),
    ],
    ids=["no start", "another camera", "frames again", "after the end"],
)
def test_record_without_its_place_is_refused(store, records):
    *good, bad = records(video(3))
    with store.batch() as batch:
        for record in good:
            batch.put(check_record(record, identify), RECEIVED_MS)
        with pytest.raises(ChainBroken):
            batch.put(check_record(bad, identify), RECEIVED_MS)


def test_dropped_chunk_is_seen_at_once_and_later_chunks_are_kept(store, index):
    made = video(4)
    outcomes, findings = _put(store, *made.without(2))
    assert set(outcomes) == {"stored"} and [finding.kind for finding in findings] == ["tampered-stream"]
    found = index.video(made.video_id)
    assert (found.fault, found.chunks, found.missing) == ("MissingChunk", 3, 1)
    with store.batch() as batch, pytest.raises(ChainBroken):
        batch.put(check_record(made.records[2], identify), RECEIVED_MS)


def test_chunk_that_was_lost_before_the_pipeline_is_a_signed_gap(store, index):
    made = video(2, end=False)
    later = rewritten(made.records[2], chunk_seq=3, first_frame=15, gaps=10)
    outcomes, findings = _put(store, *made.records[:2], later)
    found = index.video(made.video_id)
    assert (outcomes[-1], findings, found.missing, found.fault) == ("stored", [], 0, "")
    assert (found.lost, state_of(found)[0]) == (10, "growing, 10 frames lost")


def test_end_without_a_videos_last_frames_is_no_fault_and_says_so(store, index):
    made = video(2)
    _, findings = _put(store, *made.records[:-1], rewritten(made.records[-1], gaps=5))
    found = index.video(made.video_id)
    assert (findings, found.fault, found.lost, state_of(found)[0]) == ([], "", 5, "complete, 5 frames lost")


@pytest.mark.parametrize(
    ("records", "fault"),
    [(lambda: video(3).without(3), "MissingChunk"), (lambda: video(3, heads=[2], end=False).without(3), "MissingChunk"),
     (lambda: (*video(3).records[:-1], rewritten(video(3).records[-1], frames=99)), "ChainBroken")],
    ids=["tail under an end", "tail under a head", "totals"],
)
def test_fault_of_a_whole_video_is_named(store, index, records, fault):
    _, findings = _put(store, *records())
    assert index.videos()[0].fault == fault and fault in findings[0].text


@pytest.mark.parametrize("video_id", ["../../etc/passwd", "a/b", ".hidden", "", "a\0b", "x" * 129, "ä"])
def test_video_id_that_could_leave_the_folder_is_refused(store, video_id):
    start = rewritten(video(0).records[0], video_id=video_id)
    with store.batch() as batch, pytest.raises(MalformedRecord):
        batch.put(check_record(start, identify), RECEIVED_MS)
    assert [path.name for path in store.folder.iterdir()] == [".lock"]


def test_number_that_no_index_holds_is_refused_and_the_batch_goes_on(store, index):
    made = video(2)
    with store.batch() as batch:
        batch.put(check_record(made.records[0], identify), RECEIVED_MS)
        with pytest.raises(MalformedRecord):
            batch.put(check_record(rewritten(made.records[1], chunk_seq=2**63), identify), RECEIVED_MS)
        batch.put(check_record(made.records[1], identify), RECEIVED_MS)
    assert index.video(made.video_id).chunks == 1


def test_failed_batch_leaves_nothing(store, index):
    made = video(4, end=False)
    _put(store, *made.records[:2])
    before = _file(store, made)
    with pytest.raises(ServiceUnavailable), store.batch() as batch:
        batch.put(check_record(made.records[2], identify), RECEIVED_MS)
        raise ServiceUnavailable("the disk is full")
    assert index.video(made.video_id).chunks == 1
    outcomes, _ = _put(store, *made.records)
    assert outcomes == ["repeated", "repeated", "stored", "stored", "stored"]
    assert _file(store, made) == _media(made.records) and _file(store, made).startswith(before)


def test_full_disk_refuses_the_batch_and_keeps_what_was_stored(store, index):
    made, soft_hard = video(4), resource.getrlimit(resource.RLIMIT_FSIZE)
    _put(store, *made.records[:2])
    try:
        room = len(_media(made.records[:3])) + 10
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, soft_hard[1]))
        with pytest.raises(ServiceUnavailable):
            _put(store, *made.records[2:])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, soft_hard)
    assert index.video(made.video_id).chunks == 1
    _put(store, *made.records)
    assert _file(store, made) == _media(made.records) and index.video(made.video_id).fault == ""


@pytest.fixture
def volume(tmp_path):
    """A volume of 50 MB."""
    folder = tmp_path / "volume"
    folder.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=50m", "tmpfs", str(folder)]).returncode:
        pytest.skip("mounting a small volume needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_volume_refuses_what_does_not_fit_and_takes_it_once_there_is_room(operator_database, volume):
    made, opened = video(4), Store(operator_database, volume / "video")
    _put(opened, *made.records[:2])
    (volume / "filler").write_bytes(bytes(shutil.disk_usage(volume).free - len(made.records[2].media) // 2))
    with pytest.raises(ServiceUnavailable):
        _put(opened, *made.records[2:])
    assert Index(operator_database, opened.folder).video(made.video_id).chunks == 1
    (volume / "filler").unlink()
    _put(opened, *made.records)
    assert _file(opened, made) == _media(made.records)
    opened.close()


def test_torn_tail_is_cut_at_the_start(operator_database, tmp_path):
    folder = tmp_path / "video"
    made = video(3, end=False)
    first = Store(operator_database, folder)
    store_all(first, made)
    first.close()
    path = folder / f"{made.video_id}.mp4"
    with path.open("ab") as file:
        file.write(b"torn" * 1000)
    second = Store(operator_database, folder)
    assert second.recover() == []
    assert path.read_bytes() == _media(made.records)
    second.close()


def test_folder_whose_disk_isnt_mounted_is_refused_until_its_files_are_called_lost(operator_database, tmp_path):
    first = Store(operator_database, tmp_path / "video")
    for number in range(3):
        first.check_folder()
        store_all(first, video(2, camera=f"cam-{number}"))
    first.close()
    (tmp_path / "video").rename(tmp_path / "elsewhere")
    unmounted = Store(operator_database, tmp_path / "video")
    with pytest.raises(ConfigError, match="none of the 3 newest files .* is its disk mounted"):
        unmounted.check_folder()
    (tmp_path / "video" / LOST).touch()
    unmounted.check_folder()
    unmounted.close()


def test_lost_bytes_are_reported_and_their_video_grows_no_further(operator_database, tmp_path):
    folder = tmp_path / "video"
    made, other = video(3, end=False), video(2, camera="cam-2")
    first = Store(operator_database, folder)
    with first.batch() as batch:
        for record in made.records[:3]:
            batch.put(check_record(record, identify), RECEIVED_MS)
    first.close()
    path = folder / f"{made.video_id}.mp4"
    AppendFile(path, path.stat().st_size - 5).close()
    second = Store(operator_database, folder)
    assert [finding.kind for finding in second.recover()] == ["store-damaged"]
    with second.batch() as batch, pytest.raises(DigestMismatch):
        batch.put(check_record(made.records[3], identify), RECEIVED_MS)
    store_all(second, other)
    index = Index(operator_database, folder)
    with pytest.raises(DigestMismatch):
        index.chunk(index.video(made.video_id), 1)
    assert index.chunk(index.video(made.video_id), 0) == made.records[1]
    second.close()


def test_second_process_may_not_write(operator_database, store):
    with pytest.raises(ConfigError):
        Store(operator_database, store.folder)


def test_frame_by_its_number_is_the_decoded_picture(store, index):
    made = video(3)
    store_all(store, made)
    found = index.video(made.video_id)
    units, _ = parse_fragment(made.records[2].media, FORMAT)
    pictures = decode_units(units, "h264", FORMAT.width, FORMAT.height)
    assert all(equal(index.frame(found, 5 + at), pictures[at]) for at in (0, 4, 2))
    for number in (15, 10**9):
        with pytest.raises(MissingChunk):
            index.frame(found, number)


def test_changed_byte_in_the_file_is_never_served(store, index):
    made = video(2)
    store_all(store, made)
    path = store.folder / f"{made.video_id}.mp4"
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(data)
    found = index.video(made.video_id)
    with pytest.raises(DigestMismatch):
        index.chunk(found, 1)
    with pytest.raises(DigestMismatch):
        index.frame(found, 7)
    assert index.chunk(found, 0) == made.records[1]
    assert len(data) < MAX_CODED_BYTES
