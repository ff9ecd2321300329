"""The access log on a real Postgres: appended to, proven, and tampering shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from infra.postgres import Database, connect
from schemas.errors import IntegrityError, UsageError
from streams.forensic.log import AccessLog, verify_proof
from tests.support.authority import clock
from tests.support.services import Postgres


@pytest.fixture
def opened(postgres_authority: Postgres) -> Iterator[tuple[AccessLog, object]]:
    app, owner = postgres_authority.fresh()
    with Database(app) as database:
        log = AccessLog(database, clock)
        for number in range(5):
            log.append("search-face", "anna", f"case-{number}", "test", {"matches": [["ä", 0.5]]})
        yield log, owner


def test_log_entries_are_numbered_chained_and_proven(opened) -> None:
    log, _ = opened
    info = log.verify()
    assert info == log.info() and info.size == 5
    assert [entry.seq for entry in log.last(3)] == [4, 3, 2]
    for seq in range(5):
        proof = log.prove(seq)
        verify_proof(proof)
        assert proof.root == info.root and log.get(seq).content["case"] == f"case-{seq}"
        with pytest.raises(IntegrityError):
            verify_proof(replace(proof, entry=proof.entry.replace(b"anna", b"bert")))
    for call in (log.get, log.prove):
        with pytest.raises(UsageError):
            call(5)


@pytest.mark.parametrize("tamper", [
    "UPDATE access_log SET entry = replace(convert_from(entry, 'utf8'), 'anna', 'bert')::bytea WHERE seq = 2",
    "DELETE FROM access_log WHERE seq = 2",
    "UPDATE access_log SET time_ms = 1 WHERE seq = 4",
    "UPDATE access_log SET seq = seq + 10 WHERE seq > 2",
])
def test_log_changed_behind_its_back_shows(opened, tamper: str) -> None:
    log, owner = opened
    with connect(owner, autocommit=True) as db:
        db.execute("ALTER TABLE access_log DISABLE TRIGGER USER")
        db.execute(tamper)
    with pytest.raises(IntegrityError):
        log.verify()


def test_log_cut_at_its_end_shows_against_a_kept_root(opened) -> None:
    log, owner = opened
    kept = log.info()
    log.append("restore", "anna", "case-9", "test", {})
    assert log.verify(kept).size == 6
    with connect(owner, autocommit=True) as db:
        db.execute("ALTER TABLE access_log DISABLE TRIGGER USER")
        db.execute("DELETE FROM access_log WHERE seq >= 4")
    assert log.verify().size == 4
    with pytest.raises(IntegrityError, match="cut or replaced"):
        log.verify(kept)
