"""Disks that refuse, on both platforms: a full one is freed while a record waits for it, one that is away awaited.

The disk is a small volume of its own.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from infra import tls
from infra.kafka import Consumer, Message
from infra.keys import KeyStore, create_secret
from infra.postgres import Database
from schemas.errors import SealframeError, ServiceUnavailable
from schemas.topics import evidence_topic
from streams.authority import store as evidence_store
from streams.authority.reading import EvidenceReader
from streams.authority.service import AuthorityService, AuthoritySetup
from streams.operating.retention import Retention
from streams.operating.sink import Sink
from streams.operating.store import Store, media_path
from tests.support.authority import NAME, NOW_MS, VIDEO, recorded
from tests.support.operating import certified_key, messages, store_all
from tests.support.operator_video import identify, video
from tests.support.services import Broker, Postgres

OLD = VIDEO[:-1] + "0"
PATIENCE_SECONDS = 30.0


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """A volume of 8 MB."""
    folder = tmp_path / "volume"
    folder.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]).returncode:
        pytest.skip("mounting a small volume needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Upkeep is due whenever there is time for it."""
    for name in ("operating.sink.UPKEEP_SECONDS", "authority.service.UPKEEP_SECONDS",
                 "authority.service.RETENTION_SECONDS"):
        monkeypatch.setattr(f"streams.{name}", 0.0)


def fill(folder: Path) -> None:
    """Leave no room on the folder's disk."""
    (folder / "filler").write_bytes(bytes(shutil.disk_usage(folder).free))


def ended(thread: threading.Thread, stop: threading.Event) -> bool:
    """It ends by itself; told to where it doesn't."""
    thread.start()
    thread.join(PATIENCE_SECONDS)
    by_itself = not thread.is_alive()
    stop.set()
    thread.join()
    return by_itself


class OneBatch(Consumer):
    """A consumer of these records; the disk is full by the time they come. It is over when they are committed."""

    def __init__(self, given: list[Message], folder: Path, stop: threading.Event) -> None:
        self._given, self._folder, self._stop = given, folder, stop

    def poll(self, seconds: float) -> Message | None:
        if not (self._folder / "filler").exists():
            fill(self._folder)
        return self._given.pop(0) if self._given else None

    def commit(self, message: Message) -> None:
        self._stop.set()


def test_operating_platform_frees_the_disk_that_a_batch_waits_for(
    own_broker: Broker, operator_database: Database, volume: Path
) -> None:
    old, new, stop = video(4, camera="old"), video(2, camera="new"), threading.Event()
    store = Store(operator_database, volume)
    store_all(store, old)
    sink = Sink(
        OneBatch(messages(new.records), volume, stop), own_broker.access("operator").producer(), store, identify,
        CollectorRegistry(),
    )
    keeper = Retention(operator_database, store, ())
    thread = threading.Thread(
        target=sink.run, args=(stop,), kwargs={"upkeep": lambda: keeper.run(time.time_ns() // 1_000_000)}
    )
    assert ended(thread, stop)
    assert not media_path(volume, old.video_id).exists()
    assert media_path(volume, new.video_id).read_bytes() == b"".join(record.media for record in new.records)
    store.close()


def test_sink_that_waits_for_its_disk_ends_with_what_it_is_told_of(
    own_broker: Broker, operator_database: Database, volume: Path
) -> None:
    store, stop = Store(operator_database, volume), threading.Event()
    consumer = OneBatch(messages(video(2).records), volume, stop)
    sink = Sink(consumer, own_broker.access("operator").producer(), store, identify, CollectorRegistry())

    def check() -> None:
        if sink.failing:
            raise SealframeError("the server ended")

    late = threading.Timer(PATIENCE_SECONDS, stop.set)
    late.start()
    with pytest.raises(SealframeError, match="the server ended"):
        sink.run(stop, check)
    late.cancel()
    store.close()


@pytest.fixture
def authority(
    own_broker: Broker, postgres_authority: Postgres, tmp_path: Path, volume: Path
) -> Iterator[AuthorityService]:
    principal = f"authority-{NAME}"
    setup = AuthoritySetup(
        NAME, ["face"], own_broker.access(principal), tls.issue_signer(own_broker.tls_folder, principal),
        postgres_authority.fresh()[0], volume / "evidence", tmp_path / "keys", create_secret(tmp_path / "secret"),
    )
    with AuthorityService(setup, None) as service:
        yield service


def evidence(own_broker: Broker, tmp_path: Path, name: str, chunks: int = 1) -> list[Message]:
    """Evidence of a video, as it lies in the topic since long ago."""
    with KeyStore(tmp_path / "keys", tmp_path / "secret") as keys:
        public = keys.create_identity("day").public
    made = recorded(public, chunks, video=name, signer=certified_key(own_broker.tls_folder))
    return [Message(evidence_topic(NAME), 0, seq, b"cam", value, NOW_MS) for seq, value in enumerate(made.evidence)]


def test_authority_frees_the_disk_that_a_record_waits_for(
    authority: AuthorityService, own_broker: Broker, tmp_path: Path, volume: Path
) -> None:
    for message in evidence(own_broker, tmp_path, OLD, 2):
        authority.take(message)
    [new] = evidence(own_broker, tmp_path, VIDEO)
    fill(volume)
    stop = threading.Event()
    assert ended(threading.Thread(target=authority._insist, args=(new, stop)), stop)
    assert not evidence_store.evidence_path(volume / "evidence", OLD).exists()
    assert new.value in evidence_store.evidence_path(volume / "evidence", VIDEO).read_bytes()


def test_folder_that_isnt_mounted_is_waited_for_and_no_evidence_is_refused(
    authority: AuthorityService, own_broker: Broker, tmp_path: Path, volume: Path
) -> None:
    first, second = evidence(own_broker, tmp_path, VIDEO, 2)
    authority.take(first)
    folder = volume / "evidence"
    folder.rename(volume / "away")
    folder.mkdir()
    with pytest.raises(ServiceUnavailable, match="mounted"):
        authority.take(second)
    with pytest.raises(ServiceUnavailable, match="mounted"):
        authority.read_next()
    with pytest.raises(ServiceUnavailable, match="mounted"):
        authority.upkeep()  # which would go by another disk
    assert list(folder.iterdir()) == []
    folder.rmdir()
    (volume / "away").rename(folder)
    authority.take(second)
    assert second.value in evidence_store.evidence_path(folder, VIDEO).read_bytes()


def test_evidence_that_cant_be_read_now_isnt_lost(
    authority: AuthorityService, own_broker: Broker, tmp_path: Path, volume: Path
) -> None:
    [message] = evidence(own_broker, tmp_path, VIDEO)
    authority.take(message)
    with authority._database.connection() as db:
        place = evidence_store.places(db, VIDEO)[0]
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with KeyStore(tmp_path / "keys", tmp_path / "secret") as keys:
        reader = EvidenceReader(NAME, keys, volume / "evidence")
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
        try:
            with pytest.raises(ServiceUnavailable, match=f"{VIDEO}.* chunk 0"):
                reader.record(VIDEO, place)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert reader.record(VIDEO, place).chunk_seq == 0
