"""Epochs where things go wrong: a broker that is away, evidence that lies unread, a clock that runs ahead."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from infra import tls
from infra.kafka import Consumer, Message
from infra.keys import KeyStore, create_secret
from infra.postgres import Database
from schemas.codec import decode, unpack_as
from schemas.errors import NotForMe, ServiceUnavailable
from schemas.records import Signed, UploadAddress
from schemas.topics import DAY_MS, KEYS, MINUTE_MS, evidence_topic
from streams.authority.epochs import Epochs
from streams.authority.service import AuthorityService, AuthoritySetup
from tests.support.authority import KEY, NAME, NOW_MS, PLACES, VIDEO, Desk, record
from tests.support.operating import certified_key
from tests.support.scenes import chunk, regions
from tests.support.services import Broker, Postgres

PRINCIPAL, TOPIC = f"authority-{NAME}", evidence_topic(NAME)
NOON = NOW_MS // DAY_MS * DAY_MS + DAY_MS // 2
HOUR = 60 * MINUTE_MS
OVER = NOON + 15 * HOUR
"""When the epoch of noon is over: at three in the night."""
OTHER = VIDEO[:-1] + "b"


@pytest.fixture
def desk(empty_desk: Desk) -> Desk:
    return empty_desk


def body(signed: Signed) -> UploadAddress:
    return decode(UploadAddress, signed.body)


def evidence(address: UploadAddress, seqs: int, video: str = VIDEO) -> list[bytes]:
    chunks = [chunk(PLACES, seq, end=seq == seqs - 1, video=video) for seq in range(seqs)]
    return record(chunks, [regions(PLACES, seq) for seq in range(seqs)], address.public_key, address.epoch).evidence


def test_clock_that_ran_ahead_leaves_no_day_without_a_key(desk: Desk) -> None:
    epochs = Epochs(NAME, ["face"], desk.keys, KEY)
    with desk.database.connection() as db:
        [first] = epochs.due(db, NOON)
        assert epochs.close(db, NOON + 5 * DAY_MS, caught_up=False) == (body(first).epoch,)
        [again] = epochs.due(db, NOON + MINUTE_MS)
        assert epochs.due(db, NOON + 2 * MINUTE_MS) == ()
        assert epochs.current(db, NOON + 2 * MINUTE_MS) == (again,)
        epochs.close(db, NOON + 5 * DAY_MS, caught_up=False)
        [third] = epochs.due(db, NOON + 3 * MINUTE_MS)
    old, new, newest = body(first), body(again), body(third)
    assert [one.epoch for one in (new, newest)] == [f"{old.epoch}.2", f"{old.epoch}.3"]
    assert (old.version, new.version, newest.version) == (1, 2, 3)
    assert len({one.public_key for one in (old, new, newest)}) == 3
    assert {(one.not_before_ms, one.expires_ms) for one in (old, new, newest)} == {(old.not_before_ms, old.expires_ms)}
    taken = [desk.sink.take(value, NOW_MS).unopened for value in evidence(newest, 1)]
    assert taken == [0]


def test_gaps_are_counted_of_epochs_that_may_still_be_filled(desk: Desk) -> None:
    epochs = Epochs(NAME, ["face"], desk.keys, KEY)
    with desk.database.connection() as db:
        days = [body(signed) for at in (NOON, NOON + DAY_MS) for signed in epochs.due(db, at)]
    for day, video in zip(days, (VIDEO, OTHER), strict=True):
        made = evidence(day, 3, video)
        for seq in (0, 2):
            desk.sink.take(made[seq], NOW_MS)
    with desk.database.connection() as db:
        assert [gap.video_id for gap in epochs.gaps(db)] == [VIDEO, OTHER]
        assert [epochs.over(db, at) for at in (NOON + 14 * HOUR, OVER)] == [False, True]
        assert epochs.close(db, days[0].expires_ms + 2 * DAY_MS + 1, caught_up=False) == (days[0].epoch,)
        assert [gap.video_id for gap in epochs.gaps(db)] == [OTHER]
        assert not epochs.over(db, OVER)


@pytest.fixture
def setup(own_broker: Broker, postgres_authority: Postgres, tmp_path: Path) -> AuthoritySetup:
    return AuthoritySetup(
        NAME, ["face"], own_broker.access(PRINCIPAL), tls.issue_signer(own_broker.tls_folder, PRINCIPAL),
        postgres_authority.fresh()[0], tmp_path / "evidence", tmp_path / "keys", create_secret(tmp_path / "secret"),
    )


class Clock:
    """What the service takes for the time."""

    now = NOON

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("streams.authority.service.now_ms", clock)
    monkeypatch.setattr("streams.authority.service.UPKEEP_SECONDS", 0.0)
    return clock


def wait(what: Callable[[], object]) -> object:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if found := what():
            return found
    pytest.fail("it didn't happen in time")


def published(own_broker: Broker) -> list[UploadAddress]:
    """What lies in the topic, in order."""
    with own_broker.access("pipeline").consumer("pipeline.test") as consumer:
        return [body(unpack_as("upload_address", message.value)) for message in consumer.read_all(KEYS)]


def test_address_that_couldnt_be_sent_is_sent_again(own_broker: Broker, setup: AuthoritySetup, clock: Clock) -> None:
    with AuthorityService(setup, None) as service:
        service._producer = setup.kafka.producer(timeout_ms=2_000)
        service.upkeep()
        own_broker.server.stop()
        try:
            clock.now = NOON + 11 * HOUR + MINUTE_MS
            for _ in range(2):
                with pytest.raises(ServiceUnavailable):
                    service.upkeep()
        finally:
            own_broker.server.start()
        service.upkeep()
        versions = [one.version for one in published(own_broker) if one.authority == NAME]
        assert versions[-1] == 2
        service.upkeep()
        assert [one.version for one in published(own_broker)] == versions  # once is enough
    with Database(setup.database) as database, database.connection() as db:
        assert db.execute("SELECT count(*) FROM upload_addresses").fetchone() == (2,)


def test_days_key_is_kept_while_its_evidence_lies_unread(
    own_broker: Broker, setup: AuthoritySetup, clock: Clock
) -> None:
    key = certified_key(own_broker.tls_folder)
    with AuthorityService(setup, None) as service:
        consumer = service._consumer
        assert not consumer.at_end(TOPIC)  # it hasn't been given anything
        service.upkeep()
        day = published(own_broker)[-1]
        wait(lambda: consumer.poll(0.2) is None and consumer.at_end(TOPIC))
        chunks = [chunk(PLACES, seq, end=seq == 1, video=VIDEO) for seq in range(2)]
        made = record(chunks, [regions(PLACES, seq) for seq in range(2)], day.public_key, day.epoch, signer=key)
        _send(own_broker, made.evidence[:1])
        _take(service, consumer)
        assert consumer.at_end(TOPIC)
        _send(own_broker, made.evidence[1:])
        clock.now = OVER
        service.upkeep()
        assert lives(setup, day.epoch) and not consumer.at_end(TOPIC)
        own_broker.server.stop()
        try:
            assert not consumer.at_end(TOPIC)  # nobody says where it ends
        finally:
            own_broker.server.start()
        message = _read(consumer)
        service.upkeep(in_hand=True)
        assert lives(setup, day.epoch)  # it isn't stored yet
        service.take(message)
        consumer.commit(message)
        wait(lambda: service.upkeep() or not lives(setup, day.epoch))
    with Database(setup.database) as database, database.connection() as db:
        assert db.execute("SELECT count(*) FROM parts WHERE state <> 'open'").fetchone() == (0,)


def test_topic_that_was_read_before_a_start_is_at_its_end(own_broker: Broker, setup: AuthoritySetup) -> None:
    _send(own_broker, [b"any"])
    read: list[Message] = []

    def at_end(consumer: Consumer) -> bool:
        if message := consumer.poll(0.2):
            read.append(message)
            consumer.commit(message)
        return consumer.at_end(TOPIC)

    for before in (False, True):
        with setup.kafka.consumer(PRINCIPAL, [TOPIC], member=setup.member) as consumer:
            wait(partial(at_end, consumer))
            assert bool(read) is not before
        read.clear()


def _send(own_broker: Broker, values: list[bytes]) -> None:
    with own_broker.access("pipeline").producer() as producer:
        for value in values:
            producer.send(TOPIC, b"cam", value)


def _read(consumer: Consumer) -> Message:
    found = wait(lambda: consumer.poll(0.2))
    assert isinstance(found, Message)
    return found


def _take(service: AuthorityService, consumer: Consumer) -> None:
    message = _read(consumer)
    service.take(message)
    consumer.commit(message)


def lives(setup: AuthoritySetup, epoch: str) -> bool:
    with KeyStore(setup.keys, setup.secret) as keys:
        try:
            return bool(keys.private_key(epoch))
        except NotForMe:
            return False
