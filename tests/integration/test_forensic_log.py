"""The access log on a real Postgres: appended to, proven, kept elsewhere; tampering shows."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.postgres import SQL, Database, DatabaseAccess, connect, migrate
from operators.merkle import completed, covering, leaf_hash
from operators.sign import SigningKey
from schemas.errors import BadSignature, ConfigError, IntegrityError, UsageError
from streams.forensic.keeper import Keeper
from streams.forensic.log import AccessLog
from streams.forensic.proofs import (
    FIRST,
    check_consistency,
    check_entries,
    check_inclusion,
    check_kept,
    check_signed,
    consistency_json,
    inclusion_json,
    read_kept,
    read_proof,
    signed_json,
)
from tests.support.authority import LOG_KEY, clock, identify_at, log_signer
from tests.support.services import Postgres

TABLES = ("access_log", "log_nodes", "checkpoints", "log_signers")
Opened = tuple[AccessLog, DatabaseAccess]


@pytest.fixture(scope="module")
def access(postgres_authority: Postgres) -> tuple[DatabaseAccess, DatabaseAccess]:
    """A database of this module: of the service and of the owner."""
    return postgres_authority.fresh()


@pytest.fixture
def opened(access: tuple[DatabaseAccess, DatabaseAccess]) -> Iterator[Opened]:
    """A log of five entries, and nothing of what an earlier test did to it."""
    app, owner = access
    with connect(owner, autocommit=True) as db:
        disarm(db)
        db.execute("DELETE FROM access_log; DELETE FROM log_nodes; DELETE FROM checkpoints; DELETE FROM log_signers")
        for table in TABLES:
            db.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    with Database(app) as database:
        log = AccessLog(database, clock, log_signer())
        for number in range(5):
            log.append("search-face", "anna", f"case-{number}", "test", {"matches": [["ä", 0.5]]})
        yield log, owner


def test_log_entries_are_numbered_chained_and_proven(opened: Opened) -> None:
    log, _ = opened
    info = log.verify()
    assert info == log.info() and info.size == 5
    assert [entry.seq for entry in log.last(3)] == [4, 3, 2]
    for seq in range(5):
        proof = read_proof(json.loads(json.dumps(inclusion_json(log.prove(seq)))))
        assert check_inclusion(proof, identify_at).root == info.root
        assert log.get(seq).content["case"] == f"case-{seq}"
        with pytest.raises(IntegrityError):
            check_inclusion(replace(proof, entry=proof.entry.replace(b"anna", b"bert")), identify_at)
    for call in (log.get, log.prove):
        with pytest.raises(UsageError):
            call(5)


def test_log_grows_provably_from_every_size(opened: Opened) -> None:
    log, _ = opened
    checkpoints = []
    for number in range(12):
        checkpoints.append(log.checkpoint())
        log.append("look", "anna", "case-9", "test", {"number": number})
    for old in checkpoints:
        proof = read_proof(json.loads(json.dumps(consistency_json(log.prove_growth(old)))))
        before, after = check_consistency(proof, identify_at)
        assert (before.size, after.size) == (old.said.size, 17)
        with pytest.raises(IntegrityError):
            check_consistency(replace(proof, path=(*proof.path, FIRST)), identify_at)
    with pytest.raises(UsageError):
        log.growth(18)


def test_log_checkpoint_covers_entries_that_were_appended_without_a_key(opened: Opened) -> None:
    log, owner = opened
    with Database(owner) as database:
        keyless = AccessLog(database, clock)
        keyless.append("erase", "admin", "case-9", "test", {})
        with pytest.raises(ConfigError):
            keyless.checkpoint()
        assert log.checkpoint().said.size == 6 and keyless.checkpoint() == log.checkpoint()
    assert log.verify().size == 6


def test_log_of_an_earlier_release_gets_its_tree_by_migration(postgres_authority: Postgres, tmp_path: Path) -> None:
    server, folder = postgres_authority.server, tmp_path / "sql"
    shutil.copytree(SQL / "authority", folder / "authority")
    for path in (folder / "authority").glob("*.sql"):
        if int(path.name[:4]) > 9:
            path.unlink()
    server.create_database("earlier")
    migrate(server.owner("earlier"), server.name, folder=folder)
    with connect(server.owner("earlier"), autocommit=True) as db:
        chain = FIRST
        for seq in range(21):
            entry = json.dumps({"seq": seq, "time_ms": 5}).encode()
            chain = hashlib.sha256(chain + entry).digest()
            db.execute("INSERT INTO access_log VALUES (%s, 5, %s, %s, %s)", (seq, entry, leaf_hash(entry), chain))
    migrate(server.owner("earlier"), server.name)
    with Database(server.app("earlier")) as database:
        log = AccessLog(database, clock, log_signer())
        log.append("look", "anna", "case-1", "test", {})
        assert log.verify().size == 22


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_log_is_only_appended_to_even_by_its_owner(opened: Opened, table: str, statement: str) -> None:
    column = {"access_log": "seq", "log_nodes": "level", "checkpoints": "size", "log_signers": "signer"}[table]
    with connect(opened[1], autocommit=True) as db, pytest.raises(Exception, match="only appended to"):
        db.execute(statement.format(table, column, column))


@pytest.mark.parametrize("tamper", [
    "UPDATE access_log SET entry = replace(convert_from(entry, 'utf8'), 'anna', 'bert')::bytea WHERE seq = 2",
    "DELETE FROM access_log WHERE seq = 2",
    "UPDATE access_log SET time_ms = 1 WHERE seq = 4",
    "UPDATE access_log SET seq = seq + 10 WHERE seq > 2",
    "UPDATE log_nodes SET hash = leaf FROM access_log WHERE level = 2 AND seq = 0",
])
def test_log_changed_behind_its_back_shows(opened: Opened, tamper: str) -> None:
    log, owner = opened
    with connect(owner, autocommit=True) as db:
        disarm(db)
        db.execute(tamper)
    with pytest.raises(IntegrityError):
        log.verify()


def _changed(entries: list[dict[str, Any]]) -> None:
    entries[2]["actor"] = "bert"


def _dropped(entries: list[dict[str, Any]]) -> None:
    del entries[2]


def _reordered(entries: list[dict[str, Any]]) -> None:
    entries[1], entries[3] = entries[3], entries[1]


def _put_in(entries: list[dict[str, Any]]) -> None:
    entries.insert(2, {**entries[2], "actor": "bert"})


def _cut(entries: list[dict[str, Any]]) -> None:
    del entries[4:]


def _replaced(entries: list[dict[str, Any]]) -> None:
    entries[:] = [{**entry, "actor": "nobody", "purpose": "nothing"} for entry in entries] * 2


HOSTILE = [_changed, _dropped, _reordered, _put_in, _cut, _replaced]


@pytest.mark.parametrize("rewrite", HOSTILE)
@pytest.mark.parametrize("has_key", [False, True], ids=["without the key", "with the signing key"])
def test_log_made_anew_by_its_administrator_shows_against_a_kept_checkpoint(
    opened: Opened, tmp_path: Path, rewrite: Callable[[list[dict[str, Any]]], None], has_key: bool
) -> None:
    """Owner role, triggers off, every number and hash made anew; with the stolen key the checkpoints, too."""
    log, owner = opened
    file = tmp_path / "kept.json"
    file.write_text(json.dumps(signed_json(log.checkpoint())))
    log.append("restore", "anna", "case-5", "test", {})
    kept = check_kept(read_kept(file), identify_at)
    assert log.verify(kept).size == 6
    make_anew(owner, rewrite, LOG_KEY if has_key else SigningKey(b"m" * 32))
    with pytest.raises(IntegrityError, match=r"rewritten|cut"):
        log.verify(kept)
    with pytest.raises(IntegrityError, match=r"rewritten|cut"):
        check_entries(log.raw(0), kept)
    if has_key:
        log.verify()  # nothing inside the database says so: that is why checkpoints are kept elsewhere
    else:
        with pytest.raises(BadSignature):
            check_signed(log.checkpoint(), identify_at)


@pytest.mark.parametrize("rewrite", HOSTILE)
def test_keeper_alarms_when_history_is_made_anew(
    opened: Opened, tmp_path: Path, rewrite: Callable[[list[dict[str, Any]]], None]
) -> None:
    log, owner = opened
    keep = tmp_path / "kept.jsonl"
    assert keeper(log, keep).look().added and not keeper(log, keep).look().added
    log.append("restore", "anna", "case-5", "test", {})
    assert keeper(log, keep).look().checkpoint.size == 6
    before = keep.read_bytes()
    assert [signed.said.size for signed in read_kept(keep)] == [5, 6]
    make_anew(owner, rewrite, LOG_KEY)
    with pytest.raises(IntegrityError, match="ALARM"):
        keeper(log, keep).look()
    log.append("restore", "anna", "case-6", "test", {})
    log.append("restore", "anna", "case-6", "test", {})
    with pytest.raises(IntegrityError, match="ALARM"):
        keeper(log, keep).look()
    assert keep.read_bytes() == before


def test_keeper_refuses_a_stranger_s_signature_and_a_damaged_file(opened: Opened, tmp_path: Path) -> None:
    log, _ = opened
    with pytest.raises(BadSignature):
        Keeper(tmp_path / "kept", asking(log), lambda der, at: ("authority-other", der), clock).look()
    with pytest.raises(IntegrityError, match="future"):
        Keeper(tmp_path / "kept", asking(log), identify_at, lambda: clock() - 3_600_000).look()
    keeper(log, tmp_path / "kept").look()
    text = (tmp_path / "kept").read_text()
    (tmp_path / "kept").write_text(text.replace(f"\\n{5}\\n", f"\\n{4}\\n"))
    with pytest.raises(BadSignature):
        keeper(log, tmp_path / "kept")


def test_keeper_goes_on_after_a_line_that_was_cut_short_and_after_no_other(opened: Opened, tmp_path: Path) -> None:
    log, _ = opened
    kept = tmp_path / "kept"
    keeper(log, kept).look()
    log.append("search-face", "anna", "c", "p", {})
    keeper(log, kept).look()
    whole = kept.read_bytes()
    first = whole.index(b"\n") + 1
    for end in (first + 15, first + 200, len(whole) - 2):
        kept.write_bytes(whole[:end])
        assert len(read_kept(kept)) == 1
        again = keeper(log, kept)
        assert again.cut and again.look().added and len(read_kept(kept)) == 2
    kept.write_bytes(whole[:-1])
    again = keeper(log, kept)
    assert not again.cut and not again.look().added and kept.read_bytes() == whole
    kept.write_bytes(whole[: first - 40] + b"\n" + whole[first:])
    with pytest.raises(UsageError):
        keeper(log, kept)


@pytest.mark.parametrize("answer", [
    {}, [], None, {"new": {"checkpoint": "x", "signer": "x"}, "path": []}, {"new": None, "path": []}, "time", "size",
])
def test_keeper_alarms_at_an_answer_that_is_no_checkpoint(opened: Opened, tmp_path: Path, answer: Any) -> None:
    log, _ = opened
    said = asking(log)("/log/growth?old=0")
    note = said["new"]["checkpoint"]
    if answer == "time":
        answer = said | {"new": said["new"] | {"checkpoint": re.sub(r"time \d+", f"time {10**22}", note)}}
    if answer == "size":
        answer = said | {"new": said["new"] | {"checkpoint": re.sub(r"\n\d+\n", f"\n{10**22}\n", note)}}
    with pytest.raises(IntegrityError, match="ALARM"):
        Keeper(tmp_path / "kept", lambda _: answer, identify_at, clock).look()


def test_two_keepers_with_two_histories_show(opened: Opened, tmp_path: Path) -> None:
    """A forked log: each keeper sees a history of its own, their files side by side show it."""
    log, owner = opened
    keeper(log, tmp_path / "a").look()
    make_anew(owner, _changed, LOG_KEY)
    keeper(log, tmp_path / "b").look()
    both = check_kept([*read_kept(tmp_path / "a"), *read_kept(tmp_path / "b")], identify_at)
    with pytest.raises(IntegrityError, match="two histories"):
        log.verify(both)


def keeper(log: AccessLog, path: Path) -> Keeper:
    return Keeper(path, asking(log), identify_at, clock)


def asking(log: AccessLog) -> Callable[[str], Any]:
    """The service's answer to `/log/growth`, without the way."""
    def ask(path: str) -> Any:
        new, proof = log.growth(int(path.removeprefix("/log/growth?old=")))
        return {"new": signed_json(new), "path": [node.hex() for node in proof]}
    return ask


def disarm(db: Any) -> None:
    for table in TABLES:
        db.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")


def make_anew(owner: DatabaseAccess, rewrite: Callable[[list[dict[str, Any]]], None], key: SigningKey) -> None:
    """What an administrator of the database can do: another log in place of this one, consistent in itself."""
    with connect(owner, autocommit=True) as db:
        disarm(db)
        entries = [json.loads(bytes(row[0])) for row in db.execute("SELECT entry FROM access_log ORDER BY seq")]
        rewrite(entries)
        db.execute("DELETE FROM access_log; DELETE FROM log_nodes; DELETE FROM checkpoints")
        chain, nodes = FIRST, {}
        for seq, content in enumerate(entries):
            content["seq"] = seq
            entry = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
            chain = hashlib.sha256(chain + entry).digest()
            db.execute("INSERT INTO access_log VALUES (%s, %s, %s, %s, %s)",
                       (seq, content["time_ms"], entry, leaf_hash(entry), chain))
            nodes |= completed(seq, leaf_hash(entry), {place: nodes[place] for place in covering(0, seq)})
        for (level, at), value in nodes.items():
            db.execute("INSERT INTO log_nodes VALUES (%s, %s, %s)", (level, at, value))
    with Database(owner) as database:
        AccessLog(database, clock, log_signer(key)).checkpoint()
