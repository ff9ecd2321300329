"""The worker put together: doorkeeper, stage, Faust app, health endpoint; whole, or one half of the cut topology."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from infra.kafka import KafkaAccess
from infra.tls import signer_identity
from operators.desensitise.policy import Policy
from operators.detect import Finder
from operators.effort import LEVELS
from operators.seal import Identity
from operators.sign import SigningKey
from schemas.errors import PoisonError, ServiceUnavailable
from schemas.records import RawPlace
from schemas.topics import LOCATE_GROUP, PROTECT_GROUP, RAW, WORKER_GROUP
from streams.addresses import AddressBook
from streams.app import AppSetup, WorkerApp, partition_of, run
from streams.clock import now_ms
from streams.health import HealthServer, run_out
from streams.intake import Enrolment, Intake
from streams.lanes import Limits
from streams.readiness import Doorkeeper
from streams.stage import Arrival, Stage
from streams.topology import LocateStage, Protection, ProtectStage, WholeStage

Part = Literal["whole", "locate", "protect"]
FETCH_SECONDS = 10.0
GROUPS: Mapping[Part, str] = {"whole": WORKER_GROUP, "locate": LOCATE_GROUP, "protect": PROTECT_GROUP}


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """What a worker needs.

    `opener`: the pipeline's X25519 identity; `custodian`: public key for whole frames and quarantine; `authorities`:
    name to the kinds it is entitled to; `member`: stable id within the group; `health_port`: 0 takes any free one;
    `threads`: chunks worked on side by side, 0: one a core, two at least.
    """

    kafka: KafkaAccess
    signer: SigningKey
    opener: Identity = field(repr=False)
    custodian: bytes
    authorities: Mapping[str, frozenset[str]]
    policy: Policy
    folder: Path
    member: str = "1"
    enrolment: Enrolment = field(default_factory=Enrolment)
    limits: Limits = field(default_factory=Limits)
    threads: int = 0
    health_port: int = 0
    part: Part = "whole"
    clock: Callable[[], int] | None = None


def run_worker(
    setup: WorkerSetup, detector: Finder, *, loglevel: str = "WARNING", told: Callable[[str], None] = lambda _: None
) -> None:
    """Run until told to stop; `told` hears the address of /health and /metrics.

    Raises:
        AccessDenied, ServiceUnavailable: the broker refuses or is out of reach at the start.
        SealframeError: what stopped the worker later.

    """
    ca = setup.kafka.identity.ca
    with setup.kafka.consumer("pipeline.start") as consumer:
        partitions = len(consumer.partitions(RAW))

    def identify(der: bytes) -> tuple[str, bytes]:
        return signer_identity(der, ca, at=datetime.now(UTC))

    book = AddressBook(setup.authorities, identify, now_ms)
    keeper = Doorkeeper(setup.kafka, setup.signer, book)
    intake = Intake(setup.opener, identify, setup.enrolment, lambda key: partition_of(key, partitions))
    # until the gate opens there are no routes, so the first chunk sets them
    protection = Protection(
        replace(setup.policy, authorities={}), detector, setup.signer, book, setup.custodian
    )
    app_setup = AppSetup(setup.kafka, setup.member, setup.folder, setup.limits, GROUPS[setup.part], setup.clock)
    threads = setup.threads or max(2, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads, thread_name_prefix="step") as pool:
        stage, source = _stage(setup, intake, protection)
        worker = WorkerApp(stage, source, app_setup, pool, keeper.gate)
        registry = CollectorRegistry()
        ProcessCollector(namespace="sealframe", registry=registry)
        registry.register(_Figures(worker, book))
        over = run_out(setup.kafka.identity, registry)

        def failing() -> str:
            missing = book.missing()
            return over() or worker.failing() or (f"not ready: {', '.join(missing)}" if missing else "")

        with keeper, HealthServer(registry, failing, setup.health_port) as health:
            setup.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (setup.folder / "health-port").write_text(f"{health.port}\n")
            told(f"http://127.0.0.1:{health.port}")
            run(worker, loglevel=loglevel)


def _stage(setup: WorkerSetup, intake: Intake, protection: Protection) -> tuple[Stage[Any], str]:
    if setup.part == "whole":
        return WholeStage(intake, protection), WholeStage.source
    if setup.part == "locate":
        return LocateStage(intake, protection), LocateStage.source
    return ProtectStage(intake, protection, Fetch(setup.kafka)), ProtectStage.source


class Fetch:
    """Gets a raw record by its place. A consumer of its own for each call: steps run in several threads."""

    def __init__(self, kafka: KafkaAccess) -> None:
        self._kafka = kafka

    def __call__(self, place: RawPlace) -> Arrival:
        """The record; raises PoisonError if it has been removed, ServiceUnavailable if it can't be read now."""
        with self._kafka.consumer("pipeline.fetch") as consumer:
            low, high = consumer.bounds(place.topic, place.partition)
            if not low <= place.offset < high:
                raise PoisonError(f"{place.topic}/{place.partition} at {place.offset} has been removed")
            consumer.assign([(place.topic, place.partition, place.offset)])
            message = consumer.poll(FETCH_SECONDS)
        if message is None:
            raise ServiceUnavailable(f"{place.topic}/{place.partition} at {place.offset} wasn't read in time")
        return Arrival(message.topic, message.partition, message.offset, message.key, message.value)


class _Figures(Collector):
    def __init__(self, worker: WorkerApp, book: AddressBook) -> None:
        self._worker, self._book = worker, book

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing is known before the app runs."""
        return []

    def collect(self) -> list[GaugeMetricFamily]:
        """The runner's counters, what is unacked, whether the platforms are ready, and how late live cameras are."""
        figures: dict[str, float] = {name: value for name, value in asdict(self._worker.runner.counters).items()}
        figures |= {"unacked": self._worker.runner.unacked(), "ready": float(self._book.ready())}
        figures |= self._worker.figures()
        return [
            *_lateness(dict(self._worker.runner.late)),
            *(
                GaugeMetricFamily(f"sealframe_worker_{name}", f"Worker: {name.replace('_', ' ')}", value=value)
                for name, value in figures.items()
            ),
        ]


def _lateness(cameras: Mapping[str, tuple[float, int]]) -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
    late = GaugeMetricFamily(
        "sealframe_worker_late_seconds", "How late a live camera's last chunk was done", labels=["camera"]
    )
    level = GaugeMetricFamily(
        "sealframe_worker_effort", f"What its next chunk is worth: {', '.join(LEVELS)}, from 0 on", labels=["camera"]
    )
    for camera, (seconds, now) in sorted(cameras.items()):
        late.add_metric([camera], seconds)
        level.add_metric([camera], now)
    return late, level
