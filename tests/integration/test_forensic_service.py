"""The whole back end on real servers: broker, both databases, both platforms, forensic service over mutual TLS."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import typer
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from infra import tls
from infra.https import HttpsClient, HttpsServer
from infra.keys import create_secret, load_signing_seed
from infra.postgres import Database, DatabaseAccess
from infra.recipients import recipient_text, write_identity
from operators.note import sign_checkpoint
from operators.pipeline import Pipeline
from operators.seal import Identity
from operators.sign import SigningKey
from schemas.codec import pack
from schemas.errors import AccessDenied, IntegrityError, UsageError
from schemas.records import UploadAddress
from schemas.topics import KEYS, OPERATOR_VIDEO, evidence_topic
from streams.addresses import open_address
from streams.authority.faces import Faces
from streams.authority.service import AuthorityService, AuthoritySetup
from streams.cli import export as export_cli
from streams.cli import log as log_cli
from streams.cli import restore as restore_cli
from streams.cli import search as search_cli
from streams.cli import subject as subject_cli
from streams.cli import verify as verify_cli
from streams.forensic.client import ForensicClient
from streams.forensic.gate import Ground
from streams.forensic.proofs import Signed, check_signed, read_signed, signed_json
from streams.forensic.restorations import Wish
from streams.forensic.server import ForensicServer, ForensicSetup
from streams.operating.api import VIEWERS, create_app
from streams.operating.index import Index
from streams.operating.overview import Overview
from streams.operating.service import OperatorService, OperatorSetup
from tests.support.authority import NAME, NOW_MS, POLICY, Recording, record
from tests.support.cases import open_cases
from tests.support.groups import from_now_on
from tests.support.operating import by_ca, certified_key
from tests.support.plates import saying, seen
from tests.support.scenes import chunk, crossing, regions
from tests.support.services import Broker, Postgres, unique
from tests.support.spy import Spy

PLACES = crossing()


@dataclass
class Stack:
    """What runs, and the video that went through it."""

    broker: Broker
    url: str
    video_id: str
    recording: Recording
    database: DatabaseAccess
    key: SigningKey
    spy: Spy


def wait(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.05)
    pytest.fail("it didn't happen in time")


def add_subject(stack: Stack, name: str = "", track: int = 1) -> str:
    """Note a subject of one track, as an index would; returns its name."""
    name = name or f"{stack.video_id}/s1"
    with Database(stack.database) as database, database.connection() as db:
        db.execute("INSERT INTO subjects VALUES (%s, %s, 'cam', 'face', %s, %s, 0, 0) ON CONFLICT DO NOTHING",
                   (name, stack.video_id, [track], track))
    return name


@pytest.fixture(scope="module")
def stack(
    broker: Broker, ca: Path, postgres_authority: Postgres, postgres_operator: Postgres,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    home, key, principal = tmp_path_factory.mktemp("stack"), certified_key(ca), f"authority-{NAME}"
    database, _ = postgres_authority.fresh()
    operator_database, _ = postgres_operator.fresh()
    group = f"operator.{unique('test')}"
    from_now_on(broker, "operator", group, OPERATOR_VIDEO)
    from_now_on(broker, principal, principal, evidence_topic(NAME))
    signer = tls.issue_signer(ca, principal)
    secret = create_secret(home / "secret")
    stop = threading.Event()
    setup = AuthoritySetup(NAME, ["face"], broker.access(principal), signer, database, home / "evidence", home / "keys",
                           secret)
    operator_setup = OperatorSetup(broker.access("operator"), operator_database, home / "video", group=group)
    with OperatorService(operator_setup) as operator, AuthorityService(setup, None) as authority:
        threads = [threading.Thread(target=service.run, args=(stop,)) for service in (operator, authority)]
        for thread in threads:
            thread.start()
        try:
            serving = Database(operator_database)
            index = Index(serving, home / "video")
            spy = Spy(create_app(index, CollectorRegistry(), Overview(index, serving, home / "video")))
            watched = HttpsServer(spy, broker.identity("operator"), VIEWERS).start()
            forensic = ForensicSetup(NAME, broker.identity(principal), database, home / "evidence", home / "keys",
                                     secret, watched.url)
            video_id, recording = _sent(broker, ca, key)
            with Database(database) as pool:
                wait(lambda: _count(pool) == len(recording.evidence))
            open_cases(database, Ground("investigator-anna", "case-1", "test"))
            with ForensicServer(forensic, _no_models) as server:
                yield Stack(broker, server.server.url, video_id, recording, database, key, spy)
            watched.stop()
            serving.close()
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def logged(stack: Stack) -> dict[str, Any]:
    """The newest entry, as the auditor reads it."""
    with ForensicClient(stack.url, stack.broker.identity("auditor-dan")) as client:
        return dict(client.get("/log?count=1")[0])


def _no_models() -> Faces:
    raise UsageError("this test has no models")


def _count(pool: Database) -> int:
    with pool.connection() as db:
        return int(db.execute("SELECT count(*) FROM evidence").fetchone()[0])  # type: ignore[index]


def _sent(broker: Broker, ca: Path, key: SigningKey) -> tuple[str, Recording]:
    """A video whose evidence is sealed for the address that the authority has published."""
    def newest() -> UploadAddress | None:
        with broker.access("pipeline").consumer("pipeline.readiness") as consumer:
            found = [m for m in consumer.read_all(KEYS) if m.key == NAME.encode()]
        ours = [open_address(m.value, by_ca(ca), NOW_MS) for m in found]
        return max(ours, key=lambda a: a.not_before_ms, default=None)

    address = wait(newest)
    camera = unique("cam")
    video_id = f"{camera}-{NOW_MS}-0000000c"
    chunks = [replace(chunk(PLACES, seq, end=seq == 1, video=video_id), camera_id=camera) for seq in range(2)]
    found = [replace(regions(PLACES, seq), camera_id=camera, video_id=video_id) for seq in range(2)]
    pipeline = Pipeline(POLICY, None, key)  # type: ignore[arg-type]  # protect() never detects
    made = record(chunks, found, address.public_key, address.epoch, pipeline=pipeline, signer=key)
    with broker.access("pipeline").producer() as producer:
        for operator_record in made.operator:
            producer.send(OPERATOR_VIDEO, camera.encode(), pack("operator", operator_record))
        for evidence in made.evidence:
            producer.send(evidence_topic(NAME), camera.encode(), evidence)
    return video_id, made


def restored(
    client: ForensicClient, subject: str, case: str, purpose: str, wish: Wish, out: Path, ca: Path
) -> dict[str, Any]:
    """Ask for a restoration, wait for it, and write it with its manifest where it is `done`."""
    job = client.wait(client.begin(subject, case, purpose, wish))
    if job["state"] == "done":
        client.fetch(job["id"], out, ca)
    return job


def test_restore_over_the_whole_stack_and_in_the_log(stack: Stack, tmp_path: Path, ca: Path) -> None:
    subject = add_subject(stack)
    with ForensicClient(stack.url, stack.broker.identity("investigator-anna")) as client:
        done = restored(client, subject, "case-1", "test", Wish(everyone=True), tmp_path / "all.mp4", ca / "ca.pem")
        assert (done["state"], done["frames"], done["replaced"], done["gaps"]) == ("done", 20, 20, [])
        assert (tmp_path / "all.mp4").stat().st_mode & 0o777 == 0o600
        wish = Wish(with_gaps=True)
        alone = restored(client, subject, "case-1", "test", wish, tmp_path / "one.mp4", ca / "ca.pem")
        assert (tmp_path / "one.mp4").read_bytes() != (tmp_path / "all.mp4").read_bytes()
        newest = logged(stack)
        assert (newest["action"], newest["actor"], newest["case"]) == ("fetch", "investigator-anna", "case-1")
        assert newest["seq"] > alone["entry"] > done["entry"]
        with pytest.raises(UsageError, match="no subject"):
            client.begin("nobody", "case-1", "test", wish)
        with pytest.raises(UsageError, match="case"):
            client.begin(subject, " ", "test", wish)
        with pytest.raises(UsageError):
            client.search_face(b"x" * (17 * 2**20), "case-1", "test")


@pytest.mark.parametrize("principal", ["operator", "camera-1", "pipeline"])
def test_forensic_service_refuses_other_principals(stack: Stack, principal: str) -> None:
    with ForensicClient(stack.url, stack.broker.identity(principal)) as client:
        with pytest.raises(AccessDenied):
            client.get("/log")
        with pytest.raises(AccessDenied):
            client.search_plate("AB12CDE", "case-1", "test")


def test_search_plate_over_https_and_cli(stack: Stack, ca: Path) -> None:
    video = f"{unique('gate')}-{NOW_MS}-0000000d"
    with Database(stack.database) as database, database.connection() as db:
        seen(db, video, 0, [(1, saying("AB12CDE")), (2, saying("A812CD"))], "gate")
    with ForensicClient(stack.url, stack.broker.identity("investigator-anna")) as client:
        answer = client.search_plate("ab 12 cde", "case-1", "test", cameras=["gate"], from_ms=NOW_MS, to_ms=NOW_MS + 1)
        assert [(m["text"], m["edits"]) for m in answer["matches"]] == [("AB12CDE", 0), ("A812CD", 1)]
        assert answer["coverage"]["complete"] and answer["matches"][0]["subject_id"] == f"{video}/p1"
        entry = logged(stack)
        assert (entry["action"], entry["actor"], entry["seq"]) == ("search-plate", "investigator-anna", answer["entry"])
        for text, case in (("*", "case-1"), ("AB'--", "case-1"), ("A" * 5000, "case-1"), ("AB12CDE", "")):
            with pytest.raises(UsageError):
                client.search_plate(text, case, "test")
    who = ["--as", "investigator-anna", "--url", stack.url, "--tls", str(ca), "--case", "case-1", "--purpose", "test"]
    runner = CliRunner()
    shown = runner.invoke(search_cli.app, ["plate", "AB?2*", "--json", *who])
    assert shown.exit_code == 0 and [m["text"] for m in json.loads(shown.stdout)["matches"]] == ["AB12CDE"]
    shown = runner.invoke(search_cli.app, ["plate", "AB12CDE", "--camera", "gate", "--from", "2023-11-14", *who])
    assert shown.exit_code == 0 and "1 plate of this text and 1 like it" in shown.stderr
    assert all(word in shown.stderr for word in ("A812CD", "2: 8", "missing", "0.95")), shown.stderr


def test_log_is_proven_verified_and_kept_over_the_cli(stack: Stack, tmp_path: Path, ca: Path) -> None:
    with ForensicClient(stack.url, stack.broker.identity("investigator-anna")) as client, pytest.raises(UsageError):
        client.search_face(b"", "case-1", "test")
    who = ["--as", stack.broker.identity("auditor-dan").principal, "--url", stack.url, "--tls", str(ca)]
    runner = CliRunner()
    info, keep, proof = tmp_path / "info.json", tmp_path / "kept.jsonl", tmp_path / "proof.json"
    for arguments in (["info", "-o", str(info)], ["watch", "--once", "--keep", str(keep)]):
        assert runner.invoke(log_cli.app, [*arguments, *who]).exit_code == 0
    shown = runner.invoke(log_cli.app, ["list", "--json", *who])
    assert shown.exit_code == 0
    seq = json.loads(shown.stdout)["entries"][0]["seq"]
    for arguments in ([str(seq)], ["--from", str(keep)]):
        proof.write_text(runner.invoke(log_cli.app, ["prove", *arguments, *who]).stdout)
        assert verify_cli.check_proof(proof, ca / "ca.pem")
        found = json.loads(proof.read_text())
        proof.write_text(json.dumps({**found, "path": [*found["path"], "00" * 32]}))
        with pytest.raises(IntegrityError):
            verify_cli.check_proof(proof, ca / "ca.pem")
    checked = runner.invoke(
        log_cli.app, ["verify", "--checkpoint", str(info), "--checkpoint", str(keep), "--json", *who]
    )
    assert checked.exit_code == 0 and json.loads(checked.stdout)["kept"] == 2, checked.output


def test_log_watch_ends_with_an_alarm_where_history_is_another_than_the_kept_one(
    stack: Stack, tmp_path: Path, ca: Path
) -> None:
    """The kept checkpoint is the authority's own, of as many entries as there are, but not of these."""
    with HttpsClient(stack.url, stack.broker.identity("auditor-dan")) as client:
        kept = read_signed(client.get("/log/growth?old=0").json()["new"])
    signer = tls.load_signer(ca, f"authority-{NAME}")
    key = SigningKey(load_signing_seed(signer.key).seed, signer.certificate_der())
    other = Signed(sign_checkpoint(replace(kept.said, root=bytes(32)), key), key.signer)
    (tmp_path / "kept.jsonl").write_text(json.dumps(signed_json(other)) + "\n")
    app = app_of(log_cli.watch)
    shown = CliRunner().invoke(app, [
        "--keep", str(tmp_path / "kept.jsonl"), "--as", "auditor-dan", "--url", stack.url, "--tls", str(ca)])
    assert shown.exit_code == 1 and isinstance(shown.exception, IntegrityError)
    assert "ALARM: history was rewritten or forked" in str(shown.exception)


def test_every_answer_carries_the_checkpoint_that_covers_its_entry(stack: Stack, ca: Path) -> None:
    with HttpsClient(stack.url, stack.broker.identity("auditor-dan")) as client:
        for path, status in (("/log?count=1", 200), ("/search/plate", 422)):
            answer = client.request("GET" if "?" in path else "POST", path)
            note = base64.b64decode(answer.headers["Sealframe-Checkpoint"]).decode()
            assert answer.status_code == status
            info = client.get("/log/info").json()
            signed = read_signed({**info, "checkpoint": note})
            assert check_signed(signed, tls.signer_at(ca / "ca.pem")).size == info["size"]


def test_restore_verb_writes_a_video_whose_custody_holds_offline(stack: Stack, tmp_path: Path, ca: Path) -> None:
    out, who = tmp_path / "out.mp4", ("case-1", "test", "investigator-anna")
    restore_cli.restore(add_subject(stack, "other", 2), *who, out, everyone=True, url=stack.url, tls_folder=ca)
    shown = CliRunner().invoke(app_of(verify_cli.verify), [str(out), "--ca", str(ca / "ca.pem"), "--json"])
    assert shown.exit_code == 0 and "investigator-anna, case case-1" in json.loads(shown.stdout)["said"]
    data = out.read_bytes()
    out.write_bytes(data[:-5] + bytes([data[-5] ^ 1]) + data[-4:])
    with pytest.raises(IntegrityError, match="chunk 1, frames 10 to 19"):
        verify_cli.check_restored(out, tmp_path / "out.mp4.manifest.json", ca / "ca.pem")
    with pytest.raises(UsageError, match="no such restoration"):
        restore_cli.restore("0" * 32, *who, out, url=stack.url, tls_folder=ca)
    with ForensicClient(stack.url, stack.broker.identity("investigator-anna")) as client:
        newest = client.get("/restorations")[0]
        assert (newest["state"], newest["done"], newest["case"]) == ("done", 20, "case-1")
    with ForensicClient(stack.url, stack.broker.identity("investigator-ben")) as client:
        assert client.get("/restorations") == []
        for path in ("", "/file", "/manifest"):
            with pytest.raises(UsageError, match="no such restoration"):
                client.get(f"/restorations/{newest['id']}{path}")


def test_operating_platform_learns_neither_why_nor_whom(stack: Stack, tmp_path: Path, ca: Path) -> None:
    """Whole chunks by number, the same for every subject of a stretch; nothing else, in no header and no body."""
    asked = []
    for subject in (add_subject(stack), add_subject(stack, "other", 2)):
        stack.spy.seen.clear()
        with ForensicClient(stack.url, stack.broker.identity("investigator-anna")) as client:
            wish = Wish(with_gaps=True)
            restored(client, subject, "case-1", "why-it-is-done", wish, tmp_path / "out.mp4", ca / "ca.pem")
        requests = list(stack.spy.seen)
        assert requests and {one["who"] for one in requests} == {f"authority-{NAME}"}
        told = repr([(one["path"], one["query"], one["headers"], one["body"]) for one in requests])
        for word in ("case-1", "why-it-is-done", "anna", "investigator", f"{stack.video_id}/s1", "other", "track"):
            assert word not in told
        assert {name for one in requests for name in one["headers"]} <= {
            "host", "accept", "accept-encoding", "connection", "user-agent"}
        asked.append(sorted((one["method"], one["path"], one["query"]) for one in requests))
    video = f"/videos/{stack.video_id}"
    assert asked[0] == asked[1] == [
        ("GET", f"{video}/chunks/0", ""), ("GET", f"{video}/chunks/1", ""), ("GET", f"{video}/records", "first=0"),
    ]


def test_export_packs_a_person_s_appearances_with_a_page_that_explains(
    stack: Stack, tmp_path: Path, ca: Path
) -> None:
    out = tmp_path / "person.zip"
    export_cli.export(
        [add_subject(stack), add_subject(stack, "other", 2)], "case-1", "asked for by the person",
        "investigator-anna", out, with_gaps=True, url=stack.url, tls_folder=ca,
    )
    assert out.stat().st_mode & 0o777 == 0o600
    with ZipFile(out) as archive:
        archive.extractall(tmp_path / "person")
    videos = sorted((tmp_path / "person").glob("*.mp4"))
    page = (tmp_path / "person" / "index.html").read_text()
    assert len(videos) == 2 and all(f'href="{video.name}"' in page for video in videos)
    assert "asked for by the person" in page and "$" not in page and "http" not in page
    for video in videos:
        said = verify_cli.check_restored(video, video.with_name(video.name + ".manifest.json"),
                                         tmp_path / "person" / "ca.pem")
        assert "alone as filmed" in said
    assert logged(stack)["action"] == "fetch"


def app_of(verb: Callable[..., None]) -> typer.Typer:
    app = typer.Typer()
    app.command()(verb)
    return app


def test_subject_is_packed_shown_and_erased_over_the_cli(stack: Stack, tmp_path: Path, ca: Path) -> None:
    add_subject(stack, "third", 2)
    who = ["--case", "case-1", "--purpose", "test", "--as", "investigator-anna", "--url", stack.url, "--tls", str(ca)]
    asked = ["third", *who, "--json"]
    app, runner = typer.Typer(), CliRunner()
    for verb in (subject_cli.restored_video, subject_cli.package, subject_cli.erase):
        app.command(verb.__name__)(verb)
    identity = Identity.create()

    def run(verb: str, *more: str) -> dict[str, Any]:
        done = runner.invoke(app, [verb, *asked, *more])
        assert done.exit_code == 0, done.output
        return dict(json.loads(done.stdout))

    shown = run("restored_video", "-o", str(tmp_path / "shown.zip"))
    with ZipFile(tmp_path / "shown.zip") as file:
        listed = json.loads(file.read("pictures.json"))
        assert hashlib.sha256(file.read("restored.mp4")).hexdigest() == shown["digest"]
    assert {one["track"] for one in listed["pictures"]} == {2} and listed["video"] == stack.video_id
    packed = run("package", "-o", str(tmp_path / "third.package"), "--to", recipient_text(identity.public))
    data = (tmp_path / "third.package").read_bytes()
    assert packed["digest"] == hashlib.sha256(data).hexdigest() and packed["plate"] is None
    write_identity(tmp_path / "identity", identity.private)
    subject_cli.open_package(
        tmp_path / "third.package", tmp_path / "identity", tmp_path / "opened.zip", ca / "ca.pem", as_json=True
    )
    made = ("shown.zip", "third.package", "opened.zip")
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in made} == {0o600}
    with ZipFile(tmp_path / "opened.zip") as file:
        assert len(json.loads(file.read("pictures.json"))["pictures"]) == len(listed["pictures"])
    erased = run("erase")
    newest = logged(stack)
    assert (newest["action"], newest["seq"], newest["detail"]["keys"]) == ("erased", erased["entry"], 1)
    with ForensicClient(stack.url, stack.broker.identity("investigator-anna")) as client:
        with pytest.raises(UsageError, match="no subject"):
            client.restored_video("third", "case-1", "test", tmp_path / "no")
        with pytest.raises(UsageError, match="no subject"):
            client.begin("third", "case-1", "test", Wish())
        with pytest.raises(AccessDenied):
            client.erase(add_subject(stack, "fourth"), "case-unknown", "test")
    with ForensicClient(stack.url, stack.broker.identity("auditor-dan")) as client, pytest.raises(AccessDenied):
        client.package("third", "case-1", "test", recipient_text(identity.public), tmp_path / "no")
