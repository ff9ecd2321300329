"""A service that makes restorations, over a desk's evidence and a platform that may fail, be slow to die or refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.keys import KeyStore
from schemas.errors import ServiceUnavailable
from schemas.records import OperatorRecord
from streams.forensic.jobs import Restorations, open_keys
from streams.forensic.restorations import Restoration
from streams.forensic.restore import Restorer
from streams.forensic.service import Forensics
from tests.support.authority import (
    NAME,
    NOW_MS,
    Desk,
    Recording,
    add_subject,
    identify_at,
    log_signer,
    open_desk,
    recorded,
)
from tests.support.cases import open_case
from tests.support.restoring import Killed, finished, work
from tests.support.services import Postgres

CHUNKS = 4


@dataclass
class Platform:
    """An operating platform that counts what it is asked for; at the `dies_at`-th chunk the asking process ends."""

    recording: Recording
    dies_at: int | None = None
    down: bool = False
    refuses: int = 0
    asked: list[int] = field(default_factory=list)

    def records(self, video_id: str) -> Any:
        if self.down:
            raise ServiceUnavailable("the operating platform is down")
        if self.refuses:
            self.refuses -= 1
            raise ServiceUnavailable("a sector can't be read")
        return self.recording.records(video_id)

    def chunk(self, video_id: str, seq: int) -> OperatorRecord:
        self.asked.append(seq)
        if self.dies_at is not None and len(self.asked) >= self.dies_at:
            raise Killed
        return self.recording.chunk(video_id, seq)


@dataclass
class Office:
    """A desk with a service; `platform` may be changed between two lives of the service."""

    desk: Desk
    platform: Platform
    keys: KeyStore
    folder: Path
    now_ms: int = NOW_MS + 3_600_000

    def service(self) -> Forensics:
        restorer = Restorer(NAME, self.desk.database, self.desk.reader, self.platform, identify_at, lambda: self.now_ms)
        service = Forensics(self.desk.database, self.desk.log, None)
        service.jobs = Restorations(
            NAME, self.desk.database, self.desk.log, restorer, self.keys, self.folder, log_signer().key,
            lambda: self.now_ms, service.may_restore,
        )
        return service

    def live(self, service: Forensics, until: Callable[[], bool]) -> None:
        """Let the service work until something holds or it dies."""
        assert service.jobs is not None
        work(service.jobs, until)

    def done(self, service: Forensics, job: Restoration) -> Restoration:
        """Work until the job is over."""
        return finished(service, job.restoration_id)


@contextmanager
def opened(home: Path, postgres: Postgres) -> Iterator[Office]:
    """An office with one recording, two subjects in it, and a case."""
    with postgres.database() as database:
        desk = open_desk(home / "desk", database)
        made = recorded(desk.epoch, CHUNKS)
        desk.take(made)
        open_case(database)
        for track in (1, 2):
            add_subject(desk, track)
        keys = open_keys(home / "desk" / "keys", home / "desk" / "secret")
        yield Office(desk, Platform(made), keys, home / "work")
        keys.close()
        desk.close()
