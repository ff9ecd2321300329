"""Restorations as jobs: made, taken up again, cancelled, erased; and their chain of custody, checked offline."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest

from operators.sign import SigningKey, digest
from schemas.errors import AccessDenied, BadSignature, IntegrityError, UsageError
from streams.authority.erase import erase_subject
from streams.forensic.jobs import KEPT_MS
from streams.forensic.manifest import SUFFIX, canonical, signed_manifest, verify_restoration
from streams.forensic.proofs import Inclusion, read_proof
from streams.forensic.restorations import Wish
from streams.forensic.service import Ground
from tests.support.authority import (
    LOG_KEY,
    NOW_MS,
    VIDEO,
    Recording,
    add_subject,
    identify_at,
    log_signer,
    record,
)
from tests.support.cases import GROUND, open_case
from tests.support.changing import changed, leaves, other
from tests.support.office import CHUNKS, Office, Platform, opened
from tests.support.scenes import chunk, crossing, regions
from tests.support.services import Postgres

WISHES = {
    "lossless": Wish(with_gaps=True), "playable": Wish(with_gaps=True, lossless=False),
    "burnt": Wish(with_gaps=True, lossless=False, burnt=True), "everyone": Wish(everyone=True),
}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, postgres_authority: Postgres) -> Iterator[Office]:
    with opened(tmp_path_factory.mktemp("office"), postgres_authority) as found:
        yield found


@pytest.fixture(scope="module")
def outcomes(office: Office, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file with its manifest for each wish."""
    service, folder, files = office.service(), tmp_path_factory.mktemp("restored"), {}
    for name, wish in WISHES.items():
        job = office.done(service, service.begin_restoration(f"{VIDEO}/s1", GROUND, wish))
        assert job.state == "done" and (job.done, job.frames) == (40, 40), job.error
        _, content = service.restored_file(job.restoration_id, GROUND.actor)
        files[name] = folder / f"{name}.mp4"
        files[name].write_bytes(b"".join(content))
        manifest_of(files[name]).write_text(json.dumps(job.manifest))
    return files


def manifest_of(file: Path) -> Path:
    return file.with_name(file.name + SUFFIX)


def pictures(file: Path) -> list[Any]:
    with av.open(str(file)) as container:
        return [frame.to_ndarray(format="yuv420p") for frame in container.decode(video=0)]


@pytest.mark.parametrize("name", WISHES)
def test_job_s_file_is_verified_offline_and_in_the_log(office: Office, outcomes: dict[str, Path], name: str) -> None:
    file = outcomes[name]
    found = verify_restoration(file, manifest_of(file), identify_at)
    body = found.body
    assert (body["frames"], body["case"], body["person"]) == (40, "case-7", "inspector")
    assert body["file"]["bytes"] == file.stat().st_size and len(pictures(file)) == 40
    assert body["shows"] == ("everyone" if name == "everyone" else "subject")
    entry = office.desk.log.get(body["entry"]).content
    assert entry["action"] == "restore" and entry["detail"]["subject"] == body["subject"]
    assert all(chunk["how"] == "restored" and chunk["evidence"] for chunk in body["chunks"])


def test_watermark_is_burnt_in_at_the_foot_and_nowhere_else(outcomes: dict[str, Path]) -> None:
    plain, marked = pictures(outcomes["playable"]), pictures(outcomes["burnt"])
    for a, b in zip(plain, marked, strict=True):
        top = a[:80].astype(int) - b[:80]
        foot = a[96:112].astype(int) - b[96:112]
        assert abs(top).mean() < 2 < 20 < abs(foot).mean()


def test_every_changed_byte_of_a_restored_file_is_named_by_its_place(outcomes: dict[str, Path], tmp_path: Path) -> None:
    file = outcomes["lossless"]
    whole, read = file.read_bytes(), json.loads(manifest_of(file).read_text())
    manifest_of(tmp_path / "changed.mp4").write_text(json.dumps(read))
    ends, at = {}, read["body"]["file"]["init"]
    for said in read["body"]["chunks"]:
        ends[at + said["bytes"]] = f"chunk {said['seq']}"
        at += said["bytes"]
    for place in range(0, len(whole), max(1, len(whole) // 60)):
        (tmp_path / "changed.mp4").write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        there = next((name for end, name in ends.items() if place < end), "")
        there = "init segment" if place < read["body"]["file"]["init"] else there
        with pytest.raises(IntegrityError, match=there):
            verify_restoration(tmp_path / "changed.mp4", manifest_of(tmp_path / "changed.mp4"), identify_at)
    for cut in (whole[:-1], whole + b"\0", b""):
        (tmp_path / "changed.mp4").write_bytes(cut)
        with pytest.raises(IntegrityError):
            verify_restoration(tmp_path / "changed.mp4", manifest_of(tmp_path / "changed.mp4"), identify_at)


def test_every_changed_field_of_a_manifest_is_refused(outcomes: dict[str, Path], tmp_path: Path) -> None:
    file = outcomes["lossless"]
    read, place = json.loads(manifest_of(file).read_text()), tmp_path / "changed.json"
    for path in leaves(read):
        place.write_text(json.dumps(changed(read, path, other)))
        with pytest.raises((IntegrityError, UsageError)):
            verify_restoration(file, place, identify_at)


def test_manifest_signed_anew_still_has_to_be_what_the_log_says(outcomes: dict[str, Path], tmp_path: Path) -> None:
    """Who holds the authority's key can sign another story; the log's entry, kept elsewhere, doesn't tell it."""
    file, place = outcomes["lossless"], tmp_path / "changed.json"
    read = json.loads(manifest_of(file).read_text())
    proof = read_proof(read["log"])
    assert isinstance(proof, Inclusion)
    body = {**read["body"], "purpose": "another"}
    for key in (log_signer().key(), SigningKey(b"x" * 32)):
        place.write_text(json.dumps(signed_manifest(body, key, proof)))
        with pytest.raises((IntegrityError, BadSignature)):
            verify_restoration(file, place, identify_at)
    forged = changed(read["body"], ("chunks", 0, "record", "signature"), lambda _: base64.b64encode(bytes(64)).decode())
    forged["chunks"][0]["signature_digest"] = digest(bytes(64)).hex()
    entry = json.loads(proof.entry)
    entry["detail"]["manifest"] = digest(canonical(forged)).hex()
    place.write_text(json.dumps(signed_manifest(
        forged, replace(LOG_KEY, signer=LOG_KEY.public), replace(proof, entry=canonical(entry)))))
    with pytest.raises(IntegrityError):
        verify_restoration(file, place, identify_at)


def test_chunks_without_the_subject_are_fetched_with_the_others_and_pass_as_they_are(
    office: Office, tmp_path: Path
) -> None:
    """The platform can't tell from what is fetched in which chunks of a stretch the subject is."""
    video = f"cam-{NOW_MS}-0000000b"
    places = crossing()
    chunks = [replace(chunk(places, seq, end=seq == 4, video=video), gaps=2 * seq) for seq in range(5)]
    everybody = [replace(regions(places, seq), video_id=video) for seq in range(5)]
    alone = [replace(found, frames=tuple(frame[:1] for frame in found.frames)) for found in everybody]
    found = [everybody[seq] if seq in (1, 3) else alone[seq] for seq in range(5)]
    made = record(chunks, found, office.desk.epoch)
    office.desk.take(made)
    other = replace(office, platform=Platform(made))
    service = other.service()
    job = other.done(service, service.begin_restoration(
        add_subject(office.desk, 2, video=video), GROUND, Wish(with_gaps=True)))
    assert job.state == "done" and job.manifest and sorted(other.platform.asked) == [1, 2, 3]
    body = job.manifest["body"]
    assert [said["how"] for said in body["chunks"]] == ["restored", "passed", "restored"]
    assert body["chunks"][1]["digest"] == digest(made.chunk(video, 2).media).hex()
    (tmp_path / "out.mp4").write_bytes(b"".join(service.restored_file(job.restoration_id, GROUND.actor)[1]))
    manifest_of(tmp_path / "out.mp4").write_text(json.dumps(job.manifest))
    checked = verify_restoration(tmp_path / "out.mp4", manifest_of(tmp_path / "out.mp4"), identify_at)
    assert checked.body == body and checked.lost == body["lost"] == 4 + 6
    assert "10 frames between them lost" in checked.words
    assert len(pictures(tmp_path / "out.mp4")) == 30


@pytest.mark.parametrize("dies_at", [1, 2, 4])
def test_job_of_a_killed_service_goes_on_where_it_stopped(office: Office, dies_at: int) -> None:
    office.platform = Platform(office.platform.recording, dies_at=dies_at)
    service = office.service()
    job = service.begin_restoration(f"{VIDEO}/s2", GROUND, Wish(with_gaps=True))
    office.live(service, lambda: False)
    before = service.restoration(job.restoration_id, GROUND.actor)
    assert before.state in ("waiting", "running") and before.done % 10 == 0
    office.platform = Platform(office.platform.recording)
    service = office.service()
    after = office.done(service, job)
    assert after.state == "done" and after.done == 40
    assert len(office.platform.asked) == CHUNKS - before.done // 10


def test_job_with_a_damaged_fragment_makes_that_one_again(office: Office) -> None:
    office.platform = Platform(office.platform.recording, dies_at=CHUNKS)
    service = office.service()
    job = service.begin_restoration(f"{VIDEO}/s2", GROUND, Wish(with_gaps=True))
    office.live(service, lambda: False)
    sealed = sorted((office.folder / job.restoration_id).glob("*.sealed"))
    assert sealed
    data = sealed[0].read_bytes()
    sealed[0].write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    kept = service.restoration(job.restoration_id, GROUND.actor).done // 10
    office.platform = Platform(office.platform.recording)
    assert office.done(office.service(), job).state == "done"
    assert len(office.platform.asked) == CHUNKS - kept + 1 and 0 in office.platform.asked


def test_job_waits_for_a_platform_that_is_down_and_says_so(office: Office) -> None:
    office.platform = Platform(office.platform.recording, down=True)
    service = office.service()
    job = service.begin_restoration(f"{VIDEO}/s2", GROUND, Wish(with_gaps=True))
    office.live(service, lambda: bool(service.restoration(job.restoration_id, GROUND.actor).error))
    assert "platform is down" in service.restoration(job.restoration_id, GROUND.actor).error
    office.platform.down = False
    assert office.done(office.service(), job).state == "done"


def test_job_with_gaps_that_were_not_allowed_gives_nothing_but_the_list(office: Office) -> None:
    bad = Recording(office.platform.recording.operator, office.platform.recording.evidence)
    office.platform = Platform(bad)
    with office.desk.database.connection() as db:
        db.execute("UPDATE parts SET state = 'damaged', nonce = NULL, wrapped = NULL"
                   " WHERE video_id = %s AND chunk_seq = 2 AND type = 'mapping'", (VIDEO,))
    service = office.service()
    job = office.done(service, service.begin_restoration(f"{VIDEO}/s2", GROUND, Wish()))
    assert job.state == "gaps" and {gap.first_frame // 10 for gap in job.gaps} >= {2}
    assert job.manifest is None and not (office.folder / job.restoration_id).exists()
    with pytest.raises(UsageError, match="gaps"):
        service.restored_file(job.restoration_id, GROUND.actor)
    newest = office.desk.log.last(2)
    assert newest[1].content["action"] == "restored" and newest[1].content["detail"]["written"] is False


def test_job_cancelled_or_another_s_is_neither_shown_nor_kept(office: Office) -> None:
    office.platform = Platform(office.platform.recording, dies_at=3)
    service = office.service()
    job = service.begin_restoration(f"{VIDEO}/s2", GROUND, Wish(with_gaps=True))
    office.live(service, lambda: False)
    for call in (service.restoration, service.restored_file, service.cancel):
        with pytest.raises(UsageError, match="no such"):
            call(job.restoration_id, "somebody-else")
    assert service.cancel(job.restoration_id, GROUND.actor).state == "cancelled"
    assert not (office.folder / job.restoration_id).exists()
    assert office.done(office.service(), job).state == "cancelled"
    assert office.desk.log.last(1)[0].content["action"] == "restore-cancelled"


@pytest.mark.parametrize(("wish", "action"), [
    (Wish(burnt=True), "restore"), (Wish(everyone=True), "export"),
])
def test_job_that_contradicts_itself_is_refused_and_logged(office: Office, wish: Wish, action: str) -> None:
    with pytest.raises(UsageError):
        office.service().begin_restoration(f"{VIDEO}/s2", GROUND, wish, action)  # type: ignore[arg-type]
    assert office.desk.log.last(1)[0].content["action"] == f"{action}-failed"


def test_job_of_a_case_that_was_closed_is_neither_made_nor_given_out(office: Office) -> None:
    ground = open_case(office.desk.database, Ground("inspector", "case-8", "test"), shows="subject")
    office.platform = Platform(office.platform.recording)
    service = office.service()
    with pytest.raises(AccessDenied, match="alone"):
        service.begin_restoration(f"{VIDEO}/s2", ground, Wish(everyone=True))
    assert office.desk.log.last(1)[0].content["action"] == "restore-refused"
    job = office.done(service, service.begin_restoration(f"{VIDEO}/s2", ground, Wish(with_gaps=True)))
    late = service.begin_restoration(f"{VIDEO}/s2", ground, Wish(with_gaps=True))
    person = service.gate.people.get("inspector")
    assert job.state == "done" and person
    service.gate.cases.close(person, "case-8")
    with pytest.raises(AccessDenied, match="closed"):
        service.restored_file(job.restoration_id, ground.actor)
    assert office.desk.log.last(1)[0].content["action"] == "fetch-refused"
    assert office.done(service, late).state == "failed"


def test_no_picture_of_a_job_lies_bare_and_its_time_ends(
    office: Office, outcomes: dict[str, Path], postgres_authority: Postgres
) -> None:
    service = office.service()
    done = [job for job in service.restorations(GROUND.actor) if (job.state, job.case_id) == ("done", GROUND.case)]
    media = outcomes["lossless"].read_bytes()
    for file in office.folder.rglob("*.sealed"):
        assert b"moof" not in file.read_bytes() and media[2000:2064] not in file.read_bytes()
    office.now_ms += 2 * KEPT_MS
    office.live(service, lambda: not any(office.folder.glob("*/*")))
    for job in done:
        assert service.restoration(job.restoration_id, GROUND.actor).state == "gone"
        with pytest.raises(UsageError, match="gone"):
            service.restored_file(job.restoration_id, GROUND.actor)


def test_file_whose_time_is_over_or_that_shows_who_was_erased_is_refused_while_the_worker_is_at_another(
    office: Office
) -> None:
    """Nothing runs here that would clear it away: fetching looks for itself."""
    office.platform, office.now_ms = Platform(office.platform.recording), NOW_MS + 3_600_000
    service = office.service()
    job = office.done(service, service.begin_restoration(f"{VIDEO}/s1", GROUND, Wish(everyone=True, with_gaps=True)))
    assert job.state == "done"
    b"".join(service.restored_file(job.restoration_id, GROUND.actor)[1])
    with office.desk.database.connection() as db:
        db.execute("INSERT INTO erasures VALUES (%s, 99, %s)", (VIDEO, job.created_ms))
    with pytest.raises(UsageError, match="erased"):
        service.restored_file(job.restoration_id, GROUND.actor)
    with office.desk.database.connection() as db:
        db.execute("DELETE FROM erasures WHERE track = 99")
    office.now_ms = job.until_ms
    with pytest.raises(UsageError, match="time is over"):
        service.restored_file(job.restoration_id, GROUND.actor)
    assert office.desk.log.last(1)[0].content["action"] == "fetch-failed"


def test_erased_subject_s_restoration_goes_with_it(office: Office) -> None:
    office.platform, office.now_ms = Platform(office.platform.recording), NOW_MS + 3_600_000
    service = office.service()
    job = office.done(service, service.begin_restoration(f"{VIDEO}/s1", GROUND, Wish(with_gaps=True)))
    assert job.state == "done"
    erase_subject(office.desk.database, office.desk.keys, office.desk.log, lambda: office.now_ms, f"{VIDEO}/s1",
                  actor="inspector", case="case-8", purpose="asked for")
    office.live(service, lambda: service.restoration(job.restoration_id, GROUND.actor).state == "gone")
    assert service.restoration(job.restoration_id, GROUND.actor).state == "gone"
    assert not (office.folder / job.restoration_id).exists()


