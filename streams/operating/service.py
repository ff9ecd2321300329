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
from infra.postgres import Database, DatabaseAccess
from infra.tls import signer_identity
from schemas.topics import OPERATOR_VIDEO
from streams.operating.api import VIEWERS, create_app
from streams.operating.index import Index
from streams.operating.sink import BATCH_RECORDS, SOURCE, Sink
from streams.operating.store import Store


@dataclass(frozen=True, slots=True)
class OperatorSetup:
    """What the platform needs: the broker as principal `operator`, its database (migrated), a folder for video.

    `member` is this process' stable id in the consumer group; `port` 0 takes any free one.
    """

    kafka: KafkaAccess
    database: DatabaseAccess
    folder: Path
    host: str = "127.0.0.1"
    port: int = 0
    viewers: Sequence[str] = VIEWERS
    group: str = SOURCE
    member: str = "operator-1"
    batch_records: int = BATCH_RECORDS


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
        self._consumer = setup.kafka.consumer(setup.group, [OPERATOR_VIDEO], member=setup.member)
        self._producer = setup.kafka.producer()
        ca = setup.kafka.identity.ca
        self._sink = Sink(
            self._consumer, self._producer, self._store, lambda der: signer_identity(der, ca), registry,
            batch_records=setup.batch_records,
        )
        app = create_app(Index(self._serving, setup.folder), registry, lambda: self._sink.failing)
        self.server = HttpsServer(app, setup.kafka.identity, setup.viewers, host=setup.host, port=setup.port)

    def run(self, stop: threading.Event) -> None:
        """Take records until told to stop; see `Sink.run`."""
        self._sink.run(stop)

    def close(self) -> None:
        """Stop serving, leave the group, close files and connections."""
        self.server.stop()
        self._consumer.close()
        self._store.close()
        self._storing.close()
        self._serving.close()

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
