"""The authority platform as one process: sink, epoch keys and upload address, readiness, health over HTTPS.

At least once: an offset is committed after its record is stored. A record that doesn't hold is refused, counted and
alarmed; while disk, database or broker refuse, the same record is tried again. What comes late is stored first, and
indexed when no record waits.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest

from infra.https import HttpsServer
from infra.kafka import KafkaAccess, Message, Producer
from infra.keys import KeyStore, load_signing_seed
from infra.postgres import Database, DatabaseAccess
from infra.tls import Signer, signer_identity
from operators.sign import SigningKey
from schemas.codec import pack
from schemas.errors import DigestMismatch, IntegrityError, PoisonError, ServiceUnavailable, TransientError
from schemas.records import Alarm
from schemas.topics import ALARMS, DAY_MS, KEYS, evidence_topic
from streams.authority.epochs import Epochs
from streams.authority.retention import Retention
from streams.authority.sink import EvidenceSink, Taken
from streams.authority.store import check_folder
from streams.authority.unread import Indexing, waiting
from streams.clock import now_ms
from streams.forensic.log import AccessLog
from streams.health import run_out
from streams.readiness import Responder
from streams.retention import Rule

RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)
UPKEEP_SECONDS, RETENTION_SECONDS = 30.0, 300.0
POLL_SECONDS, READING_SECONDS = 0.5, 0.01
"""So long it waits for a record; while there is something to be read."""
BEHIND_SECONDS = 600.0
"""Evidence that waits to be indexed for so long on end raises an alarm."""
LATE_MS = 1_000
"""What has been in the topic for so long, by the broker's clock and this one, comes late."""
CALLERS = ("operator", "authority-*", "monitor-*")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AuthoritySetup:
    """What an authority needs: the broker as `authority-<name>`, its database (migrated), evidence folder, key store.

    The key store and its secret should lie on other disks than the evidence. `member`: stable id in the group.
    `retention_ms`: how long the topic keeps evidence; `rules`: how long the platform does.
    """

    name: str
    kinds: Sequence[str]
    kafka: KafkaAccess
    signer: Signer
    database: DatabaseAccess
    folder: Path
    keys: Path
    secret: Path
    host: str = "127.0.0.1"
    port: int = 0
    member: str = "authority-1"
    retention_ms: int = 2 * DAY_MS
    rules: Sequence[Rule] = ()


class AuthorityService:
    """Started by `with`; `run` takes records until told to stop."""

    def __init__(self, setup: AuthoritySetup, indexing: Indexing | None) -> None:
        """Open everything.

        Raises:
            ConfigError: key store, folder or port can't be used, or certificate files are missing.
            AccessDenied, ServiceUnavailable: the database refuses or is out of reach.

        """
        self._name, self._topic, self.failing = setup.name, evidence_topic(setup.name), ""
        self._principal = f"authority-{setup.name}"
        self._keys = KeyStore(setup.keys, setup.secret, create=True)
        self._database = Database(setup.database, vectors=True)
        with self._database.connection() as db:
            check_folder(db, setup.folder)
        ca = setup.kafka.identity.ca
        self._sink = EvidenceSink(
            setup.name, self._database, self._keys, setup.folder, lambda der: signer_identity(der, ca), indexing
        )
        key = SigningKey(load_signing_seed(setup.signer.key).seed, setup.signer.certificate_der())
        self._retention = Retention(
            self._database, self._keys, AccessLog(self._database, now_ms), setup.folder, setup.rules, self._principal
        )
        self._epochs = Epochs(setup.name, setup.kinds, self._keys, key, setup.retention_ms)
        self._consumer = setup.kafka.consumer(self._principal, [self._topic], member=setup.member)
        self._producer = setup.kafka.producer()
        self._published, self._upkeep_at, self._retention_at = False, 0.0, 0.0
        self._reading, self._behind_since, self._behind_told = False, 0.0, False
        self._responder = Responder(
            setup.kafka, key, lambda der: signer_identity(der, ca), lambda: self._published and not self.failing
        )
        registry = CollectorRegistry()
        ProcessCollector(namespace="sealframe", registry=registry)
        over = run_out(setup.kafka.identity, registry)
        self._records = Counter(
            "sealframe_authority_records", "Evidence records by what became of them", ["outcome"], registry=registry
        )
        self._gaps = Gauge(
            "sealframe_authority_gaps", "Places where evidence is missing that may still come", registry=registry
        )
        self._unread = Gauge(
            "sealframe_authority_unread", "Chunks that are stored and will be indexed later", registry=registry
        )
        self.server = HttpsServer(
            health_app("Sealframe authority platform", registry, lambda: over() or self.failing),
            setup.kafka.identity, CALLERS, host=setup.host, port=setup.port,
        )

    def run(self, stop: threading.Event) -> None:
        """Take records until told to stop.

        Raises:
            AccessDenied: the broker refuses topic, group or certificate.
            SealframeError: what ended the server's or the readiness exchange's thread.

        """
        while not stop.is_set():
            self._check()
            try:
                self.upkeep()
                message = self._consumer.poll(READING_SECONDS if self._reading else POLL_SECONDS)
                self._reading = message is not None or self.read_next()
            except TransientError as error:
                self._fails(error, stop, 0)
                continue
            if message is None:
                self.failing = ""
            elif self._insist(message, stop):
                self._commit(message)

    def upkeep(self, *, in_hand: bool = False) -> None:
        """Publish addresses that are due, close epochs that are over; every 30 seconds at most.

        `in_hand`: a record has been read that isn't stored yet.

        Raises:
            TransientError: broker or database refuse; it is tried again.

        """
        if self._published and time.monotonic() < self._upkeep_at:
            return
        now = now_ms()
        self._publish(now)
        with self._database.connection() as db:
            over = self._epochs.over(db, now)
        caught_up = over and not in_hand and self._consumer.at_end(self._topic)
        with self._database.connection() as db:
            self._epochs.close(db, now, caught_up=caught_up)
            self._gaps.set(len(self._epochs.gaps(db)))
            unread = waiting(db)
        self._watch_backlog(unread)
        self._retire(now)
        self._upkeep_at = time.monotonic() + UPKEEP_SECONDS

    def _publish(self, now: int) -> None:
        """Send the addresses that are due; after a start, and until the broker has them, all that hold."""
        with self._database.connection() as db:
            fresh = self._epochs.due(db, now)
            addresses = fresh if self._published else self._epochs.current(db, now)
        self._published = self._published and not fresh
        for address in addresses:
            self._producer.send(KEYS, self._name.encode(), pack("upload_address", address))
        self._producer.flush()
        self._published = True

    def _watch_backlog(self, unread: int) -> None:
        """Tell once when indexing doesn't catch up."""
        self._unread.set(unread)
        since = self._behind_since = (self._behind_since or time.monotonic()) if unread else 0.0
        behind = since > 0 and time.monotonic() - since >= BEHIND_SECONDS
        if behind and not self._behind_told:
            text = f"{unread} chunks wait to be indexed, and searches miss them: this machine has too much to do"
            self._alarm("index-behind", "", text)
        self._behind_told = behind

    def _retire(self, now: int) -> None:
        """Destroy what was kept long enough, every five minutes at most; by the disk that the evidence is on."""
        if time.monotonic() < self._retention_at:
            return
        self._check_folder()
        for one in self._retention.run(now):
            if one.reason != "age":
                self._alarm("retired", one.camera_id, f"{one.video_id}: its evidence was destroyed: {one.reason}")
        if self._retention.nearly_full():
            self._alarm("disk-nearly-full", "", "over 90% of the disk under the evidence is taken; free some")
        self._retention_at = time.monotonic() + RETENTION_SECONDS

    def take(self, message: Message) -> None:
        """Take in one record, or refuse it.

        Raises:
            TransientError: disk, database or broker refuse; try the same record again.

        """
        self._check_folder()
        place = f"{message.topic}/{message.partition}/{message.offset}"
        camera = message.key.decode("utf-8", "replace")
        try:
            late = now_ms() - message.timestamp_ms >= LATE_MS
            taken = self._sink.take(message.value, message.timestamp_ms, late=late)
        except (PoisonError, IntegrityError) as error:
            self._sink.refuse(message.partition, message.offset, message.timestamp_ms, error)
            self._records.labels("refused").inc()
            self._alarm("record-refused", camera, f"{place}: {type(error).__name__}: {error}")
            return
        self._records.labels(taken.outcome).inc()
        for kind, text in _findings(taken):
            self._alarm(kind, camera, f"{place}: {text}")

    def read_next(self) -> bool:
        """Index one chunk that was stored before; whether there was any.

        Raises:
            TransientError: disk, database or broker refuse; it is read again.

        """
        self._check_folder()
        try:
            return self._sink.read_next()
        except IntegrityError as error:
            self._alarm("evidence-unread", "", f"stored evidence can't be indexed: {error}")
            if isinstance(error, DigestMismatch):
                self._sink.give_up()
            return True

    def close(self) -> None:
        """Stop answering and serving, leave the group, close files and connections."""
        self._responder.stop()
        self.server.stop()
        self._consumer.close()
        self._sink.close()
        self._database.close()
        self._keys.close()

    def _insist(self, message: Message, stop: threading.Event) -> bool:
        tries = 0
        while not stop.is_set():
            try:
                self.take(message)
                self.failing = ""
                return True
            except TransientError as error:
                self._fails(error, stop, tries)
                tries += 1
                self._meanwhile()
        return False

    def _meanwhile(self) -> None:
        """What can't wait while a record can't be stored: retention may free the disk for it."""
        self._check()
        try:
            self.upkeep(in_hand=True)
        except TransientError as error:
            log.warning("upkeep: %s; it is tried again", error)

    def _check(self) -> None:
        self.server.check()
        self._responder.check()

    def _check_folder(self) -> None:
        """The folder that was locked at the start is there; an empty one in its place looks like evidence destroyed."""
        if not os.path.exists(self._sink.folder / ".lock"):
            raise ServiceUnavailable("the evidence folder is out of reach: is its disk mounted?")

    def _commit(self, message: Message) -> None:
        try:
            self._consumer.commit(message)
        except TransientError as error:
            log.warning("%s", error)

    def _fails(self, error: TransientError, stop: threading.Event, tries: int) -> None:
        self.failing = str(error)
        log.warning("%s; trying again", error)
        stop.wait(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])

    def _alarm(self, kind: str, camera_id: str, text: str) -> None:
        log.warning("%s: %s", kind, text)
        send_alarm(self._producer, Alarm(kind, self._principal, camera_id, now_ms(), text))

    def __enter__(self) -> Self:
        self.server.start()
        self._responder.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def send_alarm(producer: Producer, alarm: Alarm) -> None:
    """Send an alarm and wait until the broker has it."""
    producer.send(ALARMS, alarm.camera_id.encode() or alarm.source.encode(), pack("alarm", alarm))
    producer.flush()


def health_app(title: str, registry: CollectorRegistry, failing: Callable[[], str]) -> FastAPI:
    """`/health` (503 while something refuses) and `/metrics`; `failing` says what, empty when nothing."""
    app = FastAPI(title=title, docs_url=None, redoc_url=None)

    @app.get("/health")
    def health() -> Response:
        reason = failing()
        return JSONResponse({"ok": not reason, "failing": reason}, 503 if reason else 200)

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return app


def _findings(taken: Taken) -> list[tuple[str, str]]:
    where = f"{taken.evidence.video_id} chunk {taken.evidence.chunk_seq}"
    found = []
    if taken.outcome == "conflict":
        found.append(("replayed-version", f"{where}: a second version was signed; the first is kept"))
    if taken.unopened:
        found.append(("evidence-closed", f"{where}: {taken.unopened} parts don't open"))
    if any(gap.before_seq == taken.evidence.chunk_seq for gap in taken.missing):
        found.append(("evidence-missing", f"{where}: the evidence before it hasn't come"))
    return found
