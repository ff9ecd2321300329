"""The operating platform as one process: the sink in the caller's thread, the HTTPS server beside it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from prometheus_client import CollectorRegistry, ProcessCollector

from infra.https import HttpsServer
from infra.kafka import KafkaAccess
from infra.keys import load_signing_seed
from infra.postgres import Database, DatabaseAccess
from infra.tls import Signer, signer_identity
from operators.sign import SigningKey
from schemas.topics import OPERATOR_VIDEO
from streams.clock import now_ms
from streams.health import run_out
from streams.operating.alarms import AlarmKeeper
from streams.operating.api import VIEWERS, create_app
from streams.operating.index import Index
from streams.operating.movement import MovementKeeper
from streams.operating.overview import Overview
from streams.operating.retention import Retention
from streams.operating.sink import BATCH_RECORDS, SOURCE, Sink
from streams.operating.store import Store
from streams.readiness import Responder
from streams.retention import Rule


@dataclass(frozen=True, slots=True)
class OperatorSetup:
    """What the platform needs: the broker as principal `operator`, its database (migrated), a folder for video.

    `signer` names the platform's signing key and certificate, for the readiness exchange; without it the pipeline's
    questions stay unanswered. `member` is this process' stable id in the consumer group; `port` 0 takes any free one.
    `rules`: how long video is kept.
    """

    kafka: KafkaAccess
    database: DatabaseAccess
    folder: Path
    signer: Signer | None = None
    host: str = "127.0.0.1"
    port: int = 0
    viewers: Sequence[str] = VIEWERS
    group: str = SOURCE
    member: str = "operator-1"
    batch_records: int = BATCH_RECORDS
    rules: Sequence[Rule] = ()


class OperatorService:
    """Started by `with`; `run` takes records until told to stop."""

    def __init__(self, setup: OperatorSetup) -> None:
        """Open everything.

        Raises:
            ConfigError: the folder or the port is taken, or certificate files are missing.
            AccessDenied, ServiceUnavailable: the database refuses or is out of reach.

        """
        registry = CollectorRegistry()
        ProcessCollector(namespace="sealframe", registry=registry)
        self._storing, self._serving = Database(setup.database, size=2), Database(setup.database, size=8)
        self._store = Store(self._storing, setup.folder)
        self._store.check_folder()
        self._retention = Retention(self._storing, self._store, setup.rules)
        self._consumer = setup.kafka.consumer(setup.group, [OPERATOR_VIDEO], member=setup.member)
        self._producer = setup.kafka.producer()
        ca = setup.kafka.identity.ca

        def identify(der: bytes) -> tuple[str, bytes]:
            return signer_identity(der, ca)

        self._sink = Sink(
            self._consumer, self._producer, self._store, identify, registry, batch_records=setup.batch_records
        )
        self._responder: Responder | None = None
        if setup.signer:
            key = SigningKey(load_signing_seed(setup.signer.key).seed, setup.signer.certificate_der())
            self._responder = Responder(setup.kafka, key, identify, lambda: not self._sink.failing)
        self._over = run_out(setup.kafka.identity, registry)
        self._followers = [
            keeper(setup.kafka, self._serving, setup.group) for keeper in (AlarmKeeper, MovementKeeper)
        ]
        index = Index(self._serving, setup.folder)
        app = create_app(index, registry, Overview(index, self._serving, setup.folder), self.failing)
        self.server = HttpsServer(app, setup.kafka.identity, setup.viewers, host=setup.host, port=setup.port)

    def failing(self) -> str:
        """What keeps the platform from its work, empty when nothing."""
        stopped = self._responder.error if self._responder else None
        return self._over() or (f"readiness: {stopped}" if stopped else self._sink.failing)

    def run(self, stop: threading.Event) -> None:
        """Take records until told to stop; see `Sink.run`.

        Raises:
            SealframeError: what ended the server's or the readiness exchange's thread.

        """
        self._sink.run(stop, self._check, lambda: self._retention.run(now_ms()))

    def _check(self) -> None:
        self.server.check()
        for follower in self._followers:
            follower.check()
        if self._responder:
            self._responder.check()

    def close(self) -> None:
        """Stop serving, leave the group, close files and connections."""
        if self._responder:
            self._responder.stop()
        for follower in self._followers:
            follower.stop()
        self.server.stop()
        self._consumer.close()
        self._store.close()
        self._storing.close()
        self._serving.close()

    def __enter__(self) -> Self:
        self.server.start()
        for follower in self._followers:
            follower.start()
        if self._responder:
            self._responder.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
