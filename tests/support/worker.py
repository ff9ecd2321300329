"""A deployment around the session's broker: cameras, a worker as a process of its own, and platforms that answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from faust.transport.consumer import Consumer
from faust.types import TP

from infra import tls
from infra.atomic import write_whole
from infra.camera import open_source
from infra.kafka import KafkaAccess, Message
from infra.keys import load_signing_seed
from operators.codec import decode as decode_pictures
from operators.codec import encode as encode_pictures
from operators.desensitise.policy import Policy
from operators.seal import Identity
from operators.sign import SigningKey, sign
from schemas.codec import decode, encode, pack, unpack_as
from schemas.frames import FrameChunk
from schemas.records import OperatorBody, OperatorRecord, UploadAddress
from schemas.topics import DAY_MS, KEYS, OPERATOR_VIDEO, RAW, evidence_topic
from streams.clock import now_ms
from streams.lanes import Limits
from streams.push import Pushed, push
from streams.readiness import Responder
from streams.setup import detector
from streams.worker import Part, WorkerSetup, run_worker
from tests.support.services import AUTHORITIES, Broker

KINDS = {"city-faces": frozenset({"face"}), "city-plates": frozenset({"plate"})}
PIPELINE = Identity(b"\x11" * 32)
CUSTODIAN = Identity(b"\x12" * 32)
EPOCHS = {name: Identity(bytes([0x20 + i]) * 32) for i, name in enumerate(AUTHORITIES)}
START_SECONDS = 60.0
CLOCK = "clock"
SKEW = "skew"
WAITING_BYTES = Limits().waiting_bytes


def signing_key(tls_folder: Path, principal: str) -> SigningKey:
    """The signing key of a principal, issued when first asked for."""
    if not (tls_folder / principal / "signer.pem").exists():
        tls.issue_signer(tls_folder, principal)
    signer = tls.load_signer(tls_folder, principal)
    return SigningKey(load_signing_seed(signer.key).seed, signer.certificate_der())


@dataclass(frozen=True)
class Deployment:
    """The broker and everybody's keys."""

    broker: Broker

    def identify(self, der: bytes) -> tuple[str, bytes]:
        """Whose signature it is."""
        return tls.signer_identity(der, self.broker.tls_folder / "ca.pem", at=datetime.now(UTC))

    def signer(self, principal: str) -> SigningKey:
        """A principal's signing key."""
        return signing_key(self.broker.tls_folder, principal)

    def push(self, chunks: Iterable[FrameChunk], camera_id: str, *, as_camera: str = "") -> Pushed:
        """Push as this camera, or as another that writes in its name."""
        writer = as_camera or camera_id
        access = self.broker.camera(writer)
        with access.producer() as producer:
            return push(chunks, camera_id, producer, PIPELINE.public, self.signer(f"camera-{writer}"))

    @contextmanager
    def platforms(self, *, silent: tuple[str, ...] = ()) -> Iterator[None]:
        """Authorities have published their addresses, and all platforms but the silent ones answer."""
        for name in AUTHORITIES:
            self.publish(name)
        principals = ("operator", *(f"authority-{name}" for name in AUTHORITIES))
        running = [
            Responder(self.broker.access(principal), self.signer(principal), self.identify).start()
            for principal in principals if principal not in silent
        ]
        try:
            yield
        finally:
            for responder in running:
                responder.stop()

    def publish(self, authority: str, *, version: int = 1) -> None:
        """Publish an upload address for today."""
        day = now_ms() // DAY_MS
        address = UploadAddress(
            authority, version, evidence_topic(authority), tuple(sorted(KINDS[authority])), f"day-{day}",
            EPOCHS[authority].public, day * DAY_MS, (day + 2) * DAY_MS,
        )
        principal = f"authority-{authority}"
        with self.broker.access(principal).producer() as producer:
            record = pack("upload_address", sign(encode(address), "upload_address", self.signer(principal)))
            producer.send(KEYS, authority.encode(), record)

    def worker(
        self, folder: Path, part: str = "whole", *, dropping: bool = False, waiting_bytes: int = WAITING_BYTES,
        member: str = "1",
    ) -> Worker:
        """A worker, or half of one, that hasn't been started; `dropping`: see `drop_first`; `member` of its group.

        What `set_clock` says before it starts is the time by which it sees how late cameras are.
        """
        self.signer("pipeline")
        self.broker.identity("pipeline")
        return Worker(self.broker.bootstrap, self.broker.tls_folder, folder, part, dropping, waiting_bytes, member)

    def read(self, topic: str, principal: str) -> list[Message]:
        """All that lies in a topic."""
        with self.broker.access(principal).consumer(f"{principal}.test") as consumer:
            return consumer.read_all(topic)

    def operator(self, camera_id: str) -> list[OperatorRecord]:
        """What the operating platform got of a camera, in order."""
        mine = [m for m in self.read(OPERATOR_VIDEO, "operator") if m.key == camera_id.encode()]
        return [unpack_as("operator", message.value) for message in mine]

    def bodies(self, camera_id: str) -> list[OperatorBody]:
        """Their bodies."""
        return [decode(OperatorBody, record.signed.body) for record in self.operator(camera_id)]


@dataclass
class Worker:
    """The worker's process."""

    bootstrap: str
    tls_folder: Path
    folder: Path
    part: str = "whole"
    dropping: bool = False
    waiting_bytes: int = WAITING_BYTES
    member: str = "1"
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return at once."""
        options = [self.part, str(int(self.dropping)), str(self.waiting_bytes), self.member]
        arguments = [self.bootstrap, str(self.tls_folder), str(self.folder), *options]
        command = [sys.executable, "-m", "tests.support.worker", *arguments]
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=Path(__file__).parents[2])

    def kill(self) -> None:
        """End it without warning."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(20)

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        if self.process is None:
            return 0
        self.process.terminate()
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def set_clock(self, now_ms: int) -> None:
        """Stop the clock by which cameras are late."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / CLOCK, str(now_ms).encode())

    def set_skew(self, ahead_ms: int) -> None:
        """Let its machine's clock be so far ahead from its start on."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / SKEW, str(ahead_ms).encode())

    def log(self) -> str:
        """What it said."""
        return (self.folder / "log").read_text(errors="replace")

    def get(self, path: str) -> str:
        """Ask its health server."""
        port = (self.folder / "health-port").read_text().strip()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return error.read().decode()

    def metrics(self) -> str:
        """Its figures; empty while nobody answers."""
        try:
            return self.get("metrics")
        except (OSError, ValueError):
            return ""

    def figure(self, name: str) -> float:
        """One of its figures; 0 while nobody answers."""
        lines = (line.split() for line in self.metrics().splitlines())
        return next((float(line[1]) for line in lines if line[0] == f"sealframe_worker_{name}"), 0.0)

    def __enter__(self) -> Worker:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()


def wait_for(
    condition: Callable[[], bool], what: str, seconds: float = START_SECONDS, *, says: Callable[[], str] = str,
) -> None:
    """Look again and again until it holds; the error has what `says` then says."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:.0f} s\n{says()}")
        time.sleep(0.2)


def clip(path: Path, camera_id: str, frames: int = 12) -> list[FrameChunk]:
    """A clip in short chunks, so that a few seconds make several."""
    source = list(open_source(str(path), encode=encode_pictures, camera_id=camera_id))
    pictures = [frame for chunk in source for frame in decode_pictures(chunk).frames]
    made: list[FrameChunk] = []
    for first in range(0, len(pictures), frames):
        part = pictures[first : first + frames]
        last = first + frames >= len(pictures)
        ends = source[-1].end_pts if last else pictures[first + frames].pts
        head, times = source[0], [frame.pts for frame in part]
        units = encode_pictures([frame.planes for frame in part], times, head.format, crf=20, preset="ultrafast")
        after_ms = round((part[0].pts - pictures[0].pts) * head.format.time_base * 1000)
        made.append(replace(
            head, chunk_seq=len(made), first_frame=first, capture_ms=head.capture_ms + after_ms, codec="h264",
            units=units, end_pts=ends, end=last,
        ))
    return made


def access(bootstrap: str, tls_folder: Path, principal: str) -> KafkaAccess:
    """The broker as this principal."""
    return KafkaAccess(bootstrap, tls.load(tls_folder, principal))


def drop_first() -> None:
    """Lose the first record of each source partition between fetch and delivery, as Faust does now and then.

    After recovery it fetches before it has resumed, and resuming clears its queues (faust issue 596).
    """
    deliver, dropped = Consumer.getmany, set[TP]()

    async def getmany(self: Consumer, timeout: float) -> AsyncIterator[tuple[TP, object]]:
        async for tp, message in deliver(self, timeout):
            if tp.topic == RAW and tp not in dropped:
                dropped.add(tp)
                self._read_offset[tp] = message.offset
                continue
            yield tp, message

    Consumer.getmany = getmany


def skew(ahead_ms: int) -> None:
    """Put this process's wall clock ahead, as its own modules read it."""
    true = time.time_ns
    time.time_ns = lambda: true() + ahead_ms * 1_000_000


def main() -> None:
    """The worker's process."""
    if sys.argv[5] == "1":
        drop_first()
    bootstrap, tls_folder, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if (folder / SKEW).exists():
        skew(int((folder / SKEW).read_text()))
    stopped = (lambda: int((folder / CLOCK).read_text())) if (folder / CLOCK).exists() else None
    setup = WorkerSetup(
        access(bootstrap, tls_folder, "pipeline"), signing_key(tls_folder, "pipeline"), PIPELINE, CUSTODIAN.public,
        KINDS, Policy({}, preset="ultrafast"), folder, part=cast(Part, sys.argv[4]),
        limits=Limits(waiting_bytes=int(sys.argv[6])), member=sys.argv[7],
        clock=stopped,
    )
    run_worker(setup, detector(), loglevel=os.environ.get("SEALFRAME_TEST_LOG", "WARNING"))


if __name__ == "__main__":
    main()
