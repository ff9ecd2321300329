"""An epoch's key that may be in others' hands: the day gets another one, pipelines take it, nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.keys import KeyStore, create_secret
from infra.postgres import Database
from operators.sign import SigningKey
from schemas.codec import decode, pack
from schemas.errors import UsageError
from schemas.records import Signed, UploadAddress
from schemas.topics import DAY_MS, MINUTE_MS
from streams.addresses import AddressBook, answer, authority_principal
from streams.authority.epochs import CASE, Epochs, revoke
from streams.cli.keys import app
from streams.clock import now_ms
from streams.forensic.log import AccessLog
from streams.intake import Identify
from tests.support.authority import KEY, NAME, NOW_MS, PLACES, Desk, identify, record
from tests.support.scenes import chunk, regions
from tests.support.services import Postgres

NOON = NOW_MS // DAY_MS * DAY_MS + DAY_MS // 2
LATER = NOON + MINUTE_MS
PIPELINE = SigningKey(b"q" * 32)


@pytest.fixture
def desk(empty_desk: Desk) -> Desk:
    return empty_desk


def body(signed: Signed) -> UploadAddress:
    return decode(UploadAddress, signed.body)


def test_day_gets_another_key_and_what_is_under_the_old_one_still_opens(desk: Desk) -> None:
    epochs = Epochs(NAME, ["face"], desk.keys, KEY)
    with desk.database.connection() as db:
        [first] = epochs.due(db, NOON)
    revoke(desk.database, desk.log, body(first).epoch, "clerk", "the disk was stolen", LATER)
    with desk.database.connection() as db:
        [second] = epochs.due(db, LATER)
        assert epochs.due(db, LATER) == ()
        assert epochs.current(db, LATER + 1) == (second,)
    old, new = body(first), body(second)
    assert (new.epoch, new.version) == (f"{old.epoch}.2", old.version + 1) and new.public_key != old.public_key
    assert (new.not_before_ms, new.expires_ms) == (old.not_before_ms, old.expires_ms)
    for address, video in ((old, "a"), (new, "b")):
        chunks = [chunk(PLACES, 0, end=True, video=f"cam-{NOW_MS}-0000000{video}")]
        made = record(chunks, [regions(PLACES, 0)], address.public_key, address.epoch).evidence
        assert [desk.sink.take(value, LATER).unopened for value in made] == [0]
    [entry] = desk.log.last(1)
    assert {key: entry.content[key] for key in ("action", "actor", "case", "purpose", "detail")} == {
        "action": "revoke", "actor": "clerk", "case": CASE, "purpose": "the disk was stolen",
        "detail": {"epoch": old.epoch, "version": 1},
    }
    with desk.database.connection() as db:
        hour = LATER + 60 * MINUTE_MS
        assert epochs.close(db, hour, caught_up=True) == ()
        assert epochs.close(db, hour + 1, caught_up=True) == (old.epoch,)
        assert [(one.name, one.open) for one in epochs.states(db)] == [(old.epoch, False), (new.epoch, True)]


@pytest.mark.parametrize(("epoch", "actor", "reason"), [
    ("1999-01-01", "clerk", "why"), ("", "clerk", "why"), (None, "", "why"), (None, "clerk", " "),
    (None, "clerk", "a\nb"),
])
def test_what_isnt_there_or_said_is_refused_and_changes_nothing(
    desk: Desk, epoch: str | None, actor: str, reason: str
) -> None:
    epochs = Epochs(NAME, ["face"], desk.keys, KEY)
    with desk.database.connection() as db:
        [first] = epochs.due(db, NOON)
    before = len(desk.log.last())
    with pytest.raises(UsageError):
        revoke(desk.database, desk.log, body(first).epoch if epoch is None else epoch, actor, reason, LATER)
    with desk.database.connection() as db:
        assert epochs.due(db, LATER) == () and epochs.current(db, LATER) == (first,)
    assert len(desk.log.last()) == before


def test_revoked_once_it_isnt_revoked_again(desk: Desk) -> None:
    epochs = Epochs(NAME, ["face"], desk.keys, KEY)
    with desk.database.connection() as db:
        [first] = epochs.due(db, NOON)
    revoke(desk.database, desk.log, body(first).epoch, "clerk", "why", LATER)
    with pytest.raises(UsageError, match="keys list"):
        revoke(desk.database, desk.log, body(first).epoch, "clerk", "why", LATER)


def test_pipeline_takes_the_new_key_once_the_platform_has_answered_for_it(desk: Desk) -> None:
    def known(signer: bytes) -> tuple[str, bytes]:
        return (authority_principal(NAME), signer) if signer == KEY.public else identify(signer)

    book = AddressBook({NAME: frozenset({"face"})}, known, lambda: LATER)
    epochs = Epochs(NAME, ["face"], desk.keys, KEY)
    with desk.database.connection() as db:
        [first] = epochs.due(db, NOON)
    _settled(book, first, known)
    assert book.address(NAME).epoch == body(first).epoch
    revoke(desk.database, desk.log, body(first).epoch, "clerk", "why", LATER)
    with desk.database.connection() as db:
        [second] = epochs.due(db, LATER)
    book.take_address(pack("upload_address", second))
    assert book.address(NAME).epoch == body(first).epoch, "nothing stands still until it is answered for"
    _settled(book, second, known)
    assert book.address(NAME).epoch == body(second).epoch


def _settled(book: AddressBook, address: Signed, known: Identify) -> None:
    """The pipeline has the address, and the platform has answered for it."""
    def either(signer: bytes) -> tuple[str, bytes]:
        return ("pipeline", signer) if signer == PIPELINE.public else known(signer)

    book.take_address(pack("upload_address", address))
    for platform, asked in book.questions(PIPELINE):
        if platform == authority_principal(NAME):
            said = answer(asked, platform, either, LATER, KEY)
            assert said is not None
            assert book.take_answer(said) == platform


def test_keys_revoke_at_the_command_line(postgres_authority: Postgres, tmp_path: Path) -> None:
    access, _ = postgres_authority.fresh()
    where = ["--database", access.conninfo, "--password-file", str(access.password_file)]
    with Database(access) as database, KeyStore(tmp_path / "k", create_secret(tmp_path / "s"), create=True) as keys:
        epochs = Epochs(NAME, ["face"], keys, KEY)
        with database.connection() as db:
            [first] = epochs.due(db, now_ms())
        said = ["revoke", body(first).epoch, "--actor", "clerk", "--reason", "why", *where]
        done = CliRunner().invoke(app, said)
        assert done.exit_code == 0, done.output
        with database.connection() as db:
            assert [body(one).version for one in epochs.due(db, now_ms())][:1] == [2]
        [entry] = AccessLog(database, now_ms).last()
        assert (entry.content["action"], entry.content["actor"]) == ("revoke", "clerk")
        assert isinstance(CliRunner().invoke(app, said).exception, UsageError)
